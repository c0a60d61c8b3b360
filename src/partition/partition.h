/*
 * A partition as clients see it: role and leader epoch, high watermark, last stable offset, and
 * those who wait for them. Its files are store's (plog).
 *
 * Shared by all threads. The append mutex covers appends, rolls, truncation and role changes;
 * readers never take it: they load published offsets (acquire), which are published only after a
 * complete write. Who waits hangs on the partition under a second lock, held for a few
 * instructions, and is woken on its own loop (wait.h).
 *
 * The high watermark is distinct from the log end: with ISR = {this broker} it follows the log end
 * at once, but under flush.messages=1 it follows what is flushed, so that nobody reads what a power
 * cut can take back.
 */
#ifndef PARTITION_PARTITION_H
#define PARTITION_PARTITION_H

#include "base/arena.h"
#include "base/err.h"
#include "base/worker.h"
#include "partition/wait.h"
#include "store/plog.h"

struct partition;
struct flusher;
struct cleaner;

#define PARTITION_AS_SENT (-1)

/* What the topic's configs say to those who append; see meta's topic_config. */
struct partition_rules {
	int64_t max_message_bytes;
	int64_t before_max_ms, after_max_ms; /* message.timestamp.{before,after}.max.ms */
	int32_t timestamp_type;		     /* enum batch_timestamp_type */
	int32_t min_insync_replicas;
	bool compacted;
	/* compression.type: enum codec, or PARTITION_AS_SENT; and the level for that codec */
	int32_t compression, compression_level;
	int64_t flush_messages; /* 1: acknowledgements and high watermark wait for the flush */
	int64_t flush_ms;
};

struct partition_env {
	const struct clock *clock;
	struct worker_pool *workers;
	struct flusher *flusher; /* flush timers, see flush.h */
	struct trash *trash; /* where deleted directories wait; NULL: they are removed at once */
	struct cleaner *cleaner; /* told of what is appended to compacted ones; may be NULL */
};

/* Takes the open log. The partition starts without a leader. NULL when memory is out (log kept). */
/* recovery_point: what the directory's checkpoint says of it, 0 for a new one (created). */
struct partition *partition_new(const struct partition_env *env, struct str topic,
				struct uuid topic_id, int32_t idx, struct plog *log,
				int64_t recovery_point, bool created,
				const struct partition_rules *rules);
/* References keep the memory and the log; they are counted atomically. */
struct partition *partition_ref(struct partition *part);
void partition_unref(struct partition *part);

struct str partition_topic(const struct partition *part);
struct uuid partition_topic_id(const struct partition *part);
int32_t partition_idx(const struct partition *part);
/* For readers and for the log's own questions (timestamps, epochs). */
struct plog *partition_log(struct partition *part);

void partition_set_rules(struct partition *part, const struct partition_rules *rules);
void partition_rules(const struct partition *part, struct partition_rules *rules);

/* -- roles: on the control loop --------------------------------------------------------------- */

/* Leads from now on in this epoch (also: a new epoch). in_sync: the size of the ISR. */
enum err partition_lead(struct partition *part, int32_t leader_epoch, int32_t in_sync) must_check;
/* Leads no more, or is deleted (gone): everybody who waits is woken and finds that out. */
void partition_resign(struct partition *part, bool gone);

/* -- reading: any thread ---------------------------------------------------------------------- */

/*
 * May this request be served here? current_leader_epoch is the client's, -1 skips. Errors:
 * ERR_NOT_LEADER_OR_FOLLOWER, ERR_FENCED_LEADER_EPOCH, ERR_UNKNOWN_LEADER_EPOCH,
 * ERR_UNKNOWN_TOPIC_OR_PARTITION (deleted), ERR_KAFKA_STORAGE_ERROR.
 */
enum err partition_check_leader(const struct partition *part,
				int32_t current_leader_epoch) must_check;

int32_t partition_leader_epoch(const struct partition *part);
int64_t partition_log_start(const struct partition *part);
int64_t partition_log_end(const struct partition *part);
int64_t partition_high_watermark(const struct partition *part);
/* Never above the high watermark. */
int64_t partition_last_stable(const struct partition *part);

/* -- appending: any thread -------------------------------------------------------------------- */

enum partition_acks { PARTITION_ACKS_NONE = 0, PARTITION_ACKS_LEADER = 1, PARTITION_ACKS_ALL = -1 };

/*
 * Appends the items, in order, in one write; each gets its own err. Everything was validated
 * before. Checks role and, for acks=all, min.insync.replicas. Wakes who waits for data. To be
 * called by append_turn and by the coordinators.
 */
void partition_append(struct partition *part, struct plog_append *items, size_t items_len,
		      enum partition_acks acks);

/* plog_txn_guard, under the append mutex. */
enum err partition_txn_guard(struct partition *part, int64_t producer_id, int16_t epoch,
			     int64_t *guard) must_check;

/*
 * Has everything below `offset` been acknowledged as acks=1 and acks=all promise? True at once but
 * under flush.messages=1 (or with followers, when there are some).
 */
bool partition_is_committed(const struct partition *part, int64_t offset);
/*
 * Waits until partition_is_committed(offset), or the partition resigns or fails: waiter->wake runs
 * on the waiter's loop, once; it asks again what is true. False: no need to wait, nothing was
 * registered.
 */
bool partition_wait_committed(struct partition *part, struct waiter *waiter,
			      int64_t offset) must_check;
/* Waits for anything new to read: high watermark, last stable offset, log start, role. */
void partition_wait_data(struct partition *part, struct waiter *waiter);
/* No wake after it. Any state; on the waiter's loop. */
void partition_unwait(struct partition *part, struct waiter *waiter);

/* -- log life ---------------------------------------------------------------------------------- */

/*
 * A clean end, on a worker or after the loops have ended: closes the log and frees the partition,
 * whose only reference this is. The two offsets belong into the directory's checkpoints. Without
 * `synced` all is true only after a logdir_sync_all.
 */
enum err partition_close(struct partition *part, bool synced, int64_t *recovery_point,
			 int64_t *log_start) must_check;
/*
 * The topic is deleted: resigns, and renames the directory so that its name is free at once. The
 * files go with the last reference, but not before delay_ms have passed. `unique` tells this
 * deletion from others of the same name.
 */
enum err partition_delete(struct partition *part, struct uuid unique, int64_t delay_ms) must_check;
/* DeleteRecords: -1 is the high watermark. *low is the log start offset from then on. */
enum err partition_delete_records(struct partition *part, int64_t offset, int64_t *low) must_check;
/*
 * [worker] Retention, see plog_retain; who waits for data is woken when the log start has moved.
 * An error is logged here, and nothing was dropped then.
 */
void partition_retain(struct partition *part, struct plog_retained *retained);
/* [worker] plog_front and plog_drop_first, but never of an internal topic. */
bool partition_front(struct partition *part, struct plog_front *front) must_check;
void partition_drop_front(struct partition *part, int64_t end_offset,
			  struct plog_retained *retained);
/* [worker] The checkpoint has this log start: what is below may be removed. */
void partition_start_is_durable(struct partition *part, int64_t log_start);

#endif
