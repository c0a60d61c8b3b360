/* Private to the codec_*.c files: what a scratch holds, and what each codec supplies. */
#ifndef RECORD_CODEC_IMPL_H
#define RECORD_CODEC_IMPL_H

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include "record/codec.h"

/*
 * Two blocks of the usual LZ4 frame, one of zstd. Small enough to stay in the second-level cache.
 */
#define CODEC_PIECE_BYTES ((size_t)128 << 10)
/*
 * What a scratch may keep between batches, each of its buffers and contexts: enough for the 2 MB
 * window that zstd's default level claims when it does not know the size, as Java's producer does.
 */
#define CODEC_KEEP_BYTES ((size_t)4 << 20)

#define CODEC_PENDING_BYTES ((size_t)32 << 10) /* a block as snappy-java makes them */

#define CODEC_SCRATCH_MAGIC 0x5c7a7c11u

struct codec_buffer {
	uint8_t *data;
	size_t size_bytes;
};

struct codec_scratch {
	uint32_t magic;
	size_t cap_bytes;
	uint8_t *piece;		   /* CODEC_PIECE_BYTES */
	struct codec_buffer block; /* a codec's output that must be whole: raw snappy, wide zstd */
	struct codec_buffer whole; /* codec_decompress collects here */

	/* the open stream */
	const struct codec_ops *ops; /* NULL: none, or failed */
	struct bytes input;	     /* what is left of it */
	size_t output_left_bytes;
	bool ended;
	bool snappy_framed;

	/* contexts, kept from stream to stream; NULL until used */
	z_stream *inflate;
	LZ4F_dctx *lz4;
	ZSTD_DCtx *zstd;
	ZSTD_CCtx *zstd_compress;
	z_stream *deflate;
	int deflate_level;
	LZ4F_cctx *lz4_compress;
	LZ4F_preferences_t lz4_prefs;

	/* what is being compressed */
	const struct codec_ops *press; /* NULL: nothing */
	uint8_t *pending;	       /* of a snappy block: CODEC_PENDING_BYTES */
	size_t pending_len;
};

struct codec_ops {
	const char *name;
	/* Looks at s->input. */
	enum err (*open)(struct codec_scratch *s);
	/* Takes from s->input; a piece that is empty only when s->ended is set. */
	enum err (*next)(struct codec_scratch *s, struct bytes *piece);
	enum err (*begin)(struct codec_scratch *s, int level, int64_t input_bytes, struct wr *out);
	/* At most CODEC_PIECE_BYTES at once. */
	enum err (*feed)(struct codec_scratch *s, struct bytes input, struct wr *out);
	enum err (*end)(struct codec_scratch *s, struct wr *out);
	/* Frees contexts larger than keep_bytes. */
	void (*trim)(struct codec_scratch *s, size_t keep_bytes);
};

extern const struct codec_ops codec_none, codec_gzip, codec_snappy, codec_lz4, codec_zstd;

/* At least size_bytes, contents lost; ERR_NOMEM over the scratch's cap. */
enum err codec_buffer_reserve(struct codec_scratch *s, struct codec_buffer *buffer,
			      size_t size_bytes) must_check;

static inline void codec_take_input(struct codec_scratch *s, size_t len_bytes)
{
	must(len_bytes <= s->input.len);
	s->input.ptr += len_bytes;
	s->input.len -= len_bytes;
}

#endif
