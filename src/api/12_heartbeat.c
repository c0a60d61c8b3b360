/*
 * Heartbeat (12), versions 0-4: a member lives, and learns of rebalances.
 *
 * v0  first
 * v1  throttle time
 * v2  nothing new
 * v3  static members (KIP-345)
 * v4  flexible
 */
#include "api/handlers.h"
#include "coord/coord.h"
#include "proto/heartbeat.h"

static void heartbeat_request(struct api_loop *al, struct req *req)
{
	struct heartbeat_req in;
	struct heartbeat_res res;
	enum err err = heartbeat_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	heartbeat_res_init(&res);
	res.error_code = errcode_of(coord_heartbeat(al->api->coord, in.group_id, in.member_id,
						    in.group_instance_id, in.generation_id));
	heartbeat_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_heartbeat = {
    .key = HEARTBEAT_API_KEY,
    .version_min = HEARTBEAT_MIN_VERSION,
    .version_max = HEARTBEAT_MAX_VERSION,
    .on_control = true,
    .home = API_HOME_CONTROL,
    .handle = heartbeat_request,
};
