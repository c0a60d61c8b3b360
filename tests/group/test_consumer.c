/* Consumer groups (KIP-848), scenario by scenario. sim_consumer does the rest. */
#include "consumers.h"

/* -- scenarios ----------------------------------------------------------------------------- */

static void the_first_member_has_all(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	assert_int_equal(a.epoch, 2);
	assert_true(a.answer.has_assignment);
	assert_int_equal(a.owned_len, 6);
	assert_int_equal(a.answer.heartbeat_ms, 5000);
	assert_string_equal(state_now(w), "Stable");
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(w->records, 0); /* nothing new: nothing is written */
	assert_false(a.answer.has_assignment);
}

static void a_partition_is_handed_on_when_given_back(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a"}, b = {.id = "b", .gives_back = true};

	a.gives_back = true;
	assert_int_equal(client_join(w, &a), ERR_OK);
	a.gives_back = false;
	assert_int_equal(client_join(w, &b), ERR_OK);
	assert_int_equal(b.epoch, 3);
	assert_int_equal(b.owned_len, 0); /* a has all of them still */
	assert_string_equal(state_now(w), "Reconciling");
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.epoch, 2); /* until it has given back */
	assert_int_equal(a.told_len, 3);
	assert_int_equal(client_beat(w, &b), ERR_OK);
	assert_int_equal(b.owned_len, 0);
	client_obey(&a);
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.epoch, 3);
	assert_int_equal(client_beat(w, &b), ERR_OK);
	assert_int_equal(b.owned_len, 3);
	assert_false(tpset_overlaps((struct tpset){a.owned, a.owned_len},
				    (struct tpset){b.owned, b.owned_len}));
	assert_string_equal(state_now(w), "Stable");
}

static void who_does_not_give_back_is_out(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true},
			       b = {.id = "b", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	a.gives_back = false;
	assert_int_equal(client_join(w, &b), ERR_OK);
	assert_int_equal(client_beat(w, &a), ERR_OK);
	for (int i = 0; i < 4; i++) {
		world_advance(w, 8000);
		(void)client_beat(w, &a);
		(void)client_beat(w, &b);
	}
	assert_null(consumer_find(group_now(w), STR("a")));
	assert_int_equal(client_beat(w, &a), ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(b.owned_len, 6);
}

/* The log may have been full when its time was over. */
static void r5_who_does_not_give_back_is_out_though_the_log_was_full(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true},
			       b = {.id = "b", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	a.gives_back = false;
	assert_int_equal(client_join(w, &b), ERR_OK);
	assert_int_equal(client_beat(w, &a), ERR_OK);
	w->fails = ERR_NOSPACE;
	world_advance(w, 30000);
	w->fails = ERR_OK;
	assert_non_null(consumer_find(group_now(w), STR("a")));
	for (int i = 0; i < 6; i++) {
		(void)client_beat(w, &a);
		(void)client_beat(w, &b);
		world_advance(w, 8000);
	}
	assert_null(consumer_find(group_now(w), STR("a")));
	assert_non_null(consumer_find(group_now(w), STR("b")));
}

/* Told to give up more, a member has its time anew: as long as in Kafka. */
static void r5_who_has_more_to_give_back_has_longer(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};
	struct consumer_ask ask;

	a.topics[a.topics_len++] = STR("t");
	a.topics[a.topics_len++] = STR("u");
	assert_int_equal(client_join(w, &a), ERR_OK);
	a.gives_back = false;
	while (a.topics_len > 0) {
		a.topics_len--;
		ask = client_ask(&a);
		assert_int_equal(client_send(w, &a, &ask), ERR_OK);
		world_advance(w, 20000);
	}
	assert_non_null(consumer_find(group_now(w), STR("a")));
	world_advance(w, 9999);
	assert_non_null(consumer_find(group_now(w), STR("a")));
	world_advance(w, 1);
	assert_null(consumer_find(group_now(w), STR("a")));
}

/* Nobody's assignment changes, so the group's epoch does not; a restart finds it as it was. */
static void r5_who_subscribes_to_nothing_changes_nothing(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a"};
	struct consumer_ask ask = client_ask(&a);

	ask.topics_len = 0;
	assert_int_equal(client_send(w, &a, &ask), ERR_OK);
	assert_int_equal(a.epoch, 1);
	assert_int_equal(group_now(w)->epoch, 1);
	assert_string_equal(state_now(w), "Stable");
	a.topics[a.topics_len++] = STR("t");
	ask = client_ask(&a);
	assert_int_equal(client_send(w, &a, &ask), ERR_OK);
	assert_int_equal(a.epoch, 2);
	assert_int_equal(a.told_len, 6);
}

static void who_is_silent_is_out(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	world_advance(w, 44999);
	assert_non_null(consumer_find(group_now(w), STR("a")));
	world_advance(w, 1);
	assert_null(consumer_find(group_now(w), STR("a")));
	assert_string_equal(state_now(w), "Empty");
	assert_int_equal(group_now(w)->epoch, 3);
}

static void epochs_fence(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true},
			       b = {.id = "b", .gives_back = true}, late;

	assert_int_equal(client_beat(w, &a), ERR_INVALID_REQUEST); /* an epoch of 0 is a join */
	a.epoch = 1;
	assert_int_equal(client_beat(w, &a), ERR_GROUP_ID_NOT_FOUND);
	assert_int_equal(client_join(w, &a), ERR_OK);
	late = a;
	late.epoch = 7;
	assert_int_equal(client_beat(w, &late), ERR_FENCED_MEMBER_EPOCH);
	assert_int_equal(client_join(w, &b), ERR_OK);
	assert_int_equal(client_beat(w, &a), ERR_OK);
	late = a; /* with what it has, and the epoch before the answer that it never saw */
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.epoch, 3);
	assert_int_equal(late.epoch, 2);
	assert_int_equal(client_beat(w, &late), ERR_OK);
	assert_int_equal(late.epoch, 3);
	late.epoch = 2;
	late.owned[late.owned_len++] = (struct tp){uuid_of(9, 1), 0, 0};
	assert_int_equal(client_beat(w, &late), ERR_FENCED_MEMBER_EPOCH);
}

static void a_group_has_its_limit(void **state)
{
	struct world *w = *state;
	struct consumer_client all[4] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "d"}};

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(client_join(w, &all[i]), ERR_OK);
	assert_int_equal(client_join(w, &all[3]), ERR_GROUP_MAX_SIZE_REACHED);
	all[3].epoch = 1;
	assert_int_equal(client_beat(w, &all[3]), ERR_GROUP_MAX_SIZE_REACHED); /* as in Kafka */
	assert_int_equal(client_join(w, &all[2]), ERR_OK);
	assert_int_equal(client_leave(w, &all[0], CONSUMER_EPOCH_LEAVE), ERR_OK);
	assert_int_equal(client_join(w, &all[3]), ERR_OK);
}

static void a_static_member_comes_back(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .instance = "i", .gives_back = true},
			       b = {.id = "b", .instance = "i", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	assert_int_equal(client_join(w, &b), ERR_UNRELEASED_INSTANCE_ID);
	a.instance = "nobody";
	assert_int_equal(client_leave(w, &a, CONSUMER_EPOCH_LEAVE_STATIC), ERR_UNKNOWN_MEMBER_ID);
	assert_string_equal(a.message, "Instance id nobody is unknown.");
	a.instance = "i";
	assert_int_equal(client_leave(w, &a, CONSUMER_EPOCH_LEAVE_STATIC), ERR_OK);
	assert_int_equal(a.epoch, CONSUMER_EPOCH_LEAVE_STATIC);
	assert_int_equal(client_join(w, &b), ERR_OK);
	assert_int_equal(b.owned_len, 6);
	assert_int_equal(group_now(w)->epoch, 2); /* nobody else has noticed */
	a.epoch = 2;
	assert_int_equal(client_beat(w, &a), ERR_FENCED_INSTANCE_ID);
	assert_int_equal(client_leave(w, &a, CONSUMER_EPOCH_LEAVE), ERR_FENCED_INSTANCE_ID);
	assert_int_equal(client_leave(w, &b, CONSUMER_EPOCH_LEAVE), ERR_OK);
	assert_string_equal(state_now(w), "Empty");
}

static void a_topic_that_grows_is_assigned_anew(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	fake_topics[0].partitions_len = 8;
	fake_view.version++;
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.owned_len, 8);
	fake_topics[2] = (struct fake_topic){"else", 1};
	fake_view.version++;
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(w->records, 0); /* none of theirs */
	fake_topics[0].name = NULL;
	fake_view.version++;
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.owned_len, 0);
}

static void a_pattern_matches_whole_names(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};
	struct consumer_ask ask = client_ask(&a);

	fake_topics[2] = (struct fake_topic){"tt", 1};
	ask.has_topics = false;
	ask.regex = STR("t|x");
	assert_int_equal(client_send(w, &a, &ask), ERR_OK);
	assert_int_equal(a.owned_len, 6);
	fake_topics[3] = (struct fake_topic){"x", 2};
	fake_view.version++;
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.owned_len, 6); /* not yet: it was looked at a moment ago */
	world_advance(w, 10000);
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.owned_len, 8);
	ask = client_ask(&a);
	ask.has_topics = false;
	ask.regex = STR("t(");
	assert_int_equal(client_send(w, &a, &ask), ERR_INVALID_REGULAR_EXPRESSION);
	assert_true(strlen(a.message) > 0);
}

static void requests_that_make_no_sense(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a"};
	struct consumer_ask ask;

	a.topics[a.topics_len++] = STR("t");
	ask = client_ask(&a);
	ask.group = STR(" ");
	assert_int_equal(client_send(w, &a, &ask), ERR_INVALID_REQUEST);
	ask = client_ask(&a);
	ask.member_id = STR("");
	assert_int_equal(client_send(w, &a, &ask), ERR_INVALID_REQUEST);
	ask.wants_member_id = true;
	assert_int_equal(client_send(w, &a, &ask), ERR_OK);
	assert_int_equal(strlen(a.named), UUID_TEXT_LEN);
	ask = client_ask(&a);
	ask.member_epoch = -3;
	assert_int_equal(client_send(w, &a, &ask), ERR_INVALID_REQUEST);
	ask = client_ask(&a);
	ask.assignor = STR("sticky");
	assert_int_equal(client_send(w, &a, &ask), ERR_UNSUPPORTED_ASSIGNOR);
	ask = client_ask(&a);
	ask.member_epoch = 0;
	ask.rebalance_ms = -1;
	assert_int_equal(client_send(w, &a, &ask), ERR_INVALID_REQUEST);
	assert_string_equal(a.message, "RebalanceTimeoutMs must be provided in first request.");
}

static void what_the_log_refuses_has_not_happened(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};

	w->fails = ERR_NOSPACE;
	(void)client_join(w, &a);
	assert_null(group_now(w));
	w->fails = ERR_OK;
	assert_int_equal(client_join(w, &a), ERR_OK);
	assert_int_equal(a.epoch, 2);
	assert_int_equal(a.owned_len, 6);
}

/* A topic's growth that was looked at once, for nothing, is looked at again. */
static void r5_growth_is_seen_though_the_log_was_full(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	fake_topics[0].partitions_len = 8;
	fake_view.version++;
	w->fails = ERR_NOSPACE;
	(void)client_beat(w, &a); /* nobody has this answer */
	w->fails = ERR_OK;
	a.epoch = 2;
	a.owned_len = 6;
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(a.epoch, 3);
	assert_int_equal(a.told_len, 8);
}

static enum err client_commit(struct world *w, const char *member_id, int32_t epoch,
			      int32_t partition)
{
	struct offset_entry entry = {.topic = STR("t"),
				     .topic_id = uuid_of(9, 0),
				     .partition = partition,
				     .value = {.offset = 4, .leader_epoch = -1}};
	struct commit_ask ask = {.group = STR("g"),
				 .member_id = str_of(member_id),
				 .instance_id = STR_NULL,
				 .generation = epoch,
				 .retention_ms = -1,
				 .unknown_group_err = true,
				 .offsets = &entry,
				 .offsets_len = 1};
	enum err err = offsets_commit(w->shard, w->now, &ask, &w->fx);

	world_run(w);
	return err;
}

static void offsets_are_committed_in_the_members_epoch(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true},
			       b = {.id = "b", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	assert_int_equal(world_commit(w, "b", 2, "t", 0, 5), ERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_commit(w, "a", 2, "t", 0, 5), ERR_UNSUPPORTED_VERSION);
	assert_int_equal(client_commit(w, "a", 2, 1), ERR_OK);
	assert_int_equal(client_commit(w, "a", 3, 1), ERR_STALE_MEMBER_EPOCH);
	assert_int_equal(client_join(w, &b), ERR_OK);
	assert_int_equal(client_beat(w, &a), ERR_OK); /* gives back at once */
	assert_int_equal(client_beat(w, &a), ERR_OK);
	assert_int_equal(client_beat(w, &b), ERR_OK);
	assert_int_equal(a.epoch, 3);
	assert_int_equal(b.epoch, 3);
	/* What it has had since epoch 2 it may still commit in that; no other. */
	assert_int_equal(client_commit(w, "a", 2, a.owned[0].partition), ERR_OK);
	assert_int_equal(client_commit(w, "a", 2, b.owned[0].partition), ERR_STALE_MEMBER_EPOCH);
	assert_int_equal(client_commit(w, "b", 2, b.owned[0].partition), ERR_STALE_MEMBER_EPOCH);
	assert_int_equal(client_leave(w, &a, CONSUMER_EPOCH_LEAVE), ERR_OK);
	assert_int_equal(client_leave(w, &b, CONSUMER_EPOCH_LEAVE), ERR_OK);
	assert_int_equal(world_commit(w, "", -1, "t", 0, 5), ERR_OK);
	assert_int_equal(world_fetch(w, "t", 0), 5);
}

static void an_empty_classic_group_becomes_a_consumer_group_and_back(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};
	struct asker classic;

	world_stable(w, &classic);
	assert_int_equal(world_commit(w, classic.member_id, 1, "t", 0, 4), ERR_OK);
	assert_int_equal(client_join(w, &a), ERR_GROUP_ID_NOT_FOUND);
	assert_int_equal(world_leave(w, classic.member_id, NULL), ERR_OK);
	assert_int_equal(client_join(w, &a), ERR_OK);
	assert_string_equal(state_now(w), "Stable");
	assert_int_equal(world_fetch(w, "t", 0), 4);
	w->cfg.migration = MIGRATION_DISABLED;
	world_join_old(w, &classic, "");
	assert_int_equal(classic.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
	assert_int_equal(client_leave(w, &a, CONSUMER_EPOCH_LEAVE), ERR_OK);
	world_stable(w, &classic);
	assert_int_equal(world_fetch(w, "t", 0), 4);
	assert_string_equal(world_state(w), "Stable 1");
}

static void a_group_without_members_can_be_deleted(void **state)
{
	struct world *w = *state;
	struct consumer_client a = {.id = "a", .gives_back = true};

	assert_int_equal(client_join(w, &a), ERR_OK);
	assert_int_equal(shard_delete_group(w->shard, STR("g"), &w->fx), ERR_NON_EMPTY_GROUP);
	assert_int_equal(client_leave(w, &a, CONSUMER_EPOCH_LEAVE), ERR_OK);
	assert_int_equal(shard_delete_group(w->shard, STR("g"), &w->fx), ERR_OK);
	world_run(w);
	assert_null(shard_find(w->shard, STR("g")));
}

static bool stocks_by_name(void *ctx, struct str name, struct uuid *id, int32_t *partitions_len)
{
	(void)ctx;
	*partitions_len = 3;
	return str_eq(name, STR("t1")) && uuid_parse(STR("27I6WZYNTKuTRQs8JIe3DA"), id);
}

/* Seen in a record that Apache Kafka 4.3.1 wrote. */
static void the_hash_of_topics_is_kafkas(void **state)
{
	struct world *w = *state;
	struct str names[] = {STR("gone"), STR("t1")};
	struct consumer_topics view = {.by_name = stocks_by_name};
	struct cevent ev = {.shard = w->shard, .fx = &w->fx};

	consumer_set_topics(w->shard, &view);
	assert_true(consumer_hash(&ev, names, 2) == INT64_C(6700019495554973320));
	assert_true(consumer_hash(&ev, names, 1) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    consumer_test(the_first_member_has_all),
	    consumer_test(the_hash_of_topics_is_kafkas),
	    consumer_test(a_partition_is_handed_on_when_given_back),
	    consumer_test(who_does_not_give_back_is_out),
	    consumer_test(r5_who_does_not_give_back_is_out_though_the_log_was_full),
	    consumer_test(r5_who_has_more_to_give_back_has_longer),
	    consumer_test(r5_who_subscribes_to_nothing_changes_nothing),
	    consumer_test(who_is_silent_is_out),
	    consumer_test(epochs_fence),
	    consumer_test(a_group_has_its_limit),
	    consumer_test(a_static_member_comes_back),
	    consumer_test(a_topic_that_grows_is_assigned_anew),
	    consumer_test(a_pattern_matches_whole_names),
	    consumer_test(requests_that_make_no_sense),
	    consumer_test(what_the_log_refuses_has_not_happened),
	    consumer_test(r5_growth_is_seen_though_the_log_was_full),
	    consumer_test(offsets_are_committed_in_the_members_epoch),
	    consumer_test(an_empty_classic_group_becomes_a_consumer_group_and_back),
	    consumer_test(a_group_without_members_can_be_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
