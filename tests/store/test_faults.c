/* Disks that fail: what was not written is cut back, what is final stays final. */
#include <errno.h>

#include "store/plog_impl.h"
#include "support.h"

/* The n-th of these calls fails, and with `all` those after it. */
static const char *fault_call;
static int fault_errno, fault_skip;
static bool fault_all;

static int fault(const char *call, const char *path)
{
	(void)path;
	if (fault_call == NULL || strcmp(call, fault_call) != 0 || fault_skip-- > 0)
		return 0;
	if (!fault_all)
		fault_call = NULL;
	return fault_errno;
}

static void arm(const char *call, int errnum, int skip, bool all)
{
	fault_call = call;
	fault_errno = errnum;
	fault_skip = skip;
	fault_all = all;
	file_set_fault(fault);
}

static void heal(void)
{
	fault_call = NULL;
}

static struct plog_append add(struct world *w, int32_t sequence)
{
	return support_append(w, (struct batch_of){.records = 2,
						   .value_bytes = 100,
						   .has_producer = true,
						   .producer_id = 1,
						   .sequence = sequence});
}

static void a_full_disk_is_not_final(void **state)
{
	struct world *w = *state;
	char *path = support_path(w, 0, ".log");
	off_t size;

	assert_int_equal(add(w, 0).err, ERR_OK);
	size = support_size(path);
	arm("pwrite", ENOSPC, 0, true);
	assert_int_equal(add(w, 2).err, ERR_NOSPACE);
	assert_int_equal(add(w, 2).err, ERR_NOSPACE);
	heal();
	assert_int_equal(support_size(path), size);
	assert_int_equal(plog_end(w->log), 2);
	assert_false(plog_failed(w->log));
	assert_int_equal(add(w, 2).err, ERR_OK); /* the producer's sequence was taken back */
	assert_int_equal(support_read_all(w, 0, 4096), 2);
	free(path);
}

static void an_io_error_is_final(void **state)
{
	struct world *w = *state;
	struct plog_read_info info;
	struct slice slice;

	assert_int_equal(add(w, 0).err, ERR_OK);
	arm("pwrite", EIO, 0, false);
	assert_int_equal(add(w, 2).err, ERR_KAFKA_STORAGE_ERROR);
	assert_true(plog_failed(w->log));
	assert_int_equal(add(w, 2).err, ERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(plog_flush(w->log), ERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(plog_end(w->log), 2);
	assert_int_equal(plog_read(w->log, 0, 2, 4096, true, &slice, &info), ERR_OK);
	slice_release(&slice);
}

static int fault_both(const char *call, const char *path)
{
	(void)path;
	return strcmp(call, "pwrite") == 0 ? ENOSPC : strcmp(call, "ftruncate") == 0 ? EIO : 0;
}

static void a_write_that_cannot_be_cut_back_is_final(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, 0).err, ERR_OK);
	file_set_fault(fault_both);
	assert_int_equal(add(w, 2).err, ERR_KAFKA_STORAGE_ERROR);
	file_set_fault(NULL);
	assert_true(plog_failed(w->log));
}

static void a_failed_sync_is_final(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, 0).err, ERR_OK);
	arm("fdatasync", ENOSPC, 0, false);
	assert_int_equal(plog_flush(w->log), ERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(plog_flush(w->log), ERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(plog_flushed(w->log), 0);
	assert_int_equal(add(w, 2).err, ERR_KAFKA_STORAGE_ERROR);
}

static void a_flush_without_descriptors_is_tried_again(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, 0).err, ERR_OK);
	arm("open", EMFILE, 0, true);
	assert_int_equal(plog_flush(w->log), ERR_MANYFILES);
	assert_int_equal(plog_flushed(w->log), 0);
	heal();
	assert_int_equal(plog_flush(w->log), ERR_OK);
	assert_int_equal(plog_flushed(w->log), 2);
}

/* A duplicate of a batch that could not be written is not told that it was. */
static void duplicates_share_the_fate_of_their_original(void **state)
{
	struct world *w = *state;
	struct plog_append items[3];
	struct wr wrs[3];

	for (int i = 0; i < 3; i++) {
		wrs[i] = support_batch((struct batch_of){.records = 1, .has_producer = true});
		items[i] = (struct plog_append){.data = wrs[i].buf, .len_bytes = wrs[i].len_bytes};
	}
	arm("pwrite", ENOSPC, 0, true);
	plog_lock(w->log);
	assert_int_equal(plog_append_as_leader(w->log, items, 3, 0), 0);
	plog_unlock(w->log);
	heal();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(items[i].err, ERR_NOSPACE);
		wr_fini(&wrs[i]);
	}
}

/*
 * The second item rolls, so the first is written before it, and fails: the second gets its offsets.
 */
static void offsets_of_a_failed_write_are_given_again(void **state)
{
	struct world *w = *state;
	struct plog_append items[2];
	struct wr wrs[2];

	w->cfg.segment_bytes = 500;
	support_add(w, 1);
	for (int i = 0; i < 2; i++) {
		wrs[i] = support_batch((struct batch_of){.records = 2, .value_bytes = 100});
		items[i] = (struct plog_append){.data = wrs[i].buf, .len_bytes = wrs[i].len_bytes};
	}
	arm("pwrite", ENOSPC, 0, false);
	plog_lock(w->log);
	assert_int_equal(plog_append_as_leader(w->log, items, 2, 0), 1);
	plog_unlock(w->log);
	assert_int_equal(items[0].err, ERR_NOSPACE);
	assert_int_equal(items[1].err, ERR_OK);
	assert_int_equal(items[1].base_offset, 1);
	assert_int_equal(items[1].last_offset, 2);
	assert_int_equal(plog_end(w->log), 3);
	support_read_all(w, 0, 1000);
	for (int i = 0; i < 2; i++)
		wr_fini(&wrs[i]);
}

/* Every call of a life with rolls, transactions and checkpoints fails once: no acknowledged batch
 * is lost. */
static void live_with_one_fault(struct world *w, const char *call, int errnum, int skip)
{
	int64_t acknowledged = 0, point;
	int32_t sequence = 0;

	arm(call, errnum, skip, false);
	for (int i = 0; i < 60; i++) {
		struct plog_append item = add(w, sequence);

		if (item.err == ERR_OK) {
			acknowledged = item.last_offset + 1;
			sequence += 2;
		}
		if (i % 20 == 10 && plog_checkpoint(w->log, &point) == ERR_OK)
			w->args.recovery_point = point;
		if (plog_has_work(w->log) && plog_do_work(w->log) != ERR_OK)
			break;
	}
	heal();
	world_kill(w);
	world_open(w);
	assert_true(plog_end(w->log) >= acknowledged);
	support_read_all(w, 0, 1000);
	assert_int_equal(add(w, sequence).err, ERR_OK);
}

static void no_single_fault_loses_what_was_acknowledged(void **state)
{
	static const char *const calls[] = {"open",   "pwrite", "fdatasync", "fsync",
					    "rename", "pread",	"unlink"};
	static const int errors[] = {ENOSPC, EIO, EMFILE};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls) * ARRAY_LEN(errors); i++)
		for (int skip = 0; skip < 60; skip += 3) {
			struct world *w = world_new();

			log_set_level(-1);
			w->cfg.segment_bytes = 2000;
			w->cfg.index_interval_bytes = 200;
			world_create(w);
			live_with_one_fault(w, calls[i / 3], errors[i % 3], skip);
			world_free(w);
		}
}

/* -- Death at every step -------------------------------------------------------------------- */

static int calls_left;

/* From one call on none that changes anything gets through: what kill -9 leaves. */
static int die(const char *call, const char *path)
{
	(void)path;
	if (strcmp(call, "pread") == 0 || strcmp(call, "fstat") == 0 ||
	    strcmp(call, "opendir") == 0)
		return 0;
	return calls_left-- > 0 ? 0 : EIO;
}

/* Rolls, checkpoints, aborted transactions, a moving start; false when it was over before the
 * death. */
static bool live_until_death(struct world *w, int64_t *acknowledged)
{
	int32_t sequence = 0;
	int64_t point;

	for (int i = 0; i < 40 && !plog_failed(w->log); i++) {
		struct plog_append item =
		    support_append(w, (struct batch_of){.records = 2,
							.value_bytes = 100,
							.has_producer = true,
							.producer_id = 1,
							.sequence = sequence,
							.transactional = true});

		if (item.err != ERR_OK)
			break;
		*acknowledged = item.last_offset + 1;
		sequence += 2;
		support_commit(w, *acknowledged);
		if (i % 4 == 3 && support_marker(w, CONTROL_ABORT, 1, 0).err == ERR_OK)
			*acknowledged += 1;
		support_commit(w, *acknowledged);
		if (i % 10 == 5 && plog_checkpoint(w->log, &point) == ERR_OK)
			w->args.recovery_point = point;
		plog_lock(w->log);
		if (i % 15 == 14 && plog_set_start(w->log, *acknowledged / 2) == ERR_OK)
			w->args.log_start = plog_start(w->log);
		plog_unlock(w->log);
		if (plog_has_work(w->log) && plog_do_work(w->log) != ERR_OK)
			break;
	}
	return plog_failed(w->log);
}

static size_t aborted_count(struct world *w, int64_t from, int64_t to)
{
	struct plog_aborted *found;
	struct arena arena;
	size_t len;

	arena_init(&arena, 1 << 20);
	assert_int_equal(plog_aborted_txns(w->log, from, to, &arena, &found, &len), ERR_OK);
	arena_fini(&arena);
	return len;
}

static void nothing_acknowledged_is_lost_wherever_it_dies(void **state)
{
	bool died = true;

	(void)state;
	for (int step = 1; died; step++) {
		struct world *w = world_new();
		int64_t acknowledged = 0, end;

		log_set_level((enum log_level) - 1);
		w->cfg.segment_bytes = 2000;
		w->cfg.index_interval_bytes = 200;
		world_create(w);
		calls_left = step;
		file_set_fault(die);
		died = live_until_death(w, &acknowledged);
		file_set_fault(NULL);
		end = acknowledged;
		world_kill(w);
		world_open(w);
		assert_true(plog_end(w->log) >= end);
		support_read_all(w, plog_start(w->log), 1000);
		/* Every ninth offset is a marker: all whole transactions above the start are
		 * listed. */
		end = plog_end(w->log);
		assert_int_equal(aborted_count(w, 0, end) + plog_start(w->log) / 9 >=
				     (size_t)end / 9,
				 1);
		support_commit(w, end);
		assert_int_equal(plog_last_stable(w->log), end % 9 == 0 ? end : end - end % 9);
		world_free(w);
		assert_true(step < 5000);
	}
}

/* A start needs no space: what cannot be written of the indexes is made again, until it can. */
static void recovery_needs_no_space(void **state)
{
	struct world *w = *state;
	static const char *const suffixes[] = {".index", ".timeindex"};
	int64_t bases[3];
	char *path;

	w->cfg.segment_bytes = 20000;
	w->cfg.index_interval_bytes = 100;
	for (int i = 0; i < 150; i++)
		support_add(w, 3);
	assert_true(w->log->segs_len >= 3);
	for (int i = 0; i < 3; i++)
		bases[i] = w->log->segs[i]->base_offset;
	world_kill(w);
	for (int i = 0; i < 6; i++) {
		path = support_path(w, bases[i / 2], suffixes[i % 2]);
		if (file_exists(path))
			assert_int_equal(file_unlink(path), ERR_OK);
		free(path);
	}
	for (int round = 0; round < 2; round++) {
		arm("pwrite", ENOSPC, 0, true);
		world_open(w);
		assert_int_equal(plog_end(w->log), 450);
		assert_int_equal(support_read_all(w, 0, 2000), 150);
		heal();
		world_kill(w);
	}
	world_open(w);
	assert_int_equal(support_add(w, 1), 450);
	assert_int_equal(plog_flush(w->log), ERR_OK);
	world_close(w);
	world_open(w);
	assert_int_equal(support_read_all(w, 0, 2000), 151);
}

/* An abort marker is written only when its transaction can be indexed. */
static void a_marker_without_space_for_its_index_is_tried_again(void **state)
{
	struct world *w = *state;

	support_append(w, (struct batch_of){.records = 1,
					    .has_producer = true,
					    .producer_id = 7,
					    .transactional = true});
	arm("fallocate", ENOSPC, 0, true);
	assert_int_equal(support_marker(w, CONTROL_ABORT, 7, 0).err, ERR_NOSPACE);
	assert_int_equal(plog_end(w->log), 1);
	heal();
	assert_false(plog_failed(w->log));
	assert_int_equal(support_marker(w, CONTROL_ABORT, 7, 0).err, ERR_OK);
	support_commit(w, 2);
	assert_int_equal(plog_last_stable(w->log), 2);
	world_kill(w);
	world_open(w);
	support_commit(w, 2);
	assert_int_equal(plog_last_stable(w->log), 2);
}

/* Without room for the epochs, the batches are flushed, and the recovery point stays. */
static void epochs_wait_for_space_and_batches_do_not(void **state)
{
	struct world *w = *state;
	int64_t point;

	assert_int_equal(add(w, 0).err, ERR_OK);
	arm("rename", ENOSPC, 0, true);
	assert_int_equal(plog_flush(w->log), ERR_OK);
	assert_int_equal(plog_flushed(w->log), 2);
	assert_int_equal(plog_checkpoint(w->log, &point), ERR_NOSPACE);
	assert_int_equal(point, 0);
	heal();
	assert_false(plog_failed(w->log));
	assert_int_equal(plog_checkpoint(w->log, &point), ERR_OK);
	assert_int_equal(point, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	    TEST(a_full_disk_is_not_final),
	    TEST(an_io_error_is_final),
	    TEST(a_write_that_cannot_be_cut_back_is_final),
	    TEST(a_failed_sync_is_final),
	    TEST(a_flush_without_descriptors_is_tried_again),
	    TEST(duplicates_share_the_fate_of_their_original),
	    TEST(offsets_of_a_failed_write_are_given_again),
	    cmocka_unit_test(no_single_fault_loses_what_was_acknowledged),
	    cmocka_unit_test(nothing_acknowledged_is_lost_wherever_it_dies),
	    TEST(recovery_needs_no_space),
	    TEST(a_marker_without_space_for_its_index_is_tried_again),
	    TEST(epochs_wait_for_space_and_batches_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
