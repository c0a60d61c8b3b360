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
 * A search by time reads files and may decompress a batch: a worker does it.
 *
 * Left out on purpose: tiered storage, so -4 is the log start and -5 and -6 are none.
 */
#include <inttypes.h>

#include "api/cold.h"
#include "api/duplicates.h"
#include "api/handlers.h"
#include "api/topics.h"
#include "proto/list_offsets.h"

#define READ_COMMITTED 1

/* One partition that is searched by time. */
struct list_offsets_search {
	struct partition *part; /* a reference */
	int64_t timestamp, upper;
	struct list_offsets_res_list_offsets_partition_response *res;
};

struct list_offsets {
	struct cold cold;
	struct api_loop *al;
	struct req *req;
	struct list_offsets_req in;
	struct list_offsets_res res;
	struct list_offsets_search *searches; /* room for all partitions */
	size_t searches_len;
};

/* A version that does not know a special timestamp must not ask for it. */
static bool list_offsets_is_known(int64_t timestamp, int version)
{
	return timestamp >= PLOG_TIME_EARLIEST || (timestamp == PLOG_TIME_MAX && version >= 7) ||
	       (timestamp == PLOG_TIME_EARLIEST_LOCAL && version >= 8) ||
	       (timestamp == PLOG_TIME_LATEST_TIERED && version >= 9) ||
	       (timestamp == PLOG_TIME_EARLIEST_PENDING && version >= 11);
}

static void list_offsets_put(struct list_offsets_res_list_offsets_partition_response *res,
			     enum err err, const struct plog_time_offset *found)
{
	res->error_code = errcode_of(err);
	res->timestamp = found->timestamp_ms;
	res->offset = found->offset;
	res->leader_epoch = found->leader_epoch;
}

/* Finds it, or notes the search: *found then stays as it is. */
static enum err list_offsets_find(struct list_offsets *call, const struct image_topic *topic,
				  const struct list_offsets_req_list_offsets_partition *ask,
				  struct list_offsets_res_list_offsets_partition_response *res,
				  struct plog_time_offset *found)
{
	const struct image_partition *image_part;
	struct partition *part;
	int64_t upper;
	enum err err;

	if (!list_offsets_is_known(ask->timestamp, call->req->header.api_version))
		return ERR_UNSUPPORTED_VERSION;
	err = topics_local(topic, ask->partition_index, &image_part, &part);
	if (err == ERR_OK)
		err = partition_check_leader(part, ask->current_leader_epoch);
	if (err != ERR_OK)
		return err;
	upper = call->in.isolation_level == READ_COMMITTED ? partition_last_stable(part)
							   : partition_high_watermark(part);
	if (ask->timestamp < 0 && ask->timestamp != PLOG_TIME_MAX)
		return plog_offset_for_time(partition_log(part), ask->timestamp, upper, found);
	call->searches[call->searches_len++] = (struct list_offsets_search){
	    .part = partition_ref(part),
	    .timestamp = ask->timestamp,
	    .upper = upper,
	    .res = res,
	};
	return ERR_OK;
}

static size_t list_offsets_count(const struct list_offsets_req *in)
{
	size_t len = 0;

	for (size_t t = 0; t < in->topics_len; t++)
		len += in->topics[t].partitions_len;
	return len;
}

/* One mark a partition of the request, in its order. NULL: out of memory. */
static const uint8_t *list_offsets_marks(struct arena *arena, const struct list_offsets_req *in)
{
	size_t len = list_offsets_count(in), at = 0;
	struct str *keys;

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
static bool list_offsets_topic(struct list_offsets *call,
			       const struct list_offsets_req_list_offsets_topic *ask,
			       const uint8_t **marks,
			       struct list_offsets_res_list_offsets_topic_response *res)
{
	const struct image_topic *topic = image_topic_by_name(call->al->image, ask->name);

	res->name = ask->name;
	res->partitions =
	    list_offsets_res_list_offsets_partition_response_array(&call->req->arena,
								   ask->partitions_len);
	if (res->partitions == NULL)
		return false;
	res->partitions_len = ask->partitions_len;
	for (size_t i = 0; i < ask->partitions_len; i++) {
		struct plog_time_offset found = {-1, -1, -1};
		enum err err = ERR_INVALID_REQUEST;

		if (*marks == NULL || *(*marks)++ == 0)
			err = list_offsets_find(call, topic, &ask->partitions[i],
						&res->partitions[i], &found);
		res->partitions[i].partition_index = ask->partitions[i].partition_index;
		list_offsets_put(&res->partitions[i], err, &found);
	}
	return true;
}

static void list_offsets_unref(struct list_offsets *call)
{
	for (size_t i = 0; i < call->searches_len; i++)
		partition_unref(call->searches[i].part);
	call->searches_len = 0;
}

static void list_offsets_answer(struct list_offsets *call)
{
	struct req *req = call->req;

	list_offsets_unref(call);
	list_offsets_res_encode(&call->res, api_begin(req), req->header.api_version);
	api_end(req);
}

/* On a worker. */
static void list_offsets_read(struct cold *cold)
{
	struct list_offsets *call = container_of(cold, struct list_offsets, cold);

	for (size_t i = 0; i < call->searches_len; i++) {
		const struct list_offsets_search *search = &call->searches[i];
		struct plog_time_offset found;
		enum err err;

		err = plog_offset_for_time(partition_log(search->part), search->timestamp,
					   search->upper, &found);
		list_offsets_put(search->res, err, &found);
	}
}

static void list_offsets_finish(struct cold *cold)
{
	struct list_offsets *call = container_of(cold, struct list_offsets, cold);

	list_offsets_answer(call);
}

/* False: out of memory. */
static bool list_offsets_fill(struct list_offsets *call)
{
	const struct list_offsets_req *in = &call->in;
	struct list_offsets_res *res = &call->res;
	struct arena *arena = &call->req->arena;
	size_t len = list_offsets_count(in);
	const uint8_t *marks = NULL;

	list_offsets_res_init(res);
	res->topics = list_offsets_res_list_offsets_topic_response_array(arena, in->topics_len);
	call->searches = arena_array(arena, len + 1, sizeof(*call->searches));
	if (res->topics == NULL || call->searches == NULL)
		return false;
	if (len > 1 && (marks = list_offsets_marks(arena, in)) == NULL)
		return false;
	for (; res->topics_len < in->topics_len; res->topics_len++)
		if (!list_offsets_topic(call, &in->topics[res->topics_len], &marks,
					&res->topics[res->topics_len]))
			return false;
	return true;
}

static void list_offsets_handle(struct api_loop *al, struct req *req)
{
	struct list_offsets *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err;

	if (call == NULL) {
		api_overload(req);
		return;
	}
	*call = (struct list_offsets){
	    .cold = {.al = al,
		     .req = req,
		     .read = list_offsets_read,
		     .finish = list_offsets_finish},
	    .al = al,
	    .req = req,
	};
	err = list_offsets_req_decode(&call->in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
	} else if (!list_offsets_fill(call)) {
		list_offsets_unref(call);
		api_overload(req);
	} else if (call->searches_len > 0) {
		cold_submit(&call->cold);
	} else {
		list_offsets_answer(call);
	}
}

const struct api_handler api_list_offsets = {
    .key = LIST_OFFSETS_API_KEY,
    .version_min = LIST_OFFSETS_MIN_VERSION,
    .version_max = LIST_OFFSETS_MAX_VERSION,
    .handle = list_offsets_handle,
};
