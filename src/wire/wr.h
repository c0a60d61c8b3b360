/*
 * The writer: a growing buffer with a sticky error, and file ranges set between its bytes.
 *
 * What is on its way to a socket is `buf` cut at each entry of `cuts`: bytes up to
 * cuts[0].at_bytes, then that slice, then bytes up to cuts[1].at_bytes, ... So record data goes
 * from the page cache to the socket without a copy. The writer owns its buffer and its slices until
 * wr_fini or a take.
 *
 * Errors: ERR_NOMEM (out of memory or over cap_bytes). After an error nothing more is written.
 */
#ifndef WIRE_WR_H
#define WIRE_WR_H

#include "base/err.h"
#include "base/slice.h"
#include "base/str.h"

struct wr_cut {
	size_t at_bytes; /* position in buf before which the slice goes */
	struct slice slice;
};

struct wr {
	uint8_t *buf;
	size_t len_bytes, size_bytes; /* written, allocated */
	size_t cap_bytes;	      /* of buf; slices do not count */
	struct wr_cut *cuts;
	size_t cuts_len, cuts_size;
	size_t slices_bytes; /* sum over cuts */
	enum err err;
};

void wr_init(struct wr *wr, size_t cap_bytes);
/* Frees the buffer and releases every slice. */
void wr_fini(struct wr *wr);
/* Bytes on the wire: buffer and slices. */
static inline size_t wr_total_bytes(const struct wr *wr)
{
	return wr->len_bytes + wr->slices_bytes;
}
static inline struct bytes wr_written(const struct wr *wr)
{
	return (struct bytes){wr->buf, wr->len_bytes};
}

/* Room for n bytes at the end, counted as written; NULL after an error. */
uint8_t *wr_room(struct wr *wr, size_t n);

void wr_bool(struct wr *wr, bool v);
void wr_int8(struct wr *wr, int8_t v);
void wr_int16(struct wr *wr, int16_t v);
void wr_uint16(struct wr *wr, uint16_t v);
void wr_int32(struct wr *wr, int32_t v);
void wr_uint32(struct wr *wr, uint32_t v);
void wr_int64(struct wr *wr, int64_t v);
void wr_float64(struct wr *wr, double v);
void wr_uuid(struct wr *wr, struct uuid v);
void wr_uvarint(struct wr *wr, uint32_t v);
void wr_varint(struct wr *wr, int32_t v);
void wr_varlong(struct wr *wr, int64_t v);
void wr_raw(struct wr *wr, struct bytes b);

/* A null where nullable is false is written as empty. */
void wr_str(struct wr *wr, struct str s, bool compact, bool nullable);
void wr_bytes(struct wr *wr, struct bytes b, bool compact, bool nullable);
/* An array's head; null if is_null. */
void wr_array(struct wr *wr, size_t count, bool is_null, bool compact);

/*
 * A records field: either bytes or file ranges, as its length and content. Takes the slices: on an
 * error they are released at once.
 */
struct records {
	struct bytes bytes;   /* used when slices_len is 0; ptr NULL is null */
	struct slice *slices; /* borrowed array, contents moved into the writer */
	size_t slices_len;
};
void wr_records(struct wr *wr, struct records *records, bool compact, bool nullable);

/*
 * A tagged field: wr_tag, its content, wr_tag_done with what wr_tag returned. The size is put in
 * front of the content when it is known. No slices inside.
 */
size_t wr_tag(struct wr *wr, uint32_t tag);
void wr_tag_done(struct wr *wr, size_t at);

/* Overwrites 4 bytes at `at`, as for a size that is known only at the end. */
void wr_patch_int32(struct wr *wr, size_t at, int32_t v);

#endif
