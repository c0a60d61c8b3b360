/* One batch at a time from each loop to a worker, and back. */
#include "api/recompress.h"

#include <stdlib.h>

/* As a loop's own scratch: for what must be decompressed whole. */
#define RECOMPRESS_SCRATCH_BYTES_MAX ((size_t)64 << 20)

struct recompress_lane {
	struct loop *loop;
	const struct api *api;
	STAILQ_HEAD(, recompress) works; /* the first is at work */
};

struct recompress_lane *recompress_lane_new(struct loop *loop, const struct api *api)
{
	struct recompress_lane *lane = calloc(1, sizeof(*lane));

	if (lane == NULL)
		return NULL;
	lane->loop = loop;
	lane->api = api;
	STAILQ_INIT(&lane->works);
	return lane;
}

void recompress_lane_free(struct recompress_lane *lane)
{
	must(lane == NULL || STAILQ_EMPTY(&lane->works));
	free(lane);
}

/* The scratch goes again at once: the tables of high levels are large. */
static void recompress_run(struct job *job)
{
	struct recompress *work = container_of(job, struct recompress, job);
	struct codec_scratch *scratch = codec_scratch_new(RECOMPRESS_SCRATCH_BYTES_MAX);

	work->err = ERR_NOMEM;
	if (scratch != NULL)
		work->err = rewrite_codec(work->batch, &work->how, scratch, &work->out);
	codec_scratch_free(scratch);
}

static void recompress_done(struct job *job)
{
	struct recompress *work = container_of(job, struct recompress, job);
	struct recompress_lane *lane = work->lane;
	struct recompress *next;

	must(STAILQ_FIRST(&lane->works) == work);
	STAILQ_REMOVE_HEAD(&lane->works, link);
	next = STAILQ_FIRST(&lane->works);
	if (next != NULL)
		worker_submit(lane->api->workers, &next->job);
	work->done(work);
}

void recompress_submit(struct recompress_lane *lane, struct recompress *work)
{
	bool is_first = STAILQ_EMPTY(&lane->works);

	must(loop_is_mine(lane->loop));
	work->lane = lane;
	work->out = (struct wr){0};
	work->job =
	    (struct job){.home = lane->loop, .run = recompress_run, .done = recompress_done};
	STAILQ_INSERT_TAIL(&lane->works, work, link);
	if (is_first)
		worker_submit(lane->api->workers, &work->job);
}
