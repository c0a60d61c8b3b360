/* What the files of config share with each other, and nobody else includes. */
#ifndef META_CONFIG_IMPL_H
#define META_CONFIG_IMPL_H

#include "meta/config.h"
#include "meta/config_listeners.h"

/* -- config_check.c: text <-> value --------------------------------------------------------- */

struct config_parsed {
	int64_t number; /* BOOLEAN (0, 1), SHORT, INT, LONG; -1 when the value is null */
	double real;	/* DOUBLE */
};

/* As config_check, and tells the value. */
enum err config_parse(enum config_id id, struct str value, struct config_parsed *out,
		      char message[CONFIG_MESSAGE_SIZE]) must_check;
/* The text as Kafka prints the value back: trimmed, `true` for TRUE, lists without repetitions. */
struct str config_canonical(enum config_id id, struct str value, struct arena *arena);
/* What the row takes, for a message: "an integer from 1 to 9". */
void config_allowed(enum config_id id, char *buf, size_t size_bytes);

/* -- config.c -------------------------------------------------------------------------------- */

struct config_cell {
	bool set;
	struct str raw;	 /* as it was written */
	struct str text; /* canonical; null: no value */
	struct config_parsed parsed;
	const char *origin; /* where it was set, NULL: nowhere */
};

/* A setting that the table does not know. */
struct config_extra {
	struct str name, raw;
	struct config_extra *next;
};

#define CONFIG_LISTENERS_MAX 64

struct config {
	uint32_t magic;
	bool finished;
	struct arena arena;	   /* all its strings */
	struct config_cell *cells; /* of the broker's rows, by id */
	struct config_extra *extras;
	size_t extras_len;
	struct config_listener listeners[CONFIG_LISTENERS_MAX];
	size_t listeners_len;
	const char *inter_broker_listener;
	const char **log_dirs;
	size_t log_dirs_len;
	const char *metadata_log_dir;
	struct str node_id_text;
	struct topic_config topic_base; /* what a topic has when nothing was changed dynamically */
};

#define CONFIG_MAGIC 0xc0f19001u

/* "server.properties:7: node.id: found "x"; " and then what is wrong. Always ERR_BADCONFIG. */
enum err config_complain(const struct config *cfg, enum config_id id,
			 char message[CONFIG_MESSAGE_SIZE], const char *format, ...)
    __attribute__((format(printf, 4, 5))) must_check;

/* -- config_dynamic.c: what a broker allows its groups ------------------------------------- */

struct config_bound {
	enum config_id id;	  /* the group's row */
	enum config_id low, high; /* the broker's rows; low may be CONFIG_NONE */
};
extern const struct config_bound config_group_bounds[];
extern const size_t config_group_bounds_len;

/* -- config_listeners.c, config_topic.c ------------------------------------------------------- */

enum err config_listeners_read(struct config *cfg, char message[CONFIG_MESSAGE_SIZE]) must_check;
void config_topic_base(const struct config *cfg, struct topic_config *out);

/* The broker's row under a listener's prefix, "listener.name.x.max.connections"; or CONFIG_NONE. */
enum config_id config_find_prefixed(struct str name);

#endif
