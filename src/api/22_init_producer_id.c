/*
 * InitProducerId (22), versions 0-5: an id and epoch for an idempotent producer.
 *
 * Ids come from blocks of 1000 that the controller notes in its log, so that no id is given twice,
 * over restarts too. A request that finds the block used up waits for the next one.
 *
 * v0  first
 * v1  nothing new
 * v2  flexible
 * v3  the producer's own id and epoch, to have the epoch raised (KIP-360)
 * v4  PRODUCER_FENCED, v5 TRANSACTION_ABORTABLE: of transactions
 *
 * Left out on purpose, until there are transactions: a transactional id, which is answered with
 * UNSUPPORTED_VERSION (fatal in every client, and true). Without one, an id and epoch that the
 * producer names are ignored as Kafka ignores them, and it gets a new id.
 */
#include "api/handlers.h"
#include "api/producer_ids.h"
#include "proto/init_producer_id.h"

#define VERSION_MAX 5

struct init_producer_id {
	struct req *req;
	struct producer_ids_wait wait;
};

static void init_producer_id_answer(struct req *req, enum err err, int64_t producer_id)
{
	struct init_producer_id_res res;

	init_producer_id_res_init(&res);
	res.error_code = errcode_of(err);
	res.producer_id = err == ERR_OK ? producer_id : -1;
	res.producer_epoch = err == ERR_OK ? 0 : -1;
	init_producer_id_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void init_producer_id_done(struct producer_ids_wait *wait, enum err err, int64_t producer_id)
{
	struct init_producer_id *call = container_of(wait, struct init_producer_id, wait);

	init_producer_id_answer(call->req, err, producer_id);
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
	} else if (in.transactional_id.ptr != NULL) {
		init_producer_id_answer(req, ERR_UNSUPPORTED_VERSION, -1);
	} else {
		call->req = req;
		call->wait.done = init_producer_id_done;
		producer_ids_take(al->api->producer_ids, &call->wait);
	}
}

const struct api_handler api_init_producer_id = {
    .key = INIT_PRODUCER_ID_API_KEY,
    .version_min = INIT_PRODUCER_ID_MIN_VERSION,
    .version_max = VERSION_MAX,
    .on_control = true,
    .handle = init_producer_id_handle,
};
