/* The worker pool: one queue, one lock, a few threads. */
#include "base/worker.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/must.h"

#define WORKER_THREADS_MAX 64

struct worker_pool {
	pthread_mutex_t lock;
	pthread_cond_t more, idle;
	struct job *first, **last; /* under lock */
	bool stop;		   /* under lock */
	int running;		   /* under lock: jobs taken and not finished */
	int threads_len;
	pthread_t threads[WORKER_THREADS_MAX];
};

static struct job *worker_take(struct worker_pool *pool)
{
	struct job *job;

	pthread_mutex_lock(&pool->lock);
	while (pool->first == NULL && !pool->stop)
		pthread_cond_wait(&pool->more, &pool->lock);
	job = pool->first;
	if (job != NULL) {
		pool->first = job->next;
		if (pool->first == NULL)
			pool->last = &pool->first;
		pool->running++;
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void worker_finished(struct worker_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	if (--pool->running == 0 && pool->first == NULL)
		pthread_cond_broadcast(&pool->idle);
	pthread_mutex_unlock(&pool->lock);
}

static void worker_deliver(struct mail *mail)
{
	struct job *job = container_of(mail, struct job, mail);
	job->done(job);
}

static void *worker_main(void *arg)
{
	struct worker_pool *pool = arg;
	struct job *job;

	while ((job = worker_take(pool)) != NULL) {
		/* run() may end the job's life when it has no home. */
		struct loop *home = job->home;
		job->run(job);
		if (home != NULL)
			loop_post(home, &job->mail);
		worker_finished(pool);
	}
	return NULL;
}

struct worker_pool *worker_pool_new(int threads)
{
	struct worker_pool *pool = calloc(1, sizeof(*pool));

	must(pool != NULL);
	must(threads > 0);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	pthread_cond_init(&pool->idle, NULL);
	pool->last = &pool->first;
	if (threads > WORKER_THREADS_MAX)
		threads = WORKER_THREADS_MAX;
	for (; pool->threads_len < threads; pool->threads_len++)
		if (pthread_create(&pool->threads[pool->threads_len], NULL, worker_main, pool) != 0)
			break;
	must(pool->threads_len > 0);
	return pool;
}

void worker_pool_drain(struct worker_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->first != NULL || pool->running > 0)
		pthread_cond_wait(&pool->idle, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

void worker_pool_free(struct worker_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (int i = 0; i < pool->threads_len; i++)
		must(pthread_join(pool->threads[i], NULL) == 0);
	must(pool->first == NULL);
	pthread_cond_destroy(&pool->more);
	pthread_cond_destroy(&pool->idle);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

void worker_submit(struct worker_pool *pool, struct job *job)
{
	must(job->run != NULL);
	must(job->home == NULL || job->done != NULL);
	job->mail = (struct mail){.deliver = worker_deliver};
	job->next = NULL;
	pthread_mutex_lock(&pool->lock);
	must(!pool->stop || pool->threads_len > 0);
	*pool->last = job;
	pool->last = &job->next;
	pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
}
