/*
 * Groups that change their protocol with members in them (KIP-848's online migration): a classic
 * group becomes a consumer group when somebody comes with the new protocol, and again a classic one
 * when the last who speaks it goes. As everything of consumer groups it is done by records: those
 * of the old kind get tombstones, those of the new kind follow.
 */
#ifndef GROUP_CONVERT_H
#define GROUP_CONVERT_H

#include "group/consumer_int.h"

/*
 * The event's group will be a consumer group, of the members of this classic one: emits its
 * records, and makes ev->c what they say, for the rest of the event. ERR_GROUP_ID_NOT_FOUND when
 * it cannot be, with a message; others as of an event that is to be tried again.
 */
enum err convert_upgrade(struct cevent *ev, const struct group *group,
			 struct str *message) must_check;
/* The event has failed: nothing of it remains. */
void convert_drop(struct fx *fx);

/*
 * If only members of the classic protocol remain after the event (without those who leave and
 * ev->gone, with ev->next), and a classic group may be made of them: emits the records for that.
 * why: a rebalance follows, for this reason; NULL: none.
 */
bool convert_may_downgrade(const struct cevent *ev);
void convert_downgrade(struct cevent *ev, const char *why);

/* Of shard_settle: before and after the event's records become state. */
void convert_settle_begin(struct shard *shard, struct fx *fx);
void convert_settle_end(struct shard *shard, struct moment now, struct fx *fx);

#endif
