/* The codecs: both ways, in pieces, under caps, and with input that is not theirs. */
#include "record/codec.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zstd.h>

#include "base/rnd.h"
#include "support.h"

static const enum codec all[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};

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

/* Half noise, half runs, so that every codec has something to do. */
static uint8_t *material(struct rnd *rnd, size_t len)
{
	uint8_t *data = malloc(len + 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = rnd_below(rnd, 4) != 0 && i > 0 ? data[i - 1] : (uint8_t)rnd_next(rnd);
	return data;
}

static void expect_round_trip(struct codec_scratch *scratch, enum codec codec, struct bytes plain)
{
	struct bytes got;
	struct wr packed;

	wr_init(&packed, SUPPORT_CAP);
	assert_int_equal(codec_compress(scratch, codec, CODEC_LEVEL_DEFAULT, plain, &packed),
			 ERR_OK);
	assert_int_equal(codec_decompress(scratch, codec, wr_written(&packed), &got), ERR_OK);
	assert_int_equal(got.len, plain.len);
	assert_memory_equal(got.ptr, plain.ptr, plain.len);
	wr_fini(&packed);
}

static void gives_back_what_it_took(void **state)
{
	static const size_t sizes[] = {1, 2, 100, 32767, 32768, 32769, 131072, 131073, 1000000};
	struct rnd rnd;

	rnd_init_seed(&rnd, 1);
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		uint8_t *data = material(&rnd, sizes[s]);
		for (size_t c = 0; c < ARRAY_LEN(all); c++)
			expect_round_trip(*state, all[c], (struct bytes){data, sizes[s]});
		free(data);
	}
}

static void takes_levels(void **state)
{
	static const struct {
		enum codec codec;
		int level;
	} levels[] = {{CODEC_GZIP, 1}, {CODEC_GZIP, 9}, {CODEC_LZ4, 1},	  {CODEC_LZ4, 9},
		      {CODEC_LZ4, 17}, {CODEC_ZSTD, 1}, {CODEC_ZSTD, -7}, {CODEC_ZSTD, 22}};
	struct rnd rnd;
	struct bytes got;

	rnd_init_seed(&rnd, 2);
	uint8_t *data = material(&rnd, 50000);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		struct wr packed;
		wr_init(&packed, SUPPORT_CAP);
		assert_int_equal(codec_compress(*state, levels[i].codec, levels[i].level,
						(struct bytes){data, 50000}, &packed),
				 ERR_OK);
		assert_int_equal(codec_decompress(*state, levels[i].codec, wr_written(&packed),
						  &got),
				 ERR_OK);
		assert_int_equal(got.len, 50000);
		wr_fini(&packed);
	}
	free(data);
}

/* The first error, or the end; *total is what came before it. */
static enum err drain(struct codec_scratch *scratch, enum codec codec, struct bytes input,
		      size_t cap, size_t *total)
{
	struct bytes piece = {NULL, 1};
	enum err err = codec_open(scratch, codec, input, cap);

	*total = 0;
	while (err == ERR_OK && piece.len > 0) {
		err = codec_next(scratch, &piece);
		*total += piece.len;
	}
	return err;
}

static void a_bomb_stops_at_the_cap(void **state)
{
	size_t len = (size_t)20 << 20, total;
	uint8_t *zeros = calloc(1, len);

	assert_non_null(zeros);
	for (size_t c = 1; c < ARRAY_LEN(all); c++) {
		struct wr packed;
		wr_init(&packed, SUPPORT_CAP);
		assert_int_equal(codec_compress(*state, all[c], CODEC_LEVEL_DEFAULT,
						(struct bytes){zeros, len}, &packed),
				 ERR_OK);
		assert_int_equal(drain(*state, all[c], wr_written(&packed), len, &total), ERR_OK);
		assert_int_equal(total, len);
		assert_int_equal(drain(*state, all[c], wr_written(&packed), len - 1, &total),
				 ERR_NOMEM);
		assert_int_equal(drain(*state, all[c], wr_written(&packed), 1000, &total),
				 ERR_NOMEM);
		wr_fini(&packed);
	}
	free(zeros);
}

static void every_cut_is_seen(void **state)
{
	struct rnd rnd;
	size_t total;

	rnd_init_seed(&rnd, 3);
	uint8_t *data = material(&rnd, 3000);
	for (size_t c = 1; c < ARRAY_LEN(all); c++) {
		struct wr packed;
		wr_init(&packed, SUPPORT_CAP);
		assert_int_equal(codec_compress(*state, all[c], CODEC_LEVEL_DEFAULT,
						(struct bytes){data, 3000}, &packed),
				 ERR_OK);
		for (size_t len = 0; len < packed.len_bytes; len++) {
			/* A header of snappy-java without a block is whole, and empty. */
			if (all[c] == CODEC_SNAPPY && len == 16)
				continue;
			struct bytes cut = {packed.buf, len};
			assert_int_equal(drain(*state, all[c], cut, SUPPORT_CAP, &total),
					 ERR_CORRUPT_MESSAGE);
		}
		wr_fini(&packed);
	}
	free(data);
}

/* Whatever comes, it ends, and within the cap. */
static void noise_does_no_harm(void **state)
{
	struct rnd rnd;
	size_t total;

	rnd_init_seed(&rnd, 4);
	uint8_t *data = material(&rnd, 2000);
	for (int round = 0; round < 2000; round++) {
		enum codec codec = all[1 + round % 4];
		struct wr packed;
		wr_init(&packed, SUPPORT_CAP);
		assert_int_equal(codec_compress(*state, codec, CODEC_LEVEL_DEFAULT,
						(struct bytes){data, 2000}, &packed),
				 ERR_OK);
		for (uint64_t n = 1 + rnd_below(&rnd, 3); n > 0; n--)
			packed.buf[rnd_below(&rnd, packed.len_bytes)] = (uint8_t)rnd_next(&rnd);
		enum err err = drain(*state, codec, wr_written(&packed), 100000, &total);
		assert_true(err == ERR_OK || err == ERR_CORRUPT_MESSAGE || err == ERR_NOMEM);
		assert_true(total <= 100000);
		wr_fini(&packed);
	}
	free(data);
}

static void takes_two_gzip_members(void **state)
{
	struct bytes got;
	struct wr packed;

	wr_init(&packed, SUPPORT_CAP);
	for (int i = 0; i < 2; i++)
		assert_int_equal(codec_compress(*state, CODEC_GZIP, CODEC_LEVEL_DEFAULT,
						BYTES("half"), &packed),
				 ERR_OK);
	assert_int_equal(codec_decompress(*state, CODEC_GZIP, wr_written(&packed), &got), ERR_OK);
	assert_int_equal(got.len, 8);
	assert_memory_equal(got.ptr, "halfhalf", 8);
	wr_fini(&packed);
}

static void takes_raw_snappy(void **state)
{
	char packed[200];
	size_t len = sizeof(packed);
	struct bytes got;

	assert_int_equal(snappy_compress("raw as librdkafka", 17, packed, &len), SNAPPY_OK);
	assert_int_equal(codec_decompress(*state, CODEC_SNAPPY,
					  (struct bytes){(uint8_t *)packed, len}, &got),
			 ERR_OK);
	assert_int_equal(got.len, 17);
	assert_memory_equal(got.ptr, "raw as librdkafka", 17);
}

static void does_not_believe_a_snappy_length(void **state)
{
	size_t total;

	/* 2^32 - 1 bytes are claimed by five. */
	assert_int_equal(drain(*state, CODEC_SNAPPY, BYTES("\xff\xff\xff\xff\x0f"), SIZE_MAX,
			       &total),
			 ERR_CORRUPT_MESSAGE);
	assert_int_equal(drain(*state, CODEC_SNAPPY,
			       BYTES("\x82SNAPPY\0\0\0\0\1\0\0\0\1\x7f\xff\xff\xff\0"), SIZE_MAX,
			       &total),
			 ERR_CORRUPT_MESSAGE);
}

/* A frame made by the library with these preferences, to be freed. */
static struct bytes lz4_frame(const LZ4F_preferences_t *prefs, const void *plain, size_t len)
{
	size_t bound = LZ4F_compressFrameBound(len, prefs);
	uint8_t *packed = malloc(bound);

	assert_non_null(packed);
	size_t size = LZ4F_compressFrame(packed, bound, plain, len, prefs);
	assert_false(LZ4F_isError(size));
	return (struct bytes){packed, size};
}

static void refuses_lz4_that_java_cannot_read(void **state)
{
	size_t plain_len = 200000, total;
	uint8_t *zeros = calloc(1, plain_len);
	LZ4F_preferences_t prefs = {0};

	assert_non_null(zeros);
	prefs.frameInfo.blockMode = LZ4F_blockLinked;
	struct bytes packed = lz4_frame(&prefs, zeros, plain_len);
	assert_int_equal(drain(*state, CODEC_LZ4, packed, SIZE_MAX, &total), ERR_CORRUPT_MESSAGE);
	free((void *)(uintptr_t)packed.ptr);
	free(zeros);
}

static void takes_lz4_of_every_block_size(void **state)
{
	size_t plain_len = (size_t)9 << 20, total;
	uint8_t *zeros = calloc(1, plain_len);
	LZ4F_preferences_t prefs = {0};

	assert_non_null(zeros);
	prefs.frameInfo.blockMode = LZ4F_blockIndependent;
	prefs.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
	prefs.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
	for (int id = LZ4F_max64KB; id <= LZ4F_max4MB; id++) {
		prefs.frameInfo.blockSizeID = (LZ4F_blockSizeID_t)id;
		prefs.frameInfo.contentSize = id % 2 == 0 ? plain_len : 0;
		struct bytes packed = lz4_frame(&prefs, zeros, plain_len);
		assert_int_equal(drain(*state, CODEC_LZ4, packed, SIZE_MAX, &total), ERR_OK);
		assert_int_equal(total, plain_len);
		free((void *)(uintptr_t)packed.ptr);
	}
	free(zeros);
}

/* Level 22 with the size unknown, as zstd-jni streams it: a window of 128 MB. */
static size_t zstd_wide(uint8_t *packed, size_t size, struct bytes plain)
{
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	ZSTD_outBuffer out = {packed, size, 0};
	ZSTD_inBuffer in = {plain.ptr, plain.len, 0};

	assert_non_null(cctx);
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_windowLog, 27);
	assert_false(ZSTD_isError(ZSTD_compressStream2(cctx, &out, &in, ZSTD_e_continue)));
	assert_int_equal(ZSTD_compressStream2(cctx, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(cctx);
	return out.pos;
}

static void takes_zstd_with_a_wide_window(void **state)
{
	size_t plain_len = (size_t)3 << 20, total;
	uint8_t *zeros = calloc(1, plain_len), packed[20000];

	assert_non_null(zeros);
	size_t len = zstd_wide(packed, sizeof(packed), (struct bytes){zeros, plain_len});
	struct bytes input = {packed, len};
	assert_int_equal(drain(*state, CODEC_ZSTD, input, SIZE_MAX, &total), ERR_OK);
	assert_int_equal(total, plain_len);
	assert_int_equal(drain(*state, CODEC_ZSTD, input, plain_len - 1, &total), ERR_NOMEM);
	free(zeros);
}

static void refuses_an_unknown_codec(void **state)
{
	assert_int_equal(codec_open(*state, (enum codec)5, BYTES("x"), 10), ERR_CORRUPT_MESSAGE);
	assert_string_equal(codec_name(CODEC_LZ4), "lz4");
	assert_string_equal(codec_name((enum codec)7), "unknown");
}

static void goes_on_after_a_trim(void **state)
{
	codec_scratch_trim(*state);
	for (size_t c = 0; c < ARRAY_LEN(all); c++)
		expect_round_trip(*state, all[c], BYTES("again"));
	codec_scratch_trim(*state);
	for (size_t c = 0; c < ARRAY_LEN(all); c++)
		expect_round_trip(*state, all[c], BYTES("and again"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_back_what_it_took),
	    cmocka_unit_test(takes_levels),
	    cmocka_unit_test(a_bomb_stops_at_the_cap),
	    cmocka_unit_test(every_cut_is_seen),
	    cmocka_unit_test(noise_does_no_harm),
	    cmocka_unit_test(takes_two_gzip_members),
	    cmocka_unit_test(takes_raw_snappy),
	    cmocka_unit_test(does_not_believe_a_snappy_length),
	    cmocka_unit_test(refuses_lz4_that_java_cannot_read),
	    cmocka_unit_test(takes_lz4_of_every_block_size),
	    cmocka_unit_test(takes_zstd_with_a_wide_window),
	    cmocka_unit_test(refuses_an_unknown_codec),
	    cmocka_unit_test(goes_on_after_a_trim),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
