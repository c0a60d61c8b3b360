/* Directories that Apache Kafka 4.3.1 wrote are read as it reads them: tests/golden/store. */
#include "store/logdir.h"
#include "store/plog_impl.h"
#include "support.h"

static char *golden_path(const char *kind, const char *name)
{
	const char *srcdir = getenv("srcdir");
	char *path;

	assert_true(asprintf(&path, "%s/tests/golden/store/%s/%s", srcdir != NULL ? srcdir : ".",
			     kind, name) > 0);
	return path;
}

static void copy_file(const char *from, const char *to)
{
	char *data;
	size_t len;

	assert_int_equal(file_read_all(from, SUPPORT_CAP, &data, &len), ERR_OK);
	support_write_at(to, 0, data, len);
	free(data);
}

/* A copy of the golden partition, as this world's. */
static void copy_golden(struct world *w, const char *kind)
{
	char *dir = golden_path(kind, "g-0"), **names;
	size_t names_len;

	assert_int_equal(file_list(dir, &names, &names_len), ERR_OK);
	assert_int_equal(file_mkdir(w->dir), ERR_OK);
	for (size_t i = 0; i < names_len; i++) {
		char *from = file_path(dir, names[i]), *to = file_path(w->dir, names[i]);

		copy_file(from, to);
		free(from);
		free(to);
	}
	file_list_free(names, names_len);
	assert_int_equal(logdir_read_topic_id(w->dir, &w->args.topic_id), ERR_OK);
	free(dir);
}

static void expect_time(struct world *w, int64_t ts, int64_t offset, int64_t timestamp)
{
	struct plog_time_offset found;

	assert_int_equal(plog_offset_for_time(w->log, ts, plog_end(w->log), &found), ERR_OK);
	assert_int_equal(found.offset, offset);
	assert_int_equal(found.timestamp_ms, timestamp);
	if (offset >= 0)
		assert_int_equal(found.leader_epoch, 0);
}

/* expect.txt, line by line. */
static void expect_offsets(struct world *w)
{
	const int64_t base = SUPPORT_NOW_MS, marker = 1795259917872;

	assert_int_equal(plog_start(w->log), 0);
	assert_int_equal(plog_end(w->log), 123);
	support_commit(w, 123);
	assert_int_equal(plog_last_stable(w->log), 116);
	expect_time(w, PLOG_TIME_MAX, 115, 1795259917909);
	expect_time(w, base - 5, 0, base);
	expect_time(w, base, 0, base);
	expect_time(w, base + 1, 1, base + 1);
	expect_time(w, base + 15500, 32, base + 16000);
	expect_time(w, base + 31005, 65, base + 31005);
	expect_time(w, base + 40001, 101, base + 40001);
	expect_time(w, base + 41003, 106, base + 41003);
	expect_time(w, base + 61999, 108, marker);
	expect_time(w, base + 62001, 108, marker);
	expect_time(w, base + 63005, 108, marker);
	expect_time(w, 1795259917910, -1, -1);
}

static void expect_aborted(struct world *w, int64_t from, int64_t to, size_t count, int64_t first)
{
	struct plog_aborted *aborted;
	struct arena arena;
	size_t len;

	arena_init(&arena, 1 << 20);
	assert_int_equal(plog_aborted_txns(w->log, from, to, &arena, &aborted, &len), ERR_OK);
	assert_int_equal(len, count);
	if (count > 0)
		assert_int_equal(aborted[0].first_offset, first);
	arena_fini(&arena);
}

/* What a read_committed consumer would get: no control records, none of an aborted transaction. */
static int committed_records(struct world *w)
{
	static uint8_t data[65536];
	int64_t offset = 0, stable = plog_last_stable(w->log);
	struct plog_aborted *aborted;
	struct arena arena;
	size_t len, got;
	int count = 0;

	arena_init(&arena, 1 << 20);
	assert_int_equal(plog_aborted_txns(w->log, 0, stable, &arena, &aborted, &len), ERR_OK);
	assert_int_equal(len, 2);
	while (offset < stable) {
		struct batch_header header;

		assert_int_equal(plog_read_copy(w->log, offset, stable, data, sizeof(data), &got),
				 ERR_OK);
		for (size_t at = 0; at < got; at += header.size_bytes) {
			bool skip;

			assert_int_equal(batch_header_read((struct bytes){data + at, got - at},
							   &header),
					 ERR_OK);
			skip = batch_is_control(&header);
			/*
			 * Both aborted transactions are of one producer, with nothing after them.
			 */
			for (size_t i = 0; i < len; i++)
				skip = skip || (batch_is_transactional(&header) &&
						header.producer_id == aborted[i].producer_id);
			count += skip ? 0 : header.records_count;
			offset = batch_next_offset(&header);
		}
	}
	arena_fini(&arena);
	return count;
}

static void reads_what_stock_wrote(struct world *w)
{
	expect_offsets(w);
	assert_int_equal(w->log->segs_len, 6);
	assert_int_equal(support_read_all(w, 0, 1 << 20), support_read_all(w, 0, 1));
	expect_aborted(w, 0, 123, 2, 103);
	expect_aborted(w, 0, 103, 0, 0);
	expect_aborted(w, 108, 123, 2, 103);
	assert_int_equal(committed_records(w), 105);
	assert_non_null(TAILQ_FIRST(&w->log->producers->open));
	assert_int_equal(TAILQ_FIRST(&w->log->producers->open)->txn_start, 116);
}

static void reads_a_killed_directory(void **state)
{
	struct world *w = *state;

	copy_golden(w, "killed");
	world_open(w);
	reads_what_stock_wrote(w);
	world_close(w);
	world_open(w);
	reads_what_stock_wrote(w);
}

static void reads_a_cleanly_stopped_directory(void **state)
{
	struct world *w = *state;

	copy_golden(w, "clean");
	w->args.clean = true;
	w->args.recovery_point = 123;
	world_open(w);
	assert_int_equal(plog_flushed(w->log), 123);
	reads_what_stock_wrote(w);
}

/* Recovery makes the same indexes as stock made when the batches were appended. */
static void makes_the_indexes_that_stock_made(void **state)
{
	static const int64_t bases[] = {0, 22, 44, 100, 107};
	static const char *const suffixes[] = {".index", ".timeindex", ".txnindex"};
	struct world *w = *state;

	copy_golden(w, "killed");
	w->cfg.index_interval_bytes = 200;
	world_open(w);
	for (size_t i = 0; i < ARRAY_LEN(bases) * ARRAY_LEN(suffixes); i++) {
		char *ours = support_path(w, bases[i / 3], suffixes[i % 3]), *golden, *a, *b;
		size_t a_len, b_len;

		golden = golden_path("clean/g-0", strrchr(ours, '/') + 1);
		assert_int_equal(file_exists(ours), file_exists(golden));
		if (file_exists(ours)) {
			assert_int_equal(file_read_all(ours, SUPPORT_CAP, &a, &a_len), ERR_OK);
			assert_int_equal(file_read_all(golden, SUPPORT_CAP, &b, &b_len), ERR_OK);
			assert_int_equal(a_len, b_len);
			assert_memory_equal(a, b, a_len);
			free(a);
			free(b);
		}
		free(golden);
		free(ours);
	}
}

static void reads_the_checkpoints(void **state)
{
	struct checkpoint checkpoint;
	char *path = golden_path("clean", CHECKPOINT_RECOVERY_POINT);

	assert_int_equal(checkpoint_read(path, &checkpoint), ERR_OK);
	assert_int_equal(checkpoint_get(&checkpoint, STR("g"), 0, -1), 123);
	assert_int_equal(checkpoint_get(&checkpoint, STR("g"), 1, -1), -1);
	checkpoint_fini(&checkpoint);
	free(path);
}

static int setup(void **state)
{
	*state = world_new();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
	    TEST(reads_a_killed_directory),
	    TEST(reads_a_cleanly_stopped_directory),
	    TEST(makes_the_indexes_that_stock_made),
	    TEST(reads_the_checkpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
