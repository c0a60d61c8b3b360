/*
 * EndTxn (26), versions 0-5: commits or aborts a transaction. Answered once the decision is in the
 * coordinator's log; the markers in the transaction's partitions follow.
 *
 * v0  first
 * v1  nothing new
 * v2  PRODUCER_FENCED (before: INVALID_PRODUCER_EPOCH)
 * v3  flexible
 * v4  TRANSACTION_ABORTABLE
 * v5  from clients of transaction.version 2: the answer has the epoch of the next transaction, and
 *     the new id when the epochs of the old one are used up (KIP-890)
 */
#include "api/handlers.h"
#include "coord/txncoord.h"
#include "proto/end_txn.h"

#define VERSION_FENCED 2
#define VERSION_BUMPS  5

struct end_txn {
	struct req *req;
	struct txn_call call;
	struct endtxn_ask ask;
};

static void end_txn_done(struct txn_call *call, enum err err)
{
	struct end_txn *end = container_of(call, struct end_txn, call);
	struct req *req = end->req;
	struct end_txn_res res;

	if (err == ERR_PRODUCER_FENCED && req->header.api_version < VERSION_FENCED)
		err = ERR_INVALID_PRODUCER_EPOCH;
	end_txn_res_init(&res);
	res.error_code = errcode_of(err);
	if (err == ERR_OK) {
		res.producer_id = end->ask.out_id;
		res.producer_epoch = end->ask.out_epoch;
	}
	end_txn_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void end_txn_handle(struct api_loop *al, struct req *req)
{
	struct end_txn *end = arena_alloc(&req->arena, sizeof(*end));
	struct end_txn_req in;
	enum err err = end_txn_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (end == NULL) {
		api_overload(req);
		return;
	}
	end->req = req;
	end->call = (struct txn_call){.done = end_txn_done, .arena = &req->arena};
	end->ask =
	    (struct endtxn_ask){.id = in.transactional_id,
				.producer_id = in.producer_id,
				.epoch = in.producer_epoch,
				.commit = in.committed,
				.client_version = req->header.api_version >= VERSION_BUMPS ? 2 : 0};
	txncoord_end(al->api->coord, &end->call, &end->ask);
}

const struct api_handler api_end_txn = {
    .key = END_TXN_API_KEY,
    .version_min = END_TXN_MIN_VERSION,
    .version_max = END_TXN_MAX_VERSION,
    .on_control = true,
    .handle = end_txn_handle,
};
