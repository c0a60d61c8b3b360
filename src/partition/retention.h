/*
 * Retention: each log.retention.check.interval.ms every partition drops the segments that are too
 * old or too many (plog_retain). Lives on the control loop; the walk is made by a worker, in
 * slices, so that it holds up neither the loop nor the other jobs. No timer while there is no
 * partition.
 */
#ifndef PARTITION_RETENTION_H
#define PARTITION_RETENTION_H

#include "partition/checkpointer.h"
#include "partition/partition.h"

struct retention;

struct retention_options {
	struct loop *control;
	struct worker_pool *workers;
	struct checkpointer *checkpointer; /* told when a log start has moved */
	int64_t initial_delay_ms;	   /* log.initial.task.delay.ms */
	int64_t interval_ms;		   /* log.retention.check.interval.ms */
};

struct retention *retention_new(const struct retention_options *options) must_check;
/* After the loops have ended, with no job under way and the control loop's mail delivered. */
void retention_free(struct retention *retention);

void retention_add(struct retention *retention, struct partition *part);
/* A slice may still be at it, with a reference of its own. */
void retention_remove(struct retention *retention, struct partition *part);
/* Nothing new is begun from now on. */
void retention_stop(struct retention *retention);
/* A check now, beside those of the timer: for tests, and when space is short. */
void retention_check(struct retention *retention);

/* Somebody else has dropped segments of its partitions: their log starts are made durable. */
void retention_dropped(struct retention *retention);
/* References on all partitions, malloc'd; NULL and none when memory is out. */
struct partition **retention_refs(const struct retention *retention, size_t *refs_len) must_check;

struct retention_counts {
	uint64_t checks, segs, bytes; /* walks ended; what they dropped */
};
struct retention_counts retention_counts(const struct retention *retention);

#endif
