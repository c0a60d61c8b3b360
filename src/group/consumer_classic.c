/*
 * Members of a consumer group that speak the classic protocol (KIP-848): JoinGroup is their full
 * heartbeat, and is answered at once, the generation being the member's epoch; SyncGroup gives them
 * what they have; Heartbeat tells them to join again when there is something new for them. They
 * never lead: the group's assignment is made here.
 */
#include "group/convert.h"
#include "group/embedded.h"

/* -- JoinGroup ----------------------------------------------------------------------------- */

struct classic_join {
	struct cevent ev;
	const struct join_ask *ask;
	struct cnext next;
	struct embedded_subscription told;
	struct str id; /* the member's, or one that is given to it */
	const struct cmember *replaced;
};

static bool classic_supports(const struct consumer *c, const struct join_ask *ask)
{
	return str_eq(ask->protocol_type, STR("consumer")) && ask->protocols_len > 0 &&
	       protocols_share(c->protocols, c->classics_len, ask->protocols, ask->protocols_len);
}

/* What it sends is kept, and may be large. */
static enum err classic_check_room(const struct classic_join *cj)
{
	const struct keep *keep = cj->ev.shard->keep;
	size_t size = 0;

	for (size_t i = 0; i < cj->ask->protocols_len; i++)
		size += cj->ask->protocols[i].name.len + cj->ask->protocols[i].metadata.len;
	if (!keep_has_room(keep, size))
		return ERR_COORDINATOR_NOT_AVAILABLE;
	return consumer_check_room(&cj->ev, cj->id);
}

static enum err classic_check(struct classic_join *cj)
{
	const struct join_ask *ask = cj->ask;
	enum err err;

	if (cj->ev.shard->cfg->migration == MIGRATION_DISABLED)
		return ERR_INCONSISTENT_GROUP_PROTOCOL;
	err = classic_check_room(cj);
	if (err != ERR_OK)
		return err;
	if (!classic_supports(cj->ev.c, ask))
		return ERR_INCONSISTENT_GROUP_PROTOCOL;
	if (ask->wants_member_id && ask->instance_id.ptr == NULL && ask->member_id.len == 0)
		return ERR_MEMBER_ID_REQUIRED;
	if (!embedded_read_subscription(ask->protocols[0].metadata, cj->ev.shard->consumer_topics,
					cj->ev.fx, &cj->told))
		return ERR_UNKNOWN_SERVER_ERROR;
	return ERR_OK;
}

/*
 * A static member that comes without an id takes its place again, whatever protocol it spoke and
 * whether it has left or not: it is not there to be asked.
 */
static enum err classic_find_static(struct classic_join *cj, const struct cmember *member)
{
	if (cj->ask->member_id.len > 0 && member == NULL)
		return ERR_UNKNOWN_MEMBER_ID;
	if (member == NULL) {
		consumer_begin_new(&cj->ev, cj->id);
		return ERR_OK;
	}
	cj->replaced = member;
	if (cj->ask->member_id.len == 0) {
		consumer_replace(&cj->ev, member, cj->id);
		return ERR_OK;
	}
	if (!str_eq(member->id, cj->ask->member_id))
		return ERR_FENCED_INSTANCE_ID;
	consumer_continue(&cj->ev, member);
	return ERR_OK;
}

static enum err classic_find(struct classic_join *cj)
{
	const struct cmember *member;

	cj->ev.next = &cj->next;
	if (cj->ask->instance_id.ptr != NULL)
		return classic_find_static(cj,
					   consumer_find_static(cj->ev.c, cj->ask->instance_id));
	member = consumer_find(cj->ev.c, cj->id);
	if (member == NULL)
		consumer_begin_new(&cj->ev, cj->id);
	else
		consumer_continue(&cj->ev, member);
	return ERR_OK;
}

static struct update_told classic_take_about(struct classic_join *cj)
{
	const struct join_ask *ask = cj->ask;
	struct consumer_about *about = &cj->next.about, before = *about;

	consumer_take_str(&about->instance_id, ask->instance_id);
	consumer_take_str(&about->rack_id, cj->told.rack_id);
	about->regex = STR("");
	about->client_id = ask->client_id;
	about->client_host = ask->client_host;
	if (ask->rebalance_ms != -1)
		about->rebalance_ms = ask->rebalance_ms;
	about->topics_len = cj->told.topics_len;
	about->topics = consumer_sort_names(cj->ev.fx, cj->told.topics, &about->topics_len);
	about->is_classic = true;
	about->session_ms = ask->session_ms;
	about->protocols = ask->protocols;
	about->protocols_len = ask->protocols_len;
	return consumer_told(&cj->ev, &before);
}

/* Was it the last of the other protocol? Then it joins a classic group, in this very request. */
static bool classic_may_downgrade(const struct classic_join *cj)
{
	return cj->replaced != NULL && !cj->replaced->about.is_classic &&
	       convert_may_downgrade(&cj->ev);
}

static enum err classic_downgrade(struct classic_join *cj, bool subscription_changed)
{
	struct cevent *ev = &cj->ev;
	bool stale = ev->assignment_epoch < ev->epoch;
	enum err err = ERR_OK;

	if (!stale)
		err = consumer_reconcile(ev, subscription_changed, true, cj->told.owned);
	if (err == ERR_OK)
		convert_downgrade(ev, stale ? "its members' assignment is out of date" : NULL);
	return err;
}

static enum err classic_move_on(struct classic_join *cj)
{
	struct cevent *ev = &cj->ev;
	struct update_told told = classic_take_about(cj);
	enum err err;

	consumer_bump(ev, told.subscription);
	if (told.is_new)
		consumer_emit_member(ev, cj->next.id, &cj->next.about);
	if (classic_may_downgrade(cj))
		return classic_downgrade(cj, told.subscription);
	err = consumer_maybe_assign(ev);
	if (err == ERR_OK)
		err = consumer_reconcile(ev, told.subscription, true, cj->told.owned);
	return err;
}

static void classic_answer_later(struct classic_join *cj)
{
	const struct join_ask *ask = cj->ask;
	struct fx *fx = cj->ev.fx;

	fx->then = FX_THEN_JOINED;
	fx->joined = (struct fx_joined){.group = cj->ev.group_id,
					.session_ms = ask->session_ms,
					.rebalance_ms = ask->rebalance_ms,
					.who = ask->who};
	/* Copies: what the member is now may go with this event's records. */
	fx->joined.answer = (struct join_answer){.generation = cj->next.epoch,
						 .protocol_type = STR("consumer"),
						 .protocol = ask->protocols[0].name,
						 .leader = STR(""),
						 .member_id = fx_str(fx, cj->next.id)};
}

void consumer_join(struct group *group, struct moment now, const struct join_ask *ask,
		   struct fx *fx)
{
	struct classic_join cj = {.ask = ask, .id = ask->member_id};
	enum err err;

	must(ask->consumer_cfg != NULL);
	cj.ev = consumer_event(group, now, fx);
	cj.ev.group_id = ask->group;
	cj.ev.cfg = ask->consumer_cfg;
	if (ask->member_id.len == 0)
		cj.id = consumer_new_id(group->shard, fx);
	err = classic_check(&cj);
	if (err == ERR_OK)
		err = classic_find(&cj);
	if (err == ERR_OK)
		err = classic_move_on(&cj);
	if (err == ERR_OK) {
		classic_answer_later(&cj);
		return;
	}
	fx->records_len = 0;
	fx_join_failed(fx, ask->who, err, err == ERR_MEMBER_ID_REQUIRED ? cj.id : STR(""));
}

static void classic_arm(struct cmember *member, struct moment now, const struct fx_joined *joined)
{
	struct deadlines *deadlines = member->group->shard->deadlines;

	deadline_clear(deadlines, &member->rebalance);
	deadline_clear(deadlines, &member->join);
	deadline_set(deadlines, &member->session, now.mono_ms + joined->session_ms);
	deadline_set(deadlines, &member->sync, now.mono_ms + joined->rebalance_ms);
}

void consumer_settle_joined(struct shard *shard, struct moment now, struct fx *fx, enum err err)
{
	const struct fx_joined *joined = &fx->joined;
	struct group *group = shard_find(shard, joined->group);
	struct cmember *member = NULL;
	struct fx_answer *answer;

	if (group != NULL && group->type == GROUP_CONSUMER)
		member = consumer_find(group->consumer, joined->answer.member_id);
	if (member != NULL && err == ERR_OK)
		classic_arm(member, now, joined);
	if (err != ERR_OK) {
		/* Of a part it may be a member all the same. */
		if (member != NULL && !deadline_is_set(&member->session))
			deadline_set(shard->deadlines, &member->session,
				     now.mono_ms + joined->session_ms);
		fx_join_failed(fx, joined->who, fx_append_err(err), STR(""));
		return;
	}
	answer = fx_answer_add(fx, joined->who);
	answer->durable = true;
	answer->join = joined->answer;
}

/* -- SyncGroup and Heartbeat --------------------------------------------------------------- */

static enum err classic_find_member(const struct consumer *c, struct str member_id,
				    struct str instance_id, int32_t generation,
				    struct cmember **out)
{
	*out = consumer_find(c, member_id);
	if (instance_id.ptr != NULL) {
		*out = consumer_find_static(c, instance_id);
		if (*out != NULL && !str_eq((*out)->id, member_id))
			return ERR_FENCED_INSTANCE_ID;
	}
	if (*out == NULL || !(*out)->about.is_classic)
		return ERR_UNKNOWN_MEMBER_ID;
	return (*out)->epoch == generation ? ERR_OK : ERR_ILLEGAL_GENERATION;
}

/* It has to come with JoinGroup, and in time. */
static enum err classic_call(struct cmember *member, struct moment now)
{
	if (!deadline_is_set(&member->join))
		deadline_set(member->group->shard->deadlines, &member->join,
			     now.mono_ms + member->about.rebalance_ms);
	return ERR_REBALANCE_IN_PROGRESS;
}

static void classic_touch(struct cmember *member, struct moment now)
{
	deadline_set(member->group->shard->deadlines, &member->session,
		     now.mono_ms + member->about.session_ms);
}

static bool classic_differs(struct str asked, struct str mine)
{
	return asked.ptr != NULL && !str_eq(asked, mine);
}

static enum err classic_check_sync(const struct group *group, struct moment now,
				   const struct sync_ask *ask, struct cmember **out)
{
	enum err err = classic_find_member(group->consumer, ask->member_id, ask->instance_id,
					   ask->generation, out);
	const struct cmember *member = *out;

	if (err != ERR_OK)
		return err;
	if (classic_differs(ask->protocol_type, STR("consumer")) ||
	    member->about.protocols_len == 0 ||
	    classic_differs(ask->protocol, member->about.protocols[0].name))
		return ERR_INCONSISTENT_GROUP_PROTOCOL;
	if (group->consumer->assignment_epoch > member->epoch &&
	    member->state != CONSUMER_UNREVOKED)
		return classic_call(*out, now);
	return ERR_OK;
}

void consumer_sync(struct group *group, struct moment now, const struct sync_ask *ask,
		   struct fx *fx)
{
	struct fx_answer *answer;
	struct cmember *member;
	enum err err = classic_check_sync(group, now, ask, &member);

	if (err != ERR_OK) {
		fx_sync_failed(fx, ask->who, err);
		return;
	}
	deadline_clear(group->shard->deadlines, &member->sync);
	classic_touch(member, now);
	answer = fx_answer_add(fx, ask->who);
	answer->durable = true;
	answer->is_sync = true;
	answer->sync =
	    (struct sync_answer){.protocol_type = ask->protocol_type,
				 .protocol = ask->protocol,
				 .assignment =
				     embedded_write_assignment(member->assigned,
							       member->about.protocols[0].metadata,
							       group->shard->consumer_topics, fx)};
}

/* Does it wait for a partition that another one has? */
static bool classic_waits(const struct cmember *member)
{
	for (size_t i = 0; i < member->target.len; i++) {
		const struct tp *tp = &member->target.at[i];

		if (tpset_find(member->assigned, tp->topic, tp->partition) == NULL &&
		    consumer_owner(member->group->consumer, tp) != NULL)
			return true;
	}
	return false;
}

/*
 * There is nothing new for a member before there is a new target, which is made when somebody says
 * all of itself. With no member of the consumer protocol left nobody would, so one is called for
 * that. (Kafka does not, and leaves what the dead had unread until somebody happens to join.)
 */
static int32_t classic_newest_epoch(const struct consumer *c)
{
	return c->classics_len == consumer_members_len(c) ? c->epoch : c->assignment_epoch;
}

enum err consumer_beat(struct group *group, struct moment now, struct str member_id,
		       struct str instance_id, int32_t generation)
{
	struct cmember *member;
	enum err err =
	    classic_find_member(group->consumer, member_id, instance_id, generation, &member);

	if (err != ERR_OK)
		return err;
	classic_touch(member, now);
	if (member->epoch < classic_newest_epoch(group->consumer) ||
	    member->state == CONSUMER_UNREVOKED ||
	    (member->state == CONSUMER_UNRELEASED && !classic_waits(member)))
		return classic_call(member, now);
	return ERR_OK;
}
