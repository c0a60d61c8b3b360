/*
 * DescribeGroups (15), versions 0-6: state and members of classic groups.
 *
 * v0  first
 * v1  throttle time
 * v2  nothing new
 * v3  authorized operations (KIP-430): all, as there is no authorizer
 * v4  static members
 * v5  flexible
 * v6  error message, and GROUP_ID_NOT_FOUND for what is not a classic group (KIP-1043); before, it
 *     is shown as "Dead". Consumer groups that stock left are shown, as empty ones.
 */
#include "api/handlers.h"
#include "api/held.h"
#include "proto/describe_groups.h"

#define VERSION_NOT_FOUND 6

struct describe_groups {
	struct held held;
	struct describe_groups_req in;
	struct group_view *views;
	enum err *errs;
};

static bool describe_groups_put_members(struct held *held, const struct group_view *view,
					struct describe_groups_res_described_group *out)
{
	out->members =
	    describe_groups_res_described_group_member_array(held->call.arena, view->members_len);
	if (out->members == NULL)
		return false;
	for (; out->members_len < view->members_len; out->members_len++) {
		const struct group_view_member *from = &view->members[out->members_len];

		out->members[out->members_len] =
		    (struct describe_groups_res_described_group_member){
			.member_id = from->id,
			.group_instance_id = from->instance_id,
			.client_id = from->client_id,
			.client_host = from->client_host,
			.member_metadata = from->metadata,
			.member_assignment = from->assignment};
	}
	return true;
}

static bool describe_groups_put_missing(struct held *held, const struct group_view *view,
					struct describe_groups_res_described_group *out)
{
	const char *format =
	    view->other_type ? "Group %.*s is not a classic group." : "Group %.*s not found.";

	if (held->req->header.api_version < VERSION_NOT_FOUND)
		return true;
	out->error_code = errcode_of(ERR_GROUP_ID_NOT_FOUND);
	out->error_message = arena_printf(held->call.arena, format, STR_ARG(out->group_id));
	return out->error_message.ptr != NULL;
}

static bool describe_groups_put(struct describe_groups *call, size_t idx, enum err err,
				struct describe_groups_res_described_group *out)
{
	const struct group_view *view = &call->views[idx];

	out->group_id = call->in.groups[idx];
	out->error_code = errcode_of(err);
	if (err != ERR_OK)
		return true;
	out->group_state = view->state;
	out->protocol_type = view->protocol_type;
	out->protocol_data = view->protocol;
	if (!view->found && !describe_groups_put_missing(&call->held, view, out))
		return false;
	if (call->in.include_authorized_operations && out->error_code == 0)
		out->authorized_operations = HELD_GROUP_OPERATIONS;
	return describe_groups_put_members(&call->held, view, out);
}

static bool describe_groups_encode(struct held *held, enum err err)
{
	struct describe_groups *call = container_of(held, struct describe_groups, held);
	struct describe_groups_res res;

	describe_groups_res_init(&res);
	res.groups =
	    describe_groups_res_described_group_array(held->call.arena, call->in.groups_len);
	if (res.groups == NULL)
		return false;
	for (; res.groups_len < call->in.groups_len; res.groups_len++) {
		enum err one = err != ERR_OK ? err : call->errs[res.groups_len];

		if (!describe_groups_put(call, res.groups_len, one, &res.groups[res.groups_len]))
			return false;
	}
	describe_groups_res_encode(&res, api_begin(held->req), held->req->header.api_version);
	return true;
}

static void describe_groups_handle(struct api_loop *al, struct req *req)
{
	struct describe_groups *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = describe_groups_req_decode(&call->in, &req->body, req->header.api_version,
						 &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, describe_groups_encode);
	call->views = arena_array(&req->arena, call->in.groups_len + 1, sizeof(*call->views));
	call->errs = arena_array(&req->arena, call->in.groups_len + 1, sizeof(*call->errs));
	if (call->views == NULL || call->errs == NULL) {
		api_overload(req);
		return;
	}
	for (size_t i = 0; i < call->in.groups_len; i++)
		call->errs[i] = coord_describe(al->api->coord, &call->held.call, call->in.groups[i],
					       &call->views[i]);
	held_end(&call->held, ERR_OK);
}

const struct api_handler api_describe_groups = {
    .key = DESCRIBE_GROUPS_API_KEY,
    .version_min = DESCRIBE_GROUPS_MIN_VERSION,
    .version_max = DESCRIBE_GROUPS_MAX_VERSION,
    .on_control = true,
    .handle = describe_groups_handle,
};
