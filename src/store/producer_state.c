/* Producers of one log: sequences, epochs, duplicates, transactions. */
#include "store/producer_state.h"

#include <stdlib.h>

struct producer_undo {
	struct producer *producer;
	bool created;
	struct producer before; /* its own links are not looked at */
};

void producer_state_init(struct producer_state *state)
{
	*state = (struct producer_state){.change = 1, .markers = 1};
	TAILQ_INIT(&state->open);
}

void producer_state_clear(struct producer_state *state)
{
	struct producer *producer, *next;

	TAILQ_INIT(&state->open);
	HASH_ITER (hh, state->by_id, producer, next) {
		HASH_DEL(state->by_id, producer);
		free(producer);
	}
	state->done_len = state->done_before = state->undo_len = 0;
}

void producer_state_fini(struct producer_state *state)
{
	producer_state_clear(state);
	free(state->done);
	free(state->undo);
	*state = (struct producer_state){0};
}

struct producer *producer_find(const struct producer_state *state, int64_t id)
{
	struct producer *producer;

	HASH_FIND(hh, state->by_id, &id, sizeof(id), producer);
	return producer;
}

/* -- Changes that can be taken back --------------------------------------------------------- */

void producer_commit(struct producer_state *state)
{
	state->undo_len = 0;
	state->done_before = state->done_len;
	state->change++;
}

static void producer_set_txn(struct producer_state *state, struct producer *producer, int64_t start)
{
	if (producer->txn_start >= 0)
		TAILQ_REMOVE(&state->open, producer, txn_link);
	producer->txn_start = start;
	if (start >= 0)
		TAILQ_INSERT_TAIL(&state->open, producer, txn_link);
}

/* A transaction that is open again goes back to its place by first offset. */
static void producer_reopen(struct producer_state *state, struct producer *producer, int64_t start)
{
	struct producer *later;

	producer_set_txn(state, producer, -1);
	producer->txn_start = start;
	TAILQ_FOREACH (later, &state->open, txn_link)
		if (later->txn_start > start)
			break;
	if (later != NULL)
		TAILQ_INSERT_BEFORE(later, producer, txn_link);
	else
		TAILQ_INSERT_TAIL(&state->open, producer, txn_link);
}

static void producer_restore(struct producer_state *state, const struct producer_undo *undo)
{
	struct producer *producer = undo->producer;

	if (undo->before.txn_start != producer->txn_start) {
		if (undo->before.txn_start < 0)
			producer_set_txn(state, producer, -1);
		else
			producer_reopen(state, producer, undo->before.txn_start);
	}
	if (undo->created) {
		must(producer->txn_start < 0);
		HASH_DEL(state->by_id, producer);
		free(producer);
		return;
	}
	producer->epoch = undo->before.epoch;
	producer->last_timestamp = undo->before.last_timestamp;
	producer->coordinator_epoch = undo->before.coordinator_epoch;
	producer->last_marker = undo->before.last_marker;
	producer->batches_len = undo->before.batches_len;
	memcpy(producer->batches, undo->before.batches, sizeof(producer->batches));
}

void producer_rollback(struct producer_state *state)
{
	while (state->undo_len > 0)
		producer_restore(state, &state->undo[--state->undo_len]);
	state->done_len = state->done_before;
	state->change++;
}

static enum err producer_save(struct producer_state *state, struct producer *producer, bool created)
{
	if (!created && producer->change == state->change)
		return ERR_OK;
	if (state->undo_len == state->undo_size) {
		size_t size = state->undo_size == 0 ? 4 : state->undo_size * 2;
		struct producer_undo *more = realloc(state->undo, size * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		state->undo = more;
		state->undo_size = size;
	}
	state->undo[state->undo_len++] = (struct producer_undo){producer, created, *producer};
	producer->change = state->change;
	return ERR_OK;
}

/* The producer, made if it is not there, and saved so that its changes can be taken back. */
static enum err producer_open(struct producer_state *state, int64_t id, struct producer **out)
{
	struct producer *producer = producer_find(state, id);
	bool created = producer == NULL;
	enum err err;

	if (created) {
		producer = calloc(1, sizeof(*producer));
		if (producer == NULL)
			return ERR_NOMEM;
		producer->id = id;
		producer->epoch = -1;
		producer->coordinator_epoch = -1;
		producer->txn_start = -1;
		producer->last_timestamp = BATCH_NO_TIMESTAMP;
	}
	err = producer_save(state, producer, created);
	if (err != ERR_OK) {
		if (created)
			free(producer);
		return err;
	}
	if (created)
		HASH_ADD(hh, state->by_id, id, sizeof(producer->id), producer);
	*out = producer;
	return ERR_OK;
}

enum err producer_load(struct producer_state *state, const struct producer *stored)
{
	struct producer *producer;

	if (stored->id < 0 || producer_find(state, stored->id) != NULL)
		return ERR_MALFORMED;
	producer = malloc(sizeof(*producer));
	if (producer == NULL)
		return ERR_NOMEM;
	*producer = *stored;
	producer->change = 0;
	producer->txn_start = -1;
	HASH_ADD(hh, state->by_id, id, sizeof(producer->id), producer);
	if (stored->txn_start >= 0)
		producer_reopen(state, producer, stored->txn_start);
	return ERR_OK;
}

/* -- Checks --------------------------------------------------------------------------------- */

static int32_t producer_first_sequence(const struct producer_batch *batch)
{
	/* Backwards round 0, as sequences wrap from 2^31 - 1. */
	int64_t first = (int64_t)batch->last_sequence - batch->offset_delta;

	return (int32_t)(first >= 0 ? first : first + INT32_MAX + 1);
}

const struct producer_batch *producer_duplicate(const struct producer_state *state,
						const struct batch_header *header)
{
	const struct producer *producer = producer_find(state, header->producer_id);
	int32_t last = batch_last_sequence(header);

	if (producer == NULL || producer->epoch != header->producer_epoch)
		return NULL;
	for (uint8_t i = 0; i < producer->batches_len; i++)
		if (producer->batches[i].last_sequence == last &&
		    producer_first_sequence(&producer->batches[i]) == header->base_sequence)
			return &producer->batches[i];
	return NULL;
}

static bool producer_in_sequence(const struct producer *producer, int32_t next)
{
	int32_t last = BATCH_NO_SEQUENCE;

	if (producer->batches_len > 0)
		last = producer->batches[producer->batches_len - 1].last_sequence;
	return next == (int64_t)last + 1 || (next == 0 && last == INT32_MAX);
}

/* A producer that is not known may begin at any sequence: its state may have been deleted. */
static enum err producer_check_sequence(const struct producer *producer,
					const struct batch_header *header)
{
	if (producer == NULL || producer->epoch < 0)
		return ERR_OK;
	if (producer->epoch != header->producer_epoch)
		return header->base_sequence == 0 ? ERR_OK : ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	return producer_in_sequence(producer, header->base_sequence)
		   ? ERR_OK
		   : ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static enum err producer_check(const struct producer *producer, const struct batch_header *header,
			       const struct producer_marker *marker, enum producer_trust trust)
{
	enum err err = ERR_OK;

	if (producer != NULL && header->producer_epoch < producer->epoch)
		return ERR_INVALID_PRODUCER_EPOCH;
	if (marker != NULL)
		return producer != NULL && producer->coordinator_epoch > marker->coordinator_epoch
			   ? ERR_TRANSACTION_COORDINATOR_FENCED
			   : ERR_OK;
	if (trust == PRODUCER_CLIENT)
		err = producer_check_sequence(producer, header);
	if (err == ERR_OK && producer != NULL && producer->txn_start >= 0 &&
	    !batch_is_transactional(header))
		err = ERR_INVALID_TXN_STATE;
	return err;
}

#define EPOCH_BUMP_VERSION 2 /* KIP-890 */

static enum err producer_check_marker(const struct producer *producer,
				      const struct batch_header *header, int16_t version)
{
	/* From version 2 on an end has an epoch of its own. The same again is a repeated marker. */
	bool late = producer != NULL && producer->epoch == header->producer_epoch &&
		    producer->txn_start >= 0 && header->producer_epoch != INT16_MAX;

	return version >= EPOCH_BUMP_VERSION && late ? ERR_INVALID_PRODUCER_EPOCH : ERR_OK;
}

static bool producer_is_open(const struct producer *producer, int16_t epoch)
{
	return producer != NULL && producer->txn_start >= 0 && producer->epoch == epoch;
}

enum err producer_check_txn(const struct producer_state *state, const struct batch_header *header,
			    int64_t guard, int16_t version)
{
	const struct producer *producer = producer_find(state, header->producer_id);

	if (batch_is_control(header))
		return producer_check_marker(producer, header, version);
	if (guard == PRODUCER_TXN_TRUSTED || !batch_is_transactional(header) ||
	    producer_is_open(producer, header->producer_epoch))
		return ERR_OK;
	if (producer != NULL && header->producer_epoch < producer->epoch)
		return ERR_INVALID_PRODUCER_EPOCH;
	if (guard == PRODUCER_TXN_OPEN || (producer != NULL && producer->last_marker > guard))
		return ERR_INVALID_TXN_STATE;
	/* Every transaction has an epoch of its own, so it begins at 0. */
	if (version >= EPOCH_BUMP_VERSION && producer == NULL && header->base_sequence != 0)
		return ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	return ERR_OK;
}

enum err producer_txn_guard(const struct producer_state *state, int64_t id, int16_t epoch,
			    int64_t *guard)
{
	const struct producer *producer = producer_find(state, id);

	*guard = producer_is_open(producer, epoch) ? PRODUCER_TXN_OPEN : state->markers;
	return producer != NULL && epoch < producer->epoch ? ERR_INVALID_PRODUCER_EPOCH : ERR_OK;
}

/* -- Counting in ---------------------------------------------------------------------------- */

static void producer_set_epoch(struct producer *producer, int16_t epoch)
{
	if (producer->epoch != epoch)
		producer->batches_len = 0;
	producer->epoch = epoch;
}

static void producer_add_batch(struct producer_state *state, struct producer *producer,
			       const struct batch_header *header)
{
	producer_set_epoch(producer, header->producer_epoch);
	if (producer->batches_len == PRODUCER_BATCHES)
		memmove(producer->batches, producer->batches + 1,
			--producer->batches_len * sizeof(producer->batches[0]));
	producer->batches[producer->batches_len++] =
	    (struct producer_batch){batch_last_offset(header), header->max_timestamp,
				    batch_last_sequence(header), header->last_offset_delta};
	producer->last_timestamp = header->max_timestamp;
	if (batch_is_transactional(header) && producer->txn_start < 0)
		producer_set_txn(state, producer, header->base_offset);
}

static enum err producer_done_reserve(struct producer_state *state)
{
	size_t size = state->done_size == 0 ? 4 : state->done_size * 2;
	struct producer_done *more;

	if (state->done_len < state->done_size)
		return ERR_OK;
	more = realloc(state->done, size * sizeof(*more));
	if (more == NULL)
		return ERR_NOMEM;
	state->done = more;
	state->done_size = size;
	return ERR_OK;
}

/* A marker without a transaction only moves the epochs (and is not in the transaction index). */
static void producer_end_txn(struct producer_state *state, struct producer *producer,
			     const struct batch_header *header,
			     const struct producer_marker *marker)
{
	struct producer_done done = {producer->id, producer->txn_start, header->base_offset,
				     header->base_offset + 1, !marker->commit};
	/* From version 2 on a transaction ends with the epoch of the next one, which may have been
	 * asked for already: nothing of that one has ended. */
	bool raised = producer->epoch >= 0 && header->producer_epoch > producer->epoch;
	struct producer *oldest;

	if (producer->txn_start >= 0) {
		producer_set_txn(state, producer, -1);
		oldest = TAILQ_FIRST(&state->open);
		if (oldest != NULL)
			done.stable = oldest->txn_start;
		state->done[state->done_len++] = done;
	}
	producer_set_epoch(producer, header->producer_epoch);
	producer->coordinator_epoch = marker->coordinator_epoch;
	state->markers++;
	if (!raised)
		producer->last_marker = state->markers;
	producer->last_timestamp = marker->timestamp;
}

enum err producer_apply(struct producer_state *state, const struct batch_header *header,
			const struct producer_marker *marker, enum producer_trust trust)
{
	struct producer *producer;
	enum err err = ERR_OK;

	must(batch_has_producer(header));
	must(batch_is_control(header) == (marker != NULL));
	if (trust != PRODUCER_REPLAY)
		err = producer_check(producer_find(state, header->producer_id), header, marker,
				     trust);
	if (err == ERR_OK && marker != NULL)
		err = producer_done_reserve(state);
	if (err == ERR_OK)
		err = producer_open(state, header->producer_id, &producer);
	if (err != ERR_OK)
		return err;
	if (marker != NULL)
		producer_end_txn(state, producer, header, marker);
	else
		producer_add_batch(state, producer, header);
	return ERR_OK;
}

/* -- Stability, and the end of a producer --------------------------------------------------- */

int64_t producer_first_unstable(const struct producer_state *state)
{
	const struct producer *oldest = TAILQ_FIRST(&state->open);
	int64_t first = oldest != NULL ? oldest->txn_start : -1;

	for (size_t i = 0; i < state->done_len; i++)
		if (first < 0 || state->done[i].first_offset < first)
			first = state->done[i].first_offset;
	return first;
}

void producer_settle(struct producer_state *state, int64_t high_watermark)
{
	size_t kept = 0;

	must(state->undo_len == 0);
	for (size_t i = 0; i < state->done_len; i++)
		if (state->done[i].last_offset >= high_watermark)
			state->done[kept++] = state->done[i];
	state->done_len = state->done_before = kept;
}

void producer_expire(struct producer_state *state, int64_t now_ms, int64_t expiry_ms)
{
	struct producer *producer, *next;

	must(state->undo_len == 0);
	HASH_ITER (hh, state->by_id, producer, next) {
		if (producer->txn_start >= 0 || producer->last_timestamp > now_ms - expiry_ms)
			continue;
		HASH_DEL(state->by_id, producer);
		free(producer);
	}
}
