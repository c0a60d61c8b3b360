/*
 * ElectLeaders (43), versions 0-2: leaders elected on demand (KIP-183, KIP-460).
 *
 * On a single node there is nobody else to elect: a partition that has a leader needs no election,
 * unless its preferred one is a broker of the cluster that the directory came from, and for one
 * without a leader nobody is eligible. So all answers are read from the image.
 *
 * v0  preferred leaders
 * v1  the kind of election, and an error for the whole
 * v2  flexible
 *
 * Left out on purpose: TimeoutMs, nothing is waited for.
 */
#include <inttypes.h>

#include "api/api.h"
#include "api/handlers.h"
#include "meta/image.h"
#include "proto/elect_leaders.h"

#define RES(name) elect_leaders_res_##name

enum election_kind { ELECTION_PREFERRED = 0, ELECTION_UNCLEAN = 1 };

static bool election_is_known(int8_t kind)
{
	return kind == ELECTION_PREFERRED || kind == ELECTION_UNCLEAN;
}

static enum err election_of(const struct image_partition *part, int8_t kind, struct str *message)
{
	struct image_ids replicas = image_replicas(part);
	bool led = part->leader != IMAGE_NO_LEADER;

	if (led &&
	    (kind == ELECTION_UNCLEAN || (replicas.len > 0 && replicas.ptr[0] == part->leader))) {
		*message = STR("Leader election not needed for topic partition.");
		return ERR_ELECTION_NOT_NEEDED;
	}
	if (kind == ELECTION_UNCLEAN) {
		*message = STR("Eligible topic partition leaders are not available.");
		return ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE;
	}
	*message = STR("The preferred leader was not available.");
	return ERR_PREFERRED_LEADER_NOT_AVAILABLE;
}

static enum err election_asked(const struct image_topic *topic, struct str name, int32_t idx,
			       int8_t kind, struct arena *arena, struct str *message)
{
	const struct image_partition *part;

	if (!election_is_known(kind)) {
		*message = arena_printf(arena, "Unknown election type %d", kind);
		return ERR_INVALID_REQUEST;
	}
	if (topic == NULL) {
		*message = arena_printf(arena, "No such topic as %.*s", STR_ARG(name));
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	part = image_partition_at(topic, idx);
	if (part == NULL) {
		*message =
		    arena_printf(arena, "No such partition as %.*s-%" PRId32, STR_ARG(name), idx);
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	return election_of(part, kind, message);
}

/* Those that were named, each with its error. False: out of memory. */
static bool elections_named(const struct image *image, const struct elect_leaders_req *in,
			    struct arena *arena, struct elect_leaders_res *res)
{
	res->replica_election_results =
	    RES(replica_election_result_array)(arena, in->topic_partitions_len);
	if (res->replica_election_results == NULL)
		return false;
	for (size_t i = 0; i < in->topic_partitions_len; i++) {
		const struct elect_leaders_req_topic_partitions *asked = &in->topic_partitions[i];
		struct RES(replica_election_result) *out = &res->replica_election_results[i];
		const struct image_topic *topic = image_topic_by_name(image, asked->topic);

		res->replica_election_results_len++;
		out->topic = asked->topic;
		out->partition_result = RES(partition_result_array)(arena, asked->partitions_len);
		if (out->partition_result == NULL)
			return false;
		for (; out->partition_result_len < asked->partitions_len;
		     out->partition_result_len++) {
			struct RES(partition_result) *row =
			    &out->partition_result[out->partition_result_len];

			row->partition_id = asked->partitions[out->partition_result_len];
			row->error_code = errcode_of(
			    election_asked(topic, asked->topic, row->partition_id,
					   in->election_type, arena, &row->error_message));
		}
	}
	return true;
}

/* Every topic, with those of its partitions that need an election and cannot have one. */
static bool elections_all(const struct image *image, int8_t kind, struct arena *arena,
			  struct elect_leaders_res *res)
{
	res->replica_election_results =
	    RES(replica_election_result_array)(arena, image_topics_len(image));
	if (res->replica_election_results == NULL)
		return false;
	IMAGE_TOPICS_FOREACH(image, topic)
	{
		struct RES(replica_election_result) *out =
		    &res->replica_election_results[res->replica_election_results_len++];

		out->topic = topic->name;
		out->partition_result =
		    RES(partition_result_array)(arena, (size_t)topic->partitions_len);
		if (out->partition_result == NULL)
			return false;
		for (int32_t idx = 0; idx < topic->partitions_len; idx++) {
			struct RES(partition_result) *row =
			    &out->partition_result[out->partition_result_len];
			enum err err = election_asked(topic, topic->name, idx, kind, arena,
						      &row->error_message);

			row->partition_id = idx;
			row->error_code = errcode_of(err);
			out->partition_result_len += err != ERR_ELECTION_NOT_NEEDED;
		}
	}
	return true;
}

static void elect_leaders_handle(struct api_loop *al, struct req *req)
{
	int version = req->header.api_version;
	struct elect_leaders_req in;
	struct elect_leaders_res res;
	enum err err;
	bool ok = true;

	err = elect_leaders_req_decode(&in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	elect_leaders_res_init(&res);
	if (!election_is_known(in.election_type) &&
	    (in.topic_partitions == NULL || in.topic_partitions_len > 0))
		res.error_code = errcode_of(ERR_INVALID_REQUEST);
	if (in.topic_partitions != NULL)
		ok = elections_named(al->image, &in, &req->arena, &res);
	else if (res.error_code == 0)
		ok = elections_all(al->image, in.election_type, &req->arena, &res);
	if (!ok) {
		api_overload(req);
		return;
	}
	elect_leaders_res_encode(&res, api_begin(req), version);
	api_end(req);
}

const struct api_handler api_elect_leaders = {
    .key = ELECT_LEADERS_API_KEY,
    .version_min = ELECT_LEADERS_MIN_VERSION,
    .version_max = ELECT_LEADERS_MAX_VERSION,
    .handle = elect_leaders_handle,
};
