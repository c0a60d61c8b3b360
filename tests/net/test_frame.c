/* Frame memory: what is kept for the next frame, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/frame.h"

/* Under AddressSanitizer all comes from malloc and nothing is kept. */
static bool keeps(void)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct frame_cache cache;
	struct frame frame;
	bool mapped;

	frame_cache_init(&cache, loop);
	assert_true(frame_alloc(&cache, FRAME_SMALL_BYTES + 1, &frame));
	mapped = frame.mapped_bytes > 0;
	frame_free(&cache, &frame);
	frame_cache_fini(&cache);
	loop_free(loop);
	return mapped;
}

static void small_ones_are_not_mapped(void **state)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct frame_cache cache;
	struct frame frame;

	frame_cache_init(&cache, loop);
	assert_true(frame_alloc(&cache, FRAME_SMALL_BYTES, &frame));
	assert_int_equal(frame.mapped_bytes, 0);
	assert_int_equal(frame.len_bytes, FRAME_SMALL_BYTES);
	frame_free(&cache, &frame);
	assert_null(frame.ptr);
	assert_int_equal(cache.kept_bytes, 0);
	frame_cache_fini(&cache);
	loop_free(loop);
}

static void uses_a_mapping_again(void **state)
{
	struct loop *loop;
	struct frame_cache cache;
	struct frame frame, larger;
	uint8_t *first;

	if (!keeps())
		skip();
	loop = loop_new("test", &clock_real);
	frame_cache_init(&cache, loop);
	assert_true(frame_alloc(&cache, 1000000, &frame));
	first = frame.ptr;
	frame_free(&cache, &frame);
	assert_int_equal(cache.kept_bytes, 1 << 20);
	/* Another class. */
	assert_true(frame_alloc(&cache, 1100000, &larger));
	assert_ptr_not_equal(larger.ptr, first);
	assert_true(frame_alloc(&cache, 700000, &frame));
	assert_ptr_equal(frame.ptr, first);
	assert_int_equal(cache.kept_bytes, 0);
	frame_free(&cache, &frame);
	/* As from another thread: not kept. */
	frame_free(NULL, &larger);
	assert_int_equal(cache.kept_bytes, 1 << 20);
	frame_cache_fini(&cache);
	loop_free(loop);
}

static void keeps_no_more_than_its_limit(void **state)
{
	struct loop *loop;
	struct frame_cache cache;
	struct frame frames[12], giant;

	if (!keeps())
		skip();
	loop = loop_new("test", &clock_real);
	frame_cache_init(&cache, loop);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		assert_true(frame_alloc(&cache, 1 << 20, &frames[i]));
	assert_true(frame_alloc(&cache, 50 << 20, &giant));
	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		frame_free(&cache, &frames[i]);
	frame_free(&cache, &giant);
	assert_int_equal(cache.kept_bytes, FRAME_KEPT_BYTES);
	frame_cache_fini(&cache);
	loop_free(loop);
}

static void drops_what_is_not_used_for_a_while(void **state)
{
	struct loop *loop;
	struct frame_cache cache;
	struct frame frame;

	if (!keeps())
		skip();
	loop = loop_new("test", &clock_real);
	frame_cache_init(&cache, loop);
	assert_true(frame_alloc(&cache, 1 << 20, &frame));
	frame_free(&cache, &frame);
	assert_true(loop_timer_is_set(&cache.timer));
	/* It was used since the timer was set: it stays for one more. */
	cache.timer.fire(&cache.timer);
	assert_int_equal(cache.kept_bytes, 1 << 20);
	loop_timer_stop(&cache.timer);
	cache.timer.fire(&cache.timer);
	assert_int_equal(cache.kept_bytes, 0);
	assert_false(loop_timer_is_set(&cache.timer));
	frame_cache_fini(&cache);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(small_ones_are_not_mapped),
	    cmocka_unit_test(uses_a_mapping_again),
	    cmocka_unit_test(keeps_no_more_than_its_limit),
	    cmocka_unit_test(drops_what_is_not_used_for_a_while),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
