/*
 * Flushing by time: flush.ms after a partition's first unflushed append its log is synced by a worker.
 *
 * The flusher lives on the control loop. A partition tells it once, by its own mail, that it is dirty;
 * one timer is armed while anything is, none otherwise. Partitions that are due together are synced
 * together: each with its own fdatasync, or, when there are many, with one syncfs for the file system
 * (whose error then counts for all of them).
 */
#ifndef PARTITION_FLUSH_H
#define PARTITION_FLUSH_H

#include "base/loop.h"
#include "base/worker.h"

struct flusher;

/* dir: a directory on the logs' file system, for syncfs; copied. */
struct flusher *flusher_new(struct loop *control, struct worker_pool *workers, const char *dir);
/* After the loops have ended and every partition is closed. */
void flusher_free(struct flusher *flusher);

#endif
