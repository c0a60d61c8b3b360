/*
 * The metadata image: all that the cluster's metadata says at one offset of its log.
 *
 * An image is immutable once published, and persistent in the data-structure sense: the next one
 * shares everything with it but the paths to what changed, so a change costs in proportion to the
 * change. Any thread may read an image that was handed to it; references are counted on the control
 * loop alone (a loop holds the image of its turn through the controller's publication, see
 * controller.h, and never counts).
 *
 * Before it is published an image is changed in place by the control loop (image_apply.h). What was
 * made under the current `edit` belongs to this version only and is changed where it lies;
 * everything older is copied first.
 *
 * Topics are known by id inside and by name only at the edge. Names and strings in an image live as
 * long as the image.
 */
#ifndef META_IMAGE_H
#define META_IMAGE_H

#include "base/arena.h"
#include "base/pmap.h"
#include "base/str.h"

struct partition; /* the running partition, of the room partition; opaque here */

#define IMAGE_NO_LEADER (-1)

/* Resource types of configs, as in ConfigRecord and on the wire. */
enum image_config_type {
	IMAGE_CONFIG_TOPIC = 2,
	IMAGE_CONFIG_BROKER = 4, /* name "" is the cluster's default */
	IMAGE_CONFIG_CLIENT_METRICS = 16,
	IMAGE_CONFIG_GROUP = 32,
};

/* -- partitions ----------------------------------------------------------------------------- */

/* Read-only outside. The lists lie behind it: image_replicas() and the others. */
struct image_partition {
	uint32_t refs;
	uint64_t edit;
	struct partition *local; /* set by the control loop before publication; NULL: none here */
	int32_t leader;		 /* IMAGE_NO_LEADER: none */
	int32_t leader_epoch;
	int32_t partition_epoch;
	int8_t leader_recovery_state; /* 1: elected uncleanly and not yet recovered */
	uint16_t replicas_len, isr_len, removing_len, adding_len, elr_len, last_known_elr_len;
	_Alignas(4) struct uuid directories[]; /* replicas_len of them; the int32 lists follow */
};

struct image_ids {
	const int32_t *ptr;
	size_t len;
};

struct image_ids image_replicas(const struct image_partition *part);
struct image_ids image_isr(const struct image_partition *part);
struct image_ids image_removing(const struct image_partition *part);
struct image_ids image_adding(const struct image_partition *part);
struct image_ids image_elr(const struct image_partition *part);
struct image_ids image_last_known_elr(const struct image_partition *part);

/* -- topics --------------------------------------------------------------------------------- */

#define IMAGE_CHUNK_LEN 64

struct image_chunk {
	uint32_t refs;
	uint64_t edit;
	struct image_partition *parts[IMAGE_CHUNK_LEN];
};

/* Read-only outside. */
struct image_topic {
	uint32_t refs;
	uint64_t edit;
	struct uuid id;
	struct str name;
	bool internal; /* __consumer_offsets, __transaction_state, __share_group_state */
	int32_t partitions_len;
	size_t chunks_len, chunks_size;
	struct image_chunk **chunks;
};

/* NULL: no such partition. */
static inline const struct image_partition *image_partition_at(const struct image_topic *topic,
							       int32_t idx)
{
	const struct image_chunk *chunk;

	if (idx < 0 || idx >= topic->partitions_len)
		return NULL;
	chunk = topic->chunks[idx / IMAGE_CHUNK_LEN];
	return chunk == NULL ? NULL : chunk->parts[idx % IMAGE_CHUNK_LEN];
}

bool image_name_is_internal(struct str name);

/* Directories that are none: not known (older metadata), not yet chosen, failed with its log. */
#define IMAGE_DIR_MIGRATING  uuid_of(0, 0)
#define IMAGE_DIR_UNASSIGNED uuid_of(0, 1)
#define IMAGE_DIR_LOST	     uuid_of(0, 2)

/* -- brokers and controllers ---------------------------------------------------------------- */

struct image_endpoint {
	struct str listener; /* upper case, as in `listeners` */
	struct str host;
	uint16_t port;
	int16_t security_protocol; /* 0 PLAINTEXT 1 SSL 2 SASL_PLAINTEXT 3 SASL_SSL */
};

struct image_range { /* of a feature that a node supports */
	struct str name;
	int16_t min, max;
};

/* Read-only outside. */
struct image_broker {
	uint32_t refs;
	struct arena arena; /* holds what the pointers below point to */
	int32_t id;
	int64_t epoch; /* the offset of its registration record */
	struct uuid incarnation;
	bool fenced, in_shutdown;
	struct str rack; /* null: none */
	struct image_endpoint *endpoints;
	size_t endpoints_len;
	struct image_range *features;
	size_t features_len;
	struct uuid *log_dirs;
	size_t log_dirs_len;
	struct uuid *cordoned_dirs;
	size_t cordoned_dirs_len;
	bool has_cordoned_dirs;
	bool migrating;
};

struct image_feature {
	uint32_t refs;
	struct str name;
	int16_t level;
};

/* -- the image ------------------------------------------------------------------------------ */

/* Read-only outside the room. */
struct image {
	uint32_t magic;
	uint32_t refs;
	uint64_t edit;
	struct str cluster_id;
	int64_t
	    offset; /* of the last record applied; -1: none. Also the finalized features' epoch */
	int32_t epoch;	       /* the raft epoch of that record */
	int64_t timestamp_ms;  /* its batch's append time */
	int16_t kraft_version; /* a finalized feature too, though no FeatureLevelRecord says so */
	int64_t next_producer_id;
	int64_t partitions_len; /* of all topics */
	int64_t offline_len;	/* partitions without a leader */
	struct pmap *topics_by_name;
	struct pmap *topics_by_id;
	struct pmap *collisions; /* see image_topic_collision */
	struct pmap *brokers;	 /* by id, big-endian */
	struct pmap *features;	 /* by name: finalized levels above 0 */
	struct pmap *configs;	 /* see image_config_get */
	/*
	 * Records of tables that no room uses yet (access control, SCRAM, quotas, tokens,
	 * controllers' registrations), as they stand in the log, by what identifies them: a
	 * snapshot loses nothing.
	 */
	struct pmap *kept;
};

#define IMAGE_MAGIC 0x17a6e001u

const struct image_topic *image_topic_by_name(const struct image *img, struct str name);
const struct image_topic *image_topic_by_id(const struct image *img, struct uuid id);
size_t image_topics_len(const struct image *img);
/* The first topic in the order of names with a name >= from, or > from; NULL at the end. */
const struct image_topic *image_topic_seek(const struct image *img, struct str from, bool after);

/*
 * A topic whose name is the same but for '.' and '_', which metric names cannot tell apart; null:
 * none. Looks only at names with one of the two.
 */
struct str image_topic_collision(const struct image *img, struct str name);

#define IMAGE_TOPICS_FOREACH(img, topic)                                                \
	for (const struct image_topic *topic = image_topic_seek((img), STR(""), false); \
	     topic != NULL; topic = image_topic_seek((img), topic->name, true))

const struct image_partition *image_partition_find(const struct image *img, struct uuid topic_id,
						   int32_t idx);

const struct image_broker *image_broker_find(const struct image *img, int32_t id);
/* In the order of ids: the first with an id >= from; NULL at the end. */
const struct image_broker *image_broker_seek(const struct image *img, int32_t from);
/*
 * Has the broker this directory online? Counts as yes: one that is not known or not chosen yet, and
 * any of a broker that registered none (older metadata).
 */
bool image_broker_has_dir(const struct image_broker *broker, struct uuid dir);
/* By listener name; NULL: the broker has no such listener. */
const struct image_endpoint *image_broker_endpoint(const struct image_broker *broker,
						   struct str listener);

/* Finalized level; 0 when it is not. */
int16_t image_feature_level(const struct image *img, struct str name);
/* In the order of names; NULL at the end. Start with STR(""), false. */
const struct image_feature *image_feature_seek(const struct image *img, struct str from,
					       bool after);

/* What was set dynamically; a null str when nothing was. Synonyms and defaults: config.h. */
struct str image_config_get(const struct image *img, enum image_config_type type, struct str name,
			    struct str key);
/* The resource's next setting in the order of keys, after `key` (a null str: from the start). */
struct image_config {
	struct str key, value;
};
bool image_config_next(const struct image *img, enum image_config_type type, struct str name,
		       struct str key, struct image_config *out);
/* The next resource of a type that has settings, after `name` (a null str: from the start). */
bool image_config_resource_next(const struct image *img, enum image_config_type type,
				struct str name, struct str *out);
/* The next resource of any type, after *ref (zeroed: from the start). */
struct image_resource_ref {
	enum image_config_type type;
	struct str name;
};
bool image_resource_next(const struct image *img, struct image_resource_ref *ref);

/* The next kept record after *key (empty: from the start), which is moved on. */
bool image_kept_next(const struct image *img, struct bytes *key, struct bytes *record);

#endif
