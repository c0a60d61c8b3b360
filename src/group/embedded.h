/*
 * The consumer protocol inside the classic one: what members put into JoinGroup's metadata
 * (ConsumerProtocolSubscription) and get in SyncGroup's assignment (ConsumerProtocolAssignment).
 * Both begin with an int16, their version; what newer versions than 3 add comes behind, and is not
 * looked at.
 *
 * Topics that do not exist are left out, in both directions.
 */
#ifndef GROUP_EMBEDDED_H
#define GROUP_EMBEDDED_H

#include "group/consumer.h"

/* What is longer counts as malformed: read, it may be many times as large. */
#define EMBEDDED_MAX_BYTES ((size_t)1 << 20)

struct embedded_subscription {
	const struct str *topics; /* in any order */
	size_t topics_len;
	struct str rack_id; /* null: not told */
	struct tpset owned;
};

/* Points into the metadata and the fx. False: malformed. */
bool embedded_read_subscription(struct bytes metadata, const struct consumer_topics *view,
				struct fx *fx, struct embedded_subscription *out) must_check;
/* has_user_data: an assignor of the client's own has put something into it. False: malformed. */
bool embedded_read_assignment(struct bytes assignment, const struct consumer_topics *view,
			      struct fx *fx, struct tpset *out, bool *has_user_data) must_check;
/* In the version of this member's metadata. */
struct bytes embedded_write_assignment(struct tpset set, struct bytes metadata,
				       const struct consumer_topics *view, struct fx *fx);

#endif
