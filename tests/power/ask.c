/* One request and its answer: see ask.h. */
#include "tests/power/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/create_topics.h"
#include "proto/delete_records.h"
#include "proto/delete_topics.h"
#include "proto/describe_configs.h"
#include "proto/fetch.h"
#include "proto/find_coordinator.h"
#include "proto/incremental_alter_configs.h"
#include "proto/init_producer_id.h"
#include "proto/list_offsets.h"
#include "proto/metadata.h"
#include "proto/offset_commit.h"
#include "proto/offset_fetch.h"
#include "proto/produce.h"
#include "record/builder.h"
#include "record/iter.h"

int64_t ask_epoch_ms;
int64_t ask_again_ms = ASK_WAIT_MS;

#define SETTINGS_MAX   8
#define TOPIC_RESOURCE 2
/* By name, so that topic ids need not be asked for. */
#define PRODUCE_VERSION 12
#define FETCH_VERSION	12

/* Of one record, with its fields of varying length. */
#define RECORD_BYTES_MAX 100

/* Asks with one generated struct and reads the answer into another; *code is ASK_NONE if there is
 * no answer. */
#define ASK(call, ask, res, api, version, code)                                          \
	do {                                                                             \
		api##_req_encode((ask), &(call)->frame, (version));                      \
		*(code) = whole_ask_within((call), ASK_WAIT_MS) && !(call)->req.close && \
				  api##_res_decode((res), &(call)->body, (version),      \
						   &(call)->req.arena) == ERR_OK         \
			      ? 0                                                        \
			      : ASK_NONE;                                                \
	} while (0)

/* Every request is answered, or its connection closed, whatever files do: or a client hangs. */
static void ask_end(struct whole_call *call)
{
	if (!call->done) {
		fprintf(stderr, "BROKEN: no answer to a request of key %d\n",
			call->req.header.api_key);
		_exit(1);
	}
	whole_end(call);
}

/* -- topics -------------------------------------------------------------------------------- */

static size_t ask_split(const char *const *settings,
			struct create_topics_req_creatable_topic_config *configs)
{
	size_t len = 0;

	for (; settings != NULL && settings[len] != NULL && len < SETTINGS_MAX; len++) {
		const char *equals = strchr(settings[len], '=');

		configs[len].name = (struct str){settings[len], (size_t)(equals - settings[len])};
		configs[len].value = str_of(equals + 1);
	}
	return len;
}

int ask_create_topic(struct whole *whole, const char *name, int32_t partitions,
		     const char *const *settings)
{
	struct create_topics_req_creatable_topic_config configs[SETTINGS_MAX];
	struct create_topics_req_creatable_topic topic;
	struct create_topics_req ask;
	struct create_topics_res res;
	struct whole_call call;
	int code;

	whole_begin(whole, &call, CREATE_TOPICS_API_KEY, CREATE_TOPICS_MAX_VERSION);
	create_topics_req_init(&ask);
	create_topics_req_creatable_topic_init(&topic);
	topic.name = str_of(name);
	topic.num_partitions = partitions;
	topic.replication_factor = 1;
	topic.configs = configs;
	topic.configs_len = ask_split(settings, configs);
	ask.topics = &topic;
	ask.topics_len = 1;
	ask.timeout_ms = ASK_WAIT_MS;
	ASK(&call, &ask, &res, create_topics, CREATE_TOPICS_MAX_VERSION, &code);
	if (code == 0)
		code = res.topics[0].error_code;
	ask_end(&call);
	return code;
}

int ask_delete_topic(struct whole *whole, const char *name)
{
	struct delete_topics_req_delete_topic_state topic;
	struct delete_topics_req ask;
	struct delete_topics_res res;
	struct whole_call call;
	int code;

	whole_begin(whole, &call, DELETE_TOPICS_API_KEY, DELETE_TOPICS_MAX_VERSION);
	delete_topics_req_init(&ask);
	delete_topics_req_delete_topic_state_init(&topic);
	topic.name = str_of(name);
	ask.topics = &topic;
	ask.topics_len = 1;
	ask.timeout_ms = ASK_WAIT_MS;
	ASK(&call, &ask, &res, delete_topics, DELETE_TOPICS_MAX_VERSION, &code);
	if (code == 0)
		code = res.responses[0].error_code;
	ask_end(&call);
	return code;
}

int ask_topic(struct whole *whole, const char *name, struct uuid *id)
{
	struct metadata_req_metadata_request_topic topic;
	struct metadata_req ask;
	struct metadata_res res;
	struct whole_call call;
	int code;

	whole_begin(whole, &call, METADATA_API_KEY, 12);
	metadata_req_init(&ask);
	metadata_req_metadata_request_topic_init(&topic);
	topic.name = str_of(name);
	ask.topics = &topic;
	ask.topics_len = 1;
	ask.allow_auto_topic_creation = false;
	ASK(&call, &ask, &res, metadata, 12, &code);
	if (code == 0) {
		code = res.topics[0].error_code;
		*id = res.topics[0].topic_id;
	}
	ask_end(&call);
	return code;
}

int ask_set_config(struct whole *whole, const char *topic, const char *name, int64_t value)
{
	struct incremental_alter_configs_req_alter_configs_resource resource;
	struct incremental_alter_configs_req_alterable_config config;
	struct incremental_alter_configs_req ask;
	struct incremental_alter_configs_res res;
	struct whole_call call;
	char text[32];
	int code;

	whole_begin(whole, &call, INCREMENTAL_ALTER_CONFIGS_API_KEY, 1);
	incremental_alter_configs_req_init(&ask);
	incremental_alter_configs_req_alter_configs_resource_init(&resource);
	incremental_alter_configs_req_alterable_config_init(&config);
	snprintf(text, sizeof(text), "%lld", (long long)value);
	config.name = str_of(name);
	config.value = str_of(text);
	resource.resource_type = TOPIC_RESOURCE;
	resource.resource_name = str_of(topic);
	resource.configs = &config;
	resource.configs_len = 1;
	ask.resources = &resource;
	ask.resources_len = 1;
	ASK(&call, &ask, &res, incremental_alter_configs, 1, &code);
	if (code == 0)
		code = res.responses[0].error_code;
	ask_end(&call);
	return code;
}

int ask_config(struct whole *whole, const char *topic, const char *name, int64_t *value)
{
	struct str names[1] = {str_of(name)};
	struct describe_configs_req_describe_configs_resource resource;
	struct describe_configs_req ask;
	struct describe_configs_res res;
	struct whole_call call;
	int code;

	*value = -1;
	whole_begin(whole, &call, DESCRIBE_CONFIGS_API_KEY, 4);
	describe_configs_req_init(&ask);
	describe_configs_req_describe_configs_resource_init(&resource);
	resource.resource_type = TOPIC_RESOURCE;
	resource.resource_name = str_of(topic);
	resource.configuration_keys = names;
	resource.configuration_keys_len = 1;
	ask.resources = &resource;
	ask.resources_len = 1;
	ASK(&call, &ask, &res, describe_configs, 4, &code);
	if (code == 0)
		code = res.results[0].error_code;
	/* config_source 1: the topic's own */
	if (code == 0 && res.results[0].configs_len == 1 &&
	    res.results[0].configs[0].config_source == 1 &&
	    !str_to_int64(res.results[0].configs[0].value, value))
		*value = -2;
	ask_end(&call);
	return code;
}

int ask_producer_id(struct whole *whole, int64_t *producer_id)
{
	struct init_producer_id_req ask;
	struct init_producer_id_res res;
	struct whole_call call;
	int code;

	whole_begin(whole, &call, INIT_PRODUCER_ID_API_KEY, 4);
	init_producer_id_req_init(&ask);
	ask.transactional_id = STR_NULL;
	ASK(&call, &ask, &res, init_producer_id, 4, &code);
	if (code == 0) {
		code = res.error_code;
		*producer_id = res.producer_id;
	}
	ask_end(&call);
	return code;
}

/* -- records ------------------------------------------------------------------------------- */

static void ask_make_batch(struct wr *out, const struct ask_batch *of)
{
	struct builder_options options = builder_options_default;
	struct builder builder;
	uint8_t *value = calloc(1, of->value_bytes);

	must(value != NULL && of->value_bytes >= sizeof(int64_t));
	options.producer_id = of->producer_id;
	if (of->producer_id >= 0) {
		options.producer_epoch = 0;
		options.base_sequence = (int32_t)of->first;
	}
	wr_init(out, (size_t)of->count * (of->value_bytes + RECORD_BYTES_MAX) + 1000);
	builder_init(&builder, out, &options);
	for (int64_t i = of->first; i < of->first + of->count; i++) {
		memcpy(value, &i, sizeof(i));
		builder_add(&builder, ASK_TIMESTAMP(i), BYTES_NULL,
			    (struct bytes){value, of->value_bytes}, NULL, 0);
	}
	must(builder_finish(&builder, NULL) == ERR_OK);
	free(value);
}

int ask_produce(struct whole *whole, const struct ask_batch *of, int64_t *base_offset)
{
	struct produce_req_partition_produce_data part;
	struct produce_req_topic_produce_data data;
	struct produce_req ask;
	struct produce_res res;
	struct whole_call call;
	struct wr batch;
	int code;

	ask_make_batch(&batch, of);
	whole_begin(whole, &call, PRODUCE_API_KEY, PRODUCE_VERSION);
	produce_req_init(&ask);
	produce_req_topic_produce_data_init(&data);
	produce_req_partition_produce_data_init(&part);
	part.index = of->partition;
	part.records.bytes = wr_written(&batch);
	data.name = str_of(of->topic);
	data.partition_data = &part;
	data.partition_data_len = 1;
	ask.transactional_id = STR_NULL;
	ask.acks = -1;
	ask.timeout_ms = ASK_WAIT_MS;
	ask.topic_data = &data;
	ask.topic_data_len = 1;
	ASK(&call, &ask, &res, produce, PRODUCE_VERSION, &code);
	if (code == 0) {
		code = res.responses[0].partition_responses[0].error_code;
		*base_offset = res.responses[0].partition_responses[0].base_offset;
	}
	ask_end(&call);
	wr_fini(&batch);
	return code;
}

static bool ask_complain(const char *what, int64_t offset, int64_t expected)
{
	fprintf(stderr, "%s %lld where %lld was expected\n", what, (long long)offset,
		(long long)expected);
	return false;
}

/* One batch's records; *next is the offset that the next must have. */
static bool ask_check_batch(struct bytes batch, int64_t *next, int64_t upto)
{
	struct record_iter iter;
	struct record record;
	int64_t number;

	if (batch_check_crc(batch) != ERR_OK || record_iter_init(&iter, batch, NULL) != ERR_OK)
		return ask_complain("a batch with a wrong checksum at", *next, *next);
	if (iter.header.base_offset > *next || batch_next_offset(&iter.header) > upto)
		return ask_complain("a batch at", iter.header.base_offset, *next);
	while (record_iter_next(&iter, &record)) {
		if (record.offset < *next)
			continue; /* below the log start */
		memcpy(&number, record.value.ptr, sizeof(number));
		if (record.offset != *next || record.timestamp != ASK_TIMESTAMP(number))
			return ask_complain("a record at", record.offset, *next);
		if (number != record.offset)
			return ask_complain("record number", number, record.offset);
		(*next)++;
	}
	return iter.err == ERR_OK && *next == batch_next_offset(&iter.header)
		   ? true
		   : ask_complain("a batch that ends at", *next, batch_next_offset(&iter.header));
}

static bool ask_check_batches(struct bytes records, int64_t *next, int64_t upto)
{
	struct batch_header header;

	while (records.len > 0) {
		if (batch_header_read(records, &header) != ERR_OK ||
		    header.size_bytes > records.len)
			return ask_complain("half a batch at", *next, *next);
		if (!ask_check_batch((struct bytes){records.ptr, header.size_bytes}, next, upto))
			return false;
		records.ptr += header.size_bytes;
		records.len -= header.size_bytes;
	}
	return true;
}

static int ask_fetch(struct whole *whole, const char *name, int32_t partition, int64_t *next,
		     int64_t *start, int64_t *end, bool *good)
{
	struct fetch_req_fetch_partition part;
	struct fetch_req_fetch_topic topic;
	struct fetch_req ask;
	struct fetch_res res;
	struct whole_call call;
	int code;

	whole_begin(whole, &call, FETCH_API_KEY, FETCH_VERSION);
	fetch_req_init(&ask);
	fetch_req_fetch_topic_init(&topic);
	fetch_req_fetch_partition_init(&part);
	part.partition = partition;
	part.fetch_offset = *next;
	part.partition_max_bytes = 1 << 20;
	topic.topic = str_of(name);
	topic.partitions = &part;
	topic.partitions_len = 1;
	ask.session_epoch = -1;
	ask.topics = &topic;
	ask.topics_len = 1;
	ASK(&call, &ask, &res, fetch, FETCH_VERSION, &code);
	if (code == 0)
		code = res.responses[0].partitions[0].error_code;
	if (code == 0) {
		*start = res.responses[0].partitions[0].log_start_offset;
		*end = res.responses[0].partitions[0].high_watermark;
		*good = ask_check_batches(res.responses[0].partitions[0].records.bytes, next, *end);
	}
	ask_end(&call);
	return code;
}

int ask_read_all(struct whole *whole, const char *topic, int32_t partition, int64_t *start,
		 int64_t *end, bool *good)
{
	int64_t next, before;
	int code = ask_offset(whole, topic, partition, -2, &next);

	*good = true;
	*start = *end = next;
	do {
		before = next;
		if (code == 0)
			code = ask_fetch(whole, topic, partition, &next, start, end, good);
	} while (code == 0 && *good && next < *end && next > before);
	if (code == 0 && *good && next != *end)
		*good = ask_complain("records end at", next, *end);
	return code;
}

int ask_offset(struct whole *whole, const char *name, int32_t partition, int64_t timestamp,
	       int64_t *offset)
{
	struct list_offsets_req_list_offsets_partition part;
	struct list_offsets_req_list_offsets_topic topic;
	struct list_offsets_req ask;
	struct list_offsets_res res;
	struct whole_call call;
	int code;

	*offset = -1;
	whole_begin(whole, &call, LIST_OFFSETS_API_KEY, LIST_OFFSETS_MAX_VERSION);
	list_offsets_req_init(&ask);
	list_offsets_req_list_offsets_topic_init(&topic);
	list_offsets_req_list_offsets_partition_init(&part);
	part.partition_index = partition;
	part.timestamp = timestamp;
	topic.name = str_of(name);
	topic.partitions = &part;
	topic.partitions_len = 1;
	ask.replica_id = -1;
	ask.topics = &topic;
	ask.topics_len = 1;
	ASK(&call, &ask, &res, list_offsets, LIST_OFFSETS_MAX_VERSION, &code);
	if (code == 0) {
		code = res.topics[0].partitions[0].error_code;
		*offset = res.topics[0].partitions[0].offset;
	}
	ask_end(&call);
	return code;
}

int ask_delete_records(struct whole *whole, const char *name, int32_t partition, int64_t offset)
{
	struct delete_records_req_delete_records_partition part = {.partition_index = partition,
								   .offset = offset};
	struct delete_records_req_delete_records_topic topic = {.name = str_of(name),
								.partitions = &part,
								.partitions_len = 1};
	struct delete_records_req ask = {.topics = &topic,
					 .topics_len = 1,
					 .timeout_ms = ASK_WAIT_MS};
	struct delete_records_res res;
	struct whole_call call;
	int code;

	whole_begin(whole, &call, DELETE_RECORDS_API_KEY, DELETE_RECORDS_MAX_VERSION);
	ASK(&call, &ask, &res, delete_records, DELETE_RECORDS_MAX_VERSION, &code);
	if (code == 0)
		code = res.topics[0].partitions[0].error_code;
	ask_end(&call);
	return code;
}

/* -- committed offsets --------------------------------------------------------------------- */

/* The first request makes the offsets topic, and a start has it loaded: asked for until it is. */
static int ask_coordinator(struct whole *whole)
{
	int64_t end_ms = clock_mono_ms(&clock_real) + ask_again_ms;
	int code = 15;

	while (code == 15 && clock_mono_ms(&clock_real) < end_ms) {
		struct find_coordinator_req ask;
		struct find_coordinator_res res;
		struct whole_call call;

		find_coordinator_req_init(&ask);
		ask.key = STR("g");
		whole_begin(whole, &call, FIND_COORDINATOR_API_KEY, 0);
		ASK(&call, &ask, &res, find_coordinator, 0, &code);
		if (code == 0)
			code = res.error_code;
		ask_end(&call);
	}
	return code;
}

static int ask_commit_once(struct whole *whole, const char *name, int32_t partition, int64_t offset)
{
	struct offset_commit_req_offset_commit_request_partition part = {
	    .partition_index = partition,
	    .committed_offset = offset,
	    .committed_leader_epoch = -1,
	    .committed_metadata = STR("")};
	struct offset_commit_req_offset_commit_request_topic topic = {.name = str_of(name),
								      .partitions = &part,
								      .partitions_len = 1};
	struct offset_commit_req ask;
	struct offset_commit_res res;
	struct whole_call call;
	int code;

	offset_commit_req_init(&ask);
	ask.group_id = STR("g");
	ask.generation_id_or_member_epoch = -1;
	ask.topics = &topic;
	ask.topics_len = 1;
	whole_begin(whole, &call, OFFSET_COMMIT_API_KEY, 8);
	ASK(&call, &ask, &res, offset_commit, 8, &code);
	if (code == 0)
		code = res.topics[0].partitions[0].error_code;
	ask_end(&call);
	return code;
}

/* 14: the coordinator is loading, 16: it is not this one's yet. */
static bool ask_again(int code, int64_t end_ms)
{
	return (code == 14 || code == 16) && clock_mono_ms(&clock_real) < end_ms;
}

int ask_commit(struct whole *whole, const char *topic, int32_t partition, int64_t offset)
{
	int64_t end_ms = clock_mono_ms(&clock_real) + ask_again_ms;
	int code = ask_coordinator(whole);

	while (code == 0 || ask_again(code, end_ms)) {
		code = ask_commit_once(whole, topic, partition, offset);
		if (code == 0)
			return 0;
		whole_turn(whole);
	}
	return code;
}

static int ask_committed_once(struct whole *whole, const char *name, int32_t partition,
			      int64_t *offset)
{
	struct offset_fetch_req_offset_fetch_request_topic topic = {str_of(name), &partition, 1};
	struct offset_fetch_req ask;
	struct offset_fetch_res res;
	struct whole_call call;
	int code;

	offset_fetch_req_init(&ask);
	ask.group_id = STR("g");
	ask.topics = &topic;
	ask.topics_len = 1;
	whole_begin(whole, &call, OFFSET_FETCH_API_KEY, 7);
	ASK(&call, &ask, &res, offset_fetch, 7, &code);
	if (code == 0)
		code = res.error_code;
	if (code == 0)
		code = res.topics[0].partitions[0].error_code;
	if (code == 0)
		*offset = res.topics[0].partitions[0].committed_offset;
	ask_end(&call);
	return code;
}

int ask_committed(struct whole *whole, const char *topic, int32_t partition, int64_t *offset)
{
	int64_t end_ms = clock_mono_ms(&clock_real) + ask_again_ms;
	int code = ask_coordinator(whole);

	*offset = -1;
	while (code == 0 || ask_again(code, end_ms)) {
		code = ask_committed_once(whole, topic, partition, offset);
		if (code == 0)
			return 0;
		whole_turn(whole);
	}
	return code;
}
