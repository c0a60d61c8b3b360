/* Batches of all formats as the log sees them: a header read, and a checksum over pieces. */
#include "store/batch_view.h"

#include <zlib.h>

#include "base/crc32c.h"
#include "wire/rd.h"

#define LEGACY_CRC_AT	 16 /* what the CRC covers begins here: magic, attributes, ... */
#define LEGACY_BYTES_MIN 14 /* after the 12 of the prefix: crc, magic, attributes, two lengths */
#define BATCH_CRC_AT	 21

static enum err batch_view_legacy(struct bytes front, struct batch_view *view)
{
	struct rd rd = rd_of(front);
	int32_t length;

	view->base_offset = view->last_offset = rd_int64(&rd);
	length = rd_int32(&rd);
	rd_int32(&rd); /* CRC */
	view->magic = rd_int8(&rd);
	rd_int8(&rd); /* attributes */
	view->max_timestamp = view->magic == 1 ? rd_int64(&rd) : -1;
	view->leader_epoch = -1;
	if (rd.err != ERR_OK)
		return ERR_SHORT;
	if (view->base_offset < 0 || view->base_offset == INT64_MAX ||
	    length < LEGACY_BYTES_MIN + (view->magic == 1 ? 8 : 0))
		return ERR_CORRUPT_MESSAGE;
	view->size_bytes = BATCH_PREFIX_BYTES + (size_t)length;
	return ERR_OK;
}

enum err batch_view_read(struct bytes front, struct batch_view *view)
{
	enum err err;

	*view = (struct batch_view){.magic = -1};
	if (front.len <= BATCH_MAGIC_AT)
		return ERR_SHORT;
	if (front.ptr[BATCH_MAGIC_AT] < BATCH_MAGIC)
		return batch_view_legacy(front, view);
	err = batch_header_read(front, &view->header);
	if (err != ERR_OK)
		return err;
	view->base_offset = view->header.base_offset;
	view->last_offset = batch_last_offset(&view->header);
	view->size_bytes = view->header.size_bytes;
	view->max_timestamp = view->header.max_timestamp;
	view->leader_epoch = view->header.leader_epoch;
	view->magic = view->header.magic;
	if (view->base_offset < 0)
		return ERR_CORRUPT_MESSAGE;
	return ERR_OK;
}

static uint32_t batch_sum_of(const struct batch_sum *sum, struct bytes piece)
{
	if (sum->magic >= BATCH_MAGIC)
		return crc32c_more(sum->sum, piece.ptr, piece.len);
	return (uint32_t)crc32(sum->sum, piece.ptr, (uInt)piece.len);
}

void batch_sum_first(struct batch_sum *sum, const struct batch_view *view, struct bytes piece)
{
	size_t from = view->magic >= BATCH_MAGIC ? BATCH_CRC_AT : LEGACY_CRC_AT;
	struct rd rd;

	must(piece.len >= from);
	rd = rd_of((struct bytes){piece.ptr + from - 4, 4});
	*sum = (struct batch_sum){.magic = view->magic, .want = rd_uint32(&rd)};
	if (view->magic >= BATCH_MAGIC)
		sum->want =
		    view->header.crc; /* stands before the attributes, not before the magic */
	batch_sum_more(sum, (struct bytes){piece.ptr + from, piece.len - from});
}

void batch_sum_more(struct batch_sum *sum, struct bytes piece)
{
	sum->sum = batch_sum_of(sum, piece);
}

bool batch_sum_good(const struct batch_sum *sum)
{
	return sum->sum == sum->want;
}
