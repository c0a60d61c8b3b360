/*
 * Metadata (3), versions 0-13: brokers, topics, partitions and their leaders, from the image of
 * this loop, with addresses of the listener that the request came by.
 *
 * A topic that is asked for by name and does not exist is created when both the client and
 * auto.create.topics.enable allow it. As with Kafka the answer still says
 * UNKNOWN_TOPIC_OR_PARTITION; the client asks again and finds it.
 *
 * v0   an empty list is all topics
 * v1   null is all topics; rack, controller, internal topics
 * v2   cluster id
 * v4   the client may forbid creation
 * v5   offline replicas
 * v7   leader epochs (KIP-320)
 * v8   authorized operations (KIP-430; those of the cluster until v10)
 * v9   flexible
 * v10  topic ids in the answer (KIP-516)
 * v12  topics by id, with a null name
 * v13  top-level error
 */
#include "api/describe.h"
#include "api/handlers.h"
#include "meta/config.h"
#include "meta/controller.h"
#include "proto/metadata.h"

#define METADATA_LOG_LINES 10

struct metadata {
	struct api_loop *al;
	struct req *req;
	struct metadata_req in;
	struct metadata_res res;
	bool create; /* on the control loop: make what is missing */
};

/* -- brokers ------------------------------------------------------------------------------- */

static bool metadata_brokers(struct metadata *call)
{
	const struct image *image = call->al->image;
	size_t len = pmap_len(image->brokers);

	call->res.brokers = metadata_res_metadata_response_broker_array(&call->req->arena, len);
	if (call->res.brokers == NULL)
		return false;
	for (const struct image_broker *broker = image_broker_seek(image, 0); broker != NULL;
	     broker = image_broker_seek(image, broker->id + 1)) {
		const struct image_endpoint *endpoint = describe_endpoint(broker, call->req);
		struct metadata_res_metadata_response_broker *res;

		if (broker->fenced || endpoint == NULL)
			continue;
		res = &call->res.brokers[call->res.brokers_len++];
		res->node_id = broker->id;
		res->host = endpoint->host;
		res->port = endpoint->port;
		res->rack = broker->rack;
		/* Any live broker: it forwards, and controllers do not serve clients. */
		call->res.controller_id = broker->id;
	}
	call->res.cluster_id = image->cluster_id;
	return true;
}

/* -- topics -------------------------------------------------------------------------------- */

static bool metadata_partition(struct metadata *call, const struct image_partition *part,
			       int32_t idx, struct metadata_res_metadata_response_partition *res)
{
	const struct image *image = call->al->image;
	enum err err = describe_leader(image, part, call->req, &res->leader_id);

	/* Older clients know no LISTENER_NOT_FOUND. */
	if (err == ERR_LISTENER_NOT_FOUND && call->req->header.api_version < 6)
		err = ERR_LEADER_NOT_AVAILABLE;
	res->error_code = errcode_of(err);
	res->partition_index = idx;
	res->leader_epoch = part->leader_epoch;
	res->replica_nodes = describe_ids(image_replicas(part), &res->replica_nodes_len);
	res->isr_nodes = describe_ids(image_isr(part), &res->isr_nodes_len);
	res->offline_replicas =
	    describe_offline(image, part, &call->req->arena, &res->offline_replicas_len);
	return res->offline_replicas != NULL;
}

static bool metadata_topic(struct metadata *call, const struct image_topic *topic,
			   struct metadata_res_metadata_response_topic *res)
{
	res->name = topic->name;
	res->topic_id = topic->id;
	res->is_internal = topic->internal;
	if (call->in.include_topic_authorized_operations)
		res->topic_authorized_operations = DESCRIBE_TOPIC_OPERATIONS;
	res->partitions =
	    metadata_res_metadata_response_partition_array(&call->req->arena,
							   (size_t)topic->partitions_len);
	if (res->partitions == NULL)
		return false;
	res->partitions_len = (size_t)topic->partitions_len;
	for (int32_t i = 0; i < topic->partitions_len; i++)
		if (!metadata_partition(call, image_partition_at(topic, i), i, &res->partitions[i]))
			return false;
	return true;
}

static bool metadata_all(struct metadata *call)
{
	const struct image *image = call->al->image;

	call->res.topics =
	    metadata_res_metadata_response_topic_array(&call->req->arena, image_topics_len(image));
	if (call->res.topics == NULL)
		return false;
	IMAGE_TOPICS_FOREACH(image, topic)
	if (!metadata_topic(call, topic, &call->res.topics[call->res.topics_len++]))
		return false;
	return true;
}

/* What a missing topic is answered with; on the control loop it is made first. */
static enum err metadata_missing(struct metadata *call, struct str name)
{
	enum err err;

	if (!call->create)
		return describe_missing(&call->req->arena, name);
	err = image_name_is_internal(name)
		  ? controller_ensure_internal(call->al->api->controller, name)
		  : controller_auto_create(call->al->api->controller, name);
	return err == ERR_INVALID_TOPIC_EXCEPTION ? err : ERR_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool metadata_one(struct metadata *call,
			 const struct metadata_req_metadata_request_topic *ask,
			 struct metadata_res_metadata_response_topic *res)
{
	const struct image *image = call->al->image;
	bool by_id = ask->name.ptr == NULL || !uuid_is_zero(ask->topic_id);
	const struct image_topic *topic =
	    by_id ? image_topic_by_id(image, ask->topic_id) : image_topic_by_name(image, ask->name);

	if (topic != NULL)
		return metadata_topic(call, topic, res);
	res->name = by_id ? STR_NULL : ask->name;
	res->topic_id = ask->topic_id;
	res->error_code =
	    errcode_of(by_id ? ERR_UNKNOWN_TOPIC_ID : metadata_missing(call, ask->name));
	return true;
}

static bool metadata_named(struct metadata *call)
{
	call->res.topics =
	    metadata_res_metadata_response_topic_array(&call->req->arena, call->in.topics_len);
	if (call->res.topics == NULL)
		return false;
	for (; call->res.topics_len < call->in.topics_len; call->res.topics_len++)
		if (!metadata_one(call, &call->in.topics[call->res.topics_len],
				  &call->res.topics[call->res.topics_len]))
			return false;
	return true;
}

static bool metadata_wants_all(const struct metadata *call)
{
	return call->in.topics == NULL ||
	       (call->req->header.api_version == 0 && call->in.topics_len == 0);
}

/* Before v12 topics have names only, although v10 and v11 could say ids: Kafka refuses all then. */
static bool metadata_names_ids(const struct metadata *call)
{
	if (call->req->header.api_version >= 12)
		return false;
	for (size_t i = 0; i < call->in.topics_len; i++)
		if (call->in.topics[i].name.ptr == NULL ||
		    !uuid_is_zero(call->in.topics[i].topic_id))
			return true;
	return false;
}

static bool metadata_refuse(struct metadata *call)
{
	size_t len = call->in.topics_len;

	call->res.topics = metadata_res_metadata_response_topic_array(&call->req->arena, len);
	if (call->res.topics == NULL)
		return false;
	for (; call->res.topics_len < len; call->res.topics_len++) {
		struct metadata_res_metadata_response_topic *res =
		    &call->res.topics[call->res.topics_len];
		struct str name = call->in.topics[call->res.topics_len].name;

		res->name = name.ptr != NULL ? name : STR("");
		res->topic_id = call->in.topics[call->res.topics_len].topic_id;
		res->error_code = errcode_of(ERR_INVALID_REQUEST);
	}
	return true;
}

static bool metadata_fill(struct metadata *call)
{
	if (metadata_names_ids(call))
		return metadata_refuse(call);
	if (call->in.include_cluster_authorized_operations)
		call->res.cluster_authorized_operations = DESCRIBE_CLUSTER_OPERATIONS;
	return metadata_brokers(call) &&
	       (metadata_wants_all(call) ? metadata_all(call) : metadata_named(call));
}

static void metadata_answer(struct metadata *call)
{
	struct req *req = call->req;

	metadata_res_init(&call->res);
	if (!metadata_fill(call)) {
		api_overload(req);
		return;
	}
	metadata_res_encode(&call->res, api_begin(req), req->header.api_version);
	api_end(req);
}

/* -- creation on demand -------------------------------------------------------------------- */

static bool metadata_is_missing(const struct image *image,
				const struct metadata_req_metadata_request_topic *ask)
{
	return ask->name.ptr != NULL && uuid_is_zero(ask->topic_id) &&
	       image_topic_by_name(image, ask->name) == NULL;
}

static bool metadata_must_create(const struct metadata *call)
{
	/* Before v4 nobody could forbid it. */
	bool allowed = call->req->header.api_version < 4 || call->in.allow_auto_topic_creation;

	if (!allowed || metadata_wants_all(call) || metadata_names_ids(call) ||
	    !config_dynamic_bool(call->al->api->config, call->al->image,
				 CONFIG_AUTO_CREATE_TOPICS_ENABLE))
		return false;
	for (size_t i = 0; i < call->in.topics_len; i++)
		if (metadata_is_missing(call->al->image, &call->in.topics[i]))
			return true;
	return false;
}

static bool metadata_may_create(struct metadata *call)
{
	size_t len = 0;

	for (size_t i = 0; i < call->in.topics_len; i++)
		len += metadata_is_missing(call->al->image, &call->in.topics[i]);
	if (controller_may_auto_create(call->al->api->controller, len))
		return true;
	if (log_allowed(&call->al->refusals, METADATA_LOG_LINES))
		log_warn("api", "%.*s: Metadata of %zu topics that do not exist: too many to make",
			 STR_ARG(call->req->client_address), len);
	return false;
}

static void metadata_create(struct mail *mail)
{
	struct req *req = container_of(mail, struct req, mail);
	struct metadata *call = req->parked;

	call->al = call->al->api->control;
	call->create = metadata_may_create(call);
	metadata_answer(call);
}

static void metadata_handle(struct api_loop *al, struct req *req)
{
	struct metadata *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err;

	if (call == NULL) {
		api_overload(req);
		return;
	}
	err = metadata_req_decode(&call->in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	call->al = al;
	call->req = req;
	if (!metadata_must_create(call)) {
		metadata_answer(call);
		return;
	}
	req->parked = call;
	req->mail = (struct mail){.deliver = metadata_create};
	loop_post(al->api->control->loop, &req->mail);
}

const struct api_handler api_metadata = {
    .key = METADATA_API_KEY,
    .version_min = METADATA_MIN_VERSION,
    .version_max = METADATA_MAX_VERSION,
    .handle = metadata_handle,
};
