/* Frame memory: malloc for small frames, kept mappings for large ones. */
#include "net/frame.h"

#include <stdlib.h>
#include <sys/mman.h>

#define FRAME_CLASS_MIN_BYTES (128u * 1024)
#define FRAME_PAGE_BYTES      ((size_t)4096)

/* AddressSanitizer sees an overrun only in memory that malloc gave. */
#if defined(__SANITIZE_ADDRESS__)
#define FRAME_ALWAYS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FRAME_ALWAYS_MALLOC 1
#endif
#endif
#ifndef FRAME_ALWAYS_MALLOC
#define FRAME_ALWAYS_MALLOC 0
#endif

static void frame_unmap(void *map, size_t len_bytes)
{
	must(munmap(map, len_bytes) == 0);
}

static void frame_cache_drop(struct frame_cache *cache)
{
	for (int i = 0; i < FRAME_CLASSES; i++) {
		struct frame_class *class = &cache->classes[i];

		while (class->maps_len > 0)
			frame_unmap(class->maps[--class->maps_len],
				    (size_t)FRAME_CLASS_MIN_BYTES << i);
	}
	cache->kept_bytes = 0;
}

static void frame_cache_age(struct loop_timer *timer)
{
	struct frame_cache *cache = container_of(timer, struct frame_cache, timer);

	if (!cache->used) {
		frame_cache_drop(cache);
		return;
	}
	cache->used = false;
	loop_timer_start(timer, FRAME_KEPT_MS);
}

void frame_cache_init(struct frame_cache *cache, struct loop *loop)
{
	*cache = (struct frame_cache){0};
	loop_timer_init(&cache->timer, loop, frame_cache_age);
}

void frame_cache_fini(struct frame_cache *cache)
{
	loop_timer_stop(&cache->timer);
	frame_cache_drop(cache);
}

/* The class that holds so many bytes; FRAME_CLASSES when none does. */
static int frame_class(size_t len_bytes)
{
	int i = 0;

	while (i < FRAME_CLASSES && ((size_t)FRAME_CLASS_MIN_BYTES << i) < len_bytes)
		i++;
	return i;
}

static void *frame_map(struct frame_cache *cache, size_t len_bytes, size_t *mapped_bytes)
{
	int i = frame_class(len_bytes);
	void *map;

	*mapped_bytes = (len_bytes + FRAME_PAGE_BYTES - 1) & ~(FRAME_PAGE_BYTES - 1);
	if (i < FRAME_CLASSES) {
		struct frame_class *class = &cache->classes[i];

		*mapped_bytes = (size_t)FRAME_CLASS_MIN_BYTES << i;
		cache->used = true;
		if (class->maps_len > 0) {
			cache->kept_bytes -= *mapped_bytes;
			return class->maps[--class->maps_len];
		}
	}
	map = mmap(NULL, *mapped_bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return map == MAP_FAILED ? NULL : map;
}

bool frame_alloc(struct frame_cache *cache, size_t len_bytes, struct frame *frame)
{
	must(len_bytes > 0);
	*frame = (struct frame){.len_bytes = len_bytes};
	if (len_bytes <= FRAME_SMALL_BYTES || FRAME_ALWAYS_MALLOC)
		frame->ptr = malloc(len_bytes);
	else
		frame->ptr = frame_map(cache, len_bytes, &frame->mapped_bytes);
	return frame->ptr != NULL;
}

static bool frame_keep(struct frame_cache *cache, struct frame *frame)
{
	int i = frame_class(frame->mapped_bytes);

	if (i >= FRAME_CLASSES || cache->classes[i].maps_len == FRAME_KEPT_MAX ||
	    frame->mapped_bytes > FRAME_KEPT_BYTES - cache->kept_bytes)
		return false;
	cache->classes[i].maps[cache->classes[i].maps_len++] = frame->ptr;
	cache->kept_bytes += frame->mapped_bytes;
	if (!loop_timer_is_set(&cache->timer))
		loop_timer_start(&cache->timer, FRAME_KEPT_MS);
	return true;
}

void frame_free(struct frame_cache *cache, struct frame *frame)
{
	if (frame->mapped_bytes == 0)
		free(frame->ptr);
	else if (cache == NULL || !frame_keep(cache, frame))
		frame_unmap(frame->ptr, frame->mapped_bytes);
	*frame = (struct frame){0};
}
