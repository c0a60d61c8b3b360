/*
 * DeleteGroups (42), versions 0-2: groups without members, and their offsets.
 *
 * v0  first
 * v1  nothing new
 * v2  flexible
 *
 * A group that is named twice has one answer, as in Kafka. Share groups are answered with
 * UNSUPPORTED_VERSION: part of their state lies in a topic that is not served here.
 */
#include "api/duplicates.h"
#include "api/handlers.h"
#include "api/held.h"
#include "proto/delete_groups.h"

struct delete_groups {
	struct held held;
	struct delete_groups_req in;
	struct str *groups; /* each once */
	enum err *errs;
	size_t len;
};

static bool delete_groups_encode(struct held *held, enum err err)
{
	struct delete_groups *call = container_of(held, struct delete_groups, held);
	struct delete_groups_res res;

	delete_groups_res_init(&res);
	res.results = delete_groups_res_deletable_group_result_array(held->call.arena, call->len);
	if (res.results == NULL)
		return false;
	for (; res.results_len < call->len; res.results_len++)
		res.results[res.results_len] = (struct delete_groups_res_deletable_group_result){
		    .group_id = call->groups[res.results_len],
		    .error_code = errcode_of(err != ERR_OK ? err : call->errs[res.results_len])};
	delete_groups_res_encode(&res, api_begin(held->req), held->req->header.api_version);
	return true;
}

static bool delete_groups_pick(struct delete_groups *call)
{
	struct arena *arena = call->held.call.arena;
	size_t len = call->in.groups_names_len;
	const uint8_t *marks = duplicates_find(arena, call->in.groups_names, len);

	call->groups = arena_array(arena, len + 1, sizeof(*call->groups));
	call->errs = arena_array(arena, len + 1, sizeof(*call->errs));
	if (marks == NULL || call->groups == NULL || call->errs == NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		if (marks[i] != 2)
			call->groups[call->len++] = call->in.groups_names[i];
	return true;
}

static void delete_groups_handle(struct api_loop *al, struct req *req)
{
	struct delete_groups *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = delete_groups_req_decode(&call->in, &req->body, req->header.api_version,
					       &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, delete_groups_encode);
	if (!delete_groups_pick(call)) {
		api_overload(req);
		return;
	}
	for (size_t i = 0; i < call->len; i++)
		call->errs[i] =
		    coord_delete_group(al->api->coord, &call->held.call, call->groups[i]);
	held_end(&call->held, ERR_OK);
}

const struct api_handler api_delete_groups = {
    .key = DELETE_GROUPS_API_KEY,
    .version_min = DELETE_GROUPS_MIN_VERSION,
    .version_max = DELETE_GROUPS_MAX_VERSION,
    .on_control = true,
    .handle = delete_groups_handle,
};
