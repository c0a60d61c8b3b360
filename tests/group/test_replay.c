/* Replay: what was written comes back, and what nobody should have written does no harm. */
#include "world.h"

static struct fx_record world_foreign(struct world *w, const char *group, enum group_type type,
				      const char *key)
{
	struct fx_record record = {.kind = FX_FOREIGN, .group = str_of(group), .at = w->next++};

	record.foreign.type = type;
	record.foreign.key = (struct bytes){(const uint8_t *)key, strlen(key)};
	return record;
}

static struct fx_record world_group_record(const struct member_value *members, size_t len)
{
	struct fx_record record = {.kind = FX_GROUP, .group = STR("g")};

	record.value = (struct group_value){.protocol_type = STR("consumer"),
					    .protocol = STR("range"),
					    .leader = STR("a"),
					    .generation = 7,
					    .since_ms = 5,
					    .members = members,
					    .members_len = len};
	return record;
}

static const struct member_value world_members[] = {
    {.id = {"a", 1},
     .session_ms = 10000,
     .rebalance_ms = 30000,
     .assignment = {(const uint8_t *)"A", 1}},
    {.id = {"b", 1}, .instance_id = {"i", 1}, .session_ms = 10000, .rebalance_ms = -1}};

static void members_go_on_after_a_restart(void **state)
{
	struct world *w = *state;
	struct asker s, j;
	struct fx_record record = world_group_record(world_members, 2);

	replay_record(w->shard, &record, -1);
	replay_done(w->shard, w->now, &w->fx);
	assert_string_equal(world_state(w), "Stable 2");
	assert_int_equal(world_beat(w, "a", 7), ERR_OK);
	world_sync(w, &s, "a", 7, NULL, 0);
	assert_string_equal(s.assignment, "A");
	world_advance(w, 9999);
	assert_int_equal(world_beat(w, "a", 7), ERR_OK);
	world_advance(w, 1);
	assert_int_equal(world_beat(w, "b", 7), ERR_UNKNOWN_MEMBER_ID);
	world_join_old(w, &j, "a");
	assert_int_equal(j.join.generation, 8);
	assert_string_equal(j.leader, "a");
}

static void a_group_that_has_become_too_large_rebalances(void **state)
{
	struct world *w = *state;
	struct fx_record record = world_group_record(world_members, 2);

	w->cfg.size_max = 1;
	replay_record(w->shard, &record, -1);
	replay_done(w->shard, w->now, &w->fx);
	world_run(w);
	assert_string_equal(world_state(w), "PreparingRebalance 2");
}

static void twice_the_same_member_is_one(void **state)
{
	struct world *w = *state;
	struct member_value members[] = {world_members[0], world_members[0], world_members[1],
					 world_members[1]};
	struct fx_record record;

	members[3].id = STR("c");
	record = world_group_record(members, 4);
	replay_record(w->shard, &record, -1);
	replay_done(w->shard, w->now, &w->fx);
	assert_string_equal(world_state(w), "Stable 2");
}

static void a_record_with_nothing_in_it(void **state)
{
	struct world *w = *state;
	struct member_value members[] = {{.id = {NULL, 0}}};
	struct fx_record record = world_group_record(members, 1);
	struct fx_record tombstone = {.kind = FX_GROUP, .tombstone = true, .group = STR("g")};

	record.value.protocol = record.value.leader = record.value.protocol_type = STR_NULL;
	replay_record(w->shard, &record, -1);
	replay_done(w->shard, w->now, &w->fx);
	world_advance(w, 100000);
	replay_record(w->shard, &tombstone, -1);
	assert_int_equal(shard_groups_len(w->shard), 0);
	replay_record(w->shard, &tombstone, -1);
}

static void offsets_outlive_a_groups_tombstone(void **state)
{
	struct world *w = *state;
	struct fx_record tombstone = {.kind = FX_GROUP, .tombstone = true, .group = STR("g")};
	struct fx_record record = world_foreign(w, "g", GROUP_STREAMS, "k");

	world_commit(w, "", -1, "t", 0, 5);
	replay_record(w->shard, &tombstone, -1);
	assert_int_equal(shard_groups_len(w->shard), 0);
	assert_int_equal(world_fetch(w, "t", 0), -1);
	replay_record(w->shard, &record, -1); /* as when a group changes its protocol */
	assert_int_equal(world_fetch(w, "t", 0), 5);
}

static void groups_of_other_types_are_listed_only(void **state)
{
	struct world *w = *state;
	struct group_listed listed;
	const void *pos = NULL;
	struct asker a;
	struct fx_record record = world_foreign(w, "g", GROUP_SHARE, "k");

	replay_record(w->shard, &record, -1);
	assert_true(view_next(w->shard, &pos, &listed));
	assert_true(str_eq(listed.type, STR("share")));
	assert_true(str_eq(listed.protocol_type, STR("share")));
	assert_false(view_next(w->shard, &pos, &listed));
	assert_string_equal(world_state(w), "Dead 0");
	world_join_old(w, &a, "");
	assert_int_equal(a.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	assert_int_equal(world_beat(w, "m", 1), ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(shard_delete_group(w->shard, STR("g"), &w->fx), ERR_UNSUPPORTED_VERSION);
	record.tombstone = true;
	replay_record(w->shard, &record, -1);
	assert_int_equal(shard_groups_len(w->shard), 0);
}

static void a_streams_group_turns_classic_when_a_classic_member_joins(void **state)
{
	struct world *w = *state;
	struct asker a;
	struct fx_record one = world_foreign(w, "g", GROUP_STREAMS, "k1");
	struct fx_record two = world_foreign(w, "g", GROUP_STREAMS, "k2");

	replay_record(w->shard, &one, -1);
	replay_record(w->shard, &two, -1);
	assert_int_equal(world_commit(w, "", -1, "t", 0, 5), ERR_OK);
	assert_int_equal(world_commit(w, "m", 3, "t", 0, 6), ERR_UNKNOWN_MEMBER_ID);
	w->fails = ERR_NOSPACE;
	world_join_old(w, &a, "");
	assert_int_equal(a.err, ERR_COORDINATOR_NOT_AVAILABLE);
	w->fails = ERR_OK;
	world_join_old(w, &a, "");
	assert_int_equal(w->records, 3);
	world_advance(w, 0);
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(world_fetch(w, "t", 0), 5);
}

static void r5_a_streams_group_grows_old(void **state)
{
	struct world *w = *state;
	struct fx_record one = world_foreign(w, "g", GROUP_STREAMS, "k1");
	struct fx_record two = world_foreign(w, "g", GROUP_STREAMS, "k2");

	w->cfg.retention_ms = 60000;
	replay_record(w->shard, &one, -1);
	replay_record(w->shard, &two, -1);
	assert_int_equal(world_commit(w, "", -1, "t", 0, 5), ERR_OK);
	world_advance(w, w->cfg.expiry_check_ms);
	assert_int_equal(w->records, 3);
	assert_int_equal(shard_groups_len(w->shard), 0);
}

static void a_streams_group_in_a_consumer_groups_place(void **state)
{
	struct world *w = *state;
	struct fx_record group = {.kind = FX_CONSUMER_GROUP, .group = STR("g"), .at = w->next++};
	struct fx_record record = world_foreign(w, "g", GROUP_STREAMS, "k");

	group.consumer.group.epoch = 3;
	replay_record(w->shard, &group, -1);
	replay_record(w->shard, &record, -1);
	assert_int_equal(shard_groups_len(w->shard), 1);
	record.tombstone = true;
	replay_record(w->shard, &record, -1);
	assert_int_equal(shard_groups_len(w->shard), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(members_go_on_after_a_restart),
	    world_test(a_group_that_has_become_too_large_rebalances),
	    world_test(twice_the_same_member_is_one),
	    world_test(a_record_with_nothing_in_it),
	    world_test(offsets_outlive_a_groups_tombstone),
	    world_test(groups_of_other_types_are_listed_only),
	    world_test(a_streams_group_turns_classic_when_a_classic_member_joins),
	    world_test(r5_a_streams_group_grows_old),
	    world_test(a_streams_group_in_a_consumer_groups_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
