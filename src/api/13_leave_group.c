/*
 * LeaveGroup (13), versions 0-5: members go, or are removed by an administrator.
 *
 * v0  one member
 * v1  throttle time
 * v2  nothing new
 * v3  several members, static ones by their instance id alone (KIP-345)
 * v4  flexible
 * v5  reason (KIP-800), not logged: it is the client's text
 */
#include "api/handlers.h"
#include "api/held.h"
#include "proto/leave_group.h"

#define VERSION_MEMBERS 3

struct leave_group {
	struct held held;
	struct leave_group_req in;
	struct leave_member *members;
	size_t members_len;
};

static bool leave_group_encode(struct held *held, enum err err)
{
	struct leave_group *call = container_of(held, struct leave_group, held);
	int16_t version = held->req->header.api_version;
	struct leave_group_res res;

	leave_group_res_init(&res);
	res.members = leave_group_res_member_response_array(held->call.arena, call->members_len);
	if (res.members == NULL)
		return false;
	if (err == ERR_OK && version < VERSION_MEMBERS)
		err = call->members[0].err;
	res.error_code = errcode_of(err);
	for (; err == ERR_OK && res.members_len < call->members_len; res.members_len++) {
		const struct leave_member *from = &call->members[res.members_len];

		res.members[res.members_len] =
		    (struct leave_group_res_member_response){.member_id = from->id,
							     .group_instance_id = from->instance_id,
							     .error_code = errcode_of(from->err)};
	}
	leave_group_res_encode(&res, api_begin(held->req), version);
	return true;
}

static bool leave_group_fill(struct leave_group *call)
{
	bool one = call->held.req->header.api_version < VERSION_MEMBERS;

	call->members_len = one ? 1 : call->in.members_len;
	call->members =
	    arena_array(call->held.call.arena, call->members_len + 1, sizeof(*call->members));
	if (call->members == NULL)
		return false;
	if (one)
		call->members[0].id = call->in.member_id;
	for (size_t i = 0; !one && i < call->members_len; i++)
		call->members[i] =
		    (struct leave_member){.id = call->in.members[i].member_id,
					  .instance_id = call->in.members[i].group_instance_id,
					  .reason = call->in.members[i].reason};
	return true;
}

static void leave_group_handle(struct api_loop *al, struct req *req)
{
	struct leave_group *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = leave_group_req_decode(&call->in, &req->body, req->header.api_version,
					     &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, leave_group_encode);
	if (!leave_group_fill(call)) {
		api_overload(req);
		return;
	}
	err = coord_leave(al->api->coord, &call->held.call, call->in.group_id, call->members,
			  call->members_len);
	held_end(&call->held, err);
}

const struct api_handler api_leave_group = {
    .key = LEAVE_GROUP_API_KEY,
    .version_min = LEAVE_GROUP_MIN_VERSION,
    .version_max = LEAVE_GROUP_MAX_VERSION,
    .on_control = true,
    .home = API_HOME_CONTROL,
    .handle = leave_group_handle,
};
