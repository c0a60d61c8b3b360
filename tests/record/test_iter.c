/*
 * Reading what Apache Kafka's own producer and broker wrote, and what nobody should have written.
 */
#include "record/iter.h"

#include "support.h"

#define GOLDEN_RECORDS 100

static int setup(void **state)
{
	*state = codec_scratch_new(SUPPORT_CAP);
	return *state == NULL;
}

static int teardown(void **state)
{
	codec_scratch_free(*state);
	return 0;
}

/* The records of Make.java, by number. */
static void expect_golden(const struct record *record, int i, bool append_time)
{
	char key[20];
	int len = snprintf(key, sizeof(key), "key-%d", i);
	struct bytes headers = record->headers;
	struct record_header header;

	assert_int_equal(record->offset, i);
	if (!append_time)
		assert_int_equal(record->timestamp, SUPPORT_NOW_MS + i * 37 % 100);
	if (i % 3 == 0)
		assert_null(record->key.ptr);
	else
		assert_true(record->key.len == (size_t)len &&
			    memcmp(record->key.ptr, key, record->key.len) == 0);
	if (i % 5 == 4)
		assert_null(record->value.ptr);
	else
		assert_int_equal(record->value.len, i % 7 == 6 ? 3000 : 10 + i);
	for (size_t j = 0; j < record->value.len; j++)
		assert_int_equal(record->value.ptr[j], (uint8_t)(i + (int)j / 7));
	assert_int_equal(record->headers_count, i % 4);
	for (int h = 0; h < i % 4; h++) {
		assert_true(record_header_next(&headers, &header));
		assert_int_equal(header.key.len, 2);
		assert_int_equal(header.key.ptr[1], '0' + h);
		assert_int_equal(header.value.len, h == 2 ? 0 : 2);
		assert_int_equal(header.value.ptr == NULL, h == 2);
	}
	assert_false(record_header_next(&headers, &header));
}

/* A whole segment; returns the number of batches. */
static int expect_golden_segment(struct codec_scratch *scratch, const char *name, enum codec codec)
{
	size_t len;
	char *data = support_golden(name, &len);
	struct bytes rest = {(const uint8_t *)data, len};
	struct record_iter iter;
	struct record record;
	int batches = 0, records = 0;

	while (rest.len > 0) {
		assert_int_equal(record_iter_init(&iter, rest, scratch), ERR_OK);
		struct bytes batch = {rest.ptr, iter.header.size_bytes};
		assert_int_equal(batch_check_crc(batch), ERR_OK);
		assert_int_equal(batch_codec(&iter.header), codec);
		bool append_time = batch_timestamp_type(&iter.header) == BATCH_LOG_APPEND_TIME;
		while (!batch_is_control(&iter.header) && records < GOLDEN_RECORDS &&
		       record_iter_next(&iter, &record)) {
			expect_golden(&record, records++, append_time);
			assert_true(!append_time || record.timestamp == iter.header.max_timestamp);
		}
		assert_int_equal(iter.err, ERR_OK);
		rest.ptr += batch.len;
		rest.len -= batch.len;
		batches++;
	}
	assert_int_equal(records, GOLDEN_RECORDS);
	free(data);
	return batches;
}

static void reads_stock_segments(void **state)
{
	static const struct {
		const char *name;
		enum codec codec;
	} segments[] = {{"good-none.log", CODEC_NONE},	    {"good-gzip.log", CODEC_GZIP},
			{"good-snappy.log", CODEC_SNAPPY},  {"good-lz4.log", CODEC_LZ4},
			{"good-zstd.log", CODEC_ZSTD},	    {"good-txn.log", CODEC_NONE},
			{"good-appendtime.log", CODEC_NONE}};

	for (size_t i = 0; i < ARRAY_LEN(segments); i++)
		assert_true(expect_golden_segment(*state, segments[i].name, segments[i].codec) >=
			    1);
}

static enum err read_all(struct bytes batch, struct codec_scratch *scratch)
{
	struct record_iter iter;
	struct record record;
	enum err err = record_iter_init(&iter, batch, scratch);

	while (err == ERR_OK && record_iter_next(&iter, &record))
		;
	return err != ERR_OK ? err : iter.err;
}

static void expect_corrupt(struct bytes records, int32_t count)
{
	struct wr out;

	support_raw(&out, records, support_header(count));
	assert_int_equal(read_all(wr_written(&out), NULL), ERR_CORRUPT_MESSAGE);
	wr_fini(&out);
}

static void refuses_malformed_records(void **state)
{
	expect_corrupt(BYTES(""), 1);
	expect_corrupt(BYTES("\x0c\0\0\0\1\1"), 1);		  /* one byte short */
	expect_corrupt(BYTES("\x0e\0\0\0\1\1\0\0"), 1);		  /* one byte long in the record */
	expect_corrupt(BYTES("\x0c\0\0\0\1\1\0\0"), 1);		  /* and behind it */
	expect_corrupt(BYTES("\x0c\0\0\2\1\1\0"), 1);		  /* offset delta over the last */
	expect_corrupt(BYTES("\x0c\0\0\1\1\1\0"), 1);		  /* offset delta -1 */
	expect_corrupt(BYTES("\x0c\0\0\0\3\1\0"), 1);		  /* key of -2 bytes */
	expect_corrupt(BYTES("\x0c\0\0\0\x20\1\0"), 1);		  /* key over the end */
	expect_corrupt(BYTES("\x0c\0\0\0\1\1\1"), 1);		  /* -1 headers */
	expect_corrupt(BYTES("\x0c\0\0\0\1\1\2"), 1);		  /* one header, not there */
	expect_corrupt(BYTES("\x10\0\0\0\1\1\2\1\1"), 1);	  /* header without a name */
	expect_corrupt(BYTES("\xff\xff\xff\xff\xff\xff\0\0"), 1); /* endless varint */
}

static void reads_the_smallest_record(void **state)
{
	struct wr out;

	support_raw(&out, BYTES("\x0c\0\0\0\1\1\0"), support_header(1));
	assert_int_equal(read_all(wr_written(&out), NULL), ERR_OK);
	wr_fini(&out);
}

static void wants_the_whole_batch(void **state)
{
	struct wr out;

	support_batch(&out, CODEC_NONE, NULL);
	struct bytes cut = {out.buf, out.len_bytes - 1};
	assert_int_equal(read_all(cut, NULL), ERR_SHORT);
	wr_fini(&out);
}

static void wants_a_scratch_for_compressed(void **state)
{
	struct wr out;

	support_batch(&out, CODEC_LZ4, *state);
	assert_int_equal(read_all(wr_written(&out), *state), ERR_OK);
	assert_int_equal(read_all(wr_written(&out), NULL), ERR_CORRUPT_MESSAGE);
	wr_fini(&out);
}

static void an_emptied_batch_has_no_records(void **state)
{
	struct batch_header header = support_header(5);
	struct wr out;

	header.records_count = 0; /* as compaction leaves it, to keep a producer's last sequence */
	header.attributes = CODEC_GZIP;
	support_raw(&out, BYTES(""), header);
	assert_int_equal(read_all(wr_written(&out), *state), ERR_OK);
	wr_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_stock_segments),
	    cmocka_unit_test(refuses_malformed_records),
	    cmocka_unit_test(reads_the_smallest_record),
	    cmocka_unit_test(wants_the_whole_batch),
	    cmocka_unit_test(wants_a_scratch_for_compressed),
	    cmocka_unit_test(an_emptied_batch_has_no_records),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
