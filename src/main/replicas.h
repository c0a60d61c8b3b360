/*
 * The running partitions of this broker: opened and repaired at start, made and removed as the
 * controller says, given the settings of their topics. Control loop only, but for replicas_open.
 */
#ifndef MAIN_REPLICAS_H
#define MAIN_REPLICAS_H

#include "meta/config.h"
#include "meta/controller.h"
#include "partition/checkpointer.h"
#include "partition/cleaner.h"
#include "partition/partition.h"
#include "partition/retention.h"

struct coord;
struct replicas;

struct replicas_options {
	const struct clock *clock;
	const struct config *config;
	struct worker_pool *workers;
	struct logdirs *dirs;
	struct flusher *flusher;
	struct checkpointer *checkpointer;
	struct retention *retention;
	struct cleaner *cleaner;
	struct trash *trash;
	/* Settings of brokers were changed. */
	void (*on_broker_config)(void *ctx, const struct image *img);
	/* The metadata log failed: nothing can be changed any more. */
	void (*on_failed)(void *ctx, enum err err);
	void *ctx;
};

/* The options are copied, what they point to is borrowed. */
struct replicas *replicas_new(const struct replicas_options *options) must_check;
void replicas_free(struct replicas *replicas);
/* Told of elections of the coordinators' partitions from then on. */
void replicas_set_coord(struct replicas *replicas, struct coord *coord);

/*
 * Opens every partition directory on all workers at once, and waits. What the metadata then claims
 * is handed out by on_partition_new; what is left is set aside by replicas_set_strays_aside. An
 * error of one partition leaves that one out, with a log line, or its log directory, if that is to
 * blame. The answer is an error (logged) when a partition is in two directories, or no directory is
 * left.
 */
enum err replicas_open(struct replicas *replicas) must_check;
void replicas_set_strays_aside(struct replicas *replicas);

/* A log directory has failed: who waits for its partitions looks again, and finds that out. */
void replicas_dir_failed(struct replicas *replicas, const struct logdir *logdir);

/* ctx is the replicas. */
struct controller_hooks replicas_hooks(struct replicas *replicas);

/*
 * The loops have ended: partitions are closed by the checkpointer, releases are nothing any more.
 */
void replicas_end(struct replicas *replicas);

#endif
