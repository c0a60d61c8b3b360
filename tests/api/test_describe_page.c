/* DescribeTopicPartitions: pages of so many partitions, and where the next one begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "proto/describe_topic_partitions.h"
#include "tests/api/whole_ask.h"

static struct whole whole;

static int setup(void **state)
{
	whole_open(&whole, NULL);
	whole_make_topic(&whole, "a", 2);
	whole_make_topic(&whole, "b", 1);
	return 0;
}

static int teardown(void **state)
{
	whole_close(&whole);
	return 0;
}

/* A page of all topics from this partition of `a` on. */
static void ask_page(struct arena *arena, int32_t partition, int32_t limit,
		     struct describe_topic_partitions_res *page)
{
	struct describe_topic_partitions_req_cursor cursor;
	struct describe_topic_partitions_req ask;
	struct whole_call call;

	describe_topic_partitions_req_init(&ask);
	describe_topic_partitions_req_cursor_init(&cursor);
	cursor.topic_name = STR("a");
	cursor.partition_index = partition;
	ask.cursor = &cursor;
	ask.response_partition_limit = limit;
	WHOLE_ASK(&whole, arena, &call, &ask, page, describe_topic_partitions,
		  DESCRIBE_TOPIC_PARTITIONS, 0);
	whole_end(&call);
}

static void a_page_ends_within_a_topic(void **state)
{
	struct describe_topic_partitions_res page;
	struct arena arena;

	arena_init(&arena, 65536);
	ask_page(&arena, 0, 1, &page);
	assert_int_equal(page.topics_len, 1);
	assert_int_equal(page.topics[0].partitions_len, 1);
	assert_non_null(page.next_cursor);
	assert_int_equal(page.next_cursor->partition_index, 1);
	arena_fini(&arena);
}

static void a_page_from_behind_a_topics_last_partition(void **state)
{
	struct describe_topic_partitions_res page;
	struct arena arena;

	arena_init(&arena, 65536);
	ask_page(&arena, 7, 1, &page);
	assert_int_equal(page.topics_len, 2);
	assert_int_equal(page.topics[0].partitions_len, 0);
	assert_int_equal(page.topics[1].partitions_len, 1);
	assert_null(page.next_cursor);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_page_ends_within_a_topic, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_page_from_behind_a_topics_last_partition, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
