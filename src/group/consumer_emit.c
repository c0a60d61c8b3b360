/* Records from what is to be. See consumer_int.h. */
#include "group/consumer_int.h"

static struct consumer_record *emit(struct cevent *ev, enum fx_record_kind kind, struct str member)
{
	struct fx_record *record = fx_record_add(ev->fx, kind, ev->group_id);

	record->consumer.member_id = member;
	return &record->consumer;
}

void consumer_emit_group(struct cevent *ev, int64_t metadata_hash)
{
	struct consumer_record *record = emit(ev, FX_CONSUMER_GROUP, STR_NULL);

	record->group.epoch = ev->epoch;
	record->group.metadata_hash = metadata_hash;
}

void consumer_emit_member(struct cevent *ev, struct str id, const struct consumer_about *about)
{
	emit(ev, FX_CONSUMER_MEMBER, id)->about = *about;
}

void consumer_emit_current(struct cevent *ev, const struct cnext *next)
{
	struct consumer_record *record = emit(ev, FX_CONSUMER_CURRENT, next->id);

	record->current.epoch = next->epoch;
	record->current.previous_epoch = next->previous_epoch;
	record->current.state = next->state;
	record->current.assigned = next->assigned;
	record->current.revoking = next->revoking;
}

void consumer_emit_target(struct cevent *ev, struct str id, struct tpset target)
{
	emit(ev, FX_CONSUMER_TARGET, id)->target = target;
}

void consumer_emit_target_epoch(struct cevent *ev, int64_t made_ms)
{
	struct consumer_record *record = emit(ev, FX_CONSUMER_TARGET_EPOCH, STR_NULL);

	record->target_epoch.epoch = ev->assignment_epoch;
	record->target_epoch.made_ms = made_ms;
}

static void emit_tombstone(struct fx *fx, struct str group, enum fx_record_kind kind,
			   struct str member)
{
	struct fx_record *record = fx_record_add(fx, kind, group);

	record->tombstone = true;
	record->consumer.member_id = member;
}

/* In this order, as Kafka's replay wants it: what it has, what it is to have, the member. */
void consumer_emit_removal(struct cevent *ev, struct str member)
{
	struct str id = fx_str(ev->fx, member);

	emit_tombstone(ev->fx, ev->group_id, FX_CONSUMER_CURRENT, id);
	emit_tombstone(ev->fx, ev->group_id, FX_CONSUMER_TARGET, id);
	emit_tombstone(ev->fx, ev->group_id, FX_CONSUMER_MEMBER, id);
}

/* Of all members with records: as they are, but for one who was replaced in this event. */
static void emit_members_tombstones(struct cevent *ev, enum fx_record_kind kind)
{
	for (const struct cmember *m = ev->c->members; m != NULL; m = m->hh.next)
		if (m != ev->gone)
			emit_tombstone(ev->fx, ev->group_id, kind, fx_str(ev->fx, m->id));
	if (ev->next != NULL && ev->next->old == NULL)
		emit_tombstone(ev->fx, ev->group_id, kind, ev->next->id);
}

void consumer_emit_tombstones(struct cevent *ev)
{
	emit_members_tombstones(ev, FX_CONSUMER_CURRENT);
	emit_members_tombstones(ev, FX_CONSUMER_TARGET);
	emit_tombstone(ev->fx, ev->group_id, FX_CONSUMER_TARGET_EPOCH, STR_NULL);
	emit_members_tombstones(ev, FX_CONSUMER_MEMBER);
	for (const struct cregex *r = ev->c->regexes; r != NULL; r = r->hh.next) {
		struct fx_record *record = fx_record_add(ev->fx, FX_CONSUMER_REGEX, ev->group_id);

		record->tombstone = true;
		record->consumer.resolved.regex = fx_str(ev->fx, r->regex);
	}
	emit_tombstone(ev->fx, ev->group_id, FX_CONSUMER_PARTITIONS, STR_NULL);
	emit_tombstone(ev->fx, ev->group_id, FX_CONSUMER_GROUP, STR_NULL);
}

void consumer_emit_all_tombstones(const struct group *group, struct fx *fx)
{
	struct cevent ev = {.c = group->consumer, .fx = fx, .group_id = fx_str(fx, group->id)};

	consumer_emit_tombstones(&ev);
}
