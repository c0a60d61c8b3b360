/*
 * CreateAcls (30), versions 1-3: there is no authorizer, and each creation is told so.
 *
 * v1  pattern types (KIP-290)
 * v2  flexible
 * v3  users' types of resources
 *
 * Left out for now: ACLs (room auth).
 */
#include "api/acls.h"
#include "api/handlers.h"
#include "proto/create_acls.h"

static bool create_acls_refuse(const struct create_acls_req *in, struct arena *arena,
			       struct create_acls_res *res)
{
	create_acls_res_init(res);
	res->results = create_acls_res_acl_creation_result_array(arena, in->creations_len);
	if (res->results == NULL)
		return false;
	for (; res->results_len < in->creations_len; res->results_len++) {
		res->results[res->results_len].error_code = errcode_of(ACLS_ERR);
		res->results[res->results_len].error_message = ACLS_MESSAGE;
	}
	return true;
}

static void create_acls_handle(struct api_loop *al, struct req *req)
{
	struct create_acls_req in;
	struct create_acls_res res;
	enum err err =
	    create_acls_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (!create_acls_refuse(&in, &req->arena, &res)) {
		api_overload(req);
		return;
	}
	create_acls_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_create_acls = {
    .key = CREATE_ACLS_API_KEY,
    .version_min = CREATE_ACLS_MIN_VERSION,
    .version_max = CREATE_ACLS_MAX_VERSION,
    .handle = create_acls_handle,
};
