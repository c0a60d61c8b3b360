/*
 * The memory of one frame.
 *
 * Small ones come from malloc. A larger one is a mapping of its own, whose pages are touched only
 * as bytes arrive, so a peer that claims much and sends little costs little. Unmapping and touching
 * anew would cost more than the rest of a large request's way, so each loop keeps a few mappings
 * for reuse and drops them when they have not been used for a while.
 */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "base/loop.h"

#define FRAME_SMALL_BYTES (64u * 1024) /* up to here: malloc, and the reserve of the budget */
#define FRAME_CLASSES	  6	       /* mappings of 128 KB, 256 KB, ... 4 MB are kept */
#define FRAME_KEPT_MAX	  8	       /* a class */
#define FRAME_KEPT_BYTES  (8u << 20)   /* all classes together */
#define FRAME_KEPT_MS	  1000

struct frame {
	uint8_t *ptr; /* NULL: none */
	size_t len_bytes;
	size_t mapped_bytes; /* 0: from malloc */
};

/* One a loop. */
struct frame_cache {
	struct frame_class {
		void *maps[FRAME_KEPT_MAX]; /* the last one is the warmest */
		int maps_len;
	} classes[FRAME_CLASSES];
	size_t kept_bytes;
	bool used; /* since the timer was started */
	struct loop_timer timer;
};

void frame_cache_init(struct frame_cache *cache, struct loop *loop);
void frame_cache_fini(struct frame_cache *cache);

/* False: out of memory. On the cache's loop. */
bool frame_alloc(struct frame_cache *cache, size_t len_bytes, struct frame *frame) must_check;
/* cache is NULL when this is not the loop that it belongs to. */
void frame_free(struct frame_cache *cache, struct frame *frame);

#endif
