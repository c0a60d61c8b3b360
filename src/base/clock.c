/* The real clocks, and one for tests that stands still until told. */
#include "base/clock.h"

#include <time.h>

#include "base/must.h"

static int64_t clock_read_us(clockid_t id)
{
	struct timespec now;

	must(clock_gettime(id, &now) == 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t clock_real_wall_ms(const struct clock *clock)
{
	return clock_read_us(CLOCK_REALTIME) / 1000;
}

static int64_t clock_real_mono_us(const struct clock *clock)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

const struct clock clock_real = {clock_real_wall_ms, clock_real_mono_us};

static int64_t clock_fake_wall(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->wall_ms;
}

static int64_t clock_fake_mono(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->mono_us;
}

void clock_fake_init(struct clock_fake *fake, int64_t wall_ms)
{
	*fake = (struct clock_fake){.clock = {clock_fake_wall, clock_fake_mono},
				    .wall_ms = wall_ms,
				    .mono_us = 1000000};
}

void clock_fake_advance(struct clock_fake *fake, int64_t ms)
{
	must(ms >= 0);
	fake->wall_ms += ms;
	fake->mono_us += ms * 1000;
}
