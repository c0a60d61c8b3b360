/*
 * A persistent ordered map from byte strings to pointers: a treap with path copying.
 *
 * A map is one pointer to its root (NULL is the empty map) and never changes: put and del return a
 * new root that shares all but O(log n) nodes with the old one, which stays valid until it is
 * dropped. Order is that of memcmp, shorter first. The shape depends on the keys alone.
 *
 * Values are shared by the versions and counted through the ops of the map's kind. Counts are not
 * atomic: put, del, ref and unref belong to one thread; any thread may read a root that was handed
 * to it.
 */
#ifndef BASE_PMAP_H
#define BASE_PMAP_H

#include "base/err.h"
#include "base/str.h"

struct pmap; /* a node, and the map below it */

struct pmap_ops {
	void (*ref)(void *value);   /* may be NULL */
	void (*unref)(void *value); /* may be NULL */
};

/*
 * All take the reference that `map` stands for and return the one to use from then on. put takes a
 * reference of value. The key is copied. On ERR_NOMEM the old map is still valid and still owned.
 */
enum err pmap_put(struct pmap **map, const struct pmap_ops *ops, struct bytes key,
		  void *value) must_check;
/* No such key: nothing changes. */
enum err pmap_del(struct pmap **map, const struct pmap_ops *ops, struct bytes key) must_check;
struct pmap *pmap_ref(struct pmap *map);
void pmap_unref(struct pmap *map, const struct pmap_ops *ops);

void *pmap_get(const struct pmap *map, struct bytes key); /* NULL: none */
size_t pmap_len(const struct pmap *map);

/* Walks in order: the first entry whose key is >= from (or > from), NULL at the end. */
struct pmap_entry {
	struct bytes key;
	void *value;
};
bool pmap_seek(const struct pmap *map, struct bytes from, bool after, struct pmap_entry *entry);

#endif
