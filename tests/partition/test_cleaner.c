/* When the cleaner cleans, what it writes down, and that nobody waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "partition/cleaner.h"
#include "partition/flush.h"
#include "partition/partition_int.h"
#include "partition/throttle.h"
#include "record/builder.h"

#define PATIENCE_MS 60000 /* for what takes a moment, on the busiest machine */

struct world {
	char root[64];
	struct logdirs *dirs;
	struct loop *loop;
	struct worker_pool *workers;
	struct seg_cache *cache;
	struct plog_env plog_env;
	struct plog_config cfg;
	struct flusher *flusher;
	struct checkpointer *checkpointer;
	struct cleaner *cleaner;
	struct cleaner_settings settings;
	struct partition_env env;
	struct partition_rules rules;
	struct partition *part;
};

static void give_settings(void *ctx, struct cleaner_settings *settings)
{
	struct world *w = ctx;

	*settings = w->settings;
}

static void make_cleaner(struct world *w)
{
	struct cleaner_options options = {.control = w->loop,
					  .workers = w->workers,
					  .checkpointer = w->checkpointer,
					  .dirs = w->dirs,
					  .clock = &clock_real,
					  .settings = give_settings,
					  .ctx = w};

	w->settings = (struct cleaner_settings){.enable = true,
						.threads = 2,
						.backoff_ms = 1,
						.dedupe_bytes = 1 << 20,
						.io_bytes = 1 << 18,
						.load = 0.9,
						.bytes_per_second = 1e300};
	w->cleaner = cleaner_new(&options);
	assert_non_null(w->cleaner);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *path = w->root;
	struct plog *log;
	char *dir;

	log_set_level(LOG_LEVEL_ERROR);
	strcpy(w->root, "/tmp/barnabas-cleaner-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	assert_int_equal(logdirs_open(&w->dirs, &path, 1), ERR_OK);
	w->loop = loop_new("test", &clock_real);
	w->workers = worker_pool_new(2);
	w->cache = seg_cache_new(16);
	w->plog_env =
	    (struct plog_env){.clock = &clock_real, .cache = w->cache, .logdir = w->dirs->at[0]};
	plog_config_init(&w->cfg);
	w->cfg.segment_bytes = 4000;
	w->cfg.compact = true;
	w->flusher = flusher_new(w->loop, w->workers, w->dirs, NULL, NULL);
	w->checkpointer = checkpointer_new(w->loop, w->workers, w->dirs, 3600 * 1000);
	make_cleaner(w);
	w->env = (struct partition_env){.clock = &clock_real,
					.workers = w->workers,
					.flusher = w->flusher,
					.cleaner = w->cleaner};
	w->rules = (struct partition_rules){.max_message_bytes = 1 << 20,
					    .min_insync_replicas = 1,
					    .compacted = true,
					    .flush_messages = INT64_MAX,
					    .flush_ms = INT64_MAX};
	dir = file_path(w->root, "t-0");
	assert_int_equal(plog_create(&log, &w->plog_env, &w->cfg, dir, uuid_of(1, 2)), ERR_OK);
	free(dir);
	w->part = partition_new(&w->env, STR("t"), uuid_of(1, 2), 0, log, 0, true, &w->rules);
	assert_int_equal(partition_lead(w->part, 0, 1), ERR_OK);
	checkpointer_add(w->checkpointer, w->part);
	cleaner_add(w->cleaner, w->part, true);
	*state = w;
	return 0;
}

static void end_cleaner(struct world *w)
{
	cleaner_stop(w->cleaner);
	while (cleaner_is_busy(w->cleaner) || checkpointer_stop(w->checkpointer)) {
		worker_pool_drain(w->workers);
		loop_turn(w->loop, false);
	}
}

static void remove_all(const char *root)
{
	char **names;
	size_t len;

	assert_int_equal(file_list(root, &names, &len), ERR_OK);
	for (size_t i = 0; i < len; i++) {
		char *path = file_path(root, names[i]);

		if (file_unlink(path) != ERR_OK)
			assert_int_equal(file_remove_dir(path), ERR_OK);
		free(path);
	}
	file_list_free(names, len);
	assert_int_equal(rmdir(root), 0);
}

static int teardown(void **state)
{
	struct world *w = *state;

	end_cleaner(w);
	worker_pool_drain(w->workers);
	loop_turn(w->loop, false);
	flusher_free(w->flusher);
	worker_pool_drain(w->workers);
	checkpointer_abandon(w->checkpointer);
	checkpointer_free(w->checkpointer);
	worker_pool_drain(w->workers);
	cleaner_free(w->cleaner);
	worker_pool_free(w->workers);
	loop_free(w->loop);
	seg_cache_free(w->cache);
	logdirs_close(w->dirs);
	remove_all(w->root);
	free(w);
	return 0;
}

/* -- Doing ---------------------------------------------------------------------------------- */

static void append(struct world *w, int key)
{
	uint8_t value[200] = {0}, name = (uint8_t)key;
	struct builder builder;
	struct wr out;

	wr_init(&out, 1 << 16);
	builder_init(&builder, &out, &builder_options_default);
	builder_add(&builder, 1000, (struct bytes){&name, 1}, (struct bytes){value, sizeof(value)},
		    NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	struct plog_append item = {.data = out.buf,
				   .len_bytes = out.len_bytes,
				   .origin = PLOG_CLIENT};
	partition_append(w->part, &item, 1, PARTITION_ACKS_LEADER);
	assert_int_equal(item.err, ERR_OK);
	wr_fini(&out);
}

static void append_many(struct world *w, int count)
{
	for (int i = 0; i < count; i++)
		append(w, i % 5);
}

/* Turns the loop until the cleaner has so many rounds behind it. */
static void wait_for_rounds(struct world *w, uint64_t rounds)
{
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	while (cleaner_counts(w->cleaner).rounds < rounds) {
		assert_true(clock_mono_ms(&clock_real) < until);
		loop_turn(w->loop, false);
		worker_pool_drain(w->workers);
		usleep(100);
	}
}

static void wait_while_busy(struct world *w)
{
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	while (cleaner_is_busy(w->cleaner)) {
		assert_true(clock_mono_ms(&clock_real) < until);
		loop_turn(w->loop, false);
		worker_pool_drain(w->workers);
		usleep(100);
	}
}

/* Until nothing is under way, and nothing was told that is not looked at. */
static void wait_for_rest(struct world *w)
{
	uint64_t rounds;

	do {
		wait_while_busy(w); /* what is in the post is told now */
		rounds = cleaner_counts(w->cleaner).rounds;
		cleaner_check(w->cleaner);
		wait_while_busy(w);
	} while (cleaner_counts(w->cleaner).rounds > rounds);
}

static int64_t checkpointed(const struct world *w)
{
	struct checkpoint checkpoint;
	char *path = file_path(w->root, CHECKPOINT_CLEANER);
	int64_t offset;

	assert_int_equal(checkpoint_read(path, &checkpoint), ERR_OK);
	offset = checkpoint_get(&checkpoint, STR("t"), 0, -1);
	checkpoint_fini(&checkpoint);
	free(path);
	return offset;
}

/* -- Tests ---------------------------------------------------------------------------------- */

static void what_is_appended_gets_cleaned(void **state)
{
	struct world *w = *state;
	struct plog *log = partition_log(w->part);
	int64_t before;

	append_many(w, 100);
	before = plog_size_bytes(log);
	wait_for_rounds(w, 1);
	wait_for_rest(w);
	assert_true(plog_size_bytes(log) < before / 2);
	assert_int_equal(plog_end(log), 100);
	assert_true(checkpointed(w) > 80 && checkpointed(w) < 100);
	assert_int_equal(cleaner_counts(w->cleaner).failed, 0);
}

static void what_is_clean_is_left_alone(void **state)
{
	struct world *w = *state;
	uint64_t rounds;

	append_many(w, 100);
	wait_for_rest(w);
	rounds = cleaner_counts(w->cleaner).rounds;
	append(w, 1);
	wait_for_rest(w);
	assert_int_equal(cleaner_counts(w->cleaner).rounds, rounds);
	assert_false(cleaner_is_busy(w->cleaner));
}

static void no_key_of_a_topic_that_is_not_compacted_is_touched(void **state)
{
	struct world *w = *state;

	w->rules.compacted = false;
	partition_set_rules(w->part, &w->rules);
	append_many(w, 100);
	wait_for_rest(w);
	assert_int_equal(cleaner_counts(w->cleaner).rounds, 0);
	w->rules.compacted = true;
	partition_set_rules(w->part, &w->rules);
	cleaner_touch(w->cleaner, w->part);
	wait_for_rounds(w, 1);
}

static void it_can_be_turned_off_and_on(void **state)
{
	struct world *w = *state;

	w->settings.enable = false;
	append_many(w, 100);
	wait_for_rest(w);
	assert_int_equal(cleaner_counts(w->cleaner).rounds, 0);
	w->settings.enable = true;
	cleaner_settings_changed(w->cleaner);
	wait_for_rounds(w, 1);
}

/* Cleaning that takes an hour: a producer with flush.messages=1 has its answer all the same. */
static void nobody_waits_for_a_slow_cleaner(void **state)
{
	struct world *w = *state;
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;
	bool begun = false;

	append_many(w, 100);
	w->settings.bytes_per_second = 10;
	cleaner_check(w->cleaner);
	while (!begun) {
		assert_true(clock_mono_ms(&clock_real) < until);
		loop_turn(w->loop, false);
		worker_pool_drain(w->workers);
		plog_lock(partition_log(w->part));
		begun = plog_is_claimed(partition_log(w->part));
		plog_unlock(partition_log(w->part));
	}
	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	append(w, 1);
	while (!partition_is_committed(w->part, 101)) {
		assert_true(clock_mono_ms(&clock_real) < until);
		worker_pool_drain(w->workers);
	}
	assert_true(cleaner_is_busy(w->cleaner));
	end_cleaner(w);
	assert_int_equal(cleaner_counts(w->cleaner).rounds, 0);
}

/* Without it a partition under flush.messages=1 would never be cleaned, nor quickly recovered. */
static void a_busy_partition_moves_its_recovery_point(void **state)
{
	struct world *w = *state;
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	plog_lock(w->part->log);
	w->part->job_runs = true; /* as if a flush were under way whenever it is asked */
	plog_unlock(w->part->log);
	append(w, 1);
	assert_int_equal(partition_checkpoint(w->part), 0);
	plog_lock(w->part->log);
	w->part->job_runs = false;
	plog_unlock(w->part->log);
	append(w, 2);
	while (!partition_is_committed(w->part, 2)) {
		assert_true(clock_mono_ms(&clock_real) < until);
		worker_pool_drain(w->workers);
	}
	worker_pool_drain(w->workers);
	plog_lock(w->part->log);
	assert_int_equal(w->part->recovery_point, 2);
	plog_unlock(w->part->log);
}

static void what_is_removed_is_forgotten(void **state)
{
	struct world *w = *state;

	append_many(w, 100);
	wait_for_rest(w);
	assert_true(checkpointed(w) > 0);
	checkpointer_remove(w->checkpointer, w->part);
	cleaner_remove(w->cleaner, w->part);
	partition_unref(w->part);
	wait_for_rest(w);
	assert_int_equal(checkpointed(w), -1);
}

static void a_rate_is_shared_and_kept(void **state)
{
	struct throttle throttle;

	throttle_init(&throttle);
	assert_int_equal(throttle_use(&throttle, 1 << 30, 0), 0); /* without a rate */
	throttle_set(&throttle, 1000);
	assert_int_equal(throttle_use(&throttle, 500, 0), 500000);
	assert_int_equal(throttle_use(&throttle, 500, 0), 1000000); /* another's use counts */
	assert_int_equal(throttle_use(&throttle, 500, 2000000), 500000);
	throttle_set(&throttle, 1.7e308);
	assert_int_equal(throttle_use(&throttle, 500, 9000000), 0);
	throttle_fini(&throttle);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_is_appended_gets_cleaned),
	    TEST(what_is_clean_is_left_alone),
	    TEST(no_key_of_a_topic_that_is_not_compacted_is_touched),
	    TEST(it_can_be_turned_off_and_on),
	    TEST(nobody_waits_for_a_slow_cleaner),
	    TEST(a_busy_partition_moves_its_recovery_point),
	    TEST(what_is_removed_is_forgotten),
	    cmocka_unit_test(a_rate_is_shared_and_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
