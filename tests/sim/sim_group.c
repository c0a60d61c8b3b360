/*
 * The group coordinator under millions of random steps: clients join, sync, beat, commit, leave,
 * crash and ask twice; appends fail; the coordinator restarts from its log; time jumps;
 *transactions of another broker stand in the log. After each step the invariants of sim_check.c
 *must hold, and of the answers: each request has one, in time; a partition has one owner in a
 *generation; generations grow; what was committed is what is fetched.
 *
 *	sim_group [seed [steps]]
 *
 * Without a seed: a few fixed ones, for make check. A failure prints what replays it exactly.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t sim_seed, sim_step;

_Noreturn void sim_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\nfailed at step %llu; replay with: sim_group %llu\n", file, line,
		what, (unsigned long long)sim_step, (unsigned long long)sim_seed);
	abort();
}

bool sim_chance(struct sim *sim, unsigned percent)
{
	return rnd_below(&sim->dice, 100) < percent;
}

static struct sim_group *sim_group_of(struct sim *sim, struct str name)
{
	for (size_t i = 0; i < SIM_GROUPS; i++)
		if (str_eq(str_of(sim->groups[i].name), name))
			return &sim->groups[i];
	never("group");
}

void sim_forget_group(struct sim_group *group)
{
	group->generation = -1;
	group->owner_generation = -1;
	for (size_t p = 0; p < SIM_PARTITIONS; p++) {
		group->offsets[p] = (struct sim_offset){-1, -1};
		for (size_t t = 0; t < SIM_PRODUCERS; t++)
			group->pending[t][p] = (struct sim_offset){-1, -1};
	}
}

/* -- what the log takes -------------------------------------------------------------------- */

static void sim_note_offset(struct sim_group *group, const struct fx_record *record)
{
	int32_t p = record->offset.partition;

	group->offsets[p] = (struct sim_offset){-1, -1};
	if (!record->tombstone)
		group->offsets[p] = (struct sim_offset){record->offset.value.offset, record->at};
	else
		for (size_t t = 0; t < SIM_PRODUCERS; t++)
			group->pending[t][p] = (struct sim_offset){-1, -1};
}

static enum err sim_append(struct sim *sim)
{
	struct fx *fx = &sim->fx;
	bool fails = !sim->gives_up && sim_chance(sim, 3);

	for (size_t i = 0; i < fx->records_len; i++) {
		struct fx_record *record = &fx->records[i];

		/* Batches are split: what came before the failure is in the log. */
		if (fails && (record->kind == FX_GROUP || sim_chance(sim, 50))) {
			sim->lost = sim->lost || record->kind == FX_GROUP;
			return ERR_NOSPACE;
		}
		sim_log_append(&sim->log, record, -1);
		if (record->kind == FX_OFFSET)
			sim_note_offset(sim_group_of(sim, record->group), record);
		else if (record->kind == FX_GROUP && record->tombstone)
			sim_forget_group(sim_group_of(sim, record->group));
	}
	return ERR_OK;
}

void sim_answers(struct sim *sim)
{
	struct fx *fx = &sim->fx;

	for (size_t i = 0; i < fx->answers_len; i++) {
		struct fx_answer *answer = &fx->answers[i];
		struct sim_request *req, *found = NULL;

		TAILQ_FOREACH (req, &sim->waiting, link)
			if (req == answer->who)
				found = req;
		sim_must(found != NULL && found->is_sync == answer->is_sync);
		TAILQ_REMOVE(&sim->waiting, found, link);
		if (found->client != NULL && found->client->waits == found) {
			found->client->waits = NULL;
			if (answer->is_sync)
				sim_synced(sim, found->client, &answer->sync);
			else
				sim_joined(sim, found->client, &answer->join);
		}
		free(found);
	}
}

/* The shell's part, after each event. */
enum err sim_run(struct sim *sim)
{
	enum err err = sim_append(sim);

	shard_settle(sim->shard, sim->now, &sim->fx, err);
	sim_answers(sim);
	fx_reset(&sim->fx);
	return err;
}

/* -- the world ----------------------------------------------------------------------------- */

static void sim_start(struct sim *sim)
{
	sim->shard = shard_new(&sim->cfg, &sim->keep, &sim->deadlines, &sim->rnd);
	must(sim->shard != NULL);
	sim_log_replay(&sim->log, sim->shard);
	replay_done(sim->shard, sim->now, &sim->fx);
	sim_run(sim);
	sim->lost = false;
}

/* The state is lost, and comes back from the log. Everybody who waits is told. */
static void sim_restart(struct sim *sim)
{
	shard_unload(sim->shard, &sim->fx);
	sim_answers(sim);
	fx_reset(&sim->fx);
	sim_must(TAILQ_EMPTY(&sim->waiting));
	shard_free(sim->shard);
	sim_must(sim->keep.used_bytes == 0 && sim->deadlines.len == 0);
	/* A generation that was not written yet may be given out once more. */
	for (size_t g = 0; g < SIM_GROUPS; g++)
		sim->groups[g].generation = sim->groups[g].owner_generation;
	sim_start(sim);
	sim->restarts++;
}

static void sim_advance(struct sim *sim, int64_t ms)
{
	int64_t until_ms = sim->now.mono_ms + ms;
	struct deadline *d;

	while ((d = deadlines_due(&sim->deadlines, until_ms)) != NULL) {
		if (d->at_ms > sim->now.mono_ms) {
			sim->now.wall_ms += d->at_ms - sim->now.mono_ms;
			sim->now.mono_ms = d->at_ms;
		}
		sim_must(deadline_shard(d) == sim->shard);
		deadline_fire(sim->now, d, &sim->fx);
		sim_run(sim);
		sim->expired++;
	}
	sim->now.wall_ms += until_ms - sim->now.mono_ms;
	sim->now.mono_ms = until_ms;
}

static void sim_one_step(struct sim *sim)
{
	struct sim_client *client = &sim->clients[rnd_below(&sim->dice, ARRAY_LEN(sim->clients))];
	struct sim_group *group = &sim->groups[client->group];
	uint64_t what = rnd_below(&sim->dice, 1000);

	if (what < 800)
		sim_client_step(sim, client);
	else if (what < 900)
		sim_advance(sim, (int64_t)rnd_below(&sim->dice, 1000));
	else if (what < 903)
		sim_advance(sim, (int64_t)rnd_below(&sim->dice, 20000));
	else if (what < 904)
		sim_advance(sim, (int64_t)rnd_below(&sim->dice, 2 * sim->cfg.retention_ms));
	else if (what < 960)
		sim_fetch(sim, group);
	else if (what < 965)
		sim_delete(sim, group);
	else if (what < 990)
		sim_txn(sim, group);
	else if (what < 991)
		sim_restart(sim);
}

/* A join is drawn out at most by the initial delay and the longest rebalance timeout. */
static void sim_check_waiting(const struct sim *sim)
{
	const struct sim_request *req;

	TAILQ_FOREACH (req, &sim->waiting, link)
		sim_must(sim->now.mono_ms - req->since_ms <= sim->cfg.initial_delay_ms + 31000);
}

static void sim_check(struct sim *sim, bool deeply)
{
	sim_check_shard(sim->shard);
	sim_check_waiting(sim);
	if (sim->lost)
		sim_restart(sim);
	if (deeply)
		sim_check_replay(sim->shard, &sim->log);
	if (sim->log.len > 600 && sim->shard->txns == NULL) {
		/* A tombstone that ended a transaction's offset may go: the marker must end it. */
		for (int64_t t = 0; t < SIM_PRODUCERS; t++)
			sim_log_marker(&sim->log, t, false);
		sim_log_compact(&sim->log);
		sim_check_replay(sim->shard, &sim->log);
	}
}

static void sim_make(struct sim *sim)
{
	rnd_init_seed(&sim->dice, sim_seed);
	rnd_init_seed(&sim->rnd, sim_seed + 1);
	sim->cfg = group_cfg_default;
	sim->cfg.retention_ms = 3600000;
	sim->cfg.initial_delay_ms = sim_chance(sim, 30) ? 0 : 3000;
	sim->cfg.size_max = sim_chance(sim, 30) ? 4 : INT32_MAX;
	sim->keep.cap_bytes = sim_chance(sim, 30) ? 60000 : SIZE_MAX;
	sim->now = (struct moment){.mono_ms = 1000, .wall_ms = 1700000000000};
	TAILQ_INIT(&sim->waiting);
	fx_init(&sim->fx);
	sim_log_init(&sim->log);
	for (size_t g = 0; g < SIM_GROUPS; g++) {
		snprintf(sim->groups[g].name, sizeof(sim->groups[g].name), "g%zu", g);
		sim_forget_group(&sim->groups[g]);
	}
	for (size_t i = 0; i < ARRAY_LEN(sim->clients); i++)
		sim->clients[i] = (struct sim_client){.idx = i,
						      .group = i / SIM_CLIENTS,
						      .is_static = i % 3 == 0,
						      .old = i % 4 == 0,
						      .taste = (uint8_t)(i % 2 + 1)};
	sim_start(sim);
}

/* Everybody falls silent: everything ends, and nothing is left. */
static void sim_end(struct sim *sim)
{
	sim->gives_up = true;
	for (size_t t = 0; t < SIM_PRODUCERS; t++) {
		sim_log_marker(&sim->log, (int64_t)t, false);
		replay_marker(sim->shard, (int64_t)t, false);
	}
	sim_advance(sim, 60 * 60000);
	sim_must(TAILQ_EMPTY(&sim->waiting));
	for (struct group *group = sim->shard->groups; group != NULL; group = group->hh.next)
		sim_must(group_is(group, STATE_EMPTY) && group->pending == NULL);
	sim_advance(sim, 2 * sim->cfg.retention_ms + 2 * sim->cfg.expiry_check_ms);
	sim_must(shard_groups_len(sim->shard) == 0 && sim->deadlines.len == 0);
	shard_free(sim->shard);
	sim_must(sim->keep.used_bytes == 0);
	deadlines_fini(&sim->deadlines);
	sim_log_fini(&sim->log);
	fx_fini(&sim->fx);
}

static void sim_world(uint64_t seed, uint64_t steps)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	must(sim != NULL);
	sim_seed = seed;
	sim_make(sim);
	for (sim_step = 0; sim_step < steps; sim_step++) {
		sim_one_step(sim);
		sim_check(sim, sim_step % 50 == 0);
	}
	sim_end(sim);
	printf("seed %llu: %llu steps, %llu syncs, %llu commits, %llu deadlines, %llu restarts\n",
	       (unsigned long long)seed, (unsigned long long)steps, (unsigned long long)sim->stable,
	       (unsigned long long)sim->committed, (unsigned long long)sim->expired,
	       (unsigned long long)sim->restarts);
	free(sim);
}

int main(int argc, char **argv)
{
	uint64_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;

	if (argc > 1) {
		sim_world(strtoull(argv[1], NULL, 10), steps);
		return 0;
	}
	for (uint64_t seed = 1; seed <= 8; seed++)
		sim_world(seed, 20000);
	return 0;
}
