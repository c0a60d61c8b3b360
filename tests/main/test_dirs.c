/* Several log directories: placed in, left out at start, lost while serving. A whole broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "proto/create_topics.h"
#include "proto/describe_log_dirs.h"
#include "proto/fetch.h"
#include "proto/incremental_alter_configs.h"
#include "proto/metadata.h"
#include "tests/api/whole_ask.h"

/* NOLINTBEGIN(misc-no-recursion): as deep as the directory. */

#define STORAGE_ERROR		   56
#define INVALID_REPLICATION_FACTOR 38
#define LEADER_NOT_AVAILABLE	   5

static struct whole whole;
static char root[64], failing[96];

/* -- directories --------------------------------------------------------------------------- */

static const char *in_root(const char *name)
{
	static char paths[4][160];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static bool is_there(const char *name)
{
	return file_exists(in_root(name));
}

/* Every write and sync below `failing` is answered by EIO, or only syncs. */
static _Atomic bool fails, syncs_fail;
static _Atomic int syncs;

static int fault(const char *call, const char *path)
{
	if (!atomic_load(&fails) || path == NULL || strncmp(path, failing, strlen(failing)) != 0)
		return 0;
	if (strcmp(call, "fdatasync") == 0 || strcmp(call, "fsync") == 0 ||
	    strcmp(call, "syncfs") == 0) {
		atomic_fetch_add(&syncs, 1);
		return EIO;
	}
	return !atomic_load(&syncs_fail) && strcmp(call, "pwrite") == 0 ? EIO : 0;
}

static void set(const char *key, const char *value)
{
	char setting[512], message[CONFIG_MESSAGE_SIZE];

	snprintf(setting, sizeof(setting), "%s=%s", key, value);
	assert_int_equal(config_override(whole.config, setting, message), ERR_OK);
}

/* The names are below the root. */
static enum err start(const char *first, const char *second, const char *metadata)
{
	char dirs[400], message[CONFIG_MESSAGE_SIZE];

	whole.config = config_new();
	snprintf(dirs, sizeof(dirs), "%s%s%s", in_root(first), second != NULL ? "," : "",
		 second != NULL ? in_root(second) : "");
	set("log.dirs", dirs);
	if (metadata != NULL)
		set("metadata.log.dir", in_root(metadata));
	set("node.id", "1");
	set("listeners", "PLAINTEXT://127.0.0.1:9092");
	set("num.network.threads", "1");
	set("background.threads", "2");
	set("log.flush.interval.messages", "1");
	assert_int_equal(config_finish(whole.config, message), ERR_OK);
	return broker_new(whole.config, &clock_real, false, &whole.broker);
}

static enum err stop(void)
{
	enum err err = broker_end(whole.broker);

	broker_free(whole.broker);
	config_free(whole.config);
	return err;
}

static void start_refused(const char *first, const char *second, const char *metadata)
{
	assert_int_not_equal(start(first, second, metadata), ERR_OK);
	broker_free(whole.broker);
	config_free(whole.config);
}

static void start_well(const char *first, const char *second)
{
	assert_int_equal(start(first, second, NULL), ERR_OK);
}

static int setup(void **state)
{
	strcpy(root, "/tmp/barnabas-dirs-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(failing, sizeof(failing), "%s/b/", root);
	atomic_store(&fails, false);
	atomic_store(&syncs_fail, false);
	atomic_store(&syncs, 0);
	file_set_fault(fault);
	return 0;
}

static void remove_below(const char *path, int depth)
{
	char **names;
	size_t len;

	if (file_list(path, &names, &len) != ERR_OK) {
		unlink(path);
		return;
	}
	for (size_t i = 0; depth > 0 && i < len; i++) {
		char *inner = file_path(path, names[i]);

		remove_below(inner, depth - 1);
		free(inner);
	}
	file_list_free(names, len);
	rmdir(path);
}

static int teardown(void **state)
{
	file_set_fault(NULL);
	remove_below(root, 4);
	return 0;
}

/* -- what a client does -------------------------------------------------------------------- */

static int produce(const char *topic, int32_t idx)
{
	return whole_produce(&whole, topic, idx, 1000);
}

/* The error code, or how many bytes there are from offset 0 on, below zero. */
static int64_t fetch(const char *topic, int32_t idx)
{
	struct fetch_res answer;
	struct whole_call call;
	int64_t got;

	whole_begin_fetch(&whole, &call, topic, idx, 0, 0, 0);
	whole_ask(&call);
	assert_int_equal(fetch_res_decode(&answer, &call.body, WHOLE_FETCH_VERSION,
					  &call.req.arena),
			 ERR_OK);
	got = answer.responses[0].partitions[0].error_code;
	if (got == 0)
		got = -(int64_t)answer.responses[0].partitions[0].records.bytes.len;
	whole_end(&call);
	return got;
}

struct seen {
	int code;
	int32_t leader;
	size_t offline_len;
};

static struct seen see(const char *topic, int32_t idx)
{
	struct metadata_req_metadata_request_topic asked;
	struct metadata_req ask;
	struct metadata_res answer;
	struct whole_call call;
	struct seen seen = {-1, -2, 0};

	whole_begin(&whole, &call, METADATA_API_KEY, 9);
	metadata_req_init(&ask);
	metadata_req_metadata_request_topic_init(&asked);
	asked.name = str_of(topic);
	ask.topics = &asked;
	ask.topics_len = 1;
	metadata_req_encode(&ask, &call.frame, 9);
	whole_ask(&call);
	assert_int_equal(metadata_res_decode(&answer, &call.body, 9, &call.req.arena), ERR_OK);
	for (size_t i = 0; i < answer.topics[0].partitions_len; i++) {
		const struct metadata_res_metadata_response_partition *part =
		    &answer.topics[0].partitions[i];

		if (part->partition_index == idx)
			seen = (struct seen){part->error_code, part->leader_id,
					     part->offline_replicas_len};
	}
	whole_end(&call);
	return seen;
}

/* How many partitions each directory holds, -1 where it has failed. */
static void count_described(int64_t counts[2], const char *topic)
{
	struct describe_log_dirs_req_describable_log_dir_topic asked;
	int32_t idxs[] = {1, 1, 0, 77, -1};
	struct describe_log_dirs_req ask;
	struct describe_log_dirs_res answer;
	struct whole_call call;

	whole_begin(&whole, &call, DESCRIBE_LOG_DIRS_API_KEY, 5);
	describe_log_dirs_req_init(&ask);
	describe_log_dirs_req_describable_log_dir_topic_init(&asked);
	asked.topic = str_of(topic != NULL ? topic : "");
	asked.partitions = idxs;
	asked.partitions_len = ARRAY_LEN(idxs);
	ask.topics = topic != NULL ? &asked : NULL;
	ask.topics_len = topic != NULL;
	describe_log_dirs_req_encode(&ask, &call.frame, 5);
	whole_ask(&call);
	assert_int_equal(describe_log_dirs_res_decode(&answer, &call.body, 5, &call.req.arena),
			 ERR_OK);
	assert_int_equal(answer.error_code, 0);
	assert_int_equal(answer.results_len, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct describe_log_dirs_res_describe_log_dirs_result *res =
		    &answer.results[i];

		assert_true(str_eq(res->log_dir, str_of(in_root(i == 0 ? "a" : "b"))));
		assert_true(res->error_code == 0 || res->error_code == STORAGE_ERROR);
		assert_true((res->error_code == 0) == (res->total_bytes > 0));
		assert_true((res->error_code == 0) == (res->usable_bytes >= 0));
		counts[i] = res->error_code == 0 ? 0 : -1;
		for (size_t t = 0; t < res->topics_len; t++)
			counts[i] += (int64_t)res->topics[t].partitions_len;
	}
	whole_end(&call);
}

static void describes_what_is_where(void **state)
{
	int64_t counts[2];

	start_well("a", "b");
	whole_make_topic(&whole, "t", 4);
	whole_make_topic(&whole, "u", 1);
	count_described(counts, NULL);
	assert_true(counts[0] == 3 && counts[1] == 2);
	count_described(counts, "t");
	assert_true(counts[0] == 1 && counts[1] == 1);
	count_described(counts, "nowhere");
	assert_true(counts[0] == 0 && counts[1] == 0);
	atomic_store(&fails, true);
	assert_int_equal(produce("t", 1), STORAGE_ERROR);
	atomic_store(&fails, false);
	count_described(counts, NULL);
	assert_true(counts[0] == 3 && counts[1] == -1);
	assert_int_equal(stop(), ERR_OK);
}

/* The metadata follows a failure a little later. */
static struct seen see_leaderless(const char *topic, int32_t idx)
{
	struct seen seen = see(topic, idx);

	while (seen.leader != -1) {
		whole_turn(&whole); /* an answer from the image alone needs none */
		seen = see(topic, idx);
	}
	return seen;
}

/* -- the tests ----------------------------------------------------------------------------- */

static void places_where_there_are_fewest(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 4);
	whole_make_topic(&whole, "u", 1);
	assert_true(is_there("a/t-0") && is_there("b/t-1") && is_there("a/t-2") &&
		    is_there("b/t-3"));
	assert_true(is_there("a/u-0") && !is_there("b/u-0"));
	assert_true(is_there("a/__cluster_metadata-0") && !is_there("b/__cluster_metadata-0"));
	assert_int_equal(produce("t", 0), 0);
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(stop(), ERR_OK);
	assert_true(is_there("a/.kafka_cleanshutdown") && is_there("b/.kafka_cleanshutdown"));
	start_well("a", "b");
	assert_true(fetch("t", 0) < 0 && fetch("t", 1) < 0);
	assert_int_equal(see("t", 1).leader, 1);
	assert_int_equal(stop(), ERR_OK);
}

static void follows_a_partition_that_was_moved_by_hand(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 2);
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(stop(), ERR_OK);
	assert_int_equal(file_rename(in_root("b/t-1"), in_root("a/t-1")), ERR_OK);
	for (int i = 0; i < 2; i++) {
		start_well("a", "b");
		assert_int_equal(see("t", 1).leader, 1);
		assert_true(fetch("t", 1) < 0);
		assert_int_equal(produce("t", 1), 0);
		assert_int_equal(stop(), ERR_OK);
		assert_false(is_there("b/t-1"));
	}
}

static void one_that_fails_takes_its_partitions_alone(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 4);
	for (int32_t i = 0; i < 4; i++)
		assert_int_equal(produce("t", i), 0);
	atomic_store(&fails, true);
	assert_int_equal(produce("t", 1), STORAGE_ERROR);
	atomic_store(&fails, false);
	/* Not tried again: it is offline for good, with all that is in it. */
	assert_int_equal(produce("t", 3), STORAGE_ERROR);
	assert_int_equal(fetch("t", 3), STORAGE_ERROR);
	assert_int_equal(produce("t", 0), 0);
	assert_int_equal(produce("t", 2), 0);
	assert_int_equal(see_leaderless("t", 1).code, LEADER_NOT_AVAILABLE);
	assert_int_equal(see_leaderless("t", 3).offline_len, 1);
	assert_int_equal(see("t", 0).offline_len, 0);
	whole_make_topic(&whole, "after", 2);
	assert_true(is_there("a/after-0") && is_there("a/after-1"));
	assert_int_equal(stop(), ERR_OK);
	assert_true(is_there("a/.kafka_cleanshutdown") && !is_there("b/.kafka_cleanshutdown"));

	/* The disk is well again after a restart: what was acknowledged is there. */
	start_well("a", "b");
	assert_int_equal(see("t", 1).leader, 1);
	assert_true(fetch("t", 1) < 0 && fetch("t", 3) < 0);
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(stop(), ERR_OK);
}

/* Who waits for the sync is told, and no other sync is tried in the directory. */
static void a_sync_that_fails_is_final(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 4);
	for (int32_t i = 0; i < 4; i++)
		assert_int_equal(produce("t", i), 0);
	atomic_store(&syncs_fail, true);
	atomic_store(&fails, true);
	assert_int_equal(produce("t", 1), STORAGE_ERROR);
	assert_int_equal(atomic_load(&syncs), 1);
	assert_int_equal(produce("t", 3), STORAGE_ERROR);
	assert_int_equal(see_leaderless("t", 1).leader, -1);
	assert_int_equal(produce("t", 2), 0);
	assert_int_equal(stop(), ERR_OK);
	assert_int_equal(atomic_load(&syncs), 1);
}

static void one_that_fails_at_the_stop_is_not_marked(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 2);
	assert_int_equal(produce("t", 0), 0);
	assert_int_equal(produce("t", 1), 0);
	atomic_store(&fails, true);
	assert_int_not_equal(stop(), ERR_OK);
	atomic_store(&fails, false);
	assert_true(is_there("a/.kafka_cleanshutdown") && !is_there("b/.kafka_cleanshutdown"));
	start_well("a", "b");
	assert_true(fetch("t", 0) < 0 && fetch("t", 1) < 0);
	assert_int_equal(stop(), ERR_OK);
}

static void cordon(const char *dirs)
{
	struct incremental_alter_configs_req_alterable_config setting;
	struct incremental_alter_configs_req_alter_configs_resource resource;
	struct incremental_alter_configs_req ask;
	struct incremental_alter_configs_res answer;
	struct whole_call call;

	whole_begin(&whole, &call, INCREMENTAL_ALTER_CONFIGS_API_KEY, 1);
	incremental_alter_configs_req_init(&ask);
	incremental_alter_configs_req_alterable_config_init(&setting);
	incremental_alter_configs_req_alter_configs_resource_init(&resource);
	setting.name = STR("cordoned.log.dirs");
	setting.value = str_of(dirs);
	resource.resource_type = 4;
	resource.resource_name = STR("1");
	resource.configs = &setting;
	resource.configs_len = 1;
	ask.resources = &resource;
	ask.resources_len = 1;
	incremental_alter_configs_req_encode(&ask, &call.frame, 1);
	whole_ask(&call);
	assert_int_equal(incremental_alter_configs_res_decode(&answer, &call.body, 1,
							      &call.req.arena),
			 ERR_OK);
	assert_int_equal(answer.responses[0].error_code, 0);
	whole_end(&call);
}

static int create_code(const char *name)
{
	struct create_topics_req_creatable_topic topic;
	struct create_topics_req ask;
	struct create_topics_res answer;
	struct whole_call call;
	int code;

	whole_begin(&whole, &call, CREATE_TOPICS_API_KEY, CREATE_TOPICS_MAX_VERSION);
	create_topics_req_init(&ask);
	create_topics_req_creatable_topic_init(&topic);
	topic.name = str_of(name);
	topic.num_partitions = 1;
	topic.replication_factor = 1;
	ask.topics = &topic;
	ask.topics_len = 1;
	create_topics_req_encode(&ask, &call.frame, CREATE_TOPICS_MAX_VERSION);
	whole_ask(&call);
	assert_int_equal(create_topics_res_decode(&answer, &call.body, CREATE_TOPICS_MAX_VERSION,
						  &call.req.arena),
			 ERR_OK);
	code = answer.topics[0].error_code;
	whole_end(&call);
	return code;
}

static void a_cordoned_one_gets_no_new_partitions(void **state)
{
	start_well("a", "b");
	cordon(in_root("b"));
	whole_make_topic(&whole, "t", 3);
	assert_true(is_there("a/t-0") && is_there("a/t-1") && is_there("a/t-2"));
	assert_int_equal(stop(), ERR_OK);
	start_well("a", "b");
	assert_int_equal(create_code("u"), 0);
	assert_true(is_there("a/u-0"));
	cordon("*");
	/* In the metadata with the next change. */
	for (int i = 0; create_code("v") != INVALID_REPLICATION_FACTOR; i++)
		assert_true(i < 1);
	cordon("");
	while (create_code("w") == INVALID_REPLICATION_FACTOR)
		whole_turn(&whole);
	assert_true(is_there("b/w-0"));
	assert_int_equal(stop(), ERR_OK);
}

static void without_the_metadata_log_it_ends(void **state)
{
	snprintf(failing, sizeof(failing), "%s/a/t-", root);
	start_well("a", "b");
	whole_make_topic(&whole, "t", 2);
	assert_int_equal(produce("t", 0), 0);
	atomic_store(&fails, true);
	assert_int_equal(produce("t", 0), STORAGE_ERROR);
	assert_int_not_equal(stop(), ERR_OK);
	assert_false(is_there("a/.kafka_cleanshutdown") || is_there("b/.kafka_cleanshutdown"));
}

static void one_that_is_unusable_at_start_is_left_out(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 4);
	assert_int_equal(produce("t", 0), 0);
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(stop(), ERR_OK);
	assert_int_equal(file_rename(in_root("b"), in_root("away")), ERR_OK);
	assert_int_equal(symlink("/proc/no such directory", in_root("b")), 0);
	start_well("a", "b");
	assert_int_equal(produce("t", 0), 0);
	assert_int_equal(see("t", 1).leader, -1);
	assert_int_equal(see("t", 1).offline_len, 1);
	assert_int_not_equal(produce("t", 1), 0);
	assert_false(is_there("a/t-1"));
	assert_int_equal(stop(), ERR_OK);

	assert_int_equal(unlink(in_root("b")), 0);
	assert_int_equal(file_rename(in_root("away"), in_root("b")), ERR_OK);
	start_well("a", "b");
	assert_true(fetch("t", 1) < 0);
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(stop(), ERR_OK);
}

static void an_empty_mount_point_is_not_formatted(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 2);
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(stop(), ERR_OK);
	assert_int_equal(file_rename(in_root("b"), in_root("away")), ERR_OK);
	start_refused("a", "b", NULL);
	assert_false(is_there("b/meta.properties"));
	/* Nor is the metadata log's. */
	start_refused("empty", "a", NULL);
	remove_below(in_root("b"), 2);
	assert_int_equal(file_rename(in_root("away"), in_root("b")), ERR_OK);
	start_well("a", "b");
	assert_true(fetch("t", 1) < 0);
	assert_int_equal(stop(), ERR_OK);
}

static void a_new_one_beside_others_is_formatted(void **state)
{
	start_well("a", NULL);
	whole_make_topic(&whole, "t", 2);
	assert_int_equal(stop(), ERR_OK);
	start_well("a", "b");
	assert_true(is_there("b/meta.properties") && is_there("b/bootstrap.checkpoint"));
	whole_make_topic(&whole, "u", 2);
	assert_true(is_there("b/u-0") && is_there("b/u-1"));
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(produce("u", 1), 0);
	assert_int_equal(stop(), ERR_OK);
	start_well("a", "b");
	assert_true(fetch("u", 1) < 0);
	assert_int_equal(stop(), ERR_OK);
}

static void a_partition_in_two_directories_is_refused(void **state)
{
	start_well("a", "b");
	whole_make_topic(&whole, "t", 2);
	assert_int_equal(stop(), ERR_OK);
	assert_int_equal(file_mkdir(in_root("b/t-0")), ERR_OK);
	start_refused("a", "b", NULL);
	assert_int_equal(file_rmdir(in_root("b/t-0")), ERR_OK);
	start_well("a", "b");
	assert_int_equal(stop(), ERR_OK);
}

static void the_metadata_log_may_have_its_own(void **state)
{
	assert_int_equal(start("a", "b", "meta"), ERR_OK);
	whole_make_topic(&whole, "t", 2);
	assert_true(is_there("meta/__cluster_metadata-0") && is_there("a/t-0") &&
		    is_there("b/t-1"));
	assert_int_equal(produce("t", 1), 0);
	assert_int_equal(stop(), ERR_OK);
	assert_int_equal(start("a", "b", "meta"), ERR_OK);
	assert_true(fetch("t", 1) < 0);
	assert_int_equal(stop(), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(places_where_there_are_fewest, setup, teardown),
	    cmocka_unit_test_setup_teardown(follows_a_partition_that_was_moved_by_hand, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(one_that_fails_takes_its_partitions_alone, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(describes_what_is_where, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_sync_that_fails_is_final, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_cordoned_one_gets_no_new_partitions, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_that_fails_at_the_stop_is_not_marked, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(without_the_metadata_log_it_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_that_is_unusable_at_start_is_left_out, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(an_empty_mount_point_is_not_formatted, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_new_one_beside_others_is_formatted, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_partition_in_two_directories_is_refused, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(the_metadata_log_may_have_its_own, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NOLINTEND(misc-no-recursion) */
