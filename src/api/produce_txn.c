/* Transactional batches, before they are appended. See produce_txn.h. */
#include "api/produce_txn.h"

#include "api/topics.h"
#include "meta/config.h"
#include "record/batch.h"

#define VERSION_ABORTABLE 11 /* understands TRANSACTION_ABORTABLE */
#define VERSION_ADDS	  12

static bool produce_txn_adds(const struct produce_txn *txn)
{
	return txn->req->header.api_version >= VERSION_ADDS;
}

int16_t produce_txn_version(const struct produce_txn *txn)
{
	return produce_txn_adds(txn) ? 2 : 0;
}

const struct produce_txn_check *produce_txn_check(const struct produce_txn *txn, size_t topic_idx,
						  size_t part_idx)
{
	return &txn->checks[txn->firsts[topic_idx] + part_idx];
}

/* -- what is to be asked ------------------------------------------------------------------- */

/* One producer a request: the first that is seen. */
static bool produce_txn_is_its(struct produce_txn *txn, const struct batch_header *header)
{
	if (txn->producer_id == TXN_NO_PRODUCER) {
		txn->producer_id = header->producer_id;
		txn->epoch = header->producer_epoch;
	}
	return txn->producer_id == header->producer_id && txn->epoch == header->producer_epoch;
}

static void produce_txn_look(struct produce_txn *txn, const struct image_topic *topic,
			     const struct produce_req_partition_produce_data *in, size_t idx)
{
	struct produce_txn_check *check = &txn->checks[idx];
	const struct image_partition *image_part;
	struct partition *local;
	struct batch_header header;

	/* What is wrong beside the transaction is found out later, and answered then; should it
	 * have come right by then, nobody has asked for this partition. */
	check->guard = PLOG_TXN_OPEN;
	if (batch_header_read(in->records.bytes, &header) != ERR_OK ||
	    !batch_is_transactional(&header) || !batch_has_producer(&header) ||
	    topics_local(topic, in->index, &image_part, &local) != ERR_OK)
		return;
	if (!produce_txn_is_its(txn, &header)) {
		check->err = ERR_INVALID_PRODUCER_ID_MAPPING;
		return;
	}
	check->err =
	    partition_txn_guard(local, header.producer_id, header.producer_epoch, &check->guard);
	if (check->err != ERR_OK || check->guard == PLOG_TXN_OPEN)
		return;
	txn->asked[txn->ask.len] = idx;
	/* Copied: the image that it stands in may be gone before the coordinator looks. */
	txn->ask.partitions[txn->ask.len++] =
	    (struct enlist_partition){.topic = arena_str(&txn->req->arena, topic->name),
				      .partition = in->index};
}

static void produce_txn_look_all(struct produce_txn *txn)
{
	for (size_t t = 0; t < txn->in->topic_data_len; t++) {
		const struct produce_req_topic_produce_data *in = &txn->in->topic_data[t];
		const struct image_topic *topic =
		    txn->req->header.api_version >= 13
			? image_topic_by_id(txn->al->image, in->topic_id)
			: image_topic_by_name(txn->al->image, in->name);

		for (size_t p = 0; p < in->partition_data_len; p++)
			produce_txn_look(txn, topic, &in->partition_data[p], txn->firsts[t] + p);
	}
}

static bool produce_txn_make(struct produce_txn *txn)
{
	struct arena *arena = &txn->req->arena;
	size_t count = 0;

	txn->firsts = arena_array(arena, txn->in->topic_data_len + 1, sizeof(*txn->firsts));
	if (txn->firsts == NULL)
		return false;
	for (size_t t = 0; t < txn->in->topic_data_len; t++) {
		txn->firsts[t] = count;
		count += txn->in->topic_data[t].partition_data_len;
	}
	txn->checks = arena_array(arena, count + 1, sizeof(*txn->checks));
	txn->asked = arena_array(arena, count + 1, sizeof(*txn->asked));
	txn->ask.partitions = arena_array(arena, count + 1, sizeof(*txn->ask.partitions));
	return txn->checks != NULL && txn->asked != NULL && txn->ask.partitions != NULL;
}

/* -- to the coordinator's loop and back ---------------------------------------------------- */

static enum err produce_txn_err(const struct produce_txn *txn, enum err err)
{
	switch (err) {
	case ERR_PRODUCER_FENCED:
		return ERR_INVALID_PRODUCER_EPOCH;
	case ERR_TRANSACTION_ABORTABLE:
		return txn->req->header.api_version >= VERSION_ABORTABLE ? err
									 : ERR_INVALID_TXN_STATE;
	case ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case ERR_COORDINATOR_NOT_AVAILABLE:
	case ERR_NOT_COORDINATOR:
		/* A code that every client tries again with, without looking for a leader. */
		return ERR_NOT_ENOUGH_REPLICAS;
	case ERR_CONCURRENT_TRANSACTIONS:
		return produce_txn_adds(txn) ? err : ERR_NOT_ENOUGH_REPLICAS;
	default:
		return err;
	}
}

struct str produce_txn_message(const struct produce_txn *txn, enum err err)
{
	if (err == ERR_INVALID_TXN_STATE)
		return STR("Partition was not added to the transaction");
	if (err == ERR_NOT_ENOUGH_REPLICAS)
		return arena_printf(&txn->req->arena,
				    "Unable to verify the partition has been added to the "
				    "transaction. Underlying error: %s",
				    err_name(txn->err));
	return STR_NULL;
}

static void produce_txn_come_home(struct mail *mail)
{
	struct produce_txn *txn = container_of(mail, struct produce_txn, mail);

	for (size_t i = 0; i < txn->ask.len; i++) {
		enum err err = txn->err != ERR_OK ? txn->err : txn->ask.partitions[i].err;

		txn->checks[txn->asked[i]].err = produce_txn_err(txn, err);
	}
	txn->done(txn);
}

static void produce_txn_answered(struct txn_call *call, enum err err)
{
	struct produce_txn *txn = container_of(call, struct produce_txn, call);

	txn->err = err;
	txn->mail = (struct mail){.deliver = produce_txn_come_home};
	loop_post(txn->al->loop, &txn->mail);
}

static void produce_txn_ask(struct mail *mail)
{
	struct produce_txn *txn = container_of(mail, struct produce_txn, mail);
	struct coord *coord = txn->al->api->coord;

	txn->call.done = produce_txn_answered;
	txn->call.arena = &txn->req->arena;
	if (produce_txn_adds(txn))
		txncoord_add(coord, &txn->call, &txn->ask);
	else
		txncoord_verify(coord, &txn->call, &txn->ask);
}

enum produce_txn_state produce_txn_begin(struct produce_txn *txn)
{
	txn->producer_id = TXN_NO_PRODUCER;
	if (!produce_txn_make(txn))
		return PRODUCE_TXN_NOMEM;
	if (!produce_txn_adds(txn) &&
	    !config_dynamic_bool(txn->al->api->config, txn->al->image,
				 CONFIG_TRANSACTION_PARTITION_VERIFICATION_ENABLE))
		return PRODUCE_TXN_READY;
	produce_txn_look_all(txn);
	if (txn->req->arena.failed)
		return PRODUCE_TXN_NOMEM;
	if (txn->ask.len == 0)
		return PRODUCE_TXN_READY;
	txn->ask.id = txn->in->transactional_id;
	txn->ask.producer_id = txn->producer_id;
	txn->ask.epoch = txn->epoch;
	txn->ask.client_version = produce_txn_version(txn);
	txn->mail = (struct mail){.deliver = produce_txn_ask};
	loop_post(txn->al->api->control->loop, &txn->mail);
	return PRODUCE_TXN_WAITS;
}
