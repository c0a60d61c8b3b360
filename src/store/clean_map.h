/*
 * The newest offset of each key, in memory of a fixed size: what a round of cleaning is decided by.
 *
 * Keys are not kept, only a 128-bit hash of each (XXH3, with a seed that nobody outside can know):
 * 24 bytes a key, as in Kafka, which uses MD5. Two keys with one hash would be taken for one; with
 * 2^32 keys the odds are 2^-65. Open addressing; the table is full before it becomes slow.
 */
#ifndef STORE_CLEAN_MAP_H
#define STORE_CLEAN_MAP_H

#include "base/err.h"
#include "base/str.h"

struct clean_hash {
	uint64_t low, high;
};

struct clean_map_slot {
	struct clean_hash hash;
	int64_t offset_plus_1; /* 0: free */
};

struct clean_map {
	struct clean_map_slot *slots;
	size_t slots_len;
	size_t len, len_max; /* keys in it; as many as may be */
	uint64_t seed;
	int64_t latest_offset; /* everything up to here that was to go in is in; -1 */
};

/*
 * memory_bytes and load (0 to 1) are limits; keys_max is what the caller is sure not to exceed: a
 * smaller table is made then. ERR_NOMEM; ERR_BADCONFIG when not even one key would fit.
 */
enum err clean_map_init(struct clean_map *map, size_t memory_bytes, double load,
			uint64_t keys_max) must_check;
void clean_map_fini(struct clean_map *map);

struct clean_hash clean_map_hash(const struct clean_map *map, struct bytes key);

static inline bool clean_map_is_full(const struct clean_map *map)
{
	return map->len >= map->len_max;
}

static inline size_t clean_map_home(const struct clean_map *map, struct clean_hash hash)
{
	return (size_t)((unsigned __int128)hash.low * map->slots_len >> 64);
}

/* A look-up is one cache miss: this starts it early. */
static inline void clean_map_prefetch(const struct clean_map *map, struct clean_hash hash)
{
	__builtin_prefetch(&map->slots[clean_map_home(map, hash)]);
}

/* Not when it is full. An offset replaces the one before it. */
void clean_map_put(struct clean_map *map, struct clean_hash hash, int64_t offset);
/* -1: no such key. */
int64_t clean_map_get(const struct clean_map *map, struct clean_hash hash);

#endif
