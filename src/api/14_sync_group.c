/*
 * SyncGroup (14), versions 0-5: the leader brings the assignment, everybody gets theirs. Answered
 * when the assignment is in the log; followers wait for the leader, parked.
 *
 * v0  first
 * v1  throttle time
 * v2  nothing new
 * v3  static members (KIP-345)
 * v4  flexible
 * v5  protocol type and name, which must be the group's and must not be null
 */
#include "api/handlers.h"
#include "coord/coord.h"
#include "proto/sync_group.h"

#define VERSION_PROTOCOL 5

struct sync_group_call {
	struct coord_call call;
	struct req *req;
	bool answered;
};

static void sync_group_encode(struct req *req, const struct sync_answer *answer)
{
	struct sync_group_res res;

	wr_fini(&req->out);
	sync_group_res_init(&res);
	res.error_code = errcode_of(answer->err);
	res.protocol_type = answer->protocol_type;
	res.protocol_name = answer->protocol;
	res.assignment = answer->assignment;
	sync_group_res_encode(&res, api_begin(req), req->header.api_version);
}

static void sync_group_answer(struct coord_call *coord_call, const struct fx_answer *answer)
{
	struct sync_group_call *call = container_of(coord_call, struct sync_group_call, call);

	call->answered = true;
	sync_group_encode(call->req, &answer->sync);
}

static void sync_group_fail(struct coord_call *coord_call, enum err err)
{
	struct sync_answer answer = {.err = err, .assignment = {(const uint8_t *)"", 0}};

	sync_group_encode(container_of(coord_call, struct sync_group_call, call)->req, &answer);
}

static void sync_group_send(struct coord_call *coord_call)
{
	api_end(container_of(coord_call, struct sync_group_call, call)->req);
}

static void sync_group_refuse(struct req *req, enum err err)
{
	struct sync_answer answer = {.err = err, .assignment = {(const uint8_t *)"", 0}};

	sync_group_encode(req, &answer);
	api_end(req);
}

static bool sync_group_ask(struct req *req, const struct sync_group_req *in, struct sync_ask *ask)
{
	struct sync_assignment *list =
	    arena_array(&req->arena, in->assignments_len + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < in->assignments_len; i++)
		list[i] = (struct sync_assignment){in->assignments[i].member_id,
						   in->assignments[i].assignment};
	*ask = (struct sync_ask){.group = in->group_id,
				 .member_id = in->member_id,
				 .instance_id = in->group_instance_id,
				 .generation = in->generation_id,
				 .protocol_type = in->protocol_type,
				 .protocol = in->protocol_name,
				 .assignments = list,
				 .assignments_len = in->assignments_len};
	return list != NULL;
}

static void sync_group_handle(struct api_loop *al, struct req *req)
{
	struct sync_group_call *call = arena_alloc(&req->arena, sizeof(*call));
	struct sync_group_req in;
	struct sync_ask ask;
	enum err err = sync_group_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (call == NULL || !sync_group_ask(req, &in, &ask)) {
		api_overload(req);
		return;
	}
	if (req->header.api_version >= VERSION_PROTOCOL &&
	    (in.protocol_type.ptr == NULL || in.protocol_name.ptr == NULL)) {
		sync_group_refuse(req, ERR_INCONSISTENT_GROUP_PROTOCOL);
		return;
	}
	*call = (struct sync_group_call){.call = {.answer = sync_group_answer,
						  .fail = sync_group_fail,
						  .send = sync_group_send,
						  .arena = &req->arena},
					 .req = req};
	coord_sync(al->api->coord, &call->call, &ask);
	if (!call->answered)
		req_release_frame(req);
}

const struct api_handler api_sync_group = {
    .key = SYNC_GROUP_API_KEY,
    .version_min = SYNC_GROUP_MIN_VERSION,
    .version_max = SYNC_GROUP_MAX_VERSION,
    .on_control = true,
    .home = API_HOME_CONTROL,
    .handle = sync_group_handle,
};
