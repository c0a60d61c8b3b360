/*
 * Event loops and their mailboxes.
 *
 * One thread runs one loop (libev inside). All state that belongs to a loop is touched on its
 * thread only; everything else reaches it by mail. A mail is embedded in the thing that it speaks
 * of, so posting never allocates, blocks or fails; one mail is in at most one mailbox at a time.
 *
 * What one turn produces leaves together: loop_defer runs a task once, after all events of this
 * turn and before the loop sleeps. Tasks deferred by tasks run in the same turn (bounded: a task
 * must not defer itself for ever).
 *
 * Thread-safe: loop_post, loop_bell_ring, loop_stop. All else: on the loop's own thread, or before
 * it runs.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/err.h"

struct loop;

struct mail {
	struct mail *next; /* the mailbox's, while posted */
	void (*deliver)(struct mail *mail);
};

struct loop_task {
	TAILQ_ENTRY(loop_task) link;
	void (*run)(struct loop_task *task);
	bool queued;
};

/* Rung by any thread, as often as it likes; heard on its loop, once for all before that. */
struct loop_bell {
	struct mail mail; /* private; first */
	struct loop *loop;
	_Atomic bool rung;
	void (*hear)(struct loop_bell *bell);
};

struct loop_timer {
	ev_timer ev; /* private */
	struct loop *loop;
	void (*fire)(struct loop_timer *timer);
};

/* name: for the thread and the log, copied, up to 15 characters. The clock is borrowed. */
struct loop *loop_new(const char *name, const struct clock *clock);
/* Only when it does not run and its mailbox is empty. */
void loop_free(struct loop *loop);

/* Runs in this thread until loop_stop. */
void loop_run(struct loop *loop);
/* Runs in a thread of its own; loop_join waits for its end after loop_stop. */
enum err loop_start(struct loop *loop) must_check;
void loop_join(struct loop *loop);
/* The loop ends after the turn in which it sees this, all mail delivered. */
void loop_stop(struct loop *loop);
/* One turn, without waiting when wait is false: for tests and for a loop without a thread. */
void loop_turn(struct loop *loop, bool wait);

void loop_post(struct loop *loop, struct mail *mail);
void loop_bell_init(struct loop_bell *bell, struct loop *loop,
		    void (*hear)(struct loop_bell *bell));
void loop_bell_ring(struct loop_bell *bell);
/* Rung, and not heard yet. */
static inline bool loop_bell_is_rung(const struct loop_bell *bell)
{
	return atomic_load(&bell->rung);
}
void loop_defer(struct loop *loop, struct loop_task *task);

/* Fires once, delay_ms from now; a running timer starts anew. delay 0 fires in a later turn. */
void loop_timer_init(struct loop_timer *timer, struct loop *loop,
		     void (*fire)(struct loop_timer *timer));
void loop_timer_start(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/* Is the calling thread the one that runs this loop (or does it not run yet)? For must(). */
bool loop_is_mine(const struct loop *loop);
struct ev_loop *loop_ev(struct loop *loop);
const struct clock *loop_clock(const struct loop *loop);
const char *loop_name(const struct loop *loop);

/* One pointer for whoever sits above, as api's per-loop state. */
void loop_set_user(struct loop *loop, void *user);
void *loop_user(const struct loop *loop);

#endif
