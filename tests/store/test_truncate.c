/* Cutting a log at its end and at its front. */
#include "store/plog_impl.h"
#include "support.h"

static enum err cut(struct world *w, int64_t offset)
{
	enum err err;

	plog_lock(w->log);
	err = plog_truncate_to(w->log, offset);
	plog_unlock(w->log);
	return err;
}

static enum err set_start(struct world *w, int64_t offset)
{
	enum err err;

	plog_lock(w->log);
	err = plog_set_start(w->log, offset);
	plog_unlock(w->log);
	return err;
}

static void fill(struct world *w, int batches)
{
	for (int i = 0; i < batches; i++)
		support_add(w, 3);
}

static void the_end_moves_back_over_everything(void **state)
{
	struct world *w = *state;
	int32_t found;
	int64_t end;

	w->cfg.segment_bytes = 20000;
	w->cfg.index_interval_bytes = 500;
	fill(w, 200);
	plog_lock(w->log);
	assert_int_equal(plog_assign_epoch(w->log, 2), ERR_OK);
	plog_unlock(w->log);
	support_append(w, (struct batch_of){.records = 3, .has_producer = true, .producer_id = 5});
	fill(w, 100);
	support_commit(w, 903);
	assert_int_equal(plog_flush(w->log), ERR_OK);
	assert_int_equal(cut(w, 450), ERR_OK);
	assert_int_equal(plog_end(w->log), 450);
	assert_int_equal(plog_high_watermark(w->log), 450);
	assert_int_equal(plog_flushed(w->log), 450);
	assert_int_equal(plog_latest_epoch(w->log), 0);
	plog_end_for_epoch(w->log, 0, &found, &end);
	assert_int_equal(end, 450);
	assert_true(w->log->producers == NULL || producer_find(w->log->producers, 5) == NULL);
	assert_int_equal(support_read_all(w, 0, 700), 150);
	fill(w, 50);
	assert_int_equal(support_read_all(w, 0, 700), 200);
	world_kill(w);
	world_open(w);
	assert_int_equal(support_read_all(w, 0, 700), 200);
}

static void a_cut_within_a_batch_drops_the_batch(void **state)
{
	struct world *w = *state;

	fill(w, 10);
	assert_int_equal(cut(w, 16), ERR_OK);
	assert_int_equal(plog_end(w->log), 16); /* as stock: the offset, not the batch, decides */
	assert_int_equal(support_add(w, 1), 16);
}

static void producers_are_as_they_were_at_the_cut(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 20; i++)
		support_append(w, (struct batch_of){.records = 1,
						    .has_producer = true,
						    .producer_id = 5,
						    .sequence = i,
						    .transactional = i >= 10});
	support_commit(w, 20);
	assert_int_equal(plog_last_stable(w->log), 10);
	assert_int_equal(cut(w, 8), ERR_OK);
	assert_int_equal(plog_last_stable(w->log), 8);
	assert_int_equal(support_append(w, (struct batch_of){.records = 1,
							     .has_producer = true,
							     .producer_id = 5,
							     .sequence = 8})
			     .err,
			 ERR_OK);
	assert_int_equal(support_append(w, (struct batch_of){.records = 1,
							     .has_producer = true,
							     .producer_id = 5,
							     .sequence = 4})
			     .base_offset,
			 4);
}

static void a_cut_at_or_above_the_end_changes_no_batch(void **state)
{
	struct world *w = *state;

	fill(w, 10);
	assert_int_equal(cut(w, 30), ERR_OK);
	assert_int_equal(cut(w, 100), ERR_OK);
	assert_int_equal(plog_end(w->log), 30);
	support_commit(w, 30);
	assert_int_equal(set_start(w, 10), ERR_OK);
	assert_int_equal(cut(w, 9), ERR_OFFSET_OUT_OF_RANGE);
}

static void everything_goes_and_begins_elsewhere(void **state)
{
	struct world *w = *state;

	w->cfg.segment_bytes = 5000;
	fill(w, 100);
	plog_lock(w->log);
	assert_int_equal(plog_truncate_fully_at(w->log, 1000), ERR_OK);
	plog_unlock(w->log);
	assert_int_equal(plog_start(w->log), 1000);
	assert_int_equal(plog_end(w->log), 1000);
	assert_int_equal(plog_size_bytes(w->log), 0);
	assert_int_equal(plog_latest_epoch(w->log), -1);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_false(support_has(w, 0, ".log"));
	assert_int_equal(support_add(w, 1), 1000);
	world_kill(w);
	world_open(w);
	assert_int_equal(plog_start(w->log), 1000);
	assert_int_equal(plog_end(w->log), 1001);
}

static void the_start_moves_and_takes_whole_segments(void **state)
{
	struct world *w = *state;
	struct plog_read_info info;
	struct slice held, slice;
	int64_t second;

	w->cfg.segment_bytes = 5000;
	fill(w, 100);
	second = w->log->segs[1]->base_offset;
	assert_int_equal(plog_read(w->log, 0, 300, 5000, true, &held, &info), ERR_OK);
	assert_int_equal(set_start(w, 1), ERR_OFFSET_OUT_OF_RANGE); /* above the high watermark */
	support_commit(w, 300);
	assert_int_equal(set_start(w, second - 1), ERR_OK);
	assert_int_equal(w->log->segs[0]->base_offset, 0);
	assert_int_equal(set_start(w, second), ERR_OK);
	assert_int_equal(w->log->segs[0]->base_offset, second);
	assert_int_equal(set_start(w, 5), ERR_OK); /* lower: nothing */
	assert_int_equal(plog_start(w->log), second);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_false(support_has(w, 0, ".log"));
	assert_false(support_has(w, 0, ".log.deleted"));
	assert_int_equal(plog_read(w->log, 0, 300, 5000, true, &slice, &info),
			 ERR_OFFSET_OUT_OF_RANGE);
	assert_true(held.len_bytes > 0);
	slice_release(&held);
	assert_int_equal(set_start(w, 300), ERR_OK);
	assert_int_equal(plog_read(w->log, 300, 300, 5000, true, &slice, &info), ERR_OK);
	world_close(w);
	assert_int_equal(w->args.log_start, 300);
	world_open(w);
	assert_int_equal(plog_start(w->log), 300);
	assert_int_equal(support_add(w, 1), 300);
}

static void what_is_claimed_stays_until_the_claim_ends(void **state)
{
	struct world *w = *state;
	int64_t second;

	w->cfg.segment_bytes = 5000;
	fill(w, 100);
	support_commit(w, 300);
	second = w->log->segs[1]->base_offset;
	plog_lock(w->log);
	assert_true(plog_claim(w->log));
	assert_false(plog_claim(w->log));
	assert_int_equal(plog_set_start(w->log, second), ERR_OK);
	assert_int_equal(plog_start(w->log), second);
	assert_int_equal(w->log->segs[0]->base_offset, 0);
	assert_false(plog_claim_is_void(w->log));
	plog_unclaim(w->log);
	assert_int_equal(w->log->segs[0]->base_offset, second);
	plog_unlock(w->log);
}

static void truncation_makes_a_claim_void(void **state)
{
	struct world *w = *state;

	fill(w, 10);
	plog_lock(w->log);
	assert_true(plog_claim(w->log));
	assert_int_equal(plog_truncate_to(w->log, 15), ERR_OK);
	assert_true(plog_claim_is_void(w->log));
	plog_unclaim(w->log);
	assert_true(plog_claim(w->log));
	assert_false(plog_claim_is_void(w->log));
	plog_unclaim(w->log);
	assert_false(plog_is_claimed(w->log));
	plog_unlock(w->log);
}

/* The log lives on under another name, whatever is made under the old one. */
static void a_deleted_partition_frees_its_name(void **state)
{
	struct world *w = *state;
	struct plog *deleted = w->log, *fresh;
	int64_t point;
	char *doomed;

	w->cfg.segment_bytes = 2000;
	fill(w, 10);
	plog_lock(deleted);
	assert_int_equal(plog_delete(deleted, uuid_of(7, 8)), ERR_OK);
	plog_unlock(deleted);
	assert_non_null(strstr(plog_dir(deleted), "t-0.0000000000000007"));
	assert_non_null(strstr(plog_dir(deleted), "-delete"));
	world_create(w);
	assert_int_equal(plog_end(w->log), 0);
	support_add(w, 1);
	fresh = w->log;
	w->log = deleted;
	assert_int_equal(support_read_all(w, 0, 1000), 10);
	assert_int_equal(plog_checkpoint(deleted, &point), ERR_OK);
	assert_int_equal(point, 30);
	doomed = strdup(plog_dir(deleted));
	plog_abandon(deleted);
	w->log = fresh;
	assert_false(support_has(w, 30, ".snapshot"));
	assert_int_equal(support_read_all(w, 0, 1000), 1);
	assert_int_equal(file_remove_dir(doomed), ERR_OK);
	free(doomed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	    TEST(the_end_moves_back_over_everything),
	    TEST(a_cut_within_a_batch_drops_the_batch),
	    TEST(producers_are_as_they_were_at_the_cut),
	    TEST(a_cut_at_or_above_the_end_changes_no_batch),
	    TEST(everything_goes_and_begins_elsewhere),
	    TEST(the_start_moves_and_takes_whole_segments),
	    TEST(what_is_claimed_stays_until_the_claim_ends),
	    TEST(truncation_makes_a_claim_void),
	    TEST(a_deleted_partition_frees_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
