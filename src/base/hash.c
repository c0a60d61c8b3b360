/* The seeded hash behind every table. */
#include "base/hash.h"

#include <pthread.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/rnd.h"

/* Written once, before any thread reads it; no more state than a constant made at start. */
static uint64_t hash_seed;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_make_seed(void)
{
	struct rnd rnd;

	rnd_init_random(&rnd);
	hash_seed = rnd_next(&rnd);
}

uint64_t hash_bytes(const void *data, size_t len_bytes)
{
	pthread_once(&hash_once, hash_make_seed);
	return XXH3_64bits_withSeed(data, len_bytes, hash_seed);
}
