/*
 * Waiting for a partition without blocking: a waiter hangs on one partition and is woken on its own
 * loop. It is embedded in what waits and belongs to that loop.
 *
 * Any thread may cause a wake: it moves the waiter from the partition's list to the loop's wake box
 * (under the partition's wait lock and then the box's lock) and posts the box's mail. So several
 * wakes of one turn share one mail, and a waiter can be taken back at any time: it is always on one
 * of two lists, never itself in the post.
 */
#ifndef PARTITION_WAIT_H
#define PARTITION_WAIT_H

#include <pthread.h>

#include "base/loop.h"

enum waiter_place { WAITER_IDLE, WAITER_ON_PARTITION, WAITER_IN_BOX };

struct wake_box;

struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct wake_box *box; /* of the loop that waits */
	void (*wake)(struct waiter *waiter);
	int64_t offset; /* wake when committed up to here; data waiters: unused */
	bool for_data;
	enum waiter_place place; /* under the partition's wait lock; the box's when in the box */
};

TAILQ_HEAD(waiters, waiter);

/* One a loop. */
struct wake_box {
	struct loop *loop;
	pthread_mutex_t lock;
	struct waiters woken; /* under lock */
	bool posted;	      /* under lock */
	struct mail mail;
};

void wake_box_init(struct wake_box *box, struct loop *loop);
/* Nobody waits any more, and its mail is not under way. */
void wake_box_fini(struct wake_box *box);

static inline void waiter_init(struct waiter *waiter, struct wake_box *box,
			       void (*wake)(struct waiter *waiter))
{
	*waiter = (struct waiter){.box = box, .wake = wake};
}

/* For partition.c, with the waiter off every list. */
void wake_box_put(struct waiter *waiter);
/* For partition.c, on the waiter's loop: takes it out if it is in the box. */
void wake_box_take(struct waiter *waiter);

#endif
