/* Memory that the coordinators keep for peers. See keep.h. */
#include "group/keep.h"

#include <malloc.h>
#include <stdlib.h>

/* The allocator's own size, so that no header of ours is needed to know it again when freeing. */
static void *keep_count(struct keep *keep, void *ptr)
{
	if (ptr != NULL)
		keep->used_bytes += malloc_usable_size(ptr);
	return ptr;
}

void keep_move(struct keep *from, struct keep *to)
{
	to->used_bytes += from->used_bytes;
	from->used_bytes = 0;
}

static size_t keep_counts(const struct keep *keep)
{
	return keep->used_bytes > keep->granted_bytes ? keep->used_bytes - keep->granted_bytes : 0;
}

bool keep_takes_new(const struct keep *keep)
{
	return keep->unlimited || keep_counts(keep) < keep->cap_bytes - keep->cap_bytes / 4;
}

bool keep_is_full(const struct keep *keep)
{
	return !keep->unlimited && keep_counts(keep) >= keep->cap_bytes;
}

bool keep_has_room(const struct keep *keep, size_t size_bytes)
{
	size_t counts = keep_counts(keep);

	return keep->unlimited ||
	       (counts <= keep->cap_bytes && size_bytes <= keep->cap_bytes - counts);
}

void *keep_alloc(struct keep *keep, size_t size_bytes)
{
	if (!keep_has_room(keep, size_bytes))
		return NULL;
	return keep_count(keep, calloc(1, size_bytes > 0 ? size_bytes : 1));
}

void *keep_alloc_small(struct keep *keep, size_t size_bytes)
{
	void *ptr = calloc(1, size_bytes > 0 ? size_bytes : 1);

	must(ptr != NULL);
	return keep_count(keep, ptr);
}

void keep_free(struct keep *keep, void *ptr)
{
	if (ptr == NULL)
		return;
	must(keep->used_bytes >= malloc_usable_size(ptr));
	keep->used_bytes -= malloc_usable_size(ptr);
	free(ptr);
}

struct bytes keep_bytes(struct keep *keep, struct bytes b)
{
	uint8_t *copy;

	if (b.ptr == NULL)
		return BYTES_NULL;
	copy = keep_alloc(keep, b.len);
	if (copy == NULL)
		return BYTES_NULL;
	if (b.len > 0)
		memcpy(copy, b.ptr, b.len);
	return (struct bytes){copy, b.len};
}

struct str keep_str(struct keep *keep, struct str s)
{
	struct bytes copy = keep_bytes(keep, (struct bytes){(const uint8_t *)s.ptr, s.len});

	return (struct str){(const char *)copy.ptr, copy.len};
}

struct str keep_str_small(struct keep *keep, struct str s)
{
	char *copy;

	if (s.ptr == NULL)
		return STR_NULL;
	copy = keep_alloc_small(keep, s.len);
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	return (struct str){copy, s.len};
}

void keep_free_str(struct keep *keep, struct str *s)
{
	keep_free(keep, (void *)(uintptr_t)s->ptr);
	*s = STR_NULL;
}

void keep_free_bytes(struct keep *keep, struct bytes *b)
{
	keep_free(keep, (void *)(uintptr_t)b->ptr);
	*b = BYTES_NULL;
}
