/*
 * LZ4 in its frame format, one frame. Blocks must be independent: Java's reader takes no others, so
 * a batch with linked blocks would be stored and then stop every Java consumer.
 */
#include "record/codec_impl.h"

#define FRAME_HEAD_BYTES     7 /* the least: magic 4, flags, block descriptor, header checksum */
#define FRAME_FLAGS_AT	     4
#define FRAME_DESCRIPTOR_AT  5
#define FLAGS_VERSION_1	     0x40
#define FLAGS_VERSION_MASK   0xc0
#define FLAG_INDEPENDENT     0x20
#define FLAGS_UNUSED	     0x03 /* reserved, and the dictionary id, which Java refuses */
#define DESCRIPTOR_BLOCK_64K 4	  /* in bits 4-6 */
#define KAFKA_DEFAULT_LEVEL  9	  /* stands for the fast compressor, not for LZ4HC 9 */

static const uint8_t frame_magic[4] = {0x04, 0x22, 0x4d, 0x18};

static bool frame_is_readable(struct bytes input)
{
	if (input.len < FRAME_HEAD_BYTES ||
	    memcmp(input.ptr, frame_magic, sizeof(frame_magic)) != 0)
		return false;
	uint8_t flags = input.ptr[FRAME_FLAGS_AT];
	return (flags & FLAGS_VERSION_MASK) == FLAGS_VERSION_1 && (flags & FLAG_INDEPENDENT) != 0 &&
	       (flags & FLAGS_UNUSED) == 0;
}

static enum err lz4_open(struct codec_scratch *s)
{
	if (!frame_is_readable(s->input))
		return ERR_CORRUPT_MESSAGE;
	/* Frames with larger blocks make the context allocate for them: keep none of that. */
	if (s->input.ptr[FRAME_DESCRIPTOR_AT] >> 4 != DESCRIPTOR_BLOCK_64K && s->lz4 != NULL) {
		LZ4F_freeDecompressionContext(s->lz4);
		s->lz4 = NULL;
	}
	if (s->lz4 != NULL) {
		LZ4F_resetDecompressionContext(s->lz4);
		return ERR_OK;
	}
	return LZ4F_isError(LZ4F_createDecompressionContext(&s->lz4, LZ4F_VERSION)) ? ERR_NOMEM
										    : ERR_OK;
}

static enum err lz4_next(struct codec_scratch *s, struct bytes *piece)
{
	size_t made = 0;

	/* Each round takes input or makes output, or the input has ended early. */
	while (made == 0 && !s->ended) {
		size_t taken = s->input.len;
		made = CODEC_PIECE_BYTES;
		size_t hint = LZ4F_decompress(s->lz4, s->piece, &made, s->input.ptr, &taken, NULL);
		if (LZ4F_isError(hint) || (made == 0 && taken == 0))
			return ERR_CORRUPT_MESSAGE;
		codec_take_input(s, taken);
		s->ended = hint == 0;
	}
	*piece = (struct bytes){s->piece, made};
	return s->ended && s->input.len > 0 ? ERR_CORRUPT_MESSAGE : ERR_OK;
}

static enum err lz4_compress(struct codec_scratch *s, int level, struct bytes input, struct wr *out)
{
	LZ4F_preferences_t prefs = {0};

	prefs.frameInfo.blockMode = LZ4F_blockIndependent;
	prefs.frameInfo.blockSizeID = LZ4F_max64KB;
	if (level != CODEC_LEVEL_DEFAULT && level != KAFKA_DEFAULT_LEVEL)
		prefs.compressionLevel = level;
	size_t bound = LZ4F_compressFrameBound(input.len, &prefs);
	uint8_t *room = wr_room(out, bound);
	if (room == NULL)
		return out->err;
	size_t size = LZ4F_compressFrame(room, bound, input.ptr, input.len, &prefs);
	out->len_bytes -= bound;
	if (LZ4F_isError(size))
		return ERR_NOMEM; /* the room suffices, so it was memory */
	out->len_bytes += size;
	return ERR_OK;
}

static void lz4_trim(struct codec_scratch *s, size_t keep_bytes)
{
	if (s->lz4 == NULL || keep_bytes > 0) /* lz4_open replaces large ones */
		return;
	LZ4F_freeDecompressionContext(s->lz4);
	s->lz4 = NULL;
}

const struct codec_ops codec_lz4 = {"lz4", lz4_open, lz4_next, lz4_compress, lz4_trim};
