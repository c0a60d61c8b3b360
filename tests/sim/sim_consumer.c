/*
 * Consumer groups (KIP-848), with members of the classic protocol among them, under random steps:
 * members join, beat, obey late or never, leave, come back under another id, are silent; topics
 * grow, come and go; heartbeats are repeated and answers lost; appends fail; the coordinator
 * restarts from its log, compacted or not. After each step:
 *
 *	- no partition is with two members that may both use it
 *	- a member is never told to have what another has not given back
 *	- what is assigned exists in the target of somebody, or its owner is told to give it back
 *	- who is to give something back has a time for it; who waits for something waits for
 *somebody
 *	- the tables agree with each other, and with what the log gives back
 * and when all is quiet, the group becomes stable and every partition of a wanted topic has an
 * owner.
 *
 *	sim_consumer [seed [steps]]
 *
 * Longer than other files: the steps and what must hold after them are read together.
 */
#include "sim_consumer.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t sim_seed, sim_step;

const char *const sim_names[SIM_TOPICS] = {"a", "ab", "b", "c"};

bool sim_chance(struct sim *sim, unsigned percent)
{
	return !sim->quiet && rnd_below(&sim->dice, 100) < percent;
}

/* -- topics -------------------------------------------------------------------------------- */

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

static bool sim_by_id(void *ctx, struct uuid id, struct str *name)
{
	struct sim *sim = ctx;

	for (size_t i = 0; i < SIM_TOPICS; i++) {
		if (!uuid_eq(id, sim->topic[i].id) || sim->topic[i].partitions_len == 0)
			continue;
		*name = str_of(sim_names[i]);
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

/* -- the log ------------------------------------------------------------------------------- */

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

static const struct join_protocol *sim_copy_protocols(struct arena *arena,
						      const struct join_protocol *list, size_t len)
{
	struct join_protocol *copy = arena_array(arena, len + 1, sizeof(*copy));

	must(copy != NULL);
	for (size_t i = 0; i < len; i++)
		copy[i] = (struct join_protocol){arena_str(arena, list[i].name),
						 arena_bytes(arena, list[i].metadata)};
	return copy;
}

static void sim_copy_group(struct arena *arena, struct group_value *value)
{
	struct member_value *members = arena_array(arena, value->members_len + 1, sizeof(*members));

	must(members != NULL);
	value->protocol_type = arena_str(arena, value->protocol_type);
	value->protocol = arena_str(arena, value->protocol);
	value->leader = arena_str(arena, value->leader);
	for (size_t i = 0; i < value->members_len; i++) {
		struct member_value from = value->members[i];

		members[i] = from;
		members[i].id = arena_str(arena, from.id);
		members[i].instance_id = arena_str(arena, from.instance_id);
		members[i].client_id = arena_str(arena, from.client_id);
		members[i].client_host = arena_str(arena, from.client_host);
		members[i].subscription = arena_bytes(arena, from.subscription);
		members[i].assignment = arena_bytes(arena, from.assignment);
	}
	value->members = members;
}

static void sim_copy(struct arena *arena, struct fx_record *record)
{
	struct consumer_record *c = &record->consumer;

	record->group = arena_str(arena, record->group);
	if (record->kind == FX_GROUP) {
		if (!record->tombstone)
			sim_copy_group(arena, &record->value);
		return;
	}
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
		c->about.protocols =
		    sim_copy_protocols(arena, c->about.protocols, c->about.protocols_len);
	}
}

/* What a compacted log keeps one record of. */
static bool sim_same_key(const struct fx_record *a, const struct fx_record *b)
{
	if (a->kind != b->kind || !str_eq(a->group, b->group))
		return false;
	if (a->kind == FX_CONSUMER_REGEX)
		return str_eq(a->consumer.resolved.regex, b->consumer.resolved.regex);
	if (a->kind == FX_CONSUMER_GROUP || a->kind == FX_CONSUMER_TARGET_EPOCH ||
	    a->kind == FX_CONSUMER_PARTITIONS || a->kind == FX_GROUP)
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

/* -- the shell ----------------------------------------------------------------------------- */

enum err sim_run(struct sim *sim)
{
	bool fails = sim_chance(sim, 2), was_classic = sim->fx.scratch != NULL;
	bool was_consumer = sim->fx.downgraded != NULL;
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
	sim->upgrades += err == ERR_OK && was_classic;
	sim->downgrades += err == ERR_OK && was_consumer;
	sim_classic_answers(sim);
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
	fx_reset(&sim->fx);
	shard_unload(sim->shard, &sim->fx);
	sim_classic_answers(sim);
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

/* -- clients ------------------------------------------------------------------------------- */

void sim_forget(struct sim_client *client)
{
	client->alive = false;
	client->epoch = 0;
	client->owned_len = client->told_len = 0;
	client->stage = SIM_JOINS;
	client->waits = NULL;
}

void sim_obey(struct sim_client *client)
{
	memcpy(client->owned, client->told, sizeof(client->told));
	client->owned_len = client->told_len;
}

void sim_take_set(struct sim_client *client, struct tpset set)
{
	sim_must(set.len <= ARRAY_LEN(client->told));
	client->told_len = set.len;
	for (size_t i = 0; i < set.len; i++)
		client->told[i] = set.at[i];
}

/* Takes what is new at once; gives back what it shall when it likes. */
static void sim_take(struct sim *sim, struct sim_client *client,
		     const struct consumer_answer *answer)
{
	client->epoch = answer->member_epoch;
	if (!answer->has_assignment)
		return;
	sim_take_set(client, answer->assigned);
	if (!sim_chance(sim, 40))
		sim_obey(client);
}

/*
 * The answer is lost. If it had said what it uses, what it does not use may be another's by now:
 * so it takes no more of what it was told before, but asks again. (A client that does take it may
 * use a partition together with another for a moment, with Apache Kafka as here: there, too, who
 * does not say that it uses a partition need not give it back.)
 */
static void sim_lose(struct sim_client *client, const struct consumer_ask *ask)
{
	if (!ask->has_owned)
		return;
	memcpy(client->told, client->owned, sizeof(client->owned));
	client->told_len = client->owned_len;
}

void sim_name(struct sim *sim, struct sim_client *client)
{
	size_t idx = (size_t)(client - sim->clients);

	snprintf(client->id, sizeof(client->id), "m%u", sim->names++);
	client->is_static = idx % 3 == 0;
	snprintf(client->instance, sizeof(client->instance), "i%zu", idx / 3);
	client->wants = 1 + (unsigned)rnd_below(&sim->dice, (1 << SIM_TOPICS) - 1);
	client->by_pattern = rnd_below(&sim->dice, 4) == 0;
	client->classic = sim->mixed && rnd_below(&sim->dice, 2) == 0;
	client->cooperative = rnd_below(&sim->dice, 2) == 0;
	if (!client->classic)
		return;
	client->by_pattern = false;
	client->id[0] = 0; /* the coordinator finds one */
}

/* Whether it has said that it wants the topic, by name. */
static bool sim_named(struct sim *sim, const struct cmember *m, struct uuid topic)
{
	struct str name;

	if (!sim_by_id(sim, topic, &name))
		return false;
	for (size_t i = 0; i < m->about.topics_len; i++)
		if (str_eq(m->about.topics[i], name))
			return true;
	return false;
}

void sim_check_waiting(struct sim *sim, const struct sim_client *client)
{
	struct group *group = shard_find(sim->shard, STR("g"));
	const struct consumer *c = group != NULL ? group->consumer : NULL;
	const struct cmember *m = consumer_find(c, str_of(client->id));

	if (m == NULL || m->state != CONSUMER_UNRELEASED || m->epoch < 0)
		return;
	for (size_t i = 0; i < m->target.len; i++) {
		const struct tp *tp = &m->target.at[i];

		if (tpset_find(m->assigned, tp->topic, tp->partition) == NULL &&
		    sim_named(sim, m, tp->topic))
			sim_must(consumer_owner(c, tp) != NULL);
	}
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
	if (err == ERR_NOSPACE) {
		sim_lose(client, &ask);
		return; /* no answer: it asks again */
	}
	if (err == ERR_OK)
		sim_check_waiting(sim, client);
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
		sim_lose(client, &ask);
	}
}

static void sim_act(struct sim *sim, struct sim_client *client)
{
	if (client->classic) {
		sim_classic_act(sim, client);
	} else if (!client->alive) {
		if (client->id[0] == 0 || sim_chance(sim, 30))
			sim_name(sim, client);
		client->owned_len = client->told_len = 0;
		if (client->classic)
			return; /* from now on */
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

/* -- what must hold ------------------------------------------------------------------------ */

static const struct consumer *sim_group(const struct shard *shard)
{
	struct group *group = shard_find(shard, STR("g"));

	return group != NULL ? group->consumer : NULL;
}

/* Not one whose removal got into the log in part: its next heartbeat is fenced. */
static bool sim_stands(const struct sim *sim, const struct sim_client *client)
{
	const struct cmember *member;

	if (!client->alive)
		return false;
	if (client->classic)
		return sim_classic_stands(sim, client);
	member = consumer_find(sim_group(sim->shard), str_of(client->id));
	return member != NULL && !member->about.is_classic && member->epoch >= 0;
}

/* A client that is a member in good standing uses nothing that another such client uses. */
static void sim_check_use(struct sim *sim)
{
	for (size_t i = 0; i < SIM_CLIENTS; i++) {
		struct sim_client *a = &sim->clients[i];
		struct tpset owned = {a->owned, a->owned_len};

		if (!sim_stands(sim, a))
			continue;
		for (size_t k = 0; k < i; k++) {
			struct sim_client *b = &sim->clients[k];

			if (sim_stands(sim, b))
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

/* Who is to give something back has not for ever, even when the log does not take its end. */
static void sim_check_time(const struct sim *sim, const struct cmember *m)
{
	if (m->state != CONSUMER_UNREVOKED || m->about.is_classic || m->epoch < 0)
		return;
	sim_must(deadline_is_set(&m->rebalance));
	sim_must(m->rebalance.at_ms <= sim->now.mono_ms + sim->consumer_cfg.session_ms);
}

static void sim_check_tables(const struct sim *sim)
{
	const struct consumer *c = sim_group(sim->shard);
	size_t owners = 0, statics = 0, classics = 0;

	for (const struct cmember *m = c != NULL ? c->members : NULL; m != NULL; m = m->hh.next) {
		sim_check_owner(c, m, m->assigned, &owners);
		sim_check_owner(c, m, m->revoking, &owners);
		sim_must(!tpset_overlaps(m->assigned, m->revoking));
		sim_must((m->state == CONSUMER_UNREVOKED) == (m->revoking.len > 0) || m->epoch < 0);
		sim_must(m->epoch <= c->assignment_epoch);
		sim_must(deadline_is_set(&m->session));
		sim_must(!m->leaving);
		sim_check_time(sim, m);
		sim_must(m->about.is_classic || !deadline_is_set(&m->sync));
		classics += m->about.is_classic;
		statics += m->about.instance_id.ptr != NULL;
		if (m->about.instance_id.ptr != NULL)
			sim_must(consumer_find_static(c, m->about.instance_id) == m);
	}
	sim_must(c == NULL || owners == HASH_COUNT(c->owners));
	sim_must(c == NULL || statics == HASH_CNT(hh_instance, c->statics));
	sim_must(c == NULL || classics == c->classics_len);
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
	sim_must(a->about.is_classic == b->about.is_classic &&
		 a->about.session_ms == b->about.session_ms &&
		 protocols_equal(a->about.protocols, a->about.protocols_len, b->about.protocols,
				 b->about.protocols_len));
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

/* How many use it. */
static unsigned sim_users(const struct sim *sim, const struct tp *tp)
{
	unsigned users = 0;

	for (size_t i = 0; i < SIM_CLIENTS; i++) {
		const struct sim_client *client = &sim->clients[i];
		struct tpset owned = {client->owned, client->owned_len};

		users += tpset_find(owned, tp->topic, tp->partition) != NULL;
	}
	return users;
}

static void sim_calm_down(struct sim *sim)
{
	sim->quiet = true;
	for (int round = 0; round < 60; round++) {
		sim_advance(sim, 5000);
		/* Among classic members topics are looked at only when one joins. */
		for (size_t i = 0; i < SIM_CLIENTS && round == 20; i++)
			if (sim->clients[i].stage == SIM_IN)
				sim->clients[i].stage = SIM_JOINS;
		for (size_t i = 0; i < SIM_CLIENTS; i++)
			sim_act(sim, &sim->clients[i]);
	}
}

/* When nothing happens any more, all is assigned, and to one each. */
static void sim_check_quiet(struct sim *sim)
{
	const struct consumer *c;
	unsigned wanted = 0;

	sim_calm_down(sim);
	c = sim_group(sim->shard);
	sim_must(c == NULL || str_eq(consumer_state_name(c), STR("Stable")));
	for (size_t i = 0; i < SIM_CLIENTS; i++) {
		sim_must(sim_stands(sim, &sim->clients[i]));
		wanted |= sim->clients[i].by_pattern ? 0xb : sim->clients[i].wants;
	}
	for (size_t t = 0; t < SIM_TOPICS; t++)
		for (int32_t p = 0; p < sim->topic[t].partitions_len; p++) {
			struct tp tp = {.topic = sim->topic[t].id, .partition = p};
			bool is_wanted = (wanted >> t & 1) != 0;

			sim_must(c == NULL || (consumer_owner(c, &tp) != NULL) == is_wanted);
			sim_must(sim_users(sim, &tp) == is_wanted);
		}
	sim->quiet = false;
}

/* -- one simulation ------------------------------------------------------------------------ */

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
	sim_check_tables(sim);
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
	/* Every fourth has one protocol only; every third of the others may not go back. */
	sim->mixed = seed % 4 != 0;
	sim->cfg.migration = seed % 3 == 0 ? MIGRATION_UPGRADE : MIGRATION_BIDIRECTIONAL;
	sim->cfg.initial_delay_ms = 1000;
	fx_init(&sim->client_fx);
	sim->keep.cap_bytes = SIZE_MAX;
	sim->now = (struct moment){1000, 1700000000000};
	sim->topics = (struct consumer_topics){
	    .ctx = sim, .version = 1, .by_name = sim_by_name, .by_id = sim_by_id, .next = sim_next};
	arena_init(&sim->log_arena, (size_t)2 << 30);
	sim->log = calloc(SIM_LOG_MAX, sizeof(*sim->log));
	must(sim->log != NULL);
	fx_init(&sim->fx);
	sim->shard = sim_replay(sim, &sim->keep, &sim->deadlines);
	for (sim_step = 0; sim_step < steps; sim_step++)
		sim_one(sim);
	sim_check_quiet(sim);
	fx_reset(&sim->fx);
	shard_unload(sim->shard, &sim->fx);
	sim_classic_answers(sim);
	sim_must(sim->requests == NULL);
	shard_free(sim->shard);
	sim_must(sim->keep.used_bytes == 0);
	sim_must(!sim->mixed || steps < 10000 || sim->upgrades > 0);
	deadlines_fini(&sim->deadlines);
	fx_fini(&sim->fx);
	fx_fini(&sim->client_fx);
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
