/*
 * What one log knows of its idempotent and transactional producers: epoch, the last five batches of
 * each, open transactions, and transactions that have ended above the high watermark.
 *
 * Several batches are checked and counted in one after the other before any of them is written
 * (one write serves many requests). So producer_rollback takes back all changes since the last
 * producer_commit, for when that write fails.
 *
 * Guarded by the log's append mutex. Rules are KIP-98, KIP-360 and KIP-890 as Kafka 4.3 has them.
 */
#ifndef STORE_PRODUCER_STATE_H
#define STORE_PRODUCER_STATE_H

#include <sys/queue.h>

#include "base/hash.h"
#include "record/batch.h"

#define PRODUCER_BATCHES                                                        \
	5 /* what a client may have in flight, and what duplicates are found in \
	   */

struct producer_batch {
	int64_t last_offset, timestamp;
	int32_t last_sequence, offset_delta;
};

struct producer {
	int64_t id;
	int64_t last_timestamp;
	int64_t txn_start;	   /* first offset of the open transaction, -1 none */
	int32_t coordinator_epoch; /* of the last marker, -1 none */
	int64_t
	    last_marker; /* of its epoch: its number among all of this log since it was opened */
	int16_t epoch;	 /* -1: none yet */
	uint8_t batches_len;
	struct producer_batch batches[PRODUCER_BATCHES]; /* oldest first */
	uint32_t change;				 /* the last change that saved it */
	TAILQ_ENTRY(producer) txn_link;			 /* while a transaction is open */
	UT_hash_handle hh;
};

/* A transaction that has its marker. */
struct producer_done {
	int64_t producer_id, first_offset, last_offset; /* last: the marker's */
	int64_t stable; /* the last stable offset when it ended, for the transaction index */
	bool aborted;
};

struct producer_undo; /* private */

struct producer_state {
	struct producer *by_id;
	TAILQ_HEAD(producer_txns, producer) open; /* in the order of their first offsets */
	struct producer_done *done;		  /* since the high watermark passed the rest */
	size_t done_len, done_size;
	int64_t looked_ms; /* mono: the last look for silent ones, plog_expire_producers */
	int64_t markers;   /* counted in so far, see producer_check_txn */
	uint32_t change;
	size_t done_before; /* done_len at the last commit */
	struct producer_undo *undo;
	size_t undo_len, undo_size;
};

void producer_state_init(struct producer_state *state);
void producer_state_fini(struct producer_state *state);
void producer_state_clear(struct producer_state *state);
static inline bool producer_state_is_empty(const struct producer_state *state)
{
	return state->by_id == NULL && state->done_len == 0;
}

struct producer *producer_find(const struct producer_state *state, int64_t id);

void producer_commit(struct producer_state *state);
void producer_rollback(struct producer_state *state);

enum producer_trust {
	PRODUCER_CLIENT,      /* epoch, sequence and duplicates are checked */
	PRODUCER_COORDINATOR, /* epochs only */
	PRODUCER_REPLAY	      /* nothing: it is in a log already */
};

/* Adds one as it was stored; ERR_MALFORMED when it is there or cannot be. */
enum err producer_load(struct producer_state *state, const struct producer *stored) must_check;

/* A client's batch that is in the log already: the same epoch and sequences. NULL: it is not. */
const struct producer_batch *producer_duplicate(const struct producer_state *state,
						const struct batch_header *header);

/* The one record of a control batch that ends a transaction. */
struct producer_marker {
	bool commit;
	int32_t coordinator_epoch;
	int64_t timestamp;
};

/*
 * Checks a batch that has a producer and its offset, and counts it in. marker is NULL but for a
 * control batch. Errors change nothing: INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER,
 * INVALID_TXN_STATE, TRANSACTION_COORDINATOR_FENCED, NOMEM.
 */
enum err producer_apply(struct producer_state *state, const struct batch_header *header,
			const struct producer_marker *marker, enum producer_trust trust) must_check;

/*
 * May a transactional batch, or a marker, be appended on behalf of transaction.version `version`?
 * Asked before producer_apply. Whether a batch belongs to a transaction, the coordinator was asked
 * before, without a lock; if its transaction has ended since, the batch would open another one that
 * nobody ever ends. So a guard is taken before the coordinator is asked (producer_txn_guard), and
 * no marker of that producer may have come after it. Errors: INVALID_TXN_STATE,
 * OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH.
 */
enum err producer_check_txn(const struct producer_state *state, const struct batch_header *header,
			    int64_t guard, int16_t version) must_check;
#define PRODUCER_TXN_TRUSTED 0	  /* nothing is asked: by the coordinator itself */
#define PRODUCER_TXN_OPEN    (-1) /* only into a transaction that is open here */
/*
 * *guard: PRODUCER_TXN_OPEN when the producer's transaction is open here, so that the coordinator
 * need not be asked; else what to give to producer_check_txn. ERR_INVALID_PRODUCER_EPOCH.
 */
enum err producer_txn_guard(const struct producer_state *state, int64_t id, int16_t epoch,
			    int64_t *guard) must_check;

/* The first offset that read_committed may not pass; -1 when all is decided below the high
 * watermark. */
int64_t producer_first_unstable(const struct producer_state *state);
/* The high watermark moved: forgets ended transactions below it. */
void producer_settle(struct producer_state *state, int64_t high_watermark);
/* Forgets those that were silent for expiry_ms and have no open transaction. */
void producer_expire(struct producer_state *state, int64_t now_ms, int64_t expiry_ms);

#endif
