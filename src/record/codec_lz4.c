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

static enum err lz4_err(size_t code, size_t room_bytes, struct wr *out)
{
	must(LZ4F_isError(code) || code <= room_bytes);
	out->len_bytes -= LZ4F_isError(code) ? room_bytes : room_bytes - code;
	return LZ4F_isError(code) ? ERR_NOMEM : ERR_OK; /* the room suffices, so it was memory */
}

static enum err lz4_begin(struct codec_scratch *s, int level, int64_t input_bytes, struct wr *out)
{
	if (s->lz4_compress == NULL &&
	    LZ4F_isError(LZ4F_createCompressionContext(&s->lz4_compress, LZ4F_VERSION)))
		return ERR_NOMEM;
	s->lz4_prefs = (LZ4F_preferences_t){0};
	s->lz4_prefs.frameInfo.blockMode = LZ4F_blockIndependent;
	s->lz4_prefs.frameInfo.blockSizeID = LZ4F_max64KB;
	if (level != CODEC_LEVEL_DEFAULT && level != KAFKA_DEFAULT_LEVEL)
		s->lz4_prefs.compressionLevel = level;
	uint8_t *room = wr_room(out, LZ4F_HEADER_SIZE_MAX);
	if (room == NULL)
		return out->err;
	return lz4_err(LZ4F_compressBegin(s->lz4_compress, room, LZ4F_HEADER_SIZE_MAX,
					  &s->lz4_prefs),
		       LZ4F_HEADER_SIZE_MAX, out);
}

static enum err lz4_feed(struct codec_scratch *s, struct bytes input, struct wr *out)
{
	size_t bound = LZ4F_compressBound(input.len, &s->lz4_prefs);
	uint8_t *room = wr_room(out, bound);

	if (room == NULL)
		return out->err;
	return lz4_err(LZ4F_compressUpdate(s->lz4_compress, room, bound, input.ptr, input.len,
					   NULL),
		       bound, out);
}

static enum err lz4_end(struct codec_scratch *s, struct wr *out)
{
	size_t bound = LZ4F_compressBound(0, &s->lz4_prefs);
	uint8_t *room = wr_room(out, bound);

	if (room == NULL)
		return out->err;
	return lz4_err(LZ4F_compressEnd(s->lz4_compress, room, bound, NULL), bound, out);
}

static void lz4_trim(struct codec_scratch *s, size_t keep_bytes)
{
	if (keep_bytes > 0) /* lz4_open replaces large ones; to compress takes 400 KB at the most */
		return;
	LZ4F_freeCompressionContext(s->lz4_compress);
	s->lz4_compress = NULL;
	LZ4F_freeDecompressionContext(s->lz4);
	s->lz4 = NULL;
}

const struct codec_ops codec_lz4 = {"lz4",    lz4_open, lz4_next, lz4_begin,
				    lz4_feed, lz4_end,	lz4_trim};
