/*
 * OffsetForLeaderEpoch (23), versions 2-4: where a leader epoch ends in the log, so that a consumer
 * finds out whether what it read was truncated (KIP-320).
 *
 * v2  leader epochs of the client
 * v3  replica id (only brokers set it)
 * v4  flexible
 */
#include "api/handlers.h"
#include "api/topics.h"
#include "proto/offset_for_leader_epoch.h"

static enum err
epoch_end_find(const struct image_topic *topic,
	       const struct offset_for_leader_epoch_req_offset_for_leader_partition *ask,
	       struct offset_for_leader_epoch_res_epoch_end_offset *res)
{
	const struct image_partition *image_part;
	struct partition *part;
	enum err err;

	err = topics_local(topic, ask->partition, &image_part, &part);
	if (err == ERR_OK)
		err = partition_check_leader(part, ask->current_leader_epoch);
	if (err == ERR_OK)
		plog_end_for_epoch(partition_log(part), ask->leader_epoch, &res->leader_epoch,
				   &res->end_offset);
	return err;
}

static bool epoch_end_topic(struct api_loop *al, struct req *req,
			    const struct offset_for_leader_epoch_req_offset_for_leader_topic *ask,
			    struct offset_for_leader_epoch_res_offset_for_leader_topic_result *res)
{
	const struct image_topic *topic = image_topic_by_name(al->image, ask->topic);

	res->topic = ask->topic;
	res->partitions =
	    offset_for_leader_epoch_res_epoch_end_offset_array(&req->arena, ask->partitions_len);
	if (res->partitions == NULL)
		return false;
	res->partitions_len = ask->partitions_len;
	for (size_t i = 0; i < ask->partitions_len; i++) {
		enum err err = epoch_end_find(topic, &ask->partitions[i], &res->partitions[i]);

		res->partitions[i].partition = ask->partitions[i].partition;
		res->partitions[i].error_code = errcode_of(err);
	}
	return true;
}

static void epoch_end_handle(struct api_loop *al, struct req *req)
{
	int version = req->header.api_version;
	struct offset_for_leader_epoch_req in;
	struct offset_for_leader_epoch_res res;
	enum err err;

	err = offset_for_leader_epoch_req_decode(&in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	offset_for_leader_epoch_res_init(&res);
	res.topics =
	    offset_for_leader_epoch_res_offset_for_leader_topic_result_array(&req->arena,
									     in.topics_len);
	for (; res.topics != NULL && res.topics_len < in.topics_len; res.topics_len++)
		if (!epoch_end_topic(al, req, &in.topics[res.topics_len],
				     &res.topics[res.topics_len]))
			res.topics = NULL;
	if (res.topics == NULL) {
		api_overload(req);
		return;
	}
	offset_for_leader_epoch_res_encode(&res, api_begin(req), version);
	api_end(req);
}

const struct api_handler api_offset_for_leader_epoch = {
    .key = OFFSET_FOR_LEADER_EPOCH_API_KEY,
    .version_min = OFFSET_FOR_LEADER_EPOCH_MIN_VERSION,
    .version_max = OFFSET_FOR_LEADER_EPOCH_MAX_VERSION,
    .handle = epoch_end_handle,
};
