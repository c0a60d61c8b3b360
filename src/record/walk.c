/* The general walk over records, which may lie across the pieces that a codec gives. See walk.h. */
#include "record/walk.h"

static int64_t walk_at(const struct walk *walk)
{
	return walk->end_at - (walk->end - walk->pos);
}

static void walk_fail(struct walk *walk, enum err err)
{
	if (walk->err == ERR_OK)
		walk->err = err;
	walk->pos = walk->end;
}

bool walk_refill(struct walk *walk)
{
	struct bytes piece = {walk->end, 0};

	if (walk->err != ERR_OK || walk->source == NULL)
		return false;
	enum err err = codec_next(walk->source, &piece);
	if (err != ERR_OK)
		walk_fail(walk, err);
	if (piece.len == 0)
		return false;
	walk->pos = piece.ptr;
	walk->end = piece.ptr + piece.len;
	walk->end_at += (int64_t)piece.len;
	return true;
}

static uint64_t walk_varint_long(struct walk *walk, unsigned bytes_max)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes_max; i++) {
		if (walk->pos == walk->end && !walk_refill(walk))
			break;
		uint8_t byte = *walk->pos++;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80)
			return v;
	}
	walk_fail(walk, ERR_CORRUPT_MESSAGE);
	return 0;
}

static inline uint64_t walk_zigzag(struct walk *walk, unsigned bytes_max)
{
	if (__builtin_expect(walk->pos < walk->end && *walk->pos < 0x80, 1))
		return *walk->pos++;
	return walk_varint_long(walk, bytes_max);
}

static inline int32_t walk_varint(struct walk *walk)
{
	uint32_t v = (uint32_t)walk_zigzag(walk, VARINT_BYTES_MAX);

	return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline int64_t walk_varlong(struct walk *walk)
{
	uint64_t v = walk_zigzag(walk, VARLONG_BYTES_MAX);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static void walk_skip_far(struct walk *walk, int64_t n)
{
	while (n > walk->end - walk->pos) {
		n -= walk->end - walk->pos;
		walk->pos = walk->end;
		if (!walk_refill(walk)) {
			walk_fail(walk, ERR_CORRUPT_MESSAGE);
			return;
		}
	}
	walk->pos += n;
}

/* Over n bytes, of a record that ends at stop_at. */
static inline void walk_skip(struct walk *walk, int64_t n, int64_t stop_at)
{
	if (n < 0 || n > stop_at - walk_at(walk))
		walk_fail(walk, ERR_CORRUPT_MESSAGE);
	else if (__builtin_expect(n <= walk->end - walk->pos, 1))
		walk->pos += n;
	else
		walk_skip_far(walk, n);
}

/* Over a length and as many bytes; true when it was null. */
static inline bool walk_bytes(struct walk *walk, bool nullable, int64_t stop_at)
{
	int32_t len = walk_varint(walk);

	if (nullable && len == -1)
		return true;
	walk_skip(walk, len, stop_at);
	return false;
}

static void walk_headers(struct walk *walk, int32_t count, int64_t stop_at)
{
	/* A header takes two bytes or more, so this ends with the record. */
	for (int32_t i = 0; i < count && walk->err == ERR_OK; i++) {
		walk_bytes(walk, false, stop_at);
		walk_bytes(walk, true, stop_at);
	}
	if (count < 0)
		walk_fail(walk, ERR_CORRUPT_MESSAGE);
}

void walk_slow(struct walk *walk, struct walk_record *record)
{
	int32_t len = walk_varint(walk);
	int64_t stop_at = walk_at(walk) + len;

	walk_skip(walk, 1, stop_at); /* attributes: no bit is used */
	record->timestamp_delta = walk_varlong(walk);
	record->offset_delta = walk_varint(walk);
	record->has_key = !walk_bytes(walk, true, stop_at);
	walk_bytes(walk, true, stop_at);
	int32_t headers = walk_varint(walk);
	if (headers != 0)
		walk_headers(walk, headers, stop_at);
	if (walk_at(walk) != stop_at)
		walk_fail(walk, ERR_CORRUPT_MESSAGE);
}
