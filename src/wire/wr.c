/*
 * The writer (see wr.h). wr_room is the only place that grows the buffer.
 */
#include "wire/wr.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE_BYTES 256

void wr_init(struct wr *wr, size_t cap_bytes)
{
	*wr = (struct wr){.cap_bytes = cap_bytes};
}

void wr_fini(struct wr *wr)
{
	for (size_t i = 0; i < wr->cuts_len; i++)
		slice_release(&wr->cuts[i].slice);
	free(wr->cuts);
	free(wr->buf);
	*wr = (struct wr){0};
}

static bool wr_grow(struct wr *wr, size_t n)
{
	if (n > wr->cap_bytes - wr->len_bytes)
		return false;
	size_t size = wr->size_bytes > 0 ? wr->size_bytes : FIRST_SIZE_BYTES;
	while (size - wr->len_bytes < n && size <= wr->cap_bytes)
		size *= 2;
	if (size > wr->cap_bytes)
		size = wr->cap_bytes;
	uint8_t *buf = realloc(wr->buf, size);
	if (buf == NULL)
		return false;
	wr->buf = buf;
	wr->size_bytes = size;
	return true;
}

uint8_t *wr_room(struct wr *wr, size_t n)
{
	if (wr->err != ERR_OK)
		return NULL;
	if (wr->size_bytes - wr->len_bytes < n && !wr_grow(wr, n)) {
		wr->err = ERR_NOMEM;
		return NULL;
	}
	uint8_t *at = wr->buf + wr->len_bytes;
	wr->len_bytes += n;
	return at;
}

static void wr_copy(struct wr *wr, const void *from, size_t n)
{
	if (n == 0)
		return;
	uint8_t *at = wr_room(wr, n);
	if (at != NULL)
		memcpy(at, from, n);
}

void wr_raw(struct wr *wr, struct bytes b)
{
	wr_copy(wr, b.ptr, b.len);
}

void wr_bool(struct wr *wr, bool v)
{
	wr_int8(wr, v ? 1 : 0);
}

void wr_int8(struct wr *wr, int8_t v)
{
	wr_copy(wr, &v, sizeof(v));
}

void wr_uint16(struct wr *wr, uint16_t v)
{
	v = htobe16(v);
	wr_copy(wr, &v, sizeof(v));
}

void wr_int16(struct wr *wr, int16_t v)
{
	wr_uint16(wr, (uint16_t)v);
}

void wr_uint32(struct wr *wr, uint32_t v)
{
	v = htobe32(v);
	wr_copy(wr, &v, sizeof(v));
}

void wr_int32(struct wr *wr, int32_t v)
{
	wr_uint32(wr, (uint32_t)v);
}

void wr_int64(struct wr *wr, int64_t v)
{
	uint64_t bits = htobe64((uint64_t)v);
	wr_copy(wr, &bits, sizeof(bits));
}

void wr_float64(struct wr *wr, double v)
{
	int64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	wr_int64(wr, bits);
}

void wr_uuid(struct wr *wr, struct uuid v)
{
	wr_copy(wr, v.b, sizeof(v.b));
}

/* Seven bits a byte, lowest first; `to` has room for 10. */
static size_t wr_base128(uint8_t *to, uint64_t v)
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

void wr_uvarint(struct wr *wr, uint32_t v)
{
	uint8_t b[10];
	wr_copy(wr, b, wr_base128(b, v));
}

void wr_varint(struct wr *wr, int32_t v)
{
	wr_uvarint(wr, ((uint32_t)v << 1) ^ (v < 0 ? UINT32_MAX : 0));
}

void wr_varlong(struct wr *wr, int64_t v)
{
	uint8_t b[10];
	wr_copy(wr, b, wr_base128(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0)));
}

/* A length that does not fit its field cannot be sent: the answer is too large. */
static bool wr_fits(struct wr *wr, size_t n, size_t max)
{
	if (n > max && wr->err == ERR_OK)
		wr->err = ERR_NOMEM;
	return wr->err == ERR_OK;
}

void wr_str(struct wr *wr, struct str s, bool compact, bool nullable)
{
	bool is_null = s.ptr == NULL && nullable;
	size_t len = s.ptr == NULL ? 0 : s.len;
	if (!wr_fits(wr, len, INT16_MAX))
		return;
	if (compact)
		wr_uvarint(wr, is_null ? 0 : (uint32_t)len + 1);
	else
		wr_int16(wr, is_null ? -1 : (int16_t)len);
	wr_copy(wr, s.ptr, len);
}

void wr_array(struct wr *wr, size_t count, bool is_null, bool compact)
{
	if (!wr_fits(wr, count, INT32_MAX - 1))
		return;
	if (compact)
		wr_uvarint(wr, is_null ? 0 : (uint32_t)count + 1);
	else
		wr_int32(wr, is_null ? -1 : (int32_t)count);
}

void wr_bytes(struct wr *wr, struct bytes b, bool compact, bool nullable)
{
	size_t len = b.ptr == NULL ? 0 : b.len;
	wr_array(wr, len, b.ptr == NULL && nullable, compact);
	wr_copy(wr, b.ptr, len);
}

static bool wr_cuts_room(struct wr *wr)
{
	if (wr->cuts_len < wr->cuts_size)
		return true;
	size_t size = wr->cuts_size > 0 ? wr->cuts_size * 2 : 4;
	struct wr_cut *cuts = reallocarray(wr->cuts, size, sizeof(*cuts));
	if (cuts == NULL)
		return false;
	wr->cuts = cuts;
	wr->cuts_size = size;
	return true;
}

/* Moves a slice to the end of what is written; an empty one is released. */
static void wr_slice(struct wr *wr, struct slice *slice)
{
	if (wr->err == ERR_OK && !wr_cuts_room(wr))
		wr->err = ERR_NOMEM;
	if (wr->err != ERR_OK || slice->len_bytes == 0) {
		slice_release(slice);
		return;
	}
	wr->cuts[wr->cuts_len++] = (struct wr_cut){wr->len_bytes, *slice};
	wr->slices_bytes += slice->len_bytes;
	*slice = (struct slice){.fd = -1};
}

void wr_records(struct wr *wr, struct records *records, bool compact, bool nullable)
{
	if (records->slices_len == 0) {
		wr_bytes(wr, records->bytes, compact, nullable);
		return;
	}
	size_t len = 0;
	for (size_t i = 0; i < records->slices_len; i++)
		len += records->slices[i].len_bytes;
	wr_array(wr, len, false, compact);
	for (size_t i = 0; i < records->slices_len; i++)
		wr_slice(wr, &records->slices[i]);
}

void wr_patch_int32(struct wr *wr, size_t at, int32_t v)
{
	if (wr->err != ERR_OK)
		return;
	must(at + sizeof(v) <= wr->len_bytes);
	uint32_t bits = htobe32((uint32_t)v);
	memcpy(wr->buf + at, &bits, sizeof(bits));
}

size_t wr_tag(struct wr *wr, uint32_t tag)
{
	wr_uvarint(wr, tag);
	wr_int8(wr, 0);
	return wr->len_bytes;
}

void wr_tag_done(struct wr *wr, size_t at)
{
	if (wr->err != ERR_OK)
		return;
	must(at > 0 && at <= wr->len_bytes);
	must(wr->cuts_len == 0 || wr->cuts[wr->cuts_len - 1].at_bytes < at);
	size_t len = wr->len_bytes - at;
	uint8_t size[10];
	size_t more = wr_base128(size, len) - 1;
	if (!wr_fits(wr, len, INT32_MAX) || wr_room(wr, more) == NULL)
		return;
	memmove(wr->buf + at + more, wr->buf + at, len);
	memcpy(wr->buf + at - 1, size, more + 1);
}
