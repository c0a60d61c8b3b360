/*
 * Recompression that takes long, on a worker: a loop's lane lets one batch at a time through, so
 * that what waits for a disk finds a worker, too, and that memory is that of one compressor a loop.
 *
 * All calls on the lane's loop.
 */
#ifndef API_RECOMPRESS_H
#define API_RECOMPRESS_H

#include "api/api.h"
#include "record/rewrite.h"

struct recompress {
	/* in; the batch stays where it is until done */
	struct bytes batch;
	struct rewrite how;
	void (*done)(struct recompress *work); /* on the loop, once */
	/* out: the caller's to end, in any case */
	enum err err;
	struct wr out;
	/* private */
	struct job job;
	struct recompress_lane *lane;
	STAILQ_ENTRY(recompress) link;
};

struct recompress_lane;

/* The workers of api, which may come to it later. */
/* api's workers may come to it later. */
struct recompress_lane *recompress_lane_new(struct loop *loop, const struct api *api) must_check;
/* Nothing is under way. NULL is allowed. */
void recompress_lane_free(struct recompress_lane *lane);
void recompress_submit(struct recompress_lane *lane, struct recompress *work);

#endif
