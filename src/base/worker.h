/*
 * Worker threads for what may block: fdatasync, recovery, deletion, cold reads.
 *
 * A job is embedded in what it works on. run() is called on a worker; then done() is delivered on
 * home's mailbox (or nowhere when home is NULL: run() was the end, and the job may be gone by
 * then).
 */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include "base/loop.h"

struct worker_pool;

struct job {
	struct mail mail;	       /* private; first */
	struct job *next;	       /* private */
	struct loop *home;	       /* who gets done() */
	void (*run)(struct job *job);  /* on a worker */
	void (*done)(struct job *job); /* on home */
};

struct worker_pool *worker_pool_new(int threads) must_check;
/* Finishes every job that was submitted, then joins the threads. */
void worker_pool_free(struct worker_pool *pool);
/* Waits until no job is queued or running. Jobs' done() may still be in the post. */
void worker_pool_drain(struct worker_pool *pool);
/* Thread-safe; never blocks for long, never fails. */
void worker_submit(struct worker_pool *pool, struct job *job);

#endif
