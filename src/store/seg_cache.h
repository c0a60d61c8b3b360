/*
 * The open descriptors of all segments of all logs, opened by use and closed when many: a cap on
 * how many unpinned ones stay open. One for the broker, shared by all threads.
 */
#ifndef STORE_SEG_CACHE_H
#define STORE_SEG_CACHE_H

#include <stddef.h>

#include "base/must.h"

struct seg_cache;

/* open_max: descriptors that may stay open while nobody reads or writes them. */
struct seg_cache *seg_cache_new(size_t open_max) must_check;
/* After the last plog and the last slice are gone. */
void seg_cache_free(struct seg_cache *cache);

#endif
