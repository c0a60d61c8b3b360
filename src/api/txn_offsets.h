/* A group's partition of __consumer_offsets, as what a transaction adds or asks about. */
#ifndef API_TXN_OFFSETS_H
#define API_TXN_OFFSETS_H

#include "api/api.h"
#include "coord/txncoord.h"

struct txn_offsets {
	struct enlist_ask ask;
	struct enlist_partition partition;
};

/* The strings are borrowed. ERR_COORDINATOR_NOT_AVAILABLE: there is no such topic yet. */
enum err txn_offsets_fill(struct txn_offsets *offsets, struct api_loop *al, struct str id,
			  int64_t producer_id, int16_t epoch, struct str group) must_check;

#endif
