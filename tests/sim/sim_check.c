/* Invariants of the state: within itself, and against what its log gives back. */
#include "sim.h"

/* -- within itself ------------------------------------------------------------------------- */

static void sim_check_members(const struct group *group)
{
	size_t joining = 0, missing = 0, statics = 0;
	bool leader_seen = group->leader == NULL;

	for (struct member *m = group->members; m != NULL; m = m->hh.next) {
		sim_must(m->group == group && member_find(group, m->id) == m);
		joining += m->join_who != NULL;
		missing += m->sync_missing;
		statics += m->instance_id.ptr != NULL;
		leader_seen = leader_seen || m == group->leader;
		if (m->instance_id.ptr != NULL)
			sim_must(member_find_static(group, m->instance_id) == m);
		/* Nobody is there for ever: a session ends, or the rebalance that it waits for. */
		sim_must(deadline_is_set(&m->session) || m->join_who != NULL ||
			 m->sync_who != NULL);
		sim_must(m->sync_who == NULL || group_is(group, STATE_COMPLETING));
		sim_must(m->join_who == NULL || group_is(group, STATE_PREPARING));
		sim_must(m->staged.ptr == NULL);
	}
	sim_must(joining == group->joining && missing == group->syncs_missing);
	sim_must(statics == HASH_CNT(hh_instance, group->statics));
	sim_must(leader_seen && (group->leader != NULL) == (group->members != NULL));
}

static void sim_check_protocols(const struct group *group)
{
	for (struct protocol_count *c = group->protocols; c != NULL; c = c->hh.next) {
		size_t count = 0;

		for (struct member *m = group->members; m != NULL; m = m->hh.next)
			count += member_metadata(m, (struct str){c->name, c->name_len}).ptr != NULL;
		sim_must(count == c->members && count > 0);
	}
	if (group_is(group, STATE_COMPLETING) || group_is(group, STATE_STABLE))
		for (struct member *m = group->members; m != NULL; m = m->hh.next)
			sim_must(member_metadata(m, group->protocol).ptr != NULL);
}

static void sim_check_deadlines(const struct group *group)
{
	for (struct pending *p = group->pending; p != NULL; p = p->hh.next)
		sim_must(deadline_is_set(&p->session));
	/* No rebalance without an end. */
	sim_must(group_is(group, STATE_PREPARING) == deadline_is_set(&group->join));
	sim_must((group->syncs_missing > 0) == deadline_is_set(&group->sync));
	if (group_is(group, STATE_COMPLETING))
		sim_must(group->leader->sync_missing);
}

static void sim_check_offsets(const struct group *group)
{
	for (struct topic_offsets *topic = group->topics; topic != NULL; topic = topic->hh.next) {
		sim_must(topic->parts_len > 0);
		for (size_t i = 0; i < topic->parts_len; i++) {
			sim_must(topic->parts[i]->committed ||
				 !TAILQ_EMPTY(&topic->parts[i]->pending));
			sim_must(i == 0 ||
				 topic->parts[i - 1]->partition < topic->parts[i]->partition);
		}
	}
}

void sim_check_shard(const struct shard *shard)
{
	size_t ghosts = 0;

	for (struct group *group = shard->groups; group != NULL; group = group->hh.next) {
		ghosts += group->type == GROUP_NONE;
		if (group->type != GROUP_CLASSIC)
			sim_must(group->members == NULL && group->pending == NULL &&
				 group_is(group, STATE_EMPTY));
		if (group_is(group, STATE_EMPTY))
			sim_must(group->members == NULL);
		else if (group_is(group, STATE_STABLE) || group_is(group, STATE_COMPLETING))
			sim_must(group->members != NULL);
		sim_check_members(group);
		sim_check_protocols(group);
		sim_check_deadlines(group);
		sim_check_offsets(group);
	}
	sim_must(ghosts == shard->ghosts);
	for (size_t i = 1; i < shard->deadlines->len; i++)
		sim_must(shard->deadlines->heap[(i - 1) / 2]->key_ms <=
			 shard->deadlines->heap[i]->key_ms);
	for (size_t i = 0; i < shard->deadlines->len; i++)
		sim_must(shard->deadlines->heap[i]->key_ms <= shard->deadlines->heap[i]->at_ms);
}

/* -- against its log ----------------------------------------------------------------------- */

static void sim_same_str(struct str a, struct str b)
{
	sim_must((a.ptr == NULL) == (b.ptr == NULL) && str_eq(a, b));
}

static void sim_same_bytes(struct bytes a, struct bytes b)
{
	sim_must(a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0));
}

static void sim_same_value(const struct offset_value *a, const struct offset_value *b)
{
	sim_must(a->offset == b->offset && a->leader_epoch == b->leader_epoch &&
		 a->commit_ms == b->commit_ms && a->expire_ms == b->expire_ms &&
		 uuid_eq(a->topic_id, b->topic_id));
	sim_same_str(a->metadata, b->metadata);
}

static void sim_same_partition(const struct partition_offset *a, const struct partition_offset *b)
{
	const struct txn_offset *pa = TAILQ_FIRST(&a->pending), *pb = TAILQ_FIRST(&b->pending);

	sim_must(a->partition == b->partition && a->committed == b->committed);
	if (a->committed) {
		sim_same_value(&a->value, &b->value);
		sim_must(a->at == b->at);
	}
	while (pa != NULL && pb != NULL) {
		sim_must(pa->txn->producer_id == pb->txn->producer_id && pa->at == pb->at);
		sim_same_value(&pa->value, &pb->value);
		pa = TAILQ_NEXT(pa, by_partition);
		pb = TAILQ_NEXT(pb, by_partition);
	}
	sim_must(pa == NULL && pb == NULL);
}

static void sim_same_offsets(const struct group *a, const struct group *b)
{
	sim_must(HASH_COUNT(a->topics) == HASH_COUNT(b->topics));
	for (struct topic_offsets *ta = a->topics; ta != NULL; ta = ta->hh.next) {
		const struct topic_offsets *tb = offsets_find_topic(b, ta->name);

		sim_must(tb != NULL && ta->parts_len == tb->parts_len);
		for (size_t i = 0; i < ta->parts_len; i++)
			sim_same_partition(ta->parts[i], tb->parts[i]);
	}
}

static void sim_same_members(const struct group *a, const struct group *b)
{
	sim_must(HASH_COUNT(a->members) == HASH_COUNT(b->members));
	sim_same_str(a->leader->id, b->leader->id);
	for (struct member *ma = a->members; ma != NULL; ma = ma->hh.next) {
		const struct member *mb = member_find(b, ma->id);

		sim_must(mb != NULL);
		sim_same_str(ma->instance_id, mb->instance_id);
		sim_same_str(ma->client_id, mb->client_id);
		sim_same_str(ma->client_host, mb->client_host);
		sim_must(ma->session_ms == mb->session_ms && ma->rebalance_ms == mb->rebalance_ms);
		sim_same_bytes(member_metadata(ma, a->protocol), member_metadata(mb, b->protocol));
		sim_same_bytes(ma->assignment, mb->assignment);
	}
}

/* Between stable generations a group is more than its log: members come and go unwritten. */
static void sim_same_group(const struct group *a, const struct group *b)
{
	sim_must(a->type == b->type);
	sim_same_offsets(a, b);
	if (a->type != GROUP_CLASSIC || group_is(a, STATE_PREPARING) ||
	    group_is(a, STATE_COMPLETING))
		return;
	sim_must(a->state == b->state && a->generation == b->generation);
	sim_same_str(a->protocol, b->protocol);
	if (group_is(a, STATE_STABLE)) {
		sim_same_str(a->protocol_type, b->protocol_type);
		sim_same_members(a, b);
	}
}

/*
 * A simple group is there from its first offset on, and until it expires, even when that offset is
 * deleted or aborted; a log without the offset knows nothing of it, nor of who joins it first.
 */
static bool sim_is_forgettable(const struct group *group)
{
	if (group->type != GROUP_CLASSIC || group->topics != NULL)
		return false;
	return group_is(group, STATE_PREPARING) || group_is(group, STATE_COMPLETING) ||
	       (group_is(group, STATE_EMPTY) && group->generation == 0);
}

void sim_check_replay(const struct shard *live, const struct sim_log *log)
{
	size_t forgotten = 0;
	struct keep keep = {.cap_bytes = SIZE_MAX};
	struct deadlines deadlines = {0};
	struct rnd rnd = {0};
	struct shard *again = shard_new(live->cfg, &keep, &deadlines, &rnd);

	sim_must(again != NULL);
	sim_log_replay(log, again);
	for (struct group *a = live->groups; a != NULL; a = a->hh.next) {
		struct group *b;

		HASH_FIND(hh, again->groups, a->id.ptr, a->id.len, b);
		if (b != NULL) {
			sim_same_group(a, b);
			continue;
		}
		sim_must(log->compacted && sim_is_forgettable(a));
		forgotten++;
	}
	sim_must(HASH_COUNT(live->groups) == HASH_COUNT(again->groups) + forgotten);
	shard_free(again);
	sim_must(keep.used_bytes == 0);
	deadlines_fini(&deadlines);
}
