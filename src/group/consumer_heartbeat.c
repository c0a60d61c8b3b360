/*
 * ConsumerGroupHeartbeat, in the order of Kafka's coordinator: check the request; find the member
 * or let it join; take over what it says of itself; a new epoch when subscriptions or topics have
 * changed; a new target for a new epoch; one step of this member towards its target.
 *
 * Everything is computed beside the state and written down; the state follows when the records are
 * in the log (FX_THEN_CONSUMER).
 */
#include "group/assignor.h"
#include "group/convert.h"

struct heartbeat {
	struct cevent ev;
	const struct consumer_ask *ask;
	struct consumer_answer *answer;
	struct cnext next;
};

static enum err refuse(struct heartbeat *hb, enum err err, struct str message)
{
	hb->answer->message = message;
	return err;
}

#define REFUSE(hb, err, ...) refuse(hb, err, arena_printf(&(hb)->ev.fx->arena, __VA_ARGS__))

/* -- the request --------------------------------------------------------------------------- */

static bool heartbeat_is_blank(struct str s)
{
	return s.ptr != NULL && str_trim(s).len == 0;
}

static enum err heartbeat_check_join(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;

	if (ask->rebalance_ms == -1)
		return REFUSE(hb, ERR_INVALID_REQUEST,
			      "RebalanceTimeoutMs must be provided in first request.");
	if (!ask->has_owned || ask->owned.len > 0)
		return REFUSE(hb, ERR_INVALID_REQUEST,
			      "TopicPartitions must be empty when (re-)joining.");
	if (!ask->has_topics && ask->regex.ptr == NULL)
		return REFUSE(
		    hb, ERR_INVALID_REQUEST,
		    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null "
		    "when (re-)joining.");
	return ERR_OK;
}

static enum err heartbeat_check_names(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;

	if (heartbeat_is_blank(ask->member_id) &&
	    !(ask->wants_member_id && ask->member_epoch == CONSUMER_EPOCH_JOIN))
		return REFUSE(hb, ERR_INVALID_REQUEST, "MemberId can't be empty.");
	if (heartbeat_is_blank(ask->group))
		return REFUSE(hb, ERR_INVALID_REQUEST, "GroupId can't be empty.");
	if (heartbeat_is_blank(ask->instance_id))
		return REFUSE(hb, ERR_INVALID_REQUEST, "InstanceId can't be empty.");
	if (heartbeat_is_blank(ask->rack_id))
		return REFUSE(hb, ERR_INVALID_REQUEST, "RackId can't be empty.");
	return ERR_OK;
}

static enum err heartbeat_check(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;
	enum err err = heartbeat_check_names(hb);

	if (err != ERR_OK)
		return err;
	if (ask->member_epoch == CONSUMER_EPOCH_JOIN)
		err = heartbeat_check_join(hb);
	else if (ask->member_epoch == CONSUMER_EPOCH_LEAVE_STATIC && ask->instance_id.ptr == NULL)
		err = REFUSE(hb, ERR_INVALID_REQUEST, "InstanceId can't be null.");
	else if (ask->member_epoch < CONSUMER_EPOCH_LEAVE_STATIC)
		err = REFUSE(hb, ERR_INVALID_REQUEST, "MemberEpoch is invalid.");
	if (err != ERR_OK)
		return err;
	if (ask->assignor.ptr != NULL && assignor_by_name(ask->assignor) == NULL)
		return REFUSE(hb, ERR_UNSUPPORTED_ASSIGNOR,
			      "ServerAssignor %.*s is not supported. Supported assignors: uniform, "
			      "range.",
			      STR_ARG(ask->assignor));
	return ERR_OK;
}

/* -- group and member ---------------------------------------------------------------------- */

static enum err heartbeat_find_group(struct heartbeat *hb)
{
	struct cevent *ev = &hb->ev;
	struct group *group = shard_find(ev->shard, hb->ask->group);
	bool joins = hb->ask->member_epoch == CONSUMER_EPOCH_JOIN;

	if (group != NULL && group->type == GROUP_CLASSIC && joins) {
		if (!group_is(group, STATE_EMPTY))
			return convert_upgrade(ev, group, &hb->answer->message);
		/* An empty one becomes this one; its offsets stay. */
		group_emit_tombstone(group, ev->fx);
		group = NULL;
	}
	if (group == NULL && hb->ask->member_epoch < CONSUMER_EPOCH_JOIN)
		return REFUSE(hb, ERR_GROUP_ID_NOT_FOUND, "Group %.*s not found.",
			      STR_ARG(hb->ask->group));
	if (group == NULL && !joins)
		return REFUSE(hb, ERR_GROUP_ID_NOT_FOUND, "Consumer group %.*s not found.",
			      STR_ARG(hb->ask->group));
	if (group != NULL && group->type != GROUP_CONSUMER)
		return REFUSE(hb, ERR_GROUP_ID_NOT_FOUND, "Group %.*s is not a consumer group.",
			      STR_ARG(hb->ask->group));
	ev->c = group != NULL ? group->consumer : NULL;
	ev->epoch = ev->c != NULL ? ev->c->epoch : CONSUMER_EPOCH_FIRST;
	ev->assignment_epoch = ev->c != NULL ? ev->c->assignment_epoch : 0;
	return ERR_OK;
}

/* In Kafka, too, a full group tells this to whoever is not in it, and not that it is not. */
static enum err heartbeat_check_room(struct heartbeat *hb)
{
	enum err err = consumer_check_room(&hb->ev, hb->ask->member_id);

	if (err == ERR_GROUP_MAX_SIZE_REACHED)
		return REFUSE(hb, err,
			      "The consumer group has reached its maximum capacity of %d members.",
			      hb->ev.cfg->size_max);
	return hb->ask->member_epoch == CONSUMER_EPOCH_JOIN ? err : ERR_OK;
}

/*
 * A member may come with its previous epoch, if the answer that gave it the next one was lost: then
 * it has nothing that is not its own.
 */
static enum err heartbeat_check_epoch(struct heartbeat *hb, const struct cmember *member)
{
	const struct consumer_ask *ask = hb->ask;

	if (ask->member_epoch == member->epoch)
		return ERR_OK;
	if (ask->member_epoch < member->epoch && ask->member_epoch == member->previous_epoch &&
	    ask->has_owned && tpset_contains(member->assigned, ask->owned))
		return ERR_OK;
	return REFUSE(hb, ERR_FENCED_MEMBER_EPOCH,
		      "The consumer group member has a %s member epoch (%d) than the one known by "
		      "the group coordinator (%d). The member must abandon all its partitions and "
		      "rejoin.",
		      ask->member_epoch > member->epoch ? "greater" : "smaller", ask->member_epoch,
		      member->epoch);
}

/* A static member, by its instance id; who says to be it has to have its member id, too. */
static enum err heartbeat_know_static(struct heartbeat *hb, const struct cmember *member)
{
	const struct consumer_ask *ask = hb->ask;

	if (member == NULL)
		return REFUSE(hb, ERR_UNKNOWN_MEMBER_ID, "Instance id %.*s is unknown.",
			      STR_ARG(ask->instance_id));
	if (!str_eq(member->id, ask->member_id))
		return REFUSE(hb, ERR_FENCED_INSTANCE_ID,
			      "Static member %.*s with instance id %.*s was fenced by member %.*s.",
			      STR_ARG(ask->member_id), STR_ARG(ask->instance_id),
			      STR_ARG(member->id));
	return ERR_OK;
}

/*
 * Who comes back as a static member that has not left, under its own member id, is let in: its last
 * answer was lost. Apache Kafka refuses it with UNRELEASED_INSTANCE_ID, which the clients take for
 * final.
 */
static enum err heartbeat_join_static(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;
	const struct cmember *member = consumer_find_static(hb->ev.c, ask->instance_id);

	if (member == NULL) {
		consumer_begin_new(&hb->ev, ask->member_id);
		return ERR_OK;
	}
	if (str_eq(member->id, ask->member_id)) {
		consumer_continue(&hb->ev, member);
		return ERR_OK;
	}
	if (member->epoch != CONSUMER_EPOCH_LEAVE_STATIC && !member->about.is_classic)
		return REFUSE(hb, ERR_UNRELEASED_INSTANCE_ID,
			      "Static member %.*s with instance id %.*s cannot join the group "
			      "because the instance id is owned by %.*s member.",
			      STR_ARG(ask->member_id), STR_ARG(ask->instance_id),
			      STR_ARG(member->id));
	consumer_replace(&hb->ev, member, ask->member_id);
	return ERR_OK;
}

static enum err heartbeat_find_static(struct heartbeat *hb)
{
	const struct cmember *member;
	enum err err;

	if (hb->ask->member_epoch == CONSUMER_EPOCH_JOIN)
		return heartbeat_join_static(hb);
	member = consumer_find_static(hb->ev.c, hb->ask->instance_id);
	err = heartbeat_know_static(hb, member);
	if (err != ERR_OK)
		return err;
	consumer_continue(&hb->ev, member);
	return heartbeat_check_epoch(hb, member);
}

static enum err heartbeat_find_member(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;
	const struct cmember *member = consumer_find(hb->ev.c, ask->member_id);
	bool joins = ask->member_epoch == CONSUMER_EPOCH_JOIN;

	if (member == NULL) {
		enum err err = heartbeat_check_room(hb);

		if (err != ERR_OK)
			return err;
	}
	hb->ev.next = &hb->next;
	if (ask->instance_id.ptr != NULL)
		return heartbeat_find_static(hb);
	if (member == NULL && !joins)
		return REFUSE(hb, ERR_UNKNOWN_MEMBER_ID,
			      "Member %.*s is not a member of group %.*s.", STR_ARG(ask->member_id),
			      STR_ARG(ask->group));
	if (member == NULL) {
		consumer_begin_new(&hb->ev, ask->member_id);
		return ERR_OK;
	}
	consumer_continue(&hb->ev, member);
	return joins ? ERR_OK : heartbeat_check_epoch(hb, member);
}

static struct update_told heartbeat_take_about(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;
	struct consumer_about *about = &hb->next.about, before = *about;

	consumer_take_str(&about->instance_id, ask->instance_id);
	consumer_take_str(&about->rack_id, ask->rack_id);
	consumer_take_str(&about->assignor, ask->assignor);
	consumer_take_str(&about->regex, ask->regex);
	about->client_id = ask->client_id.ptr != NULL ? ask->client_id : STR("");
	about->client_host = ask->client_host;
	if (ask->rebalance_ms != -1)
		about->rebalance_ms = ask->rebalance_ms;
	if (ask->has_topics) {
		about->topics_len = ask->topics_len;
		about->topics = consumer_sort_names(hb->ev.fx, ask->topics, &about->topics_len);
	}
	/* From here on it speaks this protocol, whatever it spoke before. */
	about->is_classic = false;
	about->session_ms = 0;
	about->protocols = NULL;
	about->protocols_len = 0;
	return consumer_told(&hb->ev, &before);
}

/* -- all of it ----------------------------------------------------------------------------- */

static void heartbeat_answer(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;
	const struct cnext *next = &hb->next;
	bool is_full = ask->rebalance_ms != -1 && (ask->has_topics || ask->regex.ptr != NULL) &&
		       ask->has_owned;

	hb->answer->member_id = fx_str(hb->ev.fx, next->id);
	hb->answer->member_epoch = next->epoch;
	hb->answer->heartbeat_ms = hb->ev.cfg->heartbeat_ms;
	hb->answer->has_assignment = ask->member_epoch == CONSUMER_EPOCH_JOIN || is_full ||
				     next->old == NULL ||
				     !tpset_equal(next->old->assigned, next->assigned);
	/* A copy: what it is now may go with this event's records. */
	if (hb->answer->has_assignment)
		hb->answer->assigned = consumer_copy_set(hb->ev.fx, next->assigned);
}

/* A member's word without a change: no record, but its session goes on. */
static void heartbeat_live_on(struct heartbeat *hb)
{
	struct cevent *ev = &hb->ev;
	struct cmember *member = consumer_find(ev->c, hb->next.id);

	must(member != NULL);
	deadline_set(ev->shard->deadlines, &member->session, ev->now.mono_ms + ev->cfg->session_ms);
}

static enum err heartbeat_go_on(struct heartbeat *hb)
{
	struct cevent *ev = &hb->ev;
	struct update_told told;
	enum err err = heartbeat_find_member(hb);

	if (err == ERR_OK)
		err = consumer_resolve(ev, hb->ask->regex, &hb->answer->message);
	if (err != ERR_OK)
		return err;
	/* The epoch first: should only a part get into the log, the next heartbeat sees to the
	 * rest. */
	told = heartbeat_take_about(hb);
	consumer_bump(ev, told.subscription);
	if (told.is_new)
		consumer_emit_member(ev, hb->next.id, &hb->next.about);
	err = consumer_maybe_assign(ev);
	if (err == ERR_OK)
		err = consumer_reconcile(ev, told.subscription, hb->ask->has_owned, hb->ask->owned);
	if (err != ERR_OK)
		return err;
	heartbeat_answer(hb);
	if (ev->fx->records_len == 0) {
		heartbeat_live_on(hb);
		return ERR_OK;
	}
	ev->fx->then = FX_THEN_CONSUMER;
	ev->fx->consumer = (struct fx_consumer){.group = ev->group_id,
						.member_id = hb->answer->member_id,
						.session_ms = ev->cfg->session_ms,
						.stepped = hb->next.stepped,
						.upgraded = ev->fx->scratch != NULL};
	return ERR_OK;
}

/* Who comes in its place begins anew, but for what it has. */
static struct tpset heartbeat_without_epochs(struct fx *fx, struct tpset set)
{
	struct tpset copy = consumer_copy_set(fx, set);

	for (size_t i = 0; i < copy.len; i++)
		((struct tp *)copy.at)[i].epoch = 0;
	return copy;
}

static enum err heartbeat_leave(struct heartbeat *hb)
{
	const struct consumer_ask *ask = hb->ask;
	struct cmember *member = consumer_find(hb->ev.c, ask->member_id);

	if (ask->instance_id.ptr != NULL) {
		enum err err;

		member = consumer_find_static(hb->ev.c, ask->instance_id);
		err = heartbeat_know_static(hb, member);
		if (err != ERR_OK)
			return err;
	} else if (member == NULL) {
		return REFUSE(hb, ERR_UNKNOWN_MEMBER_ID,
			      "Member %.*s is not a member of group %.*s.", STR_ARG(ask->member_id),
			      STR_ARG(ask->group));
	}
	hb->answer->member_id = ask->member_id;
	hb->answer->member_epoch = ask->member_epoch;
	if (ask->member_epoch == CONSUMER_EPOCH_LEAVE) {
		consumer_remove(&hb->ev, member);
		return ERR_OK;
	}
	/* For a while: its place is kept as long as its session lasts. */
	hb->ev.next = &hb->next;
	consumer_continue(&hb->ev, member);
	hb->next.epoch = CONSUMER_EPOCH_LEAVE_STATIC;
	hb->next.assigned = heartbeat_without_epochs(hb->ev.fx, member->assigned);
	hb->next.revoking = TPSET_NONE;
	consumer_emit_current(&hb->ev, &hb->next);
	hb->ev.fx->then = FX_THEN_APPLY;
	return ERR_OK;
}

/* A client of version 0 may leave it to the broker to find an id. */
static void heartbeat_name_member(struct shard *shard, struct consumer_ask *ask, struct fx *fx)
{
	if (ask->wants_member_id && ask->member_id.len == 0 &&
	    ask->member_epoch == CONSUMER_EPOCH_JOIN)
		ask->member_id = consumer_new_id(shard, fx);
}

enum err consumer_heartbeat(struct shard *shard, struct moment now,
			    const struct consumer_ask *asked, struct fx *fx,
			    struct consumer_answer *answer)
{
	struct consumer_ask named = *asked, *ask = &named;
	struct heartbeat hb = {.ask = ask, .answer = answer};
	enum err err;

	must_be(shard, SHARD_MAGIC);
	*answer = (struct consumer_answer){.member_epoch = 0};
	hb.ev = (struct cevent){
	    .shard = shard, .now = now, .cfg = ask->cfg, .fx = fx, .group_id = ask->group};
	heartbeat_name_member(shard, ask, fx);
	err = heartbeat_check(&hb);
	if (err == ERR_OK)
		err = heartbeat_find_group(&hb);
	if (err == ERR_OK)
		err = ask->member_epoch < 0 ? heartbeat_leave(&hb) : heartbeat_go_on(&hb);
	if (err != ERR_OK)
		convert_drop(fx);
	return err;
}
