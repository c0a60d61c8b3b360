/*
 * ListPartitionReassignments (46), version 0: partitions that are being moved (KIP-455).
 *
 * On a single node none ever is, but a directory may come from a cluster where one was; the image
 * tells.
 *
 * v0  flexible from the start
 */
#include "api/describe.h"
#include "api/handlers.h"
#include "proto/list_partition_reassignments.h"

#define RES(name) list_partition_reassignments_res_##name

static bool reassignment_is_on(const struct image_partition *part)
{
	return part != NULL && (part->adding_len > 0 || part->removing_len > 0);
}

static void reassignment_fill(const struct image_partition *part, int32_t idx,
			      struct RES(ongoing_partition_reassignment) * res)
{
	res->partition_index = idx;
	res->replicas = describe_ids(image_replicas(part), &res->replicas_len);
	res->adding_replicas = describe_ids(image_adding(part), &res->adding_replicas_len);
	res->removing_replicas = describe_ids(image_removing(part), &res->removing_replicas_len);
}

/* All partitions of a topic, or those asked for. False: out of memory. */
static bool reassignment_topic(const struct image_topic *topic, const int32_t *asked,
			       size_t asked_len, struct arena *arena,
			       struct list_partition_reassignments_res *res)
{
	size_t count = asked != NULL ? asked_len : (size_t)topic->partitions_len;
	struct RES(ongoing_topic_reassignment) *out = &res->topics[res->topics_len];

	for (size_t i = 0; i < count; i++) {
		int32_t idx = asked != NULL ? asked[i] : (int32_t)i;
		const struct image_partition *part = image_partition_at(topic, idx);

		if (!reassignment_is_on(part))
			continue;
		if (out->partitions_len == 0) {
			out->partitions = RES(ongoing_partition_reassignment_array)(arena, count);
			if (out->partitions == NULL)
				return false;
			out->name = topic->name;
			res->topics_len++;
		}
		reassignment_fill(part, idx, &out->partitions[out->partitions_len++]);
	}
	return true;
}

static bool reassignments_fill(const struct image *image,
			       const struct list_partition_reassignments_req *in,
			       struct arena *arena, struct list_partition_reassignments_res *res)
{
	size_t count = in->topics != NULL ? in->topics_len : image_topics_len(image);

	res->error_message = STR_NULL;
	res->topics = RES(ongoing_topic_reassignment_array)(arena, count);
	if (res->topics == NULL)
		return false;
	for (size_t i = 0; in->topics != NULL && i < in->topics_len; i++) {
		const struct image_topic *topic = image_topic_by_name(image, in->topics[i].name);

		if (topic != NULL &&
		    !reassignment_topic(topic, in->topics[i].partition_indexes,
					in->topics[i].partition_indexes_len, arena, res))
			return false;
	}
	if (in->topics == NULL)
		IMAGE_TOPICS_FOREACH(image, topic)
	if (!reassignment_topic(topic, NULL, 0, arena, res))
		return false;
	return true;
}

static void reassignments_handle(struct api_loop *al, struct req *req)
{
	struct list_partition_reassignments_req in;
	struct list_partition_reassignments_res res;
	enum err err;

	err = list_partition_reassignments_req_decode(&in, &req->body, req->header.api_version,
						      &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	list_partition_reassignments_res_init(&res);
	if (!reassignments_fill(al->image, &in, &req->arena, &res)) {
		api_overload(req);
		return;
	}
	list_partition_reassignments_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_list_partition_reassignments = {
    .key = LIST_PARTITION_REASSIGNMENTS_API_KEY,
    .version_min = LIST_PARTITION_REASSIGNMENTS_MIN_VERSION,
    .version_max = LIST_PARTITION_REASSIGNMENTS_MAX_VERSION,
    .handle = reassignments_handle,
};
