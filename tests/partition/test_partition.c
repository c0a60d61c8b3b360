/* Appends, commits, waits and flushes of one partition, on real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "partition/append_turn.h"
#include "partition/flush.h"
#include "partition/partition_int.h"
#include "record/builder.h"

struct world {
	char root[64];
	char *dir;
	struct loop *loop;
	struct wake_box box;
	struct worker_pool *workers;
	struct seg_cache *cache;
	struct plog_env plog_env;
	struct plog_config cfg;
	struct flusher *flusher;
	struct partition_env env;
	struct partition_rules rules;
	struct partition *part;
};

static _Atomic int pwrites, syncs, fail_sync;

static int watch_calls(const char *call, const char *path)
{
	if (strcmp(call, "pwrite") == 0)
		pwrites++;
	if (strcmp(call, "fdatasync") != 0)
		return 0;
	syncs++;
	return fail_sync;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct plog *log;

	fail_sync = 0;
	file_set_fault(watch_calls);
	strcpy(w->root, "/tmp/barnabas-partition-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	w->dir = file_path(w->root, "t-0");
	w->loop = loop_new("test", &clock_real);
	wake_box_init(&w->box, w->loop);
	w->workers = worker_pool_new(2);
	w->cache = seg_cache_new(16);
	w->plog_env = (struct plog_env){.clock = &clock_real, .cache = w->cache};
	plog_config_init(&w->cfg);
	w->flusher = flusher_new(w->loop, w->workers, NULL, NULL, NULL);
	w->env = (struct partition_env){.clock = &clock_real,
					.workers = w->workers,
					.flusher = w->flusher};
	w->rules = (struct partition_rules){.max_message_bytes = 1 << 20,
					    .min_insync_replicas = 1,
					    .flush_messages = INT64_MAX,
					    .flush_ms = INT64_MAX};
	assert_int_equal(plog_create(&log, &w->plog_env, &w->cfg, w->dir, uuid_of(1, 2)), ERR_OK);
	w->part = partition_new(&w->env, STR("t"), uuid_of(1, 2), 0, log, 0, true, &w->rules);
	assert_non_null(w->part);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	worker_pool_drain(w->workers);
	loop_turn(w->loop, false);
	flusher_free(w->flusher);
	worker_pool_drain(w->workers);
	if (w->part != NULL)
		partition_unref(w->part);
	worker_pool_drain(w->workers);
	wake_box_fini(&w->box);
	worker_pool_free(w->workers);
	loop_free(w->loop);
	seg_cache_free(w->cache);
	file_set_fault(NULL);
	if (file_exists(w->dir))
		assert_int_equal(file_remove_dir(w->dir), ERR_OK);
	assert_int_equal(rmdir(w->root), 0);
	free(w->dir);
	free(w);
	return 0;
}

static enum err file_unlink_in(const char *dir, const char *name)
{
	char *path = file_path(dir, name);
	enum err err = file_unlink(path);

	free(path);
	return err;
}

/* One batch of one record; the caller frees the writer. */
static struct plog_append batch(struct wr *out)
{
	struct builder builder;

	wr_init(out, 1 << 16);
	builder_init(&builder, out, &builder_options_default);
	builder_add(&builder, 1000, BYTES_NULL, (struct bytes){(const uint8_t *)"v", 1}, NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	return (struct plog_append){.data = out->buf,
				    .len_bytes = out->len_bytes,
				    .origin = PLOG_CLIENT};
}

static enum err append_one(struct world *w, enum partition_acks acks)
{
	struct wr out;
	struct plog_append item = batch(&out);

	partition_append(w->part, &item, 1, acks);
	wr_fini(&out);
	return item.err;
}

static void lead(struct world *w)
{
	assert_int_equal(partition_lead(w->part, 0, 1), ERR_OK);
}

static void refuses_appends_unless_it_leads(void **state)
{
	struct world *w = *state;

	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_NOT_LEADER_OR_FOLLOWER);
	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_OK);
	partition_resign(w->part, false);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_NOT_LEADER_OR_FOLLOWER);
}

static void answers_for_the_right_leader_epoch_only(void **state)
{
	struct world *w = *state;

	assert_int_equal(partition_lead(w->part, 5, 1), ERR_OK);
	assert_int_equal(partition_check_leader(w->part, -1), ERR_OK);
	assert_int_equal(partition_check_leader(w->part, 5), ERR_OK);
	assert_int_equal(partition_check_leader(w->part, 4), ERR_FENCED_LEADER_EPOCH);
	assert_int_equal(partition_check_leader(w->part, 6), ERR_UNKNOWN_LEADER_EPOCH);
	partition_resign(w->part, true);
	assert_int_equal(partition_check_leader(w->part, 5), ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void high_watermark_follows_the_log_end(void **state)
{
	struct world *w = *state;

	lead(w);
	for (int64_t i = 1; i <= 3; i++) {
		assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
		assert_true(partition_high_watermark(w->part) == i);
		assert_true(partition_last_stable(w->part) == i);
		assert_true(partition_is_committed(w->part, i));
	}
}

static void acks_all_needs_min_insync_replicas(void **state)
{
	struct world *w = *state;

	w->rules.min_insync_replicas = 2;
	partition_set_rules(w->part, &w->rules);
	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_NOT_ENOUGH_REPLICAS);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
}

struct wait {
	struct waiter waiter;
	int woken;
};

static void on_wake(struct waiter *waiter)
{
	container_of(waiter, struct wait, waiter)->woken++;
}

static void turn_until(struct world *w, const int *what, int value)
{
	while (*what < value)
		loop_turn(w->loop, true);
}

static void flush_each_waits_for_the_disk(void **state)
{
	struct world *w = *state;
	struct wait wait = {.woken = 0};
	int before = syncs;

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_OK);
	waiter_init(&wait.waiter, &w->box, on_wake);
	if (partition_wait_committed(w->part, &wait.waiter, 1))
		turn_until(w, &wait.woken, 1);
	assert_true(partition_is_committed(w->part, 1));
	assert_true(syncs > before);
	assert_true(plog_flushed(partition_log(w->part)) >= 1);
}

static void a_failed_sync_wakes_with_a_storage_error(void **state)
{
	struct world *w = *state;
	struct wait wait = {.woken = 0};

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	lead(w);
	fail_sync = EIO;
	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_OK);
	waiter_init(&wait.waiter, &w->box, on_wake);
	if (partition_wait_committed(w->part, &wait.waiter, 1))
		turn_until(w, &wait.woken, 1);
	assert_false(partition_is_committed(w->part, 1));
	assert_int_equal(partition_check_leader(w->part, -1), ERR_KAFKA_STORAGE_ERROR);
	fail_sync = 0;
	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_KAFKA_STORAGE_ERROR);
}

static _Atomic int fail_opens;

/* The directory cannot be opened for its sync, a few times. */
static int few_descriptors(const char *call, const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (strcmp(call, "open") != 0 || slash == NULL || strcmp(slash, "/t-0") != 0)
		return 0;
	return fail_opens-- > 0 ? EMFILE : 0;
}

static void r4_a_flush_without_descriptors_is_made_soon(void **state)
{
	struct world *w = *state;
	struct wait wait = {.woken = 0};

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	lead(w);
	fail_opens = 3;
	file_set_fault(few_descriptors);
	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_OK);
	waiter_init(&wait.waiter, &w->box, on_wake);
	if (partition_wait_committed(w->part, &wait.waiter, 1))
		turn_until(w, &wait.woken, 1);
	assert_true(partition_is_committed(w->part, 1));
	assert_true(fail_opens <= 0);
}

static _Atomic bool log_synced;

/* The batches can be synced, and then the indexes cannot. */
static int no_descriptor_for_an_index(const char *call, const char *path)
{
	if (path == NULL)
		return 0;
	if (strcmp(call, "fdatasync") == 0 && strstr(path, ".log") != NULL)
		log_synced = true;
	return log_synced && strcmp(call, "open") == 0 && strstr(path, ".timeindex") != NULL
		   ? EMFILE
		   : 0;
}

static void r4_what_is_on_disk_is_seen_though_a_checkpoint_fails(void **state)
{
	struct world *w = *state;

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	lead(w);
	fail_opens = 1000;
	file_set_fault(few_descriptors);
	assert_int_equal(append_one(w, PARTITION_ACKS_ALL), ERR_OK);
	worker_pool_drain(w->workers);
	assert_false(partition_is_committed(w->part, 1));
	log_synced = false;
	file_set_fault(no_descriptor_for_an_index);
	assert_int_equal(partition_checkpoint(w->part), 0);
	assert_int_equal(plog_flushed(partition_log(w->part)), 1);
	assert_true(partition_is_committed(w->part, 1));
}

static void new_data_wakes_who_waits_for_it(void **state)
{
	struct world *w = *state;
	struct wait wait = {.woken = 0};

	lead(w);
	waiter_init(&wait.waiter, &w->box, on_wake);
	partition_wait_data(w->part, &wait.waiter);
	loop_turn(w->loop, false);
	assert_int_equal(wait.woken, 0);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	turn_until(w, &wait.woken, 1);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	loop_turn(w->loop, false);
	assert_int_equal(wait.woken, 1);
}

static void who_takes_the_wait_back_is_not_woken(void **state)
{
	struct world *w = *state;
	struct wait early = {.woken = 0}, late = {.woken = 0};

	lead(w);
	waiter_init(&early.waiter, &w->box, on_wake);
	waiter_init(&late.waiter, &w->box, on_wake);
	partition_wait_data(w->part, &early.waiter);
	partition_wait_data(w->part, &late.waiter);
	partition_unwait(w->part, &early.waiter);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	partition_unwait(w->part, &late.waiter); /* already in the box */
	loop_turn(w->loop, false);
	assert_int_equal(early.woken + late.woken, 0);
}

static void resigning_wakes_everybody(void **state)
{
	struct world *w = *state;
	struct wait wait = {.woken = 0};

	lead(w);
	waiter_init(&wait.waiter, &w->box, on_wake);
	partition_wait_data(w->part, &wait.waiter);
	partition_resign(w->part, true);
	turn_until(w, &wait.woken, 1);
}

struct call {
	struct append append;
	struct wr memory;
	int *done, order;
};

static void on_done(struct append *append)
{
	struct call *call = container_of(append, struct call, append);

	call->order = ++*call->done;
}

static void a_turn_writes_all_with_one_call_in_order(void **state)
{
	enum { CALLS = 20 };
	struct world *w = *state;
	struct append_turn *turn = append_turn_new(w->loop, &w->box);
	struct call calls[CALLS];
	int done = 0, before;

	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK); /* makes the files */
	for (int i = 0; i < CALLS; i++) {
		calls[i] = (struct call){.done = &done};
		calls[i].append = (struct append){.item = batch(&calls[i].memory),
						  .acks = PARTITION_ACKS_ALL,
						  .done = on_done};
		append_turn_add(turn, w->part, &calls[i].append);
	}
	assert_int_equal(done, 0);
	before = pwrites;
	loop_turn(w->loop, false);
	assert_int_equal(done, CALLS);
	assert_int_equal(pwrites - before, 1);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(calls[i].order, i + 1);
		assert_int_equal(calls[i].append.item.err, ERR_OK);
		assert_true(calls[i].append.item.base_offset == i + 1);
		wr_fini(&calls[i].memory);
	}
	append_turn_free(turn);
}

static void one_sync_serves_all_that_came_meanwhile(void **state)
{
	enum { CALLS = 50 };
	struct world *w = *state;
	struct append_turn *turn = append_turn_new(w->loop, &w->box);
	struct call calls[CALLS];
	int done = 0, before = syncs;

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	lead(w);
	for (int i = 0; i < CALLS; i++) {
		calls[i] = (struct call){.done = &done};
		calls[i].append = (struct append){.item = batch(&calls[i].memory),
						  .acks = PARTITION_ACKS_ALL,
						  .done = on_done};
		append_turn_add(turn, w->part, &calls[i].append);
	}
	turn_until(w, &done, CALLS);
	assert_true(syncs - before < CALLS / 2);
	assert_true(plog_flushed(partition_log(w->part)) == CALLS);
	for (int i = 0; i < CALLS; i++)
		wr_fini(&calls[i].memory);
	append_turn_free(turn);
}

static void flushes_when_its_time_is_over(void **state)
{
	struct world *w = *state;

	w->rules.flush_ms = 1;
	partition_set_rules(w->part, &w->rules);
	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	while (plog_flushed(partition_log(w->part)) < 1)
		loop_turn(w->loop, false);
	assert_false(plog_is_dirty(partition_log(w->part)));
}

/* As after kill -9: the log is there, and the kernel has not written all of it. */
static void reopen_killed(struct world *w)
{
	struct plog_open_args args = {.topic_id = uuid_of(1, 2)};
	struct plog *log;

	worker_pool_drain(w->workers);
	partition_unref(w->part);
	assert_int_equal(plog_open(&log, &w->plog_env, &w->cfg, w->dir, &args), ERR_OK);
	w->part = partition_new(&w->env, STR("t"), uuid_of(1, 2), 0, log, 0, false, &w->rules);
	assert_true(plog_is_dirty(log));
}

static void r4_what_a_kill_left_in_memory_is_not_seen_before_it_is_on_disk(void **state)
{
	struct world *w = *state;

	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	w->rules.flush_messages = 1;
	reopen_killed(w);
	fail_sync = EIO;
	lead(w);
	worker_pool_drain(w->workers);
	assert_false(partition_is_committed(w->part, 1));
	fail_sync = 0;
	reopen_killed(w);
	lead(w);
	worker_pool_drain(w->workers);
	assert_true(partition_is_committed(w->part, 1));
	assert_int_equal(plog_flushed(partition_log(w->part)), 1);
}

static void r4_what_a_kill_left_in_memory_is_flushed_in_time(void **state)
{
	struct world *w = *state;

	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	w->rules.flush_ms = 1;
	reopen_killed(w);
	lead(w);
	assert_true(partition_is_committed(w->part, 1));
	while (plog_flushed(partition_log(w->part)) < 1)
		loop_turn(w->loop, false);
}

static void many_that_are_due_together_share_one_sync(void **state)
{
	enum { MANY = 100 };
	struct world *w = *state;
	struct partition *parts[MANY], *one = w->part;
	const char *path = w->root;
	struct logdirs *dirs;
	struct flusher *alone = w->flusher;
	struct clock_fake clock;
	struct loop *loop;
	int before;

	clock_fake_init(&clock, 1700000000000);
	loop = loop_new("flusher", &clock.clock);
	assert_int_equal(logdirs_open(&dirs, &path, 1), ERR_OK);
	w->plog_env.logdir = dirs->at[0];
	w->flusher = flusher_new(loop, w->workers, dirs, NULL, NULL);
	w->env.flusher = w->flusher;
	w->rules.flush_ms = 20;
	for (int i = 0; i < MANY; i++) {
		char dir[128];
		struct plog *log;

		snprintf(dir, sizeof(dir), "%s/many-%d", w->root, i);
		assert_int_equal(plog_create(&log, &w->plog_env, &w->cfg, dir,
					     uuid_of(9, (uint64_t)i)),
				 ERR_OK);
		parts[i] = partition_new(&w->env, STR("many"), uuid_of(9, (uint64_t)i), i, log, 0,
					 true, &w->rules);
		w->part = parts[i];
		lead(w);
		assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	}
	before = syncs;
	/* The clock goes on when all are known, so all are due in one turn or two. */
	loop_turn(loop, false);
	for (int i = 0; i < MANY; i++)
		while (plog_flushed(partition_log(parts[i])) < 1) {
			clock_fake_advance(&clock, w->rules.flush_ms);
			loop_turn(loop, false);
		}
	assert_true(syncs - before < MANY);
	worker_pool_drain(w->workers);
	loop_turn(loop, false);
	flusher_free(w->flusher);
	loop_free(loop);
	worker_pool_drain(w->workers);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(partition_delete(parts[i], uuid_of(9, (uint64_t)i), 0), ERR_OK);
		partition_unref(parts[i]);
	}
	worker_pool_drain(w->workers);
	logdirs_close(dirs);
	assert_int_equal(file_unlink_in(w->root, ".lock"), ERR_OK);
	w->plog_env.logdir = NULL;
	w->flusher = alone;
	w->part = one;
}

static void deletes_its_directory_with_the_last_reference(void **state)
{
	struct world *w = *state;

	lead(w);
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	partition_ref(w->part);
	assert_int_equal(partition_delete(w->part, uuid_of(3, 4), 0), ERR_OK);
	assert_false(file_exists(w->dir));
	assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_UNKNOWN_TOPIC_OR_PARTITION);
	partition_unref(w->part);
	partition_unref(w->part);
	w->part = NULL; /* teardown finds the root empty, or fails */
}

static void deleted_records_are_gone(void **state)
{
	struct world *w = *state;
	int64_t low;

	lead(w);
	for (int i = 0; i < 5; i++)
		assert_int_equal(append_one(w, PARTITION_ACKS_LEADER), ERR_OK);
	assert_int_equal(partition_delete_records(w->part, 3, &low), ERR_OK);
	assert_true(low == 3);
	assert_int_equal(partition_delete_records(w->part, 1, &low), ERR_OK);
	assert_true(low == 3);
	assert_int_equal(partition_delete_records(w->part, 6, &low), ERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(partition_delete_records(w->part, -1, &low), ERR_OK);
	assert_true(low == 5 && partition_log_start(w->part) == 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(refuses_appends_unless_it_leads),
	    TEST(answers_for_the_right_leader_epoch_only),
	    TEST(high_watermark_follows_the_log_end),
	    TEST(acks_all_needs_min_insync_replicas),
	    TEST(flush_each_waits_for_the_disk),
	    TEST(a_failed_sync_wakes_with_a_storage_error),
	    TEST(new_data_wakes_who_waits_for_it),
	    TEST(who_takes_the_wait_back_is_not_woken),
	    TEST(resigning_wakes_everybody),
	    TEST(a_turn_writes_all_with_one_call_in_order),
	    TEST(one_sync_serves_all_that_came_meanwhile),
	    TEST(r4_a_flush_without_descriptors_is_made_soon),
	    TEST(r4_what_is_on_disk_is_seen_though_a_checkpoint_fails),
	    TEST(flushes_when_its_time_is_over),
	    TEST(r4_what_a_kill_left_in_memory_is_not_seen_before_it_is_on_disk),
	    TEST(r4_what_a_kill_left_in_memory_is_flushed_in_time),
	    TEST(many_that_are_due_together_share_one_sync),
	    TEST(deletes_its_directory_with_the_last_reference),
	    TEST(deleted_records_are_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
