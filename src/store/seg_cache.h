/*
 * The open descriptors of all segments of all logs: opened by use, closed when many. One cache for
 * the broker, shared by all threads.
 *
 * A pin keeps a descriptor open. Unpinned ones stay open too, up to the cache's cap, and are closed
 * in about the order of their last use. Pinning what is open takes no lock.
 */
#ifndef STORE_SEG_CACHE_H
#define STORE_SEG_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/err.h"

struct seg_cache;

/* open_max: descriptors that may stay open while nobody uses them. */
struct seg_cache *seg_cache_new(size_t open_max) must_check;
/* After the last plog and the last slice are gone. */
void seg_cache_free(struct seg_cache *cache);

/* -- for segments only --------------------------------------------------------------------- */

/* Embedded in its owner. `fd` is good while the owner has a pin. */
struct seg_cache_file {
	_Atomic uint32_t pins; /* the top bit: not open */
	int fd;
	_Atomic bool used; /* since the cache last looked */
	TAILQ_ENTRY(seg_cache_file) link;
};

typedef enum err (*seg_cache_open_fn)(struct seg_cache_file *file, int *fd);

void seg_cache_file_init(struct seg_cache_file *file);
/* Opens with `open` if it is not open. What `open` returns when it fails. */
enum err seg_cache_pin(struct seg_cache *cache, struct seg_cache_file *file,
		       seg_cache_open_fn open) must_check;
/* Gives it a descriptor that is open already; it is not open, and nobody else knows it yet. */
void seg_cache_adopt(struct seg_cache *cache, struct seg_cache_file *file, int fd);
void seg_cache_unpin(struct seg_cache_file *file);
/* Closes it for good; no pin may be left. */
void seg_cache_drop(struct seg_cache *cache, struct seg_cache_file *file);
size_t seg_cache_open_count(struct seg_cache *cache);

#endif
