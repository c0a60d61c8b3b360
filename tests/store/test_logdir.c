/* A log directory: lock, clean mark, names; and the small text files. */
#include <sys/wait.h>

#include "store/epoch_cache.h"
#include "store/logdir.h"
#include "store/partition_metadata.h"
#include "support.h"

static char root[40];

static int setup(void **state)
{
	log_set_level(LOG_LEVEL_ERROR);
	strcpy(root, "/tmp/barnabas-logdir-XXXXXX");
	assert_non_null(mkdtemp(root));
	return 0;
}

static int teardown(void **state)
{
	return file_remove_dir(root) == ERR_OK ? 0 : -1;
}

static void two_processes_cannot_share_a_directory(void **state)
{
	struct logdir *logdir, *other;
	pid_t child;
	int status;

	assert_int_equal(logdir_open(&logdir, root), ERR_OK);
	assert_int_equal(logdir_open(&other, root), ERR_LOCKED);
	child = fork();
	if (child == 0) {
		/* As Java locks: a record lock of the process. */
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		char *path = file_path(root, ".lock");
		int fd;

		if (path == NULL || file_open(path, O_RDWR, &fd) != ERR_OK)
			_exit(2);
		_exit(fcntl(fd, F_SETLK, &lock) == 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	logdir_close(logdir);
	assert_int_equal(logdir_open(&logdir, root), ERR_OK);
	logdir_close(logdir);
}

static void the_clean_mark_is_taken_once(void **state)
{
	struct logdir *logdir;

	assert_int_equal(logdir_open(&logdir, root), ERR_OK);
	assert_int_equal(logdir_take_clean_mark(logdir), ERR_OK);
	assert_false(logdir->clean);
	assert_int_equal(logdir->broker_epoch, -1);
	assert_int_equal(logdir_put_clean_mark(logdir, 181), ERR_OK);
	assert_int_equal(logdir_take_clean_mark(logdir), ERR_OK);
	assert_true(logdir->clean);
	assert_int_equal(logdir->broker_epoch, 181);
	assert_int_equal(logdir_take_clean_mark(logdir), ERR_OK);
	assert_false(logdir->clean);
	logdir_close(logdir);
}

static void checkpoints_are_written_and_read(void **state)
{
	const struct checkpoint_entry entries[] = {{STR("b"), 1, 20},
						   {STR("a"), 10, INT64_MAX},
						   {STR("a"), 9, 0}};
	struct logdir_checkpoints all = {.recovery_points = entries, .recovery_points_len = 3};
	struct logdir *logdir;
	char *path = file_path(root, CHECKPOINT_RECOVERY_POINT), *text;
	size_t len;

	assert_int_equal(logdir_open(&logdir, root), ERR_OK);
	assert_int_equal(logdir_checkpoint(logdir, &all), ERR_OK);
	logdir_close(logdir);
	assert_int_equal(file_read_all(path, 1000, &text, &len), ERR_OK);
	assert_string_equal(text, "0\n3\nb 1 20\na 10 9223372036854775807\na 9 0\n");
	free(text);
	assert_int_equal(logdir_open(&logdir, root), ERR_OK);
	assert_int_equal(checkpoint_get(&logdir->recovery_points, STR("a"), 9, -1), 0);
	assert_int_equal(checkpoint_get(&logdir->recovery_points, STR("a"), 10, -1), INT64_MAX);
	assert_int_equal(checkpoint_get(&logdir->recovery_points, STR("b"), 1, -1), 20);
	assert_int_equal(checkpoint_get(&logdir->recovery_points, STR("b"), 0, -1), -1);
	assert_int_equal(logdir->log_starts.len, 0);
	logdir_close(logdir);
	support_write_at(path, 2, "4", 1);
	assert_int_equal(logdir_open(&logdir, root), ERR_OK);
	assert_int_equal(logdir->recovery_points.len, 0);
	logdir_close(logdir);
	free(path);
}

static void bad_checkpoints_are_refused(void **state)
{
	static const char *const bad[] = {"x",
					  "1\n0\n",
					  "0\n",
					  "0\n-1\n",
					  "0\n1\n",
					  "0\n1\na 0\n",
					  "0\n1\na 0 1 2\n",
					  "0\n1\na -1 1\n",
					  "0\n1\na 0 -1\n",
					  "0\n1\na 0 x\n",
					  "0\n1\na 0 1\nb 0 1\n",
					  "0\n99999999999999\na 0 1\n",
					  "0\n1\na 4294967296 1\n"};
	struct checkpoint checkpoint;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(checkpoint_parse(str_of(bad[i]), &checkpoint), ERR_BADFILE);
	assert_int_equal(checkpoint_parse(STR(""), &checkpoint), ERR_OK);
	assert_int_equal(checkpoint_parse(STR("0\n0\n"), &checkpoint), ERR_OK);
	checkpoint_fini(&checkpoint);
}

static void names_are_taken_apart(void **state)
{
	static const struct {
		const char *name, *topic;
		int32_t partition;
		enum logdir_kind kind;
	} good[] = {{"a-0", "a", 0, LOGDIR_PARTITION},
		    {"a.b_c-d-12", "a.b_c-d", 12, LOGDIR_PARTITION},
		    {"__cluster_metadata-0", "__cluster_metadata", 0, LOGDIR_PARTITION},
		    {"t-1.0123456789abcdef0123456789abcdef-delete", "t", 1, LOGDIR_DELETED},
		    {"t-1.0123456789abcdef0123456789abcdef-future", "t", 1, LOGDIR_FUTURE},
		    {"t-1.0123456789abcdef0123456789abcdef-stray", "t", 1, LOGDIR_STRAY},
		    {"x-delete-3", "x-delete", 3, LOGDIR_PARTITION},
		    {"cut.0123456789abcdef0123456789abcdef-delete", "cut", -1, LOGDIR_DELETED}};
	static const char *const bad[] = {
	    "",	   ".lock",	    "meta.properties", "a", "a-", "-1",
	    "a-x", "a-99999999999", "t-1.0123-other"};
	enum logdir_kind kind;
	struct str topic;
	int32_t partition;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(logdir_parse_name(str_of(good[i].name), &kind, &topic, &partition));
		assert_true(str_eq(topic, str_of(good[i].topic)));
		assert_int_equal(partition, good[i].partition);
		assert_int_equal(kind, good[i].kind);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(logdir_parse_name(str_of(bad[i]), &kind, &topic, &partition));
}

static void partitions_are_listed(void **state)
{
	char *dir = file_path(root, "t-1"), *file = file_path(root, "u-1");
	struct logdir_entry *entries;
	struct logdir *logdir;
	size_t len;

	assert_int_equal(file_mkdir(dir), ERR_OK);
	support_write_at(file, 0, "x", 1);
	assert_int_equal(logdir_open(&logdir, root), ERR_OK);
	assert_int_equal(logdir_list(logdir, &entries, &len), ERR_OK);
	assert_int_equal(len, 1);
	assert_string_equal(entries[0].name, "t-1");
	logdir_list_free(entries, len);
	assert_int_equal(logdir_sync(logdir), ERR_OK);
	assert_int_equal(logdir_sync_all(logdir), ERR_OK);
	logdir_close(logdir);
	assert_int_equal(file_rmdir(dir), ERR_OK);
	free(dir);
	free(file);
}

static void epochs_are_written_as_stock_writes_them(void **state)
{
	struct epoch_cache cache = {0}, read = {0};
	char *text;

	assert_int_equal(epoch_cache_assign(&cache, 0, 0), ERR_OK);
	assert_int_equal(epoch_cache_assign(&cache, 7, 1000), ERR_OK);
	text = epoch_cache_format(&cache);
	assert_string_equal(text, "0\n2\n0 0\n7 1000\n");
	assert_int_equal(epoch_cache_parse(&read, str_of(text)), ERR_OK);
	assert_int_equal(read.len, 2);
	epoch_cache_cut_start(&read, 500);
	assert_int_equal(epoch_cache_of_offset(&read, 500), 0);
	assert_int_equal(epoch_cache_of_offset(&read, 499), -1);
	epoch_cache_cut_start(&read, 2000);
	assert_int_equal(read.len, 1);
	assert_int_equal(read.entries[0].start_offset, 2000);
	free(text);
	epoch_cache_fini(&cache);
	epoch_cache_fini(&read);
}

static void bad_epochs_are_refused(void **state)
{
	static const char *const bad[] = {"0\n2\n0 0\n",      "0\n1\n0\n",    "0\n2\n1 0\n0 5\n",
					  "0\n2\n0 5\n1 5\n", "0\n1\n-1 0\n", "0\n1\n0 -5\n"};
	struct epoch_cache cache = {0};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(epoch_cache_parse(&cache, str_of(bad[i])), ERR_BADFILE);
	assert_int_equal(epoch_cache_parse(&cache, STR("")), ERR_OK);
	epoch_cache_fini(&cache);
}

static void topic_ids_are_read(void **state)
{
	struct uuid id;

	assert_int_equal(partition_metadata_write(root, uuid_of(1, 2)), ERR_OK);
	assert_int_equal(logdir_read_topic_id(root, &id), ERR_OK);
	assert_true(uuid_eq(id, uuid_of(1, 2)));
	assert_int_equal(partition_metadata_parse(STR("version: 0\ntopic_id: x"), &id),
			 ERR_BADFILE);
	assert_int_equal(
	    partition_metadata_parse(STR("version: 1\ntopic_id: 8Kyy_b9KTG6K5v0IOK4ZCQ"), &id),
	    ERR_BADFILE);
	assert_int_equal(
	    partition_metadata_parse(STR("version: 0\ntopic_id: 8Kyy_b9KTG6K5v0IOK4ZCQ\n"), &id),
	    ERR_OK);
	assert_int_equal(
	    partition_metadata_parse(STR("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"), &id),
	    ERR_BADFILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(two_processes_cannot_share_a_directory),
	    TEST(the_clean_mark_is_taken_once),
	    TEST(checkpoints_are_written_and_read),
	    TEST(bad_checkpoints_are_refused),
	    TEST(names_are_taken_apart),
	    TEST(partitions_are_listed),
	    TEST(epochs_are_written_as_stock_writes_them),
	    TEST(bad_epochs_are_refused),
	    TEST(topic_ids_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
