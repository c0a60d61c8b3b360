/*
 * How much of a log there is to clean, and whether it is worth while: Kafka's rules.
 *
 * A log has a clean part, up to where the last round came, and a dirty one behind it. The active
 * segment, what is above the last stable offset, and segments with a record younger than
 * min.compaction.lag.ms are not cleaned. A log is cleaned when more than min.cleanable.dirty.ratio
 * of its bytes are dirty, or when a dirty segment begins with a record older than
 * max.compaction.lag.ms.
 */
#ifndef STORE_CLEAN_RANGE_H
#define STORE_CLEAN_RANGE_H

#include "store/plog.h"

struct clean_range {
	int64_t first_dirty, end; /* offsets; the end is a segment's first */
	int64_t clean_bytes, dirty_bytes;
	double ratio;	     /* dirty to all */
	bool is_due;	     /* it should be cleaned now */
	bool was_reset;	     /* the checkpoint was of no use: it should be written anew */
	int64_t again_at_ms; /* wall time at which more may be due without an append; -1 */
};

/* Where cleaning may go. */
struct clean_known {
	int64_t checkpoint; /* up to where the log was cleaned, -1 when unknown */
	/*
	 * The recovery point, as its checkpoint file says it. Above it a start takes a segment that
	 * ends before the next one begins for one that a power cut has cut off, and cleaning makes
	 * such.
	 */
	int64_t recovery_point;
	int64_t now_ms;
};

/* [read] ERR_NOMEM, ERR_KAFKA_STORAGE_ERROR. */
enum err clean_range_find(struct plog *log, const struct clean_known *known,
			  struct clean_range *range) must_check;

#endif
