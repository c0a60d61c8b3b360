/*
 * An arena: memory that lives as long as one request and is freed in one call.
 *
 * The owner embeds it. All allocations are 16-byte aligned and zeroed. Past the cap (bytes of all
 * chunks together) arena_alloc returns NULL and `failed` stays set, so a caller may check once.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>

#include "base/str.h"

struct arena_chunk;

struct arena {
	uint32_t magic;
	bool failed;
	struct arena_chunk *chunk; /* the newest; older ones hang behind it */
	char *next, *end;	   /* free space of the newest chunk */
	size_t used_bytes;	   /* of all chunks */
	size_t cap_bytes;
};

void arena_init(struct arena *arena, size_t cap_bytes);
void arena_fini(struct arena *arena);
/* Frees all but keeps the cap. */
void arena_reset(struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size) must_check;
/* NULL also when count * size overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size) must_check;
/* A copy; null stays null. On failure the result is null and arena->failed is set. */
struct str arena_str(struct arena *arena, struct str s);
struct bytes arena_bytes(struct arena *arena, struct bytes b);
/* NUL-terminated printf; a null str on failure. */
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
