/*
 * A batch in another codec, for topics whose compression.type is not "producer". The records stay
 * byte for byte what they are; only attributes, length and CRC of the header change. They pass
 * through piece by piece: neither all of them nor more of the result than is taken is ever in
 * memory.
 */
#ifndef RECORD_REWRITE_H
#define RECORD_REWRITE_H

#include "record/batch.h"

struct rewrite {
	enum codec codec;
	int level;		    /* as in codec_compress */
	size_t max_bytes;	    /* that the new batch may have: max.message.bytes */
	int64_t uncompressed_bytes; /* of the records, as validate_records found */
};

/*
 * The batch, whole and validated, into out, which is made here and is the caller's to end in any
 * case. ERR_MESSAGE_TOO_LARGE, ERR_NOMEM; ERR_CORRUPT_MESSAGE when it does not decompress.
 */
enum err rewrite_codec(struct bytes batch, const struct rewrite *how, struct codec_scratch *scratch,
		       struct wr *out) must_check;

/* Is this done within some milliseconds, so that a loop may do it itself? */
bool rewrite_is_quick(const struct rewrite *how);

#endif
