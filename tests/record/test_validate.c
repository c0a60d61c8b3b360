/*
 * Validation, case by case. What each case gets is what Apache Kafka 4.3.1 answered when these
 * batches were sent to it, but for those that validate.h names as stricter on purpose.
 */
#include "record/validate.h"

#include "support.h"

struct fixture {
	struct codec_scratch *scratch;
	struct arena arena;
	struct validate_rules rules;
	struct validate_result result;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return 1;
	f->scratch = codec_scratch_new(SUPPORT_CAP);
	arena_init(&f->arena, 1 << 20);
	f->rules = support_rules();
	*state = f;
	return f->scratch == NULL;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	codec_scratch_free(f->scratch);
	arena_fini(&f->arena);
	free(f);
	return 0;
}

static enum err check(struct fixture *f, struct wr *batch)
{
	return validate_records(batch->buf, batch->len_bytes, &f->rules, f->scratch, &f->arena,
				&f->result);
}

/* Takes these records under this header; the batch is freed. */
static enum err check_raw(struct fixture *f, struct bytes records, struct batch_header header)
{
	struct wr out;

	support_raw(&out, records, header);
	enum err err = check(f, &out);
	wr_fini(&out);
	return err;
}

#define RECORD_0 "\x0e\0\0\0\2k\1\0"
#define RECORD_1 "\x0e\0\0\2\2k\1\0"
#define RECORD_2 "\x0e\0\0\4\2k\1\0"
#define RECORD_3 "\x0e\0\0\6\2k\1\0"
#define RECORD_4 "\x0e\0\0\x08\2k\1\0"

static void takes_a_good_batch_of_each_codec(void **state)
{
	struct fixture *f = *state;

	for (int codec = 0; codec < CODEC_COUNT; codec++) {
		struct wr out;
		support_batch(&out, (enum codec)codec, f->scratch);
		assert_int_equal(check(f, &out), ERR_OK);
		assert_int_equal(f->result.header.records_count, 2);
		assert_int_equal(f->result.max_timestamp, SUPPORT_NOW_MS + 5);
		assert_int_equal(f->result.uncompressed_bytes, 20);
		assert_null(f->result.message.ptr);
		assert_int_equal(batch_check_crc(wr_written(&out)), ERR_OK);
		wr_fini(&out);
	}
}

static void takes_what_stock_producers_sent(void **state)
{
	static const char *const names[] = {"good-none.log", "good-gzip.log", "good-snappy.log",
					    "good-lz4.log", "good-zstd.log"};
	struct fixture *f = *state;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *data = support_golden(names[i], &len);
		assert_int_equal(validate_records((uint8_t *)data, len, &f->rules, f->scratch,
						  &f->arena, &f->result),
				 ERR_OK);
		assert_int_equal(f->result.header.records_count, 100);
		assert_int_equal(f->result.header.max_timestamp, f->result.max_timestamp);
		free(data);
	}
}

static void wants_one_whole_batch(void **state)
{
	struct fixture *f = *state;
	struct wr out;

	support_batch(&out, CODEC_NONE, NULL);
	for (size_t len = 0; len < out.len_bytes; len++)
		assert_int_equal(validate_records(out.buf, len, &f->rules, f->scratch, &f->arena,
						  &f->result),
				 ERR_INVALID_RECORD);
	wr_raw(&out, BYTES("\0"));
	assert_int_equal(check(f, &out), ERR_INVALID_RECORD);
	wr_fini(&out);
}

static void r3_null_records_are_refused_as_empty_ones(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(validate_records(NULL, 0, &f->rules, f->scratch, &f->arena, &f->result),
			 ERR_INVALID_RECORD);
}

static void judges_magic_and_length_first(void **state)
{
	static const struct {
		size_t at, size;
		uint8_t value;
		enum err err;
	} cases[] = {
	    {16, 1, 0, ERR_INVALID_RECORD},	{16, 1, 1, ERR_INVALID_RECORD},
	    {16, 1, 3, ERR_CORRUPT_MESSAGE},	{16, 1, 0xff, ERR_CORRUPT_MESSAGE},
	    {8, 4, 0, ERR_CORRUPT_MESSAGE},	{11, 1, 13, ERR_CORRUPT_MESSAGE},
	    {11, 1, 14, ERR_CORRUPT_MESSAGE},	{11, 1, 48, ERR_CORRUPT_MESSAGE},
	    {8, 4, 0xff, ERR_CORRUPT_MESSAGE},	{8, 1, 1, ERR_INVALID_RECORD},
	    {20, 1, 0x55, ERR_CORRUPT_MESSAGE}, {7, 1, 5, ERR_INVALID_RECORD},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wr out;
		support_batch(&out, CODEC_NONE, NULL);
		memset(out.buf + cases[i].at, cases[i].value, cases[i].size);
		assert_int_equal(check(f, &out), cases[i].err);
		assert_non_null(f->result.message.ptr);
		wr_fini(&out);
	}
}

static void size_comes_before_the_crc(void **state)
{
	struct fixture *f = *state;
	struct wr out;

	support_batch(&out, CODEC_NONE, NULL);
	out.buf[30] ^= 1;
	f->rules.max_message_bytes = out.len_bytes - 1;
	assert_int_equal(check(f, &out), ERR_MESSAGE_TOO_LARGE);
	f->rules.max_message_bytes = out.len_bytes;
	assert_int_equal(check(f, &out), ERR_CORRUPT_MESSAGE);
	wr_fini(&out);
}

static void counts_must_agree(void **state)
{
	static const struct {
		int32_t count, delta;
	} cases[] = {{0, 0}, {0, -1}, {-1, 0}, {3, 1},	      {3, 2},
		     {1, 1}, {1, 0},  {2, 5},  {2, INT32_MAX}};
	struct fixture *f = *state;
	struct batch_header header = support_header(2);

	assert_int_equal(check_raw(f, BYTES(RECORD_0 RECORD_1), header), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		header.records_count = cases[i].count;
		header.last_offset_delta = cases[i].delta;
		assert_int_equal(check_raw(f, BYTES(RECORD_0 RECORD_1), header),
				 ERR_INVALID_RECORD);
	}
	header.records_count = INT32_MAX;
	header.last_offset_delta = INT32_MAX - 1;
	assert_int_equal(check_raw(f, BYTES(RECORD_0 RECORD_1), header), ERR_INVALID_RECORD);
}

static void clients_write_no_control_records(void **state)
{
	struct fixture *f = *state;
	struct batch_header header = support_header(1);

	header.attributes = 32;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header), ERR_INVALID_RECORD);
	f->rules.allow_control = true;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header), ERR_OK);
}

static void a_producer_id_needs_a_sequence(void **state)
{
	struct fixture *f = *state;
	struct batch_header header = support_header(1);

	header.producer_id = 5;
	header.producer_epoch = 0;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header), ERR_INVALID_RECORD);
	header.base_sequence = 0;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header), ERR_OK);
}

static void knows_its_codecs(void **state)
{
	struct fixture *f = *state;
	struct batch_header header = support_header(1);

	for (int16_t codec = 1; codec < 8; codec++) {
		header.attributes = codec;
		assert_int_equal(check_raw(f, BYTES(RECORD_0), header),
				 codec < 5 ? ERR_INVALID_RECORD : ERR_UNSUPPORTED_COMPRESSION_TYPE);
	}
	header.attributes = CODEC_ZSTD;
	f->rules.allow_zstd = false;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header), ERR_UNSUPPORTED_COMPRESSION_TYPE);
}

static void refuses_malformed_records(void **state)
{
	static const struct bytes cases[] = {
	    {(const uint8_t *)"\x10\0\0\0\2k\1\0", 8},	/* record longer than its batch */
	    {(const uint8_t *)"\x0c\0\0\0\2k\1\0", 8},	/* and shorter than its fields */
	    {(const uint8_t *)"\x0e\0\0\0\2k\1\0x", 9}, /* a byte behind it */
	    {(const uint8_t *)"\x09"
			      "abc",
	     4}, /* length -5 */
	    {(const uint8_t *)"\xfe\xff\xff\xff\x0f"
			      "abc",
	     8},							  /* length 2^31 - 1 */
	    {(const uint8_t *)"\xff\xff\xff\xff\xff\xff", 6},		  /* varint without end */
	    {(const uint8_t *)"\x0e\0\0\0\3k\1\0", 8},			  /* key of -2 bytes */
	    {(const uint8_t *)"\x0e\0\0\0\2k\3\0", 8},			  /* value of -2 bytes */
	    {(const uint8_t *)"\x0e\0\0\0\2k\1\1", 8},			  /* -1 headers */
	    {(const uint8_t *)"\x16\0\0\0\2k\1\xfe\xff\xff\xff\x0f", 12}, /* 2^31 - 1 headers */
	    {(const uint8_t *)"\x12\0\0\0\2k\1\2\1\1", 10}, /* header without a name */
	    {(const uint8_t *)"\x0e\0\0\0\2k\xfe\0", 8},    /* r4: the value's length ends it */
	    {(const uint8_t *)"", 0},
	};
	/* Where more follows a record is read in another way than at the end. */
	static const char more[] = RECORD_1 RECORD_2 RECORD_3 RECORD_4;
	struct fixture *f = *state;
	uint8_t both[100];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(check_raw(f, cases[i], support_header(1)), ERR_INVALID_RECORD);
		memcpy(both, cases[i].ptr, cases[i].len);
		memcpy(both + cases[i].len, more, sizeof(more) - 1);
		assert_int_equal(check_raw(f, (struct bytes){both, cases[i].len + sizeof(more) - 1},
					   support_header(5)),
				 ERR_INVALID_RECORD);
	}
	assert_int_equal(check_raw(f, BYTES(RECORD_0 RECORD_1 RECORD_2 RECORD_3 RECORD_4),
				   support_header(5)),
			 ERR_OK);
}

static void takes_headers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check_raw(f, BYTES("\x14\0\0\0\2k\1\2\2h\1"), support_header(1)), ERR_OK);
	assert_int_equal(check_raw(f, BYTES("\x12\0\0\0\2k\1\2\0\0"), support_header(1)), ERR_OK);
	assert_int_equal(check_raw(f, BYTES("\x0e\7\0\0\2k\1\0"), support_header(1)), ERR_OK);
}

static void offset_deltas_are_in_order(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check_raw(f, BYTES(RECORD_0 RECORD_0), support_header(2)),
			 ERR_INVALID_RECORD);
	assert_int_equal(f->result.record_errors_len, 1);
	assert_int_equal(f->result.record_errors[0].index, 1);
}

static void a_compacted_topic_wants_keys(void **state)
{
	struct fixture *f = *state;
	struct bytes records = BYTES(RECORD_0 "\x0c\0\0\2\1\1\0"
					      "\x0c\0\0\4\0\1\0"
					      "\x0c\0\0\6\1\1\0");

	assert_int_equal(check_raw(f, records, support_header(4)), ERR_OK);
	f->rules.compacted = true;
	assert_int_equal(check_raw(f, records, support_header(4)), ERR_INVALID_RECORD);
	assert_int_equal(f->result.record_errors_len, 2);
	assert_int_equal(f->result.record_errors[0].index, 1);
	assert_int_equal(f->result.record_errors[1].index, 3);
	assert_non_null(f->result.record_errors[0].message.ptr);
}

static void lists_a_limited_number_of_errors(void **state)
{
	struct fixture *f = *state;
	struct builder builder;
	struct wr out;

	wr_init(&out, SUPPORT_CAP);
	builder_init(&builder, &out, &builder_options_default);
	for (int i = 0; i < 1000; i++)
		builder_add(&builder, SUPPORT_NOW_MS, BYTES_NULL, BYTES_NULL, NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	f->rules.compacted = true;
	assert_int_equal(check(f, &out), ERR_INVALID_RECORD);
	assert_int_equal(f->result.record_errors_len, VALIDATE_RECORD_ERRORS_MAX);
	wr_fini(&out);
}

static enum err check_time(struct fixture *f, int64_t timestamp)
{
	struct batch_header header = support_header(1);

	header.base_timestamp = timestamp;
	header.max_timestamp = timestamp;
	return check_raw(f, BYTES(RECORD_0), header);
}

static void timestamps_are_within_limits(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check_time(f, SUPPORT_NOW_MS + 3600000), ERR_OK);
	assert_int_equal(check_time(f, SUPPORT_NOW_MS + 3600001), ERR_INVALID_TIMESTAMP);
	assert_int_equal(f->result.record_errors_len, 1);
	assert_int_equal(check_time(f, INT64_MAX), ERR_INVALID_TIMESTAMP);
	assert_int_equal(check_time(f, 0), ERR_OK);
	assert_int_equal(check_time(f, -5), ERR_OK);
	f->rules.before_max_ms = 1000;
	assert_int_equal(check_time(f, SUPPORT_NOW_MS - 1000), ERR_OK);
	assert_int_equal(check_time(f, SUPPORT_NOW_MS - 1001), ERR_INVALID_TIMESTAMP);
	assert_int_equal(check_time(f, BATCH_NO_TIMESTAMP), ERR_OK);
	assert_int_equal(check_time(f, -5), ERR_INVALID_TIMESTAMP);
}

static void a_timestamp_error_outranks_a_key_error(void **state)
{
	struct fixture *f = *state;
	struct batch_header header = support_header(2);

	/* No key in the first; the second is 7,200,000 ms late. */
	f->rules.compacted = true;
	assert_int_equal(check_raw(f,
				   BYTES("\x0c\0\0\0\1\1\0"
					 "\x14\0\x80\xf4\xee\6\2\2k\1\0"),
				   header),
			 ERR_INVALID_TIMESTAMP);
	assert_int_equal(f->result.record_errors_len, 2);
}

static void corrects_a_wrong_max_timestamp(void **state)
{
	struct fixture *f = *state;
	struct batch_header header = support_header(1);
	struct wr out;

	header.max_timestamp = SUPPORT_NOW_MS + 999999999;
	support_raw(&out, BYTES(RECORD_0), header);
	assert_int_equal(check(f, &out), ERR_OK);
	assert_int_equal(f->result.header.max_timestamp, SUPPORT_NOW_MS);
	assert_int_equal(batch_header_read(wr_written(&out), &header), ERR_OK);
	assert_int_equal(header.max_timestamp, SUPPORT_NOW_MS);
	assert_int_equal(header.crc, f->result.header.crc);
	assert_int_equal(batch_check_crc(wr_written(&out)), ERR_OK);
	wr_fini(&out);
}

static void stamps_log_append_time(void **state)
{
	struct fixture *f = *state;
	struct batch_header header;
	struct wr out;

	f->rules.timestamp_type = BATCH_LOG_APPEND_TIME;
	f->rules.now_ms = SUPPORT_NOW_MS + 12345;
	support_batch(&out, CODEC_ZSTD, f->scratch);
	assert_int_equal(check(f, &out), ERR_OK);
	assert_int_equal(f->result.max_timestamp, f->rules.now_ms);
	assert_int_equal(batch_header_read(wr_written(&out), &header), ERR_OK);
	assert_int_equal(batch_timestamp_type(&header), BATCH_LOG_APPEND_TIME);
	assert_int_equal(header.max_timestamp, f->rules.now_ms);
	assert_int_equal(batch_codec(&header), CODEC_ZSTD);
	assert_int_equal(batch_check_crc(wr_written(&out)), ERR_OK);
	wr_fini(&out);
}

static void producers_do_not_set_log_append_time(void **state)
{
	struct fixture *f = *state;
	struct batch_header header = support_header(1);

	header.attributes = 8;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header),
			 ERR_OK); /* turned into CreateTime */
	assert_int_equal(batch_timestamp_type(&f->result.header), BATCH_CREATE_TIME);
	assert_int_equal(f->result.header.max_timestamp, SUPPORT_NOW_MS);
	header.base_timestamp += 7200000;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header), ERR_INVALID_TIMESTAMP);
	header.base_timestamp = SUPPORT_NOW_MS;
	f->rules.timestamp_type = BATCH_LOG_APPEND_TIME;
	header.max_timestamp = SUPPORT_NOW_MS;
	assert_int_equal(check_raw(f, BYTES(RECORD_0), header), ERR_INVALID_TIMESTAMP);
}

static void a_bomb_is_too_large(void **state)
{
	struct fixture *f = *state;
	struct builder_options options = builder_options_default;
	struct builder builder;
	size_t len = (size_t)4 << 20;
	uint8_t *zeros = calloc(1, len);
	struct wr out;

	assert_non_null(zeros);
	f->rules.uncompressed_max_bytes = (size_t)2 << 20;
	for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
		options.codec = (enum codec)codec;
		wr_init(&out, SUPPORT_CAP);
		builder_init(&builder, &out, &options);
		builder_add(&builder, SUPPORT_NOW_MS, BYTES_NULL, (struct bytes){zeros, len}, NULL,
			    0);
		assert_int_equal(builder_finish(&builder, f->scratch), ERR_OK);
		assert_int_equal(check(f, &out), ERR_MESSAGE_TOO_LARGE);
		wr_fini(&out);
	}
	free(zeros);
}

/*
 * Bytes of a compressed batch changed, with a CRC that fits: an error of ours or none, never worse.
 */
static void damage_behind_a_good_crc_does_no_harm(void **state)
{
	struct fixture *f = *state;

	for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
		struct wr out;
		support_batch(&out, (enum codec)codec, f->scratch);
		for (size_t at = BATCH_HEADER_BYTES; at < out.len_bytes; at++) {
			for (int bit = 0; bit < 8; bit++) {
				out.buf[at] ^= (uint8_t)(1 << bit);
				batch_seal(out.buf, out.len_bytes);
				enum err err = check(f, &out);
				assert_true(err == ERR_OK || err == ERR_INVALID_RECORD ||
					    err == ERR_INVALID_TIMESTAMP ||
					    err == ERR_MESSAGE_TOO_LARGE);
				out.buf[at] ^= (uint8_t)(1 << bit);
			}
		}
		wr_fini(&out);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(takes_a_good_batch_of_each_codec),
	    TEST(takes_what_stock_producers_sent),
	    TEST(wants_one_whole_batch),
	    TEST(r3_null_records_are_refused_as_empty_ones),
	    TEST(judges_magic_and_length_first),
	    TEST(size_comes_before_the_crc),
	    TEST(counts_must_agree),
	    TEST(clients_write_no_control_records),
	    TEST(a_producer_id_needs_a_sequence),
	    TEST(knows_its_codecs),
	    TEST(refuses_malformed_records),
	    TEST(takes_headers),
	    TEST(offset_deltas_are_in_order),
	    TEST(a_compacted_topic_wants_keys),
	    TEST(lists_a_limited_number_of_errors),
	    TEST(timestamps_are_within_limits),
	    TEST(a_timestamp_error_outranks_a_key_error),
	    TEST(corrects_a_wrong_max_timestamp),
	    TEST(stamps_log_append_time),
	    TEST(producers_do_not_set_log_append_time),
	    TEST(a_bomb_is_too_large),
	    TEST(damage_behind_a_good_crc_does_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
