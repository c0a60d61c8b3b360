/* A coordinator over one real partition of __consumer_offsets, with a clock that is set by hand. */
#ifndef COORD_WORLD_H
#define COORD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "coord/coord_int.h"
#include "meta/controller.h"
#include "partition/flush.h"

struct world {
	char root[64], name[40];
	char *dir;
	struct clock_fake clock;
	struct loop *loop;
	struct wake_box box;
	struct worker_pool *workers;
	struct seg_cache *cache;
	struct plog_env plog_env;
	struct plog_config cfg;
	struct flusher *flusher;
	struct partition_env env;
	struct partition_rules rules;
	struct partition *part;
	struct coord *coord;
	bool on_workers;	 /* loads are, from the next election on */
	size_t memory_max_bytes; /* from then on, too; 0: as it comes */
};

/* A request as a handler keeps it. */
struct asker {
	struct coord_call call;
	struct arena arena;
	bool answered, sent, failed;
	enum err err;
	int32_t generation;
	char member_id[80], assignment[32];
};

static inline void asker_answer(struct coord_call *call, const struct fx_answer *answer)
{
	struct asker *a = container_of(call, struct asker, call);

	assert_false(a->sent || a->answered);
	a->answered = true;
	a->err = answer->is_sync ? answer->sync.err : answer->join.err;
	if (answer->is_sync) {
		snprintf(a->assignment, sizeof(a->assignment), "%.*s",
			 (int)answer->sync.assignment.len,
			 (const char *)answer->sync.assignment.ptr);
		return;
	}
	a->generation = answer->join.generation;
	snprintf(a->member_id, sizeof(a->member_id), "%.*s", STR_ARG(answer->join.member_id));
}

static inline void asker_fail(struct coord_call *call, enum err err)
{
	struct asker *a = container_of(call, struct asker, call);

	a->failed = true;
	a->err = err;
}

static inline void asker_send(struct coord_call *call)
{
	struct asker *a = container_of(call, struct asker, call);

	assert_false(a->sent);
	a->sent = true;
	arena_fini(&a->arena);
}

static inline struct coord_call *asker_begin(struct asker *a)
{
	*a = (struct asker){0};
	arena_init(&a->arena, 1 << 20);
	a->call = (struct coord_call){.answer = asker_answer,
				      .fail = asker_fail,
				      .send = asker_send,
				      .arena = &a->arena};
	return &a->call;
}

static inline void world_elect(struct world *w)
{
	struct coord_options options = {.loop = w->loop, .clock = &w->clock.clock, .box = &w->box};

	if (w->on_workers)
		options.workers = w->workers;
	w->coord = coord_new(&options);
	assert_non_null(w->coord);
	w->coord->cfg.initial_delay_ms = 0;
	if (w->memory_max_bytes > 0)
		w->coord->keep.cap_bytes = w->memory_max_bytes;
	assert_int_equal(partition_lead(w->part, 0, 1), ERR_OK);
	coord_on_elected(w->coord, w->part, 0);
}

static inline int world_setup_topic(void **state, const char *topic)
{
	struct world *w = calloc(1, sizeof(*w));
	struct plog *log;

	strcpy(w->root, "/tmp/barnabas-coord-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(w->name, sizeof(w->name), "%s-0", topic);
	w->dir = file_path(w->root, w->name);
	clock_fake_init(&w->clock, 1700000000000);
	w->loop = loop_new("test", &w->clock.clock);
	wake_box_init(&w->box, w->loop);
	w->workers = worker_pool_new(1);
	w->cache = seg_cache_new(16);
	w->plog_env = (struct plog_env){.clock = &clock_real, .cache = w->cache};
	plog_config_init(&w->cfg);
	w->flusher = flusher_new(w->loop, w->workers, NULL, NULL, NULL);
	w->env = (struct partition_env){.clock = &clock_real,
					.workers = w->workers,
					.flusher = w->flusher};
	w->rules = (struct partition_rules){.max_message_bytes = 1048588,
					    .min_insync_replicas = 1,
					    .flush_messages = INT64_MAX,
					    .flush_ms = INT64_MAX};
	assert_int_equal(plog_create(&log, &w->plog_env, &w->cfg, w->dir, uuid_of(1, 2)), ERR_OK);
	w->part = partition_new(&w->env, str_of(topic), uuid_of(1, 2), 0, log, 0, true, &w->rules);
	assert_non_null(w->part);
	world_elect(w);
	*state = w;
	return 0;
}

static inline int world_setup(void **state)
{
	return world_setup_topic(state, "__consumer_offsets");
}

static inline void world_restart(struct world *w)
{
	coord_stop(w->coord);
	worker_pool_drain(w->workers);
	loop_turn(w->loop, false);
	coord_free(w->coord);
	world_elect(w);
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	coord_stop(w->coord);
	worker_pool_drain(w->workers);
	loop_turn(w->loop, false);
	coord_free(w->coord);
	flusher_free(w->flusher);
	worker_pool_drain(w->workers);
	partition_unref(w->part);
	worker_pool_drain(w->workers);
	wake_box_fini(&w->box);
	worker_pool_free(w->workers);
	loop_free(w->loop);
	seg_cache_free(w->cache);
	assert_int_equal(file_remove_dir(w->dir), ERR_OK);
	assert_int_equal(rmdir(w->root), 0);
	free(w->dir);
	free(w);
	return 0;
}

static inline void world_turn(struct world *w)
{
	loop_turn(w->loop, false);
}

static inline void world_wait(struct world *w, const bool *what)
{
	/* What was deferred outside a turn is done in the next, which must not sleep first. */
	while (!*what)
		loop_turn(w->loop, false);
}

static inline enum err world_commit(struct world *w, struct asker *a, const char *group,
				    int32_t partition, int64_t offset)
{
	struct offset_entry entry = {.topic = STR("t"),
				     .partition = partition,
				     .value = {.offset = offset, .leader_epoch = -1}};
	struct commit_ask ask = {.group = str_of(group),
				 .generation = -1,
				 .retention_ms = -1,
				 .offsets = &entry,
				 .offsets_len = 1};
	enum err err;

	coord_hold(asker_begin(a));
	err = coord_commit(w->coord, &a->call, &ask);
	coord_release(&a->call);
	return err != ERR_OK ? err : entry.err;
}

static inline int64_t world_fetch(struct world *w, const char *group, const char *topic,
				  int32_t partition)
{
	struct offset_entry entry = {.topic = str_of(topic), .partition = partition};
	struct asker a;

	coord_hold(asker_begin(&a));
	assert_int_equal(coord_fetch(w->coord, &a.call, str_of(group), false, &entry, 1), ERR_OK);
	coord_release(&a.call);
	world_wait(w, &a.sent);
	return entry.value.offset;
}

static const struct join_protocol world_protocols[] = {
    {{"range", 5}, {(const uint8_t *)"\0\0\0\0\0\1\0\1t\377\377\377\377", 13}}};

static inline void world_join(struct world *w, struct asker *a, const char *group)
{
	struct join_ask ask = {.group = str_of(group),
			       .member_id = STR(""),
			       .client_id = STR("c"),
			       .client_host = STR("/127.0.0.1"),
			       .protocol_type = STR("consumer"),
			       .session_ms = 10000,
			       .rebalance_ms = 30000,
			       .protocols = world_protocols,
			       .protocols_len = 1};

	coord_join(w->coord, asker_begin(a), &ask);
}

static inline void world_sync(struct world *w, struct asker *a, const char *group,
			      const char *member_id)
{
	struct sync_assignment all = {str_of(member_id), {(const uint8_t *)"all", 3}};
	struct sync_ask ask = {.group = str_of(group),
			       .member_id = str_of(member_id),
			       .generation = 1,
			       .assignments = &all,
			       .assignments_len = 1};

	coord_sync(w->coord, asker_begin(a), &ask);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
