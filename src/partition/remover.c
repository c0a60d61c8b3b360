/* One timer, one job at a time; neither while the trash is empty. */
#include "partition/remover.h"

#include <pthread.h>
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
	pthread_mutex_t lock;
	struct mail sooner;
	bool posted; /* under lock */
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

static void remover_on_sooner_here(struct mail *mail)
{
	struct remover *remover = container_of(mail, struct remover, sooner);

	pthread_mutex_lock(&remover->lock);
	remover->posted = false;
	pthread_mutex_unlock(&remover->lock);
	remover_arm(remover);
}

/* On any thread. */
static void remover_on_sooner(void *ctx)
{
	struct remover *remover = ctx;
	bool post;

	pthread_mutex_lock(&remover->lock);
	post = !remover->posted;
	remover->posted = true;
	pthread_mutex_unlock(&remover->lock);
	if (!post)
		return;
	remover->sooner = (struct mail){.deliver = remover_on_sooner_here};
	loop_post(remover->control, &remover->sooner);
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
	must(pthread_mutex_init(&remover->lock, NULL) == 0);
	loop_timer_init(&remover->timer, control, remover_on_time);
	return remover;
}

void remover_free(struct remover *remover)
{
	must(!remover->runs && !remover->posted);
	loop_timer_stop(&remover->timer);
	trash_free(remover->trash);
	pthread_mutex_destroy(&remover->lock);
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
