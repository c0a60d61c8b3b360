/* See whole_ask.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "whole_ask.h"

#include "proto/fetch.h"
#include "proto/list_offsets.h"
#include "proto/produce.h"
#include "record/builder.h"

void whole_begin_batch(struct whole *whole, struct whole_call *call,
		       const struct whole_batch *batch)
{
	struct produce_req_partition_produce_data part;
	struct produce_req_topic_produce_data data;
	struct produce_req ask;

	whole_begin(whole, call, PRODUCE_API_KEY, batch->version);
	produce_req_init(&ask);
	produce_req_topic_produce_data_init(&data);
	produce_req_partition_produce_data_init(&part);
	part.index = batch->idx;
	part.records.bytes = batch->records;
	data.name = str_of(batch->topic);
	data.partition_data = &part;
	data.partition_data_len = 1;
	ask.transactional_id = batch->transactional_id;
	ask.acks = batch->acks;
	ask.timeout_ms = 10000;
	ask.topic_data = &data;
	ask.topic_data_len = 1;
	produce_req_encode(&ask, &call->frame, batch->version);
}

void whole_begin_produce(struct whole *whole, struct whole_call *call, const char *topic,
			 int32_t idx, int64_t timestamp_ms)
{
	struct whole_batch batch = {.topic = topic,
				    .idx = idx,
				    .acks = -1,
				    .version = WHOLE_PRODUCE_VERSION,
				    .transactional_id = STR_NULL};
	struct builder builder;
	struct wr records;

	wr_init(&records, 1 << 20);
	builder_init(&builder, &records, &builder_options_default);
	builder_add(&builder, timestamp_ms, BYTES_NULL, (struct bytes){(const uint8_t *)"v", 1},
		    NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	batch.records = wr_written(&records);
	whole_begin_batch(whole, call, &batch);
	wr_fini(&records);
}

int whole_end_produce(struct whole_call *call)
{
	struct produce_res answer;
	int code;

	assert_int_equal(produce_res_decode(&answer, &call->body, WHOLE_PRODUCE_VERSION,
					    &call->req.arena),
			 ERR_OK);
	code = answer.responses[0].partition_responses[0].error_code;
	whole_end(call);
	return code;
}

int whole_produce(struct whole *whole, const char *topic, int32_t idx, int64_t timestamp_ms)
{
	struct whole_call call;

	whole_begin_produce(whole, &call, topic, idx, timestamp_ms);
	whole_ask(&call);
	return whole_end_produce(&call);
}

void whole_begin_fetch(struct whole *whole, struct whole_call *call, const char *topic, int32_t idx,
		       int64_t offset, int32_t wait_ms, int32_t min_bytes)
{
	struct fetch_req_fetch_partition part;
	struct fetch_req_fetch_topic asked;
	struct fetch_req ask;

	whole_begin(whole, call, FETCH_API_KEY, WHOLE_FETCH_VERSION);
	fetch_req_init(&ask);
	fetch_req_fetch_topic_init(&asked);
	fetch_req_fetch_partition_init(&part);
	part.partition = idx;
	part.fetch_offset = offset;
	part.current_leader_epoch = -1;
	part.partition_max_bytes = 1 << 20;
	asked.topic = str_of(topic);
	asked.partitions = &part;
	asked.partitions_len = 1;
	ask.max_wait_ms = wait_ms;
	ask.min_bytes = min_bytes;
	ask.max_bytes = 1 << 20;
	ask.session_epoch = -1;
	ask.topics = &asked;
	ask.topics_len = 1;
	fetch_req_encode(&ask, &call->frame, WHOLE_FETCH_VERSION);
}

void whole_begin_list(struct whole *whole, struct whole_call *call, const char *topic,
		      int64_t timestamp, int16_t version)
{
	struct list_offsets_req_list_offsets_partition part;
	struct list_offsets_req_list_offsets_topic asked;
	struct list_offsets_req ask;

	whole_begin(whole, call, LIST_OFFSETS_API_KEY, version);
	list_offsets_req_init(&ask);
	list_offsets_req_list_offsets_topic_init(&asked);
	list_offsets_req_list_offsets_partition_init(&part);
	part.timestamp = timestamp;
	part.current_leader_epoch = -1;
	asked.name = str_of(topic);
	asked.partitions = &part;
	asked.partitions_len = 1;
	ask.replica_id = -1;
	ask.topics = &asked;
	ask.topics_len = 1;
	list_offsets_req_encode(&ask, &call->frame, version);
}

int64_t whole_listed(struct whole_call *call, int16_t version)
{
	struct list_offsets_res answer;

	assert_int_equal(list_offsets_res_decode(&answer, &call->body, version, &call->req.arena),
			 ERR_OK);
	assert_int_equal(answer.topics[0].partitions[0].error_code, 0);
	return answer.topics[0].partitions[0].offset;
}

int64_t whole_list(struct whole *whole, const char *topic, int64_t timestamp, int16_t version)
{
	struct whole_call call;
	int64_t offset;

	whole_begin_list(whole, &call, topic, timestamp, version);
	whole_ask(&call);
	offset = whole_listed(&call, version);
	whole_end(&call);
	return offset;
}
