/*
 * All settings, in one table: config_rows.def. Parsing, checks, DescribeConfigs, dynamic change and
 * the manual page barnabas.properties(5) come from it. Every broker, topic, group and
 * client-metrics config of Apache Kafka 4.3 has a row there, which says whether it is honoured, or
 * accepted without effect.
 *
 * Two things hold values. `struct config` is what server.properties and --override gave: made at
 * start, never changed later, so any thread may read it. What clients changed since is in the
 * metadata image; those who honour a dynamic setting ask config_dynamic_*(), or
 * topic_config_resolve() for a topic, with the image that they see (NULL is an image without any
 * setting).
 *
 * (autoconf's config.h is another file: nothing in this directory may include "config.h".)
 */
#ifndef META_CONFIG_H
#define META_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum config_type {
	CONFIG_TYPE_BOOLEAN = 1, /* the numbers are those of DescribeConfigs' answer */
	CONFIG_TYPE_STRING,
	CONFIG_TYPE_INT,
	CONFIG_TYPE_SHORT,
	CONFIG_TYPE_LONG,
	CONFIG_TYPE_DOUBLE,
	CONFIG_TYPE_LIST,
	CONFIG_TYPE_CLASS,
	CONFIG_TYPE_PASSWORD,
};

/* What may be described and changed: the numbers of ConfigResource, and of ConfigRecord's
 * ResourceType. */
enum config_resource {
	CONFIG_RESOURCE_TOPIC = 2,
	CONFIG_RESOURCE_BROKER = 4, /* named by its id, or "" for the default of the cluster */
	CONFIG_RESOURCE_LOGGER = 8,
	CONFIG_RESOURCE_METRICS = 16,
	CONFIG_RESOURCE_GROUP = 32,
};

/* When a broker's setting may change. */
enum config_update { CONFIG_READ_ONLY, CONFIG_PER_BROKER, CONFIG_CLUSTER_WIDE };

/* Whether this broker acts on it. */
enum config_use {
	CONFIG_HONOURED,
	CONFIG_LATER,	  /* accepted and shown; acted upon once the feature is built */
	CONFIG_NO_EFFECT, /* accepted and shown; there is nothing here that it could steer */
};

enum config_check_kind {
	CONFIG_CHECK_ANY,
	CONFIG_CHECK_RANGE,	/* low .. high, both allowed */
	CONFIG_CHECK_MINUS1_OR, /* -1, or low .. high */
	CONFIG_CHECK_ONE_OF,	/* of words; of a list, each one */
	CONFIG_CHECK_ONE_OF_ANYCASE,
	CONFIG_CHECK_NON_EMPTY,
	CONFIG_CHECK_NON_NULL,
	CONFIG_CHECK_REPLICAS, /* "*", or partition:broker,... */
	CONFIG_CHECK_COUNTS,   /* host:number,... */
	CONFIG_CHECK_RESET,    /* latest, earliest or by_duration:PnDTnHnMn.nS */
};

struct config_check {
	enum config_check_kind kind;
	bool filled; /* a list: at least one entry */
	double low, high;
	const char *words; /* separated by commas */
};

struct config;

/* One row for each config; the ids are made from config_rows.def. */
enum config_id {
	CONFIG_NONE = -1,
#define BROKER(id, ...)	 CONFIG_##id,
#define TOPIC(id, ...)	 TOPIC_CONFIG_##id,
#define GROUP(id, ...)	 GROUP_CONFIG_##id,
#define METRICS(id, ...) METRICS_CONFIG_##id,
#include "meta/config_rows.def"
#undef BROKER
#undef TOPIC
#undef GROUP
#undef METRICS
	CONFIG_COUNT
};

#define CONFIG_SYNONYMS_MAX 3

struct config_row {
	const char *name;
	enum config_resource resource; /* BROKER, TOPIC, GROUP or METRICS */
	enum config_type type;
	const char *value_default; /* NULL: null, or required */
	struct config_check check;
	enum config_update update;
	bool hidden; /* shown only when it is set */
	enum config_use use;
	enum config_id synonyms[CONFIG_SYNONYMS_MAX]; /* broker's rows behind a topic's or group's,
							 best first */
	const char *doc;
};

/* Rows of one resource stand together, in the order of names. */
extern const struct config_row config_rows[CONFIG_COUNT];
/* CONFIG_NONE when there is none. */
enum config_id config_find(enum config_resource resource, struct str name);
/* [*first, *end) are the rows of this resource. */
void config_range(enum config_resource resource, enum config_id *first, enum config_id *end);

#define CONFIG_MESSAGE_SIZE 512

/*
 * Is the value one that this row takes? ERR_INVALID_CONFIG with Kafka's message if not. Value may
 * be null where the row's default is.
 */
enum err config_check(enum config_id id, struct str value,
		      char message[CONFIG_MESSAGE_SIZE]) must_check;

/* -- the broker's own settings -------------------------------------------------------------- */

/* All at their defaults. NULL when memory is out. */
struct config *config_new(void) must_check;
void config_free(struct config *cfg);

/*
 * One setting, before config_finish. A later one of the same name wins. `origin` says where it
 * stood, as "server.properties:12" or "--override". ERR_BADCONFIG with a message that says where,
 * key, what was found and what is allowed; nothing has changed then. Keys that are not in the table
 * are kept (listener.name.*, plug-ins' own) and *unknown is set, so that the caller may warn;
 * `message` then says what of.
 */
enum err config_set(struct config *cfg, struct str name, struct str value, const char *origin,
		    bool *unknown, char message[CONFIG_MESSAGE_SIZE]) must_check;
/* Every setting of a properties file. What is unknown is warned of in the log. ERR_BADCONFIG. */
enum err config_load(struct config *cfg, const char *path,
		     char message[CONFIG_MESSAGE_SIZE]) must_check;
/* "key=value" from the command line; it stands over the file when it comes later. ERR_BADCONFIG. */
enum err config_override(struct config *cfg, const char *text,
			 char message[CONFIG_MESSAGE_SIZE]) must_check;

/*
 * Reads what belongs together (listeners, roles, quorum, directories), checks it across rows and
 * fills in what follows from other settings. After it nothing changes any more. ERR_BADCONFIG with
 * a message.
 */
enum err config_finish(struct config *cfg, char message[CONFIG_MESSAGE_SIZE]) must_check;

/*
 * The values at start: what was set, else the default. Asking a row for a type it has not is a bug.
 * int64 serves INT, SHORT and LONG; where the value is null it gives -1. str gives the text of any
 * type (null if it has none), valid as long as cfg.
 */
bool config_is_set(const struct config *cfg, enum config_id id);
bool config_bool(const struct config *cfg, enum config_id id);
int64_t config_int64(const struct config *cfg, enum config_id id);
double config_double(const struct config *cfg, enum config_id id);
struct str config_str(const struct config *cfg, enum config_id id);
/* Walks a list's entries: *pos is 0 at first; false at the end. */
bool config_list_next(struct str list, size_t *pos, struct str *entry);

/* Derived by Kafka's rules, after config_finish. */
int64_t
config_log_retention_ms(const struct config *cfg); /* of .ms, .minutes, .hours; -1: for ever */
int64_t config_log_roll_ms(const struct config *cfg);
int64_t config_log_roll_jitter_ms(const struct config *cfg);
int64_t config_log_flush_interval_ms(const struct config *cfg); /* 1000 unless set; see DESIGN.md */
/* Of log.dirs, or of log.dir where that is not set; one at least. */
const char *const *config_log_dirs(const struct config *cfg, size_t *len);
const char *config_metadata_log_dir(const struct config *cfg);
int32_t config_node_id(const struct config *cfg);
/* controller.quorum.voters is set: the directory is formatted with kraft.version 0. */
bool config_has_static_voters(const struct config *cfg);

/* -- values that clients have changed -------------------------------------------------------- */

struct image; /* meta/image.h */

/*
 * A broker's setting now: this broker's record, else the cluster default's, else the one at start.
 */
struct str config_dynamic_str(const struct config *cfg, const struct image *image,
			      enum config_id id);
int64_t config_dynamic_int64(const struct config *cfg, const struct image *image,
			     enum config_id id);
double config_dynamic_double(const struct config *cfg, const struct image *image,
			     enum config_id id);
bool config_dynamic_bool(const struct config *cfg, const struct image *image, enum config_id id);
/* A group's setting now (row GROUP_CONFIG_...), held to the broker's bounds as Kafka does. */
int64_t config_group_int64(const struct config *cfg, const struct image *image, struct str group,
			   enum config_id id);

/* Where a value comes from: the numbers of DescribeConfigs. */
enum config_source {
	CONFIG_SOURCE_UNKNOWN = 0,
	CONFIG_SOURCE_TOPIC = 1,
	CONFIG_SOURCE_BROKER = 2,
	CONFIG_SOURCE_BROKER_DEFAULT = 3,
	CONFIG_SOURCE_STATIC = 4,
	CONFIG_SOURCE_DEFAULT = 5,
	CONFIG_SOURCE_LOGGER = 6,
	CONFIG_SOURCE_METRICS = 7,
	CONFIG_SOURCE_GROUP = 8,
};

struct config_synonym {
	struct str name;
	struct str value;
	enum config_source source;
};

/* One config of one resource, as DescribeConfigs and CreateTopics show it. */
struct config_value {
	struct str name;
	enum config_id id; /* CONFIG_NONE: a name that the table does not know */
	int8_t type;	   /* enum config_type; 0 when it is not known */
	struct str value;  /* null when it is sensitive */
	enum config_source source;
	bool read_only, sensitive;
	struct config_synonym *synonyms; /* best first */
	size_t synonyms_len;
	const char *doc; /* NULL: none */
};

/*
 * All that stock Kafka shows of a resource: effective values and where each comes from, in the
 * order of names, a topic's in Kafka's own. Resource BROKER: this broker by its id, or "" for the
 * cluster's default, of which only what was set is shown. TOPIC, GROUP, METRICS: the named one,
 * there or not. Strings point into cfg, the image or the arena. ERR_NOMEM.
 */
enum err config_describe(const struct config *cfg, const struct image *image,
			 enum config_resource resource, struct str resource_name,
			 struct arena *arena, struct config_value **values,
			 size_t *values_len) must_check;

/* -- topics ----------------------------------------------------------------------------------- */

#define TOPIC_CLEANUP_DELETE  1u
#define TOPIC_CLEANUP_COMPACT 2u

enum topic_compression { /* as in a batch's attributes */
			 TOPIC_COMPRESSION_NONE,
			 TOPIC_COMPRESSION_GZIP,
			 TOPIC_COMPRESSION_SNAPPY,
			 TOPIC_COMPRESSION_LZ4,
			 TOPIC_COMPRESSION_ZSTD,
			 TOPIC_COMPRESSION_PRODUCER, /* as the client sent it */
};

/* A topic's effective settings. */
struct topic_config {
	int32_t segment_bytes;
	int64_t segment_ms, segment_jitter_ms;
	int32_t segment_index_bytes, index_interval_bytes;
	int64_t retention_ms, retention_bytes; /* -1: without end */
	unsigned cleanup;		       /* TOPIC_CLEANUP_* */
	int32_t max_message_bytes;
	bool log_append_time; /* message.timestamp.type */
	int64_t timestamp_before_max_ms, timestamp_after_max_ms;
	enum topic_compression compression;
	int32_t gzip_level, lz4_level, zstd_level;
	int64_t flush_messages, flush_ms; /* INT64_MAX: never */
	int32_t min_insync_replicas;
	bool unclean_leader_election, preallocate;
	int64_t file_delete_delay_ms, delete_retention_ms;
	int64_t min_compaction_lag_ms, max_compaction_lag_ms;
	double min_cleanable_dirty_ratio;
};

void topic_config_resolve(const struct config *cfg, const struct image *image, struct str topic,
			  struct topic_config *out);

/* May a topic have this (CreateTopics, AlterConfigs)? ERR_INVALID_CONFIG with Kafka's message if
 * not. */
enum err config_topic_check(struct str name, struct str value,
			    char message[CONFIG_MESSAGE_SIZE]) must_check;

/* -- for the controller ----------------------------------------------------------------------- */

struct config_pair {
	struct str name, value; /* null: taken away */
};

/*
 * May a client set or delete this one on this resource? ERR_INVALID_CONFIG (unknown name, bad
 * value), ERR_INVALID_REQUEST (not dynamic, or not per broker), with Kafka's message.
 */
enum err config_check_change(const struct config *cfg, enum config_resource resource,
			     struct str resource_name, struct config_pair pair,
			     char message[CONFIG_MESSAGE_SIZE]) must_check;
/* And do all settings that the resource would then have go together? */
enum err config_check_together(const struct config *cfg, const struct image *image,
			       enum config_resource resource, struct str resource_name,
			       const struct config_pair *pairs, size_t pairs_len,
			       char message[CONFIG_MESSAGE_SIZE]) must_check;

#endif
