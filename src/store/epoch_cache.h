/*
 * The leader epochs of one log: which epoch began at which offset, and leader-epoch-checkpoint.
 *
 * Entries rise in epoch and offset. An epoch that got no record before the next one began leaves no
 * entry. Guarded by the log's locks.
 */
#ifndef STORE_EPOCH_CACHE_H
#define STORE_EPOCH_CACHE_H

#include "base/err.h"
#include "base/str.h"

#define EPOCH_FILE "leader-epoch-checkpoint"

struct epoch_entry {
	int32_t epoch;
	int64_t start_offset;
};

struct epoch_cache {
	struct epoch_entry *entries;
	uint32_t len, size;
	bool dirty; /* differs from the file */
};

void epoch_cache_fini(struct epoch_cache *cache);

/* The newest, -1 when there is none. */
int32_t epoch_cache_latest(const struct epoch_cache *cache);
/* Begins an epoch. One that is there already, or lower than the newest, changes nothing. */
enum err epoch_cache_assign(struct epoch_cache *cache, int32_t epoch,
			    int64_t start_offset) must_check;
/* The log now ends at `end`: drops epochs that begin there or later. */
void epoch_cache_cut_end(struct epoch_cache *cache, int64_t end);
/* The log now begins at `start`: the epoch of that offset begins there, older ones go. */
void epoch_cache_cut_start(struct epoch_cache *cache, int64_t start);
void epoch_cache_clear(struct epoch_cache *cache);

/* OffsetForLeaderEpoch, as Kafka answers it; see plog_end_for_epoch. */
void epoch_cache_end_for(const struct epoch_cache *cache, int32_t epoch, int64_t log_end,
			 int32_t *found_epoch, int64_t *end_offset);
/* -1 when unknown. */
int32_t epoch_cache_of_offset(const struct epoch_cache *cache, int64_t offset);

/* The file's text, malloc'd; NULL when memory is out. */
char *epoch_cache_format(const struct epoch_cache *cache);
/* Into an empty cache. ERR_BADFILE leaves it empty; an empty text is an empty cache, as stock makes
 * it. */
enum err epoch_cache_parse(struct epoch_cache *cache, struct str text) must_check;

#endif
