/*
 * Kills a broker at every file call and cuts its power there.
 *
 *	sweep [--seed N] [--cuts N] [--dir DIR]     a new run, N cuts at random places; 0: at all
 *	sweep --replay DIR EVENT LOSS CUT-SEED      one cut again, of a run that was kept
 *
 * A broker without sockets is put through the scenario, every file call entered into a journal.
 *From it comes what the disk may hold at any moment (disk.h); each such directory is opened in a
 *process of its own and asked whether all promises were kept (check.h). While that process recovers
 *and goes on its calls are entered, too, and now and then the power is cut once more in there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rnd.h"
#include "tests/power/check.h"
#include "tests/power/disk.h"
#include "tests/power/journal_read.h"
#include "tests/power/place.h"
#include "tests/power/scenario.h"
#include "tests/power/shim.h"

#define SYNC_US_MAX  400
#define AGAIN_ONE_IN 4 /* so often the power is cut again while a check runs */
#define DEFAULT_CUTS 120

struct sweep {
	struct place place;
	uint64_t seed;
	struct rnd rnd;
	struct facts *facts; /* shared with the children */
	long checks, cuts_in_checks;
};

/* -- the run ------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void sweep_live(struct sweep *sweep, int life)
{
	struct scenario scenario = {.facts = sweep->facts};
	char journal[PLACE_PATH_BYTES], root[PLACE_PATH_BYTES], data[PLACE_PATH_BYTES];
	enum err err;

	alarm(PLACE_CHILD_SECONDS);
	place_path(&sweep->place, journal, "journal");
	place_path(&sweep->place, root, "run");
	place_path(&sweep->place, data, "run/d");
	rnd_init_seed(&scenario.rnd, sweep->seed + (uint64_t)life);
	shim_set_sync_us(SYNC_US_MAX);
	shim_begin(journal, root);
	err = whole_open_dir(&scenario.whole, data, scenario_settings);
	if (err != ERR_OK)
		scenario_fail("it does not open: %s", err_text(err));
	scenario_live(&scenario, life);
	if (life == 1) {
		if (whole_end_dir(&scenario.whole) != ERR_OK)
			scenario_fail("it does not stop");
		facts_tell(scenario.facts, FACT_STOPPED, 0, 0, 0);
	}
	_exit(0);
}

static bool sweep_run(struct sweep *sweep)
{
	char path[PLACE_PATH_BYTES];

	place_path(&sweep->place, path, "run");
	if (mkdir(path, 0755) != 0)
		place_die(path);
	facts_init(sweep->facts);
	for (int life = 0; life < SCENARIO_LIVES; life++) {
		pid_t pid = fork();

		if (pid == 0)
			sweep_live(sweep, life);
		if (!place_wait(pid)) {
			fprintf(stderr, "life %d failed\n", life);
			return false;
		}
	}
	return true;
}

/* -- journals ------------------------------------------------------------------------------ */

static void facts_take(struct facts *facts, const struct journal_event *event)
{
	struct fact fact;

	if (event->kind != JOURNAL_NOTE)
		return;
	memcpy(&fact, journal_data(event), sizeof(fact));
	facts_add(facts, &fact);
}

/* -- cuts ---------------------------------------------------------------------------------- */

/* One cut: how it is made, and what must be there after it. */
struct cut {
	struct disk *disk;
	enum disk_loss loss;
	uint64_t seed;
	size_t event;
	struct facts facts;
};

static const char *const loss_names[] = {"kill", "ordered", "by-dir"};

__attribute__((noreturn)) static void
sweep_check_in_child(struct sweep *sweep, const struct cut *cut, const char *name, bool enter)
{
	char journal[PLACE_PATH_BYTES], root[PLACE_PATH_BYTES], data[PLACE_PATH_BYTES];

	alarm(PLACE_CHILD_SECONDS);
	place_path(&sweep->place, root, name);
	snprintf(data, sizeof(data), "%.100s/d", root);
	*sweep->facts = cut->facts;
	if (enter) {
		snprintf(journal, sizeof(journal), "%.100s.journal", root);
		shim_begin(journal, root);
	}
	check_dir(data, sweep->facts, cut->loss, cut->seed);
	_exit(0);
}

static void sweep_write(struct sweep *sweep, const struct cut *cut, const char *name, FILE *told)
{
	char path[PLACE_PATH_BYTES];

	place_path(&sweep->place, path, name);
	disk_write(cut->disk, path, cut->loss, cut->seed, told);
}

static bool sweep_check(struct sweep *sweep, const struct cut *cut, const char *name, bool enter)
{
	pid_t pid;

	sweep->checks++;
	sweep_write(sweep, cut, name, NULL);
	pid = fork();
	if (pid == 0)
		sweep_check_in_child(sweep, cut, name, enter);
	if (place_wait(pid))
		return true;
	fprintf(stderr, "  %s: %s at event %zu, cut seed %llu\n", name, loss_names[cut->loss],
		cut->event, (unsigned long long)cut->seed);
	return false;
}

static enum disk_loss sweep_loss(struct rnd *rnd)
{
	return (enum disk_loss)rnd_below(rnd, 3);
}

/* The power goes again while a broker recovers from the first cut and goes on. */
static bool sweep_cut_again(struct sweep *sweep, const struct cut *first)
{
	struct cut cut = {.facts = first->facts};
	struct journal journal;
	char path[PLACE_PATH_BYTES];
	struct rnd rnd;
	bool ok;

	rnd_init_seed(&rnd, first->seed);
	sweep_write(sweep, first, "base", NULL);
	place_path(&sweep->place, path, "base");
	cut.disk = disk_new(path);
	place_path(&sweep->place, path, "once.journal");
	journal_load(&journal, path);
	cut.event = rnd_below(&rnd, journal.events_len + 1);
	cut.loss = sweep_loss(&rnd);
	cut.seed = rnd_next(&rnd);
	for (size_t i = 0; i < cut.event; i++) {
		disk_apply(cut.disk, journal.events[i]);
		facts_take(&cut.facts, journal.events[i]);
	}
	/* What the first cut took from those who had not found it yet stays taken. */
	if (cut.loss == DISK_KILL)
		cut.loss = first->loss;
	ok = sweep_check(sweep, &cut, "twice", false);
	sweep->cuts_in_checks++;
	journal_unload(&journal);
	disk_free(cut.disk);
	if (ok) {
		place_remove(&sweep->place, "twice");
		place_remove(&sweep->place, "base");
	}
	return ok;
}

static bool sweep_cut(struct sweep *sweep, struct cut *cut, const struct facts *facts, bool again)
{
	cut->facts = *facts;
	if (!sweep_check(sweep, cut, "once", again))
		return false;
	if (again && !sweep_cut_again(sweep, cut)) {
		fprintf(stderr, "  after once: %s at event %zu, cut seed %llu\n",
			loss_names[cut->loss], cut->event, (unsigned long long)cut->seed);
		return false;
	}
	place_remove(&sweep->place, "once");
	place_remove(&sweep->place, "once.journal");
	return true;
}

/* Cuts at so many of the events, at all of them if none. */
static bool sweep_all(struct sweep *sweep, size_t cuts)
{
	struct journal journal;
	struct cut cut = {.disk = disk_new(NULL)};
	char path[PLACE_PATH_BYTES];
	struct facts facts;
	bool ok = true;

	place_path(&sweep->place, path, "journal");
	journal_load(&journal, path);
	facts_init(&facts);
	for (size_t i = 0; i < journal.events_len && ok; i++) {
		disk_apply(cut.disk, journal.events[i]);
		facts_take(&facts, journal.events[i]);
		if (cuts > 0 && rnd_below(&sweep->rnd, journal.events_len) >= cuts)
			continue;
		cut.event = i;
		cut.loss = sweep_loss(&sweep->rnd);
		cut.seed = rnd_next(&sweep->rnd);
		ok = sweep_cut(sweep, &cut, &facts, rnd_below(&sweep->rnd, AGAIN_ONE_IN) == 0);
	}
	if (ok)
		printf("sweep: %zu events, %ld cuts, %ld of them while recovering from another\n",
		       journal.events_len, sweep->checks, sweep->cuts_in_checks);
	journal_unload(&journal);
	disk_free(cut.disk);
	return ok;
}

static bool sweep_replay(struct sweep *sweep, char **args)
{
	struct journal journal;
	struct cut cut = {.disk = disk_new(NULL), .seed = strtoull(args[2], NULL, 10)};
	char path[PLACE_PATH_BYTES];
	struct facts facts;
	bool ok;

	while (strcmp(args[1], loss_names[cut.loss]) != 0)
		cut.loss++;
	place_path(&sweep->place, path, "journal");
	journal_load(&journal, path);
	facts_init(&facts);
	cut.event = strtoull(args[0], NULL, 10);
	for (size_t i = 0; i <= cut.event && i < journal.events_len; i++) {
		disk_apply(cut.disk, journal.events[i]);
		facts_take(&facts, journal.events[i]);
	}
	place_remove(&sweep->place, "told");
	place_remove(&sweep->place, "once");
	place_remove(&sweep->place, "once.journal");
	sweep_write(sweep, &cut, "told", stdout);
	cut.facts = facts;
	ok = sweep_check(sweep, &cut, "once", true) && sweep_cut_again(sweep, &cut);
	journal_unload(&journal);
	disk_free(cut.disk);
	return ok;
}

/* -- main ---------------------------------------------------------------------------------- */

static bool sweep_new(struct sweep *sweep, size_t cuts)
{
	bool ok;

	place_make(&sweep->place);
	rnd_init_seed(&sweep->rnd, sweep->seed);
	ok = sweep_run(sweep) && sweep_all(sweep, cuts);
	if (ok)
		place_remove(&sweep->place, ".");
	else
		fprintf(stderr, "sweep: FAILED with seed %llu; kept is %s\n",
			(unsigned long long)sweep->seed, sweep->place.dir);
	return ok;
}

int main(int argc, char **argv)
{
	struct sweep sweep = {.facts = mmap(NULL, sizeof(struct facts), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	size_t cuts = DEFAULT_CUTS;

	sweep.seed = place_seed();
	log_set_level(LOG_LEVEL_ERROR);
	if (argc == 6 && strcmp(argv[1], "--replay") == 0) {
		snprintf(sweep.place.dir, sizeof(sweep.place.dir), "%s", argv[2]);
		log_set_level(LOG_LEVEL_INFO);
		return sweep_replay(&sweep, argv + 3) ? 0 : 1;
	}
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			sweep.seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--cuts") == 0)
			cuts = strtoull(argv[i + 1], NULL, 10);
	}
	printf("sweep: seed %llu\n", (unsigned long long)sweep.seed);
	fflush(stdout);
	return sweep_new(&sweep, cuts) ? 0 : 1;
}
