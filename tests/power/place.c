/* See place.h. */
#include "tests/power/place.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rnd.h"
#include "tests/memory.h"

void place_die(const char *what)
{
	perror(what);
	exit(1);
}

uint64_t place_seed(void)
{
	const char *text = getenv("POWER_SEED");
	struct rnd rnd;

	if (text != NULL)
		return strtoull(text, NULL, 10);
	rnd_init_random(&rnd);
	return rnd_below(&rnd, 1000000000);
}

void place_make(struct place *place)
{
	snprintf(place->dir, sizeof(place->dir), "%s/barnabas-power-XXXXXX", memory_dir());
	if (mkdtemp(place->dir) == NULL)
		place_die(place->dir);
}

void place_path(const struct place *place, char path[PLACE_PATH_BYTES], const char *name)
{
	snprintf(path, PLACE_PATH_BYTES, "%s/%s", place->dir, name);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void place_remove(const struct place *place, const char *name)
{
	char path[PLACE_PATH_BYTES];

	if (strcmp(name, ".") == 0)
		snprintf(path, sizeof(path), "%s", place->dir);
	else
		place_path(place, path, name);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool place_wait(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		place_die("fork");
	if (WIFSIGNALED(status))
		fprintf(stderr, "the broker ended with signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
