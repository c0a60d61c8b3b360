/*
 * Old offsets go (KIP-211): those of an empty group after its retention, those of a simple group or
 * of topics that a stable group has given up after theirs. A group without members and offsets goes
 * with them. Streams groups count as empty (foreign.c); share groups have no offsets here, and
 * stay.
 *
 * One look goes through all groups of a shard; when it has written enough for one turn of the loop
 * it stops at a group and goes on there in the next.
 */
#include "base/clock.h"
#include "group/consumer_int.h"

#define EXPIRY_RECORDS_MAX 1000
#define EXPIRY_GROUPS_MAX  10000

/* By what time a group's offsets grow old. */
struct expiry_rule {
	bool applies;
	bool by_state; /* since the group became empty; else since the commit */
};

static void expiry_rule_for(const struct group *group, struct expiry_rule *rule)
{
	*rule = (struct expiry_rule){0};
	rule->applies = group->type == GROUP_CONSUMER || group->type == GROUP_STREAMS;
	if (group->type != GROUP_CLASSIC)
		return;
	if (group->protocol_type.ptr == NULL || group_is(group, STATE_EMPTY)) {
		rule->applies = true;
		rule->by_state = group->protocol_type.ptr != NULL && group->since_ms >= 0;
	} else if (group_is_consumer(group) && group_is(group, STATE_STABLE)) {
		rule->applies = group->subscription.known;
	}
}

static bool expiry_is_old(const struct partition_offset *of, const struct expiry_rule *rule,
			  struct moment now)
{
	const struct group *group = of->topic->group;
	int64_t from_ms = rule->by_state ? group->since_ms : of->value.commit_ms;

	if (!TAILQ_EMPTY(&of->pending))
		return false;
	if (of->value.expire_ms >= 0)
		return now.wall_ms >= of->value.expire_ms;
	return clock_age_ms(now.wall_ms, from_ms) >= group->shard->cfg->retention_ms;
}

/* False when it had to stop before the end of the group. */
static bool expiry_look(const struct group *group, struct moment now, struct fx *fx)
{
	struct expiry_rule rule;
	bool all_old = true;

	expiry_rule_for(group, &rule);
	if (!rule.applies)
		return true;
	for (struct topic_offsets *topic = group->topics; topic != NULL; topic = topic->hh.next) {
		bool wanted = subscription_has(group, topic->name) ||
			      consumer_is_subscribed(group->consumer, topic->name);

		for (size_t i = 0; i < topic->parts_len; i++) {
			if (fx->records_len >= EXPIRY_RECORDS_MAX)
				return false;
			if (!wanted && expiry_is_old(topic->parts[i], &rule, now))
				offsets_emit_tombstone(topic->parts[i], fx);
			else
				all_old = false;
		}
	}
	if (!all_old)
		return true;
	if (group->type == GROUP_CONSUMER && consumer_members_len(group->consumer) == 0)
		consumer_emit_all_tombstones(group, fx);
	else if (group->type == GROUP_STREAMS)
		foreign_emit_tombstones(group, fx);
	else if (group->type == GROUP_CLASSIC && group_is(group, STATE_EMPTY) &&
		 group->pending == NULL)
		group_emit_tombstone(group, fx);
	return true;
}

void expiry_due(struct shard *shard, struct moment now, struct fx *fx)
{
	struct group *group = NULL;
	size_t looked = 0;

	if (shard->expiry_from.ptr != NULL)
		HASH_FIND(hh, shard->groups, shard->expiry_from.ptr, shard->expiry_from.len, group);
	if (group == NULL)
		group = shard->groups;
	keep_free_str(shard->keep, &shard->expiry_from);
	fx->then = FX_THEN_APPLY;
	for (; group != NULL; group = group->hh.next) {
		if (looked++ == EXPIRY_GROUPS_MAX || !expiry_look(group, now, fx)) {
			shard->expiry_from = keep_str_small(shard->keep, group->id);
			deadline_set(shard->deadlines, &shard->expiry, now.mono_ms);
			return;
		}
	}
	shard_arm_expiry(shard, now);
}
