/* gzip, by zlib: one member or several behind each other, as Java's GZIPInputStream reads them. */
#include <stdlib.h>

#include "record/codec_impl.h"

#define DEFLATE_STEP_BYTES ((uInt)32 << 10)
#define GZIP_ONLY	   16 /* added to the window bits: a gzip header and trailer, checked */

static enum err gzip_open(struct codec_scratch *s)
{
	if (s->inflate != NULL)
		return inflateReset(s->inflate) == Z_OK ? ERR_OK : ERR_NOMEM;
	s->inflate = calloc(1, sizeof(*s->inflate));
	if (s->inflate == NULL)
		return ERR_NOMEM;
	if (inflateInit2(s->inflate, MAX_WBITS + GZIP_ONLY) == Z_OK)
		return ERR_OK;
	free(s->inflate);
	s->inflate = NULL;
	return ERR_NOMEM;
}

/* A member has ended: the stream has, or the next member begins. */
static enum err gzip_member_end(struct codec_scratch *s)
{
	s->ended = s->input.len == 0;
	if (s->ended || inflateReset(s->inflate) == Z_OK)
		return ERR_OK;
	return ERR_NOMEM;
}

static enum err gzip_next(struct codec_scratch *s, struct bytes *piece)
{
	z_stream *z = s->inflate;
	size_t made = 0;
	enum err err = ERR_OK;

	/*
	 * Each round takes input, makes output or fails; a member without content takes 20 bytes.
	 */
	while (made == 0 && !s->ended && err == ERR_OK) {
		z->next_in = (Bytef *)(uintptr_t)s->input.ptr;
		z->avail_in = (uInt)s->input.len;
		z->next_out = s->piece;
		z->avail_out = CODEC_PIECE_BYTES;
		int status = inflate(z, Z_NO_FLUSH);
		codec_take_input(s, s->input.len - z->avail_in);
		made = CODEC_PIECE_BYTES - z->avail_out;
		if (status == Z_STREAM_END)
			err = gzip_member_end(s);
		else if (status == Z_MEM_ERROR)
			err = ERR_NOMEM;
		else if (status != Z_OK)
			err = ERR_CORRUPT_MESSAGE;
	}
	*piece = (struct bytes){s->piece, made};
	return err;
}

static void gzip_free_deflate(struct codec_scratch *s)
{
	if (s->deflate == NULL)
		return;
	deflateEnd(s->deflate);
	free(s->deflate);
	s->deflate = NULL;
}

/* A compressor that is kept serves again when the level is the same. */
static enum err gzip_begin(struct codec_scratch *s, int level, int64_t input_bytes, struct wr *out)
{
	if (level == CODEC_LEVEL_DEFAULT)
		level = Z_DEFAULT_COMPRESSION;
	if (s->deflate != NULL && s->deflate_level == level)
		return deflateReset(s->deflate) == Z_OK ? out->err : ERR_NOMEM;
	gzip_free_deflate(s);
	s->deflate = calloc(1, sizeof(*s->deflate));
	if (s->deflate == NULL)
		return ERR_NOMEM;
	s->deflate_level = level;
	if (deflateInit2(s->deflate, level, Z_DEFLATED, MAX_WBITS + GZIP_ONLY, 8,
			 Z_DEFAULT_STRATEGY) == Z_OK)
		return out->err;
	free(s->deflate);
	s->deflate = NULL;
	return ERR_NOMEM;
}

/* Deflates until the input is used up, or with Z_FINISH until the stream has ended. */
static enum err gzip_deflate(struct codec_scratch *s, struct bytes input, int flush, struct wr *out)
{
	z_stream *z = s->deflate;
	int status = Z_OK;

	z->next_in = (Bytef *)(uintptr_t)input.ptr;
	z->avail_in = (uInt)input.len;
	do {
		z->next_out = wr_room(out, DEFLATE_STEP_BYTES);
		if (z->next_out == NULL)
			return out->err;
		z->avail_out = DEFLATE_STEP_BYTES;
		status = deflate(z, flush);
		out->len_bytes -= z->avail_out;
	} while (flush == Z_FINISH ? status == Z_OK : z->avail_out == 0);
	/* Z_BUF_ERROR: the room was used up exactly, and there was nothing more. */
	must(flush == Z_FINISH ? status == Z_STREAM_END : status == Z_OK || status == Z_BUF_ERROR);
	must(z->avail_in == 0);
	return ERR_OK;
}

static enum err gzip_feed(struct codec_scratch *s, struct bytes input, struct wr *out)
{
	return gzip_deflate(s, input, Z_NO_FLUSH, out);
}

static enum err gzip_end(struct codec_scratch *s, struct wr *out)
{
	return gzip_deflate(s, BYTES_NULL, Z_FINISH, out);
}

static void gzip_trim(struct codec_scratch *s, size_t keep_bytes)
{
	if (keep_bytes > 0) /* both are always small: 40 KB and 256 KB */
		return;
	gzip_free_deflate(s);
	if (s->inflate == NULL)
		return;
	inflateEnd(s->inflate);
	free(s->inflate);
	s->inflate = NULL;
}

const struct codec_ops codec_gzip = {"gzip",	gzip_open, gzip_next, gzip_begin,
				     gzip_feed, gzip_end,  gzip_trim};
