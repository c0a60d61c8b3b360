/*
 * The uniform assignor: keep, trim, give, balance. See assignor.h.
 *
 * keep     each member keeps of its last target what it still subscribes to
 * trim     where all subscribe to the same, each gives up what is more than its share; who has one
 *          more than the others has a first claim on the shares that are greater by one. So no
 *          more moves than must.
 * give     what is free goes to the subscriber that has least; first those topics that give each
 *          of their subscribers most, as Kafka does
 * balance  topic by topic, in that order, a partition moves from the subscriber that has most to
 *          the one that has least, as long as they differ by two or more; until a whole round
 *          moves nothing. Each move makes the sum of the squared loads smaller, so this ends; the
 *          rounds are bounded nevertheless.
 *
 * A partition is a number here: topics in order, partitions within. Work is in proportion to
 * partitions and subscriptions, and for each partition that moves, to the topic's subscribers.
 */
#include "group/assignor.h"

#include <stdlib.h>

#define UNIFORM_ROUNDS_MAX 100
#define NOBODY		   (-1)

struct uniform {
	const struct assignor_spec *spec;
	size_t *first;	 /* of a topic's partitions; one more at the end */
	int32_t *owner;	 /* of each partition: a member, or NOBODY */
	int32_t *behind; /* of each partition: the next of the same owner in the topic in hand */
	size_t *load;	 /* of each member */
	int32_t *head;	 /* of each member: its first partition in the topic in hand */
	size_t *subs_at; /* where a topic's subscribers begin; one more at the end */
	uint32_t *subs;	 /* members */
	uint32_t *turns; /* the topics in the order of their turns */
};

static bool uniform_alloc(struct uniform *u, const struct assignor_spec *spec, struct arena *arena)
{
	size_t partitions = 0, subscriptions = 0;

	*u = (struct uniform){.spec = spec};
	for (size_t t = 0; t < spec->topics_len; t++)
		partitions += (size_t)spec->topics[t].partitions_len;
	for (size_t m = 0; m < spec->members_len; m++)
		subscriptions += spec->members[m].topics_len;
	u->first = arena_array(arena, spec->topics_len + 1, sizeof(*u->first));
	u->owner = arena_array(arena, partitions + 1, sizeof(*u->owner));
	u->behind = arena_array(arena, partitions + 1, sizeof(*u->behind));
	u->load = arena_array(arena, spec->members_len + 1, sizeof(*u->load));
	u->head = arena_array(arena, spec->members_len + 1, sizeof(*u->head));
	u->subs_at = arena_array(arena, spec->topics_len + 2, sizeof(*u->subs_at));
	u->subs = arena_array(arena, subscriptions + 1, sizeof(*u->subs));
	u->turns = arena_array(arena, spec->topics_len + 1, sizeof(*u->turns));
	return !arena->failed;
}

/* Lists each topic's subscribers: counts, then places. */
static void uniform_index(struct uniform *u)
{
	const struct assignor_spec *spec = u->spec;

	for (size_t t = 0; t < spec->topics_len; t++)
		u->first[t + 1] = u->first[t] + (size_t)spec->topics[t].partitions_len;
	for (size_t p = 0; p < u->first[spec->topics_len]; p++)
		u->owner[p] = NOBODY;
	for (size_t m = 0; m < spec->members_len; m++)
		for (size_t i = 0; i < spec->members[m].topics_len; i++)
			u->subs_at[spec->members[m].topics[i] + 2]++;
	for (size_t t = 0; t < spec->topics_len; t++)
		u->subs_at[t + 2] += u->subs_at[t + 1];
	for (size_t m = 0; m < spec->members_len; m++)
		for (size_t i = 0; i < spec->members[m].topics_len; i++)
			u->subs[u->subs_at[spec->members[m].topics[i] + 1]++] = (uint32_t)m;
}

static void uniform_keep(struct uniform *u, size_t m)
{
	const struct assignor_member *member = &u->spec->members[m];
	size_t i = 0;

	for (size_t k = 0; k < member->before.len; k++) {
		const struct tp *tp = &member->before.at[k];
		const struct assignor_topic *topic = NULL;
		size_t p;

		while (i < member->topics_len &&
		       memcmp(u->spec->topics[member->topics[i]].id.b, tp->topic.b, 16) < 0)
			i++;
		if (i == member->topics_len)
			return;
		topic = &u->spec->topics[member->topics[i]];
		if (!uuid_eq(topic->id, tp->topic) || tp->partition < 0 ||
		    tp->partition >= topic->partitions_len)
			continue;
		p = u->first[member->topics[i]] + (size_t)tp->partition;
		if (u->owner[p] != NOBODY)
			continue;
		u->owner[p] = (int32_t)m;
		u->load[m]++;
	}
}

/* -- the order of topics ------------------------------------------------------------------------
 */

struct uniform_turn {
	int64_t partitions, subscribers; /* at least one */
	uint32_t topic;
};

/* By partitions for each subscriber, most first: what is many evens out later, what is few cannot
 * even it out. Then by subscribers: who has no choice is served first. */
static int uniform_turn_compare(const void *left, const void *right)
{
	const struct uniform_turn *a = left, *b = right;
	int64_t each_a = a->partitions * b->subscribers, each_b = b->partitions * a->subscribers;

	if (each_a != each_b)
		return each_a > each_b ? -1 : 1;
	if (a->subscribers != b->subscribers)
		return a->subscribers < b->subscribers ? -1 : 1;
	return (a->topic > b->topic) - (a->topic < b->topic);
}

static bool uniform_order(struct uniform *u, struct arena *arena)
{
	size_t len = u->spec->topics_len;
	struct uniform_turn *turns = arena_array(arena, len + 1, sizeof(*turns));

	if (turns == NULL)
		return false;
	for (size_t t = 0; t < len; t++) {
		size_t subscribers = u->subs_at[t + 1] - u->subs_at[t];

		turns[t] =
		    (struct uniform_turn){u->spec->topics[t].partitions_len,
					  subscribers > 0 ? (int64_t)subscribers : 1, (uint32_t)t};
	}
	qsort(turns, len, sizeof(*turns), uniform_turn_compare);
	for (size_t i = 0; i < len; i++)
		u->turns[i] = turns[i].topic;
	return true;
}

/* -- trim ---------------------------------------------------------------------------------------
 */

static bool uniform_are_alike(const struct assignor_spec *spec)
{
	const struct assignor_member *first = spec->members;

	for (size_t m = 1; m < spec->members_len; m++)
		if (spec->members[m].topics_len != first->topics_len ||
		    (first->topics_len > 0 && memcmp(spec->members[m].topics, first->topics,
						     first->topics_len * sizeof(uint32_t)) != 0))
			return false;
	return spec->members_len > 0;
}

/* How much each is to have of what all subscribe to; and how many one more. */
static size_t uniform_share(const struct uniform *u, size_t *extra)
{
	size_t total = 0;

	for (size_t i = 0; i < u->spec->members[0].topics_len; i++)
		total += (size_t)u->spec->topics[u->spec->members[0].topics[i]].partitions_len;
	*extra = total % u->spec->members_len;
	return total / u->spec->members_len;
}

static void uniform_trim(struct uniform *u)
{
	size_t extra, share = uniform_share(u, &extra), *surplus = u->load;

	/* `load` says for a while what each has too much. */
	for (size_t m = 0; m < u->spec->members_len; m++) {
		size_t most = share;

		if (u->load[m] > share && extra > 0) {
			most++;
			extra--;
		}
		surplus[m] = u->load[m] > most ? u->load[m] - most : 0;
	}
	for (size_t p = u->first[u->spec->topics_len]; p-- > 0;) {
		if (u->owner[p] == NOBODY || surplus[u->owner[p]] == 0)
			continue;
		surplus[u->owner[p]]--;
		u->owner[p] = NOBODY;
	}
	for (size_t p = 0; p < u->first[u->spec->topics_len]; p++)
		if (u->owner[p] != NOBODY)
			u->load[u->owner[p]]++;
}

/* -- give and balance ---------------------------------------------------------------------------
 */

/* The subscriber with the least load; of those with a partition in hand, the one with the most. */
static uint32_t uniform_least(const struct uniform *u, size_t t)
{
	uint32_t best = u->subs[u->subs_at[t]];

	for (size_t i = u->subs_at[t] + 1; i < u->subs_at[t + 1]; i++)
		if (u->load[u->subs[i]] < u->load[best])
			best = u->subs[i];
	return best;
}

static int32_t uniform_most(const struct uniform *u, size_t t)
{
	int32_t best = NOBODY;

	for (size_t i = u->subs_at[t]; i < u->subs_at[t + 1]; i++)
		if (u->head[u->subs[i]] != NOBODY &&
		    (best == NOBODY || u->load[u->subs[i]] > u->load[best]))
			best = (int32_t)u->subs[i];
	return best;
}

/* A heap of the topic's subscribers by load, least on top; then in their order. */
static bool uniform_before(const struct uniform *u, uint32_t a, uint32_t b)
{
	return u->load[a] != u->load[b] ? u->load[a] < u->load[b] : a < b;
}

static void uniform_sift(const struct uniform *u, uint32_t *heap, size_t len, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		uint32_t moved = heap[at];

		if (child >= len)
			return;
		if (child + 1 < len && uniform_before(u, heap[child + 1], heap[child]))
			child++;
		if (!uniform_before(u, heap[child], moved))
			return;
		heap[at] = heap[child];
		heap[child] = moved;
		at = child;
	}
}

static void uniform_give(struct uniform *u, size_t t)
{
	uint32_t *heap = u->subs + u->subs_at[t];
	size_t len = u->subs_at[t + 1] - u->subs_at[t];

	if (len == 0)
		return;
	for (size_t i = len; i-- > 0;)
		uniform_sift(u, heap, len, i);
	for (size_t p = u->first[t]; p < u->first[t + 1]; p++) {
		if (u->owner[p] != NOBODY)
			continue;
		u->owner[p] = (int32_t)heap[0];
		u->load[heap[0]]++;
		uniform_sift(u, heap, len, 0);
	}
}

/* Chains each subscriber's partitions of this topic. */
static void uniform_chain(struct uniform *u, size_t t)
{
	for (size_t i = u->subs_at[t]; i < u->subs_at[t + 1]; i++)
		u->head[u->subs[i]] = NOBODY;
	for (size_t p = u->first[t]; p < u->first[t + 1]; p++) {
		u->behind[p] = u->head[u->owner[p]];
		u->head[u->owner[p]] = (int32_t)p;
	}
}

static bool uniform_balance(struct uniform *u, size_t t)
{
	bool moved = false;

	if (u->subs_at[t + 1] - u->subs_at[t] < 2)
		return false;
	uniform_chain(u, t);
	for (size_t i = u->first[t]; i < u->first[t + 1]; i++) {
		int32_t from = uniform_most(u, t), p;
		uint32_t to = uniform_least(u, t);

		if (from == NOBODY || u->load[from] < u->load[to] + 2)
			break;
		p = u->head[from];
		u->head[from] = u->behind[p];
		u->behind[p] = u->head[to];
		u->head[to] = p;
		u->owner[p] = (int32_t)to;
		u->load[from]--;
		u->load[to]++;
		moved = true;
	}
	return moved;
}

static enum err uniform_write(const struct uniform *u, struct arena *arena)
{
	struct assignor_member *members = u->spec->members;
	struct tp **next = arena_array(arena, u->spec->members_len + 1, sizeof(*next));

	for (size_t m = 0; m < u->spec->members_len && !arena->failed; m++) {
		next[m] = arena_array(arena, u->load[m] + 1, sizeof(**next));
		members[m].target = (struct tpset){next[m], u->load[m]};
	}
	if (arena->failed)
		return ERR_NOMEM;
	for (size_t t = 0; t < u->spec->topics_len; t++)
		for (size_t p = u->first[t]; p < u->first[t + 1]; p++)
			if (u->owner[p] != NOBODY)
				*next[u->owner[p]]++ =
				    (struct tp){.topic = u->spec->topics[t].id,
						.partition = (int32_t)(p - u->first[t])};
	return ERR_OK;
}

static enum err uniform_assign(struct uniform *u, struct arena *arena)
{
	size_t topics_len = u->spec->topics_len;
	bool moved = true;

	uniform_index(u);
	if (!uniform_order(u, arena))
		return ERR_NOMEM;
	for (size_t m = 0; m < u->spec->members_len; m++)
		uniform_keep(u, m);
	if (uniform_are_alike(u->spec))
		uniform_trim(u);
	for (size_t i = 0; i < topics_len; i++)
		uniform_give(u, u->turns[i]);
	for (int round = 0; round < UNIFORM_ROUNDS_MAX && moved; round++) {
		moved = false;
		for (size_t i = 0; i < topics_len; i++)
			moved = uniform_balance(u, u->turns[i]) || moved;
	}
	return uniform_write(u, arena);
}

enum err assignor_uniform(struct assignor_spec *spec, struct arena *arena)
{
	struct uniform u;

	if (!uniform_alloc(&u, spec, arena))
		return ERR_NOMEM;
	return uniform_assign(&u, arena);
}
