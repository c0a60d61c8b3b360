/*
 * The transaction coordinator's shell: it keeps room txn's state for the partitions of
 * __transaction_state that this broker leads, replays them, appends what they want appended, keeps
 * their deadlines, fetches producer ids, and has the markers of ended transactions written.
 *
 * All on the control loop. Errors of every call: ERR_NOT_COORDINATOR, ERR_COORDINATOR_LOAD_IN_
 * PROGRESS, ERR_COORDINATOR_NOT_AVAILABLE, and those of txns.h.
 */
#ifndef COORD_TXNCOORD_H
#define COORD_TXNCOORD_H

#include "coord/coord.h"
#include "coord/producer_ids.h"
#include "partition/wait.h"
#include "txn/txns.h"

/*
 * A request, embedded in what its handler keeps. done() comes once, never within the call: when the
 * answer is known and durable. What the ask points to must be there until then; the outs of an ask
 * are filled in by then.
 */
struct txn_call {
	void (*done)(struct txn_call *call, enum err err);
	struct arena *arena; /* the request's */
	/* private */
	struct coord_call call;
	struct coord *coord;
	struct producer_ids_wait ids;
	enum err err;
	struct initpid_ask *init;
	struct endtxn_ask *end;
};

void txncoord_initpid(struct coord *coord, struct txn_call *call, struct initpid_ask *ask);
void txncoord_add(struct coord *coord, struct txn_call *call, const struct enlist_ask *ask);
void txncoord_verify(struct coord *coord, struct txn_call *call, const struct enlist_ask *ask);
void txncoord_end(struct coord *coord, struct txn_call *call, struct endtxn_ask *ask);

/* DescribeTransactions; *value is valid until the next call. ERR_TRANSACTIONAL_ID_NOT_FOUND. */
enum err txncoord_describe(struct coord *coord, struct str id,
			   const struct txn_value **value) must_check;
/* All ids of all shards; begin with a zeroed pos. */
struct txncoord_pos {
	size_t shard;
	const void *txn;
};
/* ERR_COORDINATOR_LOAD_IN_PROGRESS when some are not known yet. */
enum err txncoord_list_check(const struct coord *coord) must_check;
bool txncoord_list_next(const struct coord *coord, struct txncoord_pos *pos, struct str *id,
			const struct txn_value **value);
size_t txncoord_len(const struct coord *coord);

/* -- markers: marker.c --------------------------------------------------------------------------
 *
 * The door through which a transaction's end reaches its partitions: the coordinator's own ends,
 * and WriteTxnMarkers.
 */
struct marker_part {
	struct str topic;
	int32_t partition;
	enum err err; /* out */
	/* private */
	struct marker_job *job;
	struct partition *part; /* a reference, while it waits */
	struct waiter waiter;
};

struct marker_job {
	int64_t producer_id;
	int16_t epoch;
	int32_t coordinator_epoch;
	bool commit;
	int16_t version; /* transaction.version of the transaction */
	struct marker_part *parts;
	size_t len;
	/* Every part has its err; those without one are durable. Never within marker_submit. */
	void (*done)(struct marker_job *job);
	/* private */
	struct coord *coord;
	size_t next, waiting;
	bool listed;
	TAILQ_ENTRY(marker_job) link;
};

/* What it points to must be there until done. A long one takes some turns. */
void marker_submit(struct coord *coord, struct marker_job *job);

#endif
