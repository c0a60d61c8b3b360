/* The batch header: read, checked and stamped in place. See batch.h for the layout. */
#include "record/batch.h"

#include <endian.h>

#include "base/crc32c.h"

enum {
	AT_LENGTH = 8,
	AT_LEADER_EPOCH = 12,
	AT_CRC = 17,
	AT_ATTRIBUTES = 21,
	AT_LAST_OFFSET_DELTA = 23,
	AT_BASE_TIMESTAMP = 27,
	AT_MAX_TIMESTAMP = 35,
	AT_PRODUCER_ID = 43,
	AT_PRODUCER_EPOCH = 51,
	AT_BASE_SEQUENCE = 53,
	AT_RECORDS_COUNT = 57,
};

#define LENGTH_MIN (BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES)

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static void store16(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static void store32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void store64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

/* What of the front can be judged before all 61 bytes are there. */
static enum err check_front(struct bytes bytes)
{
	if (bytes.len >= AT_LEADER_EPOCH && (int32_t)load32(bytes.ptr + AT_LENGTH) < LENGTH_MIN)
		return ERR_CORRUPT_MESSAGE;
	if (bytes.len > BATCH_MAGIC_AT && bytes.ptr[BATCH_MAGIC_AT] != BATCH_MAGIC)
		return ERR_CORRUPT_MESSAGE;
	return bytes.len < BATCH_HEADER_BYTES ? ERR_SHORT : ERR_OK;
}

void batch_header_load(const uint8_t *batch, struct batch_header *header)
{
	header->base_offset = (int64_t)load64(batch);
	header->length = (int32_t)load32(batch + AT_LENGTH);
	header->leader_epoch = (int32_t)load32(batch + AT_LEADER_EPOCH);
	header->magic = (int8_t)batch[BATCH_MAGIC_AT];
	header->crc = load32(batch + AT_CRC);
	header->attributes = (int16_t)load16(batch + AT_ATTRIBUTES);
	header->last_offset_delta = (int32_t)load32(batch + AT_LAST_OFFSET_DELTA);
	header->base_timestamp = (int64_t)load64(batch + AT_BASE_TIMESTAMP);
	header->max_timestamp = (int64_t)load64(batch + AT_MAX_TIMESTAMP);
	header->producer_id = (int64_t)load64(batch + AT_PRODUCER_ID);
	header->producer_epoch = (int16_t)load16(batch + AT_PRODUCER_EPOCH);
	header->base_sequence = (int32_t)load32(batch + AT_BASE_SEQUENCE);
	header->records_count = (int32_t)load32(batch + AT_RECORDS_COUNT);
	header->size_bytes = BATCH_PREFIX_BYTES + (size_t)(uint32_t)header->length;
}

enum err batch_header_read(struct bytes bytes, struct batch_header *header)
{
	enum err err = check_front(bytes);

	memset(header, 0, sizeof(*header));
	if (err != ERR_OK)
		return err;
	batch_header_load(bytes.ptr, header);
	if (header->base_offset < 0 || header->last_offset_delta < 0 || header->records_count < 0)
		return ERR_CORRUPT_MESSAGE;
	/* The next offset must exist too. */
	if (header->base_offset >= INT64_MAX - header->last_offset_delta)
		return ERR_CORRUPT_MESSAGE;
	return ERR_OK;
}

enum err batch_check_crc(struct bytes batch)
{
	must(batch.len >= BATCH_HEADER_BYTES);
	must(batch.len == BATCH_PREFIX_BYTES + (size_t)load32(batch.ptr + AT_LENGTH));
	uint32_t crc = crc32c(batch.ptr + AT_ATTRIBUTES, batch.len - AT_ATTRIBUTES);
	return crc == load32(batch.ptr + AT_CRC) ? ERR_OK : ERR_CORRUPT_MESSAGE;
}

int32_t batch_sequence_add(int32_t sequence, int32_t increment)
{
	must(sequence >= 0 && increment >= 0);
	return (int32_t)(((uint32_t)sequence + (uint32_t)increment) & INT32_MAX);
}

int32_t batch_last_sequence(const struct batch_header *header)
{
	if (header->base_sequence < 0)
		return BATCH_NO_SEQUENCE;
	return batch_sequence_add(header->base_sequence, header->last_offset_delta);
}

void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
	must(batch[BATCH_MAGIC_AT] == BATCH_MAGIC);
	must(base_offset >= 0);
	store64(batch, (uint64_t)base_offset);
	store32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void batch_seal(uint8_t *batch, size_t size_bytes)
{
	must(size_bytes >= BATCH_HEADER_BYTES && size_bytes <= INT32_MAX);
	must(batch[BATCH_MAGIC_AT] == BATCH_MAGIC);
	store32(batch + AT_LENGTH, (uint32_t)(size_bytes - BATCH_PREFIX_BYTES));
	store32(batch + AT_CRC, crc32c(batch + AT_ATTRIBUTES, size_bytes - AT_ATTRIBUTES));
}

void batch_stamp_time(uint8_t *batch, enum batch_timestamp_type type, int64_t max_timestamp)
{
	uint16_t attributes = load16(batch + AT_ATTRIBUTES) & (uint16_t)~8U;

	if (type == BATCH_LOG_APPEND_TIME)
		attributes |= 8;
	store16(batch + AT_ATTRIBUTES, attributes);
	store64(batch + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
	batch_seal(batch, BATCH_PREFIX_BYTES + (size_t)load32(batch + AT_LENGTH));
}

void batch_header_write(uint8_t *batch, const struct batch_header *header)
{
	store64(batch, (uint64_t)header->base_offset);
	store32(batch + AT_LEADER_EPOCH, (uint32_t)header->leader_epoch);
	batch[BATCH_MAGIC_AT] = BATCH_MAGIC;
	store16(batch + AT_ATTRIBUTES, (uint16_t)header->attributes);
	store32(batch + AT_LAST_OFFSET_DELTA, (uint32_t)header->last_offset_delta);
	store64(batch + AT_BASE_TIMESTAMP, (uint64_t)header->base_timestamp);
	store64(batch + AT_MAX_TIMESTAMP, (uint64_t)header->max_timestamp);
	store64(batch + AT_PRODUCER_ID, (uint64_t)header->producer_id);
	store16(batch + AT_PRODUCER_EPOCH, (uint16_t)header->producer_epoch);
	store32(batch + AT_BASE_SEQUENCE, (uint32_t)header->base_sequence);
	store32(batch + AT_RECORDS_COUNT, (uint32_t)header->records_count);
	batch_seal(batch, header->size_bytes);
}
