/* Effects of the transaction coordinator, and the names of its states. See tfx.h. */
#include "txn/tfx.h"

/* Far above what the ledger of kept memory lets a transaction hold; a bug is what reaches it. */
#define TFX_CAP_BYTES ((size_t)1 << 30)

static const struct str txn_state_names[TXN_STATES] = {
    [TXN_EMPTY] = {"Empty", 5},
    [TXN_ONGOING] = {"Ongoing", 7},
    [TXN_PREPARE_COMMIT] = {"PrepareCommit", 13},
    [TXN_PREPARE_ABORT] = {"PrepareAbort", 12},
    [TXN_COMPLETE_COMMIT] = {"CompleteCommit", 14},
    [TXN_COMPLETE_ABORT] = {"CompleteAbort", 13},
    [TXN_DEAD] = {"Dead", 4},
    [TXN_PREPARE_EPOCH_FENCE] = {"PrepareEpochFence", 17},
};

struct str txn_state_name(enum txn_state state)
{
	must(state < TXN_STATES);
	return txn_state_names[state];
}

enum txn_state txn_state_of_name(struct str name)
{
	size_t i = 0;

	while (i < TXN_STATES && !str_eq(name, txn_state_names[i]))
		i++;
	return (enum txn_state)i;
}

void tfx_init(struct tfx *fx)
{
	*fx = (struct tfx){0};
	arena_init(&fx->arena, TFX_CAP_BYTES);
}

void tfx_fini(struct tfx *fx)
{
	arena_fini(&fx->arena);
	*fx = (struct tfx){0};
}

void tfx_reset(struct tfx *fx)
{
	struct arena arena = fx->arena;

	if (arena.used_bytes > 0)
		arena_reset(&arena);
	*fx = (struct tfx){.arena = arena};
}

void *tfx_alloc(struct tfx *fx, size_t count, size_t size)
{
	void *ptr = arena_array(&fx->arena, count > 0 ? count : 1, size);

	must(ptr != NULL);
	return ptr;
}

struct txn_record *tfx_record_add(struct tfx *fx, struct str id)
{
	struct txn_record *record;

	if (fx->records_len == fx->records_size) {
		struct txn_record *more;

		fx->records_size = fx->records_size == 0 ? 4 : fx->records_size * 2;
		more = tfx_alloc(fx, fx->records_size, sizeof(*more));
		if (fx->records_len > 0)
			memcpy(more, fx->records, fx->records_len * sizeof(*more));
		fx->records = more;
	}
	record = &fx->records[fx->records_len++];
	*record = (struct txn_record){.id = id, .at = -1, .last_epoch = TXN_NO_EPOCH};
	return record;
}
