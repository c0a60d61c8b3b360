/* What the files of this room share; nobody else includes it. */
#ifndef GROUP_GROUP_INT_H
#define GROUP_GROUP_INT_H

#include <sys/queue.h>

#include "base/hash.h"
#include "group/protocols.h"
#include "group/shard.h"

enum group_state {
	STATE_EMPTY,
	STATE_PREPARING,  /* waits for members to join */
	STATE_COMPLETING, /* waits for the leader's assignment */
	STATE_STABLE,
};

struct member {
	struct group *group;
	struct str id, instance_id, client_id, client_host; /* instance: null when dynamic */
	int32_t session_ms, rebalance_ms;
	struct join_protocol *protocols; /* one block: array, names, metadata */
	size_t protocols_len;
	struct bytes assignment;
	struct bytes staged; /* what the leader has sent, until it is appended */
	void *join_who;	     /* the JoinGroup that waits, or NULL */
	void *sync_who;
	bool is_new; /* has never had an answer, so cannot heartbeat */
	bool sync_missing;
	struct deadline session;
	UT_hash_handle hh;	    /* group->members, by id */
	UT_hash_handle hh_instance; /* group->statics */
};

/* A member id that was given out (MEMBER_ID_REQUIRED) and not yet come back. */
struct pending {
	struct group *group;
	struct deadline session;
	UT_hash_handle hh;
	size_t id_len;
	char id[];
};

/* An offset that a transaction has sent; hangs on its partition and on its transaction. */
struct txn_offset {
	struct partition_offset *of;
	struct txn *txn;
	struct offset_value value;
	int64_t at; /* the record's offset */
	TAILQ_ENTRY(txn_offset) by_partition, by_txn;
};

TAILQ_HEAD(txn_offsets, txn_offset);

struct txn {
	int64_t producer_id;
	struct txn_offsets offsets;
	UT_hash_handle hh;
};

struct partition_offset {
	struct topic_offsets *topic;
	int32_t partition;
	bool committed; /* else only pending */
	struct offset_value value;
	int64_t at; /* the record's offset */
	struct txn_offsets pending;
};

struct topic_offsets {
	struct group *group;
	struct str name;
	struct partition_offset **parts; /* by partition */
	size_t parts_len, parts_size;
	UT_hash_handle hh;
};

/* A record's key of a group that is not served. */
struct foreign_key {
	UT_hash_handle hh;
	size_t key_len;
	uint8_t key[];
};

/* The topics that a group of consumers subscribed to when its generation began. */
struct subscription {
	bool known;	    /* false: no generation yet, or its members speak something else */
	struct str *topics; /* sorted, without doubles; one block with the names */
	size_t topics_len;
};

struct group {
	struct shard *shard;
	struct str id;
	enum group_type type;
	UT_hash_handle hh;

	/* classic */
	enum group_state state, previous;
	int64_t since_ms;		    /* wall time of the state's begin; -1: not known */
	struct str protocol_type, protocol; /* null: none */
	int32_t generation;
	struct member *leader; /* NULL: none */
	struct member *members, *statics;
	struct pending *pending;
	struct protocol_count *protocols;
	size_t joining; /* members whose JoinGroup waits */
	struct subscription subscription;
	size_t syncs_missing; /* members that have not sent SyncGroup in this generation */
	bool new_member_added;
	int32_t delay_ms, delay_left_ms; /* of the initial rebalance that runs */
	struct deadline join, sync;

	struct consumer *consumer; /* of a consumer group; see consumer_int.h */

	struct topic_offsets *topics;
	struct foreign_key *foreign;
};

struct shard {
	uint32_t magic;
	const struct group_cfg *cfg;
	struct keep *keep;
	struct deadlines *deadlines;
	struct rnd *rnd;
	struct group *groups;
	struct txn *txns;
	size_t ghosts;				       /* groups of GROUP_NONE */
	const struct consumer_topics *consumer_topics; /* NULL: none is known */
	void *user;
	struct deadline expiry;
	struct str expiry_from; /* where a look that was too long for one turn goes on */
};

#define SHARD_MAGIC 0x6709549du

/* -- shard.c -- */
/* NULL when there is none, or only a ghost. */
struct group *shard_find(const struct shard *shard, struct str id);
/* The group, a new one if there is none: of GROUP_NONE. NULL over the memory cap. */
struct group *shard_make(struct shard *shard, struct str id) must_check;
void shard_set_type(struct group *group, enum group_type type);
/* By its records it is of this type, not GROUP_NONE: what it was as one of another goes. */
void shard_become(struct group *group, enum group_type type);
/* Frees the group if nothing is left of it. */
void shard_drop_if_void(struct group *group);
/* Looks for expired offsets from time to time as long as there are groups. */
void shard_arm_expiry(struct shard *shard, struct moment now);

/* -- group.c: a classic group's own state -- */
void group_set_state(struct group *group, enum group_state state, struct moment now);
static inline bool group_is(const struct group *group, enum group_state state)
{
	return group->state == state;
}
struct str group_state_name(enum group_state state);
bool group_is_consumer(const struct group *group); /* by its protocol type */
bool group_has_joined(const struct group *group);  /* all members, and no id is out */
bool group_shares_protocol(const struct group *group, struct str type,
			   const struct join_protocol *protocols, size_t len);
struct str group_vote(const struct group *group); /* the protocol that most members prefer */
void group_set_str(struct group *group, struct str *field, struct str value);
int32_t group_rebalance_ms(const struct group *group); /* the longest of its members */
/* Writes the group as it is; assignments: the staged ones, or those that are in force. */
void group_emit(const struct group *group, bool staged, struct fx *fx);
void group_emit_tombstone(const struct group *group, struct fx *fx);
/* Back to Empty without members, ids, or a protocol; answers who waits with err. */
void group_clear(struct group *group, enum err err, struct fx *fx);

/* -- member.c -- */
struct member *member_find(const struct group *group, struct str id);
struct member *member_find_static(const struct group *group, struct str instance_id);
/* ERR_UNKNOWN_MEMBER_ID, ERR_FENCED_INSTANCE_ID. */
enum err member_check(const struct group *group, struct str id, struct str instance_id,
		      struct member **out) must_check;
struct str member_new_id(struct rnd *rnd, struct str prefix, struct arena *arena);
/* Adds one; NULL over the memory cap, and nothing has changed. */
struct member *member_add(struct group *group, const struct member_value *value,
			  const struct join_protocol *protocols, size_t len) must_check;
/* Out of the group; its requests are answered with err. */
void member_remove(struct member *member, enum err err, struct fx *fx);
/* Another id for a static member; false over the cap. */
bool member_rename(struct member *member, struct str id) must_check;
/* What it offers and its timeouts; false over the cap, and nothing has changed. */
bool member_update(struct member *member, const struct join_ask *ask) must_check;
/* Null: it does not offer it. */
static inline struct bytes member_metadata(const struct member *member, struct str protocol)
{
	return protocols_metadata(member->protocols, member->protocols_len, protocol);
}
void member_set_join(struct member *member, void *who, struct fx *fx);
void member_set_sync(struct member *member, void *who, struct fx *fx);
void *member_take_join(struct member *member);
void *member_take_sync(struct member *member);
void member_arm(struct member *member, struct moment now, int32_t timeout_ms);
static inline void member_touch(struct member *member, struct moment now)
{
	member_arm(member, now, member->session_ms);
}
void member_expired(struct member *member, struct moment now, struct fx *fx);

struct pending *pending_find(const struct group *group, struct str id);
/* False over the memory cap. */
bool pending_add(struct group *group, struct str id, int64_t until_ms) must_check;
void pending_remove(struct pending *pending);

/* -- rebalance.c -- */
void rebalance_prepare(struct group *group, struct moment now, const char *why, struct fx *fx);
/* Begins one if the state allows, else goes on with the one that runs. */
void rebalance_or_go_on(struct group *group, struct moment now, const char *why, struct fx *fx);
void rebalance_maybe_complete(struct group *group, struct moment now, struct fx *fx);
void rebalance_complete(struct group *group, struct moment now, struct fx *fx);
void rebalance_join_due(struct group *group, struct moment now, struct fx *fx);
void rebalance_sync_due(struct group *group, struct moment now, struct fx *fx);
/* The current generation, for a member that asks again. */
void rebalance_answer(struct member *member, void *who, bool with_members, struct fx *fx);

/* -- sync.c, join.c: their part of shard_settle -- */
void sync_settle(struct group *group, struct moment now, struct fx *fx, enum err err);
void sync_propagate(struct group *group, struct moment now, enum err err, struct fx *fx);
void sync_received(struct member *member);
void join_settle_new(struct shard *shard, struct fx *fx, enum err err);
void join_settle_replaced(struct shard *shard, struct moment now, struct fx *fx, enum err err);

/* -- offsets.c, offsets_store.c, expiry.c -- */
void offsets_put(struct group *group, const struct fx_record *record);
void offsets_put_pending(struct group *group, int64_t producer_id, const struct fx_record *record);
void offsets_forget(struct group *group, struct str topic, int32_t partition);
void offsets_forget_all(struct group *group);
void offsets_end_txn(struct shard *shard, int64_t producer_id, bool commit);
struct topic_offsets *offsets_find_topic(const struct group *group, struct str topic);
struct partition_offset *offsets_find(const struct group *group, struct str topic,
				      int32_t partition);
void offsets_emit_tombstone(const struct partition_offset *of, struct fx *fx);
void expiry_due(struct shard *shard, struct moment now, struct fx *fx);

/* -- foreign.c -- */
void foreign_put(struct group *group, const struct fx_record *record);
void foreign_del(struct group *group, struct bytes key);
void foreign_clear(struct group *group);
void foreign_emit_tombstones(const struct group *group, struct fx *fx);

/* -- subscription.c -- */
/* At the begin of a generation: of the members as they are now. */
void subscription_update(struct group *group);
void subscription_drop(struct group *group);
/* What consumers subscribe to that we cannot read may be anything. */
bool subscription_has(const struct group *group, struct str topic);

#endif
