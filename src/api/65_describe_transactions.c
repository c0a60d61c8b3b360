/* DescribeTransactions (65), version 0: what the coordinator knows of transactional ids. */
#include "api/handlers.h"
#include "coord/txncoord.h"
#include "proto/describe_transactions.h"

static bool describe_transactions_topics(const struct txn_value *value, struct arena *arena,
					 struct describe_transactions_res_transaction_state *out)
{
	out->topics = describe_transactions_res_topic_data_array(arena, value->topics_len);
	if (out->topics == NULL)
		return false;
	out->topics_len = value->topics_len;
	for (size_t i = 0; i < value->topics_len; i++) {
		out->topics[i].topic = value->topics[i].name;
		out->topics[i].partitions = (int32_t *)(uintptr_t)value->topics[i].partitions;
		out->topics[i].partitions_len = value->topics[i].len;
	}
	return true;
}

/* It points into the coordinator's state, and is encoded before the next event. */
static bool describe_transactions_one(struct api_loop *al, struct arena *arena, struct str id,
				      struct describe_transactions_res_transaction_state *out)
{
	const struct txn_value *value;
	enum err err = txncoord_describe(al->api->coord, id, &value);

	out->transactional_id = id;
	out->error_code = errcode_of(err);
	if (err != ERR_OK)
		return true;
	out->transaction_state = txn_state_name(value->state);
	out->transaction_timeout_ms = value->timeout_ms;
	out->transaction_start_time_ms = value->start_ms;
	out->producer_id = value->producer_id;
	out->producer_epoch = value->epoch;
	return describe_transactions_topics(value, arena, out);
}

static void describe_transactions_handle(struct api_loop *al, struct req *req)
{
	struct describe_transactions_req in;
	struct describe_transactions_res res;
	enum err err =
	    describe_transactions_req_decode(&in, &req->body, req->header.api_version, &req->arena);
	bool fits;

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	describe_transactions_res_init(&res);
	res.transaction_states =
	    describe_transactions_res_transaction_state_array(&req->arena,
							      in.transactional_ids_len);
	fits = res.transaction_states != NULL;
	for (size_t i = 0; fits && i < in.transactional_ids_len; i++) {
		fits = describe_transactions_one(al, &req->arena, in.transactional_ids[i],
						 &res.transaction_states[i]);
		res.transaction_states_len++;
	}
	if (!fits) {
		api_overload(req);
		return;
	}
	describe_transactions_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_describe_transactions = {
    .key = DESCRIBE_TRANSACTIONS_API_KEY,
    .version_min = DESCRIBE_TRANSACTIONS_MIN_VERSION,
    .version_max = DESCRIBE_TRANSACTIONS_MAX_VERSION,
    .on_control = true,
    .handle = describe_transactions_handle,
};
