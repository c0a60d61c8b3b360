/* Randomness: from the kernel for ids and seeds, or from a seed, so that a test replays exactly. */
#ifndef BASE_RND_H
#define BASE_RND_H

#include "base/str.h"

struct rnd {
	uint64_t state;
};

void rnd_init_random(struct rnd *rnd); /* from getrandom(2) */
void rnd_init_seed(struct rnd *rnd, uint64_t seed);
uint64_t rnd_next(struct rnd *rnd);
/* In [0, bound); bound > 0. */
uint64_t rnd_below(struct rnd *rnd, uint64_t bound);
/* A random (version 4) id whose text does not begin with '-', as Kafka makes them. */
struct uuid rnd_uuid(struct rnd *rnd);

#endif
