/*
 * The target assignment: who is to have which partitions, made for an epoch of the group by the
 * assignor that most members prefer. Only what differs from the last one is written.
 */
#include "group/assignor.h"
#include "group/consumer_int.h"

#include <stdlib.h>

struct target {
	struct cevent *ev;
	struct assignor_spec spec;
	struct assignor_topic *topics; /* that exist, by id */
	struct str *names;	       /* of all subscribed topics, sorted */
	size_t names_len;
	int32_t *topic_of_name; /* index into topics, -1: there is no such topic */
	const struct cmember **old;
};

struct target_topic {
	struct assignor_topic topic;
	size_t name;
};

static int target_compare_topics(const void *a, const void *b)
{
	return memcmp(((const struct target_topic *)a)->topic.id.b,
		      ((const struct target_topic *)b)->topic.id.b, sizeof(struct uuid));
}

static void target_find_topics(struct target *target)
{
	struct fx *fx = target->ev->fx;
	const struct consumer_topics *view = target->ev->shard->consumer_topics;
	struct target_topic *found;
	size_t len = 0;

	consumer_subscribed(target->ev, &target->names, &target->names_len);
	found = fx_alloc(fx, target->names_len, sizeof(*found));
	target->topics = fx_alloc(fx, target->names_len, sizeof(*target->topics));
	target->topic_of_name = fx_alloc(fx, target->names_len, sizeof(*target->topic_of_name));
	for (size_t i = 0; i < target->names_len; i++) {
		struct target_topic *at = &found[len];

		target->topic_of_name[i] = -1;
		at->name = i;
		len += view != NULL && view->by_name(view->ctx, target->names[i], &at->topic.id,
						     &at->topic.partitions_len);
	}
	qsort(found, len, sizeof(*found), target_compare_topics);
	for (size_t i = 0; i < len; i++) {
		target->topics[i] = found[i].topic;
		target->topic_of_name[found[i].name] = (int32_t)i;
	}
	target->spec.topics = target->topics;
	target->spec.topics_len = len;
}

static int target_compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* A member's topics as indexes, rising; names and `names` are both sorted. */
static void target_fill_topics(const struct target *target, const struct consumer_about *about,
			       struct assignor_member *out)
{
	struct str *names;
	size_t names_len, k = 0;
	uint32_t *topics;

	consumer_subscription(target->ev, about, &names, &names_len);
	topics = fx_alloc(target->ev->fx, names_len, sizeof(*topics));
	for (size_t i = 0; i < names_len; i++) {
		while (k < target->names_len && !str_eq(target->names[k], names[i]))
			k++;
		must(k < target->names_len);
		if (target->topic_of_name[k] >= 0)
			topics[out->topics_len++] = (uint32_t)target->topic_of_name[k];
	}
	qsort(topics, out->topics_len, sizeof(*topics), target_compare_u32);
	out->topics = topics;
}

static void target_fill_members(struct target *target)
{
	struct cevent *ev = target->ev;
	size_t most = consumer_members_len(ev->c) + 1;
	struct assignor_member *members = fx_alloc(ev->fx, most, sizeof(*members));
	const struct consumer_about *about;
	struct cpos pos = {0};

	target->old = fx_alloc(ev->fx, most, sizeof(*target->old));
	while ((about = consumer_next_about(ev, &pos)) != NULL) {
		struct assignor_member *to = &members[target->spec.members_len];
		const struct cmember *m = pos.member;

		target->old[target->spec.members_len++] = m;
		to->id = m != NULL ? m->id : ev->next->id;
		to->instance_id = about->instance_id;
		to->before = m != NULL ? m->target : ev->next->target;
		target_fill_topics(target, about, to);
	}
	target->spec.members = members;
}

struct str consumer_assignor(const struct cevent *ev)
{
	static const char *const names[] = {"uniform", "range"};
	struct str preferred = ev->cfg->assignor;
	const struct consumer_about *about;
	size_t votes[ARRAY_LEN(names)] = {0}, most = 0;
	struct cpos pos = {0};

	while ((about = consumer_next_about(ev, &pos)) != NULL)
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			votes[i] += str_eq(about->assignor, str_of(names[i]));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (votes[i] > most) {
			most = votes[i];
			preferred = str_of(names[i]);
		}
	}
	return preferred;
}

static void target_emit(const struct target *target)
{
	struct cevent *ev = target->ev;

	for (size_t i = 0; i < target->spec.members_len; i++) {
		const struct assignor_member *m = &target->spec.members[i];
		bool is_next = target->old[i] == NULL;

		if (!tpset_equal(m->before, m->target) || (is_next && ev->next->old == NULL))
			consumer_emit_target(ev, m->id, m->target);
		if (is_next)
			ev->next->target = m->target;
	}
}

enum err consumer_assign(struct cevent *ev)
{
	struct target target = {.ev = ev};
	assignor_fn assign = assignor_by_name(consumer_assignor(ev));
	enum err err;

	must(assign != NULL);
	target_find_topics(&target);
	target_fill_members(&target);
	err = assign(&target.spec, &ev->fx->arena);
	if (err != ERR_OK)
		return err;
	target_emit(&target);
	ev->assignment_epoch = ev->epoch;
	consumer_emit_target_epoch(ev, ev->now.wall_ms);
	return ERR_OK;
}
