/*
 * Which topics the members of a consumer group have subscribed to: read from what they sent for the
 * protocol that was chosen. Version 0 of Kafka's consumer protocol is a prefix of all later ones:
 * version int16, topics, user data.
 *
 * As in Kafka it is settled with each generation: who leaves or joins changes it when the rebalance
 * is over. Kept with the group, in one block.
 */
#include "group/group_int.h"
#include "wire/rd.h"

#define SUBSCRIPTION_TOPIC_MIN_BYTES 2
#define SUBSCRIPTION_ARENA_BYTES     ((size_t)1 << 30)

/* While it is read: points into the members' metadata. */
struct subscription_list {
	struct str *topics;
	size_t topics_len;
};

/* The topics of one member, appended; false when it is not the consumer protocol. */
static bool subscription_add(struct bytes metadata, struct subscription_list *list)
{
	struct rd rd = rd_of(metadata);
	int32_t count;

	if (rd_int16(&rd) < 0)
		return false;
	count = rd_int32(&rd);
	for (int32_t i = 0; i < count && rd.err == ERR_OK; i++) {
		struct str topic = rd_str(&rd, false, false);

		if (rd.err == ERR_OK)
			list->topics[list->topics_len++] = topic;
	}
	rd_bytes(&rd, false, true);
	return rd.err == ERR_OK && count >= 0;
}

static bool subscription_same(struct bytes a, struct bytes b)
{
	return a.ptr != NULL && b.ptr != NULL && a.len == b.len &&
	       (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/*
 * The next member's metadata that is not its neighbour's: most members of a group say the same.
 * NULL pos: from the first. False at the end.
 */
static bool subscription_next(const struct group *group, struct member **pos, struct bytes *out)
{
	struct bytes before = *pos != NULL ? *out : BYTES_NULL;
	struct member *m = *pos != NULL ? (*pos)->hh.next : group->members;

	while (m != NULL && subscription_same(member_metadata(m, group->protocol), before))
		m = m->hh.next;
	*pos = m;
	if (m != NULL)
		*out = member_metadata(m, group->protocol);
	return m != NULL;
}

/* How many topics there can be at most, by the size of what was sent. */
static size_t subscription_bound(const struct group *group)
{
	struct member *pos = NULL;
	struct bytes metadata;
	size_t bound = 0;

	while (subscription_next(group, &pos, &metadata))
		bound += metadata.len / SUBSCRIPTION_TOPIC_MIN_BYTES;
	return bound;
}

static bool subscription_read(const struct group *group, struct arena *arena,
			      struct subscription_list *list)
{
	struct member *pos = NULL;
	struct bytes metadata;

	list->topics = arena_array(arena, subscription_bound(group) + 1, sizeof(struct str));
	if (list->topics == NULL)
		return false;
	while (subscription_next(group, &pos, &metadata))
		if (metadata.ptr == NULL || !subscription_add(metadata, list))
			return false;
	list->topics_len = str_sort_unique(list->topics, list->topics_len);
	return true;
}

/* Over the cap of memory it stays unknown. */
static void subscription_keep(struct group *group, const struct subscription_list *list)
{
	size_t size = list->topics_len * sizeof(struct str);
	struct str *topics;
	char *at;

	for (size_t i = 0; i < list->topics_len; i++)
		size += list->topics[i].len;
	topics = keep_alloc(group->shard->keep, size + 1);
	if (topics == NULL)
		return;
	at = (char *)(topics + list->topics_len);
	for (size_t i = 0; i < list->topics_len; i++) {
		topics[i] = (struct str){at, list->topics[i].len};
		if (topics[i].len > 0)
			memcpy(at, list->topics[i].ptr, topics[i].len);
		at += topics[i].len;
	}
	group->subscription = (struct subscription){true, topics, list->topics_len};
}

void subscription_drop(struct group *group)
{
	keep_free(group->shard->keep, group->subscription.topics);
	group->subscription = (struct subscription){0};
}

void subscription_update(struct group *group)
{
	struct subscription_list list = {0};
	struct arena arena;

	subscription_drop(group);
	if (!group_is_consumer(group))
		return;
	arena_init(&arena, SUBSCRIPTION_ARENA_BYTES);
	if (subscription_read(group, &arena, &list))
		subscription_keep(group, &list);
	arena_fini(&arena);
}

bool subscription_has(const struct group *group, struct str topic)
{
	const struct subscription *sub = &group->subscription;

	if (!sub->known)
		return group_is_consumer(group);
	return str_is_in_sorted(topic, sub->topics, sub->topics_len);
}
