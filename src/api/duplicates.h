/* What a request names more than once. */
#ifndef API_DUPLICATES_H
#define API_DUPLICATES_H

#include "base/arena.h"

/*
 * One mark a key, in the order of keys: 0 is there once, 1 the first of several, 2 a later one.
 * From the arena; NULL when that is full. Keys may be null strings.
 */
const uint8_t *duplicates_find(struct arena *arena, const struct str *keys, size_t len) must_check;

#endif
