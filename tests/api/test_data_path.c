/*
 * Produce, Fetch and their companions through the whole broker: frames in, bytes out. Longer than
 * other files: what one of them did is seen by the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "proto/api_versions.h"
#include "proto/delete_records.h"
#include "proto/delete_topics.h"
#include "proto/fetch.h"
#include "proto/init_producer_id.h"
#include "proto/list_offsets.h"
#include "proto/metadata.h"
#include "proto/produce.h"
#include "record/builder.h"
#include "tests/api/whole_ask.h"

/* By name, so that tests need not ask for topic ids. */
#define PRODUCE_VERSION 12
#define FETCH_VERSION	12

static struct whole whole;

static int setup(void **state)
{
	whole_open(&whole, NULL);
	whole_make_topic(&whole, "t", 2);
	return 0;
}

static int teardown(void **state)
{
	whole_close(&whole);
	return 0;
}

/* -- produce ------------------------------------------------------------------------------- */

struct batch_of {
	const char *value;
	int64_t timestamp, producer_id;
	int16_t producer_epoch;
	int32_t sequence;
	bool transactional;
};

static const struct batch_of plain = {"v", 1000, -1, -1, -1, false};

static void make_batch(struct wr *out, const struct batch_of *of)
{
	struct builder_options options = builder_options_default;
	struct builder builder;

	options.producer_id = of->producer_id;
	options.producer_epoch = of->producer_epoch;
	options.base_sequence = of->sequence;
	options.transactional = of->transactional;
	wr_init(out, 1 << 20);
	builder_init(&builder, out, &options);
	builder_add(&builder, of->timestamp, BYTES_NULL,
		    (struct bytes){(const uint8_t *)of->value, strlen(of->value)}, NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
}

static void begin_produce(struct whole_call *call, const char *topic, int32_t idx, int16_t acks,
			  const struct batch_of *of)
{
	struct whole_batch batch = {.topic = topic,
				    .idx = idx,
				    .acks = acks,
				    .version = PRODUCE_VERSION,
				    .transactional_id = STR_NULL};
	struct wr records;

	make_batch(&records, of);
	batch.records = wr_written(&records);
	whole_begin_batch(&whole, call, &batch);
	wr_fini(&records);
}

/* The error code; *offset is the base offset. */
static int produce(const char *topic, int32_t idx, int16_t acks, const struct batch_of *of,
		   int64_t *offset)
{
	struct produce_res answer;
	struct whole_call call;
	int code;

	begin_produce(&call, topic, idx, acks, of);
	whole_ask(&call);
	assert_int_equal(produce_res_decode(&answer, &call.body, PRODUCE_VERSION, &call.req.arena),
			 ERR_OK);
	assert_int_equal(answer.responses_len, 1);
	code = answer.responses[0].partition_responses[0].error_code;
	*offset = answer.responses[0].partition_responses[0].base_offset;
	whole_end(&call);
	return code;
}

static void offsets_rise_by_one_record(void **state)
{
	int64_t offset;

	for (int64_t i = 0; i < 3; i++) {
		assert_int_equal(produce("t", 0, -1, &plain, &offset), 0);
		assert_true(offset == i);
	}
}

static void refuses_what_is_not_there(void **state)
{
	int64_t offset;

	assert_int_equal(produce("nowhere", 0, 1, &plain, &offset), 3);
	assert_int_equal(produce("t", 2, 1, &plain, &offset), 3);
	assert_int_equal(produce("t", -1, 1, &plain, &offset), 3);
	assert_true(offset == -1);
}

static void refuses_unknown_acks_and_nameless_transactions(void **state)
{
	const struct batch_of transactional = {"v", 1000, 5, 0, 0, true};
	int64_t offset;

	assert_int_equal(produce("t", 0, 2, &plain, &offset), 21);
	assert_int_equal(produce("t", 0, -1, &transactional, &offset), 53);
}

static void a_repeated_batch_is_stored_once(void **state)
{
	const struct batch_of first = {"v", 1000, 7, 0, 0, false};
	const struct batch_of second = {"v", 1000, 7, 0, 1, false};
	const struct batch_of gap = {"v", 1000, 7, 0, 9, false};
	int64_t offset, again;

	assert_int_equal(produce("t", 0, -1, &first, &offset), 0);
	assert_int_equal(produce("t", 0, -1, &second, &offset), 0);
	assert_int_equal(produce("t", 0, -1, &first, &again), 0);
	assert_true(again == offset - 1);
	assert_int_equal(produce("t", 0, -1, &gap, &offset), 45);
	assert_int_equal(produce("t", 0, -1, &plain, &offset), 0);
	assert_true(offset == again + 2);
}

static void acks_0_is_not_answered_and_an_error_closes(void **state)
{
	struct whole_call call;

	begin_produce(&call, "t", 0, 0, &plain);
	whole_ask(&call);
	assert_true(call.req.no_answer && !call.req.close);
	whole_end(&call);
	begin_produce(&call, "nowhere", 0, 0, &plain);
	whole_ask(&call);
	assert_true(call.req.close);
	whole_end(&call);
}

/* -- the trace log ------------------------------------------------------------------------- */

static void the_trace_log_tells_what_is_asked_and_answered(void **state)
{
	char text[8192] = "";
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	int64_t offset;

	assert_non_null(file);
	assert_true(kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
	log_set_level(LOG_LEVEL_TRACE);
	assert_int_equal(produce("t", 0, -1, &plain, &offset), 0);
	log_set_level(LOG_LEVEL_INFO);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	rewind(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_non_null(
	    strstr(text, "TRACE api: 127.0.0.1 (client test) #77: ProduceRequest v12 {"));
	assert_non_null(strstr(text, "Name: \"t\""));
	assert_non_null(strstr(text, "ProduceResponse v12 {"));
}

/* -- fetch --------------------------------------------------------------------------------- */

struct fetch_of {
	const char *topic; /* NULL: nothing named, as an incremental request does */
	int64_t offset;
	int32_t wait_ms, min_bytes, session_id, session_epoch;
};

static void begin_fetch(struct whole_call *call, const struct fetch_of *of)
{
	struct fetch_req_fetch_partition part;
	struct fetch_req_fetch_topic topic;
	struct fetch_req ask;

	whole_begin(&whole, call, FETCH_API_KEY, FETCH_VERSION);
	fetch_req_init(&ask);
	fetch_req_fetch_topic_init(&topic);
	fetch_req_fetch_partition_init(&part);
	part.fetch_offset = of->offset;
	part.partition_max_bytes = 1 << 20;
	topic.topic = str_of(of->topic);
	topic.partitions = &part;
	topic.partitions_len = 1;
	ask.max_wait_ms = of->wait_ms;
	ask.min_bytes = of->min_bytes;
	ask.session_id = of->session_id;
	ask.session_epoch = of->session_epoch;
	ask.topics = &topic;
	ask.topics_len = of->topic != NULL ? 1 : 0;
	fetch_req_encode(&ask, &call->frame, FETCH_VERSION);
}

static void fetch(struct whole_call *call, struct fetch_res *answer, const struct fetch_of *of)
{
	begin_fetch(call, of);
	whole_ask(call);
	assert_int_equal(fetch_res_decode(answer, &call->body, FETCH_VERSION, &call->req.arena),
			 ERR_OK);
}

static void gives_whole_batches_from_the_offset_on(void **state)
{
	const struct fetch_of of = {"t", 1, 0, 1, 0, -1};
	struct batch_header header;
	struct fetch_res answer;
	struct whole_call call;
	struct bytes records;
	int64_t offset;

	for (int i = 0; i < 3; i++)
		assert_int_equal(produce("t", 0, -1, &plain, &offset), 0);
	fetch(&call, &answer, &of);
	assert_int_equal(answer.error_code, 0);
	assert_true(answer.responses[0].partitions[0].high_watermark == 3);
	records = answer.responses[0].partitions[0].records.bytes;
	for (int64_t expected = 1; expected < 3; expected++) {
		assert_int_equal(batch_header_read(records, &header), ERR_OK);
		assert_true(header.base_offset == expected);
		assert_int_equal(batch_check_crc((struct bytes){records.ptr, header.size_bytes}),
				 0);
		records = (struct bytes){records.ptr + header.size_bytes,
					 records.len - header.size_bytes};
	}
	assert_int_equal(records.len, 0);
	whole_end(&call);
}

static void tells_when_the_offset_is_out_of_range(void **state)
{
	const struct fetch_of of = {"t", 5, 0, 1, 0, -1};
	struct fetch_res answer;
	struct whole_call call;

	fetch(&call, &answer, &of);
	assert_int_equal(answer.responses[0].partitions[0].error_code, 1);
	assert_non_null(answer.responses[0].partitions[0].records.bytes.ptr);
	assert_int_equal(answer.responses[0].partitions[0].records.bytes.len, 0);
	whole_end(&call);
}

static void waits_for_data_and_is_woken_by_it(void **state)
{
	const struct fetch_of of = {"t", 0, 60000, 1, 0, -1};
	struct fetch_res answer;
	struct whole_call call;
	int64_t offset;

	begin_fetch(&call, &of);
	whole_send(&call);
	for (int i = 0; i < 10; i++)
		whole_turn(&whole);
	assert_false(call.done);
	assert_int_equal(produce("t", 0, -1, &plain, &offset), 0);
	while (!call.done)
		whole_turn(&whole);
	assert_int_equal(call.req.out.cuts_len, 1);
	whole_end(&call);
	fetch(&call, &answer, &(struct fetch_of){"t", 0, 0, 1, 0, -1});
	assert_true(answer.responses[0].partitions[0].records.bytes.len > 0);
	whole_end(&call);
}

static void gives_up_waiting_in_time(void **state)
{
	const struct fetch_of of = {"t", 0, 5, 1, 0, -1};
	struct fetch_res answer;
	struct whole_call call;

	fetch(&call, &answer, &of);
	assert_int_equal(answer.responses[0].partitions[0].error_code, 0);
	assert_int_equal(answer.responses[0].partitions[0].records.bytes.len, 0);
	whole_end(&call);
}

static void a_lost_connection_ends_the_wait(void **state)
{
	const struct fetch_of of = {"t", 0, 60000, 1, 0, -1};
	struct whole_call call;
	int64_t offset;

	begin_fetch(&call, &of);
	whole_send(&call);
	assert_false(call.done);
	whole_abandon(&call);
	whole_end(&call);
	/* Nobody is woken who is not there any more: ASan tells. */
	assert_int_equal(produce("t", 0, -1, &plain, &offset), 0);
	whole_turn(&whole);
}

static void delete_topic(const char *name)
{
	struct delete_topics_req_delete_topic_state topic;
	struct delete_topics_req ask;
	struct whole_call call;

	delete_topics_req_init(&ask);
	delete_topics_req_delete_topic_state_init(&topic);
	topic.name = str_of(name);
	ask.topics = &topic;
	ask.topics_len = 1;
	whole_begin(&whole, &call, DELETE_TOPICS_API_KEY, DELETE_TOPICS_MAX_VERSION);
	delete_topics_req_encode(&ask, &call.frame, DELETE_TOPICS_MAX_VERSION);
	whole_ask(&call);
	whole_end(&call);
}

static void deleting_a_topic_ends_the_wait_on_it(void **state)
{
	const struct fetch_of of = {"t", 0, 60000, 1, 0, -1};
	struct whole_call call;
	int64_t offset;

	begin_fetch(&call, &of);
	whole_send(&call);
	whole_make_topic(&whole, "other", 1); /* turns go by; nothing wakes it */
	assert_false(call.done);
	delete_topic("t");
	while (!call.done)
		whole_turn(&whole);
	whole_end(&call);
	assert_int_equal(produce("t", 0, 1, &plain, &offset), 3);
	/* The name is free at once, and nothing of the old topic is in the new one. */
	whole_make_topic(&whole, "t", 1);
	assert_int_equal(produce("t", 0, 1, &plain, &offset), 0);
	assert_true(offset == 0);
}

static void a_session_tells_only_what_changed(void **state)
{
	struct fetch_of of = {"t", 0, 0, 1, 0, 0};
	struct fetch_res answer;
	struct whole_call call;
	int64_t offset;
	int32_t session;

	fetch(&call, &answer, &of);
	session = answer.session_id;
	assert_true(session > 0);
	assert_int_equal(answer.responses_len, 1);
	whole_end(&call);

	of = (struct fetch_of){NULL, 0, 0, 1, session, 1};
	fetch(&call, &answer, &of);
	assert_int_equal(answer.session_id, session);
	assert_int_equal(answer.responses_len, 0);
	whole_end(&call);

	assert_int_equal(produce("t", 0, -1, &plain, &offset), 0);
	of.session_epoch = 2;
	fetch(&call, &answer, &of);
	assert_int_equal(answer.responses_len, 1);
	assert_true(answer.responses[0].partitions[0].records.bytes.len > 0);
	whole_end(&call);
}

static void a_session_checks_its_epoch_and_id(void **state)
{
	struct fetch_of of = {"t", 0, 0, 1, 0, 0};
	struct fetch_res answer;
	struct whole_call call;
	int32_t session;

	fetch(&call, &answer, &of);
	session = answer.session_id;
	whole_end(&call);
	fetch(&call, &answer, &(struct fetch_of){NULL, 0, 0, 1, session, 7});
	assert_int_equal(answer.error_code, 71);
	whole_end(&call);
	fetch(&call, &answer, &(struct fetch_of){NULL, 0, 0, 1, session + 64, 1});
	assert_int_equal(answer.error_code, 70);
	whole_end(&call);
	fetch(&call, &answer, &(struct fetch_of){NULL, 0, 0, 1, session, -1});
	assert_int_equal(answer.error_code, 0);
	whole_end(&call);
	fetch(&call, &answer, &(struct fetch_of){NULL, 0, 0, 1, session, 1});
	assert_int_equal(answer.error_code, 70);
	whole_end(&call);
}

/* -- offsets ------------------------------------------------------------------------------- */

static int64_t list_offset(int64_t timestamp)
{
	return whole_list(&whole, "t", timestamp, LIST_OFFSETS_MAX_VERSION);
}

static void produce_at(int64_t timestamp)
{
	struct batch_of of = plain;
	int64_t offset;

	of.timestamp = timestamp;
	assert_int_equal(produce("t", 0, -1, &of, &offset), 0);
}

static void finds_offsets_by_time(void **state)
{
	produce_at(1000);
	produce_at(3000);
	produce_at(2000);
	assert_true(list_offset(-1) == 3);
	assert_true(list_offset(-2) == 0);
	assert_true(list_offset(-3) == 1);
	assert_true(list_offset(1500) == 1);
	assert_true(list_offset(1000) == 0);
	assert_true(list_offset(4000) == -1);
}

static int64_t delete_records(int64_t offset, int *code)
{
	struct delete_records_req_delete_records_partition part = {.offset = offset};
	struct delete_records_req_delete_records_topic topic = {.name = STR("t"),
								.partitions = &part,
								.partitions_len = 1};
	struct delete_records_req ask = {.topics = &topic, .topics_len = 1, .timeout_ms = 1000};
	struct delete_records_res answer;
	struct whole_call call;
	int64_t low;

	whole_begin(&whole, &call, DELETE_RECORDS_API_KEY, DELETE_RECORDS_MAX_VERSION);
	delete_records_req_encode(&ask, &call.frame, DELETE_RECORDS_MAX_VERSION);
	whole_ask(&call);
	assert_int_equal(delete_records_res_decode(&answer, &call.body, DELETE_RECORDS_MAX_VERSION,
						   &call.req.arena),
			 ERR_OK);
	*code = answer.topics[0].partitions[0].error_code;
	low = answer.topics[0].partitions[0].low_watermark;
	whole_end(&call);
	return low;
}

static void deleted_records_stay_deleted_over_a_restart(void **state)
{
	int code;

	for (int i = 0; i < 4; i++)
		produce_at(1000 + i);
	assert_true(delete_records(2, &code) == 2 && code == 0);
	assert_true(delete_records(1, &code) == 2 && code == 0);
	delete_records(5, &code);
	assert_int_equal(code, 1);
	assert_true(list_offset(-2) == 2);
	whole_restart(&whole);
	assert_true(list_offset(-2) == 2);
	assert_true(list_offset(-1) == 4);
	assert_true(delete_records(-1, &code) == 4 && code == 0);
}

/*
 * Checkpoints are made all the time here, so some are when the broker stops, and none may be after.
 */
static void r4_stops_while_checkpoints_are_written(void **state)
{
	static const char *const settings[] = {"log.flush.offset.checkpoint.interval.ms=1",
					       "log.flush.interval.ms=1", NULL};
	int code;

	whole_close(&whole);
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 2);
	for (int i = 0; i < 20; i++) {
		produce_at(1000 + i);
		for (int turns = 0; turns < 50 * i; turns++)
			whole_turn(&whole);
		assert_true(delete_records(i + 1, &code) == i + 1 && code == 0);
		produce_at(1000 + i);
		whole_restart(&whole);
		assert_true(list_offset(-2) == i + 1);
		assert_true(list_offset(-1) == 2 * i + 2);
	}
}

/* What is done in the life of a broker that is killed at its end. */
static void make_t_with_three_records(void)
{
	whole_make_topic(&whole, "t", 2);
	for (int i = 0; i < 3; i++)
		produce_at(1000 + i);
}

static void delete_t_that_began_at_nine(void)
{
	int code;

	whole_make_topic(&whole, "t", 2);
	for (int i = 0; i < 10; i++)
		produce_at(1000 + i);
	assert_true(delete_records(9, &code) == 9 && code == 0);
	delete_topic("t");
}

static void delete_t_and_make_it_again(void)
{
	delete_t_that_began_at_nine();
	make_t_with_three_records();
}

static void produce_three(void)
{
	for (int i = 0; i < 3; i++)
		produce_at(1000 + i);
}

static void live_and_die(const char *dir, void (*life)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		assert_int_equal(whole_open_dir(&whole, dir, NULL), ERR_OK);
		life();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static char dies_in[64], dies_data[80];

static void begin_to_die(void)
{
	whole_close(&whole);
	strcpy(dies_in, "/tmp/barnabas-dies-XXXXXX");
	assert_non_null(mkdtemp(dies_in));
	snprintf(dies_data, sizeof(dies_data), "%s/data", dies_in);
}

/* After all deaths: the three records are there, and none of another. */
static void expect_three(void)
{
	int code;

	assert_int_equal(whole_open_dir(&whole, dies_data, NULL), ERR_OK);
	assert_true(list_offset(-2) == 0);
	assert_true(list_offset(-1) == 3);
	assert_true(delete_records(1, &code) == 1 && code == 0);
	whole_restart(&whole);
	assert_true(list_offset(-2) == 1);
	whole_close(&whole);
	assert_int_equal(rmdir(dies_in), 0);
	whole_open(&whole, NULL);
}

/* The files in the directory above go by name, and are written later. */
static void r4_checkpoints_of_a_deleted_topic_are_not_the_new_ones(void **state)
{
	begin_to_die();
	live_and_die(dies_data, delete_t_and_make_it_again);
	expect_three();
}

static void r4_checkpoints_of_a_topic_deleted_in_another_life(void **state)
{
	begin_to_die();
	live_and_die(dies_data, delete_t_that_began_at_nine);
	live_and_die(dies_data, make_t_with_three_records);
	expect_three();
}

/* A power cut took the new directory, which was not synced yet, but not what the metadata says. */
static void r4_checkpoints_of_a_topic_whose_new_directory_was_lost(void **state)
{
	char path[100];

	begin_to_die();
	live_and_die(dies_data, delete_t_and_make_it_again);
	snprintf(path, sizeof(path), "%s/t-0", dies_data);
	assert_int_equal(file_remove_dir(path), ERR_OK);
	live_and_die(dies_data, produce_three);
	expect_three();
}

/* -- ids and versions ---------------------------------------------------------------------- */

static int64_t producer_id(const char *transactional_id, int *code)
{
	struct init_producer_id_req ask;
	struct init_producer_id_res answer;
	struct whole_call call;

	init_producer_id_req_init(&ask);
	ask.transactional_id = str_of(transactional_id);
	whole_begin(&whole, &call, INIT_PRODUCER_ID_API_KEY, 4);
	init_producer_id_req_encode(&ask, &call.frame, 4);
	whole_ask(&call);
	assert_int_equal(init_producer_id_res_decode(&answer, &call.body, 4, &call.req.arena), 0);
	*code = answer.error_code;
	whole_end(&call);
	return answer.producer_id;
}

static void r4_stops_while_a_metadata_snapshot_is_written(void **state)
{
	static const char *const always[] = {"metadata.log.max.record.bytes.between.snapshots=1",
					     NULL};

	for (int i = 0; i < 20; i++) {
		struct whole other;
		char topic[16];

		whole_open(&other, always);
		for (int n = 0; n < i % 4; n++) {
			snprintf(topic, sizeof(topic), "s%d", n);
			whole_make_topic(&other, topic, 1);
		}
		whole_close(&other);
	}
}

static void no_producer_id_is_given_twice(void **state)
{
	int64_t last = -1, id;
	int code;

	for (int i = 0; i < 1500; i++) {
		id = producer_id(NULL, &code);
		assert_int_equal(code, 0);
		assert_true(id > last);
		last = id;
	}
	whole_restart(&whole);
	assert_true(producer_id(NULL, &code) > last);
}

static void a_transactional_id_is_for_its_coordinator(void **state)
{
	int code;

	assert_true(producer_id("tx", &code) == -1);
	assert_int_equal(code, 16); /* nobody is, before the topic is there */
}

static void answers_an_unknown_apiversions_in_the_oldest_form(void **state)
{
	struct api_versions_res answer;
	struct whole_call call;

	whole_begin(&whole, &call, API_VERSIONS_API_KEY, 9);
	whole_ask(&call);
	assert_int_equal(call.flat.len_bytes, 4 + 2 + 4 + 6);
	assert_int_equal(api_versions_res_decode(&answer, &call.body, 0, &call.req.arena), ERR_OK);
	assert_int_equal(answer.error_code, 35);
	assert_int_equal(answer.api_keys_len, 1);
	assert_int_equal(answer.api_keys[0].max_version, 4);
	whole_end(&call);
}

static void closes_on_what_is_not_served(void **state)
{
	static const struct {
		int16_t key, version;
	} some[] = {{0, 2}, {2, 0}, {3, 14}, {24, 0}, {52, 0}, {1000, 0}, {-1, 0}, {0, -1}};
	struct whole_call call;

	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		whole_begin(&whole, &call, some[i].key, some[i].version);
		whole_ask(&call);
		assert_true(call.req.close);
		whole_end(&call);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(offsets_rise_by_one_record),
	    TEST(refuses_what_is_not_there),
	    TEST(refuses_unknown_acks_and_nameless_transactions),
	    TEST(a_repeated_batch_is_stored_once),
	    TEST(acks_0_is_not_answered_and_an_error_closes),
	    TEST(the_trace_log_tells_what_is_asked_and_answered),
	    TEST(gives_whole_batches_from_the_offset_on),
	    TEST(tells_when_the_offset_is_out_of_range),
	    TEST(waits_for_data_and_is_woken_by_it),
	    TEST(gives_up_waiting_in_time),
	    TEST(a_lost_connection_ends_the_wait),
	    TEST(deleting_a_topic_ends_the_wait_on_it),
	    TEST(a_session_tells_only_what_changed),
	    TEST(a_session_checks_its_epoch_and_id),
	    TEST(finds_offsets_by_time),
	    TEST(deleted_records_stay_deleted_over_a_restart),
	    TEST(r4_stops_while_checkpoints_are_written),
	    TEST(r4_checkpoints_of_a_deleted_topic_are_not_the_new_ones),
	    TEST(r4_checkpoints_of_a_topic_deleted_in_another_life),
	    TEST(r4_checkpoints_of_a_topic_whose_new_directory_was_lost),
	    TEST(r4_stops_while_a_metadata_snapshot_is_written),
	    TEST(no_producer_id_is_given_twice),
	    TEST(a_transactional_id_is_for_its_coordinator),
	    TEST(answers_an_unknown_apiversions_in_the_oldest_form),
	    TEST(closes_on_what_is_not_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
