/* A cursor over the partitions, moved a slice at a time. */
#include "partition/retention.h"

#include <stdlib.h>

#include "base/log.h"
#include "partition/partition_int.h"

#define RETENTION_SLICE 256

struct retention {
	struct retention_options options;
	struct loop_timer timer;
	TAILQ_HEAD(, partition) parts;
	size_t parts_len;
	bool walks, again, stopped;
	struct partition *next; /* of this walk; NULL at its end */
	struct retention_counts counts;
	struct checkpointer_wait durable;
	bool durable_waits, durable_again;

	/* One slice; the worker's while it is submitted. */
	struct job job;
	struct partition *slice[RETENTION_SLICE]; /* references */
	size_t slice_len;
	struct plog_retained dropped;
	bool walk_dropped; /* any, in this walk */
};

/* -- one slice ----------------------------------------------------------------------------- */

static void retention_run(struct job *job)
{
	struct retention *retention = container_of(job, struct retention, job);

	retention->dropped = (struct plog_retained){0};
	for (size_t i = 0; i < retention->slice_len; i++) {
		struct plog_retained one;

		partition_retain(retention->slice[i], &one);
		retention->dropped.segs += one.segs;
		retention->dropped.bytes += one.bytes;
		partition_unref(retention->slice[i]);
	}
}

static void retention_go_on(struct retention *retention);

static void retention_slice_done(struct job *job)
{
	struct retention *retention = container_of(job, struct retention, job);

	retention->slice_len = 0;
	retention->counts.segs += retention->dropped.segs;
	retention->counts.bytes += (uint64_t)retention->dropped.bytes;
	retention->walk_dropped = retention->walk_dropped || retention->dropped.segs > 0;
	retention_go_on(retention);
}

/* -- the walk ------------------------------------------------------------------------------ */

static void retention_durable(struct checkpointer_wait *wait, enum err err);

/* The files of what was dropped are removed when the checkpoints have the new log starts. */
static void retention_checkpoint(struct retention *retention)
{
	if (retention->durable_waits) {
		retention->durable_again = true;
		return;
	}
	retention->durable_waits = true;
	retention->durable.done = retention_durable;
	checkpointer_write(retention->options.checkpointer, &retention->durable);
}

static void retention_durable(struct checkpointer_wait *wait, enum err err)
{
	struct retention *retention = container_of(wait, struct retention, durable);
	bool again = retention->durable_again;

	/* An error is logged by the checkpointer; the next writing makes up for it. */
	(void)err;
	retention->durable_waits = retention->durable_again = false;
	if (again && !retention->stopped)
		retention_checkpoint(retention);
}

static void retention_arm(struct retention *retention, int64_t delay_ms)
{
	if (!retention->stopped && !TAILQ_EMPTY(&retention->parts))
		loop_timer_start(&retention->timer, delay_ms);
}

/* NOLINTBEGIN(misc-no-recursion): once again at most, since `again` is false then. */
static void retention_end_walk(struct retention *retention)
{
	bool again = retention->again;

	retention->walks = retention->again = false;
	retention->counts.checks++;
	if (retention->walk_dropped && !retention->stopped)
		retention_checkpoint(retention);
	if (again && !retention->stopped)
		retention_check(retention);
	else
		retention_arm(retention, retention->options.interval_ms);
}

static void retention_go_on(struct retention *retention)
{
	/* Once stopped, the partitions may be gone. */
	while (!retention->stopped && retention->next != NULL &&
	       retention->slice_len < RETENTION_SLICE) {
		retention->slice[retention->slice_len++] = partition_ref(retention->next);
		retention->next = TAILQ_NEXT(retention->next, retained);
	}
	if (retention->slice_len == 0) {
		retention_end_walk(retention);
		return;
	}
	retention->job = (struct job){.home = retention->options.control,
				      .run = retention_run,
				      .done = retention_slice_done};
	worker_submit(retention->options.workers, &retention->job);
}

void retention_check(struct retention *retention)
{
	if (retention->walks || retention->stopped) {
		retention->again = retention->walks;
		return;
	}
	loop_timer_stop(&retention->timer);
	retention->walks = true;
	retention->walk_dropped = false;
	retention->next = TAILQ_FIRST(&retention->parts);
	retention_go_on(retention);
}
/* NOLINTEND(misc-no-recursion) */

void retention_dropped(struct retention *retention)
{
	if (!retention->stopped)
		retention_checkpoint(retention);
}

struct partition **retention_refs(const struct retention *retention, size_t *refs_len)
{
	struct partition **refs = calloc(retention->parts_len + 1, sizeof(struct partition *));
	struct partition *part;

	*refs_len = 0;
	if (refs == NULL)
		return NULL;
	TAILQ_FOREACH (part, &retention->parts, retained)
		refs[(*refs_len)++] = partition_ref(part);
	return refs;
}

static void retention_on_time(struct loop_timer *timer)
{
	retention_check(container_of(timer, struct retention, timer));
}

/* -- life ---------------------------------------------------------------------------------- */

struct retention *retention_new(const struct retention_options *options)
{
	struct retention *retention = calloc(1, sizeof(*retention));

	if (retention == NULL)
		return NULL;
	retention->options = *options;
	TAILQ_INIT(&retention->parts);
	loop_timer_init(&retention->timer, options->control, retention_on_time);
	return retention;
}

void retention_free(struct retention *retention)
{
	must(retention->slice_len == 0);
	loop_timer_stop(&retention->timer);
	free(retention);
}

void retention_add(struct retention *retention, struct partition *part)
{
	TAILQ_INSERT_TAIL(&retention->parts, part, retained);
	retention->parts_len++;
	if (!retention->walks && !loop_timer_is_set(&retention->timer))
		retention_arm(retention, retention->options.initial_delay_ms);
}

void retention_remove(struct retention *retention, struct partition *part)
{
	if (retention->next == part)
		retention->next = TAILQ_NEXT(part, retained);
	TAILQ_REMOVE(&retention->parts, part, retained);
	retention->parts_len--;
	if (TAILQ_EMPTY(&retention->parts))
		loop_timer_stop(&retention->timer);
}

void retention_stop(struct retention *retention)
{
	retention->stopped = true;
	loop_timer_stop(&retention->timer);
}

struct retention_counts retention_counts(const struct retention *retention)
{
	return retention->counts;
}
