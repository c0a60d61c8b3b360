/* Sorted arrays, merged. See tpset.h. */
#include "group/tpset.h"

#include <stdlib.h>

int tp_compare(const struct tp *a, const struct tp *b)
{
	int c = memcmp(a->topic.b, b->topic.b, sizeof(a->topic.b));

	return c != 0 ? c : (a->partition > b->partition) - (a->partition < b->partition);
}

static int tpset_compare(const void *a, const void *b)
{
	return tp_compare(a, b);
}

struct tpset tpset_make(struct tp *array, size_t len)
{
	bool sorted = true;
	size_t kept = 0;

	for (size_t i = 1; i < len && sorted; i++)
		sorted = tp_compare(&array[i - 1], &array[i]) < 0;
	if (sorted)
		return (struct tpset){array, len};
	qsort(array, len, sizeof(*array), tpset_compare);
	for (size_t i = 0; i < len; i++)
		if (kept == 0 || tp_compare(&array[kept - 1], &array[i]) != 0)
			array[kept++] = array[i];
	return (struct tpset){array, kept};
}

const struct tp *tpset_find(struct tpset set, struct uuid topic, int32_t partition)
{
	struct tp wanted = {.topic = topic, .partition = partition};

	if (set.len == 0)
		return NULL;
	return bsearch(&wanted, set.at, set.len, sizeof(wanted), tpset_compare);
}

bool tpset_equal(struct tpset a, struct tpset b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (tp_compare(&a.at[i], &b.at[i]) != 0)
			return false;
	return true;
}

bool tpset_contains(struct tpset all, struct tpset part)
{
	size_t i = 0;

	for (size_t j = 0; j < part.len; j++, i++) {
		while (i < all.len && tp_compare(&all.at[i], &part.at[j]) < 0)
			i++;
		if (i == all.len || tp_compare(&all.at[i], &part.at[j]) != 0)
			return false;
	}
	return true;
}

bool tpset_overlaps(struct tpset a, struct tpset b)
{
	for (size_t i = 0, j = 0; i < a.len && j < b.len;) {
		int c = tp_compare(&a.at[i], &b.at[j]);

		if (c == 0)
			return true;
		i += c < 0;
		j += c > 0;
	}
	return false;
}

/* Which entries a merge keeps. */
enum tpset_keep { KEEP_BOTH = 1, KEEP_A = 2, KEEP_B = 4 };

static struct tpset tpset_merge(struct tpset a, struct tpset b, unsigned keep, struct arena *arena)
{
	size_t most = a.len + ((keep & KEEP_B) != 0 ? b.len : 0), len = 0, i = 0, j = 0;
	struct tp *out = most > 0 ? arena_array(arena, most, sizeof(*out)) : NULL;

	if (out == NULL)
		return TPSET_NONE;
	while (i < a.len || j < b.len) {
		int c = j == b.len ? -1 : i == a.len ? 1 : tp_compare(&a.at[i], &b.at[j]);

		if (c == 0 && (keep & KEEP_BOTH) != 0)
			out[len++] = a.at[i];
		else if (c < 0 && (keep & KEEP_A) != 0)
			out[len++] = a.at[i];
		else if (c > 0 && (keep & KEEP_B) != 0)
			out[len++] = b.at[j];
		i += c <= 0;
		j += c >= 0;
	}
	return (struct tpset){out, len};
}

struct tpset tpset_and(struct tpset a, struct tpset b, struct arena *arena)
{
	return tpset_merge(a, b, KEEP_BOTH, arena);
}

struct tpset tpset_minus(struct tpset a, struct tpset b, struct arena *arena)
{
	return tpset_merge(a, b, KEEP_A, arena);
}

struct tpset tpset_or(struct tpset a, struct tpset b, struct arena *arena)
{
	return tpset_merge(a, b, KEEP_A | KEEP_BOTH | KEEP_B, arena);
}

size_t tpset_run(struct tpset set, size_t from)
{
	size_t end = from;

	while (end < set.len && uuid_eq(set.at[end].topic, set.at[from].topic))
		end++;
	return end - from;
}

size_t tpset_topics(struct tpset set)
{
	size_t topics = 0;

	for (size_t i = 0; i < set.len; i += tpset_run(set, i))
		topics++;
	return topics;
}
