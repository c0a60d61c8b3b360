/*
 * Groups that change their protocol with members in them. See convert.h.
 *
 * An upgrade happens within the event that asks for it: what follows in that event must see the
 * group as it will be. So its records are replayed into a scratch group first, which stands for the
 * real one until they are in the log.
 */
#include "group/convert.h"
#include "group/embedded.h"

/* Of all members' subscriptions: read, they may be many times as large. */
#define CONVERT_MAX_BYTES ((size_t)32 << 20)

/* -- upgrade ------------------------------------------------------------------------------- */

struct upgrade {
	struct cevent *ev;
	const struct group *from;
	struct group *scratch;
	size_t replayed; /* of the fx's records */
	struct str *message;
};

#define UPGRADE_REFUSE(up, why)                                                                    \
	(*(up)->message = arena_printf(&(up)->ev->fx->arena,                                       \
				       "Cannot upgrade classic group %.*s to consumer group " why, \
				       STR_ARG((up)->from->id)),                                   \
	 ERR_GROUP_ID_NOT_FOUND)

/*
 * While the members form their first generation there is no protocol yet, and later one may be
 * coming who does not offer the present one. Kafka fails with an unexpected error then, which is
 * the end of the consumer that asked; here it asks again.
 */
static enum err upgrade_check_members(const struct group *group)
{
	size_t size = 0;

	for (const struct member *m = group->members; m != NULL; m = m->hh.next) {
		if (group->protocol.ptr == NULL || member_metadata(m, group->protocol).ptr == NULL)
			return ERR_COORDINATOR_NOT_AVAILABLE;
		for (size_t i = 0; i < m->protocols_len; i++)
			size += m->protocols[i].metadata.len;
	}
	return size <= CONVERT_MAX_BYTES ? ERR_OK : ERR_COORDINATOR_NOT_AVAILABLE;
}

static enum err upgrade_check(struct upgrade *up)
{
	const struct group *group = up->from;

	if (group->shard->cfg->migration == MIGRATION_DOWNGRADE ||
	    group->shard->cfg->migration == MIGRATION_DISABLED)
		return UPGRADE_REFUSE(up, "because online upgrade is disabled.");
	if (!group_is_consumer(group))
		return UPGRADE_REFUSE(
		    up, "because the group does not use the consumer embedded protocol.");
	if (HASH_COUNT(group->members) > (size_t)up->ev->cfg->size_max)
		return UPGRADE_REFUSE(
		    up, "because the group size exceeds the consumer group maximum size.");
	return upgrade_check_members(group);
}

/* What has been emitted since the last call, into the scratch group. */
static void upgrade_replay(struct upgrade *up)
{
	struct keep *keep = up->ev->shard->keep;
	bool unlimited = keep->unlimited;

	keep->unlimited = true;
	for (; up->replayed < up->ev->fx->records_len; up->replayed++)
		consumer_replay(up->scratch, &up->ev->fx->records[up->replayed]);
	keep->unlimited = unlimited;
}

static enum err upgrade_malformed(struct upgrade *up)
{
	return UPGRADE_REFUSE(up, "because the embedded consumer protocol is malformed.");
}

/* Copies: the first record of this event takes the classic group away. */
static enum err upgrade_emit_member(struct upgrade *up, const struct member *m)
{
	struct fx *fx = up->ev->fx;
	struct embedded_subscription told;
	struct consumer_about about = {.instance_id = fx_str(fx, m->instance_id),
				       .client_id = fx_str(fx, m->client_id),
				       .client_host = fx_str(fx, m->client_host),
				       .regex = STR(""),
				       .rebalance_ms = m->rebalance_ms,
				       .is_classic = true,
				       .session_ms = m->session_ms,
				       .protocols = consumer_copy_protocols(fx, m->protocols,
									    m->protocols_len),
				       .protocols_len = m->protocols_len};

	if (!embedded_read_subscription(protocols_metadata(about.protocols, about.protocols_len,
							   up->from->protocol),
					up->ev->shard->consumer_topics, fx, &told))
		return upgrade_malformed(up);
	about.rack_id = told.rack_id;
	about.topics_len = told.topics_len;
	about.topics = consumer_sort_names(fx, told.topics, &about.topics_len);
	consumer_emit_member(up->ev, fx_str(fx, m->id), &about);
	upgrade_replay(up);
	return ERR_OK;
}

static void upgrade_emit_group(struct upgrade *up)
{
	struct cevent *ev = up->ev;
	struct str *names;
	size_t names_len;

	ev->c = up->scratch->consumer;
	ev->epoch = ev->assignment_epoch = up->from->generation;
	consumer_subscribed(ev, &names, &names_len);
	consumer_emit_group(ev, consumer_hash(ev, names, names_len));
}

static enum err upgrade_read_assignment(struct upgrade *up, const struct member *m,
					struct tpset *out)
{
	struct cevent *ev = up->ev;
	bool has_user_data;
	struct tp *list;

	if (!embedded_read_assignment(m->assignment, ev->shard->consumer_topics, ev->fx, out,
				      &has_user_data))
		return upgrade_malformed(up);
	if (has_user_data)
		return UPGRADE_REFUSE(
		    up, "because an unsupported custom assignor is in use. Please refer to the "
			"documentation or switch to a default assignor before re-attempting the "
			"upgrade.");
	list = (struct tp *)out->at; /* it was made for this event */
	for (size_t i = 0; i < out->len; i++)
		list[i].epoch = up->from->generation;
	return ERR_OK;
}

/* No two may have the same partition: Kafka could not read that back. */
static enum err upgrade_emit_current(struct upgrade *up, const struct cnext *next)
{
	for (size_t i = 0; i < next->assigned.len; i++)
		if (consumer_owner(up->ev->c, &next->assigned.at[i]) != NULL)
			return ERR_UNKNOWN_SERVER_ERROR;
	consumer_emit_current(up->ev, next);
	upgrade_replay(up);
	return ERR_OK;
}

static enum err upgrade_emit_sets(struct upgrade *up)
{
	size_t len = HASH_COUNT(up->from->members), i = 0;
	struct cnext *all = fx_alloc(up->ev->fx, len, sizeof(*all));
	enum err err = ERR_OK;

	for (struct member *m = up->from->members; m != NULL && err == ERR_OK; m = m->hh.next) {
		all[i] = (struct cnext){.id = fx_str(up->ev->fx, m->id),
					.epoch = up->from->generation,
					.previous_epoch = up->from->generation};
		err = upgrade_read_assignment(up, m, &all[i++].assigned);
	}
	for (i = 0; i < len && err == ERR_OK; i++)
		consumer_emit_target(up->ev, all[i].id, all[i].assigned);
	if (err == ERR_OK)
		consumer_emit_target_epoch(up->ev, 0);
	for (i = 0; i < len && err == ERR_OK; i++)
		err = upgrade_emit_current(up, &all[i]);
	upgrade_replay(up);
	return err;
}

static struct group *upgrade_scratch(const struct group *from)
{
	struct group *scratch = keep_alloc_small(from->shard->keep, sizeof(*scratch));

	scratch->shard = from->shard;
	scratch->type = GROUP_CONSUMER;
	return scratch;
}

enum err convert_upgrade(struct cevent *ev, const struct group *group, struct str *message)
{
	struct upgrade up = {.ev = ev, .from = group, .message = message};
	enum err err = upgrade_check(&up);

	if (err != ERR_OK)
		return err;
	group_emit_tombstone(group, ev->fx);
	up.replayed = ev->fx->records_len;
	ev->fx->scratch = up.scratch = upgrade_scratch(group);
	for (struct member *m = group->members; m != NULL && err == ERR_OK; m = m->hh.next)
		err = upgrade_emit_member(&up, m);
	if (err != ERR_OK)
		return err;
	upgrade_emit_group(&up);
	upgrade_replay(&up);
	ev->c = up.scratch->consumer;
	fx_note(ev->fx, "group %.*s: a consumer group from now on, of %u classic members",
		STR_ARG(group->id), HASH_COUNT(group->members));
	return upgrade_emit_sets(&up);
}

void convert_drop(struct fx *fx)
{
	struct group *scratch = fx->scratch;

	fx->scratch = NULL;
	if (scratch == NULL)
		return;
	consumer_clear(scratch);
	keep_free(scratch->shard->keep, scratch);
}

/* -- downgrade ----------------------------------------------------------------------------- */

/* What shard_settle must know: of the record a member takes over one protocol only. */
struct fx_downgraded {
	struct str group;
	const char *why;
	struct downgraded_member {
		struct str id;
		struct join_ask offers;
	} * members;
	size_t members_len;
};

static size_t downgrade_count(const struct cevent *ev, bool *all_classic)
{
	const struct consumer_about *about;
	struct cpos pos = {0};
	size_t len = 0;

	*all_classic = true;
	while ((about = consumer_next_about(ev, &pos)) != NULL) {
		*all_classic = *all_classic && about->is_classic;
		len++;
	}
	return len;
}

/* The protocol of the classic group; null: there is none that all offer. */
static struct str downgrade_vote(const struct cevent *ev, size_t members_len)
{
	struct keep *keep = ev->shard->keep;
	const struct consumer_about *about;
	struct protocol_count *all = NULL;
	struct str elected = STR_NULL;
	bool common = true;

	for (struct cpos pos = {0}; (about = consumer_next_about(ev, &pos)) != NULL;)
		protocols_count(keep, &all, about->protocols, about->protocols_len, true);
	for (struct cpos pos = {0}; (about = consumer_next_about(ev, &pos)) != NULL && common;)
		common = protocols_vote(all, members_len, about->protocols, about->protocols_len);
	if (common)
		elected = fx_str(ev->fx, protocols_elect(all));
	for (struct cpos pos = {0}; (about = consumer_next_about(ev, &pos)) != NULL;)
		protocols_count(keep, &all, about->protocols, about->protocols_len, false);
	return elected;
}

bool convert_may_downgrade(const struct cevent *ev)
{
	const struct group_cfg *cfg = ev->shard->cfg;
	bool all_classic;
	size_t len;

	if (cfg->migration == MIGRATION_UPGRADE || cfg->migration == MIGRATION_DISABLED)
		return false;
	len = downgrade_count(ev, &all_classic);
	return all_classic && len > 0 && len <= (size_t)cfg->size_max &&
	       downgrade_vote(ev, len).ptr != NULL;
}

/* Copies: the records before this one take away what the members are now. */
static void downgrade_fill(const struct cevent *ev, const struct consumer_about *about,
			   struct tpset target, struct str protocol, struct member_value *out)
{
	struct fx *fx = ev->fx;
	struct bytes told = protocols_metadata(about->protocols, about->protocols_len, protocol);

	out->instance_id = fx_str(fx, about->instance_id);
	out->client_id = fx_str(fx, about->client_id);
	out->client_host = fx_str(fx, about->client_host);
	out->session_ms = about->session_ms;
	out->rebalance_ms = about->rebalance_ms;
	out->subscription = fx_bytes(fx, told);
	out->assignment = embedded_write_assignment(target, told, ev->shard->consumer_topics, fx);
}

static void downgrade_save(struct fx *fx, const struct consumer_about *about, struct str id,
			   struct downgraded_member *out)
{
	out->id = id;
	out->offers = (struct join_ask){.protocols = consumer_copy_protocols(fx, about->protocols,
									     about->protocols_len),
					.protocols_len = about->protocols_len,
					.session_ms = about->session_ms,
					.rebalance_ms = about->rebalance_ms};
}

static void downgrade_emit_group(struct cevent *ev, size_t len, struct fx_downgraded *done)
{
	struct member_value *members = fx_alloc(ev->fx, len, sizeof(*members));
	struct str protocol = downgrade_vote(ev, len);
	const struct consumer_about *about;
	struct fx_record *record;
	struct cpos pos = {0};

	done->members = fx_alloc(ev->fx, len, sizeof(*done->members));
	done->members_len = len;
	for (size_t i = 0; (about = consumer_next_about(ev, &pos)) != NULL; i++) {
		const struct cmember *m = pos.member;

		members[i].id = fx_str(ev->fx, m != NULL ? m->id : ev->next->id);
		downgrade_fill(ev, about, m != NULL ? m->target : ev->next->target, protocol,
			       &members[i]);
		downgrade_save(ev->fx, about, members[i].id, &done->members[i]);
	}
	record = fx_record_add(ev->fx, FX_GROUP, ev->group_id);
	record->value = (struct group_value){.protocol_type = STR("consumer"),
					     .protocol = protocol,
					     .leader = members[0].id,
					     .generation = ev->c->epoch,
					     .since_ms = ev->now.wall_ms,
					     .members = members,
					     .members_len = len};
}

void convert_downgrade(struct cevent *ev, const char *why)
{
	struct fx_downgraded *done = fx_alloc(ev->fx, 1, sizeof(*done));
	bool all_classic;
	size_t len = downgrade_count(ev, &all_classic);

	must(all_classic && len > 0);
	done->group = ev->group_id;
	done->why = why;
	consumer_emit_tombstones(ev);
	downgrade_emit_group(ev, len, done);
	ev->fx->downgraded = done;
	fx_note(ev->fx, "group %.*s: a classic group from now on, of %zu members",
		STR_ARG(ev->group_id), len);
}

/* -- the outcome --------------------------------------------------------------------------- */

/* Who waits in the classic group joins again, and finds the other kind. */
void convert_settle_begin(struct shard *shard, struct fx *fx)
{
	const struct group *group;

	if (fx->scratch == NULL || fx->records_len == 0 || fx->records[0].at < 0)
		return;
	group = shard_find(shard, fx->records[0].group);
	must(group != NULL && group->type == GROUP_CLASSIC);
	for (struct member *m = group->members; m != NULL; m = m->hh.next) {
		fx_join_failed(fx, member_take_join(m), ERR_REBALANCE_IN_PROGRESS, m->id);
		fx_sync_failed(fx, member_take_sync(m), ERR_REBALANCE_IN_PROGRESS);
	}
}

static void settle_members(struct group *group, struct moment now, const struct fx_downgraded *done)
{
	struct keep *keep = group->shard->keep;
	bool unlimited = keep->unlimited;

	keep->unlimited = true;
	for (size_t i = 0; i < done->members_len; i++) {
		struct member *member = member_find(group, done->members[i].id);

		must(member != NULL && member_update(member, &done->members[i].offers));
		member_touch(member, now);
	}
	keep->unlimited = unlimited;
}

void convert_settle_end(struct shard *shard, struct moment now, struct fx *fx)
{
	const struct fx_downgraded *done = fx->downgraded;
	struct group *group = done != NULL ? shard_find(shard, done->group) : NULL;

	convert_drop(fx);
	fx->downgraded = NULL;
	/* If only a part got into the log it is a consumer group still. */
	if (group == NULL || group->type != GROUP_CLASSIC)
		return;
	settle_members(group, now, done);
	if (done->why != NULL)
		rebalance_prepare(group, now, done->why, fx);
}
