/*
 * Which topics the members of a consumer group have subscribed to: read from what they sent for the
 * protocol that was chosen. Version 0 of Kafka's consumer protocol is a prefix of all later ones:
 * version int16, topics, user data.
 */
#include "group/group_int.h"
#include "wire/rd.h"

#include <stdlib.h>

#define SUBSCRIPTION_TOPIC_MIN_BYTES 2

static int subscription_compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The topics of one member, appended; false when it is not the consumer protocol. */
static bool subscription_add(struct bytes metadata, struct subscription *sub)
{
	struct rd rd = rd_of(metadata);
	int32_t count;

	if (rd_int16(&rd) < 0)
		return false;
	count = rd_int32(&rd);
	for (int32_t i = 0; i < count && rd.err == ERR_OK; i++) {
		struct str topic = rd_str(&rd, false, false);

		if (rd.err == ERR_OK)
			sub->topics[sub->topics_len++] = topic;
	}
	rd_bytes(&rd, false, true);
	return rd.err == ERR_OK && count >= 0;
}

/* How many topics there can be at most, by the size of what was sent. */
static size_t subscription_bound(const struct group *group)
{
	size_t bound = 0;

	for (struct member *m = group->members; m != NULL; m = m->hh.next)
		bound += member_metadata(m, group->protocol).len / SUBSCRIPTION_TOPIC_MIN_BYTES;
	return bound;
}

void subscription_read(const struct group *group, struct arena *arena, struct subscription *out)
{
	*out = (struct subscription){.known = true};
	if (!group_is_consumer(group) || group->members == NULL)
		return;
	out->topics = arena_array(arena, subscription_bound(group) + 1, sizeof(struct str));
	if (out->topics == NULL) {
		out->known = false;
		return;
	}
	for (struct member *m = group->members; m != NULL && out->known; m = m->hh.next) {
		struct bytes metadata = member_metadata(m, group->protocol);

		out->known = metadata.ptr != NULL && subscription_add(metadata, out);
	}
	qsort(out->topics, out->topics_len, sizeof(struct str), subscription_compare);
}

bool subscription_has(const struct subscription *sub, struct str topic)
{
	if (!sub->known)
		return true;
	return sub->topics_len > 0 && bsearch(&topic, sub->topics, sub->topics_len,
					      sizeof(struct str), subscription_compare) != NULL;
}
