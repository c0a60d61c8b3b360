/*
 * Clients of the classic protocol in sim_consumer: they join, sync and beat, whatever kind of group
 * it is at the moment; the leader of a classic group assigns. When they join a classic group they
 * give up all that they use, as eager clients do; in a consumer group some keep it, and say so.
 */
#include "sim_consumer.h"
#include "group/embedded.h"

#define CLASSIC_SESSION_MS   30000
#define CLASSIC_REBALANCE_MS 20000

static const struct group *classic_group(const struct sim *sim)
{
	return shard_find(sim->shard, STR("g"));
}

bool sim_classic_stands(const struct sim *sim, const struct sim_client *client)
{
	const struct group *group = classic_group(sim);
	const struct cmember *member;

	if (group == NULL || client->stage == SIM_JOINS)
		return false;
	if (group->type == GROUP_CLASSIC)
		return member_find(group, str_of(client->id)) != NULL &&
		       group->generation == client->epoch;
	member = consumer_find(group->consumer, str_of(client->id));
	return member != NULL && member->about.is_classic && member->epoch == client->epoch;
}

/* -- requests ------------------------------------------------------------------------------ */

static struct sim_request *classic_request(struct sim *sim, struct sim_client *client, bool is_sync)
{
	struct sim_request *req = calloc(1, sizeof(*req));

	must(req != NULL);
	*req = (struct sim_request){client, is_sync, sim->requests};
	sim->requests = req;
	client->waits = req;
	return req;
}

static size_t classic_put_str(uint8_t *to, const char *text)
{
	size_t len = strlen(text);

	to[0] = 0;
	to[1] = (uint8_t)len;
	memcpy(to + 2, text, len);
	return len + 2;
}

/* ConsumerProtocolSubscription, version 1. What it owns has an assignment's form. */
static struct bytes classic_metadata(struct sim *sim, const struct sim_client *client)
{
	struct tpset owned = {client->owned, client->owned_len};
	struct bytes version = {(const uint8_t *)"\0\1", 2};
	struct bytes set = embedded_write_assignment(owned, version, &sim->topics, &sim->client_fx);
	uint8_t *data = fx_alloc(&sim->client_fx, 1, 256 + set.len);
	size_t len = 6;

	data[1] = 1;
	for (size_t i = 0; i < SIM_TOPICS; i++) {
		if ((client->wants >> i & 1) == 0)
			continue;
		data[5]++;
		len += classic_put_str(data + len, sim_names[i]);
	}
	memset(data + len, 0xff, 4);
	len += 4;
	memcpy(data + len, set.ptr + 2, set.len - 6); /* without version and user data */
	return (struct bytes){data, len + set.len - 6};
}

/*
 * Who was put out and has not heard of it comes as a new one; what it then says it owns is not its.
 */
static bool classic_is_known(const struct group *group, const struct sim_client *client)
{
	const struct cmember *member = consumer_find(group->consumer, str_of(client->id));

	return member != NULL && member->about.is_classic && member->epoch == client->epoch;
}

static void classic_join(struct sim *sim, struct sim_client *client)
{
	const struct group *group = classic_group(sim);
	struct join_protocol protocols[2] = {{STR("range"), BYTES_NULL},
					     {STR("cooperative-sticky"), BYTES_NULL}};
	struct join_ask ask = {.group = STR("g"),
			       .member_id = str_of(client->id),
			       .client_id = STR("c"),
			       .client_host = STR("/127.0.0.1"),
			       .protocol_type = STR("consumer"),
			       .session_ms = CLASSIC_SESSION_MS,
			       .rebalance_ms = CLASSIC_REBALANCE_MS,
			       .protocols = protocols,
			       .protocols_len = client->is_static ? 2 : 1,
			       .consumer_cfg = &sim->consumer_cfg};

	if (!client->cooperative || group == NULL || group->type != GROUP_CONSUMER ||
	    !classic_is_known(group, client))
		client->owned_len = client->told_len = 0;
	protocols[0].metadata = protocols[1].metadata = classic_metadata(sim, client);
	if (client->is_static)
		ask.instance_id = str_of(client->instance);
	ask.who = classic_request(sim, client, false);
	client->stage = SIM_JOINS;
	join_handle(sim->shard, sim->now, &ask, &sim->fx);
	if (sim_run(sim) == ERR_OK && client->stage == SIM_SYNCS)
		sim_check_waiting(sim, client);
}

/* -- the leader ---------------------------------------------------------------------------- */

static const struct sim_client *classic_named(const struct sim *sim, const char *id)
{
	for (size_t i = 0; i < SIM_CLIENTS; i++)
		if (sim->clients[i].classic && strcmp(sim->clients[i].id, id) == 0)
			return &sim->clients[i];
	return NULL;
}

/* Each partition to one who wants it; who of the members is not known any more gets nothing. */
static size_t classic_assign(struct sim *sim, const struct sim_client *leader,
			     struct tp sets[][SIM_TOPICS * SIM_PARTS], size_t *lens)
{
	size_t turn = rnd_below(&sim->dice, leader->members_len);

	for (size_t t = 0; t < SIM_TOPICS; t++) {
		for (int32_t p = 0; p < sim->topic[t].partitions_len; p++) {
			for (size_t i = 0; i < leader->members_len; i++) {
				size_t m = (turn + i) % leader->members_len;
				const struct sim_client *client =
				    classic_named(sim, leader->members[m]);

				if (client == NULL || (client->wants >> t & 1) == 0)
					continue;
				sets[m][lens[m]++] =
				    (struct tp){.topic = sim->topic[t].id, .partition = p};
				break;
			}
			turn++;
		}
	}
	return leader->members_len;
}

static void classic_sync(struct sim *sim, struct sim_client *client)
{
	static struct tp sets[SIM_CLIENTS * 4][SIM_TOPICS * SIM_PARTS];
	struct sync_assignment list[SIM_CLIENTS * 4];
	size_t lens[SIM_CLIENTS * 4] = {0};
	struct bytes version = {(const uint8_t *)"\0\1", 2};
	struct sync_ask ask = {.group = STR("g"),
			       .member_id = str_of(client->id),
			       .generation = client->epoch,
			       .assignments = list};

	if (client->leads)
		ask.assignments_len = classic_assign(sim, client, sets, lens);
	for (size_t i = 0; i < ask.assignments_len; i++) {
		struct tpset set = tpset_make(sets[i], lens[i]);

		list[i] =
		    (struct sync_assignment){str_of(client->members[i]),
					     embedded_write_assignment(set, version, &sim->topics,
								       &sim->client_fx)};
	}
	if (client->is_static)
		ask.instance_id = str_of(client->instance);
	ask.who = classic_request(sim, client, true);
	sync_handle(sim->shard, sim->now, &ask, &sim->fx);
	(void)sim_run(sim);
}

/* -- answers ------------------------------------------------------------------------------- */

static void classic_refused(struct sim_client *client, enum err err)
{
	client->stage = SIM_JOINS;
	if (err == ERR_REBALANCE_IN_PROGRESS || err == ERR_NOT_COORDINATOR ||
	    err == ERR_COORDINATOR_NOT_AVAILABLE)
		return;
	sim_must(err == ERR_UNKNOWN_MEMBER_ID || err == ERR_FENCED_INSTANCE_ID ||
		 err == ERR_ILLEGAL_GENERATION);
	client->owned_len = client->told_len = 0;
	if (err != ERR_ILLEGAL_GENERATION)
		client->id[0] = 0;
}

static void classic_joined(struct sim_client *client, const struct join_answer *answer)
{
	if (answer->err != ERR_OK) {
		classic_refused(client, answer->err);
		return;
	}
	snprintf(client->id, sizeof(client->id), "%.*s", STR_ARG(answer->member_id));
	client->alive = true;
	client->epoch = answer->generation;
	client->leads = answer->members_len > 0;
	client->members_len = 0;
	client->stage = SIM_SYNCS;
	for (size_t i = 0; i < answer->members_len; i++) {
		sim_must(client->members_len < ARRAY_LEN(client->members));
		snprintf(client->members[client->members_len++], 64, "%.*s",
			 STR_ARG(answer->members[i].id));
	}
}

static void classic_synced(struct sim *sim, struct sim_client *client,
			   const struct sync_answer *answer)
{
	bool has_user_data;
	struct tpset set;

	if (answer->err != ERR_OK) {
		classic_refused(client, answer->err);
		return;
	}
	sim_must(embedded_read_assignment(answer->assignment, &sim->topics, &sim->client_fx, &set,
					  &has_user_data));
	sim_take_set(client, set);
	sim_obey(client);
	client->stage = SIM_IN;
}

static void classic_unlink(struct sim *sim, struct sim_request *req)
{
	struct sim_request **at = &sim->requests;

	while (*at != NULL && *at != req)
		at = &(*at)->next;
	sim_must(*at == req); /* each has one answer */
	*at = req->next;
}

void sim_classic_answers(struct sim *sim)
{
	for (size_t i = 0; i < sim->fx.answers_len; i++) {
		const struct fx_answer *answer = &sim->fx.answers[i];
		struct sim_request *req = answer->who;
		struct sim_client *client = req->client;

		classic_unlink(sim, req);
		sim_must(req->is_sync == answer->is_sync);
		if (client->waits == req) {
			client->waits = NULL;
			if (sim_chance(sim, 5))
				client->stage = SIM_JOINS; /* the answer is lost */
			else if (req->is_sync)
				classic_synced(sim, client, &answer->sync);
			else
				classic_joined(client, &answer->join);
		}
		free(req);
	}
	sim->fx.answers_len = 0;
}

/* -- what a client does -------------------------------------------------------------------- */

static void classic_leave(struct sim *sim, struct sim_client *client)
{
	struct leave_member leaver = {.id = str_of(client->id)};

	if (client->is_static)
		leaver.instance_id = str_of(client->instance);
	if (leave_handle(sim->shard, sim->now, STR("g"), &leaver, 1, &sim->fx) == ERR_OK)
		(void)sim_run(sim);
	sim_forget(client);
	sim_name(sim, client);
}

static void classic_beat(struct sim *sim, struct sim_client *client)
{
	struct str instance = client->is_static ? str_of(client->instance) : STR_NULL;
	enum err err = heartbeat_handle(sim->shard, sim->now, STR("g"), str_of(client->id),
					instance, client->epoch);

	if (err != ERR_OK)
		classic_refused(client, err);
}

void sim_classic_act(struct sim *sim, struct sim_client *client)
{
	fx_reset(&sim->fx);
	fx_reset(&sim->client_fx);
	if (client->waits != NULL && !sim_chance(sim, 5))
		return;
	client->waits = NULL;
	if (sim_chance(sim, 3)) {
		/* Killed: it uses nothing any more, and the coordinator does not know. */
		sim_forget(client);
		sim_name(sim, client);
	} else if (client->stage == SIM_JOINS) {
		classic_join(sim, client);
	} else if (client->stage == SIM_SYNCS) {
		classic_sync(sim, client);
	} else if (sim_chance(sim, 4)) {
		classic_leave(sim, client);
	} else if (sim_chance(sim, 5)) {
		client->wants = 1 + (unsigned)rnd_below(&sim->dice, 15);
		classic_join(sim, client);
	} else {
		classic_beat(sim, client);
	}
}
