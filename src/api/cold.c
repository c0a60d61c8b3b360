/* The turn of those who read from the disk, a queue for each loop. */
#include "api/cold.h"

static void cold_read(struct job *job)
{
	struct cold *cold = container_of(job, struct cold, job);

	cold->read(cold);
}

static void cold_done(struct job *job);

static void cold_start(struct api_loop *al, struct cold *cold)
{
	al->cold_running++;
	cold->job = (struct job){.home = al->loop, .run = cold_read, .done = cold_done};
	worker_submit(al->api->workers, &cold->job);
}

static void cold_next(struct api_loop *al)
{
	struct cold *cold;

	while (al->cold_running < al->api->cold_max && (cold = STAILQ_FIRST(&al->cold)) != NULL) {
		STAILQ_REMOVE_HEAD(&al->cold, link);
		if (cold->req->abandoned)
			cold->finish(cold);
		else
			cold_start(al, cold);
	}
}

static void cold_done(struct job *job)
{
	struct cold *cold = container_of(job, struct cold, job);
	struct api_loop *al = cold->al;

	al->cold_running--;
	cold->finish(cold);
	cold_next(al);
}

void cold_submit(struct cold *cold)
{
	struct api_loop *al = cold->al;

	must(loop_is_mine(al->loop));
	STAILQ_INSERT_TAIL(&al->cold, cold, link);
	cold_next(al);
}
