/*
 * plog: one partition's log on disk, exactly as Apache Kafka 4.3 lays it out.
 *
 * -- Disk format guide ---------------------------------------------------------------------------
 *
 * A partition is a flat directory `<topic>-<n>`. Integers are big-endian. Where a name begins with
 * N, that is an offset in 20 digits, padded with zeros.
 *
 * N.log
 *     Record batches, one behind the other (record/batch.h). N is the segment's base offset: every
 *     offset in it is at least N and less than N + 2^31. The highest N is the active segment.
 *
 * N.index
 *     The offset index: 8-byte entries {int32 offset - N, int32 position}, both rising. The offset
 *     is the last one of the batch that begins at the position. About one entry in each
 *     index.interval.bytes. Stock makes the active segment's file segment.index.bytes long, with
 *     zeros behind the entries, and cuts it at roll and close; ours is always exact. So zeros
 *     follow the last entry after an unclean stop of stock.
 *
 * N.timeindex
 *     12-byte entries {int64 timestamp, int32 offset - N}, both rising: the largest timestamp up
 *     to here is this one, in the batch that ends with this offset. The last entry of a segment
 *     that is finished, or of a clean stop, is the segment's largest. Zeros may follow, as above.
 *
 * N.txnindex
 *     Transactions whose abort marker is in the segment, in the markers' order, 34 bytes each:
 *     {int16 version 0, int64 producer id, int64 first offset, int64 last offset (the marker's),
 *     int64 last stable offset when it ended}. Absent or empty when there are none.
 *
 * N.snapshot
 *     The producers as of offset N, every batch below N counted in (producer_snapshot.h). Made at
 *     each roll, each checkpoint and a clean stop. Those whose N is no segment's base are removed,
 *     but for the newest.
 *
 * leader-epoch-checkpoint
 *     Text: "0\n<count>\n", then a line "<epoch> <start offset>" for each, both rising.
 *
 * partition.metadata
 *     Text: "version: 0\ntopic_id: <22 characters>". The metadata log has none.
 *
 * distrust-checkpoints
 *     Empty, and of ours alone: the directory above may still hold checkpoints of an earlier
 *     partition of this name (plog_create_again).
 *
 * Suffixes: `.deleted` waits for its removal, `.cleaned` is an unfinished rewrite, `.swap` a
 * finished one that has not replaced its originals yet; recover_files.h says what becomes of them
 * at a start. A directory `<topic>-<n>.<hex>-delete` is a deleted partition, `-future` one on its
 * way between log directories, `-stray` one that the metadata did not know.
 *
 * The directory above holds recovery-point-offset-checkpoint, log-start-offset-checkpoint,
 * replication-offset-checkpoint and cleaner-offset-checkpoint (checkpoint.h), .lock and
 * .kafka_cleanshutdown (logdir.h).
 *
 * `.log.corrupt` (and `.corrupt.2`, ...) is what recovery took out of the log and kept; it is never
 * read again (recover_damage.h).
 *
 * After an unclean stop the batches from the recovery point on are read and checked; the log ends
 * at the first bad one, and where a segment ends before the next one begins: a power cut may take
 * the end of the one and leave the other. (A cleaner leaves such holes, too: it works below the
 * recovery point only, and its checkpoint, cleaner-offset-checkpoint, says where.) A torn tail is
 * cut off, what else stands there is set aside. Indexes and producer state are made anew for that
 * part only. So everything below a recovery point is on disk before it is written: batches,
 * indexes, leader epochs.
 *
 * -- Threads -------------------------------------------------------------------------------------
 *
 * plog_lock is the partition's append mutex. Functions are marked:
 *   [lock]   the caller holds plog_lock; writes into the page cache, never waits for a disk sync
 *   [any]    any thread, without the lock; never waits for an appender
 *   [read]   as [any], but reads files, and so may wait for the disk when they are cold
 *   [worker] may wait for syncs; takes the lock inside, for short moments; one such call at a time
 *            for one plog is the caller's duty
 *
 * A failed sync, or an I/O error of a write, is final: from then on every call that writes, and
 * every flush, returns ERR_KAFKA_STORAGE_ERROR, and so does the call that hit it; and with it the
 * log directory (logdir_fail), with every other plog in it. ERR_NOSPACE and ERR_MANYFILES are not
 * final: the file was cut back, and the call may be made again.
 */
#ifndef STORE_PLOG_H
#define STORE_PLOG_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/seg_cache.h"

struct plog;

/*
 * Plain values, all milliseconds and bytes. Borrowed: it outlives the plogs that use it, or until
 * plog_set_config has given each another. Topics with equal settings share one.
 */
struct plog_config {
	int32_t segment_bytes;	      /* segment.bytes */
	int64_t segment_ms;	      /* segment.ms */
	int64_t segment_jitter_ms;    /* segment.jitter.ms */
	int32_t index_interval_bytes; /* index.interval.bytes */
	int32_t index_max_bytes;      /* segment.index.bytes */
	int64_t producer_expiry_ms;   /* producer.id.expiration.ms */
	int64_t producer_check_ms;    /* producer.id.expiration.check.interval.ms */
	bool preallocate; /* preallocate: a segment takes its space at once, not its size */
	bool compact;	  /* cleanup.policy holds compact */
	int64_t delete_retention_ms;			      /* delete.retention.ms */
	int64_t min_compaction_lag_ms, max_compaction_lag_ms; /* min., max.compaction.lag.ms */
	double min_cleanable_ratio;			      /* min.cleanable.dirty.ratio */
	bool drop_old;		      /* cleanup.policy holds delete: the next two count */
	int64_t retention_ms;	      /* retention.ms, -1: none */
	int64_t retention_bytes;      /* retention.bytes, -1: none */
	int64_t file_delete_delay_ms; /* file.delete.delay.ms */
};
/* Kafka's defaults. */
void plog_config_init(struct plog_config *cfg);

/* Borrowed for the life of every plog made with it. */
struct logdir;
struct plog_env {
	const struct clock *clock;
	struct seg_cache *cache;
	/* The log directory that the plog is in; NULL (the metadata log): it fails alone. */
	struct logdir *logdir;
	/*
	 * Where segments that were dropped wait for their removal. NULL: they are removed at once,
	 * as soon as the start has moved; with one, not before plog_start_is_durable says that a
	 * checkpoint holds the new start, so that a crash between the two leaves a log that begins
	 * where one of them says.
	 */
	struct trash *trash;
};

/* -- Birth and end -------------------------------------------------------------------------- */

/*
 * A new, empty partition: the directory (its parent is there) and partition.metadata, nothing
 * synced; other files come with the first append. ERR_EXISTS when the directory is there. A zero
 * topic id (the metadata log) writes no partition.metadata. Cheap enough for thousands in one turn
 * of a loop.
 */
enum err plog_create(struct plog **log, const struct plog_env *env, const struct plog_config *cfg,
		     const char *dir, struct uuid topic_id) must_check;

/*
 * The same where the checkpoint files may hold what was true of an earlier partition of this name.
 * A file in the directory says so until they were written with this one's: an unclean start in
 * between takes nothing from them.
 */
enum err plog_create_again(struct plog **log, const struct plog_env *env,
			   const struct plog_config *cfg, const char *dir,
			   struct uuid topic_id) must_check;

struct plog_open_args {
	struct uuid topic_id; /* as in plog_create; a missing partition.metadata is written anew */
	bool has_id; /* topic_id has just been read from its partition.metadata: trust it */
	bool clean;  /* the directory was stopped cleanly: trust what is there */
	int64_t recovery_point; /* from its checkpoint, 0 when unknown */
	int64_t log_start;	/* from its checkpoint, 0 when unknown */
	/* From the cleaner's checkpoint, 0 when there is none: below it a segment may end before
	 * the next one begins. */
	int64_t cleaned;
	int64_t high_watermark; /* from its checkpoint, 0 when unknown; cut to what is there */
};
/*
 * Opens what is there and repairs it [worker]. ERR_INCONSISTENT_TOPIC_ID, ERR_KAFKA_STORAGE_ERROR,
 * ERR_NOMEM. Damage that a scan can repair is repaired with a warning; an empty directory is an
 * empty log that starts at args->log_start.
 */
enum err plog_open(struct plog **log, const struct plog_env *env, const struct plog_config *cfg,
		   const char *dir, const struct plog_open_args *args) must_check;

/*
 * [worker] A clean end: everything on disk, producer snapshot at the log end, indexes closed off.
 * No other call may be under way or follow, slices excepted: they stay good. The plog is freed in
 * any case; with an error the directory must not be marked as cleanly stopped. recovery_point and
 * log_start (may be NULL) get what belongs into the directory's checkpoints.
 */
enum err plog_close(struct plog *log, int64_t *recovery_point, int64_t *log_start) must_check;
/*
 * [worker] The same but for the syncs: when many logs are closed, one logdir_sync_all after all of
 * them costs less. What *recovery_point says is true only after that.
 */
enum err plog_close_unsynced(struct plog *log, int64_t *recovery_point,
			     int64_t *log_start) must_check;
/* As after a kill: frees memory, writes nothing. Slices stay good. For deleted partitions and
 * failed directories. */
void plog_abandon(struct plog *log);
/*
 * [lock] Renames the directory to `<dir>.<hex>-delete`, so that its name is free at once. The log
 * goes on as it is, under the new name (plog_dir); at last it is abandoned and its directory
 * removed.
 */
enum err plog_delete(struct plog *log, struct uuid unique) must_check;

/* [any] Was it made by plog_create_again, and not yet plog_trust_checkpoints'ed? */
bool plog_distrusts_checkpoints(const struct plog *log);
/* [worker] They were written. Durable at return. */
enum err plog_trust_checkpoints(struct plog *log) must_check;

void plog_set_config(struct plog *log, const struct plog_config *cfg); /* [lock] */
const char *plog_dir(const struct plog *log);			       /* [any] */
struct uuid plog_topic_id(const struct plog *log);		       /* [any] */
/* [any] Sticky: a write or sync failed for good, here or elsewhere in the log directory. */
bool plog_failed(const struct plog *log);
struct logdir *plog_logdir(const struct plog *log); /* [any] of its env */

void plog_lock(struct plog *log);
void plog_unlock(struct plog *log);

/* -- Offsets [any]: acquire loads ----------------------------------------------------------- */

int64_t plog_start(const struct plog *log);
int64_t plog_end(const struct plog *log); /* of the next record */
int64_t plog_high_watermark(const struct plog *log);
/* Below it every transaction is decided: what read_committed may see. Never above the high
 * watermark. */
int64_t plog_last_stable(const struct plog *log);
/* Everything below is on disk. */
int64_t plog_flushed(const struct plog *log);
int64_t plog_size_bytes(const struct plog *log); /* of all segments' batches */

/* [lock] Moves it, cut to [start, end]; backwards only by truncation, which does it itself. */
void plog_set_high_watermark(struct plog *log, int64_t offset);

/* -- Append [lock] -------------------------------------------------------------------------- */

enum plog_origin {
	PLOG_CLIENT,	  /* a producer: sequences are checked, duplicates found */
	PLOG_COORDINATOR, /* a coordinator's records and transaction markers */
	PLOG_RAFT	  /* the metadata log */
};

/* Whole, validated batches of format 2, in memory that is changed in place. */
struct plog_append {
	/* in */
	uint8_t *data;
	size_t len_bytes;
	enum plog_origin origin;
	int64_t txn_guard;   /* of a transactional batch: from plog_txn_guard; 0: not checked */
	int16_t txn_version; /* of a transactional batch or marker: its transaction.version */
	/* out: err, and when it is 0 the rest */
	enum err err;
	bool duplicate; /* of a batch that is there already; the offsets are that one's */
	int64_t base_offset, last_offset;
	int64_t log_append_time_ms; /* -1 unless the topic stamps its own time */
	int64_t log_start;
};

/*
 * Appends items in order, each on its own merits: out of sequence, fenced, too large for a segment
 * (ERR_RECORD_LIST_TOO_LARGE). Those that pass get base offsets and the leader epoch stamped in and
 * go out with one pwritev (one for each segment when it rolls); readers see them at return. When
 * writing fails, the file is cut back and all items of that write fail with it. The answer is the
 * number of items that were written, duplicates not counted.
 *
 * Errors: OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE (also: a
 * transaction that has ended since txn_guard was taken), TRANSACTION_COORDINATOR_FENCED,
 * RECORD_LIST_TOO_LARGE, NOSPACE, KAFKA_STORAGE_ERROR, NOMEM.
 */
size_t plog_append_as_leader(struct plog *log, struct plog_append *items, size_t items_len,
			     int32_t leader_epoch);

/*
 * Appends a leader's batches as they are, with offsets and epochs. Batches below the log end are an
 * error (ERR_OFFSET_OUT_OF_RANGE). Nothing or all is written.
 */
enum err plog_append_as_follower(struct plog *log, const uint8_t *data,
				 size_t len_bytes) must_check;

/* -- Reading -------------------------------------------------------------------------------- */

struct plog_read_info {
	int64_t log_start, log_end; /* as seen by this read */
	int64_t next_offset;	    /* after the last batch given; the offset asked for when none */
	bool recent; /* appended lately, so surely in the page cache: needs no probe */
};

/*
 * [read] Whole batches of one segment from the batch that holds `offset` on, at most max_bytes,
 * none that reaches max_offset (exclusive: the high watermark, last stable offset or log end). With
 * min_one the first batch is given even when it is larger. *out pins the segment until
 * slice_release; its len_bytes is 0, and nothing is pinned, when there is nothing to give.
 * ERR_OFFSET_OUT_OF_RANGE when the offset is not in [start, end].
 */
enum err plog_read(struct plog *log, int64_t offset, int64_t max_offset, size_t max_bytes,
		   bool min_one, struct slice *out, struct plog_read_info *info) must_check;

/* [read] The same, copied to memory: at most cap bytes, whole batches; *got 0 at the end. ERR_NOMEM
 * when one batch is larger than cap, *got then says how large. */
enum err plog_read_copy(struct plog *log, int64_t offset, int64_t max_offset, void *data,
			size_t cap_bytes, size_t *got) must_check;

/* One aborted transaction that overlaps a fetched range, for the fetch answer. */
struct plog_aborted {
	int64_t producer_id, first_offset;
};
/* [read] Those that overlap [from, to), sorted by first offset, in the arena. */
enum err plog_aborted_txns(struct plog *log, int64_t from, int64_t to, struct arena *arena,
			   struct plog_aborted **aborted, size_t *aborted_len) must_check;
struct plog_time_offset {
	int64_t timestamp_ms; /* -1: none */
	int64_t offset;	      /* -1: there is no such record */
	int32_t leader_epoch; /* -1: unknown */
};
#define PLOG_TIME_LATEST	   (-1)
#define PLOG_TIME_EARLIEST	   (-2)
#define PLOG_TIME_MAX		   (-3)
#define PLOG_TIME_EARLIEST_LOCAL   (-4)
#define PLOG_TIME_LATEST_TIERED	   (-5)
#define PLOG_TIME_EARLIEST_PENDING (-6)
/*
 * [read] The first record with a timestamp >= ts whose offset is below `upper` (high watermark,
 * last stable offset or log end), or one of the special values; LATEST answers `upper`.
 */
enum err plog_offset_for_time(struct plog *log, int64_t ts, int64_t upper,
			      struct plog_time_offset *out) must_check;

/* -- Leader epochs -------------------------------------------------------------------------- */

/* [lock] At an election: this epoch begins at the log end. Lower than the newest is ignored. */
enum err plog_assign_epoch(struct plog *log, int32_t epoch) must_check;
/* [any] The newest epoch, -1 when there is none. */
int32_t plog_latest_epoch(struct plog *log);
/*
 * [any] OffsetForLeaderEpoch: the largest own epoch <= epoch, and where it ends. Both -1 when
 * unknown. For the newest epoch the end is the log end.
 */
void plog_end_for_epoch(struct plog *log, int32_t epoch, int32_t *found_epoch, int64_t *end_offset);
/* [any] The epoch that an offset was written in, -1 when unknown. */
int32_t plog_epoch_of(struct plog *log, int64_t offset);

/* -- Cutting -------------------------------------------------------------------------------- */

/* [lock] Everything from offset on goes: batches, indexes, epochs, producer and transaction state.
 * Not below the start. */
enum err plog_truncate_to(struct plog *log, int64_t offset) must_check;
/* [lock] All goes; the log is empty and begins at offset. */
enum err plog_truncate_fully_at(struct plog *log, int64_t offset) must_check;
/*
 * [lock] DeleteRecords, retention: the log begins at offset (not above the high watermark, else
 * ERR_OFFSET_OUT_OF_RANGE; lower than now is nothing). Segments wholly below leave the list at
 * once; their files are renamed to `.deleted` by plog_do_work, and go after file.delete.delay.ms.
 * To last, the new start must reach log-start-offset-checkpoint.
 */
enum err plog_set_start(struct plog *log, int64_t offset) must_check;
/* [lock] The checkpoint holds this start: what is wholly below it may be removed. */
void plog_start_is_durable(struct plog *log, int64_t start);
/* [any] Do dropped segments wait for that? */
bool plog_awaits_start(const struct plog *log);

struct plog_retained {
	uint32_t segs; /* dropped */
	int64_t bytes;
};
/*
 * [worker] Retention (store/retain.h): drops what is too old or too much, and rolls when that is
 * all. Costs no I/O when the oldest segment's time is known (from the first check on). Nothing
 * while somebody has claimed the segments.
 */
enum err plog_retain(struct plog *log, struct plog_retained *retained) must_check;

/* The segment at the front, for those who choose between logs. */
struct plog_front {
	int64_t end_offset, size_bytes, largest_ms;
};
/* [worker] False when it may not go: the last one, not wholly below the high watermark, claimed, or
 * cleanup.policy is without delete. */
bool plog_front(struct plog *log, struct plog_front *front) must_check;
/* [worker] Drops it, if it still ends there and may go. */
enum err plog_drop_first(struct plog *log, int64_t end_offset,
			 struct plog_retained *retained) must_check;
/*
 * [lock] Keeps at least ahead_bytes / 2 of space behind the last batch, for a log that must be
 * written to on a full disk. Nothing when there is none to be had, or the file system cannot.
 */
void plog_reserve(struct plog *log, uint32_t ahead_bytes);
/* [lock] Begins a new segment now, if the active one holds anything (the metadata log's snapshots,
 * tests). */
enum err plog_roll(struct plog *log) must_check;

/* -- Who works on the segments [lock] -------------------------------------------------------- */

/*
 * Cleaning reads segments for long, and then puts others in their place. Who does that claims them
 * first. Meanwhile nobody takes any off the front: the start may move, but what is wholly below it
 * goes when the claim ends. Truncation and the log's deletion never wait: they make the claim void,
 * and who has it asks before each step that changes the list or the files, under one lock with that
 * step, and gives up. Retention, DeleteRecords and truncation need no claim: they are short, under
 * the lock.
 */
bool plog_claim(struct plog *log) must_check; /* false: somebody has it, or the log has failed */
bool plog_claim_is_void(const struct plog *log) must_check;
void plog_unclaim(struct plog *log);
bool plog_is_claimed(const struct plog *log) must_check;

/* -- Disk ----------------------------------------------------------------------------------- */

/* [any] Is there anything that plog_flush would sync? */
bool plog_is_dirty(const struct plog *log);
/*
 * [worker] All that was appended before the call is on disk when it returns 0, and plog_flushed
 * says so: batches with fdatasync, new files with their directory, finished segments' indexes.
 */
enum err plog_flush(struct plog *log) must_check;
/*
 * [worker] A flush in two halves, for many logs that share one syncfs between them: begin writes
 * what is still in memory; end says with `err` how the syncfs went (or what begin said). Always in
 * pairs.
 */
struct plog_flush;
enum err plog_flush_begin(struct plog *log, struct plog_flush **out) must_check;
enum err plog_flush_end(struct plog *log, struct plog_flush *flush, enum err err) must_check;
/*
 * [worker] plog_flush, and what makes recovery from there cheap: leader epochs and a producer
 * snapshot. *recovery_point is what the checkpoint file may then say.
 */
enum err plog_checkpoint(struct plog *log, int64_t *recovery_point) must_check;
/* [any] Has a roll or deletion left work (index ends, snapshots, removal of files)? */
bool plog_has_work(const struct plog *log);
enum err plog_do_work(struct plog *log) must_check; /* [worker] all of it */
/* [worker] A part of it, so that a flush need not wait for long; plog_has_work says whether more is
 * left. */
enum err plog_do_some_work(struct plog *log) must_check;

/* -- Producers [lock] ----------------------------------------------------------------------- */

/*
 * Forgets producers that were silent for producer_expiry_ms and have no open transaction, if the
 * last look was producer_check_ms ago. Every checkpoint does it, too. The interval matters: what is
 * written with times of long ago is as good as silent, but a duplicate of it comes at once.
 */
void plog_expire_producers(struct plog *log);

/*
 * Before the coordinator is asked whether a transactional batch may be appended: *guard is
 * PLOG_TXN_OPEN when it need not be asked, since the producer's transaction is open in this log;
 * the batch then goes only into that. ERR_INVALID_PRODUCER_EPOCH: a newer producer was here.
 */
enum err plog_txn_guard(struct plog *log, int64_t producer_id, int16_t epoch,
			int64_t *guard) must_check;
#define PLOG_TXN_OPEN (-1)

/* What DescribeProducers shows. */
struct plog_producer {
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t last_sequence, coordinator_epoch; /* -1: none */
	int64_t last_timestamp_ms;
	int64_t txn_start_offset; /* -1: no open transaction */
};
enum err plog_producers(struct plog *log, struct arena *arena, struct plog_producer **producers,
			size_t *producers_len) must_check;

#endif
