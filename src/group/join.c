/*
 * JoinGroup: who may be a member, under which id, and when the answer waits for a rebalance.
 * See shard.h for the KIPs.
 */
#include "group/consumer_int.h"

/* Clients offer two or three; each is compared with each other. */
#define JOIN_PROTOCOLS_MAX 1000

/* What shard_settle must know of a static member that came back. */
struct fx_replaced {
	struct str old_leader;
	bool can_skip;
};

static void join_refuse(const struct join_ask *ask, enum err err, struct fx *fx)
{
	fx_join_failed(fx, ask->who, err, ask->member_id);
}

/* Of the right size and kind, whatever the group's state. */
static enum err join_check(const struct shard *shard, const struct join_ask *ask)
{
	if (ask->group.len == 0)
		return ERR_INVALID_GROUP_ID;
	if (ask->session_ms < shard->cfg->session_min_ms ||
	    ask->session_ms > shard->cfg->session_max_ms)
		return ERR_INVALID_SESSION_TIMEOUT;
	if (ask->protocols_len > JOIN_PROTOCOLS_MAX)
		return ERR_INCONSISTENT_GROUP_PROTOCOL;
	return ERR_OK;
}

/* -- members come in ----------------------------------------------------------------------- */

static enum err join_add(struct group *group, struct moment now, const struct join_ask *ask,
			 struct str id, struct fx *fx)
{
	struct member_value value = {.id = id,
				     .instance_id = ask->instance_id,
				     .client_id = ask->client_id,
				     .client_host = ask->client_host,
				     .session_ms = ask->session_ms,
				     .rebalance_ms = ask->rebalance_ms};
	struct pending *pending = pending_find(group, id);
	struct member *member = member_add(group, &value, ask->protocols, ask->protocols_len);

	if (member == NULL)
		return ERR_COORDINATOR_NOT_AVAILABLE;
	if (pending != NULL)
		pending_remove(pending);
	if (HASH_COUNT(group->members) == 1)
		group_set_str(group, &group->protocol_type, ask->protocol_type);
	member->is_new = true;
	if (group_is(group, STATE_PREPARING) && group->previous == STATE_EMPTY)
		group->new_member_added = true;
	member_set_join(member, ask->who, fx);
	member_arm(member, now, group->shard->cfg->new_member_ms);
	rebalance_or_go_on(group, now, "a member has joined", fx);
	return ERR_OK;
}

static enum err join_give_id(struct group *group, struct moment now, const struct join_ask *ask,
			     struct str id, struct fx *fx)
{
	if (!pending_add(group, id, now.mono_ms + ask->session_ms))
		return ERR_COORDINATOR_NOT_AVAILABLE;
	fx_join_failed(fx, ask->who, ERR_MEMBER_ID_REQUIRED, id);
	return ERR_OK;
}

/*
 * A static member is back, without an id: it takes the place of the one that had its instance id,
 * which is fenced. In a stable group nobody else need notice, if the protocol stays what it is;
 * but its new id must be in the log before it may be used.
 */
static enum err join_replace(struct group *group, struct moment now, const struct join_ask *ask,
			     struct member *member, struct str id, struct fx *fx)
{
	struct str old_leader = fx_str(fx, group->leader->id);

	fx_join_failed(fx, member_take_join(member), ERR_FENCED_INSTANCE_ID, member->id);
	fx_sync_failed(fx, member_take_sync(member), ERR_FENCED_INSTANCE_ID);
	/* Renamed and no more is harmless: its client comes again without an id. */
	if (!member_rename(member, id) || !member_update(member, ask))
		return ERR_COORDINATOR_NOT_AVAILABLE;
	member->is_new = false;
	member_touch(member, now);
	member_set_join(member, ask->who, fx);
	if (group_is(group, STATE_COMPLETING)) {
		/* The leader may be assigning to the old id. */
		rebalance_prepare(group, now, "a static member is back", fx);
	} else if (!group_is(group, STATE_STABLE)) {
		rebalance_maybe_complete(group, now, fx);
	} else if (!str_eq(group_vote(group), group->protocol)) {
		rebalance_prepare(group, now, "a static member speaks another protocol", fx);
	} else {
		group_emit(group, false, fx);
		fx->then = FX_THEN_REPLACE;
		fx->group = group;
		fx->member = member;
		fx->replaced = fx_alloc(fx, 1, sizeof(*fx->replaced));
		*fx->replaced = (struct fx_replaced){old_leader, ask->can_skip};
	}
	return ERR_OK;
}

/*
 * An older client that was the leader is told its old id as the leader's, so that it does not make
 * an assignment that nobody waits for. A newer one knows that it need not (KIP-814).
 *
 * If the record could not be written the client tries again, and is given a third id; the second
 * stays in the state till then, which fences the old one a little early and harms nobody.
 */
void join_settle_replaced(struct shard *shard, struct moment now, struct fx *fx, enum err err)
{
	struct member *member = fx->member;
	void *who = member_take_join(member);
	bool leads = member == member->group->leader;
	struct fx_answer *answer;

	must(who != NULL && group_is(member->group, STATE_STABLE));
	if (err != ERR_OK) {
		fx_join_failed(fx, who, fx_append_err(err), STR(""));
		return;
	}
	rebalance_answer(member, who, leads && fx->replaced->can_skip, fx);
	answer = &fx->answers[fx->answers_len - 1];
	answer->durable = true;
	if (fx->replaced->can_skip)
		answer->join.skip_assignment = leads;
	else
		answer->join.leader = fx->replaced->old_leader;
}

static enum err join_new(struct group *group, struct moment now, const struct join_ask *ask,
			 struct fx *fx)
{
	struct member *holder = member_find_static(group, ask->instance_id);
	struct str prefix = ask->instance_id.ptr != NULL ? ask->instance_id : ask->client_id;
	struct str id = member_new_id(group->shard->rnd, prefix, &fx->arena);

	must(id.ptr != NULL);
	if (holder != NULL)
		return join_replace(group, now, ask, holder, id, fx);
	if (ask->instance_id.ptr == NULL && ask->wants_member_id)
		return join_give_id(group, now, ask, id, fx);
	return join_add(group, now, ask, id, fx);
}

/* -- members come again -------------------------------------------------------------------- */

static enum err join_again(struct group *group, struct moment now, const struct join_ask *ask,
			   struct fx *fx)
{
	struct member *member;
	enum err err;

	if (pending_find(group, ask->member_id) != NULL) {
		/* The ids of static members are never only given out. */
		if (ask->instance_id.ptr != NULL)
			return ERR_UNKNOWN_MEMBER_ID;
		return join_add(group, now, ask, ask->member_id, fx);
	}
	err = member_check(group, ask->member_id, ask->instance_id, &member);
	if (err != ERR_OK)
		return err;
	if (!group_is(group, STATE_PREPARING) &&
	    protocols_equal(member->protocols, member->protocols_len, ask->protocols,
			    ask->protocols_len) &&
	    !(group_is(group, STATE_STABLE) && member == group->leader)) {
		/*
		 * It missed its answer: nothing new. A leader of a stable group wants a rebalance.
		 */
		rebalance_answer(member, ask->who, member == group->leader, fx);
		return ERR_OK;
	}
	if (!member_update(member, ask))
		return ERR_COORDINATOR_NOT_AVAILABLE;
	member_set_join(member, ask->who, fx);
	rebalance_or_go_on(group, now, "a member joins again", fx);
	return ERR_OK;
}

/*
 * group.max.size: who is in may come again, as long as there is room among those who have come. So
 * may a static member whose id is not known yet to whoever runs it now; Kafka refuses it until its
 * session is over, which helps nobody.
 */
static bool join_has_room(const struct group *group, const struct join_ask *ask)
{
	const struct member *member = ask->member_id.len > 0
					  ? member_find(group, ask->member_id)
					  : member_find_static(group, ask->instance_id);
	size_t size_max = (size_t)group->shard->cfg->size_max;

	if (group_is(group, STATE_EMPTY))
		return true;
	if (group_is(group, STATE_PREPARING))
		return (member != NULL && member->join_who != NULL) || group->joining < size_max;
	return member != NULL || HASH_COUNT(group->members) < size_max;
}

/* The group is full: who was in, or had an id, is out. */
static void join_refuse_full(struct group *group, const struct join_ask *ask, struct fx *fx)
{
	struct member *member = member_find(group, ask->member_id);
	struct pending *pending = pending_find(group, ask->member_id);

	if (member != NULL)
		member_remove(member, ERR_GROUP_MAX_SIZE_REACHED, fx);
	if (pending != NULL)
		pending_remove(pending);
	fx_join_failed(fx, ask->who, ERR_GROUP_MAX_SIZE_REACHED, STR(""));
}

static void join_existing(struct group *group, struct moment now, const struct join_ask *ask,
			  struct fx *fx)
{
	enum err err;

	if (!join_has_room(group, ask)) {
		join_refuse_full(group, ask, fx);
		return;
	}
	if (!group_shares_protocol(group, ask->protocol_type, ask->protocols, ask->protocols_len))
		err = ERR_INCONSISTENT_GROUP_PROTOCOL;
	else if (ask->member_id.len > 0)
		err = join_again(group, now, ask, fx);
	else
		err = join_new(group, now, ask, fx);
	if (err != ERR_OK)
		join_refuse(ask, err, fx);
}

/* -- the group comes to be ----------------------------------------------------------------- */

static void join_emit_new(const struct group *group, struct fx *fx)
{
	struct fx_record *record = fx_record_add(fx, FX_GROUP, group->id);

	record->value = (struct group_value){.protocol_type = STR(""), .since_ms = group->since_ms};
}

/*
 * The group exists from the first JoinGroup on and is written at once, so that it is still there
 * when the client comes with the id that it was given. Groups of newer types without members turn
 * into classic ones, as in Kafka; foreign.c says why all of theirs are without members here.
 */
static void join_make(struct shard *shard, struct moment now, const struct join_ask *ask,
		      struct fx *fx)
{
	struct group *group = shard_make(shard, ask->group);
	enum err err;

	if (group == NULL) {
		join_refuse(ask, ERR_COORDINATOR_NOT_AVAILABLE, fx);
		return;
	}
	fx->was = group->type;
	foreign_emit_tombstones(group, fx);
	if (group->type == GROUP_CONSUMER)
		consumer_emit_all_tombstones(group, fx);
	shard_set_type(group, GROUP_CLASSIC);
	group->since_ms = now.wall_ms;
	join_emit_new(group, fx);
	fx->then = FX_THEN_NEW_GROUP;
	fx->group = group;
	err = join_new(group, now, ask, fx);
	if (err == ERR_OK)
		return;
	join_refuse(ask, err, fx);
	fx->records_len = 0;
	join_settle_new(shard, fx, err);
	fx->then = FX_THEN_NOTHING;
}

void join_settle_new(struct shard *shard, struct fx *fx, enum err err)
{
	struct group *group = fx->group;

	if (err == ERR_OK) {
		foreign_clear(group);
		consumer_clear(group);
		return;
	}
	err = fx_append_err(err);
	for (size_t i = 0; i < fx->answers_len; i++)
		fx->answers[i].join.err = err;
	group_clear(group, err, fx);
	shard_set_type(group, fx->was);
	shard_drop_if_void(group);
}

void join_handle(struct shard *shard, struct moment now, const struct join_ask *ask, struct fx *fx)
{
	struct group *group = shard_find(shard, ask->group);
	enum err err = join_check(shard, ask);

	if (err != ERR_OK) {
		join_refuse(ask, err, fx);
		return;
	}
	if (group != NULL && group->type == GROUP_CLASSIC)
		join_existing(group, now, ask, fx);
	else if (group != NULL && consumer_members_len(group->consumer) > 0)
		consumer_join(group, now, ask, fx);
	else if (group != NULL && group->type == GROUP_SHARE)
		fx_join_failed(fx, ask->who, ERR_INCONSISTENT_GROUP_PROTOCOL, STR(""));
	else if (ask->member_id.len > 0)
		join_refuse(ask, ERR_UNKNOWN_MEMBER_ID, fx);
	else if (ask->protocol_type.len == 0 || ask->protocols_len == 0)
		join_refuse(ask, ERR_INCONSISTENT_GROUP_PROTOCOL, fx);
	else
		join_make(shard, now, ask, fx);
}
