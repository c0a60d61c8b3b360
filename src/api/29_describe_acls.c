/*
 * DescribeAcls (29), versions 1-3: there is no authorizer, and so nothing to describe.
 *
 * v1  pattern types (KIP-290)
 * v2  flexible
 * v3  users' types of resources
 *
 * Left out for now: ACLs (room auth).
 */
#include "api/acls.h"
#include "api/handlers.h"
#include "proto/describe_acls.h"

static void describe_acls_handle(struct api_loop *al, struct req *req)
{
	struct describe_acls_req in;
	struct describe_acls_res res;
	enum err err =
	    describe_acls_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	describe_acls_res_init(&res);
	res.error_code = errcode_of(ACLS_ERR);
	res.error_message = STR("No Authorizer is configured on the broker");
	describe_acls_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_describe_acls = {
    .key = DESCRIBE_ACLS_API_KEY,
    .version_min = DESCRIBE_ACLS_MIN_VERSION,
    .version_max = DESCRIBE_ACLS_MAX_VERSION,
    .handle = describe_acls_handle,
};
