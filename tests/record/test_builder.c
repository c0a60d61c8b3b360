/* What is built is read back the same, by the iterator and by validation; control batches too. */
#include "record/builder.h"

#include "base/rnd.h"
#include "record/control.h"
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

/* Record i of a seeded batch: sizes from 0 up to beyond what one piece of a codec holds. */
struct sample {
	int64_t timestamp;
	struct bytes key, value;
	struct record_header headers[3];
	size_t headers_len;
};

static uint8_t noise[300000];

static struct bytes sample_bytes(struct rnd *rnd, bool nullable)
{
	static const size_t most[] = {1, 10, 70, 200, 20000, 290000};
	size_t at = rnd_below(rnd, 5000);
	size_t len = rnd_below(rnd, most[rnd_below(rnd, ARRAY_LEN(most))]);

	if (nullable && rnd_below(rnd, 5) == 0)
		return BYTES_NULL;
	return (struct bytes){noise + at, len};
}

static void sample_make(struct sample *sample, struct rnd *rnd)
{
	sample->timestamp = SUPPORT_NOW_MS + (int64_t)rnd_below(rnd, 1000000) - 500000;
	sample->key = sample_bytes(rnd, true);
	sample->value = sample_bytes(rnd, true);
	sample->headers_len = rnd_below(rnd, 4);
	for (size_t i = 0; i < sample->headers_len; i++) {
		struct bytes key = sample_bytes(rnd, false);
		sample->headers[i].key = (struct str){(const char *)key.ptr, key.len};
		sample->headers[i].value = sample_bytes(rnd, true);
	}
}

static void expect_same(struct bytes a, struct bytes b)
{
	assert_int_equal(a.ptr == NULL, b.ptr == NULL);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.ptr != NULL ? a.ptr : noise, b.ptr != NULL ? b.ptr : noise, a.len);
}

static void expect_sample(const struct record *record, const struct sample *sample)
{
	struct bytes rest = record->headers;
	struct record_header header;

	assert_int_equal(record->timestamp, sample->timestamp);
	expect_same(record->key, sample->key);
	expect_same(record->value, sample->value);
	assert_int_equal(record->headers_count, sample->headers_len);
	for (size_t i = 0; i < sample->headers_len; i++) {
		assert_true(record_header_next(&rest, &header));
		assert_true(str_eq(header.key, sample->headers[i].key));
		expect_same(header.value, sample->headers[i].value);
	}
}

static void round_trip(struct codec_scratch *scratch, uint64_t seed)
{
	struct builder_options options = builder_options_default;
	struct validate_rules rules = support_rules();
	struct validate_result result;
	struct builder builder;
	struct record_iter iter;
	struct record record;
	struct sample sample;
	struct arena arena;
	struct rnd rnd;
	struct wr out;

	rnd_init_seed(&rnd, seed);
	int64_t count = 1 + (int64_t)rnd_below(&rnd, 60);
	options.codec = (enum codec)(seed % CODEC_COUNT);
	wr_init(&out, SUPPORT_CAP);
	builder_init(&builder, &out, &options);
	struct rnd again = rnd;
	for (int64_t i = 0; i < count; i++) {
		sample_make(&sample, &rnd);
		builder_add(&builder, sample.timestamp, sample.key, sample.value, sample.headers,
			    sample.headers_len);
	}
	assert_int_equal(builder_finish(&builder, scratch), ERR_OK);

	arena_init(&arena, 1 << 20);
	rules.max_message_bytes = SUPPORT_CAP;
	assert_int_equal(validate_records(out.buf, out.len_bytes, &rules, scratch, &arena, &result),
			 ERR_OK);
	assert_int_equal(result.header.records_count, count);
	arena_fini(&arena);

	assert_int_equal(record_iter_init(&iter, wr_written(&out), scratch), ERR_OK);
	for (int64_t i = 0; i < count; i++) {
		sample_make(&sample, &again);
		assert_true(record_iter_next(&iter, &record));
		assert_int_equal(record.offset, i);
		expect_sample(&record, &sample);
	}
	assert_false(record_iter_next(&iter, &record));
	assert_int_equal(iter.err, ERR_OK);
	wr_fini(&out);
}

static void gives_back_every_record(void **state)
{
	struct rnd rnd;

	rnd_init_seed(&rnd, 42);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = rnd_below(&rnd, 3) == 0 ? (uint8_t)rnd_next(&rnd) : 'x';
	for (uint64_t seed = 0; seed < 40; seed++)
		round_trip(*state, seed);
}

static void keeps_offsets_that_were_skipped(void **state)
{
	struct builder_options options = builder_options_default;
	struct record_iter iter;
	struct record record;
	struct builder builder;
	struct wr out;

	wr_init(&out, SUPPORT_CAP);
	options.base_offset = 100;
	builder_init(&builder, &out, &options);
	builder_add(&builder, 1, BYTES_NULL, BYTES("a"), NULL, 0);
	builder_skip_to(&builder, 107);
	builder_add(&builder, 2, BYTES_NULL, BYTES("b"), NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	assert_int_equal(record_iter_init(&iter, wr_written(&out), NULL), ERR_OK);
	assert_int_equal(batch_last_offset(&iter.header), 107);
	assert_true(record_iter_next(&iter, &record));
	assert_int_equal(record.offset, 100);
	assert_true(record_iter_next(&iter, &record));
	assert_int_equal(record.offset, 107);
	wr_fini(&out);
}

static void appends_behind_what_is_there(void **state)
{
	struct builder_options options = builder_options_default;
	struct batch_header header;
	struct builder builder;
	struct wr out;

	wr_init(&out, SUPPORT_CAP);
	wr_raw(&out, BYTES("before"));
	builder_init(&builder, &out, &options);
	builder_add(&builder, 7, BYTES_NULL, BYTES_NULL, NULL, 0);
	size_t size = builder_size_bytes(&builder);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	assert_int_equal(batch_header_read((struct bytes){out.buf + 6, size}, &header), ERR_OK);
	assert_int_equal(header.size_bytes, size);
	assert_int_equal(out.len_bytes, size + 6);
	wr_fini(&out);
}

static void wants_a_record(void **state)
{
	struct builder builder;
	struct wr out;

	wr_init(&out, SUPPORT_CAP);
	builder_init(&builder, &out, &builder_options_default);
	assert_int_equal(builder_finish(&builder, NULL), ERR_MALFORMED);
	wr_fini(&out);
}

static void says_when_memory_is_out(void **state)
{
	struct builder builder;
	struct wr out;

	wr_init(&out, 200);
	builder_init(&builder, &out, &builder_options_default);
	builder_add(&builder, 7, BYTES_NULL, (struct bytes){noise, 1000}, NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_NOMEM);
	wr_fini(&out);
}

static void a_marker_says_who_and_what(void **state)
{
	struct record_iter iter;
	struct record record;
	enum control_type type;
	int32_t epoch;
	struct wr out;

	wr_init(&out, SUPPORT_CAP);
	assert_int_equal(control_marker_batch(&out, CONTROL_COMMIT, 1000, 3, 17, SUPPORT_NOW_MS),
			 ERR_OK);
	assert_int_equal(record_iter_init(&iter, wr_written(&out), NULL), ERR_OK);
	assert_true(batch_is_control(&iter.header) && batch_is_transactional(&iter.header));
	assert_int_equal(iter.header.producer_id, 1000);
	assert_int_equal(iter.header.producer_epoch, 3);
	assert_int_equal(iter.header.base_sequence, BATCH_NO_SEQUENCE);
	assert_true(record_iter_next(&iter, &record));
	assert_int_equal(control_key_read(record.key, &type), ERR_OK);
	assert_int_equal(type, CONTROL_COMMIT);
	assert_int_equal(control_marker_read(record.value, &epoch), ERR_OK);
	assert_int_equal(epoch, 17);
	wr_fini(&out);
}

/* The last two batches of good-txn.log: an aborted record and its marker. */
static void reads_stock_markers(void **state)
{
	size_t len;
	char *data = support_golden("good-txn.log", &len);
	struct bytes rest = {(const uint8_t *)data, len};
	struct record_iter iter;
	struct record record;
	enum control_type type, seen[2] = {CONTROL_UNKNOWN, CONTROL_UNKNOWN};
	size_t markers = 0;
	int32_t epoch;

	while (rest.len > 0) {
		assert_int_equal(record_iter_init(&iter, rest, NULL), ERR_OK);
		assert_true(batch_is_transactional(&iter.header));
		rest.ptr += iter.header.size_bytes;
		rest.len -= iter.header.size_bytes;
		if (!batch_is_control(&iter.header))
			continue;
		assert_true(record_iter_next(&iter, &record));
		assert_int_equal(control_key_read(record.key, &type), ERR_OK);
		assert_int_equal(control_marker_read(record.value, &epoch), ERR_OK);
		assert_true(epoch >= 0 && markers < 2);
		seen[markers++] = type;
	}
	assert_int_equal(seen[0], CONTROL_COMMIT);
	assert_int_equal(seen[1], CONTROL_ABORT);
	free(data);
}

static void knows_control_keys(void **state)
{
	enum control_type type;

	assert_int_equal(control_key_read(BYTES("\0\0\0\2"), &type), ERR_OK);
	assert_int_equal(type, CONTROL_LEADER_CHANGE);
	assert_int_equal(control_key_read(BYTES("\0\0\0\x63"), &type), ERR_OK);
	assert_int_equal(type, CONTROL_UNKNOWN);
	assert_int_equal(control_key_read(BYTES("\0\0\0"), &type), ERR_CORRUPT_MESSAGE);
	assert_int_equal(control_key_read(BYTES_NULL, &type), ERR_CORRUPT_MESSAGE);
	assert_int_equal(control_key_read(BYTES("\xff\xff\0\1"), &type), ERR_CORRUPT_MESSAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_back_every_record),
	    cmocka_unit_test(keeps_offsets_that_were_skipped),
	    cmocka_unit_test(appends_behind_what_is_there),
	    cmocka_unit_test(wants_a_record),
	    cmocka_unit_test(says_when_memory_is_out),
	    cmocka_unit_test(a_marker_says_who_and_what),
	    cmocka_unit_test(reads_stock_markers),
	    cmocka_unit_test(knows_control_keys),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
