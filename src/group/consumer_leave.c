/*
 * Members that go: by their own will, because they are silent, or because they do not give back
 * what they are to lose; and the deadlines for the latter two. When only members of the classic
 * protocol remain, the group becomes a classic one.
 */
#include "group/convert.h"

struct cevent consumer_event(struct group *group, struct moment now, struct fx *fx)
{
	return (struct cevent){.shard = group->shard,
			       .c = group->consumer,
			       .now = now,
			       .fx = fx,
			       .group_id = fx_str(fx, group->id),
			       .epoch = group->consumer->epoch,
			       .assignment_epoch = group->consumer->assignment_epoch};
}

/* -- out ----------------------------------------------------------------------------------- */

/* With one new epoch for all who leave. */
static void leave_emit(struct cevent *ev)
{
	struct str *names;
	size_t names_len;

	consumer_subscribed(ev, &names, &names_len);
	ev->epoch++;
	consumer_emit_group(ev, consumer_hash(ev, names, names_len));
	for (const struct cmember *m = ev->c->members; m != NULL; m = m->hh.next) {
		if (!m->leaving)
			continue;
		consumer_emit_removal(ev, m->id);
		consumer_drop_unused_regex(ev, m->about.regex);
	}
}

/* Those who are marked. */
static void leave_remove(struct cevent *ev)
{
	if (convert_may_downgrade(ev))
		convert_downgrade(ev, "the last members of the consumer protocol have left");
	else
		leave_emit(ev);
	for (struct cmember *m = ev->c->members; m != NULL; m = m->hh.next)
		m->leaving = false;
	ev->fx->then = FX_THEN_APPLY;
}

void consumer_remove(struct cevent *ev, struct cmember *member)
{
	member->leaving = true;
	leave_remove(ev);
}

static enum err leave_find(const struct consumer *c, const struct leave_member *leaver,
			   struct cmember **out)
{
	*out = leaver->instance_id.ptr != NULL ? consumer_find_static(c, leaver->instance_id)
					       : consumer_find(c, leaver->id);
	if (*out == NULL)
		return ERR_UNKNOWN_MEMBER_ID;
	if (leaver->instance_id.ptr != NULL && leaver->id.len > 0 &&
	    !str_eq((*out)->id, leaver->id))
		return ERR_FENCED_INSTANCE_ID;
	return ERR_OK;
}

void consumer_leave(struct group *group, struct moment now, struct leave_member *members,
		    size_t members_len, struct fx *fx)
{
	struct cevent ev = consumer_event(group, now, fx);
	bool left = false;

	for (size_t i = 0; i < members_len; i++) {
		struct cmember *member;

		members[i].err = leave_find(group->consumer, &members[i], &member);
		if (members[i].err != ERR_OK)
			continue;
		member->leaving = true;
		left = true;
	}
	if (left)
		leave_remove(&ev);
}

/* -- deadlines ----------------------------------------------------------------------------- */

/* `due` is what has come. */
static void leave_fence(struct cmember *member, struct deadline *due, struct moment now,
			struct fx *fx, const char *why)
{
	struct group *group = member->group;
	struct cevent ev = consumer_event(group, now, fx);

	fx_note(fx, "group %.*s: member %.*s is out: %s", STR_ARG(group->id), STR_ARG(member->id),
		why);
	consumer_remove(&ev, member);
	/* Should the log not take it, the member is looked at again, beat as it may meanwhile. */
	deadline_set(group->shard->deadlines, due,
		     now.mono_ms + group->shard->cfg->consumer_session_ms);
}

void consumer_session_due(struct cmember *member, struct moment now, struct fx *fx)
{
	leave_fence(member, &member->session, now, fx, "its session has ended");
}

void consumer_rebalance_due(struct cmember *member, struct moment now, struct fx *fx)
{
	if (member->state == CONSUMER_UNREVOKED && member->epoch == member->rebalance_epoch)
		leave_fence(member, &member->rebalance, now, fx,
			    "it did not give back its partitions in time");
}

void consumer_join_due(struct cmember *member, struct moment now, struct fx *fx)
{
	leave_fence(member, &member->join, now, fx, "it did not join again in time");
}

void consumer_sync_due(struct cmember *member, struct moment now, struct fx *fx)
{
	leave_fence(member, &member->sync, now, fx, "it did not ask for its assignment in time");
}

/* -- the heartbeat's records are in the log, and so in the state --------------------------- */

static void settle_member(struct cmember *member, struct moment now, const struct fx_consumer *done)
{
	struct deadlines *deadlines = member->group->shard->deadlines;

	deadline_set(deadlines, &member->session, now.mono_ms + done->session_ms);
	deadline_clear(deadlines, &member->join);
	deadline_clear(deadlines, &member->sync);
	if (member->state != CONSUMER_UNREVOKED) {
		deadline_clear(deadlines, &member->rebalance);
	} else if (done->stepped || !deadline_is_set(&member->rebalance)) {
		member->rebalance_epoch = member->epoch;
		deadline_set(deadlines, &member->rebalance,
			     now.mono_ms + member->about.rebalance_ms);
	}
}

void consumer_settle(struct shard *shard, struct moment now, const struct fx_consumer *done)
{
	struct group *group = shard_find(shard, done->group);
	struct consumer *c = group != NULL ? group->consumer : NULL;
	struct cmember *member = consumer_find(c, done->member_id);

	if (member != NULL)
		settle_member(member, now, done);
	if (!done->upgraded || c == NULL)
		return;
	/* They were members of a classic group until now. */
	for (member = c->members; member != NULL; member = member->hh.next)
		if (!deadline_is_set(&member->session))
			deadline_set(shard->deadlines, &member->session,
				     now.mono_ms + member->about.session_ms);
}
