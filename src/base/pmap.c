/*
 * The persistent map. A node's priority is a hash of its key, so the shape depends on the keys
 * alone and its depth is logarithmic with overwhelming probability; the seed is random, so a peer
 * cannot choose names that make it deep. Recursion is as deep as the tree.
 */
#include "base/pmap.h"

#include <stdlib.h>

#include "base/hash.h"

struct pmap {
	uint32_t refs;
	uint32_t count; /* nodes of this subtree */
	uint64_t priority;
	struct pmap *left, *right;
	void *value;
	size_t key_len;
	uint8_t key[];
};

/* NOLINTBEGIN(misc-no-recursion): as deep as the tree. */

static int pmap_cmp(struct bytes a, const struct pmap *node)
{
	return str_cmp((struct str){(const char *)a.ptr, a.len},
		       (struct str){(const char *)node->key, node->key_len});
}

static struct bytes pmap_key(const struct pmap *node)
{
	return (struct bytes){node->key, node->key_len};
}

size_t pmap_len(const struct pmap *map)
{
	return map != NULL ? map->count : 0;
}

struct pmap *pmap_ref(struct pmap *map)
{
	if (map != NULL)
		map->refs++;
	return map;
}

void pmap_unref(struct pmap *map, const struct pmap_ops *ops)
{
	if (map == NULL)
		return;
	must(map->refs > 0);
	if (--map->refs > 0)
		return;
	pmap_unref(map->left, ops);
	pmap_unref(map->right, ops);
	if (ops->unref != NULL)
		ops->unref(map->value);
	free(map);
}

/* A new node; takes the references of left and right on success, and one of value. */
static struct pmap *pmap_node(const struct pmap_ops *ops, struct bytes key, uint64_t priority,
			      void *value, struct pmap *left, struct pmap *right)
{
	struct pmap *node = malloc(sizeof(*node) + key.len);

	if (node == NULL)
		return NULL;
	*node = (struct pmap){.refs = 1,
			      .count = (uint32_t)(pmap_len(left) + pmap_len(right) + 1),
			      .priority = priority,
			      .left = left,
			      .right = right,
			      .value = value,
			      .key_len = key.len};
	if (key.len > 0)
		memcpy(node->key, key.ptr, key.len);
	if (ops->ref != NULL)
		ops->ref(value);
	return node;
}

/* The same entry above other subtrees, whose references it takes; on failure it drops them. */
static struct pmap *pmap_with(const struct pmap_ops *ops, const struct pmap *node,
			      struct pmap *left, struct pmap *right)
{
	struct pmap *copy =
	    pmap_node(ops, pmap_key(node), node->priority, node->value, left, right);

	if (copy == NULL) {
		pmap_unref(left, ops);
		pmap_unref(right, ops);
	}
	return copy;
}

/* Cuts a map in two at key, which it must not hold. The parts are new references. */
static enum err pmap_split(struct pmap *map, const struct pmap_ops *ops, struct bytes key,
			   struct pmap **below, struct pmap **above)
{
	struct pmap *part, *rest;
	enum err err;

	*below = *above = NULL;
	if (map == NULL)
		return ERR_OK;
	if (pmap_cmp(key, map) < 0) {
		err = pmap_split(map->left, ops, key, &part, &rest);
		if (err != ERR_OK)
			return err;
		*above = pmap_with(ops, map, rest, pmap_ref(map->right));
		*below = part;
	} else {
		err = pmap_split(map->right, ops, key, &rest, &part);
		if (err != ERR_OK)
			return err;
		*below = pmap_with(ops, map, pmap_ref(map->left), rest);
		*above = part;
	}
	if ((pmap_cmp(key, map) < 0 ? *above : *below) != NULL)
		return ERR_OK;
	pmap_unref(part, ops);
	*below = *above = NULL;
	return ERR_NOMEM;
}

struct pmap_new {
	const struct pmap_ops *ops;
	struct bytes key;
	uint64_t priority;
	void *value;
};

/* NULL only when memory is out. */
static struct pmap *pmap_insert(struct pmap *map, const struct pmap_new *entry)
{
	const struct pmap_ops *ops = entry->ops;
	struct pmap *left, *right, *node;
	int order;

	if (map == NULL)
		return pmap_node(ops, entry->key, entry->priority, entry->value, NULL, NULL);
	order = pmap_cmp(entry->key, map);
	if (order == 0 || entry->priority > map->priority) {
		if (order == 0) {
			left = pmap_ref(map->left);
			right = pmap_ref(map->right);
		} else if (pmap_split(map, ops, entry->key, &left, &right) != ERR_OK) {
			return NULL;
		}
		node = pmap_node(ops, entry->key, entry->priority, entry->value, left, right);
		if (node == NULL) {
			pmap_unref(left, ops);
			pmap_unref(right, ops);
		}
		return node;
	}
	node = pmap_insert(order < 0 ? map->left : map->right, entry);
	if (node == NULL)
		return NULL;
	return order < 0 ? pmap_with(ops, map, node, pmap_ref(map->right))
			 : pmap_with(ops, map, pmap_ref(map->left), node);
}

enum err pmap_put(struct pmap **map, const struct pmap_ops *ops, struct bytes key, void *value)
{
	struct pmap_new entry = {ops, key, hash_bytes(key.ptr, key.len), value};
	struct pmap *root = pmap_insert(*map, &entry);

	if (root == NULL)
		return ERR_NOMEM;
	pmap_unref(*map, ops);
	*map = root;
	return ERR_OK;
}

/* Two maps, all of left before all of right, as one new reference. */
static enum err pmap_join(struct pmap *left, struct pmap *right, const struct pmap_ops *ops,
			  struct pmap **out)
{
	struct pmap *part;
	enum err err;

	if (left == NULL || right == NULL) {
		*out = pmap_ref(left != NULL ? left : right);
		return ERR_OK;
	}
	if (left->priority > right->priority) {
		err = pmap_join(left->right, right, ops, &part);
		if (err == ERR_OK)
			*out = pmap_with(ops, left, pmap_ref(left->left), part);
	} else {
		err = pmap_join(left, right->left, ops, &part);
		if (err == ERR_OK)
			*out = pmap_with(ops, right, part, pmap_ref(right->right));
	}
	if (err != ERR_OK)
		return err;
	return *out != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err pmap_remove(struct pmap *map, const struct pmap_ops *ops, struct bytes key,
			    struct pmap **out)
{
	int order = pmap_cmp(key, map);
	struct pmap *part;
	enum err err;

	if (order == 0)
		return pmap_join(map->left, map->right, ops, out);
	err = pmap_remove(order < 0 ? map->left : map->right, ops, key, &part);
	if (err != ERR_OK)
		return err;
	*out = order < 0 ? pmap_with(ops, map, part, pmap_ref(map->right))
			 : pmap_with(ops, map, pmap_ref(map->left), part);
	return *out != NULL ? ERR_OK : ERR_NOMEM;
}

static const struct pmap *pmap_find(const struct pmap *map, struct bytes key)
{
	while (map != NULL) {
		int order = pmap_cmp(key, map);
		if (order == 0)
			return map;
		map = order < 0 ? map->left : map->right;
	}
	return NULL;
}

enum err pmap_del(struct pmap **map, const struct pmap_ops *ops, struct bytes key)
{
	struct pmap *root;
	enum err err;

	if (pmap_find(*map, key) == NULL)
		return ERR_OK;
	err = pmap_remove(*map, ops, key, &root);
	if (err != ERR_OK)
		return err;
	pmap_unref(*map, ops);
	*map = root;
	return ERR_OK;
}

void *pmap_get(const struct pmap *map, struct bytes key)
{
	const struct pmap *node = pmap_find(map, key);
	return node != NULL ? node->value : NULL;
}

bool pmap_seek(const struct pmap *map, struct bytes from, bool after, struct pmap_entry *entry)
{
	const struct pmap *best = NULL;

	while (map != NULL) {
		int order = pmap_cmp(from, map);
		if (order < 0 || (order == 0 && !after)) {
			best = map;
			map = map->left;
		} else {
			map = map->right;
		}
	}
	if (best == NULL)
		return false;
	*entry = (struct pmap_entry){pmap_key(best), best->value};
	return true;
}

/* NOLINTEND(misc-no-recursion) */
