/* The writer: encodings, its cap, and who owns slices when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "wire/rd.h"
#include "wire/wr.h"

static void assert_bytes(const struct wr *wr, const char *want, size_t len)
{
	assert_int_equal(wr->err, ERR_OK);
	assert_int_equal(wr->len_bytes, len);
	assert_memory_equal(wr->buf, want, len);
}
#define ASSERT_WRITTEN(wr, literal) assert_bytes(wr, "" literal, sizeof(literal) - 1)

static void reads_back_what_it_wrote(void **state)
{
	struct wr wr;
	wr_init(&wr, 4096);
	static const int64_t numbers[] = {0, 1, -1, 63, -64, 64, 8191, -8193, INT32_MAX, INT32_MIN};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		wr_varint(&wr, (int32_t)numbers[i]);
		wr_varlong(&wr, numbers[i] * 1000003);
		wr_uvarint(&wr, (uint32_t)numbers[i]);
		wr_int64(&wr, numbers[i]);
		wr_uint16(&wr, (uint16_t)numbers[i]);
	}
	wr_varlong(&wr, INT64_MIN);
	wr_float64(&wr, -0.5);
	struct rd rd = rd_of(wr_written(&wr));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		assert_int_equal(rd_varint(&rd), numbers[i]);
		assert_true(rd_varlong(&rd) == numbers[i] * 1000003);
		assert_int_equal(rd_uvarint(&rd), (uint32_t)numbers[i]);
		assert_true(rd_int64(&rd) == numbers[i]);
		assert_int_equal(rd_uint16(&rd), (uint16_t)numbers[i]);
	}
	assert_true(rd_varlong(&rd) == INT64_MIN);
	assert_true(rd_float64(&rd) == -0.5);
	assert_int_equal(rd_left(&rd), 0);
	wr_fini(&wr);
}

static void writes_strings_in_both_encodings(void **state)
{
	struct wr wr;
	wr_init(&wr, 4096);
	wr_str(&wr, STR("ab"), false, false);
	wr_str(&wr, STR("ab"), true, false);
	wr_str(&wr, STR_NULL, false, true);
	wr_str(&wr, STR_NULL, true, true);
	wr_str(&wr, STR_NULL, false, false); /* not allowed to be null: empty */
	wr_str(&wr, STR_NULL, true, false);
	wr_array(&wr, 0, true, false);
	wr_array(&wr, 0, true, true);
	wr_array(&wr, 2, false, true);
	ASSERT_WRITTEN(&wr, "\0\x02"
			    "ab\x03"
			    "ab\xff\xff\0\0\0\x01\xff\xff\xff\xff\0\x03");
	wr_fini(&wr);
}

static void refuses_strings_over_32767(void **state)
{
	struct wr wr;
	char *big = calloc(1, 32768);
	wr_init(&wr, 1 << 20);
	wr_str(&wr, (struct str){big, 32768}, true, false);
	assert_int_equal(wr.err, ERR_NOMEM);
	assert_int_equal(wr.len_bytes, 0);
	wr_fini(&wr);
	free(big);
}

static void stops_at_its_cap(void **state)
{
	struct wr wr;
	wr_init(&wr, 300);
	assert_non_null(wr_room(&wr, 300));
	wr_int8(&wr, 1);
	assert_int_equal(wr.err, ERR_NOMEM);
	assert_int_equal(wr.len_bytes, 300);
	assert_null(wr_room(&wr, 0));
	wr_fini(&wr);
	wr_init(&wr, 8);
	assert_null(wr_room(&wr, SIZE_MAX));
	wr_fini(&wr);
}

static void count_release(void *owner)
{
	++*(int *)owner;
}

static void cuts_the_buffer_where_slices_go(void **state)
{
	int released = 0;
	struct slice slices[] = {{3, 100, 10, &released, count_release},
				 {3, 0, 0, &released, count_release},
				 {4, 200, 20, &released, count_release}};
	struct records records = {.slices = slices, .slices_len = 3};
	struct wr wr;
	wr_init(&wr, 4096);
	wr_int8(&wr, 7);
	wr_records(&wr, &records, true, false);
	wr_int8(&wr, 8);
	ASSERT_WRITTEN(&wr, "\x07\x1f\x08");
	assert_int_equal(wr_total_bytes(&wr), 33);
	assert_int_equal(wr.cuts_len, 2);
	assert_int_equal(wr.cuts[1].at_bytes, 2);
	assert_int_equal(wr.cuts[1].slice.pos, 200);
	assert_int_equal(released, 1); /* the empty one */
	assert_null(slices[0].release);
	wr_fini(&wr);
	assert_int_equal(released, 3);
}

static void releases_slices_after_an_error(void **state)
{
	int released = 0;
	struct slice slice = {3, 100, 10, &released, count_release};
	struct records records = {.slices = &slice, .slices_len = 1};
	struct wr wr;
	wr_init(&wr, 2);
	wr_records(&wr, &records, false, false);
	assert_int_equal(wr.err, ERR_NOMEM);
	assert_int_equal(released, 1);
	wr_fini(&wr);
	assert_int_equal(released, 1);
}

static void writes_records_that_are_bytes_or_null(void **state)
{
	struct records bytes = {.bytes = {(const uint8_t *)"xy", 2}}, null = {.bytes = BYTES_NULL};
	struct wr wr;
	wr_init(&wr, 64);
	wr_records(&wr, &bytes, false, true);
	wr_records(&wr, &null, false, true);
	wr_records(&wr, &null, true, true);
	ASSERT_WRITTEN(&wr, "\0\0\0\x02xy\xff\xff\xff\xff\0");
	wr_fini(&wr);
}

static void puts_a_tags_size_in_front(void **state)
{
	static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct wr wr;
		wr_init(&wr, 1 << 20);
		size_t at = wr_tag(&wr, 300);
		for (size_t k = 0; k < sizes[i]; k++)
			wr_int8(&wr, (int8_t)k);
		wr_tag_done(&wr, at);
		struct rd rd = rd_of(wr_written(&wr));
		uint32_t tag;
		struct rd in = rd_tag(&rd, &tag);
		assert_int_equal(tag, 300);
		assert_int_equal(rd_left(&in), sizes[i]);
		assert_int_equal(rd_left(&rd), 0);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(rd_int8(&in), (int8_t)k);
		wr_fini(&wr);
	}
}

static void patches_a_size(void **state)
{
	struct wr wr;
	wr_init(&wr, 64);
	wr_int32(&wr, 0);
	wr_int8(&wr, 9);
	wr_patch_int32(&wr, 0, 1);
	ASSERT_WRITTEN(&wr, "\0\0\0\x01\x09");
	wr_fini(&wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_back_what_it_wrote),
	    cmocka_unit_test(writes_strings_in_both_encodings),
	    cmocka_unit_test(refuses_strings_over_32767),
	    cmocka_unit_test(stops_at_its_cap),
	    cmocka_unit_test(cuts_the_buffer_where_slices_go),
	    cmocka_unit_test(releases_slices_after_an_error),
	    cmocka_unit_test(writes_records_that_are_bytes_or_null),
	    cmocka_unit_test(puts_a_tags_size_in_front),
	    cmocka_unit_test(patches_a_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
