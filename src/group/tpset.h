/*
 * Sets of topic partitions, as sorted arrays: what a member of a consumer group has, is to have, or
 * gives back. Ordered by topic id (memcmp), then partition; no entry is there twice.
 *
 * A set is a value: who made its array owns it. The operations put their results into an arena, and
 * take time in proportion to their inputs. On failure of the arena the result is empty and
 * arena->failed is set.
 */
#ifndef GROUP_TPSET_H
#define GROUP_TPSET_H

#include "base/arena.h"

struct tp {
	struct uuid topic;
	int32_t partition;
	int32_t epoch; /* the member epoch in which it was assigned; no part of the order */
};

struct tpset {
	const struct tp *at;
	size_t len;
};

#define TPSET_NONE ((struct tpset){NULL, 0})

int tp_compare(const struct tp *a, const struct tp *b);
/* Sorts an array in place and drops what is there twice; the set borrows it. */
struct tpset tpset_make(struct tp *array, size_t len);

const struct tp *tpset_find(struct tpset set, struct uuid topic, int32_t partition);
bool tpset_equal(struct tpset a, struct tpset b); /* epochs not counted */
bool tpset_contains(struct tpset all, struct tpset part);
bool tpset_overlaps(struct tpset a, struct tpset b);

/* Entries of a, with a's epochs, that are (not) in b. */
struct tpset tpset_and(struct tpset a, struct tpset b, struct arena *arena);
struct tpset tpset_minus(struct tpset a, struct tpset b, struct arena *arena);
/* Of both; where both have one, a's. */
struct tpset tpset_or(struct tpset a, struct tpset b, struct arena *arena);

/* The number of entries from `from` on with the same topic as that entry: answers and records list
 * partitions by topic. */
size_t tpset_run(struct tpset set, size_t from);
/* How many topics there are in it. */
size_t tpset_topics(struct tpset set);

#endif
