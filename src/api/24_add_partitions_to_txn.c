/*
 * AddPartitionsToTxn (24), versions 0-5: partitions that a transaction is going to write to.
 *
 * v0  one transaction
 * v1  nothing new
 * v2  PRODUCER_FENCED (before: INVALID_PRODUCER_EPOCH)
 * v3  flexible
 * v4  many transactions, from other brokers; verify only (KIP-890)
 * v5  TRANSACTION_ABORTABLE
 *
 * All partitions of a transaction are added or none: when one does not exist, the others get
 * OPERATION_NOT_ATTEMPTED.
 */
#include "api/handlers.h"
#include "coord/txncoord.h"
#include "meta/image.h"
#include "proto/add_partitions_to_txn.h"

#define VERSION_FENCED	2
#define VERSION_BATCHED 4

struct add_partitions {
	struct api_loop *al;
	struct req *req;
	struct add_partitions_to_txn_req in;
	struct add_partitions_to_txn_res res;
	/* version 3 and below: the one */
	struct add_partitions_to_txn_req_add_partitions_to_txn_transaction one;
	size_t idx; /* the transaction that is asked for */
	struct txn_call call;
	struct enlist_ask ask;
};

static void add_partitions_next(struct add_partitions *add);

static void add_partitions_answer(struct add_partitions *add)
{
	struct add_partitions_to_txn_res *res = &add->res;
	int16_t version = add->req->header.api_version;

	if (version < VERSION_BATCHED) {
		res->results_by_topic_v3_and_below = res->results_by_transaction[0].topic_results;
		res->results_by_topic_v3_and_below_len =
		    res->results_by_transaction[0].topic_results_len;
	}
	add_partitions_to_txn_res_encode(res, api_begin(add->req), version);
	api_end(add->req);
}

/* Room for one transaction's results, and the partitions to ask for. */
static bool add_partitions_make(struct add_partitions *add)
{
	const struct add_partitions_to_txn_req_add_partitions_to_txn_transaction *in =
	    &add->in.transactions[add->idx];
	struct add_partitions_to_txn_res_add_partitions_to_txn_result *out =
	    &add->res.results_by_transaction[add->idx];
	struct arena *arena = &add->req->arena;
	size_t count = 0;

	out->transactional_id = in->transactional_id;
	out->topic_results =
	    add_partitions_to_txn_res_add_partitions_to_txn_topic_result_array(arena,
									       in->topics_len);
	if (out->topic_results == NULL)
		return false;
	out->topic_results_len = in->topics_len;
	for (size_t t = 0; t < in->topics_len; t++) {
		struct add_partitions_to_txn_res_add_partitions_to_txn_topic_result *topic =
		    &out->topic_results[t];

		topic->name = in->topics[t].name;
		topic->results_by_partition =
		    add_partitions_to_txn_res_add_partitions_to_txn_partition_result_array(
			arena, in->topics[t].partitions_len);
		if (topic->results_by_partition == NULL)
			return false;
		topic->results_by_partition_len = in->topics[t].partitions_len;
		count += in->topics[t].partitions_len;
	}
	add->ask.partitions = arena_array(arena, count + 1, sizeof(*add->ask.partitions));
	return add->ask.partitions != NULL;
}

/* Fills the ask; false when a partition does not exist: then each has its err. */
static bool add_partitions_fill(struct add_partitions *add)
{
	const struct add_partitions_to_txn_req_add_partitions_to_txn_transaction *in =
	    &add->in.transactions[add->idx];
	bool all = true;

	add->ask.len = 0;
	for (size_t t = 0; t < in->topics_len; t++) {
		const struct image_topic *topic =
		    image_topic_by_name(add->al->image, in->topics[t].name);

		for (size_t p = 0; p < in->topics[t].partitions_len; p++) {
			int32_t idx = in->topics[t].partitions[p];
			bool there = topic != NULL && image_partition_at(topic, idx) != NULL;

			add->ask.partitions[add->ask.len++] =
			    (struct enlist_partition){in->topics[t].name, idx,
						      there ? ERR_OPERATION_NOT_ATTEMPTED
							    : ERR_UNKNOWN_TOPIC_OR_PARTITION};
			all = all && there;
		}
	}
	for (size_t i = 0; all && i < add->ask.len; i++)
		add->ask.partitions[i].err = ERR_OK;
	return all;
}

/* err: of the whole transaction; else each partition has its own. */
static void add_partitions_put(struct add_partitions *add, enum err err)
{
	struct add_partitions_to_txn_res_add_partitions_to_txn_result *out =
	    &add->res.results_by_transaction[add->idx];
	size_t count = 0;

	if (err == ERR_PRODUCER_FENCED && add->req->header.api_version < VERSION_FENCED)
		err = ERR_INVALID_PRODUCER_EPOCH;
	for (size_t t = 0; t < out->topic_results_len; t++) {
		for (size_t p = 0; p < out->topic_results[t].results_by_partition_len; p++) {
			const struct enlist_partition *one = &add->ask.partitions[count++];

			out->topic_results[t].results_by_partition[p].partition_index =
			    one->partition;
			out->topic_results[t].results_by_partition[p].partition_error_code =
			    errcode_of(err != ERR_OK ? err : one->err);
		}
	}
	add->idx++;
}

static void add_partitions_done(struct txn_call *call, enum err err)
{
	struct add_partitions *add = container_of(call, struct add_partitions, call);

	add_partitions_put(add, err);
	add_partitions_next(add);
}

static void add_partitions_ask(struct add_partitions *add)
{
	const struct add_partitions_to_txn_req_add_partitions_to_txn_transaction *in =
	    &add->in.transactions[add->idx];

	add->ask.id = in->transactional_id;
	add->ask.producer_id = in->producer_id;
	add->ask.epoch = in->producer_epoch;
	add->ask.client_version = add->req->header.api_version >= VERSION_BATCHED ? 2 : 0;
	add->call = (struct txn_call){.done = add_partitions_done, .arena = &add->req->arena};
	if (in->verify_only)
		txncoord_verify(add->al->api->coord, &add->call, &add->ask);
	else
		txncoord_add(add->al->api->coord, &add->call, &add->ask);
}

static void add_partitions_next(struct add_partitions *add)
{
	while (add->idx < add->in.transactions_len) {
		if (!add_partitions_make(add)) {
			api_overload(add->req);
			return;
		}
		if (add_partitions_fill(add)) {
			add_partitions_ask(add);
			return;
		}
		add_partitions_put(add, ERR_OK);
	}
	add_partitions_answer(add);
}

static void add_partitions_to_txn_handle(struct api_loop *al, struct req *req)
{
	struct add_partitions *add = arena_alloc(&req->arena, sizeof(*add));
	int16_t version = req->header.api_version;
	enum err err = ERR_NOMEM;

	if (add != NULL)
		err = add_partitions_to_txn_req_decode(&add->in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	add->al = al;
	add->req = req;
	if (version < VERSION_BATCHED) {
		add->one.transactional_id = add->in.v3_and_below_transactional_id;
		add->one.producer_id = add->in.v3_and_below_producer_id;
		add->one.producer_epoch = add->in.v3_and_below_producer_epoch;
		add->one.topics = add->in.v3_and_below_topics;
		add->one.topics_len = add->in.v3_and_below_topics_len;
		add->in.transactions = &add->one;
		add->in.transactions_len = 1;
	}
	add_partitions_to_txn_res_init(&add->res);
	add->res.results_by_transaction =
	    add_partitions_to_txn_res_add_partitions_to_txn_result_array(&req->arena,
									 add->in.transactions_len);
	if (add->res.results_by_transaction == NULL) {
		api_overload(req);
		return;
	}
	add->res.results_by_transaction_len = add->in.transactions_len;
	add_partitions_next(add);
}

const struct api_handler api_add_partitions_to_txn = {
    .key = ADD_PARTITIONS_TO_TXN_API_KEY,
    .version_min = ADD_PARTITIONS_TO_TXN_MIN_VERSION,
    .version_max = ADD_PARTITIONS_TO_TXN_MAX_VERSION,
    .on_control = true,
    .handle = add_partitions_to_txn_handle,
};
