/*
 * What DescribeConfigs shows, line by line as Apache Kafka 4.3.1 showed it: tests/golden/config
 * holds its answers, asked with the settings that are repeated here.
 */
#include "config_make.h"
#include "image_make.h"

#include <stdio.h>
#include <stdlib.h>

static const char base_file[] = "process.roles=broker,controller\n"
				"node.id=1\n"
				"controller.quorum.voters=1@127.0.0.1:9093\n"
				"listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n"
				"advertised.listeners=PLAINTEXT://127.0.0.1:9092\n"
				"controller.listener.names=CONTROLLER\n"
				"log.dirs=/d\n"
				"offsets.topic.replication.factor=1\n"
				"transaction.state.log.replication.factor=1\n"
				"transaction.state.log.min.isr=1\n"
				"share.coordinator.state.topic.replication.factor=1\n"
				"share.coordinator.state.topic.min.isr=1\n"
				"group.initial.rebalance.delay.ms=0\n";

static const char more_file[] = "log.retention.hours=24\n"
				"num.network.threads= 4 \n"
				"foo=bar\n"
				"log.cleanup.policy=compact, delete\n"
				"listener.name.plaintext.max.connections=9\n"
				"auto.create.topics.enable=FALSE\n"
				"log.roll.hours=2\n"
				"unstable.api.versions.enable=true\n"
				"log.flush.scheduler.interval.ms=3000\n"
				"zookeeper.connect=localhost:2181\n"
				"ssl.key.password=abc\n"
				"log.retention.minutes=30\n"
				"super.users=User:a\n"
				"log.dir=/tmp/zz\n"
				"min.insync.replicas=1\n"
				"broker.rack=r1\n"
				"compression.type=zstd\n";

/* Where barnabas says something else than Kafka, on purpose: see their rows. */
static const char *const differing[] = {"log.flush.interval.ms", "log.flush.scheduler.interval.ms",
					"queued.max.request.bytes", "flush.ms"};

#define GOLDEN_LINES_MAX 512

struct golden {
	char *text;
	char *lines[GOLDEN_LINES_MAX];
	size_t len;
};

static void golden_load(struct golden *golden, const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[512];
	char *rest, *line;
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/tests/golden/config/%s", srcdir != NULL ? srcdir : ".",
		 name);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("%s is missing", path);
	golden->text = calloc(1, 1 << 20);
	size = fread(golden->text, 1, (1 << 20) - 1, file);
	assert_true(size > 0);
	fclose(file);
	golden->len = 0;
	rest = golden->text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '#' || line[0] == '\0')
			continue;
		assert_true(golden->len < GOLDEN_LINES_MAX);
		golden->lines[golden->len++] = line;
	}
}

static void print_value(const struct config_value *value, char *buf, size_t size)
{
	int len =
	    snprintf(buf, size, "%.*s\t%.*s\t%d\t%d\t%s\t%s", STR_ARG(value->name),
		     value->value.ptr != NULL ? (int)value->value.len : 4,
		     value->value.ptr != NULL ? value->value.ptr : "null", value->source,
		     value->type, value->read_only ? "RO" : "rw", value->sensitive ? "SENS" : "-");

	for (size_t i = 0; i < value->synonyms_len; i++) {
		const struct config_synonym *synonym = &value->synonyms[i];
		len += snprintf(buf + len, size - (size_t)len, "\t%.*s=%.*s:%d",
				STR_ARG(synonym->name),
				synonym->value.ptr != NULL ? (int)synonym->value.len : 4,
				synonym->value.ptr != NULL ? synonym->value.ptr : "null",
				synonym->source);
	}
}

static bool is_differing(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(differing); i++)
		if (str_eq(name, str_of(differing[i])))
			return true;
	return false;
}

static int compare_names(const void *a, const void *b)
{
	return str_cmp(((const struct config_value *)a)->name,
		       ((const struct config_value *)b)->name);
}

static void expect_golden(const struct config *cfg, const struct image *img,
			  enum config_resource resource, const char *name, const char *file)
{
	struct golden golden;
	struct config_value *values;
	struct arena arena;
	char line[2048];
	size_t len;

	golden_load(&golden, file);
	arena_init(&arena, 8 << 20);
	assert_int_equal(config_describe(cfg, img, resource, str_of(name), &arena, &values, &len),
			 ERR_OK);
	qsort(values, len, sizeof(*values), compare_names);
	for (size_t i = 0; i < len && i < golden.len; i++) {
		print_value(&values[i], line, sizeof(line));
		if (!is_differing(values[i].name))
			assert_string_equal(line, golden.lines[i]);
	}
	assert_int_equal(len, golden.len);
	arena_fini(&arena);
	free(golden.text);
}

static struct image *make_image(struct mrec_list *list)
{
	struct image *img = image_new(STR("c"));

	mrec_list_init(list);
	make_config(list, 4, "", "min.insync.replicas", "1");
	apply_all(img, list);
	return img;
}

static void change_dynamically(struct image *img, struct mrec_list *list)
{
	make_config(list, 4, "1", "foo.bar", "3");
	make_config(list, 4, "1", "sasl.jaas.config", "xx");
	make_config(list, 4, "1", "listener.name.plaintext.ssl.keystore.type", "PKCS12");
	make_config(list, 4, "1", "max.connections", "55");
	make_config(list, 4, "1", "listener.name.plaintext.max.connections", "77");
	make_config(list, 4, "1", "log.retention.ms", "3600000");
	make_config(list, 4, "1", "log.roll.ms", "7777777");
	make_config(list, 4, "1", "leader.replication.throttled.rate", "100");
	make_config(list, 4, "1", "log.cleaner.io.max.bytes.per.second", "1000000");
	make_config(list, 4, "", "log.cleaner.threads", "3");
	make_config(list, 4, "", "foo.bar2", "3");
	make_config(list, 2, "t2", "cleanup.policy", "compact, delete");
	make_config(list, 2, "t2", "segment.bytes", "2000000");
	make_config(list, 2, "t4", "internal.segment.bytes", "1000");
	apply_all(img, list);
}

static void a_broker_with_a_rich_file(void **state)
{
	char text[sizeof(base_file) + sizeof(more_file)];
	struct mrec_list list;
	struct image *img = make_image(&list);
	struct config *cfg;

	snprintf(text, sizeof(text), "%s%s", base_file, more_file);
	cfg = make_config_of(text);
	expect_golden(cfg, img, CONFIG_RESOURCE_BROKER, "1", "broker-static.tsv");
	config_free(cfg);
	image_unref(img);
	mrec_list_fini(&list);
}

static void resources_that_clients_changed(void **state)
{
	struct mrec_list list;
	struct image *img = make_image(&list);
	struct config *cfg = make_config_of(base_file);

	change_dynamically(img, &list);
	expect_golden(cfg, img, CONFIG_RESOURCE_BROKER, "1", "broker-dynamic.tsv");
	expect_golden(cfg, img, CONFIG_RESOURCE_BROKER, "", "cluster.tsv");
	expect_golden(cfg, img, CONFIG_RESOURCE_TOPIC, "t2", "topic.tsv");
	expect_golden(cfg, img, CONFIG_RESOURCE_TOPIC, "t4", "topic-internal.tsv");
	config_free(cfg);
	image_unref(img);
	mrec_list_fini(&list);
}

static void groups_and_client_metrics(void **state)
{
	struct mrec_list list;
	struct image *img = make_image(&list);
	struct config *cfg = make_config_of(base_file);
	struct config_value *values;
	struct arena arena;
	char line[512];
	size_t len;

	expect_golden(cfg, img, CONFIG_RESOURCE_GROUP, "gg", "group.tsv");
	expect_golden(cfg, img, CONFIG_RESOURCE_METRICS, "cm", "metrics.tsv");
	make_config(&list, 32, "g", "consumer.session.timeout.ms", "50000");
	make_config(&list, 16, "cm", "metrics", "a.,b.");
	apply_all(img, &list);
	arena_init(&arena, 1 << 20);
	assert_int_equal(config_describe(cfg, img, CONFIG_RESOURCE_GROUP, STR("g"), &arena, &values,
					 &len),
			 ERR_OK);
	print_value(&values[GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS - values[0].id], line,
		    sizeof(line));
	assert_string_equal(line, "consumer.session.timeout.ms\t50000\t8\t3\trw\t-\t"
				  "consumer.session.timeout.ms=50000:8\t"
				  "group.consumer.session.timeout.ms=45000:5");
	assert_int_equal(config_describe(cfg, img, CONFIG_RESOURCE_METRICS, STR("cm"), &arena,
					 &values, &len),
			 ERR_OK);
	print_value(&values[2], line, sizeof(line));
	assert_string_equal(line, "metrics\ta.,b.\t7\t7\trw\t-\tmetrics=a.,b.:7");
	arena_fini(&arena);
	config_free(cfg);
	image_unref(img);
	mrec_list_fini(&list);
}

/* What kafka-topics --describe prints depends on it: found by asking Apache Kafka 4.3.1. */
static void a_topics_settings_come_in_kafkas_order(void **state)
{
	struct config *cfg = make_config_of(base_file);
	struct config_value *values;
	struct arena arena;
	size_t len;

	arena_init(&arena, 1 << 20);
	assert_int_equal(config_describe(cfg, NULL, CONFIG_RESOURCE_TOPIC, STR("t"), &arena,
					 &values, &len),
			 ERR_OK);
	assert_int_equal(len, 33);
	assert_str(values[0].name, "compression.type");
	assert_str(values[12].name, "segment.bytes");
	assert_str(values[13].name, "retention.ms");
	assert_str(values[32].name, "segment.index.bytes");
	arena_fini(&arena);
	config_free(cfg);
}

static void a_small_arena_is_an_error(void **state)
{
	struct config *cfg = make_config_of(base_file);
	struct config_value *values;
	struct arena arena;
	size_t len;

	arena_init(&arena, 16 << 10);
	assert_int_equal(config_describe(cfg, NULL, CONFIG_RESOURCE_BROKER, STR("1"), &arena,
					 &values, &len),
			 ERR_NOMEM);
	assert_int_equal(len, 0);
	arena_fini(&arena);
	config_free(cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_broker_with_a_rich_file),
	    cmocka_unit_test(resources_that_clients_changed),
	    cmocka_unit_test(groups_and_client_metrics),
	    cmocka_unit_test(a_topics_settings_come_in_kafkas_order),
	    cmocka_unit_test(a_small_arena_is_an_error),
	};
	return cmocka_run_group_tests_name("config_describe", tests, NULL, NULL);
}
