/*
 * The log directories at start: locked, told apart by their meta.properties, formatted where they
 * are new. Owned by the broker.
 *
 * All new: all are formatted. A new one beside others is formatted, too (Apache Kafka wants
 * `kafka-storage format --ignore-formatted` for that), but only when the metadata knows no
 * partition in a directory that is missing: else this is the empty mount point of a disk that did
 * not come up, and its partitions would start anew, empty. A new one where the metadata log should
 * be, beside others, is refused as well. What Kafka refuses is refused: an id twice, another
 * cluster's or node's directory, a metadata log in the wrong one.
 */
#ifndef MAIN_DIRS_H
#define MAIN_DIRS_H

#include "meta/config.h"
#include "meta/datadir.h"
#include "meta/image.h"
#include "store/logdirs.h"

/* Read-only outside. */
struct dirs {
	const struct config *config;
	const struct clock *clock;
	struct logdirs *all;	 /* of log.dirs */
	struct logdir *metadata; /* where the metadata log is: one of them, or own */
	struct logdir *own;	 /* metadata.log.dir, when it is none of log.dirs; else NULL */
	struct datadir datadir;	 /* of the metadata log's directory */
	bool *fresh;		 /* of all: not formatted yet, but has its id */
	struct uuid *online;	 /* see dirs_online, dirs_cordoned */
	struct uuid *cordoned;
};

/*
 * Opens and identifies them, and takes the marks of the last stop. Every error has been logged;
 * dirs_close also after one. A directory that cannot be used has failed and is left out.
 */
enum err dirs_open(struct dirs *dirs, const struct config *config,
		   const struct clock *clock) must_check;
void dirs_close(struct dirs *dirs);

/*
 * ctx is the dirs: formats what is new, if the metadata allows it. For controller_options.on_read.
 */
enum err dirs_on_read(void *ctx, const struct image *img) must_check;

/* The ids of those that have not failed, in the order of Java's Uuid, as Kafka registers them. */
const struct uuid *dirs_online(struct dirs *dirs, size_t *len);

/*
 * Marks those that cordoned.log.dirs names now, or all for "*". The answer is whether anything
 * changed; dirs_cordoned has their ids, in the same order, until the next call.
 */
bool dirs_cordon(struct dirs *dirs, const struct image *img);
const struct uuid *dirs_cordoned(struct dirs *dirs, size_t *len);

/* Without the metadata log, or without any other, the broker cannot go on. */
bool dirs_are_lost(const struct dirs *dirs);

#endif
