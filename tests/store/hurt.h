/* Ways to damage a file's content, for the tests of damage. */
#ifndef TESTS_STORE_HURT_H
#define TESTS_STORE_HURT_H

#include <string.h>

#include "base/rnd.h"

#define HURT_GROWTH_MAX 6000 /* by so much the content may grow */
#define HURT_RUN_MAX	300
#define HURT_GONE	(-1)

static const char *const hurt_kinds[] = {"bits",	 "bits",	 "noise", "zeros", "cut",
					 "zeros behind", "noise behind", "mixed", "empty", "gone"};
#define HURT_KINDS (sizeof(hurt_kinds) / sizeof(hurt_kinds[0]))

static inline void hurt_noise(struct rnd *rnd, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)rnd_next(rnd);
}

static inline void hurt_bits(struct rnd *rnd, uint8_t *data, size_t len)
{
	for (uint64_t bits = 1 + rnd_below(rnd, 3); bits > 0 && len > 0; bits--)
		data[rnd_below(rnd, len)] ^= (uint8_t)(1u << rnd_below(rnd, 8));
}

/*
 * Damages `data`, which has room for HURT_GROWTH_MAX more; its new length, HURT_GONE: the file is
 * to go. `other` is another file's content, for a file system that mixes blocks up.
 */
static inline long hurt(struct rnd *rnd, uint8_t *data, size_t len, struct bytes other, size_t kind)
{
	size_t at = len > 0 ? rnd_below(rnd, len) : 0, run = len > 0 ? rnd_below(rnd, len - at) : 0;
	size_t grow = 1 + rnd_below(rnd, HURT_GROWTH_MAX);

	run = run > HURT_RUN_MAX ? HURT_RUN_MAX : run;
	switch (kind) {
	case 0:
	case 1:
		hurt_bits(rnd, data, len);
		break;
	case 2:
		hurt_noise(rnd, data + at, run);
		break;
	case 3:
		memset(data + at, 0, run);
		break;
	case 4:
		return (long)at;
	case 5:
		memset(data + len, 0, grow);
		return (long)(len + grow);
	case 6:
		hurt_noise(rnd, data + len, grow);
		return (long)(len + grow);
	case 7:
		memcpy(data + at, other.ptr, run < other.len ? run : other.len);
		break;
	case 8:
		return 0;
	default:
		return HURT_GONE;
	}
	return (long)len;
}

#endif
