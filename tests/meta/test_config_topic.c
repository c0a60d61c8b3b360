/*
 * Topics' effective settings, dynamic settings of brokers and groups, and what clients may change.
 */
#include "config_make.h"
#include "image_make.h"

#include <stdlib.h>

static struct image *new_image(struct mrec_list *list)
{
	mrec_list_init(list);
	return image_new(STR("c"));
}

static void a_topic_without_settings_has_the_brokers(void **state)
{
	struct config *cfg =
	    make_config_of("log.retention.minutes=2\nlog.roll.hours=3\n"
			   "compression.type=zstd\nlog.cleanup.policy=compact,delete\n"
			   "message.max.bytes=77\nlog.flush.interval.messages=1\n");
	struct topic_config topic;

	topic_config_resolve(cfg, NULL, STR("t"), &topic);
	assert_int_equal(topic.retention_ms, 120000);
	assert_int_equal(topic.retention_bytes, -1);
	assert_int_equal(topic.segment_ms, 10800000);
	assert_int_equal(topic.segment_jitter_ms, 0);
	assert_int_equal(topic.segment_bytes, 1 << 30);
	assert_int_equal(topic.segment_index_bytes, 10 << 20);
	assert_int_equal(topic.index_interval_bytes, 4096);
	assert_int_equal(topic.compression, TOPIC_COMPRESSION_ZSTD);
	assert_int_equal(topic.cleanup, TOPIC_CLEANUP_COMPACT | TOPIC_CLEANUP_DELETE);
	assert_int_equal(topic.max_message_bytes, 77);
	assert_int_equal(topic.flush_messages, 1);
	assert_int_equal(topic.flush_ms, 1000);
	assert_int_equal(topic.min_insync_replicas, 1);
	assert_int_equal(topic.timestamp_after_max_ms, 3600000);
	assert_true(topic.timestamp_before_max_ms == INT64_MAX);
	assert_int_equal(topic.file_delete_delay_ms, 60000);
	assert_int_equal(topic.delete_retention_ms, 86400000);
	assert_true(topic.min_cleanable_dirty_ratio == 0.5);
	assert_false(topic.log_append_time || topic.preallocate || topic.unclean_leader_election);
	config_free(cfg);
}

static void records_stand_over_the_file(void **state)
{
	struct config *cfg = make_config_of("");
	struct topic_config topic;
	struct mrec_list list;
	struct image *img = new_image(&list);

	make_config(&list, 4, "", "log.retention.ms", "10");
	make_config(&list, 4, "", "message.max.bytes", "20");
	make_config(&list, 4, "", "log.segment.bytes", "nonsense");
	make_config(&list, 4, "1", "message.max.bytes", "30");
	make_config(&list, 4, "2", "message.max.bytes", "40");
	make_config(&list, 2, "t", "retention.ms", "-1");
	make_config(&list, 2, "t", "message.timestamp.type", "LogAppendTime");
	make_config(&list, 2, "t", "min.cleanable.dirty.ratio", "0.25");
	make_config(&list, 2, "t", "segment.bytes", " 2000000 ");
	make_config(&list, 2, "t", "unheard.of", "1");
	make_config(&list, 2, "u", "segment.bytes", "2000000");
	make_config(&list, 2, "u", "internal.segment.bytes", "500");
	apply_all(img, &list);
	topic_config_resolve(cfg, img, STR("t"), &topic);
	assert_int_equal(topic.retention_ms, -1);
	assert_int_equal(topic.max_message_bytes, 30);
	assert_true(topic.log_append_time);
	assert_true(topic.min_cleanable_dirty_ratio == 0.25);
	assert_int_equal(topic.segment_bytes, 2000000);
	topic_config_resolve(cfg, img, STR("u"), &topic);
	assert_int_equal(topic.retention_ms, 10);
	assert_int_equal(topic.segment_bytes, 500);
	config_free(cfg);
	image_unref(img);
	mrec_list_fini(&list);
}

static void brokers_and_groups_change_while_running(void **state)
{
	struct config *cfg = make_config_of("background.threads=3\n");
	struct mrec_list list;
	struct image *img = new_image(&list);

	assert_int_equal(config_dynamic_int64(cfg, img, CONFIG_BACKGROUND_THREADS), 3);
	make_config(&list, 4, "", "background.threads", "4");
	make_config(&list, 4, "", "num.partitions", "9");
	make_config(&list, 4, "1", "unclean.leader.election.enable", "true");
	make_config(&list, 32, "g", "consumer.session.timeout.ms", "50000");
	make_config(&list, 32, "low", "consumer.session.timeout.ms", "10");
	make_config(&list, 32, "high", "consumer.session.timeout.ms", "99999999");
	apply_all(img, &list);
	assert_int_equal(config_dynamic_int64(cfg, img, CONFIG_BACKGROUND_THREADS), 4);
	assert_int_equal(config_dynamic_int64(cfg, img, CONFIG_NUM_PARTITIONS), 1);
	assert_true(config_dynamic_bool(cfg, img, CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE));
	assert_false(config_dynamic_bool(cfg, NULL, CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE));
	assert_str(config_dynamic_str(cfg, img, CONFIG_COMPRESSION_TYPE), "producer");
	assert_int_equal(config_group_int64(cfg, img, STR("g"),
					    GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS),
			 50000);
	assert_int_equal(config_group_int64(cfg, img, STR("low"),
					    GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS),
			 45000);
	assert_int_equal(config_group_int64(cfg, img, STR("high"),
					    GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS),
			 60000);
	assert_int_equal(config_group_int64(cfg, NULL, STR("g"),
					    GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS),
			 45000);
	config_free(cfg);
	image_unref(img);
	mrec_list_fini(&list);
}

/* What Apache Kafka 4.3.1 answered to the same. */
static void topics_are_checked_in_kafkas_words(void **state)
{
	static const struct {
		const char *name, *value, *message;
	} bad[] = {
	    {"foo", "bar", "Unknown topic config name: foo"},
	    {"message.format.version", "2.0", "Unknown topic config name: message.format.version"},
	    {"segment.bytes", "x",
	     "Invalid value x for configuration segment.bytes: Not a number of type INT"},
	    {"segment.bytes", "",
	     "Invalid value  for configuration segment.bytes: Not a number of type INT"},
	    {"segment.bytes", "10",
	     "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576"},
	    {"retention.ms", NULL, "Null value not supported for topic configs: retention.ms"},
	    {"retention.ms", "-2",
	     "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
	    {"retention.ms", "99999999999999999999",
	     "Invalid value 99999999999999999999 for configuration retention.ms: Not a number of "
	     "type LONG"},
	    {"cleanup.policy", "foo",
	     "Invalid value foo for configuration cleanup.policy: String must be one of: compact, "
	     "delete"},
	    {"cleanup.policy", "compact,,delete",
	     "Configuration 'cleanup.policy' values must not be empty."},
	    {"compression.gzip.level", "0",
	     "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 "
	     "and 9 or "
	     "equal to -1"},
	    {"compression.zstd.level", "23",
	     "Invalid value 23 for configuration compression.zstd.level: Value must be no more "
	     "than 22"},
	    {"min.cleanable.dirty.ratio", "2",
	     "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more "
	     "than 1"},
	    {"min.cleanable.dirty.ratio", "nan",
	     "Invalid value nan for configuration min.cleanable.dirty.ratio: Not a number of type "
	     "DOUBLE"},
	    {"preallocate", "yes",
	     "Invalid value yes for configuration preallocate: Expected value to be either true or "
	     "false"},
	    {"leader.replication.throttled.replicas", "x",
	     "Invalid value x for configuration leader.replication.throttled.replicas: "
	     "leader.replication.throttled.replicas must be the literal '*' or a list of replicas "
	     "in the "
	     "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
	};
	static const char *const good[][2] = {{"cleanup.policy", ""},
					      {"cleanup.policy", "compact, delete"},
					      {"preallocate", "TRUE"},
					      {"segment.bytes", " +2000000 "},
					      {"leader.replication.throttled.replicas", "*"},
					      {"leader.replication.throttled.replicas", "0:1, 1:2"},
					      {"leader.replication.throttled.replicas", ""},
					      {"internal.segment.bytes", "1"}};
	char message[CONFIG_MESSAGE_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(config_topic_check(str_of(bad[i].name), str_of(bad[i].value),
						    message),
				 ERR_INVALID_CONFIG);
		assert_string_equal(message, bad[i].message);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(config_topic_check(str_of(good[i][0]), str_of(good[i][1]),
						    message),
				 ERR_OK);
}

static void changes_are_checked_in_kafkas_words(void **state)
{
	static const struct {
		enum config_resource resource;
		const char *resource_name, *name, *value;
		enum err err;
		const char *message;
	} cases[] = {
	    {CONFIG_RESOURCE_TOPIC, "t", "nokey", "x", ERR_INVALID_CONFIG,
	     "Unknown topic config name: nokey"},
	    {CONFIG_RESOURCE_TOPIC, "t", "nokey", NULL, ERR_OK, ""},
	    {CONFIG_RESOURCE_BROKER, "1", "num.partitions", "3", ERR_INVALID_REQUEST,
	     "Cannot update these configs dynamically: [num.partitions]"},
	    {CONFIG_RESOURCE_BROKER, "1", "num.partitions", NULL, ERR_OK, ""},
	    {CONFIG_RESOURCE_BROKER, "", "listeners", "PLAINTEXT://:1", ERR_INVALID_REQUEST,
	     "Cannot update these configs at default cluster level, broker id must be specified: "
	     "[listeners]"},
	    {CONFIG_RESOURCE_BROKER, "1", "listeners", "PLAINTEXT://:1", ERR_OK, ""},
	    {CONFIG_RESOURCE_BROKER, "1", "log.cleaner.threads", "x", ERR_INVALID_REQUEST,
	     "Invalid value x for configuration log.cleaner.threads: Not a number of type INT"},
	    {CONFIG_RESOURCE_BROKER, "1", "log.cleaner.threads", "2", ERR_OK, ""},
	    {CONFIG_RESOURCE_BROKER, "", "ssl.keystore.location", "/x", ERR_INVALID_REQUEST,
	     "These security configs can be dynamically updated only per-listener using the "
	     "listener "
	     "prefix: [ssl.keystore.location]"},
	    {CONFIG_RESOURCE_BROKER, "1", "listener.name.plaintext.ssl.keystore.type", "PKCS12",
	     ERR_OK, ""},
	    {CONFIG_RESOURCE_BROKER, "1", "foo.bar", "3", ERR_OK, ""},
	    {CONFIG_RESOURCE_BROKER, "", "max.connections.per.ip.overrides", "h:1", ERR_OK, ""},
	    {CONFIG_RESOURCE_BROKER, "", "max.connections.per.ip.overrides", "foo",
	     ERR_INVALID_REQUEST,
	     "Invalid value foo for configuration max.connections.per.ip.overrides: Entries must "
	     "be in the form {host}:{number}"},
	    {CONFIG_RESOURCE_BROKER, "1", "leader.replication.throttled.rate", "x",
	     ERR_INVALID_REQUEST,
	     "Invalid value x for configuration leader.replication.throttled.rate: Not a number of "
	     "type "
	     "LONG"},
	    {CONFIG_RESOURCE_METRICS, "m", "interval.ms", "1", ERR_INVALID_REQUEST,
	     "Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
	    {CONFIG_RESOURCE_METRICS, "m", "interval.ms", "x", ERR_INVALID_CONFIG,
	     "Invalid value x for configuration interval.ms: Not a number of type INT"},
	    {CONFIG_RESOURCE_METRICS, "m", "foo", "1", ERR_INVALID_REQUEST,
	     "Unknown client metrics configuration: foo"},
	    {CONFIG_RESOURCE_METRICS, "m", "match", "foo=bar", ERR_INVALID_CONFIG,
	     "Illegal client matching pattern: foo=bar"},
	    {CONFIG_RESOURCE_METRICS, "m", "match", "client_id=x,client_software_name=y", ERR_OK,
	     ""},
	    {CONFIG_RESOURCE_GROUP, "g", "foo", "1", ERR_INVALID_CONFIG,
	     "Unknown group config name: foo"},
	    {CONFIG_RESOURCE_GROUP, "g", "share.delivery.count.limit", "1", ERR_INVALID_CONFIG,
	     "Invalid value 1 for configuration share.delivery.count.limit: Value must be at least "
	     "2"},
	    {CONFIG_RESOURCE_GROUP, "g", "share.auto.offset.reset", "by_duration:PT1H", ERR_OK, ""},
	    {CONFIG_RESOURCE_GROUP, "g", "share.auto.offset.reset", "by_duration:-PT1H",
	     ERR_INVALID_CONFIG,
	     "Invalid value by_duration:-PT1H for configuration share.auto.offset.reset: The value "
	     "must be "
	     "either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."},
	};
	char message[CONFIG_MESSAGE_SIZE], *large = calloc(1, 40000);
	struct config *cfg = make_config_of("");
	struct config_pair pair = {STR("cleanup.policy"), {large, 40000}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_pair each = {str_of(cases[i].name), str_of(cases[i].value)};
		assert_int_equal(config_check_change(cfg, cases[i].resource,
						     str_of(cases[i].resource_name), each, message),
				 cases[i].err);
		assert_string_equal(message, cases[i].message);
	}
	assert_int_equal(config_check_change(cfg, CONFIG_RESOURCE_TOPIC, STR("t"), pair, message),
			 ERR_INVALID_CONFIG);
	config_free(cfg);
	free(large);
}

static void expect_together(const struct config *cfg, const struct image *img,
			    enum config_resource resource, const char *resource_name,
			    struct config_pair pair, const char *expected)
{
	char message[CONFIG_MESSAGE_SIZE];

	assert_int_equal(config_check_together(cfg, img, resource, str_of(resource_name), &pair,
					       pair.name.ptr != NULL, message),
			 expected[0] == '\0' ? ERR_OK : ERR_INVALID_CONFIG);
	assert_string_equal(message, expected);
}

static void settings_of_a_resource_go_together(void **state)
{
	struct config *cfg = make_config_of("");
	struct config_pair none = {STR_NULL, STR_NULL};
	struct config_pair isr = {STR("min.insync.replicas"), STR("2")};
	struct mrec_list list;
	struct image *img = new_image(&list);

	expect_together(cfg, img, CONFIG_RESOURCE_TOPIC, "t",
			(struct config_pair){STR("min.compaction.lag.ms"), STR("9")}, "");
	expect_together(
	    cfg, img, CONFIG_RESOURCE_TOPIC, "t",
	    (struct config_pair){STR("remote.storage.enable"), STR("true")},
	    "Tiered Storage functionality is disabled in the broker. Topic cannot be configured "
	    "with remote log storage.");
	make_config(&list, 4, "1", "log.cleaner.max.compaction.lag.ms", "5");
	make_config(&list, 4, "", "min.insync.replicas", "1");
	apply_all(img, &list);
	expect_together(
	    cfg, img, CONFIG_RESOURCE_TOPIC, "t",
	    (struct config_pair){STR("min.compaction.lag.ms"), STR("9")},
	    "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms "
	    "(5)");
	expect_together(cfg, img, CONFIG_RESOURCE_GROUP, "g",
			(struct config_pair){STR("consumer.session.timeout.ms"), STR("1")},
			"consumer.session.timeout.ms must be greater than or equal to "
			"group.consumer.min.session.timeout.ms");
	expect_together(cfg, img, CONFIG_RESOURCE_GROUP, "g",
			(struct config_pair){STR("streams.num.standby.replicas"), STR("9")},
			"streams.num.standby.replicas must be less than or equal to "
			"group.streams.max.standby.replicas");
	expect_together(cfg, img, CONFIG_RESOURCE_BROKER, "1", isr, "");
	make_feature(&list, "eligible.leader.replicas.version", 1);
	apply_all(img, &list);
	expect_together(cfg, img, CONFIG_RESOURCE_BROKER, "1", isr,
			"Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
	expect_together(cfg, img, CONFIG_RESOURCE_BROKER, "", isr, "");
	expect_together(
	    cfg, img, CONFIG_RESOURCE_BROKER, "", none,
	    "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
	config_free(cfg);
	image_unref(img);
	mrec_list_fini(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_topic_without_settings_has_the_brokers),
	    cmocka_unit_test(records_stand_over_the_file),
	    cmocka_unit_test(brokers_and_groups_change_while_running),
	    cmocka_unit_test(topics_are_checked_in_kafkas_words),
	    cmocka_unit_test(changes_are_checked_in_kafkas_words),
	    cmocka_unit_test(settings_of_a_resource_go_together),
	};
	return cmocka_run_group_tests_name("config_topic", tests, NULL, NULL);
}
