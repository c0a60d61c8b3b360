/*
 * The record batch, magic 2: the unit that producers send, logs store and consumers fetch.
 *
 *  at  size  field
 *   0     8  base offset           stamped by the broker, outside the CRC
 *   8     4  length                bytes after this field: size of the batch - 12
 *  12     4  partition leader epoch  stamped by the broker, outside the CRC
 *  16     1  magic                 2; the older formats have it at the same place
 *  17     4  CRC-32C               of everything from attributes to the end
 *  21     2  attributes            bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control,
 *                                  6 base timestamp is a delete horizon
 *  23     4  last offset delta
 *  27     8  base timestamp
 *  35     8  max timestamp
 *  43     8  producer id           -1 none
 *  51     2  producer epoch
 *  53     4  base sequence
 *  57     4  records count
 *  61        records, compressed as one when there is a codec
 *
 * All integers are big-endian. After compaction the count may be smaller than last offset delta +
 * 1, and be 0. This file looks at the header and touches it in place; validate.h decides what a
 * producer may send, iter.h reads records, builder.h makes batches.
 */
#ifndef RECORD_BATCH_H
#define RECORD_BATCH_H

#include "base/err.h"
#include "base/str.h"
#include "record/codec.h"

#define BATCH_HEADER_BYTES   61
#define BATCH_PREFIX_BYTES   12 /* base offset and length: not counted by length */
#define BATCH_MAGIC_AT	     16
#define BATCH_MAGIC	     2
#define BATCH_NO_TIMESTAMP   (-1)
#define BATCH_NO_PRODUCER_ID (-1)
#define BATCH_NO_SEQUENCE    (-1)

enum batch_timestamp_type { BATCH_CREATE_TIME, BATCH_LOG_APPEND_TIME };

struct batch_header {
	int64_t base_offset;
	int32_t length;
	int32_t leader_epoch;
	int8_t magic;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp, max_timestamp;
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t records_count;
	size_t size_bytes; /* of the whole batch: 12 + length */
};

/*
 * Reads the header at the front of `bytes`, which may hold less than the whole batch or more.
 * Checks what needs no records: length >= 49, magic 2, last offset delta and count not negative,
 * offsets that do not overflow. ERR_SHORT: fewer than 61 bytes, and nothing wrong with those.
 * ERR_CORRUPT_MESSAGE: all else.
 */
enum err batch_header_read(struct bytes bytes, struct batch_header *header) must_check;

/* The same without a check: 61 bytes are there, and the caller judges them. */
void batch_header_load(const uint8_t *batch, struct batch_header *header);

/* Of exactly one whole batch, whose header was read. ERR_CORRUPT_MESSAGE. */
enum err batch_check_crc(struct bytes batch) must_check;

static inline enum codec batch_codec(const struct batch_header *header)
{
	return (enum codec)(header->attributes &
			    7); /* 5 to 7 are no codec: validate.h refuses them */
}
static inline enum batch_timestamp_type batch_timestamp_type(const struct batch_header *header)
{
	return (header->attributes & 8) != 0 ? BATCH_LOG_APPEND_TIME : BATCH_CREATE_TIME;
}
static inline bool batch_is_transactional(const struct batch_header *header)
{
	return (header->attributes & 16) != 0;
}
static inline bool batch_is_control(const struct batch_header *header)
{
	return (header->attributes & 32) != 0;
}
static inline bool batch_has_delete_horizon(const struct batch_header *header)
{
	return (header->attributes & 64) != 0; /* base_timestamp is it, in ms */
}
static inline bool batch_has_producer(const struct batch_header *header)
{
	return header->producer_id > BATCH_NO_PRODUCER_ID;
}
static inline int64_t batch_last_offset(const struct batch_header *header)
{
	return header->base_offset + header->last_offset_delta;
}
static inline int64_t batch_next_offset(const struct batch_header *header)
{
	return batch_last_offset(header) + 1;
}

/* sequence + increment, from 2^31-1 round to 0; increment >= 0. */
int32_t batch_sequence_add(int32_t sequence, int32_t increment);
/* BATCH_NO_SEQUENCE when there is none. */
int32_t batch_last_sequence(const struct batch_header *header);

/* In place, outside the CRC. `batch` is the first byte of a batch whose header was read. */
void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/* In place, with a new CRC over the batch's size_bytes. */
void batch_stamp_time(uint8_t *batch, enum batch_timestamp_type type, int64_t max_timestamp);
/* Writes length and CRC for a batch of size_bytes whose other fields stand. */
void batch_seal(uint8_t *batch, size_t size_bytes);
/* Writes the 61 bytes for records that stand behind them already, and seals. */
void batch_header_write(uint8_t *batch, const struct batch_header *header);

#endif
