/*
 * Answers that wait for their shard's log to be durable. Without flush.messages=1 it always is, and
 * nobody waits.
 *
 * What is ready is sent at the end of the loop's turn: a send may let the next request of that
 * connection begin, which must not find us in the middle of an event.
 */
#include "coord/coord_int.h"

static void hold_ready(struct coord *coord, struct coord_call *call)
{
	TAILQ_INSERT_TAIL(&coord->ready, call, link);
	if (!coord->send_task.queued)
		loop_defer(coord->o.loop, &coord->send_task);
}

static void hold_send_all(struct loop_task *task)
{
	struct coord *coord = container_of(task, struct coord, send_task);
	struct coord_call *call;

	while ((call = TAILQ_FIRST(&coord->ready)) != NULL) {
		TAILQ_REMOVE(&coord->ready, call, link);
		if (call->err != ERR_OK)
			call->fail(call, call->err);
		call->send(call);
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

void coord_release(struct coord *coord, struct coord_call *call)
{
	must(call->waiting > 0);
	call->waiting--;
	if (call->waiting == 0)
		hold_ready(coord, call);
}

void hold_until_durable(struct cshard *shard, struct coord_call *call)
{
	struct coord_wait *wait;

	if (partition_is_committed(shard->part, shard->end))
		return;
	wait = arena_alloc(call->arena, sizeof(*wait));
	if (wait == NULL) {
		call->err = ERR_COORDINATOR_NOT_AVAILABLE;
		return;
	}
	coord_hold(call);
	*wait = (struct coord_wait){.call = call, .offset = shard->end};
	TAILQ_INSERT_TAIL(&shard->waits, wait, link);
	hold_settle(shard, ERR_OK);
}

static void hold_let_go(struct cshard *shard, enum err err)
{
	struct coord_wait *wait;

	while ((wait = TAILQ_FIRST(&shard->waits)) != NULL) {
		struct coord_call *call = wait->call;
		bool durable = partition_is_committed(shard->part, wait->offset);

		if (!durable && err == ERR_OK)
			return;
		TAILQ_REMOVE(&shard->waits, wait, link);
		if (!durable)
			call->err = fx_append_err(err);
		coord_release(shard->coord, call);
	}
}

void hold_settle(struct cshard *shard, enum err err)
{
	for (;;) {
		struct coord_wait *first;

		hold_let_go(shard, err);
		first = TAILQ_FIRST(&shard->waits);
		if (first == NULL || shard->waiter_set)
			return;
		/* The first waits for all: offsets rise. */
		shard->waiter_set =
		    partition_wait_committed(shard->part, &shard->waiter, first->offset);
		if (shard->waiter_set)
			return;
		/* It has come true in between, or never will. */
		err = partition_check_leader(shard->part, -1);
	}
}
