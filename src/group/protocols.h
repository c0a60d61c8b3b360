/*
 * Lists of protocols, as members of the classic protocol offer them, and the count of who offers
 * what: for the vote, and for whether somebody may come in. Used by classic groups, and by consumer
 * groups for their members that speak the classic protocol.
 */
#ifndef GROUP_PROTOCOLS_H
#define GROUP_PROTOCOLS_H

#include "base/hash.h"
#include "group/consumer_record.h"
#include "group/keep.h"

/* A protocol that members offer, and how many of them; a table by name, empty as NULL. */
struct protocol_count {
	UT_hash_handle hh;
	size_t members;
	size_t votes; /* while they are counted */
	size_t name_len;
	char name[];
};

/* The whole list in one block, names and metadata too. NULL over the cap. */
struct join_protocol *protocols_copy(struct keep *keep, const struct join_protocol *list,
				     size_t len) must_check;
bool protocols_equal(const struct join_protocol *a, size_t a_len, const struct join_protocol *b,
		     size_t b_len);
/* Null: it is not offered. */
struct bytes protocols_metadata(const struct join_protocol *list, size_t len, struct str name);

/* A member with this list comes into the count, or goes out of it. */
void protocols_count(struct keep *keep, struct protocol_count **all,
		     const struct join_protocol *list, size_t len, bool add);
/* Is one of the list offered by all, who are `members`? */
bool protocols_share(const struct protocol_count *all, size_t members,
		     const struct join_protocol *list, size_t len);
/* A member votes for the first of its protocols that all share. False: there is none. */
bool protocols_vote(struct protocol_count *all, size_t members, const struct join_protocol *list,
		    size_t len);
/*
 * The one with most votes; of equals the one that Kafka would choose, so that members which move
 * from a broker of one kind to one of the other find the same protocol. Null without votes. Ends
 * the vote.
 */
struct str protocols_elect(struct protocol_count *all);

#endif
