/*
 * What the log needs to know of a batch on disk, of any format: where it begins and ends, in bytes
 * and offsets.
 *
 * Formats 0 and 1 are no longer written, but a directory that stock has carried over from old
 * releases may hold them; they are kept and served as they are, never taken for damage. One of
 * their messages is one "batch" here, a compressed one (whose offset is its last record's) as well.
 */
#ifndef STORE_BATCH_VIEW_H
#define STORE_BATCH_VIEW_H

#include "record/batch.h"

/* This many bytes are enough to view any batch, and fewer only at the end of a log. */
#define BATCH_VIEW_BYTES BATCH_HEADER_BYTES

struct batch_view {
	int64_t base_offset, last_offset;
	size_t size_bytes;
	int64_t max_timestamp; /* -1 none */
	int32_t leader_epoch;  /* -1 in old formats */
	int8_t magic;
	struct batch_header header; /* when magic is 2 */
};

/* ERR_SHORT when `front` ends too early to tell, ERR_CORRUPT_MESSAGE when it is no batch. */
enum err batch_view_read(struct bytes front, struct batch_view *view) must_check;

/*
 * The checksum of a batch that comes in pieces, the first of which holds at least
 * min(BATCH_VIEW_BYTES, all) bytes.
 */
struct batch_sum {
	int8_t magic;
	uint32_t want, sum;
};
void batch_sum_first(struct batch_sum *sum, const struct batch_view *view, struct bytes piece);
void batch_sum_more(struct batch_sum *sum, struct bytes piece);
bool batch_sum_good(const struct batch_sum *sum);

#endif
