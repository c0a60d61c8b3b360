/* The table of transactional ids: finding, applying records, time-outs, expiry. See txns.h. */
#include "txn/txn_int.h"

/* Ids forgotten in one event; the rest in the next. */
#define EXPIRE_MAX 1000
/* A time-out whose record was refused by the log is tried again after this. */
#define RETRY_MS 1000

const struct txns_cfg txns_cfg_default = {
    .timeout_max_ms = 900000,
    .expiration_ms = INT64_C(7) * 24 * 60 * 60 * 1000,
    .expiry_check_ms = 3600000,
    .version = 2,
};

struct txns *txns_new(const struct txns_cfg *cfg, struct keep *keep, struct deadlines *deadlines)
{
	struct txns *txns = keep_alloc(keep, sizeof(*txns));

	if (txns == NULL)
		return NULL;
	txns->magic = TXNS_MAGIC;
	txns->cfg = cfg;
	txns->keep = keep;
	txns->deadlines = deadlines;
	txns->expiry.kind = DEADLINE_TXN_EXPIRY;
	return txns;
}

static void txns_remove(struct txn_entry *entry)
{
	struct txns *txns = entry->txns;

	if (deadline_is_set(&entry->timeout))
		deadline_clear(txns->deadlines, &entry->timeout);
	HASH_DEL(txns->entries, entry);
	keep_free(txns->keep, (void *)(uintptr_t)entry->value.topics);
	keep_free_str(txns->keep, &entry->id);
	keep_free(txns->keep, entry);
}

void txns_free(struct txns *txns)
{
	must_be(txns, TXNS_MAGIC);
	while (txns->entries != NULL)
		txns_remove(txns->entries);
	if (deadline_is_set(&txns->expiry))
		deadline_clear(txns->deadlines, &txns->expiry);
	txns->magic = 0;
	keep_free(txns->keep, txns);
}

void txns_serve(struct txns *txns, struct keep *keep, struct deadlines *deadlines)
{
	must_be(txns, TXNS_MAGIC);
	keep_move(txns->keep, keep);
	txns->keep = keep;
	txns->deadlines = deadlines;
}

void txns_set_user(struct txns *txns, void *user)
{
	txns->user = user;
}

void *txns_user(const struct txns *txns)
{
	must_be(txns, TXNS_MAGIC);
	return txns->user;
}

struct txn_entry *txns_find(const struct txns *txns, struct str id)
{
	struct txn_entry *entry = NULL;

	must_be(txns, TXNS_MAGIC);
	if (txns->entries != NULL)
		HASH_FIND(hh, txns->entries, id.ptr, id.len, entry);
	return entry;
}

static struct txn_entry *txns_make(struct txns *txns, struct str id)
{
	struct txn_entry *entry = txns_find(txns, id);

	if (entry != NULL)
		return entry;
	entry = keep_alloc_small(txns->keep, sizeof(*entry));
	entry->txns = txns;
	entry->id = keep_str_small(txns->keep, id);
	entry->timeout.kind = DEADLINE_TXN_TIMEOUT;
	HASH_ADD_KEYPTR(hh, txns->entries, entry->id.ptr, entry->id.len, entry);
	return entry;
}

/* -- records into the state ---------------------------------------------------------------- */

static size_t txns_topics_bytes(const struct txn_value *value)
{
	size_t bytes = value->topics_len * sizeof(struct txn_topic);

	for (size_t i = 0; i < value->topics_len; i++)
		bytes += value->topics[i].len * sizeof(int32_t) + value->topics[i].name.len;
	return bytes;
}

/* One block: the topics, then all partitions, then all names. */
static const struct txn_topic *txns_copy_topics(struct keep *keep, const struct txn_value *value)
{
	struct txn_topic *topics;
	int32_t *partitions;
	char *names;

	if (value->topics_len == 0)
		return NULL;
	topics = keep_alloc_small(keep, txns_topics_bytes(value));
	partitions = (int32_t *)(topics + value->topics_len);
	for (size_t i = 0; i < value->topics_len; i++) {
		topics[i] = value->topics[i];
		if (topics[i].len > 0)
			memcpy(partitions, value->topics[i].partitions,
			       topics[i].len * sizeof(int32_t));
		topics[i].partitions = partitions;
		partitions += topics[i].len;
	}
	names = (char *)partitions;
	for (size_t i = 0; i < value->topics_len; i++) {
		if (topics[i].name.len > 0)
			memcpy(names, value->topics[i].name.ptr, topics[i].name.len);
		topics[i].name.ptr = names;
		names += topics[i].name.len;
	}
	return topics;
}

static struct txn_entry *txns_apply(struct txns *txns, const struct txn_record *record)
{
	struct txn_entry *entry = txns_find(txns, record->id);
	const struct txn_topic *before;

	if (record->tombstone) {
		if (entry != NULL)
			txns_remove(entry);
		return NULL;
	}
	entry = txns_make(txns, record->id);
	before = entry->value.topics;
	entry->value = record->value;
	entry->value.topics = txns_copy_topics(txns->keep, &record->value);
	keep_free(txns->keep, (void *)(uintptr_t)before);
	entry->last_epoch = record->last_epoch;
	return entry;
}

/* -- time ---------------------------------------------------------------------------------- */

/* Wall time counts, as it does for a coordinator that takes the transaction over. */
static void txns_arm_timeout(struct txn_entry *entry, struct moment now)
{
	struct deadlines *deadlines = entry->txns->deadlines;
	int64_t left_ms;

	if (entry->value.state != TXN_ONGOING || entry->value.timeout_ms == INT32_MAX) {
		if (deadline_is_set(&entry->timeout))
			deadline_clear(deadlines, &entry->timeout);
		return;
	}
	/* What a log says of time is not believed further than a day off. */
	if (__builtin_sub_overflow(entry->value.start_ms, now.wall_ms, &left_ms))
		left_ms = 0;
	left_ms = left_ms < -86400000 ? -86400000 : left_ms > 86400000 ? 86400000 : left_ms;
	left_ms += (int64_t)entry->value.timeout_ms + 1;
	deadline_set(deadlines, &entry->timeout, now.mono_ms + (left_ms > 0 ? left_ms : 0));
}

static void txns_arm_expiry(struct txns *txns, struct moment now)
{
	if (txns->entries != NULL && !deadline_is_set(&txns->expiry))
		deadline_set(txns->deadlines, &txns->expiry,
			     now.mono_ms + txns->cfg->expiry_check_ms);
	else if (txns->entries == NULL && deadline_is_set(&txns->expiry))
		deadline_clear(txns->deadlines, &txns->expiry);
}

static void txns_expire(struct txns *txns, struct moment now, struct tfx *fx)
{
	struct txn_entry *entry;

	for (entry = txns->entries; entry != NULL && fx->records_len < EXPIRE_MAX;
	     entry = entry->hh.next) {
		const struct txn_value *value = &entry->value;

		if (value->state != TXN_EMPTY && !txn_is_complete(value->state))
			continue;
		if (value->update_ms <= now.wall_ms - txns->cfg->expiration_ms)
			tfx_record_add(fx, entry->id)->tombstone = true;
	}
	if (entry != NULL)
		deadline_set(txns->deadlines, &txns->expiry, now.mono_ms + RETRY_MS);
}

struct txns *txns_of_deadline(struct deadline *d)
{
	if (d->kind == DEADLINE_TXN_EXPIRY)
		return container_of(d, struct txns, expiry);
	must(d->kind == DEADLINE_TXN_TIMEOUT);
	return container_of(d, struct txn_entry, timeout)->txns;
}

void txns_fire(struct moment now, struct deadline *d, int64_t fresh_id, bool *needs_id,
	       struct tfx *fx)
{
	struct txns *txns = txns_of_deadline(d);

	must_be(txns, TXNS_MAGIC);
	*needs_id = false;
	if (d->kind == DEADLINE_TXN_EXPIRY) {
		deadline_clear(txns->deadlines, d);
		txns_expire(txns, now, fx);
		return;
	}
	endtxn_fence(container_of(d, struct txn_entry, timeout), now, fresh_id, needs_id, fx);
	/* It counts as tried: what comes of it, txns_settle says. */
	deadline_set(txns->deadlines, d, now.mono_ms + RETRY_MS);
}

/* -- settling and replay ------------------------------------------------------------------- */

void txns_settle(struct txns *txns, struct moment now, struct tfx *fx, enum err err)
{
	must_be(txns, TXNS_MAGIC);
	for (size_t i = 0; i < fx->records_len; i++) {
		struct txn_entry *entry;

		must(err != ERR_OK || fx->records[i].at >= 0);
		if (fx->records[i].at < 0)
			continue;
		/* A tombstone's id may stand in the entry itself. */
		entry = txns_apply(txns, &fx->records[i]);
		if (entry != NULL)
			txns_arm_timeout(entry, now);
	}
	txns_arm_expiry(txns, now);
}

void txns_replay(struct txns *txns, const struct txn_record *record)
{
	bool unlimited = txns->keep->unlimited;

	must_be(txns, TXNS_MAGIC);
	txns->keep->unlimited = true;
	(void)txns_apply(txns, record);
	txns->keep->unlimited = unlimited;
}

void txns_replay_done(struct txns *txns, struct moment now)
{
	must_be(txns, TXNS_MAGIC);
	for (struct txn_entry *entry = txns->entries; entry != NULL; entry = entry->hh.next)
		txns_arm_timeout(entry, now);
	txns_arm_expiry(txns, now);
}

/* -- changes and views --------------------------------------------------------------------- */

struct txn_record *txns_change(const struct txn_entry *entry, struct moment now, struct tfx *fx)
{
	struct txn_record *record = tfx_record_add(fx, entry->id);

	record->value = entry->value;
	record->value.previous_id = entry->value.producer_id;
	/* The clock may have been set back; Kafka refuses to go on then, and we do not. */
	record->value.update_ms = now.wall_ms;
	record->last_epoch = entry->last_epoch;
	return record;
}

const struct txn_value *txns_find_value(const struct txns *txns, struct str id)
{
	const struct txn_entry *entry = txns_find(txns, id);

	return entry != NULL ? &entry->value : NULL;
}

bool txns_next(const struct txns *txns, const void **pos, struct str *id,
	       const struct txn_value **value)
{
	const struct txn_entry *entry = *pos;

	must_be(txns, TXNS_MAGIC);
	entry = entry == NULL ? txns->entries : entry->hh.next;
	if (entry == NULL)
		return false;
	*pos = entry;
	*id = entry->id;
	*value = &entry->value;
	return true;
}

size_t txns_len(const struct txns *txns)
{
	must_be(txns, TXNS_MAGIC);
	return HASH_COUNT(txns->entries);
}
