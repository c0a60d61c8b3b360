/*
 * OffsetDelete (47), version 0: forgets a group's offsets of topics that it is not subscribed to
 * (KIP-496). An error of the group as a whole is answered without topics.
 *
 * v0  first
 */
#include "api/handlers.h"
#include "api/held.h"
#include "meta/image.h"
#include "proto/offset_delete.h"

struct offset_delete {
	struct held held;
	struct offset_delete_req in;
	struct offset_delete_res res;
	struct offset_entry *entries; /* what the coordinator is asked for */
	/* and where the answers go */
	struct offset_delete_res_offset_delete_response_partition **answers;
	size_t len;
};

static bool offset_delete_encode(struct held *held, enum err err)
{
	struct offset_delete *call = container_of(held, struct offset_delete, held);

	for (size_t i = 0; i < call->len; i++)
		call->answers[i]->error_code = errcode_of(call->entries[i].err);
	call->res.error_code = errcode_of(err);
	if (err != ERR_OK)
		call->res.topics_len = 0;
	offset_delete_res_encode(&call->res, api_begin(held->req), held->req->header.api_version);
	return true;
}

static bool offset_delete_topic(struct offset_delete *call, size_t idx)
{
	const struct offset_delete_req_offset_delete_request_topic *in = &call->in.topics[idx];
	struct offset_delete_res_offset_delete_response_topic *out = &call->res.topics[idx];
	const struct image_topic *topic = image_topic_by_name(call->held.al->image, in->name);

	out->name = in->name;
	out->partitions =
	    offset_delete_res_offset_delete_response_partition_array(call->held.call.arena,
								     in->partitions_len);
	if (out->partitions == NULL)
		return false;
	out->partitions_len = in->partitions_len;
	for (size_t i = 0; i < in->partitions_len; i++) {
		int32_t partition = in->partitions[i].partition_index;

		out->partitions[i].partition_index = partition;
		out->partitions[i].error_code = errcode_of(ERR_UNKNOWN_TOPIC_OR_PARTITION);
		if (topic == NULL || image_partition_at(topic, partition) == NULL)
			continue;
		call->answers[call->len] = &out->partitions[i];
		call->entries[call->len++] =
		    (struct offset_entry){.topic = in->name, .partition = partition};
	}
	return true;
}

static bool offset_delete_fill(struct offset_delete *call)
{
	struct arena *arena = call->held.call.arena;
	size_t count = 0;

	for (size_t i = 0; i < call->in.topics_len; i++)
		count += call->in.topics[i].partitions_len;
	call->entries = arena_array(arena, count + 1, sizeof(*call->entries));
	call->answers = arena_array(arena, count + 1, sizeof(*call->answers));
	offset_delete_res_init(&call->res);
	call->res.topics =
	    offset_delete_res_offset_delete_response_topic_array(arena, call->in.topics_len);
	if (call->entries == NULL || call->answers == NULL || call->res.topics == NULL)
		return false;
	call->res.topics_len = call->in.topics_len;
	for (size_t i = 0; i < call->in.topics_len; i++)
		if (!offset_delete_topic(call, i))
			return false;
	return true;
}

static void offset_delete_handle(struct api_loop *al, struct req *req)
{
	struct offset_delete *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = offset_delete_req_decode(&call->in, &req->body, req->header.api_version,
					       &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, offset_delete_encode);
	if (!offset_delete_fill(call)) {
		api_overload(req);
		return;
	}
	err = coord_delete_offsets(al->api->coord, &call->held.call, call->in.group_id,
				   call->entries, call->len);
	held_end(&call->held, err);
}

const struct api_handler api_offset_delete = {
    .key = OFFSET_DELETE_API_KEY,
    .version_min = OFFSET_DELETE_MIN_VERSION,
    .version_max = OFFSET_DELETE_MAX_VERSION,
    .on_control = true,
    .handle = offset_delete_handle,
};
