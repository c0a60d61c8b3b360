/*
 * Request memory: chunks, each as large as all before it, from 1 KB, up to a hard cap. So the first
 * two are of a size that malloc keeps at hand for each thread, and most requests need no other.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAGIC	0xa4e7a001u
#define ARENA_CHUNK_MIN 1024u
#define ARENA_CHUNK_MAX (256u * 1024)
#define ARENA_ALIGN	16u
#define ARENA_HEAD	((sizeof(struct arena_chunk) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1))

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* whole, with this head */
};

void arena_init(struct arena *arena, size_t cap_bytes)
{
	must(cap_bytes > 0);
	*arena = (struct arena){.magic = ARENA_MAGIC, .cap_bytes = cap_bytes};
}

void arena_reset(struct arena *arena)
{
	must_be(arena, ARENA_MAGIC);
	for (struct arena_chunk *chunk = arena->chunk, *older; chunk != NULL; chunk = older) {
		older = chunk->older;
		free(chunk);
	}
	arena_init(arena, arena->cap_bytes);
}

void arena_fini(struct arena *arena)
{
	arena_reset(arena);
	arena->magic = 0;
}

static bool arena_grow(struct arena *arena, size_t need)
{
	size_t size = arena->chunk != NULL ? arena->used_bytes : ARENA_CHUNK_MIN;
	struct arena_chunk *chunk;

	if (size > ARENA_CHUNK_MAX)
		size = ARENA_CHUNK_MAX;
	if (size < need + ARENA_HEAD)
		size = need + ARENA_HEAD;
	if (size > arena->cap_bytes - arena->used_bytes)
		return false;
	chunk = malloc(size);
	if (chunk == NULL)
		return false;
	*chunk = (struct arena_chunk){.older = arena->chunk, .size = size};
	arena->chunk = chunk;
	arena->used_bytes += size;
	arena->next = (char *)chunk + ARENA_HEAD;
	arena->end = (char *)chunk + size;
	return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	char *at;

	must_be(arena, ARENA_MAGIC);
	if (size > arena->cap_bytes) {
		arena->failed = true;
		return NULL;
	}
	/* Nothing has an address, too: NULL would say that memory is out. */
	size = ((size > 0 ? size : 1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if ((size_t)(arena->end - arena->next) < size && !arena_grow(arena, size)) {
		arena->failed = true;
		return NULL;
	}
	at = arena->next;
	arena->next += size;
	return memset(at, 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		arena->failed = true;
		return NULL;
	}
	return arena_alloc(arena, bytes);
}

struct bytes arena_bytes(struct arena *arena, struct bytes b)
{
	uint8_t *copy;

	if (b.ptr == NULL)
		return BYTES_NULL;
	copy = arena_alloc(arena, b.len > 0 ? b.len : 1);
	if (copy == NULL)
		return BYTES_NULL;
	if (b.len > 0)
		memcpy(copy, b.ptr, b.len);
	return (struct bytes){copy, b.len};
}

struct str arena_str(struct arena *arena, struct str s)
{
	struct bytes copy = arena_bytes(arena, (struct bytes){(const uint8_t *)s.ptr, s.len});
	return (struct str){(const char *)copy.ptr, copy.len};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, format);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	must(len >= 0);
	text = arena_alloc(arena, (size_t)len + 1);
	if (text == NULL)
		return STR_NULL;
	va_start(ap, format);
	vsnprintf(text, (size_t)len + 1, format, ap);
	va_end(ap);
	return (struct str){text, (size_t)len};
}
