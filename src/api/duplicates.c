/* Sorts the keys, so that a request with 100,000 of them costs no more than its sorting. */
#include "api/duplicates.h"

#include <stdlib.h>

struct duplicates_entry {
	struct str key;
	size_t idx;
};

static int duplicates_cmp(const void *a, const void *b)
{
	const struct duplicates_entry *x = a, *y = b;
	int c = str_cmp(x->key, y->key);

	return c != 0 ? c : (x->idx > y->idx) - (x->idx < y->idx);
}

const uint8_t *duplicates_find(struct arena *arena, const struct str *keys, size_t len)
{
	struct duplicates_entry *entries = arena_array(arena, len + 1, sizeof(*entries));
	uint8_t *marks = arena_array(arena, len + 1, sizeof(*marks));

	if (entries == NULL || marks == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++)
		entries[i] = (struct duplicates_entry){keys[i], i};
	qsort(entries, len, sizeof(*entries), duplicates_cmp);
	for (size_t i = 1; i < len; i++) {
		if (!str_eq(entries[i].key, entries[i - 1].key))
			continue;
		if (marks[entries[i - 1].idx] == 0)
			marks[entries[i - 1].idx] = 1;
		marks[entries[i].idx] = 2;
	}
	return marks;
}
