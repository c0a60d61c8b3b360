/*
 * What Produce asks the transaction coordinator before it appends transactional batches: whether
 * their partitions belong to the transaction (versions up to 11), or to add them (from 12 on,
 * KIP-890). Not asked where the transaction is open in the partition already.
 *
 * It is done for the whole request before any of it is appended. Between the coordinator's word and
 * the append its transaction may end: that the log finds out by the guard (plog_txn_guard).
 */
#ifndef API_PRODUCE_TXN_H
#define API_PRODUCE_TXN_H

#include "api/api.h"
#include "coord/txncoord.h"
#include "proto/produce.h"

/* Of one partition of the request. */
struct produce_txn_check {
	enum err err;
	int64_t guard; /* for its append */
};

struct produce_txn {
	struct api_loop *al;
	struct req *req;
	const struct produce_req *in;
	void (*done)(struct produce_txn *txn); /* on the request's loop */
	struct produce_txn_check *checks;      /* topic by topic */
	/* private */
	size_t *firsts; /* of each topic among the checks */
	int64_t producer_id;
	int16_t epoch;
	struct enlist_ask ask;
	size_t *asked; /* which check each of the ask's partitions is */
	struct txn_call call;
	struct mail mail;
	enum err err;
};

enum produce_txn_state { PRODUCE_TXN_READY, PRODUCE_TXN_WAITS, PRODUCE_TXN_NOMEM };

/* Of a request with a transactional id. PRODUCE_TXN_WAITS: done() will come. */
enum produce_txn_state produce_txn_begin(struct produce_txn *txn) must_check;
const struct produce_txn_check *produce_txn_check(const struct produce_txn *txn, size_t topic_idx,
						  size_t part_idx);
/* What the client is told beside the code; null when the code says it all. */
struct str produce_txn_message(const struct produce_txn *txn, enum err err);
/* Of the transaction.version that the client goes by. */
int16_t produce_txn_version(const struct produce_txn *txn);

#endif
