/*
 * OffsetCommit (8), versions 2-10: a group's positions, kept in __consumer_offsets. Answered when
 * they are durable as the topic's settings say.
 *
 * v2  retention time of its own, until v4 (then offsets.retention.minutes rules, KIP-211)
 * v3  throttle time
 * v4  nothing new
 * v5  no retention time
 * v6  leader epoch
 * v7  static members (KIP-345)
 * v8  flexible
 * v9  GROUP_ID_NOT_FOUND, STALE_MEMBER_EPOCH (KIP-848)
 * v10 topic ids
 *
 * Topics and partitions that do not exist are refused one by one. Without a generation anybody may
 * commit to a group that has no members. An empty request is answered without asking the
 * coordinator, as in Kafka.
 */
#include "api/handlers.h"
#include "api/held.h"
#include "meta/image.h"
#include "proto/offset_commit.h"

#define VERSION_GROUP_NOT_FOUND 9
#define VERSION_TOPIC_ID	10

struct offset_commit {
	struct held held;
	struct offset_commit_req in;
	struct offset_commit_res res;
	struct offset_entry *entries; /* what the coordinator is asked for */
	/* and where the answers go */
	struct offset_commit_res_offset_commit_response_partition **answers;
	size_t len;
};

static bool offset_commit_encode(struct held *held, enum err err)
{
	struct offset_commit *call = container_of(held, struct offset_commit, held);

	for (size_t i = 0; i < call->len; i++)
		call->answers[i]->error_code =
		    errcode_of(err != ERR_OK ? err : call->entries[i].err);
	offset_commit_res_encode(&call->res, api_begin(held->req), held->req->header.api_version);
	return true;
}

static void
offset_commit_partition(struct offset_commit *call, const struct image_topic *topic,
			const struct offset_commit_req_offset_commit_request_partition *in,
			struct offset_commit_res_offset_commit_response_partition *out)
{
	out->partition_index = in->partition_index;
	if (topic == NULL || image_partition_at(topic, in->partition_index) == NULL) {
		bool by_id = call->held.req->header.api_version >= VERSION_TOPIC_ID;

		out->error_code = errcode_of(
		    topic == NULL && by_id ? ERR_UNKNOWN_TOPIC_ID : ERR_UNKNOWN_TOPIC_OR_PARTITION);
		return;
	}
	call->answers[call->len] = out;
	call->entries[call->len++] =
	    (struct offset_entry){.topic = topic->name,
				  .topic_id = topic->id,
				  .partition = in->partition_index,
				  .value = {.offset = in->committed_offset,
					    .leader_epoch = in->committed_leader_epoch,
					    .metadata = in->committed_metadata}};
}

static bool offset_commit_topic(struct offset_commit *call, size_t idx)
{
	const struct offset_commit_req_offset_commit_request_topic *in = &call->in.topics[idx];
	struct offset_commit_res_offset_commit_response_topic *out = &call->res.topics[idx];
	const struct image *image = call->held.al->image;
	const struct image_topic *topic;

	topic = call->held.req->header.api_version >= VERSION_TOPIC_ID
		    ? image_topic_by_id(image, in->topic_id)
		    : image_topic_by_name(image, in->name);
	out->name = in->name;
	out->topic_id = in->topic_id;
	out->partitions =
	    offset_commit_res_offset_commit_response_partition_array(call->held.call.arena,
								     in->partitions_len);
	if (out->partitions == NULL)
		return false;
	out->partitions_len = in->partitions_len;
	for (size_t i = 0; i < in->partitions_len; i++)
		offset_commit_partition(call, topic, &in->partitions[i], &out->partitions[i]);
	return true;
}

static bool offset_commit_fill(struct offset_commit *call)
{
	struct arena *arena = call->held.call.arena;
	size_t count = 0;

	for (size_t i = 0; i < call->in.topics_len; i++)
		count += call->in.topics[i].partitions_len;
	call->entries = arena_array(arena, count + 1, sizeof(*call->entries));
	call->answers = arena_array(arena, count + 1, sizeof(*call->answers));
	offset_commit_res_init(&call->res);
	call->res.topics =
	    offset_commit_res_offset_commit_response_topic_array(arena, call->in.topics_len);
	if (call->entries == NULL || call->answers == NULL || call->res.topics == NULL)
		return false;
	call->res.topics_len = call->in.topics_len;
	for (size_t i = 0; i < call->in.topics_len; i++)
		if (!offset_commit_topic(call, i))
			return false;
	return true;
}

static void offset_commit_handle(struct api_loop *al, struct req *req)
{
	struct offset_commit *call = arena_alloc(&req->arena, sizeof(*call));
	int16_t version = req->header.api_version;
	struct commit_ask ask;
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = offset_commit_req_decode(&call->in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, offset_commit_encode);
	if (!offset_commit_fill(call)) {
		api_overload(req);
		return;
	}
	ask = (struct commit_ask){.group = call->in.group_id,
				  .member_id = call->in.member_id,
				  .instance_id = call->in.group_instance_id,
				  .generation = call->in.generation_id_or_member_epoch,
				  .retention_ms = call->in.retention_time_ms,
				  .unknown_group_err = version >= VERSION_GROUP_NOT_FOUND,
				  .offsets = call->entries,
				  .offsets_len = call->len};
	if (call->len > 0)
		err = coord_commit(al->api->coord, &call->held.call, &ask);
	held_end(&call->held, err);
}

const struct api_handler api_offset_commit = {
    .key = OFFSET_COMMIT_API_KEY,
    .version_min = OFFSET_COMMIT_MIN_VERSION,
    .version_max = OFFSET_COMMIT_MAX_VERSION,
    .on_control = true,
    .home = API_HOME_CONTROL,
    .handle = offset_commit_handle,
};
