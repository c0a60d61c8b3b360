/*
 * AddOffsetsToTxn (25), versions 0-4: a transaction is going to commit a group's offsets, so the
 * group's partition of __consumer_offsets becomes one of its partitions.
 *
 * v0  first
 * v1  nothing new
 * v2  PRODUCER_FENCED (before: INVALID_PRODUCER_EPOCH)
 * v3  flexible
 * v4  TRANSACTION_ABORTABLE
 *
 * Clients that go by transaction.version 2 do without: TxnOffsetCommit adds it.
 */
#include "api/handlers.h"
#include "api/txn_offsets.h"
#include "proto/add_offsets_to_txn.h"

#define VERSION_FENCED 2

struct add_offsets {
	struct req *req;
	struct txn_call call;
	struct txn_offsets offsets;
};

static void add_offsets_answer(struct add_offsets *add, enum err err)
{
	struct add_offsets_to_txn_res res;
	struct req *req = add->req;

	if (err == ERR_PRODUCER_FENCED && req->header.api_version < VERSION_FENCED)
		err = ERR_INVALID_PRODUCER_EPOCH;
	add_offsets_to_txn_res_init(&res);
	res.error_code = errcode_of(err);
	add_offsets_to_txn_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void add_offsets_done(struct txn_call *call, enum err err)
{
	add_offsets_answer(container_of(call, struct add_offsets, call), err);
}

static void add_offsets_to_txn_handle(struct api_loop *al, struct req *req)
{
	struct add_offsets *add = arena_alloc(&req->arena, sizeof(*add));
	struct add_offsets_to_txn_req in;
	enum err err;

	err = add_offsets_to_txn_req_decode(&in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (add == NULL) {
		api_overload(req);
		return;
	}
	add->req = req;
	add->call = (struct txn_call){.done = add_offsets_done, .arena = &req->arena};
	err = txn_offsets_fill(&add->offsets, al, in.transactional_id, in.producer_id,
			       in.producer_epoch, in.group_id);
	if (err != ERR_OK)
		add_offsets_answer(add, err);
	else
		txncoord_add(al->api->coord, &add->call, &add->offsets.ask);
}

const struct api_handler api_add_offsets_to_txn = {
    .key = ADD_OFFSETS_TO_TXN_API_KEY,
    .version_min = ADD_OFFSETS_TO_TXN_MIN_VERSION,
    .version_max = ADD_OFFSETS_TO_TXN_MAX_VERSION,
    .on_control = true,
    .handle = add_offsets_to_txn_handle,
};
