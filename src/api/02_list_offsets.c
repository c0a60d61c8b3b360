/*
 * ListOffsets (2), versions 1-11: the offset for a timestamp, or for one of the special ones.
 *
 * Read_committed consumers see the last stable offset as the end, others the high watermark.
 *
 * v1   one offset, with its timestamp
 * v2   isolation level
 * v4   leader epochs (KIP-320)
 * v6   flexible
 * v7   -3: the largest timestamp (KIP-734)
 * v8   -4: the earliest local offset (KIP-405)
 * v9   -5: the latest offset in tiered storage
 * v10  time-out, for tiered storage; nothing waits here
 * v11  -6: the earliest offset that waits for its upload
 *
 * A partition that a request names twice is INVALID_REQUEST in all its places, as in Kafka.
 *
 * Left out on purpose: tiered storage, so -4 is the log start and -5 and -6 are none.
 */
#include <inttypes.h>

#include "api/duplicates.h"
#include "api/handlers.h"
#include "api/topics.h"
#include "proto/list_offsets.h"

#define READ_COMMITTED 1
/* A version that does not know a special timestamp must not ask for it. */
static bool list_offsets_is_known(int64_t timestamp, int version)
{
	return timestamp >= PLOG_TIME_EARLIEST || (timestamp == PLOG_TIME_MAX && version >= 7) ||
	       (timestamp == PLOG_TIME_EARLIEST_LOCAL && version >= 8) ||
	       (timestamp == PLOG_TIME_LATEST_TIERED && version >= 9) ||
	       (timestamp == PLOG_TIME_EARLIEST_PENDING && version >= 11);
}

static enum err list_offsets_find(const struct image_topic *topic, const struct req *req,
				  const struct list_offsets_req *in,
				  const struct list_offsets_req_list_offsets_partition *ask,
				  struct plog_time_offset *found)
{
	const struct image_partition *image_part;
	struct partition *part;
	int64_t upper;
	enum err err;

	if (!list_offsets_is_known(ask->timestamp, req->header.api_version))
		return ERR_UNSUPPORTED_VERSION;
	err = topics_local(topic, ask->partition_index, &image_part, &part);
	if (err == ERR_OK)
		err = partition_check_leader(part, ask->current_leader_epoch);
	if (err != ERR_OK)
		return err;
	upper = in->isolation_level == READ_COMMITTED ? partition_last_stable(part)
						      : partition_high_watermark(part);
	return plog_offset_for_time(partition_log(part), ask->timestamp, upper, found);
}

/* One mark a partition of the request, in its order. NULL: out of memory. */
static const uint8_t *list_offsets_marks(struct arena *arena, const struct list_offsets_req *in)
{
	size_t len = 0, at = 0;
	struct str *keys;

	for (size_t t = 0; t < in->topics_len; t++)
		len += in->topics[t].partitions_len;
	keys = arena_array(arena, len + 1, sizeof(*keys));
	for (size_t t = 0; keys != NULL && t < in->topics_len; t++)
		for (size_t p = 0; p < in->topics[t].partitions_len; p++) {
			keys[at] = arena_printf(arena, "%" PRId32 "/%.*s",
						in->topics[t].partitions[p].partition_index,
						STR_ARG(in->topics[t].name));
			if (keys[at++].ptr == NULL)
				return NULL;
		}
	return keys != NULL ? duplicates_find(arena, keys, len) : NULL;
}

/* *marks: of this topic's partitions and those behind them; NULL: nothing is there twice. */
static bool list_offsets_topic(struct api_loop *al, struct req *req,
			       const struct list_offsets_req *in,
			       const struct list_offsets_req_list_offsets_topic *ask,
			       const uint8_t **marks,
			       struct list_offsets_res_list_offsets_topic_response *res)
{
	const struct image_topic *topic = image_topic_by_name(al->image, ask->name);

	res->name = ask->name;
	res->partitions =
	    list_offsets_res_list_offsets_partition_response_array(&req->arena,
								   ask->partitions_len);
	if (res->partitions == NULL)
		return false;
	res->partitions_len = ask->partitions_len;
	for (size_t i = 0; i < ask->partitions_len; i++) {
		struct plog_time_offset found = {-1, -1, -1};
		enum err err = ERR_INVALID_REQUEST;

		if (*marks == NULL || *(*marks)++ == 0)
			err = list_offsets_find(topic, req, in, &ask->partitions[i], &found);

		res->partitions[i].partition_index = ask->partitions[i].partition_index;
		res->partitions[i].error_code = errcode_of(err);
		res->partitions[i].timestamp = found.timestamp_ms;
		res->partitions[i].offset = found.offset;
		res->partitions[i].leader_epoch = found.leader_epoch;
	}
	return true;
}

static void list_offsets_handle(struct api_loop *al, struct req *req)
{
	int version = req->header.api_version;
	struct list_offsets_req in;
	struct list_offsets_res res;
	const uint8_t *marks = NULL;
	bool is_one;
	enum err err;

	err = list_offsets_req_decode(&in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	list_offsets_res_init(&res);
	res.topics = list_offsets_res_list_offsets_topic_response_array(&req->arena, in.topics_len);
	is_one = in.topics_len == 1 && in.topics[0].partitions_len == 1;
	if (!is_one)
		marks = list_offsets_marks(&req->arena, &in);
	if (res.topics == NULL || (!is_one && marks == NULL)) {
		api_overload(req);
		return;
	}
	for (; res.topics_len < in.topics_len; res.topics_len++) {
		if (!list_offsets_topic(al, req, &in, &in.topics[res.topics_len], &marks,
					&res.topics[res.topics_len])) {
			api_overload(req);
			return;
		}
	}
	list_offsets_res_encode(&res, api_begin(req), version);
	api_end(req);
}

const struct api_handler api_list_offsets = {
    .key = LIST_OFFSETS_API_KEY,
    .version_min = LIST_OFFSETS_MIN_VERSION,
    .version_max = LIST_OFFSETS_MAX_VERSION,
    .handle = list_offsets_handle,
};
