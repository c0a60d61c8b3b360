/* A shard with a clock and a log that can be made to fail, for the tests of this room. */
#ifndef GROUP_WORLD_H
#define GROUP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "group/consumer.h"

struct world {
	struct group_cfg cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct rnd rnd;
	struct shard *shard;
	struct fx fx;
	struct moment now;
	int64_t next;	/* offset */
	enum err fails; /* what the next append comes to */
	size_t records; /* appended by the last event */
};

/* Who asks, and what was answered last. */
struct asker {
	bool answered, durable;
	enum err err;
	struct join_answer join;
	char member_id[64], leader[64], assignment[64], protocol[64];
	size_t members_len;
};

static inline void world_answers(struct world *w)
{
	for (size_t i = 0; i < w->fx.answers_len; i++) {
		struct fx_answer *answer = &w->fx.answers[i];
		struct asker *who = answer->who;

		assert_false(who->answered);
		who->answered = true;
		who->durable = answer->durable;
		if (answer->is_sync) {
			who->err = answer->sync.err;
			assert_non_null(answer->sync.assignment.ptr);
			snprintf(who->assignment, sizeof(who->assignment), "%.*s",
				 (int)answer->sync.assignment.len,
				 (const char *)answer->sync.assignment.ptr);
			continue;
		}
		who->err = answer->join.err;
		who->join = answer->join;
		who->members_len = answer->join.members_len;
		snprintf(who->member_id, 64, "%.*s", STR_ARG(answer->join.member_id));
		snprintf(who->leader, 64, "%.*s", STR_ARG(answer->join.leader));
		snprintf(who->protocol, 64, "%.*s", STR_ARG(answer->join.protocol));
	}
}

/* What the shell does after an event. */
static inline void world_run(struct world *w)
{
	enum err err = w->fx.records_len > 0 ? w->fails : ERR_OK;

	w->records = w->fx.records_len;
	for (size_t i = 0; i < w->fx.records_len && err == ERR_OK; i++)
		w->fx.records[i].at = w->next++;
	shard_settle(w->shard, w->now, &w->fx, err);
	world_answers(w);
	fx_reset(&w->fx);
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->cfg = group_cfg_default;
	w->cfg.initial_delay_ms = 0;
	w->keep.cap_bytes = SIZE_MAX;
	rnd_init_seed(&w->rnd, 1);
	w->now = (struct moment){1000, 1700000000000};
	w->shard = shard_new(&w->cfg, &w->keep, &w->deadlines, &w->rnd);
	fx_init(&w->fx);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	shard_unload(w->shard, &w->fx);
	shard_free(w->shard);
	assert_int_equal(w->keep.used_bytes, 0);
	deadlines_fini(&w->deadlines);
	fx_fini(&w->fx);
	free(w);
	return 0;
}

static inline void world_advance(struct world *w, int64_t ms)
{
	int64_t until = w->now.mono_ms + ms;
	struct deadline *d;

	while ((d = deadlines_due(&w->deadlines, until)) != NULL) {
		if (d->at_ms > w->now.mono_ms) {
			w->now.wall_ms += d->at_ms - w->now.mono_ms;
			w->now.mono_ms = d->at_ms;
		}
		deadline_fire(w->now, d, &w->fx);
		world_run(w);
	}
	w->now.wall_ms += until - w->now.mono_ms;
	w->now.mono_ms = until;
}

static const struct consumer_cfg world_consumer_cfg = {.session_ms = 45000,
						       .heartbeat_ms = 5000,
						       .assignment_ms = 0,
						       .size_max = 3,
						       .assignor = {"uniform", 7}};

/* -- asking -------------------------------------------------------------------------------- */

static const struct join_protocol world_range[] = {
    {{"range", 5}, {(const uint8_t *)"\0\0\0\0\0\1\0\1t\377\377\377\377", 13}}};

static inline struct join_ask world_join_ask(struct asker *who, const char *member_id)
{
	*who = (struct asker){0};
	return (struct join_ask){.who = who,
				 .group = STR("g"),
				 .member_id = str_of(member_id),
				 .client_id = STR("client"),
				 .client_host = STR("/127.0.0.1"),
				 .protocol_type = STR("consumer"),
				 .session_ms = 10000,
				 .rebalance_ms = 30000,
				 .protocols = world_range,
				 .protocols_len = 1,
				 .consumer_cfg = &world_consumer_cfg};
}

static inline void world_join(struct world *w, const struct join_ask *ask)
{
	join_handle(w->shard, w->now, ask, &w->fx);
	world_run(w);
}

/* A dynamic member with an old API: no second step. */
static inline void world_join_old(struct world *w, struct asker *who, const char *member_id)
{
	struct join_ask ask = world_join_ask(who, member_id);

	world_join(w, &ask);
}

static inline void world_join_static(struct world *w, struct asker *who, const char *member_id,
				     const char *instance_id)
{
	struct join_ask ask = world_join_ask(who, member_id);

	ask.instance_id = str_of(instance_id);
	ask.can_skip = true;
	world_join(w, &ask);
}

static inline void world_sync(struct world *w, struct asker *who, const char *member_id,
			      int32_t generation, const struct sync_assignment *list, size_t len)
{
	struct sync_ask ask = {.who = who,
			       .group = STR("g"),
			       .member_id = str_of(member_id),
			       .generation = generation,
			       .assignments = list,
			       .assignments_len = len};

	*who = (struct asker){0};
	sync_handle(w->shard, w->now, &ask, &w->fx);
	world_run(w);
}

static inline enum err world_beat(struct world *w, const char *member_id, int32_t generation)
{
	return heartbeat_handle(w->shard, w->now, STR("g"), str_of(member_id), STR_NULL,
				generation);
}

static inline enum err world_leave(struct world *w, const char *member_id, const char *instance_id)
{
	struct leave_member leaver = {.id = str_of(member_id), .instance_id = str_of(instance_id)};
	enum err err = leave_handle(w->shard, w->now, STR("g"), &leaver, 1, &w->fx);

	world_run(w);
	return err != ERR_OK ? err : leaver.err;
}

/* One member, stable in generation 1, with the assignment "all". */
static inline void world_stable(struct world *w, struct asker *who)
{
	char id[64];

	world_join_old(w, who, "");
	world_advance(w, 0);
	assert_int_equal(who->err, ERR_OK);
	memcpy(id, who->member_id, sizeof(id));
	world_sync(w, who, id, 1,
		   (struct sync_assignment[]){{str_of(id), {(const uint8_t *)"all", 3}}}, 1);
	assert_int_equal(who->err, ERR_OK);
	memcpy(who->member_id, id, sizeof(id));
}

static inline const char *world_state(struct world *w)
{
	struct arena arena;
	struct group_view view;
	static char text[32];

	arena_init(&arena, 1 << 20);
	assert_int_equal(view_describe(w->shard, STR("g"), &arena, &view), ERR_OK);
	snprintf(text, sizeof(text), "%.*s %zu", STR_ARG(view.state), view.members_len);
	arena_fini(&arena);
	return text;
}

/* -- offsets ------------------------------------------------------------------------------- */

static inline enum err world_commit(struct world *w, const char *member_id, int32_t generation,
				    const char *topic, int32_t partition, int64_t offset)
{
	struct offset_entry entry = {.topic = str_of(topic),
				     .partition = partition,
				     .value = {.offset = offset, .leader_epoch = -1}};
	struct commit_ask ask = {.group = STR("g"),
				 .member_id = str_of(member_id),
				 .generation = generation,
				 .retention_ms = -1,
				 .offsets = &entry,
				 .offsets_len = 1};
	enum err err = offsets_commit(w->shard, w->now, &ask, &w->fx);

	world_run(w);
	return err != ERR_OK ? err : entry.err;
}

static inline int64_t world_fetch(struct world *w, const char *topic, int32_t partition)
{
	struct offset_entry entry = {.topic = str_of(topic), .partition = partition};

	offsets_fetch(w->shard, STR("g"), false, &entry, 1);
	assert_int_equal(entry.err, ERR_OK);
	return entry.value.offset;
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
