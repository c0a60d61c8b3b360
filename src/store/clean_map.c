/*
 * The key map: a hash table without keys, of one allocation that the kernel fills in as it is used.
 */
#include "store/clean_map.h"

#include <stdlib.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/rnd.h"

/* Twice the keys that can come: few steps to a free slot. */
#define SPARSE 2

enum err clean_map_init(struct clean_map *map, size_t memory_bytes, double load, uint64_t keys_max)
{
	size_t slots_len = memory_bytes / sizeof(struct clean_map_slot);
	struct rnd rnd;

	*map = (struct clean_map){.latest_offset = -1};
	must(load > 0 && load <= 1);
	map->len_max = (size_t)((double)slots_len * load);
	if (map->len_max == slots_len && slots_len > 0)
		map->len_max--; /* a search ends at a free slot */
	if (map->len_max == 0)
		return ERR_BADCONFIG;
	if (keys_max < map->len_max) {
		size_t enough = (size_t)keys_max * SPARSE + 2;

		map->len_max = (size_t)keys_max + 1;
		slots_len = enough < slots_len ? enough : slots_len;
	}
	map->slots = calloc(slots_len, sizeof(*map->slots));
	if (map->slots == NULL)
		return ERR_NOMEM;
	map->slots_len = slots_len;
	must(map->len_max < slots_len);
	rnd_init_random(&rnd);
	map->seed = rnd_next(&rnd);
	return ERR_OK;
}

void clean_map_fini(struct clean_map *map)
{
	free(map->slots);
	*map = (struct clean_map){.latest_offset = -1};
}

struct clean_hash clean_map_hash(const struct clean_map *map, struct bytes key)
{
	XXH128_hash_t hash = XXH3_128bits_withSeed(key.ptr, key.len, map->seed);

	return (struct clean_hash){hash.low64, hash.high64};
}

/* The key's slot, or the free one where it would go. There is always a free one. */
static struct clean_map_slot *clean_map_find(const struct clean_map *map, struct clean_hash hash)
{
	size_t at = clean_map_home(map, hash);

	while (map->slots[at].offset_plus_1 != 0 &&
	       (map->slots[at].hash.low != hash.low || map->slots[at].hash.high != hash.high)) {
		at++;
		if (at == map->slots_len)
			at = 0;
	}
	return &map->slots[at];
}

void clean_map_put(struct clean_map *map, struct clean_hash hash, int64_t offset)
{
	struct clean_map_slot *slot = clean_map_find(map, hash);

	must(offset >= 0 && !clean_map_is_full(map));
	if (slot->offset_plus_1 == 0)
		map->len++;
	*slot = (struct clean_map_slot){hash, offset + 1};
}

int64_t clean_map_get(const struct clean_map *map, struct clean_hash hash)
{
	return clean_map_find(map, hash)->offset_plus_1 - 1;
}
