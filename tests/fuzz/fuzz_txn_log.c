/*
 * A partition of __transaction_state, as bytes: replayed, written again, and run on: every id is
 * asked for all there is, and all deadlines are met. Batches are taken without their CRC, so that
 * every mutation reaches the records.
 */
#include <stdlib.h>

#include "coord/coord_int.h"
#include "coord/trecord.h"
#include "tests/fuzz/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define IDS_MAX 16

struct world {
	struct txns_cfg cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct moment now;
	struct tfx fx;
	struct arena arena;
	struct tshard shard;
};

static void replay(struct world *w, struct bytes rest)
{
	replay_batches(&w->shard.log, rest);
	txns_replay_done(w->shard.txns, w->now);
}

/* What is written can be read, and says the same. */
static void write_again(struct world *w, const struct txn_record *record)
{
	struct txn_record back;
	struct wr key, value;

	wr_init(&key, 1 << 20);
	wr_init(&value, 4 << 20);
	trecord_encode(record, 2, &w->arena, &key, &value);
	if (key.err == ERR_OK && value.err == ERR_OK &&
	    trecord_decode(wr_written(&key), record->tombstone ? BYTES_NULL : wr_written(&value),
			   &w->arena, &back) == ERR_OK) {
		must(str_eq(back.id, record->id) && back.tombstone == record->tombstone);
		must(record->tombstone || (back.value.state == record->value.state &&
					   back.value.epoch == record->value.epoch &&
					   back.value.producer_id == record->value.producer_id));
	}
	wr_fini(&key);
	wr_fini(&value);
}

/* As the shell does it, over a log that takes everything. */
static void settle(struct world *w)
{
	for (size_t i = 0; i < w->fx.records_len; i++) {
		write_again(w, &w->fx.records[i]);
		w->fx.records[i].at = (int64_t)1 << 40;
	}
	txns_settle(w->shard.txns, w->now, &w->fx, ERR_OK);
	tfx_reset(&w->fx);
	if (w->arena.used_bytes > 0)
		arena_reset(&w->arena);
}

static void run_on(struct world *w, struct str id)
{
	struct txn_value value = *txns_find_value(w->shard.txns, id);
	struct enlist_partition one = {STR("t"), 0, ERR_OK};
	struct enlist_ask add = {id, value.producer_id, value.epoch, 2, &one, 1};
	struct initpid_ask init = {
	    .id = id, .timeout_ms = 1000, .producer_id = -1, .epoch = -1, .fresh_id = 5};
	struct endtxn_ask end = {.id = id,
				 .producer_id = value.producer_id,
				 .epoch = value.epoch,
				 .client_version = 2,
				 .fresh_id = 6};

	endtxn_complete(w->shard.txns, w->now, id, value.producer_id, value.epoch, &w->fx);
	settle(w);
	if (enlist_verify(w->shard.txns, &add) != ERR_OK)
		one.err = ERR_OK;
	if (enlist_add(w->shard.txns, w->now, &add, &w->fx) == ERR_OK)
		settle(w);
	if (endtxn_handle(w->shard.txns, w->now, &end, &w->fx) == ERR_OK)
		settle(w);
	if (initpid_handle(w->shard.txns, w->now, &init, &w->fx) == ERR_OK)
		must(!init.needs_id);
	settle(w);
}

static void run_all(struct world *w)
{
	struct str ids[IDS_MAX];
	const struct txn_value *value;
	const void *pos = NULL;
	size_t len = 0;

	while (len < IDS_MAX && txns_next(w->shard.txns, &pos, &ids[len], &value))
		len++;
	for (size_t i = 0; i < len; i++)
		run_on(w, ids[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world w = {.cfg = txns_cfg_default,
			  .keep.cap_bytes = SIZE_MAX,
			  .now = {1000, 1700000000000}};
	struct deadline *d;
	bool needs_id;

	tfx_init(&w.fx);
	arena_init(&w.arena, 16 << 20);
	w.shard.log.kind = &tshard_kind;
	w.shard.txns = txns_new(&w.cfg, &w.keep, &w.deadlines);
	must(w.shard.txns != NULL);
	replay(&w, (struct bytes){data, len});
	run_all(&w);
	for (int i = 0; i < 100 && (d = deadlines_due(&w.deadlines, INT64_MAX)) != NULL; i++) {
		if (d->at_ms > w.now.mono_ms)
			w.now.mono_ms = d->at_ms;
		txns_fire(w.now, d, 7, &needs_id, &w.fx);
		must(!needs_id);
		settle(&w);
	}
	txns_free(w.shard.txns);
	must(w.keep.used_bytes == 0);
	deadlines_fini(&w.deadlines);
	arena_fini(&w.arena);
	tfx_fini(&w.fx);
	return 0;
}
