/*
 * The transactional ids of one partition of __transaction_state, as a pure state machine.
 *
 * Every event takes the state, the moment, and a tfx that it fills (tfx.h): nothing here reads a
 * clock, writes a log or waits. The state is what replaying its records gives, but for each entry's
 * last epoch, which only makes a repeated InitProducerId harmless.
 *
 * The rules are those of Apache Kafka 4.3's coordinator (KIP-98, 360, 588, 664, 890): one live
 * epoch for an id; a decision, once written, stands; what is decided is completed by markers in
 * every partition before the next transaction begins. With transaction.version 2 each end raises
 * the epoch, so that a late request of an earlier transaction can do nothing.
 *
 * An event that needs a new producer id says so (needs_id) and does nothing else: the shell asks
 * the controller for one and comes again with fresh_id set. An id that is not needed then is lost.
 *
 * This header is what the shell uses; txn_int.h is what the files of this room share.
 */
#ifndef TXN_TXNS_H
#define TXN_TXNS_H

#include "group/deadline.h"
#include "group/keep.h"
#include "txn/tfx.h"

struct txns_cfg {
	int32_t timeout_max_ms;	 /* transaction.max.timeout.ms */
	int64_t expiration_ms;	 /* transactional.id.expiration.ms */
	int64_t expiry_check_ms; /* transaction.remove.expired.transaction.cleanup.interval.ms */
	int16_t version;	 /* the finalized transaction.version */
};

extern const struct txns_cfg txns_cfg_default;

struct txns;

/* All is borrowed and outlives it; several may share it. NULL when memory is out. */
struct txns *txns_new(const struct txns_cfg *cfg, struct keep *keep,
		      struct deadlines *deadlines) must_check;
void txns_free(struct txns *txns);
/* It was loaded with a keep of its own and without deadlines (NULL); see shard_serve. */
void txns_serve(struct txns *txns, struct keep *keep, struct deadlines *deadlines);
/* One pointer for whoever sits above. */
void txns_set_user(struct txns *txns, void *user);
void *txns_user(const struct txns *txns);

/* -- InitProducerId: initpid.c ------------------------------------------------------------- */

struct initpid_ask {
	struct str id;
	int32_t timeout_ms;
	int64_t producer_id; /* the producer's own (KIP-360), or TXN_NO_PRODUCER */
	int16_t epoch;
	int64_t fresh_id; /* TXN_NO_PRODUCER: none at hand */
	/* out */
	bool needs_id;
	int64_t out_id;
	int16_t out_epoch;
};

/*
 * A transaction that is open is aborted, and the answer is CONCURRENT_TRANSACTIONS with a record:
 * the client comes again. Errors: INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, PRODUCER_FENCED,
 * CONCURRENT_TRANSACTIONS, COORDINATOR_NOT_AVAILABLE (over the memory cap).
 */
enum err initpid_handle(struct txns *txns, struct moment now, struct initpid_ask *ask,
			struct tfx *fx) must_check;

/* -- partitions: enlist.c ------------------------------------------------------------------ */

struct enlist_partition {
	struct str topic;
	int32_t partition;
	enum err err; /* out, of enlist_verify */
};

struct enlist_ask {
	struct str id;
	int64_t producer_id;
	int16_t epoch;
	int16_t client_version;
	struct enlist_partition *partitions;
	size_t len;
};

/* Errors: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS,
 * COORDINATOR_NOT_AVAILABLE. */
enum err enlist_add(struct txns *txns, struct moment now, const struct enlist_ask *ask,
		    struct tfx *fx) must_check;
/* Is each partition part of the transaction? Its err is TRANSACTION_ABORTABLE if not. */
enum err enlist_verify(const struct txns *txns, const struct enlist_ask *ask) must_check;

/* -- the end: endtxn.c --------------------------------------------------------------------- */

struct endtxn_ask {
	struct str id;
	int64_t producer_id;
	int16_t epoch;
	bool commit;
	int16_t client_version; /* 2: the epoch is raised */
	int64_t fresh_id;	/* TXN_NO_PRODUCER: none at hand */
	/* out */
	bool needs_id;
	int64_t out_id; /* TXN_NO_PRODUCER before version 2, and with an error */
	int16_t out_epoch;
};

/* Errors: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS,
 * INVALID_TXN_STATE. A repeated request that was carried out is answered as it was then. */
enum err endtxn_handle(struct txns *txns, struct moment now, struct endtxn_ask *ask,
		       struct tfx *fx) must_check;
/* All markers of this end are written. Nothing when it is not under way (any more). */
void endtxn_complete(struct txns *txns, struct moment now, struct str id, int64_t producer_id,
		     int16_t epoch, struct tfx *fx);

/* -- views --------------------------------------------------------------------------------- */

/* NULL: there is none. What it points to is valid until the next event. */
const struct txn_value *txns_find_value(const struct txns *txns, struct str id);
/* The next after `pos`, which starts at NULL; false at the end. */
bool txns_next(const struct txns *txns, const void **pos, struct str *id,
	       const struct txn_value **value);
size_t txns_len(const struct txns *txns);

/* -- time, log and shell ------------------------------------------------------------------- */

/* Of a deadline that is due: whose it is. */
struct txns *txns_of_deadline(struct deadline *d);
/*
 * Takes it out of the heap and does what it is for: aborts a transaction that took too long, or
 * forgets ids. fresh_id as above; with *needs_id it is due again in a second.
 */
void txns_fire(struct moment now, struct deadline *d, int64_t fresh_id, bool *needs_id,
	       struct tfx *fx);

/* What came of appending fx's records: those with an offset are in the log. */
void txns_settle(struct txns *txns, struct moment now, struct tfx *fx, enum err err);

/* Replay, in the order of the log. */
void txns_replay(struct txns *txns, const struct txn_record *record);
/*
 * All of the log is in: time-outs begin. Markers of what is ending are the shell's to write anew.
 */
void txns_replay_done(struct txns *txns, struct moment now);

#endif
