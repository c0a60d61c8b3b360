/* What the files of this room share about a partition; nobody else includes it. */
#ifndef PARTITION_PARTITION_INT_H
#define PARTITION_PARTITION_INT_H

#include "partition/partition.h"

#define PARTITION_MAGIC 0x9a271710u

/* A partition's place in the flusher: control loop, but for `posted` (under plog_lock). */
struct flush_entry {
	struct mail mail;
	TAILQ_ENTRY(flush_entry) link;
	int64_t deadline_ms;
	bool posted;	   /* dirty, and the flusher knows or will */
	_Atomic bool soon; /* a flush could not be made: not only after the interval */
};

/* A partition's place in the cleaner: control loop, but for `posted` (under plog_lock). */
struct clean_entry {
	struct mail mail;
	TAILQ_ENTRY(partition) all, link;
	bool is_known;	    /* in `all` */
	bool is_told;	    /* in the list of those to be looked at */
	bool uncleanable;   /* a batch is damaged */
	bool posted;	    /* the cleaner knows, or will, that something was appended */
	int64_t due_ms;	    /* to be looked at, clock_mono_ms */
	int64_t checkpoint; /* cleaned up to here; -1 unknown */
};

struct partition {
	uint32_t magic;
	_Atomic int refs;
	char *topic;
	struct uuid topic_id;
	int32_t idx;
	struct partition_env env;
	struct plog *log;
	char *doomed;	       /* the directory to remove with the last reference */
	int64_t doomed_due_ms; /* and not before */

	/* Written on the control loop under plog_lock, read anywhere. */
	_Atomic int32_t leader_epoch; /* of this broker's leadership or the last known; -1 none */
	_Atomic bool leads;
	_Atomic bool gone;
	_Atomic int32_t in_sync;

	/* Each on its own; a change of several at once may be seen in part for a moment. */
	struct {
		_Atomic int64_t max_message_bytes, before_max_ms, after_max_ms;
		_Atomic int64_t flush_messages, flush_ms;
		_Atomic int32_t timestamp_type, min_insync_replicas;
		_Atomic int64_t compression; /* the level << 8 | the codec: never of two changes */
		_Atomic bool compacted;
	} rules;

	pthread_mutex_t wait_lock;
	struct waiters waiters; /* under wait_lock */

	/* The one job that may work on the log at a time; under plog_lock. */
	struct job job;
	bool job_runs, flush_wanted;
	bool checkpoint_wanted; /* with the next flush */
	bool unlisted;		/* the job's: the directory's name is not yet durable */

	struct flush_entry dirty;

	/* The checkpointer's; control loop, but for the offset (under plog_lock). */
	TAILQ_ENTRY(partition) all;
	int64_t recovery_point;

	TAILQ_ENTRY(partition) retained; /* the retention's; control loop */

	struct clean_entry clean;
};

/* Wants a flush that starts after this call; with plog_lock held. */
void partition_flush_locked(struct partition *part);
/* With plog_lock: begins the job, unless it runs already. */
void partition_start_job(struct partition *part);
/* With plog_lock, after an append: who makes it durable, and when. */
void partition_plan_flush(struct partition *part);
/* With plog_lock: what was appended, or under flush.messages=1 flushed, becomes visible. */
void partition_advance_locked(struct partition *part);
/*
 * On a worker, in pairs around a syncfs: a partition's part in a sweep. begin is false when there
 * is nothing to do or another job has the log (which then flushes, too); end tells how the syncfs
 * went.
 */
bool partition_sweep_begin(struct partition *part, struct plog_flush **flush, enum err *err);
void partition_sweep_end(struct partition *part, struct plog_flush *flush, enum err err);
/* On a worker: what the checkpoint file may say; makes recovery short unless another job runs. */
int64_t partition_checkpoint(struct partition *part);
/* Whoever has reason to look again (for data: who waits for data) is woken. Without plog_lock. */
void partition_wake(struct partition *part, bool for_data);
/* Something was appended to a compacted partition; on any thread, with plog_lock held. */
void cleaner_post(struct cleaner *cleaner, struct partition *part);
/* Takes a dirty partition's mail; on any thread. */
void flusher_post(struct flusher *flusher, struct partition *part);

#endif
