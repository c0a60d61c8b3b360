/*
 * The rebalance of a classic group: Preparing (members join), Completing (the leader assigns),
 * Stable; and its two deadlines.
 *
 * The first rebalance of an empty group is drawn out, so that members that start together share one
 * generation: by the initial delay, and again as long as new members come, up to the longest
 * rebalance timeout among them. A later one ends when all have joined, or by that timeout.
 */
#include "group/group_int.h"

static void rebalance_arm_join(struct group *group, struct moment now, int32_t after_ms)
{
	deadline_set(group->shard->deadlines, &group->join, now.mono_ms + after_ms);
}

static void rebalance_begin_initial(struct group *group, struct moment now)
{
	int32_t left_ms;

	group->delay_ms = group->shard->cfg->initial_delay_ms;
	left_ms = group_rebalance_ms(group) - group->delay_ms;
	group->delay_left_ms = left_ms > 0 ? left_ms : 0;
	group->new_member_added = false;
	rebalance_arm_join(group, now, group->delay_ms);
}

/* Nobody is waited for with SyncGroup any more. */
static void rebalance_end_sync(struct group *group)
{
	for (struct member *m = group->members; m != NULL && group->syncs_missing > 0;
	     m = m->hh.next)
		sync_received(m);
	must(group->syncs_missing == 0 && !deadline_is_set(&group->sync));
}

void rebalance_prepare(struct group *group, struct moment now, const char *why, struct fx *fx)
{
	bool initial = group_is(group, STATE_EMPTY);

	if (group_is(group, STATE_COMPLETING))
		sync_propagate(group, now, ERR_REBALANCE_IN_PROGRESS, fx);
	rebalance_end_sync(group);
	if (initial)
		rebalance_begin_initial(group, now);
	group_set_state(group, STATE_PREPARING, now);
	fx_note(fx, "group %.*s: rebalance after generation %d: %s", STR_ARG(group->id),
		group->generation, why);
	if (initial)
		return;
	if (group_has_joined(group))
		rebalance_complete(group, now, fx);
	else
		rebalance_arm_join(group, now, group_rebalance_ms(group));
}

void rebalance_or_go_on(struct group *group, struct moment now, const char *why, struct fx *fx)
{
	if (!group_is(group, STATE_PREPARING))
		rebalance_prepare(group, now, why, fx);
	else
		rebalance_maybe_complete(group, now, fx);
}

void rebalance_maybe_complete(struct group *group, struct moment now, struct fx *fx)
{
	if (group_is(group, STATE_PREPARING) && group->previous != STATE_EMPTY &&
	    group_has_joined(group))
		rebalance_complete(group, now, fx);
}

/* Dynamic members that have not joined are out; static ones keep their place (KIP-345). */
static void rebalance_drop_absent(struct group *group, struct fx *fx)
{
	struct member *m, *next;

	HASH_ITER (hh, group->members, m, next)
		if (m->join_who == NULL && m->instance_id.ptr == NULL)
			member_remove(m, ERR_UNKNOWN_MEMBER_ID, fx);
}

/* The leader must be one who is there to make the assignment. False: nobody is. */
static bool rebalance_elect(struct group *group)
{
	if (group->leader != NULL && group->leader->join_who != NULL)
		return true;
	for (struct member *m = group->members; m != NULL; m = m->hh.next) {
		if (m->join_who != NULL) {
			group->leader = m;
			return true;
		}
	}
	return false;
}

static const struct join_answer_member *rebalance_list(const struct group *group, struct fx *fx)
{
	struct join_answer_member *list = fx_alloc(fx, HASH_COUNT(group->members), sizeof(*list));
	size_t i = 0;

	for (struct member *m = group->members; m != NULL; m = m->hh.next)
		list[i++] = (struct join_answer_member){m->id, m->instance_id,
							member_metadata(m, group->protocol)};
	return list;
}

void rebalance_answer(struct member *member, void *who, bool with_members, struct fx *fx)
{
	struct group *group = member->group;
	struct fx_answer *answer = fx_answer_add(fx, who);

	answer->join =
	    (struct join_answer){.generation = group->generation,
				 .protocol_type = group->protocol_type,
				 .protocol = group->protocol,
				 .leader = group->leader != NULL ? group->leader->id : STR(""),
				 .member_id = member->id};
	if (with_members) {
		answer->join.members = rebalance_list(group, fx);
		answer->join.members_len = HASH_COUNT(group->members);
	}
}

static void rebalance_begin_sync(struct group *group, struct moment now, struct fx *fx)
{
	must(group->syncs_missing == 0 && group->leader != NULL);
	for (struct member *m = group->members; m != NULL; m = m->hh.next) {
		void *who = member_take_join(m);

		if (who != NULL)
			rebalance_answer(m, who, m == group->leader, fx);
		member_touch(m, now);
		m->is_new = false;
		m->sync_missing = true;
		group->syncs_missing++;
	}
	deadline_set(group->shard->deadlines, &group->sync,
		     now.mono_ms + group_rebalance_ms(group));
}

void rebalance_complete(struct group *group, struct moment now, struct fx *fx)
{
	struct keep *keep = group->shard->keep;

	must(group_is(group, STATE_PREPARING));
	deadline_clear(group->shard->deadlines, &group->join);
	group->delay_left_ms = 0;
	rebalance_drop_absent(group, fx);
	if (!rebalance_elect(group) && group->members != NULL) {
		/* Only static members, and none is back: their sessions end, or they come. */
		rebalance_arm_join(group, now, group_rebalance_ms(group));
		return;
	}
	group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
	if (group->members == NULL) {
		keep_free_str(keep, &group->protocol);
		subscription_update(group);
		group_set_state(group, STATE_EMPTY, now);
		group_emit(group, false, fx);
		fx_note(fx, "group %.*s: empty, generation %d", STR_ARG(group->id),
			group->generation);
		return;
	}
	group_set_str(group, &group->protocol, group_vote(group));
	subscription_update(group);
	group_set_state(group, STATE_COMPLETING, now);
	rebalance_begin_sync(group, now, fx);
	fx_note(fx, "group %.*s: generation %d with %u members, protocol %.*s", STR_ARG(group->id),
		group->generation, HASH_COUNT(group->members), STR_ARG(group->protocol));
}

void rebalance_join_due(struct group *group, struct moment now, struct fx *fx)
{
	int32_t delay_ms;

	if (!group_is(group, STATE_PREPARING))
		return;
	if (group->previous != STATE_EMPTY || !group->new_member_added ||
	    group->delay_left_ms == 0) {
		rebalance_complete(group, now, fx);
		return;
	}
	delay_ms = group->shard->cfg->initial_delay_ms;
	if (delay_ms > group->delay_left_ms)
		delay_ms = group->delay_left_ms;
	group->delay_left_ms -= group->delay_ms;
	if (group->delay_left_ms < 0)
		group->delay_left_ms = 0;
	group->delay_ms = delay_ms;
	group->new_member_added = false;
	rebalance_arm_join(group, now, delay_ms);
}

void rebalance_sync_due(struct group *group, struct moment now, struct fx *fx)
{
	struct member *m, *next;

	if (group->syncs_missing == 0 ||
	    (!group_is(group, STATE_COMPLETING) && !group_is(group, STATE_STABLE)))
		return;
	HASH_ITER (hh, group->members, m, next)
		if (m->sync_missing)
			member_remove(m, ERR_UNKNOWN_MEMBER_ID, fx);
	rebalance_prepare(group, now, "members did not ask for their assignment", fx);
}
