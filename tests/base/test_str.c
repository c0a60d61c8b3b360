/* Strings, numbers and ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rnd.h"
#include "base/str.h"

static void reads_whole_numbers_only(void **state)
{
	static const char *const bad[] = {
	    "", "-", "1x", "x", " 1", "9223372036854775808", "-9223372036854775809", "--1", "+1"};
	int64_t value;

	assert_true(str_to_int64(STR("0"), &value) && value == 0);
	assert_true(str_to_int64(STR("-9223372036854775808"), &value) && value == INT64_MIN);
	assert_true(str_to_int64(STR("9223372036854775807"), &value) && value == INT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(str_to_int64(str_of(bad[i]), &value));
}

static void orders_by_bytes_then_length(void **state)
{
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("a"), STR("aa")) < 0);
	assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
	assert_int_equal(str_cmp(STR("x"), STR("x")), 0);
}

static void sorts_each_once(void **state)
{
	struct str list[] = {STR("b"), STR("ab"), STR(""), STR("b"), STR("a"), STR("ab")};
	size_t len = str_sort_unique(list, ARRAY_LEN(list));

	(void)state;
	assert_int_equal(len, 4);
	for (size_t i = 1; i < len; i++)
		assert_true(str_cmp(list[i - 1], list[i]) < 0);
	assert_true(str_is_in_sorted(STR("ab"), list, len));
	assert_false(str_is_in_sorted(STR("aa"), list, len));
	assert_int_equal(str_sort_unique(NULL, 0), 0);
	assert_false(str_is_in_sorted(STR("a"), NULL, 0));
}

static void trims_and_compares_without_case(void **state)
{
	assert_true(str_eq(str_trim(STR(" \t a b \n")), STR("a b")));
	assert_int_equal(str_trim(STR("   ")).len, 0);
	assert_true(str_eq_nocase(STR("PlainText"), STR("PLAINTEXT")));
	assert_false(str_eq_nocase(STR("a"), STR("ab")));
	assert_true(str_starts(STR("topic-1"), STR("topic")));
	assert_false(str_starts(STR("top"), STR("topic")));
}

static void writes_ids_as_kafka_does(void **state)
{
	char text[UUID_TEXT_LEN + 1];
	struct uuid id;

	uuid_text(uuid_of(0, 1), text);
	assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAQ");
	assert_true(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAAQ"), &id));
	assert_true(uuid_eq(id, uuid_of(0, 1)));
}

static void ids_come_back_from_their_text(void **state)
{
	char text[UUID_TEXT_LEN + 1];
	struct uuid id, back;
	struct rnd rnd;

	rnd_init_seed(&rnd, 9);
	for (int i = 0; i < 10000; i++) {
		id = rnd_uuid(&rnd);
		uuid_text(id, text);
		assert_true(text[0] != '-');
		assert_true(uuid_parse(str_of(text), &back) && uuid_eq(id, back));
	}
}

static void refuses_what_is_no_id(void **state)
{
	struct uuid id;

	assert_false(uuid_parse(STR(""), &id));
	assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAA"), &id));
	assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAA!"), &id));
	assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAAAA"), &id));
	assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAAB"), &id)); /* 132 bits */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_whole_numbers_only),
	    cmocka_unit_test(orders_by_bytes_then_length),
	    cmocka_unit_test(sorts_each_once),
	    cmocka_unit_test(trims_and_compares_without_case),
	    cmocka_unit_test(writes_ids_as_kafka_does),
	    cmocka_unit_test(ids_come_back_from_their_text),
	    cmocka_unit_test(refuses_what_is_no_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
