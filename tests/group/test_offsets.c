/* Offsets: commit rules, fetch, transactions, deletion, expiry; deletion of groups. */
#include "group/jstr.h"
#include "world.h"

#define HOUR_MS 3600000

static void anybody_commits_to_a_group_that_nobody_joined(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_fetch(w, "t", 0), -1);
	assert_int_equal(world_commit(w, "", -1, "t", 0, 7), ERR_OK);
	assert_int_equal(world_fetch(w, "t", 0), 7);
	assert_int_equal(world_commit(w, "", -1, "t", 0, 3), ERR_OK);
	assert_int_equal(world_fetch(w, "t", 0), 3);
	assert_string_equal(world_state(w), "Empty 0");
}

static void an_unknown_group_with_a_generation(void **state)
{
	struct world *w = *state;
	struct commit_ask ask = {.group = STR("g"), .generation = 1, .retention_ms = -1};

	assert_int_equal(offsets_commit(w->shard, w->now, &ask, &w->fx), ERR_ILLEGAL_GENERATION);
	ask.unknown_group_err = true;
	assert_int_equal(offsets_commit(w->shard, w->now, &ask, &w->fx), ERR_GROUP_ID_NOT_FOUND);
}

static void members_commit_in_their_generation(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	char id[64];

	world_join_old(w, &a, "");
	world_advance(w, 0);
	memcpy(id, a.member_id, sizeof(id));
	assert_int_equal(world_commit(w, id, 1, "t", 0, 1), ERR_REBALANCE_IN_PROGRESS);
	world_sync(w, &a, id, 1, NULL, 0);
	assert_int_equal(world_commit(w, id, 1, "t", 0, 1), ERR_OK);
	assert_int_equal(world_commit(w, id, 0, "t", 0, 2), ERR_ILLEGAL_GENERATION);
	assert_int_equal(world_commit(w, "m", 1, "t", 0, 2), ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_commit(w, "", -1, "t", 0, 2), ERR_UNKNOWN_MEMBER_ID);
	world_join_old(w, &b, "");
	assert_int_equal(world_commit(w, id, 1, "t", 0, 3), ERR_OK); /* while it prepares */
	assert_int_equal(world_fetch(w, "t", 0), 3);
}

static void a_commit_keeps_the_session(void **state)
{
	struct world *w = *state;
	struct asker a;

	world_stable(w, &a);
	for (int i = 0; i < 5; i++) {
		world_advance(w, 9000);
		assert_int_equal(world_commit(w, a.member_id, 1, "t", 0, i), ERR_OK);
	}
	assert_string_equal(world_state(w), "Stable 1");
}

static void metadata_has_a_limit_in_java_units(void **state)
{
	struct world *w = *state;
	struct offset_entry entries[3] = {
	    {.topic = STR("t"), .value = {.metadata = STR("12345")}},
	    {.topic = STR("t"), .partition = 1, .value = {.metadata = STR("123456")}},
	    {.topic = STR("t"), .partition = 2, .value = {.metadata = STR("\u20ac\u20ac\u20ac")}}};
	struct commit_ask ask = {.group = STR("g"),
				 .generation = -1,
				 .retention_ms = -1,
				 .offsets = entries,
				 .offsets_len = 3};

	w->cfg.metadata_max = 5;
	assert_int_equal(offsets_commit(w->shard, w->now, &ask, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(entries[0].err, ERR_OK);
	assert_int_equal(entries[1].err, ERR_OFFSET_METADATA_TOO_LARGE);
	assert_int_equal(entries[2].err, ERR_OK);
	entries[0].value.metadata = STR_NULL;
	offsets_fetch(w->shard, STR("g"), false, entries, 1);
	assert_true(str_eq(entries[0].value.metadata, STR("12345")));
}

static void an_unwritten_commit_changes_nothing(void **state)
{
	struct world *w = *state;

	world_commit(w, "", -1, "t", 0, 7);
	w->fails = ERR_NOSPACE;
	world_commit(w, "", -1, "t", 0, 8);
	assert_int_equal(world_fetch(w, "t", 0), 7);
}

static void an_offset_of_an_earlier_topic_is_none(void **state)
{
	struct world *w = *state;
	struct offset_entry entry = {.topic = STR("t"), .topic_id = {{1}}, .value = {.offset = 5}};
	struct commit_ask ask = {.group = STR("g"),
				 .generation = -1,
				 .retention_ms = -1,
				 .offsets = &entry,
				 .offsets_len = 1};

	assert_int_equal(offsets_commit(w->shard, w->now, &ask, &w->fx), ERR_OK);
	world_run(w);
	entry.topic_id = (struct uuid){{2}};
	offsets_fetch(w->shard, STR("g"), false, &entry, 1);
	assert_int_equal(entry.value.offset, -1);
	entry.topic_id = (struct uuid){{0}};
	offsets_fetch(w->shard, STR("g"), false, &entry, 1);
	assert_int_equal(entry.value.offset, 5);
	offsets_topic_deleted(w->shard, STR("t"), (struct uuid){{2}}, &w->fx);
	world_run(w);
	assert_int_equal(w->records, 0);
	offsets_topic_deleted(w->shard, STR("t"), (struct uuid){{1}}, &w->fx);
	world_run(w);
	assert_int_equal(world_fetch(w, "t", 0), -1);
}

static void all_offsets_are_fetched_in_order(void **state)
{
	struct world *w = *state;
	struct arena arena;
	struct offset_entry *all;
	size_t len;

	arena_init(&arena, 1 << 20);
	assert_int_equal(offsets_fetch_all(w->shard, STR("g"), false, &arena, &all, &len), ERR_OK);
	assert_int_equal(len, 0);
	world_commit(w, "", -1, "b", 5, 1);
	world_commit(w, "", -1, "b", 2, 2);
	world_commit(w, "", -1, "a", 0, 3);
	assert_int_equal(offsets_fetch_all(w->shard, STR("g"), false, &arena, &all, &len), ERR_OK);
	assert_int_equal(len, 3);
	assert_int_equal(all[0].partition, 2);
	assert_int_equal(all[1].partition, 5);
	assert_true(str_eq(all[2].topic, STR("a")));
	arena_fini(&arena);
}

/* -- transactions -------------------------------------------------------------------------- */

static void world_txn_offset(struct world *w, int64_t producer_id, int64_t offset)
{
	struct fx_record record = {.kind = FX_OFFSET, .group = STR("g"), .at = w->next++};

	record.offset.topic = STR("t");
	record.offset.value = (struct offset_value){.offset = offset, .expire_ms = -1};
	replay_record(w->shard, &record, producer_id);
}

static void a_transaction_is_seen_when_it_commits(void **state)
{
	struct world *w = *state;
	struct offset_entry entry = {.topic = STR("t")};

	world_commit(w, "", -1, "t", 0, 1);
	world_txn_offset(w, 9, 5);
	assert_int_equal(world_fetch(w, "t", 0), 1);
	offsets_fetch(w->shard, STR("g"), true, &entry, 1);
	assert_int_equal(entry.err, ERR_UNSTABLE_OFFSET_COMMIT);
	replay_marker(w->shard, 8, true);
	assert_int_equal(world_fetch(w, "t", 0), 1);
	replay_marker(w->shard, 9, true);
	assert_int_equal(world_fetch(w, "t", 0), 5);
	world_txn_offset(w, 9, 6);
	replay_marker(w->shard, 9, false);
	assert_int_equal(world_fetch(w, "t", 0), 5);
}

static void a_later_plain_commit_stands_against_a_transaction(void **state)
{
	struct world *w = *state;

	world_txn_offset(w, 9, 5);
	world_commit(w, "", -1, "t", 0, 1);
	replay_marker(w->shard, 9, true);
	assert_int_equal(world_fetch(w, "t", 0), 1);
}

static void deleting_an_offset_deletes_what_is_pending(void **state)
{
	struct world *w = *state;
	struct offset_entry entry = {.topic = STR("t")};

	world_txn_offset(w, 9, 5);
	assert_int_equal(offsets_delete(w->shard, STR("g"), &entry, 1, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(w->records, 1);
	replay_marker(w->shard, 9, true);
	assert_int_equal(world_fetch(w, "t", 0), -1);
}

/* -- deletion ------------------------------------------------------------------------------ */

static void offsets_of_subscribed_topics_stay(void **state)
{
	struct world *w = *state;
	struct asker a;
	struct offset_entry entries[2] = {{.topic = STR("t")}, {.topic = STR("u")}};

	assert_int_equal(offsets_delete(w->shard, STR("g"), entries, 2, &w->fx),
			 ERR_GROUP_ID_NOT_FOUND);
	world_stable(w, &a);
	world_commit(w, a.member_id, 1, "t", 0, 1);
	world_commit(w, a.member_id, 1, "u", 0, 1);
	assert_int_equal(offsets_delete(w->shard, STR("g"), entries, 2, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(entries[0].err, ERR_GROUP_SUBSCRIBED_TO_TOPIC);
	assert_int_equal(entries[1].err, ERR_OK);
	assert_int_equal(world_fetch(w, "t", 0), 1);
	assert_int_equal(world_fetch(w, "u", 0), -1);
}

/* Who has only asked to join has no say yet; who has left has one until the next generation. */
static void r5_subscriptions_are_those_of_the_generation(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	struct offset_entry entries[2] = {{.topic = STR("t")}, {.topic = STR("u")}};
	static const struct join_protocol other[] = {
	    {{"range", 5}, {(const uint8_t *)"\0\0\0\0\0\1\0\1u\377\377\377\377", 13}}};
	struct join_ask ask = world_join_ask(&b, "");

	world_stable(w, &a);
	ask.protocols = other;
	world_join(w, &ask);
	assert_int_equal(offsets_delete(w->shard, STR("g"), entries, 2, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(entries[0].err, ERR_GROUP_SUBSCRIBED_TO_TOPIC);
	assert_int_equal(entries[1].err, ERR_OK);
	world_leave(w, a.member_id, NULL);
	assert_string_equal(world_state(w), "CompletingRebalance 1");
	assert_int_equal(offsets_delete(w->shard, STR("g"), entries, 2, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(entries[0].err, ERR_OK);
	assert_int_equal(entries[1].err, ERR_GROUP_SUBSCRIBED_TO_TOPIC);
}

static void r5_before_the_first_generation_all_topics_stay(void **state)
{
	struct world *w = *state;
	struct asker a;
	struct offset_entry entry = {.topic = STR("t")};

	world_join_old(w, &a, "");
	assert_int_equal(offsets_delete(w->shard, STR("g"), &entry, 1, &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(entry.err, ERR_GROUP_SUBSCRIBED_TO_TOPIC);
}

static void offsets_of_other_protocols_stay_while_there_are_members(void **state)
{
	struct world *w = *state;
	struct asker a;
	struct offset_entry entry = {.topic = STR("t")};
	struct join_ask ask = world_join_ask(&a, "");

	ask.protocol_type = STR("connect");
	world_join(w, &ask);
	world_advance(w, 0);
	assert_int_equal(offsets_delete(w->shard, STR("g"), &entry, 1, &w->fx),
			 ERR_NON_EMPTY_GROUP);
}

static void only_empty_groups_are_deleted(void **state)
{
	struct world *w = *state;
	struct asker a;

	assert_int_equal(shard_delete_group(w->shard, STR("g"), &w->fx), ERR_GROUP_ID_NOT_FOUND);
	world_stable(w, &a);
	world_commit(w, a.member_id, 1, "t", 0, 1);
	assert_int_equal(shard_delete_group(w->shard, STR("g"), &w->fx), ERR_NON_EMPTY_GROUP);
	world_leave(w, a.member_id, NULL);
	assert_int_equal(shard_delete_group(w->shard, STR("g"), &w->fx), ERR_OK);
	world_run(w);
	assert_int_equal(w->records, 2);
	assert_int_equal(world_fetch(w, "t", 0), -1);
	assert_string_equal(world_state(w), "Dead 0");
	assert_int_equal(shard_groups_len(w->shard), 0);
}

/* -- expiry -------------------------------------------------------------------------------- */

static void an_empty_group_expires_after_its_retention(void **state)
{
	struct world *w = *state;
	struct asker a;

	w->cfg.retention_ms = HOUR_MS;
	world_stable(w, &a);
	world_commit(w, a.member_id, 1, "t", 0, 1);
	world_advance(w, 9000);
	world_leave(w, a.member_id, NULL);
	world_advance(w, HOUR_MS - 9000);
	assert_int_equal(world_fetch(w, "t", 0), 1);
	world_advance(w, 2 * w->cfg.expiry_check_ms);
	assert_int_equal(world_fetch(w, "t", 0), -1);
	assert_int_equal(shard_groups_len(w->shard), 0);
}

static void a_simple_group_expires_by_commit(void **state)
{
	struct world *w = *state;

	w->cfg.retention_ms = HOUR_MS;
	world_commit(w, "", -1, "t", 0, 1);
	world_advance(w, HOUR_MS / 2);
	world_commit(w, "", -1, "t", 1, 1);
	world_advance(w, HOUR_MS / 2 + w->cfg.expiry_check_ms);
	assert_int_equal(world_fetch(w, "t", 0), -1);
	assert_int_equal(world_fetch(w, "t", 1), 1);
}

static void a_commits_own_retention_counts(void **state)
{
	struct world *w = *state;
	struct offset_entry entry = {.topic = STR("t"), .value = {.offset = 5}};
	struct commit_ask ask = {.group = STR("g"),
				 .generation = -1,
				 .retention_ms = 1000,
				 .offsets = &entry,
				 .offsets_len = 1};

	assert_int_equal(offsets_commit(w->shard, w->now, &ask, &w->fx), ERR_OK);
	world_run(w);
	world_advance(w, w->cfg.expiry_check_ms);
	assert_int_equal(world_fetch(w, "t", 0), -1);
	ask.retention_ms = -(INT64_C(1) << 60);
	assert_int_equal(offsets_commit(w->shard, w->now, &ask, &w->fx), ERR_OK);
	world_run(w);
	world_advance(w, w->cfg.expiry_check_ms);
	assert_int_equal(world_fetch(w, "t", 0), -1);
}

static void subscribed_topics_do_not_expire(void **state)
{
	struct world *w = *state;
	struct asker a;

	w->cfg.retention_ms = 60000;
	world_stable(w, &a);
	world_commit(w, a.member_id, 1, "t", 0, 1);
	world_commit(w, a.member_id, 1, "gone", 0, 1);
	for (int i = 0; i < 200; i++) {
		world_advance(w, 5000);
		assert_int_equal(world_beat(w, a.member_id, 1), ERR_OK);
	}
	assert_int_equal(world_fetch(w, "t", 0), 1);
	assert_int_equal(world_fetch(w, "gone", 0), -1);
}

static void a_long_look_goes_on_in_the_next_turn(void **state)
{
	struct world *w = *state;

	w->cfg.retention_ms = 1000;
	for (int32_t i = 0; i < 2500; i++)
		world_commit(w, "", -1, "t", i, 1);
	world_advance(w, w->cfg.expiry_check_ms);
	assert_int_equal(shard_groups_len(w->shard), 0);
}

/* -- Java's strings ------------------------------------------------------------------------ */

static void strings_hash_as_in_java(void **state)
{
	assert_int_equal(jstr_hash(STR("")), 0);
	assert_int_equal(jstr_hash(STR("g1")), 3242);
	assert_int_equal(jstr_hash(STR("my-consumer-group")), 1513705513);
	assert_int_equal(jstr_hash(STR("gr\u00fcn")), 3185949);
	assert_int_equal(jstr_hash(STR("\U0001f600")), 1772899);
	assert_int_equal(jstr_len(STR("\U0001f600x")), 3);
	/* Each bad part is one U+FFFD. */
	assert_int_equal(jstr_hash(STR("\xff")), 0xfffd);
	assert_int_equal(jstr_len(STR("\xe2\x82")), 1);
	assert_int_equal(jstr_len(STR("\xed\xa0\x80")), 1);
	assert_int_equal(jstr_len(STR("\xed\xa0"
				      "A")),
			 2);
	assert_int_equal(jstr_len(STR("\xe0\x80\x80")), 3);
	assert_int_equal(jstr_len(STR("\xf4\x90\x80\x80")), 4);
	assert_int_equal(jstr_len(STR("\xf0\x9f\x98")), 1);
	assert_int_equal(jstr_len(STR("\xc0\xaf")), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(anybody_commits_to_a_group_that_nobody_joined),
	    world_test(an_unknown_group_with_a_generation),
	    world_test(members_commit_in_their_generation),
	    world_test(a_commit_keeps_the_session),
	    world_test(metadata_has_a_limit_in_java_units),
	    world_test(an_unwritten_commit_changes_nothing),
	    world_test(an_offset_of_an_earlier_topic_is_none),
	    world_test(all_offsets_are_fetched_in_order),
	    world_test(a_transaction_is_seen_when_it_commits),
	    world_test(a_later_plain_commit_stands_against_a_transaction),
	    world_test(deleting_an_offset_deletes_what_is_pending),
	    world_test(offsets_of_subscribed_topics_stay),
	    world_test(r5_subscriptions_are_those_of_the_generation),
	    world_test(r5_before_the_first_generation_all_topics_stay),
	    world_test(offsets_of_other_protocols_stay_while_there_are_members),
	    world_test(only_empty_groups_are_deleted),
	    world_test(an_empty_group_expires_after_its_retention),
	    world_test(a_simple_group_expires_by_commit),
	    world_test(a_commits_own_retention_counts),
	    world_test(subscribed_topics_do_not_expire),
	    world_test(a_long_look_goes_on_in_the_next_turn),
	    cmocka_unit_test(strings_hash_as_in_java),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
