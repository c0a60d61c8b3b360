/*
 * Members of a classic group: adding, changing, removing; the ids that were given out before the
 * member has joined. Keeps the group's counts (who waits, who offers which protocol) in step.
 */
#include "group/group_int.h"

#include <stdio.h>

static void member_count_protocols(struct member *member, bool add)
{
	protocols_count(member->group->shard->keep, &member->group->protocols, member->protocols,
			member->protocols_len, add);
}

/* -- finding ------------------------------------------------------------------------------- */

struct member *member_find(const struct group *group, struct str id)
{
	struct member *member;

	HASH_FIND(hh, group->members, id.ptr, id.len, member);
	return member;
}

struct member *member_find_static(const struct group *group, struct str instance_id)
{
	struct member *member = NULL;

	if (instance_id.ptr != NULL)
		HASH_FIND(hh_instance, group->statics, instance_id.ptr, instance_id.len, member);
	return member;
}

enum err member_check(const struct group *group, struct str id, struct str instance_id,
		      struct member **out)
{
	*out = NULL;
	if (instance_id.ptr != NULL) {
		struct member *holder = member_find_static(group, instance_id);

		if (holder == NULL)
			return ERR_UNKNOWN_MEMBER_ID;
		if (!str_eq(holder->id, id))
			return ERR_FENCED_INSTANCE_ID;
	}
	*out = member_find(group, id);
	return *out != NULL ? ERR_OK : ERR_UNKNOWN_MEMBER_ID;
}

struct str member_new_id(struct rnd *rnd, struct str prefix, struct arena *arena)
{
	struct uuid id = rnd_uuid(rnd);
	const uint8_t *b = id.b;

	return arena_printf(
	    arena, "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	    STR_ARG(prefix), b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
	    b[11], b[12], b[13], b[14], b[15]);
}

/* -- adding and removing ------------------------------------------------------------------- */

/* Copies s; false if that failed (a null stays null and is no failure). */
static bool member_keep_str(struct keep *keep, struct str s, struct str *out)
{
	*out = keep_str(keep, s);
	return s.ptr == NULL || out->ptr != NULL;
}

static void member_free(struct keep *keep, struct member *member)
{
	keep_free_str(keep, &member->id);
	keep_free_str(keep, &member->instance_id);
	keep_free_str(keep, &member->client_id);
	keep_free_str(keep, &member->client_host);
	keep_free(keep, member->protocols);
	keep_free_bytes(keep, &member->assignment);
	keep_free_bytes(keep, &member->staged);
	keep_free(keep, member);
}

static struct member *member_make(struct keep *keep, const struct member_value *value,
				  const struct join_protocol *protocols, size_t len)
{
	struct member *member = keep_alloc(keep, sizeof(*member));
	bool kept;

	if (member == NULL)
		return NULL;
	member->session.kind = DEADLINE_MEMBER;
	member->session_ms = value->session_ms;
	member->rebalance_ms = value->rebalance_ms;
	member->protocols = protocols_copy(keep, protocols, len);
	member->protocols_len = len;
	member->assignment = keep_bytes(keep, value->assignment);
	kept = member_keep_str(keep, value->id, &member->id) &&
	       member_keep_str(keep, value->instance_id, &member->instance_id) &&
	       member_keep_str(keep, value->client_id, &member->client_id) &&
	       member_keep_str(keep, value->client_host, &member->client_host) &&
	       member->protocols != NULL &&
	       (value->assignment.ptr == NULL || member->assignment.ptr != NULL);
	if (kept)
		return member;
	member_free(keep, member);
	return NULL;
}

struct member *member_add(struct group *group, const struct member_value *value,
			  const struct join_protocol *protocols, size_t len)
{
	struct member *member = member_make(group->shard->keep, value, protocols, len);

	if (member == NULL)
		return NULL;
	must(member_find(group, value->id) == NULL);
	must(member_find_static(group, value->instance_id) == NULL);
	member->group = group;
	HASH_ADD_KEYPTR(hh, group->members, member->id.ptr, member->id.len, member);
	if (member->instance_id.ptr != NULL)
		HASH_ADD_KEYPTR(hh_instance, group->statics, member->instance_id.ptr,
				member->instance_id.len, member);
	member_count_protocols(member, true);
	if (group->leader == NULL)
		group->leader = member;
	return member;
}

void member_remove(struct member *member, enum err err, struct fx *fx)
{
	struct group *group = member->group;

	/* A client that did not get its answer asks for a new id then. */
	fx_join_failed(fx, member_take_join(member), err, STR(""));
	fx_sync_failed(fx, member_take_sync(member), err);
	sync_received(member);
	member_count_protocols(member, false);
	HASH_DELETE(hh, group->members, member);
	if (member->instance_id.ptr != NULL)
		HASH_DELETE(hh_instance, group->statics, member);
	if (group->leader == member)
		group->leader = group->members;
	deadline_clear(group->shard->deadlines, &member->session);
	member_free(group->shard->keep, member);
}

bool member_rename(struct member *member, struct str id)
{
	struct group *group = member->group;
	struct str copy = keep_str(group->shard->keep, id);

	if (copy.ptr == NULL)
		return false;
	HASH_DELETE(hh, group->members, member);
	keep_free_str(group->shard->keep, &member->id);
	member->id = copy;
	HASH_ADD_KEYPTR(hh, group->members, member->id.ptr, member->id.len, member);
	return true;
}

bool member_update(struct member *member, const struct join_ask *ask)
{
	struct keep *keep = member->group->shard->keep;
	struct join_protocol *protocols = protocols_copy(keep, ask->protocols, ask->protocols_len);

	if (protocols == NULL)
		return false;
	member_count_protocols(member, false);
	keep_free(keep, member->protocols);
	member->protocols = protocols;
	member->protocols_len = ask->protocols_len;
	member_count_protocols(member, true);
	member->session_ms = ask->session_ms;
	member->rebalance_ms = ask->rebalance_ms;
	return true;
}

/* -- requests that wait -------------------------------------------------------------------- */

void *member_take_join(struct member *member)
{
	void *who = member->join_who;

	if (who != NULL) {
		must(member->group->joining > 0);
		member->group->joining--;
		member->join_who = NULL;
	}
	return who;
}

void *member_take_sync(struct member *member)
{
	void *who = member->sync_who;

	member->sync_who = NULL;
	return who;
}

/* A client that asks twice has given up on the first, which is answered so that it can end. */
void member_set_join(struct member *member, void *who, struct fx *fx)
{
	fx_join_failed(fx, member_take_join(member), ERR_REBALANCE_IN_PROGRESS, member->id);
	member->join_who = who;
	member->group->joining++;
}

void member_set_sync(struct member *member, void *who, struct fx *fx)
{
	fx_sync_failed(fx, member_take_sync(member), ERR_REBALANCE_IN_PROGRESS);
	member->sync_who = who;
}

/* -- sessions ------------------------------------------------------------------------------ */

void member_arm(struct member *member, struct moment now, int32_t timeout_ms)
{
	deadline_set(member->group->shard->deadlines, &member->session, now.mono_ms + timeout_ms);
}

/*
 * No heartbeat in time. Who waits in a rebalance is alive by that, except a new member: it does not
 * know its id yet, so its request may be one that its client has given up on.
 */
void member_expired(struct member *member, struct moment now, struct fx *fx)
{
	struct group *group = member->group;

	if (!member->is_new && (member->join_who != NULL || member->sync_who != NULL))
		return;
	member_remove(member, ERR_UNKNOWN_MEMBER_ID, fx);
	if (group_is(group, STATE_STABLE) || group_is(group, STATE_COMPLETING))
		rebalance_or_go_on(group, now, "a member's session has timed out", fx);
	else if (group_is(group, STATE_PREPARING) && group_has_joined(group))
		rebalance_complete(group, now, fx);
}

/* -- ids given out ------------------------------------------------------------------------- */

struct pending *pending_find(const struct group *group, struct str id)
{
	struct pending *pending;

	HASH_FIND(hh, group->pending, id.ptr, id.len, pending);
	return pending;
}

bool pending_add(struct group *group, struct str id, int64_t until_ms)
{
	struct pending *pending = keep_alloc(group->shard->keep, sizeof(*pending) + id.len);

	if (pending == NULL)
		return false;
	pending->group = group;
	pending->session.kind = DEADLINE_PENDING;
	pending->id_len = id.len;
	memcpy(pending->id, id.ptr, id.len);
	HASH_ADD_KEYPTR(hh, group->pending, pending->id, pending->id_len, pending);
	deadline_set(group->shard->deadlines, &pending->session, until_ms);
	return true;
}

void pending_remove(struct pending *pending)
{
	struct group *group = pending->group;

	deadline_clear(group->shard->deadlines, &pending->session);
	HASH_DEL(group->pending, pending);
	keep_free(group->shard->keep, pending);
}
