/* Sequences, epochs, duplicates and transactions of producers; the snapshot file. */
#include "store/plog_impl.h"
#include "store/producer_snapshot.h"
#include "support.h"

static struct plog_append produce(struct world *w, int16_t epoch, int32_t sequence, int records)
{
	return support_append(w, (struct batch_of){.records = records,
						   .has_producer = true,
						   .producer_id = 7,
						   .epoch = epoch,
						   .sequence = sequence});
}

static void expect(struct plog_append item, enum err err, int64_t base_offset, bool duplicate)
{
	assert_int_equal(item.err, err);
	if (err != ERR_OK)
		return;
	assert_int_equal(item.base_offset, base_offset);
	assert_int_equal(item.duplicate, duplicate);
}

static void batches_come_in_sequence(void **state)
{
	struct world *w = *state;

	expect(produce(w, 0, 0, 3), ERR_OK, 0, false);
	expect(produce(w, 0, 3, 1), ERR_OK, 3, false);
	expect(produce(w, 0, 5, 1), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false);
	expect(produce(w, 0, 2, 5), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false);
	expect(produce(w, 0, 4, 2), ERR_OK, 4, false);
	assert_int_equal(plog_end(w->log), 6);
}

static void the_last_five_batches_are_known_again(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 6; i++)
		expect(produce(w, 0, 2 * i, 2), ERR_OK, 2 * i, false);
	for (int i = 1; i < 6; i++)
		expect(produce(w, 0, 2 * i, 2), ERR_OK, 2 * i, true);
	expect(produce(w, 0, 0, 2), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false);
	expect(produce(w, 0, 10, 1), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false); /* not the same */
	assert_int_equal(plog_end(w->log), 12);
}

static void an_unknown_producer_may_begin_anywhere(void **state)
{
	struct world *w = *state;

	expect(produce(w, 3, 12345, 1), ERR_OK, 0, false);
	expect(produce(w, 3, 12346, 1), ERR_OK, 1, false);
	expect(produce(w, 3, 12345, 1), ERR_OK, 0, true);
}

static void a_new_epoch_begins_at_zero_and_fences_the_old(void **state)
{
	struct world *w = *state;

	expect(produce(w, 1, 0, 1), ERR_OK, 0, false);
	expect(produce(w, 2, 1, 1), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false);
	expect(produce(w, 2, 0, 1), ERR_OK, 1, false);
	expect(produce(w, 1, 1, 1), ERR_INVALID_PRODUCER_EPOCH, 0, false);
	expect(produce(w, 1, 0, 1), ERR_INVALID_PRODUCER_EPOCH, 0, false);
	expect(produce(w, 2, 1, 1), ERR_OK, 2, false);
}

static void sequences_wrap(void **state)
{
	struct world *w = *state;

	expect(produce(w, 0, INT32_MAX - 1, 4), ERR_OK, 0, false); /* ends at 1 */
	expect(produce(w, 0, INT32_MAX - 1, 4), ERR_OK, 0, true);
	expect(produce(w, 0, 2, 1), ERR_OK, 4, false);
	expect(produce(w, 5, INT32_MAX, 1), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false);
	expect(support_append(w, (struct batch_of){.records = 1,
						   .has_producer = true,
						   .producer_id = 8,
						   .sequence = INT32_MAX}),
	       ERR_OK, 5, false);
	expect(support_append(
		   w, (struct batch_of){.records = 1, .has_producer = true, .producer_id = 8}),
	       ERR_OK, 6, false);
}

/* Requests that are written together are checked against each other. */
static void one_write_knows_its_own_batches(void **state)
{
	static const int32_t sequences[] = {0, 1, 0, 3, 2};
	struct world *w = *state;
	struct plog_append items[5];
	struct wr wrs[5];

	for (int i = 0; i < 5; i++) {
		wrs[i] = support_batch((
		    struct batch_of){.records = 1, .has_producer = true, .sequence = sequences[i]});
		items[i] = (struct plog_append){.data = wrs[i].buf, .len_bytes = wrs[i].len_bytes};
	}
	plog_lock(w->log);
	assert_int_equal(plog_append_as_leader(w->log, items, 5, 0), 3);
	plog_unlock(w->log);
	expect(items[0], ERR_OK, 0, false);
	expect(items[1], ERR_OK, 1, false);
	expect(items[2], ERR_OK, 0, true);
	expect(items[3], ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false);
	expect(items[4], ERR_OK, 2, false);
	for (int i = 0; i < 5; i++)
		wr_fini(&wrs[i]);
}

static void silent_producers_are_forgotten(void **state)
{
	struct world *w = *state;

	w->cfg.producer_check_ms = 0;
	produce(w, 0, 0, 1);
	clock_fake_advance(&w->clock, w->cfg.producer_expiry_ms - 1);
	plog_lock(w->log);
	plog_expire_producers(w->log);
	assert_non_null(producer_find(w->log->producers, 7));
	clock_fake_advance(&w->clock, 1);
	plog_expire_producers(w->log);
	assert_null(producer_find(w->log->producers, 7));
	plog_unlock(w->log);
	expect(produce(w, 0, 1, 1), ERR_OK, 1, false);
}

/* Its times are of long ago, as when old records are copied: it is known until the next look. */
static void r5_a_producer_of_old_records_is_known_for_a_while(void **state)
{
	struct world *w = *state;
	int64_t recovery_point;

	clock_fake_advance(&w->clock, 2 * w->cfg.producer_expiry_ms);
	expect(produce(w, 0, 0, 1), ERR_OK, 0, false);
	clock_fake_advance(&w->clock, w->cfg.producer_check_ms - 1);
	assert_int_equal(plog_checkpoint(w->log, &recovery_point), ERR_OK);
	expect(produce(w, 0, 0, 1), ERR_OK, 0, true);
	clock_fake_advance(&w->clock, 1);
	plog_lock(w->log);
	plog_expire_producers(w->log);
	assert_null(producer_find(w->log->producers, 7));
	plog_unlock(w->log);
}

static void the_state_outlives_a_stop(void **state)
{
	struct world *w = *state;

	produce(w, 4, 0, 2);
	produce(w, 4, 2, 2);
	world_close(w);
	world_open(w);
	expect(produce(w, 4, 2, 2), ERR_OK, 2, true);
	expect(produce(w, 3, 4, 2), ERR_INVALID_PRODUCER_EPOCH, 0, false);
	expect(produce(w, 4, 4, 2), ERR_OK, 4, false);
	world_kill(w);
	world_open(w);
	expect(produce(w, 4, 4, 2), ERR_OK, 4, true);
	expect(produce(w, 4, 2, 2), ERR_OK, 2, true);
}

/* -- Transactions --------------------------------------------------------------------------- */

static struct plog_append produce_txn(struct world *w, int64_t producer_id, int32_t sequence,
				      bool transactional)
{
	return support_append(w, (struct batch_of){.records = 2,
						   .has_producer = true,
						   .producer_id = producer_id,
						   .sequence = sequence,
						   .transactional = transactional});
}

static void read_committed_waits_for_the_oldest_transaction(void **state)
{
	struct world *w = *state;

	support_add(w, 1);
	produce_txn(w, 1, 0, true); /* 1, 2 */
	produce_txn(w, 2, 0, true); /* 3, 4 */
	support_commit(w, 5);
	assert_int_equal(plog_last_stable(w->log), 1);
	expect(support_marker(w, CONTROL_COMMIT, 1, 0), ERR_OK, 5, false);
	assert_int_equal(plog_last_stable(w->log), 1); /* the marker is above the high watermark */
	support_commit(w, 6);
	assert_int_equal(plog_last_stable(w->log), 3);
	expect(support_marker(w, CONTROL_ABORT, 2, 0), ERR_OK, 6, false);
	support_commit(w, 7);
	assert_int_equal(plog_last_stable(w->log), 7);
}

static void an_open_transaction_takes_transactional_batches_only(void **state)
{
	struct world *w = *state;

	produce_txn(w, 1, 0, true);
	expect(produce_txn(w, 1, 2, false), ERR_INVALID_TXN_STATE, 0, false);
	expect(produce_txn(w, 1, 2, true), ERR_OK, 2, false);
	expect(support_marker(w, CONTROL_COMMIT, 1, 1), ERR_OK, 4, false); /* bumps the epoch */
	expect(produce_txn(w, 1, 4, true), ERR_INVALID_PRODUCER_EPOCH, 0, false);
	expect(support_marker(w, CONTROL_COMMIT, 1, 0), ERR_INVALID_PRODUCER_EPOCH, 0, false);
}

static size_t aborted(struct world *w, int64_t from, int64_t to, int64_t *first_offset)
{
	struct plog_aborted *found;
	struct arena arena;
	size_t len;

	arena_init(&arena, 1 << 20);
	assert_int_equal(plog_aborted_txns(w->log, from, to, &arena, &found, &len), ERR_OK);
	*first_offset = len > 0 ? found[0].first_offset : -1;
	for (size_t i = 1; i < len; i++)
		assert_true(found[i - 1].first_offset <= found[i].first_offset);
	arena_fini(&arena);
	return len;
}

static void aborted_transactions_are_found_across_segments_and_restarts(void **state)
{
	struct world *w = *state;
	int64_t first;

	produce_txn(w, 1, 0, true); /* 0, 1 */
	produce_txn(w, 2, 0, true); /* 2, 3 */
	plog_lock(w->log);
	assert_int_equal(plog_roll(w->log), ERR_OK);
	plog_unlock(w->log);
	support_marker(w, CONTROL_ABORT, 2, 0); /* 4 */
	support_marker(w, CONTROL_ABORT, 1, 0); /* 5 */
	produce_txn(w, 1, 2, true);		/* 6, 7 */
	support_marker(w, CONTROL_COMMIT, 1, 0);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(aborted(w, 0, 9, &first), 2);
		assert_int_equal(first, 0);
		assert_int_equal(aborted(w, 0, 2, &first), 1);
		assert_int_equal(first, 0);
		assert_int_equal(aborted(w, 5, 9, &first), 1);
		assert_int_equal(aborted(w, 6, 9, &first), 0);
		support_commit(w, 9);
		assert_int_equal(plog_last_stable(w->log), 9);
		if (round == 0)
			world_kill(w);
		else
			world_close(w);
		world_open(w);
	}
}

static void open_transactions_outlive_a_kill(void **state)
{
	struct world *w = *state;

	support_add(w, 1);
	produce_txn(w, 1, 0, true);
	world_kill(w);
	world_open(w);
	support_commit(w, 3);
	assert_int_equal(plog_last_stable(w->log), 1);
	support_marker(w, CONTROL_ABORT, 1, 0);
	support_commit(w, 4);
	assert_int_equal(plog_last_stable(w->log), 4);
}

/* -- The snapshot file ---------------------------------------------------------------------- */

static void snapshots_come_back(void **state)
{
	struct world *w = *state;
	struct producer_state loaded;
	uint8_t *content;
	size_t len;

	produce_txn(w, 1, 0, true);
	produce(w, 2, 5, 3);
	content = producer_snapshot_format(w->log->producers, &len);
	assert_int_equal(len, 10 + 2 * 46);
	producer_state_init(&loaded);
	assert_int_equal(producer_snapshot_parse(&loaded, (struct bytes){content, len}), ERR_OK);
	assert_int_equal(TAILQ_FIRST(&loaded.open)->id, 1);
	assert_int_equal(producer_find(&loaded, 7)->batches[0].last_sequence, 7);
	assert_int_equal(producer_find(&loaded, 7)->batches[0].last_offset, 4);
	producer_state_fini(&loaded);
	for (size_t at = 0; at < len; at++) {
		content[at] ^= 1;
		producer_state_init(&loaded);
		assert_int_equal(producer_snapshot_parse(&loaded, (struct bytes){content, len}),
				 ERR_BADFILE);
		assert_int_equal(producer_snapshot_parse(&loaded, (struct bytes){content, at}),
				 ERR_BADFILE);
		content[at] ^= 1;
		producer_state_fini(&loaded);
	}
	free(content);
}

/* -- what the coordinator was asked before ------------------------------------------------- */

static struct plog_append transact(struct world *w, int16_t epoch, int32_t sequence, int64_t guard,
				   int16_t version)
{
	struct wr wr = support_batch((struct batch_of){.records = 1,
						       .has_producer = true,
						       .producer_id = 7,
						       .epoch = epoch,
						       .sequence = sequence,
						       .transactional = true});
	struct plog_append item = {.data = wr.buf,
				   .len_bytes = wr.len_bytes,
				   .txn_guard = guard,
				   .txn_version = version};

	plog_lock(w->log);
	plog_append_as_leader(w->log, &item, 1, 0);
	plog_unlock(w->log);
	wr_fini(&wr);
	return item;
}

static int64_t guard_for(struct world *w, int16_t epoch)
{
	int64_t guard;

	plog_lock(w->log);
	assert_int_equal(plog_txn_guard(w->log, 7, epoch, &guard), ERR_OK);
	plog_unlock(w->log);
	return guard;
}

static void a_transaction_that_has_ended_takes_nothing_more(void **state)
{
	struct world *w = *state;
	int64_t guard = guard_for(w, 0), late = guard;

	assert_true(guard > 0);
	expect(transact(w, 0, 0, PLOG_TXN_OPEN, 0), ERR_INVALID_TXN_STATE, 0, false);
	expect(transact(w, 0, 0, guard, 0), ERR_OK, 0, false);
	assert_true(guard_for(w, 0) == PLOG_TXN_OPEN);
	expect(transact(w, 0, 1, PLOG_TXN_OPEN, 0), ERR_OK, 1, false);
	expect(support_marker(w, CONTROL_COMMIT, 7, 0), ERR_OK, 2, false);
	expect(transact(w, 0, 2, PLOG_TXN_OPEN, 0), ERR_INVALID_TXN_STATE, 0, false);
	expect(transact(w, 0, 2, late, 0), ERR_INVALID_TXN_STATE, 0, false);
	guard = guard_for(w, 0);
	/* Another producer's end is no reason. */
	expect(support_marker(w, CONTROL_COMMIT, 8, 0), ERR_OK, 3, false);
	expect(transact(w, 0, 2, guard, 0), ERR_OK, 4, false);
}

static struct plog_append end_version_2(struct world *w, int16_t epoch)
{
	struct plog_append item = {.origin = PLOG_COORDINATOR, .txn_version = 2};
	struct wr wr;

	wr_init(&wr, SUPPORT_CAP);
	assert_int_equal(control_marker_batch(&wr, CONTROL_COMMIT, 7, epoch, 0, 1), ERR_OK);
	item.data = wr.buf;
	item.len_bytes = wr.len_bytes;
	plog_lock(w->log);
	plog_append_as_leader(w->log, &item, 1, 0);
	plog_unlock(w->log);
	wr_fini(&wr);
	return item;
}

static void version_2_begins_at_zero_and_ends_with_a_higher_epoch(void **state)
{
	struct world *w = *state;

	expect(transact(w, 0, 3, guard_for(w, 0), 2), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0, false);
	expect(transact(w, 0, 0, guard_for(w, 0), 2), ERR_OK, 0, false);
	expect(end_version_2(w, 0), ERR_INVALID_PRODUCER_EPOCH, 0, false);
	expect(end_version_2(w, 1), ERR_OK, 1, false);
	expect(end_version_2(w, 1), ERR_OK, 2, false); /* written again after a restart */
}

/* Asked for while the end of the one before was on its way, and begun when it had come. */
static void r5_an_end_that_raises_the_epoch_ends_nothing_of_that_epoch(void **state)
{
	struct world *w = *state;
	int64_t guard;

	expect(transact(w, 0, 0, guard_for(w, 0), 2), ERR_OK, 0, false);
	guard = guard_for(w, 1);
	expect(end_version_2(w, 1), ERR_OK, 1, false);
	expect(transact(w, 1, 0, guard, 2), ERR_OK, 2, false);
	expect(end_version_2(w, 2), ERR_OK, 3, false);
	expect(transact(w, 1, 1, guard, 2), ERR_INVALID_PRODUCER_EPOCH, 0, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	    TEST(batches_come_in_sequence),
	    TEST(the_last_five_batches_are_known_again),
	    TEST(an_unknown_producer_may_begin_anywhere),
	    TEST(a_new_epoch_begins_at_zero_and_fences_the_old),
	    TEST(sequences_wrap),
	    TEST(one_write_knows_its_own_batches),
	    TEST(silent_producers_are_forgotten),
	    TEST(r5_a_producer_of_old_records_is_known_for_a_while),
	    TEST(the_state_outlives_a_stop),
	    TEST(read_committed_waits_for_the_oldest_transaction),
	    TEST(an_open_transaction_takes_transactional_batches_only),
	    TEST(aborted_transactions_are_found_across_segments_and_restarts),
	    TEST(open_transactions_outlive_a_kill),
	    TEST(snapshots_come_back),
	    TEST(a_transaction_that_has_ended_takes_nothing_more),
	    TEST(version_2_begins_at_zero_and_ends_with_a_higher_epoch),
	    TEST(r5_an_end_that_raises_the_epoch_ends_nothing_of_that_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
