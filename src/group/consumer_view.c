/* What ConsumerGroupDescribe and ListGroups show. See consumer.h. */
#include "group/consumer_int.h"

struct str consumer_state_name(const struct consumer *c)
{
	if (c == NULL || c->members == NULL)
		return STR("Empty");
	if (c->epoch > c->assignment_epoch)
		return STR("Assigning");
	for (const struct cmember *m = c->members; m != NULL; m = m->hh.next)
		if (m->state != CONSUMER_STABLE || m->epoch != c->assignment_epoch)
			return STR("Reconciling");
	return STR("Stable");
}

enum err consumer_check(const struct shard *shard, struct str group_id, struct str member_id,
			int32_t member_epoch)
{
	const struct group *group = shard_find(shard, group_id);
	const struct cmember *member;

	if (group == NULL || group->type != GROUP_CONSUMER ||
	    (member_id.ptr == NULL && member_epoch < 0))
		return ERR_OK;
	member = consumer_find(group->consumer, member_id);
	if (member == NULL)
		return ERR_UNKNOWN_MEMBER_ID;
	if (member->epoch == member_epoch)
		return ERR_OK;
	return member->about.is_classic ? ERR_ILLEGAL_GENERATION : ERR_STALE_MEMBER_EPOCH;
}

enum err consumer_describe(const struct shard *shard, struct str group_id,
			   const struct consumer_cfg *cfg, struct arena *arena,
			   struct consumer_view *out)
{
	const struct group *group = shard_find(shard, group_id);
	const struct consumer *c;
	size_t i = 0;

	*out = (struct consumer_view){.state = STR("")};
	if (group == NULL || group->type != GROUP_CONSUMER) {
		out->other_type = group != NULL;
		return ERR_GROUP_ID_NOT_FOUND;
	}
	c = group->consumer;
	out->state = consumer_state_name(c);
	out->epoch = c->epoch;
	out->assignment_epoch = c->assignment_epoch;
	out->assignor = consumer_assignor(&(struct cevent){.c = group->consumer, .cfg = cfg});
	out->members_len = consumer_members_len(c);
	out->members = arena_array(arena, out->members_len, sizeof(*out->members));
	if (out->members == NULL)
		return ERR_NOMEM;
	for (const struct cmember *m = c->members; m != NULL; m = m->hh.next)
		out->members[i++] =
		    (struct consumer_view_member){.id = m->id,
						  .instance_id = m->about.instance_id,
						  .rack_id = m->about.rack_id,
						  .client_id = m->about.client_id,
						  .client_host = m->about.client_host,
						  .regex = m->about.regex,
						  .topics = m->about.topics,
						  .topics_len = m->about.topics_len,
						  .epoch = m->epoch,
						  .is_classic = m->about.is_classic,
						  .assigned =
						      tpset_or(m->assigned, m->revoking, arena),
						  .target = m->target};
	return arena->failed ? ERR_NOMEM : ERR_OK;
}
