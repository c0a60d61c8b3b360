/*
 * Consumer groups (KIP-848) under random steps: members join, beat, obey late or never, leave, come
 * back under another id, are silent; topics grow, come and go; heartbeats are repeated and answers
 * lost; appends fail; the coordinator restarts from its log, compacted or not. After each step:
 *
 *	- no partition is with two members that may both use it
 *	- a member is never told to have what another has not given back
 *	- what is assigned exists in the target of somebody, or its owner is told to give it back
 *	- the tables agree with each other, and with what the log gives back
 * and when all is quiet, the group becomes stable and every partition of a wanted topic has an
 * owner.
 *
 *	sim_consumer [seed [steps]]
 */
#include "group/consumer_int.h"

#include <stdio.h>
#include <stdlib.h>

#define SIM_CLIENTS 6
#define SIM_TOPICS  4
#define SIM_PARTS   5
#define SIM_LOG_MAX 200000

static uint64_t sim_seed, sim_step;

#define sim_must(e)                                                                   \
	do {                                                                          \
		if (!(e)) {                                                           \
			fprintf(stderr,                                               \
				"%s:%d: %s\nfailed at step %llu; replay with: "       \
				"sim_consumer %llu\n",                                \
				__FILE__, __LINE__, #e, (unsigned long long)sim_step, \
				(unsigned long long)sim_seed);                        \
			abort();                                                      \
		}                                                                     \
	} while (0)

struct sim_client {
	char id[24], instance[24];
	bool is_static, alive, by_pattern;
	bool unsure;	/* an answer was lost: it says and asks for everything next */
	unsigned wants; /* topics, as bits */
	int32_t epoch;
	struct tp owned[SIM_TOPICS * SIM_PARTS]; /* what it uses */
	size_t owned_len;
	struct tp told[SIM_TOPICS * SIM_PARTS]; /* what it was told to have */
	size_t told_len;
};

struct sim {
	struct rnd dice, rnd;
	struct group_cfg cfg;
	struct consumer_cfg consumer_cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct shard *shard;
	struct fx fx;
	struct moment now;
	struct consumer_topics topics;
	struct {
		struct uuid id;
		int32_t partitions_len; /* 0: there is none */
	} topic[SIM_TOPICS];
	struct sim_client clients[SIM_CLIENTS];
	unsigned names; /* given out */
	bool quiet;	/* nothing goes wrong any more */
	struct arena log_arena;
	struct fx_record *log;
	size_t log_len;
};

static const char *const sim_names[SIM_TOPICS] = {"a", "ab", "b", "c"};

static bool sim_chance(struct sim *sim, unsigned percent)
{
	return !sim->quiet && rnd_below(&sim->dice, 100) < percent;
}

/* -- topics -------------------------------------------------------------------------------------
 */

static bool sim_by_name(void *ctx, struct str name, struct uuid *id, int32_t *partitions_len)
{
	struct sim *sim = ctx;

	for (size_t i = 0; i < SIM_TOPICS; i++) {
		if (!str_eq(name, str_of(sim_names[i])) || sim->topic[i].partitions_len == 0)
			continue;
		*id = sim->topic[i].id;
		*partitions_len = sim->topic[i].partitions_len;
		return true;
	}
	return false;
}

static bool sim_next(void *ctx, struct str after, struct str *name)
{
	struct sim *sim = ctx;

	for (size_t i = 0; i < SIM_TOPICS; i++) {
		*name = str_of(sim_names[i]);
		if (sim->topic[i].partitions_len > 0 &&
		    (after.ptr == NULL || str_cmp(*name, after) > 0))
			return true;
	}
	return false;
}

static void sim_change_topics(struct sim *sim)
{
	size_t i = rnd_below(&sim->dice, SIM_TOPICS);

	if (sim->topic[i].partitions_len == 0)
		sim->topic[i].id = rnd_uuid(&sim->rnd);
	else if (sim_chance(sim, 30))
		sim->topic[i].partitions_len = -1;
	sim->topic[i].partitions_len++;
	if (sim->topic[i].partitions_len > SIM_PARTS)
		sim->topic[i].partitions_len = SIM_PARTS;
	sim->topics.version++;
}

/* -- the log ------------------------------------------------------------------------------------
 */

static struct tpset sim_copy_set(struct arena *arena, struct tpset set)
{
	struct tp *copy = arena_array(arena, set.len + 1, sizeof(*copy));

	must(copy != NULL);
	if (set.len > 0)
		memcpy(copy, set.at, set.len * sizeof(*copy));
	return (struct tpset){copy, set.len};
}

static const struct str *sim_copy_names(struct arena *arena, const struct str *names, size_t len)
{
	struct str *copy = arena_array(arena, len + 1, sizeof(*copy));

	must(copy != NULL);
	for (size_t i = 0; i < len; i++)
		copy[i] = arena_str(arena, names[i]);
	return copy;
}

static void sim_copy(struct arena *arena, struct fx_record *record)
{
	struct consumer_record *c = &record->consumer;

	record->group = arena_str(arena, record->group);
	c->member_id = arena_str(arena, c->member_id);
	if (record->kind == FX_CONSUMER_REGEX) {
		c->resolved.regex = arena_str(arena, c->resolved.regex);
		c->resolved.topics =
		    sim_copy_names(arena, c->resolved.topics, c->resolved.topics_len);
	} else if (record->tombstone) {
		return;
	} else if (record->kind == FX_CONSUMER_TARGET) {
		c->target = sim_copy_set(arena, c->target);
	} else if (record->kind == FX_CONSUMER_CURRENT) {
		c->current.assigned = sim_copy_set(arena, c->current.assigned);
		c->current.revoking = sim_copy_set(arena, c->current.revoking);
	} else if (record->kind == FX_CONSUMER_MEMBER) {
		c->about.instance_id = arena_str(arena, c->about.instance_id);
		c->about.rack_id = arena_str(arena, c->about.rack_id);
		c->about.client_id = arena_str(arena, c->about.client_id);
		c->about.client_host = arena_str(arena, c->about.client_host);
		c->about.assignor = arena_str(arena, c->about.assignor);
		c->about.regex = arena_str(arena, c->about.regex);
		c->about.topics = sim_copy_names(arena, c->about.topics, c->about.topics_len);
	}
}

/* What a compacted log keeps one record of. */
static bool sim_same_key(const struct fx_record *a, const struct fx_record *b)
{
	if (a->kind != b->kind || !str_eq(a->group, b->group))
		return false;
	if (a->kind == FX_CONSUMER_REGEX)
		return str_eq(a->consumer.resolved.regex, b->consumer.resolved.regex);
	if (a->kind == FX_CONSUMER_GROUP || a->kind == FX_CONSUMER_TARGET_EPOCH)
		return true;
	return str_eq(a->consumer.member_id, b->consumer.member_id);
}

static void sim_compact(struct sim *sim)
{
	size_t kept = 0;

	for (size_t i = 0; i < sim->log_len; i++) {
		bool last = true;

		for (size_t k = i + 1; k < sim->log_len && last; k++)
			last = !sim_same_key(&sim->log[i], &sim->log[k]);
		if (last)
			sim->log[kept++] = sim->log[i];
	}
	sim->log_len = kept;
}

/* -- the shell ----------------------------------------------------------------------------------
 */

static enum err sim_run(struct sim *sim)
{
	bool fails = sim_chance(sim, 2);
	enum err err = ERR_OK;

	for (size_t i = 0; i < sim->fx.records_len && err == ERR_OK; i++) {
		if (fails && sim_chance(sim, 50)) {
			err = ERR_NOSPACE;
			break;
		}
		must(sim->log_len < SIM_LOG_MAX);
		sim->fx.records[i].at = (int64_t)sim->log_len;
		sim->log[sim->log_len] = sim->fx.records[i];
		sim_copy(&sim->log_arena, &sim->log[sim->log_len++]);
	}
	shard_settle(sim->shard, sim->now, &sim->fx, err);
	return err;
}

static struct shard *sim_replay(struct sim *sim, struct keep *keep, struct deadlines *deadlines)
{
	struct shard *shard = shard_new(&sim->cfg, keep, deadlines, &sim->rnd);

	must(shard != NULL);
	consumer_set_topics(shard, &sim->topics);
	for (size_t i = 0; i < sim->log_len; i++)
		replay_record(shard, &sim->log[i], -1);
	return shard;
}

static void sim_restart(struct sim *sim)
{
	shard_unload(sim->shard, &sim->fx);
	shard_free(sim->shard);
	fx_reset(&sim->fx);
	sim_must(sim->keep.used_bytes == 0);
	if (sim_chance(sim, 50))
		sim_compact(sim);
	sim->shard = sim_replay(sim, &sim->keep, &sim->deadlines);
	replay_done(sim->shard, sim->now, &sim->fx);
	(void)sim_run(sim);
	fx_reset(&sim->fx);
}

static void sim_advance(struct sim *sim, int64_t ms)
{
	int64_t until = sim->now.mono_ms + ms;
	struct deadline *d;

	while ((d = deadlines_due(&sim->deadlines, until)) != NULL) {
		if (d->at_ms > sim->now.mono_ms) {
			sim->now.wall_ms += d->at_ms - sim->now.mono_ms;
			sim->now.mono_ms = d->at_ms;
		}
		fx_reset(&sim->fx);
		deadline_fire(sim->now, d, &sim->fx);
		(void)sim_run(sim);
	}
	sim->now.wall_ms += until - sim->now.mono_ms;
	sim->now.mono_ms = until;
}

/* -- clients ------------------------------------------------------------------------------------
 */

static void sim_forget(struct sim_client *client)
{
	client->alive = false;
	client->epoch = 0;
	client->owned_len = client->told_len = 0;
}

static void sim_obey(struct sim_client *client)
{
	memcpy(client->owned, client->told, sizeof(client->told));
	client->owned_len = client->told_len;
}

/* Takes what is new at once; gives back what it shall when it likes. */
static void sim_take(struct sim *sim, struct sim_client *client,
		     const struct consumer_answer *answer)
{
	client->epoch = answer->member_epoch;
	if (!answer->has_assignment)
		return;
	sim_must(answer->assigned.len <= ARRAY_LEN(client->told));
	client->told_len = answer->assigned.len;
	for (size_t i = 0; i < client->told_len; i++)
		client->told[i] = answer->assigned.at[i];
	if (!sim_chance(sim, 40))
		sim_obey(client);
}

static void sim_name(struct sim *sim, struct sim_client *client)
{
	size_t idx = (size_t)(client - sim->clients);

	snprintf(client->id, sizeof(client->id), "m%u", sim->names++);
	client->is_static = idx % 3 == 0;
	snprintf(client->instance, sizeof(client->instance), "i%zu", idx / 3);
	client->wants = 1 + (unsigned)rnd_below(&sim->dice, (1 << SIM_TOPICS) - 1);
	client->by_pattern = rnd_below(&sim->dice, 4) == 0;
}

static void sim_beat(struct sim *sim, struct sim_client *client, int32_t epoch, bool full)
{
	struct str topics[SIM_TOPICS];
	struct consumer_ask ask = {.group = STR("g"),
				   .member_id = str_of(client->id),
				   .member_epoch = epoch,
				   .client_id = STR("c"),
				   .client_host = STR("/127.0.0.1"),
				   .rebalance_ms = full || epoch == 0 ? 20000 : -1,
				   .topics = topics,
				   .has_owned = full || epoch == 0 || !sim_chance(sim, 30),
				   .owned = {client->owned, client->owned_len},
				   .cfg = &sim->consumer_cfg};
	struct consumer_answer answer;
	enum err err;

	if (client->is_static)
		ask.instance_id = str_of(client->instance);
	ask.has_topics = full || epoch == 0;
	for (size_t i = 0; i < SIM_TOPICS && ask.has_topics && !client->by_pattern; i++)
		if ((client->wants >> i & 1) != 0)
			topics[ask.topics_len++] = str_of(sim_names[i]);
	if (ask.has_topics)
		ask.regex = client->by_pattern ? STR("a.*|c") : STR("");
	if (ask.has_topics && rnd_below(&sim->dice, 3) == 0)
		ask.assignor = rnd_below(&sim->dice, 2) == 0 ? STR("range") : STR("uniform");
	client->unsure = true;
	fx_reset(&sim->fx);
	err = consumer_heartbeat(sim->shard, sim->now, &ask, &sim->fx, &answer);
	if (err == ERR_OK)
		err = sim_run(sim);
	if (err == ERR_NOSPACE)
		return; /* no answer: it asks again */
	if (err == ERR_OK && epoch < 0) {
		sim_must(answer.member_epoch == epoch);
		sim_forget(client);
	} else if (err == ERR_OK && !sim_chance(sim, 5)) { /* else the answer is lost */
		client->alive = true;
		client->unsure = false;
		sim_take(sim, client, &answer);
	} else if (err == ERR_FENCED_MEMBER_EPOCH || err == ERR_UNKNOWN_MEMBER_ID ||
		   err == ERR_GROUP_ID_NOT_FOUND || err == ERR_FENCED_INSTANCE_ID) {
		sim_forget(client);
	} else {
		sim_must(err == ERR_OK || err == ERR_UNRELEASED_INSTANCE_ID ||
			 err == ERR_COORDINATOR_NOT_AVAILABLE);
	}
}

static void sim_act(struct sim *sim, struct sim_client *client)
{
	if (!client->alive) {
		if (client->id[0] == 0 || sim_chance(sim, 30))
			sim_name(sim, client);
		client->owned_len = client->told_len = 0;
		sim_beat(sim, client, 0, true);
	} else if (sim_chance(sim, 4)) {
		sim_beat(sim, client,
			 client->is_static && sim_chance(sim, 60) ? CONSUMER_EPOCH_LEAVE_STATIC
								  : CONSUMER_EPOCH_LEAVE,
			 true);
	} else if (sim_chance(sim, 3)) {
		/* Killed: it uses nothing any more, and the coordinator does not know. */
		sim_forget(client);
		sim_name(sim, client);
	} else {
		if (sim_chance(sim, 5))
			client->wants = 1 + (unsigned)rnd_below(&sim->dice, 15);
		if (sim->quiet || sim_chance(sim, 70))
			sim_obey(client);
		sim_beat(sim, client, client->epoch,
			 client->unsure || sim->quiet || sim_chance(sim, 30));
	}
}

/* -- what must hold -----------------------------------------------------------------------------
 */

static const struct consumer *sim_group(const struct shard *shard)
{
	struct group *group = shard_find(shard, STR("g"));

	return group != NULL ? group->consumer : NULL;
}

/* Not one whose removal got into the log in part: its next heartbeat is fenced. */
static bool sim_in_good_standing(const struct consumer *c, const struct sim_client *client)
{
	const struct cmember *member = consumer_find(c, str_of(client->id));

	return client->alive && member != NULL && member->epoch >= 0;
}

/* A client that is a member in good standing uses nothing that another such client uses. */
static void sim_check_use(struct sim *sim)
{
	const struct consumer *c = sim_group(sim->shard);

	for (size_t i = 0; i < SIM_CLIENTS; i++) {
		struct sim_client *a = &sim->clients[i];
		struct tpset owned = {a->owned, a->owned_len};

		if (!sim_in_good_standing(c, a))
			continue;
		for (size_t k = 0; k < i; k++) {
			struct sim_client *b = &sim->clients[k];

			if (sim_in_good_standing(c, b))
				sim_must(
				    !tpset_overlaps(owned, (struct tpset){b->owned, b->owned_len}));
		}
	}
}

static void sim_check_owner(const struct consumer *c, const struct cmember *member,
			    struct tpset set, size_t *count)
{
	for (size_t i = 0; i < set.len; i++)
		sim_must(consumer_owner(c, &set.at[i]) == member);
	*count += set.len;
}

static void sim_check_tables(const struct shard *shard)
{
	const struct consumer *c = sim_group(shard);
	size_t owners = 0, statics = 0;

	for (const struct cmember *m = c != NULL ? c->members : NULL; m != NULL; m = m->hh.next) {
		sim_check_owner(c, m, m->assigned, &owners);
		sim_check_owner(c, m, m->revoking, &owners);
		sim_must(!tpset_overlaps(m->assigned, m->revoking));
		sim_must((m->state == CONSUMER_UNREVOKED) == (m->revoking.len > 0) || m->epoch < 0);
		sim_must(m->epoch <= c->assignment_epoch);
		sim_must(deadline_is_set(&m->session));
		statics += m->about.instance_id.ptr != NULL;
		if (m->about.instance_id.ptr != NULL)
			sim_must(consumer_find_static(c, m->about.instance_id) == m);
	}
	sim_must(c == NULL || owners == HASH_COUNT(c->owners));
	sim_must(c == NULL || statics == HASH_CNT(hh_instance, c->statics));
	sim_must(c == NULL || c->assignment_epoch <= c->epoch);
}

static void sim_check_member(const struct cmember *a, const struct cmember *b)
{
	sim_must(a->epoch == b->epoch && a->previous_epoch == b->previous_epoch &&
		 a->state == b->state);
	sim_must(tpset_equal(a->assigned, b->assigned) && tpset_equal(a->revoking, b->revoking));
	sim_must(tpset_equal(a->target, b->target));
	sim_must(a->about.topics_len == b->about.topics_len &&
		 str_eq(a->about.regex, b->about.regex) &&
		 str_eq(a->about.instance_id, b->about.instance_id));
}

static void sim_check_replay(struct sim *sim)
{
	struct keep keep = {.cap_bytes = SIZE_MAX};
	struct deadlines deadlines = {0};
	struct shard *again = sim_replay(sim, &keep, &deadlines);
	const struct consumer *a = sim_group(sim->shard), *b = sim_group(again);

	sim_must((a == NULL) == (b == NULL));
	if (a != NULL) {
		sim_must(a->epoch == b->epoch && a->metadata_hash == b->metadata_hash &&
			 a->assignment_epoch == b->assignment_epoch);
		sim_must(HASH_COUNT(a->members) == HASH_COUNT(b->members));
		sim_must(HASH_COUNT(a->regexes) == HASH_COUNT(b->regexes));
		for (const struct cmember *m = a->members; m != NULL; m = m->hh.next) {
			const struct cmember *other = consumer_find(b, m->id);

			sim_must(other != NULL);
			sim_check_member(m, other);
		}
	}
	shard_free(again);
	sim_must(keep.used_bytes == 0);
	deadlines_fini(&deadlines);
}

/* When nothing happens any more, all is assigned, and to one each. */
static void sim_check_quiet(struct sim *sim)
{
	const struct consumer *c;
	unsigned wanted = 0;

	sim->quiet = true;
	for (int round = 0; round < 40; round++) {
		sim_advance(sim, 5000);
		for (size_t i = 0; i < SIM_CLIENTS; i++)
			sim_act(sim, &sim->clients[i]);
	}
	c = sim_group(sim->shard);
	sim_must(c != NULL && str_eq(consumer_state_name(c), STR("Stable")));
	for (size_t i = 0; i < SIM_CLIENTS; i++) {
		sim_must(sim->clients[i].alive);
		wanted |= sim->clients[i].by_pattern ? 0xb : sim->clients[i].wants;
	}
	for (size_t t = 0; t < SIM_TOPICS; t++)
		for (int32_t p = 0; p < sim->topic[t].partitions_len; p++) {
			struct tp tp = {.topic = sim->topic[t].id, .partition = p};

			sim_must((consumer_owner(c, &tp) != NULL) == ((wanted >> t & 1) != 0));
		}
	sim->quiet = false;
}

/* -- one simulation -----------------------------------------------------------------------------
 */

static void sim_one(struct sim *sim)
{
	sim_act(sim, &sim->clients[rnd_below(&sim->dice, SIM_CLIENTS)]);
	if (sim_chance(sim, 3))
		sim_change_topics(sim);
	if (sim_chance(sim, 20))
		sim_advance(sim, (int64_t)rnd_below(&sim->dice, 4000));
	if (sim_chance(sim, 1) && sim_chance(sim, 30))
		sim_advance(sim, 60000);
	if (sim_chance(sim, 1))
		sim_restart(sim);
	sim_check_use(sim);
	sim_check_tables(sim->shard);
	if (sim_step % 50 == 0)
		sim_check_replay(sim);
	if (sim_step % 1000 == 999)
		sim_check_quiet(sim);
	if (sim->log_len > 20000)
		sim_compact(sim);
}

static void simulate(uint64_t seed, uint64_t steps)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	must(sim != NULL);
	sim_seed = seed;
	rnd_init_seed(&sim->dice, seed);
	rnd_init_seed(&sim->rnd, seed + 1);
	sim->cfg = group_cfg_default;
	sim->consumer_cfg = (struct consumer_cfg){.session_ms = 45000,
						  .heartbeat_ms = 5000,
						  .assignment_ms = seed % 2 == 0 ? 0 : 1000,
						  .size_max = 100,
						  .assignor = STR("uniform")};
	sim->keep.cap_bytes = SIZE_MAX;
	sim->now = (struct moment){1000, 1700000000000};
	sim->topics = (struct consumer_topics){.ctx = sim,
					       .version = 1,
					       .by_name = sim_by_name,
					       .next = sim_next};
	arena_init(&sim->log_arena, (size_t)2 << 30);
	sim->log = calloc(SIM_LOG_MAX, sizeof(*sim->log));
	must(sim->log != NULL);
	fx_init(&sim->fx);
	sim->shard = sim_replay(sim, &sim->keep, &sim->deadlines);
	for (sim_step = 0; sim_step < steps; sim_step++)
		sim_one(sim);
	sim_check_quiet(sim);
	shard_unload(sim->shard, &sim->fx);
	shard_free(sim->shard);
	sim_must(sim->keep.used_bytes == 0);
	deadlines_fini(&sim->deadlines);
	fx_fini(&sim->fx);
	arena_fini(&sim->log_arena);
	free(sim->log);
	free(sim);
}

int main(int argc, char **argv)
{
	uint64_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;

	if (argc > 1) {
		simulate(strtoull(argv[1], NULL, 10), steps);
		return 0;
	}
	for (uint64_t seed = 1; seed <= 6; seed++)
		simulate(seed, steps);
	printf("6 seeds of %llu steps\n", (unsigned long long)steps);
	return 0;
}
