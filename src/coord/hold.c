/*
 * Who waits for a coordinator's log to be durable: answers, and the markers of transactions.
 * Without flush.messages=1 it always is, and nobody waits.
 *
 * What becomes ready in an event is sent at the end of the loop's turn: a send may let the next
 * request of that connection begin, which must not find us in the middle of an event.
 */
#include "coord/coord_int.h"

static void hold_ready(struct coord *coord, struct coord_call *call)
{
	TAILQ_INSERT_TAIL(&coord->ready, call, link);
	if (!coord->send_task.queued)
		loop_defer(coord->o.loop, &coord->send_task);
}

static void hold_send(struct coord_call *call)
{
	if (call->err != ERR_OK)
		call->fail(call, call->err);
	call->send(call);
}

static void hold_send_all(struct loop_task *task)
{
	struct coord *coord = container_of(task, struct coord, send_task);
	struct coord_call *call;

	while ((call = TAILQ_FIRST(&coord->ready)) != NULL) {
		TAILQ_REMOVE(&coord->ready, call, link);
		hold_send(call);
	}
}

void hold_init(struct coord *coord)
{
	TAILQ_INIT(&coord->ready);
	coord->send_task.run = hold_send_all;
}

void coord_hold(struct coord_call *call)
{
	call->waiting++;
}

void hold_release(struct coord *coord, struct coord_call *call)
{
	must(call->waiting > 0);
	call->waiting--;
	if (call->waiting == 0)
		hold_ready(coord, call);
}

/* Its event is over: what it holds is given back at once, and not kept until all of the turn is. */
void coord_release(struct coord_call *call)
{
	must(call->waiting > 0);
	call->waiting--;
	if (call->waiting == 0)
		hold_send(call);
}

/* In the request's arena. */
struct hold_call {
	struct coord_wait wait;
	struct coord *coord;
	struct coord_call *call;
};

static void hold_call_done(struct coord_wait *wait, enum err err)
{
	struct hold_call *held = container_of(wait, struct hold_call, wait);

	if (err != ERR_OK)
		held->call->err = fx_append_err(err);
	hold_release(held->coord, held->call);
}

void hold_until_durable(struct clog *log, struct coord_call *call)
{
	struct hold_call *held;

	if (partition_is_committed(log->part, log->end))
		return;
	held = arena_alloc(call->arena, sizeof(*held));
	if (held == NULL) {
		call->err = ERR_COORDINATOR_NOT_AVAILABLE;
		return;
	}
	coord_hold(call);
	*held = (struct hold_call){{.done = hold_call_done}, log->coord, call};
	hold_wait(log, &held->wait);
}

void hold_wait(struct clog *log, struct coord_wait *wait)
{
	wait->offset = log->end;
	TAILQ_INSERT_TAIL(&log->waits, wait, link);
	hold_settle(log, ERR_OK);
}

static void hold_let_go(struct clog *log, enum err err)
{
	struct coord_wait *wait;

	while ((wait = TAILQ_FIRST(&log->waits)) != NULL) {
		bool durable = partition_is_committed(log->part, wait->offset);

		if (!durable && err == ERR_OK)
			return;
		TAILQ_REMOVE(&log->waits, wait, link);
		wait->done(wait, durable ? ERR_OK : err);
	}
}

void hold_settle(struct clog *log, enum err err)
{
	for (;;) {
		struct coord_wait *first;

		hold_let_go(log, err);
		first = TAILQ_FIRST(&log->waits);
		if (first == NULL || log->waiter_set)
			return;
		/* The first waits for all: offsets rise. */
		log->waiter_set = partition_wait_committed(log->part, &log->waiter, first->offset);
		if (log->waiter_set)
			return;
		/* It has come true in between, or never will. */
		err = partition_check_leader(log->part, -1);
	}
}
