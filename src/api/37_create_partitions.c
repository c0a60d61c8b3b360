/*
 * CreatePartitions (37), versions 0-3: a topic's partitions raised to a new total, by the
 * controller.
 *
 * v0  first
 * v1  nothing new
 * v2  flexible
 * v3  THROTTLING_QUOTA_EXCEEDED: not sent here
 *
 * Left out on purpose: TimeoutMs, as in CreateTopics.
 */
#include "api/duplicates.h"
#include "api/handlers.h"
#include "meta/controller.h"
#include "proto/create_partitions.h"

struct create_partitions {
	struct api_loop *al;
	struct req *req;
	struct create_partitions_req in;
	struct controller_more_partitions *topics;
	size_t topics_len;
	const uint8_t *marks;
	struct controller_wait wait;
};

static bool create_partitions_take(struct controller_more_partitions *out,
				   const struct create_partitions_req_create_partitions_topic *in,
				   struct arena *arena)
{
	struct controller_assignment *assignments =
	    arena_array(arena, in->assignments_len + 1, sizeof(*assignments));

	if (assignments == NULL)
		return false;
	for (size_t i = 0; i < in->assignments_len; i++)
		assignments[i] = (struct controller_assignment){-1, in->assignments[i].broker_ids,
								in->assignments[i].broker_ids_len};
	*out = (struct controller_more_partitions){
	    .name = in->name,
	    .count = in->count,
	    .assignments = assignments,
	    .assignments_len = in->assignments_len,
	    .has_assignments = in->assignments != NULL,
	};
	return true;
}

static void create_partitions_done(struct controller_wait *wait, enum err err)
{
	struct create_partitions *call = container_of(wait, struct create_partitions, wait);
	struct create_partitions_res_create_partitions_topic_result *out;
	struct req *req = call->req;
	struct create_partitions_res res;

	create_partitions_res_init(&res);
	res.results =
	    create_partitions_res_create_partitions_topic_result_array(&req->arena,
								       call->in.topics_len);
	if (res.results == NULL) {
		api_overload(req);
		return;
	}
	for (size_t i = 0; i < call->in.topics_len; i++) {
		if (call->marks[i] != 1)
			continue;
		out = &res.results[res.results_len++];
		out->name = call->in.topics[i].name;
		out->error_code = errcode_of(ERR_INVALID_REQUEST);
		out->error_message = STR("Duplicate topic name.");
	}
	for (size_t i = 0; i < call->topics_len; i++) {
		const struct controller_more_partitions *topic = &call->topics[i];

		out = &res.results[res.results_len++];
		out->name = topic->name;
		out->error_code = errcode_of(topic->err != ERR_OK ? topic->err : err);
		out->error_message = topic->message;
	}
	create_partitions_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static bool create_partitions_prepare(struct create_partitions *call)
{
	struct arena *arena = &call->req->arena;
	size_t len = call->in.topics_len;
	struct str *names = arena_array(arena, len + 1, sizeof(*names));

	call->topics = arena_array(arena, len + 1, sizeof(*call->topics));
	if (names == NULL || call->topics == NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		names[i] = call->in.topics[i].name;
	call->marks = duplicates_find(arena, names, len);
	for (size_t i = 0; call->marks != NULL && i < len; i++)
		if (call->marks[i] == 0 &&
		    !create_partitions_take(&call->topics[call->topics_len++], &call->in.topics[i],
					    arena))
			return false;
	return call->marks != NULL;
}

static void create_partitions_handle(struct api_loop *al, struct req *req)
{
	struct create_partitions *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err;

	if (call == NULL) {
		api_overload(req);
		return;
	}
	call->al = al;
	call->req = req;
	err = create_partitions_req_decode(&call->in, &req->body, req->header.api_version,
					   &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (!create_partitions_prepare(call)) {
		api_overload(req);
		return;
	}
	controller_create_partitions(al->api->controller, &req->arena, call->topics,
				     call->topics_len, call->in.validate_only);
	call->wait.done = create_partitions_done;
	controller_commit(al->api->controller, &call->wait);
}

const struct api_handler api_create_partitions = {
    .key = CREATE_PARTITIONS_API_KEY,
    .version_min = CREATE_PARTITIONS_MIN_VERSION,
    .version_max = 3,
    .on_control = true,
    .handle = create_partitions_handle,
};
