/*
 * What one turn of a loop appends: gathered, and written with one call a partition before the loop
 * sleeps, so that small requests share their system calls and their answers leave together.
 *
 * One append_turn a loop; all calls on that loop.
 */
#ifndef PARTITION_APPEND_TURN_H
#define PARTITION_APPEND_TURN_H

#include "base/hash.h"
#include "partition/partition.h"

/* One partition's share of one request; embedded in what the request keeps in its arena. */
struct append {
	struct plog_append item; /* in: the memory and its header. out: err and offsets */
	enum partition_acks acks;
	/* On the loop, once: item.err is the result. For acks other than 0 it is also committed. */
	void (*done)(struct append *append);
	/* private */
	struct partition *part; /* a reference */
	struct append *next;
	struct append *last; /* of this partition's list, in its first append */
	size_t count;	     /* in the first */
	UT_hash_handle hh;   /* the first of each partition is in the table */
	struct waiter waiter;
};

struct append_turn;

struct append_turn *append_turn_new(struct loop *loop, struct wake_box *box) must_check;
void append_turn_free(struct append_turn *turn);
/* Takes a reference on the partition until done. */
void append_turn_add(struct append_turn *turn, struct partition *part, struct append *append);
/* Writes now what was gathered: for those who must see it, before any other request is served. */
void append_turn_flush(struct append_turn *turn);

#endif
