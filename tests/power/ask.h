/*
 * Requests to a whole broker, each as one call. The answer is Kafka's error code, or ASK_NONE when
 * there was no answer, which a broker under broken files may give.
 */
#ifndef TESTS_POWER_ASK_H
#define TESTS_POWER_ASK_H

#include "tests/api/whole.h"

#define ASK_NONE    (-1000)
#define ASK_WAIT_MS 60000 /* a loaded machine is slow; nothing waits so long by itself */

/* How long a coordinator is asked again that is not there yet. */
extern int64_t ask_again_ms;

/* Settings of the topic as "key=value", NULL at the end. */
int ask_create_topic(struct whole *whole, const char *name, int32_t partitions,
		     const char *const *settings);
int ask_delete_topic(struct whole *whole, const char *name);
/* Is there such a topic? *id is its id. */
int ask_topic(struct whole *whole, const char *name, struct uuid *id);
int ask_set_config(struct whole *whole, const char *topic, const char *name, int64_t value);
/* -1 when it is not set on the topic. */
int ask_config(struct whole *whole, const char *topic, const char *name, int64_t *value);
int ask_producer_id(struct whole *whole, int64_t *producer_id);

/* A batch whose records say their own numbers, the first of them its sequence. */
struct ask_batch {
	const char *topic;
	int32_t partition;
	int64_t first, count;
	int64_t producer_id; /* -1: not idempotent */
	size_t value_bytes;  /* of each record, at least 8 */
};
int ask_produce(struct whole *whole, const struct ask_batch *of, int64_t *base_offset);
/* Producers and records of long ago are forgotten, so time begins when the scenario did. */
extern int64_t ask_epoch_ms;
#define ASK_TIMESTAMP(number) (ask_epoch_ms + (number)*10)

/*
 * From the log start to the high watermark; every record must say its own offset as its number and
 * follow upon the one before. False in *good: it is not so, and why has been printed.
 */
int ask_read_all(struct whole *whole, const char *topic, int32_t partition, int64_t *start,
		 int64_t *end, bool *good);
/* timestamp, -1: the end, -2: the start */
int ask_offset(struct whole *whole, const char *name, int32_t partition, int64_t timestamp,
	       int64_t *offset);
int ask_delete_records(struct whole *whole, const char *name, int32_t partition, int64_t offset);
int ask_commit(struct whole *whole, const char *topic, int32_t partition, int64_t offset);
/* -1 when there is none. */
int ask_committed(struct whole *whole, const char *topic, int32_t partition, int64_t *offset);

#endif
