/* The reader: every length that a peer may claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/rd.h"

#define RD(literal) rd_of((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

static void reads_big_endian_numbers(void **state)
{
	struct rd rd = RD("\x01\xfe\xff\xfe\xff\xfe\xff\xff\xff\xfe\xff\xff\xff\xfe"
			  "\xff\xff\xff\xff\xff\xff\xff\xfe\x3f\xf8\0\0\0\0\0\0");
	assert_true(rd_bool(&rd));
	assert_int_equal(rd_int8(&rd), -2);
	assert_int_equal(rd_int16(&rd), -2);
	assert_int_equal(rd_uint16(&rd), 0xfffe);
	assert_int_equal(rd_int32(&rd), -2);
	assert_true(rd_uint32(&rd) == 0xfffffffeu);
	assert_true(rd_int64(&rd) == -2);
	assert_true(rd_float64(&rd) == 1.5);
	assert_int_equal(rd.err, ERR_OK);
	assert_int_equal(rd_left(&rd), 0);
}

static void reads_varints(void **state)
{
	struct rd rd = RD("\x7f\x80\x01\xff\xff\xff\xff\x0f\x01\x02"
			  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	assert_int_equal(rd_uvarint(&rd), 127);
	assert_int_equal(rd_uvarint(&rd), 128);
	assert_true(rd_uvarint(&rd) == UINT32_MAX);
	assert_int_equal(rd_varint(&rd), -1);
	assert_int_equal(rd_varint(&rd), 1);
	assert_true(rd_varlong(&rd) == INT64_MIN);
	assert_int_equal(rd.err, ERR_OK);
}

static void refuses_varints_that_do_not_fit(void **state)
{
	struct rd five = RD("\xff\xff\xff\xff\x10"), six = RD("\x80\x80\x80\x80\x80\x01");
	struct rd ten = RD("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), cut = RD("\x80\x80");
	assert_int_equal(rd_uvarint(&five), 0);
	assert_int_equal(five.err, ERR_MALFORMED);
	assert_int_equal(rd_uvarint(&six), 0);
	assert_int_equal(six.err, ERR_MALFORMED);
	assert_int_equal(rd_varlong(&ten), 0);
	assert_int_equal(ten.err, ERR_MALFORMED);
	assert_int_equal(rd_uvarint(&cut), 0);
	assert_int_equal(cut.err, ERR_SHORT);
}

static void stays_failed_after_the_first_error(void **state)
{
	struct rd rd = RD("\0\x7f"
			  "ab");
	assert_null(rd_str(&rd, false, false).ptr);
	assert_int_equal(rd.err, ERR_SHORT);
	assert_int_equal(rd_int32(&rd), 0);
	assert_null(rd_bytes(&rd, true, false).ptr);
	assert_int_equal(rd_left(&rd), 0);
	rd_fail(&rd, ERR_MALFORMED);
	assert_int_equal(rd.err, ERR_SHORT);
}

static void tells_null_from_empty(void **state)
{
	struct rd rd = RD("\xff\xff\0\0\0\x01\xff\xff\xff\xff\0\0\0\0");
	assert_null(rd_str(&rd, false, true).ptr);
	assert_non_null(rd_str(&rd, false, true).ptr);
	assert_null(rd_str(&rd, true, true).ptr);
	assert_non_null(rd_str(&rd, true, true).ptr);
	assert_null(rd_bytes(&rd, false, true).ptr);
	assert_non_null(rd_bytes(&rd, false, true).ptr);
	assert_int_equal(rd.err, ERR_OK);
}

static void refuses_null_where_it_is_not_allowed(void **state)
{
	struct rd classic = RD("\xff\xff"), compact = RD("\0"), bytes = RD("\xff\xff\xff\xff");
	(void)rd_str(&classic, false, false);
	(void)rd_str(&compact, true, false);
	(void)rd_bytes(&bytes, false, false);
	assert_int_equal(classic.err, ERR_MALFORMED);
	assert_int_equal(compact.err, ERR_MALFORMED);
	assert_int_equal(bytes.err, ERR_MALFORMED);
}

static void refuses_lengths_below_minus_one(void **state)
{
	struct rd str = RD("\xff\xfe"), bytes = RD("\x80\0\0\0");
	(void)rd_str(&str, false, true);
	(void)rd_bytes(&bytes, false, true);
	assert_int_equal(str.err, ERR_MALFORMED);
	assert_int_equal(bytes.err, ERR_MALFORMED);
}

static void refuses_compact_strings_over_32767(void **state)
{
	struct rd rd = RD("\x81\x80\x02"); /* 32769 - 1 */
	(void)rd_str(&rd, true, true);
	assert_int_equal(rd.err, ERR_MALFORMED);
}

static void *array(struct rd *rd, struct arena *arena, bool compact, size_t *count)
{
	return rd_array(rd, arena, compact, false, 4, sizeof(int32_t), count);
}

static void bounds_counts_by_what_is_left(void **state)
{
	struct arena arena;
	size_t count = 99;
	struct rd fits = RD("\0\0\0\x02"
			    "12345678"),
		  over = RD("\0\0\0\x03"
			    "12345678");
	struct rd huge = RD("\x7f\xff\xff\xff"), compact = RD("\xff\xff\xff\xff\x0f");
	arena_init(&arena, 4096);
	assert_non_null(array(&fits, &arena, false, &count));
	assert_int_equal(count, 2);
	assert_null(array(&over, &arena, false, &count));
	assert_int_equal(count, 0);
	assert_int_equal(over.err, ERR_SHORT);
	assert_null(array(&huge, &arena, false, &count));
	assert_int_equal(huge.err, ERR_SHORT);
	assert_null(array(&compact, &arena, true, &count));
	assert_int_equal(compact.err, ERR_MALFORMED);
	arena_fini(&arena);
}

static void stops_at_the_cap_of_the_arena(void **state)
{
	static uint8_t many[4004] = {0, 0, 0x03, 0xe8};
	struct arena arena;
	size_t count = 99;
	struct rd rd = rd_of((struct bytes){many, sizeof(many)});
	arena_init(&arena, 2048);
	assert_null(array(&rd, &arena, false, &count));
	assert_int_equal(count, 0);
	assert_int_equal(rd.err, ERR_NOMEM);
	arena_fini(&arena);
}

static void skips_unknown_tags(void **state)
{
	struct rd rd = RD("\x02\x05\x02xx\xc8\x01\0!");
	rd_skip_tags(&rd);
	assert_int_equal(rd.err, ERR_OK);
	assert_int_equal(rd_int8(&rd), '!');
}

static void refuses_more_tags_than_can_be(void **state)
{
	struct rd rd = RD("\x02\x05\0\x05"), twice = RD("\x02\x05\0\x05\0");
	struct rd cut = RD("\x01\x05\x02x");
	rd_skip_tags(&rd);
	assert_int_equal(rd.err, ERR_SHORT);
	rd_skip_tags(&twice);
	assert_int_equal(twice.err, ERR_MALFORMED);
	rd_skip_tags(&cut);
	assert_int_not_equal(cut.err, ERR_OK);
}

static void refuses_what_is_left_in_a_tag(void **state)
{
	struct rd rd = RD("\x05\x02xy");
	uint32_t tag, seen = 0;
	struct rd in = rd_tag(&rd, &tag);
	assert_int_equal(tag, 5);
	assert_int_equal(rd_int8(&in), 'x');
	rd_tag_done(&rd, &in, tag, &seen);
	assert_int_equal(rd.err, ERR_MALFORMED);
}

static void reads_nothing_from_nothing(void **state)
{
	struct rd rd = rd_of(BYTES_NULL);
	assert_int_equal(rd_int64(&rd), 0);
	assert_int_equal(rd.err, ERR_SHORT);
	assert_int_equal(rd_left(&rd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_big_endian_numbers),
	    cmocka_unit_test(reads_varints),
	    cmocka_unit_test(refuses_varints_that_do_not_fit),
	    cmocka_unit_test(stays_failed_after_the_first_error),
	    cmocka_unit_test(tells_null_from_empty),
	    cmocka_unit_test(refuses_null_where_it_is_not_allowed),
	    cmocka_unit_test(refuses_lengths_below_minus_one),
	    cmocka_unit_test(refuses_compact_strings_over_32767),
	    cmocka_unit_test(bounds_counts_by_what_is_left),
	    cmocka_unit_test(stops_at_the_cap_of_the_arena),
	    cmocka_unit_test(skips_unknown_tags),
	    cmocka_unit_test(refuses_more_tags_than_can_be),
	    cmocka_unit_test(refuses_what_is_left_in_a_tag),
	    cmocka_unit_test(reads_nothing_from_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
