/* The arena: alignment, growth, its cap, copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"

static void gives_zeroed_aligned_memory(void **state)
{
	struct arena arena;

	arena_init(&arena, 1 << 20);
	for (size_t size = 0; size < 5000; size += 37) {
		unsigned char *at = arena_alloc(&arena, size);
		assert_non_null(at);
		assert_int_equal((uintptr_t)at % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(at[i], 0);
		memset(at, 0xff, size);
	}
	arena_fini(&arena);
}

static void refuses_more_than_its_cap(void **state)
{
	struct arena arena;

	arena_init(&arena, 4096);
	assert_non_null(arena_alloc(&arena, 1000));
	assert_false(arena.failed);
	assert_null(arena_alloc(&arena, 4096));
	assert_true(arena.failed);
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	assert_true(arena.used_bytes <= 4096);
	arena_reset(&arena);
	assert_false(arena.failed);
	assert_non_null(arena_alloc(&arena, 1000));
	arena_fini(&arena);
}

static void refuses_a_product_that_overflows(void **state)
{
	struct arena arena;

	arena_init(&arena, 4096);
	assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
	assert_true(arena.failed);
	arena_fini(&arena);
}

static void copies_strings_and_keeps_null(void **state)
{
	struct arena arena;
	struct str copy;

	arena_init(&arena, 4096);
	copy = arena_str(&arena, STR("topic"));
	assert_true(str_eq(copy, STR("topic")));
	assert_null(arena_str(&arena, STR_NULL).ptr);
	assert_non_null(arena_str(&arena, STR("")).ptr);
	assert_true(str_eq(arena_printf(&arena, "%s-%d", "a", 7), STR("a-7")));
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_zeroed_aligned_memory),
	    cmocka_unit_test(refuses_more_than_its_cap),
	    cmocka_unit_test(refuses_a_product_that_overflows),
	    cmocka_unit_test(copies_strings_and_keeps_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
