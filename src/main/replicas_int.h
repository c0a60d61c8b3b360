/* What replicas_*.c share; control loop only, but for a found one while it is being opened. */
#ifndef MAIN_REPLICAS_INT_H
#define MAIN_REPLICAS_INT_H

#include <stdatomic.h>

#include "base/hash.h"
#include "base/rnd.h"
#include "main/replicas.h"
#include "store/plog.h"

/* A log directory, and what its partitions share. */
struct replicas_place {
	struct logdir *logdir;
	struct plog_env plog_env;
	size_t partitions_len;
	bool refused; /* the new partition that is being placed */
};

/* A directory that was found at start and that the metadata has not claimed yet. */
struct found {
	UT_hash_handle hh;
	char *name; /* <topic>-<n>: the key */
	struct str topic;
	int32_t idx;
	struct uuid topic_id;
	bool unnamed;	  /* its topic id is lost: it is opened when the metadata knows its name */
	struct plog *log; /* NULL: could not be opened, or is not yet */
	int64_t recovery_point, cleaned;
	struct replicas_place *place;
	struct replicas *replicas;
	struct job job;
};

/* Topics with equal settings share one; they are few, and stay until the end. */
struct shared_config {
	struct shared_config *next;
	struct plog_config cfg;
};

struct replicas {
	struct replicas_options options;
	struct seg_cache *cache;
	struct replicas_place *places; /* as many as there are log directories */
	struct partition_env partition_env;
	struct shared_config *configs;
	struct plog_config at_open; /* until the topic's own are known */
	struct found *found;
	_Atomic size_t to_open, opened; /* at start: partition directories */
	_Atomic int64_t told_ms;	/* when the log line about these was written, monotonic */
	struct coord *coord;
	struct rnd rnd;
	int64_t
	    delete_delay_ms; /* log.segment.delete.delay.ms now: for directories, as Kafka does */
	size_t missing_len;  /* partitions left out at start: their directories are not here */
	size_t anew_len;     /* partitions made at start: their directories are no more */
	bool started;
	bool ended;
};

/* replicas_config.c */
/* Shared by all topics with these settings; valid until replicas_free. */
const struct plog_config *replicas_plog_config(struct replicas *replicas, const struct image *img,
					       const struct topic_config *topic);
struct partition_rules replicas_rules(const struct topic_config *topic);
void replicas_free_configs(struct replicas *replicas);

/* replicas_open.c */
/* What was found of this partition, if it is of this very topic. */
struct found *replicas_claim(struct replicas *replicas, const char *name, struct uuid topic_id);
/* Renames its directory: no partition of this cluster's. */
void replicas_set_aside(struct replicas *replicas, struct found *found);
void replicas_forget(struct replicas *replicas, struct found *found);

#endif
