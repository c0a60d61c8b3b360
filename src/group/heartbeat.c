/* Heartbeat: the member lives; and it learns here that a rebalance has begun. */
#include "group/consumer_int.h"

enum err heartbeat_handle(struct shard *shard, struct moment now, struct str group_id,
			  struct str member_id, struct str instance_id, int32_t generation)
{
	struct group *group = shard_find(shard, group_id);
	struct member *member;
	enum err err;

	if (group_id.len == 0)
		return ERR_INVALID_GROUP_ID;
	if (group != NULL && group->type == GROUP_CONSUMER)
		return consumer_beat(group, now, member_id, instance_id, generation);
	if (group == NULL || group->type != GROUP_CLASSIC)
		return ERR_UNKNOWN_MEMBER_ID;
	err = member_check(group, member_id, instance_id, &member);
	if (err != ERR_OK)
		return err;
	if (generation != group->generation)
		return ERR_ILLEGAL_GENERATION;
	must(!group_is(group, STATE_EMPTY));
	member_touch(member, now);
	return group_is(group, STATE_PREPARING) ? ERR_REBALANCE_IN_PROGRESS : ERR_OK;
}
