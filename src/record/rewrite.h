/*
 * A batch in another codec, for topics whose compression.type is not "producer". The records stay
 * byte for byte what they are; only attributes, length and CRC of the header change.
 */
#ifndef RECORD_REWRITE_H
#define RECORD_REWRITE_H

#include "record/batch.h"

/*
 * Appends `batch`, whole and validated, to out in this codec. It is decompressed into the scratch,
 * under its cap: ERR_NOMEM over it. ERR_CORRUPT_MESSAGE when it does not decompress.
 */
enum err rewrite_codec(struct bytes batch, enum codec codec, int level,
		       struct codec_scratch *scratch, struct wr *out) must_check;

#endif
