/*
 * A partition of __consumer_offsets, as bytes: replayed, looked at, joined by a member of the
 * consumer protocol, which makes consumer groups of classic ones, and run to its last deadline.
 * Batches are taken without their CRC, so that every mutation reaches the records.
 */
#include <stdlib.h>

#include "coord/coord_int.h"
#include "tests/fuzz/replay.h"

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
	replay_batches(&w->shard.log, rest);
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

/* -- somebody comes ------------------------------------------------------------------------ */

#define JOINED_MAX 4

/* Every topic is there; all are the same. */
static bool any_by_name(void *ctx, struct str name, struct uuid *id, int32_t *partitions_len)
{
	(void)ctx;
	*id = uuid_of(9, name.len);
	*partitions_len = 3;
	return true;
}

static bool any_by_id(void *ctx, struct uuid id, struct str *name)
{
	(void)ctx;
	(void)id;
	*name = STR("t");
	return true;
}

static bool none_next(void *ctx, struct str after, struct str *name)
{
	(void)ctx;
	(void)after;
	(void)name;
	return false;
}

static const struct consumer_topics topics = {.version = 1,
					      .by_name = any_by_name,
					      .by_id = any_by_id,
					      .next = none_next};

static void join_one(struct world *w, struct str group)
{
	static const struct consumer_cfg cfg = {.session_ms = 45000,
						.heartbeat_ms = 5000,
						.size_max = INT32_MAX,
						.assignor = {"uniform", 7}};
	struct str name = STR("t");
	struct consumer_ask ask = {.group = group,
				   .member_id = STR("fuzz"),
				   .client_host = STR("/127.0.0.1"),
				   .rebalance_ms = 1000,
				   .has_topics = true,
				   .topics = &name,
				   .topics_len = 1,
				   .has_owned = true,
				   .cfg = &cfg};
	struct consumer_answer answer;

	if (consumer_heartbeat(w->shard.groups, w->now, &ask, &w->fx, &answer) == ERR_OK)
		settle(w);
	else
		fx_reset(&w->fx);
}

/* The names first: what the groups are changes meanwhile. */
static void join(struct world *w)
{
	struct str names[JOINED_MAX];
	struct group_listed listed;
	const void *pos = NULL;
	struct arena arena;
	size_t len = 0;

	arena_init(&arena, 64 << 20);
	while (len < JOINED_MAX && view_next(w->shard.groups, &pos, &listed))
		names[len++] = arena_str(&arena, listed.id);
	for (size_t i = 0; i < len; i++)
		join_one(w, names[i]);
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
	consumer_set_topics(w.shard.groups, &topics);
	replay(&w, (struct bytes){data, len});
	settle(&w);
	look(&w);
	join(&w);
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
