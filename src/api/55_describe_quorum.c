/*
 * DescribeQuorum (55), versions 0-2: leader and voters of the metadata log, and how far they are.
 *
 * This node is the only voter and always up to date: what the image holds is on disk.
 *
 * v0  flexible from the start
 * v1  when each voter fetched last (KIP-836)
 * v2  the voters' directories and listeners (KIP-853): a voter that nobody fetches from listens
 *     nowhere
 */
#include "api/handlers.h"
#include "base/clock.h"
#include "meta/image.h"
#include "meta/mlog.h"
#include "proto/describe_quorum.h"

#define RES(name) describe_quorum_res_##name

/* The one question that Apache Kafka answers: partition 0 of the metadata log, and no other. */
static bool quorum_is_asked(const struct describe_quorum_req *in)
{
	return in->topics_len == 1 && str_eq(in->topics[0].topic_name, STR(MLOG_TOPIC_NAME)) &&
	       in->topics[0].partitions_len == 1 &&
	       in->topics[0].partitions[0].partition_index == 0;
}

static bool quorum_voter(const struct api_loop *al, struct arena *arena,
			 struct RES(partition_data) * out)
{
	int64_t now_ms = clock_wall_ms(al->api->clock);
	struct RES(replica_state) *voter = RES(replica_state_array)(arena, 1);

	if (voter == NULL)
		return false;
	voter->replica_id = al->api->node_id;
	voter->log_end_offset = al->image->offset + 1;
	voter->last_fetch_timestamp = now_ms;
	voter->last_caught_up_timestamp = now_ms;
	out->leader_id = al->api->node_id;
	out->leader_epoch = al->image->epoch;
	out->high_watermark = voter->log_end_offset;
	out->current_voters = voter;
	out->current_voters_len = 1;
	return true;
}

static bool quorum_partitions(const struct api_loop *al,
			      const struct describe_quorum_req_topic_data *in, bool known,
			      struct arena *arena, struct RES(topic_data) * out)
{
	out->topic_name = in->topic_name;
	out->partitions = RES(partition_data_array)(arena, in->partitions_len);
	if (out->partitions == NULL)
		return false;
	for (size_t i = 0; i < in->partitions_len; i++) {
		struct RES(partition_data) *row = &out->partitions[out->partitions_len++];

		row->partition_index = in->partitions[i].partition_index;
		if (known && !quorum_voter(al, arena, row))
			return false;
		if (known)
			continue;
		row->error_code = errcode_of(ERR_UNKNOWN_TOPIC_OR_PARTITION);
		row->error_message = STR("This server does not host this topic-partition.");
	}
	return true;
}

static bool quorum_fill(const struct api_loop *al, const struct describe_quorum_req *in,
			struct arena *arena, struct describe_quorum_res *res)
{
	bool known = quorum_is_asked(in);

	res->topics = RES(topic_data_array)(arena, in->topics_len);
	res->nodes = RES(node_array)(arena, 1);
	if (res->topics == NULL || res->nodes == NULL)
		return false;
	for (size_t i = 0; i < in->topics_len; i++)
		if (in->topics[i].partitions_len > 0 &&
		    !quorum_partitions(al, &in->topics[i], known, arena,
				       &res->topics[res->topics_len++]))
			return false;
	res->nodes[0].node_id = al->api->node_id;
	res->nodes_len = known;
	return true;
}

static void describe_quorum_handle(struct api_loop *al, struct req *req)
{
	int version = req->header.api_version;
	struct describe_quorum_req in;
	struct describe_quorum_res res;
	enum err err;

	err = describe_quorum_req_decode(&in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	describe_quorum_res_init(&res);
	if (!quorum_fill(al, &in, &req->arena, &res)) {
		api_overload(req);
		return;
	}
	describe_quorum_res_encode(&res, api_begin(req), version);
	api_end(req);
}

const struct api_handler api_describe_quorum = {
    .key = DESCRIBE_QUORUM_API_KEY,
    .version_min = DESCRIBE_QUORUM_MIN_VERSION,
    .version_max = DESCRIBE_QUORUM_MAX_VERSION,
    .handle = describe_quorum_handle,
};
