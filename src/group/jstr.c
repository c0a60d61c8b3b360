/* UTF-8 read as UTF-16 units. See jstr.h. */
#include "group/jstr.h"

#define JSTR_REPLACEMENT 0xfffdu

/* How many bytes a sequence has that begins with c, and the least value that needs so many. */
static size_t jstr_sequence(uint8_t c, uint32_t *least)
{
	if (c >= 0xc2 && c <= 0xdf) {
		*least = 0x80;
		return 2;
	}
	if (c >= 0xe0 && c <= 0xef) {
		*least = 0x800;
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		*least = 0x10000;
		return 4;
	}
	*least = 0;
	return 1;
}

/* Can this be the second byte? It decides about overlong forms and what is too large. */
static bool jstr_second_fits(uint8_t first, uint8_t second)
{
	if ((second & 0xc0) != 0x80)
		return false;
	if (first == 0xe0)
		return second >= 0xa0;
	if (first == 0xf0)
		return second >= 0x90;
	if (first == 0xf4)
		return second < 0x90;
	return true;
}

/* The next code point, and how many bytes it took. */
static uint32_t jstr_next(struct str s, size_t *taken)
{
	const uint8_t *p = (const uint8_t *)s.ptr;
	uint32_t least, code;
	size_t want = jstr_sequence(p[0], &least), have = 1;

	*taken = 1;
	if (p[0] < 0x80)
		return p[0];
	if (want == 1)
		return JSTR_REPLACEMENT;
	code = p[0] & (0x7fu >> want);
	while (have < want && have < s.len &&
	       (have == 1 ? jstr_second_fits(p[0], p[1]) : (p[have] & 0xc0) == 0x80))
		code = code << 6 | (p[have++] & 0x3fu);
	*taken = have;
	/* A lone surrogate, written in three bytes, is one bad part. */
	if (have < want || code < least || (code >= 0xd800 && code <= 0xdfff))
		return JSTR_REPLACEMENT;
	return code;
}

static void jstr_walk(struct str s, uint32_t *hash, size_t *units)
{
	while (s.len > 0) {
		size_t taken;
		uint32_t code = jstr_next(s, &taken);

		if (code >= 0x10000) {
			*hash = *hash * 31 + (0xd800 + ((code - 0x10000) >> 10));
			code = 0xdc00 + ((code - 0x10000) & 0x3ff);
			++*units;
		}
		*hash = *hash * 31 + code;
		++*units;
		s.ptr += taken;
		s.len -= taken;
	}
}

int32_t jstr_hash(struct str s)
{
	uint32_t hash = 0;
	size_t units = 0;

	jstr_walk(s, &hash, &units);
	return (int32_t)hash;
}

size_t jstr_len(struct str s)
{
	uint32_t hash = 0;
	size_t units = 0;

	jstr_walk(s, &hash, &units);
	return units;
}
