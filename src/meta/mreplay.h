/*
 * Replaying the metadata log: batches in the order of their offsets become an image. Serves the
 * log, its snapshots and a formatted directory's bootstrap.checkpoint.
 *
 * A batch is applied whole. Records between a BeginTransactionRecord and its EndTransactionRecord,
 * which may lie batches apart, are applied together or, after an AbortTransactionRecord, not at
 * all.
 */
#ifndef META_MREPLAY_H
#define META_MREPLAY_H

#include "base/arena.h"
#include "meta/image_apply.h"
#include "meta/mrec.h"
#include "record/batch.h"

#define MREPLAY_MESSAGE_SIZE (IMAGE_MESSAGE_SIZE + 64)

struct mreplay {
	struct image *img;   /* owned; taken by mreplay_take_image */
	struct image *saved; /* while in a transaction: as it was before */
	struct arena arena;
	int64_t next_offset; /* of the next batch; -1: any */
	int32_t epoch;	     /* of the last batch */
	int64_t timestamp_ms;
	int64_t records_bytes; /* of the batches since the start or the last snapshot */
	/* What control records said. */
	int16_t kraft_version;
	struct bytes voters; /* the last VotersRecord, as it stands; malloc'd */
	bool header_seen, footer_seen;
	int64_t snapshot_timestamp_ms;
	char message[MREPLAY_MESSAGE_SIZE]; /* after an error */
};

enum err mreplay_init(struct mreplay *replay, struct str cluster_id) must_check;
void mreplay_fini(struct mreplay *replay);

/*
 * One whole batch; checks its CRC. Errors as image_apply, or ERR_CORRUPT_MESSAGE; with a message.
 */
enum err mreplay_batch(struct mreplay *replay, struct bytes batch) must_check;
/* Batches one behind the other; what is left must be nothing. */
enum err mreplay_batches(struct mreplay *replay, struct bytes batches) must_check;

static inline bool mreplay_in_transaction(const struct mreplay *replay)
{
	return replay->saved != NULL;
}

/* The image so far; of an unfinished transaction nothing. The replay has none afterwards. */
struct image *mreplay_take_image(struct mreplay *replay);

#endif
