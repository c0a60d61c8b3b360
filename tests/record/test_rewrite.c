/* Rewriting into another codec: the same records, and a batch that validates. */
#include "record/rewrite.h"

#include "support.h"

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

static void expect_rewritten(struct bytes was, enum codec codec, struct codec_scratch *scratch)
{
	struct rewrite how = {codec, CODEC_LEVEL_DEFAULT, SUPPORT_CAP, 0};
	struct validate_rules rules = support_rules();
	struct validate_result result;
	struct batch_header before;
	struct arena arena;
	struct wr out;

	arena_init(&arena, 1 << 20);
	assert_int_equal(validate_records((uint8_t *)(uintptr_t)was.ptr, was.len, &rules, scratch,
					  &arena, &result),
			 ERR_OK);
	how.uncompressed_bytes = result.uncompressed_bytes;
	assert_int_equal(rewrite_codec(was, &how, scratch, &out), ERR_OK);
	assert_int_equal(validate_records(out.buf, out.len_bytes, &rules, scratch, &arena, &result),
			 ERR_OK);
	assert_int_equal(batch_header_read(was, &before), ERR_OK);
	assert_int_equal(batch_codec(&result.header), codec);
	assert_int_equal(result.header.records_count, before.records_count);
	assert_int_equal(result.header.max_timestamp, before.max_timestamp);
	assert_int_equal(result.header.producer_id, before.producer_id);
	assert_int_equal(result.header.base_sequence, before.base_sequence);
	arena_fini(&arena);
	wr_fini(&out);
}

static void from_every_codec_to_every_other(void **state)
{
	static const char *const names[] = {"good-none.log", "good-gzip.log", "good-snappy.log",
					    "good-lz4.log", "good-zstd.log"};
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *data = support_golden(names[i], &len);
		for (int codec = 0; codec < CODEC_COUNT; codec++)
			expect_rewritten((struct bytes){(uint8_t *)data, len}, (enum codec)codec,
					 *state);
		free(data);
	}
}

static void what_does_not_decompress_is_refused(void **state)
{
	const struct rewrite how = {CODEC_LZ4, CODEC_LEVEL_DEFAULT, SUPPORT_CAP, SUPPORT_CAP};
	struct wr was, out;

	support_batch(&was, CODEC_ZSTD, *state);
	was.buf[BATCH_HEADER_BYTES] ^= 0xff;
	assert_int_equal(rewrite_codec(wr_written(&was), &how, *state, &out), ERR_CORRUPT_MESSAGE);
	wr_fini(&out);
	wr_fini(&was);
}

static void what_becomes_too_large_is_refused(void **state)
{
	struct rewrite how = {CODEC_NONE, CODEC_LEVEL_DEFAULT, 0, SUPPORT_CAP};
	struct wr was, out;

	support_batch(&was, CODEC_NONE, *state);
	how.max_bytes = was.len_bytes;
	assert_int_equal(rewrite_codec(wr_written(&was), &how, *state, &out), ERR_OK);
	wr_fini(&out);
	how.max_bytes = was.len_bytes - 1;
	assert_int_equal(rewrite_codec(wr_written(&was), &how, *state, &out),
			 ERR_MESSAGE_TOO_LARGE);
	wr_fini(&out);
	wr_fini(&was);
}

/* Much that compresses well: no more memory than what is taken, whatever comes out in between. */
static void stops_when_it_is_too_large(void **state)
{
	const struct rewrite how = {CODEC_NONE, CODEC_LEVEL_DEFAULT, 1000, SUPPORT_CAP};
	struct builder_options options = builder_options_default;
	size_t len = (size_t)20 << 20;
	uint8_t *zeros = calloc(1, len);
	struct builder builder;
	struct wr was, out;

	wr_init(&was, SUPPORT_CAP);
	options.codec = CODEC_ZSTD;
	builder_init(&builder, &was, &options);
	builder_add(&builder, SUPPORT_NOW_MS, BYTES_NULL, (struct bytes){zeros, len}, NULL, 0);
	assert_int_equal(builder_finish(&builder, *state), ERR_OK);
	assert_int_equal(rewrite_codec(wr_written(&was), &how, *state, &out),
			 ERR_MESSAGE_TOO_LARGE);
	assert_true(out.size_bytes <= 1000 + CODEC_STEP_BYTES);
	wr_fini(&out);
	wr_fini(&was);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(from_every_codec_to_every_other),
	    cmocka_unit_test(what_does_not_decompress_is_refused),
	    cmocka_unit_test(what_becomes_too_large_is_refused),
	    cmocka_unit_test(stops_when_it_is_too_large),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
