/*
 * DeleteAcls (31), versions 1-3: there is no authorizer, and each filter is told so.
 *
 * v1  pattern types (KIP-290)
 * v2  flexible
 * v3  users' types of resources
 *
 * Left out for now: ACLs (room auth).
 */
#include "api/acls.h"
#include "api/handlers.h"
#include "proto/delete_acls.h"

static bool delete_acls_refuse(const struct delete_acls_req *in, struct arena *arena,
			       struct delete_acls_res *res)
{
	delete_acls_res_init(res);
	res->filter_results =
	    delete_acls_res_delete_acls_filter_result_array(arena, in->filters_len);
	if (res->filter_results == NULL)
		return false;
	for (; res->filter_results_len < in->filters_len; res->filter_results_len++) {
		res->filter_results[res->filter_results_len].error_code = errcode_of(ACLS_ERR);
		res->filter_results[res->filter_results_len].error_message = ACLS_MESSAGE;
	}
	return true;
}

static void delete_acls_handle(struct api_loop *al, struct req *req)
{
	struct delete_acls_req in;
	struct delete_acls_res res;
	enum err err =
	    delete_acls_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (!delete_acls_refuse(&in, &req->arena, &res)) {
		api_overload(req);
		return;
	}
	delete_acls_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_delete_acls = {
    .key = DELETE_ACLS_API_KEY,
    .version_min = DELETE_ACLS_MIN_VERSION,
    .version_max = DELETE_ACLS_MAX_VERSION,
    .handle = delete_acls_handle,
};
