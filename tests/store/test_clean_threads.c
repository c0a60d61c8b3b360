/*
 * Cleaning side by side with an appender, readers, a flusher and DeleteRecords, for ThreadSanitizer
 * above all. A reader that goes from the start to the end finds of each key a record at least as
 * new as the newest there was when it began, unless that one was deleted meanwhile.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "store/clean.h"
#include "store/plog_impl.h"
#include "support.h"

#define READERS	    3
#define BATCHES	    4000
#define PATIENCE_MS 60000
#define KEYS	    16 /* of the record at an offset: offset % KEYS */

static _Atomic bool over;
static _Atomic int rounds;

static void append_one(struct world *w, int64_t offset)
{
	struct builder_options options = builder_options_default;
	uint8_t key = (uint8_t)(offset % KEYS), value[60] = {0};
	struct builder builder;
	struct wr wr;

	wr_init(&wr, SUPPORT_CAP);
	builder_init(&builder, &wr, &options);
	builder_add(&builder, SUPPORT_NOW_MS + offset, (struct bytes){&key, 1},
		    (struct bytes){value, sizeof(value)}, NULL, 0);
	must(builder_finish(&builder, NULL) == ERR_OK);
	struct plog_append item = {.data = wr.buf, .len_bytes = wr.len_bytes};
	plog_lock(w->log);
	must(plog_append_as_leader(w->log, &item, 1, 0) == 1);
	plog_set_high_watermark(w->log, plog_end(w->log));
	plog_unlock(w->log);
	must(item.base_offset == offset);
	wr_fini(&wr);
}

static void *append(void *user)
{
	int64_t until = clock_mono_ms(&clock_real) + PATIENCE_MS;

	for (int64_t i = 0; i < BATCHES; i++)
		append_one(user, i);
	while (atomic_load(&rounds) == 0 && clock_mono_ms(&clock_real) < until)
		sched_yield(); /* the machine is busy */
	atomic_store(&over, true);
	return NULL;
}

static int64_t read_some(struct world *w, int64_t offset, int64_t *last)
{
	static _Thread_local uint8_t data[8192];
	struct batch_header header;
	int64_t bound = plog_high_watermark(w->log);
	size_t got;
	enum err err = plog_read_copy(w->log, offset, bound, data, sizeof(data), &got);

	if (err == ERR_OFFSET_OUT_OF_RANGE)
		return plog_start(w->log);
	must(err == ERR_OK);
	for (size_t at = 0; at < got; at += header.size_bytes) {
		struct bytes left = {data + at, got - at};
		struct record_iter iter;
		struct record record;

		must(batch_header_read(left, &header) == ERR_OK);
		must(batch_check_crc((struct bytes){left.ptr, header.size_bytes}) == ERR_OK);
		must(batch_last_offset(&header) >= offset);
		must(record_iter_init(&iter, left, NULL) == ERR_OK);
		while (record_iter_next(&iter, &record)) {
			must(record.key.len == 1 && record.key.ptr[0] == record.offset % KEYS);
			last[record.key.ptr[0]] = record.offset;
		}
		offset = batch_next_offset(&header);
	}
	return got == 0 ? bound : offset; /* nothing: all that was below it is cleaned away */
}

/* From the start to the end, again and again. */
static void *consume(void *user)
{
	struct world *w = user;

	while (!atomic_load(&over)) {
		int64_t last[KEYS], end = plog_high_watermark(w->log), offset = plog_start(w->log);
		struct plog_time_offset found;

		memset(last, -1, sizeof(last));
		while (offset < plog_high_watermark(w->log) && !atomic_load(&over))
			offset = read_some(w, offset, last);
		for (int64_t i = end - KEYS; i < end && !atomic_load(&over); i++)
			must(i < plog_start(w->log) || last[i % KEYS] >= i);
		must(plog_offset_for_time(w->log, SUPPORT_NOW_MS, end, &found) == ERR_OK);
		sched_yield();
	}
	return NULL;
}

static void *clean(void *user)
{
	struct world *w = user;
	const struct clean_limits limits = {.map_bytes = 24 * 64,
					    .map_load = 0.9,
					    .io_bytes = 4096};
	struct clean_known known = {-1, INT64_MAX, SUPPORT_NOW_MS};

	while (!atomic_load(&over)) {
		struct clean_result result;
		struct clean_range range;
		enum err err;

		must(clean_range_find(w->log, &known, &range) == ERR_OK);
		if (range.end <= range.first_dirty)
			continue;
		err = clean_log(w->log, &range, &limits, &result);
		must(err == ERR_OK || err == ERR_CANCELLED);
		if (err == ERR_OK)
			known.checkpoint = result.end;
		atomic_fetch_add(&rounds, err == ERR_OK);
	}
	return NULL;
}

static void *sync_and_tidy(void *user)
{
	struct world *w = user;
	int64_t point = 0;

	for (int i = 0; !atomic_load(&over); i++) {
		must(plog_flush(w->log) == ERR_OK);
		must(plog_do_work(w->log) == ERR_OK);
		if (i % 7 == 0)
			must(plog_checkpoint(w->log, &point) == ERR_OK);
		if (i % 50 == 0) {
			plog_lock(w->log);
			must(plog_set_start(w->log, plog_high_watermark(w->log) / 8) == ERR_OK);
			plog_unlock(w->log);
		}
	}
	return NULL;
}

static void nobody_sees_a_log_being_cleaned(void **state)
{
	struct world *w = *state;
	pthread_t threads[READERS + 3];
	int64_t last[KEYS], offset;

	atomic_store(&over, false);
	w->cfg.segment_bytes = 5000;
	w->cfg.index_interval_bytes = 300;
	assert_int_equal(pthread_create(&threads[0], NULL, append, w), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, sync_and_tidy, w), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, clean, w), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[3 + i], NULL, consume, w), 0);
	for (int i = 0; i < READERS + 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&rounds) > 0);
	world_close(w);
	world_open(w);
	assert_int_equal(plog_end(w->log), BATCHES);
	support_commit(w, BATCHES);
	memset(last, -1, sizeof(last));
	for (offset = plog_start(w->log); offset < BATCHES;)
		offset = read_some(w, offset, last);
	for (int64_t i = BATCHES - KEYS; i < BATCHES; i++)
		assert_int_equal(last[i % KEYS], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nobody_sees_a_log_being_cleaned, world_setup,
					    world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
