/* InitProducerId with a transactional id: a new epoch for its producer. See txns.h. */
#include "txn/txn_int.h"

/* KIP-360: a producer that says who it is must be the one that is known here. */
static bool initpid_is_known(const struct txn_entry *entry, const struct initpid_ask *ask)
{
	if (ask->producer_id == TXN_NO_PRODUCER || ask->producer_id == entry->value.producer_id)
		return true;
	/* It may not have heard of the new id that it was given when its epochs were used up. */
	return ask->producer_id == entry->value.previous_id && txns_is_exhausted(ask->epoch);
}

/* The change that both ways end in: empty, with these. */
static void initpid_reset(const struct txn_entry *entry, struct moment now, struct initpid_ask *ask,
			  int64_t producer_id, int16_t epoch, int16_t last_epoch, struct tfx *fx)
{
	struct txn_record *record = txns_change(entry, now, fx);

	record->value.producer_id = producer_id;
	record->value.epoch = epoch;
	record->value.timeout_ms = ask->timeout_ms;
	record->value.state = TXN_EMPTY;
	record->value.topics = NULL;
	record->value.topics_len = 0;
	record->value.start_ms = -1;
	record->last_epoch = last_epoch;
	ask->out_id = producer_id;
	ask->out_epoch = epoch;
}

static enum err initpid_renew(const struct txn_entry *entry, struct moment now,
			      struct initpid_ask *ask, struct tfx *fx)
{
	int16_t epoch = entry->value.epoch;
	bool named = ask->producer_id != TXN_NO_PRODUCER;
	int64_t id = entry->value.producer_id;

	if (txns_is_exhausted(epoch) && (!named || ask->epoch == epoch)) {
		ask->needs_id = ask->fresh_id == TXN_NO_PRODUCER;
		if (!ask->needs_id)
			initpid_reset(entry, now, ask, ask->fresh_id, 0,
				      named ? epoch : TXN_NO_EPOCH, fx);
		return ERR_OK;
	}
	if (!named)
		initpid_reset(entry, now, ask, id, (int16_t)(epoch + 1), TXN_NO_EPOCH, fx);
	else if (ask->epoch == epoch)
		initpid_reset(entry, now, ask, id, (int16_t)(epoch + 1), epoch, fx);
	else if (ask->epoch == entry->last_epoch)
		/* Asked again, after an answer that was lost: the same answer. */
		initpid_reset(entry, now, ask, id, epoch, entry->last_epoch, fx);
	else
		return ERR_PRODUCER_FENCED;
	return ERR_OK;
}

static enum err initpid_create(struct txns *txns, struct moment now, struct initpid_ask *ask,
			       struct tfx *fx)
{
	struct txn_record *record;

	if (keep_is_full(txns->keep))
		return ERR_COORDINATOR_NOT_AVAILABLE;
	ask->needs_id = ask->fresh_id == TXN_NO_PRODUCER;
	if (ask->needs_id)
		return ERR_OK;
	record = tfx_record_add(fx, ask->id);
	record->value = (struct txn_value){.producer_id = ask->fresh_id,
					   .previous_id = ask->fresh_id,
					   .next_id = TXN_NO_PRODUCER,
					   .timeout_ms = ask->timeout_ms,
					   .state = TXN_EMPTY,
					   .update_ms = now.wall_ms,
					   .start_ms = -1};
	ask->out_id = ask->fresh_id;
	ask->out_epoch = 0;
	return ERR_OK;
}

enum err initpid_handle(struct txns *txns, struct moment now, struct initpid_ask *ask,
			struct tfx *fx)
{
	struct txn_entry *entry = txns_find(txns, ask->id);

	ask->needs_id = false;
	ask->out_id = TXN_NO_PRODUCER;
	ask->out_epoch = TXN_NO_EPOCH;
	if (ask->id.len == 0)
		return ERR_INVALID_REQUEST;
	if (ask->timeout_ms <= 0 || ask->timeout_ms > txns->cfg->timeout_max_ms)
		return ERR_INVALID_TRANSACTION_TIMEOUT;
	if (entry == NULL)
		return initpid_create(txns, now, ask, fx);
	if (!initpid_is_known(entry, ask))
		return ERR_PRODUCER_FENCED;
	if (txn_is_ending(entry->value.state))
		return ERR_CONCURRENT_TRANSACTIONS;
	if (entry->value.state != TXN_ONGOING)
		return initpid_renew(entry, now, ask, fx);
	endtxn_fence(entry, now, ask->fresh_id, &ask->needs_id, fx);
	return ask->needs_id ? ERR_OK : ERR_CONCURRENT_TRANSACTIONS;
}
