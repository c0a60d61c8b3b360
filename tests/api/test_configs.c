/*
 * DescribeConfigs, AlterConfigs and IncrementalAlterConfigs through dispatch, frame in and bytes
 * out, with a controller that only notes what it is given. Messages are those of Apache
 * Kafka 4.3.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "api/handlers.h"
#include "api/loggers.h"
#include "base/log.h"
#include "meta/config.h"
#include "meta/controller.h"
#include "meta/image_apply.h"
#include "meta/mrec.h"
#include "partition/append_turn.h"
#include "proto/alter_configs.h"
#include "proto/config_record.h"
#include "proto/describe_configs.h"
#include "proto/incremental_alter_configs.h"
#include "proto/topic_record.h"
#include "tests/assert_str.h"

#define CODE_UNKNOWN_TOPIC   3
#define CODE_INVALID_CONFIG  40
#define CODE_INVALID_REQUEST 42

const struct api_handler *const api_table[] = {&api_describe_configs, &api_alter_configs,
					       &api_incremental_alter_configs, NULL};

void append_turn_flush(struct append_turn *turn)
{
}

/* -- the controller ------------------------------------------------------------------------ */

static struct {
	struct controller_config_resource resources[8];
	size_t len;
	bool validate_only;
	enum err err; /* for every resource */
	struct controller_wait *wait;
} seen;

void controller_alter_configs(struct controller *ctl, struct arena *arena,
			      struct controller_config_resource *resources, size_t resources_len,
			      bool validate_only)
{
	assert_true(resources_len <= ARRAY_LEN(seen.resources));
	for (size_t i = 0; i < resources_len; i++) {
		resources[i].err = seen.err;
		resources[i].message = seen.err == ERR_OK ? STR_NULL : STR("no");
		seen.resources[i] = resources[i];
	}
	seen.len = resources_len;
	seen.validate_only = validate_only;
}

enum err controller_check_name(struct arena *arena, struct str name, struct str *message)
{
	*message = str_eq(name, STR("bad!")) ? STR("bad name") : STR_NULL;
	return message->ptr == NULL ? ERR_OK : ERR_INVALID_TOPIC_EXCEPTION;
}

void controller_commit(struct controller *ctl, struct controller_wait *wait)
{
	seen.wait = wait;
}

/* -- a broker without a socket ------------------------------------------------------------- */

struct world {
	struct api api;
	struct api_loop al;
	struct image *image;
	struct req req;
	struct wr frame;
	bool done;
};

static struct world world;

static void on_done(struct req *req)
{
	world.done = true;
}

static void apply(struct mrec_list *list)
{
	char message[IMAGE_MESSAGE_SIZE];
	struct arena arena;

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < list->len; i++)
		assert_int_equal(image_apply(world.image, mrec_at(list, i), NULL, &arena, message),
				 ERR_OK);
	arena_fini(&arena);
}

static void make_image(void)
{
	struct topic_record topic;
	struct config_record config;
	struct mrec_list list;

	world.image = image_new(STR("c"));
	mrec_list_init(&list);
	topic_record_init(&topic);
	topic.name = STR("t1");
	topic.topic_id = uuid_of(7, 7);
	topic_record_encode(&topic, mrec_begin(&list, TOPIC_RECORD_API_KEY, 0), 0);
	mrec_end(&list);
	config_record_init(&config);
	config.resource_type = 2;
	config.resource_name = STR("t1");
	config.name = STR("retention.ms");
	config.value = STR("1000");
	config_record_encode(&config, mrec_begin(&list, CONFIG_RECORD_API_KEY, 0), 0);
	mrec_end(&list);
	apply(&list);
	mrec_list_fini(&list);
}

static int set_up(void **state)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config *cfg = config_new();

	memset(&world, 0, sizeof(world));
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(config_finish(cfg, message), ERR_OK);
	world.api = (struct api){.clock = &clock_real, .config = cfg, .node_id = 1};
	world.api.control = &world.al;
	world.al.api = &world.api;
	world.al.loop = loop_new("test", &clock_real);
	loop_set_user(world.al.loop, &world.al);
	make_image();
	world.al.image = world.image;
	arena_init(&world.req.arena, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	wr_fini(&world.frame);
	wr_fini(&world.req.out);
	arena_fini(&world.req.arena);
	loop_free(world.al.loop);
	config_free((struct config *)(uintptr_t)world.api.config);
	image_unref(world.image);
	return 0;
}

/* Starts a frame; the body follows in the writer. */
static struct wr *frame_begin(int16_t key, int16_t version, bool flexible)
{
	wr_fini(&world.frame);
	wr_init(&world.frame, 1 << 20);
	wr_int16(&world.frame, key);
	wr_int16(&world.frame, version);
	wr_int32(&world.frame, 5);
	wr_str(&world.frame, STR("client"), false, true);
	if (flexible)
		wr_uvarint(&world.frame, 0);
	return &world.frame;
}

/* Dispatches it; the answer's body, behind the header. */
static struct rd run(bool flexible)
{
	int64_t until_ms = clock_mono_ms(&clock_real) + 60000;
	struct rd rd;

	wr_fini(&world.req.out);
	arena_fini(&world.req.arena);
	world.done = false;
	world.req = (struct req){.magic = REQ_MAGIC,
				 .loop = world.al.loop,
				 .frame = wr_written(&world.frame),
				 .listener = STR("PLAINTEXT"),
				 .client_address = STR("127.0.0.1"),
				 .on_done = on_done};
	arena_init(&world.req.arena, 64 << 20);
	api_dispatch(&world.al, &world.req);
	if (!world.done && seen.wait != NULL)
		seen.wait->done(seen.wait, ERR_OK);
	/* To describe much takes several turns on a slow machine. */
	while (!world.done && clock_mono_ms(&clock_real) < until_ms)
		loop_turn(world.al.loop, false);
	assert_true(world.done);
	assert_false(world.req.close);
	rd = rd_of(wr_written(&world.req.out));
	assert_int_equal(rd_int32(&rd), 5);
	if (flexible)
		rd_skip_tags(&rd);
	return rd;
}

/* -- DescribeConfigs ----------------------------------------------------------------------- */

static struct arena decoded;

static struct describe_configs_res describe(int version, struct describe_configs_req *in)
{
	bool flexible = version >= DESCRIBE_CONFIGS_FLEXIBLE_VERSION;
	struct describe_configs_res res;
	struct rd rd;

	describe_configs_req_encode(
	    in, frame_begin(DESCRIBE_CONFIGS_API_KEY, (int16_t)version, flexible), version);
	rd = run(flexible);
	assert_int_equal(describe_configs_res_decode(&res, &rd, version, &decoded), ERR_OK);
	assert_int_equal(rd_left(&rd), 0);
	return res;
}

static void describes_in_every_version(void **state)
{
	struct str keys[] = {STR("retention.ms"), STR("segment.bytes")};
	struct describe_configs_req_describe_configs_resource resources[2];
	struct describe_configs_req in;

	arena_init(&decoded, 8 << 20);
	describe_configs_req_init(&in);
	in.resources = resources;
	in.resources_len = 2;
	describe_configs_req_describe_configs_resource_init(&resources[0]);
	resources[0].resource_type = CONFIG_RESOURCE_TOPIC;
	resources[0].resource_name = STR("t1");
	resources[0].configuration_keys = keys;
	resources[0].configuration_keys_len = 2;
	resources[1] = resources[0];
	resources[1].resource_name = STR("nope");
	for (int version = DESCRIBE_CONFIGS_MIN_VERSION; version <= DESCRIBE_CONFIGS_MAX_VERSION;
	     version++) {
		struct describe_configs_res res;
		const struct describe_configs_res_describe_configs_resource_result *config;
		in.include_synonyms = version > 1;
		in.include_documentation = version == 4;
		res = describe(version, &in);
		assert_int_equal(res.results_len, 2);
		assert_int_equal(res.results[0].error_code, 0);
		assert_int_equal(res.results[0].configs_len, 2);
		config = &res.results[0].configs[1]; /* behind segment.bytes */
		assert_str(config->name, "retention.ms");
		assert_str(config->value, "1000");
		assert_int_equal(config->config_source, CONFIG_SOURCE_TOPIC);
		assert_int_equal(config->synonyms_len, version > 1);
		if (version >= 3) {
			assert_int_equal(config->config_type, CONFIG_TYPE_LONG);
			assert_int_equal(config->documentation.ptr != NULL, version == 4);
		}
		assert_int_equal(res.results[1].error_code, CODE_UNKNOWN_TOPIC);
		assert_str(res.results[1].resource_name, "nope");
		assert_int_equal(res.results[1].configs_len, 0);
	}
	arena_fini(&decoded);
}

static void describes_all_or_says_why_not(void **state)
{
	static const struct {
		int8_t type;
		const char *name;
		int16_t code;
		const char *message;
		size_t configs;
	} cases[] = {
	    {2, "t1", 0, "", 33},
	    {2, "bad!", 17, "bad name", 0},
	    {4, "1", 0, "", 340},
	    {4, "", 0, "", 0},
	    {4, "9", 42, "Unexpected broker id, expected 1 or empty string, but received 9", 0},
	    {4, "abc", 42, "Broker id must be an integer, but it is: abc", 0},
	    {8, "1", 0, "", 1},
	    {8, "", 42, "Broker id must not be empty", 0},
	    {8, "9", 42, "Unexpected broker id, expected 1 but received 9", 0},
	    {16, "cm", 0, "", 3},
	    {16, "", 42, "Client metrics subscription name must not be empty", 0},
	    {32, "g", 0, "", 17},
	    {32, "", 42, "Group name must not be empty", 0},
	    {3, "x", 42,
	     "This most likely occurs because of a request being malformed by the client library "
	     "or the message was sent to an incompatible broker. See the broker logs for more "
	     "details.",
	     0},
	};
	struct describe_configs_req_describe_configs_resource resources[ARRAY_LEN(cases)];
	struct describe_configs_req in;
	struct describe_configs_res res;

	arena_init(&decoded, 8 << 20);
	describe_configs_req_init(&in);
	in.resources = resources;
	in.resources_len = ARRAY_LEN(cases);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		describe_configs_req_describe_configs_resource_init(&resources[i]);
		resources[i].resource_type = cases[i].type;
		resources[i].resource_name = str_of(cases[i].name);
		resources[i].configuration_keys = NULL;
	}
	res = describe(4, &in);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(res.results[i].error_code, cases[i].code);
		assert_str(res.results[i].error_message, cases[i].message);
		assert_int_equal(res.results[i].configs_len, cases[i].configs);
		assert_int_equal(res.results[i].resource_type, cases[i].type);
	}
	arena_fini(&decoded);
}

/* -- changes ------------------------------------------------------------------------------- */

struct change {
	int8_t op;
	const char *name, *value;
};

struct resource {
	int8_t type;
	const char *name;
	struct change changes[3];
	int16_t code;
	const char *message; /* NULL: none */
	bool submitted;
};

static struct rd alter(int version, const struct resource *all, size_t len, bool validate_only)
{
	struct incremental_alter_configs_req_alter_configs_resource resources[16];
	struct incremental_alter_configs_req_alterable_config configs[16][3];
	struct incremental_alter_configs_req in;

	incremental_alter_configs_req_init(&in);
	in.resources = resources;
	in.resources_len = len;
	in.validate_only = validate_only;
	for (size_t i = 0; i < len; i++) {
		incremental_alter_configs_req_alter_configs_resource_init(&resources[i]);
		resources[i].resource_type = all[i].type;
		resources[i].resource_name = str_of(all[i].name);
		resources[i].configs = configs[i];
		for (; resources[i].configs_len < 3; resources[i].configs_len++) {
			const struct change *change = &all[i].changes[resources[i].configs_len];
			if (change->name == NULL)
				break;
			configs[i][resources[i].configs_len] =
			    (struct incremental_alter_configs_req_alterable_config){
				.name = str_of(change->name),
				.value = str_of(change->value),
				.config_operation = change->op};
		}
	}
	incremental_alter_configs_req_encode(&in,
					     frame_begin(INCREMENTAL_ALTER_CONFIGS_API_KEY,
							 (int16_t)version, version >= 1),
					     version);
	return run(version >= 1);
}

static void expect_altered(const struct resource *all, size_t len)
{
	struct incremental_alter_configs_res res;
	size_t submitted = 0;
	struct rd rd = alter(1, all, len, false);

	arena_init(&decoded, 1 << 20);
	assert_int_equal(incremental_alter_configs_res_decode(&res, &rd, 1, &decoded), ERR_OK);
	assert_int_equal(res.responses_len, len);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(res.responses[i].error_code, all[i].code);
		if (all[i].message != NULL)
			assert_str(res.responses[i].error_message, all[i].message);
		else
			assert_null(res.responses[i].error_message.ptr);
		assert_int_equal(res.responses[i].resource_type, all[i].type);
		assert_str(res.responses[i].resource_name, all[i].name);
		if (all[i].submitted)
			assert_str(seen.resources[submitted++].name, all[i].name);
	}
	assert_int_equal(seen.len, submitted);
	arena_fini(&decoded);
}

static void changes_reach_the_controller(void **state)
{
	static const struct resource all[] = {
	    {2, "t1", {{0, "retention.ms", "5"}, {1, "segment.ms", NULL}}, 0, NULL, true},
	    {2,
	     "t2",
	     {{0, "a", "1"}, {0, "a", "2"}},
	     42,
	     "Error due to duplicate config keys",
	     false},
	    {2,
	     "t3",
	     {{2, "cleanup.policy", NULL}},
	     42,
	     "Null value not supported for : cleanup.policy",
	     false},
	    {4,
	     "9",
	     {{0, "a", "1"}},
	     42,
	     "Unexpected broker id, expected 1, but received 9",
	     false},
	    {4, "abc", {{0, "a", "1"}}, 42, "Node id must be an integer, but it is: abc", false},
	    {4, "", {{0, "a", "1"}}, 0, NULL, true},
	    {0, "x", {{0, "a", "1"}}, 42, "Unknown resource type 0", false},
	    {32, "g", {{0, "a", "1"}}, 0, NULL, true},
	};

	expect_altered(all, ARRAY_LEN(all));
	assert_int_equal(seen.resources[0].changes_len, 2);
	assert_int_equal(seen.resources[0].changes[1].op, CONTROLLER_CONFIG_DELETE);
	assert_false(seen.resources[0].replace);
	assert_non_null(seen.wait);
}

static void refusals_of_the_controller_are_told(void **state)
{
	static const struct resource all[] = {{2, "t1", {{0, "x", "5"}}, 40, "no", true}};

	seen.err = ERR_INVALID_CONFIG;
	expect_altered(all, ARRAY_LEN(all));
}

static void a_resource_named_twice_is_refused(void **state)
{
	static const struct resource all[] = {
	    {2, "t1", {{0, "x", "5"}}, 42, "Each resource must appear at most once.", false},
	    {2, "t2", {{0, "x", "5"}}, 0, NULL, true},
	    {2, "t1", {{0, "x", "6"}}, 42, "Each resource must appear at most once.", false},
	};

	expect_altered(all, ARRAY_LEN(all));
}

static void loggers_are_changed_here(void **state)
{
	static const struct resource all[] = {{8, "1", {{0, "root", "ERROR"}}, 0, NULL, false}};
	static const struct resource one[] = {
	    {8, "1", {{0, "nologger", "INFO"}}, 40, "Logger nologger does not exist!", false}};
	static const struct resource two[] = {{8,
					       "1",
					       {{0, "root", "FOO"}},
					       40,
					       "Cannot set the log level of root to FOO as it is "
					       "not a supported log level. Valid log levels "
					       "are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
					       false}};
	static const struct resource three[] = {
	    {8,
	     "1",
	     {{1, "root", ""}},
	     42,
	     "Removing the log level of the root logger is not allowed",
	     false}};
	static const struct resource four[] = {
	    {8,
	     "1",
	     {{2, "root", "INFO"}},
	     42,
	     "APPEND operation is not allowed for the BROKER_LOGGER resource",
	     false}};
	static const struct resource five[] = {{8,
						"9",
						{{0, "root", "INFO"}},
						42,
						"Unexpected node id. Expected 1, but received 9",
						false}};

	expect_altered(all, 1);
	assert_string_equal(loggers_level(), "ERROR");
	expect_altered(one, 1);
	expect_altered(two, 1);
	expect_altered(three, 1);
	expect_altered(four, 1);
	expect_altered(five, 1);
	assert_string_equal(loggers_level(), "ERROR");
	assert_int_equal(loggers_set_level(STR("INFO")), ERR_OK);
}

static void validate_only_waits_for_nothing(void **state)
{
	static const struct resource all[] = {{2, "t1", {{0, "x", "5"}}, 0, NULL, true},
					      {8, "1", {{0, "root", "TRACE"}}, 0, NULL, false}};
	struct incremental_alter_configs_res res;
	struct rd rd = alter(0, all, 2, true);

	arena_init(&decoded, 1 << 20);
	assert_int_equal(incremental_alter_configs_res_decode(&res, &rd, 0, &decoded), ERR_OK);
	assert_int_equal(res.responses[0].error_code, 0);
	assert_true(seen.validate_only);
	assert_null(seen.wait);
	assert_string_equal(loggers_level(), "INFO");
	arena_fini(&decoded);
}

static void the_old_way_replaces(void **state)
{
	struct alter_configs_req_alterable_config configs[1] = {{STR("retention.ms"), STR("5")}};
	struct alter_configs_req_alterable_config logger[1] = {{STR("root"), STR("INFO")}};
	struct alter_configs_req_alter_configs_resource resources[2];
	struct alter_configs_req in;

	alter_configs_req_init(&in);
	in.resources = resources;
	in.resources_len = 2;
	resources[0] = (struct alter_configs_req_alter_configs_resource){2, STR("t1"), configs, 1};
	resources[1] = (struct alter_configs_req_alter_configs_resource){8, STR("1"), logger, 1};
	for (int version = 0; version <= ALTER_CONFIGS_MAX_VERSION; version++) {
		struct alter_configs_res res;
		struct rd rd;
		alter_configs_req_encode(&in,
					 frame_begin(ALTER_CONFIGS_API_KEY, (int16_t)version,
						     version >= 2),
					 version);
		rd = run(version >= 2);
		arena_init(&decoded, 1 << 20);
		assert_int_equal(alter_configs_res_decode(&res, &rd, version, &decoded), ERR_OK);
		assert_int_equal(res.responses_len, 2);
		assert_int_equal(res.responses[0].error_code, 0);
		assert_int_equal(res.responses[1].error_code, CODE_INVALID_REQUEST);
		assert_str(res.responses[1].error_message, "Unknown resource type 8");
		assert_int_equal(seen.len, 1);
		assert_true(seen.resources[0].replace);
		arena_fini(&decoded);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(describes_in_every_version),	     TEST(describes_all_or_says_why_not),
	    TEST(changes_reach_the_controller),	     TEST(refusals_of_the_controller_are_told),
	    TEST(a_resource_named_twice_is_refused), TEST(loggers_are_changed_here),
	    TEST(validate_only_waits_for_nothing),   TEST(the_old_way_replaces),
	};
	log_set_level(LOG_LEVEL_INFO);
	return cmocka_run_group_tests_name("configs", tests, NULL, NULL);
}
