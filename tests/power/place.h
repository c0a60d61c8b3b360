/* Where a run keeps its files, and the processes that it waits for. */
#ifndef TESTS_POWER_PLACE_H
#define TESTS_POWER_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PLACE_PATH_BYTES    160
#define PLACE_CHILD_SECONDS 300 /* a child that hangs so long is killed, which is a failure */

struct place {
	char dir[64];
};

/* Of this run: what POWER_SEED says, else at random. --seed overrides it. */
uint64_t place_seed(void);
/* A new directory, in memory where there is such a place. */
void place_make(struct place *place);
void place_path(const struct place *place, char path[PLACE_PATH_BYTES], const char *name);
/* With all that is in it; "." is the place itself. */
void place_remove(const struct place *place, const char *name);
/* True when the child ended with 0. A signal that ended it is told. */
bool place_wait(pid_t pid);
__attribute__((noreturn)) void place_die(const char *what);

#endif
