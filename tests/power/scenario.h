/* What a broker is put through while its file calls are entered or made to fail. */
#ifndef TESTS_POWER_SCENARIO_H
#define TESTS_POWER_SCENARIO_H

#include "base/rnd.h"
#include "tests/api/whole.h"
#include "tests/power/facts.h"

struct scenario {
	struct whole whole;
	struct facts *facts; /* in memory that outlives this process */
	struct rnd rnd;
	bool faulty; /* calls are made to fail: errors are expected, lies are not */
	int failed;  /* requests that were */
};

/* Three lives, each of a process of its own: the first and the last end by a kill, which is the
 * caller's duty, the second by a clean stop. */
#define SCENARIO_LIVES 3
void scenario_live(struct scenario *scenario, int life);

extern const char *const scenario_settings[];
/* One batch more to a partition, or once more the one that was not acknowledged. Kafka's code. */
int scenario_produce(struct scenario *scenario, int topic, int partition);
/* Turns for so long. */
void scenario_idle(struct scenario *scenario, int64_t wait_ms);
/* The broker has broken a promise: says so and ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void scenario_fail(const char *format, ...);

#endif
