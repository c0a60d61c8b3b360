/*
 * Cleaning a compacted log: one round.
 *
 *  1. The keys of the dirty part go into the map, each with its newest offset, from the front on
 *     until all are in or the map is full (clean_map.h).
 *  2. All segments up to there are read again, several small ones together as one, and what stays
 *     of their batches is written to a new segment (clean_filter.h, clean_output.h).
 *  3. Each takes the place of those it was made from (clean_swap.h).
 *
 * The log goes on meanwhile: the active segment is never touched, and the log's lock is held for
 * moments only.
 */
#ifndef STORE_CLEAN_H
#define STORE_CLEAN_H

#include "store/clean_filter.h"
#include "store/clean_pace.h"
#include "store/clean_range.h"

struct clean_limits {
	size_t map_bytes; /* log.cleaner.dedupe.buffer.size, shared by all threads */
	double map_load;  /* log.cleaner.io.buffer.load.factor */
	size_t io_bytes;  /* log.cleaner.io.buffer.size, the same */
	struct clean_pace *pace;
};

struct clean_result {
	int64_t end; /* up to where the log is clean now; what belongs into the checkpoint */
	struct clean_stats stats;
};

/*
 * [worker] One round over what clean_range_find gave. Side by side with flushes, checkpoints and
 * everything else.
 *
 * ERR_CANCELLED: the pace or somebody's truncation says so, or another one cleans. ERR_NOSPACE,
 * ERR_NOMEM, ERR_MANYFILES: later perhaps. ERR_CORRUPT_MESSAGE: a batch is damaged, and the log
 * cannot be cleaned. ERR_BADCONFIG: the map is too small for a single batch.
 * ERR_KAFKA_STORAGE_ERROR. What was swapped in before an error stays, and is right.
 */
enum err clean_log(struct plog *log, const struct clean_range *range,
		   const struct clean_limits *limits, struct clean_result *result) must_check;

#endif
