/*
 * ConsumerGroupHeartbeat (68), versions 0-1: a member of a consumer group joins, lives and leaves,
 * and learns what partitions it has (KIP-848).
 *
 * v0  first
 * v1  patterns (SubscribedTopicRegex); member ids are made by the client
 */
#include "api/handlers.h"
#include "api/held.h"
#include "proto/consumer_group_heartbeat.h"

#define VERSION_OWN_MEMBER_ID 1

struct consumer_heartbeat_call {
	struct held held;
	struct consumer_group_heartbeat_req in;
	struct consumer_ask ask;
	struct consumer_answer answer;
};

static bool consumer_heartbeat_put_assignment(struct arena *arena, struct tpset set,
					      struct consumer_group_heartbeat_res_assignment *out)
{

	out->topic_partitions =
	    consumer_group_heartbeat_res_topic_partitions_array(arena, tpset_topics(set));
	if (out->topic_partitions == NULL)
		return false;
	for (size_t i = 0, run; i < set.len; i += run) {
		struct consumer_group_heartbeat_res_topic_partitions *topic =
		    &out->topic_partitions[out->topic_partitions_len++];

		run = tpset_run(set, i);
		topic->topic_id = set.at[i].topic;
		topic->partitions = arena_array(arena, run, sizeof(*topic->partitions));
		if (topic->partitions == NULL)
			return false;
		for (size_t k = i; k < i + run; k++)
			topic->partitions[topic->partitions_len++] = set.at[k].partition;
	}
	return true;
}

static bool consumer_heartbeat_encode(struct held *held, enum err err)
{
	struct consumer_heartbeat_call *call =
	    container_of(held, struct consumer_heartbeat_call, held);
	const struct consumer_answer *answer = &call->answer;
	struct consumer_group_heartbeat_res res;
	struct consumer_group_heartbeat_res_assignment assignment = {0};

	consumer_group_heartbeat_res_init(&res);
	res.error_code = errcode_of(err);
	if (err != ERR_OK) {
		res.error_message = answer->message;
	} else {
		res.member_id = answer->member_id;
		res.member_epoch = answer->member_epoch;
		res.heartbeat_interval_ms = answer->heartbeat_ms;
		if (answer->has_assignment) {
			if (!consumer_heartbeat_put_assignment(held->call.arena, answer->assigned,
							       &assignment))
				return false;
			res.assignment = &assignment;
		}
	}
	consumer_group_heartbeat_res_encode(&res, api_begin(held->req),
					    held->req->header.api_version);
	return true;
}

/* What the member has, as one set. */
static bool consumer_heartbeat_take_owned(struct consumer_heartbeat_call *call)
{
	const struct consumer_group_heartbeat_req *in = &call->in;
	size_t partitions = 0, len = 0;
	struct tp *list;

	call->ask.has_owned = in->topic_partitions != NULL;
	for (size_t i = 0; i < in->topic_partitions_len; i++)
		partitions += in->topic_partitions[i].partitions_len;
	list = arena_array(call->held.call.arena, partitions + 1, sizeof(*list));
	if (list == NULL)
		return false;
	for (size_t i = 0; i < in->topic_partitions_len; i++)
		for (size_t k = 0; k < in->topic_partitions[i].partitions_len; k++)
			list[len++] =
			    (struct tp){.topic = in->topic_partitions[i].topic_id,
					.partition = in->topic_partitions[i].partitions[k]};
	call->ask.owned = tpset_make(list, len);
	return true;
}

static bool consumer_heartbeat_take(struct consumer_heartbeat_call *call)
{
	const struct consumer_group_heartbeat_req *in = &call->in;
	const struct req *req = call->held.req;

	call->ask = (struct consumer_ask){
	    .group = in->group_id,
	    .member_id = in->member_id,
	    .member_epoch = in->member_epoch,
	    .instance_id = in->instance_id,
	    .rack_id = in->rack_id,
	    .client_id = req->header.client_id,
	    .client_host =
		arena_printf(call->held.call.arena, "/%.*s", STR_ARG(req->client_address)),
	    .rebalance_ms = in->rebalance_timeout_ms,
	    .has_topics = in->subscribed_topic_names != NULL,
	    .topics = in->subscribed_topic_names,
	    .topics_len = in->subscribed_topic_names_len,
	    .regex = in->subscribed_topic_regex,
	    .assignor = in->server_assignor,
	    .wants_member_id = req->header.api_version < VERSION_OWN_MEMBER_ID,
	};
	return call->ask.client_host.ptr != NULL && consumer_heartbeat_take_owned(call);
}

static void consumer_heartbeat_handle(struct api_loop *al, struct req *req)
{
	struct consumer_heartbeat_call *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = consumer_group_heartbeat_req_decode(&call->in, &req->body,
							  req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, consumer_heartbeat_encode);
	if (!consumer_heartbeat_take(call)) {
		api_overload(req);
		return;
	}
	held_end(&call->held, coord_consumer_heartbeat(al->api->coord, &call->held.call, &call->ask,
						       &call->answer));
}

const struct api_handler api_consumer_group_heartbeat = {
    .key = CONSUMER_GROUP_HEARTBEAT_API_KEY,
    .version_min = CONSUMER_GROUP_HEARTBEAT_MIN_VERSION,
    .version_max = CONSUMER_GROUP_HEARTBEAT_MAX_VERSION,
    .on_control = true,
    .home = API_HOME_CONTROL,
    .handle = consumer_heartbeat_handle,
};
