/* A classic group's state as a whole: its states, its protocols, its record. */
#include "group/group_int.h"

static const struct str group_state_names[] = {
    [STATE_EMPTY] = {"Empty", 5},
    [STATE_PREPARING] = {"PreparingRebalance", 18},
    [STATE_COMPLETING] = {"CompletingRebalance", 19},
    [STATE_STABLE] = {"Stable", 6},
};

struct str group_state_name(enum group_state state)
{
	return group_state_names[state];
}

void group_set_state(struct group *group, enum group_state state, struct moment now)
{
	static const enum group_state from_prepare[] = {STATE_STABLE, STATE_COMPLETING,
							STATE_EMPTY};
	bool allowed = false;

	if (state == STATE_PREPARING)
		for (size_t i = 0; i < ARRAY_LEN(from_prepare); i++)
			allowed = allowed || group->state == from_prepare[i];
	else
		allowed =
		    group->state == (state == STATE_STABLE ? STATE_COMPLETING : STATE_PREPARING);
	must(allowed);
	group->previous = group->state;
	group->state = state;
	group->since_ms = now.wall_ms;
}

bool group_is_consumer(const struct group *group)
{
	return str_eq(group->protocol_type, STR("consumer"));
}

bool group_has_joined(const struct group *group)
{
	return group->joining == HASH_COUNT(group->members) && group->pending == NULL;
}

int32_t group_rebalance_ms(const struct group *group)
{
	int32_t longest_ms = 0;

	for (struct member *m = group->members; m != NULL; m = m->hh.next)
		if (m->rebalance_ms > longest_ms)
			longest_ms = m->rebalance_ms;
	return longest_ms;
}

bool group_shares_protocol(const struct group *group, struct str type,
			   const struct join_protocol *protocols, size_t len)
{
	if (group_is(group, STATE_EMPTY))
		return type.len > 0 && len > 0;
	return str_eq(group->protocol_type, type) &&
	       protocols_share(group->protocols, HASH_COUNT(group->members), protocols, len);
}

/* Each member votes for the first of its protocols that all share. */
struct str group_vote(const struct group *group)
{
	struct str best;

	for (struct member *m = group->members; m != NULL; m = m->hh.next)
		must(protocols_vote(group->protocols, HASH_COUNT(group->members), m->protocols,
				    m->protocols_len));
	best = protocols_elect(group->protocols);
	must(best.ptr != NULL);
	return best;
}

void group_set_str(struct group *group, struct str *field, struct str value)
{
	struct str copy = keep_str_small(group->shard->keep, value);

	keep_free_str(group->shard->keep, field);
	*field = copy;
}

static void group_fill_member(const struct group *group, const struct member *m, bool staged,
			      struct member_value *out)
{
	struct bytes assignment = staged ? m->staged : m->assignment;

	*out = (struct member_value){.id = m->id,
				     .instance_id = m->instance_id,
				     .client_id = m->client_id,
				     .client_host = m->client_host,
				     .session_ms = m->session_ms,
				     .rebalance_ms = m->rebalance_ms,
				     .subscription = member_metadata(m, group->protocol),
				     .assignment = assignment};
	must(out->subscription.ptr != NULL);
	if (assignment.ptr == NULL)
		out->assignment = (struct bytes){(const uint8_t *)"", 0};
}

void group_emit(const struct group *group, bool staged, struct fx *fx)
{
	struct fx_record *record = fx_record_add(fx, FX_GROUP, group->id);
	size_t members_len = HASH_COUNT(group->members), i = 0;
	struct member_value *members = fx_alloc(fx, members_len, sizeof(*members));

	for (struct member *m = group->members; m != NULL; m = m->hh.next)
		group_fill_member(group, m, staged, &members[i++]);
	must(i == members_len);
	record->value =
	    (struct group_value){.protocol_type = group->protocol_type.ptr != NULL
						      ? group->protocol_type
						      : STR(""),
				 .protocol = group->protocol,
				 .leader = group->leader != NULL ? group->leader->id : STR_NULL,
				 .generation = group->generation,
				 .since_ms = group->since_ms,
				 .members = members,
				 .members_len = members_len};
}

void group_emit_tombstone(const struct group *group, struct fx *fx)
{
	struct fx_record *record = fx_record_add(fx, FX_GROUP, fx_str(fx, group->id));

	record->tombstone = true;
}

void group_clear(struct group *group, enum err err, struct fx *fx)
{
	struct keep *keep = group->shard->keep;

	while (group->members != NULL)
		member_remove(group->members, err, fx);
	while (group->pending != NULL)
		pending_remove(group->pending);
	deadline_clear(group->shard->deadlines, &group->join);
	deadline_clear(group->shard->deadlines, &group->sync);
	must(group->joining == 0 && group->syncs_missing == 0 && group->protocols == NULL);
	keep_free_str(keep, &group->protocol_type);
	keep_free_str(keep, &group->protocol);
	subscription_drop(group);
	group->state = group->previous = STATE_EMPTY;
	group->generation = 0;
	group->since_ms = -1;
	group->new_member_added = false;
}
