/* The header: what is read, what is refused, what stamping leaves alone. */
#include "record/batch.h"

#include "support.h"

static struct bytes good(struct wr *out)
{
	support_batch(out, CODEC_NONE, NULL);
	return wr_written(out);
}

static void reads_what_was_written(void **state)
{
	struct batch_header in = support_header(3), header;
	struct wr out;

	in.base_offset = 77;
	in.leader_epoch = 5;
	in.attributes = CODEC_ZSTD | 8 | 16 | 32 | 64;
	in.producer_id = INT64_C(0x0102030405060708);
	in.producer_epoch = 9;
	in.base_sequence = 11;
	in.max_timestamp = SUPPORT_NOW_MS + 1;
	support_raw(&out, BYTES("xyz"), in);
	assert_int_equal(batch_header_read(wr_written(&out), &header), ERR_OK);
	assert_int_equal(header.base_offset, 77);
	assert_int_equal(header.leader_epoch, 5);
	assert_int_equal(header.producer_id, in.producer_id);
	assert_int_equal(header.producer_epoch, 9);
	assert_int_equal(header.base_sequence, 11);
	assert_int_equal(header.base_timestamp, SUPPORT_NOW_MS);
	assert_int_equal(header.max_timestamp, SUPPORT_NOW_MS + 1);
	assert_int_equal(header.size_bytes, BATCH_HEADER_BYTES + 3);
	assert_int_equal(batch_codec(&header), CODEC_ZSTD);
	assert_int_equal(batch_timestamp_type(&header), BATCH_LOG_APPEND_TIME);
	assert_true(batch_is_transactional(&header) && batch_is_control(&header));
	assert_true(batch_has_delete_horizon(&header) && batch_has_producer(&header));
	assert_int_equal(batch_last_offset(&header), 79);
	assert_int_equal(batch_next_offset(&header), 80);
	assert_int_equal(batch_last_sequence(&header), 13);
	assert_int_equal(batch_check_crc(wr_written(&out)), ERR_OK);
	wr_fini(&out);
}

static void says_short_before_61_bytes(void **state)
{
	struct batch_header header;
	struct wr out;
	struct bytes batch = good(&out);

	for (size_t len = 0; len < BATCH_HEADER_BYTES; len++)
		assert_int_equal(batch_header_read((struct bytes){batch.ptr, len}, &header),
				 ERR_SHORT);
	assert_int_equal(batch_header_read((struct bytes){batch.ptr, BATCH_HEADER_BYTES}, &header),
			 ERR_OK);
	wr_fini(&out);
}

/* One field made wrong, in a place of `size` bytes. */
static void expect_corrupt(size_t at, size_t size, uint8_t fill)
{
	struct batch_header header;
	struct wr out;

	good(&out);
	memset(out.buf + at, fill, size);
	assert_int_equal(batch_header_read(wr_written(&out), &header), ERR_CORRUPT_MESSAGE);
	wr_fini(&out);
}

static void refuses_what_cannot_be(void **state)
{
	expect_corrupt(0, 8, 0xff);  /* base offset -1 */
	expect_corrupt(8, 4, 0xff);  /* length -1 */
	expect_corrupt(8, 4, 0);     /* length 0 */
	expect_corrupt(16, 1, 1);    /* magic 1 */
	expect_corrupt(16, 1, 3);    /* magic 3 */
	expect_corrupt(23, 4, 0xff); /* last offset delta -1 */
	expect_corrupt(57, 4, 0xff); /* records count -1 */
}

static void refuses_offsets_that_overflow(void **state)
{
	struct batch_header header;
	struct wr out;

	good(&out);
	memset(out.buf, 0xff, 8);
	out.buf[0] = 0x7f;
	assert_int_equal(batch_header_read(wr_written(&out), &header), ERR_CORRUPT_MESSAGE);
	out.buf[7] = 0xfd; /* 2^63 - 3: the last is 2^63 - 2, the next 2^63 - 1 */
	assert_int_equal(batch_header_read(wr_written(&out), &header), ERR_OK);
	wr_fini(&out);
}

static void sees_a_changed_bit(void **state)
{
	struct wr out;
	struct bytes batch = good(&out);

	for (size_t at = 17; at < batch.len; at++) {
		out.buf[at] ^= 4;
		assert_int_equal(batch_check_crc(batch), ERR_CORRUPT_MESSAGE);
		out.buf[at] ^= 4;
	}
	assert_int_equal(batch_check_crc(batch), ERR_OK);
	wr_fini(&out);
}

static void stamps_outside_the_crc(void **state)
{
	struct batch_header header;
	struct wr out;
	struct bytes batch = good(&out);

	batch_stamp(out.buf, INT64_C(1) << 40, 12);
	assert_int_equal(batch_check_crc(batch), ERR_OK);
	assert_int_equal(batch_header_read(batch, &header), ERR_OK);
	assert_int_equal(header.base_offset, INT64_C(1) << 40);
	assert_int_equal(header.leader_epoch, 12);
	wr_fini(&out);
}

static void stamps_time_with_a_new_crc(void **state)
{
	struct batch_header header;
	struct wr out;
	struct bytes batch = good(&out);

	batch_stamp_time(out.buf, BATCH_LOG_APPEND_TIME, 99);
	assert_int_equal(batch_check_crc(batch), ERR_OK);
	assert_int_equal(batch_header_read(batch, &header), ERR_OK);
	assert_int_equal(batch_timestamp_type(&header), BATCH_LOG_APPEND_TIME);
	assert_int_equal(header.max_timestamp, 99);
	batch_stamp_time(out.buf, BATCH_CREATE_TIME, 98);
	assert_int_equal(batch_header_read(batch, &header), ERR_OK);
	assert_int_equal(batch_timestamp_type(&header), BATCH_CREATE_TIME);
	wr_fini(&out);
}

static void wraps_sequences(void **state)
{
	struct batch_header header = support_header(1);

	assert_int_equal(batch_sequence_add(INT32_MAX, 1), 0);
	assert_int_equal(batch_sequence_add(INT32_MAX - 1, 1), INT32_MAX);
	assert_int_equal(batch_sequence_add(INT32_MAX - 4, 9), 4);
	assert_int_equal(batch_sequence_add(5, INT32_MAX), 4);
	assert_int_equal(batch_last_sequence(&header), BATCH_NO_SEQUENCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_was_written),
	    cmocka_unit_test(says_short_before_61_bytes),
	    cmocka_unit_test(refuses_what_cannot_be),
	    cmocka_unit_test(refuses_offsets_that_overflow),
	    cmocka_unit_test(sees_a_changed_bit),
	    cmocka_unit_test(stamps_outside_the_crc),
	    cmocka_unit_test(stamps_time_with_a_new_crc),
	    cmocka_unit_test(wraps_sequences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
