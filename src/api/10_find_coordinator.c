/*
 * FindCoordinator (10), versions 0-6: which broker serves a group or a transactional id. It is the
 * leader of the partition that the key falls into, by the metadata image; the topic is made when
 * somebody first asks, and until it is there the answer is COORDINATOR_NOT_AVAILABLE.
 *
 * v0  groups only
 * v1  key type, throttle time, error message ("NONE" without an error, as Kafka has it)
 * v2  nothing new
 * v3  flexible
 * v4  several keys at once (KIP-699)
 * v5  TRANSACTION_ABORTABLE
 * v6  share groups' state
 *
 * Left out on purpose: the coordinator of share groups' state (INVALID_REQUEST, as in Kafka without
 * share groups).
 */
#include "api/describe.h"
#include "api/handlers.h"
#include "coord/coord.h"
#include "meta/controller.h"
#include "proto/find_coordinator.h"

#define VERSION_BATCHED	     4
#define KEY_TYPE_GROUP	     0
#define KEY_TYPE_TRANSACTION 1
#define KEY_TYPE_SHARE	     2

static enum err find_coordinator_leader(struct api_loop *al, struct str name, struct str key,
					int32_t *leader)
{
	const struct image_topic *topic = image_topic_by_name(al->image, name);
	const struct image_partition *part;

	if (topic == NULL) {
		enum err err = controller_ensure_internal(al->api->controller, name);

		return err != ERR_OK ? err : ERR_COORDINATOR_NOT_AVAILABLE;
	}
	part = image_partition_at(topic, coord_partition_for(key, topic->partitions_len));
	if (part == NULL || part->leader == IMAGE_NO_LEADER)
		return ERR_COORDINATOR_NOT_AVAILABLE;
	*leader = part->leader;
	return ERR_OK;
}

static struct str find_coordinator_message(enum err err)
{
	if (err == ERR_OK)
		return STR("NONE");
	if (err == ERR_COORDINATOR_NOT_AVAILABLE)
		return STR("The coordinator is not available.");
	return err == ERR_INVALID_REQUEST ? API_INVALID_REQUEST_TEXT : str_of(err_text(err));
}

static void find_coordinator_one(struct api_loop *al, const struct req *req, struct str key,
				 int8_t type, struct find_coordinator_res_coordinator *out)
{
	const struct image_broker *broker;
	const struct image_endpoint *endpoint = NULL;
	int32_t leader = al->api->node_id;
	enum err err = ERR_OK;

	if (type == KEY_TYPE_GROUP)
		err = find_coordinator_leader(al, STR("__consumer_offsets"), key, &leader);
	else if (type == KEY_TYPE_TRANSACTION)
		err = find_coordinator_leader(al, STR("__transaction_state"), key, &leader);
	else
		err = ERR_INVALID_REQUEST;
	broker = err == ERR_OK ? image_broker_find(al->image, leader) : NULL;
	if (broker != NULL && !broker->fenced)
		endpoint = describe_endpoint(broker, req);
	if (err == ERR_OK && endpoint == NULL)
		err = ERR_COORDINATOR_NOT_AVAILABLE;
	*out = (struct find_coordinator_res_coordinator){
	    .key = key, .node_id = -1, .host = STR(""), .port = -1, .error_code = errcode_of(err)};
	out->error_message = find_coordinator_message(err);
	if (err == ERR_OK) {
		out->node_id = leader;
		out->host = endpoint->host;
		out->port = endpoint->port;
	}
}

static bool find_coordinator_fill(struct api_loop *al, struct req *req,
				  const struct find_coordinator_req *in,
				  struct find_coordinator_res *res)
{
	struct find_coordinator_res_coordinator one;

	if (req->header.api_version < VERSION_BATCHED) {
		find_coordinator_one(al, req, in->key, in->key_type, &one);
		res->error_code = one.error_code;
		res->error_message = one.error_message;
		res->node_id = one.node_id;
		res->host = one.host;
		res->port = one.port;
		return true;
	}
	res->coordinators =
	    find_coordinator_res_coordinator_array(&req->arena, in->coordinator_keys_len);
	if (res->coordinators == NULL)
		return false;
	res->coordinators_len = in->coordinator_keys_len;
	for (size_t i = 0; i < in->coordinator_keys_len; i++) {
		struct find_coordinator_res_coordinator *out = &res->coordinators[i];

		find_coordinator_one(al, req, in->coordinator_keys[i], in->key_type, out);
		if (out->error_code != errcode_of(ERR_INVALID_REQUEST) ||
		    in->key_type == KEY_TYPE_SHARE)
			out->error_message = STR("");
	}
	return true;
}

static void find_coordinator_handle(struct api_loop *al, struct req *req)
{
	struct find_coordinator_req in;
	struct find_coordinator_res res;
	enum err err =
	    find_coordinator_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	find_coordinator_res_init(&res);
	if (!find_coordinator_fill(al, req, &in, &res)) {
		api_overload(req);
		return;
	}
	find_coordinator_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_find_coordinator = {
    .key = FIND_COORDINATOR_API_KEY,
    .version_min = FIND_COORDINATOR_MIN_VERSION,
    .version_max = FIND_COORDINATOR_MAX_VERSION,
    .on_control = true,
    .handle = find_coordinator_handle,
};
