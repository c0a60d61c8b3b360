/*
 * One member's way towards its target, a step for each of its full words:
 *
 *	stable      it has its target, of the target's epoch
 *	unrevoked   it has been told to give back partitions, and has not said yet that it did; it
 *		    stays in its epoch meanwhile
 *	unreleased  it is in the target's epoch, but others still have some of its partitions
 *
 * What it may keep it keeps throughout. A partition is given only when nobody has it. Of topics to
 * which it does not subscribe any more it gives back all at once, before a target knows of that.
 */
#include "group/consumer_int.h"

#include <stdlib.h>

struct reconcile {
	struct cevent *ev;
	bool has_owned; /* it has said what it owns */
	struct tpset owned;
	struct uuid *topics; /* to which it subscribes, sorted */
	size_t topics_len;
};

/* Without a word about what it owns, it may still own everything. */
static bool reconcile_still_owns(const struct reconcile *re, struct tpset revoking)
{
	return !re->has_owned || tpset_overlaps(re->owned, revoking);
}

/* -- to what it subscribes ----------------------------------------------------------------- */

static int reconcile_compare(const void *a, const void *b)
{
	return memcmp(((const struct uuid *)a)->b, ((const struct uuid *)b)->b,
		      sizeof(struct uuid));
}

static void reconcile_find_topics(struct reconcile *re)
{
	const struct consumer_topics *view = re->ev->shard->consumer_topics;
	int32_t partitions_len;
	struct str *names;
	size_t names_len;

	consumer_subscription(re->ev, &re->ev->next->about, &names, &names_len);
	re->topics = fx_alloc(re->ev->fx, names_len, sizeof(*re->topics));
	for (size_t i = 0; view != NULL && i < names_len; i++)
		re->topics_len += view->by_name(view->ctx, names[i], &re->topics[re->topics_len],
						&partitions_len);
	qsort(re->topics, re->topics_len, sizeof(*re->topics), reconcile_compare);
}

static struct tpset reconcile_subscribed(const struct reconcile *re, struct tpset set)
{
	struct tp *list = fx_alloc(re->ev->fx, set.len, sizeof(*list));
	size_t len = 0;

	for (size_t i = 0, run; i < set.len; i += run) {
		run = tpset_run(set, i);
		if (bsearch(&set.at[i].topic, re->topics, re->topics_len, sizeof(*re->topics),
			    reconcile_compare) == NULL)
			continue;
		memcpy(list + len, set.at + i, run * sizeof(*list));
		len += run;
	}
	return (struct tpset){list, len};
}

/* -- the step ------------------------------------------------------------------------------ */

static bool reconcile_is_free(const struct cevent *ev, const struct tp *tp)
{
	const struct cmember *owner = consumer_owner(ev->c, tp);

	/* Who is replaced by this one, or leaves in this event, has nothing any more. */
	if (owner == NULL || owner == ev->gone)
		return true;
	/* What it was to give back, and is to have again. */
	return owner == ev->next->old &&
	       tpset_find(owner->revoking, tp->topic, tp->partition) != NULL;
}

/* Of what is wanted, that which nobody has. */
static struct tpset reconcile_free(const struct cevent *ev, struct tpset wanted)
{
	struct tp *list = fx_alloc(ev->fx, wanted.len, sizeof(*list));
	size_t len = 0;

	for (size_t i = 0; i < wanted.len; i++) {
		if (!reconcile_is_free(ev, &wanted.at[i]))
			continue;
		list[len] = wanted.at[i];
		list[len++].epoch = ev->assignment_epoch;
	}
	return (struct tpset){list, len};
}

static void reconcile_set_epoch(struct cnext *next, int32_t epoch)
{
	next->previous_epoch = next->epoch;
	next->epoch = epoch;
}

static void reconcile_towards(struct reconcile *re, int32_t epoch)
{
	struct cevent *ev = re->ev;
	struct cnext *next = ev->next;
	struct arena *arena = &ev->fx->arena;
	struct tpset target = reconcile_subscribed(re, next->target);
	struct tpset kept = tpset_and(next->assigned, target, arena);
	struct tpset revoking = tpset_minus(next->assigned, kept, arena);
	struct tpset wanted = tpset_minus(target, kept, arena);
	struct tpset given;

	next->assigned = kept;
	if (revoking.len > 0 && reconcile_still_owns(re, revoking)) {
		next->state = CONSUMER_UNREVOKED;
		next->revoking = revoking;
		reconcile_set_epoch(next, epoch);
		return;
	}
	given = reconcile_free(ev, wanted);
	next->assigned = tpset_or(kept, given, arena);
	next->revoking = TPSET_NONE;
	next->state = given.len < wanted.len ? CONSUMER_UNRELEASED : CONSUMER_STABLE;
	reconcile_set_epoch(next, ev->assignment_epoch);
}

/* It stays where it is, but for the topics that it has given up. */
static void reconcile_give_up(struct reconcile *re)
{
	struct cnext *next = re->ev->next;
	struct arena *arena = &re->ev->fx->arena;
	struct tpset kept = reconcile_subscribed(re, next->assigned);
	struct tpset given_up = tpset_minus(next->assigned, kept, arena), revoking;

	if (given_up.len == 0)
		return;
	revoking = tpset_or(next->revoking, given_up, arena);
	next->assigned = kept;
	reconcile_set_epoch(next, next->epoch);
	if (!reconcile_still_owns(re, revoking))
		return;
	next->state = CONSUMER_UNREVOKED;
	next->revoking = revoking;
}

static enum err reconcile_step(struct reconcile *re, bool subscription_changed)
{
	const struct cnext *next = re->ev->next;
	bool waits = false;

	if (next->state == CONSUMER_UNKNOWN) {
		if (!re->has_owned || re->owned.len > 0)
			return ERR_FENCED_MEMBER_EPOCH;
		reconcile_towards(re, re->ev->assignment_epoch);
		return ERR_OK;
	}
	if (next->state == CONSUMER_STABLE)
		waits = next->epoch == re->ev->assignment_epoch;
	else if (next->state == CONSUMER_UNREVOKED)
		waits = reconcile_still_owns(re, next->revoking);
	if (!waits)
		reconcile_towards(re, next->epoch);
	else if (subscription_changed)
		reconcile_give_up(re);
	return ERR_OK;
}

static bool reconcile_changed(const struct cnext *a, const struct cnext *b)
{
	return a->epoch != b->epoch || a->previous_epoch != b->previous_epoch ||
	       a->state != b->state || !tpset_equal(a->assigned, b->assigned) ||
	       !tpset_equal(a->revoking, b->revoking);
}

enum err consumer_reconcile(struct cevent *ev, bool subscription_changed, bool has_owned,
			    struct tpset owned)
{
	struct reconcile re = {.ev = ev, .has_owned = has_owned, .owned = owned};
	struct cnext *next = ev->next, before = *next;
	enum err err;

	if (!subscription_changed && next->state == CONSUMER_STABLE &&
	    next->epoch == ev->assignment_epoch)
		return ERR_OK;
	reconcile_find_topics(&re);
	err = reconcile_step(&re, subscription_changed);
	must(!ev->fx->arena.failed);
	next->stepped = err == ERR_OK && reconcile_changed(&before, next);
	if (next->stepped)
		consumer_emit_current(ev, next);
	return err;
}
