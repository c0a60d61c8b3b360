/*
 * The log directories of this broker (log.dirs) as one set, in the order of the settings; its owner
 * is main/broker.c.
 *
 * A directory is online until it has failed, and then offline for good: what an unusable disk said
 * once is not asked again, and above all no fsync is tried again as if nothing had happened. The
 * others serve on. The state is read from any thread (logdir_failed); who sees a write or a sync
 * fail says so (logdir_fail), and the watcher is told once, on its own loop.
 */
#ifndef STORE_LOGDIRS_H
#define STORE_LOGDIRS_H

#include "store/logdir.h"

/* Read-only outside. */
struct logdirs {
	struct logdir **at; /* also those that were unusable at start, and have failed */
	size_t len;
};

/*
 * Opens each, see logdir_open; what cannot be used is in the set as failed, with a log line. An
 * error: one is another process's (ERR_LOCKED), named twice, or not one can be used; logged.
 */
enum err logdirs_open(struct logdirs **out, const char *const *paths, size_t paths_len) must_check;
void logdirs_close(struct logdirs *dirs);

/* How many have not failed. */
size_t logdirs_online(const struct logdirs *dirs);
/* By path as in the settings, and by directory.id; NULL when there is none. */
struct logdir *logdirs_by_path(const struct logdirs *dirs, struct str path);
struct logdir *logdirs_by_id(const struct logdirs *dirs, struct uuid id);

/* Reads and removes the marks of the last stop in all; a directory where that fails has failed. */
void logdirs_take_clean_marks(struct logdirs *dirs);
/* Writes them where nothing has failed. An error of one: that one has failed then. */
enum err logdirs_put_clean_marks(struct logdirs *dirs, int64_t broker_epoch) must_check;
/*
 * The broker epoch that the marks agree on, as Apache Kafka reads it: -1 when one directory had no
 * mark, another's epoch, or has failed.
 */
int64_t logdirs_broker_epoch(const struct logdirs *dirs);

/*
 * From now on failures are told: on_failed runs on `loop`, once for each directory that fails, also
 * for one that failed between logdirs_open and this call, but not for those that were unusable in
 * logdirs_open itself.
 */
void logdirs_watch(struct logdirs *dirs, struct loop *loop,
		   void (*on_failed)(void *ctx, struct logdir *logdir), void *ctx);

#endif
