/*
 * The clients of the simulation: they follow the protocol, more or less, and check their answers.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static struct str sim_str(const struct sim_id *id)
{
	return (struct str){id->text, id->len};
}

static void sim_set_id(struct sim_id *id, struct str from)
{
	sim_must(from.len < SIM_ID_MAX);
	memcpy(id->text, from.ptr, from.len);
	id->len = from.len;
}

/* -- answers ------------------------------------------------------------------------------- */

static void sim_take_generation(struct sim_group *group, int32_t generation)
{
	sim_must(generation >= group->generation);
	group->generation = generation;
}

void sim_joined(struct sim *sim, struct sim_client *client, const struct join_answer *answer)
{
	struct sim_group *group = &sim->groups[client->group];

	client->leads = client->joined = client->synced = false;
	client->members_len = 0;
	if (answer->err == ERR_MEMBER_ID_REQUIRED) {
		sim_must(answer->member_id.len > 0);
		sim_set_id(&client->id, answer->member_id);
		return;
	}
	if (answer->err != ERR_OK) {
		if (answer->err != ERR_REBALANCE_IN_PROGRESS)
			client->id.len = 0;
		return;
	}
	sim_set_id(&client->id, answer->member_id);
	sim_take_generation(group, answer->generation);
	client->generation = answer->generation;
	client->joined = true;
	sim_must(answer->protocol.len > 0 && str_eq(answer->protocol_type, STR("consumer")));
	sim_must(answer->members_len == 0 || str_eq(answer->leader, answer->member_id));
	client->leads = answer->members_len > 0 && !answer->skip_assignment;
	sim_must(answer->members_len <= SIM_MEMBERS);
	for (size_t i = 0; i < answer->members_len; i++)
		sim_set_id(&client->members[i], answer->members[i].id);
	client->members_len = answer->members_len;
}

/* An assignment: the partitions, one digit each. Nobody else has them in this generation. */
void sim_synced(struct sim *sim, struct sim_client *client, const struct sync_answer *answer)
{
	struct sim_group *group = &sim->groups[client->group];
	/* Those that share an instance id are one member, at different times. */
	int me = client->is_static ? 1000 + (int)client->idx % 3 : (int)client->idx;

	if (answer->err == ERR_UNKNOWN_MEMBER_ID || answer->err == ERR_FENCED_INSTANCE_ID)
		client->id.len = 0;
	client->joined = client->synced = answer->err == ERR_OK;
	if (answer->err != ERR_OK)
		return;
	if (group->owner_generation != client->generation)
		for (size_t p = 0; p < SIM_PARTITIONS; p++)
			group->owner[p] = -1;
	sim_must(client->generation >= group->owner_generation);
	group->owner_generation = client->generation;
	for (size_t i = 0; i < answer->assignment.len; i++) {
		int *owner = &group->owner[answer->assignment.ptr[i] - '0'];

		sim_must(*owner == -1 || *owner == me);
		*owner = me;
	}
	sim->stable++;
}

/* -- clients ------------------------------------------------------------------------------- */

static struct sim_request *sim_ask(struct sim *sim, struct sim_client *client, bool is_sync)
{
	struct sim_request *req = calloc(1, sizeof(*req));

	must(req != NULL);
	*req = (struct sim_request){.client = client,
				    .is_sync = is_sync,
				    .since_ms = sim->now.mono_ms};
	TAILQ_INSERT_TAIL(&sim->waiting, req, link);
	client->waits = req; /* what it waited for before is given up */
	return req;
}

static struct str sim_instance(const struct sim_client *client, char text[8])
{
	if (!client->is_static)
		return STR_NULL;
	snprintf(text, 8, "i%zu", client->idx % 3); /* two clients may fight for one */
	return str_of(text);
}

static void sim_join(struct sim *sim, struct sim_client *client)
{
	static const struct join_protocol all[] = {
	    {{"range", 5}, {(const uint8_t *)"\0\0\0\0\0\1\0\1t\377\377\377\377", 13}},
	    {{"sticky", 6}, {(const uint8_t *)"\0\0\0\0\0\0\377\377\377\377", 10}},
	    {{"roundrobin", 10}, {(const uint8_t *)"x", 1}}};
	char instance[8];
	struct join_ask ask = {.group = str_of(sim->groups[client->group].name),
			       .member_id = sim_str(&client->id),
			       .instance_id = sim_instance(client, instance),
			       .client_id = STR("c"),
			       .client_host = STR("/127.0.0.1"),
			       .protocol_type = STR("consumer"),
			       .session_ms = 6000 + (int32_t)rnd_below(&sim->dice, 20000),
			       .rebalance_ms = 1000 + (int32_t)rnd_below(&sim->dice, 30000),
			       .protocols = all,
			       .protocols_len = 1 + client->taste % 3,
			       .wants_member_id = !client->old,
			       .can_skip = !client->old};

	if (sim_chance(sim, 3))
		client->taste++;
	if (sim_chance(sim, 2))
		ask.protocols++, ask.protocols_len = 1;
	ask.who = sim_ask(sim, client, false);
	join_handle(sim->shard, sim->now, &ask, &sim->fx);
	sim_run(sim);
}

static void sim_sync(struct sim *sim, struct sim_client *client)
{
	struct sync_assignment list[SIM_MEMBERS];
	char digits[SIM_MEMBERS][SIM_PARTITIONS];
	char instance[8];
	struct sync_ask ask = {.group = str_of(sim->groups[client->group].name),
			       .member_id = sim_str(&client->id),
			       .instance_id = sim_instance(client, instance),
			       .generation = client->generation,
			       .assignments = list};

	for (size_t i = 0; client->leads && i < client->members_len; i++)
		list[i] = (struct sync_assignment){sim_str(&client->members[i]),
						   {(uint8_t *)digits[i], 0}};
	if (client->leads)
		ask.assignments_len = client->members_len;
	for (size_t p = 0; p < SIM_PARTITIONS && ask.assignments_len > 0; p++) {
		struct sync_assignment *to = &list[p % ask.assignments_len];

		digits[p % ask.assignments_len][to->assignment.len++] = (char)('0' + p);
	}
	ask.who = sim_ask(sim, client, true);
	sync_handle(sim->shard, sim->now, &ask, &sim->fx);
	sim_run(sim);
}

/* Only the newest generation may speak, and only who holds the instance id now. */
static void sim_check_accepted(const struct sim *sim, const struct sim_client *client,
			       int32_t generation)
{
	const struct group *group = shard_find(sim->shard, str_of(sim->groups[client->group].name));
	const struct member *holder;
	char instance[8];

	sim_must(group != NULL && generation == group->generation);
	if (!client->is_static)
		return;
	holder = member_find_static(group, sim_instance(client, instance));
	sim_must(holder != NULL && str_eq(holder->id, sim_str(&client->id)));
}

static void sim_heartbeat(struct sim *sim, struct sim_client *client)
{
	char instance[8];
	bool late = client->generation > 0 && sim_chance(sim, 5); /* of the generation before */
	int32_t generation = late ? client->generation - 1 : client->generation;
	enum err err =
	    heartbeat_handle(sim->shard, sim->now, str_of(sim->groups[client->group].name),
			     sim_str(&client->id), sim_instance(client, instance), generation);

	if (err == ERR_OK || err == ERR_REBALANCE_IN_PROGRESS)
		sim_check_accepted(sim, client, generation);
	if (late)
		return;
	if (err == ERR_UNKNOWN_MEMBER_ID || err == ERR_FENCED_INSTANCE_ID)
		client->id.len = 0;
	if (err != ERR_OK)
		client->joined = client->synced = false;
	sim_must(err == ERR_OK || err == ERR_UNKNOWN_MEMBER_ID || err == ERR_FENCED_INSTANCE_ID ||
		 err == ERR_ILLEGAL_GENERATION || err == ERR_REBALANCE_IN_PROGRESS);
}

static void sim_leave(struct sim *sim, struct sim_client *client)
{
	char instance[8];
	struct leave_member members[2] = {{.id = sim_str(&client->id),
					   .instance_id = sim_instance(client, instance)},
					  {.id = STR(""), .instance_id = STR("i1")}};
	enum err err = leave_handle(sim->shard, sim->now, str_of(sim->groups[client->group].name),
				    members, sim_chance(sim, 10) ? 2 : 1, &sim->fx);

	sim_must(err == ERR_OK);
	sim_run(sim);
	client->id.len = 0;
}

/* -- offsets ------------------------------------------------------------------------------- */

static void sim_commit(struct sim *sim, struct sim_client *client)
{
	struct sim_group *group = &sim->groups[client->group];
	struct offset_entry entries[2] = {0};
	char instance[8];
	struct commit_ask ask = {.group = str_of(group->name),
				 .member_id = sim_str(&client->id),
				 .instance_id = sim_instance(client, instance),
				 .generation = client->generation > 0 && sim_chance(sim, 5)
						   ? client->generation - 1
						   : client->generation,
				 .retention_ms = sim_chance(sim, 5) ? 1000 : -1,
				 .offsets = entries,
				 .offsets_len = 2};
	enum err err;

	if (sim_chance(sim, 20)) {
		ask.member_id = STR("");
		ask.instance_id = STR_NULL;
		ask.generation = -1;
	}
	for (size_t i = 0; i < 2; i++) {
		entries[i].topic = STR("t");
		entries[i].partition = (int32_t)rnd_below(&sim->dice, SIM_PARTITIONS);
		entries[i].value =
		    (struct offset_value){.offset = (int64_t)rnd_below(&sim->dice, 1000),
					  .leader_epoch = -1,
					  .metadata = sim_chance(sim, 50) ? STR("note") : STR_NULL};
	}
	err = offsets_commit(sim->shard, sim->now, &ask, &sim->fx);
	if (err == ERR_OK && ask.generation >= 0) {
		sim_check_accepted(sim, client, ask.generation);
		sim_take_generation(group, ask.generation);
	}
	sim->committed += sim_run(sim) == ERR_OK && err == ERR_OK;
}

void sim_fetch(struct sim *sim, struct sim_group *group)
{
	struct offset_entry entries[SIM_PARTITIONS] = {0};
	bool stable = sim_chance(sim, 50);

	for (int32_t p = 0; p < SIM_PARTITIONS; p++)
		entries[p] = (struct offset_entry){.topic = STR("t"), .partition = p};
	offsets_fetch(sim->shard, str_of(group->name), stable, entries, SIM_PARTITIONS);
	for (size_t p = 0; p < SIM_PARTITIONS; p++) {
		bool open = false;

		for (size_t t = 0; t < SIM_PRODUCERS; t++)
			open = open || group->pending[t][p].at >= 0;
		if (stable && open)
			sim_must(entries[p].err == ERR_UNSTABLE_OFFSET_COMMIT);
		else
			sim_must(entries[p].err == ERR_OK &&
				 entries[p].value.offset == group->offsets[p].offset);
	}
}

void sim_delete(struct sim *sim, struct sim_group *group)
{
	struct offset_entry entry = {.topic = STR("t"),
				     .partition = (int32_t)rnd_below(&sim->dice, SIM_PARTITIONS)};
	enum err err;

	if (sim_chance(sim, 70))
		err = offsets_delete(sim->shard, str_of(group->name), &entry, 1, &sim->fx);
	else if (sim_chance(sim, 90))
		err = shard_delete_group(sim->shard, str_of(group->name), &sim->fx);
	else {
		offsets_topic_deleted(sim->shard, STR("t"), (struct uuid){{1}}, &sim->fx);
		err = ERR_OK;
	}
	sim_must(err == ERR_OK || sim->fx.records_len == 0);
	sim_run(sim);
}

void sim_txn(struct sim *sim, struct sim_group *group)
{
	size_t t = (size_t)rnd_below(&sim->dice, SIM_PRODUCERS);
	int32_t p = (int32_t)rnd_below(&sim->dice, SIM_PARTITIONS);
	struct fx_record record = {.kind = FX_OFFSET, .group = str_of(group->name)};
	bool commit = sim_chance(sim, 60);

	if (sim_chance(sim, 60)) {
		record.offset.topic = STR("t");
		record.offset.partition = p;
		record.offset.value =
		    (struct offset_value){.offset = (int64_t)rnd_below(&sim->dice, 1000),
					  .metadata = STR("")};
		sim_log_append(&sim->log, &record, (int64_t)t);
		replay_record(sim->shard, &record, (int64_t)t);
		group->pending[t][p] = (struct sim_offset){record.offset.value.offset, record.at};
		return;
	}
	sim_log_marker(&sim->log, (int64_t)t, commit);
	replay_marker(sim->shard, (int64_t)t, commit);
	for (size_t g = 0; g < SIM_GROUPS; g++) {
		group = &sim->groups[g];
		for (p = 0; p < SIM_PARTITIONS; p++) {
			if (commit && group->pending[t][p].at > group->offsets[p].at)
				group->offsets[p] = group->pending[t][p];
			group->pending[t][p] = (struct sim_offset){-1, -1};
		}
	}
}

/* -- one step of one client ---------------------------------------------------------------- */

void sim_client_step(struct sim *sim, struct sim_client *client)
{
	if (client->waits != NULL && sim_chance(sim, 97))
		return;
	if (sim_chance(sim, 1)) /* starts again; a static one is known by its instance id */
		client->id.len = 0;
	if (client->id.len == 0 || !client->joined || sim_chance(sim, 2))
		sim_join(sim, client);
	else if (!client->synced || sim_chance(sim, 2))
		sim_sync(sim, client);
	else if (sim_chance(sim, 60))
		sim_heartbeat(sim, client);
	else if (sim_chance(sim, 90))
		sim_commit(sim, client);
	else if (sim_chance(sim, 20))
		sim_leave(sim, client);
}
