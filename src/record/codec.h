/*
 * The four compression codecs behind one door.
 *
 * Input is whole and in memory; output comes in pieces of a fixed buffer, so that a bomb costs time
 * up to a cap and never memory. All state that a codec needs (windows, contexts, buffers) lives in
 * a codec_scratch that its owner keeps, one a thread or loop, and that is reused from batch to
 * batch.
 *
 * What is accepted is what Kafka's Java reads: gzip (several members too); snappy in the framing of
 * snappy-java (magic, versions, big-endian block lengths) or, as librdkafka sends it, as one raw
 * block; the LZ4 frame format with independent blocks; zstd frames of any window that zstd itself
 * takes by default (128 MB), of which nothing is allocated before it is filled.
 */
#ifndef RECORD_CODEC_H
#define RECORD_CODEC_H

#include "base/err.h"
#include "base/str.h"
#include "wire/wr.h"

/* The low three bits of a batch's attributes. */
enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COUNT };

/* "none", "gzip", ... as compression.type spells them. */
const char *codec_name(enum codec codec);

struct codec_scratch;

/*
 * cap_bytes: the most memory that goes into one buffer: what codec_decompress may give, a raw
 * snappy block, a zstd frame with a large window. Nothing is allocated but the struct itself until
 * a codec is first used. NULL when memory is out.
 */
struct codec_scratch *codec_scratch_new(size_t cap_bytes) must_check;
void codec_scratch_free(struct codec_scratch *scratch);
/* Gives back what is not needed between batches; what is smaller than 4 MB stays. */
void codec_scratch_trim(struct codec_scratch *scratch);

/*
 * Decompression piece by piece, to output_cap_bytes in all. One stream at a time on a scratch;
 * opening another ends the one before. codec_next gives the next piece, valid until the next call
 * on the scratch; an empty piece is the end, which is given only after the whole input was right.
 * Errors: ERR_CORRUPT_MESSAGE (input is not what the codec writes, or ends early), ERR_NOMEM
 * (memory, or more output than a cap).
 */
enum err codec_open(struct codec_scratch *scratch, enum codec codec, struct bytes input,
		    size_t output_cap_bytes) must_check;
enum err codec_next(struct codec_scratch *scratch, struct bytes *piece) must_check;

/* All of it, in a buffer of the scratch that is valid until the next call on the scratch. */
enum err codec_decompress(struct codec_scratch *scratch, enum codec codec, struct bytes input,
			  struct bytes *output) must_check;

/*
 * Compression piece by piece, framed as Java clients frame it, appended to out: begin, feeds, end.
 * One at a time on a scratch, beside the stream that is read from it. level: the codec's own scale,
 * CODEC_LEVEL_DEFAULT for Kafka's default; CODEC_NONE is a copy. input_bytes: how much will come,
 * 0 when that is not known; it keeps zstd's tables small. out's room is asked for in steps of at
 * most CODEC_STEP_BYTES, so a cap that much higher than what is wanted fails only over that.
 * Errors: ERR_NOMEM (memory, or out's cap).
 */
#define CODEC_LEVEL_DEFAULT (-1000000)
#define CODEC_STEP_BYTES    ((size_t)256 << 10)
enum err codec_press_begin(struct codec_scratch *scratch, enum codec codec, int level,
			   int64_t input_bytes, struct wr *out) must_check;
enum err codec_press_feed(struct codec_scratch *scratch, struct bytes input,
			  struct wr *out) must_check;
enum err codec_press_end(struct codec_scratch *scratch, struct wr *out) must_check;

/* All of that at once. */
enum err codec_compress(struct codec_scratch *scratch, enum codec codec, int level,
			struct bytes input, struct wr *out) must_check;

#endif
