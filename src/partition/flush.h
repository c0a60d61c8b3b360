/*
 * Flushing by time: flush.ms after a partition's first unflushed append its log is synced by a
 * worker.
 *
 * The flusher lives on the control loop. A partition tells it once, by its own mail, that it is
 * dirty; one timer is armed while anything is, none otherwise.
 */
#ifndef PARTITION_FLUSH_H
#define PARTITION_FLUSH_H

#include "base/worker.h"
#include "store/logdirs.h"

struct flusher;

/* dirs: where all partitions are; NULL never sweeps. on_dirty: told on the control loop whenever
 * a partition has become dirty; may be NULL. */
struct flusher *flusher_new(struct loop *control, struct worker_pool *workers,
			    const struct logdirs *dirs, void (*on_dirty)(void *ctx),
			    void *ctx) must_check;
/* After the loops have ended, before partition_close: lets go of the partitions that it knows. */
void flusher_free(struct flusher *flusher);

#endif
