/*
 * The door: chooses the codec, counts output against the caps, owns the buffers. What each library
 * wants is in codec_gzip.c, codec_snappy.c, codec_lz4.c and codec_zstd.c.
 */
#include "record/codec.h"

#include <stdlib.h>

#include "record/codec_impl.h"

static const struct codec_ops *const codecs[CODEC_COUNT] = {
    [CODEC_NONE] = &codec_none, [CODEC_GZIP] = &codec_gzip, [CODEC_SNAPPY] = &codec_snappy,
    [CODEC_LZ4] = &codec_lz4,	[CODEC_ZSTD] = &codec_zstd,
};

const char *codec_name(enum codec codec)
{
	return (unsigned)codec < CODEC_COUNT ? codecs[codec]->name : "unknown";
}

/* -- no compression ------------------------------------------------------------------------- */

static enum err none_open(struct codec_scratch *s)
{
	return ERR_OK;
}

static enum err none_next(struct codec_scratch *s, struct bytes *piece)
{
	*piece = s->input;
	codec_take_input(s, s->input.len);
	s->ended = true;
	return ERR_OK;
}

static enum err none_begin(struct codec_scratch *s, int level, int64_t input_bytes, struct wr *out)
{
	return out->err;
}

static enum err none_feed(struct codec_scratch *s, struct bytes input, struct wr *out)
{
	wr_raw(out, input);
	return out->err;
}

static enum err none_end(struct codec_scratch *s, struct wr *out)
{
	return out->err;
}

static void none_trim(struct codec_scratch *s, size_t keep_bytes)
{
}

const struct codec_ops codec_none = {"none",	none_open, none_next, none_begin,
				     none_feed, none_end,  none_trim};

/* -- the scratch ---------------------------------------------------------------------------- */

struct codec_scratch *codec_scratch_new(size_t cap_bytes)
{
	struct codec_scratch *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->magic = CODEC_SCRATCH_MAGIC;
	s->cap_bytes = cap_bytes;
	return s;
}

static void buffer_free(struct codec_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct codec_buffer){0};
}

static void scratch_shrink(struct codec_scratch *s, size_t keep_bytes)
{
	s->ops = NULL;
	s->press = NULL;
	for (size_t i = 0; i < CODEC_COUNT; i++)
		codecs[i]->trim(s, keep_bytes);
	if (s->block.size_bytes > keep_bytes)
		buffer_free(&s->block);
	if (s->whole.size_bytes > keep_bytes)
		buffer_free(&s->whole);
}

void codec_scratch_free(struct codec_scratch *scratch)
{
	if (scratch == NULL)
		return;
	must_be(scratch, CODEC_SCRATCH_MAGIC);
	scratch_shrink(scratch, 0);
	free(scratch->piece);
	free(scratch->pending);
	scratch->magic = 0;
	free(scratch);
}

void codec_scratch_trim(struct codec_scratch *scratch)
{
	must_be(scratch, CODEC_SCRATCH_MAGIC);
	scratch_shrink(scratch, CODEC_KEEP_BYTES);
}

enum err codec_buffer_reserve(struct codec_scratch *s, struct codec_buffer *buffer,
			      size_t size_bytes)
{
	if (size_bytes > s->cap_bytes)
		return ERR_NOMEM;
	if (size_bytes <= buffer->size_bytes)
		return ERR_OK;
	buffer_free(buffer);
	buffer->data = malloc(size_bytes);
	if (buffer->data == NULL)
		return ERR_NOMEM;
	buffer->size_bytes = size_bytes;
	return ERR_OK;
}

/* Makes room for more bytes behind the used ones: doubles, up to the cap. */
static enum err buffer_grow(struct codec_scratch *s, struct codec_buffer *buffer, size_t used_bytes,
			    size_t more_bytes)
{
	size_t size = buffer->size_bytes != 0 ? buffer->size_bytes : CODEC_PIECE_BYTES;

	if (more_bytes <= buffer->size_bytes - used_bytes)
		return ERR_OK;
	if (used_bytes > s->cap_bytes || more_bytes > s->cap_bytes - used_bytes)
		return ERR_NOMEM;
	while (size < used_bytes + more_bytes)
		size *= 2;
	if (size > s->cap_bytes)
		size = s->cap_bytes;
	uint8_t *data = realloc(buffer->data, size);
	if (data == NULL)
		return ERR_NOMEM;
	*buffer = (struct codec_buffer){data, size};
	return ERR_OK;
}

/* -- streams -------------------------------------------------------------------------------- */

enum err codec_open(struct codec_scratch *scratch, enum codec codec, struct bytes input,
		    size_t output_cap_bytes)
{
	must_be(scratch, CODEC_SCRATCH_MAGIC);
	scratch->ops = NULL;
	if ((unsigned)codec >= CODEC_COUNT)
		return ERR_CORRUPT_MESSAGE;
	if (scratch->piece == NULL)
		scratch->piece = malloc(CODEC_PIECE_BYTES);
	if (scratch->piece == NULL)
		return ERR_NOMEM;
	scratch->input = input;
	scratch->output_left_bytes = output_cap_bytes;
	scratch->ended = false;
	enum err err = codecs[codec]->open(scratch);
	if (err == ERR_OK)
		scratch->ops = codecs[codec];
	return err;
}

enum err codec_next(struct codec_scratch *scratch, struct bytes *piece)
{
	enum err err = ERR_OK;

	must_be(scratch, CODEC_SCRATCH_MAGIC);
	*piece = (struct bytes){scratch->piece, 0};
	if (scratch->ops == NULL)
		return ERR_CORRUPT_MESSAGE;
	if (!scratch->ended)
		err = scratch->ops->next(scratch, piece);
	if (err == ERR_OK && piece->len > scratch->output_left_bytes)
		err = ERR_NOMEM;
	if (err != ERR_OK) {
		scratch->ops = NULL;
		piece->len = 0;
		return err;
	}
	must(piece->len > 0 || scratch->ended);
	scratch->output_left_bytes -= piece->len;
	return ERR_OK;
}

enum err codec_decompress(struct codec_scratch *scratch, enum codec codec, struct bytes input,
			  struct bytes *output)
{
	struct codec_buffer *whole = &scratch->whole;
	enum err err = codec_open(scratch, codec, input, scratch->cap_bytes);
	size_t used = 0;
	struct bytes piece;

	*output = BYTES_NULL;
	while (err == ERR_OK) {
		err = codec_next(scratch, &piece);
		if (err != ERR_OK || piece.len == 0)
			break;
		err = buffer_grow(scratch, whole, used, piece.len);
		if (err != ERR_OK)
			break;
		memcpy(whole->data + used, piece.ptr, piece.len);
		used += piece.len;
	}
	if (err == ERR_OK)
		*output = (struct bytes){used != 0 ? whole->data : scratch->piece, used};
	return err;
}

/* -- compression ---------------------------------------------------------------------------- */

enum err codec_press_begin(struct codec_scratch *scratch, enum codec codec, int level,
			   int64_t input_bytes, struct wr *out)
{
	must_be(scratch, CODEC_SCRATCH_MAGIC);
	must((unsigned)codec < CODEC_COUNT);
	scratch->press = NULL;
	enum err err = codecs[codec]->begin(scratch, level, input_bytes, out);
	if (err == ERR_OK)
		scratch->press = codecs[codec];
	return err;
}

enum err codec_press_feed(struct codec_scratch *scratch, struct bytes input, struct wr *out)
{
	enum err err = ERR_OK;

	must_be(scratch, CODEC_SCRATCH_MAGIC);
	must(scratch->press != NULL);
	while (input.len > 0 && err == ERR_OK) {
		size_t len = input.len < CODEC_PIECE_BYTES ? input.len : CODEC_PIECE_BYTES;

		err = scratch->press->feed(scratch, (struct bytes){input.ptr, len}, out);
		input.ptr += len;
		input.len -= len;
	}
	return err;
}

enum err codec_press_end(struct codec_scratch *scratch, struct wr *out)
{
	const struct codec_ops *ops = scratch->press;

	must_be(scratch, CODEC_SCRATCH_MAGIC);
	must(ops != NULL);
	scratch->press = NULL;
	return ops->end(scratch, out);
}

enum err codec_compress(struct codec_scratch *scratch, enum codec codec, int level,
			struct bytes input, struct wr *out)
{
	enum err err = codec_press_begin(scratch, codec, level, (int64_t)input.len, out);

	if (err == ERR_OK)
		err = codec_press_feed(scratch, input, out);
	return err == ERR_OK ? codec_press_end(scratch, out) : err;
}
