/*
 * OffsetCommit, OffsetFetch, OffsetDelete, and the offsets of deleted topics. Changes are records
 * first: they take effect when they are in the log (FX_THEN_APPLY). See shard.h.
 */
#include "group/consumer_int.h"
#include "group/jstr.h"

/* -- commit -------------------------------------------------------------------------------- */

static enum err offsets_check_classic(struct group *group, struct moment now,
				      const struct commit_ask *ask)
{
	struct member *member = NULL;
	enum err err;

	/* An administrator, or a consumer that assigns partitions to itself. */
	if (ask->generation < 0 && group_is(group, STATE_EMPTY))
		return ERR_OK;
	/* A producer before KIP-447 says nothing of its consumer. */
	if (ask->generation < 0 && ask->member_id.len == 0 && ask->instance_id.ptr == NULL)
		return ask->transactional ? ERR_OK : ERR_UNKNOWN_MEMBER_ID;
	err = member_check(group, ask->member_id, ask->instance_id, &member);
	if (err != ERR_OK)
		return err;
	if (ask->generation != group->generation)
		return ERR_ILLEGAL_GENERATION;
	if (ask->transactional)
		return ERR_OK;
	if (group_is(group, STATE_COMPLETING))
		return ERR_REBALANCE_IN_PROGRESS;
	member_touch(member, now);
	return ERR_OK;
}

/*
 * A member that does not know yet of its newest epoch may commit for what it has had since an epoch
 * that it knows (KIP-1251).
 */
static bool offsets_had_then(const struct cmember *member, const struct commit_ask *ask)
{
	for (size_t i = 0; i < ask->offsets_len; i++) {
		const struct offset_entry *entry = &ask->offsets[i];
		const struct tp *tp =
		    tpset_find(member->assigned, entry->topic_id, entry->partition);

		if (tp == NULL)
			tp = tpset_find(member->revoking, entry->topic_id, entry->partition);
		if (tp == NULL || ask->generation < tp->epoch)
			return false;
	}
	return true;
}

static enum err offsets_check_consumer(const struct consumer *c, const struct commit_ask *ask)
{
	const struct cmember *member = consumer_find(c, ask->member_id);
	bool is_nobody =
	    ask->generation < 0 && ask->member_id.len == 0 && ask->instance_id.ptr == NULL;

	if (ask->generation < 0 && consumer_members_len(c) == 0)
		return ERR_OK;
	if (ask->transactional && is_nobody)
		return ERR_OK;
	if (member == NULL)
		return ERR_UNKNOWN_MEMBER_ID;
	if (!ask->unknown_group_err && !ask->transactional && !member->about.is_classic)
		return ERR_UNSUPPORTED_VERSION; /* before v9 nobody would understand the code */
	if (ask->generation == member->epoch ||
	    (ask->generation < member->epoch && offsets_had_then(member, ask)))
		return ERR_OK;
	return ask->transactional || member->about.is_classic ? ERR_ILLEGAL_GENERATION
							      : ERR_STALE_MEMBER_EPOCH;
}

static enum err offsets_check_commit(struct shard *shard, struct moment now,
				     const struct commit_ask *ask)
{
	struct group *group = shard_find(shard, ask->group);

	if (group == NULL) {
		if (ask->generation < 0)
			return ERR_OK; /* its record will make the group */
		return ask->unknown_group_err ? ERR_GROUP_ID_NOT_FOUND : ERR_ILLEGAL_GENERATION;
	}
	switch (group->type) {
	case GROUP_CLASSIC:
		return offsets_check_classic(group, now, ask);
	case GROUP_CONSUMER:
		return offsets_check_consumer(group->consumer, ask);
	case GROUP_STREAMS:
		return ask->generation < 0 ? ERR_OK : ERR_UNKNOWN_MEMBER_ID;
	default:
		return ERR_GROUP_ID_NOT_FOUND;
	}
}

static int64_t offsets_expire_ms(const struct commit_ask *ask, struct moment now)
{
	int64_t at_ms;

	if (ask->retention_ms == -1)
		return -1;
	if (__builtin_add_overflow(now.wall_ms, ask->retention_ms, &at_ms))
		return INT64_MAX;
	return at_ms < 0 ? 0 : at_ms; /* it is over, however long since */
}

static enum err offsets_check_entry(const struct shard *shard, const struct group *group,
				    const struct offset_entry *entry)
{
	const struct keep *keep = shard->keep;

	/* A UTF-16 unit is at least one byte and at most three. */
	if (entry->value.metadata.len > (size_t)shard->cfg->metadata_max &&
	    jstr_len(entry->value.metadata) > (size_t)shard->cfg->metadata_max)
		return ERR_OFFSET_METADATA_TOO_LARGE;
	if (group == NULL)
		return keep_takes_new(keep) ? ERR_OK : ERR_COORDINATOR_NOT_AVAILABLE;
	if (keep_is_full(keep) && offsets_find(group, entry->topic, entry->partition) == NULL)
		return ERR_COORDINATOR_NOT_AVAILABLE;
	return ERR_OK;
}

enum err offsets_commit(struct shard *shard, struct moment now, const struct commit_ask *ask,
			struct fx *fx)
{
	const struct group *group = shard_find(shard, ask->group);
	enum err err = offsets_check_commit(shard, now, ask);

	if (err != ERR_OK)
		return err;
	if (ask->transactional) {
		fx->producer_id = ask->producer_id;
		fx->producer_epoch = ask->producer_epoch;
		fx->txn_guard = ask->txn_guard;
		fx->txn_version = ask->txn_version;
	}
	for (size_t i = 0; i < ask->offsets_len; i++) {
		struct offset_entry *entry = &ask->offsets[i];
		struct fx_record *record;

		entry->err = offsets_check_entry(shard, group, entry);
		if (entry->err != ERR_OK)
			continue;
		record = fx_record_add(fx, FX_OFFSET, ask->group);
		record->offset.topic = entry->topic;
		record->offset.partition = entry->partition;
		record->offset.value = entry->value;
		if (entry->value.metadata.ptr == NULL)
			record->offset.value.metadata = STR("");
		record->offset.value.commit_ms = now.wall_ms;
		record->offset.value.expire_ms = offsets_expire_ms(ask, now);
		record->offset.value.topic_id = entry->topic_id;
	}
	fx->then = FX_THEN_APPLY;
	return ERR_OK;
}

/* -- fetch --------------------------------------------------------------------------------- */

static void offsets_show(const struct partition_offset *of, bool stable, struct uuid topic_id,
			 struct offset_entry *out)
{
	out->err = ERR_OK;
	out->value = (struct offset_value){.offset = -1,
					   .leader_epoch = -1,
					   .metadata = STR(""),
					   .expire_ms = -1};
	if (of == NULL)
		return;
	if (stable && !TAILQ_EMPTY(&of->pending)) {
		out->err = ERR_UNSTABLE_OFFSET_COMMIT;
		return;
	}
	/* Committed for an earlier topic of the same name: not this one's. */
	if (!of->committed || (!uuid_is_zero(topic_id) && !uuid_is_zero(of->value.topic_id) &&
			       !uuid_eq(topic_id, of->value.topic_id)))
		return;
	out->value = of->value;
	if (of->value.metadata.ptr == NULL)
		out->value.metadata = STR("");
}

void offsets_fetch(const struct shard *shard, struct str group_id, bool stable,
		   struct offset_entry *offsets, size_t offsets_len)
{
	const struct group *group = shard_find(shard, group_id);

	for (size_t i = 0; i < offsets_len; i++) {
		const struct partition_offset *of = NULL;

		if (group != NULL)
			of = offsets_find(group, offsets[i].topic, offsets[i].partition);
		offsets_show(of, stable, offsets[i].topic_id, &offsets[i]);
	}
}

static size_t offsets_count(const struct group *group)
{
	size_t count = 0;

	for (struct topic_offsets *topic = group->topics; topic != NULL; topic = topic->hh.next)
		count += topic->parts_len;
	return count;
}

enum err offsets_fetch_all(const struct shard *shard, struct str group_id, bool stable,
			   struct arena *arena, struct offset_entry **offsets, size_t *offsets_len)
{
	const struct group *group = shard_find(shard, group_id);

	*offsets = NULL;
	*offsets_len = 0;
	if (group == NULL)
		return ERR_OK;
	*offsets = arena_array(arena, offsets_count(group), sizeof(**offsets));
	if (*offsets == NULL)
		return ERR_NOMEM;
	for (struct topic_offsets *topic = group->topics; topic != NULL; topic = topic->hh.next) {
		for (size_t i = 0; i < topic->parts_len; i++) {
			struct offset_entry *entry = &(*offsets)[*offsets_len];

			if (!topic->parts[i]->committed)
				continue;
			entry->topic = topic->name;
			entry->partition = topic->parts[i]->partition;
			offsets_show(topic->parts[i], stable, (struct uuid){{0}}, entry);
			++*offsets_len;
		}
	}
	return ERR_OK;
}

/* -- deletion ------------------------------------------------------------------------------ */

void offsets_emit_tombstone(const struct partition_offset *of, struct fx *fx)
{
	struct fx_record *record = fx_record_add(fx, FX_OFFSET, fx_str(fx, of->topic->group->id));

	record->tombstone = true;
	record->offset.topic = fx_str(fx, of->topic->name);
	record->offset.partition = of->partition;
}

static enum err offsets_check_delete(const struct group *group)
{
	if (group == NULL || group->type == GROUP_SHARE)
		return ERR_GROUP_ID_NOT_FOUND;
	if (group->type == GROUP_CLASSIC && !group_is(group, STATE_EMPTY) &&
	    !group_is_consumer(group))
		return ERR_NON_EMPTY_GROUP;
	return ERR_OK;
}

enum err offsets_delete(struct shard *shard, struct str group_id, struct offset_entry *offsets,
			size_t offsets_len, struct fx *fx)
{
	const struct group *group = shard_find(shard, group_id);
	enum err err = offsets_check_delete(group);

	if (group_id.len == 0)
		return ERR_INVALID_GROUP_ID;
	if (err != ERR_OK)
		return err;
	for (size_t i = 0; i < offsets_len; i++) {
		const struct partition_offset *of =
		    offsets_find(group, offsets[i].topic, offsets[i].partition);

		offsets[i].err = ERR_OK;
		if (subscription_has(group, offsets[i].topic) ||
		    consumer_is_subscribed(group->consumer, offsets[i].topic))
			offsets[i].err = ERR_GROUP_SUBSCRIBED_TO_TOPIC;
		else if (of != NULL)
			offsets_emit_tombstone(of, fx);
	}
	fx->then = FX_THEN_APPLY;
	return ERR_OK;
}

/* Is anything of this entry about the topic with that id, or about one whose id nobody knows? */
static bool offsets_is_about(const struct partition_offset *of, struct uuid topic_id)
{
	const struct txn_offset *pending;

	if (of->committed &&
	    (uuid_is_zero(of->value.topic_id) || uuid_eq(of->value.topic_id, topic_id)))
		return true;
	TAILQ_FOREACH (pending, &of->pending, by_partition)
		if (uuid_is_zero(pending->value.topic_id) ||
		    uuid_eq(pending->value.topic_id, topic_id))
			return true;
	return false;
}

void offsets_topic_deleted(struct shard *shard, struct str topic_name, struct uuid topic_id,
			   struct fx *fx)
{
	for (struct group *group = shard->groups; group != NULL; group = group->hh.next) {
		const struct topic_offsets *topic = offsets_find_topic(group, topic_name);

		for (size_t i = 0; topic != NULL && i < topic->parts_len; i++)
			if (offsets_is_about(topic->parts[i], topic_id))
				offsets_emit_tombstone(topic->parts[i], fx);
	}
	fx->then = FX_THEN_APPLY;
}
