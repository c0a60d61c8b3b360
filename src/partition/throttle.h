/*
 * A rate that several threads share: each says what it used and is told how long to wait.
 */
#ifndef PARTITION_THROTTLE_H
#define PARTITION_THROTTLE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct throttle {
	pthread_mutex_t lock;
	double bytes_per_second; /* under lock */
	int64_t free_at_us;	 /* under lock: when what was used is paid for */
};

void throttle_init(struct throttle *throttle);
void throttle_fini(struct throttle *throttle);
void throttle_set(struct throttle *throttle, double bytes_per_second);
/* So many bytes were used; for how many microseconds to do nothing. */
int64_t throttle_use(struct throttle *throttle, size_t bytes, int64_t now_us);

#endif
