/*
 * Members of groups, as many as wanted, each on a connection of its own.
 *
 *	groups classic|consumer HOST PORT TOPIC PARTITIONS GROUPS MEMBERS
 *
 * MEMBERS in each group share the topic's PARTITIONS; MEMBERS 0: one client a group that commits
 * without being a member. Commands (see crowd.h):
 *
 *	join                    until every group is stable
 *	rebalance               each group once: classic by its leader, consumer by a member that
 *	                        leaves and comes back
 *	heartbeat COUNT RATE    by the members in turn, so many a second (0: as fast as it goes)
 *	commit COUNT RATE       each of all partitions that the member has
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "crowd.h"
#include "proto/consumer_group_heartbeat.h"
#include "proto/find_coordinator.h"
#include "proto/heartbeat.h"
#include "proto/join_group.h"
#include "proto/offset_commit.h"
#include "proto/sync_group.h"

/* What kafka-python and older Java clients send; not flexible. */
#define JOIN_VERSION		 5
#define SYNC_VERSION		 3
#define FIND_VERSION		 2
#define HEARTBEAT_VERSION	 3
#define COMMIT_VERSION		 7
#define CONSUMER_VERSION	 1
#define CONSUMER_COMMIT_VERSION	 9
#define CODE_REBALANCE		 27
#define CODE_MEMBER_ID_REQUIRED	 79
#define GROUPS_PARTITIONS_MAX	 64
#define GROUPS_ID_MAX		 128
#define GROUPS_TIMEOUT_MS	 300000
#define GROUPS_WINDOW		 64
#define GROUPS_CONSUMER_ROUND_MS 1000
#define GROUPS_ASSIGNMENT_BYTES	 40

struct groups_member {
	struct crowd_client client;
	size_t idx;
	char id[GROUPS_ID_MAX];
	int32_t generation; /* or member epoch; -1: none */
	bool leads, has_news;
	struct uuid topic_id;
	int32_t partitions[GROUPS_PARTITIONS_MAX];
	size_t partitions_len;
};

/* What all members share. */
static struct groups {
	bool is_consumer;
	struct str topic;
	size_t partitions, groups, members;
	int64_t offset; /* committed next */
} groups;

static struct str groups_name(const struct groups_member *member)
{
	static char name[128];

	snprintf(name, sizeof(name), "%.*s-group-%zu", STR_ARG(groups.topic),
		 groups.members > 0 ? member->idx / groups.members : member->idx);
	return str_of(name);
}

static struct groups_member *groups_of(struct crowd_client *client)
{
	return container_of(client, struct groups_member, client);
}

static void groups_check(enum err err, int code, const char *what)
{
	if (err != ERR_OK)
		client_die("the answer to %s cannot be read", what);
	if (code != 0)
		client_die("%s: error %d", what, code);
}

static void groups_set_id(struct groups_member *member, struct str id)
{
	if (id.len >= GROUPS_ID_MAX)
		client_die("a member id of %zu bytes", id.len);
	memcpy(member->id, id.ptr, id.len);
	member->id[id.len] = '\0';
}

/* -- commits ---------------------------------------------------------------------------------- */

static void groups_send_commit(struct crowd *crowd, struct crowd_client *client)
{
	struct groups_member *member = groups_of(client);
	struct offset_commit_req_offset_commit_request_partition parts[GROUPS_PARTITIONS_MAX];
	struct offset_commit_req_offset_commit_request_topic topic;
	struct offset_commit_req req;
	int version = groups.is_consumer ? CONSUMER_COMMIT_VERSION : COMMIT_VERSION;

	offset_commit_req_init(&req);
	offset_commit_req_offset_commit_request_topic_init(&topic);
	groups.offset++;
	for (size_t i = 0; i < member->partitions_len; i++) {
		offset_commit_req_offset_commit_request_partition_init(&parts[i]);
		parts[i].partition_index = member->partitions[i];
		parts[i].committed_offset = groups.offset;
		parts[i].committed_metadata = STR("");
	}
	topic.name = groups.topic;
	topic.partitions = parts;
	topic.partitions_len = member->partitions_len;
	req.group_id = groups_name(member);
	req.generation_id_or_member_epoch = member->generation;
	req.member_id = str_of(member->id);
	req.topics = &topic;
	req.topics_len = 1;
	crowd_begin(crowd, client, OFFSET_COMMIT_API_KEY, version);
	offset_commit_req_encode(&req, &crowd->wr, version);
	crowd_send(crowd, client);
}

static bool groups_committed(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	struct offset_commit_res res;
	enum err err = offset_commit_res_decode(&res, rd, client->version, &crowd->arena);

	groups_check(err, 0, "OffsetCommit");
	for (size_t t = 0; t < res.topics_len; t++)
		for (size_t p = 0; p < res.topics[t].partitions_len; p++)
			groups_check(ERR_OK, res.topics[t].partitions[p].error_code,
				     "OffsetCommit");
	return true;
}

static void groups_commit(struct crowd *crowd, long count, long rate)
{
	crowd_paced(crowd, groups_send_commit, groups_committed, count, rate, GROUPS_WINDOW);
}

/* -- classic ---------------------------------------------------------------------------------- */

static void groups_send_join(struct crowd *crowd, struct crowd_client *client)
{
	struct groups_member *member = groups_of(client);
	struct join_group_req_join_group_request_protocol protocol = {.name = STR("range")};
	struct join_group_req req;
	struct wr metadata;

	/* Version 0 of a consumer's subscription: topics, no user data. */
	wr_init(&metadata, 1024);
	wr_int16(&metadata, 0);
	wr_array(&metadata, 1, false, false);
	wr_str(&metadata, groups.topic, false, false);
	wr_bytes(&metadata, BYTES_NULL, false, true);
	protocol.metadata = wr_written(&metadata);
	join_group_req_init(&req);
	req.group_id = groups_name(member);
	req.session_timeout_ms = req.rebalance_timeout_ms = GROUPS_TIMEOUT_MS;
	req.member_id = str_of(member->id);
	req.protocol_type = STR("consumer");
	req.protocols = &protocol;
	req.protocols_len = 1;
	crowd_begin(crowd, client, JOIN_GROUP_API_KEY, JOIN_VERSION);
	join_group_req_encode(&req, &crowd->wr, JOIN_VERSION);
	crowd_send(crowd, client);
	wr_fini(&metadata);
}

/* The leader gives each the same number of bytes, which the broker does not look into. */
static void groups_send_sync(struct crowd *crowd, struct crowd_client *client,
			     const struct join_group_res *joined)
{
	static const uint8_t assignment[GROUPS_ASSIGNMENT_BYTES];
	struct groups_member *member = groups_of(client);
	struct sync_group_req_sync_group_request_assignment *list;
	struct sync_group_req req;

	sync_group_req_init(&req);
	list =
	    sync_group_req_sync_group_request_assignment_array(&crowd->arena, joined->members_len);
	for (size_t i = 0; i < joined->members_len; i++) {
		list[i].member_id = joined->members[i].member_id;
		list[i].assignment = (struct bytes){assignment, sizeof(assignment)};
	}
	req.group_id = groups_name(member);
	req.generation_id = member->generation;
	req.member_id = str_of(member->id);
	req.assignments = list;
	req.assignments_len = joined->members_len;
	crowd_begin(crowd, client, SYNC_GROUP_API_KEY, SYNC_VERSION);
	sync_group_req_encode(&req, &crowd->wr, SYNC_VERSION);
	crowd_send(crowd, client);
}

static bool groups_joined(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	struct groups_member *member = groups_of(client);
	struct join_group_res res;
	enum err err = join_group_res_decode(&res, rd, JOIN_VERSION, &crowd->arena);

	if (err == ERR_OK && res.error_code == CODE_MEMBER_ID_REQUIRED) {
		groups_set_id(member, res.member_id);
		groups_send_join(crowd, client);
		return false;
	}
	groups_check(err, res.error_code, "JoinGroup");
	member->generation = res.generation_id;
	member->leads = str_eq(res.leader, str_of(member->id));
	groups_send_sync(crowd, client, &res);
	return false;
}

static bool groups_synced(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	struct sync_group_res res;
	enum err err = sync_group_res_decode(&res, rd, SYNC_VERSION, &crowd->arena);

	if (err == ERR_OK && res.error_code == CODE_REBALANCE) {
		groups_send_join(crowd, client);
		return false;
	}
	groups_check(err, res.error_code, "SyncGroup");
	groups_of(client)->has_news = true;
	return true;
}

static void groups_send_heartbeat(struct crowd *crowd, struct crowd_client *client)
{
	const struct groups_member *member = groups_of(client);
	struct heartbeat_req req;

	heartbeat_req_init(&req);
	req.group_id = groups_name(member);
	req.generation_id = member->generation;
	req.member_id = str_of(member->id);
	crowd_begin(crowd, client, HEARTBEAT_API_KEY, HEARTBEAT_VERSION);
	heartbeat_req_encode(&req, &crowd->wr, HEARTBEAT_VERSION);
	crowd_send(crowd, client);
}

/* Of a stable group nothing but 0 comes. */
static bool groups_beaten(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	struct heartbeat_res res;
	enum err err = heartbeat_res_decode(&res, rd, HEARTBEAT_VERSION, &crowd->arena);

	if (err == ERR_OK && res.error_code == CODE_REBALANCE && crowd->left > 0) {
		groups_send_join(crowd, client);
		return false;
	}
	groups_check(err, res.error_code, "Heartbeat");
	return true;
}

static bool groups_answered(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	switch (client->api) {
	case JOIN_GROUP_API_KEY:
		return groups_joined(crowd, client, rd);
	case SYNC_GROUP_API_KEY:
		return groups_synced(crowd, client, rd);
	default:
		return groups_beaten(crowd, client, rd);
	}
}

static size_t groups_take_news(struct crowd *crowd)
{
	size_t count = 0;

	for (size_t i = 0; i < crowd->len; i++) {
		count += groups_of(crowd_at(crowd, i))->has_news;
		groups_of(crowd_at(crowd, i))->has_news = false;
	}
	return count;
}

/* Heartbeats until nobody learns of a rebalance any more. */
static void groups_settle(struct crowd *crowd)
{
	do {
		(void)groups_take_news(crowd);
		crowd_storm(crowd, groups_send_heartbeat, groups_answered);
	} while (groups_take_news(crowd) > 0);
}

static void groups_join_classic(struct crowd *crowd)
{
	crowd_storm(crowd, groups_send_join, groups_answered);
	groups_settle(crowd);
}

static void groups_lead_or_beat(struct crowd *crowd, struct crowd_client *client)
{
	if (groups_of(client)->leads)
		groups_send_join(crowd, client);
	else
		groups_send_heartbeat(crowd, client);
}

/* A heartbeat that came before the leader's JoinGroup is sent again. */
static bool groups_rejoined(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	bool done = groups_answered(crowd, client, rd);

	if (done && client->api == HEARTBEAT_API_KEY) {
		crowd_later(crowd, client);
		return false;
	}
	return done;
}

static void groups_rebalance_classic(struct crowd *crowd)
{
	crowd_storm(crowd, groups_lead_or_beat, groups_rejoined);
	groups_settle(crowd);
}

/* -- consumer groups -------------------------------------------------------------------------- */

enum groups_say {
	GROUPS_SAY_NOTHING, /* but that it lives */
	GROUPS_SAY_ALL,	    /* when it joins */
	GROUPS_SAY_OWNED,
	GROUPS_SAY_BYE,
};

static void groups_send_consumer(struct crowd *crowd, struct crowd_client *client,
				 enum groups_say say)
{
	struct groups_member *member = groups_of(client);
	struct consumer_group_heartbeat_req_topic_partitions owned;
	struct consumer_group_heartbeat_req req;

	consumer_group_heartbeat_req_init(&req);
	consumer_group_heartbeat_req_topic_partitions_init(&owned);
	req.group_id = groups_name(member);
	req.member_id = str_of(member->id);
	req.member_epoch = say == GROUPS_SAY_BYE ? -1 : member->generation;
	if (say == GROUPS_SAY_ALL) {
		req.member_epoch = 0;
		req.rebalance_timeout_ms = GROUPS_TIMEOUT_MS;
		req.subscribed_topic_names = &groups.topic;
		req.subscribed_topic_names_len = 1;
		member->partitions_len = 0;
	}
	if (say == GROUPS_SAY_ALL || say == GROUPS_SAY_OWNED) {
		owned.topic_id = member->topic_id;
		owned.partitions = member->partitions;
		owned.partitions_len = member->partitions_len;
		req.topic_partitions = &owned;
		req.topic_partitions_len = member->partitions_len > 0;
	}
	crowd_begin(crowd, client, CONSUMER_GROUP_HEARTBEAT_API_KEY, CONSUMER_VERSION);
	consumer_group_heartbeat_req_encode(&req, &crowd->wr, CONSUMER_VERSION);
	crowd_send(crowd, client);
}

static void groups_consumer_joins(struct crowd *crowd, struct crowd_client *client)
{
	struct groups_member *member = groups_of(client);

	snprintf(member->id, sizeof(member->id), "member-%015zu", member->idx);
	groups_send_consumer(crowd, client, GROUPS_SAY_ALL);
}

static void groups_consumer_beats(struct crowd *crowd, struct crowd_client *client)
{
	groups_send_consumer(crowd, client, GROUPS_SAY_NOTHING);
}

/* The first of each group leaves, and joins when that is answered; the others just live. */
static void groups_consumer_leaves(struct crowd *crowd, struct crowd_client *client)
{
	bool is_first = groups_of(client)->idx % groups.members == 0;

	groups_send_consumer(crowd, client, is_first ? GROUPS_SAY_BYE : GROUPS_SAY_NOTHING);
}

static void groups_take_assignment(struct groups_member *member,
				   const struct consumer_group_heartbeat_res_assignment *from)
{
	member->partitions_len = 0;
	if (from->topic_partitions_len == 0)
		return;
	if (from->topic_partitions_len > 1 ||
	    from->topic_partitions[0].partitions_len > GROUPS_PARTITIONS_MAX)
		client_die("an assignment larger than expected");
	member->topic_id = from->topic_partitions[0].topic_id;
	member->partitions_len = from->topic_partitions[0].partitions_len;
	memcpy(member->partitions, from->topic_partitions[0].partitions,
	       member->partitions_len * sizeof(int32_t));
}

/* What was assigned is owned at once, and said so. */
static bool groups_consumer_answered(struct crowd *crowd, struct crowd_client *client,
				     struct rd *rd)
{
	struct groups_member *member = groups_of(client);
	struct consumer_group_heartbeat_res res;
	enum err err =
	    consumer_group_heartbeat_res_decode(&res, rd, CONSUMER_VERSION, &crowd->arena);

	groups_check(err, res.error_code, "ConsumerGroupHeartbeat");
	if (res.member_epoch < 0) {
		groups_consumer_joins(crowd, client);
		return false;
	}
	member->has_news |= res.member_epoch != member->generation || res.assignment != NULL;
	member->generation = res.member_epoch;
	if (res.assignment == NULL)
		return true;
	groups_take_assignment(member, res.assignment);
	groups_send_consumer(crowd, client, GROUPS_SAY_OWNED);
	return false;
}

static bool groups_has_all(struct crowd *crowd)
{
	size_t count = 0;

	for (size_t i = 0; i < crowd->len; i++)
		count += groups_of(crowd_at(crowd, i))->partitions_len;
	return count == groups.groups * groups.partitions;
}

static void groups_consumer_rounds(struct crowd *crowd, crowd_send_next *start)
{
	size_t news;

	crowd_storm(crowd, start, groups_consumer_answered);
	do {
		(void)groups_take_news(crowd);
		(void)poll(NULL, 0, GROUPS_CONSUMER_ROUND_MS);
		crowd_storm(crowd, groups_consumer_beats, groups_consumer_answered);
		news = groups_take_news(crowd);
	} while (news > 0 || !groups_has_all(crowd));
}

/* -- commands --------------------------------------------------------------------------------- */

static void groups_join(struct crowd *crowd, long first, long second)
{
	if (groups.is_consumer)
		groups_consumer_rounds(crowd, groups_consumer_joins);
	else
		groups_join_classic(crowd);
}

static void groups_rebalance(struct crowd *crowd, long first, long second)
{
	if (groups.is_consumer)
		groups_consumer_rounds(crowd, groups_consumer_leaves);
	else
		groups_rebalance_classic(crowd);
}

static void groups_heartbeat(struct crowd *crowd, long count, long rate)
{
	if (groups.is_consumer)
		crowd_paced(crowd, groups_consumer_beats, groups_consumer_answered, count, rate,
			    GROUPS_WINDOW);
	else
		crowd_paced(crowd, groups_send_heartbeat, groups_answered, count, rate,
			    GROUPS_WINDOW);
}

static const struct crowd_command groups_commands[] = {
    {"join", groups_join},
    {"rebalance", groups_rebalance},
    {"heartbeat", groups_heartbeat},
    {"commit", groups_commit},
};

static size_t groups_number(const char *text)
{
	int64_t number;

	if (!str_to_int64(str_of(text), &number) || number < 0)
		client_die("not a number: %s", text);
	return (size_t)number;
}

static void groups_make_members(struct crowd *crowd)
{
	size_t members = groups.members > 0 ? groups.members : 1;
	size_t each = groups.partitions / members;

	if (each > GROUPS_PARTITIONS_MAX)
		client_die("at most %d partitions for a member", GROUPS_PARTITIONS_MAX);
	for (size_t i = 0; i < crowd->len; i++) {
		struct groups_member *member = groups_of(crowd_at(crowd, i));

		member->idx = i;
		member->generation = -1;
		for (size_t p = 0; p < each && !groups.is_consumer; p++)
			member->partitions[member->partitions_len++] =
			    (int32_t)(i % members * each + p);
	}
}

/* Until there is a coordinator: the first who asks has its topic made. */
static void groups_find_coordinator(const char *host, const char *port)
{
	struct find_coordinator_req req;
	struct find_coordinator_res res;
	struct arena arena;
	struct client client;
	struct wr wr;

	wr_init(&wr, 1024);
	arena_init(&arena, 1 << 20);
	client_connect(&client, host, port);
	find_coordinator_req_init(&req);
	req.key = STR("bench");
	do {
		struct rd rd;
		enum err err;

		(void)poll(NULL, 0, 50);
		client_begin(&client, &wr, (enum client_api)FIND_COORDINATOR_API_KEY, FIND_VERSION);
		find_coordinator_req_encode(&req, &wr, FIND_VERSION);
		client_send(&client, &wr);
		rd = client_answer(&client);
		err = find_coordinator_res_decode(&res, &rd, FIND_VERSION, &arena);
		groups_check(err, 0, "FindCoordinator");
	} while (res.error_code != 0);
	/* Its partitions come one after the other. */
	(void)poll(NULL, 0, 5000);
	client_close(&client);
	arena_fini(&arena);
	wr_fini(&wr);
}

int main(int argc, char **argv)
{
	struct crowd crowd;

	if (argc != 8)
		client_die("see the head of bench/groups.c");
	groups = (struct groups){.is_consumer = strcmp(argv[1], "consumer") == 0,
				 .topic = str_of(argv[4]),
				 .partitions = groups_number(argv[5]),
				 .groups = groups_number(argv[6]),
				 .members = groups_number(argv[7])};
	groups_find_coordinator(argv[2], argv[3]);
	crowd_open(&crowd, argv[2], argv[3], sizeof(struct groups_member),
		   groups.groups * (groups.members > 0 ? groups.members : 1));
	groups_make_members(&crowd);
	crowd_serve(&crowd, groups_commands, ARRAY_LEN(groups_commands));
	return 0;
}
