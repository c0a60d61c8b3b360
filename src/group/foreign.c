/*
 * Groups of the types that are not served here: share (KIP-932), streams (KIP-1071), as a directory
 * of Apache Kafka may hold them.
 *
 * Their records stay in the log as they are. What is kept of them is their keys, so that such a
 * group is listed, its offsets can be read, reset and deleted by administrators, and it can be
 * deleted whole. Its members cannot reach us (their heartbeats have no API here), so it counts as
 * empty; and as in Kafka an empty streams group turns into a classic one when a classic member
 * joins: the old records get tombstones then. Share groups have state in another topic, so they are
 * only listed.
 */
#include "group/group_int.h"

static struct foreign_key *foreign_find(const struct group *group, struct bytes key)
{
	struct foreign_key *found;

	HASH_FIND(hh, group->foreign, key.ptr, key.len, found);
	return found;
}

void foreign_put(struct group *group, const struct fx_record *record)
{
	struct bytes key = record->foreign.key;
	struct foreign_key *kept;

	shard_become(group, record->foreign.type);
	if (foreign_find(group, key) != NULL)
		return;
	kept = keep_alloc_small(group->shard->keep, sizeof(*kept) + key.len);
	kept->key_len = key.len;
	memcpy(kept->key, key.ptr, key.len);
	HASH_ADD_KEYPTR(hh, group->foreign, kept->key, kept->key_len, kept);
}

void foreign_clear(struct group *group)
{
	struct foreign_key *key, *next;

	HASH_ITER (hh, group->foreign, key, next) {
		HASH_DEL(group->foreign, key);
		keep_free(group->shard->keep, key);
	}
}

void foreign_del(struct group *group, struct bytes key)
{
	struct foreign_key *found = foreign_find(group, key);

	if (found == NULL)
		return;
	HASH_DEL(group->foreign, found);
	keep_free(group->shard->keep, found);
	if (group->foreign == NULL && group->type != GROUP_CLASSIC)
		shard_set_type(group, GROUP_NONE);
}

void foreign_emit_tombstones(const struct group *group, struct fx *fx)
{
	for (struct foreign_key *key = group->foreign; key != NULL; key = key->hh.next) {
		struct fx_record *record = fx_record_add(fx, FX_FOREIGN, fx_str(fx, group->id));

		record->tombstone = true;
		record->foreign.type = group->type;
		record->foreign.key = fx_bytes(fx, (struct bytes){key->key, key->key_len});
	}
}
