/*
 * TxnOffsetCommit (28), versions 0-5: a group's positions that count when the transaction commits.
 * Until then they are pending: OffsetFetch that requires stable offsets is answered with
 * UNSTABLE_OFFSET_COMMIT.
 *
 * v0  first
 * v1  nothing new
 * v2  leader epoch; COORDINATOR_LOAD_IN_PROGRESS (before: COORDINATOR_NOT_AVAILABLE)
 * v3  flexible; member, generation and instance of the consumer, which are checked (KIP-447)
 * v4  TRANSACTION_ABORTABLE
 * v5  adds the group's partition to the transaction by itself (KIP-890)
 *
 * Topics and partitions that do not exist are refused one by one, before the coordinators are
 * asked.
 */
#include "api/handlers.h"
#include "api/held.h"
#include "api/txn_offsets.h"
#include "meta/config.h"
#include "meta/image.h"
#include "partition/partition.h"
#include "proto/txn_offset_commit.h"

#define VERSION_LOADING	  2
#define VERSION_ABORTABLE 4
#define VERSION_ADDS	  5

struct txn_offset_commit {
	struct held held;
	struct txn_call call;
	struct txn_offsets offsets;
	struct txn_offset_commit_req in;
	struct txn_offset_commit_res res;
	struct offset_entry *entries; /* what the coordinator is asked for */
	/* and where the answers go */
	struct txn_offset_commit_res_txn_offset_commit_response_partition **answers;
	size_t len;
	int64_t guard;
};

static enum err txn_offset_commit_err(const struct txn_offset_commit *call, enum err err)
{
	int16_t version = call->held.req->header.api_version;

	if (err == ERR_PRODUCER_FENCED)
		return ERR_INVALID_PRODUCER_EPOCH;
	if (err == ERR_TRANSACTION_ABORTABLE && version < VERSION_ABORTABLE)
		return ERR_INVALID_TXN_STATE;
	if (err == ERR_COORDINATOR_LOAD_IN_PROGRESS && version < VERSION_LOADING)
		return ERR_COORDINATOR_NOT_AVAILABLE;
	return err;
}

static bool txn_offset_commit_encode(struct held *held, enum err err)
{
	struct txn_offset_commit *call = container_of(held, struct txn_offset_commit, held);

	for (size_t i = 0; i < call->len; i++)
		call->answers[i]->error_code = errcode_of(
		    txn_offset_commit_err(call, err != ERR_OK ? err : call->entries[i].err));
	txn_offset_commit_res_encode(&call->res, api_begin(held->req),
				     held->req->header.api_version);
	return true;
}

static void txn_offset_commit_partition(
    struct txn_offset_commit *call, const struct image_topic *topic, struct str name,
    const struct txn_offset_commit_req_txn_offset_commit_request_partition *in,
    struct txn_offset_commit_res_txn_offset_commit_response_partition *out)
{
	out->partition_index = in->partition_index;
	if (topic == NULL || image_partition_at(topic, in->partition_index) == NULL) {
		out->error_code = errcode_of(ERR_UNKNOWN_TOPIC_OR_PARTITION);
		return;
	}
	call->answers[call->len] = out;
	call->entries[call->len++] =
	    (struct offset_entry){.topic = name, /* the image may be gone when it is written */
				  .topic_id = topic->id,
				  .partition = in->partition_index,
				  .value = {.offset = in->committed_offset,
					    .leader_epoch = in->committed_leader_epoch,
					    .metadata = in->committed_metadata}};
}

static bool txn_offset_commit_topic(struct txn_offset_commit *call, size_t idx)
{
	const struct txn_offset_commit_req_txn_offset_commit_request_topic *in =
	    &call->in.topics[idx];
	struct txn_offset_commit_res_txn_offset_commit_response_topic *out = &call->res.topics[idx];
	const struct image_topic *topic = image_topic_by_name(call->held.al->image, in->name);

	out->name = in->name;
	out->partitions =
	    txn_offset_commit_res_txn_offset_commit_response_partition_array(&call->held.req->arena,
									     in->partitions_len);
	if (out->partitions == NULL)
		return false;
	out->partitions_len = in->partitions_len;
	for (size_t i = 0; i < in->partitions_len; i++)
		txn_offset_commit_partition(call, topic, in->name, &in->partitions[i],
					    &out->partitions[i]);
	return true;
}

static bool txn_offset_commit_fill(struct txn_offset_commit *call)
{
	struct arena *arena = &call->held.req->arena;
	size_t count = 0;

	for (size_t i = 0; i < call->in.topics_len; i++)
		count += call->in.topics[i].partitions_len;
	call->entries = arena_array(arena, count + 1, sizeof(*call->entries));
	call->answers = arena_array(arena, count + 1, sizeof(*call->answers));
	txn_offset_commit_res_init(&call->res);
	call->res.topics =
	    txn_offset_commit_res_txn_offset_commit_response_topic_array(arena,
									 call->in.topics_len);
	if (call->entries == NULL || call->answers == NULL || call->res.topics == NULL)
		return false;
	call->res.topics_len = call->in.topics_len;
	for (size_t i = 0; i < call->in.topics_len; i++)
		if (!txn_offset_commit_topic(call, i))
			return false;
	return true;
}

/* The transaction has the group's partition: now the offsets. */
static void txn_offset_commit_write(struct txn_offset_commit *call)
{
	struct held *held = &call->held;
	struct commit_ask ask = {.group = call->in.group_id,
				 .member_id = call->in.member_id,
				 .instance_id = call->in.group_instance_id,
				 .generation = call->in.generation_id,
				 .retention_ms = -1,
				 .transactional = true,
				 .producer_id = call->in.producer_id,
				 .producer_epoch = call->in.producer_epoch,
				 .txn_version = call->offsets.ask.client_version,
				 .txn_guard = call->guard,
				 .offsets = call->entries,
				 .offsets_len = call->len};
	enum err err;

	held_begin(held, held->al, held->req, txn_offset_commit_encode);
	err = coord_commit(held->al->api->coord, &held->call, &ask);
	held_end(held, err);
}

static void txn_offset_commit_refuse(struct txn_offset_commit *call, enum err err)
{
	held_begin(&call->held, call->held.al, call->held.req, txn_offset_commit_encode);
	held_end(&call->held, err);
}

static void txn_offset_commit_enlisted(struct txn_call *txn_call, enum err err)
{
	struct txn_offset_commit *call = container_of(txn_call, struct txn_offset_commit, call);

	if (err == ERR_OK)
		err = call->offsets.partition.err;
	if (err != ERR_OK)
		txn_offset_commit_refuse(call, err);
	else
		txn_offset_commit_write(call);
}

static void txn_offset_commit_enlist(struct txn_offset_commit *call)
{
	struct api_loop *al = call->held.al;
	const struct txn_offset_commit_req *in = &call->in;
	bool adds = call->held.req->header.api_version >= VERSION_ADDS;
	enum err err = ERR_OK;

	if (call->len > 0 && (in->producer_id < 0 || in->producer_epoch < 0))
		err = ERR_INVALID_PRODUCER_ID_MAPPING;
	else if (call->len > 0)
		err = coord_txn_guard(al->api->coord, in->group_id, in->producer_id,
				      in->producer_epoch, &call->guard);
	if (err == ERR_OK)
		err = txn_offsets_fill(&call->offsets, al, in->transactional_id, in->producer_id,
				       in->producer_epoch, in->group_id);
	call->offsets.ask.client_version = adds ? 2 : 0;
	call->call =
	    (struct txn_call){.done = txn_offset_commit_enlisted, .arena = &call->held.req->arena};
	if (err != ERR_OK || call->len == 0)
		txn_offset_commit_refuse(call, err);
	else if (call->guard == PLOG_TXN_OPEN)
		txn_offset_commit_write(call);
	else if (adds)
		txncoord_add(al->api->coord, &call->call, &call->offsets.ask);
	else if (config_dynamic_bool(al->api->config, al->image,
				     CONFIG_TRANSACTION_PARTITION_VERIFICATION_ENABLE))
		txncoord_verify(al->api->coord, &call->call, &call->offsets.ask);
	else
		txn_offset_commit_write(call);
}

static void txn_offset_commit_handle(struct api_loop *al, struct req *req)
{
	struct txn_offset_commit *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = txn_offset_commit_req_decode(&call->in, &req->body, req->header.api_version,
						   &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	call->held.al = al;
	call->held.req = req;
	if (!txn_offset_commit_fill(call)) {
		api_overload(req);
		return;
	}
	txn_offset_commit_enlist(call);
}

const struct api_handler api_txn_offset_commit = {
    .key = TXN_OFFSET_COMMIT_API_KEY,
    .version_min = TXN_OFFSET_COMMIT_MIN_VERSION,
    .version_max = TXN_OFFSET_COMMIT_MAX_VERSION,
    .on_control = true,
    .handle = txn_offset_commit_handle,
};
