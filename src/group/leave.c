/*
 * LeaveGroup: members go of their own will, or an administrator removes static ones by their
 * instance id alone (KIP-345).
 */
#include "group/consumer_int.h"

static enum err leave_one(struct group *group, const struct leave_member *leaver, struct fx *fx)
{
	struct pending *pending;
	struct member *member;
	enum err err = ERR_OK;

	if (leaver->id.len == 0) {
		member = member_find_static(group, leaver->instance_id);
		if (member == NULL)
			return ERR_UNKNOWN_MEMBER_ID;
	} else {
		pending = pending_find(group, leaver->id);
		if (pending != NULL) {
			pending_remove(pending);
			return ERR_OK;
		}
		err = member_check(group, leaver->id, leaver->instance_id, &member);
	}
	if (err != ERR_OK)
		return err;
	member_remove(member, ERR_UNKNOWN_MEMBER_ID, fx);
	return ERR_OK;
}

enum err leave_handle(struct shard *shard, struct moment now, struct str group_id,
		      struct leave_member *members, size_t members_len, struct fx *fx)
{
	struct group *group = shard_find(shard, group_id);
	bool left = false;

	if (group_id.len == 0)
		return ERR_INVALID_GROUP_ID;
	if (group != NULL && group->type == GROUP_CONSUMER) {
		consumer_leave(group, now, members, members_len, fx);
		return ERR_OK;
	}
	if (group == NULL || group->type != GROUP_CLASSIC) {
		for (size_t i = 0; i < members_len; i++)
			members[i].err = ERR_UNKNOWN_MEMBER_ID;
		return ERR_OK;
	}
	for (size_t i = 0; i < members_len; i++) {
		members[i].err = leave_one(group, &members[i], fx);
		left = left || members[i].err == ERR_OK;
	}
	if (!left)
		return ERR_OK;
	if (group_is(group, STATE_STABLE) || group_is(group, STATE_COMPLETING))
		rebalance_prepare(group, now, "members have left", fx);
	else
		rebalance_maybe_complete(group, now, fx);
	return ERR_OK;
}
