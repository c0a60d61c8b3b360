/* One timer, one job at a time; neither while the trash is empty. */
#include "partition/remover.h"

#include <stdlib.h>

/* Segments and directories that one job removes before others have the worker. */
#define REMOVE_SLICE 64

struct remover {
	struct loop *control;
	struct worker_pool *workers;
	struct trash *trash;
	struct loop_timer timer;
	struct job job;
	bool runs, stopped;
	struct loop_bell sooner;
};

static void remover_arm(struct remover *remover)
{
	int64_t due_ms = trash_due_ms(remover->trash);
	int64_t now_ms = clock_mono_ms(loop_clock(remover->control));

	if (!remover->runs && !remover->stopped && due_ms < INT64_MAX)
		loop_timer_start(&remover->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void remover_run(struct job *job)
{
	struct remover *remover = container_of(job, struct remover, job);

	trash_empty(remover->trash, REMOVE_SLICE);
}

static void remover_done(struct job *job)
{
	struct remover *remover = container_of(job, struct remover, job);

	remover->runs = false;
	remover_arm(remover);
}

static void remover_on_time(struct loop_timer *timer)
{
	struct remover *remover = container_of(timer, struct remover, timer);

	if (remover->runs)
		return;
	remover->runs = true;
	remover->job =
	    (struct job){.home = remover->control, .run = remover_run, .done = remover_done};
	worker_submit(remover->workers, &remover->job);
}

static void remover_on_sooner_here(struct loop_bell *bell)
{
	remover_arm(container_of(bell, struct remover, sooner));
}

/* On any thread. */
static void remover_on_sooner(void *ctx)
{
	struct remover *remover = ctx;

	loop_bell_ring(&remover->sooner);
}

struct remover *remover_new(struct loop *control, struct worker_pool *workers)
{
	struct remover *remover = calloc(1, sizeof(*remover));

	if (remover == NULL)
		return NULL;
	remover->control = control;
	remover->workers = workers;
	remover->trash = trash_new(loop_clock(control), remover_on_sooner, remover);
	must(remover->trash != NULL);
	loop_bell_init(&remover->sooner, remover->control, remover_on_sooner_here);
	loop_timer_init(&remover->timer, control, remover_on_time);
	return remover;
}

void remover_free(struct remover *remover)
{
	must(!remover->runs && !loop_bell_is_rung(&remover->sooner));
	loop_timer_stop(&remover->timer);
	trash_free(remover->trash);
	free(remover);
}

void remover_stop(struct remover *remover)
{
	remover->stopped = true;
	loop_timer_stop(&remover->timer);
}

struct trash *remover_trash(struct remover *remover)
{
	return remover->trash;
}
