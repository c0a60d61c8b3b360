/*
 * The bounds-checked reader: the one place where lengths from a peer or a disk file are met.
 *
 * The error is sticky: after the first one every read returns zero, null or an empty range and
 * moves nothing, so a decoder checks once, at its end. Nothing is copied: strings and bytes point
 * into the input, which must outlive them. Never reads past `end`; never allocates but in rd_array.
 *
 * Errors: ERR_SHORT (input ends early), ERR_MALFORMED (a length, count or varint that cannot be),
 * ERR_NOMEM (the arena's cap).
 */
#ifndef WIRE_RD_H
#define WIRE_RD_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct rd {
	const uint8_t *pos, *end;
	enum err err;
};

static inline struct rd rd_of(struct bytes b)
{
	static const uint8_t nothing[1]; /* C does not let even 0 be added to NULL */
	const uint8_t *at = b.ptr != NULL ? b.ptr : nothing;
	return (struct rd){at, at + b.len, ERR_OK};
}

static inline size_t rd_left(const struct rd *rd)
{
	return (size_t)(rd->end - rd->pos);
}

/* Sets the error unless one is set, and drops what is left. */
void rd_fail(struct rd *rd, enum err err);

bool rd_bool(struct rd *rd);
int8_t rd_int8(struct rd *rd);
int16_t rd_int16(struct rd *rd);
uint16_t rd_uint16(struct rd *rd);
int32_t rd_int32(struct rd *rd);
uint32_t rd_uint32(struct rd *rd);
int64_t rd_int64(struct rd *rd);
double rd_float64(struct rd *rd);
struct uuid rd_uuid(struct rd *rd);

uint32_t rd_uvarint(struct rd *rd); /* at most 5 bytes */
int32_t rd_varint(struct rd *rd);   /* zigzag */
int64_t rd_varlong(struct rd *rd);  /* zigzag, at most 10 bytes */

/* n bytes as they stand. */
struct bytes rd_raw(struct rd *rd, size_t n);

/*
 * Strings and bytes in both encodings: classic (int16 or int32 length, -1 null) and compact
 * (uvarint length + 1, 0 null). A null where nullable is false is ERR_MALFORMED.
 */
struct str rd_str(struct rd *rd, bool compact, bool nullable);
struct bytes rd_bytes(struct rd *rd, bool compact, bool nullable);

/*
 * An array's head. The count is at most the bytes left over min_size_bytes (the element's smallest
 * encoding, at least 1), so that what follows is bounded by the input. Returns the zeroed elements
 * from the arena and sets *count; both zero on failure or null. An empty array that is not null
 * gives a pointer that is not NULL.
 */
void *rd_array(struct rd *rd, struct arena *arena, bool compact, bool nullable,
	       size_t min_size_bytes, size_t elem_size, size_t *count) must_check;

/* Tagged fields: the number of them; then for each, tag and a reader over its bytes alone. */
uint32_t rd_tags(struct rd *rd);
struct rd rd_tag(struct rd *rd, uint32_t *tag);
/*
 * After a tag's field is read: ERR_MALFORMED if bytes are left in it, or the tag was seen before.
 */
void rd_tag_done(struct rd *rd, const struct rd *in, uint32_t tag, uint32_t *seen);
/* Reads and drops a whole tagged-field section. */
void rd_skip_tags(struct rd *rd);

#endif
