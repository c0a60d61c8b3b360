/*
 * The inside of a plog, for the plog_*.c files and recover.c only.
 *
 * Two mutexes. `append` is plog_lock: it is held over a whole append, roll or truncation, writes
 * into the page cache included. `list` is held for nanoseconds, never across I/O, by whoever
 * changes or reads the segment list, the published sizes, the blocks of new index entries, the
 * marks or the epochs; taken inside `append`, never the other way round. Who holds `append` may
 * read without `list` what is changed only under both.
 */
#ifndef STORE_PLOG_IMPL_H
#define STORE_PLOG_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "store/epoch_cache.h"
#include "store/plog.h"
#include "store/producer_state.h"
#include "store/seg.h"

/* Where a batch begins: what spares most reads a search. */
struct plog_mark {
	int64_t offset;	  /* of the batch's first record; -1: unused */
	int64_t seg_base; /* its segment */
	uint32_t pos;
};

#define PLOG_MARKS_TAIL 16 /* the newest writes: a consumer at the end asks for their offsets */
#define PLOG_MARKS_READ                                                          \
	8 /* where the newest reads ended: a consumer further back goes on there \
	   */

struct plog_marks {
	struct plog_mark tail[PLOG_MARKS_TAIL], read[PLOG_MARKS_READ];
	uint8_t tail_next, read_next;
};

/* What a roll or a deletion leaves to a worker. */
struct plog_task {
	STAILQ_ENTRY(plog_task) link;
	struct seg *doomed; /* its files are to go */
	int64_t end_offset; /* when a checkpoint says that the log starts here or later */
	int64_t offset; /* no doomed: a producer snapshot to write, or to remove when there is no
			   content */
	uint32_t cuts;	/* the log's, when the snapshot was taken */
	uint8_t *content;
	size_t content_bytes;
};

STAILQ_HEAD(plog_tasks, plog_task);

struct plog {
	uint32_t magic;
	_Atomic bool failed, has_work;
	bool new_names; /* append: the directory's own, and partition.metadata, are not synced */
	bool flushing;	/* append */
	_Atomic bool distrusts;
	bool touched;		  /* append: something was written since the log was opened */
	bool claimed, claim_void; /* append: see plog_claim */
	pthread_mutex_t append, list;
	const struct plog_env *env;
	const struct plog_config *cfg;
	struct seg_dir *dir;
	struct uuid topic_id;
	struct seg **segs; /* both; in order, the last one is active; NULL while there is none */
	uint32_t segs_len, segs_size;
	_Atomic int64_t start, end, high_watermark, last_stable, flushed, size_bytes;
	int64_t recovery_point;	   /* append: where recovery from the checkpoint file begins */
	int64_t flush_limit;	   /* append: the lowest truncation since the flush began */
	int64_t snapshot_offset;   /* append: the newest snapshot, written or queued; -1 */
	int64_t stray_snapshot;	   /* append: one that is no segment's, to go with the next; -1 */
	struct epoch_cache epochs; /* both */
	struct producer_state *producers; /* append; NULL until there is one */
	uint32_t cuts;			  /* list: truncations; what was seen before one is void */
	uint32_t swaps;			  /* list: segments replaced; so are positions */
	struct plog_marks *marks;	  /* list; NULL until the first append or read */
	struct plog_tasks tasks;	  /* append */
	struct plog_tasks dropped;	  /* append: doomed, for a durable start to come */
	_Atomic bool awaits_start;	  /* dropped is not empty */
	struct clean_swap *swap;	  /* append: one that is under way; see clean_swap.h */
};

#define PLOG_DISTRUST_FILE "distrust-checkpoints"
#define PLOG_MAGIC	   0x9106feedu

/*
 * Who meets a segment that cleaning has replaced looks again, at the new list. Each try meets
 * another swap then, so a few are enough.
 */
#define PLOG_SWAP_TRIES 64

/* plog.c */
struct plog *plog_new(const struct plog_env *env, const struct plog_config *cfg, const char *dir,
		      struct uuid topic_id) must_check;
/* Makes an error final when it is one; answers what the caller is to return. Logs it, once. */
enum err plog_fail(struct plog *log, enum err err, const char *doing);
struct seg *plog_active(const struct plog *log);		      /* NULL: no segment yet */
enum err plog_push_seg(struct plog *log, struct seg *seg) must_check; /* takes the reference */
enum err plog_need_producers(struct plog *log) must_check;
enum err plog_need_marks(struct plog *log) must_check;
void plog_update_stable(struct plog *log);
void plog_add_task(struct plog *log, struct plog_task *task);
/* A producer snapshot of now, named by `offset`, queued; nothing when there is one that new. */
enum err plog_queue_snapshot(struct plog *log, int64_t offset) must_check;

/* plog_truncate.c */
/* [lock] What is wholly below the start goes, unless somebody works on it. */
void plog_trim_front(struct plog *log);

/* plog_work.c */
void plog_task_free(struct plog_task *task);
enum err plog_remove_seg_files(struct plog *log, int64_t base_offset) must_check;

/* plog_count.c: what an appended batch leaves in indexes, epochs and producers */
enum err plog_count_batch(struct plog *log, struct seg *seg, const struct batch_view *view,
			  uint32_t pos) must_check;
enum err plog_write_indexes(struct plog *log, struct seg *seg) must_check;
enum err plog_finish_indexes(struct plog *log, struct seg *seg) must_check;
enum err plog_load_offsets(struct plog *log, struct seg *seg) must_check;
enum err plog_load_times(struct plog *log, struct seg *seg) must_check; /* and the largest */
enum err plog_load_indexes(struct plog *log, struct seg *seg) must_check;
enum err plog_apply_producer(struct plog *log, struct bytes batch,
			     const struct batch_header *header,
			     enum producer_trust trust) must_check;
enum err plog_write_txns(struct plog *log, struct seg *seg, size_t done_from) must_check;

/* plog_truncate.c: [list] what was remembered of positions is void */
void plog_forget_marks(struct plog *log);

/* plog_roll.c */
/* What a write would add to the active segment. */
struct plog_weight {
	size_t bytes, batches;
	int64_t last_offset, max_timestamp;
};
/* Must the active segment end before `more` is added behind what is `staged` for it already? */
bool plog_must_roll(struct plog *log, const struct plog_weight *staged,
		    const struct plog_weight *more);
/* Begins a new segment (the first one, too). */
enum err plog_roll_at(struct plog *log, int64_t base_offset) must_check;

/* plog_find.c: [read]; `size` is what the caller saw of the segment */
/* The first batch whose last offset is >= offset; *pos is `size` when there is none. */
enum err plog_find_offset(struct plog *log, struct seg *seg, int64_t offset, uint32_t size,
			  uint32_t *pos) must_check;
/*
 * The last start of a batch (or `size`) that is <= limit, from `from` on, which is one.
 * *next_offset is where that batch begins; not touched when *pos is `size`.
 */
enum err plog_find_limit(struct plog *log, struct seg *seg, uint32_t from, uint32_t limit,
			 uint32_t size, uint32_t *pos, int64_t *next_offset) must_check;

/* Before partition.metadata is written: the checkpoints may speak of another partition. */
enum err plog_distrust_checkpoints(struct plog *log) must_check;

#endif
