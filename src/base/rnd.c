/* splitmix64: small, seedable and good enough for everything here but secrets. */
#include "base/rnd.h"

#include <errno.h>
#include <sys/random.h>

static void rnd_kernel(void *buf, size_t len_bytes)
{
	/* Up to 256 bytes getrandom is never short; early in boot it may be interrupted. */
	must(len_bytes <= 256);
	for (;;) {
		ssize_t got = getrandom(buf, len_bytes, 0);
		if (got == (ssize_t)len_bytes)
			return;
		must(got < 0 && errno == EINTR);
	}
}

void rnd_init_random(struct rnd *rnd)
{
	rnd_kernel(&rnd->state, sizeof(rnd->state));
}

void rnd_init_seed(struct rnd *rnd, uint64_t seed)
{
	rnd->state = seed;
}

uint64_t rnd_next(struct rnd *rnd)
{
	uint64_t z = rnd->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t rnd_below(struct rnd *rnd, uint64_t bound)
{
	must(bound > 0);
	/*
	 * The high half of a 128-bit product: no division, and a bias below 2^-32 for our bounds.
	 */
	return (uint64_t)((unsigned __int128)rnd_next(rnd) * bound >> 64);
}

struct uuid rnd_uuid(struct rnd *rnd)
{
	struct uuid id;
	char text[UUID_TEXT_LEN + 1];

	do {
		id = uuid_of(rnd_next(rnd), rnd_next(rnd));
		id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
		id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
		uuid_text(id, text);
	} while (text[0] == '-');
	return id;
}
