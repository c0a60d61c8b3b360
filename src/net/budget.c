/* The shared budget of request memory: an atomic sum, and a queue for when it is used up. */
#include "net/budget.h"

#define BUDGET_MAGIC 0xb0d9e75eu

void budget_init(struct budget *budget, size_t limit_bytes)
{
	must(limit_bytes > 0);
	*budget = (struct budget){.magic = BUDGET_MAGIC, .limit_bytes = limit_bytes};
	must(pthread_mutex_init(&budget->lock, NULL) == 0);
	TAILQ_INIT(&budget->waits);
}

void budget_fini(struct budget *budget)
{
	must_be(budget, BUDGET_MAGIC);
	must(TAILQ_EMPTY(&budget->waits));
	must(atomic_load(&budget->used_bytes) == 0);
	must(pthread_mutex_destroy(&budget->lock) == 0);
	budget->magic = 0;
}

static void budget_deliver(struct mail *mail)
{
	struct budget_wait *wait = container_of(mail, struct budget_wait, mail);

	must(wait->state == BUDGET_GRANTED);
	wait->state = BUDGET_IDLE;
	wait->granted(wait);
}

void budget_wait_init(struct budget_wait *wait, struct loop *loop,
		      void (*granted)(struct budget_wait *wait))
{
	*wait = (struct budget_wait){.loop = loop,
				     .granted = granted,
				     .mail = {.deliver = budget_deliver}};
}

static bool budget_try(struct budget *budget, size_t len_bytes)
{
	size_t used = atomic_load(&budget->used_bytes);

	do {
		/* Written so that it cannot overflow; alone, anything goes. */
		if (used > 0 &&
		    (used >= budget->limit_bytes || len_bytes > budget->limit_bytes - used))
			return false;
	} while (!atomic_compare_exchange_weak(&budget->used_bytes, &used, used + len_bytes));
	return true;
}

/* Under the lock. Serves the queue from its head, as far as the room goes. */
static void budget_serve(struct budget *budget)
{
	struct budget_wait *wait;

	while ((wait = TAILQ_FIRST(&budget->waits)) != NULL) {
		if (!budget_try(budget, wait->len_bytes))
			return;
		TAILQ_REMOVE(&budget->waits, wait, link);
		atomic_fetch_sub(&budget->waits_len, 1);
		wait->state = BUDGET_GRANTED;
		loop_post(wait->loop, &wait->mail);
	}
}

bool budget_take(struct budget *budget, size_t len_bytes, struct budget_wait *wait)
{
	must_be(budget, BUDGET_MAGIC);
	must(len_bytes > 0);
	if (atomic_load(&budget->waits_len) == 0 && budget_try(budget, len_bytes))
		return true;
	must(pthread_mutex_lock(&budget->lock) == 0);
	must(wait->state == BUDGET_IDLE);
	wait->state = BUDGET_QUEUED;
	wait->len_bytes = len_bytes;
	TAILQ_INSERT_TAIL(&budget->waits, wait, link);
	/*
	 * First be seen waiting, then look again: a giver first gives and then looks for waits, so
	 * one of the two sees the other.
	 */
	atomic_fetch_add(&budget->waits_len, 1);
	budget_serve(budget);
	must(pthread_mutex_unlock(&budget->lock) == 0);
	return false;
}

void budget_force(struct budget *budget, size_t len_bytes)
{
	must_be(budget, BUDGET_MAGIC);
	atomic_fetch_add(&budget->used_bytes, len_bytes);
}

void budget_give(struct budget *budget, size_t len_bytes)
{
	must_be(budget, BUDGET_MAGIC);
	must(atomic_fetch_sub(&budget->used_bytes, len_bytes) >= len_bytes);
	if (atomic_load(&budget->waits_len) == 0)
		return;
	must(pthread_mutex_lock(&budget->lock) == 0);
	budget_serve(budget);
	must(pthread_mutex_unlock(&budget->lock) == 0);
}

bool budget_cancel(struct budget *budget, struct budget_wait *wait)
{
	bool was_queued;

	must_be(budget, BUDGET_MAGIC);
	must(pthread_mutex_lock(&budget->lock) == 0);
	was_queued = wait->state == BUDGET_QUEUED;
	if (was_queued) {
		TAILQ_REMOVE(&budget->waits, wait, link);
		atomic_fetch_sub(&budget->waits_len, 1);
		wait->state = BUDGET_IDLE;
		/* What stood behind a large one may fit now. */
		budget_serve(budget);
	}
	must(pthread_mutex_unlock(&budget->lock) == 0);
	return was_queued;
}
