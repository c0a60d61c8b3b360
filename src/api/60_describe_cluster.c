/*
 * DescribeCluster (60), versions 0-2: cluster id and brokers, for admin clients (KIP-700).
 *
 * v0  flexible from the start
 * v1  endpoint type (KIP-919): this listener has brokers, not controllers
 * v2  fenced brokers, when asked for
 */
#include "api/describe.h"
#include "api/handlers.h"
#include "proto/describe_cluster.h"

#define ENDPOINT_BROKERS     1
#define ENDPOINT_CONTROLLERS 2

/* DescribeCluster has two codes that nothing else uses. */
#define CODE_UNSUPPORTED_ENDPOINT_TYPE 115
#define CODE_MISMATCHED_ENDPOINT_TYPE  114

static bool describe_cluster_fill(struct api_loop *al, struct req *req,
				  const struct describe_cluster_req *in,
				  struct describe_cluster_res *res)
{
	const struct image *image = al->image;

	res->brokers = describe_cluster_res_describe_cluster_broker_array(&req->arena,
									  pmap_len(image->brokers));
	if (res->brokers == NULL)
		return false;
	res->cluster_id = image->cluster_id;
	if (in->include_cluster_authorized_operations)
		res->cluster_authorized_operations = DESCRIBE_CLUSTER_OPERATIONS;
	for (const struct image_broker *broker = image_broker_seek(image, 0); broker != NULL;
	     broker = image_broker_seek(image, broker->id + 1)) {
		const struct image_endpoint *endpoint = describe_endpoint(broker, req);
		struct describe_cluster_res_describe_cluster_broker *out;

		if (endpoint == NULL || (broker->fenced && !in->include_fenced_brokers))
			continue;
		out = &res->brokers[res->brokers_len++];
		out->broker_id = broker->id;
		out->host = endpoint->host;
		out->port = endpoint->port;
		out->rack = broker->rack;
		out->is_fenced = broker->fenced;
		if (!broker->fenced)
			res->controller_id = broker->id;
	}
	return true;
}

static void describe_cluster_wrong_endpoint(struct arena *arena,
					    const struct describe_cluster_req *in,
					    struct describe_cluster_res *res)
{
	bool controllers = in->endpoint_type == ENDPOINT_CONTROLLERS;

	res->error_code =
	    controllers ? CODE_MISMATCHED_ENDPOINT_TYPE : CODE_UNSUPPORTED_ENDPOINT_TYPE;
	res->error_message =
	    controllers ? STR("The request was sent to an endpoint of type BROKER, "
			      "but we wanted an endpoint of type CONTROLLER")
			: arena_printf(arena, "Unsupported endpoint type %d", in->endpoint_type);
}

static void describe_cluster_handle(struct api_loop *al, struct req *req)
{
	int version = req->header.api_version;
	struct describe_cluster_req in;
	struct describe_cluster_res res;
	enum err err;

	err = describe_cluster_req_decode(&in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	describe_cluster_res_init(&res);
	if (in.endpoint_type != ENDPOINT_BROKERS) {
		describe_cluster_wrong_endpoint(&req->arena, &in, &res);
	} else if (!describe_cluster_fill(al, req, &in, &res)) {
		api_overload(req);
		return;
	}
	describe_cluster_res_encode(&res, api_begin(req), version);
	api_end(req);
}

const struct api_handler api_describe_cluster = {
    .key = DESCRIBE_CLUSTER_API_KEY,
    .version_min = DESCRIBE_CLUSTER_MIN_VERSION,
    .version_max = DESCRIBE_CLUSTER_MAX_VERSION,
    .handle = describe_cluster_handle,
};
