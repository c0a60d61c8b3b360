/* Groups that change their protocol with members in them (KIP-848), scenario by scenario. */
#include "consumers.h"

/* -- a classic group of two ---------------------------------------------------------------- */

/* ConsumerProtocolAssignment: some partitions of topic t. */
struct told {
	uint8_t bytes[64];
	size_t len;
};

static struct told told_of(int version, int first, int count)
{
	struct told told = {{0, (uint8_t)version, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, (uint8_t)count},
			    13};

	for (int i = first; i < first + count; i++) {
		told.bytes[told.len + 3] = (uint8_t)i;
		told.len += 4;
	}
	memset(told.bytes + told.len, 0xff, 4); /* no user data */
	told.len += 4;
	return told;
}

struct pair {
	struct asker a, b;
	char a_id[64], b_id[64];
	const char *leader;
};

static void pair_sync(struct world *w, struct pair *p, struct told first, struct told second)
{
	struct sync_assignment list[] = {{str_of(p->a_id), {first.bytes, first.len}},
					 {str_of(p->b_id), {second.bytes, second.len}}};
	bool leads = strcmp(p->a.leader, p->a_id) == 0;

	p->leader = leads ? p->a_id : p->b_id;
	world_sync(w, leads ? &p->a : &p->b, leads ? p->a_id : p->b_id, 1, list, 2);
	world_sync(w, leads ? &p->b : &p->a, leads ? p->b_id : p->a_id, 1, NULL, 0);
	assert_int_equal(p->a.err, ERR_OK);
	assert_int_equal(p->b.err, ERR_OK);
}

/* Both in generation 1, with three of six partitions each. */
static void pair_stable_of(struct world *w, struct pair *p, struct told first, struct told second)
{
	w->cfg.initial_delay_ms = 10;
	world_join_old(w, &p->a, "");
	world_join_old(w, &p->b, "");
	world_advance(w, 10000);
	assert_true(p->a.answered && p->b.answered);
	memcpy(p->a_id, p->a.member_id, sizeof(p->a_id));
	memcpy(p->b_id, p->b.member_id, sizeof(p->b_id));
	pair_sync(w, p, first, second);
	assert_string_equal(world_state(w), "Stable 2");
}

static void pair_stable(struct world *w, struct pair *p)
{
	pair_stable_of(w, p, told_of(0, 0, 3), told_of(0, 3, 3));
}

static enum group_type type_now(struct world *w)
{
	struct group *group = shard_find(w->shard, STR("g"));

	return group != NULL ? group->type : GROUP_NONE;
}

static const struct cmember *member_now(struct world *w, const char *id)
{
	return consumer_find(group_now(w), str_of(id));
}

static void rejoin(struct world *w, struct asker *who, const char *id)
{
	world_join_old(w, who, id);
	assert_true(who->answered);
	assert_int_equal(who->err, ERR_OK);
	assert_string_equal(who->member_id, id);
}

/* The pair, and who made theirs a consumer group. */
static void pair_upgraded(struct world *w, struct pair *p, struct consumer_client *c)
{
	*c = (struct consumer_client){.id = "c", .gives_back = true};
	pair_stable(w, p);
	assert_int_equal(client_join(w, c), ERR_OK);
	assert_int_equal(c->epoch, 2);
}

/* -- upgrade ------------------------------------------------------------------------------- */

static void a_stable_group_is_taken_over(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;

	pair_upgraded(w, &p, &c);
	assert_int_equal(type_now(w), GROUP_CONSUMER);
	/* tombstone, members, epoch, targets and their epoch, what they have; and the newcomer's */
	assert_int_equal(w->records, 1 + 2 + 1 + 2 + 1 + 2 + 1 + 1 + 3 + 1 + 1);
	assert_int_equal(c.epoch, 2);
	assert_int_equal(c.told_len, 0);
	assert_int_equal(member_now(w, p.a_id)->epoch, 1);
	assert_int_equal(member_now(w, p.a_id)->assigned.len, 3);
	assert_true(member_now(w, p.b_id)->about.is_classic);
	assert_int_equal(member_now(w, p.b_id)->about.session_ms, 10000);
	assert_false(member_now(w, "c")->about.is_classic);
}

static void classic_members_move_on_by_joining(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct told two = told_of(0, 0, 2);
	struct pair p;

	pair_upgraded(w, &p, &c);
	assert_int_equal(world_beat(w, p.a_id, 1), ERR_REBALANCE_IN_PROGRESS);
	world_sync(w, &p.a, p.a_id, 1, NULL, 0);
	assert_int_equal(p.a.err, ERR_REBALANCE_IN_PROGRESS);
	rejoin(w, &p.a, p.a_id);
	assert_int_equal(p.a.join.generation, 2);
	assert_true(p.a.durable);
	assert_string_equal(p.a.protocol, "range");
	assert_int_equal(p.a.members_len, 0);
	world_sync(w, &p.a, p.a_id, 2, NULL, 0);
	assert_int_equal(p.a.err, ERR_OK);
	assert_memory_equal(p.a.assignment, two.bytes, 1);
	assert_int_equal(member_now(w, p.a_id)->assigned.len, 2);
	assert_int_equal(world_beat(w, p.a_id, 2), ERR_OK);
	assert_int_equal(client_beat(w, &c), ERR_OK);
	assert_int_equal(c.told_len, 1);
	rejoin(w, &p.b, p.b_id);
	assert_int_equal(client_beat(w, &c), ERR_OK);
	assert_int_equal(c.told_len, 2);
	assert_string_equal(state_now(w), "Stable");
}

/* A cooperative member says what it has, and gives back only what it is told to. */
static void a_cooperative_member_gives_back_first(void **state)
{
	static const uint8_t owns_all[] = "\0\1\0\0\0\1\0\1t\377\377\377\377\0\0\0\1\0\1t\0\0\0\6"
					  "\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
	struct join_protocol protocol = {STR("cooperative-sticky"),
					 {owns_all, sizeof(owns_all) - 1}};
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .gives_back = true};
	struct asker a;
	struct join_ask ask = world_join_ask(&a, "a");

	ask.protocols = &protocol;
	assert_int_equal(client_join(w, &c), ERR_OK);
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(client_leave(w, &c, CONSUMER_EPOCH_LEAVE), ERR_OK);
	/* The group is classic now; another one upgrades it again. */
	assert_int_equal(type_now(w), GROUP_CLASSIC);
	a.answered = false;
	world_join(w, &ask);
	world_advance(w, 0);
	world_sync(w, &a, "a", 4,
		   (struct sync_assignment[]){{STR("a"), {owns_all, sizeof(owns_all) - 1}}}, 1);
}

static void a_new_classic_member_gets_an_id_first(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .gives_back = true};
	struct asker a;
	struct join_ask ask = world_join_ask(&a, "");
	char id[64];

	assert_int_equal(client_join(w, &c), ERR_OK);
	ask.wants_member_id = true;
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_MEMBER_ID_REQUIRED);
	assert_int_equal(strlen(a.member_id), UUID_TEXT_LEN);
	memcpy(id, a.member_id, sizeof(id));
	ask = world_join_ask(&a, id);
	ask.wants_member_id = true;
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_OK);
	assert_string_equal(a.member_id, id);
	assert_true(member_now(w, id)->about.is_classic);
}

static void who_waits_joins_again(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .gives_back = true};
	struct pair p;

	pair_stable(w, &p);
	p.a.answered = false;
	world_join_old(w, &p.a, p.leader);
	assert_false(p.a.answered);
	assert_int_equal(client_join(w, &c), ERR_OK);
	assert_true(p.a.answered);
	assert_int_equal(p.a.err, ERR_REBALANCE_IN_PROGRESS);
}

static void a_failed_upgrade_changes_nothing(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .gives_back = true};
	struct pair p;

	pair_stable(w, &p);
	w->fails = ERR_NOSPACE;
	assert_int_equal(client_join(w, &c), ERR_OK); /* the shell would tell the error */
	w->fails = ERR_OK;
	assert_string_equal(world_state(w), "Stable 2");
	assert_int_equal(world_beat(w, p.a_id, 1), ERR_OK);
	assert_int_equal(client_join(w, &c), ERR_OK);
	assert_int_equal(type_now(w), GROUP_CONSUMER);
}

static void refuses(struct world *w, enum err err, const char *why)
{
	struct consumer_client c = {.id = "c", .gives_back = true};

	assert_int_equal(client_join(w, &c), err);
	assert_non_null(strstr(c.message, why));
	assert_int_equal(type_now(w), GROUP_CLASSIC);
}

static void what_cannot_be_upgraded_stays(void **state)
{
	struct world *w = *state;
	struct pair p;

	pair_stable(w, &p);
	w->cfg.migration = MIGRATION_DOWNGRADE;
	refuses(w, ERR_GROUP_ID_NOT_FOUND, "online upgrade is disabled");
	w->cfg.migration = MIGRATION_DISABLED;
	refuses(w, ERR_GROUP_ID_NOT_FOUND, "online upgrade is disabled");
	assert_string_equal(world_state(w), "Stable 2");
}

static void user_data_is_not_lost(void **state)
{
	struct told second = told_of(0, 3, 3);
	struct world *w = *state;
	struct pair p;

	memcpy(second.bytes + second.len - 4, "\0\0\0\1x", 5);
	second.len++;
	pair_stable_of(w, &p, told_of(0, 0, 3), second);
	refuses(w, ERR_GROUP_ID_NOT_FOUND, "custom assignor");
}

static void malformed_assignments_are_refused(void **state)
{
	struct told second = told_of(0, 3, 3);
	struct world *w = *state;
	struct pair p;

	second.len -= 5;
	pair_stable_of(w, &p, told_of(0, 0, 3), second);
	refuses(w, ERR_GROUP_ID_NOT_FOUND, "malformed");
}

static void doubly_assigned_partitions_are_refused(void **state)
{
	struct world *w = *state;
	struct pair p;

	pair_stable_of(w, &p, told_of(0, 0, 3), told_of(0, 2, 3));
	refuses(w, ERR_UNKNOWN_SERVER_ERROR, "");
}

static void a_group_in_the_making_is_waited_for(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .gives_back = true};
	struct asker a;

	w->cfg.initial_delay_ms = 3000;
	world_join_old(w, &a, "");
	assert_int_equal(client_join(w, &c), ERR_COORDINATOR_NOT_AVAILABLE);
	world_advance(w, 40000);
	assert_int_equal(a.err, ERR_OK);
}

/* -- both in one group --------------------------------------------------------------------- */

static void classic_members_commit_with_their_generation(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;

	pair_upgraded(w, &p, &c);
	assert_int_equal(world_commit(w, p.a_id, 1, "t", 0, 5), ERR_OK);
	assert_int_equal(world_commit(w, p.a_id, 2, "t", 0, 6), ERR_ILLEGAL_GENERATION);
	assert_int_equal(world_commit(w, "c", 2, "t", 0, 6), ERR_UNSUPPORTED_VERSION);
	assert_int_equal(consumer_check(w->shard, STR("g"), str_of(p.a_id), 7),
			 ERR_ILLEGAL_GENERATION);
	assert_int_equal(consumer_check(w->shard, STR("g"), STR("c"), 7), ERR_STALE_MEMBER_EPOCH);
	assert_int_equal(world_fetch(w, "t", 0), 5);
}

static void they_must_speak_a_common_protocol(void **state)
{
	static const struct join_protocol other = {{"other", 5},
						   {(const uint8_t *)"\0\0\0\0\0\0\377\377\377\377",
						    10}};
	struct world *w = *state;
	struct consumer_client c;
	struct asker a;
	struct join_ask ask;
	struct pair p;

	pair_upgraded(w, &p, &c);
	ask = world_join_ask(&a, p.a_id);
	ask.protocols = &other;
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	ask = world_join_ask(&a, p.a_id);
	ask.protocol_type = STR("connect");
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	world_sync(w, &a, "c", 2, NULL, 0);
	assert_int_equal(a.err, ERR_UNKNOWN_MEMBER_ID); /* it does not speak this protocol */
	assert_int_equal(world_beat(w, "c", 2), ERR_UNKNOWN_MEMBER_ID);
}

static void a_silent_classic_member_is_out(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;

	pair_upgraded(w, &p, &c);
	world_advance(w, 9999);
	assert_int_equal(HASH_COUNT(group_now(w)->members), 3);
	world_advance(w, 1);
	assert_int_equal(HASH_COUNT(group_now(w)->members), 1);
}

static void a_member_that_was_called_must_join_in_time(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;

	pair_upgraded(w, &p, &c);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(world_beat(w, p.a_id, 1), ERR_REBALANCE_IN_PROGRESS);
		assert_int_equal(client_beat(w, &c), ERR_OK);
		world_advance(w, 7500);
	}
	assert_null(member_now(w, p.a_id));
}

static void a_member_that_joined_must_sync_in_time(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;

	pair_upgraded(w, &p, &c);
	rejoin(w, &p.a, p.a_id);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(world_beat(w, p.a_id, 2), ERR_OK);
		(void)world_beat(w, p.b_id, 1);
		assert_int_equal(client_beat(w, &c), ERR_OK);
		world_advance(w, 7500);
	}
	assert_null(member_now(w, p.a_id));
}

static void one_request_may_take_out_several(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;
	struct leave_member leavers[3] = {{.id = STR("nobody")}};

	pair_upgraded(w, &p, &c);
	leavers[1].id = str_of(p.a_id);
	leavers[2].id = STR("c");
	assert_int_equal(leave_handle(w->shard, w->now, STR("g"), leavers, 2, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(leavers[0].err, ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(leavers[1].err, ERR_OK);
	assert_int_equal(group_now(w)->epoch, 3);
	assert_int_equal(HASH_COUNT(group_now(w)->members), 2);
}

/* -- downgrade ----------------------------------------------------------------------------- */

static void the_last_consumer_leaves_a_classic_group(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;

	pair_upgraded(w, &p, &c);
	assert_int_equal(client_leave(w, &c, CONSUMER_EPOCH_LEAVE), ERR_OK);
	assert_int_equal(type_now(w), GROUP_CLASSIC);
	assert_string_equal(world_state(w), "PreparingRebalance 2");
	/* tombstones of three members, of two for the group's rest each, and the new record */
	assert_int_equal(w->records, 3 * 3 + 3 + 1);
	assert_int_equal(world_beat(w, p.a_id, 2), ERR_REBALANCE_IN_PROGRESS);
	world_join_old(w, &p.a, p.a_id);
	world_join_old(w, &p.b, p.b_id);
	assert_int_equal(p.a.join.generation, 3);
	assert_string_equal(world_state(w), "CompletingRebalance 2");
}

static void a_consumer_that_falls_silent_leaves_a_classic_group(void **state)
{
	struct world *w = *state;
	struct consumer_client c;
	struct pair p;

	pair_upgraded(w, &p, &c);
	rejoin(w, &p.a, p.a_id);
	world_sync(w, &p.a, p.a_id, 2, NULL, 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(world_beat(w, p.a_id, 2), ERR_OK);
		world_advance(w, 9000);
	}
	assert_int_equal(type_now(w), GROUP_CLASSIC);
	assert_string_equal(world_state(w), "PreparingRebalance 1");
}

static void without_leave_it_stays_a_consumer_group(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .gives_back = true};
	struct pair p;

	pair_stable(w, &p);
	w->cfg.migration = MIGRATION_UPGRADE;
	assert_int_equal(client_join(w, &c), ERR_OK);
	assert_int_equal(client_leave(w, &c, CONSUMER_EPOCH_LEAVE), ERR_OK);
	assert_int_equal(type_now(w), GROUP_CONSUMER);
	w->cfg.migration = MIGRATION_BIDIRECTIONAL;
	w->cfg.size_max = 0;
	assert_int_equal(world_leave(w, p.b_id, NULL), ERR_OK);
	assert_int_equal(type_now(w), GROUP_CONSUMER);
	/* The last one leaves an empty group, which is of no protocol in particular. */
	w->cfg.size_max = 10;
	assert_int_equal(world_leave(w, p.a_id, NULL), ERR_OK);
	assert_int_equal(type_now(w), GROUP_CONSUMER);
	assert_string_equal(state_now(w), "Empty");
}

/* -- static members ------------------------------------------------------------------------ */

static void a_static_consumer_takes_a_classic_ones_place(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .instance = "i", .gives_back = true};
	struct consumer_client d = {.id = "d", .gives_back = true};
	struct asker a;
	char id[64];

	assert_int_equal(client_join(w, &d), ERR_OK);
	world_join_static(w, &a, "", "i");
	assert_int_equal(a.err, ERR_OK);
	memcpy(id, a.member_id, sizeof(id));
	assert_int_equal(client_join(w, &c), ERR_OK);
	assert_int_equal(HASH_COUNT(group_now(w)->members), 2);
	assert_false(member_now(w, "c")->about.is_classic);
	assert_int_equal(group_now(w)->classics_len, 0);
	world_join_static(w, &a, id, "i");
	assert_int_equal(a.err, ERR_FENCED_INSTANCE_ID);
}

static void a_static_classic_member_takes_the_last_consumers_place(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .instance = "i", .gives_back = true};
	struct asker a;
	char id[64];

	assert_int_equal(client_join(w, &c), ERR_OK);
	world_join_static(w, &a, "", "i");
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(a.join.generation, 2);
	memcpy(id, a.member_id, sizeof(id));
	/* Nothing was to be assigned anew, so there is no rebalance: it asks for what it has. */
	assert_int_equal(type_now(w), GROUP_CLASSIC);
	assert_string_equal(world_state(w), "Stable 1");
	world_sync(w, &a, id, 2, NULL, 0);
	assert_int_equal(a.err, ERR_OK);
}

static void a_static_classic_member_with_other_topics_makes_a_rebalance(void **state)
{
	struct world *w = *state;
	struct consumer_client c = {.id = "c", .instance = "i", .gives_back = true};
	struct asker a;

	c.topics[0] = STR("u");
	c.topics_len = 1;
	assert_int_equal(client_join(w, &c), ERR_OK);
	world_join_static(w, &a, "", "i");
	assert_int_equal(a.err, ERR_OK);
	assert_string_equal(world_state(w), "PreparingRebalance 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    consumer_test(a_stable_group_is_taken_over),
	    consumer_test(classic_members_move_on_by_joining),
	    consumer_test(a_cooperative_member_gives_back_first),
	    consumer_test(a_new_classic_member_gets_an_id_first),
	    consumer_test(who_waits_joins_again),
	    consumer_test(a_failed_upgrade_changes_nothing),
	    consumer_test(what_cannot_be_upgraded_stays),
	    consumer_test(user_data_is_not_lost),
	    consumer_test(malformed_assignments_are_refused),
	    consumer_test(doubly_assigned_partitions_are_refused),
	    consumer_test(a_group_in_the_making_is_waited_for),
	    consumer_test(classic_members_commit_with_their_generation),
	    consumer_test(they_must_speak_a_common_protocol),
	    consumer_test(a_silent_classic_member_is_out),
	    consumer_test(a_member_that_was_called_must_join_in_time),
	    consumer_test(a_member_that_joined_must_sync_in_time),
	    consumer_test(one_request_may_take_out_several),
	    consumer_test(the_last_consumer_leaves_a_classic_group),
	    consumer_test(a_consumer_that_falls_silent_leaves_a_classic_group),
	    consumer_test(without_leave_it_stays_a_consumer_group),
	    consumer_test(a_static_consumer_takes_a_classic_ones_place),
	    consumer_test(a_static_classic_member_takes_the_last_consumers_place),
	    consumer_test(a_static_classic_member_with_other_topics_makes_a_rebalance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
