/* Which segments retention drops: the rules alone, and over a log. */
#include <errno.h>
#include <sys/stat.h>

#include "store/plog_impl.h"
#include "store/retain.h"
#include "store/trash.h"
#include "support.h"

#define DAY_MS (24 * 3600 * 1000LL)

/* -- the rules alone ------------------------------------------------------------------------ */

/* Ten records and 100 bytes a segment, the last one active; times as given. How many go? */
static size_t walk(const struct retain_rules *rules, int64_t log_start, int64_t high_watermark,
		   const int64_t *times, size_t len)
{
	struct retain retain;
	size_t dropped = 0;

	retain_init(&retain, rules, 1000);
	retain.log_start = log_start;
	retain.high_watermark = high_watermark;
	retain.size_bytes = 100 * (int64_t)len;
	for (size_t i = 0; i < len; i++) {
		struct retain_seg seg = {(int64_t)(i + 1) * 10, i + 1 == len, 100, times[i]};
		enum retain_answer answer = retain_next(&retain, &seg);

		assert_int_not_equal(answer, RETAIN_ASK);
		if (answer == RETAIN_KEEP)
			break;
		dropped++;
	}
	return dropped;
}

static const int64_t rising[] = {100, 200, 300, 400, 500};
#define LEN 5

static void the_log_start_drops_whole_segments_under_any_policy(void **state)
{
	const struct retain_rules compact = {false, 0, 0};

	(void)state;
	assert_int_equal(walk(&compact, 9, 50, rising, LEN), 0);
	assert_int_equal(walk(&compact, 10, 50, rising, LEN), 1);
	assert_int_equal(walk(&compact, 49, 50, rising, LEN), 4);
	assert_int_equal(walk(&compact, 50, 50, rising, LEN), 4); /* never the active one */
}

static void time_drops_what_is_older_up_to_the_first_that_is_not(void **state)
{
	const int64_t mixed[] = {100, 950, 100, 100, 100};

	(void)state;
	assert_int_equal(walk(&(struct retain_rules){true, 800, -1}, 0, 50, rising, LEN), 1);
	assert_int_equal(walk(&(struct retain_rules){true, 799, -1}, 0, 50, rising, LEN), 2);
	assert_int_equal(walk(&(struct retain_rules){true, 800, -1}, 0, 50, mixed, LEN), 1);
	assert_int_equal(walk(&(struct retain_rules){true, 499, -1}, 0, 50, rising, LEN), 5);
	assert_int_equal(walk(&(struct retain_rules){true, -1, -1}, 0, 50, rising, LEN), 0);
	assert_int_equal(walk(&(struct retain_rules){false, 0, -1}, 0, 50, rising, LEN), 0);
}

static void a_time_in_the_future_is_kept(void **state)
{
	const int64_t future[] = {5000, 100, 100, 100, 100};

	(void)state;
	assert_int_equal(walk(&(struct retain_rules){true, 0, -1}, 0, 50, future, LEN), 0);
}

static void size_leaves_at_least_what_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(walk(&(struct retain_rules){true, -1, 500}, 0, 50, rising, LEN), 0);
	assert_int_equal(walk(&(struct retain_rules){true, -1, 401}, 0, 50, rising, LEN), 0);
	assert_int_equal(walk(&(struct retain_rules){true, -1, 400}, 0, 50, rising, LEN), 1);
	assert_int_equal(walk(&(struct retain_rules){true, -1, 1}, 0, 50, rising, LEN), 4);
	assert_int_equal(walk(&(struct retain_rules){true, -1, 0}, 0, 50, rising, LEN), 5);
}

static void nothing_at_or_above_the_high_watermark_goes(void **state)
{
	(void)state;
	assert_int_equal(walk(&(struct retain_rules){true, 0, 0}, 0, 29, rising, LEN), 2);
	assert_int_equal(walk(&(struct retain_rules){true, 0, 0}, 0, 30, rising, LEN), 3);
}

static void the_rules_take_turns(void **state)
{
	(void)state;
	/* One by the start, one by size (to 300 bytes), then time. */
	assert_int_equal(walk(&(struct retain_rules){true, 650, 300}, 10, 50, rising, LEN), 3);
}

static void an_empty_last_segment_stays(void **state)
{
	struct retain retain;
	struct retain_seg seg = {0, true, 0, 0};

	(void)state;
	retain_init(&retain, &(struct retain_rules){true, 0, 0}, 1000);
	assert_int_equal(retain_next(&retain, &seg), RETAIN_KEEP);
}

/* -- over a log ----------------------------------------------------------------------------- */

static int64_t add_at(struct world *w, int64_t timestamp)
{
	return support_append(w, (struct batch_of){.records = 10,
						   .value_bytes = 50,
						   .timestamp = timestamp})
	    .base_offset;
}

/* Five segments of ten records, a day between each. */
static void fill(struct world *w)
{
	w->cfg.segment_ms = DAY_MS - 1;
	for (int i = 0; i < LEN; i++)
		add_at(w, SUPPORT_NOW_MS + i * DAY_MS);
	assert_int_equal(w->log->segs_len, LEN);
	support_commit(w, 50);
}

static struct plog_retained retain(struct world *w)
{
	struct plog_retained retained;

	assert_int_equal(plog_retain(w->log, &retained), ERR_OK);
	return retained;
}

static void old_segments_leave_the_log(void **state)
{
	struct world *w = *state;
	struct plog_retained got;
	int64_t size_bytes;

	fill(w);
	size_bytes = plog_size_bytes(w->log);
	clock_fake_advance(&w->clock, 8 * DAY_MS);
	got = retain(w);
	assert_int_equal(got.segs, 1);
	assert_int_equal(got.bytes, size_bytes / LEN);
	assert_int_equal(plog_size_bytes(w->log), size_bytes - got.bytes);
	assert_int_equal(plog_start(w->log), 10);
	assert_int_equal(retain(w).segs, 0);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_false(support_has(w, 0, ".log"));
}

static void a_log_that_is_all_too_old_goes_on_in_a_new_segment(void **state)
{
	struct world *w = *state;

	fill(w);
	clock_fake_advance(&w->clock, 100 * DAY_MS);
	assert_int_equal(retain(w).segs, LEN);
	assert_int_equal(plog_start(w->log), 50);
	assert_int_equal(plog_end(w->log), 50);
	assert_int_equal(plog_size_bytes(w->log), 0);
	assert_int_equal(w->log->segs_len, 1);
	assert_int_equal(retain(w).segs, 0);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	world_kill(w);
	world_open(w);
	assert_int_equal(plog_start(w->log), 50);
	assert_int_equal(add_at(w, SUPPORT_NOW_MS), 50);
}

static void times_are_found_again_after_a_start(void **state)
{
	struct world *w = *state;

	fill(w);
	world_close(w);
	world_open(w);
	support_commit(w, 50);
	clock_fake_advance(&w->clock, 9 * DAY_MS);
	assert_int_equal(retain(w).segs, 2);
	assert_int_equal(plog_start(w->log), 20);
}

static int files_touched;

static int count_files(const char *call, const char *path)
{
	(void)call;
	(void)path;
	files_touched++;
	return 0;
}

static void a_check_that_finds_nothing_reads_nothing(void **state)
{
	struct world *w = *state;

	fill(w);
	world_close(w);
	world_open(w);
	support_commit(w, 50);
	assert_int_equal(retain(w).segs, 0);
	files_touched = 0;
	file_set_fault(count_files);
	assert_int_equal(retain(w).segs, 0);
	assert_int_equal(files_touched, 0);
}

static void records_without_a_time_are_as_old_as_their_file(void **state)
{
	struct world *w = *state;
	struct timespec times[2];
	char *path;

	support_append(w, (struct batch_of){.records = 1, .timestamp = -1});
	plog_lock(w->log);
	assert_int_equal(plog_roll(w->log), ERR_OK);
	plog_unlock(w->log);
	support_append(w, (struct batch_of){.records = 1, .timestamp = -1});
	support_commit(w, 2);
	for (int i = 0; i < 2; i++) {
		path = support_path(w, i, ".log");
		times[0] = times[1] =
		    (struct timespec){.tv_sec = SUPPORT_NOW_MS / 1000 + i * DAY_MS / 1000};
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		free(path);
	}
	clock_fake_advance(&w->clock, 7 * DAY_MS);
	assert_int_equal(retain(w).segs, 0);
	clock_fake_advance(&w->clock, 1);
	assert_int_equal(retain(w).segs, 1);
	clock_fake_advance(&w->clock, DAY_MS);
	assert_int_equal(retain(w).segs, 1);
	assert_int_equal(plog_start(w->log), 2);
}

static void a_claimed_log_is_left_alone(void **state)
{
	struct world *w = *state;

	fill(w);
	clock_fake_advance(&w->clock, 100 * DAY_MS);
	plog_lock(w->log);
	assert_true(plog_claim(w->log));
	plog_unlock(w->log);
	assert_int_equal(retain(w).segs, 0);
	plog_lock(w->log);
	plog_unclaim(w->log);
	plog_unlock(w->log);
	assert_int_equal(retain(w).segs, LEN);
}

static int no_space(const char *call, const char *path)
{
	(void)path;
	return strcmp(call, "open") == 0 ? ENOSPC : 0;
}

/* Room comes from what is dropped, so that must not need any. */
static void a_full_disk_keeps_the_last_segment_only(void **state)
{
	struct world *w = *state;

	fill(w);
	clock_fake_advance(&w->clock, 100 * DAY_MS);
	file_set_fault(no_space);
	assert_int_equal(retain(w).segs, LEN - 1);
	file_set_fault(NULL);
	assert_int_equal(plog_start(w->log), 40);
	assert_false(plog_failed(w->log));
	assert_int_equal(retain(w).segs, 1);
}

static int64_t blocks(struct world *w, int64_t offset)
{
	char *path = support_path(w, offset, ".log");
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	free(path);
	return st.st_blocks * 512;
}

static void a_preallocated_segment_takes_its_space_and_gives_it_back(void **state)
{
	struct world *w = *state;

	w->cfg.preallocate = true;
	w->cfg.segment_bytes = 1 << 20;
	add_at(w, SUPPORT_NOW_MS);
	if (blocks(w, 0) < 1 << 20)
		skip(); /* this file system cannot */
	plog_lock(w->log);
	assert_int_equal(plog_roll(w->log), ERR_OK);
	plog_unlock(w->log);
	assert_true(blocks(w, 0) < 1 << 20);
	assert_int_equal(support_read_all(w, 0, 100), 1);
}

static void the_front_is_told_of(void **state)
{
	struct world *w = *state;
	struct plog_front front;

	assert_false(plog_front(w->log, &front));
	fill(w);
	assert_true(plog_front(w->log, &front));
	assert_int_equal(front.end_offset, 10);
	assert_int_equal(front.largest_ms, SUPPORT_NOW_MS + 9);
	assert_true(front.size_bytes > 0);
}

/* -- with a trash --------------------------------------------------------------------------- */

static void files_wait_for_the_checkpoint_and_then_for_their_delay(void **state)
{
	struct world *w = *state;
	struct trash *trash = trash_new(&w->clock.clock, NULL, NULL);
	struct trash_counts counts;
	char *kept;

	w->env.trash = trash;
	w->cfg.file_delete_delay_ms = 1000;
	fill(w);
	clock_fake_advance(&w->clock, 8 * DAY_MS);
	assert_int_equal(retain(w).segs, 1);
	assert_true(plog_awaits_start(w->log));
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_true(support_has(w, 0, ".log")); /* a crash now is harmless */
	plog_lock(w->log);
	plog_start_is_durable(w->log, 9);
	assert_true(plog_awaits_start(w->log));
	plog_start_is_durable(w->log, 10);
	plog_unlock(w->log);
	assert_false(plog_awaits_start(w->log));
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_false(support_has(w, 0, ".log"));
	assert_true(support_has(w, 0, ".log.deleted"));
	assert_true(support_has(w, 0, ".index.deleted"));
	trash_empty(trash, 100);
	assert_true(support_has(w, 0, ".log.deleted"));
	clock_fake_advance(&w->clock, 1000);
	trash_empty(trash, 100);
	kept = support_path(w, 0, ".log.deleted");
	assert_false(file_exists(kept));
	free(kept);
	trash_counts(trash, &counts);
	assert_int_equal(counts.segs, 1);
	assert_int_equal(counts.waiting, 0);
	world_kill(w);
	w->env.trash = NULL;
	trash_free(trash);
	world_open(w);
}

/* -- dying at each step --------------------------------------------------------------------- */

static int calls_left;

static int die(const char *call, const char *path)
{
	(void)call;
	(void)path;
	return calls_left-- > 0 ? 0 : EIO;
}

/* A whole life of retention, which dies at the call; false: it got to the end. */
static bool dies_at(int call)
{
	struct world *w = world_new();
	struct trash *trash = trash_new(&w->clock.clock, NULL, NULL);
	struct plog_retained retained;
	bool died;

	w->env.trash = trash;
	w->cfg.file_delete_delay_ms = 1000;
	world_create(w);
	fill(w);
	assert_int_equal(plog_flush(w->log), ERR_OK);
	clock_fake_advance(&w->clock, 100 * DAY_MS);
	calls_left = call;
	file_set_fault(die);
	if (plog_retain(w->log, &retained) == ERR_OK && calls_left >= 0) {
		w->args.log_start = plog_start(w->log); /* the checkpoint */
		plog_lock(w->log);
		plog_start_is_durable(w->log, w->args.log_start);
		plog_unlock(w->log);
		if (plog_do_work(w->log) == ERR_OK) {
			clock_fake_advance(&w->clock, 1000);
			trash_empty(trash, 100);
		}
	}
	died = calls_left < 0;
	file_set_fault(NULL);
	world_kill(w);
	trash_free(trash);
	w->env.trash = NULL;
	world_open(w);
	assert_int_equal(plog_end(w->log), 50);
	assert_true(plog_start(w->log) >= w->args.log_start);
	assert_int_equal(add_at(w, SUPPORT_NOW_MS), 50);
	support_commit(w, 51);
	world_free(w);
	return died;
}

static void wherever_it_dies_the_offsets_go_on(void **state)
{
	int call = 0;

	(void)state;
	while (dies_at(call))
		call++;
	assert_true(call > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_log_start_drops_whole_segments_under_any_policy),
	    cmocka_unit_test(time_drops_what_is_older_up_to_the_first_that_is_not),
	    cmocka_unit_test(a_time_in_the_future_is_kept),
	    cmocka_unit_test(size_leaves_at_least_what_is_allowed),
	    cmocka_unit_test(nothing_at_or_above_the_high_watermark_goes),
	    cmocka_unit_test(the_rules_take_turns),
	    cmocka_unit_test(an_empty_last_segment_stays),
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	    TEST(old_segments_leave_the_log),
	    TEST(a_log_that_is_all_too_old_goes_on_in_a_new_segment),
	    TEST(times_are_found_again_after_a_start),
	    TEST(a_check_that_finds_nothing_reads_nothing),
	    TEST(records_without_a_time_are_as_old_as_their_file),
	    TEST(a_claimed_log_is_left_alone),
	    TEST(a_full_disk_keeps_the_last_segment_only),
	    TEST(the_front_is_told_of),
	    TEST(a_preallocated_segment_takes_its_space_and_gives_it_back),
	    TEST(files_wait_for_the_checkpoint_and_then_for_their_delay),
	    cmocka_unit_test(wherever_it_dies_the_offsets_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
