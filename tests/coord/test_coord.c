/* The coordinator over a real log: what it writes, what comes back, who waits for the disk. */
#include "world.h"

static int fail_sync;

static int fault(const char *call, const char *path)
{
	return strcmp(call, "fdatasync") == 0 ? fail_sync : 0;
}

static void offsets_and_groups_come_back(void **state)
{
	struct world *w = *state;
	struct asker a, b, c;
	char id[80];

	assert_int_equal(world_commit(w, &c, "simple", 3, 42), ERR_OK);
	world_join(w, &a, "g");
	world_wait(w, &a.sent);
	assert_int_equal(a.err, ERR_OK);
	memcpy(id, a.member_id, sizeof(id));
	world_sync(w, &b, "g", id);
	world_wait(w, &b.sent);
	assert_string_equal(b.assignment, "all");
	world_restart(w);
	assert_int_equal(world_fetch(w, "simple", "t", 3), 42);
	assert_int_equal(coord_groups_len(w->coord), 2);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), str_of(id), STR_NULL, 1), ERR_OK);
	world_sync(w, &b, "g", id);
	world_wait(w, &b.sent);
	assert_string_equal(b.assignment, "all");
	clock_fake_advance(&w->clock, 10000);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), str_of(id), STR_NULL, 1), ERR_OK);
}

static void what_waits_for_nothing_leaves_with_its_release(void **state)
{
	struct world *w = *state;
	struct asker a;

	assert_int_equal(world_commit(w, &a, "g", 0, 1), ERR_OK);
	assert_true(a.sent && !a.failed);
}

static void answers_of_an_event_leave_at_the_end_of_the_turn(void **state)
{
	struct world *w = *state;
	struct asker a;

	world_join(w, &a, "");
	assert_int_equal(a.err, ERR_INVALID_GROUP_ID);
	assert_false(a.sent);
	world_turn(w);
	assert_true(a.sent && !a.failed);
}

static void a_commit_waits_for_the_disk(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	struct offset_entry entry = {.topic = STR("t")};

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	assert_int_equal(world_commit(w, &a, "g", 0, 1), ERR_OK);
	/* Who reads it now must not hear of it before it is durable. */
	coord_hold(asker_begin(&b));
	assert_int_equal(coord_fetch(w->coord, &b.call, STR("g"), false, &entry, 1), ERR_OK);
	coord_release(&b.call);
	assert_int_equal(entry.value.offset, 1);
	assert_false(a.sent || b.sent);
	world_wait(w, &a.sent);
	world_wait(w, &b.sent);
	assert_true(partition_is_committed(w->part, 1));
	assert_false(a.failed || b.failed);
}

static void a_failed_disk_is_not_our_coordinator(void **state)
{
	struct world *w = *state;
	struct asker a, b;

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	fail_sync = 5; /* EIO */
	file_set_fault(fault);
	assert_int_equal(world_commit(w, &a, "g", 0, 1), ERR_OK);
	world_wait(w, &a.sent);
	assert_true(a.failed);
	assert_int_equal(a.err, ERR_NOT_COORDINATOR);
	assert_int_equal(world_commit(w, &b, "g", 0, 2), ERR_NOT_COORDINATOR);
	file_set_fault(NULL);
	world_wait(w, &b.sent);
}

static void deadlines_are_kept(void **state)
{
	struct world *w = *state;
	struct asker a, b;

	world_join(w, &a, "g");
	assert_false(a.answered); /* the initial delay, here 0, is a deadline */
	world_wait(w, &a.sent);
	world_sync(w, &b, "g", a.member_id);
	world_wait(w, &b.sent);
	clock_fake_advance(&w->clock, 10001);
	/* The heartbeat timer is a real one, so it is asked to look. */
	w->coord->deadline_timer.fire(&w->coord->deadline_timer);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), str_of(a.member_id), STR_NULL, 1),
			 ERR_UNKNOWN_MEMBER_ID);
}

static void who_waits_is_told_when_the_partition_goes(void **state)
{
	struct world *w = *state;
	struct asker a, b, c;

	w->rules.flush_messages = 1;
	partition_set_rules(w->part, &w->rules);
	w->coord->cfg.initial_delay_ms = 3000;
	world_join(w, &a, "g");
	coord_on_resigned(w->coord, w->part);
	world_turn(w);
	assert_true(a.sent);
	assert_int_equal(a.err, ERR_NOT_COORDINATOR);
	assert_int_equal(world_commit(w, &b, "g", 0, 1), ERR_NOT_COORDINATOR);
	world_join(w, &c, "g");
	world_turn(w);
	assert_true(b.sent);
	assert_int_equal(c.err, ERR_NOT_COORDINATOR);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), STR("m"), STR_NULL, 1),
			 ERR_NOT_COORDINATOR);
	coord_on_elected(w->coord, w->part, 1);
	assert_int_equal(world_commit(w, &b, "g", 0, 1), ERR_OK);
	world_wait(w, &b.sent);
}

static void a_long_list_is_several_batches(void **state)
{
	struct world *w = *state;
	struct offset_entry *entries = calloc(3000, sizeof(*entries));
	struct commit_ask ask = {.group = STR("g"),
				 .generation = -1,
				 .retention_ms = -1,
				 .offsets = entries,
				 .offsets_len = 3000};
	struct asker a;
	int64_t before = partition_log_end(w->part);

	w->rules.max_message_bytes = 10000;
	partition_set_rules(w->part, &w->rules);
	for (int32_t i = 0; i < 3000; i++)
		entries[i] = (struct offset_entry){.topic = STR("t"),
						   .partition = i,
						   .value = {.offset = i}};
	coord_hold(asker_begin(&a));
	assert_int_equal(coord_commit(w->coord, &a.call, &ask), ERR_OK);
	coord_release(&a.call);
	world_wait(w, &a.sent);
	assert_int_equal(partition_log_end(w->part) - before, 3000);
	world_restart(w);
	assert_int_equal(world_fetch(w, "g", "t", 2999), 2999);
	free(entries);
}

static void a_group_too_large_for_the_log_is_an_error(void **state)
{
	struct world *w = *state;
	struct asker a, b;

	world_join(w, &a, "g");
	world_wait(w, &a.sent);
	w->rules.max_message_bytes = 100;
	partition_set_rules(w->part, &w->rules);
	world_sync(w, &b, "g", a.member_id);
	world_wait(w, &b.sent);
	assert_int_equal(b.err, ERR_UNKNOWN_SERVER_ERROR);
}

static enum err commit_some(struct world *w, const char *group)
{
	enum err err = ERR_OK;
	struct asker a;

	for (int32_t i = 0; i < 100 && err == ERR_OK; i++) {
		err = world_commit(w, &a, group, i, i);
		world_wait(w, &a.sent);
	}
	return err;
}

/* Apache Kafka's groups may be larger than the cap: then they go on, and new ones come. */
static void r5_what_was_loaded_does_not_count(void **state)
{
	struct world *w = *state;
	struct asker a;

	assert_int_equal(commit_some(w, "one"), ERR_OK);
	w->coord->keep.cap_bytes = w->coord->keep.used_bytes;
	assert_int_equal(world_commit(w, &a, "two", 0, 1), ERR_COORDINATOR_NOT_AVAILABLE);
	world_wait(w, &a.sent);
	w->memory_max_bytes = w->coord->keep.cap_bytes;
	world_restart(w);
	assert_true(w->coord->keep.used_bytes >= w->memory_max_bytes);
	assert_int_equal(world_commit(w, &a, "one", 100, 1), ERR_OK);
	world_wait(w, &a.sent);
	assert_int_equal(world_commit(w, &a, "two", 0, 1), ERR_OK);
	world_wait(w, &a.sent);
	assert_int_equal(commit_some(w, "three"), ERR_COORDINATOR_NOT_AVAILABLE);
	coord_on_resigned(w->coord, w->part);
	assert_int_equal(w->coord->keep.granted_bytes, 0);
}

static void deleted_topics_lose_their_offsets(void **state)
{
	struct world *w = *state;
	struct asker a;

	world_commit(w, &a, "g", 0, 1);
	world_turn(w);
	coord_topic_deleted(w->coord, STR("t"), uuid_of(9, 9));
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
	world_restart(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
}

static void groups_are_listed_described_and_deleted(void **state)
{
	struct world *w = *state;
	struct asker a;
	struct group_view view;
	struct group_listed listed;
	struct coord_list_pos pos = {0};

	world_commit(w, &a, "g", 0, 1);
	world_turn(w);
	assert_true(coord_list_next(w->coord, &pos, &listed));
	assert_true(str_eq(listed.id, STR("g")));
	assert_false(coord_list_next(w->coord, &pos, &listed));
	coord_hold(asker_begin(&a));
	assert_int_equal(coord_describe(w->coord, &a.call, STR("g"), &view), ERR_OK);
	assert_true(str_eq(view.state, STR("Empty")));
	assert_int_equal(coord_delete_group(w->coord, &a.call, STR("g")), ERR_OK);
	assert_int_equal(coord_delete_group(w->coord, &a.call, STR("g")), ERR_GROUP_ID_NOT_FOUND);
	coord_release(&a.call);
	world_wait(w, &a.sent);
	world_restart(w);
	assert_int_equal(coord_groups_len(w->coord), 0);
}

static void groups_are_placed_as_kafka_places_them(void **state)
{
	assert_int_equal(coord_partition_for(STR("g1"), 50), 42);
	assert_int_equal(coord_partition_for(STR("g2"), 50), 43);
	assert_int_equal(coord_partition_for(STR("gtx"), 50), 49);
	assert_int_equal(coord_partition_for(STR(""), 50), 0);
	/* A negative hash; the one that has no absolute value. */
	assert_int_equal(coord_partition_for(STR("gstock"), 50), 25);
	assert_int_equal(coord_partition_for(STR("polygenelubricants"), 50), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(offsets_and_groups_come_back),
	    world_test(what_waits_for_nothing_leaves_with_its_release),
	    world_test(answers_of_an_event_leave_at_the_end_of_the_turn),
	    world_test(a_commit_waits_for_the_disk),
	    world_test(a_failed_disk_is_not_our_coordinator),
	    world_test(deadlines_are_kept),
	    world_test(who_waits_is_told_when_the_partition_goes),
	    world_test(a_long_list_is_several_batches),
	    world_test(a_group_too_large_for_the_log_is_an_error),
	    world_test(r5_what_was_loaded_does_not_count),
	    world_test(deleted_topics_lose_their_offsets),
	    world_test(groups_are_listed_described_and_deleted),
	    cmocka_unit_test(groups_are_placed_as_kafka_places_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
