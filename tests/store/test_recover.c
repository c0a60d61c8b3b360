/*
 * Opening what a clean stop, a kill, a power cut or a bad disk has left. Longer than other files:
 * the cases differ in little, and are to be compared.
 */
#include <errno.h>

#include "store/plog_impl.h"
#include "support.h"

static void fill(struct world *w, int batches)
{
	for (int i = 0; i < batches; i++)
		support_add(w, 3);
}

/* The position of each batch of a segment, and its end; at most max - 1. */
static size_t batch_starts(struct world *w, int64_t base_offset, uint32_t *starts, size_t max)
{
	char *path = support_path(w, base_offset, ".log"), *data;
	struct batch_header header;
	size_t len, count = 0, at;

	assert_int_equal(file_read_all(path, SUPPORT_CAP, &data, &len), ERR_OK);
	for (at = 0; at < len; at += header.size_bytes) {
		assert_int_equal(batch_header_read((struct bytes){(uint8_t *)data + at, len - at},
						   &header),
				 ERR_OK);
		assert_true(count + 1 < max);
		starts[count++] = (uint32_t)at;
	}
	starts[count] = (uint32_t)at;
	free(data);
	free(path);
	return count;
}

/* How many files recovery has set aside. */
static int count_aside(const struct world *w)
{
	char **names;
	size_t len;
	int count = 0;

	assert_int_equal(file_list(w->dir, &names, &len), ERR_OK);
	for (size_t i = 0; i < len; i++)
		count += strstr(names[i], ".log.corrupt") != NULL;
	file_list_free(names, len);
	return count;
}

static void remove_aside(const struct world *w)
{
	char **names;
	size_t len;

	assert_int_equal(file_list(w->dir, &names, &len), ERR_OK);
	for (size_t i = 0; i < len; i++) {
		char *path = file_path(w->dir, names[i]);

		if (strstr(names[i], ".log.corrupt") != NULL)
			assert_int_equal(file_unlink(path), ERR_OK);
		free(path);
	}
	file_list_free(names, len);
}

static void a_clean_stop_is_taken_up(void **state)
{
	struct world *w = *state;
	char *path;

	fill(w, 200);
	support_append(w, (struct batch_of){.records = 2, .has_producer = true, .producer_id = 9});
	world_close(w);
	assert_int_equal(w->args.recovery_point, 602);
	assert_true(support_has(w, 602, ".snapshot"));
	path = support_path(w, 0, ".index");
	assert_int_equal(support_size(path) % 8, 0);
	assert_true(support_size(path) > 0);
	free(path);
	world_open(w);
	assert_int_equal(plog_end(w->log), 602);
	assert_int_equal(plog_flushed(w->log), 602);
	assert_false(plog_is_dirty(w->log));
	assert_int_equal(plog_latest_epoch(w->log), 0);
	assert_int_equal(w->log->producers->by_id->id, 9);
	assert_int_equal(support_read_all(w, 0, 4096), 201);
	fill(w, 10);
	assert_int_equal(support_read_all(w, 0, 4096), 211);
}

static void a_clean_stop_may_leave_the_sync_to_its_caller(void **state)
{
	struct world *w = *state;

	fill(w, 200);
	assert_int_equal(plog_close_unsynced(w->log, &w->args.recovery_point, NULL), ERR_OK);
	w->log = NULL;
	w->args.clean = true;
	assert_int_equal(w->args.recovery_point, 600);
	assert_true(support_has(w, 600, ".snapshot"));
	assert_true(support_has(w, 0, ".timeindex"));
	world_open(w);
	assert_int_equal(plog_end(w->log), 600);
	assert_int_equal(plog_latest_epoch(w->log), 0);
	assert_int_equal(support_read_all(w, 0, 4096), 200);
}

static void a_killed_log_is_scanned(void **state)
{
	struct world *w = *state;

	w->cfg.segment_bytes = 20000;
	fill(w, 300);
	support_append(w, (struct batch_of){.records = 2, .has_producer = true, .producer_id = 9});
	world_kill(w);
	world_open(w);
	assert_int_equal(plog_end(w->log), 902);
	assert_int_equal(plog_flushed(w->log), 0);
	assert_true(plog_is_dirty(w->log));
	assert_int_equal(plog_latest_epoch(w->log), 0);
	assert_int_equal(w->log->producers->by_id->batches[0].last_offset, 901);
	assert_int_equal(support_read_all(w, 0, 4096), 301);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_int_equal(plog_flush(w->log), ERR_OK);
	assert_int_equal(plog_flushed(w->log), 902);
	world_close(w);
	world_open(w);
	assert_int_equal(support_read_all(w, 0, 4096), 301);
}

/*
 * A start after a kill makes no files for thousands of small logs; each index comes with its first
 * entry, or with the clean stop, as stock wants it.
 */
static void recovery_makes_no_index_without_entries(void **state)
{
	struct world *w = *state;

	fill(w, 2);
	assert_false(support_has(w, 0, ".index"));
	world_kill(w);
	world_open(w);
	assert_false(support_has(w, 0, ".index"));
	assert_false(support_has(w, 0, ".timeindex"));
	assert_int_equal(support_read_all(w, 0, 4096), 2);
	fill(w, 300);
	assert_int_equal(plog_flush(w->log), ERR_OK);
	assert_int_equal(support_read_all(w, 450, 4096), 152);
	world_close(w);
	assert_true(support_has(w, 0, ".index") && support_has(w, 0, ".timeindex"));
	world_open(w);
	assert_int_equal(support_read_all(w, 450, 4096), 152);
}

/* One of the two without the other is of no use, whatever it says. */
static void recovery_cuts_an_index_that_is_alone(void **state)
{
	struct world *w = *state;
	char *times = support_path(w, 0, ".timeindex");

	fill(w, 300);
	world_close(w);
	assert_int_equal(file_unlink(times), ERR_OK);
	w->args.clean = false;
	w->args.recovery_point = 0;
	world_open(w);
	assert_int_equal(support_read_all(w, 450, 4096), 150);
	world_close(w);
	assert_true(support_size(times) > 0);
	world_open(w);
	assert_int_equal(support_read_all(w, 450, 4096), 150);
	free(times);
}

/* The tail is torn at every byte of the last three batches. */
static void a_torn_tail_is_cut_at_any_byte(void **state)
{
	struct world *w = *state;
	uint32_t starts[32];
	char *path = support_path(w, 0, ".log"), *data;
	size_t count, len;

	fill(w, 20);
	world_kill(w);
	count = batch_starts(w, 0, starts, ARRAY_LEN(starts));
	assert_int_equal(count, 20);
	assert_int_equal(file_read_all(path, SUPPORT_CAP, &data, &len), ERR_OK);
	for (uint32_t size = (uint32_t)len; size >= starts[17]; size--) {
		int64_t whole = size == len	     ? 20
				: size >= starts[19] ? 19
				: size >= starts[18] ? 18
						     : 17;

		support_write_at(path, 0, data, len);
		support_cut(path, size);
		world_open(w);
		assert_int_equal(plog_end(w->log), whole * 3);
		assert_int_equal(count_aside(w), 0);
		assert_int_equal(support_size(path), starts[whole]);
		world_kill(w);
	}
	free(data);
	free(path);
}

static void a_flipped_byte_cuts_from_its_batch_on(void **state)
{
	struct world *w = *state;
	uint32_t starts[32];
	char *path = support_path(w, 0, ".log"), *data;
	size_t len;

	fill(w, 10);
	world_kill(w);
	batch_starts(w, 0, starts, ARRAY_LEN(starts));
	assert_int_equal(file_read_all(path, SUPPORT_CAP, &data, &len), ERR_OK);
	for (uint32_t at = starts[7]; at < starts[8]; at++) {
		uint8_t flipped = (uint8_t)data[at] ^ 0x41;

		support_write_at(path, 0, data, len);
		support_write_at(path, at, &flipped, 1);
		world_open(w);
		/* The base offset and the leader epoch are outside the CRC; a higher offset is a
		 * gap. */
		if (at >= starts[7] + 16 || (at >= starts[7] + 8 && at < starts[7] + 12))
			assert_int_equal(plog_end(w->log), 21);
		world_kill(w);
		remove_aside(w);
	}
	free(data);
	free(path);
}

static void zeros_behind_the_end_are_cut(void **state)
{
	struct world *w = *state;
	static const uint8_t zeros[10000];
	char *path = support_path(w, 0, ".log");
	off_t size;

	fill(w, 10);
	world_kill(w);
	size = support_size(path);
	support_write_at(path, size, zeros, sizeof(zeros));
	world_open(w);
	assert_int_equal(plog_end(w->log), 30);
	assert_int_equal(support_size(path), size);
	fill(w, 1);
	assert_int_equal(support_read_all(w, 0, 4096), 11);
	free(path);
}

static void what_follows_a_damaged_segment_is_set_aside(void **state)
{
	struct world *w = *state;
	char *path, *aside, *data;
	int64_t third, fourth;
	size_t len;
	int segs;

	w->cfg.segment_bytes = 20000;
	fill(w, 300);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	third = w->log->segs[2]->base_offset;
	fourth = w->log->segs[3]->base_offset;
	segs = (int)w->log->segs_len;
	path = support_path(w, third, ".log");
	assert_true(segs > 4);
	world_kill(w);
	support_write_at(path, 70, "x", 1);
	assert_int_equal(file_read_all(path, SUPPORT_CAP, &data, &len), ERR_OK);
	free(data);
	world_open(w);
	assert_int_equal(plog_end(w->log), third);
	assert_int_equal(w->log->segs_len, 3);
	assert_int_equal(support_size(path), 0);
	assert_int_equal(count_aside(w), segs - 2);
	aside = support_path(w, third, ".log.corrupt");
	assert_int_equal(support_size(aside), len);
	assert_true(support_has(w, fourth, ".log.corrupt"));
	assert_false(support_has(w, fourth, ".log"));
	assert_false(support_has(w, fourth, ".index"));
	fill(w, 3);
	assert_int_equal(support_read_all(w, 0, 4096), (int)third / 3 + 3);
	world_close(w);
	world_open(w);
	assert_int_equal(count_aside(w), segs - 2);
	free(aside);
	free(path);
}

/* A client reads up to the damage, and meets it at the next read. */
static void what_is_good_before_damage_is_read(void **state)
{
	struct world *w = *state;
	uint32_t starts[310];
	char *path = support_path(w, 0, ".log");
	struct plog_read_info info;
	struct slice slice;

	w->cfg.index_interval_bytes = 1 << 30;
	fill(w, 300);
	batch_starts(w, 0, starts, ARRAY_LEN(starts));
	support_write_at(path, starts[100] + 8, "xxxxx", 5); /* its length is lost */
	assert_int_equal(plog_read(w->log, 150, 900, starts[110] - starts[50], true, &slice, &info),
			 ERR_OK);
	assert_int_equal(slice.pos, starts[50]);
	assert_int_equal(slice.len_bytes, starts[100] - starts[50]);
	assert_int_equal(info.next_offset, 300);
	slice_release(&slice);
	assert_int_equal(plog_read(w->log, 300, 900, 1000, true, &slice, &info),
			 ERR_CORRUPT_MESSAGE);
	free(path);
}

/* A second time at the same offset is kept beside the first. */
static void what_is_set_aside_is_not_written_over(void **state)
{
	struct world *w = *state;
	uint32_t starts[32];
	char *path = support_path(w, 0, ".log");

	for (int i = 0; i < 2; i++) {
		fill(w, i == 0 ? 10 : 3);
		world_kill(w);
		batch_starts(w, 0, starts, ARRAY_LEN(starts));
		support_write_at(path, starts[7] + 70, "x", 1);
		world_open(w);
		assert_int_equal(plog_end(w->log), 21);
	}
	assert_true(support_has(w, 21, ".log.corrupt"));
	assert_true(support_has(w, 21, ".log.corrupt.2"));
	free(path);
}

static int fail_corrupt_files(const char *call, const char *path)
{
	return path != NULL && strcmp(call, "open") == 0 && strstr(path, ".corrupt") != NULL
		   ? ENOSPC
		   : 0;
}

static void without_room_recovery_goes_on(void **state)
{
	struct world *w = *state;
	uint32_t starts[32];
	char *path = support_path(w, 0, ".log");

	fill(w, 10);
	world_kill(w);
	batch_starts(w, 0, starts, ARRAY_LEN(starts));
	support_write_at(path, starts[7] + 70, "x", 1);
	file_set_fault(fail_corrupt_files);
	world_open(w);
	file_set_fault(NULL);
	assert_int_equal(plog_end(w->log), 21);
	assert_int_equal(count_aside(w), 0);
	free(path);
}

/* The next segment begins where the good part ends: nothing is missing. */
static void garbage_at_the_end_of_a_segment_costs_nothing(void **state)
{
	struct world *w = *state;
	char *path = support_path(w, 0, ".log");
	static const uint8_t garbage[777];

	w->cfg.segment_bytes = 20000;
	fill(w, 300);
	world_kill(w);
	support_write_at(path, support_size(path), garbage, sizeof(garbage));
	world_open(w);
	assert_int_equal(plog_end(w->log), 900);
	assert_int_equal(support_read_all(w, 0, 4096), 300);
	assert_int_equal(count_aside(w), 0);
	free(path);
}

/* Nobody looks there at a start unless something else is lost; then it is stepped over. */
static void damage_below_the_recovery_point_costs_its_batch_only(void **state)
{
	struct world *w = *state;
	uint32_t starts[310];
	char *path = support_path(w, 0, ".log"),
	     *epochs = file_path(w->dir, "leader-epoch-checkpoint");
	int64_t offset;

	fill(w, 300);
	assert_int_equal(plog_checkpoint(w->log, &w->args.recovery_point), ERR_OK);
	world_kill(w);
	batch_starts(w, 0, starts, ARRAY_LEN(starts));
	support_write_at(path, starts[100] + 8, "xxxxx", 5); /* its length is lost */
	assert_int_equal(file_unlink(epochs), ERR_OK);
	support_write_at(epochs, 0, "x", 1);
	world_open(w);
	assert_int_equal(plog_end(w->log), 900);
	assert_int_equal(count_aside(w), 0);
	for (offset = 0; offset < 900; offset += 3) {
		struct plog_read_info info;
		struct slice slice;
		enum err err = plog_read(w->log, offset, 900, 1, true, &slice, &info);

		/* Those up to the next entry of the index cannot be found either. */
		if (offset < 300 || offset > 400)
			assert_int_equal(err, ERR_OK);
		if (err == ERR_OK)
			slice_release(&slice);
	}
	free(epochs);
	free(path);
}

/* Only what is above the recovery point is checked: damage below it is not even seen. */
/* A power cut took the end of a segment that was not synced, and not the one behind it. */
static void r4_a_hole_between_segments_ends_the_log(void **state)
{
	struct world *w = *state;
	uint32_t starts[32], second;
	char *path = support_path(w, 0, ".log");

	w->cfg.segment_bytes = 2000;
	fill(w, 20);
	assert_true(w->log->segs_len > 2);
	second = (uint32_t)w->log->segs[1]->base_offset;
	world_kill(w);
	assert_true(batch_starts(w, 0, starts, ARRAY_LEN(starts)) > 2);
	support_cut(path, starts[2]);
	/* Where all was on disk, and where a cleaner was, it is none. */
	w->args.recovery_point = second;
	world_open(w);
	assert_int_equal(plog_end(w->log), 60);
	world_kill(w);
	w->args.recovery_point = 0;
	w->args.cleaned = second;
	world_open(w);
	assert_int_equal(plog_end(w->log), 60);
	world_kill(w);
	w->args.cleaned = 0;
	world_open(w);
	assert_int_equal(plog_end(w->log), 6);
	assert_int_equal(support_read_all(w, 0, 4096), 2);
	free(path);
}

/* A later power cut took what came next, and gave back a segment that had been set aside. */
static void r4_a_segment_of_another_past_is_set_aside(void **state)
{
	struct world *w = *state;
	char *path = support_path(w, 0, ".log"), *stale = support_path(w, 15, ".log"), *data;
	uint32_t starts[32];
	size_t len;

	fill(w, 10);
	world_kill(w);
	assert_int_equal(batch_starts(w, 0, starts, ARRAY_LEN(starts)), 10);
	assert_int_equal(file_read_all(path, SUPPORT_CAP, &data, &len), ERR_OK);
	support_write_at(stale, 0, data + starts[5], len - starts[5]);
	world_open(w);
	assert_int_equal(plog_end(w->log), 30);
	assert_int_equal(count_aside(w), 1);
	assert_int_equal(support_read_all(w, 0, 4096), 10);
	free(data);
	free(stale);
	free(path);
}

/* What has left the log, and no sync has told the disk since. */
static bool log_cut, names_changed;

static int watch_what_leaves(const char *call, const char *path)
{
	bool is_log = path != NULL && strstr(path, ".log") != NULL;

	if (is_log && strcmp(call, "ftruncate") == 0)
		log_cut = true;
	if (is_log && strcmp(call, "rename") == 0)
		names_changed = true;
	if (is_log && strcmp(call, "fdatasync") == 0 && strstr(path, ".corrupt") == NULL)
		log_cut = false;
	if (strcmp(call, "fsync") == 0)
		names_changed = false;
	return 0;
}

static void r4_what_leaves_the_log_does_not_come_back(void **state)
{
	struct world *w = *state;
	uint32_t starts[32];
	char *path = support_path(w, 0, ".log");

	w->cfg.segment_bytes = 2000;
	fill(w, 20);
	world_kill(w);
	assert_true(batch_starts(w, 0, starts, ARRAY_LEN(starts)) > 2);
	support_write_at(path, starts[1] + 70, "x", 1);
	log_cut = names_changed = false;
	file_set_fault(watch_what_leaves);
	world_open(w);
	file_set_fault(NULL);
	assert_true(count_aside(w) > 1);
	assert_false(log_cut);
	assert_false(names_changed);
	free(path);
}

/* A roll finishes the time index after the flush that moved the recovery point there. */
static void r4_an_index_is_finished_at_the_recovery_point(void **state)
{
	struct world *w = *state;
	char *path = support_path(w, 0, ".timeindex");
	struct plog_time_offset found;
	int64_t second;

	w->cfg.segment_bytes = 2000;
	for (int i = 0; i < 20; i++)
		support_append(w, (struct batch_of){.records = 1,
						    .value_bytes = 300,
						    .timestamp = SUPPORT_NOW_MS + 10 * i});
	second = w->log->segs[1]->base_offset;
	world_kill(w);
	support_cut(path, support_size(path) - 12);
	w->args.recovery_point = second;
	world_open(w);
	assert_int_equal(plog_offset_for_time(w->log, SUPPORT_NOW_MS + 10 * (second - 1), 20,
					      &found),
			 ERR_OK);
	assert_int_equal(found.offset, second - 1);
	assert_int_equal(plog_end(w->log), 20);
	free(path);
}

static void recovery_begins_at_the_recovery_point(void **state)
{
	struct world *w = *state;
	char *path = support_path(w, 0, ".log");

	fill(w, 300);
	support_append(w, (struct batch_of){.records = 2, .has_producer = true, .producer_id = 9});
	assert_int_equal(plog_checkpoint(w->log, &w->args.recovery_point), ERR_OK);
	assert_int_equal(w->args.recovery_point, 902);
	assert_true(support_has(w, 902, ".snapshot"));
	fill(w, 100);
	world_kill(w);
	support_write_at(path, 80, "x", 1);
	world_open(w);
	assert_int_equal(plog_end(w->log), 1202);
	assert_int_equal(plog_flushed(w->log), 902);
	assert_int_equal(w->log->producers->by_id->batches[0].last_offset, 901);
	assert_int_equal(w->log->segs[0]->max_timestamp, SUPPORT_NOW_MS + 2);
	world_kill(w);
	w->args.recovery_point = 0;
	world_open(w);
	assert_int_equal(plog_end(w->log), 0);
	free(path);
}

/* A roll while a checkpoint is made: what it flushes is in the new segment, too. */
static struct world *rolling;
static char index_synced[64];

static int roll_at_a_snapshot(const char *call, const char *path)
{
	struct world *w = rolling;

	if (path == NULL)
		return 0;
	if (strcmp(call, "fdatasync") == 0 && strstr(path, ".timeindex") != NULL)
		snprintf(index_synced, sizeof(index_synced), "%s", strrchr(path, '/') + 1);
	if (w == NULL || strcmp(call, "pwrite") != 0 || strstr(path, ".snapshot") == NULL)
		return 0;
	rolling = NULL;
	fill(w, 30);
	return 0;
}

static void r4_a_checkpoint_covers_the_indexes_of_a_new_segment(void **state)
{
	struct world *w = *state;
	int64_t point, last;
	char wanted[64];

	w->cfg.segment_bytes = 4000;
	w->cfg.index_interval_bytes = 200;
	fill(w, 5);
	rolling = w;
	file_set_fault(roll_at_a_snapshot);
	assert_int_equal(plog_checkpoint(w->log, &point), ERR_OK);
	file_set_fault(NULL);
	last = w->log->segs[w->log->segs_len - 1]->base_offset;
	assert_true(w->log->segs_len > 1 && point > last);
	snprintf(wanted, sizeof(wanted), "%020lld.timeindex", (long long)last);
	assert_string_equal(index_synced, wanted);
}

static void a_later_checkpoint_replaces_its_snapshot(void **state)
{
	struct world *w = *state;
	int64_t point;

	fill(w, 10);
	assert_int_equal(plog_checkpoint(w->log, &point), ERR_OK);
	fill(w, 10);
	assert_int_equal(plog_checkpoint(w->log, &point), ERR_OK);
	assert_int_equal(point, 60);
	assert_false(support_has(w, 30, ".snapshot"));
	assert_true(support_has(w, 60, ".snapshot"));
}

/* -- Damage to what is beside the batches --------------------------------------------------- */

static void spoil_and_read(struct world *w, int64_t base_offset, const char *suffix, bool clean,
			   const void *content, size_t len)
{
	char *path = support_path(w, base_offset, suffix);

	support_cut(path, 0);
	support_write_at(path, 0, content, len);
	w->args.clean = clean;
	world_open(w);
	assert_int_equal(plog_end(w->log), 900);
	for (int64_t offset = 0; offset < 900; offset += 97)
		support_read_all(w, offset, 700);
	plog_abandon(w->log);
	w->log = NULL;
	free(path);
}

static void damaged_indexes_are_no_harm(void **state)
{
	struct world *w = *state;
	static const uint8_t zeros[4096];
	uint8_t noise[4001];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 7 + i / 13);
	fill(w, 300);
	world_close(w);
	w->args.recovery_point = 600;
	for (int clean = 0; clean < 2; clean++) {
		spoil_and_read(w, 0, ".index", clean, zeros, 0);
		spoil_and_read(w, 0, ".index", clean, zeros, sizeof(zeros));
		spoil_and_read(w, 0, ".index", clean, noise, sizeof(noise));
		spoil_and_read(w, 0, ".timeindex", clean, zeros, sizeof(zeros));
		spoil_and_read(w, 0, ".timeindex", clean, noise, sizeof(noise));
	}
}

static void missing_indexes_are_made_anew(void **state)
{
	struct world *w = *state;
	char *path = support_path(w, 0, ".index");
	off_t size;

	fill(w, 300);
	world_close(w);
	size = support_size(path);
	assert_int_equal(file_unlink(path), ERR_OK);
	world_open(w);
	assert_int_equal(plog_end(w->log), 900);
	world_close(w);
	assert_int_equal(support_size(path), size);
	free(path);
}

static void a_damaged_snapshot_is_removed_and_the_state_replayed(void **state)
{
	struct world *w = *state;
	char *path;

	for (int i = 0; i < 10; i++)
		support_append(w, (struct batch_of){.records = 2,
						    .has_producer = true,
						    .sequence = 2 * i});
	world_close(w);
	path = support_path(w, 20, ".snapshot");
	support_write_at(path, 20, "x", 1);
	world_open(w);
	assert_false(file_exists(path));
	assert_int_equal(plog_end(w->log), 20);
	assert_int_equal(w->log->producers->by_id->batches_len, 5);
	assert_int_equal(w->log->producers->by_id->batches[4].last_sequence, 19);
	free(path);
}

static void damaged_epochs_are_read_from_the_batches(void **state)
{
	struct world *w = *state;
	char *path = file_path(w->dir, "leader-epoch-checkpoint");
	int32_t found;
	int64_t end;

	fill(w, 10);
	plog_lock(w->log);
	assert_int_equal(plog_assign_epoch(w->log, 3), ERR_OK);
	plog_unlock(w->log);
	world_close(w);
	support_write_at(path, 0, "9", 1);
	world_open(w);
	plog_end_for_epoch(w->log, 0, &found, &end);
	assert_int_equal(found, 0);
	assert_int_equal(end, 30);
	free(path);
}

static void a_torn_tail_after_a_clean_stop_is_noticed(void **state)
{
	struct world *w = *state;
	char *path = support_path(w, 0, ".log");

	fill(w, 100);
	world_close(w);
	support_cut(path, support_size(path) - 1);
	world_open(w);
	assert_int_equal(plog_end(w->log), 297);
	free(path);
}

/* -- Files that are left over --------------------------------------------------------------- */

static void put_file(struct world *w, int64_t offset, const char *suffix)
{
	char *path = support_path(w, offset, suffix);

	support_write_at(path, 0, "x", 1);
	free(path);
}

static void leftovers_are_tidied_up(void **state)
{
	struct world *w = *state;
	static const char *const gone[] = {".log.deleted", ".index.deleted", ".log.cleaned",
					   ".timeindex.cleaned"};

	fill(w, 10);
	world_close(w);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		put_file(w, 50, gone[i]);
	put_file(w, 60, ".log.swap"); /* above a .cleaned file: not complete */
	put_file(w, 70, ".index");    /* without a log */
	put_file(w, 5, ".checkpoint.deleted");
	put_file(w, 5, ".snapshot"); /* no segment's */
	world_open(w);
	assert_int_equal(plog_end(w->log), 30);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		assert_false(support_has(w, 50, gone[i]));
	assert_false(support_has(w, 60, ".log.swap"));
	assert_false(support_has(w, 60, ".log"));
	assert_false(support_has(w, 70, ".index"));
	assert_true(support_has(w, 5, ".checkpoint.deleted"));
	assert_false(support_has(w, 5, ".snapshot"));
	assert_true(support_has(w, 30, ".snapshot"));
}

static void a_finished_swap_replaces_its_originals(void **state)
{
	struct world *w = *state;
	char *from, *to;
	int64_t second, third;

	w->cfg.segment_bytes = 4000;
	fill(w, 30);
	second = w->log->segs[1]->base_offset;
	third = w->log->segs[2]->base_offset;
	world_close(w);
	from = support_path(w, 0, ".log");
	to = support_path(w, 0, ".log.swap");
	assert_int_equal(file_rename(from, to), ERR_OK); /* holds 0 to second: replaces only 0 */
	w->args.clean = false;
	world_open(w);
	assert_int_equal(w->log->segs[1]->base_offset, second);
	assert_int_equal(w->log->segs[2]->base_offset, third);
	assert_int_equal(support_read_all(w, 0, 1000), 30);
	free(from);
	free(to);
}

static void a_lost_log_begins_at_its_start(void **state)
{
	struct world *w = *state;

	fill(w, 10);
	world_close(w);
	w->args.log_start = 100;
	world_open(w);
	assert_int_equal(plog_start(w->log), 100);
	assert_int_equal(plog_end(w->log), 100);
	assert_int_equal(support_add(w, 1), 100);
}

static void an_empty_partition_stays_one(void **state)
{
	struct world *w = *state;

	world_close(w);
	assert_false(support_has(w, 0, ".log"));
	world_open(w);
	assert_int_equal(plog_end(w->log), 0);
	assert_int_equal(support_add(w, 1), 0);
}

static void another_topics_directory_is_refused(void **state)
{
	struct world *w = *state;
	char *path = file_path(w->dir, "partition.metadata");
	struct plog *log;

	fill(w, 1);
	world_close(w);
	w->args.topic_id = uuid_of(3, 4);
	assert_int_equal(plog_open(&log, &w->env, &w->cfg, w->dir, &w->args),
			 ERR_INCONSISTENT_TOPIC_ID);
	assert_int_equal(file_unlink(path), ERR_OK);
	world_open(w);
	assert_true(file_exists(path));
	free(path);
}

/* Batches of the formats before 2 are kept: stock may have carried them over. */
static void old_message_formats_are_kept(void **state)
{
	/* offset 0, 20 bytes: CRC-32, magic 0, attributes 0, null key, value "abcdef" */
	static const uint8_t old[] = {0,  0,	0,    0,    0,	  0,   0,   0,	  0,	0,    0,
				      20, 0x5b, 0x63, 0x60, 0x1b, 0,   0,   0xff, 0xff, 0xff, 0xff,
				      0,  0,	0,    6,    'a',  'b', 'c', 'd',  'e',	'f'};
	struct world *w = *state;
	struct plog_read_info info;
	struct slice slice;

	world_kill(w);
	char *path = support_path(w, 0, ".log");
	support_write_at(path, 0, old, sizeof(old));
	world_open(w);
	assert_int_equal(plog_end(w->log), 1);
	assert_int_equal(plog_read(w->log, 0, 1, 1000, true, &slice, &info), ERR_OK);
	assert_int_equal(slice.len_bytes, sizeof(old));
	slice_release(&slice);
	assert_int_equal(support_add(w, 1), 1);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	    TEST(a_clean_stop_is_taken_up),
	    TEST(a_clean_stop_may_leave_the_sync_to_its_caller),
	    TEST(a_killed_log_is_scanned),
	    TEST(recovery_makes_no_index_without_entries),
	    TEST(recovery_cuts_an_index_that_is_alone),
	    TEST(a_torn_tail_is_cut_at_any_byte),
	    TEST(a_flipped_byte_cuts_from_its_batch_on),
	    TEST(zeros_behind_the_end_are_cut),
	    TEST(r4_a_hole_between_segments_ends_the_log),
	    TEST(r4_a_segment_of_another_past_is_set_aside),
	    TEST(r4_what_leaves_the_log_does_not_come_back),
	    TEST(r4_an_index_is_finished_at_the_recovery_point),
	    TEST(what_follows_a_damaged_segment_is_set_aside),
	    TEST(what_is_good_before_damage_is_read),
	    TEST(what_is_set_aside_is_not_written_over),
	    TEST(without_room_recovery_goes_on),
	    TEST(garbage_at_the_end_of_a_segment_costs_nothing),
	    TEST(damage_below_the_recovery_point_costs_its_batch_only),
	    TEST(recovery_begins_at_the_recovery_point),
	    TEST(r4_a_checkpoint_covers_the_indexes_of_a_new_segment),
	    TEST(a_later_checkpoint_replaces_its_snapshot),
	    TEST(damaged_indexes_are_no_harm),
	    TEST(missing_indexes_are_made_anew),
	    TEST(a_damaged_snapshot_is_removed_and_the_state_replayed),
	    TEST(damaged_epochs_are_read_from_the_batches),
	    TEST(a_torn_tail_after_a_clean_stop_is_noticed),
	    TEST(leftovers_are_tidied_up),
	    TEST(a_finished_swap_replaces_its_originals),
	    TEST(a_lost_log_begins_at_its_start),
	    TEST(an_empty_partition_stays_one),
	    TEST(another_topics_directory_is_refused),
	    TEST(old_message_formats_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
