/* Produce where compression.type asks for another codec than the producer's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "proto/fetch.h"
#include "proto/produce.h"
#include "record/builder.h"
#include "tests/api/whole_ask.h"

#define PRODUCE_VERSION 12
#define SCRATCH_CAP	((size_t)64 << 20)
/* So much that no codec does it at once. */
#define LONG_BYTES ((size_t)2 << 20)
#define LONG_VALUE ((size_t)1 << 10)

static struct codec_scratch *scratch;

/* -- batches ------------------------------------------------------------------------------- */

struct batch_of {
	enum codec codec;
	size_t values_bytes; /* of all values together, LONG_VALUE each, at least one */
	int64_t timestamp;
	int32_t sequence;
};

static void make_batch(struct wr *out, const struct batch_of *of)
{
	struct builder_options options = builder_options_default;
	uint8_t value[LONG_VALUE];
	struct builder builder;

	options.codec = of->codec;
	options.producer_id = 7;
	options.producer_epoch = 3;
	options.base_sequence = of->sequence;
	wr_init(out, 16u << 20);
	builder_init(&builder, out, &options);
	for (size_t at = 0; at == 0 || at < of->values_bytes; at += sizeof(value)) {
		memset(value, (int)(at >> 10), sizeof(value));
		builder_add(&builder, of->timestamp + (int64_t)(at >> 10), BYTES_NULL,
			    (struct bytes){value, sizeof(value)}, NULL, 0);
	}
	assert_int_equal(builder_finish(&builder, scratch), ERR_OK);
}

/* The same batch for partitions 0.. of "t". */
static void begin_produce(struct whole *whole, struct whole_call *call, size_t partitions,
			  const struct batch_of *of)
{
	struct produce_req_partition_produce_data parts[4];
	struct produce_req_topic_produce_data data;
	struct produce_req ask;
	struct wr batch;

	assert_true(partitions <= ARRAY_LEN(parts));
	make_batch(&batch, of);
	whole_begin(whole, call, PRODUCE_API_KEY, PRODUCE_VERSION);
	produce_req_init(&ask);
	produce_req_topic_produce_data_init(&data);
	for (size_t i = 0; i < partitions; i++) {
		produce_req_partition_produce_data_init(&parts[i]);
		parts[i].index = (int32_t)i;
		parts[i].records.bytes = wr_written(&batch);
	}
	data.name = STR("t");
	data.partition_data = parts;
	data.partition_data_len = partitions;
	ask.transactional_id = STR_NULL;
	ask.acks = -1;
	ask.topic_data = &data;
	ask.topic_data_len = 1;
	produce_req_encode(&ask, &call->frame, PRODUCE_VERSION);
	wr_fini(&batch);
}

static void expect_answers(struct whole_call *call, size_t partitions, int code)
{
	struct produce_res answer;

	assert_int_equal(produce_res_decode(&answer, &call->body, PRODUCE_VERSION,
					    &call->req.arena),
			 ERR_OK);
	assert_int_equal(answer.responses_len, 1);
	assert_int_equal(answer.responses[0].partition_responses_len, partitions);
	for (size_t i = 0; i < partitions; i++)
		assert_int_equal(answer.responses[0].partition_responses[i].error_code, code);
}

static void produce(struct whole *whole, size_t partitions, const struct batch_of *of, int code)
{
	struct whole_call call;

	begin_produce(whole, &call, partitions, of);
	whole_ask(&call);
	expect_answers(&call, partitions, code);
	whole_end(&call);
}

/* The first batch at the offset; its bytes live as long as the call. */
static struct bytes fetch(struct whole *whole, struct whole_call *call, int32_t idx, int64_t offset)
{
	struct batch_header header;
	struct fetch_res answer;
	struct bytes records;

	whole_begin_fetch(whole, call, "t", idx, offset, 0, 0);
	whole_ask(call);
	assert_int_equal(fetch_res_decode(&answer, &call->body, WHOLE_FETCH_VERSION,
					  &call->req.arena),
			 ERR_OK);
	records = answer.responses[0].partitions[0].records.bytes;
	assert_int_equal(batch_header_read(records, &header), ERR_OK);
	assert_true(header.size_bytes <= records.len);
	return (struct bytes){records.ptr, header.size_bytes};
}

/* Stored in this codec, and all else as it was made. */
static void expect_stored(struct whole *whole, int32_t idx, const struct batch_of *of,
			  enum codec codec)
{
	struct whole_call call;
	struct bytes batch = fetch(whole, &call, idx, 0);
	struct record_iter iter;
	struct record record;
	int64_t records = 0;

	assert_int_equal(batch_check_crc(batch), ERR_OK);
	assert_int_equal(record_iter_init(&iter, batch, scratch), ERR_OK);
	assert_int_equal(batch_codec(&iter.header), codec);
	assert_true(iter.header.producer_id == 7 && iter.header.producer_epoch == 3);
	assert_int_equal(iter.header.base_sequence, of->sequence);
	while (record_iter_next(&iter, &record)) {
		assert_true(record.offset == records);
		assert_true(record.timestamp == of->timestamp + records);
		assert_int_equal(record.value.len, LONG_VALUE);
		assert_int_equal(record.value.ptr[LONG_VALUE - 1], (uint8_t)records);
		records++;
	}
	assert_int_equal(iter.err, ERR_OK);
	assert_true(iter.header.max_timestamp == of->timestamp + records - 1);
	assert_int_equal(records, iter.header.records_count);
	whole_end(&call);
}

static void open_with(struct whole *whole, const char *type, const char *other)
{
	const char *const settings[] = {type, other, NULL};

	whole_open(whole, settings);
	whole_make_topic(whole, "t", 3);
}

/* -- tests --------------------------------------------------------------------------------- */

static const struct batch_of small = {CODEC_NONE, 10 * LONG_VALUE, 1000, 0};
static const struct batch_of small_lz4 = {CODEC_LZ4, 10 * LONG_VALUE, 1000, 0};
static const struct batch_of small_gzip = {CODEC_GZIP, 10 * LONG_VALUE, 1000, 0};
static const struct batch_of long_lz4 = {CODEC_LZ4, LONG_BYTES, 1000, 0};

static void stores_every_codec_in_every_codec(void **state)
{
	static const char *const types[CODEC_COUNT] = {"compression.type=uncompressed",
						       "compression.type=gzip",
						       "compression.type=snappy",
						       "compression.type=lz4",
						       "compression.type=zstd"};

	for (int codec = 0; codec < CODEC_COUNT; codec++) {
		struct whole whole;

		open_with(&whole, types[codec], NULL);
		produce(&whole, 1, &small, 0);
		expect_stored(&whole, 0, &small, (enum codec)codec);
		whole_close(&whole);
		open_with(&whole, types[codec], NULL);
		produce(&whole, 1, &small_lz4, 0);
		expect_stored(&whole, 0, &small_lz4, (enum codec)codec);
		whole_close(&whole);
	}
}

static void a_batch_of_that_codec_stays_as_it_was_sent(void **state)
{
	struct whole_call call;
	struct whole whole;
	struct bytes stored;
	struct wr sent;

	open_with(&whole, "compression.type=gzip", "compression.gzip.level=1");
	make_batch(&sent, &small_gzip);
	produce(&whole, 1, &small_gzip, 0);
	stored = fetch(&whole, &call, 0, 0);
	assert_int_equal(stored.len, sent.len_bytes);
	assert_memory_equal(stored.ptr + BATCH_MAGIC_AT, sent.buf + BATCH_MAGIC_AT,
			    stored.len - BATCH_MAGIC_AT);
	whole_end(&call);
	wr_fini(&sent);
	whole_close(&whole);
}

/* It takes a worker, for each partition in its turn. */
static void long_work_is_answered_as_well(void **state)
{
	struct whole_call call;
	struct whole whole;

	open_with(&whole, "compression.type=zstd", "compression.zstd.level=12");
	begin_produce(&whole, &call, 3, &long_lz4);
	whole_ask(&call);
	expect_answers(&call, 3, 0);
	whole_end(&call);
	for (int32_t i = 0; i < 3; i++)
		expect_stored(&whole, i, &long_lz4, CODEC_ZSTD);
	whole_close(&whole);
}

static void goes_on_when_the_connection_is_lost(void **state)
{
	struct whole_call call;
	struct whole whole;

	open_with(&whole, "compression.type=zstd", "compression.zstd.level=12");
	begin_produce(&whole, &call, 3, &long_lz4);
	whole_send(&call);
	assert_false(call.done);
	whole_abandon(&call);
	whole_end(&call);
	whole_close(&whole);
}

/* What was taken compressed is too large when it is not. */
static void the_new_size_counts(void **state)
{
	struct whole whole;

	open_with(&whole, "compression.type=uncompressed", NULL);
	produce(&whole, 2, &long_lz4, 10);
	produce(&whole, 1, &small_lz4, 0);
	expect_stored(&whole, 0, &small_lz4, CODEC_NONE);
	whole_close(&whole);
}

static void the_log_sets_its_time_as_well(void **state)
{
	struct batch_header header;
	struct whole_call call;
	struct whole whole;

	open_with(&whole, "compression.type=snappy", "log.message.timestamp.type=LogAppendTime");
	produce(&whole, 1, &small_gzip, 0);
	assert_int_equal(batch_header_read(fetch(&whole, &call, 0, 0), &header), ERR_OK);
	assert_int_equal(batch_codec(&header), CODEC_SNAPPY);
	assert_int_equal(batch_timestamp_type(&header), BATCH_LOG_APPEND_TIME);
	assert_true(header.max_timestamp > small_gzip.timestamp + 1000);
	whole_end(&call);
	whole_close(&whole);
}

static void a_repeated_batch_is_found(void **state)
{
	struct whole whole;

	open_with(&whole, "compression.type=snappy", NULL);
	produce(&whole, 1, &small_gzip, 0);
	produce(&whole, 1, &small_gzip, 0);
	expect_stored(&whole, 0, &small_gzip, CODEC_SNAPPY);
	whole_close(&whole);
}

static int setup(void **state)
{
	scratch = codec_scratch_new(SCRATCH_CAP);
	return scratch == NULL;
}

static int teardown(void **state)
{
	codec_scratch_free(scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stores_every_codec_in_every_codec),
	    cmocka_unit_test(a_batch_of_that_codec_stays_as_it_was_sent),
	    cmocka_unit_test(long_work_is_answered_as_well),
	    cmocka_unit_test(goes_on_when_the_connection_is_lost),
	    cmocka_unit_test(the_new_size_counts),
	    cmocka_unit_test(the_log_sets_its_time_as_well),
	    cmocka_unit_test(a_repeated_batch_is_found),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
