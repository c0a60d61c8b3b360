/* Recompression of whole batches. See rewrite.h. */
#include "record/rewrite.h"

#define CODEC_BITS 7
/* Where zstd begins to search long. */
#define ZSTD_LEVEL_SLOW 9
/* What each kind of compressor does in some three milliseconds. */
#define QUICK_FAST_BYTES   (1 << 20)
#define QUICK_MIDDLE_BYTES (128 << 10)
#define QUICK_SLOW_BYTES   (8 << 10)

bool rewrite_is_quick(const struct rewrite *how)
{
	int64_t most = QUICK_MIDDLE_BYTES;

	if (how->codec == CODEC_NONE || how->codec == CODEC_SNAPPY)
		most = QUICK_FAST_BYTES;
	else if (how->codec == CODEC_ZSTD && how->level > ZSTD_LEVEL_SLOW)
		most = QUICK_SLOW_BYTES;
	return how->uncompressed_bytes <= most;
}

static enum err rewrite_records(enum codec from, struct bytes records, const struct rewrite *how,
				struct codec_scratch *scratch, struct wr *out)
{
	struct bytes piece;
	enum err err;

	err = codec_open(scratch, from, records, (size_t)how->uncompressed_bytes);
	if (err == ERR_OK)
		err = codec_press_begin(scratch, how->codec, how->level, how->uncompressed_bytes,
					out);
	while (err == ERR_OK) {
		err = codec_next(scratch, &piece);
		if (err != ERR_OK || piece.len == 0)
			break;
		err = codec_press_feed(scratch, piece, out);
	}
	return err == ERR_OK ? codec_press_end(scratch, out) : err;
}

enum err rewrite_codec(struct bytes batch, const struct rewrite *how, struct codec_scratch *scratch,
		       struct wr *out)
{
	struct batch_header header;
	struct bytes records;
	enum err err;

	must((unsigned)how->codec < CODEC_COUNT);
	wr_init(out, how->max_bytes + CODEC_STEP_BYTES);
	err = batch_header_read(batch, &header);
	if (err == ERR_OK && header.size_bytes != batch.len)
		err = ERR_CORRUPT_MESSAGE;
	if (err != ERR_OK)
		return err;
	records = (struct bytes){batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
	if (wr_room(out, BATCH_HEADER_BYTES) == NULL)
		return ERR_NOMEM;
	err = rewrite_records(batch_codec(&header), records, how, scratch, out);
	if (out->len_bytes > how->max_bytes)
		return ERR_MESSAGE_TOO_LARGE;
	if (err != ERR_OK)
		return err;
	header.attributes = (int16_t)((header.attributes & ~CODEC_BITS) | (int)how->codec);
	header.size_bytes = out->len_bytes;
	batch_header_write(out->buf, &header);
	return ERR_OK;
}
