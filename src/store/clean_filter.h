/*
 * What of one batch outlives a round of cleaning, by Kafka's rules:
 *
 *  - Of the records of a key that the map covers the newest stays, where it is and with its offset.
 *    Records without a key go.
 *  - A record without a value (a tombstone) and a marker without a transaction get a horizon when
 *    a round first keeps them: now + delete.retention.ms, in the batch's base timestamp. A round
 *    after the horizon drops them.
 *  - Records of aborted transactions go at once.
 *  - The last batch of a producer that the log still knows stays, empty if need be, for its
 *    sequence and epoch; so does the round's last batch, for its offset.
 *  - What stays of a batch keeps its base and last offset, sequence, producer and codec. A batch of
 *    which all stays is copied byte for byte.
 *
 * Batches of the old formats 0 and 1 are kept as they are: nothing here looks into them.
 */
#ifndef STORE_CLEAN_FILTER_H
#define STORE_CLEAN_FILTER_H

#include "store/batch_view.h"
#include "store/clean_map.h"
#include "store/clean_txns.h"

/* The last that a producer wrote. */
struct clean_producer {
	int64_t producer_id;
	int64_t last_offset; /* of its last batch of data; -1: it only has a marker left */
	int16_t epoch;
};

struct clean_stats {
	uint64_t read_bytes, kept_bytes;
	uint64_t mapped_records, read_records, kept_records;
};

struct clean_kept {
	const uint8_t *at;
	size_t size_bytes;
	int64_t timestamp;
};

struct clean_filter {
	const struct clean_map *map;
	struct clean_txns *txns;
	const struct clean_producer *producers; /* by id */
	size_t producers_len;
	int64_t round_end; /* offsets from here on are not in this round */
	int64_t now_ms, delete_retention_ms;
	struct codec_scratch *scratch;
	struct clean_stats stats;
	/* private */
	struct clean_kept *kept;
	size_t kept_len, kept_size;
	bool tombstones; /* among what is kept */
	struct wr plain;
};

/* Zero all, set what is not private, then this. */
void clean_filter_init(struct clean_filter *filter);
void clean_filter_fini(struct clean_filter *filter);

/*
 * Appends what stays of the batch, which is whole and has a good CRC. ERR_CORRUPT_MESSAGE: its
 * inside cannot be read. ERR_NOMEM.
 */
enum err clean_filter_batch(struct clean_filter *filter, struct bytes batch,
			    const struct batch_view *view, struct wr *out) must_check;

#endif
