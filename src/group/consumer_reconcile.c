/*
 * One member's way towards its target, a step for each heartbeat:
 *
 *	stable      it has its target, of the target's epoch
 *	unrevoked   it has been told to give back partitions, and has not said yet that it did; it
 *		    stays in its epoch meanwhile
 *	unreleased  it is in the target's epoch, but others still have some of its partitions
 *
 * What it may keep it keeps throughout. A partition is given only when nobody has it.
 */
#include "group/consumer_int.h"

/* Without a word about what it owns, it may still own everything. */
static bool reconcile_still_owns(bool has_owned, struct tpset owned, struct tpset revoking)
{
	return !has_owned || tpset_overlaps(owned, revoking);
}

/* Of what is wanted, that which nobody has. */
static struct tpset reconcile_free(const struct cevent *ev, struct tpset wanted)
{
	struct tp *list = fx_alloc(ev->fx, wanted.len, sizeof(*list));
	size_t len = 0;

	for (size_t i = 0; i < wanted.len; i++) {
		const struct cmember *owner = consumer_owner(ev->c, &wanted.at[i]);

		/* Who is replaced by this one, or leaves in this event, has nothing any more. */
		if (owner != NULL && owner != ev->gone)
			continue;
		list[len] = wanted.at[i];
		list[len++].epoch = ev->assignment_epoch;
	}
	return (struct tpset){list, len};
}

static void reconcile_towards(struct cevent *ev, int32_t epoch, bool has_owned, struct tpset owned)
{
	struct cnext *next = ev->next;
	struct arena *arena = &ev->fx->arena;
	struct tpset kept = tpset_and(next->assigned, next->target, arena);
	struct tpset revoking = tpset_minus(next->assigned, kept, arena);
	struct tpset wanted = tpset_minus(next->target, kept, arena);
	struct tpset given = reconcile_free(ev, wanted);

	next->assigned = kept;
	if (revoking.len > 0 && reconcile_still_owns(has_owned, owned, revoking)) {
		next->state = CONSUMER_UNREVOKED;
		next->revoking = revoking;
		if (epoch != next->epoch) {
			next->previous_epoch = next->epoch;
			next->epoch = epoch;
		}
		return;
	}
	next->assigned = tpset_or(kept, given, arena);
	next->revoking = TPSET_NONE;
	next->state = given.len < wanted.len ? CONSUMER_UNRELEASED : CONSUMER_STABLE;
	if (next->epoch != ev->assignment_epoch) {
		next->previous_epoch = next->epoch;
		next->epoch = ev->assignment_epoch;
	}
}

static bool reconcile_changed(const struct cnext *a, const struct cnext *b)
{
	return a->epoch != b->epoch || a->previous_epoch != b->previous_epoch ||
	       a->state != b->state || !tpset_equal(a->assigned, b->assigned) ||
	       !tpset_equal(a->revoking, b->revoking);
}

void consumer_reconcile(struct cevent *ev, bool has_owned, struct tpset owned)
{
	struct cnext *next = ev->next, before = *next;

	if (next->state == CONSUMER_UNREVOKED) {
		if (reconcile_still_owns(has_owned, owned, next->revoking))
			return;
		/* One epoch further, should there be more to give back by now. */
		reconcile_towards(ev, next->epoch + 1, has_owned, owned);
	} else if (next->state != CONSUMER_STABLE || next->epoch != ev->assignment_epoch) {
		reconcile_towards(ev, next->epoch, has_owned, owned);
	}
	must(!ev->fx->arena.failed);
	if (reconcile_changed(&before, next))
		consumer_emit_current(ev, next);
}
