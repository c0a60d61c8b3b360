/*
 * Walks over the records of a batch that come in pieces: all at once when there is no codec, else
 * as they are decompressed.
 *
 * The walk looks at lengths and three fields of each record and skips the rest, so that plain
 * records of a kilobyte cost a cache line each.
 */
#ifndef RECORD_WALK_H
#define RECORD_WALK_H

#include "record/codec.h"

#define VARINT_BYTES_MAX  5
#define VARLONG_BYTES_MAX 10

struct walk {
	const uint8_t *pos, *end;     /* of the present piece */
	int64_t end_at;		      /* position of `end` in the stream of all pieces */
	struct codec_scratch *source; /* where pieces come from; NULL: this one is all */
	enum err err;		      /* sticky: reads give zero after it */
};

struct walk_record {
	int64_t timestamp_delta;
	int32_t offset_delta;
	bool has_key;
};

/*
 * Any record, also one that lies across pieces. On an error walk->err is set and *record is void.
 */
void walk_slow(struct walk *walk, struct walk_record *record);
/* The next piece; false at the end of the stream or on an error. */
bool walk_refill(struct walk *walk);

/*
 * The usual record, fast: it lies whole in the piece and has no headers. Everything else, malformed
 * records too, is left to walk_slow, which also says what this means; false, and nothing has moved.
 * (With locals in registers a record of 100 bytes takes 5 ns in place of 16.)
 */
#define PLAIN_FRONT_BYTES                                                       \
	26 /* of length 5, attributes 1, timestamp 10, offset 5, key's length 5 \
	    */

static inline uint64_t plain_zigzag(const uint8_t **at, unsigned bytes_max, bool *bad)
{
	uint64_t v = *(*at)++;

	if (__builtin_expect(v < 0x80, 1))
		return v;
	v &= 0x7f;
	for (unsigned i = 1; i < bytes_max; i++) {
		uint64_t byte = *(*at)++;
		v |= (byte & 0x7f) << (7 * i);
		if (byte < 0x80)
			return v;
	}
	*bad = true;
	return 0;
}

static inline int32_t plain_varint(const uint8_t **at, bool *bad)
{
	uint32_t v = (uint32_t)plain_zigzag(at, VARINT_BYTES_MAX, bad);

	return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline bool walk_plain(struct walk *walk, struct walk_record *record)
{
	const uint8_t *at = walk->pos, *stop;
	bool bad = false;

	if (walk->end - at < PLAIN_FRONT_BYTES)
		return false;
	int32_t len = plain_varint(&at, &bad);
	if (len < 6 || len > walk->end - at)
		return false;
	stop = at + len - 1;
	if (*stop != 0) /* the number of headers; it also ends any varint before it */
		return false;
	at++;
	uint64_t delta = plain_zigzag(&at, VARLONG_BYTES_MAX, &bad);
	record->timestamp_delta = (int64_t)(delta >> 1 ^ (0 - (delta & 1)));
	record->offset_delta = plain_varint(&at, &bad);
	int32_t key_len = plain_varint(&at, &bad);
	record->has_key = key_len >= 0;
	if (key_len > 0 && key_len < stop - at)
		at += key_len;
	else if (key_len < -1 || key_len > 0)
		return false;
	if (at >= stop)
		return false;
	int32_t value_len = plain_varint(&at, &bad);
	if (value_len > stop - at) /* its own bytes may go over the stop, too */
		return false;
	if (value_len > 0)
		at += value_len;
	if (bad || value_len < -1 || at != stop)
		return false;
	walk->pos = stop + 1;
	return true;
}

static inline void walk_next(struct walk *walk, struct walk_record *record)
{
	if (!walk_plain(walk, record))
		walk_slow(walk, record);
}

#endif
