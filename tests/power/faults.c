/*
 * Makes file calls fail, one of them or all from one on for a second, and asks whether the broker
 *lied.
 *
 *	faults [--seed N] [--rounds N]     N faults at random places
 *	faults --replay SEED-OF-ROUND      one round again, as near as threads allow
 *
 * Each round puts a broker without sockets through the scenario while a call fails: with an error
 * that such a call may have, or as a short write. Requests may be refused then, but each must be
 * answered, and the process must live. Then the files are well again: after a full disk, a want of
 * descriptors or memory the broker must go on by itself; after a failed sync or EIO it may be
 * offline until it is started again. At last it is killed, or the power cut, and what it has
 * acknowledged must be there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rnd.h"
#include "tests/power/ask.h"
#include "tests/power/check.h"
#include "tests/power/disk.h"
#include "tests/power/journal_read.h"
#include "tests/power/place.h"
#include "tests/power/scenario.h"
#include "tests/power/shim.h"

#define DEFAULT_ROUNDS 30
#define CALLS_MAX      700 /* about as many as the scenario makes */
#define AGAIN_MS       500 /* a coordinator that is offline is not waited for longer */
#define LASTS_MS       1000
#define WELL_MS	       30000

enum fault_kind {
	FAULT_IO,	   /* EIO */
	FAULT_SPACE,	   /* ENOSPC */
	FAULT_FILES,	   /* EMFILE */
	FAULT_SYSTEM,	   /* ENFILE */
	FAULT_MEMORY,	   /* ENOMEM */
	FAULT_SHORT,	   /* half of a write is done, and the rest may be done by the next call */
	FAULT_SHORT_SPACE, /* half of it, then there is no space */
	FAULT_KINDS
};
static const char *const fault_names[] = {
    "EIO", "ENOSPC", "EMFILE", "ENFILE", "ENOMEM", "short write", "short write, then ENOSPC"};

/* One round's fault, under fault_lock while the broker's threads run. */
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault {
	enum fault_kind kind;
	long at; /* the number of the call */
	bool on; /* and all after it, for a second */
	int64_t until_ms;
	bool well;
	long calls, struck;
	bool struck_sync;
	char what[40];
} fault;

static bool fault_is(const char *call, const char *const *list)
{
	while (*list != NULL && strcmp(*list, call) != 0)
		list++;
	return *list != NULL;
}

/* The errno that such a call may fail with, or 0. */
static int fault_errno(const char *call, bool may_be_short)
{
	static const char *const takes_space[] = {"pwritev",   "mkdir", "rename",
						  "fdatasync", "fsync", NULL};
	static const char *const takes_files[] = {"open", "opendir", NULL};

	switch (fault.kind) {
	case FAULT_IO:
		return EIO;
	case FAULT_SPACE:
		return fault_is(call, takes_space) ? ENOSPC : 0;
	case FAULT_FILES:
		return fault_is(call, takes_files) ? EMFILE : 0;
	case FAULT_SYSTEM:
		return fault_is(call, takes_files) ? ENFILE : 0;
	case FAULT_MEMORY:
		return ENOMEM;
	case FAULT_SHORT:
		return 0;
	default:
		return may_be_short ? 0 : ENOSPC;
	}
}

static int fault_strike_locked(const char *call, size_t *len_bytes)
{
	bool is_short = fault.kind >= FAULT_SHORT && strcmp(call, "pwritev") == 0;
	int code;

	if (fault.struck > 0 && clock_mono_ms(&clock_real) > fault.until_ms)
		fault.well = true;
	if (fault.well || ++fault.calls < fault.at ||
	    (fault.struck > 0 && !fault.on &&
	     !(fault.kind == FAULT_SHORT_SPACE && fault.struck == 1)))
		return 0;
	if (fault.kind >= FAULT_SHORT && !is_short)
		return 0;
	code = fault_errno(call, fault.struck == 0);
	if (code == 0 && !(is_short && *len_bytes > 1))
		return 0;
	if (fault.struck++ == 0) {
		fault.until_ms = clock_mono_ms(&clock_real) + LASTS_MS;
		snprintf(fault.what, sizeof(fault.what), "%s", call);
	}
	fault.struck_sync = fault.struck_sync || strcmp(call, "fdatasync") == 0 ||
			    strcmp(call, "fsync") == 0 || strcmp(call, "syncfs") == 0;
	if (code == 0)
		*len_bytes /= 2;
	return code;
}

static int fault_strike(const char *call, const char *path, size_t *len_bytes)
{
	int code;

	(void)path;
	pthread_mutex_lock(&fault_lock);
	code = fault_strike_locked(call, len_bytes);
	pthread_mutex_unlock(&fault_lock);
	return code;
}

/* What it has come to; `well`: and it is over. */
static struct fault fault_look(bool well)
{
	struct fault copy;

	pthread_mutex_lock(&fault_lock);
	fault.well = fault.well || well;
	copy = fault;
	pthread_mutex_unlock(&fault_lock);
	return copy;
}

/* -- a round ------------------------------------------------------------------------------- */

struct faults {
	struct place place;
	struct facts *facts; /* shared with the children */
	struct fault *told;  /* and what the round's fault has done */
};

static bool fault_passes(const struct fault *done)
{
	return done->kind != FAULT_IO && !done->struck_sync;
}

/* The disk has space again: every partition must take records without a restart. */
static void faults_go_on(struct scenario *scenario)
{
	int64_t end_ms = clock_mono_ms(&clock_real) + WELL_MS;

	for (int topic = 0; topic < TOPICS; topic++)
		for (int i = 0; i < facts_partitions[topic]; i++) {
			int code = -1;

			if (!scenario->facts->topics[topic].created ||
			    scenario->facts->topics[topic].delete_asked)
				continue;
			/* 6: it could not be made when its topic was, and is at the next start. */
			while (code != 0 && code != 6 && clock_mono_ms(&clock_real) < end_ms)
				code = scenario_produce(scenario, topic, i);
			if (code != 0 && code != 6)
				scenario_fail("%s-%d: %d, and the files are well again",
					      facts_topics[topic], i, code);
		}
}

__attribute__((noreturn)) static void faults_live(struct faults *faults, uint64_t seed)
{
	struct scenario scenario = {.facts = faults->facts, .faulty = true};
	char journal[PLACE_PATH_BYTES], root[PLACE_PATH_BYTES], data[PLACE_PATH_BYTES];
	enum err err;

	alarm(PLACE_CHILD_SECONDS);
	place_path(&faults->place, journal, "journal");
	place_path(&faults->place, root, "run");
	place_path(&faults->place, data, "run/d");
	rnd_init_seed(&scenario.rnd, seed);
	ask_again_ms = AGAIN_MS;
	shim_begin(journal, root);
	shim_set_fault(fault_strike);
	err = whole_open_dir(&scenario.whole, data, scenario_settings);
	*faults->told = fault_look(false);
	if (err == ERR_OK)
		scenario_live(&scenario, 0);
	*faults->told = fault_look(true);
	if (err == ERR_OK && fault_passes(faults->told) && faults->told->struck > 0 &&
	    !broker_is_over(scenario.whole.broker))
		faults_go_on(&scenario);
	if (err != ERR_OK && faults->told->struck == 0)
		scenario_fail("it does not open: %s", err_text(err));
	_exit(0);
}

__attribute__((noreturn)) static void faults_check(struct faults *faults, enum disk_loss loss,
						   uint64_t seed)
{
	char data[PLACE_PATH_BYTES];

	alarm(PLACE_CHILD_SECONDS);
	place_path(&faults->place, data, "cut/d");
	check_dir(data, faults->facts, loss, seed);
	_exit(0);
}

static void faults_cut(struct faults *faults, enum disk_loss loss, uint64_t seed)
{
	struct disk *disk = disk_new(NULL);
	char path[PLACE_PATH_BYTES];
	struct journal journal;

	place_path(&faults->place, path, "journal");
	journal_load(&journal, path);
	for (size_t i = 0; i < journal.events_len; i++)
		disk_apply(disk, journal.events[i]);
	place_path(&faults->place, path, "cut");
	disk_write(disk, path, loss, seed, NULL);
	disk_free(disk);
	journal_unload(&journal);
}

static bool faults_round(struct faults *faults, uint64_t seed)
{
	char path[PLACE_PATH_BYTES];
	enum disk_loss loss;
	struct rnd rnd;
	pid_t pid;
	bool ok;

	rnd_init_seed(&rnd, seed);
	fault = (struct fault){.kind = (enum fault_kind)rnd_below(&rnd, FAULT_KINDS),
			       .at = 1 + (long)rnd_below(&rnd, CALLS_MAX),
			       .on = rnd_below(&rnd, 2) == 0};
	loss = (enum disk_loss)rnd_below(&rnd, 3);
	facts_init(faults->facts);
	place_path(&faults->place, path, "run");
	if (mkdir(path, 0755) != 0)
		place_die(path);
	pid = fork();
	if (pid == 0)
		faults_live(faults, seed);
	ok = place_wait(pid);
	if (ok) {
		faults_cut(faults, loss, rnd_next(&rnd));
		pid = fork();
		if (pid == 0)
			faults_check(faults, loss, seed);
		ok = place_wait(pid);
	}
	if (!ok)
		fprintf(stderr, "  %s%s at call %ld (%s), loss %d, seed of the round %llu\n",
			fault_names[fault.kind], fault.on ? " from here on" : "", fault.at,
			faults->told->what, loss, (unsigned long long)seed);
	place_remove(&faults->place, "run");
	place_remove(&faults->place, "cut");
	place_remove(&faults->place, "journal");
	return ok;
}

int main(int argc, char **argv)
{
	struct faults faults = {0};
	uint64_t seed, rounds = DEFAULT_ROUNDS;
	long struck = 0;
	struct rnd rnd;
	bool ok = true;

	faults.facts = mmap(NULL, sizeof(struct facts), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	faults.told = mmap(NULL, sizeof(struct fault), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	seed = place_seed();
	place_make(&faults.place);
	log_set_level(LOG_LEVEL_ERROR);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--replay") == 0) {
			ok = faults_round(&faults, strtoull(argv[i + 1], NULL, 10));
			rounds = 0;
		}
	}
	printf("faults: seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	rnd_init_seed(&rnd, seed);
	for (uint64_t i = 0; i < rounds && ok; i++) {
		ok = faults_round(&faults, rnd_next(&rnd));
		struck += faults.told->struck > 0;
	}
	place_remove(&faults.place, ".");
	if (ok)
		printf("faults: %llu rounds, a fault struck in %ld\n", (unsigned long long)rounds,
		       struck);
	return ok ? 0 : 1;
}
