/*
 * Cleaning: whatever is written, a consumer finds the newest record of each key, and no older one.
 */
#include "clean_world.h"

#include <errno.h>

/* A full map may have the first keys of a batch that is not counted as mapped. */
static bool comes_again(const struct clean_world *c, size_t i)
{
	for (size_t k = i + 1; k < c->records_len; k++)
		if (c->records[k].key == c->records[i].key && !clean_is_aborted(c, &c->records[k]))
			return true;
	return false;
}

/* What is to be there: of each key the last one below `end` that counts, and all behind it. */
static void expect_survivors(struct clean_world *c, int64_t end, bool tombstones_gone)
{
	size_t seen_len, at = 0;
	struct clean_seen *seen = clean_read(c, &seen_len);
	int64_t last[CLEAN_KEYS];

	for (int i = 0; i < CLEAN_KEYS; i++)
		last[i] = -1;
	for (size_t i = 0; i < c->records_len; i++)
		if (c->records[i].offset < end && !clean_is_aborted(c, &c->records[i]))
			last[c->records[i].key] = c->records[i].offset;
	for (size_t i = 0; i < c->records_len; i++) {
		const struct clean_record *record = &c->records[i];
		bool clean = record->offset < end;
		bool there = at < seen_len && seen[at].offset == record->offset;

		if (!clean && clean_is_aborted(c, record)) {
			at += there; /* they may go with the segment that they are in */
			continue;
		}
		if (clean && (clean_is_aborted(c, record) || last[record->key] != record->offset ||
			      (tombstones_gone && record->value < 0))) {
			if (there)
				fail_msg("offset %lld should be gone", (long long)record->offset);
			continue;
		}
		if (!there && clean && end < plog_end(c->w->log) && comes_again(c, i))
			continue;
		if (!there)
			fail_msg("offset %lld is missing", (long long)record->offset);
		assert_int_equal(seen[at].key, record->key);
		assert_int_equal(seen[at].value, record->value);
		at++;
	}
	assert_int_equal(at, seen_len);
	free(seen);
}

/* After the index: the answer to read_committed names every aborted record that is still there. */
static void expect_aborted_named(struct clean_world *c)
{
	size_t seen_len, aborted_len;
	struct clean_seen *seen = clean_read(c, &seen_len);
	struct plog_aborted *aborted;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	assert_int_equal(plog_aborted_txns(c->w->log, 0, plog_end(c->w->log), &arena, &aborted,
					   &aborted_len),
			 ERR_OK);
	for (size_t i = 0, k = 0; i < seen_len; i++) {
		bool named = false;

		while (c->records[k].offset < seen[i].offset)
			k++;
		for (size_t a = 0; a < aborted_len; a++)
			named = named || (aborted[a].producer_id == seen[i].producer_id &&
					  aborted[a].first_offset <= seen[i].offset);
		if (clean_is_aborted(c, &c->records[k]))
			assert_true(named);
	}
	arena_fini(&arena);
	free(seen);
}

static int64_t cleaned_to(const struct clean_world *c)
{
	return c->checkpoint < 0 ? 0 : c->checkpoint;
}

static void the_newest_of_each_key_stays(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct clean_world *c = clean_world_new(seed);

		c->w->cfg.delete_retention_ms = 1000 * 1000;
		for (int round = 0; round < 4; round++) {
			int64_t end;

			clean_add_random(c, 150);
			end = plog_end(c->w->log);
			clean_rounds(c);
			expect_survivors(c, cleaned_to(c), false);
			expect_aborted_named(c);
			assert_int_equal(plog_end(c->w->log), end);
		}
		clean_world_free(c);
	}
}

static void a_small_map_takes_several_passes(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct clean_world *c = clean_world_new(seed);
		int passes = 0;

		c->limits.map_bytes = 24 * (12 + clean_below(c, 12));
		clean_add_random(c, 300);
		clean_end_all(c);
		clean_roll(c);
		while (c->checkpoint < plog_end(c->w->log)) {
			assert_int_equal(clean_once(c), ERR_OK);
			expect_survivors(c, cleaned_to(c), false);
			expect_aborted_named(c);
			passes++;
		}
		assert_true(passes > 1);
		clean_world_free(c);
	}
}

static void a_map_for_less_than_a_batch_is_refused(void **state)
{
	struct clean_world *c = clean_world_new(1);

	for (int i = 0; i < 20; i++)
		clean_add_batch(c, -1, 20, -1, 1);
	clean_roll(c);
	c->limits.map_bytes = 48;
	assert_int_equal(clean_once(c), ERR_BADCONFIG);
	expect_survivors(c, 0, false);
	clean_world_free(c);
}

static void tombstones_go_after_their_horizon(void **state)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct clean_world *c = clean_world_new(seed);
		int64_t end;

		c->w->cfg.delete_retention_ms = 60 * 1000;
		clean_add_random(c, 200);
		clean_end_all(c);
		clean_roll(c);
		end = plog_end(c->w->log);
		clean_rounds(c);
		expect_survivors(c, end, false);
		clock_fake_advance(&c->w->clock, 59 * 1000);
		clean_add_batch(c, -1, 1, 0, 1);
		clean_roll(c);
		clean_rounds(c);
		expect_survivors(c, plog_end(c->w->log), false);
		clock_fake_advance(&c->w->clock, 1000);
		clean_add_batch(c, -1, 1, 0, 1);
		clean_roll(c);
		clean_rounds(c);
		expect_survivors(c, plog_end(c->w->log), true);
		clean_world_free(c);
	}
}

static int count_control_batches(struct clean_world *c)
{
	int64_t offset = 0, end = plog_end(c->w->log);
	uint8_t *data = malloc(1 << 20);
	struct batch_header header;
	int count = 0;
	size_t got;

	while (offset < end) {
		assert_int_equal(plog_read_copy(c->w->log, offset, end, data, 1 << 20, &got),
				 ERR_OK);
		if (got == 0)
			break;
		for (size_t at = 0; at < got; at += header.size_bytes) {
			assert_int_equal(batch_header_read((struct bytes){data + at, got - at},
							   &header),
					 ERR_OK);
			count += batch_is_control(&header) ? 1 : 0;
			offset = batch_next_offset(&header);
		}
	}
	free(data);
	return count;
}

/* One more record, so that there is something dirty, and a round. */
static void another_round(struct clean_world *c)
{
	clean_add_batch(c, -1, 1, 39, 1);
	clean_roll(c);
	clean_rounds(c);
}

static void markers_go_after_their_data_and_their_horizon(void **state)
{
	struct clean_world *c = clean_world_new(7);

	c->w->cfg.delete_retention_ms = 1000;
	clean_add_batch(c, 2, 3, 1, 1); /* aborted */
	clean_end_txn(c, 0, false);
	clean_add_batch(c, 3, 3, 2, 1); /* committed, and then overwritten */
	clean_end_txn(c, 1, true);
	clean_add_batch(c, -1, 1, 2, 1);
	clean_add_batch(c, 2, 1, 3, 1); /* the first producer's last, which stays */
	clean_end_txn(c, 0, true);
	clean_add_batch(c, 3, 1, 4, 1); /* the second's */
	clean_end_txn(c, 1, true);
	clean_roll(c);
	clean_rounds(c);
	assert_int_equal(count_control_batches(c), 4); /* their data was there in this round */
	another_round(c);
	assert_int_equal(count_control_batches(c), 4); /* now they have a horizon */
	clock_fake_advance(&c->w->clock, 1001);
	another_round(c);
	assert_int_equal(count_control_batches(c), 2);
	expect_survivors(c, plog_end(c->w->log), false);
	clean_world_free(c);
}

static enum err find(struct clean_world *c, int64_t checkpoint, int64_t now_ms,
		     struct clean_range *range)
{
	struct clean_known known = {checkpoint, INT64_MAX, now_ms};

	return clean_range_find(c->w->log, &known, range);
}

static void an_open_transaction_holds_cleaning_back(void **state)
{
	struct clean_world *c = clean_world_new(3);
	struct clean_range range;
	int64_t first;

	clean_add_batch(c, -1, 5, 1, 1);
	clean_roll(c);
	first = plog_end(c->w->log);
	clean_add_batch(c, 2, 1, 1, 1);
	clean_roll(c);
	clean_add_batch(c, -1, 5, 1, 1);
	clean_roll(c);
	assert_int_equal(find(c, -1, 0, &range), ERR_OK);
	assert_int_equal(range.end, first);
	clean_end_txn(c, 0, true);
	assert_int_equal(find(c, -1, 0, &range), ERR_OK);
	assert_int_equal(range.end, plog_end(c->w->log) - 1); /* the marker's is active */
	clean_world_free(c);
}

static void producers_are_known_after_cleaning_and_a_kill(void **state)
{
	struct clean_world *c = clean_world_new(5);
	const struct producer *producer;

	c->sequences[0] = 0;
	for (int i = 0; i < 10; i++)
		clean_add_batch(c, 0, 3, 1, 1);
	clean_add_batch(c, -1, 1, 1, 1); /* overwrites all that the producer wrote */
	clean_roll(c);
	clean_rounds(c);
	expect_survivors(c, plog_end(c->w->log), false);
	world_kill(c->w);
	/* Without a snapshot to help. */
	for (int64_t offset = 0; offset <= 31; offset++) {
		char *path = support_path(c->w, offset, ".snapshot");

		unlink(path);
		free(path);
	}
	world_open(c->w);
	producer = producer_find(c->w->log->producers, 998);
	assert_non_null(producer);
	assert_int_equal(producer->batches[producer->batches_len - 1].last_sequence, 29);
	assert_int_equal(producer->batches[producer->batches_len - 1].last_offset, 29);
	clean_world_free(c);
}

/* -- How much there is to clean ------------------------------------------------------------- */

static void lags_and_ratio_decide(void **state)
{
	struct clean_world *c = clean_world_new(9);
	struct plog_config *cfg = &c->w->cfg;
	struct clean_range range;
	int64_t now = SUPPORT_NOW_MS;

	cfg->min_cleanable_ratio = 0.5;
	for (int i = 0; i < 4; i++) {
		clean_add_batch(c, -1, 5, 1, 1);
		clean_roll(c);
		clock_fake_advance(&c->w->clock, 1000);
	}
	assert_int_equal(find(c, -1, now, &range), ERR_OK);
	assert_true(range.is_due && range.end == 20 && range.first_dirty == 0);
	assert_int_equal(find(c, 15, now, &range), ERR_OK);
	assert_false(range.is_due);
	assert_true(range.ratio > 0.2 && range.ratio < 0.3 && range.again_at_ms == -1);
	cfg->max_compaction_lag_ms = 2000; /* the segment of 15 is of 3000 */
	assert_int_equal(find(c, 15, now + 5000, &range), ERR_OK);
	assert_false(range.is_due);
	assert_int_equal(range.again_at_ms,
			 now + 5001 + 4); /* as old as its first batch's latest */
	assert_int_equal(find(c, 15, range.again_at_ms, &range), ERR_OK);
	assert_true(range.is_due);
	cfg->max_compaction_lag_ms = INT64_MAX;
	cfg->min_compaction_lag_ms = 3000;
	assert_int_equal(find(c, -1, now + 4500, &range), ERR_OK);
	assert_true(range.is_due && range.end == 10);
	assert_int_equal(find(c, 10, now + 4500, &range), ERR_OK);
	assert_false(range.is_due);
	assert_int_equal(range.again_at_ms, now + 5004);
	/* Not the same log any more. */
	assert_int_equal(find(c, 1000, now, &range), ERR_OK);
	assert_true(range.was_reset && range.first_dirty == 0);
	clean_world_free(c);
}

/* -- Faults --------------------------------------------------------------------------------- */

static _Atomic int calls_left;

/* From one call on nothing reaches the disk, as after a kill. */
static int die_at(const char *call, const char *path)
{
	if (strcmp(call, "open") == 0 && path != NULL && strstr(path, "urandom") != NULL)
		return 0;
	return atomic_fetch_sub(&calls_left, 1) <= 0 ? EIO : 0;
}

static int fail_once(const char *call, const char *path)
{
	if (strcmp(call, "pread") == 0)
		return 0;
	return atomic_fetch_sub(&calls_left, 1) == 0 ? ENOSPC : 0;
}

static void before_the_crash(struct clean_world *c)
{
	clean_add_random(c, 60);
	clean_end_all(c);
	clean_roll(c);
	clean_rounds(c);
	clean_add_random(c, 160);
	clean_end_all(c);
	clean_roll(c);
	assert_int_equal(plog_checkpoint(c->w->log, &c->w->args.recovery_point), ERR_OK);
	c->w->args.cleaned = c->checkpoint;
}

/* Each record that a fold over the log would end with is there, and no other value of its key. */
static void expect_fold(struct clean_world *c)
{
	size_t seen_len;
	struct clean_seen *seen = clean_read(c, &seen_len);
	int want[CLEAN_KEYS], got[CLEAN_KEYS];

	for (int i = 0; i < CLEAN_KEYS; i++)
		want[i] = got[i] = -1;
	for (size_t i = 0; i < c->records_len; i++)
		if (!clean_is_aborted(c, &c->records[i]))
			want[c->records[i].key] = c->records[i].value;
	for (size_t i = 0, k = 0; i < seen_len; i++) {
		while (c->records[k].offset < seen[i].offset)
			k++;
		assert_int_equal(c->records[k].offset, seen[i].offset);
		if (!clean_is_aborted(c, &c->records[k]))
			got[seen[i].key] = seen[i].value;
	}
	for (int i = 0; i < CLEAN_KEYS; i++)
		assert_int_equal(got[i], want[i]);
	free(seen);
}

static void a_kill_at_any_call_loses_nothing(void **state)
{
	bool died = true;

	for (int at = 0; died; at += 1 + at / 40) {
		struct clean_world *c = clean_world_new(11);
		int64_t end;

		before_the_crash(c);
		end = plog_end(c->w->log);
		atomic_store(&calls_left, at);
		log_set_level((enum log_level) - 1);
		file_set_fault(die_at);
		(void)!clean_once(c);
		file_set_fault(NULL);
		log_set_level(LOG_LEVEL_ERROR);
		died = atomic_load(&calls_left) < 0;
		c->checkpoint = -1;
		world_kill(c->w);
		world_open(c->w);
		support_commit(c->w, end);
		assert_int_equal(plog_end(c->w->log), end);
		expect_fold(c);
		expect_aborted_named(c);
		clean_rounds(c);
		expect_survivors(c, end, false);
		clean_world_free(c);
	}
}

static void a_full_disk_puts_cleaning_off(void **state)
{
	bool failed = true;

	for (int at = 0; failed; at += 1 + at / 40) {
		struct clean_world *c = clean_world_new(11);
		enum err err;

		before_the_crash(c);
		atomic_store(&calls_left, at);
		log_set_level((enum log_level) - 1);
		file_set_fault(fail_once);
		err = clean_once(c);
		file_set_fault(NULL);
		log_set_level(LOG_LEVEL_ERROR);
		failed = atomic_load(&calls_left) < 0;
		if (!plog_failed(c->w->log)) {
			expect_fold(c);
			clean_rounds(c);
			expect_survivors(c, plog_end(c->w->log), false);
		} else {
			assert_int_equal(err, ERR_KAFKA_STORAGE_ERROR);
		}
		clean_world_free(c);
	}
}

/* -- Side by side with the rest ------------------------------------------------------------- */

static void a_reader_keeps_what_it_has(void **state)
{
	struct clean_world *c = clean_world_new(13);
	struct plog_read_info info;
	struct slice slice;
	uint8_t *before, *after;
	size_t got;

	clean_add_random(c, 100);
	clean_end_all(c);
	clean_roll(c);
	assert_int_equal(plog_read(c->w->log, 0, 100, 4000, true, &slice, &info), ERR_OK);
	before = malloc(slice.len_bytes);
	after = malloc(slice.len_bytes);
	assert_int_equal(file_pread(slice.fd, before, slice.len_bytes, slice.pos, &got), ERR_OK);
	clean_rounds(c);
	assert_int_equal(file_pread(slice.fd, after, slice.len_bytes, slice.pos, &got), ERR_OK);
	assert_int_equal(got, slice.len_bytes);
	assert_memory_equal(before, after, slice.len_bytes);
	slice_release(&slice);
	free(before);
	free(after);
	clean_world_free(c);
}

static void files_are_those_of_the_list(void **state)
{
	struct clean_world *c = clean_world_new(17);
	char **names;
	size_t len, logs = 0, before;

	clean_add_random(c, 300);
	clean_end_all(c);
	clean_roll(c);
	before = c->w->log->segs_len;
	clean_rounds(c);
	another_round(c); /* only now are they small enough to be put together */
	assert_int_equal(file_list(c->w->dir, &names, &len), ERR_OK);
	for (size_t i = 0; i < len; i++) {
		assert_null(strstr(names[i], ".cleaned"));
		assert_null(strstr(names[i], ".swap"));
		assert_null(strstr(names[i], ".deleted"));
		logs += strstr(names[i], ".log") != NULL;
	}
	assert_int_equal(logs, c->w->log->segs_len);
	assert_true(logs < before);
	file_list_free(names, len);
	world_close(c->w);
	world_open(c->w);
	expect_survivors(c, c->checkpoint, false);
	clean_world_free(c);
}

static enum err cancel(struct clean_pace *pace, size_t bytes)
{
	return ERR_CANCELLED;
}

static void who_is_told_to_stop_leaves_nothing_behind(void **state)
{
	struct clean_world *c = clean_world_new(19);
	struct clean_pace pace = {cancel};

	clean_add_random(c, 100);
	clean_end_all(c);
	clean_roll(c);
	c->limits.pace = &pace;
	assert_int_equal(clean_once(c), ERR_CANCELLED);
	assert_false(support_has(c->w, 0, ".log.cleaned"));
	expect_survivors(c, 0, false);
	c->limits.pace = NULL;
	clean_rounds(c);
	expect_survivors(c, plog_end(c->w->log), false);
	clean_world_free(c);
}

static void a_damaged_batch_stops_it(void **state)
{
	struct clean_world *c = clean_world_new(23);
	char *path = support_path(c->w, 0, ".log");

	clean_add_random(c, 100);
	clean_end_all(c);
	clean_roll(c);
	support_write_at(path, 70, "damage", 6);
	assert_int_equal(clean_once(c), ERR_CORRUPT_MESSAGE);
	assert_false(plog_failed(c->w->log));
	assert_false(support_has(c->w, 0, ".log.cleaned"));
	free(path);
	clean_world_free(c);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_newest_of_each_key_stays),
	    TEST(a_small_map_takes_several_passes),
	    TEST(a_map_for_less_than_a_batch_is_refused),
	    TEST(tombstones_go_after_their_horizon),
	    TEST(markers_go_after_their_data_and_their_horizon),
	    TEST(an_open_transaction_holds_cleaning_back),
	    TEST(producers_are_known_after_cleaning_and_a_kill),
	    TEST(lags_and_ratio_decide),
	    TEST(a_kill_at_any_call_loses_nothing),
	    TEST(a_full_disk_puts_cleaning_off),
	    TEST(a_reader_keeps_what_it_has),
	    TEST(files_are_those_of_the_list),
	    TEST(who_is_told_to_stop_leaves_nothing_behind),
	    TEST(a_damaged_batch_stops_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
