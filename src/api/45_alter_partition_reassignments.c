/*
 * AlterPartitionReassignments (45), versions 0-1: partitions moved to other brokers (KIP-455).
 *
 * On a single node there is nowhere to move them: what is asked for is what is already so, or names
 * brokers that are not there. Only in a directory that came from a cluster can a partition have
 * replicas elsewhere; those are left as they are.
 *
 * v0  flexible from the start
 * v1  whether the number of replicas may change (KIP-860)
 *
 * Left out on purpose: TimeoutMs, nothing is waited for.
 */
#include <inttypes.h>
#include <string.h>

#include "api/handlers.h"
#include "meta/controller.h"
#include "meta/image.h"
#include "proto/alter_partition_reassignments.h"

#define REQ(name) alter_partition_reassignments_req_##name
#define RES(name) alter_partition_reassignments_res_##name

/* One that would change something, which takes another broker. */
static enum err reassign_refuse(struct str *message)
{
	*message = STR("Partitions cannot be moved on a single node.");
	return ERR_OPERATION_NOT_ATTEMPTED;
}

static enum err reassign_cancel(const struct image_partition *part, struct str *message)
{
	if (part->adding_len > 0 || part->removing_len > 0)
		return reassign_refuse(message);
	return ERR_NO_REASSIGNMENT_IN_PROGRESS;
}

static enum err reassign_one(const struct image *image, const struct image_topic *topic,
			     const struct REQ(reassignable_partition) * in, struct str name,
			     struct arena *arena, struct str *message)
{
	const struct image_partition *part;
	struct image_ids now;
	enum err err;

	if (topic == NULL) {
		*message = arena_printf(arena, "Unable to find a topic named %.*s.", STR_ARG(name));
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	part = image_partition_at(topic, in->partition_index);
	if (part == NULL) {
		*message = arena_printf(arena, "Unable to find partition %.*s:%" PRId32 ".",
					STR_ARG(name), in->partition_index);
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	if (in->replicas == NULL)
		return reassign_cancel(part, message);
	err = controller_check_brokers(image, arena, in->replicas, in->replicas_len, message);
	if (err != ERR_OK)
		return err;
	now = image_replicas(part);
	if (part->adding_len > 0 || part->removing_len > 0 || now.len != in->replicas_len ||
	    memcmp(now.ptr, in->replicas, now.len * sizeof(*now.ptr)) != 0)
		return reassign_refuse(message);
	return ERR_OK;
}

static bool reassign_topic(const struct image *image, const struct REQ(reassignable_topic) * in,
			   struct arena *arena, struct RES(reassignable_topic_response) * out)
{
	const struct image_topic *topic = image_topic_by_name(image, in->name);

	out->name = in->name;
	out->partitions = RES(reassignable_partition_response_array)(arena, in->partitions_len);
	if (out->partitions == NULL)
		return false;
	for (size_t i = 0; i < in->partitions_len; i++) {
		struct RES(reassignable_partition_response) *row = &out->partitions[i];

		row->partition_index = in->partitions[i].partition_index;
		row->error_message = STR_NULL;
		row->error_code = errcode_of(reassign_one(image, topic, &in->partitions[i],
							  in->name, arena, &row->error_message));
		out->partitions_len++;
	}
	return true;
}

static bool reassign_fill(const struct image *image,
			  const struct alter_partition_reassignments_req *in, struct arena *arena,
			  struct alter_partition_reassignments_res *res)
{
	/* Apache Kafka answers an empty request with all defaults. */
	if (in->topics_len == 0)
		return true;
	res->allow_replication_factor_change = in->allow_replication_factor_change;
	res->error_message = STR_NULL;
	res->responses = RES(reassignable_topic_response_array)(arena, in->topics_len);
	if (res->responses == NULL)
		return false;
	for (size_t i = 0; i < in->topics_len; i++)
		if (!reassign_topic(image, &in->topics[i], arena,
				    &res->responses[res->responses_len++]))
			return false;
	return true;
}

static void reassign_handle(struct api_loop *al, struct req *req)
{
	struct alter_partition_reassignments_req in;
	struct alter_partition_reassignments_res res;
	enum err err;

	err = alter_partition_reassignments_req_decode(&in, &req->body, req->header.api_version,
						       &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	alter_partition_reassignments_res_init(&res);
	if (!reassign_fill(al->image, &in, &req->arena, &res)) {
		api_overload(req);
		return;
	}
	alter_partition_reassignments_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_alter_partition_reassignments = {
    .key = ALTER_PARTITION_REASSIGNMENTS_API_KEY,
    .version_min = ALTER_PARTITION_REASSIGNMENTS_MIN_VERSION,
    .version_max = ALTER_PARTITION_REASSIGNMENTS_MAX_VERSION,
    .handle = reassign_handle,
};
