/*
 * The persistent map: versions stay as they were, order holds, nothing leaks (values are counted).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/pmap.h"
#include "base/rnd.h"

struct value {
	int refs, number;
};

static void value_ref(void *value)
{
	((struct value *)value)->refs++;
}

static void value_unref(void *value)
{
	assert_true(--((struct value *)value)->refs >= 0);
}

static const struct pmap_ops ops = {value_ref, value_unref};

static struct bytes key_of(char *buf, size_t size, int number)
{
	return (struct bytes){(const uint8_t *)buf, (size_t)snprintf(buf, size, "key-%d", number)};
}

static void old_versions_do_not_change(void **state)
{
	struct value one = {.number = 1}, two = {.number = 2};
	struct bytes key = {(const uint8_t *)"k", 1};
	struct pmap *old = NULL, *new;

	assert_int_equal(pmap_put(&old, &ops, key, &one), ERR_OK);
	new = pmap_ref(old);
	assert_int_equal(pmap_put(&new, &ops, key, &two), ERR_OK);
	assert_ptr_equal(pmap_get(old, key), &one);
	assert_ptr_equal(pmap_get(new, key), &two);
	assert_int_equal(pmap_del(&new, &ops, key), ERR_OK);
	assert_null(pmap_get(new, key));
	assert_ptr_equal(pmap_get(old, key), &one);
	pmap_unref(old, &ops);
	pmap_unref(new, &ops);
	assert_int_equal(one.refs + two.refs, 0);
}

static void walks_in_order(void **state)
{
	struct value value = {0};
	struct pmap *map = NULL;
	struct pmap_entry entry;
	uint8_t last[2] = {0, 0};
	size_t seen = 0;

	for (int i = 0; i < 1000; i++) {
		uint8_t key[2] = {(uint8_t)(i * 7919 % 251), (uint8_t)(i * 104729 % 241)};
		assert_int_equal(pmap_put(&map, &ops, (struct bytes){key, 2}, &value), ERR_OK);
	}
	for (bool more = pmap_seek(map, BYTES_NULL, false, &entry); more;
	     more = pmap_seek(map, (struct bytes){last, 2}, true, &entry)) {
		assert_true(seen == 0 || memcmp(entry.key.ptr, last, 2) > 0);
		memcpy(last, entry.key.ptr, 2);
		seen++;
	}
	assert_int_equal(seen, pmap_len(map));
	pmap_unref(map, &ops);
	assert_int_equal(value.refs, 0);
}

#define KEYS 300

/* Random puts and deletes over many versions, each compared with a plain array. */
static void many_versions_agree_with_an_array(void **state)
{
	struct value values[KEYS] = {{0}};
	struct pmap *versions[64] = {NULL};
	bool expected[64][KEYS] = {{false}};
	struct rnd rnd;
	char buf[32];

	rnd_init_seed(&rnd, 11);
	for (int step = 0; step < 20000; step++) {
		size_t from = rnd_below(&rnd, 64), to = rnd_below(&rnd, 64);
		int number = (int)rnd_below(&rnd, KEYS);
		bool put = rnd_below(&rnd, 3) > 0;
		struct pmap *map = pmap_ref(versions[from]);
		struct bytes key = key_of(buf, sizeof(buf), number);

		assert_int_equal(put ? pmap_put(&map, &ops, key, &values[number])
				     : pmap_del(&map, &ops, key),
				 ERR_OK);
		pmap_unref(versions[to], &ops);
		versions[to] = map;
		if (from != to)
			memcpy(expected[to], expected[from], sizeof(expected[to]));
		expected[to][number] = put;
		number = (int)rnd_below(&rnd, KEYS);
		assert_ptr_equal(pmap_get(versions[to], key_of(buf, sizeof(buf), number)),
				 expected[to][number] ? &values[number] : NULL);
	}
	for (int v = 0; v < 64; v++)
		pmap_unref(versions[v], &ops);
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(values[i].refs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(old_versions_do_not_change),
	    cmocka_unit_test(walks_in_order),
	    cmocka_unit_test(many_versions_agree_with_an_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
