/* The broker's own settings: defaults, precedence, and messages for what is wrong. */
#include "config_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void every_default_is_allowed_and_every_row_is_found(void **state)
{
	char message[CONFIG_MESSAGE_SIZE];

	for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
		const struct config_row *row = &config_rows[id];
		assert_non_null(row->name);
		assert_int_equal(config_find(row->resource, str_of(row->name)), id);
		if (row->value_default != NULL)
			assert_int_equal(config_check(id, str_of(row->value_default), message),
					 ERR_OK);
		assert_true(row->doc[0] != 0);
		if (id > 0 && config_rows[id - 1].resource == row->resource)
			assert_true(strcmp(config_rows[id - 1].name, row->name) < 0);
	}
	assert_int_equal(config_find(CONFIG_RESOURCE_BROKER, STR("nothing")), CONFIG_NONE);
	assert_int_equal(config_find(CONFIG_RESOURCE_TOPIC, STR("log.segment.bytes")), CONFIG_NONE);
	assert_int_equal(config_find(CONFIG_RESOURCE_LOGGER, STR("root")), CONFIG_NONE);
}

static const char *first_log_dir(const struct config *cfg)
{
	size_t len;
	const char *const *dirs = config_log_dirs(cfg, &len);

	return len == 1 ? dirs[0] : NULL;
}

static void has_kafkas_defaults(void **state)
{
	struct config *cfg = make_config_of("");

	assert_int_equal(config_int64(cfg, CONFIG_NUM_PARTITIONS), 1);
	assert_int_equal(config_int64(cfg, CONFIG_MESSAGE_MAX_BYTES), 1048588);
	assert_true(config_bool(cfg, CONFIG_AUTO_CREATE_TOPICS_ENABLE));
	assert_true(config_double(cfg, CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO) == 0.5);
	assert_null(config_str(cfg, CONFIG_BROKER_RACK).ptr);
	assert_int_equal(config_int64(cfg, CONFIG_LOG_RETENTION_MS), -1);
	assert_false(config_is_set(cfg, CONFIG_NUM_PARTITIONS));
	assert_int_equal(config_node_id(cfg), 1);
	assert_string_equal(first_log_dir(cfg), "/tmp/kafka-logs");
	assert_int_equal(config_log_retention_ms(cfg), 604800000);
	assert_int_equal(config_log_roll_ms(cfg), 604800000);
	assert_int_equal(config_log_roll_jitter_ms(cfg), 0);
	assert_int_equal(config_log_flush_interval_ms(cfg), 1000);
	assert_false(config_has_static_voters(cfg));
	config_free(cfg);
}

static void shorter_units_stand_over_longer_ones(void **state)
{
	struct config *cfg = make_config_of("log.retention.hours=2\n");

	assert_int_equal(config_log_retention_ms(cfg), 7200000);
	config_free(cfg);
	cfg = make_config_of("log.retention.hours=2\nlog.retention.minutes=3\n");
	assert_int_equal(config_log_retention_ms(cfg), 180000);
	config_free(cfg);
	cfg = make_config_of("log.retention.ms=5\nlog.retention.minutes=3\nlog.roll.hours=1\n"
			     "log.roll.ms=9\nlog.roll.jitter.hours=1\nlog.dir=/a\nlog.dirs=/b\n");
	assert_int_equal(config_log_retention_ms(cfg), 5);
	assert_int_equal(config_log_roll_ms(cfg), 9);
	assert_int_equal(config_log_roll_jitter_ms(cfg), 3600000);
	assert_string_equal(first_log_dir(cfg), "/b");
	config_free(cfg);
	cfg = make_config_of("log.retention.hours=-1\nlog.dir=/a\n"
			     "log.flush.scheduler.interval.ms=77\n");
	assert_int_equal(config_log_retention_ms(cfg), -1);
	assert_string_equal(first_log_dir(cfg), "/a");
	assert_int_equal(config_log_flush_interval_ms(cfg), 77);
	config_free(cfg);
}

static void r5_what_is_refused_changes_nothing(void **state)
{
	static const char *const bad[][2] = {
	    {"node.id", "-1"},
	    {"num.partitions", "x"},
	    {"log.cleaner.min.cleanable.ratio", "2"},
	    {"process.roles", "driver"},
	};
	char message[CONFIG_MESSAGE_SIZE];
	struct config *cfg = config_new();
	bool unknown;

	assert_non_null(cfg);
	assert_int_equal(config_set(cfg, STR("num.partitions"), STR("7"), "f:1", &unknown, message),
			 ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(config_set(cfg, str_of(bad[i][0]), str_of(bad[i][1]), "f:2",
					    &unknown, message),
				 ERR_BADCONFIG);
	assert_int_equal(config_finish(cfg, message), ERR_OK);
	assert_int_equal(config_int64(cfg, CONFIG_NUM_PARTITIONS), 7);
	assert_int_equal(config_node_id(cfg), 1);
	assert_true(config_double(cfg, CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO) == 0.5);
	config_free(cfg);
}

static void the_last_of_several_wins(void **state)
{
	struct config *cfg = make_config_of("num.partitions=2\nnum.partitions= 7 \n");

	assert_int_equal(config_int64(cfg, CONFIG_NUM_PARTITIONS), 7);
	assert_str(config_str(cfg, CONFIG_NUM_PARTITIONS), "7");
	assert_true(config_is_set(cfg, CONFIG_NUM_PARTITIONS));
	config_free(cfg);
}

static void values_are_made_regular(void **state)
{
	struct config *cfg = make_config_of("auto.create.topics.enable=FALSE\n"
					    "log.cleanup.policy= compact, delete,compact\n"
					    "log.cleaner.io.max.bytes.per.second=12345678\n"
					    "log.cleaner.min.cleanable.ratio=1e-1\n"
					    "broker.rack= r 1 \n");

	assert_str(config_str(cfg, CONFIG_AUTO_CREATE_TOPICS_ENABLE), "false");
	assert_str(config_str(cfg, CONFIG_LOG_CLEANUP_POLICY), "compact,delete");
	assert_str(config_str(cfg, CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND), "1.2345678E7");
	assert_str(config_str(cfg, CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO), "0.1");
	assert_str(config_str(cfg, CONFIG_BROKER_RACK), "r 1");
	config_free(cfg);
}

static void lists_are_walked(void **state)
{
	struct str entry;
	size_t pos = 0;

	assert_true(config_list_next(STR(" a ,b,, c"), &pos, &entry));
	assert_str(entry, "a");
	assert_true(config_list_next(STR(" a ,b,, c"), &pos, &entry));
	assert_str(entry, "b");
	assert_true(config_list_next(STR(" a ,b,, c"), &pos, &entry));
	assert_str(entry, "");
	assert_true(config_list_next(STR(" a ,b,, c"), &pos, &entry));
	assert_str(entry, "c");
	assert_false(config_list_next(STR(" a ,b,, c"), &pos, &entry));
	pos = 0;
	assert_false(config_list_next(STR(""), &pos, &entry));
	assert_false(config_list_next(STR_NULL, &pos, &entry));
}

static void a_bad_value_is_told_with_its_place(void **state)
{
	expect_bad("\n#x\nnum.network.threads=x\n",
		   "f:3: num.network.threads: found \"x\"; allowed: "
		   "an integer of 32 bits, at least 1");
	expect_bad("num.network.threads=0", "f:1: num.network.threads: found \"0\"; allowed: an "
					    "integer of 32 bits, at least 1");
	expect_bad("compression.gzip.level=10",
		   "f:1: compression.gzip.level: found \"10\"; allowed: "
		   "-1, or an integer of 32 bits from 1 to 9");
	expect_bad(
	    "compression.type=zip",
	    "f:1: compression.type: found \"zip\"; allowed: one of: uncompressed, zstd, lz4, "
	    "snappy, gzip, producer");
	expect_bad("auto.create.topics.enable=yes",
		   "f:1: auto.create.topics.enable: found \"yes\"; allowed: true or false");
	expect_bad("log.cleanup.policy=compact,", "f:1: log.cleanup.policy: found \"compact,\"; "
						  "allowed: a list of: compact, delete");
	expect_bad("log.dirs=", "f:1: log.dirs: found \"\"; allowed: a list, separated by commas, "
				"with at least one entry");
	expect_bad(
	    "log.cleaner.min.cleanable.ratio=2",
	    "f:1: log.cleaner.min.cleanable.ratio: found \"2\"; allowed: a number from 0 to 1");
	expect_bad(
	    "offsets.topic.replication.factor=99999",
	    "f:1: offsets.topic.replication.factor: found \"99999\"; allowed: an integer of 16 "
	    "bits, at least 1");
}

static void settings_must_go_together(void **state)
{
	expect_bad("log.retention.minutes=0",
		   "f:1: log.retention.minutes: found \"0\"; allowed: -1 "
		   "(without end), or at least 1");
	expect_bad("log.roll.ms=0", "f:1: log.roll.ms: found \"0\"; allowed: at least 1");
	expect_bad("node.id=1\nbroker.id=2",
		   "f:2: broker.id: found \"2\"; allowed: the same as node.id, 1");
	expect_bad("node.id=3\nbroker.id=-1",
		   "f:2: broker.id: found \"-1\"; allowed: the same as node.id, 3");
	expect_bad("broker.id=-5",
		   "f:1: broker.id: found \"-5\"; allowed: an integer of 32 bits, at least 0");
	expect_bad("a=\\! x\n k\\=v\\: w\\t\nnode.id=-1\\\n0\n",
		   "f:3: node.id: found \"-10\"; allowed: an integer of 32 bits, at least 0");
	expect_bad("group.consumer.session.timeout.ms=1",
		   "f:1: group.consumer.session.timeout.ms: found \"1\"; allowed: at least "
		   "group.consumer.min.session.timeout.ms, 45000");
	expect_bad(
	    "group.consumer.max.heartbeat.interval.ms=4000",
	    "f:1: group.consumer.max.heartbeat.interval.ms: found \"4000\"; allowed: at least "
	    "group.consumer.min.heartbeat.interval.ms, 5000");
	expect_bad("max.connections.per.ip=0",
		   "f:1: max.connections.per.ip: found \"0\"; allowed: 0 only where "
		   "max.connections.per.ip.overrides is set");
	expect_bad(
	    "max.connections.per.ip.overrides=h:1,g:x",
	    "f:1: max.connections.per.ip.overrides: found \"h:1,g:x\"; allowed: entries in the "
	    "form {host}:{number}");
	expect_bad(
	    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
	    "f:1: authorizer.class.name: found "
	    "\"org.apache.kafka.metadata.authorizer.StandardAuthorizer\"; allowed: nothing (access "
	    "control is not built yet)");
}

static void other_controllers_are_refused(void **state)
{
	struct config *cfg;

	expect_bad(
	    "process.roles=broker",
	    "f:1: process.roles: found \"broker\"; allowed: broker,controller (joining a quorum of "
	    "other controllers is not built yet)");
	expect_bad(
	    "controller.quorum.voters=1@a:1,2@b:2",
	    "f:1: controller.quorum.voters: found \"1@a:1,2@b:2\"; allowed: this node alone, as "
	    "1@{host}:{port} (joining a quorum of other controllers is not built yet)");
	expect_bad("controller.quorum.voters=a:1",
		   "f:1: controller.quorum.voters: found \"a:1\"; "
		   "allowed: entries in the form {id}@{host}:{port}");
	expect_bad(
	    "controller.quorum.bootstrap.servers=other:9093",
	    "f:1: controller.quorum.bootstrap.servers: found \"other:9093\"; allowed: this node's "
	    "own controller listener alone (joining a quorum of other controllers is not built "
	    "yet)");
	cfg = make_config_of("process.roles=controller,broker\nnode.id=7\n"
			     "listeners=PLAINTEXT://localhost:9092,CONTROLLER://:9093\n"
			     "controller.listener.names=CONTROLLER\n"
			     "controller.quorum.bootstrap.servers=me:9093\n"
			     "controller.quorum.voters=7@me:9093\n");
	assert_int_equal(config_node_id(cfg), 7);
	assert_true(config_has_static_voters(cfg));
	config_free(cfg);
}

static void files_of_kafkas_past_are_taken(void **state)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config *cfg = config_new();
	bool unknown;

	assert_int_equal(config_set(cfg, STR("zookeeper.connect"), STR("z:2181"), "f:1", &unknown,
				    message),
			 ERR_OK);
	assert_true(unknown);
	assert_string_equal(message,
			    "f:1: zookeeper.connect: Kafka 4 has no such setting any more; it has "
			    "no effect");
	assert_int_equal(config_set(cfg, STR("my.plugin"), STR("1"), "f:2", &unknown, message),
			 ERR_OK);
	assert_true(unknown);
	assert_string_equal(message, "f:2: my.plugin: unknown setting; it has no effect");
	assert_int_equal(config_set(cfg, STR("listener.name.plaintext.max.connections"), STR("1"),
				    "f:3", &unknown, message),
			 ERR_OK);
	assert_false(unknown);
	assert_int_equal(config_set(cfg, STR("broker.id"), STR("5"), "f:4", &unknown, message),
			 ERR_OK);
	assert_int_equal(config_finish(cfg, message), ERR_OK);
	assert_int_equal(config_node_id(cfg), 5);
	config_free(cfg);
}

/* -- files --------------------------------------------------------------------------------- */

static void write_file(char path[32], const char *text, size_t len)
{
	int fd;

	snprintf(path, 32, "/tmp/barnabas-config-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void a_file_is_read_and_overridden(void **state)
{
	static const char text[] = "node.id = 4\nlog.dirs: /x\nnum.partitions 3\nsome.key=1\n";
	char message[CONFIG_MESSAGE_SIZE], path[32];
	struct config *cfg = config_new();

	write_file(path, text, sizeof(text) - 1);
	assert_int_equal(config_load(cfg, path, message), ERR_OK);
	assert_int_equal(config_override(cfg, "num.partitions=6", message), ERR_OK);
	assert_int_equal(config_override(cfg, "nonsense", message), ERR_BADCONFIG);
	assert_string_equal(message, "--override: found \"nonsense\"; allowed: key=value");
	assert_int_equal(config_override(cfg, "num.partitions=x", message), ERR_BADCONFIG);
	assert_string_equal(message,
			    "--override: num.partitions: found \"x\"; allowed: an integer of 32 "
			    "bits, at least 1");
	assert_int_equal(config_override(cfg, "num.partitions=8", message), ERR_OK);
	assert_int_equal(config_finish(cfg, message), ERR_OK);
	assert_int_equal(config_int64(cfg, CONFIG_NUM_PARTITIONS), 8);
	assert_int_equal(config_node_id(cfg), 4);
	config_free(cfg);
	unlink(path);
}

static void expect_bad_file(const char *text, size_t len, const char *expected)
{
	char message[CONFIG_MESSAGE_SIZE], path[32], whole[CONFIG_MESSAGE_SIZE];
	struct config *cfg = config_new();

	write_file(path, text, len);
	assert_int_equal(config_load(cfg, path, message), ERR_BADCONFIG);
	snprintf(whole, sizeof(whole), "%s%s", path, expected);
	assert_string_equal(message, whole);
	config_free(cfg);
	unlink(path);
}

static void a_bad_file_is_told_with_its_line(void **state)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config *cfg = config_new();
	char *large = calloc(1, PROPERTIES_FILE_BYTES_MAX + 1);

	memset(large, '#', PROPERTIES_FILE_BYTES_MAX + 1);
	expect_bad_file("a=1\nnode.id=-3\n", 15,
			":2: node.id: found \"-3\"; allowed: an integer of 32 bits, at least 0");
	expect_bad_file("a=\\u1\n", 6,
			":1: found \\u is followed by four hexadecimal digits, not all 0; allowed: "
			"key=value");
	expect_bad_file("a=1\nb\0=1\n", 9, ":2: found a NUL byte; allowed: key=value");
	expect_bad_file(large, PROPERTIES_FILE_BYTES_MAX + 1, ": larger than 1048576 bytes");
	assert_int_equal(config_load(cfg, "/no/such/file", message), ERR_BADCONFIG);
	assert_string_equal(message, "/no/such/file: cannot be read: no such file or directory");
	config_free(cfg);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_default_is_allowed_and_every_row_is_found),
	    cmocka_unit_test(has_kafkas_defaults),
	    cmocka_unit_test(shorter_units_stand_over_longer_ones),
	    cmocka_unit_test(the_last_of_several_wins),
	    cmocka_unit_test(r5_what_is_refused_changes_nothing),
	    cmocka_unit_test(values_are_made_regular),
	    cmocka_unit_test(lists_are_walked),
	    cmocka_unit_test(a_bad_value_is_told_with_its_place),
	    cmocka_unit_test(settings_must_go_together),
	    cmocka_unit_test(other_controllers_are_refused),
	    cmocka_unit_test(files_of_kafkas_past_are_taken),
	    cmocka_unit_test(a_file_is_read_and_overridden),
	    cmocka_unit_test(a_bad_file_is_told_with_its_line),
	};
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
