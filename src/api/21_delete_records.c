/*
 * DeleteRecords (21), versions 0-2: moves partitions' log start up, so that what is below is gone.
 *
 * On the control loop, where the checkpoints are written: the answer waits until the new log starts
 * are durable, for records that were said to be deleted must not come back. An offset at or below
 * the log start is no error (Kafka Streams purges that way).
 *
 * v0  first
 * v1  nothing new
 * v2  flexible
 */
#include "api/handlers.h"
#include "api/topics.h"
#include "partition/checkpointer.h"
#include "proto/delete_records.h"

struct delete_records {
	struct req *req;
	struct delete_records_res res;
	struct checkpointer_wait wait;
};

static enum err delete_records_one(const struct image_topic *topic,
				   const struct delete_records_req_delete_records_partition *ask,
				   struct delete_records_res_delete_records_partition_result *res)
{
	const struct image_partition *image_part;
	struct partition *part;
	enum err err;

	res->partition_index = ask->partition_index;
	res->low_watermark = -1;
	if (topic != NULL && topic->internal)
		return ERR_INVALID_TOPIC_EXCEPTION;
	err = topics_local(topic, ask->partition_index, &image_part, &part);
	if (err == ERR_OK)
		err = partition_delete_records(part, ask->offset, &res->low_watermark);
	if (err != ERR_OK)
		res->low_watermark = -1;
	return err;
}

static bool delete_records_topic(struct api_loop *al, struct req *req,
				 const struct delete_records_req_delete_records_topic *ask,
				 struct delete_records_res_delete_records_topic_result *res)
{
	const struct image_topic *topic = image_topic_by_name(al->image, ask->name);

	res->name = ask->name;
	res->partitions =
	    delete_records_res_delete_records_partition_result_array(&req->arena,
								     ask->partitions_len);
	if (res->partitions == NULL)
		return false;
	res->partitions_len = ask->partitions_len;
	for (size_t i = 0; i < ask->partitions_len; i++) {
		enum err err = delete_records_one(topic, &ask->partitions[i], &res->partitions[i]);
		res->partitions[i].error_code = errcode_of(err);
	}
	return true;
}

static void delete_records_durable(struct checkpointer_wait *wait, enum err err)
{
	struct delete_records *call = container_of(wait, struct delete_records, wait);

	for (size_t t = 0; err != ERR_OK && t < call->res.topics_len; t++)
		for (size_t p = 0; p < call->res.topics[t].partitions_len; p++)
			call->res.topics[t].partitions[p].error_code =
			    errcode_of(ERR_KAFKA_STORAGE_ERROR);
	delete_records_res_encode(&call->res, api_begin(call->req), call->req->header.api_version);
	api_end(call->req);
}

static void delete_records_handle(struct api_loop *al, struct req *req)
{
	struct delete_records *call = arena_alloc(&req->arena, sizeof(*call));
	struct delete_records_req in;
	enum err err;

	err = delete_records_req_decode(&in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (call != NULL) {
		call->req = req;
		call->wait.done = delete_records_durable;
		delete_records_res_init(&call->res);
		call->res.topics =
		    delete_records_res_delete_records_topic_result_array(&req->arena,
									 in.topics_len);
	}
	if (call == NULL || call->res.topics == NULL) {
		api_overload(req);
		return;
	}
	for (; call->res.topics_len < in.topics_len; call->res.topics_len++) {
		if (!delete_records_topic(al, req, &in.topics[call->res.topics_len],
					  &call->res.topics[call->res.topics_len])) {
			api_overload(req);
			return;
		}
	}
	checkpointer_write(al->api->checkpointer, &call->wait);
}

const struct api_handler api_delete_records = {
    .key = DELETE_RECORDS_API_KEY,
    .version_min = DELETE_RECORDS_MIN_VERSION,
    .version_max = DELETE_RECORDS_MAX_VERSION,
    .on_control = true,
    .handle = delete_records_handle,
};
