/*
 * Members that go: by their own will, because they are silent, or because they do not give back
 * what they are to lose; and the deadlines for the latter two.
 */
#include "group/consumer_int.h"

void consumer_remove(struct cevent *ev, const struct cmember *member)
{
	struct str *names;
	size_t names_len;

	ev->gone = member;
	consumer_subscribed(ev, &names, &names_len);
	ev->epoch++;
	consumer_emit_group(ev, consumer_hash(ev, names, names_len));
	consumer_emit_removal(ev, member->id);
	consumer_drop_unused_regex(ev, member->about.regex);
	ev->fx->then = FX_THEN_APPLY;
}

static void leave_fence(struct cmember *member, struct moment now, struct fx *fx, const char *why)
{
	struct group *group = member->group;
	struct cevent ev = {.shard = group->shard,
			    .c = group->consumer,
			    .now = now,
			    .fx = fx,
			    .group_id = fx_str(fx, group->id),
			    .epoch = group->consumer->epoch,
			    .assignment_epoch = group->consumer->assignment_epoch};

	fx_note(fx, "group %.*s: member %.*s is out: %s", STR_ARG(group->id), STR_ARG(member->id),
		why);
	consumer_remove(&ev, member);
	/* Should the log not take it, the member is looked at again. */
	deadline_set(group->shard->deadlines, &member->session,
		     now.mono_ms + group->shard->cfg->consumer_session_ms);
}

void consumer_session_due(struct cmember *member, struct moment now, struct fx *fx)
{
	leave_fence(member, now, fx, "its session has ended");
}

void consumer_rebalance_due(struct cmember *member, struct moment now, struct fx *fx)
{
	if (member->state == CONSUMER_UNREVOKED && member->epoch == member->rebalance_epoch)
		leave_fence(member, now, fx, "it did not give back its partitions in time");
}

/* The heartbeat's records are in the log, and so in the state: sets the member's deadlines. */
void consumer_settle(struct shard *shard, struct moment now, const struct fx_consumer *done)
{
	struct group *group = shard_find(shard, done->group);
	struct cmember *member;

	member = group != NULL ? consumer_find(group->consumer, done->member_id) : NULL;
	if (member == NULL)
		return;
	deadline_set(shard->deadlines, &member->session, now.mono_ms + done->session_ms);
	if (member->state != CONSUMER_UNREVOKED) {
		deadline_clear(shard->deadlines, &member->rebalance);
	} else if (!deadline_is_set(&member->rebalance) ||
		   member->rebalance_epoch != member->epoch) {
		member->rebalance_epoch = member->epoch;
		deadline_set(shard->deadlines, &member->rebalance,
			     now.mono_ms + member->about.rebalance_ms);
	}
}
