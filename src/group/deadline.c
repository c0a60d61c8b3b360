/* A binary heap of deadlines. See deadline.h. */
#include "group/deadline.h"

#include <stdlib.h>

void deadlines_fini(struct deadlines *all)
{
	must(all->len == 0);
	free(all->heap);
	*all = (struct deadlines){0};
}

static void deadlines_place(struct deadlines *all, struct deadline *d, size_t place)
{
	all->heap[place - 1] = d;
	d->place = place;
}

static void deadlines_up(struct deadlines *all, struct deadline *d)
{
	size_t place = d->place;

	while (place > 1 && all->heap[place / 2 - 1]->key_ms > d->key_ms) {
		deadlines_place(all, all->heap[place / 2 - 1], place);
		place /= 2;
	}
	deadlines_place(all, d, place);
}

static void deadlines_down(struct deadlines *all, struct deadline *d)
{
	size_t place = d->place;

	while (place * 2 <= all->len) {
		size_t child = place * 2;

		if (child < all->len && all->heap[child]->key_ms < all->heap[child - 1]->key_ms)
			child++;
		if (all->heap[child - 1]->key_ms >= d->key_ms)
			break;
		deadlines_place(all, all->heap[child - 1], place);
		place = child;
	}
	deadlines_place(all, d, place);
}

static void deadlines_grow(struct deadlines *all)
{
	size_t size = all->size == 0 ? 64 : all->size * 2;
	struct deadline **heap;

	must(size <= SIZE_MAX / sizeof(struct deadline *));
	heap = realloc(all->heap, size * sizeof(struct deadline *));
	must(heap != NULL);
	all->heap = heap;
	all->size = size;
}

void deadline_set(struct deadlines *all, struct deadline *d, int64_t at_ms)
{
	d->at_ms = at_ms;
	if (d->place != 0 && at_ms >= d->key_ms)
		return;
	if (d->place == 0) {
		if (all->len == all->size)
			deadlines_grow(all);
		all->len++;
		d->place = all->len;
	}
	must(d->place <= all->len);
	d->key_ms = at_ms;
	deadlines_up(all, d);
}

void deadline_clear(struct deadlines *all, struct deadline *d)
{
	struct deadline *last;
	size_t place = d->place;

	if (place == 0)
		return;
	must(place <= all->len && all->heap[place - 1] == d);
	last = all->heap[all->len - 1];
	all->len--;
	d->place = 0;
	if (last == d)
		return;
	deadlines_place(all, last, place);
	deadlines_up(all, last);
	deadlines_down(all, last);
}

struct deadline *deadlines_due(struct deadlines *all, int64_t until_ms)
{
	while (all->len > 0 && all->heap[0]->key_ms <= until_ms) {
		struct deadline *first = all->heap[0];

		if (first->at_ms == first->key_ms)
			return first;
		first->key_ms = first->at_ms;
		deadlines_down(all, first);
	}
	return NULL;
}

int64_t deadlines_quiet_until(const struct deadlines *all)
{
	return all->len == 0 ? INT64_MAX : all->heap[0]->key_ms;
}
