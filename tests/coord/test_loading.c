/*
 * While a log is being loaded: what requests are told, what stops and fails in the middle. The one
 * worker is held by a job that waits for us, so that nothing depends on who is quicker.
 */
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "record/builder.h"

/* Has the worker until it is opened. */
struct gate {
	struct job job;
	sem_t closed, open;
};

static void gate_run(struct job *job)
{
	struct gate *gate = container_of(job, struct gate, job);

	sem_post(&gate->closed);
	while (sem_wait(&gate->open) != 0)
		;
	sem_post(&gate->closed);
}

static void gate_close(struct gate *gate, struct world *w)
{
	*gate = (struct gate){.job = {.run = gate_run}};
	sem_init(&gate->closed, 0, 0);
	sem_init(&gate->open, 0, 0);
	worker_submit(w->workers, &gate->job);
	while (sem_wait(&gate->closed) != 0)
		;
}

static void gate_open(struct gate *gate)
{
	sem_post(&gate->open);
	while (sem_wait(&gate->closed) != 0)
		;
	sem_destroy(&gate->closed);
	sem_destroy(&gate->open);
}

/* A new coordinator, which has begun to load; the gate is closed. */
static void begin_load(struct world *w, struct gate *gate)
{
	gate_close(gate, w);
	w->on_workers = true;
	coord_stop(w->coord);
	loop_turn(w->loop, false);
	coord_free(w->coord);
	world_elect(w);
	assert_true(coord_is_loading(w->coord));
}

static void finish_load(struct world *w, struct gate *gate)
{
	gate_open(gate);
	while (coord_is_loading(w->coord))
		world_turn(w);
}

static enum err try_describe(struct world *w, bool consumer)
{
	struct group_view view;
	struct consumer_view consumer_view;
	struct asker a;
	enum err err;

	coord_hold(asker_begin(&a));
	err = consumer ? coord_consumer_describe(w->coord, &a.call, STR("g"), &consumer_view)
		       : coord_describe(w->coord, &a.call, STR("g"), &view);
	coord_release(&a.call);
	world_wait(w, &a.sent);
	return err;
}

static enum err try_fetch(struct world *w, bool all)
{
	struct offset_entry entry = {.topic = STR("t")}, *entries;
	struct asker a;
	size_t len;
	enum err err;

	coord_hold(asker_begin(&a));
	err = all ? coord_fetch_all(w->coord, &a.call, STR("g"), false, &entries, &len)
		  : coord_fetch(w->coord, &a.call, STR("g"), false, &entry, 1);
	coord_release(&a.call);
	world_wait(w, &a.sent);
	return err;
}

static enum err try_delete(struct world *w, bool offsets)
{
	struct offset_entry entry = {.topic = STR("t")};
	struct asker a;
	enum err err;

	coord_hold(asker_begin(&a));
	err = offsets ? coord_delete_offsets(w->coord, &a.call, STR("g"), &entry, 1)
		      : coord_delete_group(w->coord, &a.call, STR("g"));
	coord_release(&a.call);
	world_wait(w, &a.sent);
	return err;
}

static enum err try_commit(struct world *w)
{
	struct asker a;
	enum err err = world_commit(w, &a, "g", 0, 99);

	world_wait(w, &a.sent);
	return err;
}

static enum err try_join(struct world *w)
{
	struct asker a;

	world_join(w, &a, "g");
	world_wait(w, &a.sent);
	return a.err;
}

static enum err try_sync(struct world *w)
{
	struct asker a;

	world_sync(w, &a, "g", "m");
	world_wait(w, &a.sent);
	return a.err;
}

static enum err try_leave(struct world *w)
{
	struct leave_member member = {.id = STR("m")};
	struct asker a;
	enum err err;

	coord_hold(asker_begin(&a));
	err = coord_leave(w->coord, &a.call, STR("g"), &member, 1);
	coord_release(&a.call);
	world_wait(w, &a.sent);
	return err;
}

static enum err try_consumer_heartbeat(struct world *w)
{
	struct consumer_ask ask = {.group = STR("g"), .member_id = STR("m")};
	struct consumer_answer answer;
	struct asker a;
	enum err err;

	coord_hold(asker_begin(&a));
	err = coord_consumer_heartbeat(w->coord, &a.call, &ask, &answer);
	coord_release(&a.call);
	world_wait(w, &a.sent);
	return err;
}

static void all_say(struct world *w, enum err err)
{
	int64_t guard;

	assert_int_equal(try_commit(w), err);
	assert_int_equal(try_fetch(w, false), err);
	assert_int_equal(try_fetch(w, true), err);
	assert_int_equal(try_describe(w, false), err);
	assert_int_equal(try_describe(w, true), err);
	assert_int_equal(try_delete(w, false), err);
	assert_int_equal(try_delete(w, true), err);
	assert_int_equal(try_leave(w), err);
	assert_int_equal(try_consumer_heartbeat(w), err);
	assert_int_equal(coord_consumer_check(w->coord, STR("g"), STR("m"), 1), err);
	assert_int_equal(coord_txn_guard(w->coord, STR("g"), 1, 0, &guard), err);
}

/* -- requests ------------------------------------------------------------------------------ */

static void requests_are_told_to_come_again(void **state)
{
	struct world *w = *state;
	struct coord_list_pos pos = {0};
	struct group_listed listed;
	struct gate gate;

	world_commit(w, &(struct asker){0}, "other", 0, 1);
	world_turn(w);
	assert_int_equal(try_commit(w), ERR_OK);
	begin_load(w, &gate);
	all_say(w, ERR_COORDINATOR_LOAD_IN_PROGRESS);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), STR("m"), STR_NULL, 1), ERR_OK);
	assert_int_equal(coord_list_check(w->coord), ERR_COORDINATOR_LOAD_IN_PROGRESS);
	assert_int_equal(coord_groups_len(w->coord), 0);
	assert_false(coord_list_next(w->coord, &pos, &listed));
	finish_load(w, &gate);
	assert_int_equal(coord_list_check(w->coord), ERR_OK);
	assert_int_equal(coord_groups_len(w->coord), 2);
	assert_int_equal(world_fetch(w, "g", "t", 0), 99);
	assert_true(w->coord->keep.used_bytes > 0);
}

static void joins_are_sent_to_find_the_coordinator(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	begin_load(w, &gate);
	assert_int_equal(try_join(w), ERR_NOT_COORDINATOR);
	assert_int_equal(try_sync(w), ERR_NOT_COORDINATOR);
	finish_load(w, &gate);
	assert_int_equal(try_join(w), ERR_OK);
}

static void sessions_begin_after_the_load(void **state)
{
	struct world *w = *state;
	struct asker a, b;
	struct gate gate;

	world_join(w, &a, "g");
	world_wait(w, &a.sent);
	world_sync(w, &b, "g", a.member_id);
	world_wait(w, &b.sent);
	begin_load(w, &gate);
	clock_fake_advance(&w->clock, 3600 * 1000);
	finish_load(w, &gate);
	w->coord->deadline_timer.fire(&w->coord->deadline_timer);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), str_of(a.member_id), STR_NULL, 1),
			 ERR_OK);
	clock_fake_advance(&w->clock, 10001);
	w->coord->deadline_timer.fire(&w->coord->deadline_timer);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), str_of(a.member_id), STR_NULL, 1),
			 ERR_UNKNOWN_MEMBER_ID);
}

static void topics_deleted_meanwhile_lose_their_offsets(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	begin_load(w, &gate);
	coord_topic_deleted(w->coord, STR("t"), uuid_of(9, 9));
	finish_load(w, &gate);
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
	world_restart(w);
	while (coord_is_loading(w->coord))
		world_turn(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
}

/* -- stopping ------------------------------------------------------------------------------ */

static void stops_in_the_middle(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	begin_load(w, &gate);
	coord_stop(w->coord);
	gate_open(&gate);
	/* The teardown stops it once more, and frees it. */
}

static void ends_in_the_middle_as_after_a_kill(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	begin_load(w, &gate);
	coord_end_loads(w->coord);
	gate_open(&gate);
	worker_pool_drain(w->workers);
	world_turn(w);
	coord_free(w->coord);
	world_elect(w);
	while (coord_is_loading(w->coord))
		world_turn(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), 99);
}

static void is_let_go_and_taken_again_in_the_middle(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	begin_load(w, &gate);
	coord_on_resigned(w->coord, w->part);
	assert_false(coord_is_loading(w->coord));
	assert_int_equal(try_commit(w), ERR_NOT_COORDINATOR);
	coord_on_elected(w->coord, w->part, 1);
	/* The first slice of the first load has the only place. */
	assert_true(coord_is_loading(w->coord));
	finish_load(w, &gate);
	assert_int_equal(world_fetch(w, "g", "t", 0), 99);
	coord_on_elected(w->coord, w->part, 2);
	assert_int_equal(w->coord->shards[0]->log.leader_epoch, 2);
}

/* -- failures ------------------------------------------------------------------------------ */

static _Atomic int fail_read;

static int fault(const char *call, const char *path)
{
	return strcmp(call, "pread") == 0 ? fail_read : 0;
}

static void what_cannot_be_read_is_not_served(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	begin_load(w, &gate);
	fail_read = EIO;
	file_set_fault(fault);
	finish_load(w, &gate);
	file_set_fault(NULL);
	all_say(w, ERR_NOT_COORDINATOR);
	assert_int_equal(try_join(w), ERR_NOT_COORDINATOR);
	assert_int_equal(coord_heartbeat(w->coord, STR("g"), STR("m"), STR_NULL, 1),
			 ERR_NOT_COORDINATOR);
	assert_int_equal(coord_list_check(w->coord), ERR_OK);
	assert_int_equal(coord_groups_len(w->coord), 0);
	assert_int_equal(w->coord->keep.used_bytes, 0);
	/* With the same epoch nothing has changed; a later election tries again. */
	coord_on_elected(w->coord, w->part, 0);
	assert_false(coord_is_loading(w->coord));
	coord_on_elected(w->coord, w->part, 1);
	assert_true(coord_is_loading(w->coord));
	while (coord_is_loading(w->coord))
		world_turn(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), 99);
}

static void append_record(struct world *w, struct bytes key, struct bytes value)
{
	struct builder builder;
	struct plog_append item = {.origin = PLOG_COORDINATOR};
	struct wr out;

	wr_init(&out, 1 << 16);
	builder_init(&builder, &out, &builder_options_default);
	builder_add(&builder, 1, key, value, NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	item.data = out.buf;
	item.len_bytes = out.len_bytes;
	partition_append(w->part, &item, 1, PARTITION_ACKS_ALL);
	assert_int_equal(item.err, ERR_OK);
	wr_fini(&out);
}

static void damaged_records_stop_it(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	append_record(w, (struct bytes){(const uint8_t *)"\0\1\0\1g", 5}, BYTES_NULL);
	begin_load(w, &gate);
	finish_load(w, &gate);
	all_say(w, ERR_NOT_COORDINATOR);
}

static void flipped_bits_stop_it(void **state)
{
	struct world *w = *state;
	struct gate gate;
	char *path = file_path(w->dir, "00000000000000000000.log");
	int fd;

	assert_int_equal(try_commit(w), ERR_OK);
	assert_int_equal(file_open(path, O_WRONLY, &fd), ERR_OK);
	assert_int_equal(file_pwrite(fd, "X", 1, 71), ERR_OK);
	file_close(fd);
	free(path);
	begin_load(w, &gate);
	finish_load(w, &gate);
	all_say(w, ERR_NOT_COORDINATOR);
}

static void what_a_later_kafka_wrote_does_not(void **state)
{
	struct world *w = *state;
	struct gate gate;

	assert_int_equal(try_commit(w), ERR_OK);
	append_record(w, (struct bytes){(const uint8_t *)"\0\77\0\1g", 5},
		      (struct bytes){(const uint8_t *)"\0\0", 2});
	begin_load(w, &gate);
	finish_load(w, &gate);
	assert_int_equal(w->coord->shards[0]->log.load.skipped, 1);
	assert_int_equal(world_fetch(w, "g", "t", 0), 99);
}

/* -- transactions -------------------------------------------------------------------------- */

static int setup_txns(void **state)
{
	return world_setup_topic(state, "__transaction_state");
}

struct txn_asker {
	struct txn_call call;
	struct arena arena;
	bool done;
	enum err err;
};

static void txn_asker_done(struct txn_call *call, enum err err)
{
	struct txn_asker *a = container_of(call, struct txn_asker, call);

	a->done = true;
	a->err = err;
}

static struct txn_call *txn_asker_begin(struct txn_asker *a)
{
	*a = (struct txn_asker){0};
	arena_init(&a->arena, 1 << 20);
	a->call = (struct txn_call){.done = txn_asker_done, .arena = &a->arena};
	return &a->call;
}

static enum err txn_asker_wait(struct world *w, struct txn_asker *a)
{
	world_wait(w, &a->done);
	arena_fini(&a->arena);
	return a->err;
}

static void put_txn(struct world *w, int64_t producer_id)
{
	struct tshard *shard = w->coord->txn.shards[0];
	struct tfx *fx = &w->coord->txn.fx;
	struct txn_record *record;

	tfx_reset(fx);
	record = tfx_record_add(fx, STR("id"));
	record->value = (struct txn_value){.producer_id = producer_id,
					   .previous_id = -1,
					   .next_id = -1,
					   .timeout_ms = 60000,
					   .update_ms = 1700000000000,
					   .start_ms = -1,
					   .state = TXN_EMPTY};
	assert_int_equal(tshard_run(shard), ERR_OK);
}

static void transactional_ids_are_told_to_come_again(void **state)
{
	struct world *w = *state;
	struct enlist_partition part = {.topic = STR("t")};
	struct enlist_ask add = {STR("id"), 5, 0, 2, &part, 1};
	struct initpid_ask init = {.id = STR("id"),
				   .timeout_ms = 1000,
				   .producer_id = -1,
				   .epoch = -1};
	struct endtxn_ask end = {.id = STR("id"), .producer_id = 5};
	struct txncoord_pos pos = {0};
	const struct txn_value *value;
	struct txn_asker a;
	struct gate gate;
	struct str id;

	put_txn(w, 5);
	begin_load(w, &gate);
	txncoord_initpid(w->coord, txn_asker_begin(&a), &init);
	assert_int_equal(txn_asker_wait(w, &a), ERR_COORDINATOR_LOAD_IN_PROGRESS);
	txncoord_add(w->coord, txn_asker_begin(&a), &add);
	assert_int_equal(txn_asker_wait(w, &a), ERR_COORDINATOR_LOAD_IN_PROGRESS);
	txncoord_verify(w->coord, txn_asker_begin(&a), &add);
	assert_int_equal(txn_asker_wait(w, &a), ERR_COORDINATOR_LOAD_IN_PROGRESS);
	txncoord_end(w->coord, txn_asker_begin(&a), &end);
	assert_int_equal(txn_asker_wait(w, &a), ERR_COORDINATOR_LOAD_IN_PROGRESS);
	assert_int_equal(txncoord_describe(w->coord, STR("id"), &value),
			 ERR_COORDINATOR_LOAD_IN_PROGRESS);
	assert_int_equal(txncoord_list_check(w->coord), ERR_COORDINATOR_LOAD_IN_PROGRESS);
	assert_int_equal(txncoord_len(w->coord), 0);
	assert_false(txncoord_list_next(w->coord, &pos, &id, &value));
	finish_load(w, &gate);
	assert_int_equal(txncoord_list_check(w->coord), ERR_OK);
	assert_int_equal(txncoord_describe(w->coord, STR("id"), &value), ERR_OK);
	assert_int_equal(value->producer_id, 5);
}

static void transactional_ids_that_cannot_be_read_are_not_served(void **state)
{
	struct world *w = *state;
	const struct txn_value *value;
	struct gate gate;

	put_txn(w, 5);
	append_record(w, (struct bytes){(const uint8_t *)"\0\0\0\2id", 6},
		      (struct bytes){(const uint8_t *)"\0\1", 2});
	begin_load(w, &gate);
	finish_load(w, &gate);
	assert_int_equal(txncoord_describe(w->coord, STR("id"), &value), ERR_NOT_COORDINATOR);
	assert_int_equal(txncoord_list_check(w->coord), ERR_OK);
	assert_int_equal(txncoord_len(w->coord), 0);
}

#define txns_test(name) cmocka_unit_test_setup_teardown(name, setup_txns, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(requests_are_told_to_come_again),
	    world_test(joins_are_sent_to_find_the_coordinator),
	    world_test(sessions_begin_after_the_load),
	    world_test(topics_deleted_meanwhile_lose_their_offsets),
	    world_test(stops_in_the_middle),
	    world_test(ends_in_the_middle_as_after_a_kill),
	    world_test(is_let_go_and_taken_again_in_the_middle),
	    world_test(what_cannot_be_read_is_not_served),
	    world_test(damaged_records_stop_it),
	    world_test(flipped_bits_stop_it),
	    world_test(what_a_later_kafka_wrote_does_not),
	    txns_test(transactional_ids_are_told_to_come_again),
	    txns_test(transactional_ids_that_cannot_be_read_are_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
