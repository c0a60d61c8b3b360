/*
 * The metadata log, __cluster_metadata-0: a KRaft log whose only voter is this node.
 *
 * Changes are added one by one; each is an atomic unit. What was added in one turn of the control
 * loop goes out with one write (mlog_write), small changes sharing a batch, a large one set between
 * BeginTransaction and EndTransaction; one mlog_sync on a worker makes it durable. Until then
 * nobody is told of it.
 *
 * Marks: [control] on the control loop, or before the loops run. [worker] may wait for the disk;
 * one at a time.
 */
#ifndef META_MLOG_H
#define META_MLOG_H

#include "base/clock.h"
#include "meta/image.h"
#include "meta/mrec.h"

struct mlog;

struct mlog_options {
	const struct clock *clock;
	int32_t node_id;
	struct str cluster_id;
	bool static_voters; /* controller.quorum.voters is set */
	int64_t segment_bytes, segment_ms;
	int64_t snapshot_bytes; /* metadata.log.max.record.bytes.between.snapshots */
	int64_t snapshot_ms;	/* metadata.log.max.snapshot.interval.ms, 0: by size only */
	int64_t retention_bytes, retention_ms; /* metadata.max.retention.*; -1: none */
};

#define MLOG_DIR_NAME	  "__cluster_metadata-0"
#define MLOG_TOPIC_NAME	  "__cluster_metadata"
#define MLOG_MESSAGE_SIZE 768

/*
 * Opens and replays `dir`/__cluster_metadata-0 [worker]. *img is the caller's. On an error the
 * message says what and where: the broker does not start.
 */
enum err mlog_open(const struct mlog_options *options, const char *dir, struct mlog **out,
		   struct image **img, char message[MLOG_MESSAGE_SIZE]) must_check;
/* Everything durable, files closed [worker]. An error: the directory must not be marked clean. */
enum err mlog_close(struct mlog *log) must_check;

/*
 * This start's epoch: one above the last. Writes quorum-state, durably, and adds the LeaderChange
 * batch, and what a transaction that a kill cut off needs for its end [control, before the loops
 * run].
 */
enum err mlog_lead(struct mlog *log) must_check;

int64_t mlog_next_offset(const struct mlog *log); /* of the next record that is added */
int32_t mlog_epoch(const struct mlog *log);
int16_t mlog_kraft_version(const struct mlog *log);

/* [control] One change. After an error nothing of it was added. */
enum err mlog_add(struct mlog *log, const struct mrec_list *list) must_check;
/* [control] Into the page cache. On ERR_NOSPACE all that was added since the last write is taken
 * back. */
enum err mlog_write(struct mlog *log) must_check;
/* [worker] */
enum err mlog_sync(struct mlog *log) must_check;
/* [control] After a successful sync of everything written before `offset`. */
void mlog_synced(struct mlog *log, int64_t offset);

/*
 * [control] Milliseconds until a snapshot is due; 0: now; -1: nothing was written since the last
 * one, or one is being written.
 */
int64_t mlog_snapshot_due_ms(const struct mlog *log);
/* [control] Begins one of everything below img->offset + 1. */
void mlog_snapshot_begin(struct mlog *log, const struct image *img);
/* [worker] Writes it; removes old ones and the segments that no remaining one needs. */
enum err mlog_snapshot_write(struct mlog *log, const struct image *img) must_check;
/* [control] */
void mlog_snapshot_end(struct mlog *log, bool ok);

#endif
