/* Time, replaceable in tests. Wall time stamps records; monotonic time measures and waits. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*wall_ms)(const struct clock *clock);
	int64_t (*mono_us)(const struct clock *clock);
};

extern const struct clock clock_real;

/* A clock that moves only when told: for tests. */
struct clock_fake {
	struct clock clock; /* first, so that &fake.clock is a clock */
	int64_t wall_ms, mono_us;
};
void clock_fake_init(struct clock_fake *fake, int64_t wall_ms);
void clock_fake_advance(struct clock_fake *fake, int64_t ms);

static inline int64_t clock_wall_ms(const struct clock *clock)
{
	return clock->wall_ms(clock);
}
static inline int64_t clock_mono_us(const struct clock *clock)
{
	return clock->mono_us(clock);
}
static inline int64_t clock_mono_ms(const struct clock *clock)
{
	return clock->mono_us(clock) / 1000;
}

/* How long ago that was; a moment that came from a file or a peer may be any number. */
static inline int64_t clock_age_ms(int64_t now_ms, int64_t then_ms)
{
	int64_t age_ms;

	if (__builtin_sub_overflow(now_ms, then_ms, &age_ms))
		return then_ms < 0 ? INT64_MAX : INT64_MIN;
	return age_ms;
}

#endif
