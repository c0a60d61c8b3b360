/*
 * Full disks. Below a floor of free space (log.dirs.min.free.bytes) producers are refused, with an
 * error that makes them try again, while everything that frees space or needs little goes on:
 * fetches, deletions, offset commits, metadata; the floor is their reserve. Over a budget for all
 * records (log.dirs.max.bytes) the oldest segments are dropped first, of whatever topic has
 * cleanup.policy=delete, and when there is none left, producers are refused, too.
 *
 * Lives on the control loop; a worker looks. It looks when as much has been written as was found
 * free to be (struct room), and each second while producers are refused; else never.
 */
#ifndef PARTITION_SPACE_H
#define PARTITION_SPACE_H

#include "partition/retention.h"
#include "store/logdirs.h"
#include "store/trash.h"

struct space;

struct space_options {
	struct loop *control;
	struct worker_pool *workers;
	struct logdirs *dirs;
	struct retention *retention; /* whose partitions are asked */
	struct trash *trash;	     /* emptied without delay while a disk is full */
	int64_t min_free_bytes;	     /* -1: a hundredth of the file system, at most 64 MiB */
	int64_t max_bytes;	     /* -1: no budget */
};

struct space *space_new(const struct space_options *options) must_check;
/* Nothing new is begun from now on. */
void space_stop(struct space *space);
/* After the loops have ended, with no job under way and the control loop's mail delivered. */
void space_free(struct space *space);
/* Looks now: at start. */
void space_look(struct space *space);

struct space_counts {
	uint64_t looks, segs, bytes; /* what the budget dropped */
	size_t full;		     /* directories that refuse producers now */
};
struct space_counts space_counts(const struct space *space);

#endif
