/* Event loops over libev: mailbox, tasks of the turn, timers. */
#include "base/loop.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

#define LOOP_MAGIC     0x100bba5eu
#define LOOP_NAME_SIZE 16

struct loop {
	uint32_t magic;
	char name[LOOP_NAME_SIZE];
	const struct clock *clock;
	void *user;

	struct ev_loop *ev;
	ev_async wake;
	ev_prepare before_sleep;
	TAILQ_HEAD(, loop_task) tasks;

	/* Any thread pushes, newest first; this loop takes all at once and turns them round. */
	_Atomic(struct mail *) mailbox;
	_Atomic bool stop;

	pthread_t thread;
	bool has_thread;
	_Atomic bool running;
	pthread_t runner; /* who runs it; written before running is set */
};

static void loop_run_tasks(struct loop *loop)
{
	struct loop_task *task;

	while ((task = TAILQ_FIRST(&loop->tasks)) != NULL) {
		TAILQ_REMOVE(&loop->tasks, task, link);
		must(task->queued);
		task->queued = false;
		task->run(task);
	}
}

/* Hands out what is in the mailbox now, oldest first. */
static void loop_deliver(struct loop *loop)
{
	struct mail *mail = atomic_exchange_explicit(&loop->mailbox, NULL, memory_order_acquire);
	struct mail *in_order = NULL, *next;

	for (; mail != NULL; mail = next) {
		next = mail->next;
		mail->next = in_order;
		in_order = mail;
	}
	for (mail = in_order; mail != NULL; mail = next) {
		next = mail->next;
		mail->next = NULL;
		mail->deliver(mail);
	}
}

static void loop_on_wake(struct ev_loop *ev, ev_async *watcher, int events)
{
	struct loop *loop = watcher->data;

	loop_deliver(loop);
	if (atomic_load(&loop->stop))
		ev_break(ev, EVBREAK_ALL);
}

static void loop_on_prepare(struct ev_loop *ev, ev_prepare *watcher, int events)
{
	loop_run_tasks(watcher->data);
}

struct loop *loop_new(const char *name, const struct clock *clock)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	must(loop != NULL);
	loop->magic = LOOP_MAGIC;
	snprintf(loop->name, sizeof(loop->name), "%s", name);
	loop->clock = clock;
	TAILQ_INIT(&loop->tasks);
	loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	must(loop->ev != NULL);
	ev_async_init(&loop->wake, loop_on_wake);
	loop->wake.data = loop;
	ev_async_start(loop->ev, &loop->wake);
	ev_prepare_init(&loop->before_sleep, loop_on_prepare);
	loop->before_sleep.data = loop;
	ev_prepare_start(loop->ev, &loop->before_sleep);
	return loop;
}

void loop_free(struct loop *loop)
{
	must_be(loop, LOOP_MAGIC);
	must(!atomic_load(&loop->running) && !loop->has_thread);
	must(atomic_load(&loop->mailbox) == NULL);
	must(TAILQ_EMPTY(&loop->tasks));
	ev_loop_destroy(loop->ev);
	memset(loop, 0, sizeof(*loop));
	free(loop);
}

static void loop_enter(struct loop *loop)
{
	loop->runner = pthread_self();
	must(!atomic_exchange(&loop->running, true));
}

static void loop_leave(struct loop *loop)
{
	must(atomic_exchange(&loop->running, false));
}

void loop_run(struct loop *loop)
{
	must_be(loop, LOOP_MAGIC);
	loop_enter(loop);
	if (!atomic_load(&loop->stop))
		ev_run(loop->ev, 0);
	/* What came with the stop, and what that set off, still belongs to this run. */
	loop_deliver(loop);
	loop_run_tasks(loop);
	atomic_store(&loop->stop, false);
	loop_leave(loop);
}

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

enum err loop_start(struct loop *loop)
{
	must_be(loop, LOOP_MAGIC);
	must(!loop->has_thread);
	if (pthread_create(&loop->thread, NULL, loop_thread, loop) != 0)
		return ERR_NOMEM;
	pthread_setname_np(loop->thread, loop->name);
	loop->has_thread = true;
	return ERR_OK;
}

void loop_join(struct loop *loop)
{
	must_be(loop, LOOP_MAGIC);
	must(loop->has_thread);
	must(pthread_join(loop->thread, NULL) == 0);
	loop->has_thread = false;
}

void loop_stop(struct loop *loop)
{
	must_be(loop, LOOP_MAGIC);
	atomic_store(&loop->stop, true);
	ev_async_send(loop->ev, &loop->wake);
}

void loop_turn(struct loop *loop, bool wait)
{
	must_be(loop, LOOP_MAGIC);
	loop_enter(loop);
	ev_run(loop->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
	loop_run_tasks(loop);
	loop_leave(loop);
}

void loop_post(struct loop *loop, struct mail *mail)
{
	struct mail *head;

	must_be(loop, LOOP_MAGIC);
	must(mail->deliver != NULL);
	head = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
	do {
		mail->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&loop->mailbox, &head, mail,
							memory_order_release,
							memory_order_relaxed));
	/* Who finds the box empty rings; the others are covered by that ring. */
	if (head == NULL)
		ev_async_send(loop->ev, &loop->wake);
}

/* Takes back `rung` first: who rings from now on is heard once more. */
static void loop_bell_deliver(struct mail *mail)
{
	struct loop_bell *bell = container_of(mail, struct loop_bell, mail);

	(void)atomic_exchange(&bell->rung, false);
	bell->hear(bell);
}

void loop_bell_init(struct loop_bell *bell, struct loop *loop, void (*hear)(struct loop_bell *bell))
{
	bell->mail = (struct mail){.deliver = loop_bell_deliver};
	bell->loop = loop;
	bell->hear = hear;
	atomic_init(&bell->rung, false);
}

void loop_bell_ring(struct loop_bell *bell)
{
	if (!atomic_exchange(&bell->rung, true))
		loop_post(bell->loop, &bell->mail);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	must_be(loop, LOOP_MAGIC);
	must(loop_is_mine(loop));
	if (task->queued)
		return;
	task->queued = true;
	TAILQ_INSERT_TAIL(&loop->tasks, task, link);
}

static void loop_on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
	struct loop_timer *timer = container_of(watcher, struct loop_timer, ev);
	timer->fire(timer);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
		     void (*fire)(struct loop_timer *timer))
{
	must_be(loop, LOOP_MAGIC);
	*timer = (struct loop_timer){.loop = loop, .fire = fire};
	ev_timer_init(&timer->ev, loop_on_timer, 0., 0.);
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
	struct ev_loop *ev = timer->loop->ev;

	must(delay_ms >= 0);
	ev_timer_stop(ev, &timer->ev);
	ev_timer_set(&timer->ev, (double)delay_ms / 1e3, 0.);
	ev_timer_start(ev, &timer->ev);
}

void loop_timer_stop(struct loop_timer *timer)
{
	ev_timer_stop(timer->loop->ev, &timer->ev);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return ev_is_active(&timer->ev);
}

bool loop_is_mine(const struct loop *loop)
{
	return !atomic_load(&loop->running) || pthread_equal(loop->runner, pthread_self());
}

struct ev_loop *loop_ev(struct loop *loop)
{
	return loop->ev;
}

const struct clock *loop_clock(const struct loop *loop)
{
	return loop->clock;
}

const char *loop_name(const struct loop *loop)
{
	return loop->name;
}

void loop_set_user(struct loop *loop, void *user)
{
	loop->user = user;
}

void *loop_user(const struct loop *loop)
{
	return loop->user;
}
