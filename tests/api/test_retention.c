/*
 * Retention, deletion and full disks through the whole broker: what clients and the directory see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "proto/delete_topics.h"
#include "proto/fetch.h"
#include "proto/find_coordinator.h"
#include "proto/offset_commit.h"
#include "tests/api/whole_ask.h"

/* By name, so that tests need not ask for topic ids. */
#define LIST_VERSION   5
#define DELETE_VERSION 5
#define COMMIT_VERSION 7
#define PATIENCE_MS    60000

static struct whole whole;

/* -- asking -------------------------------------------------------------------------------- */

static int produce_at(const char *name, int64_t timestamp)
{
	return whole_produce(&whole, name, 0, timestamp);
}

static int64_t earliest(const char *name)
{
	return whole_list(&whole, name, -2, LIST_VERSION);
}

/* It wants more than the few records that these tests write. */
static void begin_fetch(struct whole_call *call, const char *name, int64_t offset, int32_t wait_ms)
{
	whole_begin_fetch(&whole, call, name, 0, offset, wait_ms, 1000);
}

static int end_fetch(struct whole_call *call)
{
	struct fetch_res answer;
	int code;

	assert_int_equal(fetch_res_decode(&answer, &call->body, WHOLE_FETCH_VERSION,
					  &call->req.arena),
			 ERR_OK);
	code = answer.responses[0].partitions[0].error_code;
	whole_end(call);
	return code;
}

/* The first asking makes the topic of the offsets. */
static void find_coordinator(void)
{
	struct find_coordinator_req ask;
	struct find_coordinator_res answer;
	struct whole_call call;
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;
	int code;

	do {
		assert_true(clock_mono_ms(&clock_real) < until);
		whole_begin(&whole, &call, FIND_COORDINATOR_API_KEY, 0);
		find_coordinator_req_init(&ask);
		ask.key = STR("g");
		find_coordinator_req_encode(&ask, &call.frame, 0);
		whole_ask(&call);
		assert_int_equal(find_coordinator_res_decode(&answer, &call.body, 0,
							     &call.req.arena),
				 ERR_OK);
		code = answer.error_code;
		whole_end(&call);
	} while (code != 0);
}

/* Offset 0 of a group without members. */
static int commit_offset(const char *name)
{
	struct offset_commit_req_offset_commit_request_partition part;
	struct offset_commit_req_offset_commit_request_topic topic;
	struct offset_commit_req ask;
	struct offset_commit_res answer;
	struct whole_call call;
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;
	int code;

	find_coordinator();
	do {
		assert_true(clock_mono_ms(&clock_real) < until);
		whole_begin(&whole, &call, OFFSET_COMMIT_API_KEY, COMMIT_VERSION);
		offset_commit_req_init(&ask);
		offset_commit_req_offset_commit_request_topic_init(&topic);
		offset_commit_req_offset_commit_request_partition_init(&part);
		part.committed_offset = 0;
		topic.name = str_of(name);
		topic.partitions = &part;
		topic.partitions_len = 1;
		ask.group_id = STR("g");
		ask.generation_id_or_member_epoch = -1;
		ask.topics = &topic;
		ask.topics_len = 1;
		offset_commit_req_encode(&ask, &call.frame, COMMIT_VERSION);
		whole_ask(&call);
		assert_int_equal(offset_commit_res_decode(&answer, &call.body, COMMIT_VERSION,
							  &call.req.arena),
				 ERR_OK);
		code = answer.topics[0].partitions[0].error_code;
		whole_end(&call);
	} while (code == 14 || code == 15 || code == 16); /* the coordinator is on its way */
	return code;
}

static void delete_topic(const char *name)
{
	struct delete_topics_req ask;
	struct delete_topics_res answer;
	struct whole_call call;
	struct str names[1] = {str_of(name)};

	whole_begin(&whole, &call, DELETE_TOPICS_API_KEY, DELETE_VERSION);
	delete_topics_req_init(&ask);
	ask.topic_names = names;
	ask.topic_names_len = 1;
	ask.timeout_ms = 10000;
	delete_topics_req_encode(&ask, &call.frame, DELETE_VERSION);
	whole_ask(&call);
	assert_int_equal(delete_topics_res_decode(&answer, &call.body, DELETE_VERSION,
						  &call.req.arena),
			 ERR_OK);
	assert_int_equal(answer.responses[0].error_code, 0);
	whole_end(&call);
}

/* -- the directory ------------------------------------------------------------------------- */

/* How many names in this directory of the broker's contain the text. */
static size_t count_names(const char *dir, const char *text)
{
	char *path = file_path(whole.dir, dir), **names;
	size_t names_len, count = 0;
	enum err err = file_list(path, &names, &names_len);

	free(path);
	if (err == ERR_NOFILE)
		return 0;
	assert_int_equal(err, ERR_OK);
	for (size_t i = 0; i < names_len; i++)
		count += strstr(names[i], text) != NULL;
	file_list_free(names, names_len);
	return count;
}

/* Turns until so many names are there. */
static void wait_names(const char *dir, const char *text, size_t count)
{
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	while (count_names(dir, text) != count) {
		assert_true(clock_mono_ms(&clock_real) < until);
		whole_turn(&whole);
		usleep(1000);
	}
}

static void wait_earliest(const char *name, int64_t offset)
{
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	while (earliest(name) != offset) {
		assert_true(clock_mono_ms(&clock_real) < until);
		whole_turn(&whole);
		usleep(1000);
	}
}

/* -- tests --------------------------------------------------------------------------------- */

static void old_records_go_and_the_offsets_go_on(void **state)
{
	static const char *const settings[] = {"log.initial.task.delay.ms=0",
					       "log.retention.check.interval.ms=20",
					       "log.segment.delete.delay.ms=0", NULL};
	struct whole_call call;

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 1);
	assert_int_equal(produce_at("t", 1000), 0); /* of 1970 */
	wait_earliest("t", 1);
	wait_names("t-0", "00000000000000000000", 0);
	assert_int_equal(count_names("t-0", "00000000000000000001.log"), 1);
	begin_fetch(&call, "t", 0, 0);
	whole_ask(&call);
	assert_int_equal(end_fetch(&call), 1); /* OFFSET_OUT_OF_RANGE */
	whole_restart(&whole);
	assert_int_equal(earliest("t"), 1);
	assert_int_equal(produce_at("t", clock_wall_ms(&clock_real)), 0);
	begin_fetch(&call, "t", 1, 0);
	whole_ask(&call);
	assert_int_equal(end_fetch(&call), 0);
	whole_close(&whole);
}

static void a_fetch_that_waits_hears_that_its_offset_is_gone(void **state)
{
	static const char *const settings[] = {"log.initial.task.delay.ms=300",
					       "log.retention.check.interval.ms=20", NULL};
	struct whole_call call;
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 1);
	assert_int_equal(produce_at("t", 1000), 0);
	begin_fetch(&call, "t", 0, 10 * PATIENCE_MS); /* fewer bytes than it wants */
	whole_send(&call);
	while (!call.done) {
		assert_true(clock_mono_ms(&clock_real) < until);
		whole_turn(&whole);
		usleep(1000);
	}
	whole_await(&call);
	assert_int_equal(end_fetch(&call), 1);
	whole_close(&whole);
}

static void dropped_segments_wait_for_their_delay(void **state)
{
	static const char *const settings[] = {"log.initial.task.delay.ms=0",
					       "log.retention.check.interval.ms=20",
					       "log.segment.delete.delay.ms=3600000", NULL};

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 1);
	assert_int_equal(produce_at("t", 1000), 0);
	wait_names("t-0", "00000000000000000000.log.deleted", 1);
	whole_restart(&whole); /* a start clears up */
	wait_names("t-0", ".deleted", 0);
	whole_close(&whole);
}

static void a_deleted_topic_waits_for_its_delay(void **state)
{
	static const char *const settings[] = {"log.segment.delete.delay.ms=3600000", NULL};

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 3);
	delete_topic("t");
	wait_names(".", "-delete", 3);
	whole_make_topic(&whole, "t", 1);
	assert_int_equal(count_names(".", "t-0"), 2);
	whole_restart(&whole); /* a start clears up */
	wait_names(".", "-delete", 0);
	assert_int_equal(count_names(".", "t-0"), 1);
	whole_close(&whole);
}

static void a_deleted_topic_goes_after_its_delay(void **state)
{
	static const char *const settings[] = {"log.segment.delete.delay.ms=30", NULL};

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 3);
	assert_int_equal(produce_at("t", 1000), 0);
	delete_topic("t");
	wait_names(".", "t-", 0);
	whole_close(&whole);
}

/* -- full disks ---------------------------------------------------------------------------- */

#define KAFKA_STORAGE_ERROR 56

/* The first may come before anybody has looked at the disk. */
static void wait_refused(const char *name)
{
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	while (produce_at(name, clock_wall_ms(&clock_real)) != KAFKA_STORAGE_ERROR) {
		assert_true(clock_mono_ms(&clock_real) < until);
		usleep(1000);
	}
}

static void below_the_floor_all_but_producing_goes_on(void **state)
{
	static const char *const settings[] = {"log.dirs.min.free.bytes=9000000000000000000",
					       "log.segment.delete.delay.ms=3600000", NULL};
	struct whole_call call;

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 1);
	wait_refused("t");
	assert_int_equal(produce_at("t", 1000), KAFKA_STORAGE_ERROR);
	begin_fetch(&call, "t", 0, 0);
	whole_ask(&call);
	assert_int_equal(end_fetch(&call), 0);
	assert_int_equal(commit_offset("t"), 0);
	delete_topic("t");
	wait_names(".", "t-0", 0); /* and nothing waits while space is short */
	whole_close(&whole);
}

static void the_oldest_segments_make_room_under_a_budget(void **state)
{
	/* A segment for each record, of 69 bytes: the budget holds five. */
	static const char *const settings[] = {"log.roll.ms=1", "log.dirs.max.bytes=350", NULL};
	int64_t now = clock_wall_ms(&clock_real) - 1000000, first;
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS, count = 0;

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "old", 1);
	whole_make_topic(&whole, "new", 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(produce_at("old", now + i * 10), 0);
	/* What is written while somebody looks counts at the next look, so the end is not exact. */
	while (count < 40 || earliest("new") < count - 5) {
		count += produce_at("new", now + 1000 + count * 10) == 0;
		assert_true(clock_mono_ms(&clock_real) < until);
		whole_turn(&whole);
		usleep(1000);
	}
	wait_earliest("old", 2); /* the active segment stays, though it is older than all others */
	first = earliest("new");
	whole_restart(&whole);
	assert_int_equal(earliest("old"), 2);
	assert_in_range(earliest("new"), first, count - 1);
	whole_close(&whole);
}

static void when_nothing_may_be_dropped_producers_are_refused(void **state)
{
	static const char *const settings[] = {"log.dirs.max.bytes=200", NULL};

	(void)state;
	whole_open(&whole, settings);
	whole_make_topic(&whole, "t", 1);
	wait_refused("t");
	assert_int_equal(earliest("t"), 0);
	delete_topic("t");
	whole_make_topic(&whole, "u", 1);
	while (produce_at("u", 1000) != 0) {
		whole_turn(&whole);
		usleep(1000);
	}
	whole_close(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(old_records_go_and_the_offsets_go_on),
	    cmocka_unit_test(a_fetch_that_waits_hears_that_its_offset_is_gone),
	    cmocka_unit_test(dropped_segments_wait_for_their_delay),
	    cmocka_unit_test(a_deleted_topic_waits_for_its_delay),
	    cmocka_unit_test(a_deleted_topic_goes_after_its_delay),
	    cmocka_unit_test(below_the_floor_all_but_producing_goes_on),
	    cmocka_unit_test(the_oldest_segments_make_room_under_a_budget),
	    cmocka_unit_test(when_nothing_may_be_dropped_producers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
