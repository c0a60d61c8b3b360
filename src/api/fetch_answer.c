/*
 * What a Fetch answers: of a full request every partition, of an incremental one those that have
 * news; file ranges go into the answer as they are.
 */
#include "api/fetch.h"

bool fetch_same_topic(const struct fetch *fetch, const struct fetch_part *a,
		      const struct fetch_part *b)
{
	return fetch->version >= 13 ? uuid_eq(a->topic_id, b->topic_id)
				    : str_eq(a->topic, b->topic);
}

/* Does an incremental answer name this partition? Remembers what the client now knows. */
static bool fetch_is_news(struct fetch_part *part)
{
	bool news = part->err != ERR_OK || part->slice.len_bytes > 0 ||
		    part->diverging_epoch != FETCH_NO_EPOCH ||
		    part->high_watermark != part->told_high_watermark ||
		    part->log_start != part->told_log_start;

	part->told_high_watermark = part->err == ERR_OK ? part->high_watermark : -2;
	part->told_log_start = part->log_start;
	return news;
}

static bool fetch_part_answer(struct fetch *fetch, struct fetch_part *part,
			      struct fetch_res_partition_data *res)
{
	static const uint8_t no_records;

	res->partition_index = part->idx;
	res->error_code = errcode_of(part->err);
	res->high_watermark = part->high_watermark;
	res->last_stable_offset = part->last_stable;
	res->log_start_offset = part->log_start;
	res->diverging_epoch.epoch = part->diverging_epoch;
	res->diverging_epoch.end_offset = part->diverging_end;
	if (part->err == ERR_NOT_LEADER_OR_FOLLOWER || part->err == ERR_FENCED_LEADER_EPOCH) {
		res->current_leader.leader_id = part->leader;
		res->current_leader.leader_epoch = part->leader_epoch;
	}
	/* Never null: older clients read the length before the error (compatibility). */
	res->records = (struct records){.bytes = {&no_records, 0}};
	if (part->slice.len_bytes > 0) {
		res->records.slices = &part->slice;
		res->records.slices_len = 1;
	}
	/* Null, not empty, for those who did not ask: older clients would drop good records. */
	res->aborted_transactions = NULL;
	if (!fetch->committed || part->err != ERR_OK)
		return true;
	res->aborted_transactions =
	    fetch_res_aborted_transaction_array(&fetch->req->arena, part->aborted_len);
	if (res->aborted_transactions == NULL)
		return false;
	res->aborted_transactions_len = part->aborted_len;
	for (size_t i = 0; i < part->aborted_len; i++) {
		res->aborted_transactions[i].producer_id = part->aborted[i].producer_id;
		res->aborted_transactions[i].first_offset = part->aborted[i].first_offset;
	}
	return true;
}

/* Neighbours of one topic share an entry. *at moves to the first part of the next topic. */
static bool fetch_topic_answer(struct fetch *fetch, struct fetch_part **parts, size_t parts_len,
			       size_t *at, struct fetch_res_fetchable_topic_response *res)
{
	size_t first = *at;

	while (*at < parts_len && fetch_same_topic(fetch, parts[first], parts[*at]))
		(*at)++;
	res->topic = parts[first]->topic;
	res->topic_id = parts[first]->topic_id;
	res->partitions = fetch_res_partition_data_array(&fetch->req->arena, *at - first);
	if (res->partitions == NULL)
		return false;
	res->partitions_len = *at - first;
	for (size_t i = first; i < *at; i++)
		if (!fetch_part_answer(fetch, parts[i], &res->partitions[i - first]))
			return false;
	return true;
}

static size_t fetch_topics_len(const struct fetch *fetch, struct fetch_part **parts,
			       size_t parts_len)
{
	size_t len = parts_len > 0 ? 1 : 0;

	for (size_t i = 1; i < parts_len; i++)
		len += !fetch_same_topic(fetch, parts[i - 1], parts[i]);
	return len;
}

/* The parts to tell of, to the front of fetch->parts, in order. */
static size_t fetch_pick(struct fetch *fetch)
{
	size_t picked = 0;

	for (size_t i = 0; i < fetch->parts_len; i++) {
		struct fetch_part *part = fetch->parts[i];
		bool news = fetch_is_news(part);

		if (!news && !fetch->full)
			continue;
		if (fetch->session != NULL && part->slice.len_bytes > 0)
			fetch_session_rotate(fetch->session, part);
		fetch->parts[i] = fetch->parts[picked];
		fetch->parts[picked++] = part;
	}
	return picked;
}

static bool fetch_fill(struct fetch *fetch, struct fetch_res *res)
{
	size_t picked = fetch_pick(fetch), at = 0;
	size_t topics_len = fetch_topics_len(fetch, fetch->parts, picked);

	res->responses = fetch_res_fetchable_topic_response_array(&fetch->req->arena, topics_len);
	if (res->responses == NULL)
		return false;
	while (at < picked)
		if (!fetch_topic_answer(fetch, fetch->parts, picked, &at,
					&res->responses[res->responses_len++]))
			return false;
	must(res->responses_len == topics_len);
	return true;
}

/* What the answer did not take goes back, and the session is free for the next request. */
void fetch_end(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->parts_len; i++)
		slice_release(&fetch->parts[i]->slice);
	if (fetch->session != NULL)
		fetch_session_unbusy(fetch->al->sessions, fetch->session);
	fetch->session = NULL;
}

void fetch_answer(struct fetch *fetch)
{
	struct req *req = fetch->req;
	struct fetch_res res;

	fetch_res_init(&res);
	res.session_id = fetch->session != NULL ? fetch->session->id : 0;
	if (!fetch_fill(fetch, &res)) {
		fetch_end(fetch);
		api_overload(req);
		return;
	}
	fetch_res_encode(&res, api_begin(req), fetch->version);
	fetch_end(fetch);
	api_end(req);
}
