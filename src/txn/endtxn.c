/*
 * The end of a transaction: decided by its producer, or by the coordinator against it; then
 * completed when every partition has its marker. See txns.h.
 */
#include "txn/txn_int.h"

#define EPOCH_BUMP_VERSION 2 /* of transaction.version, KIP-890 */

static enum txn_state endtxn_prepared(bool commit)
{
	return commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
}

/* A new id is in force from the completion on when this one's epochs are used up. */
static int64_t endtxn_next_id(const struct txn_value *value, int64_t fresh_id, bool *needs_id)
{
	bool exhausted = txns_is_exhausted(value->epoch);

	*needs_id = exhausted && fresh_id == TXN_NO_PRODUCER;
	return exhausted ? fresh_id : TXN_NO_PRODUCER;
}

/* Under version 2 the end has the next epoch; under those before, the producer's own. */
static struct txn_record *endtxn_prepare(const struct txn_entry *entry, struct moment now,
					 bool commit, int16_t version, int16_t epoch,
					 struct tfx *fx)
{
	struct txn_record *record = txns_change(entry, now, fx);

	record->value.state = endtxn_prepared(commit);
	record->value.client_version = version;
	record->value.epoch = epoch;
	record->value.next_id = TXN_NO_PRODUCER;
	if (version >= EPOCH_BUMP_VERSION) {
		record->last_epoch = epoch;
		if (epoch < TXN_EPOCH_MAX)
			record->value.epoch++;
	}
	/* An abort of nothing: it begins and ends now. */
	if (entry->value.state != TXN_ONGOING)
		record->value.start_ms = now.wall_ms;
	return record;
}

/*
 * Under version 2 the end itself raises the epoch, and that fences; before, it must be raised here.
 */
void endtxn_fence(struct txn_entry *entry, struct moment now, int64_t fresh_id, bool *needs_id,
		  struct tfx *fx)
{
	int16_t version = entry->txns->cfg->version, epoch = entry->value.epoch;
	struct txn_record *record;
	int64_t next_id;

	must(entry->value.state == TXN_ONGOING);
	*needs_id = false;
	if (version >= EPOCH_BUMP_VERSION) {
		next_id = endtxn_next_id(&entry->value, fresh_id, needs_id);
		if (*needs_id)
			return;
		record = endtxn_prepare(entry, now, false, version, epoch, fx);
		record->value.next_id = next_id;
		return;
	}
	if (epoch < TXN_EPOCH_MAX)
		epoch++;
	record = endtxn_prepare(entry, now, false, 0, epoch, fx);
	record->last_epoch = TXN_NO_EPOCH;
}

/* -- before version 2 ---------------------------------------------------------------------- */

static enum err endtxn_old(const struct txn_entry *entry, struct moment now,
			   const struct endtxn_ask *ask, struct tfx *fx)
{
	const struct txn_value *value = &entry->value;

	if (ask->epoch != value->epoch)
		return ERR_PRODUCER_FENCED;
	switch (value->state) {
	case TXN_ONGOING:
		(void)endtxn_prepare(entry, now, ask->commit, 0, value->epoch, fx);
		return ERR_OK;
	case TXN_COMPLETE_COMMIT:
		return ask->commit ? ERR_OK : ERR_INVALID_TXN_STATE;
	case TXN_COMPLETE_ABORT:
		return ask->commit ? ERR_INVALID_TXN_STATE : ERR_OK;
	case TXN_PREPARE_COMMIT:
		return ask->commit ? ERR_CONCURRENT_TRANSACTIONS : ERR_INVALID_TXN_STATE;
	case TXN_PREPARE_ABORT:
		return ask->commit ? ERR_INVALID_TXN_STATE : ERR_CONCURRENT_TRANSACTIONS;
	default:
		return ERR_INVALID_TXN_STATE;
	}
}

/* -- version 2 ----------------------------------------------------------------------------- */

/* The request's epoch is that of before the end it asks for: has that end been carried out? */
static bool endtxn_is_retry(const struct txn_value *value, const struct endtxn_ask *ask)
{
	if (ask->producer_id == value->producer_id)
		return value->epoch == ask->epoch + 1;
	return ask->producer_id == value->previous_id && ask->epoch == TXN_EPOCH_MAX - 1 &&
	       value->epoch == 0;
}

static bool endtxn_epoch_fits(const struct txn_value *value, const struct endtxn_ask *ask,
			      bool retry)
{
	if (txn_is_ending(value->state))
		return retry;
	if (txn_is_complete(value->state))
		return retry || ask->epoch == value->epoch;
	return ask->epoch == value->epoch;
}

static enum err endtxn_decide(const struct txn_entry *entry, struct moment now,
			      struct endtxn_ask *ask, struct tfx *fx)
{
	int64_t next_id = endtxn_next_id(&entry->value, ask->fresh_id, &ask->needs_id);
	struct txn_record *record;

	if (ask->needs_id)
		return ERR_OK;
	record =
	    endtxn_prepare(entry, now, ask->commit, ask->client_version, entry->value.epoch, fx);
	record->value.next_id = next_id;
	/* What will be in force when it is complete. */
	ask->out_id = next_id != TXN_NO_PRODUCER ? next_id : record->value.producer_id;
	ask->out_epoch = next_id != TXN_NO_PRODUCER ? 0 : record->value.epoch;
	return ERR_OK;
}

static enum err endtxn_again(const struct txn_value *value, struct endtxn_ask *ask)
{
	bool committed = value->state == TXN_COMPLETE_COMMIT || value->state == TXN_PREPARE_COMMIT;

	if (committed != ask->commit)
		return ERR_INVALID_TXN_STATE;
	if (txn_is_ending(value->state))
		return ERR_CONCURRENT_TRANSACTIONS;
	/* The last epoch is the coordinator's: an end of the producer's own would have a new id. */
	if (value->epoch == TXN_EPOCH_MAX)
		return ERR_PRODUCER_FENCED;
	ask->out_id = value->producer_id;
	ask->out_epoch = value->epoch;
	return ERR_OK;
}

static enum err endtxn_new(const struct txn_entry *entry, struct moment now, struct endtxn_ask *ask,
			   struct tfx *fx)
{
	const struct txn_value *value = &entry->value;
	bool retry = endtxn_is_retry(value, ask);

	if (!endtxn_epoch_fits(value, ask, retry))
		return ERR_PRODUCER_FENCED;
	if (value->state == TXN_ONGOING)
		return endtxn_decide(entry, now, ask, fx);
	if (retry)
		return endtxn_again(value, ask);
	/* A producer may abort what it has not begun, as far as we know: its epoch is raised. */
	return ask->commit ? ERR_INVALID_TXN_STATE : endtxn_decide(entry, now, ask, fx);
}

enum err endtxn_handle(struct txns *txns, struct moment now, struct endtxn_ask *ask, struct tfx *fx)
{
	const struct txn_entry *entry = txns_find(txns, ask->id);
	bool bumps = ask->client_version >= EPOCH_BUMP_VERSION;

	ask->needs_id = false;
	ask->out_id = TXN_NO_PRODUCER;
	ask->out_epoch = TXN_NO_EPOCH;
	if (ask->id.len == 0)
		return ERR_INVALID_REQUEST;
	if (entry == NULL)
		return ERR_INVALID_PRODUCER_ID_MAPPING;
	if (entry->value.producer_id != ask->producer_id &&
	    !(bumps && endtxn_is_retry(&entry->value, ask)))
		return ERR_INVALID_PRODUCER_ID_MAPPING;
	return bumps ? endtxn_new(entry, now, ask, fx) : endtxn_old(entry, now, ask, fx);
}

/* -- completion ---------------------------------------------------------------------------- */

void endtxn_complete(struct txns *txns, struct moment now, struct str id, int64_t producer_id,
		     int16_t epoch, struct tfx *fx)
{
	const struct txn_entry *entry = txns_find(txns, id);
	struct txn_record *record;

	if (entry == NULL || !txn_is_ending(entry->value.state) ||
	    entry->value.producer_id != producer_id || entry->value.epoch != epoch)
		return;
	record = txns_change(entry, now, fx);
	record->value.state =
	    entry->value.state == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
	record->value.topics = NULL;
	record->value.topics_len = 0;
	record->value.next_id = TXN_NO_PRODUCER;
	if (entry->value.client_version >= EPOCH_BUMP_VERSION &&
	    entry->value.next_id != TXN_NO_PRODUCER) {
		record->value.producer_id = entry->value.next_id;
		record->value.epoch = 0;
	}
}
