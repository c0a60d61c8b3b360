/*
 * Transactions as a round of cleaning meets them: which batches are of aborted ones, which markers
 * have nothing left to mark, and which aborted transactions the new index must still name.
 *
 * Batches are shown in the order of the log. A marker stays for as long as any batch of its
 * transaction does, because a reader needs both or none.
 */
#ifndef STORE_CLEAN_TXNS_H
#define STORE_CLEAN_TXNS_H

#include "record/batch.h"
#include "store/seg.h"
#include "store/txn_index.h"

struct clean_txn;

struct clean_txns {
	struct clean_txn *by_id;
	struct txn_index_entry *aborted; /* by first offset */
	size_t aborted_len, next;
	struct txn_index_entry *kept; /* for the new index, in the order of the markers */
	size_t kept_len, kept_size;
};

/*
 * [read] Reads the transaction indexes of these segments (references are borrowed) for what
 * overlaps [from, to). The last one is to be the log's last: aborts are where their markers are.
 */
enum err clean_txns_init(struct clean_txns *txns, struct seg *const *segs, size_t segs_len,
			 int64_t from, int64_t to) must_check;
void clean_txns_fini(struct clean_txns *txns);

/* A batch of data: is it of an aborted transaction? ERR_NOMEM. */
enum err clean_txns_data(struct clean_txns *txns, const struct batch_header *header,
			 bool *aborted) must_check;
/* A control batch, whole: may it go, as far as transactions are concerned? ERR_NOMEM,
 * ERR_CORRUPT_MESSAGE. */
enum err clean_txns_control(struct clean_txns *txns, struct bytes batch,
			    const struct batch_header *header, bool *unneeded) must_check;

#endif
