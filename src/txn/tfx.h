/*
 * Records of __transaction_state as values, and the effects of an event: records to append. The
 * idiom is group/fx.h's:
 *
 *   1. an event fills one tfx and gives its answer, which holds once the records are in the log;
 *   2. the shell appends the records, in order, and sets each record's `at`;
 *   3. it calls txns_settle with the outcome, which brings the records into the state, or nothing;
 *   4. for each record that ends a transaction (txn_is_ending) it has the markers written once the
 *      record is durable, and then says endtxn_complete.
 *
 * Everything in a tfx points into its arena, the state, or the event's own input, and is valid
 * until the next event.
 */
#ifndef TXN_TFX_H
#define TXN_TFX_H

#include "base/arena.h"
#include "base/err.h"

/* TransactionStatus of a record. */
enum txn_state {
	TXN_EMPTY,
	TXN_ONGOING,
	TXN_PREPARE_COMMIT,
	TXN_PREPARE_ABORT,
	TXN_COMPLETE_COMMIT,
	TXN_COMPLETE_ABORT,
	TXN_DEAD,		 /* never written */
	TXN_PREPARE_EPOCH_FENCE, /* never written */
	TXN_STATES,
};

/* "Empty", "Ongoing", ... as Kafka names them. */
struct str txn_state_name(enum txn_state state);
/* TXN_STATES when there is none. */
enum txn_state txn_state_of_name(struct str name);
/* Decided, but its markers are not all written. */
static inline bool txn_is_ending(enum txn_state state)
{
	return state == TXN_PREPARE_COMMIT || state == TXN_PREPARE_ABORT;
}
static inline bool txn_is_complete(enum txn_state state)
{
	return state == TXN_COMPLETE_COMMIT || state == TXN_COMPLETE_ABORT;
}

#define TXN_NO_PRODUCER (-1)
#define TXN_NO_EPOCH	(-1)
#define TXN_EPOCH_MAX	INT16_MAX

/* Partitions of a transaction: topics and their partitions rise. */
struct txn_topic {
	struct str name;
	const int32_t *partitions;
	size_t len;
};

struct txn_value {
	int64_t producer_id;
	int64_t previous_id; /* before the last change; TXN_NO_PRODUCER */
	int64_t next_id;     /* in force when the end is complete; TXN_NO_PRODUCER */
	int16_t epoch;
	int32_t timeout_ms;
	enum txn_state state;
	const struct txn_topic *topics;
	size_t topics_len;
	int64_t update_ms, start_ms; /* wall time; start -1: none */
	int16_t client_version;	     /* transaction.version that its client goes by */
};

struct txn_record {
	bool tombstone;
	int64_t at; /* set by the shell: the record's offset; -1: not appended */
	struct str id;
	struct txn_value value;
	int16_t last_epoch; /* not written: see struct txn_entry */
};

struct tfx {
	struct arena arena;
	struct txn_record *records;
	size_t records_len, records_size;
};

void tfx_init(struct tfx *fx);
void tfx_fini(struct tfx *fx);
/* Before each event. */
void tfx_reset(struct tfx *fx);
/* From the arena, zeroed; never NULL: what goes in here was capped when it was kept. */
void *tfx_alloc(struct tfx *fx, size_t count, size_t size);
struct txn_record *tfx_record_add(struct tfx *fx, struct str id);

#endif
