/*
 * zstd. Frames with a window up to 8 MB, which are all that levels up to 19 write, stream through
 * the piece buffer. Wider ones, of which the window would have to be allocated as the frame claims
 * it, are decompressed whole into a buffer that grows from the size of the input towards the
 * scratch's cap.
 */
#include <zstd_errors.h>

#include "record/codec_impl.h"

#define STREAM_WINDOW_LOG 23
#define PRESS_WINDOW_LOG  21
#define WIDE_GROWTH	  4

static enum err zstd_open(struct codec_scratch *s)
{
	if (s->zstd == NULL)
		s->zstd = ZSTD_createDCtx();
	if (s->zstd == NULL)
		return ERR_NOMEM;
	ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only);
	ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, STREAM_WINDOW_LOG);
	return s->input.len > 0 ? ERR_OK : ERR_CORRUPT_MESSAGE;
}

static enum err zstd_err(size_t code)
{
	return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? ERR_NOMEM
								       : ERR_CORRUPT_MESSAGE;
}

/* All that is left of the input, at once. */
static enum err zstd_next_wide(struct codec_scratch *s, struct bytes *piece)
{
	size_t most = s->cap_bytes < s->output_left_bytes ? s->cap_bytes : s->output_left_bytes;
	size_t made = 0, size = s->input.len + CODEC_PIECE_BYTES;

	for (;;) {
		size = size < most / WIDE_GROWTH ? size * WIDE_GROWTH : most;
		enum err err = codec_buffer_reserve(s, &s->block, size);
		if (err != ERR_OK)
			return err;
		made =
		    ZSTD_decompressDCtx(s->zstd, s->block.data, size, s->input.ptr, s->input.len);
		if (!ZSTD_isError(made))
			break;
		if (ZSTD_getErrorCode(made) != ZSTD_error_dstSize_tooSmall)
			return zstd_err(made);
		if (size == most)
			return ERR_NOMEM;
	}
	codec_take_input(s, s->input.len);
	s->ended = true;
	*piece = (struct bytes){s->block.data, made};
	return ERR_OK;
}

static enum err zstd_next(struct codec_scratch *s, struct bytes *piece)
{
	ZSTD_outBuffer out = {s->piece, CODEC_PIECE_BYTES, 0};

	/* Each round takes input or makes output, or the input has ended early. */
	while (out.pos == 0 && !s->ended) {
		ZSTD_inBuffer in = {s->input.ptr, s->input.len, 0};
		size_t left = ZSTD_decompressStream(s->zstd, &out, &in);
		if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge) {
			ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only);
			return zstd_next_wide(s, piece);
		}
		if (ZSTD_isError(left))
			return zstd_err(left);
		if (in.pos == 0 && out.pos == 0)
			return ERR_CORRUPT_MESSAGE;
		codec_take_input(s, in.pos);
		s->ended = left == 0 && s->input.len == 0;
	}
	*piece = (struct bytes){s->piece, out.pos};
	return ERR_OK;
}

/*
 * The size, when it is known, and a window of 2 MB at the most hold the tables of the highest
 * levels to some 35 MB, which would else be 700. It is not written into the frame, as Java's stream
 * does not know it.
 */
static enum err zstd_begin(struct codec_scratch *s, int level, int64_t input_bytes, struct wr *out)
{
	if (s->zstd_compress == NULL)
		s->zstd_compress = ZSTD_createCCtx();
	if (s->zstd_compress == NULL)
		return ERR_NOMEM;
	if (level == CODEC_LEVEL_DEFAULT)
		level = ZSTD_CLEVEL_DEFAULT;
	ZSTD_CCtx_reset(s->zstd_compress, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(s->zstd_compress, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(s->zstd_compress, ZSTD_c_contentSizeFlag, 0);
	if (input_bytes > 0)
		ZSTD_CCtx_setPledgedSrcSize(s->zstd_compress, (unsigned long long)input_bytes);
	if (input_bytes == 0 || input_bytes > (int64_t)1 << PRESS_WINDOW_LOG)
		ZSTD_CCtx_setParameter(s->zstd_compress, ZSTD_c_windowLog, PRESS_WINDOW_LOG);
	return out->err;
}

/* Until the input is used up; with ZSTD_e_end until all is written. */
static enum err zstd_press(struct codec_scratch *s, struct bytes input, ZSTD_EndDirective how,
			   struct wr *out)
{
	ZSTD_inBuffer in = {input.ptr, input.len, 0};
	size_t left = 0;

	do {
		ZSTD_outBuffer to = {wr_room(out, CODEC_PIECE_BYTES), CODEC_PIECE_BYTES, 0};

		if (to.dst == NULL)
			return out->err;
		left = ZSTD_compressStream2(s->zstd_compress, &to, &in, how);
		out->len_bytes -= CODEC_PIECE_BYTES - to.pos;
		if (ZSTD_isError(left))
			return ERR_NOMEM;
	} while (how == ZSTD_e_end ? left > 0 : in.pos < in.size);
	return ERR_OK;
}

static enum err zstd_feed(struct codec_scratch *s, struct bytes input, struct wr *out)
{
	return zstd_press(s, input, ZSTD_e_continue, out);
}

static enum err zstd_end(struct codec_scratch *s, struct wr *out)
{
	return zstd_press(s, BYTES_NULL, ZSTD_e_end, out);
}

static void zstd_trim(struct codec_scratch *s, size_t keep_bytes)
{
	if (s->zstd != NULL && ZSTD_sizeof_DCtx(s->zstd) > keep_bytes) {
		ZSTD_freeDCtx(s->zstd);
		s->zstd = NULL;
	}
	if (s->zstd_compress != NULL && ZSTD_sizeof_CCtx(s->zstd_compress) > keep_bytes) {
		ZSTD_freeCCtx(s->zstd_compress);
		s->zstd_compress = NULL;
	}
}

const struct codec_ops codec_zstd = {"zstd",	zstd_open, zstd_next, zstd_begin,
				     zstd_feed, zstd_end,  zstd_trim};
