/*
 * uthash over XXH3 with a seed that is random at each start, so that a peer cannot choose names
 * that collide. Include this instead of uthash.h. Out of memory in a table is a must(): the tables
 * grow by small steps, with things that were capped before.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t len_bytes);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash_bytes((keyptr), (keylen)))
#include <uthash.h>

/* A table begins small: most of the many, as a group's topics, stay so. It grows by itself. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

#endif
