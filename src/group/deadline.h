/*
 * Deadlines: a heap of moments at which something is due, embedded in what they are about. Pure:
 * the shell asks until when nothing is due, sets one timer for that, and takes out what is due.
 *
 * A session is put off with every heartbeat, so that costs next to nothing: a deadline that moves
 * away keeps its place in the heap, and goes where it belongs when it comes to the top.
 */
#ifndef GROUP_DEADLINE_H
#define GROUP_DEADLINE_H

#include "base/must.h"

#include <stdbool.h>

enum deadline_kind {
	DEADLINE_MEMBER,	     /* a member's session */
	DEADLINE_PENDING,	     /* a member id that was given out and not yet used */
	DEADLINE_JOIN,		     /* of a group's join phase */
	DEADLINE_SYNC,		     /* of a group's sync phase */
	DEADLINE_CONSUMER_SESSION,   /* a consumer group's member's session */
	DEADLINE_CONSUMER_REBALANCE, /* until when it has to give back what it shall lose */
	DEADLINE_CONSUMER_JOIN,	     /* until when its classic member has to join again */
	DEADLINE_CONSUMER_SYNC,	     /* or to ask for its assignment */
	DEADLINE_EXPIRY,	     /* a shard's next look at expired offsets */
	DEADLINE_TXN_TIMEOUT,	     /* room txn: of an open transaction */
	DEADLINE_TXN_EXPIRY,	     /* room txn: the next look at expired ids */
};

/* Now, as every event of a coordinator is told it. */
struct moment {
	int64_t mono_ms; /* for deadlines */
	int64_t wall_ms; /* for what is written */
};

struct deadline {
	int64_t at_ms;	/* monotonic */
	int64_t key_ms; /* what it stands in the heap by: at_ms or earlier */
	size_t place;	/* in the heap, from 1; 0: not set */
	enum deadline_kind kind;
};

struct deadlines {
	struct deadline **heap;
	size_t len, size;
};

void deadlines_fini(struct deadlines *all);
/* Sets it, or moves it. */
void deadline_set(struct deadlines *all, struct deadline *d, int64_t at_ms);
void deadline_clear(struct deadlines *all, struct deadline *d);
static inline bool deadline_is_set(const struct deadline *d)
{
	return d->place != 0;
}
/* The earliest, still in the heap, if it is due by then; else NULL. */
struct deadline *deadlines_due(struct deadlines *all, int64_t until_ms);
/* Nothing is due earlier, though perhaps nothing then either; INT64_MAX when there is none. */
int64_t deadlines_quiet_until(const struct deadlines *all);

#endif
