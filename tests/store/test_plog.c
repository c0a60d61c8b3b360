/* Appending, reading, rolling, offsets, epochs of one log. */
#include "store/plog_impl.h"
#include "support.h"

static void a_new_log_is_empty_and_cheap(void **state)
{
	struct world *w = *state;
	struct plog_read_info info;
	struct slice slice;

	assert_int_equal(plog_end(w->log), 0);
	assert_false(plog_is_dirty(w->log));
	assert_false(support_has(w, 0, ".log"));
	assert_int_equal(plog_read(w->log, 0, 0, 100, true, &slice, &info), ERR_OK);
	assert_int_equal(slice.len_bytes, 0);
	assert_int_equal(plog_read(w->log, 1, 1, 100, true, &slice, &info),
			 ERR_OFFSET_OUT_OF_RANGE);
	assert_true(sizeof(struct plog) <= 384);
}

static void appends_and_reads_back(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 100; i++)
		assert_int_equal(support_add(w, 3), 3 * i);
	assert_int_equal(plog_end(w->log), 300);
	assert_true(plog_is_dirty(w->log));
	assert_int_equal(support_read_all(w, 0, 1 << 20), 100);
	assert_int_equal(support_read_all(w, 0, 1000), 100);
	assert_int_equal(support_read_all(w, 0, 1), 100);
	assert_int_equal(support_read_all(w, 200, 5000), 34); /* from within a batch */
}

static void reads_the_same_without_marks(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2000; i++)
		support_add(w, 1 + i % 3);
	for (int64_t offset = 0; offset < plog_end(w->log); offset += 371)
		for (size_t max = 1; max < 100000; max = max * 7 + 1)
			support_read_all(w, offset, max);
}

static void several_items_go_out_with_one_write(void **state)
{
	struct world *w = *state;
	struct plog_append items[150];
	struct wr wrs[150];

	for (int i = 0; i < 150; i++) {
		wrs[i] = support_batch((struct batch_of){.records = 2, .value_bytes = 50});
		items[i] = (struct plog_append){.data = wrs[i].buf, .len_bytes = wrs[i].len_bytes};
	}
	plog_lock(w->log);
	assert_int_equal(plog_append_as_leader(w->log, items, 150, 7), 150);
	plog_unlock(w->log);
	for (int i = 0; i < 150; i++) {
		assert_int_equal(items[i].err, ERR_OK);
		assert_int_equal(items[i].base_offset, 2 * i);
		assert_int_equal(items[i].last_offset, 2 * i + 1);
		wr_fini(&wrs[i]);
	}
	assert_int_equal(support_read_all(w, 0, 1 << 20), 150);
	assert_int_equal(plog_latest_epoch(w->log), 7);
}

static void rolls_by_size(void **state)
{
	struct world *w = *state;

	w->cfg.segment_bytes = 10000;
	for (int i = 0; i < 300; i++)
		support_add(w, 3);
	assert_true(w->log->segs_len > 10);
	for (uint32_t i = 0; i < w->log->segs_len; i++)
		assert_true(w->log->segs[i]->size_bytes <= 10000);
	assert_int_equal(support_read_all(w, 0, 1 << 20), 300);
	assert_int_equal(support_read_all(w, 450, 3000), 150);
	assert_true(plog_has_work(w->log));
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_false(plog_has_work(w->log));
	assert_true(support_has(w, w->log->segs[1]->base_offset, ".snapshot"));
	assert_true(support_has(w, w->log->segs[0]->base_offset, ".index"));
	assert_true(support_has(w, w->log->segs[0]->base_offset, ".timeindex"));
}

static void a_batch_larger_than_a_segment_is_refused(void **state)
{
	struct world *w = *state;
	struct plog_append item;

	w->cfg.segment_bytes = 1000;
	item = support_append(w, (struct batch_of){.records = 1, .value_bytes = 2000});
	assert_int_equal(item.err, ERR_RECORD_LIST_TOO_LARGE);
	assert_int_equal(plog_end(w->log), 0);
}

static void rolls_by_the_time_of_its_records(void **state)
{
	struct world *w = *state;

	w->cfg.segment_ms = 1000;
	support_append(w, (struct batch_of){.records = 1, .timestamp = SUPPORT_NOW_MS});
	support_append(w, (struct batch_of){.records = 1, .timestamp = SUPPORT_NOW_MS + 1000});
	assert_int_equal(w->log->segs_len, 1);
	support_append(w, (struct batch_of){.records = 1, .timestamp = SUPPORT_NOW_MS + 1001});
	assert_int_equal(w->log->segs_len, 2);
	clock_fake_advance(&w->clock, 5000); /* the clock does not count when records have a time */
	support_append(w, (struct batch_of){.records = 1, .timestamp = SUPPORT_NOW_MS + 1001});
	assert_int_equal(w->log->segs_len, 2);
}

static void rolls_when_an_index_is_full(void **state)
{
	struct world *w = *state;

	w->cfg.index_interval_bytes = 0;
	w->cfg.index_max_bytes = 120; /* 15 offsets, 10 timestamps and so 9 before the last */
	for (int i = 0; i < 40; i++)
		support_append(w, (struct batch_of){.records = 1, .timestamp = SUPPORT_NOW_MS + i});
	assert_true(w->log->segs_len >= 4);
	for (uint32_t i = 0; i < w->log->segs_len; i++) {
		assert_true(index_len(&w->log->segs[i]->offsets) <= 15);
		assert_true(index_len(&w->log->segs[i]->times) <= 10);
	}
	assert_int_equal(support_read_all(w, 0, 300), 40);
}

static void reads_stop_at_the_bound(void **state)
{
	struct world *w = *state;
	struct plog_read_info info;
	struct slice slice;

	for (int i = 0; i < 10; i++)
		support_add(w, 10);
	assert_int_equal(plog_read(w->log, 0, 50, 1 << 20, true, &slice, &info), ERR_OK);
	assert_int_equal(info.next_offset, 50);
	assert_int_equal(info.log_end, 100);
	assert_true(info.recent);
	slice_release(&slice);
	assert_int_equal(plog_read(w->log, 0, 55, 1 << 20, true, &slice, &info), ERR_OK);
	assert_int_equal(info.next_offset, 55); /* a bound inside a batch keeps that batch back */
	slice_release(&slice);
	assert_int_equal(plog_read(w->log, 50, 50, 1 << 20, true, &slice, &info), ERR_OK);
	assert_int_equal(slice.len_bytes, 0);
	assert_int_equal(plog_read(w->log, 0, 100, 10, false, &slice, &info), ERR_OK);
	assert_int_equal(slice.len_bytes, 0);
}

static void a_slice_outlives_its_log(void **state)
{
	struct world *w = *state;
	struct plog_read_info info;
	struct slice slice;
	uint8_t data[64];
	size_t got;

	support_add(w, 1);
	assert_int_equal(plog_read(w->log, 0, 1, 1000, true, &slice, &info), ERR_OK);
	plog_abandon(w->log);
	w->log = NULL;
	assert_int_equal(file_pread(slice.fd, data, 61, slice.pos, &got), ERR_OK);
	assert_int_equal(got, 61);
	slice_release(&slice);
}

static void copies_out_whole_batches(void **state)
{
	struct world *w = *state;
	uint8_t data[1000];
	size_t got;

	support_add(w, 1);
	support_add(w, 5);
	support_add(w, 20);
	assert_int_equal(plog_read_copy(w->log, 0, 26, data, sizeof(data), &got), ERR_OK);
	assert_in_range(got, 600, 1000);
	assert_int_equal(plog_read_copy(w->log, 6, 26, data, sizeof(data), &got), ERR_NOMEM);
	assert_in_range(got, 2000, 3000);
	assert_int_equal(plog_read_copy(w->log, 26, 26, data, sizeof(data), &got), ERR_OK);
	assert_int_equal(got, 0);
}

static void epochs_are_found_by_offset(void **state)
{
	struct world *w = *state;
	int64_t end;
	int32_t found;

	plog_lock(w->log);
	assert_int_equal(plog_assign_epoch(w->log, 0), ERR_OK);
	plog_unlock(w->log);
	support_add(w, 10);
	plog_lock(w->log);
	assert_int_equal(plog_assign_epoch(w->log, 3), ERR_OK);
	assert_int_equal(plog_assign_epoch(w->log, 5), ERR_OK); /* nothing was written in 3 */
	assert_int_equal(plog_assign_epoch(w->log, 4), ERR_OK); /* too old */
	plog_unlock(w->log);
	assert_int_equal(plog_latest_epoch(w->log), 5);
	plog_end_for_epoch(w->log, 0, &found, &end);
	assert_int_equal(found, 0);
	assert_int_equal(end, 10);
	plog_end_for_epoch(w->log, 4, &found, &end);
	assert_int_equal(found, 0);
	assert_int_equal(end, 10);
	plog_end_for_epoch(w->log, 5, &found, &end);
	assert_int_equal(found, 5);
	assert_int_equal(end, 10);
	plog_end_for_epoch(w->log, 6, &found, &end);
	assert_int_equal(found, -1);
	assert_int_equal(end, -1);
	assert_int_equal(plog_epoch_of(w->log, 9), 0);
}

static void the_high_watermark_stays_in_the_log(void **state)
{
	struct world *w = *state;

	support_add(w, 10);
	support_commit(w, 100);
	assert_int_equal(plog_high_watermark(w->log), 10);
	support_commit(w, 5);
	assert_int_equal(plog_high_watermark(w->log), 10);
	assert_int_equal(plog_last_stable(w->log), 10);
}

static void a_follower_takes_batches_as_they_are(void **state)
{
	struct world *w = *state;
	struct wr wr = support_batch((struct batch_of){.records = 5, .value_bytes = 10});

	batch_stamp(wr.buf, 100, 4);
	plog_lock(w->log);
	assert_int_equal(plog_append_as_follower(w->log, wr.buf, wr.len_bytes), ERR_OK);
	assert_int_equal(plog_end(w->log), 105);
	assert_int_equal(plog_append_as_follower(w->log, wr.buf, wr.len_bytes),
			 ERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(plog_append_as_follower(w->log, wr.buf, wr.len_bytes - 1),
			 ERR_CORRUPT_MESSAGE);
	plog_unlock(w->log);
	assert_int_equal(plog_latest_epoch(w->log), 4);
	assert_int_equal(support_read_all(w, 100, 1000), 1);
	wr_fini(&wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	    TEST(a_new_log_is_empty_and_cheap),
	    TEST(appends_and_reads_back),
	    TEST(reads_the_same_without_marks),
	    TEST(several_items_go_out_with_one_write),
	    TEST(rolls_by_size),
	    TEST(a_batch_larger_than_a_segment_is_refused),
	    TEST(rolls_by_the_time_of_its_records),
	    TEST(rolls_when_an_index_is_full),
	    TEST(reads_stop_at_the_bound),
	    TEST(a_slice_outlives_its_log),
	    TEST(copies_out_whole_batches),
	    TEST(epochs_are_found_by_offset),
	    TEST(the_high_watermark_stays_in_the_log),
	    TEST(a_follower_takes_batches_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
