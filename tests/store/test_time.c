/* From timestamps to offsets, in all codecs. */
#include "store/plog_impl.h"
#include "support.h"

static struct plog_time_offset at(struct world *w, int64_t ts, int64_t upper)
{
	struct plog_time_offset found;

	assert_int_equal(plog_offset_for_time(w->log, ts, upper, &found), ERR_OK);
	return found;
}

static void special_values(void **state)
{
	struct world *w = *state;

	support_add(w, 5);
	support_commit(w, 5);
	assert_int_equal(at(w, PLOG_TIME_LATEST, 4).offset, 4);
	assert_int_equal(at(w, PLOG_TIME_LATEST, 4).leader_epoch, 0);
	assert_int_equal(at(w, PLOG_TIME_EARLIEST, 5).offset, 0);
	assert_int_equal(at(w, PLOG_TIME_EARLIEST_LOCAL, 5).leader_epoch, 0);
	assert_int_equal(at(w, PLOG_TIME_LATEST_TIERED, 5).offset, -1);
	assert_int_equal(at(w, PLOG_TIME_EARLIEST_PENDING, 5).offset, -1);
	assert_int_equal(at(w, PLOG_TIME_MAX, 5).offset, 4);
	assert_int_equal(at(w, PLOG_TIME_MAX, 5).timestamp_ms, SUPPORT_NOW_MS + 4);
	assert_int_equal(at(w, PLOG_TIME_MAX, 4).offset, -1);
}

/* 5 records a batch, 10 ms from batch to batch: offset 5 i + k has the time 10 i + k. */
static void every_record_is_found(void **state)
{
	struct world *w = *state;

	w->cfg.segment_bytes = 8000;
	w->cfg.index_interval_bytes = 300;
	for (int i = 0; i < 200; i++)
		support_append(w, (struct batch_of){.records = 5,
						    .value_bytes = 40,
						    .timestamp = SUPPORT_NOW_MS + 10 * i,
						    .codec = (enum codec)(i % CODEC_COUNT)});
	assert_true(w->log->segs_len > 3);
	for (int round = 0; round < 2; round++) {
		for (int64_t ms = -3; ms < 2010; ms += 1) {
			struct plog_time_offset found = at(w, SUPPORT_NOW_MS + ms, 1000);
			int64_t i = ms < 0 ? 0 : ms / 10, k = ms < 0 ? 0 : ms % 10;

			if (k > 4) {
				i++;
				k = 0;
			}
			assert_int_equal(found.offset, i < 200 ? 5 * i + k : -1);
			if (i < 200)
				assert_int_equal(found.timestamp_ms, SUPPORT_NOW_MS + 10 * i + k);
		}
		world_close(w);
		world_open(w);
	}
}

static void times_that_go_back_are_found_by_the_first(void **state)
{
	static const int64_t times[] = {100, 50, 200, 10, 200, 300, 250};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		support_append(w, (struct batch_of){.records = 1, .timestamp = times[i]});
	assert_int_equal(at(w, 1, 7).offset, 0);
	assert_int_equal(at(w, 100, 7).offset, 0);
	assert_int_equal(at(w, 101, 7).offset, 2);
	assert_int_equal(at(w, 201, 7).offset, 5);
	assert_int_equal(at(w, 301, 7).offset, -1);
	assert_int_equal(at(w, 201, 5).offset, -1);
	assert_int_equal(at(w, PLOG_TIME_MAX, 7).offset, 5);
}

static void what_was_deleted_is_not_found(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 10; i++)
		support_append(w, (struct batch_of){.records = 5, .timestamp = 1000 + 10 * i});
	support_commit(w, 50);
	plog_lock(w->log);
	assert_int_equal(plog_set_start(w->log, 7), ERR_OK);
	plog_unlock(w->log);
	assert_int_equal(at(w, 0, 50).offset, 7);
	assert_int_equal(at(w, PLOG_TIME_EARLIEST, 50).offset, 7);
}

static void an_empty_log_has_no_time(void **state)
{
	struct world *w = *state;

	assert_int_equal(at(w, 0, 0).offset, -1);
	assert_int_equal(at(w, PLOG_TIME_MAX, 0).offset, -1);
	assert_int_equal(at(w, PLOG_TIME_LATEST, 0).offset, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	    TEST(special_values),
	    TEST(every_record_is_found),
	    TEST(times_that_go_back_are_found_by_the_first),
	    TEST(what_was_deleted_is_not_found),
	    TEST(an_empty_log_has_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
