/*
 * Fuzzes what a producer may send: validation, and reading what passed it.
 *
 * Input: one byte of flags, then the records field. With FLAG_SEAL length and CRC are made right
 * first, or else nothing would get past them. What validation takes, the iterator must read, and
 * agree.
 */
#include <stdlib.h>

#include "record/iter.h"
#include "record/rewrite.h"
#include "record/validate.h"

#define CAP_BYTES     ((size_t)1 << 20)
#define REWRITE_SHIFT 5 /* the rest of the flags chooses the codec */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLAG_SEAL = 1, FLAG_COMPACTED = 2, FLAG_APPEND_TIME = 4, FLAG_LIMITS = 8 };

static void read_back(struct bytes batch, const struct validate_result *result,
		      struct codec_scratch *scratch)
{
	struct record_iter iter;
	struct record record;
	struct record_header header;
	int64_t max_timestamp = BATCH_NO_TIMESTAMP;
	int32_t count = 0;

	enum err err = record_iter_init(&iter, batch, scratch);
	must(err == ERR_OK || err == ERR_NOMEM);
	while (err == ERR_OK && record_iter_next(&iter, &record)) {
		struct bytes rest = record.headers;
		for (int32_t i = 0; i < record.headers_count; i++)
			must(record_header_next(&rest, &header));
		must(!record_header_next(&rest, &header));
		must(record.offset == count++);
		if (record.timestamp > max_timestamp)
			max_timestamp = record.timestamp;
	}
	if (err != ERR_OK)
		return;
	must(iter.err == ERR_OK);
	must(count == result->header.records_count);
	must(max_timestamp == result->max_timestamp);
}

/* What is good is good in any codec. */
static void try_rewrite(struct bytes batch, const struct validate_result *result, enum codec codec,
			struct codec_scratch *scratch)
{
	const struct rewrite how = {codec, CODEC_LEVEL_DEFAULT, CAP_BYTES,
				    result->uncompressed_bytes};
	struct batch_header header;
	struct wr out;
	enum err err = rewrite_codec(batch, &how, scratch, &out);

	must(err == ERR_OK || err == ERR_MESSAGE_TOO_LARGE || err == ERR_NOMEM);
	if (err == ERR_OK) {
		must(batch_header_read(wr_written(&out), &header) == ERR_OK);
		must(batch_codec(&header) == codec);
		must(batch_check_crc(wr_written(&out)) == ERR_OK);
		read_back(wr_written(&out), result, scratch);
	}
	wr_fini(&out);
}

static void try_validate(uint8_t *data, size_t len, uint8_t flags, struct codec_scratch *scratch)
{
	struct validate_result result;
	struct arena arena;
	struct validate_rules rules = {
	    .max_message_bytes = CAP_BYTES,
	    .compacted = (flags & FLAG_COMPACTED) != 0,
	    .timestamp_type =
		(flags & FLAG_APPEND_TIME) != 0 ? BATCH_LOG_APPEND_TIME : BATCH_CREATE_TIME,
	    .before_max_ms = (flags & FLAG_LIMITS) != 0 ? 1000 : INT64_MAX,
	    .after_max_ms = (flags & FLAG_LIMITS) != 0 ? 1000 : INT64_MAX,
	    .now_ms = 1700000000000,
	    .uncompressed_max_bytes = CAP_BYTES,
	    .allow_zstd = true,
	};

	arena_init(&arena, CAP_BYTES);
	enum err err = validate_records(data, len, &rules, scratch, &arena, &result);
	must((err == ERR_OK) == (result.message.ptr == NULL));
	if (err == ERR_OK) {
		must(batch_check_crc((struct bytes){data, len}) == ERR_OK);
		read_back((struct bytes){data, len}, &result, scratch);
		try_rewrite((struct bytes){data, len}, &result,
			    (enum codec)((flags >> REWRITE_SHIFT) % CODEC_COUNT), scratch);
	}
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct codec_scratch *scratch;
	struct record_iter iter;
	struct record record;

	if (scratch == NULL)
		scratch = codec_scratch_new(CAP_BYTES);
	if (size < 1 || scratch == NULL)
		return 0;
	uint8_t *copy = malloc(size - 1 > 0 ? size - 1 : 1);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (size - 1 >= BATCH_HEADER_BYTES && (data[0] & FLAG_SEAL) != 0) {
		copy[BATCH_MAGIC_AT] = BATCH_MAGIC;
		batch_seal(copy, size - 1);
	}
	if (record_iter_init(&iter, (struct bytes){copy, size - 1}, scratch) == ERR_OK)
		while (record_iter_next(&iter, &record))
			;
	try_validate(copy, size - 1, data[0], scratch);
	free(copy);
	return 0;
}
