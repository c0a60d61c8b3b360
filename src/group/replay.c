/*
 * The log back into the state: at start, and for changes that take effect by their records. What
 * cannot have been written by a coordinator is taken as well as it can be, never refused. See
 * shard.h.
 */
#include "group/consumer_int.h"

static void replay_member(struct group *group, const struct group_value *value,
			  const struct member_value *from)
{
	struct join_protocol protocol = {group->protocol, from->subscription};
	struct member_value member = *from;
	struct member *added;

	if (member_find(group, from->id) != NULL ||
	    member_find_static(group, from->instance_id) != NULL)
		return;
	if (member.rebalance_ms < 0) /* version 0 had none */
		member.rebalance_ms = member.session_ms;
	added = member_add(group, &member, &protocol, 1);
	must(added != NULL);
	if (value->leader.ptr != NULL && str_eq(value->leader, from->id))
		group->leader = added;
}

static void replay_group(struct group *group, const struct fx_record *record)
{
	const struct group_value *value = &record->value;
	struct str protocol = value->protocol;

	group_clear(group, ERR_UNKNOWN_MEMBER_ID, NULL);
	if (record->tombstone) {
		/* That of a consumer group that has taken its place is another one's. */
		if (group->type == GROUP_CLASSIC)
			shard_set_type(group, GROUP_NONE);
		return;
	}
	shard_become(group, GROUP_CLASSIC);
	if (protocol.ptr == NULL && value->members_len > 0)
		protocol = STR("");
	if (value->protocol_type.len > 0)
		group_set_str(group, &group->protocol_type, value->protocol_type);
	group_set_str(group, &group->protocol, protocol);
	group->generation = value->generation;
	group->since_ms = value->since_ms;
	for (size_t i = 0; i < value->members_len; i++)
		replay_member(group, value, &value->members[i]);
	group->state = group->members != NULL ? STATE_STABLE : STATE_EMPTY;
	subscription_update(group);
}

static void replay_offset(struct group *group, const struct fx_record *record, int64_t producer_id)
{
	if (record->tombstone) {
		offsets_forget(group, record->offset.topic, record->offset.partition);
		return;
	}
	/* Offsets without members make a group, of no protocol type: a simple one. */
	if (group->type == GROUP_NONE)
		shard_set_type(group, GROUP_CLASSIC);
	if (producer_id < 0)
		offsets_put(group, record);
	else
		offsets_put_pending(group, producer_id, record);
}

static void replay_foreign(struct group *group, const struct fx_record *record)
{
	if (record->tombstone)
		foreign_del(group, record->foreign.key);
	else
		foreign_put(group, record);
}

void replay_record(struct shard *shard, const struct fx_record *record, int64_t producer_id)
{
	struct group *group;
	bool unlimited = shard->keep->unlimited;

	must_be(shard, SHARD_MAGIC);
	shard->keep->unlimited = true;
	group = shard_make(shard, record->group);
	must(group != NULL);
	switch (record->kind) {
	case FX_OFFSET:
		replay_offset(group, record, producer_id);
		break;
	case FX_GROUP:
		replay_group(group, record);
		break;
	case FX_FOREIGN:
		replay_foreign(group, record);
		break;
	case FX_CONSUMER_GROUP:
	case FX_CONSUMER_MEMBER:
	case FX_CONSUMER_TARGET_EPOCH:
	case FX_CONSUMER_TARGET:
	case FX_CONSUMER_CURRENT:
	case FX_CONSUMER_REGEX:
	case FX_CONSUMER_PARTITIONS:
		consumer_replay(group, record);
		break;
	}
	shard_drop_if_void(group);
	shard->keep->unlimited = unlimited;
}

void replay_marker(struct shard *shard, int64_t producer_id, bool commit)
{
	must_be(shard, SHARD_MAGIC);
	offsets_end_txn(shard, producer_id, commit);
}

void replay_done(struct shard *shard, struct moment now, struct fx *fx)
{
	must_be(shard, SHARD_MAGIC);
	for (struct group *group = shard->groups; group != NULL; group = group->hh.next) {
		for (struct member *m = group->members; m != NULL; m = m->hh.next)
			member_touch(m, now);
		if (HASH_COUNT(group->members) > (size_t)shard->cfg->size_max)
			rebalance_prepare(group, now, "it is larger than group.max.size", fx);
		consumer_loaded(group, now);
	}
	shard_arm_expiry(shard, now);
}
