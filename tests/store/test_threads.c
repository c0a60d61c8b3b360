/* One appender, readers, a flusher and a deleter on one log, for ThreadSanitizer above all. */
#include <pthread.h>
#include <stdatomic.h>

#include "store/plog_impl.h"
#include "support.h"

#define READERS 3
#define BATCHES 3000

static _Atomic bool over;

static void *append(void *user)
{
	struct world *w = user;

	for (int i = 0; i < BATCHES; i++) {
		struct plog_append item = support_append(w, (struct batch_of){.records = 2,
									      .value_bytes = 60,
									      .has_producer = true,
									      .sequence = 2 * i});

		must(item.err == ERR_OK && item.base_offset == 2 * i);
		support_commit(w, item.last_offset + 1);
	}
	atomic_store(&over, true);
	return NULL;
}

/* Follows the end, and now and then goes back to the start. */
static void *consume(void *user)
{
	struct world *w = user;
	int64_t offset = 0;
	uint8_t data[4096];

	while (!atomic_load(&over) || offset < plog_end(w->log)) {
		struct batch_header header;
		struct plog_time_offset found;
		size_t got, at;
		enum err err;

		err = plog_read_copy(w->log, offset, plog_high_watermark(w->log), data,
				     sizeof(data), &got);
		if (err == ERR_OFFSET_OUT_OF_RANGE) {
			offset = plog_start(w->log);
			continue;
		}
		must(err == ERR_OK);
		for (at = 0; at < got; at += header.size_bytes) {
			must(batch_header_read((struct bytes){data + at, got - at}, &header) ==
			     ERR_OK);
			must(batch_check_crc((struct bytes){data + at, header.size_bytes}) ==
			     ERR_OK);
			must(batch_last_offset(&header) >= offset);
			offset = batch_next_offset(&header);
		}
		must(plog_offset_for_time(w->log, SUPPORT_NOW_MS, offset, &found) == ERR_OK);
		if (offset % 1000 == 0 && !atomic_load(&over))
			offset = plog_start(w->log);
		if (got == 0 && offset == plog_end(w->log))
			sched_yield();
	}
	return NULL;
}

static void *sync_and_tidy(void *user)
{
	struct world *w = user;
	int64_t point = 0, before = 0;

	for (int i = 0; !atomic_load(&over); i++) {
		must(plog_flush(w->log) == ERR_OK);
		must(plog_flushed(w->log) >= before);
		before = plog_flushed(w->log);
		must(plog_do_work(w->log) == ERR_OK);
		if (i % 7 == 0)
			must(plog_checkpoint(w->log, &point) == ERR_OK);
		if (i % 20 == 0) {
			plog_lock(w->log);
			must(plog_set_start(w->log, plog_high_watermark(w->log) / 4) == ERR_OK);
			plog_unlock(w->log);
		}
	}
	return NULL;
}

static void threads_share_a_log(void **state)
{
	struct world *w = *state;
	pthread_t threads[READERS + 2];

	atomic_store(&over, false);
	w->cfg.segment_bytes = 20000;
	w->cfg.index_interval_bytes = 500;
	assert_int_equal(pthread_create(&threads[0], NULL, append, w), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, sync_and_tidy, w), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[2 + i], NULL, consume, w), 0);
	for (int i = 0; i < READERS + 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(plog_end(w->log), 2 * BATCHES);
	world_close(w);
	world_open(w);
	assert_int_equal(plog_end(w->log), 2 * BATCHES);
	support_read_all(w, plog_start(w->log), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(threads_share_a_log, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
