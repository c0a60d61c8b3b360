/* What the files of this room share; nobody else includes it. */
#ifndef TXN_TXN_INT_H
#define TXN_TXN_INT_H

#include "base/hash.h"
#include "txn/txns.h"

struct txn_entry {
	struct txns *txns;
	struct str id;
	struct txn_value value; /* its topics are one kept block */
	/*
	 * The epoch before the last one, if the producer itself had it raised: a repeated request
	 * is told by it. Not in the log, as in Kafka, so after a restart a repeated one is fenced.
	 */
	int16_t last_epoch;
	struct deadline timeout; /* set while a transaction is open */
	UT_hash_handle hh;
};

struct txns {
	uint32_t magic;
	const struct txns_cfg *cfg;
	struct keep *keep;
	struct deadlines *deadlines;
	struct txn_entry *entries;
	struct deadline expiry; /* set while there are entries */
	void *user;
};

#define TXNS_MAGIC 0x7a25ac7eu

struct txn_entry *txns_find(const struct txns *txns, struct str id);
/*
 * A record that takes the entry's value over, with `now` as its update and its own id as previous.
 */
struct txn_record *txns_change(const struct txn_entry *entry, struct moment now, struct tfx *fx);

/* The last epoch but one is kept for the coordinator, to fence with. */
static inline bool txns_is_exhausted(int16_t epoch)
{
	return epoch >= TXN_EPOCH_MAX - 1;
}

/* Aborts an open transaction on the coordinator's own account, under a higher epoch. */
void endtxn_fence(struct txn_entry *entry, struct moment now, int64_t fresh_id, bool *needs_id,
		  struct tfx *fx);

#endif
