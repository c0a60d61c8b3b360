/*
 * The bounds-checked reader (see rd.h). Every read goes through rd_raw or a varint loop, the only
 * places that move `pos`.
 */
#include "wire/rd.h"

#include <endian.h>
#include <string.h>

#include "wire/proto.h"

#define STR_LEN_MAX 32767 /* Kafka's limit, in both encodings */

const char proto_empty[16];

void rd_fail(struct rd *rd, enum err err)
{
	must(err != ERR_OK);
	if (rd->err == ERR_OK)
		rd->err = err;
	rd->pos = rd->end;
}

struct bytes rd_raw(struct rd *rd, size_t n)
{
	if (rd->err == ERR_OK && n > rd_left(rd))
		rd_fail(rd, ERR_SHORT);
	if (rd->err != ERR_OK)
		return BYTES_NULL;
	struct bytes b = {rd->pos, n};
	rd->pos += n;
	return b;
}

/* n bytes into `to`, or zeros. */
static void rd_copy(struct rd *rd, void *to, size_t n)
{
	struct bytes b = rd_raw(rd, n);
	if (b.ptr != NULL)
		memcpy(to, b.ptr, n);
	else
		memset(to, 0, n);
}

bool rd_bool(struct rd *rd)
{
	return rd_int8(rd) != 0;
}

int8_t rd_int8(struct rd *rd)
{
	int8_t v;
	rd_copy(rd, &v, sizeof(v));
	return v;
}

uint16_t rd_uint16(struct rd *rd)
{
	uint16_t v;
	rd_copy(rd, &v, sizeof(v));
	return be16toh(v);
}

int16_t rd_int16(struct rd *rd)
{
	return (int16_t)rd_uint16(rd);
}

uint32_t rd_uint32(struct rd *rd)
{
	uint32_t v;
	rd_copy(rd, &v, sizeof(v));
	return be32toh(v);
}

int32_t rd_int32(struct rd *rd)
{
	return (int32_t)rd_uint32(rd);
}

int64_t rd_int64(struct rd *rd)
{
	uint64_t v;
	rd_copy(rd, &v, sizeof(v));
	return (int64_t)be64toh(v);
}

double rd_float64(struct rd *rd)
{
	int64_t bits = rd_int64(rd);
	double v;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

struct uuid rd_uuid(struct rd *rd)
{
	struct uuid v;
	rd_copy(rd, v.b, sizeof(v.b));
	return v;
}

/* Seven bits a byte, lowest first. The last byte that may come holds at most `last_max`. */
static uint64_t rd_base128(struct rd *rd, unsigned bytes_max, uint8_t last_max)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < bytes_max; i++) {
		uint8_t b = (uint8_t)rd_int8(rd);
		if (i == bytes_max - 1 && b > last_max)
			break;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80)
			return rd->err == ERR_OK ? v : 0;
	}
	rd_fail(rd, ERR_MALFORMED);
	return 0;
}

uint32_t rd_uvarint(struct rd *rd)
{
	return (uint32_t)rd_base128(rd, 5, 0x0f);
}

int32_t rd_varint(struct rd *rd)
{
	uint32_t v = rd_uvarint(rd);
	return (int32_t)((v >> 1) ^ (0 - (v & 1)));
}

int64_t rd_varlong(struct rd *rd)
{
	uint64_t v = rd_base128(rd, 10, 0x01);
	return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

/*
 * A length or count in front of something: -1 is null. Fails unless it is -1 to max, and where
 * null is not allowed. After a failure it is -1.
 */
static int64_t rd_length(struct rd *rd, bool compact, bool is_int16, bool nullable, size_t max)
{
	int64_t n = compact ? (int64_t)rd_uvarint(rd) - 1 : is_int16 ? rd_int16(rd) : rd_int32(rd);
	if (rd->err != ERR_OK)
		return -1;
	if (n < -1 || (n == -1 && !nullable) || (n > 0 && (uint64_t)n > max))
		rd_fail(rd, ERR_MALFORMED);
	return rd->err == ERR_OK ? n : -1;
}

struct str rd_str(struct rd *rd, bool compact, bool nullable)
{
	int64_t n = rd_length(rd, compact, true, nullable, STR_LEN_MAX);
	if (n < 0)
		return STR_NULL;
	struct bytes b = rd_raw(rd, (size_t)n);
	return (struct str){(const char *)b.ptr, b.len};
}

struct bytes rd_bytes(struct rd *rd, bool compact, bool nullable)
{
	int64_t n = rd_length(rd, compact, false, nullable, INT32_MAX);
	return n < 0 ? BYTES_NULL : rd_raw(rd, (size_t)n);
}

void *rd_array(struct rd *rd, struct arena *arena, bool compact, bool nullable,
	       size_t min_size_bytes, size_t elem_size, size_t *count)
{
	must(min_size_bytes > 0 && elem_size > 0);
	*count = 0;
	int64_t n = rd_length(rd, compact, false, nullable, INT32_MAX);
	if (n < 0)
		return NULL;
	if ((uint64_t)n > rd_left(rd) / min_size_bytes) {
		rd_fail(rd, ERR_SHORT);
		return NULL;
	}
	if (n == 0)
		return PROTO_EMPTY;
	void *all = arena_array(arena, (size_t)n, elem_size);
	if (all == NULL) {
		rd_fail(rd, ERR_NOMEM);
		return NULL;
	}
	*count = (size_t)n;
	return all;
}

uint32_t rd_tags(struct rd *rd)
{
	uint32_t n = rd_uvarint(rd);
	if (n > rd_left(rd) / 2) { /* a tag and a size, a byte each */
		rd_fail(rd, ERR_SHORT);
		return 0;
	}
	return n;
}

struct rd rd_tag(struct rd *rd, uint32_t *tag)
{
	*tag = rd_uvarint(rd);
	struct bytes b = rd_raw(rd, rd_uvarint(rd));
	if (rd->err == ERR_OK)
		return rd_of(b);
	*tag = UINT32_MAX;
	return (struct rd){rd->end, rd->end, rd->err};
}

void rd_tag_done(struct rd *rd, const struct rd *in, uint32_t tag, uint32_t *seen)
{
	uint32_t bit = tag < 32 ? (uint32_t)1 << tag : 0;
	if (in->err == ERR_NOMEM)
		rd_fail(rd, ERR_NOMEM);
	else if (in->err != ERR_OK || in->pos != in->end || (*seen & bit) != 0)
		rd_fail(rd, ERR_MALFORMED);
	*seen |= bit;
}

void rd_skip_tags(struct rd *rd)
{
	uint32_t seen = 0;
	for (uint32_t n = rd_tags(rd); n > 0; n--) {
		uint32_t tag;
		struct rd in = rd_tag(rd, &tag);
		in.pos = in.end;
		rd_tag_done(rd, &in, tag, &seen);
	}
}
