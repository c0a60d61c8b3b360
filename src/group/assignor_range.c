/* The range assignor, and the table of assignors. See assignor.h. */
#include "group/assignor.h"

#include <stdlib.h>

assignor_fn assignor_by_name(struct str name)
{
	if (str_eq(name, STR("uniform")))
		return assignor_uniform;
	if (str_eq(name, STR("range")))
		return assignor_range;
	return NULL;
}

/* Static members first, by instance id, so that who comes back finds its old place. */
static int range_compare(const void *left, const void *right)
{
	const struct assignor_member *a = *(struct assignor_member *const *)left;
	const struct assignor_member *b = *(struct assignor_member *const *)right;

	if (a->instance_id.ptr != NULL && b->instance_id.ptr != NULL)
		return str_cmp(a->instance_id, b->instance_id);
	if (a->instance_id.ptr != NULL || b->instance_id.ptr != NULL)
		return a->instance_id.ptr != NULL ? -1 : 1;
	return str_cmp(a->id, b->id);
}

/* One topic while its ranges are handed out. */
struct range {
	int32_t subscribers, quota, extra, next;
};

static struct range *range_count(const struct assignor_spec *spec, struct arena *arena)
{
	struct range *ranges = arena_array(arena, spec->topics_len + 1, sizeof(*ranges));

	if (ranges == NULL)
		return NULL;
	for (size_t m = 0; m < spec->members_len; m++)
		for (size_t i = 0; i < spec->members[m].topics_len; i++)
			ranges[spec->members[m].topics[i]].subscribers++;
	for (size_t t = 0; t < spec->topics_len; t++) {
		if (ranges[t].subscribers == 0)
			continue;
		ranges[t].quota = spec->topics[t].partitions_len / ranges[t].subscribers;
		ranges[t].extra = spec->topics[t].partitions_len % ranges[t].subscribers;
	}
	return ranges;
}

static int32_t range_share(const struct range *range)
{
	return range->quota + (range->extra > 0 ? 1 : 0);
}

static enum err range_give(const struct assignor_spec *spec, struct range *ranges,
			   struct assignor_member *member, struct arena *arena)
{
	size_t total = 0, len = 0;
	struct tp *target;

	for (size_t i = 0; i < member->topics_len; i++)
		total += (size_t)range_share(&ranges[member->topics[i]]);
	target = arena_array(arena, total + 1, sizeof(*target));
	if (target == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < member->topics_len; i++) {
		struct range *range = &ranges[member->topics[i]];
		int32_t end = range->next + range_share(range);

		for (; range->next < end; range->next++)
			target[len++] = (struct tp){.topic = spec->topics[member->topics[i]].id,
						    .partition = range->next};
		range->extra -= range->extra > 0;
	}
	must(len == total);
	member->target = (struct tpset){target, len};
	return ERR_OK;
}

enum err assignor_range(struct assignor_spec *spec, struct arena *arena)
{
	struct range *ranges = range_count(spec, arena);
	struct assignor_member **order = arena_array(arena, spec->members_len + 1, sizeof(*order));
	enum err err = ERR_OK;

	if (ranges == NULL || order == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < spec->members_len; i++)
		order[i] = &spec->members[i];
	qsort(order, spec->members_len, sizeof(struct assignor_member *), range_compare);
	for (size_t i = 0; i < spec->members_len && err == ERR_OK; i++)
		err = range_give(spec, ranges, order[i], arena);
	return err;
}
