/*
 * Groups and their offsets through the whole broker, in every version: frames in, bytes out. Longer
 * than other files: each API of a group needs the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/delete_groups.h"
#include "proto/delete_topics.h"
#include "proto/describe_groups.h"
#include "proto/find_coordinator.h"
#include "proto/heartbeat.h"
#include "proto/join_group.h"
#include "proto/leave_group.h"
#include "proto/list_groups.h"
#include "proto/metadata.h"
#include "proto/offset_commit.h"
#include "proto/offset_delete.h"
#include "proto/offset_fetch.h"
#include "proto/sync_group.h"
#include "tests/api/whole_ask.h"

enum {
	ILLEGAL_GENERATION = 22,
	INCONSISTENT_GROUP_PROTOCOL = 23,
	INVALID_GROUP_ID = 24,
	UNKNOWN_MEMBER_ID = 25,
	INVALID_REQUEST = 42,
	NON_EMPTY_GROUP = 68,
	GROUP_ID_NOT_FOUND = 69,
	MEMBER_ID_REQUIRED = 79,
	GROUP_SUBSCRIBED_TO_TOPIC = 86,
	UNKNOWN_TOPIC_ID = 100,
};

static struct whole whole;
static struct uuid topic_id;

#define ASK(...) WHOLE_ASK(&whole, &arena, __VA_ARGS__)

static struct arena arena;

static struct str kept(struct str s)
{
	return arena_str(&arena, s);
}

/* The first request makes the topic, so it is asked for until it is there. */
static void find_coordinator(void)
{
	struct find_coordinator_req ask;
	struct find_coordinator_res res;
	int16_t code = -1;

	find_coordinator_req_init(&ask);
	ask.key = STR("g");
	for (int i = 0; i < 100000 && code != 0; i++) {
		struct whole_call call;

		ASK(&call, &ask, &res, find_coordinator, FIND_COORDINATOR, 0);
		code = res.error_code;
		assert_true(code == 0 || code == 15);
		whole_end(&call);
	}
	assert_int_equal(code, 0);
}

static int setup(void **state)
{
	struct metadata_req ask;
	struct metadata_res res;
	struct whole_call call;

	arena_init(&arena, 1 << 24);
	whole_open(&whole, NULL);
	whole_make_topic(&whole, "t", 2);
	metadata_req_init(&ask);
	ask.topics = NULL; /* all */
	ASK(&call, &ask, &res, metadata, METADATA, 12);
	assert_int_equal(res.topics_len, 1);
	topic_id = res.topics[0].topic_id;
	whole_end(&call);
	find_coordinator();
	return 0;
}

static int teardown(void **state)
{
	whole_close(&whole);
	arena_fini(&arena);
	return 0;
}

/* -- asking -------------------------------------------------------------------------------- */

static struct join_group_req_join_group_request_protocol protocols[1];

static void fill_join(struct join_group_req *ask, struct str member_id)
{
	protocols[0] = (struct join_group_req_join_group_request_protocol){
	    STR("range"), {(const uint8_t *)"\0\0\0\0\0\1\0\1t\377\377\377\377", 13}};
	join_group_req_init(ask);
	ask->group_id = STR("g");
	ask->session_timeout_ms = 10000;
	ask->rebalance_timeout_ms = 20000;
	ask->member_id = member_id;
	ask->protocol_type = STR("consumer");
	ask->protocols = protocols;
	ask->protocols_len = 1;
}

static struct join_group_res join(int version, struct str member_id)
{
	struct join_group_req ask;
	struct join_group_res res;
	struct whole_call call;

	fill_join(&ask, member_id);
	ASK(&call, &ask, &res, join_group, JOIN_GROUP, version);
	res.member_id = kept(res.member_id);
	res.leader = kept(res.leader);
	whole_end(&call);
	return res;
}

static struct sync_group_res sync_group(int version, struct str member_id, int32_t generation)
{
	struct sync_group_req_sync_group_request_assignment list = {member_id,
								    {(const uint8_t *)"all", 3}};
	struct sync_group_req ask;
	struct sync_group_res res;
	struct whole_call call;

	sync_group_req_init(&ask);
	ask.group_id = STR("g");
	ask.generation_id = generation;
	ask.member_id = member_id;
	ask.protocol_type = STR("consumer");
	ask.protocol_name = STR("range");
	ask.assignments = &list;
	ask.assignments_len = 1;
	ASK(&call, &ask, &res, sync_group, SYNC_GROUP, version);
	res.assignment = arena_bytes(&arena, res.assignment);
	whole_end(&call);
	return res;
}

static int16_t heartbeat(int version, struct str member_id, int32_t generation)
{
	struct heartbeat_req ask;
	struct heartbeat_res res;
	struct whole_call call;

	heartbeat_req_init(&ask);
	ask.group_id = STR("g");
	ask.member_id = member_id;
	ask.generation_id = generation;
	ASK(&call, &ask, &res, heartbeat, HEARTBEAT, version);
	whole_end(&call);
	return res.error_code;
}

static int16_t leave(int version, struct str member_id)
{
	struct leave_group_req_member_identity member = {.member_id = member_id};
	struct leave_group_req ask;
	struct leave_group_res res;
	struct whole_call call;
	int16_t code;

	leave_group_req_init(&ask);
	ask.group_id = STR("g");
	ask.member_id = member_id;
	ask.members = &member;
	ask.members_len = 1;
	ASK(&call, &ask, &res, leave_group, LEAVE_GROUP, version);
	code = version < 3 ? res.error_code : res.members[0].error_code;
	whole_end(&call);
	return code;
}

static int16_t commit(int version, struct str group, struct str member_id, int32_t generation,
		      int32_t partition, int64_t offset)
{
	struct offset_commit_req_offset_commit_request_partition part = {
	    .partition_index = partition,
	    .committed_offset = offset,
	    .committed_leader_epoch = -1,
	    .committed_metadata = STR("note")};
	struct offset_commit_req_offset_commit_request_topic topic = {.name = STR("t"),
								      .topic_id = topic_id,
								      .partitions = &part,
								      .partitions_len = 1};
	struct offset_commit_req ask;
	struct offset_commit_res res;
	struct whole_call call;
	int16_t code;

	offset_commit_req_init(&ask);
	ask.group_id = group;
	ask.member_id = member_id;
	ask.generation_id_or_member_epoch = generation;
	ask.topics = &topic;
	ask.topics_len = 1;
	ASK(&call, &ask, &res, offset_commit, OFFSET_COMMIT, version);
	assert_int_equal(res.topics_len, 1);
	assert_int_equal(res.topics[0].partitions[0].partition_index, partition);
	code = res.topics[0].partitions[0].error_code;
	whole_end(&call);
	return code;
}

/* Partition 0 of "t": its offset, by name or id; the metadata is checked. */
static int64_t fetch(int version, struct str group, bool all)
{
	int32_t partition = 0;
	struct offset_fetch_req_offset_fetch_request_topic old = {STR("t"), &partition, 1};
	struct offset_fetch_req_offset_fetch_request_topics topics = {STR("t"), topic_id,
								      &partition, 1};
	struct offset_fetch_req_offset_fetch_request_group one = {.group_id = group,
								  .member_epoch = -1,
								  .topics = all ? NULL : &topics,
								  .topics_len = 1};
	struct offset_fetch_req ask;
	struct offset_fetch_res res;
	struct whole_call call;
	int64_t offset;

	if (all)
		one.topics_len = 0;
	offset_fetch_req_init(&ask);
	ask.group_id = group;
	ask.topics = all ? NULL : &old;
	ask.topics_len = all ? 0 : 1;
	ask.groups = &one;
	ask.groups_len = 1;
	ask.require_stable = true;
	ASK(&call, &ask, &res, offset_fetch, OFFSET_FETCH, version);
	if (version < 8) {
		assert_int_equal(res.topics_len, 1);
		assert_int_equal(res.topics[0].partitions[0].error_code, 0);
		offset = res.topics[0].partitions[0].committed_offset;
		assert_true(offset < 0 ||
			    str_eq(res.topics[0].partitions[0].metadata, STR("note")));
	} else {
		assert_int_equal(res.groups_len, 1);
		assert_int_equal(res.groups[0].topics_len, 1);
		assert_int_equal(res.groups[0].topics[0].partitions[0].error_code, 0);
		offset = res.groups[0].topics[0].partitions[0].committed_offset;
		assert_true(version < 10 || uuid_eq(res.groups[0].topics[0].topic_id, topic_id));
	}
	whole_end(&call);
	return offset;
}

static int16_t delete_group(int version, struct str group)
{
	struct str groups[2] = {group, group};
	struct delete_groups_req ask;
	struct delete_groups_res res;
	struct whole_call call;

	delete_groups_req_init(&ask);
	ask.groups_names = groups;
	ask.groups_names_len = 2;
	ASK(&call, &ask, &res, delete_groups, DELETE_GROUPS, version);
	assert_int_equal(res.results_len, 1);
	whole_end(&call);
	return res.results[0].error_code;
}

/* Joins by the steps that the version asks for, and syncs. */
static struct str make_stable(int version, int32_t *generation)
{
	struct join_group_res joined = join(version, STR(""));
	struct sync_group_res synced;

	if (version >= 4) {
		assert_int_equal(joined.error_code, MEMBER_ID_REQUIRED);
		joined = join(version, joined.member_id);
	}
	assert_int_equal(joined.error_code, 0);
	assert_true(str_eq(joined.leader, joined.member_id));
	assert_int_equal(joined.members_len, 1);
	synced = sync_group(version < 6 ? version / 2 : 5, joined.member_id, joined.generation_id);
	assert_int_equal(synced.error_code, 0);
	assert_int_equal(synced.assignment.len, 3);
	*generation = joined.generation_id;
	return joined.member_id;
}

/* -- tests --------------------------------------------------------------------------------- */

static void a_member_lives_through_every_version(void **state)
{
	for (int version = 0; version <= JOIN_GROUP_MAX_VERSION; version++) {
		int32_t generation;
		struct str id = make_stable(version, &generation);

		for (int v = 0; v <= HEARTBEAT_MAX_VERSION; v++)
			assert_int_equal(heartbeat(v, id, generation), 0);
		for (int v = OFFSET_COMMIT_MIN_VERSION; v <= OFFSET_COMMIT_MAX_VERSION; v++) {
			int64_t offset = version * 100 + v;

			assert_int_equal(commit(v, STR("g"), id, generation, 0, offset), 0);
			for (int f = OFFSET_FETCH_MIN_VERSION; f <= OFFSET_FETCH_MAX_VERSION; f++)
				assert_int_equal(fetch(f, STR("g"), false), offset);
			for (int f = 2; f <= OFFSET_FETCH_MAX_VERSION; f++)
				assert_int_equal(fetch(f, STR("g"), true), offset);
		}
		assert_int_equal(leave(version * LEAVE_GROUP_MAX_VERSION / 9, id), 0);
		assert_int_equal(heartbeat(4, id, generation), UNKNOWN_MEMBER_ID);
	}
}

static void groups_are_described_in_every_version(void **state)
{
	int32_t generation;
	struct str id = make_stable(9, &generation);
	struct str groups[2] = {STR("g"), STR("nobody")};

	for (int v = 0; v <= DESCRIBE_GROUPS_MAX_VERSION; v++) {
		struct describe_groups_req ask;
		struct describe_groups_res res;
		struct whole_call call;

		describe_groups_req_init(&ask);
		ask.groups = groups;
		ask.groups_len = 2;
		ask.include_authorized_operations = true;
		ASK(&call, &ask, &res, describe_groups, DESCRIBE_GROUPS, v);
		assert_int_equal(res.groups_len, 2);
		assert_true(str_eq(res.groups[0].group_state, STR("Stable")));
		assert_true(str_eq(res.groups[0].protocol_data, STR("range")));
		assert_true(str_eq(res.groups[0].members[0].member_id, id));
		assert_true(str_eq(res.groups[0].members[0].client_host, STR("/127.0.0.1")));
		assert_int_equal(res.groups[0].members[0].member_assignment.len, 3);
		assert_int_equal(res.groups[0].members[0].member_metadata.len, 13);
		if (v >= 3)
			assert_int_equal(res.groups[0].authorized_operations, 3400);
		assert_true(str_eq(res.groups[1].group_state, STR("Dead")));
		assert_int_equal(res.groups[1].error_code, v >= 6 ? GROUP_ID_NOT_FOUND : 0);
		if (v >= 6)
			assert_true(
			    str_eq(res.groups[1].error_message, STR("Group nobody not found.")));
		whole_end(&call);
	}
	for (int v = 0; v <= DELETE_GROUPS_MAX_VERSION; v++)
		assert_int_equal(delete_group(v, STR("g")), NON_EMPTY_GROUP);
	leave(5, id);
	assert_int_equal(delete_group(2, STR("g")), 0);
	assert_int_equal(delete_group(2, STR("g")), GROUP_ID_NOT_FOUND);
}

static size_t list(int version, struct str state, struct str type)
{
	struct list_groups_req ask;
	struct list_groups_res res;
	struct whole_call call;

	list_groups_req_init(&ask);
	ask.states_filter = &state;
	ask.states_filter_len = state.len > 0;
	ask.types_filter = &type;
	ask.types_filter_len = type.len > 0;
	ASK(&call, &ask, &res, list_groups, LIST_GROUPS, version);
	assert_int_equal(res.error_code, 0);
	if (res.groups_len > 0 && version >= 5)
		assert_true(str_eq(res.groups[0].group_type, STR("classic")));
	whole_end(&call);
	return res.groups_len;
}

static void groups_are_listed_by_state_and_type(void **state)
{
	assert_int_equal(commit(8, STR("simple"), STR(""), -1, 0, 5), 0);
	for (int v = 0; v <= LIST_GROUPS_MAX_VERSION; v++)
		assert_int_equal(list(v, STR(""), STR("")), 1);
	assert_int_equal(list(5, STR(" EMPTY "), STR("Classic")), 1);
	assert_int_equal(list(5, STR("Stable"), STR("")), 0);
	assert_int_equal(list(5, STR(""), STR("Consumer")), 0);
	assert_int_equal(list(5, STR(""), STR("bogus")), 0);
}

static void offsets_survive_a_restart(void **state)
{
	int32_t generation;
	struct str id = make_stable(9, &generation);

	assert_int_equal(commit(9, STR("g"), id, generation, 0, 42), 0);
	assert_int_equal(commit(9, STR("simple"), STR(""), -1, 0, 43), 0);
	whole_restart(&whole);
	assert_int_equal(fetch(9, STR("g"), false), 42);
	assert_int_equal(fetch(9, STR("simple"), true), 43);
	assert_int_equal(heartbeat(4, id, generation), 0);
	assert_int_equal(sync_group(5, id, generation).assignment.len, 3);
}

static void offsets_are_refused_as_kafka_refuses_them(void **state)
{
	struct uuid right = topic_id;

	assert_int_equal(commit(9, STR("g"), STR("m"), 1, 0, 1), GROUP_ID_NOT_FOUND);
	assert_int_equal(commit(8, STR("g"), STR("m"), 1, 0, 1), ILLEGAL_GENERATION);
	assert_int_equal(commit(9, STR("g"), STR(""), -1, 7, 1), 3);
	topic_id = uuid_of(1, 2);
	assert_int_equal(commit(10, STR("g"), STR(""), -1, 0, 1), UNKNOWN_TOPIC_ID);
	topic_id = right;
	assert_int_equal(fetch(9, STR("g"), false), -1);
	assert_int_equal(heartbeat(4, STR("m"), 1), UNKNOWN_MEMBER_ID);
	assert_int_equal(leave(5, STR("m")), UNKNOWN_MEMBER_ID);
	assert_int_equal(leave(0, STR("m")), UNKNOWN_MEMBER_ID);
}

static void sync_needs_the_protocol_from_v5_on(void **state)
{
	struct sync_group_req ask;
	struct sync_group_res res;
	struct whole_call call;

	sync_group_req_init(&ask);
	ask.group_id = STR("g");
	ASK(&call, &ask, &res, sync_group, SYNC_GROUP, 5);
	assert_int_equal(res.error_code, INCONSISTENT_GROUP_PROTOCOL);
	whole_end(&call);
	ask.group_id = STR("");
	ASK(&call, &ask, &res, sync_group, SYNC_GROUP, 4);
	assert_int_equal(res.error_code, INVALID_GROUP_ID);
	whole_end(&call);
}

static int16_t delete_offset(struct str group, struct str topic, int16_t *whole_code)
{
	struct offset_delete_req_offset_delete_request_partition part = {0};
	struct offset_delete_req_offset_delete_request_topic one = {topic, &part, 1};
	struct offset_delete_req ask;
	struct offset_delete_res res;
	struct whole_call call;
	int16_t code = 0;

	offset_delete_req_init(&ask);
	ask.group_id = group;
	ask.topics = &one;
	ask.topics_len = 1;
	ASK(&call, &ask, &res, offset_delete, OFFSET_DELETE, 0);
	*whole_code = res.error_code;
	if (res.topics_len > 0)
		code = res.topics[0].partitions[0].error_code;
	whole_end(&call);
	return code;
}

static void offsets_are_deleted(void **state)
{
	int32_t generation;
	struct str id;
	int16_t code;

	delete_offset(STR("g"), STR("t"), &code);
	assert_int_equal(code, GROUP_ID_NOT_FOUND);
	id = make_stable(9, &generation);
	commit(9, STR("g"), id, generation, 0, 42);
	assert_int_equal(delete_offset(STR("g"), STR("t"), &code), GROUP_SUBSCRIBED_TO_TOPIC);
	assert_int_equal(delete_offset(STR("g"), STR("none"), &code), 3);
	leave(5, id);
	assert_int_equal(delete_offset(STR("g"), STR("t"), &code), 0);
	assert_int_equal(code, 0);
	assert_int_equal(fetch(9, STR("g"), false), -1);
}

static void a_deleted_topic_takes_its_offsets_along(void **state)
{
	struct str name = STR("t");
	struct delete_topics_req ask;
	struct delete_topics_res res;
	struct whole_call call;

	assert_int_equal(commit(9, STR("g"), STR(""), -1, 0, 42), 0);
	delete_topics_req_init(&ask);
	ask.topic_names = &name;
	ask.topic_names_len = 1;
	ask.timeout_ms = 1000;
	ASK(&call, &ask, &res, delete_topics, DELETE_TOPICS, 5);
	assert_int_equal(res.responses[0].error_code, 0);
	whole_end(&call);
	whole_make_topic(&whole, "t", 1);
	assert_int_equal(fetch(9, STR("g"), false), -1);
}

static void coordinators_are_found_one_by_one_and_together(void **state)
{
	struct str keys[2] = {STR("g"), STR("")};

	for (int v = 0; v <= FIND_COORDINATOR_MAX_VERSION; v++) {
		struct find_coordinator_req ask;
		struct find_coordinator_res res;
		struct whole_call call;

		find_coordinator_req_init(&ask);
		ask.key = STR("g");
		ask.coordinator_keys = keys;
		ask.coordinator_keys_len = 2;
		ASK(&call, &ask, &res, find_coordinator, FIND_COORDINATOR, v);
		if (v < 4) {
			assert_int_equal(res.node_id, 1);
			assert_int_equal(res.port, 9092);
		} else {
			assert_int_equal(res.coordinators_len, 2);
			assert_int_equal(res.coordinators[1].node_id, 1);
		}
		whole_end(&call);
		ask.key_type = 5;
		if (v == 0)
			continue;
		ASK(&call, &ask, &res, find_coordinator, FIND_COORDINATOR, v);
		assert_int_equal(v < 4 ? res.error_code : res.coordinators[0].error_code,
				 INVALID_REQUEST);
		whole_end(&call);
	}
}

static void begin_join(struct whole_call *call, struct str member_id)
{
	struct join_group_req ask;

	fill_join(&ask, member_id);
	whole_begin(&whole, call, JOIN_GROUP_API_KEY, 3);
	join_group_req_encode(&ask, &call->frame, 3);
	whole_send(call);
}

static void a_member_waits_for_the_others(void **state)
{
	int32_t generation;
	struct str id = make_stable(3, &generation);
	struct whole_call waiting;

	begin_join(&waiting, STR(""));
	for (int i = 0; i < 5; i++)
		whole_turn(&whole);
	assert_false(waiting.done);
	assert_int_equal(heartbeat(4, id, generation), 27);
	assert_int_equal(join(3, id).generation_id, generation + 1);
	while (!waiting.done)
		whole_turn(&whole);
	/* Sent and not asked, so its answer is read here. */
	assert_int_equal(waiting.req.close, false);
	whole_end(&waiting);
}

static void a_client_that_goes_while_it_waits(void **state)
{
	int32_t generation;
	struct str id = make_stable(3, &generation);
	struct whole_call waiting;

	begin_join(&waiting, STR(""));
	whole_turn(&whole);
	waiting.req.abandoned = true; /* parked elsewhere, it comes home when its time comes */
	assert_int_equal(join(3, id).generation_id, generation + 1);
	while (!waiting.done)
		whole_turn(&whole);
	whole_end(&waiting);
}

static void stopping_answers_who_waits(void **state)
{
	int32_t generation;
	struct whole_call waiting;

	make_stable(3, &generation);
	begin_join(&waiting, STR(""));
	whole_turn(&whole);
	whole_restart(&whole);
	assert_true(waiting.done);
	whole_end(&waiting);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_member_lives_through_every_version),
	    TEST(groups_are_described_in_every_version),
	    TEST(groups_are_listed_by_state_and_type),
	    TEST(offsets_survive_a_restart),
	    TEST(offsets_are_refused_as_kafka_refuses_them),
	    TEST(sync_needs_the_protocol_from_v5_on),
	    TEST(offsets_are_deleted),
	    TEST(a_deleted_topic_takes_its_offsets_along),
	    TEST(coordinators_are_found_one_by_one_and_together),
	    TEST(a_member_waits_for_the_others),
	    TEST(a_client_that_goes_while_it_waits),
	    TEST(stopping_answers_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
