/*
 * snappy, in two framings that both arrive: that of snappy-java, which Java clients write,
 *
 *	"\x82SNAPPY\0", version int32, lowest compatible version int32, then blocks: length int32,
 *data
 *
 * (all big-endian), and one raw block, which librdkafka writes. As in snappy-java, what does not
 *begin with the magic is a raw block, and a second header may stand where a block length is
 *expected.
 */
#include <endian.h>
#include <snappy-c.h>
#include <stdlib.h>

#include "record/codec_impl.h"

#define FRAME_HEADER_BYTES 16
#define FRAME_MAGIC_BYTES  8
#define FRAME_VERSION	   1

static const uint8_t frame_magic[FRAME_MAGIC_BYTES] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

static bool frame_begins(struct bytes input)
{
	return input.len >= FRAME_HEADER_BYTES &&
	       memcmp(input.ptr, frame_magic, FRAME_MAGIC_BYTES) == 0;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static enum err snappy_open(struct codec_scratch *s)
{
	s->snappy_framed = frame_begins(s->input);
	return s->input.len > 0 ? ERR_OK : ERR_CORRUPT_MESSAGE;
}

/*
 * One block into s->block. Three bytes of input make at most 64 of output, so a claim is checked.
 */
static enum err snappy_block(struct codec_scratch *s, struct bytes block, struct bytes *piece)
{
	size_t size;

	if (snappy_uncompressed_length((const char *)block.ptr, block.len, &size) != SNAPPY_OK)
		return ERR_CORRUPT_MESSAGE;
	if (size / 22 > block.len)
		return ERR_CORRUPT_MESSAGE;
	if (size > s->output_left_bytes)
		return ERR_NOMEM;
	enum err err = codec_buffer_reserve(s, &s->block, size + 1);
	if (err != ERR_OK)
		return err;
	if (snappy_uncompress((const char *)block.ptr, block.len, (char *)s->block.data, &size) !=
	    SNAPPY_OK)
		return ERR_CORRUPT_MESSAGE;
	*piece = (struct bytes){s->block.data, size};
	return ERR_OK;
}

static enum err snappy_next_raw(struct codec_scratch *s, struct bytes *piece)
{
	struct bytes block = s->input;

	codec_take_input(s, block.len);
	s->ended = true;
	return snappy_block(s, block, piece);
}

static enum err snappy_next_framed(struct codec_scratch *s, struct bytes *piece)
{
	/*
	 * A block may be empty, so go on until there is output; each round takes 4 bytes or more.
	 */
	while (piece->len == 0 && s->input.len > 0) {
		if (frame_begins(s->input)) {
			codec_take_input(s, FRAME_HEADER_BYTES);
			continue;
		}
		if (s->input.len < 4 || load32(s->input.ptr) > s->input.len - 4)
			return ERR_CORRUPT_MESSAGE;
		struct bytes block = {s->input.ptr + 4, load32(s->input.ptr)};
		codec_take_input(s, 4 + block.len);
		enum err err = snappy_block(s, block, piece);
		if (err != ERR_OK)
			return err;
	}
	s->ended = s->input.len == 0;
	return ERR_OK;
}

static enum err snappy_next(struct codec_scratch *s, struct bytes *piece)
{
	return s->snappy_framed ? snappy_next_framed(s, piece) : snappy_next_raw(s, piece);
}

static void compress_block(struct bytes block, struct wr *out)
{
	size_t size = snappy_max_compressed_length(block.len);
	size_t at = out->len_bytes;

	wr_int32(out, 0);
	char *room = (char *)wr_room(out, size);
	if (room == NULL)
		return;
	size_t bound = size;
	snappy_status status = snappy_compress((const char *)block.ptr, block.len, room, &size);
	must(status == SNAPPY_OK);
	out->len_bytes -= bound - size;
	wr_patch_int32(out, at, (int32_t)size);
}

static enum err snappy_begin(struct codec_scratch *s, int level, int64_t input_bytes,
			     struct wr *out)
{
	if (s->pending == NULL)
		s->pending = malloc(CODEC_PENDING_BYTES);
	if (s->pending == NULL)
		return ERR_NOMEM;
	s->pending_len = 0;
	wr_raw(out, (struct bytes){frame_magic, FRAME_MAGIC_BYTES});
	wr_int32(out, FRAME_VERSION);
	wr_int32(out, FRAME_VERSION);
	return out->err;
}

static enum err snappy_end(struct codec_scratch *s, struct wr *out)
{
	if (s->pending_len > 0)
		compress_block((struct bytes){s->pending, s->pending_len}, out);
	s->pending_len = 0;
	return out->err;
}

static enum err snappy_feed(struct codec_scratch *s, struct bytes input, struct wr *out)
{
	while (input.len > 0 && out->err == ERR_OK) {
		size_t room = CODEC_PENDING_BYTES - s->pending_len;
		size_t len = input.len < room ? input.len : room;

		memcpy(s->pending + s->pending_len, input.ptr, len);
		s->pending_len += len;
		input.ptr += len;
		input.len -= len;
		if (s->pending_len == CODEC_PENDING_BYTES && snappy_end(s, out) != ERR_OK)
			break;
	}
	return out->err;
}

static void snappy_trim(struct codec_scratch *s, size_t keep_bytes)
{
}

const struct codec_ops codec_snappy = {"snappy",    snappy_open, snappy_next, snappy_begin,
				       snappy_feed, snappy_end,	 snappy_trim};
