/* Gathers a turn's appends by partition and writes each partition's with one call. */
#include "partition/append_turn.h"

#include <stdlib.h>

/* More than this at once go out in several writes: a bound for the array on the stack. */
#define APPEND_BATCH_MAX 256

struct append_turn {
	struct loop *loop;
	struct wake_box *box;
	struct loop_task task;
	struct append *firsts; /* hash table: the first append of each partition */
};

static void append_turn_run(struct loop_task *task)
{
	append_turn_flush(container_of(task, struct append_turn, task));
}

struct append_turn *append_turn_new(struct loop *loop, struct wake_box *box)
{
	struct append_turn *turn = calloc(1, sizeof(*turn));

	if (turn != NULL)
		*turn = (struct append_turn){.loop = loop,
					     .box = box,
					     .task = {.run = append_turn_run}};
	return turn;
}

void append_turn_free(struct append_turn *turn)
{
	must(turn->firsts == NULL);
	free(turn);
}

void append_turn_add(struct append_turn *turn, struct partition *part, struct append *append)
{
	struct append *first;

	must(append->done != NULL);
	append->part = partition_ref(part);
	append->next = NULL;
	HASH_FIND_PTR(turn->firsts, &part, first);
	/* One write has one acks: those with another go first. */
	if (first != NULL && first->acks != append->acks) {
		append_turn_flush(turn);
		first = NULL;
	}
	if (first != NULL) {
		first->last->next = append;
		first->last = append;
		first->count++;
		return;
	}
	append->last = append;
	append->count = 1;
	HASH_ADD_PTR(turn->firsts, part, append);
	loop_defer(turn->loop, &turn->task);
}

static void append_finish(struct append *append)
{
	partition_unref(append->part);
	append->done(append);
}

/* What is not committed when the wait is over may be lost, with the leadership or the disk. */
static void append_judge(struct append *append)
{
	enum err err;

	if (partition_is_committed(append->part, append->item.last_offset + 1))
		return;
	err = partition_check_leader(append->part, -1);
	append->item.err = err != ERR_OK ? err : ERR_NOT_LEADER_OR_FOLLOWER;
}

static void append_on_wake(struct waiter *waiter)
{
	struct append *append = container_of(waiter, struct append, waiter);

	append_judge(append);
	append_finish(append);
}

/* Appended: now, or when it is committed, its owner hears of it. */
static void append_settle(struct append_turn *turn, struct append *append)
{
	if (append->item.err == ERR_OK && append->acks != PARTITION_ACKS_NONE) {
		waiter_init(&append->waiter, turn->box, append_on_wake);
		if (partition_wait_committed(append->part, &append->waiter,
					     append->item.last_offset + 1))
			return;
		append_judge(append);
	}
	append_finish(append);
}

/* Writes up to APPEND_BATCH_MAX of a partition's list; the answer is what is left of it. */
static struct append *append_write(struct append_turn *turn, struct append *list)
{
	struct plog_append items[APPEND_BATCH_MAX];
	struct partition *part = list->part;
	enum partition_acks acks = list->acks;
	struct append *append = list, *next;
	size_t len = 0;

	for (; append != NULL && len < APPEND_BATCH_MAX; append = append->next)
		items[len++] = append->item;
	partition_ref(part);
	partition_append(part, items, len, acks);
	append = list;
	for (size_t i = 0; i < len; i++, append = next) {
		next = append->next;
		append->item = items[i];
		append_settle(turn, append);
	}
	partition_unref(part);
	return append;
}

void append_turn_flush(struct append_turn *turn)
{
	struct append *first;

	must(loop_is_mine(turn->loop));
	while ((first = turn->firsts) != NULL) {
		HASH_DEL(turn->firsts, first);
		for (struct append *list = first; list != NULL;)
			list = append_write(turn, list);
	}
}
