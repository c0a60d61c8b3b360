/*
 * Memory that the coordinators keep for peers, counted against one cap: members, groups, offsets.
 *
 * What a peer can make us keep is limited by how much it sends, but not how often: so everything
 * goes through one ledger, and at its cap new members and new offsets are refused with a code that
 * makes clients try again. State that comes back from the log is never refused, and does not count:
 * Apache Kafka has no such cap, and what it has left behind may be larger than ours. The last
 * quarter is for groups that are there already: who makes groups without end stops other new ones,
 * but not those that work.
 */
#ifndef GROUP_KEEP_H
#define GROUP_KEEP_H

#include "base/str.h"

struct keep {
	size_t used_bytes;
	size_t cap_bytes;
	size_t granted_bytes; /* brought by logs: used, but not against the cap */
	bool unlimited;	      /* while a log is replayed */
};

/* All that `from` has counted is counted by `to`. */
void keep_move(struct keep *from, struct keep *to);
/* Is there room for a group that is not there yet? */
bool keep_takes_new(const struct keep *keep);
/* Is there none for anything new? */
bool keep_is_full(const struct keep *keep);
bool keep_has_room(const struct keep *keep, size_t size_bytes);
/* Zeroed. NULL over the cap. */
void *keep_alloc(struct keep *keep, size_t size_bytes) must_check;
/* Zeroed, never NULL and not held back by the cap: for small things that must not fail half way. */
void *keep_alloc_small(struct keep *keep, size_t size_bytes) must_check;
void keep_free(struct keep *keep, void *ptr); /* NULL is fine */

/* Copies. A null stays null; so tell failure by keep_has_room before, or by the null result. */
struct str keep_str(struct keep *keep, struct str s);
struct bytes keep_bytes(struct keep *keep, struct bytes b);
struct str keep_str_small(struct keep *keep, struct str s);
void keep_free_str(struct keep *keep, struct str *s);
void keep_free_bytes(struct keep *keep, struct bytes *b);

#endif
