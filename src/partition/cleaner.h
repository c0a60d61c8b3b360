/*
 * The log cleaner: which compacted partition is cleaned, and when.
 *
 * Lives on the control loop. A partition tells it by its own mail that something was appended; it
 * looks at it log.cleaner.backoff.ms later: a worker finds out how dirty it is (clean_range.h), and
 * the dirtiest of those that are due are cleaned first, on log.cleaner.threads threads of its own,
 * which may take long and sleep to keep a rate. Partitions that nothing was appended to, and that
 * no lag will make due, are not looked at; without any there is no timer.
 *
 * Before it cleans, the checkpoints are written: cleaning goes no further than a recovery point
 * that is on disk. Up to where each log is clean is in cleaner-offset-checkpoint of its directory.
 */
#ifndef PARTITION_CLEANER_H
#define PARTITION_CLEANER_H

#include "partition/checkpointer.h"
#include "partition/partition.h"

struct cleaner;

/* The log.cleaner.* settings, as they are now. */
struct cleaner_settings {
	bool enable;
	int threads;
	int64_t backoff_ms;
	size_t dedupe_bytes, io_bytes; /* for all threads together */
	double load;		       /* how full the map of keys may become */
	double bytes_per_second;
};

struct cleaner_options {
	struct loop *control;
	struct worker_pool *workers; /* for what is short */
	struct checkpointer *checkpointer;
	struct logdirs *dirs;
	const struct clock *clock;
	void (*settings)(void *ctx, struct cleaner_settings *settings);
	void *ctx;
};

struct cleaner *cleaner_new(const struct cleaner_options *options) must_check;
/* After the loops have ended, stopped and not busy. */
void cleaner_free(struct cleaner *cleaner);

/* `created`: it is new, and what a checkpoint says of its name was another's. */
void cleaner_add(struct cleaner *cleaner, struct partition *part, bool created);
void cleaner_remove(struct cleaner *cleaner, struct partition *part);
/* Its settings have changed. */
void cleaner_touch(struct cleaner *cleaner, struct partition *part);
/* And its own. */
void cleaner_settings_changed(struct cleaner *cleaner);
/* Looks now at all that has told something: for tests. */
void cleaner_check(struct cleaner *cleaner);

/* Waits until what is under way has given up, which is soon; nothing new is begun. */
void cleaner_stop(struct cleaner *cleaner);
/* Is anything under way or in the post? Its end comes by the workers and the control loop. */
bool cleaner_is_busy(const struct cleaner *cleaner);

struct cleaner_counts {
	uint64_t rounds, failed; /* logs cleaned; given up with an error */
	uint64_t read_bytes, kept_bytes, read_records, kept_records;
	uint64_t uncleanable; /* partitions that are not tried any more */
};
struct cleaner_counts cleaner_counts(const struct cleaner *cleaner);

#endif
