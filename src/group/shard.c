/*
 * The table of groups: finding, making, dropping them; deletion and unloading. See shard.h.
 *
 * A group that is not there for anybody may still be in the table as GROUP_NONE, because offsets or
 * a transaction refer to it.
 */
#include "group/convert.h"

#include <stdlib.h>

const struct group_cfg group_cfg_default = {
    .session_min_ms = 6000,
    .session_max_ms = 1800000,
    .initial_delay_ms = 3000,
    .new_member_ms = 5 * 60 * 1000,
    .size_max = INT32_MAX,
    .metadata_max = 4096,
    .retention_ms = INT64_C(7) * 24 * 60 * 60 * 1000,
    .expiry_check_ms = 600000,
    .consumer_session_ms = 45000,
};

struct shard *shard_new(const struct group_cfg *cfg, struct keep *keep, struct deadlines *deadlines,
			struct rnd *rnd)
{
	struct shard *shard = keep_alloc(keep, sizeof(*shard));

	if (shard == NULL)
		return NULL;
	shard->magic = SHARD_MAGIC;
	shard->cfg = cfg;
	shard->keep = keep;
	shard->deadlines = deadlines;
	shard->rnd = rnd;
	shard->expiry.kind = DEADLINE_EXPIRY;
	return shard;
}

void shard_serve(struct shard *shard, struct keep *keep, struct deadlines *deadlines)
{
	must_be(shard, SHARD_MAGIC);
	keep_move(shard->keep, keep);
	shard->keep = keep;
	shard->deadlines = deadlines;
}

void shard_set_user(struct shard *shard, void *user)
{
	shard->user = user;
}

void *shard_user(const struct shard *shard)
{
	must_be(shard, SHARD_MAGIC);
	return shard->user;
}

/* Hash tables want their first entry out before it is freed. */
static void shard_free_group(struct group *group)
{
	struct shard *shard = group->shard;

	must(group->members == NULL && group->pending == NULL && group->consumer == NULL);
	must(!deadline_is_set(&group->join) && !deadline_is_set(&group->sync));
	if (group->type == GROUP_NONE)
		shard->ghosts--;
	HASH_DEL(shard->groups, group);
	keep_free_str(shard->keep, &group->protocol_type);
	keep_free_str(shard->keep, &group->protocol);
	keep_free_str(shard->keep, &group->id);
	keep_free(shard->keep, group);
}

void shard_free(struct shard *shard)
{
	struct fx fx;

	must_be(shard, SHARD_MAGIC);
	fx_init(&fx);
	while (shard->groups != NULL) {
		struct group *group = shard->groups;

		group_clear(group, ERR_NOT_COORDINATOR, &fx);
		foreign_clear(group);
		consumer_clear(group);
		offsets_forget_all(group);
		shard_free_group(group);
	}
	must(fx.answers_len == 0 && shard->txns == NULL);
	fx_fini(&fx);
	deadline_clear(shard->deadlines, &shard->expiry);
	keep_free_str(shard->keep, &shard->expiry_from);
	shard->magic = 0;
	keep_free(shard->keep, shard);
}

static struct group *shard_lookup(const struct shard *shard, struct str id)
{
	struct group *group = NULL;

	must_be(shard, SHARD_MAGIC);
	HASH_FIND(hh, shard->groups, id.ptr, id.len, group);
	return group;
}

struct group *shard_find(const struct shard *shard, struct str id)
{
	struct group *group = shard_lookup(shard, id);

	return group != NULL && group->type != GROUP_NONE ? group : NULL;
}

struct group *shard_make(struct shard *shard, struct str id)
{
	struct group *group = shard_lookup(shard, id);

	if (group != NULL)
		return group;
	if (!keep_takes_new(shard->keep))
		return NULL;
	group = keep_alloc(shard->keep, sizeof(*group));
	if (group == NULL)
		return NULL;
	group->id = keep_str(shard->keep, id);
	if (group->id.ptr == NULL) {
		keep_free(shard->keep, group);
		return NULL;
	}
	group->shard = shard;
	group->type = GROUP_NONE;
	group->since_ms = -1;
	group->join.kind = DEADLINE_JOIN;
	group->sync.kind = DEADLINE_SYNC;
	shard->ghosts++;
	HASH_ADD_KEYPTR(hh, shard->groups, group->id.ptr, group->id.len, group);
	return group;
}

void shard_set_type(struct group *group, enum group_type type)
{
	if (group->type == GROUP_NONE && type != GROUP_NONE)
		group->shard->ghosts--;
	if (group->type != GROUP_NONE && type == GROUP_NONE)
		group->shard->ghosts++;
	group->type = type;
}

void shard_become(struct group *group, enum group_type type)
{
	must(type != GROUP_NONE);
	if (type != GROUP_CLASSIC && group->type == GROUP_CLASSIC)
		group_clear(group, ERR_UNKNOWN_MEMBER_ID, NULL);
	if (type != GROUP_CONSUMER)
		consumer_clear(group);
	if (type == GROUP_CLASSIC || type == GROUP_CONSUMER)
		foreign_clear(group);
	shard_set_type(group, type);
}

void shard_drop_if_void(struct group *group)
{
	if (group->type == GROUP_NONE && group->topics == NULL)
		shard_free_group(group);
}

void shard_arm_expiry(struct shard *shard, struct moment now)
{
	if (!deadline_is_set(&shard->expiry) && shard->groups != NULL)
		deadline_set(shard->deadlines, &shard->expiry,
			     now.mono_ms + shard->cfg->expiry_check_ms);
}

size_t shard_groups_len(const struct shard *shard)
{
	return HASH_COUNT(shard->groups) - shard->ghosts;
}

enum err shard_delete_group(struct shard *shard, struct str id, struct fx *fx)
{
	struct group *group = shard_find(shard, id);

	if (group == NULL)
		return ERR_GROUP_ID_NOT_FOUND;
	if (group->type == GROUP_SHARE)
		return ERR_UNSUPPORTED_VERSION;
	if (group->type == GROUP_CLASSIC && !group_is(group, STATE_EMPTY))
		return ERR_NON_EMPTY_GROUP;
	if (consumer_members_len(group->consumer) > 0)
		return ERR_NON_EMPTY_GROUP;
	for (struct topic_offsets *topic = group->topics; topic != NULL; topic = topic->hh.next)
		for (size_t i = 0; i < topic->parts_len; i++)
			offsets_emit_tombstone(topic->parts[i], fx);
	if (group->type == GROUP_CLASSIC)
		group_emit_tombstone(group, fx);
	else if (group->type == GROUP_CONSUMER)
		consumer_emit_all_tombstones(group, fx);
	else
		foreign_emit_tombstones(group, fx);
	fx->then = FX_THEN_APPLY;
	return ERR_OK;
}

/* -- deadlines and the outcome of appends -------------------------------------------------- */

struct shard *deadline_shard(struct deadline *d)
{
	switch (d->kind) {
	case DEADLINE_MEMBER:
		return container_of(d, struct member, session)->group->shard;
	case DEADLINE_PENDING:
		return container_of(d, struct pending, session)->group->shard;
	case DEADLINE_JOIN:
		return container_of(d, struct group, join)->shard;
	case DEADLINE_SYNC:
		return container_of(d, struct group, sync)->shard;
	case DEADLINE_CONSUMER_SESSION:
		return container_of(d, struct cmember, session)->group->shard;
	case DEADLINE_CONSUMER_REBALANCE:
		return container_of(d, struct cmember, rebalance)->group->shard;
	case DEADLINE_CONSUMER_JOIN:
		return container_of(d, struct cmember, join)->group->shard;
	case DEADLINE_CONSUMER_SYNC:
		return container_of(d, struct cmember, sync)->group->shard;
	case DEADLINE_EXPIRY:
		return container_of(d, struct shard, expiry);
	case DEADLINE_TXN_TIMEOUT:
	case DEADLINE_TXN_EXPIRY:
		break; /* not of this room */
	}
	never("deadline kind");
}

static void deadline_fire_pending(struct moment now, struct pending *pending, struct fx *fx)
{
	struct group *group = pending->group;

	pending_remove(pending);
	if (group_is(group, STATE_PREPARING) && group_has_joined(group))
		rebalance_complete(group, now, fx);
}

void deadline_fire(struct moment now, struct deadline *d, struct fx *fx)
{
	deadline_clear(deadline_shard(d)->deadlines, d);
	switch (d->kind) {
	case DEADLINE_MEMBER:
		member_expired(container_of(d, struct member, session), now, fx);
		return;
	case DEADLINE_PENDING:
		deadline_fire_pending(now, container_of(d, struct pending, session), fx);
		return;
	case DEADLINE_JOIN:
		rebalance_join_due(container_of(d, struct group, join), now, fx);
		return;
	case DEADLINE_SYNC:
		rebalance_sync_due(container_of(d, struct group, sync), now, fx);
		return;
	case DEADLINE_CONSUMER_SESSION:
		consumer_session_due(container_of(d, struct cmember, session), now, fx);
		return;
	case DEADLINE_CONSUMER_REBALANCE:
		consumer_rebalance_due(container_of(d, struct cmember, rebalance), now, fx);
		return;
	case DEADLINE_CONSUMER_JOIN:
		consumer_join_due(container_of(d, struct cmember, join), now, fx);
		return;
	case DEADLINE_CONSUMER_SYNC:
		consumer_sync_due(container_of(d, struct cmember, sync), now, fx);
		return;
	case DEADLINE_EXPIRY:
		expiry_due(container_of(d, struct shard, expiry), now, fx);
		return;
	case DEADLINE_TXN_TIMEOUT:
	case DEADLINE_TXN_EXPIRY:
		break;
	}
	never("deadline kind");
}

/* Records that carry the change themselves: what is in the log is in the state. */
static void shard_apply(struct shard *shard, struct moment now, struct fx *fx)
{
	convert_settle_begin(shard, fx);
	for (size_t i = 0; i < fx->records_len; i++)
		if (fx->records[i].at >= 0)
			replay_record(shard, &fx->records[i], fx->producer_id);
	convert_settle_end(shard, now, fx);
}

void shard_settle(struct shard *shard, struct moment now, struct fx *fx, enum err err)
{
	must_be(shard, SHARD_MAGIC);
	switch (fx->then) {
	case FX_THEN_NOTHING:
		break;
	case FX_THEN_APPLY:
		shard_apply(shard, now, fx);
		break;
	case FX_THEN_CONSUMER:
		shard_apply(shard, now, fx);
		consumer_settle(shard, now, &fx->consumer);
		break;
	case FX_THEN_JOINED:
		shard_apply(shard, now, fx);
		consumer_settle_joined(shard, now, fx, err);
		break;
	case FX_THEN_NEW_GROUP:
		join_settle_new(shard, fx, err);
		if (err != ERR_OK) /* of the group before it a part may be gone */
			shard_apply(shard, now, fx);
		break;
	case FX_THEN_SYNC:
		sync_settle(fx->group, now, fx, err);
		break;
	case FX_THEN_REPLACE:
		join_settle_replaced(shard, now, fx, err);
		break;
	}
	/* A log that takes nothing is not asked again at once. */
	if (err != ERR_OK && deadline_is_set(&shard->expiry))
		deadline_clear(shard->deadlines, &shard->expiry);
	shard_arm_expiry(shard, now);
	fx->then = FX_THEN_NOTHING;
}

static void shard_unload_group(struct group *group, struct fx *fx)
{
	group_clear(group, ERR_NOT_COORDINATOR, fx);
	consumer_clear(group);
}

void shard_unload(struct shard *shard, struct fx *fx)
{
	must_be(shard, SHARD_MAGIC);
	for (struct group *group = shard->groups; group != NULL; group = group->hh.next)
		shard_unload_group(group, fx);
	deadline_clear(shard->deadlines, &shard->expiry);
}
