/* Reading records: a batch's own fields give the range, the reader in wire/rd.h the bounds. */
#include "record/iter.h"

enum err record_iter_init(struct record_iter *iter, struct bytes batch,
			  struct codec_scratch *scratch)
{
	struct bytes records;

	memset(iter, 0, sizeof(*iter));
	enum err err = batch_header_read(batch, &iter->header);
	if (err == ERR_OK && iter->header.size_bytes > batch.len)
		err = ERR_SHORT;
	if (err != ERR_OK)
		return err;
	records.ptr = batch.ptr + BATCH_HEADER_BYTES;
	records.len = iter->header.size_bytes - BATCH_HEADER_BYTES;
	if (batch_codec(&iter->header) != CODEC_NONE && iter->header.records_count > 0) {
		if (scratch == NULL)
			return ERR_CORRUPT_MESSAGE;
		err = codec_decompress(scratch, batch_codec(&iter->header), records, &records);
	}
	iter->rd = rd_of(records);
	return err;
}

bool record_iter_next(struct record_iter *iter, struct record *record)
{
	if (iter->err != ERR_OK || iter->index >= iter->header.records_count)
		return false;
	if (record_read(&iter->rd, &iter->header, record))
		iter->index++;
	else
		iter->err = ERR_CORRUPT_MESSAGE;
	if (iter->index == iter->header.records_count && rd_left(&iter->rd) > 0)
		iter->err = ERR_CORRUPT_MESSAGE;
	return iter->err == ERR_OK;
}

/* A varint length and so many bytes; -1 is null. */
static struct bytes read_bytes(struct rd *rd, bool nullable)
{
	int32_t len = rd_varint(rd);

	if (len == -1 && nullable)
		return BYTES_NULL;
	if (len < 0) {
		rd_fail(rd, ERR_MALFORMED);
		return BYTES_NULL;
	}
	return rd_raw(rd, (size_t)len);
}

static void read_header(struct rd *rd, struct record_header *header)
{
	struct bytes key = read_bytes(rd, false);

	header->key = (struct str){(const char *)key.ptr, key.len};
	header->value = read_bytes(rd, true);
}

/* The raw range of `count` headers, which are what is left of the record. */
static struct bytes read_headers(struct rd *rd, int32_t count)
{
	struct bytes headers = {rd->pos, rd_left(rd)};
	struct record_header header;

	if (count < 0 || (size_t)count > rd_left(rd) / 2)
		rd_fail(rd, ERR_MALFORMED);
	for (int32_t i = 0; i < count && rd->err == ERR_OK; i++)
		read_header(rd, &header);
	return headers;
}

bool record_read(struct rd *rd, const struct batch_header *header, struct record *record)
{
	const uint8_t *start = rd->pos;
	struct bytes body = read_bytes(rd, false);
	struct rd in = rd_of(body);

	memset(record, 0, sizeof(*record));
	if (rd->err != ERR_OK)
		return false;
	(void)rd_int8(&in); /* attributes: no bit is used */
	uint64_t timestamp = (uint64_t)header->base_timestamp + (uint64_t)rd_varlong(&in);
	int32_t delta = rd_varint(&in);
	record->key = read_bytes(&in, true);
	record->value = read_bytes(&in, true);
	record->headers_count = rd_varint(&in);
	record->headers = read_headers(&in, record->headers_count);
	if (delta < 0 || delta > header->last_offset_delta || rd_left(&in) > 0)
		rd_fail(&in, ERR_MALFORMED);
	if (in.err != ERR_OK) {
		rd_fail(rd, in.err);
		return false;
	}
	/* The delta is within the header's, with which this was seen not to overflow. */
	record->offset = header->base_offset + delta;
	record->timestamp = batch_timestamp_type(header) == BATCH_LOG_APPEND_TIME
				? header->max_timestamp
				: (int64_t)timestamp;
	record->size_bytes = (size_t)(body.ptr + body.len - start);
	return rd->err == ERR_OK;
}

bool record_header_next(struct bytes *rest, struct record_header *header)
{
	struct rd rd = rd_of(*rest);

	if (rest->len == 0)
		return false;
	read_header(&rd, header);
	*rest = (struct bytes){rd.pos, rd_left(&rd)};
	return rd.err == ERR_OK;
}
