/*
 * InitProducerId (22), versions 0-5: an id and epoch for an idempotent or a transactional producer.
 *
 * Ids come from blocks of 1000 that the controller notes in its log, so that no id is given twice,
 * over restarts too. A request that finds the block used up waits for the next one. A transactional
 * id keeps its producer id and gets a higher epoch each time, which fences its producers of before;
 * what they have left open is aborted first, and CONCURRENT_TRANSACTIONS makes the client ask
 * again.
 *
 * v0  first
 * v1  nothing new
 * v2  flexible
 * v3  the producer's own id and epoch, to have the epoch raised (KIP-360)
 * v4  PRODUCER_FENCED (before: INVALID_PRODUCER_EPOCH)
 * v5  TRANSACTION_ABORTABLE
 *
 * Left out on purpose: version 6, two-phase commit, not yet stable in Kafka 4.3. Without a
 * transactional id, an id and epoch that the producer names are ignored as Kafka ignores them, and
 * it gets a new id.
 */
#include "api/handlers.h"
#include "coord/txncoord.h"
#include "proto/init_producer_id.h"

#define VERSION_MAX    5
#define VERSION_FENCED 4

struct init_producer_id {
	struct req *req;
	struct producer_ids_wait wait;
	struct txn_call call;
	struct initpid_ask ask;
};

static void init_producer_id_answer(struct req *req, enum err err, int64_t producer_id,
				    int16_t epoch)
{
	struct init_producer_id_res res;

	if (err == ERR_PRODUCER_FENCED && req->header.api_version < VERSION_FENCED)
		err = ERR_INVALID_PRODUCER_EPOCH;
	init_producer_id_res_init(&res);
	res.error_code = errcode_of(err);
	res.producer_id = err == ERR_OK ? producer_id : -1;
	res.producer_epoch = err == ERR_OK ? epoch : -1;
	init_producer_id_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void init_producer_id_done(struct producer_ids_wait *wait, enum err err, int64_t producer_id)
{
	struct init_producer_id *call = container_of(wait, struct init_producer_id, wait);

	init_producer_id_answer(call->req, err, producer_id, 0);
}

static void init_producer_id_txn_done(struct txn_call *txn_call, enum err err)
{
	struct init_producer_id *call = container_of(txn_call, struct init_producer_id, call);

	init_producer_id_answer(call->req, err, call->ask.out_id, call->ask.out_epoch);
}

static void init_producer_id_begin(struct api_loop *al, struct init_producer_id *call,
				   const struct init_producer_id_req *in)
{
	if ((in->producer_id == TXN_NO_PRODUCER) != (in->producer_epoch == TXN_NO_EPOCH)) {
		init_producer_id_answer(call->req, ERR_INVALID_REQUEST, -1, -1);
		return;
	}
	if (in->transactional_id.ptr == NULL) {
		call->wait.done = init_producer_id_done;
		producer_ids_take(al->api->producer_ids, &call->wait);
		return;
	}
	call->ask = (struct initpid_ask){.id = in->transactional_id,
					 .timeout_ms = in->transaction_timeout_ms,
					 .producer_id = in->producer_id,
					 .epoch = in->producer_epoch};
	call->call.done = init_producer_id_txn_done;
	call->call.arena = &call->req->arena;
	txncoord_initpid(al->api->coord, &call->call, &call->ask);
}

static void init_producer_id_handle(struct api_loop *al, struct req *req)
{
	struct init_producer_id *call = arena_alloc(&req->arena, sizeof(*call));
	struct init_producer_id_req in;
	enum err err;

	err = init_producer_id_req_decode(&in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
	} else if (call == NULL) {
		api_overload(req);
	} else {
		call->req = req;
		init_producer_id_begin(al, call, &in);
	}
}

const struct api_handler api_init_producer_id = {
    .key = INIT_PRODUCER_ID_API_KEY,
    .version_min = INIT_PRODUCER_ID_MIN_VERSION,
    .version_max = VERSION_MAX,
    .on_control = true,
    .handle = init_producer_id_handle,
};
