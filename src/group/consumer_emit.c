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

void consumer_emit_target_epoch(struct cevent *ev)
{
	struct consumer_record *record = emit(ev, FX_CONSUMER_TARGET_EPOCH, STR_NULL);

	record->target_epoch.epoch = ev->assignment_epoch;
	record->target_epoch.made_ms = ev->now.wall_ms;
}

static void emit_tombstone(struct fx *fx, struct str group, enum fx_record_kind kind,
			   struct str member)
{
	struct fx_record *record = fx_record_add(fx, kind, group);

	record->tombstone = true;
	record->consumer.member_id = member;
}

/* In this order, as Kafka's replay wants it: what it has, what it is to have, the member. */
static void emit_member_tombstones(struct fx *fx, struct str group, struct str id)
{
	emit_tombstone(fx, group, FX_CONSUMER_CURRENT, id);
	emit_tombstone(fx, group, FX_CONSUMER_TARGET, id);
	emit_tombstone(fx, group, FX_CONSUMER_MEMBER, id);
}

void consumer_emit_removal(struct cevent *ev, struct str id)
{
	emit_member_tombstones(ev->fx, ev->group_id, fx_str(ev->fx, id));
}

void consumer_emit_tombstones(const struct group *group, struct fx *fx)
{
	const struct consumer *c = group->consumer;
	struct str id = fx_str(fx, group->id);

	for (const struct cmember *m = c->members; m != NULL; m = m->hh.next)
		emit_member_tombstones(fx, id, fx_str(fx, m->id));
	for (const struct cregex *r = c->regexes; r != NULL; r = r->hh.next) {
		struct fx_record *record = fx_record_add(fx, FX_CONSUMER_REGEX, id);

		record->tombstone = true;
		record->consumer.resolved.regex = fx_str(fx, r->regex);
	}
	emit_tombstone(fx, id, FX_CONSUMER_TARGET_EPOCH, STR_NULL);
	emit_tombstone(fx, id, FX_CONSUMER_GROUP, STR_NULL);
}
