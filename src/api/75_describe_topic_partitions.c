/*
 * DescribeTopicPartitions (75), version 0: topics' partitions a page at a time, with eligible
 * leader replicas (KIP-966).
 *
 * Topics are answered in the order of their names, whatever the order of the question; a page ends
 * after max.request.partition.size.limit partitions or the client's limit, with a cursor to go on
 * from.
 *
 * v0  flexible from the start
 */
#include <stdlib.h>

#include "api/describe.h"
#include "api/handlers.h"
#include "meta/config.h"
#include "proto/describe_topic_partitions.h"

#define RES(name) describe_topic_partitions_res_##name

struct describe_page {
	struct api_loop *al;
	struct req *req;
	struct describe_topic_partitions_req in;
	struct describe_topic_partitions_res res;
	size_t topics_size; /* room in res.topics */
	int32_t left;	    /* partitions that still fit */
	bool full;
};

static bool describe_page_partition(struct describe_page *page, const struct image_partition *part,
				    int32_t idx,
				    struct RES(describe_topic_partitions_response_partition) * res)
{
	const struct image *image = page->al->image;

	res->error_code = errcode_of(describe_leader(image, part, page->req, &res->leader_id));
	res->partition_index = idx;
	res->leader_epoch = part->leader_epoch;
	res->replica_nodes = describe_ids(image_replicas(part), &res->replica_nodes_len);
	res->isr_nodes = describe_ids(image_isr(part), &res->isr_nodes_len);
	res->eligible_leader_replicas =
	    describe_ids(image_elr(part), &res->eligible_leader_replicas_len);
	res->last_known_elr = describe_ids(image_last_known_elr(part), &res->last_known_elr_len);
	res->offline_replicas =
	    describe_offline(image, part, &page->req->arena, &res->offline_replicas_len);
	return res->offline_replicas != NULL;
}

/* The page ends before this partition. */
static bool describe_page_stop(struct describe_page *page, struct str topic, int32_t idx)
{
	struct RES(cursor) *cursor = arena_alloc(&page->req->arena, sizeof(*cursor));

	if (cursor == NULL)
		return false;
	RES(cursor_init)(cursor);
	cursor->topic_name = topic;
	cursor->partition_index = idx;
	page->res.next_cursor = cursor;
	page->full = true;
	return true;
}

static bool describe_page_topic(struct describe_page *page, const struct image_topic *topic,
				int32_t first)
{
	struct RES(describe_topic_partitions_response_topic) * res;
	int32_t count = topic->partitions_len > first ? topic->partitions_len - first : 0;

	if (page->left == 0)
		return describe_page_stop(page, topic->name, first);
	if (count > page->left)
		count = page->left;
	must(page->res.topics_len < page->topics_size);
	res = &page->res.topics[page->res.topics_len++];
	res->name = topic->name;
	res->topic_id = topic->id;
	res->is_internal = topic->internal;
	res->topic_authorized_operations = DESCRIBE_TOPIC_OPERATIONS;
	res->partitions = RES(describe_topic_partitions_response_partition_array)(&page->req->arena,
										  (size_t)count);
	if (res->partitions == NULL)
		return false;
	for (int32_t i = first; i < first + count; i++)
		if (!describe_page_partition(page, image_partition_at(topic, i), i,
					     &res->partitions[res->partitions_len++]))
			return false;
	page->left -= count;
	return first + count >= topic->partitions_len ||
	       describe_page_stop(page, topic->name, first + count);
}

static bool describe_page_missing(struct describe_page *page, struct str name)
{
	struct RES(describe_topic_partitions_response_topic) *res =
	    &page->res.topics[page->res.topics_len++];

	res->name = name;
	res->error_code = errcode_of(describe_missing(&page->req->arena, name));
	res->topic_authorized_operations = DESCRIBE_TOPIC_OPERATIONS;
	return true;
}

static int describe_name_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct describe_topic_partitions_req_topic_request *)a)->name,
		       ((const struct describe_topic_partitions_req_topic_request *)b)->name);
}

/* Where the cursor says that this topic begins; -1: it was told before. */
static int32_t describe_page_first(const struct describe_page *page, struct str name)
{
	int order = page->in.cursor != NULL ? str_cmp(name, page->in.cursor->topic_name) : 1;

	return order < 0 ? -1 : order > 0 ? 0 : page->in.cursor->partition_index;
}

static bool describe_page_named(struct describe_page *page)
{
	struct describe_topic_partitions_req *in = &page->in;

	qsort(in->topics, in->topics_len, sizeof(*in->topics), describe_name_cmp);
	for (size_t i = 0; i < in->topics_len && !page->full; i++) {
		struct str name = in->topics[i].name;
		const struct image_topic *topic = image_topic_by_name(page->al->image, name);
		int32_t first = describe_page_first(page, name);

		if (first < 0 || (i > 0 && str_eq(name, in->topics[i - 1].name)))
			continue;
		if (!(topic != NULL ? describe_page_topic(page, topic, first)
				    : describe_page_missing(page, name)))
			return false;
	}
	return true;
}

static bool describe_page_all(struct describe_page *page)
{
	const struct image *image = page->al->image;
	struct str from = page->in.cursor != NULL ? page->in.cursor->topic_name : STR("");

	for (const struct image_topic *topic = image_topic_seek(image, from, false);
	     topic != NULL && !page->full; topic = image_topic_seek(image, topic->name, true))
		if (!describe_page_topic(page, topic, describe_page_first(page, topic->name)))
			return false;
	return true;
}

/* The cursor must be at a partition of one of the topics that are named. */
static bool describe_page_is_lost(const struct describe_page *page)
{
	const struct describe_topic_partitions_req_cursor *cursor = page->in.cursor;

	if (cursor == NULL || page->in.topics_len == 0)
		return cursor != NULL && cursor->partition_index < 0;
	for (size_t i = 0; i < page->in.topics_len; i++)
		if (str_eq(page->in.topics[i].name, cursor->topic_name))
			return cursor->partition_index < 0;
	return true;
}

/* Every topic is told the same. */
static bool describe_page_refuse(struct describe_page *page)
{
	size_t len = page->in.topics_len;

	page->res.topics =
	    RES(describe_topic_partitions_response_topic_array)(&page->req->arena, len);
	if (page->res.topics == NULL)
		return false;
	for (; page->res.topics_len < len; page->res.topics_len++) {
		page->res.topics[page->res.topics_len].name =
		    page->in.topics[page->res.topics_len].name;
		page->res.topics[page->res.topics_len].error_code = errcode_of(ERR_INVALID_REQUEST);
	}
	return true;
}

static bool describe_page_fill(struct describe_page *page)
{
	bool all = page->in.topics_len == 0;
	int64_t limit =
	    config_int64(page->al->api->config, CONFIG_MAX_REQUEST_PARTITION_SIZE_LIMIT);

	page->left = page->in.response_partition_limit < limit ? page->in.response_partition_limit
							       : (int32_t)limit;
	if (page->left < 1)
		page->left = 1;
	/*
	 * A topic has a partition at least, so a page has no more topics than partitions; and one
	 * more, of whose partitions the cursor leaves none.
	 */
	page->topics_size = all ? (size_t)page->left + 1 : page->in.topics_len;
	page->res.topics = RES(describe_topic_partitions_response_topic_array)(&page->req->arena,
									       page->topics_size);
	if (page->res.topics == NULL)
		return false;
	return all ? describe_page_all(page) : describe_page_named(page);
}

static void describe_page_handle(struct api_loop *al, struct req *req)
{
	struct describe_page page = {.al = al, .req = req};
	enum err err;

	err = describe_topic_partitions_req_decode(&page.in, &req->body, req->header.api_version,
						   &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	describe_topic_partitions_res_init(&page.res);
	if (!(describe_page_is_lost(&page) ? describe_page_refuse(&page)
					   : describe_page_fill(&page))) {
		api_overload(req);
		return;
	}
	describe_topic_partitions_res_encode(&page.res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_describe_topic_partitions = {
    .key = DESCRIBE_TOPIC_PARTITIONS_API_KEY,
    .version_min = DESCRIBE_TOPIC_PARTITIONS_MIN_VERSION,
    .version_max = DESCRIBE_TOPIC_PARTITIONS_MAX_VERSION,
    .handle = describe_page_handle,
};
