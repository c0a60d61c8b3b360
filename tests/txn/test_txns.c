/* The transaction coordinator's answers, event by event. The simulation looks at the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "txn/txn_int.h"

struct world {
	struct txns_cfg cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct txns *txns;
	struct tfx fx;
	struct moment now;
	int64_t next_id, next_at;
	int64_t out_id;
	int16_t out_epoch;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->cfg = txns_cfg_default;
	w->keep.cap_bytes = SIZE_MAX;
	w->now = (struct moment){1000, 1700000000000};
	w->next_id = 7;
	w->txns = txns_new(&w->cfg, &w->keep, &w->deadlines);
	tfx_init(&w->fx);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	txns_free(w->txns);
	assert_int_equal(w->keep.used_bytes, 0);
	deadlines_fini(&w->deadlines);
	tfx_fini(&w->fx);
	free(w);
	return 0;
}

static void settle(struct world *w)
{
	for (size_t i = 0; i < w->fx.records_len; i++)
		w->fx.records[i].at = w->next_at++;
	txns_settle(w->txns, w->now, &w->fx, ERR_OK);
	tfx_reset(&w->fx);
}

static enum err init(struct world *w, int64_t producer_id, int16_t epoch)
{
	struct initpid_ask ask = {.id = STR("x"),
				  .timeout_ms = 60000,
				  .producer_id = producer_id,
				  .epoch = epoch,
				  .fresh_id = TXN_NO_PRODUCER};
	enum err err = initpid_handle(w->txns, w->now, &ask, &w->fx);

	if (ask.needs_id) {
		ask.fresh_id = w->next_id++;
		err = initpid_handle(w->txns, w->now, &ask, &w->fx);
	}
	settle(w);
	w->out_id = ask.out_id;
	w->out_epoch = ask.out_epoch;
	return err;
}

static enum err add(struct world *w, int64_t producer_id, int16_t epoch, const char *topic,
		    int32_t partition)
{
	struct enlist_partition one = {str_of(topic), partition, ERR_OK};
	struct enlist_ask ask = {STR("x"), producer_id, epoch, 0, &one, 1};
	enum err err = enlist_add(w->txns, w->now, &ask, &w->fx);

	settle(w);
	return err;
}

static enum err verify(struct world *w, int64_t producer_id, int16_t epoch, const char *topic,
		       int32_t partition)
{
	struct enlist_partition one = {str_of(topic), partition, ERR_OK};
	struct enlist_ask ask = {STR("x"), producer_id, epoch, 0, &one, 1};
	enum err err = enlist_verify(w->txns, &ask);

	return err != ERR_OK ? err : one.err;
}

static enum err end(struct world *w, int64_t producer_id, int16_t epoch, bool commit,
		    int16_t version)
{
	struct endtxn_ask ask = {.id = STR("x"),
				 .producer_id = producer_id,
				 .epoch = epoch,
				 .commit = commit,
				 .client_version = version,
				 .fresh_id = TXN_NO_PRODUCER};
	enum err err = endtxn_handle(w->txns, w->now, &ask, &w->fx);

	if (ask.needs_id) {
		ask.fresh_id = w->next_id++;
		err = endtxn_handle(w->txns, w->now, &ask, &w->fx);
	}
	settle(w);
	w->out_id = ask.out_id;
	w->out_epoch = ask.out_epoch;
	return err;
}

static const struct txn_value *value(struct world *w)
{
	return txns_find_value(w->txns, STR("x"));
}

static void complete(struct world *w)
{
	endtxn_complete(w->txns, w->now, STR("x"), value(w)->producer_id, value(w)->epoch, &w->fx);
	assert_int_equal(w->fx.records_len, 1);
	settle(w);
}

static void set_epoch(struct world *w, int16_t epoch)
{
	txns_find(w->txns, STR("x"))->value.epoch = epoch;
}

/* -- InitProducerId ------------------------------------------------------------------------ */

static void each_init_raises_the_epoch(void **state)
{
	struct world *w = *state;

	for (int16_t epoch = 0; epoch < 3; epoch++) {
		assert_int_equal(init(w, -1, -1), ERR_OK);
		assert_int_equal(w->out_id, 7);
		assert_int_equal(w->out_epoch, epoch);
	}
}

static void a_repeated_bump_is_answered_alike_and_a_zombies_is_fenced(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(init(w, 7, 0), ERR_OK);
	assert_int_equal(w->out_epoch, 1);
	assert_int_equal(init(w, 7, 0), ERR_OK);
	assert_int_equal(w->out_epoch, 1);
	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(init(w, 7, 1), ERR_PRODUCER_FENCED);
	assert_int_equal(init(w, 99, 2), ERR_PRODUCER_FENCED);
}

static void init_aborts_what_is_open(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(add(w, 7, 0, "t", 1), ERR_OK);
	assert_int_equal(init(w, -1, -1), ERR_CONCURRENT_TRANSACTIONS);
	assert_int_equal(value(w)->state, TXN_PREPARE_ABORT);
	assert_int_equal(value(w)->epoch, 1); /* raised by the end */
	assert_int_equal(init(w, -1, -1), ERR_CONCURRENT_TRANSACTIONS);
	complete(w);
	assert_int_equal(value(w)->state, TXN_COMPLETE_ABORT);
	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(w->out_epoch, 2);
}

static void used_up_epochs_give_a_new_id(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	set_epoch(w, 32766);
	assert_int_equal(init(w, 7, 32766), ERR_OK);
	assert_int_equal(w->out_id, 8);
	assert_int_equal(w->out_epoch, 0);
	/* The answer was lost: the producer knows only its old id. */
	assert_int_equal(init(w, 7, 32766), ERR_OK);
	assert_int_equal(w->out_id, 8);
	assert_int_equal(w->out_epoch, 0);
}

static void timeouts_have_a_limit(void **state)
{
	struct world *w = *state;
	struct initpid_ask ask = {.id = STR("x"), .timeout_ms = 900001, .producer_id = -1};

	assert_int_equal(initpid_handle(w->txns, w->now, &ask, &w->fx),
			 ERR_INVALID_TRANSACTION_TIMEOUT);
	ask.timeout_ms = 0;
	assert_int_equal(initpid_handle(w->txns, w->now, &ask, &w->fx),
			 ERR_INVALID_TRANSACTION_TIMEOUT);
	ask.id = STR("");
	assert_int_equal(initpid_handle(w->txns, w->now, &ask, &w->fx), ERR_INVALID_REQUEST);
}

/* -- partitions ---------------------------------------------------------------------------- */

static void partitions_are_kept_sorted_and_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(add(w, 7, 0, "u", 3), ERR_OK);
	assert_int_equal(add(w, 7, 0, "t", 9), ERR_OK);
	assert_int_equal(add(w, 7, 0, "u", 1), ERR_OK);
	assert_int_equal(w->next_at, 4);
	assert_int_equal(add(w, 7, 0, "u", 3), ERR_OK);
	assert_int_equal(w->next_at, 4); /* nothing new, nothing written */
	assert_int_equal(value(w)->topics_len, 2);
	assert_int_equal(value(w)->topics[1].len, 2);
	assert_int_equal(value(w)->topics[1].partitions[0], 1);
	assert_int_equal(verify(w, 7, 0, "u", 1), ERR_OK);
	assert_int_equal(verify(w, 7, 0, "u", 2), ERR_TRANSACTION_ABORTABLE);
	assert_int_equal(verify(w, 7, 1, "u", 1), ERR_PRODUCER_FENCED);
	assert_int_equal(verify(w, 8, 0, "u", 1), ERR_INVALID_PRODUCER_ID_MAPPING);
}

static void nothing_is_added_while_it_ends(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(add(w, 7, 0, "t", 0), ERR_OK);
	assert_int_equal(end(w, 7, 0, true, 0), ERR_OK);
	assert_int_equal(add(w, 7, 0, "t", 0), ERR_CONCURRENT_TRANSACTIONS);
	assert_int_equal(verify(w, 7, 0, "t", 0), ERR_CONCURRENT_TRANSACTIONS);
	complete(w);
	assert_int_equal(verify(w, 7, 0, "t", 0), ERR_TRANSACTION_ABORTABLE);
	assert_int_equal(add(w, 7, 0, "t", 0), ERR_OK);
}

/* -- the end ------------------------------------------------------------------------------- */

static void an_end_may_be_asked_for_twice_but_not_changed(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(end(w, 7, 0, true, 0), ERR_INVALID_TXN_STATE);
	assert_int_equal(add(w, 7, 0, "t", 0), ERR_OK);
	assert_int_equal(end(w, 7, 1, true, 0), ERR_PRODUCER_FENCED);
	assert_int_equal(end(w, 8, 0, true, 0), ERR_INVALID_PRODUCER_ID_MAPPING);
	assert_int_equal(end(w, 7, 0, true, 0), ERR_OK);
	assert_int_equal(end(w, 7, 0, true, 0), ERR_CONCURRENT_TRANSACTIONS);
	assert_int_equal(end(w, 7, 0, false, 0), ERR_INVALID_TXN_STATE);
	complete(w);
	assert_int_equal(end(w, 7, 0, true, 0), ERR_OK);
	assert_int_equal(end(w, 7, 0, false, 0), ERR_INVALID_TXN_STATE);
	assert_int_equal(value(w)->epoch, 0);
}

/* KIP-890's table: what a retry and what the current epoch may ask for in each state. */
static void version_2_raises_the_epoch_with_each_end(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(end(w, 7, 0, true, 2), ERR_INVALID_TXN_STATE);
	assert_int_equal(end(w, 7, 0, false, 2), ERR_OK); /* an abort of nothing */
	assert_int_equal(w->out_epoch, 1);
	complete(w);
	assert_int_equal(add(w, 7, 1, "t", 0), ERR_OK);
	assert_int_equal(end(w, 7, 0, true, 2), ERR_PRODUCER_FENCED);
	assert_int_equal(end(w, 7, 1, true, 2), ERR_OK);
	assert_int_equal(w->out_id, 7);
	assert_int_equal(w->out_epoch, 2);
	assert_int_equal(end(w, 7, 1, true, 2), ERR_CONCURRENT_TRANSACTIONS);
	assert_int_equal(end(w, 7, 1, false, 2), ERR_INVALID_TXN_STATE);
	complete(w);
	assert_int_equal(end(w, 7, 1, true, 2), ERR_OK); /* a retry */
	assert_int_equal(w->out_epoch, 2);
	assert_int_equal(end(w, 7, 1, false, 2), ERR_INVALID_TXN_STATE);
	assert_int_equal(end(w, 7, 0, true, 2), ERR_PRODUCER_FENCED);
	assert_int_equal(end(w, 7, 2, true, 2), ERR_INVALID_TXN_STATE);
	assert_int_equal(end(w, 7, 2, false, 2), ERR_OK);
	assert_int_equal(w->out_epoch, 3);
}

static void an_end_with_used_up_epochs_gives_a_new_id(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	set_epoch(w, 32766);
	assert_int_equal(add(w, 7, 32766, "t", 0), ERR_OK);
	assert_int_equal(end(w, 7, 32766, true, 2), ERR_OK);
	assert_int_equal(w->out_id, 8);
	assert_int_equal(w->out_epoch, 0);
	assert_int_equal(value(w)->producer_id, 7);
	assert_int_equal(value(w)->epoch, 32767);
	complete(w);
	assert_int_equal(value(w)->producer_id, 8);
	assert_int_equal(end(w, 7, 32766, true, 2), ERR_OK);
	assert_int_equal(w->out_id, 8);
	assert_int_equal(end(w, 7, 32766, false, 2), ERR_INVALID_TXN_STATE);
}

/* -- time ---------------------------------------------------------------------------------- */

static bool fire_first(struct world *w)
{
	struct deadline *d = deadlines_due(&w->deadlines, INT64_MAX);
	bool needs_id;

	w->now.wall_ms += d->at_ms - w->now.mono_ms;
	w->now.mono_ms = d->at_ms;
	txns_fire(w->now, d, TXN_NO_PRODUCER, &needs_id, &w->fx);
	assert_false(needs_id);
	settle(w);
	return value(w) != NULL;
}

static void a_transaction_that_takes_too_long_is_aborted(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(add(w, 7, 0, "t", 0), ERR_OK);
	assert_true(fire_first(w));
	assert_int_equal(w->now.mono_ms, 1000 + 60001);
	assert_int_equal(value(w)->state, TXN_PREPARE_ABORT);
	complete(w);
	assert_int_equal(end(w, 7, 0, true, 0), ERR_PRODUCER_FENCED);
	assert_int_equal(end(w, 7, 0, true, 2), ERR_INVALID_TXN_STATE);
	assert_int_equal(end(w, 7, 0, false, 2), ERR_OK);
}

static void ids_that_nobody_uses_are_forgotten(void **state)
{
	struct world *w = *state;

	w->cfg.expiration_ms = 2 * w->cfg.expiry_check_ms;
	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_true(fire_first(w));
	assert_false(fire_first(w));
	assert_null(deadlines_due(&w->deadlines, INT64_MAX));
}

static void what_the_log_refuses_has_not_happened(void **state)
{
	struct world *w = *state;
	struct enlist_partition one = {STR("t"), 0, ERR_OK};
	struct enlist_ask ask = {STR("x"), 7, 0, 0, &one, 1};

	assert_int_equal(init(w, -1, -1), ERR_OK);
	assert_int_equal(enlist_add(w->txns, w->now, &ask, &w->fx), ERR_OK);
	txns_settle(w->txns, w->now, &w->fx, ERR_NOSPACE);
	tfx_reset(&w->fx);
	assert_int_equal(value(w)->state, TXN_EMPTY);
	assert_int_equal(verify(w, 7, 0, "t", 0), ERR_TRANSACTION_ABORTABLE);
}

static void the_memory_has_a_cap(void **state)
{
	struct world *w = *state;

	assert_int_equal(init(w, -1, -1), ERR_OK);
	w->keep.cap_bytes = w->keep.used_bytes;
	assert_int_equal(add(w, 7, 0, "t", 0), ERR_COORDINATOR_NOT_AVAILABLE);
	w->keep.cap_bytes = SIZE_MAX;
	assert_int_equal(add(w, 7, 0, "t", 0), ERR_OK);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(each_init_raises_the_epoch),
	    world_test(a_repeated_bump_is_answered_alike_and_a_zombies_is_fenced),
	    world_test(init_aborts_what_is_open),
	    world_test(used_up_epochs_give_a_new_id),
	    world_test(timeouts_have_a_limit),
	    world_test(partitions_are_kept_sorted_and_once),
	    world_test(nothing_is_added_while_it_ends),
	    world_test(an_end_may_be_asked_for_twice_but_not_changed),
	    world_test(version_2_raises_the_epoch_with_each_end),
	    world_test(an_end_with_used_up_epochs_gives_a_new_id),
	    world_test(a_transaction_that_takes_too_long_is_aborted),
	    world_test(ids_that_nobody_uses_are_forgotten),
	    world_test(what_the_log_refuses_has_not_happened),
	    world_test(the_memory_has_a_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
