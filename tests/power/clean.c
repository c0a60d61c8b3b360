/*
 * Kills cleaning at every file call and cuts its power there.
 *
 *	clean [--seed N] [--cuts N]     N cuts at random places, 0: at all
 *
 * A log of random records, transactions and tombstones is cleaned while its file calls are entered
 * into a journal; from it comes what the disk may hold at any moment (disk.h). Each such directory
 * is opened, now and then with another cut while it recovers, and must hold what a consumer needs,
 * be clean after another round, and lead to the same records.
 */
#include <sys/stat.h>

#include "../store/clean_world.h"
#include "tests/power/disk.h"
#include "tests/power/journal_read.h"
#include "tests/power/place.h"
#include "tests/power/shim.h"

#define AGAIN_ONE_IN 3
#define DEFAULT_CUTS 60

struct cutter {
	struct place place;
	struct rnd rnd;
	struct clean_world *c; /* the model; its log is closed */
	int64_t end;
	struct plog_open_args args;
	long checks;
};

static void copy_tree(const char *from, const char *to)
{
	char command[3 * PLACE_PATH_BYTES];

	snprintf(command, sizeof(command), "cp -r '%s' '%s'", from, to);
	if (system(command) != 0)
		place_die(command);
}

/* -- What must be there ------------------------------------------------------------------------ */

static bool is_aborted(const struct clean_world *c, const struct clean_record *record)
{
	return record->txn >= 0 && c->fates[record->txn] == TXN_ABORTED;
}

/* Reads as a read_committed consumer does, and keeps the last value of each key. */
static void expect_fold(struct clean_world *c)
{
	size_t seen_len, aborted_len;
	struct clean_seen *seen = clean_read(c, &seen_len);
	struct plog_aborted *aborted;
	int want[CLEAN_KEYS], got[CLEAN_KEYS];
	struct arena arena;

	arena_init(&arena, 1 << 20);
	assert_int_equal(plog_aborted_txns(c->w->log, 0, plog_end(c->w->log), &arena, &aborted,
					   &aborted_len),
			 ERR_OK);
	for (int i = 0; i < CLEAN_KEYS; i++)
		want[i] = got[i] = -1;
	for (size_t i = 0; i < c->records_len; i++)
		if (!is_aborted(c, &c->records[i]))
			want[c->records[i].key] = c->records[i].value;
	for (size_t i = 0, k = 0; i < seen_len; i++) {
		bool named = false;

		while (c->records[k].offset < seen[i].offset)
			k++;
		assert_int_equal(c->records[k].offset, seen[i].offset);
		for (size_t a = 0; a < aborted_len; a++)
			named = named || (aborted[a].producer_id == seen[i].producer_id &&
					  aborted[a].first_offset <= seen[i].offset);
		if (is_aborted(c, &c->records[k]))
			assert_true(named);
		else
			got[seen[i].key] = seen[i].value;
	}
	for (int i = 0; i < CLEAN_KEYS; i++)
		assert_int_equal(got[i], want[i]);
	arena_fini(&arena);
	free(seen);
}

static void check_dir(struct cutter *cutter, const char *root)
{
	struct clean_world c = *cutter->c;
	struct world w = *c.w;

	cutter->checks++;
	c.w = &w;
	w.dir = file_path(root, "t-0");
	w.args = cutter->args;
	world_open(&w);
	support_commit(&w, cutter->end);
	assert_int_equal(plog_end(w.log), cutter->end);
	expect_fold(&c);
	clean_rounds(&c);
	expect_fold(&c);
	world_close(&w);
	free(w.dir);
}

/* -- Cuts -------------------------------------------------------------------------------------- */

/* Opens it, its calls entered, and cuts the power at one of them. */
static void cut_again(struct cutter *cutter, const char *once)
{
	char base[PLACE_PATH_BYTES], name[PLACE_PATH_BYTES], twice[PLACE_PATH_BYTES];
	struct clean_world c = *cutter->c;
	struct world w = *c.w;
	struct journal journal;
	struct disk *disk;
	size_t upto;

	place_path(&cutter->place, base, "again");
	place_path(&cutter->place, name, "again.journal");
	place_path(&cutter->place, twice, "twice");
	copy_tree(once, base);
	w.dir = file_path(once, "t-0");
	w.args = cutter->args;
	shim_begin(name, once);
	world_open(&w);
	shim_end();
	world_kill(&w);
	free(w.dir);
	disk = disk_new(base);
	journal_load(&journal, name);
	upto = rnd_below(&cutter->rnd, journal.events_len + 1);
	for (size_t i = 0; i < upto; i++)
		disk_apply(disk, journal.events[i]);
	disk_write(disk, twice, (enum disk_loss)rnd_below(&cutter->rnd, 3), rnd_next(&cutter->rnd),
		   NULL);
	check_dir(cutter, twice);
	journal_unload(&journal);
	disk_free(disk);
	place_remove(&cutter->place, "again");
	place_remove(&cutter->place, "again.journal");
	place_remove(&cutter->place, "twice");
}

static void cut(struct cutter *cutter, struct disk *disk)
{
	char once[PLACE_PATH_BYTES];

	place_path(&cutter->place, once, "once");
	disk_write(disk, once, (enum disk_loss)rnd_below(&cutter->rnd, 3), rnd_next(&cutter->rnd),
		   NULL);
	if (rnd_below(&cutter->rnd, AGAIN_ONE_IN) == 0)
		cut_again(cutter, once);
	else
		check_dir(cutter, once);
	place_remove(&cutter->place, "once");
}

static void cut_all(struct cutter *cutter, size_t cuts)
{
	char base[PLACE_PATH_BYTES], name[PLACE_PATH_BYTES];
	struct journal journal;
	struct disk *disk;

	place_path(&cutter->place, base, "base");
	place_path(&cutter->place, name, "journal");
	journal_load(&journal, name);
	disk = disk_new(base);
	for (size_t i = 0; i < journal.events_len; i++) {
		disk_apply(disk, journal.events[i]);
		if (cuts == 0 || rnd_below(&cutter->rnd, journal.events_len) < cuts)
			cut(cutter, disk);
	}
	printf("clean: %zu events, %ld directories checked\n", journal.events_len, cutter->checks);
	journal_unload(&journal);
	disk_free(disk);
}

/* -- The run ----------------------------------------------------------------------------------- */

/* Two parts: the first has been cleaned, the second has not, so that segments are put together. */
static void fill(struct clean_world *c)
{
	for (int i = 0; i < 2; i++) {
		clean_add_random(c, 120);
		clean_end_all(c);
		clean_roll(c);
		if (i == 0)
			clean_rounds(c);
	}
}

static void run(struct cutter *cutter, uint64_t seed)
{
	struct clean_world *c = clean_world_new(seed);
	char base[PLACE_PATH_BYTES], name[PLACE_PATH_BYTES];

	cutter->c = c;
	place_path(&cutter->place, base, "base");
	place_path(&cutter->place, name, "journal");
	fill(c);
	cutter->args = c->w->args;
	assert_int_equal(plog_checkpoint(c->w->log, &cutter->args.recovery_point), ERR_OK);
	cutter->end = plog_end(c->w->log);
	cutter->args.cleaned = c->checkpoint;
	cutter->args.high_watermark = cutter->end;
	copy_tree(c->w->root, base);
	int64_t before = c->checkpoint;
	shim_begin(name, c->w->root);
	assert_int_equal(clean_once(c), ERR_OK);
	shim_end();
	assert_true(c->checkpoint > before);
	c->checkpoint = before; /* it was not written down */
	world_kill(c->w);
}

int main(int argc, char **argv)
{
	struct cutter cutter = {0};
	size_t cuts = DEFAULT_CUTS;
	uint64_t seed;

	seed = place_seed();
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--cuts") == 0)
			cuts = strtoull(argv[i + 1], NULL, 10);
	}
	printf("clean: seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	rnd_init_seed(&cutter.rnd, seed);
	place_make(&cutter.place);
	run(&cutter, seed);
	cut_all(&cutter, cuts);
	clean_world_free(cutter.c);
	place_remove(&cutter.place, ".");
	return 0;
}
