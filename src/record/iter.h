/*
 * Reads the records of one batch: for logs that we interpret (metadata, offsets, transactions), for
 * lookups by timestamp, and for tests. Producers' batches are checked by validate.h, which is
 * stricter.
 */
#ifndef RECORD_ITER_H
#define RECORD_ITER_H

#include "record/batch.h"
#include "wire/rd.h"

struct record {
	int64_t offset, timestamp; /* timestamp: the batch's max under LogAppendTime */
	struct bytes key, value;   /* null or pointing into the batch or the scratch */
	int32_t headers_count;
	struct bytes headers; /* raw, see record_header_next */
	size_t size_bytes;    /* with its own length prefix */
};

struct record_iter {
	struct batch_header header; /* read-only outside */
	struct rd rd;
	int32_t index;
	enum err err;
};

/*
 * `batch` is one whole batch (more bytes behind it are ignored); its CRC is not checked. A
 * compressed one is decompressed into the scratch, under its cap, and the records are valid until
 * the scratch is used again; scratch may be NULL when no compressed batch is expected (then one is
 * ERR_CORRUPT_MESSAGE).
 */
enum err record_iter_init(struct record_iter *iter, struct bytes batch,
			  struct codec_scratch *scratch) must_check;
/* False at the end, or on an error, which is then in iter->err (ERR_CORRUPT_MESSAGE). */
bool record_iter_next(struct record_iter *iter, struct record *record);

struct record_header {
	struct str key;
	struct bytes value; /* may be null */
};
/* The headers one by one: `rest` starts as record->headers. False at its end. */
bool record_header_next(struct bytes *rest, struct record_header *header);

/*
 * One record at the front of rd, offsets and timestamps relative to the header's. False on an
 * error, which is then in rd->err.
 */
bool record_read(struct rd *rd, const struct batch_header *header, struct record *record);

#endif
