/*
 * ListGroups (16), versions 0-5: every group that this broker coordinates, those of the types that
 * are not served here too.
 *
 * v0  first
 * v1  throttle time
 * v2  nothing new
 * v3  flexible
 * v4  state, and a filter by it (KIP-518)
 * v5  type, and a filter by it (KIP-848)
 *
 * Filters are compared without case; a type that nobody knows matches nothing.
 */
#include "api/handlers.h"
#include "coord/coord.h"
#include "proto/list_groups.h"

static bool list_groups_wants(const struct str *filter, size_t len, struct str value)
{
	for (size_t i = 0; i < len; i++)
		if (str_eq_nocase(str_trim(filter[i]), value))
			return true;
	return len == 0;
}

static void list_groups_fill(const struct coord *coord, const struct list_groups_req *in,
			     struct list_groups_res *res, size_t size)
{
	struct coord_list_pos pos = {0};
	struct group_listed group;

	while (res->groups_len < size && coord_list_next(coord, &pos, &group)) {
		if (!list_groups_wants(in->states_filter, in->states_filter_len, group.state) ||
		    !list_groups_wants(in->types_filter, in->types_filter_len, group.type))
			continue;
		res->groups[res->groups_len++] =
		    (struct list_groups_res_listed_group){.group_id = group.id,
							  .protocol_type = group.protocol_type,
							  .group_state = group.state,
							  .group_type = group.type};
	}
}

static void list_groups_handle(struct api_loop *al, struct req *req)
{
	struct list_groups_req in;
	struct list_groups_res res;
	size_t size = coord_groups_len(al->api->coord);
	enum err err =
	    list_groups_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	list_groups_res_init(&res);
	err = coord_list_check(al->api->coord);
	res.error_code = errcode_of(err);
	res.groups = list_groups_res_listed_group_array(&req->arena, size);
	if (res.groups == NULL) {
		api_overload(req);
		return;
	}
	if (err == ERR_OK)
		list_groups_fill(al->api->coord, &in, &res, size);
	list_groups_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_list_groups = {
    .key = LIST_GROUPS_API_KEY,
    .version_min = LIST_GROUPS_MIN_VERSION,
    .version_max = LIST_GROUPS_MAX_VERSION,
    .on_control = true,
    .handle = list_groups_handle,
};
