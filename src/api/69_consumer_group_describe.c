/*
 * ConsumerGroupDescribe (69), versions 0-1: consumer groups (KIP-848), their members, what each has
 * and is to have.
 *
 * v0  first
 * v1  the member's type: which protocol it speaks
 *
 * Each group stands as of its turn in the request; the answer waits until that is durable.
 */
#include "api/handlers.h"
#include "api/held.h"
#include "meta/image.h"
#include "proto/consumer_group_describe.h"

#define MEMBER_TYPE_CLASSIC  0
#define MEMBER_TYPE_CONSUMER 1

struct consumer_describe_call {
	struct held held;
	struct consumer_group_describe_req in;
	struct consumer_group_describe_res res;
};

static bool consumer_describe_put_set(struct consumer_describe_call *call, struct tpset set,
				      struct consumer_group_describe_res_assignment *out)
{
	struct arena *arena = call->held.call.arena;
	const struct image *image = call->held.al->image;

	out->topic_partitions =
	    consumer_group_describe_res_topic_partitions_array(arena, tpset_topics(set));
	if (out->topic_partitions == NULL)
		return false;
	for (size_t i = 0, run; i < set.len; i += run) {
		const struct image_topic *known = image_topic_by_id(image, set.at[i].topic);
		struct consumer_group_describe_res_topic_partitions *topic =
		    &out->topic_partitions[out->topic_partitions_len];

		run = tpset_run(set, i);
		if (known == NULL)
			continue; /* deleted meanwhile: it has no name any more */
		topic->topic_id = set.at[i].topic;
		topic->topic_name = known->name;
		topic->partitions = arena_array(arena, run, sizeof(*topic->partitions));
		if (topic->partitions == NULL)
			return false;
		for (size_t k = i; k < i + run; k++)
			topic->partitions[topic->partitions_len++] = set.at[k].partition;
		out->topic_partitions_len++;
	}
	return true;
}

static bool consumer_describe_put_member(struct consumer_describe_call *call,
					 const struct consumer_view_member *from,
					 struct consumer_group_describe_res_member *out)
{
	struct arena *arena = call->held.call.arena;

	out->member_id = from->id;
	out->instance_id = arena_str(arena, from->instance_id);
	out->rack_id = from->rack_id;
	out->member_epoch = from->epoch;
	out->client_id = from->client_id;
	out->client_host = from->client_host;
	out->subscribed_topic_names = (struct str *)from->topics;
	out->subscribed_topic_names_len = from->topics_len;
	out->subscribed_topic_regex = from->regex;
	out->member_type = from->is_classic ? MEMBER_TYPE_CLASSIC : MEMBER_TYPE_CONSUMER;
	return consumer_describe_put_set(call, from->assigned, &out->assignment) &&
	       consumer_describe_put_set(call, from->target, &out->target_assignment);
}

static bool consumer_describe_put(struct consumer_describe_call *call,
				  const struct consumer_view *view,
				  struct consumer_group_describe_res_described_group *out)
{
	out->group_state = view->state;
	out->group_epoch = view->epoch;
	out->assignment_epoch = view->assignment_epoch;
	out->assignor_name = view->assignor;
	out->members =
	    consumer_group_describe_res_member_array(call->held.call.arena, view->members_len);
	if (out->members == NULL)
		return false;
	for (; out->members_len < view->members_len; out->members_len++)
		if (!consumer_describe_put_member(call, &view->members[out->members_len],
						  &out->members[out->members_len]))
			return false;
	if (call->in.include_authorized_operations)
		out->authorized_operations = HELD_GROUP_OPERATIONS;
	return true;
}

static bool consumer_describe_encode(struct held *held, enum err err)
{
	struct consumer_describe_call *call =
	    container_of(held, struct consumer_describe_call, held);

	/* What else was put there points into state that may be gone by now. */
	for (size_t i = 0; i < call->res.groups_len && err != ERR_OK; i++) {
		consumer_group_describe_res_described_group_init(&call->res.groups[i]);
		call->res.groups[i].group_id = call->in.group_ids[i];
		call->res.groups[i].error_code = errcode_of(err);
	}
	consumer_group_describe_res_encode(&call->res, api_begin(held->req),
					   held->req->header.api_version);
	return true;
}

static bool consumer_describe_one(struct consumer_describe_call *call, struct str group)
{
	struct consumer_group_describe_res_described_group *out =
	    &call->res.groups[call->res.groups_len++];
	struct consumer_view view;
	enum err err =
	    coord_consumer_describe(call->held.al->api->coord, &call->held.call, group, &view);

	out->group_id = group;
	out->error_code = errcode_of(err);
	if (err == ERR_OK)
		return consumer_describe_put(call, &view, out);
	if (err == ERR_GROUP_ID_NOT_FOUND)
		out->error_message =
		    arena_printf(call->held.call.arena,
				 view.other_type ? "Group %.*s is not a consumer group."
						 : "Group %.*s not found.",
				 STR_ARG(group));
	return true;
}

static void consumer_describe_handle(struct api_loop *al, struct req *req)
{
	struct consumer_describe_call *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;
	bool room = true;

	if (call != NULL)
		err = consumer_group_describe_req_decode(&call->in, &req->body,
							 req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, consumer_describe_encode);
	consumer_group_describe_res_init(&call->res);
	call->res.groups =
	    consumer_group_describe_res_described_group_array(&req->arena, call->in.group_ids_len);
	room = call->res.groups != NULL;
	for (size_t i = 0; i < call->in.group_ids_len && room; i++)
		room = consumer_describe_one(call, call->in.group_ids[i]);
	if (!room) {
		api_overload(req);
		return;
	}
	held_end(&call->held, ERR_OK);
}

const struct api_handler api_consumer_group_describe = {
    .key = CONSUMER_GROUP_DESCRIBE_API_KEY,
    .version_min = CONSUMER_GROUP_DESCRIBE_MIN_VERSION,
    .version_max = CONSUMER_GROUP_DESCRIBE_MAX_VERSION,
    .on_control = true,
    .handle = consumer_describe_handle,
};
