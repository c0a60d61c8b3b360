/* One look at a time: the budget over all partitions, then the floor of each directory. */
#include "partition/space.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "partition/partition_int.h"

#define FLOOR_SHARE	100
#define FLOOR_BYTES_MAX (64LL << 20)
#define LOOK_AGAIN_MS	1000
#define SMALL_BYTES	(2LL << 20)  /* less is handed out whole */
#define UNKNOWN_BYTES	(64LL << 20) /* handed out when the file system does not say */
#define LOW_NEVER	(INT64_MAX / 4)

struct space {
	struct space_options options;
	struct loop_timer timer;
	bool stopped, runs, again;
	struct space_counts counts;
	struct loop_bell low;

	/* One look; the worker's while it runs. */
	struct job job;
	struct partition **parts; /* references; none without a budget */
	size_t parts_len;
	struct plog_retained dropped;
	int64_t *left; /* of each directory; 0 and less: full */
	int64_t *look; /* room_look's */
};

/* -- the budget: on a worker --------------------------------------------------------------- */

/* A heap by age: the log whose front is the oldest is first. */
struct space_front {
	struct partition *part;
	struct plog_front front;
};

static void space_sink(struct space_front *heap, size_t len, size_t at)
{
	size_t child;

	for (; (child = 2 * at + 1) < len; at = child) {
		struct space_front swap = heap[at];

		if (child + 1 < len &&
		    heap[child + 1].front.largest_ms < heap[child].front.largest_ms)
			child++;
		if (heap[at].front.largest_ms <= heap[child].front.largest_ms)
			return;
		heap[at] = heap[child];
		heap[child] = swap;
	}
}

static struct space_front *space_heap(const struct space *space, size_t *len)
{
	struct space_front *heap = calloc(space->parts_len + 1, sizeof(*heap));

	*len = 0;
	if (heap == NULL)
		return NULL;
	for (size_t i = 0; i < space->parts_len; i++) {
		heap[*len].part = space->parts[i];
		*len += partition_front(space->parts[i], &heap[*len].front);
	}
	for (size_t i = *len / 2; i > 0; i--)
		space_sink(heap, *len, i - 1);
	return heap;
}

/* Drops the oldest until so much is gone, or there is nothing that may go. */
static void space_drop(struct space *space, int64_t excess_bytes)
{
	size_t len;
	struct space_front *heap = space_heap(space, &len);

	while (heap != NULL && len > 0 && space->dropped.bytes < excess_bytes) {
		struct plog_retained one;

		partition_drop_front(heap[0].part, heap[0].front.end_offset, &one);
		space->dropped.segs += one.segs;
		space->dropped.bytes += one.bytes;
		/* One that could not be dropped has changed meanwhile: the next look asks it. */
		if (one.segs == 0 || !partition_front(heap[0].part, &heap[0].front))
			heap[0] = heap[--len];
		space_sink(heap, len, 0);
	}
	free(heap);
}

/* What may still be written under the budget. */
static int64_t space_budget(struct space *space)
{
	int64_t size_bytes = 0, max_bytes = space->options.max_bytes;

	space->dropped = (struct plog_retained){0};
	if (max_bytes < 0)
		return LOW_NEVER;
	for (size_t i = 0; i < space->parts_len; i++)
		size_bytes += plog_size_bytes(space->parts[i]->log);
	/* Down to where there is room, or what is full to the byte would stay so. */
	if (size_bytes >= max_bytes)
		space_drop(space, size_bytes - max_bytes + 1);
	for (size_t i = 0; i < space->parts_len; i++)
		partition_unref(space->parts[i]);
	free(space->parts);
	space->parts = NULL;
	return max_bytes - (size_bytes - space->dropped.bytes);
}

/* -- the floor: on a worker ---------------------------------------------------------------- */

static int64_t space_above_floor(const struct space *space, const struct logdir *logdir)
{
	int64_t floor_bytes = space->options.min_free_bytes, free_bytes, total_bytes;

	if (logdir_failed(logdir) || file_free(logdir->path, &free_bytes, &total_bytes) != ERR_OK)
		return UNKNOWN_BYTES;
	if (floor_bytes < 0) {
		floor_bytes = total_bytes / FLOOR_SHARE;
		floor_bytes = floor_bytes < FLOOR_BYTES_MAX ? floor_bytes : FLOOR_BYTES_MAX;
	}
	return free_bytes - floor_bytes;
}

static void space_run(struct job *job)
{
	struct space *space = container_of(job, struct space, job);
	size_t len = space->options.dirs->len;
	int64_t budget, above;

	for (size_t i = 0; i < len; i++)
		space->look[i] = room_look(&space->options.dirs->at[i]->room);
	budget = space_budget(space);
	for (size_t i = 0; i < len; i++) {
		above = space_above_floor(space, space->options.dirs->at[i]);
		/* Each directory may use its share before the next look. */
		space->left[i] = above < budget ? above : budget;
		if (space->left[i] > SMALL_BYTES)
			space->left[i] /= 1 + (int64_t)len;
	}
}

/* -- on the control loop ------------------------------------------------------------------- */

static void space_tell(struct space *space, size_t idx)
{
	struct logdir *logdir = space->options.dirs->at[idx];
	int64_t left_bytes = space->left[idx];
	bool was_full = atomic_load(&logdir->room.full), full = left_bytes <= 0;

	if (full)
		space->counts.full++;
	if (full && !was_full)
		log_error("partition",
			  "%s: full (log.dirs.min.free.bytes, log.dirs.max.bytes): producers are "
			  "refused until there is room",
			  logdir->path);
	if (!full && was_full)
		log_info("partition", "%s: has room for producers again", logdir->path);
	if (full && !was_full)
		retention_check(space->options.retention); /* what is too old goes now */
	room_set(&logdir->room, full, full ? 0 : left_bytes, space->look[idx]);
}

static void space_done(struct job *job)
{
	struct space *space = container_of(job, struct space, job);
	bool again = space->again;

	space->runs = space->again = false;
	space->counts.looks++;
	space->counts.segs += space->dropped.segs;
	space->counts.bytes += (uint64_t)space->dropped.bytes;
	space->counts.full = 0;
	if (space->stopped)
		return;
	if (space->dropped.segs > 0)
		retention_dropped(space->options.retention);
	for (size_t i = 0; i < space->options.dirs->len; i++)
		space_tell(space, i);
	trash_hurry(space->options.trash, space->counts.full > 0);
	if (again)
		space_look(space);
	else if (space->counts.full > 0)
		loop_timer_start(&space->timer, LOOK_AGAIN_MS);
}

void space_look(struct space *space)
{
	if (space->runs || space->stopped) {
		space->again = space->runs;
		return;
	}
	loop_timer_stop(&space->timer);
	space->runs = true;
	space->parts_len = 0;
	if (space->options.max_bytes >= 0)
		space->parts = retention_refs(space->options.retention, &space->parts_len);
	space->job =
	    (struct job){.home = space->options.control, .run = space_run, .done = space_done};
	worker_submit(space->options.workers, &space->job);
}

static void space_on_time(struct loop_timer *timer)
{
	space_look(container_of(timer, struct space, timer));
}

static void space_on_low_here(struct loop_bell *bell)
{
	space_look(container_of(bell, struct space, low));
}

/* On any thread. */
static void space_on_low(void *ctx)
{
	struct space *space = ctx;

	loop_bell_ring(&space->low);
}

struct space *space_new(const struct space_options *options)
{
	struct space *space = calloc(1, sizeof(*space));

	if (space == NULL)
		return NULL;
	space->options = *options;
	space->left = calloc(options->dirs->len + 1, sizeof(*space->left));
	space->look = calloc(options->dirs->len + 1, sizeof(*space->look));
	must(space->left != NULL && space->look != NULL);
	loop_bell_init(&space->low, space->options.control, space_on_low_here);
	loop_timer_init(&space->timer, options->control, space_on_time);
	for (size_t i = 0; i < options->dirs->len; i++) {
		options->dirs->at[i]->room.ctx = space;
		options->dirs->at[i]->room.on_low = space_on_low;
	}
	return space;
}

void space_stop(struct space *space)
{
	space->stopped = true;
	loop_timer_stop(&space->timer);
}

void space_free(struct space *space)
{
	must(!space->runs && !loop_bell_is_rung(&space->low));
	loop_timer_stop(&space->timer);
	free(space->left);
	free(space->look);
	free(space);
}

struct space_counts space_counts(const struct space *space)
{
	return space->counts;
}
