/*
 * A partition of __consumer_offsets, as bytes: replayed, looked at, and run to its last deadline.
 * Batches are taken without their CRC, so that every mutation reaches the records.
 */
#include <stdlib.h>

#include "coord/coord_int.h"
#include "record/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct world {
	struct keep keep;
	struct deadlines deadlines;
	struct rnd rnd;
	struct moment now;
	struct fx fx;
	struct cshard shard;
};

static void replay(struct world *w, struct bytes rest)
{
	struct codec_scratch *scratch = codec_scratch_new(1 << 20);
	struct batch_header header;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	while (rest.len > 0 && batch_header_read(rest, &header) == ERR_OK &&
	       header.size_bytes <= rest.len) {
		load_batch(&w->shard.log, (struct bytes){rest.ptr, header.size_bytes}, scratch, &arena);
		rest.ptr += header.size_bytes;
		rest.len -= header.size_bytes;
	}
	arena_fini(&arena);
	codec_scratch_free(scratch);
	replay_done(w->shard.groups, w->now, &w->fx);
}

/* As the shell does it, over a log that takes everything. */
static void settle(struct world *w)
{
	for (size_t i = 0; i < w->fx.records_len; i++)
		w->fx.records[i].at = (int64_t)1 << 40;
	shard_settle(w->shard.groups, w->now, &w->fx, ERR_OK);
	must(w->fx.answers_len == 0);
	fx_reset(&w->fx);
}

static void look(struct world *w)
{
	struct group_listed listed;
	struct group_view view;
	struct offset_entry *offsets;
	size_t offsets_len;
	const void *pos = NULL;
	struct arena arena;

	arena_init(&arena, 64 << 20);
	while (view_next(w->shard.groups, &pos, &listed))
		if (view_describe(w->shard.groups, listed.id, &arena, &view) != ERR_OK ||
		    offsets_fetch_all(w->shard.groups, listed.id, true, &arena, &offsets,
				      &offsets_len) != ERR_OK)
			break;
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world w = {.keep.cap_bytes = SIZE_MAX, .now = {1000, 1700000000000}};
	struct deadline *d;

	fx_init(&w.fx);
	w.shard.log.kind = &cshard_kind;
	w.shard.groups = shard_new(&group_cfg_default, &w.keep, &w.deadlines, &w.rnd);
	must(w.shard.groups != NULL);
	replay(&w, (struct bytes){data, len});
	settle(&w);
	look(&w);
	/* Sessions of any length that a record may claim, then expiry, which recurs. */
	for (int i = 0; i < 100 && (d = deadlines_due(&w.deadlines, INT64_MAX)) != NULL; i++) {
		if (d->at_ms > w.now.mono_ms)
			w.now.mono_ms = d->at_ms;
		deadline_fire(w.now, d, &w.fx);
		settle(&w);
	}
	shard_unload(w.shard.groups, &w.fx);
	shard_free(w.shard.groups);
	must(w.keep.used_bytes == 0);
	deadlines_fini(&w.deadlines);
	fx_fini(&w.fx);
	return 0;
}
