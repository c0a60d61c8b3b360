/*
 * Makes batches, appended to a writer: for the coordinators, the metadata log, and tests.
 *
 *	builder_init(&builder, &out, &options);
 *	builder_add(&builder, timestamp, key, value, NULL, 0);  // any number of times
 *	err = builder_finish(&builder, scratch);                // header, codec, CRC
 *
 * Errors are sticky (in out->err). A builder that was not finished leaves half a batch in the
 *writer.
 */
#ifndef RECORD_BUILDER_H
#define RECORD_BUILDER_H

#include "record/batch.h"
#include "record/iter.h"
#include "wire/wr.h"

struct builder_options {
	int64_t base_offset;  /* 0 when the log stamps it */
	int32_t leader_epoch; /* -1 when the log stamps it */
	enum codec codec;
	int level; /* CODEC_LEVEL_DEFAULT; looked at only with a codec */
	enum batch_timestamp_type timestamp_type;
	int64_t producer_id; /* BATCH_NO_PRODUCER_ID, with epoch and sequence -1 */
	int16_t producer_epoch;
	int32_t base_sequence;
	bool transactional, control;
};

/* No producer, no codec, offset 0, epoch -1. */
extern const struct builder_options builder_options_default;

struct builder {
	struct wr *out; /* borrowed */
	struct builder_options options;
	size_t start; /* of the batch in out */
	int64_t base_timestamp, max_timestamp;
	int64_t next_offset;
	int32_t records_count;
};

void builder_init(struct builder *builder, struct wr *out, const struct builder_options *options);
/* Nulls stay null. headers may be NULL. The offset is the next one. */
void builder_add(struct builder *builder, int64_t timestamp, struct bytes key, struct bytes value,
		 const struct record_header *headers, size_t headers_len);
/* Leaves out offsets (as compaction does): the next record gets this one, which is not lower. */
void builder_skip_to(struct builder *builder, int64_t offset);
/* Bytes of the batch so far, uncompressed: for those who split by size. */
size_t builder_size_bytes(const struct builder *builder);
/* scratch may be NULL without a codec. A batch without a record is ERR_MALFORMED. */
enum err builder_finish(struct builder *builder, struct codec_scratch *scratch) must_check;

#endif
