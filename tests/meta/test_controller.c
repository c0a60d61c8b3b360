/*
 * The controller on a real directory: its start, changes, publication, stop, and what failures do.
 * Longer than other files: all of it needs the same running controller.
 */
#include "golden.h"

#include <stdatomic.h>
#include <time.h>

#include "meta/config.h"
#include "meta/controller.h"
#include "meta/datadir.h"
#include "meta/msnap.h"
#include "record/iter.h"

/* Stands for a running partition: the hooks count. */
struct partition {
	int elected, resigned, gone;
	int32_t leader_epoch;
	struct partition *next;
};

struct node {
	char dir[64];
	struct config *cfg;
	struct loop *loop;
	struct worker_pool *workers;
	struct controller *ctl;
	struct image_subscriber subscriber;
	const struct image *img; /* as the subscriber has it */
	struct datadir datadir;
	struct partition *partitions; /* live ones */
	int made, released, config_calls, failed;
	struct controller_wait wait;
	bool done;
	enum err done_err;
	const struct clock *clock; /* NULL: the real one */
};

static struct node node;

/* -- hooks ---------------------------------------------------------------------------------- */

static struct partition *on_new(void *ctx, const struct image *img, const struct image_topic *topic,
				int32_t idx, const struct image_partition *part, struct uuid *dir)
{
	struct partition *local = calloc(1, sizeof(*local));

	local->next = node.partitions;
	node.partitions = local;
	node.made++;
	return local;
}

static void on_elected(void *ctx, struct partition *local, const struct image_topic *topic,
		       int32_t idx, const struct image_partition *part)
{
	local->elected++;
	local->leader_epoch = part->leader_epoch;
}

static void on_resigned(void *ctx, struct partition *local, const struct image_topic *topic,
			int32_t idx, const struct image_partition *part)
{
	local->resigned++;
}

static void on_gone(void *ctx, struct partition *local)
{
	local->gone++;
}

static void on_release(void *ctx, struct partition *local)
{
	struct partition **at = &node.partitions;

	while (*at != local)
		at = &(*at)->next;
	*at = local->next;
	free(local);
	node.released++;
}

static void on_config(void *ctx, const struct image *img, enum image_config_type type,
		      struct str name)
{
	node.config_calls++;
}

static void on_failed(void *ctx, enum err err)
{
	node.failed++;
}

static void on_image(struct image_subscriber *sub, const struct image *img)
{
	node.img = img;
}

static void on_done(struct controller_wait *wait, enum err err)
{
	node.done = true;
	node.done_err = err;
}

/* -- a node --------------------------------------------------------------------------------- */

static void set(const char *name, const char *value)
{
	char message[CONFIG_MESSAGE_SIZE];
	bool unknown;

	assert_int_equal(config_set(node.cfg, str_of(name), str_of(value), "test", &unknown,
				    message),
			 ERR_OK);
}

/* The settings of a combined node with id 1; more may be set between this and node_up. */
static void node_config(void)
{
	node.cfg = config_new();
	set("process.roles", "broker,controller");
	set("node.id", "1");
	set("controller.quorum.voters", "1@localhost:9093");
	set("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093");
	set("controller.listener.names", "CONTROLLER");
	set("log.dirs", node.dir);
	set("offsets.topic.replication.factor", "1");
}

static enum err node_open(int64_t previous_epoch)
{
	static const struct image_endpoint endpoint = {{"PLAINTEXT", 9}, {"localhost", 9}, 9092, 0};
	struct rnd rnd;
	struct datadir_options datadir_options = {.clock = &clock_real,
						  .rnd = &rnd,
						  .node_id = 1,
						  .static_voters = true};
	struct controller_options options = {
	    .clock = node.clock != NULL ? node.clock : &clock_real,
	    .node_id = 1,
	    .endpoints = &endpoint,
	    .endpoints_len = 1,
	    .previous_broker_epoch = previous_epoch,
	    .hooks = {NULL, on_new, on_elected, on_resigned, on_gone, on_release, on_config,
		      on_failed},
	};
	char message[CONFIG_MESSAGE_SIZE + DATADIR_MESSAGE_SIZE];
	bool formatted;

	rnd_init_random(&rnd);
	if (config_finish(node.cfg, message) != ERR_OK)
		fail_msg("%s", message);
	assert_int_equal(datadir_open(node.dir, &datadir_options, &node.datadir, &formatted,
				      message),
			 ERR_OK);
	node.loop = loop_new("control", &clock_real);
	node.workers = worker_pool_new(2);
	options.loop = node.loop;
	options.workers = node.workers;
	options.config = node.cfg;
	options.log_dirs = &node.datadir.directory_id;
	options.log_dirs_len = 1;
	return controller_open(&options, node.dir, str_of(node.datadir.cluster_id), &node.ctl);
}

static void node_up(int64_t previous_epoch)
{
	if (node.cfg == NULL)
		node_config();
	assert_int_equal(node_open(previous_epoch), ERR_OK);
	node.subscriber = (struct image_subscriber){.loop = node.loop, .on_image = on_image};
	controller_subscribe(node.ctl, &node.subscriber);
	assert_int_equal(controller_start(node.ctl), ERR_OK);
	assert_non_null(node.img);
}

static enum err wait_done(void)
{
	loop_turn(node.loop, false); /* what was deferred from outside of a turn */
	while (!node.done)
		loop_turn(node.loop, true);
	return node.done_err;
}

static enum err commit(void)
{
	node.done = false;
	node.wait.done = on_done;
	controller_commit(node.ctl, &node.wait);
	assert_false(node.done);
	return wait_done();
}

/* Without a clean stop. */
static void node_down(void)
{
	(void)!commit(); /* nothing is under way after it */
	worker_pool_free(node.workers);
	loop_turn(node.loop, false);
	(void)!controller_free(node.ctl);
	loop_free(node.loop);
	config_free(node.cfg);
	assert_null(node.partitions);
	node.cfg = NULL;
	node.ctl = NULL;
	node.img = NULL;
}

/* A clean stop; returns the broker epoch for the next start. */
static int64_t node_stop(void)
{
	int64_t epoch = controller_broker_epoch(node.ctl);

	node.done = false;
	node.wait.done = on_done;
	controller_stop(node.ctl, &node.wait);
	assert_int_equal(wait_done(), ERR_OK);
	node_down();
	return epoch;
}

static int setup(void **state)
{
	node = (struct node){.cfg = NULL};
	scratch_make(node.dir);
	return 0;
}

static int teardown(void **state)
{
	file_set_fault(NULL);
	if (node.ctl != NULL)
		node_down();
	scratch_remove(node.dir);
	return 0;
}

static struct controller_new_topic new_topic(const char *name, int32_t partitions)
{
	return (struct controller_new_topic){.name = str_of(name),
					     .num_partitions = partitions,
					     .replication_factor = -1};
}

static enum err create(const char *name, int32_t partitions)
{
	struct controller_new_topic topic = new_topic(name, partitions);
	struct arena arena;

	arena_init(&arena, 1 << 20);
	controller_create_topics(node.ctl, &arena, &topic, 1, false);
	arena_fini(&arena);
	return topic.err;
}

static enum err delete (const char *name) {
	struct controller_del_topic topic =
	    {.id = image_topic_by_name(controller_image(node.ctl), str_of(name))->id};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	controller_delete_topics(node.ctl, &arena, &topic, 1);
	arena_fini(&arena);
	return topic.err;
}

static const struct image_partition *part_of(const char *name, int32_t idx)
{
	return image_partition_at(image_topic_by_name(node.img, str_of(name)), idx);
}

/* -- starts --------------------------------------------------------------------------------- */

static void first_start_makes_a_cluster(void **state)
{
	const struct image_broker *broker;

	node_up(-1);
	assert_int_equal(image_feature_level(node.img, STR("metadata.version")), 30);
	assert_true(str_eq(image_config_get(node.img, IMAGE_CONFIG_BROKER, STR(""),
					    STR("min.insync.replicas")),
			   STR("1")));
	broker = image_broker_find(node.img, 1);
	assert_false(broker->fenced);
	assert_int_equal(broker->epoch, controller_broker_epoch(node.ctl));
	assert_true(broker->has_cordoned_dirs);
	assert_int_equal(image_broker_endpoint(broker, STR("PLAINTEXT"))->port, 9092);
	assert_true(str_eq(node.img->cluster_id, str_of(node.datadir.cluster_id)));
	node_down();
	node_config();
	node_up(-1);
	assert_int_equal(image_feature_level(node.img, STR("metadata.version")), 30);
}

static void created_topic_is_published_before_done(void **state)
{
	const struct image_partition *part;

	node_up(-1);
	assert_int_equal(create("a", 3), ERR_OK);
	assert_null(image_topic_by_name(node.img, STR("a")));
	assert_non_null(image_topic_by_name(controller_image(node.ctl), STR("a")));
	assert_int_equal(commit(), ERR_OK);
	part = part_of("a", 2);
	assert_int_equal(part->leader, 1);
	assert_int_equal(part->local->elected, 1);
	assert_int_equal(part->local->leader_epoch, 0);
	assert_true(uuid_eq(part->directories[0], node.datadir.directory_id));
	assert_int_equal(node.made, 3);
	assert_int_equal(commit(), ERR_OK); /* nothing to do: still told */
}

static void clean_restart_keeps_topics(void **state)
{
	struct uuid id;
	int64_t epoch;

	node_up(-1);
	assert_int_equal(create("a", 3), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	id = image_topic_by_name(node.img, STR("a"))->id;
	epoch = node_stop();
	node_config();
	node_up(epoch);
	assert_true(uuid_eq(image_topic_by_name(node.img, STR("a"))->id, id));
	assert_int_equal(part_of("a", 0)->leader, 1);
	assert_int_equal(part_of("a", 0)->leader_epoch, 2);
	assert_int_equal(part_of("a", 0)->leader_recovery_state, 0);
	assert_int_equal(part_of("a", 0)->elr_len, 0);
	assert_int_equal(part_of("a", 0)->local->elected, 1);
	assert_int_equal(node.img->offline_len, 0);
}

static void clean_stop_leaves_what_stock_leaves(void **state)
{
	const struct image_partition *part;

	node_up(-1);
	assert_int_equal(create("a", 1), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	node_stop();
	node_config();
	assert_int_equal(node_open(-1), ERR_OK);
	part = image_partition_at(image_topic_by_name(controller_image(node.ctl), STR("a")), 0);
	assert_int_equal(part->leader, -1);
	assert_int_equal(part->isr_len, 0);
	assert_int_equal(image_elr(part).ptr[0], 1);
	assert_int_equal(image_last_known_elr(part).ptr[0], 1);
	assert_true(image_broker_find(controller_image(node.ctl), 1)->fenced);
	assert_true(image_broker_find(controller_image(node.ctl), 1)->in_shutdown);
}

static void unclean_restart_elects_uncleanly(void **state)
{
	node_up(-1);
	assert_int_equal(create("a", 1), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	node_down();
	node_config();
	node_up(-1);
	assert_int_equal(part_of("a", 0)->leader, 1);
	assert_int_equal(part_of("a", 0)->leader_epoch, 2);
	assert_int_equal(part_of("a", 0)->leader_recovery_state, 1);
	assert_int_equal(part_of("a", 0)->last_known_elr_len, 0);
	assert_int_equal(image_isr(part_of("a", 0)).ptr[0], 1);
}

static void starts_on_what_stock_left(void **state)
{
	char *dir = file_path(node.dir, "__cluster_metadata-0");

	scratch_copy("voters/meta.properties", node.dir, "meta.properties");
	assert_int_equal(file_mkdir(dir), ERR_OK);
	scratch_copy("voters/metadata.log", dir, "00000000000000000000.log");
	scratch_copy("voters/quorum-state", dir, "quorum-state");
	free(dir);
	node_up(228);
	assert_int_equal(image_topics_len(node.img), 3);
	assert_int_equal(node.img->offline_len, 0);
	assert_int_equal(part_of("t1", 3)->leader, 1);
	assert_int_equal(part_of("__consumer_offsets", 49)->leader, 1);
	assert_int_equal(node.img->epoch, 4);
	assert_int_equal(node.made, 55);
}

static void kraft_version_0_needs_static_voters(void **state)
{
	node_up(-1);
	node_stop();
	node_config();
	set("controller.quorum.voters", "");
	set("controller.quorum.bootstrap.servers", "localhost:9093");
	assert_int_equal(node_open(-1), ERR_BADCONFIG);
	assert_null(node.ctl);
	worker_pool_free(node.workers);
	loop_free(node.loop);
	config_free(node.cfg);
}

/* -- changes -------------------------------------------------------------------------------- */

static void deleted_topic_is_gone_then_released(void **state)
{
	struct partition *local;

	node_up(-1);
	assert_int_equal(create("a", 2), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	local = part_of("a", 0)->local;
	assert_int_equal(delete ("a"), ERR_OK);
	assert_int_equal(local->gone, 0);
	assert_int_equal(commit(), ERR_OK);
	assert_null(image_topic_by_name(node.img, STR("a")));
	assert_int_equal(node.released, 2);
	/* Made and deleted in one turn: never there. */
	assert_int_equal(create("b", 1), ERR_OK);
	assert_int_equal(delete ("b"), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	assert_int_equal(node.made, 2);
}

static void partitions_are_added(void **state)
{
	struct controller_more_partitions more = {.name = STR("a"), .count = 5};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	node_up(-1);
	assert_int_equal(create("a", 2), ERR_OK);
	controller_create_partitions(node.ctl, &arena, &more, 1, true);
	assert_int_equal(more.err, ERR_OK);
	controller_create_partitions(node.ctl, &arena, &more, 1, false);
	assert_int_equal(more.err, ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	assert_int_equal(image_topic_by_name(node.img, STR("a"))->partitions_len, 5);
	controller_create_partitions(node.ctl, &arena, &more, 1, false);
	assert_int_equal(more.err, ERR_INVALID_PARTITIONS);
	assert_true(str_eq(more.message, STR("Topic already has 5 partition(s).")));
	more.count = 4;
	controller_create_partitions(node.ctl, &arena, &more, 1, false);
	assert_true(str_eq(more.message, STR("The topic a currently has 5 partition(s); 4 would "
					     "not be an increase.")));
	more.name = STR("none");
	controller_create_partitions(node.ctl, &arena, &more, 1, false);
	assert_int_equal(more.err, ERR_UNKNOWN_TOPIC_OR_PARTITION);
	arena_fini(&arena);
}

static void create_fails(struct controller_new_topic topic, enum err err, const char *message)
{
	struct arena arena;

	arena_init(&arena, 1 << 20);
	controller_create_topics(node.ctl, &arena, &topic, 1, false);
	assert_int_equal(topic.err, err);
	if (!str_eq(topic.message, str_of(message)))
		fail_msg("%.*s", STR_ARG(topic.message));
	arena_fini(&arena);
}

static void creation_is_checked_as_stock_checks_it(void **state)
{
	static const int32_t one[] = {1}, two[] = {2}, twice[] = {1, 1};
	struct controller_assignment assignments[2] = {{0, one, 1}, {0, one, 1}};
	struct controller_config_entry entry = {STR("a"), STR("b")};
	struct controller_new_topic topic = new_topic("x", 1);

	node_up(-1);
	assert_int_equal(create("t.x", 1), ERR_OK);
	create_fails(new_topic("a b", 1), ERR_INVALID_TOPIC_EXCEPTION,
		     "Topic name is invalid: 'a b' contains one or more characters other than "
		     "ASCII alphanumerics, '.', '_' and '-'");
	create_fails(new_topic("", 1), ERR_INVALID_TOPIC_EXCEPTION,
		     "Topic name is invalid: the empty string is not allowed");
	create_fails(new_topic("..", 1), ERR_INVALID_TOPIC_EXCEPTION,
		     "Topic name is invalid: '..' is not allowed");
	create_fails(new_topic("t_x", 1), ERR_INVALID_TOPIC_EXCEPTION,
		     "Topic 't_x' collides with existing topic: t.x");
	create_fails(new_topic("t.x", 1), ERR_TOPIC_ALREADY_EXISTS, "Topic 't.x' already exists.");
	create_fails(new_topic("x", 0), ERR_INVALID_PARTITIONS,
		     "Number of partitions was set to an invalid non-positive value.");
	create_fails(new_topic("x", 10001), ERR_POLICY_VIOLATION,
		     "Excessively large number of partitions per request.");
	topic.replication_factor = 2;
	create_fails(
	    topic, ERR_INVALID_REPLICATION_FACTOR,
	    "Unable to replicate the partition 2 time(s): The target replication factor of "
	    "2 cannot be reached because only 1 broker(s) are registered or some brokers "
	    "have all their log directories cordoned.");
	topic.replication_factor = 0;
	create_fails(topic, ERR_INVALID_REPLICATION_FACTOR,
		     "Replication factor must be larger than 0, or -1 to use the default value.");
	topic.replication_factor = -1;
	topic.configs = &entry;
	topic.configs_len = 1;
	create_fails(topic, ERR_INVALID_CONFIG, "Unknown topic config name: a");
	entry.value = STR_NULL;
	create_fails(topic, ERR_INVALID_CONFIG, "Null value not supported for topic configs: a");
	topic.configs_len = 0;
	topic.assignments = assignments;
	topic.assignments_len = 2;
	create_fails(topic, ERR_INVALID_REQUEST,
		     "A manual partition assignment was specified, but numPartitions was not set "
		     "to -1.");
	topic.num_partitions = -1;
	create_fails(topic, ERR_INVALID_REPLICA_ASSIGNMENT,
		     "Found multiple manual partition assignments for partition 0");
	assignments[1].idx = 2;
	create_fails(topic, ERR_INVALID_REPLICA_ASSIGNMENT,
		     "partitions should be a consecutive 0-based integer sequence");
	assignments[1] = (struct controller_assignment){1, two, 1};
	create_fails(topic, ERR_INVALID_REPLICA_ASSIGNMENT,
		     "The manual partition assignment includes broker 2, but no such broker is "
		     "registered.");
	assignments[1] = (struct controller_assignment){1, twice, 2};
	create_fails(topic, ERR_INVALID_REPLICA_ASSIGNMENT,
		     "The manual partition assignment includes the broker 1 more than once.");
	assignments[1] = (struct controller_assignment){1, one, 0};
	create_fails(topic, ERR_INVALID_REPLICA_ASSIGNMENT,
		     "The manual partition assignment includes an empty replica list.");
	assert_int_equal(commit(), ERR_OK);
	assert_int_equal(image_topics_len(node.img), 1);
}

static void validate_only_changes_nothing(void **state)
{
	struct controller_new_topic topic = new_topic("x", 4);
	struct arena arena;

	arena_init(&arena, 1 << 20);
	node_up(-1);
	controller_create_topics(node.ctl, &arena, &topic, 1, true);
	assert_int_equal(topic.err, ERR_OK);
	assert_int_equal(topic.partitions_made, 4);
	assert_int_equal(topic.replicas_made, 1);
	assert_null(image_topic_by_name(controller_image(node.ctl), STR("x")));
	arena_fini(&arena);
}

static enum err alter(int8_t type, const char *name, const char *key, int8_t op, const char *value,
		      const char *message)
{
	struct controller_config_change change = {str_of(key), str_of(value), op};
	struct controller_config_resource resource = {.type = type,
						      .name = str_of(name),
						      .changes = &change,
						      .changes_len = 1};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	controller_alter_configs(node.ctl, &arena, &resource, 1, false);
	if (message != NULL && !str_eq(resource.message, str_of(message)))
		fail_msg("%.*s", STR_ARG(resource.message));
	arena_fini(&arena);
	return resource.err;
}

static const char *config_of(int8_t type, const char *name, const char *key)
{
	struct str value =
	    image_config_get(controller_image(node.ctl), (enum image_config_type)type, str_of(name),
			     str_of(key));

	return value.ptr;
}

static void configs_are_altered(void **state)
{
	node_up(-1);
	assert_int_equal(create("a", 1), ERR_OK);
	assert_int_equal(alter(2, "a", "retention.ms", 0, "7", NULL), ERR_OK);
	assert_string_equal(config_of(2, "a", "retention.ms"), "7");
	assert_int_equal(alter(2, "a", "cleanup.policy", 2, "compact", NULL), ERR_OK);
	assert_string_equal(config_of(2, "a", "cleanup.policy"), "delete,compact");
	assert_int_equal(alter(2, "a", "cleanup.policy", 3, "delete", NULL), ERR_OK);
	assert_string_equal(config_of(2, "a", "cleanup.policy"), "compact");
	assert_int_equal(alter(2, "a", "retention.ms", 1, NULL, NULL), ERR_OK);
	assert_null(config_of(2, "a", "retention.ms"));
	assert_int_equal(alter(2, "a", "retention.ms", 2, "7",
			       "Can't APPEND to key retention.ms because its type is not LIST."),
			 ERR_INVALID_CONFIG);
	assert_int_equal(alter(2, "a", "x", 0, "7", "Unknown topic config name: x"),
			 ERR_INVALID_CONFIG);
	assert_int_equal(alter(2, "a", "retention.ms", 0, NULL,
			       "Null value not supported for : retention.ms"),
			 ERR_INVALID_REQUEST);
	assert_int_equal(alter(2, "b", "retention.ms", 0, "7", "The topic 'b' does not exist."),
			 ERR_UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(alter(4, "", "log.retention.ms", 0, "70000", NULL), ERR_OK);
	assert_int_equal(alter(4, "2", "log.retention.ms", 0, "7",
			       "Unexpected broker id, expected 1, but received 2"),
			 ERR_INVALID_REQUEST);
	assert_int_equal(alter(4, "1", "min.insync.replicas", 0, "1",
			       "Broker-level min.insync.replicas cannot be altered while ELR is "
			       "enabled."),
			 ERR_INVALID_CONFIG);
	assert_int_equal(alter(32, "g", "consumer.session.timeout.ms", 0, "46000", NULL), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	assert_int_equal(node.config_calls, 7); /* one is the start's min.insync.replicas */
}

static void replacing_configs_drops_the_others(void **state)
{
	struct controller_config_change change = {STR("segment.ms"), STR("70000"), 0};
	struct controller_config_resource resource = {
	    .type = 2, .name = STR("a"), .changes = &change, .changes_len = 1, .replace = true};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	node_up(-1);
	assert_int_equal(create("a", 1), ERR_OK);
	assert_int_equal(alter(2, "a", "retention.ms", 0, "7", NULL), ERR_OK);
	controller_alter_configs(node.ctl, &arena, &resource, 1, false);
	assert_int_equal(resource.err, ERR_OK);
	assert_null(config_of(2, "a", "retention.ms"));
	assert_string_equal(config_of(2, "a", "segment.ms"), "70000");
	arena_fini(&arena);
}

static void producer_ids_come_in_blocks(void **state)
{
	int64_t first;

	node_up(-1);
	assert_int_equal(controller_producer_ids(node.ctl, &first), ERR_OK);
	assert_int_equal(first, 0);
	assert_int_equal(controller_producer_ids(node.ctl, &first), ERR_OK);
	assert_int_equal(first, 1000);
	assert_int_equal(commit(), ERR_OK);
	node_down();
	node_config();
	node_up(-1);
	assert_int_equal(controller_producer_ids(node.ctl, &first), ERR_OK);
	assert_int_equal(first, 2000);
}

/* One broker cannot hold three replicas, which is the default. */
static void internal_topic_that_cannot_be_made_has_no_coordinator(void **state)
{
	node_up(-1);
	assert_int_equal(controller_ensure_internal(node.ctl, STR("__transaction_state")),
			 ERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(commit(), ERR_OK);
	assert_null(image_topic_by_name(node.img, STR("__transaction_state")));
	assert_int_equal(controller_ensure_internal(node.ctl, STR("__transaction_state")),
			 ERR_COORDINATOR_NOT_AVAILABLE);
}

static void internal_topic_is_made_once(void **state)
{
	node_up(-1);
	assert_int_equal(controller_ensure_internal(node.ctl, STR("__consumer_offsets")),
			 ERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(controller_ensure_internal(node.ctl, STR("__consumer_offsets")),
			 ERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(commit(), ERR_OK);
	assert_int_equal(controller_ensure_internal(node.ctl, STR("__consumer_offsets")), ERR_OK);
	assert_int_equal(image_topic_by_name(node.img, STR("__consumer_offsets"))->partitions_len,
			 50);
	assert_string_equal(config_of(2, "__consumer_offsets", "cleanup.policy"), "compact");
	assert_string_equal(config_of(2, "__consumer_offsets", "segment.bytes"), "104857600");
	assert_int_equal(controller_auto_create(node.ctl, STR("auto")), ERR_OK);
	assert_int_equal(controller_auto_create(node.ctl, STR("auto")), ERR_TOPIC_ALREADY_EXISTS);
	assert_int_equal(controller_auto_create(node.ctl, STR("a b")), ERR_INVALID_TOPIC_EXCEPTION);
	assert_true(controller_may_auto_create(node.ctl, 10000));
	assert_false(controller_may_auto_create(node.ctl, 10001));
}

/* -- group commit and failures -------------------------------------------------------------- */

static atomic_int syncs;
static atomic_int fail_call_errno;
static const char *fail_call;

static int fault(const char *call, const char *path)
{
	if (strcmp(call, "fdatasync") == 0)
		atomic_fetch_add(&syncs, 1);
	if (fail_call != NULL && strcmp(call, fail_call) == 0)
		return atomic_load(&fail_call_errno);
	return 0;
}

static void changes_of_a_turn_share_a_sync(void **state)
{
	char name[16];
	int before;

	node_up(-1);
	file_set_fault(fault);
	fail_call = NULL;
	before = atomic_load(&syncs);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		assert_int_equal(create(name, 1), ERR_OK);
	}
	assert_int_equal(commit(), ERR_OK);
	assert_int_equal(atomic_load(&syncs), before + 1);
	assert_int_equal(image_topics_len(node.img), 20);
}

static void full_disk_takes_the_change_back(void **state)
{
	node_up(-1);
	assert_int_equal(create("a", 1), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	file_set_fault(fault);
	fail_call = "pwrite";
	atomic_store(&fail_call_errno, 28 /* ENOSPC */);
	assert_int_equal(create("b", 1), ERR_OK);
	assert_int_equal(commit(), ERR_KAFKA_STORAGE_ERROR);
	assert_null(image_topic_by_name(controller_image(node.ctl), STR("b")));
	assert_int_equal(node.failed, 0);
	fail_call = NULL;
	assert_int_equal(create("c", 1), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	node_down();
	node_config();
	node_up(-1);
	assert_int_equal(image_topics_len(node.img), 2);
	assert_non_null(image_topic_by_name(node.img, STR("c")));
}

static void failed_sync_is_final(void **state)
{
	node_up(-1);
	file_set_fault(fault);
	fail_call = "fdatasync";
	atomic_store(&fail_call_errno, 5 /* EIO */);
	assert_int_equal(create("b", 1), ERR_OK);
	assert_int_equal(commit(), ERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(node.failed, 1);
	assert_null(image_topic_by_name(node.img, STR("b")));
	assert_int_equal(create("c", 1), ERR_NOT_CONTROLLER);
	assert_int_equal(commit(), ERR_KAFKA_STORAGE_ERROR);
	fail_call = NULL;
}

static void stopped_controller_refuses(void **state)
{
	node_up(-1);
	node.wait.done = on_done;
	node.done = false;
	controller_stop(node.ctl, &node.wait);
	assert_int_equal(wait_done(), ERR_OK);
	assert_int_equal(create("c", 1), ERR_NOT_CONTROLLER);
}

/* -- snapshots and size --------------------------------------------------------------------- */

static size_t snapshots_len(int64_t *end_offset)
{
	char *dir = file_path(node.dir, "__cluster_metadata-0");
	struct msnap_id *ids;
	size_t len;

	assert_int_equal(msnap_list(dir, &ids, &len), ERR_OK);
	*end_offset = len == 0 ? -1 : ids[len - 1].end_offset;
	free(ids);
	free(dir);
	return len;
}

static void snapshot_is_written_by_size_and_read(void **state)
{
	int64_t end_offset;

	node_config();
	set("metadata.log.max.record.bytes.between.snapshots", "1000");
	node_up(-1);
	assert_int_equal(create("a", 100), ERR_OK);
	assert_int_equal(alter(2, "a", "retention.ms", 0, "7", NULL), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	while (snapshots_len(&end_offset) == 0 || end_offset < 100)
		loop_turn(node.loop, true);
	assert_int_equal(create("b", 1), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	node_stop();
	node_config();
	node_up(-1);
	assert_int_equal(image_topic_by_name(node.img, STR("a"))->partitions_len, 100);
	assert_string_equal(config_of(2, "a", "retention.ms"), "7");
	assert_non_null(image_topic_by_name(node.img, STR("b")));
	assert_true(snapshots_len(&end_offset) > 0);
}

static atomic_bool snapshot_named;

static int fail_sync_of_snapshot(const char *call, const char *path)
{
	if (path != NULL && strcmp(call, "rename") == 0 && strstr(path, ".checkpoint") != NULL)
		atomic_store(&snapshot_named, true);
	return atomic_load(&snapshot_named) && strcmp(call, "fsync") == 0 ? 5 /* EIO */ : 0;
}

/* It may have lost the name of a segment, too, and a later sync would not tell. */
static void r4_a_snapshot_whose_sync_fails_is_final(void **state)
{
	int64_t until_ms = clock_mono_ms(&clock_real) + 60000;

	node_config();
	set("metadata.log.max.record.bytes.between.snapshots", "1000");
	node_up(-1);
	atomic_store(&snapshot_named, false);
	file_set_fault(fail_sync_of_snapshot);
	assert_int_equal(create("a", 100), ERR_OK);
	(void)commit(); /* the snapshot may be there first */
	while (node.failed == 0 && clock_mono_ms(&clock_real) < until_ms)
		loop_turn(node.loop, false);
	assert_int_equal(node.failed, 1);
	assert_int_equal(create("b", 1), ERR_NOT_CONTROLLER);
	assert_int_equal(commit(), ERR_KAFKA_STORAGE_ERROR);
}

static void old_snapshots_go_with_the_log(void **state)
{
	char name[16], *path;
	int64_t end_offset = -1, before;

	node_config();
	set("metadata.log.max.record.bytes.between.snapshots", "1");
	set("metadata.max.retention.bytes", "1");
	node_up(-1);
	for (int i = 0; i < 5; i++) {
		before = end_offset;
		snprintf(name, sizeof(name), "t%d", i);
		assert_int_equal(create(name, 1), ERR_OK);
		assert_int_equal(commit(), ERR_OK);
		while (snapshots_len(&end_offset) == 0 || end_offset == before)
			loop_turn(node.loop, true);
	}
	node_stop();
	path = file_path(node.dir, "__cluster_metadata-0/00000000000000000000.log");
	assert_false(file_exists(path));
	free(path);
	assert_int_equal(snapshots_len(&end_offset), 1);
	node_config();
	node_up(-1);
	assert_int_equal(image_topics_len(node.img), 5);
}

static void request_larger_than_a_batch_is_one_change(void **state)
{
	node_up(-1);
	assert_int_equal(create("big", 10000), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	node_down();
	node_config();
	node_up(-1);
	assert_int_equal(image_topic_by_name(node.img, STR("big"))->partitions_len, 10000);
	assert_int_equal(node.img->offline_len, 0);
}

static double ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

static void five_thousand_partitions_cost_little(void **state)
{
	struct timespec start;

	node_up(-1);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(create("a", 5000), ERR_OK);
	print_message("5000 partitions checked and applied: %.1f ms\n", ms_since(&start));
	assert_int_equal(commit(), ERR_OK);
	print_message("5000 partitions published: %.1f ms\n", ms_since(&start));
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(create("b", 1), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	print_message("one more topic: %.1f ms\n", ms_since(&start));
	clock_gettime(CLOCK_MONOTONIC, &start);
	node_stop();
	print_message("stop: %.1f ms\n", ms_since(&start));
	node_config();
	clock_gettime(CLOCK_MONOTONIC, &start);
	node_up(-1);
	print_message("start: %.1f ms\n", ms_since(&start));
}

/* A clock that is later each time one looks, as a slow machine's is. */
static int64_t tick_ms;

static int64_t ticking_wall_ms(const struct clock *clock)
{
	return 1700000000000 + tick_ms++;
}

static int64_t ticking_mono_us(const struct clock *clock)
{
	return tick_ms++ * 1000;
}

/* Stock's reader of the metadata log and of snapshots stops at a timestamp delta that is not 0. */
static void assert_one_time_a_batch(const char *path)
{
	struct bytes rest;
	char *data;

	assert_int_equal(file_read_all(path, 1 << 24, &data, &rest.len), ERR_OK);
	rest.ptr = (uint8_t *)data;
	while (rest.len > 0) {
		struct record_iter iter;
		struct record record;

		assert_int_equal(record_iter_init(&iter, rest, NULL), ERR_OK);
		while (record_iter_next(&iter, &record))
			assert_int_equal(record.timestamp, iter.header.base_timestamp);
		rest.ptr += iter.header.size_bytes;
		rest.len -= iter.header.size_bytes;
	}
	free(data);
}

static void records_of_a_batch_have_one_time(void **state)
{
	static const struct clock ticking = {ticking_wall_ms, ticking_mono_us};
	char path[128];

	node.clock = &ticking;
	node_up(-1);
	assert_int_equal(create("t", 20), ERR_OK);
	assert_int_equal(create("u", 20), ERR_OK);
	assert_int_equal(commit(), ERR_OK);
	node_down();
	snprintf(path, sizeof(path), "%s/__cluster_metadata-0/00000000000000000000.log", node.dir);
	assert_one_time_a_batch(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(first_start_makes_a_cluster),
	    TEST(records_of_a_batch_have_one_time),
	    TEST(created_topic_is_published_before_done),
	    TEST(clean_restart_keeps_topics),
	    TEST(clean_stop_leaves_what_stock_leaves),
	    TEST(unclean_restart_elects_uncleanly),
	    TEST(starts_on_what_stock_left),
	    TEST(kraft_version_0_needs_static_voters),
	    TEST(deleted_topic_is_gone_then_released),
	    TEST(partitions_are_added),
	    TEST(creation_is_checked_as_stock_checks_it),
	    TEST(validate_only_changes_nothing),
	    TEST(configs_are_altered),
	    TEST(replacing_configs_drops_the_others),
	    TEST(producer_ids_come_in_blocks),
	    TEST(internal_topic_is_made_once),
	    TEST(internal_topic_that_cannot_be_made_has_no_coordinator),
	    TEST(changes_of_a_turn_share_a_sync),
	    TEST(full_disk_takes_the_change_back),
	    TEST(failed_sync_is_final),
	    TEST(stopped_controller_refuses),
	    TEST(snapshot_is_written_by_size_and_read),
	    TEST(r4_a_snapshot_whose_sync_fails_is_final),
	    TEST(old_snapshots_go_with_the_log),
	    TEST(request_larger_than_a_batch_is_one_change),
	    TEST(five_thousand_partitions_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
