/*
 * Committed offsets, and those that transactions have sent: group -> topic -> partition. A pending
 * offset hangs on its partition and on its transaction, so both ends of it are found at once.
 */
#include "group/group_int.h"

struct topic_offsets *offsets_find_topic(const struct group *group, struct str topic)
{
	struct topic_offsets *found;

	HASH_FIND(hh, group->topics, topic.ptr, topic.len, found);
	return found;
}

/* Where the partition is, or would be. */
static size_t offsets_place(const struct topic_offsets *topic, int32_t partition)
{
	size_t low = 0, high = topic->parts_len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (topic->parts[mid]->partition < partition)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct partition_offset *offsets_find(const struct group *group, struct str topic_name,
				      int32_t partition)
{
	const struct topic_offsets *topic = offsets_find_topic(group, topic_name);
	size_t place;

	if (topic == NULL)
		return NULL;
	place = offsets_place(topic, partition);
	if (place == topic->parts_len || topic->parts[place]->partition != partition)
		return NULL;
	return topic->parts[place];
}

static struct topic_offsets *offsets_make_topic(struct group *group, struct str name)
{
	struct topic_offsets *topic = offsets_find_topic(group, name);

	if (topic != NULL)
		return topic;
	topic = keep_alloc_small(group->shard->keep, sizeof(*topic));
	topic->group = group;
	topic->name = keep_str_small(group->shard->keep, name);
	HASH_ADD_KEYPTR(hh, group->topics, topic->name.ptr, topic->name.len, topic);
	return topic;
}

static void offsets_grow(struct keep *keep, struct topic_offsets *topic)
{
	size_t size = topic->parts_size == 0 ? 2 : topic->parts_size * 2;
	struct partition_offset **parts;

	if (topic->parts_len < topic->parts_size)
		return;
	parts = keep_alloc_small(keep, size * sizeof(*parts));
	if (topic->parts_len > 0)
		memcpy(parts, topic->parts, topic->parts_len * sizeof(*parts));
	keep_free(keep, topic->parts);
	topic->parts = parts;
	topic->parts_size = size;
}

static struct partition_offset *offsets_make(struct group *group, const struct fx_record *record)
{
	struct keep *keep = group->shard->keep;
	struct topic_offsets *topic = offsets_make_topic(group, record->offset.topic);
	size_t place = offsets_place(topic, record->offset.partition);
	struct partition_offset *of;

	if (place < topic->parts_len && topic->parts[place]->partition == record->offset.partition)
		return topic->parts[place];
	offsets_grow(keep, topic);
	of = keep_alloc_small(keep, sizeof(*of));
	of->topic = topic;
	of->partition = record->offset.partition;
	TAILQ_INIT(&of->pending);
	memmove(&topic->parts[place + 1], &topic->parts[place],
		(topic->parts_len - place) * sizeof(struct partition_offset *));
	topic->parts[place] = of;
	topic->parts_len++;
	return of;
}

static void offsets_set_value(struct keep *keep, struct offset_value *to,
			      const struct offset_value *from)
{
	/* Nearly all have none: that is kept as a null, and given out as an empty one. */
	struct str copy = from->metadata.len > 0 ? keep_str_small(keep, from->metadata) : STR_NULL;

	keep_free_str(keep, &to->metadata);
	*to = *from;
	to->metadata = copy;
}

void offsets_put(struct group *group, const struct fx_record *record)
{
	struct partition_offset *of = offsets_make(group, record);

	offsets_set_value(group->shard->keep, &of->value, &record->offset.value);
	of->committed = true;
	of->at = record->at;
}

/* -- transactions -------------------------------------------------------------------------- */

static struct txn *offsets_make_txn(struct shard *shard, int64_t producer_id)
{
	struct txn *txn;

	HASH_FIND(hh, shard->txns, &producer_id, sizeof(producer_id), txn);
	if (txn != NULL)
		return txn;
	txn = keep_alloc_small(shard->keep, sizeof(*txn));
	txn->producer_id = producer_id;
	TAILQ_INIT(&txn->offsets);
	HASH_ADD(hh, shard->txns, producer_id, sizeof(txn->producer_id), txn);
	return txn;
}

static void offsets_free_pending(struct shard *shard, struct txn_offset *pending)
{
	struct txn *txn = pending->txn;

	TAILQ_REMOVE(&pending->of->pending, pending, by_partition);
	TAILQ_REMOVE(&txn->offsets, pending, by_txn);
	keep_free_str(shard->keep, &pending->value.metadata);
	keep_free(shard->keep, pending);
	if (TAILQ_EMPTY(&txn->offsets)) {
		HASH_DEL(shard->txns, txn);
		keep_free(shard->keep, txn);
	}
}

void offsets_put_pending(struct group *group, int64_t producer_id, const struct fx_record *record)
{
	struct shard *shard = group->shard;
	struct partition_offset *of = offsets_make(group, record);
	struct txn_offset *pending;

	TAILQ_FOREACH (pending, &of->pending, by_partition)
		if (pending->txn->producer_id == producer_id)
			break;
	if (pending == NULL) {
		pending = keep_alloc_small(shard->keep, sizeof(*pending));
		pending->of = of;
		pending->txn = offsets_make_txn(shard, producer_id);
		TAILQ_INSERT_TAIL(&of->pending, pending, by_partition);
		TAILQ_INSERT_TAIL(&pending->txn->offsets, pending, by_txn);
	}
	offsets_set_value(shard->keep, &pending->value, &record->offset.value);
	pending->at = record->at;
}

/* -- forgetting ---------------------------------------------------------------------------- */

/* Frees the partition's entry if it says nothing any more, and the topic's and group's with it. */
static void offsets_drop_if_void(struct partition_offset *of)
{
	struct topic_offsets *topic = of->topic;
	struct keep *keep = topic->group->shard->keep;
	size_t place;

	if (of->committed || !TAILQ_EMPTY(&of->pending))
		return;
	place = offsets_place(topic, of->partition);
	must(topic->parts[place] == of);
	topic->parts_len--;
	memmove(&topic->parts[place], &topic->parts[place + 1],
		(topic->parts_len - place) * sizeof(struct partition_offset *));
	keep_free_str(keep, &of->value.metadata);
	keep_free(keep, of);
	if (topic->parts_len > 0)
		return;
	HASH_DEL(topic->group->topics, topic);
	keep_free_str(keep, &topic->name);
	keep_free(keep, topic->parts);
	keep_free(keep, topic);
}

static void offsets_forget_entry(struct partition_offset *of)
{
	struct shard *shard = of->topic->group->shard;

	while (!TAILQ_EMPTY(&of->pending))
		offsets_free_pending(shard, TAILQ_FIRST(&of->pending));
	of->committed = false;
	offsets_drop_if_void(of);
}

void offsets_forget(struct group *group, struct str topic, int32_t partition)
{
	struct partition_offset *of = offsets_find(group, topic, partition);

	if (of != NULL)
		offsets_forget_entry(of);
}

void offsets_forget_all(struct group *group)
{
	/* From the end, so that nothing has to move. */
	while (group->topics != NULL) {
		struct topic_offsets *topic = group->topics;

		offsets_forget_entry(topic->parts[topic->parts_len - 1]);
	}
}

/* A transaction's offset counts from its own place in the log: a later plain commit stands. */
static void offsets_materialize(struct shard *shard, struct txn_offset *pending)
{
	struct partition_offset *of = pending->of;

	if (of->committed && pending->at <= of->at)
		return;
	offsets_set_value(shard->keep, &of->value, &pending->value);
	of->committed = true;
	of->at = pending->at;
}

void offsets_end_txn(struct shard *shard, int64_t producer_id, bool commit)
{
	struct txn_offset *pending;
	struct txn *txn;

	HASH_FIND(hh, shard->txns, &producer_id, sizeof(producer_id), txn);
	/* The transaction goes with its last offset. */
	while (txn != NULL) {
		struct partition_offset *of;
		struct group *group;
		bool last;

		pending = TAILQ_FIRST(&txn->offsets);
		of = pending->of;
		group = of->topic->group;
		last = TAILQ_NEXT(pending, by_txn) == NULL;
		if (commit)
			offsets_materialize(shard, pending);
		offsets_free_pending(shard, pending);
		offsets_drop_if_void(of);
		shard_drop_if_void(group);
		if (last)
			txn = NULL;
	}
}
