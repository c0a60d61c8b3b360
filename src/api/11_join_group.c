/*
 * JoinGroup (11), versions 0-9: enters a classic group, or stays in it over a rebalance. Answered
 * when the group has formed its next generation; until then the request is parked with the
 * coordinator and its frame is given back.
 *
 * v0  the session timeout is the rebalance timeout too
 * v1  rebalance timeout of its own (KIP-62)
 * v2  throttle time
 * v3  nothing new
 * v4  MEMBER_ID_REQUIRED: an id first, then the group (KIP-394)
 * v5  static members (KIP-345)
 * v6  flexible
 * v7  names the protocol type in the answer
 * v8  reason (KIP-800)
 * v9  a static leader that comes back skips the assignment (KIP-814)
 *
 * A consumer group (KIP-848) takes members in by this request, too, unless its migration is
 * disabled: see consumer_classic.c in room group.
 */
#include "api/handlers.h"
#include "coord/coord.h"
#include "proto/join_group.h"

#define VERSION_REBALANCE_TIMEOUT 1
#define VERSION_MEMBER_ID	  4
#define VERSION_PROTOCOL_TYPE	  7
#define VERSION_SKIP		  9

struct join_group_call {
	struct coord_call call;
	struct api_loop *al;
	struct req *req;
	bool answered, overload;
};

static void join_group_put(struct req *req, const struct join_answer *answer,
			   struct join_group_res *res)
{
	join_group_res_init(res);
	res->error_code = errcode_of(answer->err);
	res->generation_id = answer->generation;
	res->protocol_type = answer->protocol_type;
	/* A protocol may have no name, too. */
	if (answer->protocol.len > 0)
		res->protocol_name = answer->protocol;
	else
		res->protocol_name =
		    req->header.api_version < VERSION_PROTOCOL_TYPE ? STR("") : STR_NULL;
	res->leader = answer->leader;
	res->skip_assignment = answer->skip_assignment;
	res->member_id = answer->member_id;
}

static bool join_group_put_members(struct req *req, const struct join_answer *answer,
				   struct join_group_res *res)
{
	res->members =
	    join_group_res_join_group_response_member_array(&req->arena, answer->members_len);
	if (res->members == NULL)
		return false;
	for (; res->members_len < answer->members_len; res->members_len++) {
		const struct join_answer_member *from = &answer->members[res->members_len];

		res->members[res->members_len] =
		    (struct join_group_res_join_group_response_member){.member_id = from->id,
								       .group_instance_id =
									   from->instance_id,
								       .metadata = from->metadata};
	}
	return true;
}

static void join_group_encode(struct join_group_call *call, const struct join_answer *answer)
{
	struct join_group_res res;

	wr_fini(&call->req->out);
	join_group_put(call->req, answer, &res);
	call->overload = !join_group_put_members(call->req, answer, &res);
	if (!call->overload)
		join_group_res_encode(&res, api_begin(call->req), call->req->header.api_version);
}

static void join_group_answer(struct coord_call *coord_call, const struct fx_answer *answer)
{
	struct join_group_call *call = container_of(coord_call, struct join_group_call, call);

	call->answered = true;
	join_group_encode(call, &answer->join);
}

static void join_group_fail(struct coord_call *coord_call, enum err err)
{
	struct join_answer answer = {.err = err,
				     .generation = -1,
				     .leader = STR(""),
				     .member_id = STR("")};

	join_group_encode(container_of(coord_call, struct join_group_call, call), &answer);
}

static void join_group_send(struct coord_call *coord_call)
{
	struct join_group_call *call = container_of(coord_call, struct join_group_call, call);

	if (call->overload)
		api_overload(call->req);
	else
		api_end(call->req);
}

/* The protocols, and the client's address as Java prints it. */
static bool join_group_ask(struct req *req, const struct join_group_req *in, struct join_ask *ask)
{
	struct join_protocol *protocols =
	    arena_array(&req->arena, in->protocols_len + 1, sizeof(*protocols));
	int16_t version = req->header.api_version;

	*ask = (struct join_ask){
	    .group = in->group_id,
	    .member_id = in->member_id,
	    .instance_id = in->group_instance_id,
	    .client_id = req->header.client_id.ptr != NULL ? req->header.client_id : STR(""),
	    .client_host = arena_printf(&req->arena, "/%.*s", STR_ARG(req->client_address)),
	    .protocol_type = in->protocol_type,
	    .reason = in->reason,
	    .session_ms = in->session_timeout_ms,
	    .rebalance_ms = version >= VERSION_REBALANCE_TIMEOUT ? in->rebalance_timeout_ms
								 : in->session_timeout_ms,
	    .protocols = protocols,
	    .protocols_len = in->protocols_len,
	    .wants_member_id = version >= VERSION_MEMBER_ID,
	    .can_skip = version >= VERSION_SKIP,
	};
	for (size_t i = 0; protocols != NULL && i < in->protocols_len; i++)
		protocols[i] =
		    (struct join_protocol){in->protocols[i].name, in->protocols[i].metadata};
	return protocols != NULL && ask->client_host.ptr != NULL;
}

static void join_group_handle(struct api_loop *al, struct req *req)
{
	struct join_group_call *call = arena_alloc(&req->arena, sizeof(*call));
	struct join_group_req in;
	struct join_ask ask;
	enum err err = join_group_req_decode(&in, &req->body, req->header.api_version, &req->arena);

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (call == NULL || !join_group_ask(req, &in, &ask)) {
		api_overload(req);
		return;
	}
	*call = (struct join_group_call){.call = {.answer = join_group_answer,
						  .fail = join_group_fail,
						  .send = join_group_send,
						  .arena = &req->arena},
					 .al = al,
					 .req = req};
	coord_join(al->api->coord, &call->call, &ask);
	if (!call->answered)
		req_release_frame(req);
}

const struct api_handler api_join_group = {
    .key = JOIN_GROUP_API_KEY,
    .version_min = JOIN_GROUP_MIN_VERSION,
    .version_max = JOIN_GROUP_MAX_VERSION,
    .on_control = true,
    .home = API_HOME_CONTROL,
    .handle = join_group_handle,
};
