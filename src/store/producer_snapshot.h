/*
 * The producer snapshot file N.snapshot: the producers of a log as of offset N.
 *
 *	int16 version, 1
 *	uint32 CRC-32C of all that follows
 *	int32 count, and for each producer
 *		int64 producer id, int16 epoch, int32 last sequence, int64 last offset,
 *		int32 offset delta (of the last batch), int64 timestamp, int32 coordinator epoch,
 *		int64 first offset of the open transaction (-1 none)
 *
 * Of the last five batches only the newest is kept. Ended transactions above the high watermark are
 * not in it.
 */
#ifndef STORE_PRODUCER_SNAPSHOT_H
#define STORE_PRODUCER_SNAPSHOT_H

#include "store/producer_state.h"

/* A larger one is taken for damage: 2 million producers in one partition. */
#define PRODUCER_SNAPSHOT_BYTES_MAX (96u << 20)

/* state may be NULL: no producers. The content is malloc'd; NULL when memory is out. */
uint8_t *producer_snapshot_format(const struct producer_state *state, size_t *len_bytes);
/* Into an empty state. ERR_BADFILE (wrong version, CRC, size, or a producer twice) leaves it empty,
 * ERR_NOMEM too. */
enum err producer_snapshot_parse(struct producer_state *state, struct bytes content) must_check;

#endif
