/*
 * Going through batches that are on disk already: to rebuild producer state after a truncation or a
 * start, and to check and index what a kill left unflushed.
 */
#ifndef STORE_PLOG_REPLAY_H
#define STORE_PLOG_REPLAY_H

#include "store/plog_impl.h"

struct replay {
	struct plog *log;
	int64_t
	    producers_from; /* batches from this offset on are counted in with their producers */
	int64_t check_from; /* batches from this offset on have their CRC checked */
	int64_t index_from; /* batches from this offset on go into the indexes */
	int64_t upto;	    /* batches from this offset on are not looked at */
	/* out */
	int64_t next_offset; /* behind the last good batch; set to a lower bound before */
	uint32_t pos;	     /* where that batch ends in its segment */
	uint32_t last_pos;   /* where it begins; `pos` when there was none */
	int64_t last_base;   /* its base offset, when there was one */
	uint64_t checked_bytes;
	int64_t told_ms; /* when the log line of a long scan was written, monotonic; 0: none yet */
};

/*
 * Goes through one segment from `pos`, a batch's start, to `size` or `upto`. ERR_CORRUPT_MESSAGE:
 * replay->pos is where the first bad batch begins. Other errors: reading or writing failed. Needs
 * the append lock, or a log that nobody else knows yet.
 */
enum err replay_seg(struct replay *replay, struct seg *seg, uint32_t pos, uint32_t size) must_check;

/* The numbers of the files `<N><suffix>` in the log's directory, rising, malloc'd. */
enum err replay_list(const struct plog *log, const char *suffix, int64_t **offsets,
		     size_t *len) must_check;

/*
 * Loads the newest good producer snapshot at or below `upto` into the log, whose producers are
 * none; *offset is its offset, -1 when there is none. Damaged ones are removed.
 */
enum err replay_load_snapshot(struct plog *log, const int64_t *snapshots, size_t snapshots_len,
			      int64_t upto, int64_t *offset) must_check;

#endif
