/*
 * One log directory (an entry of log.dirs): its lock, its mark of a clean stop, its checkpoints,
 * the partition directories in it. meta.properties is meta's.
 *
 * Order at start: logdir_open, logdir_take_clean_mark (before any write to any log), logdir_list,
 * then a plog_open each. At a clean stop: every plog_close, logdir_checkpoint, and last
 * logdir_put_clean_mark.
 *
 * All of them together are in logdirs.h.
 */
#ifndef STORE_LOGDIR_H
#define STORE_LOGDIR_H

#include "base/loop.h"
#include "store/checkpoint.h"
#include "store/room.h"

/* Read-only outside, but for id, which meta.properties gives. */
struct logdir {
	char *path;	      /* as in the settings */
	char *absolute;	      /* as Java makes it so: for DescribeLogDirs */
	struct uuid id;	      /* directory.id; zero while it is not known */
	int lock_fd;	      /* -1: it was unusable at start */
	bool clean;	      /* the mark was there: the last stop was clean */
	int64_t broker_epoch; /* of the last run, from the mark; -1 unknown */
	/* As found at start. */
	struct checkpoint recovery_points, log_starts, high_watermarks, cleaned;
	struct room room;      /* for producers */
	_Atomic bool cordoned; /* gets no new partitions (cordoned.log.dirs); set by main */
	/* private */
	_Atomic bool failed;
	_Atomic bool watched; /* the three below are set */
	struct loop *watcher;
	void (*on_failed)(void *ctx, struct logdir *logdir);
	void *ctx;
	_Atomic bool told;
	struct mail failed_mail;
};

/*
 * Makes the directory if it is not there (its parents must be), locks it as stock does, reads the
 * checkpoints. ERR_LOCKED when another process has it. Damaged checkpoints are a warning and count
 * as absent.
 */
enum err logdir_open(struct logdir **logdir, const char *path) must_check;
/* One that could not be opened, to keep its place in the set. NULL when memory is out. */
struct logdir *logdir_new_failed(const char *path) must_check;
/* Drops the lock. Leaves no mark. */
void logdir_close(struct logdir *logdir);

/* [any thread] Has it gone offline, for good? */
bool logdir_failed(const struct logdir *logdir);
/*
 * [any thread] A write or a sync in it failed, "cannot <doing>": offline from now on. The first
 * call logs it and tells the watcher.
 */
void logdir_fail(struct logdir *logdir, enum err err, const char *doing);
/* on_failed runs on `loop`, once. Before other threads know the directory. See logdirs_watch. */
void logdir_watch(struct logdir *logdir, struct loop *loop,
		  void (*on_failed)(void *ctx, struct logdir *logdir), void *ctx);

/* Reads and removes .kafka_cleanshutdown, and makes the removal durable. Fills clean and
 * broker_epoch. */
enum err logdir_take_clean_mark(struct logdir *logdir) must_check;
/* Writes it, durably. */
enum err logdir_put_clean_mark(struct logdir *logdir, int64_t broker_epoch) must_check;

enum logdir_kind {
	LOGDIR_PARTITION, /* <topic>-<n> */
	LOGDIR_DELETED,	  /* <topic>-<n>.<hex>-delete: to be removed */
	LOGDIR_FUTURE,	  /* <topic>-<n>.<hex>-future */
	LOGDIR_STRAY	  /* <topic>-<n>.<hex>-stray */
};

struct logdir_entry {
	char *name; /* of the directory */
	enum logdir_kind kind;
	struct str topic; /* points into name */
	int32_t partition;
};

/*
 * All partition directories, sorted by name; other names are left out. Free with logdir_list_free.
 */
enum err logdir_list(const struct logdir *logdir, struct logdir_entry **entries,
		     size_t *entries_len) must_check;
void logdir_list_free(struct logdir_entry *entries, size_t entries_len);
/* Takes a directory's name apart; false when it is none. */
bool logdir_parse_name(struct str name, enum logdir_kind *kind, struct str *topic,
		       int32_t *partition) must_check;

/* Frees what was read of the checkpoints, but not `cleaned`. */
void logdir_forget_offsets(struct logdir *logdir);

/* partition.metadata of a partition directory. ERR_NOFILE, ERR_BADFILE. */
enum err logdir_read_topic_id(const char *partition_dir, struct uuid *topic_id) must_check;

/* The three files, durably; each array may be NULL to leave its file alone. */
struct logdir_checkpoints {
	const struct checkpoint_entry *recovery_points, *log_starts, *high_watermarks;
	size_t recovery_points_len, log_starts_len, high_watermarks_len;
};
enum err logdir_checkpoint(struct logdir *logdir,
			   const struct logdir_checkpoints *checkpoints) must_check;

/* Makes the names of new and renamed partition directories durable. */
enum err logdir_sync(struct logdir *logdir) must_check;
/* syncfs: for many new or dirty files at once. Its errors count for all of them. */
enum err logdir_sync_all(struct logdir *logdir) must_check;

#endif
