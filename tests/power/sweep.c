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
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rnd.h"
#include "tests/power/check.h"
#include "tests/power/disk.h"
#include "tests/power/scenario.h"
#include "tests/power/shim.h"

#define SYNC_US_MAX   400
#define CHILD_SECONDS 300
#define AGAIN_ONE_IN  4 /* so often the power is cut again while a check runs */
#define PATH_BYTES    160
#define DEFAULT_CUTS  120

struct sweep {
	char dir[64];
	uint64_t seed;
	struct rnd rnd;
	struct facts *facts; /* shared with the children */
	long checks, cuts_in_checks;
};

__attribute__((noreturn)) static void sweep_die(const char *what)
{
	perror(what);
	exit(1);
}

static void sweep_path(const struct sweep *sweep, char path[PATH_BYTES], const char *name)
{
	snprintf(path, PATH_BYTES, "%s/%s", sweep->dir, name);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void sweep_remove(const struct sweep *sweep, const char *name)
{
	char path[PATH_BYTES];

	sweep_path(sweep, path, name);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A child that hangs is a failure like others. */
static bool sweep_wait(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		sweep_die("fork");
	if (WIFSIGNALED(status))
		fprintf(stderr, "the broker ended with signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* -- the run -------------------------------------------------------------------------------------
 */

__attribute__((noreturn)) static void sweep_live(struct sweep *sweep, int life)
{
	struct scenario scenario = {.facts = sweep->facts};
	char journal[PATH_BYTES], root[PATH_BYTES], data[PATH_BYTES];
	enum err err;

	alarm(CHILD_SECONDS);
	sweep_path(sweep, journal, "journal");
	sweep_path(sweep, root, "run");
	sweep_path(sweep, data, "run/d");
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
	char path[PATH_BYTES];

	sweep_path(sweep, path, "run");
	if (mkdir(path, 0755) != 0)
		sweep_die(path);
	facts_init(sweep->facts);
	for (int life = 0; life < SCENARIO_LIVES; life++) {
		pid_t pid = fork();

		if (pid == 0)
			sweep_live(sweep, life);
		if (!sweep_wait(pid)) {
			fprintf(stderr, "life %d failed\n", life);
			return false;
		}
	}
	return true;
}

/* -- journals ------------------------------------------------------------------------------------
 */

struct journal {
	const uint8_t *map;
	size_t events_len;
	const struct journal_event **events;
};

static void journal_load(struct journal *journal, const char *path)
{
	int fd = open(path, O_RDONLY);
	const struct journal_head *head;
	size_t at = sizeof(*head);

	if (fd < 0)
		sweep_die(path);
	head = mmap(NULL, JOURNAL_BYTES_MAX, PROT_READ, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED || head->magic != JOURNAL_MAGIC)
		sweep_die(path);
	close(fd);
	*journal = (struct journal){.map = (const uint8_t *)head};
	journal->events = malloc(head->used_bytes / sizeof(struct journal_event) *
				 sizeof(struct journal_event *));
	while (at < head->used_bytes) {
		const struct journal_event *event =
		    (const struct journal_event *)(const void *)(journal->map + at);

		journal->events[journal->events_len++] = event;
		at += event->size_bytes;
	}
}

static void journal_unload(struct journal *journal)
{
	free(journal->events);
	munmap((void *)(uintptr_t)journal->map, JOURNAL_BYTES_MAX);
}

static void facts_take(struct facts *facts, const struct journal_event *event)
{
	struct fact fact;

	if (event->kind != JOURNAL_NOTE)
		return;
	memcpy(&fact, journal_data(event), sizeof(fact));
	facts_add(facts, &fact);
}

/* -- cuts ----------------------------------------------------------------------------------------
 */

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
	char journal[PATH_BYTES], root[PATH_BYTES], data[PATH_BYTES];

	alarm(CHILD_SECONDS);
	sweep_path(sweep, root, name);
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
	char path[PATH_BYTES];

	sweep_path(sweep, path, name);
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
	if (sweep_wait(pid))
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
	char path[PATH_BYTES];
	struct rnd rnd;
	bool ok;

	rnd_init_seed(&rnd, first->seed);
	sweep_write(sweep, first, "base", NULL);
	sweep_path(sweep, path, "base");
	cut.disk = disk_new(path);
	sweep_path(sweep, path, "once.journal");
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
		sweep_remove(sweep, "twice");
		sweep_remove(sweep, "base");
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
	sweep_remove(sweep, "once");
	sweep_remove(sweep, "once.journal");
	return true;
}

/* Cuts at so many of the events, at all of them if none. */
static bool sweep_all(struct sweep *sweep, size_t cuts)
{
	struct journal journal;
	struct cut cut = {.disk = disk_new(NULL)};
	char path[PATH_BYTES];
	struct facts facts;
	bool ok = true;

	sweep_path(sweep, path, "journal");
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
	char path[PATH_BYTES];
	struct facts facts;
	bool ok;

	while (strcmp(args[1], loss_names[cut.loss]) != 0)
		cut.loss++;
	sweep_path(sweep, path, "journal");
	journal_load(&journal, path);
	facts_init(&facts);
	cut.event = strtoull(args[0], NULL, 10);
	for (size_t i = 0; i <= cut.event && i < journal.events_len; i++) {
		disk_apply(cut.disk, journal.events[i]);
		facts_take(&facts, journal.events[i]);
	}
	sweep_remove(sweep, "told");
	sweep_remove(sweep, "once");
	sweep_remove(sweep, "once.journal");
	sweep_write(sweep, &cut, "told", stdout);
	cut.facts = facts;
	ok = sweep_check(sweep, &cut, "once", true) && sweep_cut_again(sweep, &cut);
	journal_unload(&journal);
	disk_free(cut.disk);
	return ok;
}

/* -- main ----------------------------------------------------------------------------------------
 */

static void sweep_make_dir(struct sweep *sweep)
{
	strcpy(sweep->dir, "/dev/shm/barnabas-power-XXXXXX");
	if (access("/dev/shm", W_OK) != 0)
		strcpy(sweep->dir, "/tmp/barnabas-power-XXXXXX");
	if (mkdtemp(sweep->dir) == NULL)
		sweep_die(sweep->dir);
}

static bool sweep_new(struct sweep *sweep, size_t cuts)
{
	bool ok;

	sweep_make_dir(sweep);
	rnd_init_seed(&sweep->rnd, sweep->seed);
	ok = sweep_run(sweep) && sweep_all(sweep, cuts);
	if (ok)
		sweep_remove(sweep, ".");
	else
		fprintf(stderr, "sweep: FAILED with seed %llu; kept is %s\n",
			(unsigned long long)sweep->seed, sweep->dir);
	return ok;
}

int main(int argc, char **argv)
{
	struct sweep sweep = {.facts = mmap(NULL, sizeof(struct facts), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	size_t cuts = DEFAULT_CUTS;
	struct rnd rnd;

	rnd_init_random(&rnd);
	sweep.seed = rnd_below(&rnd, 1000000000);
	log_set_level(LOG_LEVEL_ERROR);
	if (argc == 6 && strcmp(argv[1], "--replay") == 0) {
		snprintf(sweep.dir, sizeof(sweep.dir), "%s", argv[2]);
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
