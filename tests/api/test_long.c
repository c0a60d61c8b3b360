/* Long requests: worked on in slices, so that other connections have their turns between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/create_topics.h"
#include "proto/describe_configs.h"
#include "tests/api/whole.h"

/* So many that no machine does them in one slice. */
#define RESOURCES 10000
#define TOPICS	  700

static struct whole whole;

static int setup(void **state)
{
	whole_open(&whole, NULL);
	return 0;
}

static int teardown(void **state)
{
	whole_close(&whole);
	return 0;
}

static void begin_describe(struct whole_call *call)
{
	struct describe_configs_req_describe_configs_resource *resources;
	struct describe_configs_req ask;

	resources = calloc(RESOURCES, sizeof(*resources));
	assert_non_null(resources);
	for (size_t i = 0; i < RESOURCES; i++) {
		describe_configs_req_describe_configs_resource_init(&resources[i]);
		resources[i].resource_type = 2;
		resources[i].resource_name = STR("t");
	}
	describe_configs_req_init(&ask);
	ask.resources = resources;
	ask.resources_len = RESOURCES;
	ask.include_synonyms = true;
	whole_begin(&whole, call, DESCRIBE_CONFIGS_API_KEY, DESCRIBE_CONFIGS_MAX_VERSION);
	describe_configs_req_encode(&ask, &call->frame, DESCRIBE_CONFIGS_MAX_VERSION);
	free(resources);
}

static void describes_many_resources_in_slices(void **state)
{
	struct describe_configs_res answer;
	struct whole_call call;
	int turns = 0;

	whole_make_topic(&whole, "t", 1);
	begin_describe(&call);
	whole_send(&call);
	for (; !call.done; turns++)
		whole_turn(&whole);
	assert_true(turns > 1);
	call.body = rd_of(wr_written(&call.req.out));
	(void)rd_int32(&call.body);
	rd_skip_tags(&call.body);
	assert_int_equal(describe_configs_res_decode(&answer, &call.body,
						     DESCRIBE_CONFIGS_MAX_VERSION, &call.req.arena),
			 ERR_OK);
	assert_int_equal(answer.results_len, RESOURCES);
	assert_int_equal(answer.results[RESOURCES - 1].error_code, 0);
	assert_true(answer.results[RESOURCES - 1].configs_len > 30);
	whole_end(&call);
}

static void a_lost_connection_ends_the_description(void **state)
{
	struct whole_call call;

	whole_make_topic(&whole, "t", 1);
	begin_describe(&call);
	whole_send(&call);
	assert_false(call.done);
	whole_abandon(&call);
	whole_end(&call);
}

static void begin_create(struct whole_call *call, bool validate_only)
{
	struct create_topics_req_creatable_topic *topics = calloc(TOPICS, sizeof(*topics));
	struct create_topics_req ask;
	char(*names)[32] = calloc(TOPICS, sizeof(*names));

	assert_true(topics != NULL && names != NULL);
	for (size_t i = 0; i < TOPICS; i++) {
		snprintf(names[i], sizeof(names[i]), "t-%zu", i);
		create_topics_req_creatable_topic_init(&topics[i]);
		topics[i].name = str_of(names[i]);
		topics[i].num_partitions = 1;
		topics[i].replication_factor = 1;
	}
	topics[TOPICS / 2].num_partitions = 0; /* one that is refused */
	create_topics_req_init(&ask);
	ask.topics = topics;
	ask.topics_len = TOPICS;
	ask.validate_only = validate_only;
	whole_begin(&whole, call, CREATE_TOPICS_API_KEY, CREATE_TOPICS_MAX_VERSION);
	create_topics_req_encode(&ask, &call->frame, CREATE_TOPICS_MAX_VERSION);
	free(topics);
	free(names);
}

static void create(bool validate_only, int code)
{
	struct create_topics_res answer;
	struct whole_call call;

	begin_create(&call, validate_only);
	whole_ask(&call);
	assert_int_equal(create_topics_res_decode(&answer, &call.body, CREATE_TOPICS_MAX_VERSION,
						  &call.req.arena),
			 ERR_OK);
	assert_int_equal(answer.topics_len, TOPICS);
	for (size_t i = 0; i < TOPICS; i++)
		assert_int_equal(answer.topics[i].error_code, i == TOPICS / 2 ? 37 : code);
	whole_end(&call);
}

static void makes_many_topics_in_portions(void **state)
{
	create(true, 0);
	create(false, 0);
	create(false, 36);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(describes_many_resources_in_slices),
	    TEST(a_lost_connection_ends_the_description),
	    TEST(makes_many_topics_in_portions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
