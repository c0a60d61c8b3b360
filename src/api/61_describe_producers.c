/*
 * DescribeProducers (61), version 0: the producers that a partition knows of, with their open
 * transactions; for kafka-transactions.
 */
#include "api/handlers.h"
#include "api/topics.h"
#include "proto/describe_producers.h"

static enum err describe_producers_fill(struct partition *local, struct arena *arena,
					struct describe_producers_res_partition_response *out)
{
	struct plog *log = partition_log(local);
	struct plog_producer *producers;
	size_t len;
	enum err err;

	plog_lock(log);
	plog_expire_producers(log); /* where nothing is written nobody else does */
	err = plog_producers(log, arena, &producers, &len);
	plog_unlock(log);
	if (err == ERR_OK) {
		out->active_producers = describe_producers_res_producer_state_array(arena, len);
		err = out->active_producers == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (err != ERR_OK)
		return err;
	out->active_producers_len = len;
	for (size_t i = 0; i < len; i++) {
		struct describe_producers_res_producer_state *to = &out->active_producers[i];

		to->producer_id = producers[i].producer_id;
		to->producer_epoch = producers[i].producer_epoch;
		to->last_sequence = producers[i].last_sequence;
		to->last_timestamp = producers[i].last_timestamp_ms;
		to->coordinator_epoch = producers[i].coordinator_epoch;
		to->current_txn_start_offset = producers[i].txn_start_offset;
	}
	return ERR_OK;
}

/* False: the memory of the request does not do. */
static bool describe_producers_partition(struct api_loop *al, struct arena *arena, struct str name,
					 int32_t idx,
					 struct describe_producers_res_partition_response *out)
{
	const struct image_partition *image_part;
	struct partition *local;
	enum err err = topics_local(image_topic_by_name(al->image, name), idx, &image_part, &local);

	out->partition_index = idx;
	if (err == ERR_OK)
		err = describe_producers_fill(local, arena, out);
	out->error_code = errcode_of(err);
	return err != ERR_NOMEM;
}

static bool describe_producers_topic(struct api_loop *al, struct arena *arena,
				     const struct describe_producers_req_topic_request *in,
				     struct describe_producers_res_topic_response *out)
{
	out->name = in->name;
	out->partitions =
	    describe_producers_res_partition_response_array(arena, in->partition_indexes_len);
	if (out->partitions == NULL)
		return false;
	out->partitions_len = in->partition_indexes_len;
	for (size_t i = 0; i < in->partition_indexes_len; i++)
		if (!describe_producers_partition(al, arena, in->name, in->partition_indexes[i],
						  &out->partitions[i]))
			return false;
	return true;
}

static void describe_producers_handle(struct api_loop *al, struct req *req)
{
	struct describe_producers_req in;
	struct describe_producers_res res;
	enum err err =
	    describe_producers_req_decode(&in, &req->body, req->header.api_version, &req->arena);
	bool fits;

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	describe_producers_res_init(&res);
	res.topics = describe_producers_res_topic_response_array(&req->arena, in.topics_len);
	fits = res.topics != NULL;
	for (; fits && res.topics_len < in.topics_len; res.topics_len++)
		fits = describe_producers_topic(al, &req->arena, &in.topics[res.topics_len],
						&res.topics[res.topics_len]);
	if (!fits) {
		api_overload(req);
		return;
	}
	describe_producers_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_describe_producers = {
    .key = DESCRIBE_PRODUCERS_API_KEY,
    .version_min = DESCRIBE_PRODUCERS_MIN_VERSION,
    .version_max = DESCRIBE_PRODUCERS_MAX_VERSION,
    .handle = describe_producers_handle,
};
