/*
 * Who reads what is not in the page cache waits for a worker, and nobody else does. The fault hook
 * plays the disk: while `cold`, no file can be read without waiting, and reads that wait do not
 * return before `open_latch`. No time is measured: what has to be answered meanwhile is answered
 * while the latch is shut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "proto/fetch.h"
#include "proto/metadata.h"
#include "tests/api/whole_ask.h"

#define LIST_VERSION 8
#define RECORDS	     20

static struct whole whole;

/* -- the disk ------------------------------------------------------------------------------ */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t loop; /* the thread of the test turns all loops */
	bool cold, shut;
	int waiting;	/* workers at the latch */
	int loop_waits; /* reads of the loop that may wait, while the latch was shut */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int disk_hook(const char *call, const char *path)
{
	bool on_loop = pthread_equal(pthread_self(), disk.loop);
	int fault = 0;

	pthread_mutex_lock(&disk.lock);
	if (strcmp(call, "preadv2") == 0 && disk.cold)
		fault = EAGAIN;
	if (strcmp(call, "pread") == 0 && on_loop && disk.shut)
		disk.loop_waits++;
	if (strcmp(call, "pread") == 0 && !on_loop && disk.shut) {
		disk.waiting++;
		pthread_cond_broadcast(&disk.changed);
		while (disk.shut)
			pthread_cond_wait(&disk.changed, &disk.lock);
		disk.waiting--;
	}
	pthread_mutex_unlock(&disk.lock);
	return fault;
}

static void disk_set(bool cold, bool shut)
{
	pthread_mutex_lock(&disk.lock);
	disk.cold = cold;
	disk.shut = shut;
	disk.loop_waits = 0;
	pthread_cond_broadcast(&disk.changed);
	pthread_mutex_unlock(&disk.lock);
}

static void disk_await_reader(void)
{
	pthread_mutex_lock(&disk.lock);
	while (disk.waiting == 0)
		pthread_cond_wait(&disk.changed, &disk.lock);
	pthread_mutex_unlock(&disk.lock);
}

/* -- requests ------------------------------------------------------------------------------ */

static void produce(const char *topic, int64_t timestamp)
{
	assert_int_equal(whole_produce(&whole, topic, 0, timestamp), 0);
}

static void begin_fetch(struct whole_call *call, const char *topic, int64_t offset)
{
	whole_begin_fetch(&whole, call, topic, 0, offset, 0, 0);
}

/* The bytes of the only partition of an answer. */
static size_t fetched(struct whole_call *call)
{
	struct fetch_res answer;

	assert_int_equal(fetch_res_decode(&answer, &call->body, WHOLE_FETCH_VERSION,
					  &call->req.arena),
			 ERR_OK);
	assert_int_equal(answer.responses_len, 1);
	assert_int_equal(answer.responses[0].partitions[0].error_code, 0);
	return answer.responses[0].partitions[0].records.bytes.len;
}

/* What other connections of the loop want meanwhile, on topics whose end is in the cache. */
static void others_are_served(void)
{
	struct whole_call call;

	produce("hot", 1);
	begin_fetch(&call, "hot", 0);
	whole_ask(&call);
	assert_true(fetched(&call) > 0);
	whole_end(&call);
	whole_begin_list(&whole, &call, "old", -1, LIST_VERSION);
	whole_ask(&call);
	assert_int_equal(whole_listed(&call, LIST_VERSION), RECORDS);
	whole_end(&call);
}

/* `old` was written before the start, so nobody knows what of it is in the cache. */
static int setup(void **state)
{
	static const char *const settings[] = {"log.index.interval.bytes=0", NULL};

	disk.loop = pthread_self();
	file_set_fault(disk_hook);
	whole_open(&whole, settings);
	whole_make_topic(&whole, "old", 1);
	for (int64_t i = 0; i < RECORDS; i++)
		produce("old", 1000 + i);
	whole_restart(&whole);
	whole_make_topic(&whole, "hot", 1);
	return 0;
}

static int teardown(void **state)
{
	disk_set(false, false);
	whole_close(&whole);
	return 0;
}

/* -- tests --------------------------------------------------------------------------------- */

/* Sends it and gets its answer; others have theirs while it waits for the disk. */
static void read_cold(struct whole_call *call)
{
	whole_send(call);
	assert_false(call->done);
	assert_int_equal(disk.loop_waits, 0);
	disk_await_reader();
	others_are_served();
	assert_false(call->done);
	disk_set(false, false);
	whole_await(call);
}

static void a_cold_fetch_holds_up_nobody(int64_t offset, size_t *bytes)
{
	struct whole_call call;

	disk_set(true, true);
	begin_fetch(&call, "old", offset);
	read_cold(&call);
	*bytes = fetched(&call);
	whole_end(&call);
}

static void cold_batches_hold_up_nobody(void **state)
{
	size_t all, half;

	a_cold_fetch_holds_up_nobody(0, &all);
	assert_true(all > 0 && all % RECORDS == 0);
	a_cold_fetch_holds_up_nobody(RECORDS / 2, &half);
	assert_int_equal(half, all / 2);
}

/* Nothing is known of the middle of a log but by its index. */
static void a_cold_index_holds_up_nobody(void **state)
{
	size_t bytes;

	a_cold_fetch_holds_up_nobody(RECORDS / 2, &bytes);
	assert_true(bytes > 0);
}

static void a_search_by_time_holds_up_nobody(void **state)
{
	struct whole_call call;

	disk_set(true, true);
	whole_begin_list(&whole, &call, "old", 1000 + RECORDS / 2, LIST_VERSION);
	read_cold(&call);
	assert_int_equal(whole_listed(&call, LIST_VERSION), RECORDS / 2);
	whole_end(&call);
}

/* One reads, two wait for their turn; of these, one goes away. */
static void many_cold_readers_take_turns(void **state)
{
	struct whole_call calls[3];

	disk_set(true, true);
	for (int i = 0; i < 3; i++) {
		begin_fetch(&calls[i], "old", i);
		whole_send(&calls[i]);
	}
	disk_await_reader();
	others_are_served();
	for (int i = 0; i < 3; i++)
		assert_false(calls[i].done);
	calls[1].req.abandoned = true;
	disk_set(false, false);
	whole_await(&calls[0]);
	whole_await(&calls[1]);
	whole_await(&calls[2]);
	assert_true(calls[1].req.no_answer);
	assert_true(fetched(&calls[0]) > fetched(&calls[2]));
	for (int i = 0; i < 3; i++)
		whole_end(&calls[i]);
}

static void a_reader_that_goes_away_is_let_go(void **state)
{
	struct whole_call call;

	disk_set(true, true);
	begin_fetch(&call, "old", 0);
	whole_send(&call);
	disk_await_reader();
	call.req.abandoned = true;
	disk_set(false, false);
	whole_await(&call);
	assert_true(call.req.no_answer);
	whole_end(&call);
}

/* The cache is really dropped, where the file system of the test can do so. */
static void what_was_dropped_from_the_cache_is_read_again(void **state)
{
	char path[128];
	struct whole_call call;
	int fd;

	snprintf(path, sizeof(path), "%s/old-0/00000000000000000000.log", whole.dir);
	assert_int_equal(file_open(path, O_RDWR, &fd), ERR_OK);
	assert_int_equal(file_sync(fd), ERR_OK);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	file_close(fd);
	begin_fetch(&call, "old", 0);
	whole_ask(&call);
	assert_true(fetched(&call) > 0);
	whole_end(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(cold_batches_hold_up_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_cold_index_holds_up_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_search_by_time_holds_up_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_cold_readers_take_turns, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_reader_that_goes_away_is_let_go, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_was_dropped_from_the_cache_is_read_again, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
