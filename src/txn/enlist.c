/*
 * Which partitions a transaction has: AddPartitionsToTxn, AddOffsetsToTxn, and what Produce and
 * TxnOffsetCommit ask before they append. See txns.h.
 */
#include "txn/txn_int.h"

#include <stdlib.h>

static enum err enlist_check(const struct txns *txns, const struct enlist_ask *ask,
			     struct txn_entry **out)
{
	struct txn_entry *entry;

	if (ask->id.len == 0)
		return ERR_INVALID_REQUEST;
	*out = entry = txns_find(txns, ask->id);
	if (entry == NULL || entry->value.producer_id != ask->producer_id)
		return ERR_INVALID_PRODUCER_ID_MAPPING;
	if (entry->value.epoch != ask->epoch)
		return ERR_PRODUCER_FENCED;
	return txn_is_ending(entry->value.state) ? ERR_CONCURRENT_TRANSACTIONS : ERR_OK;
}

static bool enlist_topic_has(const struct txn_topic *topic, int32_t partition)
{
	size_t low = 0, high = topic->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (topic->partitions[mid] == partition)
			return true;
		if (topic->partitions[mid] < partition)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static bool enlist_has(const struct txn_value *value, const struct enlist_partition *one)
{
	size_t low = 0, high = value->topics_len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = str_cmp(value->topics[mid].name, one->topic);

		if (order == 0)
			return enlist_topic_has(&value->topics[mid], one->partition);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

enum err enlist_verify(const struct txns *txns, const struct enlist_ask *ask)
{
	struct txn_entry *entry;
	enum err err = enlist_check(txns, ask, &entry);

	if (err != ERR_OK)
		return err;
	for (size_t i = 0; i < ask->len; i++) {
		struct enlist_partition *one = &ask->partitions[i];

		one->err = enlist_has(&entry->value, one) ? ERR_OK : ERR_TRANSACTION_ABORTABLE;
	}
	return ERR_OK;
}

/* -- adding -------------------------------------------------------------------------------- */

static int enlist_cmp(const void *a, const void *b)
{
	const struct enlist_partition *left = a, *right = b;
	int order = str_cmp(left->topic, right->topic);

	if (order != 0)
		return order;
	return (left->partition > right->partition) - (left->partition < right->partition);
}

/* Those that are there and those that are asked for, sorted, each once. */
static struct enlist_partition *enlist_union(const struct txn_value *value,
					     const struct enlist_ask *ask, struct tfx *fx,
					     size_t *len)
{
	struct enlist_partition *all;
	size_t count = ask->len, kept = 0;

	for (size_t i = 0; i < value->topics_len; i++)
		count += value->topics[i].len;
	all = tfx_alloc(fx, count, sizeof(*all));
	if (ask->len > 0)
		memcpy(all, ask->partitions, ask->len * sizeof(*all));
	count = ask->len;
	for (size_t i = 0; i < value->topics_len; i++)
		for (size_t p = 0; p < value->topics[i].len; p++)
			all[count++] =
			    (struct enlist_partition){value->topics[i].name,
						      value->topics[i].partitions[p], ERR_OK};
	if (count > 0)
		qsort(all, count, sizeof(*all), enlist_cmp);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || enlist_cmp(&all[kept - 1], &all[i]) != 0)
			all[kept++] = all[i];
	*len = kept;
	return all;
}

/* As the record and the state have them: by topic. */
static void enlist_gather(const struct enlist_partition *all, size_t len, struct txn_value *value,
			  struct tfx *fx)
{
	int32_t *partitions = tfx_alloc(fx, len, sizeof(*partitions));
	struct txn_topic *topics = tfx_alloc(fx, len, sizeof(*topics));
	size_t count = 0;

	for (size_t i = 0; i < len; i++) {
		if (count == 0 || !str_eq(topics[count - 1].name, all[i].topic))
			topics[count++] =
			    (struct txn_topic){.name = all[i].topic, .partitions = &partitions[i]};
		partitions[i] = all[i].partition;
		topics[count - 1].len++;
	}
	value->topics = topics;
	value->topics_len = count;
}

enum err enlist_add(struct txns *txns, struct moment now, const struct enlist_ask *ask,
		    struct tfx *fx)
{
	struct enlist_partition *all;
	struct txn_record *record;
	struct txn_entry *entry;
	enum err err = enlist_check(txns, ask, &entry);
	bool fresh;
	size_t len;

	if (err != ERR_OK)
		return err;
	fresh = entry->value.state != TXN_ONGOING;
	for (len = 0; len < ask->len && enlist_has(&entry->value, &ask->partitions[len]);)
		len++;
	if (!fresh && len == ask->len)
		return ERR_OK; /* it has them all */
	if (keep_is_full(txns->keep))
		return ERR_COORDINATOR_NOT_AVAILABLE;
	all = enlist_union(&entry->value, ask, fx, &len);
	record = txns_change(entry, now, fx);
	enlist_gather(all, len, &record->value, fx);
	record->value.state = TXN_ONGOING;
	record->value.client_version = ask->client_version;
	if (fresh)
		record->value.start_ms = now.wall_ms;
	return ERR_OK;
}
