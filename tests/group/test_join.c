/* JoinGroup: ids, checks, static members, limits. */
#include "world.h"

static void refuses_bad_requests_with_kafkas_codes(void **state)
{
	struct world *w = *state;
	struct asker a;
	struct join_ask ask = world_join_ask(&a, "");

	ask.group = STR("");
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_INVALID_GROUP_ID);
	ask = world_join_ask(&a, "m");
	ask.session_ms = 5999;
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_INVALID_SESSION_TIMEOUT);
	assert_string_equal(a.member_id, "m");
	ask = world_join_ask(&a, "");
	ask.session_ms = 1800001;
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_INVALID_SESSION_TIMEOUT);
	ask = world_join_ask(&a, "");
	ask.protocols_len = 0;
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	ask = world_join_ask(&a, "");
	ask.protocol_type = STR("");
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	ask = world_join_ask(&a, "nobody");
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(shard_groups_len(w->shard), 0);
}

static void gives_an_id_before_it_lets_in(void **state)
{
	struct world *w = *state;
	struct asker a;
	char id[64];
	struct join_ask ask = world_join_ask(&a, "");

	ask.wants_member_id = true;
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_MEMBER_ID_REQUIRED);
	assert_int_equal(w->records, 1);
	assert_memory_equal(a.member_id, "client-", 7);
	assert_int_equal(strlen(a.member_id), 7 + 36);
	assert_string_equal(world_state(w), "Empty 0");
	memcpy(id, a.member_id, sizeof(id));
	ask = world_join_ask(&a, id);
	ask.wants_member_id = true;
	world_join(w, &ask);
	world_advance(w, 0);
	assert_int_equal(a.err, ERR_OK);
	assert_string_equal(a.leader, id);
	assert_int_equal(a.join.generation, 1);
}

static void forgets_an_id_that_nobody_used(void **state)
{
	struct world *w = *state;
	struct asker a;
	char id[64];
	struct join_ask ask = world_join_ask(&a, "");

	ask.wants_member_id = true;
	world_join(w, &ask);
	memcpy(id, a.member_id, sizeof(id));
	world_advance(w, 10000);
	ask = world_join_ask(&a, id);
	world_join(w, &ask);
	assert_int_equal(a.err, ERR_UNKNOWN_MEMBER_ID);
}

static void a_rebalance_waits_for_an_id_that_is_out(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	char id[64];
	struct join_ask ask;

	world_stable(w, &a);
	memcpy(id, a.member_id, sizeof(id));
	ask = world_join_ask(&b, "");
	ask.wants_member_id = true;
	world_join(w, &ask);
	world_join_old(w, &a, id); /* the leader wants a rebalance */
	assert_false(a.answered);
	assert_int_equal(world_leave(w, b.member_id, NULL), ERR_OK);
	assert_true(a.answered);
	assert_int_equal(a.join.generation, 2);
}

static void members_must_share_type_and_protocol(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	static const struct join_protocol other[] = {{{"other", 5}, {(const uint8_t *)"", 0}}};
	struct join_ask ask;

	world_stable(w, &a);
	ask = world_join_ask(&b, "");
	ask.protocol_type = STR("connect");
	world_join(w, &ask);
	assert_int_equal(b.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	ask = world_join_ask(&b, "");
	ask.protocols = other;
	world_join(w, &ask);
	assert_int_equal(b.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	assert_string_equal(world_state(w), "Stable 1");
}

static void the_protocol_with_most_votes_wins(void **state)
{
	struct world *w = *state;
	struct asker a, b, c;
	static const struct join_protocol ab[] = {{{"a", 1}, {(const uint8_t *)"1", 1}},
						  {{"b", 1}, {(const uint8_t *)"2", 1}}};
	static const struct join_protocol ba[] = {{{"b", 1}, {(const uint8_t *)"2", 1}},
						  {{"a", 1}, {(const uint8_t *)"1", 1}}};
	struct join_ask ask = world_join_ask(&a, "");

	ask.protocols = ab;
	ask.protocols_len = 2;
	world_join(w, &ask);
	ask = world_join_ask(&b, "");
	ask.protocols = ba;
	ask.protocols_len = 2;
	world_join(w, &ask);
	ask.who = &c;
	c = (struct asker){0};
	world_join(w, &ask);
	world_advance(w, 0);
	assert_string_equal(a.protocol, "b");
	assert_int_equal(a.members_len, 3);
	assert_int_equal(b.members_len, 0);
}

/* Measured on Apache Kafka 4.3.1: its hash map has "range" before "roundrobin". */
static void r5_a_tied_vote_ends_as_in_kafka(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	static const struct join_protocol lists[2][2] = {
	    {{{"roundrobin", 10}, {(const uint8_t *)"1", 1}},
	     {{"range", 5}, {(const uint8_t *)"2", 1}}},
	    {{{"range", 5}, {(const uint8_t *)"2", 1}},
	     {{"roundrobin", 10}, {(const uint8_t *)"1", 1}}}};

	for (size_t i = 0; i < 2; i++) {
		struct join_ask ask = world_join_ask(i == 0 ? &a : &b, "");

		ask.protocols = lists[i];
		ask.protocols_len = 2;
		world_join(w, &ask);
	}
	world_advance(w, 0);
	assert_string_equal(a.protocol, "range");
	assert_string_equal(b.protocol, "range");
}

static void r5_a_full_group_forgets_the_id_it_gave(void **state)
{
	struct world *w = *state;
	struct asker a, b, c;
	struct join_ask ask;
	char id[64];

	w->cfg.size_max = 2;
	world_stable(w, &a);
	ask = world_join_ask(&b, "");
	ask.wants_member_id = true;
	world_join(w, &ask);
	assert_int_equal(b.err, ERR_MEMBER_ID_REQUIRED);
	memcpy(id, b.member_id, sizeof(id));
	world_join_old(w, &c, "");
	ask = world_join_ask(&b, id);
	w->cfg.size_max = 1;
	world_join(w, &ask);
	assert_int_equal(b.err, ERR_GROUP_MAX_SIZE_REACHED);
	assert_int_equal(world_leave(w, id, NULL), ERR_UNKNOWN_MEMBER_ID);
}

static void the_group_has_a_largest_size(void **state)
{
	struct world *w = *state;
	struct asker a, b;

	w->cfg.size_max = 1;
	world_stable(w, &a);
	world_join_old(w, &b, "");
	assert_int_equal(b.err, ERR_GROUP_MAX_SIZE_REACHED);
	assert_string_equal(world_state(w), "Stable 1");
}

static void memory_is_refused_at_the_cap(void **state)
{
	struct world *w = *state;
	struct asker a;

	w->keep.cap_bytes = w->keep.used_bytes + 400;
	world_join_old(w, &a, "");
	assert_int_equal(a.err, ERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(shard_groups_len(w->shard), 0);
}

/* Whoever fills the memory with new groups does not stop those that are there. */
static void the_last_quarter_of_the_memory_is_for_groups_that_are_there(void **state)
{
	struct world *w = *state;
	struct asker a, b, c;
	struct join_ask ask;

	world_stable(w, &a);
	/* Three quarters are used, and what is left would do for any number of groups. */
	w->keep.used_bytes += 300000;
	w->keep.cap_bytes = w->keep.used_bytes + 90000;
	ask = world_join_ask(&b, "");
	ask.group = STR("another");
	world_join(w, &ask);
	assert_int_equal(b.err, ERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(shard_groups_len(w->shard), 1);
	world_join_old(w, &c, "");
	assert_int_equal(c.err, ERR_OK);
	assert_string_equal(world_state(w), "PreparingRebalance 2");
	w->keep.used_bytes -= 300000;
}

static void a_group_that_could_not_be_written_is_not_there(void **state)
{
	struct world *w = *state;
	struct asker a;

	w->fails = ERR_NOSPACE;
	world_join_old(w, &a, "");
	assert_int_equal(a.err, ERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(shard_groups_len(w->shard), 0);
	world_stable(w, (w->fails = ERR_OK, &a));
}

static void a_follower_that_asks_again_gets_the_same(void **state)
{
	struct world *w = *state;
	struct asker a, b, again;

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	assert_int_equal(b.join.generation, 1);
	world_join_old(w, &again, b.member_id);
	assert_int_equal(again.err, ERR_OK);
	assert_int_equal(again.join.generation, 1);
	assert_int_equal(again.members_len, 0);
	world_join_old(w, &again, a.member_id);
	assert_int_equal(again.members_len, 2);
	assert_string_equal(world_state(w), "CompletingRebalance 2");
}

static void the_first_of_two_requests_is_let_go(void **state)
{
	struct world *w = *state;
	struct asker a, b, first, second, sync;

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	world_sync(w, &sync, a.member_id, 1, NULL, 0);
	world_join_old(w, &first, a.member_id);
	assert_false(first.answered);
	world_join_old(w, &second, a.member_id);
	assert_int_equal(first.err, ERR_REBALANCE_IN_PROGRESS);
	assert_false(second.answered);
	assert_string_equal(world_state(w), "PreparingRebalance 2");
}

/* -- static members ------------------------------------------------------------------------ */

static void a_static_member_comes_back_unnoticed(void **state)
{
	struct world *w = *state;
	struct asker a, b, back, beat;
	char old[64];

	world_join_static(w, &a, "", "i");
	world_join_static(w, &b, "", "j");
	world_advance(w, 0);
	assert_memory_equal(a.member_id, "i-", 2);
	memcpy(old, a.member_id, sizeof(old));
	world_sync(w, &beat, old, 1,
		   (struct sync_assignment[]){{str_of(old), {(const uint8_t *)"x", 1}}}, 1);
	world_join_static(w, &back, "", "i");
	assert_int_equal(back.err, ERR_OK);
	assert_true(back.durable);
	assert_int_equal(w->records, 1);
	assert_string_not_equal(back.member_id, old);
	assert_string_equal(back.leader, back.member_id);
	assert_true(back.join.skip_assignment);
	assert_int_equal(back.members_len, 2);
	assert_int_equal(back.join.generation, 1);
	assert_string_equal(world_state(w), "Stable 2");
	assert_int_equal(heartbeat_handle(w->shard, w->now, STR("g"), str_of(old), STR("i"), 1),
			 ERR_FENCED_INSTANCE_ID);
	world_sync(w, &beat, back.member_id, 1, NULL, 0);
	assert_string_equal(beat.assignment, "x");
}

static void an_old_static_leader_is_told_its_old_id(void **state)
{
	struct world *w = *state;
	struct asker a, sync, back;
	char old[64];
	struct join_ask ask;

	world_join_static(w, &a, "", "i");
	world_advance(w, 0);
	memcpy(old, a.member_id, sizeof(old));
	world_sync(w, &sync, old, 1, NULL, 0);
	ask = world_join_ask(&back, "");
	ask.instance_id = STR("i");
	world_join(w, &ask);
	assert_int_equal(back.err, ERR_OK);
	assert_string_equal(back.leader, old);
	assert_int_equal(back.members_len, 0);
	assert_false(back.join.skip_assignment);
}

static void a_static_member_that_waits_is_fenced(void **state)
{
	struct world *w = *state;
	struct asker a, sync, other, first, second;

	world_join_static(w, &a, "", "i");
	world_join_static(w, &other, "", "j");
	world_advance(w, 0);
	world_sync(w, &sync, a.member_id, 1, NULL, 0);
	world_join_static(w, &first, a.member_id, "i");
	assert_false(first.answered);
	world_join_static(w, &second, "", "i");
	assert_int_equal(first.err, ERR_FENCED_INSTANCE_ID);
	assert_false(second.answered);
	world_join_static(w, &other, other.member_id, "j");
	assert_int_equal(second.join.generation, 2);
}

static void a_static_member_keeps_its_place_over_a_rebalance(void **state)
{
	struct world *w = *state;
	struct asker a, b, sync;
	char leader[64];

	world_join_static(w, &a, "", "i");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	memcpy(leader, a.member_id, sizeof(leader));
	world_sync(w, &sync, leader, 1, NULL, 0);
	world_sync(w, &sync, b.member_id, 1, NULL, 0);
	world_join_static(w, &a, leader, "i");
	for (int i = 0; i < 8; i++) { /* b lives, and does not join */
		world_advance(w, 4000);
		world_beat(w, b.member_id, 1);
	}
	assert_true(a.answered);
	assert_int_equal(a.members_len, 1); /* b was dynamic: out */
}

static void a_static_id_that_is_unknown_or_anothers(void **state)
{
	struct world *w = *state;
	struct asker a, b;

	world_join_static(w, &a, "", "i");
	world_advance(w, 0);
	world_join_static(w, &b, a.member_id, "nobody");
	assert_int_equal(b.err, ERR_UNKNOWN_MEMBER_ID);
	world_join_static(w, &b, "wrong", "i");
	assert_int_equal(b.err, ERR_FENCED_INSTANCE_ID);
}

static void an_unwritten_static_return_is_refused(void **state)
{
	struct world *w = *state;
	struct asker a, sync, back;

	world_join_static(w, &a, "", "i");
	world_advance(w, 0);
	world_sync(w, &sync, a.member_id, 1, NULL, 0);
	w->fails = ERR_NOSPACE;
	world_join_static(w, &back, "", "i");
	assert_int_equal(back.err, ERR_COORDINATOR_NOT_AVAILABLE);
	w->fails = ERR_OK;
	world_join_static(w, &back, "", "i");
	assert_int_equal(back.err, ERR_OK);
	assert_string_equal(world_state(w), "Stable 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(refuses_bad_requests_with_kafkas_codes),
	    world_test(gives_an_id_before_it_lets_in),
	    world_test(forgets_an_id_that_nobody_used),
	    world_test(a_rebalance_waits_for_an_id_that_is_out),
	    world_test(members_must_share_type_and_protocol),
	    world_test(the_protocol_with_most_votes_wins),
	    world_test(r5_a_tied_vote_ends_as_in_kafka),
	    world_test(the_group_has_a_largest_size),
	    world_test(r5_a_full_group_forgets_the_id_it_gave),
	    world_test(memory_is_refused_at_the_cap),
	    world_test(the_last_quarter_of_the_memory_is_for_groups_that_are_there),
	    world_test(a_group_that_could_not_be_written_is_not_there),
	    world_test(a_follower_that_asks_again_gets_the_same),
	    world_test(the_first_of_two_requests_is_let_go),
	    world_test(a_static_member_comes_back_unnoticed),
	    world_test(an_old_static_leader_is_told_its_old_id),
	    world_test(a_static_member_that_waits_is_fenced),
	    world_test(a_static_member_keeps_its_place_over_a_rebalance),
	    world_test(a_static_id_that_is_unknown_or_anothers),
	    world_test(an_unwritten_static_return_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
