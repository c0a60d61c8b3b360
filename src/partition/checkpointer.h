/*
 * Knows every partition and writes the checkpoint files of the log directories, each with what lies
 * in it: recovery points (so that recovery has little to read), high watermarks, and log starts (so
 * that deleted records stay deleted).
 *
 * Lives on the control loop; the files are written by a worker, one writing at a time. A timer is
 * armed only while something has changed.
 */
#ifndef PARTITION_CHECKPOINTER_H
#define PARTITION_CHECKPOINTER_H

#include "base/worker.h"
#include "partition/partition.h"
#include "store/logdirs.h"

struct checkpointer;

/* interval_ms: log.flush.offset.checkpoint.interval.ms. The set is borrowed. */
struct checkpointer *checkpointer_new(struct loop *control, struct worker_pool *workers,
				      struct logdirs *dirs, int64_t interval_ms) must_check;
/* After the loops have ended; the partitions are closed by checkpointer_close. */
void checkpointer_free(struct checkpointer *ckpt);

void checkpointer_add(struct checkpointer *ckpt, struct partition *part);
void checkpointer_remove(struct checkpointer *ckpt, struct partition *part);

/* A log directory has failed: wakes all who wait for a partition in it. */
void checkpointer_wake(struct checkpointer *ckpt, const struct logdir *logdir);

/* Something was appended: the files are written when the interval is over. */
void checkpointer_touch(struct checkpointer *ckpt);
/*
 * Every partition of the metadata has its log. Of the offsets that were found in the files only
 * those stay in memory, until the files are written, which may be of partitions that are no more:
 * not those of a clean stop.
 */
void checkpointer_started(struct checkpointer *ckpt);
/*
 * May the files of this directory still hold an entry of an earlier partition of that name? Since
 * the last removal, or the start, they were not written.
 */
bool checkpointer_may_list(const struct checkpointer *ckpt, const struct logdir *logdir,
			   struct str topic, int32_t idx);
/*
 * No more by time: after the end they would say that there is nothing. True while one is written,
 * for which those who stop have to wait.
 */
bool checkpointer_stop(struct checkpointer *ckpt);

struct checkpointer_wait {
	STAILQ_ENTRY(checkpointer_wait) link;
	void (*done)(struct checkpointer_wait *wait, enum err err); /* on the control loop */
};
/*
 * Writes them now, and says when what is true at this call is durable. An error: a directory failed
 * at it; what lies in those that had failed before is passed over.
 */
void checkpointer_write(struct checkpointer *ckpt, struct checkpointer_wait *wait);

/*
 * The clean end, when no loop runs any more: closes every partition (each must have no other
 * reference), writes the checkpoints. A directory where that does not go well has failed then, and
 * the answer is why; those that have not were stopped cleanly.
 */
enum err checkpointer_close(struct checkpointer *ckpt) must_check;

/* The same after a failure: lets go of every partition and writes nothing. */
void checkpointer_abandon(struct checkpointer *ckpt);

#endif
