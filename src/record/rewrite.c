/* Recompression of whole batches. See rewrite.h. */
#include "record/rewrite.h"

#define CODEC_BITS 7

enum err rewrite_codec(struct bytes batch, enum codec codec, int level,
		       struct codec_scratch *scratch, struct wr *out)
{
	struct batch_header header;
	size_t start = out->len_bytes;

	must((unsigned)codec < CODEC_COUNT);
	enum err err = batch_header_read(batch, &header);
	if (err == ERR_OK && header.size_bytes != batch.len)
		err = ERR_CORRUPT_MESSAGE;
	if (err != ERR_OK)
		return err;
	struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
	if (batch_codec(&header) != CODEC_NONE)
		err = codec_decompress(scratch, batch_codec(&header), records, &records);
	if (err != ERR_OK)
		return err;
	(void)wr_room(out, BATCH_HEADER_BYTES);
	err = codec_compress(scratch, codec, level, records, out);
	if (err != ERR_OK)
		return err;
	header.attributes = (int16_t)((header.attributes & ~CODEC_BITS) | (int)codec);
	header.size_bytes = out->len_bytes - start;
	batch_header_write(out->buf + start, &header);
	return ERR_OK;
}
