/* A clock of what is paid for, which runs ahead of the real one when more is used than allowed. */
#include "partition/throttle.h"

#include "base/must.h"

#define SECOND_US 1e6
/* Of one use: so that no sum overflows, however small the rate. */
#define WAIT_US_MAX (3600 * 1e6)

void throttle_init(struct throttle *throttle)
{
	*throttle = (struct throttle){.bytes_per_second = 0};
	must(pthread_mutex_init(&throttle->lock, NULL) == 0);
}

void throttle_fini(struct throttle *throttle)
{
	pthread_mutex_destroy(&throttle->lock);
}

void throttle_set(struct throttle *throttle, double bytes_per_second)
{
	pthread_mutex_lock(&throttle->lock);
	throttle->bytes_per_second = bytes_per_second;
	pthread_mutex_unlock(&throttle->lock);
}

int64_t throttle_use(struct throttle *throttle, size_t bytes, int64_t now_us)
{
	double cost_us = 0;
	int64_t wait_us;

	pthread_mutex_lock(&throttle->lock);
	if (throttle->bytes_per_second > 0)
		cost_us = (double)bytes / throttle->bytes_per_second * SECOND_US;
	if (throttle->free_at_us < now_us)
		throttle->free_at_us = now_us;
	throttle->free_at_us += (int64_t)(cost_us < WAIT_US_MAX ? cost_us : WAIT_US_MAX);
	wait_us = throttle->free_at_us - now_us;
	pthread_mutex_unlock(&throttle->lock);
	return wait_us;
}
