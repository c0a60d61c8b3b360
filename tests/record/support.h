/* What the tests of this room share: batches made by hand, golden files. */
#ifndef TESTS_RECORD_SUPPORT_H
#define TESTS_RECORD_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "record/builder.h"
#include "record/validate.h"

#define SUPPORT_NOW_MS INT64_C(1700000000000)
#define SUPPORT_CAP    ((size_t)64 << 20)

#define BYTES(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* "a" and "b" with keys: the batch that most tests then spoil. Free with wr_fini. */
static inline void support_batch(struct wr *out, enum codec codec, struct codec_scratch *scratch)
{
	struct builder_options options = builder_options_default;
	struct builder builder;

	wr_init(out, SUPPORT_CAP);
	options.codec = codec;
	builder_init(&builder, out, &options);
	builder_add(&builder, SUPPORT_NOW_MS, BYTES("k0"), BYTES("a"), NULL, 0);
	builder_add(&builder, SUPPORT_NOW_MS + 5, BYTES("k1"), BYTES("b"), NULL, 0);
	assert_int_equal(builder_finish(&builder, scratch), ERR_OK);
}

/* A header around these record bytes; fields of interest may be set in *header before. */
static inline void support_raw(struct wr *out, struct bytes records, struct batch_header header)
{
	wr_init(out, SUPPORT_CAP);
	(void)wr_room(out, BATCH_HEADER_BYTES);
	wr_raw(out, records);
	assert_int_equal(out->err, ERR_OK);
	header.size_bytes = out->len_bytes;
	batch_header_write(out->buf, &header);
}

/* The header of `count` records of the time SUPPORT_NOW_MS and no producer. */
static inline struct batch_header support_header(int32_t count)
{
	return (struct batch_header){
	    .leader_epoch = -1,
	    .last_offset_delta = count - 1,
	    .base_timestamp = SUPPORT_NOW_MS,
	    .max_timestamp = SUPPORT_NOW_MS,
	    .producer_id = BATCH_NO_PRODUCER_ID,
	    .producer_epoch = -1,
	    .base_sequence = BATCH_NO_SEQUENCE,
	    .records_count = count,
	};
}

static inline struct validate_rules support_rules(void)
{
	return (struct validate_rules){
	    .max_message_bytes = 1048588,
	    .before_max_ms = INT64_MAX,
	    .after_max_ms = 3600000,
	    .now_ms = SUPPORT_NOW_MS,
	    .allow_zstd = true,
	};
}

/* tests/golden/record/<name>, to be freed. */
static inline char *support_golden(const char *name, size_t *len)
{
	const char *srcdir = getenv("srcdir");
	char path[4096], *data;

	snprintf(path, sizeof(path), "%s/tests/golden/record/%s", srcdir != NULL ? srcdir : ".",
		 name);
	assert_int_equal(file_read_all(path, SUPPORT_CAP, &data, len), ERR_OK);
	return data;
}

#endif
