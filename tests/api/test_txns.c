/*
 * Transactions through the whole broker: frames in, bytes out. Longer than other files: each API of
 * a transaction needs the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/add_offsets_to_txn.h"
#include "proto/add_partitions_to_txn.h"
#include "proto/describe_producers.h"
#include "proto/describe_transactions.h"
#include "proto/end_txn.h"
#include "proto/find_coordinator.h"
#include "proto/init_producer_id.h"
#include "proto/list_offsets.h"
#include "proto/list_transactions.h"
#include "proto/offset_fetch.h"
#include "proto/produce.h"
#include "proto/txn_offset_commit.h"
#include "proto/write_txn_markers.h"
#include "record/builder.h"
#include "tests/api/whole_ask.h"

enum {
	UNKNOWN_TOPIC_OR_PARTITION = 3,
	UNKNOWN_MEMBER_ID = 25,
	INVALID_REQUEST = 42,
	INVALID_PRODUCER_EPOCH = 47,
	INVALID_TXN_STATE = 48,
	INVALID_PRODUCER_ID_MAPPING = 49,
	INVALID_TRANSACTION_TIMEOUT = 50,
	CONCURRENT_TRANSACTIONS = 51,
	TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
	OPERATION_NOT_ATTEMPTED = 55,
	UNSTABLE_OFFSET_COMMIT = 88,
	PRODUCER_FENCED = 90,
	TRANSACTIONAL_ID_NOT_FOUND = 105,
	TRANSACTION_ABORTABLE = 120,
};

static struct whole whole;
static struct arena arena;

#define ASK(...) WHOLE_ASK(&whole, &arena, __VA_ARGS__)

struct pid {
	int64_t id;
	int16_t epoch;
	int code;
};

/* -- asking -------------------------------------------------------------------------------- */

/* The first request makes the topics, so it is asked for until they are there. */
static void find_coordinators(void)
{
	static struct str keys[] = {{"x", 1}};
	struct find_coordinator_req ask;
	struct find_coordinator_res res;
	struct whole_call call;

	for (int8_t type = 0; type < 2; type++) {
		do {
			find_coordinator_req_init(&ask);
			ask.key_type = type;
			ask.coordinator_keys = keys;
			ask.coordinator_keys_len = 1;
			ASK(&call, &ask, &res, find_coordinator, FIND_COORDINATOR, 6);
			whole_end(&call);
			whole_turn(&whole);
		} while (res.coordinators[0].error_code == 15);
		assert_int_equal(res.coordinators[0].error_code, 0);
		assert_int_equal(res.coordinators[0].node_id, 1);
	}
}

static struct pid init_from(int version, int32_t timeout_ms, struct pid from)
{
	struct init_producer_id_req ask;
	struct init_producer_id_res res;
	struct whole_call call;

	init_producer_id_req_init(&ask);
	ask.transactional_id = STR("x");
	ask.transaction_timeout_ms = timeout_ms;
	ask.producer_id = from.id;
	ask.producer_epoch = from.epoch;
	ASK(&call, &ask, &res, init_producer_id, INIT_PRODUCER_ID, version);
	whole_end(&call);
	return (struct pid){res.producer_id, res.producer_epoch, res.error_code};
}

static struct pid init(int version)
{
	return init_from(version, 60000, (struct pid){-1, -1, 0});
}

/* Until the transaction that it found open is aborted. */
static struct pid init_anew(int version)
{
	struct pid pid;

	do {
		pid = init(version);
		whole_turn(&whole);
	} while (pid.code == CONCURRENT_TRANSACTIONS);
	return pid;
}

static int add(int version, struct pid pid, const char *name, int32_t partition, int *other)
{
	struct add_partitions_to_txn_req_add_partitions_to_txn_topic topics[2];
	struct add_partitions_to_txn_req_add_partitions_to_txn_transaction txn;
	const struct add_partitions_to_txn_res_add_partitions_to_txn_topic_result *result;
	int32_t partitions[2] = {0, partition};
	struct add_partitions_to_txn_req ask;
	struct add_partitions_to_txn_res res;
	struct whole_call call;

	add_partitions_to_txn_req_init(&ask);
	add_partitions_to_txn_req_add_partitions_to_txn_topic_init(&topics[0]);
	add_partitions_to_txn_req_add_partitions_to_txn_transaction_init(&txn);
	topics[1] = topics[0];
	topics[0].name = STR("t");
	topics[1].name = str_of(name);
	for (size_t i = 0; i < 2; i++) {
		topics[i].partitions = &partitions[i];
		topics[i].partitions_len = 1;
	}
	txn.transactional_id = ask.v3_and_below_transactional_id = STR("x");
	txn.producer_id = ask.v3_and_below_producer_id = pid.id;
	txn.producer_epoch = ask.v3_and_below_producer_epoch = pid.epoch;
	txn.topics = ask.v3_and_below_topics = topics;
	txn.topics_len = ask.v3_and_below_topics_len = 2;
	ask.transactions = &txn;
	ask.transactions_len = 1;
	ASK(&call, &ask, &res, add_partitions_to_txn, ADD_PARTITIONS_TO_TXN, version);
	whole_end(&call);
	result = version < 4 ? res.results_by_topic_v3_and_below
			     : res.results_by_transaction[0].topic_results;
	*other = result[0].results_by_partition[0].partition_error_code;
	return result[1].results_by_partition[0].partition_error_code;
}

static int add_offsets(int version, struct pid pid)
{
	struct add_offsets_to_txn_req ask;
	struct add_offsets_to_txn_res res;
	struct whole_call call;

	add_offsets_to_txn_req_init(&ask);
	ask.transactional_id = STR("x");
	ask.producer_id = pid.id;
	ask.producer_epoch = pid.epoch;
	ask.group_id = STR("g");
	ASK(&call, &ask, &res, add_offsets_to_txn, ADD_OFFSETS_TO_TXN, version);
	whole_end(&call);
	return res.error_code;
}

static struct pid end(int version, struct pid pid, bool commit)
{
	struct end_txn_req ask;
	struct end_txn_res res;
	struct whole_call call;

	end_txn_req_init(&ask);
	ask.transactional_id = STR("x");
	ask.producer_id = pid.id;
	ask.producer_epoch = pid.epoch;
	ask.committed = commit;
	ASK(&call, &ask, &res, end_txn, END_TXN, version);
	whole_end(&call);
	return (struct pid){res.producer_id, res.producer_epoch, res.error_code};
}

static int produce_as(int version, struct str id, struct pid pid, int32_t sequence)
{
	struct whole_batch batch = {.topic = "t",
				    .acks = -1,
				    .version = (int16_t)version,
				    .transactional_id = id};
	struct builder_options options = builder_options_default;
	struct builder builder;
	struct produce_res res;
	struct whole_call call;
	struct wr records;
	int code;

	options.producer_id = pid.id;
	options.producer_epoch = pid.epoch;
	options.base_sequence = sequence;
	options.transactional = true;
	wr_init(&records, 1 << 20);
	builder_init(&builder, &records, &options);
	builder_add(&builder, 1000, BYTES_NULL, (struct bytes){(const uint8_t *)"v", 1}, NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	batch.records = wr_written(&records);
	whole_begin_batch(&whole, &call, &batch);
	wr_fini(&records);
	whole_ask(&call);
	assert_int_equal(produce_res_decode(&res, &call.body, batch.version, &call.req.arena),
			 ERR_OK);
	code = res.responses[0].partition_responses[0].error_code;
	whole_end(&call);
	return code;
}

static int produce(int version, struct pid pid, int32_t sequence)
{
	return produce_as(version, STR("x"), pid, sequence);
}

static int commit_offset(int version, struct pid pid, int32_t generation, int64_t offset)
{
	struct txn_offset_commit_req_txn_offset_commit_request_partition part;
	struct txn_offset_commit_req_txn_offset_commit_request_topic topic;
	struct txn_offset_commit_req ask;
	struct txn_offset_commit_res res;
	struct whole_call call;

	txn_offset_commit_req_init(&ask);
	txn_offset_commit_req_txn_offset_commit_request_topic_init(&topic);
	txn_offset_commit_req_txn_offset_commit_request_partition_init(&part);
	part.committed_offset = offset;
	part.committed_metadata = STR("m");
	topic.name = STR("t");
	topic.partitions = &part;
	topic.partitions_len = 1;
	ask.transactional_id = STR("x");
	ask.group_id = STR("g");
	ask.producer_id = pid.id;
	ask.producer_epoch = pid.epoch;
	ask.generation_id = generation;
	ask.member_id = STR("");
	ask.topics = &topic;
	ask.topics_len = 1;
	ASK(&call, &ask, &res, txn_offset_commit, TXN_OFFSET_COMMIT, version);
	whole_end(&call);
	return res.topics[0].partitions[0].error_code;
}

/* -1: none; -UNSTABLE_OFFSET_COMMIT while a transaction is about to change it. */
static int64_t fetch_offset(bool stable)
{
	static int32_t partitions[] = {0};
	struct offset_fetch_req_offset_fetch_request_topics topic;
	struct offset_fetch_req_offset_fetch_request_group group;
	struct offset_fetch_req ask;
	struct offset_fetch_res res;
	struct whole_call call;

	offset_fetch_req_init(&ask);
	offset_fetch_req_offset_fetch_request_group_init(&group);
	offset_fetch_req_offset_fetch_request_topics_init(&topic);
	topic.name = STR("t");
	topic.partition_indexes = partitions;
	topic.partition_indexes_len = 1;
	group.group_id = STR("g");
	group.topics = &topic;
	group.topics_len = 1;
	ask.groups = &group;
	ask.groups_len = 1;
	ask.require_stable = stable;
	ASK(&call, &ask, &res, offset_fetch, OFFSET_FETCH, 9);
	whole_end(&call);
	if (res.groups[0].topics[0].partitions[0].error_code != 0)
		return -res.groups[0].topics[0].partitions[0].error_code;
	return res.groups[0].topics[0].partitions[0].committed_offset;
}

/* The end of t-0, as a reader sees it. */
static int64_t end_offset(bool committed)
{
	struct list_offsets_req_list_offsets_partition part;
	struct list_offsets_req_list_offsets_topic topic;
	struct list_offsets_req ask;
	struct list_offsets_res res;
	struct whole_call call;

	list_offsets_req_init(&ask);
	list_offsets_req_list_offsets_topic_init(&topic);
	list_offsets_req_list_offsets_partition_init(&part);
	part.timestamp = -1;
	topic.name = STR("t");
	topic.partitions = &part;
	topic.partitions_len = 1;
	ask.replica_id = -1;
	ask.isolation_level = committed;
	ask.topics = &topic;
	ask.topics_len = 1;
	ASK(&call, &ask, &res, list_offsets, LIST_OFFSETS, 7);
	whole_end(&call);
	return res.topics[0].partitions[0].offset;
}

static struct describe_transactions_res_transaction_state describe(void)
{
	static struct str ids[] = {{"x", 1}};
	struct describe_transactions_req ask = {ids, 1};
	struct describe_transactions_res res;
	struct whole_call call;

	ASK(&call, &ask, &res, describe_transactions, DESCRIBE_TRANSACTIONS, 0);
	res.transaction_states[0].transaction_state =
	    arena_str(&arena, res.transaction_states[0].transaction_state);
	whole_end(&call);
	return res.transaction_states[0];
}

static void await_state(const char *state)
{
	while (!str_eq(describe().transaction_state, str_of(state)))
		whole_turn(&whole);
}

/* -- tests --------------------------------------------------------------------------------- */

static int setup(void **state)
{
	static const char *const settings[] = {"transaction.state.log.num.partitions=2",
					       "transaction.state.log.replication.factor=1",
					       "transaction.state.log.min.isr=1", NULL};

	arena_init(&arena, 64 << 20);
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 2);
	find_coordinators();
	return 0;
}

static int setup_synced(void **state)
{
	static const char *const settings[] = {"transaction.state.log.num.partitions=2",
					       "transaction.state.log.replication.factor=1",
					       "transaction.state.log.min.isr=1",
					       "log.flush.interval.messages=1", NULL};

	arena_init(&arena, 64 << 20);
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 2);
	find_coordinators();
	return 0;
}

static int teardown(void **state)
{
	whole_close(&whole);
	arena_fini(&arena);
	return 0;
}

/* What clients before KIP-890 do, in every version. */
static void partitions_are_added_before_they_are_written(void **state)
{
	int64_t records = 0;
	int32_t sequence = 0;
	struct pid pid;
	int other;

	for (int version = 0; version <= 4; version++) {
		pid = init_anew(version);
		assert_int_equal(pid.code, 0);
		assert_int_equal(produce(version + 7, pid, 0),
				 version < 4 ? INVALID_TXN_STATE : TRANSACTION_ABORTABLE);
		for (int commit = 0; commit < 2; commit++) {
			assert_int_equal(add(version < 4 ? version : 3, pid, "t", 1, &other), 0);
			assert_int_equal(other, 0);
			sequence = commit;
			assert_int_equal(produce(version + 7, pid, sequence), 0);
			assert_true(end_offset(true) == records);
			assert_int_equal(end(version, pid, commit).code, 0);
			await_state(commit ? "CompleteCommit" : "CompleteAbort");
			records += 2; /* and its marker */
			assert_true(end_offset(true) == records);
			assert_int_equal(end(version, pid, commit).code, 0);
			assert_int_equal(end(version, pid, !commit).code, INVALID_TXN_STATE);
		}
	}
}

static void version_2_adds_partitions_by_writing(void **state)
{
	struct pid pid = init(5), next;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(produce(12, pid, 0), 0);
		assert_int_equal(produce(12, pid, 1), 0);
		assert_true(end_offset(true) == 3 * i);
		next = end(5, pid, i % 2 == 0);
		assert_int_equal(next.code, 0);
		assert_true(next.id == pid.id && next.epoch == pid.epoch + 1);
		await_state(i % 2 == 0 ? "CompleteCommit" : "CompleteAbort");
		assert_true(end_offset(true) == 3 * (i + 1));
		assert_int_equal(produce(12, pid, 2), INVALID_PRODUCER_EPOCH);
		assert_int_equal(end(5, pid, i % 2 == 0).epoch, next.epoch); /* asked again */
		pid = next;
	}
	assert_int_equal(produce(12, pid, 7), 62 - 17); /* OUT_OF_ORDER_SEQUENCE_NUMBER */
}

static void a_newer_producer_fences_the_older(void **state)
{
	struct pid old = init(5), new;
	int other;

	assert_int_equal(produce(12, old, 0), 0);
	assert_int_equal(init(5).code, CONCURRENT_TRANSACTIONS);
	new = init_anew(5);
	assert_int_equal(new.code, 0);
	assert_true(new.id == old.id &&new.epoch > old.epoch + 1);
	assert_int_equal(produce(12, old, 1), INVALID_PRODUCER_EPOCH);
	assert_int_equal(end(5, old, true).code, PRODUCER_FENCED);
	assert_int_equal(end(1, old, true).code, INVALID_PRODUCER_EPOCH);
	assert_int_equal(add(3, old, "t", 0, &other), PRODUCER_FENCED);
	assert_int_equal(add(1, old, "t", 0, &other), INVALID_PRODUCER_EPOCH);
	assert_int_equal(add_offsets(3, old), PRODUCER_FENCED);
	assert_int_equal(init_from(5, 60000, old).code, PRODUCER_FENCED);
	assert_int_equal(init_from(3, 60000, old).code, INVALID_PRODUCER_EPOCH);
	assert_true(end_offset(true) == end_offset(false));
}

static void bad_requests_get_their_codes(void **state)
{
	struct pid pid = init(5), other_id = {pid.id + 5, 0, 0};
	int other;

	assert_int_equal(add(3, pid, "nowhere", 0, &other), UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(other, OPERATION_NOT_ATTEMPTED);
	assert_int_equal(add(5, pid, "t", 7, &other), UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(add(3, other_id, "t", 0, &other), INVALID_PRODUCER_ID_MAPPING);
	assert_int_equal(produce_as(12, STR_NULL, pid, 0), TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
	assert_int_equal(produce_as(12, STR("y"), pid, 0), INVALID_PRODUCER_ID_MAPPING);
	assert_int_equal(init_from(5, 0, (struct pid){-1, -1, 0}).code,
			 INVALID_TRANSACTION_TIMEOUT);
	assert_int_equal(init_from(5, 60000, (struct pid){5, -1, 0}).code, INVALID_REQUEST);
	assert_int_equal(end(5, other_id, true).code, INVALID_PRODUCER_ID_MAPPING);
	assert_true(end_offset(false) == 0);
}

static void offsets_count_when_the_transaction_commits(void **state)
{
	struct pid pid;

	init(5);
	for (int version = 0; version <= 5; version++) {
		bool commit = version != 3;

		pid = init_anew(5);
		if (version < 5) {
			assert_int_equal(commit_offset(version, pid, -1, 5),
					 version < 4 ? INVALID_TXN_STATE : TRANSACTION_ABORTABLE);
			assert_int_equal(add_offsets(version < 4 ? version : 4, pid), 0);
		}
		if (version > 3)
			assert_int_equal(commit_offset(version, pid, 9, 5), UNKNOWN_MEMBER_ID);
		assert_int_equal(commit_offset(version, pid, -1, 100 + version), 0);
		assert_true(fetch_offset(true) == -UNSTABLE_OFFSET_COMMIT);
		assert_true(fetch_offset(false) == (version == 0   ? -1
						    : version == 4 ? 102
								   : 99 + version));
		assert_int_equal(end(version < 5 ? 4 : 5, pid, commit).code, 0);
		await_state(commit ? "CompleteCommit" : "CompleteAbort");
		assert_true(fetch_offset(true) == (commit ? 100 + version : 102));
	}
	whole_restart(&whole);
	assert_true(fetch_offset(true) == 105);
}

static void an_open_transaction_outlives_a_restart(void **state)
{
	struct pid pid = init(5);

	assert_int_equal(produce(12, pid, 0), 0);
	assert_int_equal(commit_offset(5, pid, -1, 7), 0);
	whole_restart(&whole);
	assert_true(str_eq(describe().transaction_state, STR("Ongoing")));
	assert_int_equal(describe().topics_len, 2);
	assert_true(end_offset(true) == 0 && end_offset(false) == 1);
	assert_true(fetch_offset(true) == -UNSTABLE_OFFSET_COMMIT);
	assert_int_equal(produce(12, pid, 1), 0);
	assert_int_equal(end(5, pid, true).code, 0);
	await_state("CompleteCommit");
	assert_true(end_offset(true) == 3);
	assert_true(fetch_offset(true) == 7);
}

static void a_transaction_that_takes_too_long_is_aborted(void **state)
{
	struct pid pid = init_from(5, 1, (struct pid){-1, -1, 0});

	assert_int_equal(produce(12, pid, 0), 0);
	await_state("CompleteAbort");
	assert_true(end_offset(true) == 2);
	/* Not what it was decided to be; an old client is told that it is fenced. */
	assert_int_equal(end(5, pid, true).code, INVALID_TXN_STATE);
	assert_int_equal(end(4, pid, true).code, PRODUCER_FENCED);
	assert_int_equal(produce(12, pid, 1), INVALID_PRODUCER_EPOCH);
}

/* -- what the tools ask -------------------------------------------------------------------- */

static struct describe_producers_res_partition_response describe_producers(const char *name)
{
	static int32_t partitions[] = {0};
	struct describe_producers_req_topic_request topic = {str_of(name), partitions, 1};
	struct describe_producers_req ask = {&topic, 1};
	struct describe_producers_res res;
	struct whole_call call;

	ASK(&call, &ask, &res, describe_producers, DESCRIBE_PRODUCERS, 0);
	whole_end(&call);
	return res.topics[0].partitions[0];
}

static int write_marker(int version, const char *name, struct pid pid, bool commit)
{
	static int32_t partitions[] = {0};
	struct write_txn_markers_req_writable_txn_marker_topic topic = {str_of(name), partitions,
									1};
	struct write_txn_markers_req_writable_txn_marker marker = {.producer_id = pid.id,
								   .producer_epoch = pid.epoch,
								   .transaction_result = commit,
								   .topics = &topic,
								   .topics_len = 1};
	struct write_txn_markers_req ask = {&marker, 1};
	struct write_txn_markers_res res;
	struct whole_call call;

	ASK(&call, &ask, &res, write_txn_markers, WRITE_TXN_MARKERS, version);
	whole_end(&call);
	return res.markers[0].topics[0].partitions[0].error_code;
}

static void hanging_transactions_can_be_aborted(void **state)
{
	struct pid pid = init(5);

	assert_int_equal(describe_producers("t").active_producers_len, 0);
	assert_int_equal(describe_producers("nowhere").error_code, UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(produce(12, pid, 0), 0);
	assert_int_equal(describe_producers("t").active_producers_len, 1);
	assert_true(describe_producers("t").active_producers[0].producer_id == pid.id);
	assert_true(describe_producers("t").active_producers[0].current_txn_start_offset == 0);
	assert_int_equal(write_marker(1, "nowhere", pid, false), UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(write_marker(2, "t", (struct pid){-5, 0, 0}, false), -1);
	assert_int_equal(write_marker(2, "t", pid, false), 0);
	assert_true(describe_producers("t").active_producers[0].current_txn_start_offset == -1);
	assert_true(end_offset(true) == 2);
	/* Its coordinator knows of it as before, and has markers written of its own. */
	assert_int_equal(end(5, pid, false).code, 0);
	await_state("CompleteAbort");
	pid.epoch = 0;
	assert_int_equal(write_marker(1, "t", pid, false), INVALID_PRODUCER_EPOCH);
}

static int list_pattern(const char *pattern, size_t *len)
{
	struct list_transactions_req ask;
	struct list_transactions_res res;
	struct whole_call call;

	list_transactions_req_init(&ask);
	ask.transactional_id_pattern = str_of(pattern);
	ASK(&call, &ask, &res, list_transactions, LIST_TRANSACTIONS, 2);
	whole_end(&call);
	*len = res.transaction_states_len;
	return res.error_code;
}

static size_t list(const char *state, int64_t producer_id, int64_t duration_ms, size_t *unknown)
{
	struct str states[] = {str_of(state)};
	struct list_transactions_req ask;
	struct list_transactions_res res;
	struct whole_call call;

	list_transactions_req_init(&ask);
	ask.state_filters = states;
	ask.state_filters_len = state != NULL;
	ask.producer_id_filters = &producer_id;
	ask.producer_id_filters_len = producer_id >= 0;
	ask.duration_filter = duration_ms;
	ASK(&call, &ask, &res, list_transactions, LIST_TRANSACTIONS, 1);
	whole_end(&call);
	assert_int_equal(res.error_code, 0);
	*unknown = res.unknown_state_filters_len;
	return res.transaction_states_len;
}

static void transactions_are_listed_by_what_is_asked(void **state)
{
	struct pid pid = init(5);
	size_t unknown;

	assert_int_equal(list(NULL, -1, -1, &unknown), 1);
	assert_int_equal(list("Empty", pid.id, -1, &unknown), 1);
	assert_int_equal(list("Ongoing", -1, -1, &unknown), 0);
	assert_int_equal(unknown, 0);
	assert_int_equal(list("Asleep", -1, -1, &unknown), 0);
	assert_int_equal(unknown, 1);
	assert_int_equal(list(NULL, pid.id + 1, -1, &unknown), 0);
	assert_int_equal(produce(12, pid, 0), 0);
	assert_int_equal(list("Ongoing", -1, -1, &unknown), 1);
	assert_int_equal(list("Ongoing", -1, 600000, &unknown), 0);
	assert_int_equal(list_pattern("[w-z]", &unknown), 0);
	assert_int_equal(unknown, 1);
	assert_int_equal(list_pattern("[a-w]?", &unknown), 0);
	assert_int_equal(unknown, 0);
	assert_int_equal(list_pattern("x(", &unknown), 128);
	assert_int_equal(describe().error_code, 0);
	assert_true(describe().producer_id == pid.id);
	assert_int_equal(describe().transaction_timeout_ms, 60000);
}

static void an_id_that_nobody_has_is_not_found(void **state)
{
	assert_int_equal(describe().error_code, TRANSACTIONAL_ID_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)	  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_SYNCED(name) {#name "_synced", name, setup_synced, teardown, NULL}
	    TEST(partitions_are_added_before_they_are_written),
	    TEST(version_2_adds_partitions_by_writing),
	    TEST(a_newer_producer_fences_the_older),
	    TEST(bad_requests_get_their_codes),
	    TEST(offsets_count_when_the_transaction_commits),
	    TEST(an_open_transaction_outlives_a_restart),
	    TEST(a_transaction_that_takes_too_long_is_aborted),
	    TEST(hanging_transactions_can_be_aborted),
	    TEST(transactions_are_listed_by_what_is_asked),
	    TEST(an_id_that_nobody_has_is_not_found),
	    TEST_SYNCED(partitions_are_added_before_they_are_written),
	    TEST_SYNCED(version_2_adds_partitions_by_writing),
	    TEST_SYNCED(offsets_count_when_the_transaction_commits),
	    TEST_SYNCED(an_open_transaction_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
