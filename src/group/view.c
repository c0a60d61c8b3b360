/* What DescribeGroups and ListGroups show. See shard.h. */
#include "group/consumer_int.h"

enum err view_describe(const struct shard *shard, struct str group_id, struct arena *arena,
		       struct group_view *out)
{
	const struct group *group = shard_find(shard, group_id);
	size_t i = 0;

	*out = (struct group_view){.state = STR("Dead"),
				   .protocol_type = STR(""),
				   .protocol = STR("")};
	out->other_type = group != NULL && group->type != GROUP_CLASSIC;
	if (group == NULL || out->other_type)
		return ERR_OK;
	out->members_len = HASH_COUNT(group->members);
	out->members = arena_array(arena, out->members_len, sizeof(*out->members));
	if (out->members == NULL)
		return ERR_NOMEM;
	out->found = true;
	out->state = group_state_name(group->state);
	if (group->protocol_type.ptr != NULL)
		out->protocol_type = group->protocol_type;
	if (group_is(group, STATE_STABLE))
		out->protocol = group->protocol;
	for (struct member *m = group->members; m != NULL; m = m->hh.next) {
		struct group_view_member *member = &out->members[i++];

		*member = (struct group_view_member){.id = m->id,
						     .instance_id = m->instance_id,
						     .client_id = m->client_id,
						     .client_host = m->client_host,
						     .assignment = m->assignment};
		if (group_is(group, STATE_STABLE))
			member->metadata = member_metadata(m, group->protocol);
	}
	return ERR_OK;
}

static const struct group *view_visible(const struct group *group)
{
	while (group != NULL && group->type == GROUP_NONE)
		group = group->hh.next;
	return group;
}

bool view_next(const struct shard *shard, const void **pos, struct group_listed *out)
{
	static const struct str types[] = {[GROUP_CLASSIC] = {"classic", 7},
					   [GROUP_CONSUMER] = {"consumer", 8},
					   [GROUP_SHARE] = {"share", 5},
					   [GROUP_STREAMS] = {"streams", 7}};
	const struct group *group = *pos;

	group = view_visible(group != NULL ? group->hh.next : shard->groups);
	if (group == NULL)
		return false;
	*pos = group;
	*out = (struct group_listed){.id = group->id,
				     .state = group_state_name(group->state),
				     .type = types[group->type]};
	if (group->type == GROUP_CONSUMER)
		out->state = consumer_state_name(group->consumer);
	if (group->type != GROUP_CLASSIC)
		out->protocol_type = out->type;
	else
		out->protocol_type =
		    group->protocol_type.ptr != NULL ? group->protocol_type : STR("");
	return true;
}
