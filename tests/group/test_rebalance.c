/* The phases of a rebalance, its deadlines, SyncGroup, Heartbeat, LeaveGroup. */
#include "world.h"

static void the_first_rebalance_is_drawn_out(void **state)
{
	struct world *w = *state;
	struct asker a, b, c;

	w->cfg.initial_delay_ms = 3000;
	world_join_old(w, &a, "");
	world_advance(w, 2000);
	world_join_old(w, &b, "");
	world_advance(w, 2000); /* 4 s: b came within the first delay, so there is a second */
	assert_false(a.answered || b.answered);
	world_advance(w, 1999);
	assert_false(a.answered);
	world_advance(w, 1);
	assert_true(a.answered && b.answered);
	assert_int_equal(a.members_len, 2);
	world_join_old(w, &c, "");
	assert_false(c.answered);
}

static void the_drawing_out_ends_with_the_rebalance_timeout(void **state)
{
	struct world *w = *state;
	struct asker a, more[20];

	w->cfg.initial_delay_ms = 3000;
	world_join_old(w, &a, "");
	for (size_t i = 0; i < 20; i++) {
		world_advance(w, 1499);
		assert_false(a.answered);
		world_join_old(w, &more[i], "");
	}
	world_advance(w, 100);
	assert_true(a.answered);
	assert_int_equal(a.members_len, 21);
}

static void the_rebalance_timeout_is_the_longest_of_the_members(void **state)
{
	struct world *w = *state;
	struct asker a, b, sync;
	struct join_ask ask;
	char id[64];

	world_stable(w, &a);
	memcpy(id, a.member_id, sizeof(id));
	ask = world_join_ask(&b, "");
	ask.rebalance_ms = 50000;
	world_join(w, &ask);
	for (int i = 0; i < 9; i++) {
		world_advance(w, 5000);
		assert_int_equal(world_beat(w, id, 1), ERR_REBALANCE_IN_PROGRESS);
	}
	assert_false(b.answered);
	world_advance(w, 5000);
	assert_int_equal(b.err, ERR_OK);
	assert_int_equal(b.members_len, 1); /* leads alone now */
	world_sync(w, &sync, b.member_id, 2, NULL, 0);
	assert_int_equal(sync.err, ERR_OK);
}

static void a_silent_member_is_out_after_its_session(void **state)
{
	struct world *w = *state;
	struct asker a;

	world_stable(w, &a);
	world_advance(w, 9999);
	assert_int_equal(world_beat(w, a.member_id, 1), ERR_OK);
	world_advance(w, 9999);
	assert_string_equal(world_state(w), "Stable 1");
	world_advance(w, 1);
	assert_string_equal(world_state(w), "Empty 0");
	assert_int_equal(world_beat(w, a.member_id, 1), ERR_UNKNOWN_MEMBER_ID);
}

static void a_new_member_waits_five_minutes_at_most(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	char id[64];
	struct join_ask ask;

	world_stable(w, &a);
	memcpy(id, a.member_id, sizeof(id));
	ask = world_join_ask(&b, "");
	ask.rebalance_ms = 1000000;
	world_join(w, &ask);
	for (int i = 0; i < 60; i++) {
		assert_false(b.answered);
		world_advance(w, 5000);
		world_beat(w, id, 1);
	}
	assert_int_equal(b.err, ERR_UNKNOWN_MEMBER_ID);
}

static void heartbeats_say_what_goes_on(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	char id[64];

	assert_int_equal(heartbeat_handle(w->shard, w->now, STR(""), STR("m"), STR_NULL, 1),
			 ERR_INVALID_GROUP_ID);
	assert_int_equal(world_beat(w, "m", 1), ERR_UNKNOWN_MEMBER_ID);
	world_join_old(w, &a, "");
	world_advance(w, 0);
	memcpy(id, a.member_id, sizeof(id));
	assert_int_equal(world_beat(w, id, 1), ERR_OK); /* CompletingRebalance */
	assert_int_equal(world_beat(w, id, 0), ERR_ILLEGAL_GENERATION);
	assert_int_equal(world_beat(w, "m", 1), ERR_UNKNOWN_MEMBER_ID);
	world_sync(w, &a, id, 1, NULL, 0);
	assert_int_equal(world_beat(w, id, 1), ERR_OK);
	world_join_old(w, &b, "");
	assert_int_equal(world_beat(w, id, 1), ERR_REBALANCE_IN_PROGRESS);
}

/* -- SyncGroup ----------------------------------------------------------------------------- */

static void everybody_gets_what_the_leader_gave(void **state)
{
	struct world *w = *state;
	struct asker a, b, sa, sb;

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	world_sync(w, &sb, b.member_id, 1, NULL, 0);
	assert_false(sb.answered);
	world_sync(w, &sa, a.member_id, 1,
		   (struct sync_assignment[]){{str_of(b.member_id), {(const uint8_t *)"B", 1}},
					      {STR("stranger"), {(const uint8_t *)"S", 1}},
					      {str_of(a.member_id), {(const uint8_t *)"A", 1}}},
		   3);
	assert_string_equal(sa.assignment, "A");
	assert_string_equal(sb.assignment, "B");
	assert_true(sa.durable && sb.durable);
	assert_string_equal(world_state(w), "Stable 2");
	world_sync(w, &sb, b.member_id, 1, NULL, 0);
	assert_string_equal(sb.assignment, "B");
}

static void sync_is_checked(void **state)
{
	struct world *w = *state;
	struct asker a, b, s;
	struct sync_ask ask = {.who = &s, .group = STR("")};

	s = (struct asker){0};
	sync_handle(w->shard, w->now, &ask, &w->fx);
	world_run(w);
	assert_int_equal(s.err, ERR_INVALID_GROUP_ID);
	world_sync(w, &s, "m", 1, NULL, 0);
	assert_int_equal(s.err, ERR_UNKNOWN_MEMBER_ID);
	world_join_old(w, &a, "");
	world_advance(w, 0);
	world_sync(w, &s, "m", 1, NULL, 0);
	assert_int_equal(s.err, ERR_UNKNOWN_MEMBER_ID);
	world_sync(w, &s, a.member_id, 0, NULL, 0);
	assert_int_equal(s.err, ERR_ILLEGAL_GENERATION);
	ask = (struct sync_ask){.who = &s,
				.group = STR("g"),
				.member_id = str_of(a.member_id),
				.generation = 1,
				.protocol_type = STR("consumer"),
				.protocol = STR("other")};
	s = (struct asker){0};
	sync_handle(w->shard, w->now, &ask, &w->fx);
	world_run(w);
	assert_int_equal(s.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	world_sync(w, &s, a.member_id, 1, NULL, 0);
	world_join_old(w, &b, "");
	world_sync(w, &s, a.member_id, 1, NULL, 0);
	assert_int_equal(s.err, ERR_REBALANCE_IN_PROGRESS);
}

static void a_join_while_members_wait_for_the_leader(void **state)
{
	struct world *w = *state;
	struct asker a, b, c, sb;

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	world_sync(w, &sb, b.member_id, 1, NULL, 0);
	world_join_old(w, &c, "");
	assert_int_equal(sb.err, ERR_REBALANCE_IN_PROGRESS);
	assert_string_equal(world_state(w), "PreparingRebalance 3");
}

static void who_does_not_sync_is_out(void **state)
{
	struct world *w = *state;
	struct asker a, b, sa, again;
	char id[64];

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	memcpy(id, a.member_id, sizeof(id));
	world_sync(w, &sa, id, 1, NULL, 0);
	for (int i = 0; i < 6; i++) {
		world_beat(w, id, 1);
		world_beat(w, b.member_id, 1);
		world_advance(w, 5000);
	}
	assert_int_equal(world_beat(w, b.member_id, 1), ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_beat(w, id, 1), ERR_REBALANCE_IN_PROGRESS);
	world_join_old(w, &again, id);
	assert_int_equal(again.join.generation, 2);
}

static void an_unwritten_assignment_begins_anew(void **state)
{
	struct world *w = *state;
	struct asker a, b, sa, sb;

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	world_sync(w, &sb, b.member_id, 1, NULL, 0);
	w->fails = ERR_KAFKA_STORAGE_ERROR;
	world_sync(w, &sa, a.member_id, 1, NULL, 0);
	assert_int_equal(sa.err, ERR_NOT_COORDINATOR);
	assert_int_equal(sb.err, ERR_NOT_COORDINATOR);
	assert_string_equal(world_state(w), "PreparingRebalance 2");
}

/* -- LeaveGroup ---------------------------------------------------------------------------- */

static void leaving_is_answered_for_each(void **state)
{
	struct world *w = *state;
	struct asker a, b, s;
	struct leave_member leavers[3];

	assert_int_equal(world_leave(w, "m", NULL), ERR_UNKNOWN_MEMBER_ID);
	world_join_static(w, &a, "", "i");
	world_join_static(w, &b, "", "j");
	world_advance(w, 0);
	world_sync(w, &s, a.member_id, 1, NULL, 0);
	leavers[0] = (struct leave_member){.id = STR("nobody")};
	leavers[1] = (struct leave_member){.id = STR(""), .instance_id = STR("j")};
	leavers[2] = (struct leave_member){.id = str_of(b.member_id), .instance_id = STR("i")};
	assert_int_equal(leave_handle(w->shard, w->now, STR("g"), leavers, 3, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(leavers[0].err, ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(leavers[1].err, ERR_OK);
	assert_int_equal(leavers[2].err, ERR_FENCED_INSTANCE_ID);
	assert_string_equal(world_state(w), "PreparingRebalance 1");
	assert_int_equal(world_leave(w, a.member_id, "i"), ERR_OK);
	assert_string_equal(world_state(w), "Empty 0");
	assert_int_equal(w->records, 1);
}

static void a_leader_that_leaves_is_followed(void **state)
{
	struct world *w = *state;
	struct asker a, b, s;
	char idb[64];

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	memcpy(idb, b.member_id, sizeof(idb));
	world_sync(w, &s, a.member_id, 1, NULL, 0);
	world_sync(w, &s, idb, 1, NULL, 0);
	world_leave(w, a.member_id, NULL);
	world_join_old(w, &b, idb);
	assert_int_equal(b.err, ERR_OK);
	assert_string_equal(b.leader, idb);
	assert_int_equal(b.join.generation, 2);
}

static void one_that_leaves_while_it_waits_is_answered(void **state)
{
	struct world *w = *state;
	struct asker a, b, sb;

	world_join_old(w, &a, "");
	world_join_old(w, &b, "");
	world_advance(w, 0);
	world_sync(w, &sb, b.member_id, 1, NULL, 0);
	assert_int_equal(world_leave(w, b.member_id, NULL), ERR_OK);
	assert_int_equal(sb.err, ERR_UNKNOWN_MEMBER_ID);
}

static void unloading_tells_who_waits(void **state)
{
	struct world *w = *state;
	struct asker a;

	world_join_old(w, &a, "");
	shard_unload(w->shard, &w->fx);
	world_answers(w);
	fx_reset(&w->fx);
	assert_int_equal(a.err, ERR_NOT_COORDINATOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(the_first_rebalance_is_drawn_out),
	    world_test(the_drawing_out_ends_with_the_rebalance_timeout),
	    world_test(the_rebalance_timeout_is_the_longest_of_the_members),
	    world_test(a_silent_member_is_out_after_its_session),
	    world_test(a_new_member_waits_five_minutes_at_most),
	    world_test(heartbeats_say_what_goes_on),
	    world_test(everybody_gets_what_the_leader_gave),
	    world_test(sync_is_checked),
	    world_test(a_join_while_members_wait_for_the_leader),
	    world_test(who_does_not_sync_is_out),
	    world_test(an_unwritten_assignment_begins_anew),
	    world_test(leaving_is_answered_for_each),
	    world_test(a_leader_that_leaves_is_followed),
	    world_test(one_that_leaves_while_it_waits_is_answered),
	    world_test(unloading_tells_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
