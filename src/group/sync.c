/*
 * SyncGroup: the leader's assignment is written to the log, and with that the group is stable and
 * everybody who has asked gets theirs. See shard.h.
 */
#include "group/consumer_int.h"

void sync_received(struct member *member)
{
	struct group *group = member->group;

	if (!member->sync_missing)
		return;
	must(group->syncs_missing > 0);
	member->sync_missing = false;
	group->syncs_missing--;
	if (group->syncs_missing == 0)
		deadline_clear(group->shard->deadlines, &group->sync);
}

static void sync_answer(struct member *member, void *who, struct fx *fx)
{
	struct fx_answer *answer = fx_answer_add(fx, who);

	answer->durable = true;
	answer->is_sync = true;
	answer->sync = (struct sync_answer){.protocol_type = member->group->protocol_type,
					    .protocol = member->group->protocol,
					    .assignment = member->assignment};
	if (member->assignment.ptr == NULL)
		answer->sync.assignment = (struct bytes){(const uint8_t *)"", 0};
}

/* To all who wait: their assignment, or an error, and then nobody has an assignment. */
void sync_propagate(struct group *group, struct moment now, enum err err, struct fx *fx)
{
	for (struct member *m = group->members; m != NULL; m = m->hh.next) {
		void *who = member_take_sync(m);

		if (err != ERR_OK)
			keep_free_bytes(group->shard->keep, &m->assignment);
		if (who == NULL)
			continue;
		if (err != ERR_OK)
			fx_sync_failed(fx, who, err);
		else
			sync_answer(m, who, fx);
		/* Its session may have run out unseen while it waited. */
		member_touch(m, now);
	}
}

static void sync_drop_staged(struct group *group)
{
	for (struct member *m = group->members; m != NULL; m = m->hh.next)
		keep_free_bytes(group->shard->keep, &m->staged);
}

/* The leader's list, kept with the members until it is in the log. False over the cap. */
static bool sync_stage(struct group *group, const struct sync_ask *ask)
{
	struct keep *keep = group->shard->keep;

	for (size_t i = 0; i < ask->assignments_len; i++) {
		const struct sync_assignment *from = &ask->assignments[i];
		struct member *member = member_find(group, from->member_id);

		if (member == NULL)
			continue;
		keep_free_bytes(keep, &member->staged);
		member->staged = keep_bytes(keep, from->assignment);
		if (from->assignment.ptr != NULL && member->staged.ptr == NULL) {
			sync_drop_staged(group);
			return false;
		}
	}
	return true;
}

static void sync_from_leader(struct group *group, struct moment now, const struct sync_ask *ask,
			     struct fx *fx)
{
	if (!sync_stage(group, ask)) {
		sync_propagate(group, now, ERR_COORDINATOR_NOT_AVAILABLE, fx);
		rebalance_prepare(group, now, "no memory for the assignment", fx);
		return;
	}
	group_emit(group, true, fx);
	fx->then = FX_THEN_SYNC;
	fx->group = group;
}

void sync_settle(struct group *group, struct moment now, struct fx *fx, enum err err)
{
	struct keep *keep = group->shard->keep;

	must(group_is(group, STATE_COMPLETING));
	if (err != ERR_OK) {
		sync_drop_staged(group);
		sync_propagate(group, now, fx_append_err(err), fx);
		rebalance_prepare(group, now, "the assignment could not be written", fx);
		return;
	}
	for (struct member *m = group->members; m != NULL; m = m->hh.next) {
		keep_free_bytes(keep, &m->assignment);
		m->assignment = m->staged;
		m->staged = BYTES_NULL;
	}
	sync_propagate(group, now, ERR_OK, fx);
	group_set_state(group, STATE_STABLE, now);
	fx_note(fx, "group %.*s: stable, generation %d", STR_ARG(group->id), group->generation);
}

static bool sync_differs(struct str asked, struct str mine)
{
	return asked.ptr != NULL && mine.ptr != NULL && !str_eq(asked, mine);
}

static enum err sync_check(const struct group *group, const struct sync_ask *ask,
			   struct member **member)
{
	enum err err = member_check(group, ask->member_id, ask->instance_id, member);

	if (err != ERR_OK)
		return err;
	if (ask->generation != group->generation)
		return ERR_ILLEGAL_GENERATION;
	if (sync_differs(ask->protocol_type, group->protocol_type) ||
	    sync_differs(ask->protocol, group->protocol))
		return ERR_INCONSISTENT_GROUP_PROTOCOL;
	return ERR_OK;
}

void sync_handle(struct shard *shard, struct moment now, const struct sync_ask *ask, struct fx *fx)
{
	struct group *group = shard_find(shard, ask->group);
	struct member *member;
	enum err err;

	if (group != NULL && consumer_members_len(group->consumer) > 0) {
		consumer_sync(group, now, ask, fx);
		return;
	}
	if (group == NULL || group->type != GROUP_CLASSIC || group_is(group, STATE_EMPTY)) {
		fx_sync_failed(fx, ask->who,
			       ask->group.len == 0 ? ERR_INVALID_GROUP_ID : ERR_UNKNOWN_MEMBER_ID);
		return;
	}
	err = sync_check(group, ask, &member);
	if (err == ERR_OK && group_is(group, STATE_PREPARING))
		err = ERR_REBALANCE_IN_PROGRESS;
	if (err != ERR_OK) {
		fx_sync_failed(fx, ask->who, err);
		return;
	}
	sync_received(member);
	if (group_is(group, STATE_STABLE)) {
		sync_answer(member, ask->who, fx);
		return;
	}
	member_set_sync(member, ask->who, fx);
	if (member == group->leader)
		sync_from_leader(group, now, ask, fx);
}
