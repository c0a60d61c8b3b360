/*
 * CreateTopics, DeleteTopics and CreatePartitions through dispatch, frame in and bytes out, with a
 * real controller on a directory of its own. Codes and messages are those of Apache Kafka 4.3.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/handlers.h"
#include "base/file.h"
#include "base/log.h"
#include "meta/config.h"
#include "meta/controller.h"
#include "meta/datadir.h"
#include "partition/append_turn.h"
#include "proto/create_partitions.h"
#include "proto/create_topics.h"
#include "proto/delete_topics.h"
#include "tests/assert_str.h"

#define CODE_UNKNOWN_TOPIC	3
#define CODE_TOPIC_EXISTS	36
#define CODE_INVALID_PARTITIONS 37
#define CODE_INVALID_REQUEST	42
#define CODE_DELETION_DISABLED	73
#define CODE_UNKNOWN_TOPIC_ID	100

const struct api_handler *const api_table[] = {&api_create_topics, &api_delete_topics,
					       &api_create_partitions, NULL};

void append_turn_flush(struct append_turn *turn)
{
}

/* -- a broker without a socket ---------------------------------------------------------------- */

struct world {
	char dir[64];
	struct config *cfg;
	struct worker_pool *workers;
	struct api api;
	struct api_loop al;
	struct image_subscriber images;
	struct controller_wait wait;
	struct req req;
	struct wr frame;
	struct arena decoded;
	bool done;
};

static struct world world;

static void on_done(struct req *req)
{
	world.done = true;
}

static void on_image(struct image_subscriber *sub, const struct image *img)
{
	world.al.image = img;
}

static void on_waited(struct controller_wait *wait, enum err err)
{
	assert_int_equal(err, ERR_OK);
	world.done = true;
}

static void until_done(void)
{
	loop_turn(world.al.loop, false);
	while (!world.done)
		loop_turn(world.al.loop, true);
}

static void set(const char *name, const char *value)
{
	char message[CONFIG_MESSAGE_SIZE];
	bool unknown;

	assert_int_equal(config_set(world.cfg, str_of(name), str_of(value), "test", &unknown,
				    message),
			 ERR_OK);
}

static void start(void)
{
	static const struct image_endpoint endpoint = {{"PLAINTEXT", 9}, {"localhost", 9}, 9092, 0};
	char message[CONFIG_MESSAGE_SIZE + DATADIR_MESSAGE_SIZE];
	struct controller_options options = {.clock = &clock_real,
					     .node_id = 1,
					     .endpoints = &endpoint,
					     .endpoints_len = 1,
					     .previous_broker_epoch = -1};
	struct rnd rnd;
	struct datadir_options datadir_options = {.clock = &clock_real,
						  .rnd = &rnd,
						  .node_id = 1,
						  .controller_listener = STR("CONTROLLER"),
						  .controller_host = STR("localhost"),
						  .controller_port = 9093};
	struct datadir datadir;
	bool formatted;

	rnd_init_random(&rnd);
	assert_int_equal(config_finish(world.cfg, message), ERR_OK);
	assert_int_equal(datadir_open(world.dir, &datadir_options, &datadir, &formatted, message),
			 ERR_OK);
	world.workers = worker_pool_new(1);
	world.al.loop = loop_new("test", &clock_real);
	loop_set_user(world.al.loop, &world.al);
	options.loop = world.al.loop;
	options.workers = world.workers;
	options.config = world.cfg;
	options.log_dirs = &datadir.directory_id;
	options.log_dirs_len = 1;
	world.api = (struct api){.clock = &clock_real, .config = world.cfg, .node_id = 1};
	world.api.control = &world.al;
	world.al.api = &world.api;
	assert_int_equal(controller_open(&options, world.dir, str_of(datadir.cluster_id),
					 &world.api.controller),
			 ERR_OK);
	world.images = (struct image_subscriber){.loop = world.al.loop, .on_image = on_image};
	controller_subscribe(world.api.controller, &world.images);
	assert_int_equal(controller_start(world.api.controller), ERR_OK);
}

static int set_up(void **state)
{
	memset(&world, 0, sizeof(world));
	snprintf(world.dir, sizeof(world.dir), "/tmp/barnabas-test-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	world.cfg = config_new();
	arena_init(&world.decoded, 64 << 20);
	return 0;
}

static int tear_down(void **state)
{
	char *log_dir = file_path(world.dir, "__cluster_metadata-0");

	world.done = false;
	world.wait.done = on_waited;
	controller_commit(world.api.controller, &world.wait);
	until_done();
	worker_pool_free(world.workers);
	loop_turn(world.al.loop, false);
	assert_int_equal(controller_free(world.api.controller), ERR_OK);
	wr_fini(&world.frame);
	wr_fini(&world.req.out);
	if (world.req.magic == REQ_MAGIC)
		arena_fini(&world.req.arena);
	arena_fini(&world.decoded);
	loop_free(world.al.loop);
	config_free(world.cfg);
	assert_int_equal(file_remove_dir(log_dir), ERR_OK);
	assert_int_equal(file_remove_dir(world.dir), ERR_OK);
	free(log_dir);
	return 0;
}

/* Starts a frame; the body follows in the writer. */
static struct wr *frame_begin(int16_t key, int version, bool flexible)
{
	wr_fini(&world.frame);
	wr_init(&world.frame, 8 << 20);
	wr_int16(&world.frame, key);
	wr_int16(&world.frame, (int16_t)version);
	wr_int32(&world.frame, 5);
	wr_str(&world.frame, STR("client"), false, true);
	if (flexible)
		wr_uvarint(&world.frame, 0);
	return &world.frame;
}

/* Dispatches it; the answer's body, behind the header. */
static struct rd run(bool flexible)
{
	struct rd rd;

	wr_fini(&world.req.out);
	if (world.req.magic == REQ_MAGIC)
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
	until_done();
	assert_false(world.req.close);
	rd = rd_of(wr_written(&world.req.out));
	assert_int_equal(rd_int32(&rd), 5);
	if (flexible)
		rd_skip_tags(&rd);
	return rd;
}

/* -- CreateTopics ----------------------------------------------------------------------------- */

static struct create_topics_res create(int version, struct create_topics_req *in)
{
	bool flexible = version >= CREATE_TOPICS_FLEXIBLE_VERSION;
	struct create_topics_res res;
	struct rd rd;

	create_topics_req_encode(in, frame_begin(CREATE_TOPICS_API_KEY, version, flexible),
				 version);
	rd = run(flexible);
	assert_int_equal(create_topics_res_decode(&res, &rd, version, &world.decoded), ERR_OK);
	assert_int_equal(rd_left(&rd), 0);
	return res;
}

static struct create_topics_req_creatable_topic topic_of(const char *name, int32_t partitions)
{
	struct create_topics_req_creatable_topic topic;

	create_topics_req_creatable_topic_init(&topic);
	topic.name = str_of(name);
	topic.num_partitions = partitions;
	topic.replication_factor = -1;
	return topic;
}

static struct create_topics_req create_of(struct create_topics_req_creatable_topic *topics,
					  size_t len)
{
	struct create_topics_req in;

	create_topics_req_init(&in);
	in.topics = topics;
	in.topics_len = len;
	return in;
}

static void make_topic(const char *name, int32_t partitions)
{
	struct create_topics_req_creatable_topic topic = topic_of(name, partitions);
	struct create_topics_req in = create_of(&topic, 1);

	assert_int_equal(create(7, &in).topics[0].error_code, 0);
}

static void check_created(int version, const struct create_topics_res_creatable_topic_result *made)
{
	size_t retention = 0;

	assert_int_equal(made->error_code, 0);
	assert_null(made->error_message.ptr);
	if (version < 5)
		return;
	assert_int_equal(made->num_partitions, 3);
	assert_int_equal(made->replication_factor, 1);
	assert_true(made->configs_len > 20);
	for (size_t i = 0; i < made->configs_len; i++) {
		if (!str_eq(made->configs[i].name, STR("retention.ms")))
			continue;
		assert_str(made->configs[i].value, "7000");
		assert_int_equal(made->configs[i].config_source, CONFIG_SOURCE_TOPIC);
		retention++;
	}
	assert_int_equal(retention, 1);
	if (version >= 7)
		assert_true(
		    uuid_eq(made->topic_id, image_topic_by_name(world.al.image, made->name)->id));
}

static void creates_in_every_version(void **state)
{
	struct create_topics_req_creatable_topic_config config = {STR("retention.ms"), STR("7000")};

	start();
	for (int version = CREATE_TOPICS_MIN_VERSION; version <= 7; version++) {
		struct create_topics_req_creatable_topic topic;
		struct create_topics_req in = create_of(&topic, 1);
		char name[] = "t0";

		name[1] = (char)('0' + version);
		topic = topic_of(name, 3);
		topic.configs = &config;
		topic.configs_len = 1;
		check_created(version, &create(version, &in).topics[0]);
		assert_int_equal(image_topic_by_name(world.al.image, str_of(name))->partitions_len,
				 3);
		assert_int_equal(create(version, &in).topics[0].error_code, CODE_TOPIC_EXISTS);
	}
	assert_int_equal(image_topics_len(world.al.image), 7 - CREATE_TOPICS_MIN_VERSION + 1);
}

static void create_answers_each_name_once(void **state)
{
	struct create_topics_req_creatable_topic topics[] = {topic_of("b", 1),
							     topic_of("a", 1),
							     topic_of("b", 2),
							     topic_of("__cluster_metadata", 1),
							     topic_of("b", 1),
							     topic_of("a b", 1)};
	struct create_topics_req in = create_of(topics, ARRAY_LEN(topics));
	struct create_topics_res res;

	start();
	res = create(7, &in);
	assert_int_equal(res.topics_len, 4);
	assert_str(res.topics[0].name, "a");
	assert_int_equal(res.topics[0].error_code, 0);
	assert_str(res.topics[1].name, "a b");
	assert_int_equal(res.topics[1].error_code, 17);
	assert_str(res.topics[2].name, "b");
	assert_int_equal(res.topics[2].error_code, CODE_INVALID_REQUEST);
	assert_str(res.topics[2].error_message, "Duplicate topic name.");
	assert_str(res.topics[3].error_message,
		   "Creation of internal topic __cluster_metadata is prohibited.");
	assert_null(image_topic_by_name(world.al.image, STR("b")));
}

static void validate_only_shows_what_would_be(void **state)
{
	struct create_topics_req_creatable_topic_config config = {STR("retention.ms"), STR("7000")};
	struct create_topics_req_creatable_topic topic = topic_of("t", 3);
	struct create_topics_req in = create_of(&topic, 1);

	start();
	topic.configs = &config;
	topic.configs_len = 1;
	in.validate_only = true;
	check_created(5, &create(5, &in).topics[0]);
	assert_null(image_topic_by_name(world.al.image, STR("t")));
}

static void thousands_of_topics_in_one_request(void **state)
{
	enum { MANY = 5000 };
	struct create_topics_req_creatable_topic *topics = calloc(MANY, sizeof(*topics));
	struct create_topics_req in = create_of(topics, MANY);
	struct create_topics_res res;
	char *names = calloc(MANY, 16);

	start();
	for (int i = 0; i < MANY; i++) {
		snprintf(names + 16 * i, 16, "t%d", i);
		topics[i] = topic_of(names + 16 * i, 1);
	}
	res = create(4, &in); /* without configs: this test's decoder holds it whole */
	assert_int_equal(res.topics_len, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(res.topics[i].error_code, 0);
	assert_int_equal(image_topics_len(world.al.image), MANY);
	free(topics);
	free(names);
}

/* -- DeleteTopics ----------------------------------------------------------------------------- */

static struct delete_topics_res delete_(int version, struct delete_topics_req *in)
{
	bool flexible = version >= DELETE_TOPICS_FLEXIBLE_VERSION;
	struct delete_topics_res res;
	struct rd rd;

	delete_topics_req_encode(in, frame_begin(DELETE_TOPICS_API_KEY, version, flexible),
				 version);
	rd = run(flexible);
	assert_int_equal(delete_topics_res_decode(&res, &rd, version, &world.decoded), ERR_OK);
	assert_int_equal(rd_left(&rd), 0);
	return res;
}

static void deletes_by_name_in_every_version(void **state)
{
	start();
	for (int version = DELETE_TOPICS_MIN_VERSION; version <= 6; version++) {
		struct str names[] = {STR("t"), STR("none")};
		struct delete_topics_req_delete_topic_state states[2] = {{.name = STR("t")},
									 {.name = STR("none")}};
		struct delete_topics_req in;
		struct delete_topics_res res;

		make_topic("t", 2);
		delete_topics_req_init(&in);
		in.topic_names = names;
		in.topic_names_len = version < 6 ? 2 : 0;
		in.topics = states;
		in.topics_len = version < 6 ? 0 : 2;
		res = delete_(version, &in);
		assert_int_equal(res.responses_len, 2);
		assert_str(res.responses[0].name, "t");
		assert_int_equal(res.responses[0].error_code, 0);
		assert_int_equal(res.responses[1].error_code, CODE_UNKNOWN_TOPIC);
		assert_null(image_topic_by_name(world.al.image, STR("t")));
	}
}

static void deletes_by_id(void **state)
{
	struct delete_topics_req_delete_topic_state states[7] = {{.name = STR_NULL}};
	struct delete_topics_req in;
	struct delete_topics_res res;
	struct uuid a, b;

	start();
	make_topic("a", 1);
	make_topic("b", 1);
	make_topic("c", 1);
	a = image_topic_by_name(world.al.image, STR("a"))->id;
	b = image_topic_by_name(world.al.image, STR("b"))->id;
	states[0].topic_id = a;
	states[1].topic_id = uuid_of(9, 9);
	states[2].name = STR("b");
	states[3].topic_id = b; /* what "b" is too */
	states[4].name = STR("c");
	states[5].name = STR("c");
	/* states[6]: neither */
	delete_topics_req_init(&in);
	in.topics = states;
	in.topics_len = ARRAY_LEN(states);
	res = delete_(6, &in);
	assert_int_equal(res.responses_len, 5);
	assert_int_equal(res.responses[0].error_code, 0);
	assert_str(res.responses[0].name, "a");
	assert_int_equal(res.responses[1].error_code, CODE_UNKNOWN_TOPIC_ID);
	assert_null(res.responses[1].name.ptr);
	assert_str(res.responses[2].error_message,
		   "The provided topic name maps to an ID that was already supplied.");
	assert_str(res.responses[3].error_message, "Duplicate topic name.");
	assert_str(res.responses[4].error_message, "Neither topic name nor id were specified.");
	assert_null(image_topic_by_name(world.al.image, STR("a")));
	assert_non_null(image_topic_by_name(world.al.image, STR("b")));
	assert_non_null(image_topic_by_name(world.al.image, STR("c")));
}

static void deletion_can_be_disabled(void **state)
{
	struct str name = STR("t");
	struct delete_topics_req in;

	set("delete.topic.enable", "false");
	start();
	make_topic("t", 1);
	delete_topics_req_init(&in);
	in.topic_names = &name;
	in.topic_names_len = 1;
	assert_int_equal(delete_(2, &in).responses[0].error_code, CODE_INVALID_REQUEST);
	assert_int_equal(delete_(3, &in).responses[0].error_code, CODE_DELETION_DISABLED);
	assert_non_null(image_topic_by_name(world.al.image, STR("t")));
}

/* -- CreatePartitions ------------------------------------------------------------------------- */

static struct create_partitions_res raise_to(int version, struct create_partitions_req *in)
{
	bool flexible = version >= CREATE_PARTITIONS_FLEXIBLE_VERSION;
	struct create_partitions_res res;
	struct rd rd;

	create_partitions_req_encode(in, frame_begin(CREATE_PARTITIONS_API_KEY, version, flexible),
				     version);
	rd = run(flexible);
	assert_int_equal(create_partitions_res_decode(&res, &rd, version, &world.decoded), ERR_OK);
	assert_int_equal(rd_left(&rd), 0);
	return res;
}

static void raises_partitions_in_every_version(void **state)
{
	struct create_partitions_req_create_partitions_topic topics[4];
	struct create_partitions_req in;
	struct create_partitions_res res;

	start();
	make_topic("t", 1);
	create_partitions_req_init(&in);
	in.topics = topics;
	in.topics_len = 4;
	for (size_t i = 0; i < 4; i++) {
		create_partitions_req_create_partitions_topic_init(&topics[i]);
		topics[i].assignments = NULL;
	}
	topics[0].name = topics[1].name = STR("twice");
	topics[2].name = STR("t");
	topics[3].name = STR("none");
	for (int version = 0; version <= 3; version++) {
		topics[2].count = 2 + version;
		res = raise_to(version, &in);
		assert_int_equal(res.results_len, 3);
		assert_str(res.results[0].error_message, "Duplicate topic name.");
		assert_int_equal(res.results[1].error_code, 0);
		assert_int_equal(res.results[2].error_code, CODE_UNKNOWN_TOPIC);
		assert_int_equal(image_topic_by_name(world.al.image, STR("t"))->partitions_len,
				 2 + version);
	}
	res = raise_to(3, &in);
	assert_int_equal(res.results[1].error_code, CODE_INVALID_PARTITIONS);
	in.validate_only = true;
	topics[2].count = 20;
	assert_int_equal(raise_to(3, &in).results[1].error_code, 0);
	assert_int_equal(image_topic_by_name(world.al.image, STR("t"))->partitions_len, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(creates_in_every_version),	     TEST(create_answers_each_name_once),
	    TEST(validate_only_shows_what_would_be), TEST(thousands_of_topics_in_one_request),
	    TEST(deletes_by_name_in_every_version),  TEST(deletes_by_id),
	    TEST(deletion_can_be_disabled),	     TEST(raises_partitions_in_every_version),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
