/*
 * A budget of bytes that all loops share, handed out in turn.
 *
 * A taker gets all that it asks for or waits in one queue, first come first served over all loops;
 * what is larger than the whole budget gets its turn when nothing else is out. Taking and giving
 * back are one atomic operation each while nobody waits; the lock is for the queue alone.
 *
 * Thread-safe, but that a wait belongs to its loop: take with it and cancel it there.
 */
#ifndef NET_BUDGET_H
#define NET_BUDGET_H

#include <pthread.h>

#include "base/loop.h"

enum budget_wait_state { BUDGET_IDLE, BUDGET_QUEUED, BUDGET_GRANTED };

/* Embedded in who waits. */
struct budget_wait {
	struct loop *loop;
	/* On loop: the bytes have been taken for this wait. */
	void (*granted)(struct budget_wait *wait);
	size_t len_bytes; /* what it asked for */
	/* private */
	struct mail mail;
	TAILQ_ENTRY(budget_wait) link;
	enum budget_wait_state state; /* under the budget's lock; idle is written by the loop */
};

struct budget {
	uint32_t magic;
	size_t limit_bytes;
	_Atomic size_t used_bytes;
	_Atomic size_t waits_len;
	pthread_mutex_t lock;
	TAILQ_HEAD(, budget_wait) waits; /* under lock */
};

void budget_init(struct budget *budget, size_t limit_bytes);
/* Everything has been given back. */
void budget_fini(struct budget *budget);

void budget_wait_init(struct budget_wait *wait, struct loop *loop,
		      void (*granted)(struct budget_wait *wait));

/* True: taken. False: wait->granted() is called later, unless it is cancelled. */
bool budget_take(struct budget *budget, size_t len_bytes, struct budget_wait *wait) must_check;
/* Takes without asking, over the limit if need be: for what is in memory already. */
void budget_force(struct budget *budget, size_t len_bytes);
void budget_give(struct budget *budget, size_t len_bytes);
/* True: it waits no more. False: granted() is on its way and must be met. */
bool budget_cancel(struct budget *budget, struct budget_wait *wait) must_check;

/* Is there room and nobody in the queue? */
static inline bool budget_has_room(struct budget *budget)
{
	return atomic_load_explicit(&budget->waits_len, memory_order_relaxed) == 0 &&
	       atomic_load_explicit(&budget->used_bytes, memory_order_relaxed) <
		   budget->limit_bytes;
}
static inline bool budget_is_short(struct budget *budget)
{
	return atomic_load_explicit(&budget->waits_len, memory_order_relaxed) > 0;
}

#endif
