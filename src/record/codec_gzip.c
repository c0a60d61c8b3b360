/* gzip, by zlib: one member or several behind each other, as Java's GZIPInputStream reads them. */
#include <stdlib.h>

#include "record/codec_impl.h"

#define GZIP_ONLY 16 /* added to the window bits: a gzip header and trailer, checked */

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

	/* Each round takes input, makes output or fails; a member without content takes 20 bytes.
	 */
	while (made == 0 && !s->ended && err == ERR_OK) {
		z->next_in = (Bytef *)(uintptr_t)s->input.ptr;
		z->avail_in = (uInt)s->input.len;
		z->next_out = s->piece;
		z->avail_out = CODEC_PIECE_BYTES;
		int rc = inflate(z, Z_NO_FLUSH);
		codec_take_input(s, s->input.len - z->avail_in);
		made = CODEC_PIECE_BYTES - z->avail_out;
		if (rc == Z_STREAM_END)
			err = gzip_member_end(s);
		else if (rc == Z_MEM_ERROR)
			err = ERR_NOMEM;
		else if (rc != Z_OK)
			err = ERR_CORRUPT_MESSAGE;
	}
	*piece = (struct bytes){s->piece, made};
	return err;
}

static enum err gzip_compress(struct codec_scratch *s, int level, struct bytes input,
			      struct wr *out)
{
	z_stream z = {0};

	if (level == CODEC_LEVEL_DEFAULT)
		level = Z_DEFAULT_COMPRESSION;
	if (input.len > INT32_MAX || deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + GZIP_ONLY, 8,
						  Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	size_t bound = deflateBound(&z, input.len);
	z.next_in = (Bytef *)(uintptr_t)input.ptr;
	z.avail_in = (uInt)input.len;
	z.next_out = wr_room(out, bound);
	z.avail_out = (uInt)bound;
	if (z.next_out != NULL) {
		int rc = deflate(&z, Z_FINISH);
		must(rc == Z_STREAM_END);
		out->len_bytes -= z.avail_out;
	}
	deflateEnd(&z);
	return out->err;
}

static void gzip_trim(struct codec_scratch *s, size_t keep_bytes)
{
	if (s->inflate == NULL || keep_bytes > 0) /* an inflater is always small: 40 KB */
		return;
	inflateEnd(s->inflate);
	free(s->inflate);
	s->inflate = NULL;
}

const struct codec_ops codec_gzip = {"gzip", gzip_open, gzip_next, gzip_compress, gzip_trim};
