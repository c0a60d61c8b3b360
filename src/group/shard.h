/*
 * A shard: the groups and offsets of one partition of __consumer_offsets, as a pure state machine.
 *
 * Every event takes the state, the moment, and an fx that it fills (fx.h): nothing here reads a
 * clock, writes a log or waits. Replaying the records that a shard has emitted gives back what of
 * it lasts: offsets, and each group as of its last stable generation.
 *
 * The rules are those of Apache Kafka 4.3's coordinator for classic groups (KIP-62, 134, 211, 345,
 * 394, 496, 814, 915), and for consumer groups (consumer.h). Share and streams groups are held by
 * their keys only, see foreign.c.
 *
 * This header is what the shell uses; group_int.h is what the files of this room share.
 */
#ifndef GROUP_SHARD_H
#define GROUP_SHARD_H

#include "base/rnd.h"
#include "group/deadline.h"
#include "group/fx.h"
#include "group/keep.h"

/* May groups change their protocol with members in them? group.consumer.migration.policy */
enum migration {
	MIGRATION_BIDIRECTIONAL,
	MIGRATION_UPGRADE,   /* from classic to consumer */
	MIGRATION_DOWNGRADE, /* and back */
	MIGRATION_DISABLED,  /* not even may both kinds of members be in one group */
};

struct group_cfg {
	enum migration migration;
	int32_t session_min_ms, session_max_ms; /* group.{min,max}.session.timeout.ms */
	int32_t initial_delay_ms;		/* group.initial.rebalance.delay.ms */
	int32_t new_member_ms;			/* how long a new member's JoinGroup may wait */
	int32_t size_max;			/* group.max.size */
	int32_t metadata_max;			/* offset.metadata.max.bytes, in UTF-16 units */
	int64_t retention_ms;			/* offsets.retention.minutes */
	int64_t expiry_check_ms;		/* offsets.retention.check.interval.ms */
	int32_t
	    consumer_session_ms; /* group.consumer.session.timeout.ms, until a member says more */
};

extern const struct group_cfg group_cfg_default;

struct consumer_cfg;
struct shard;

/* All is borrowed and outlives the shard; shards may share it. NULL when memory is out. */
struct shard *shard_new(const struct group_cfg *cfg, struct keep *keep, struct deadlines *deadlines,
			struct rnd *rnd) must_check;
/* Requests that wait in it must have been answered, see shard_unload. */
void shard_free(struct shard *shard);
/*
 * A shard that is loaded apart has a keep of its own and no deadlines (NULL): nothing that it
 * shares with others. From now on it shares these; what it has kept is counted here.
 */
void shard_serve(struct shard *shard, struct keep *keep, struct deadlines *deadlines);
/* One pointer for whoever sits above. */
void shard_set_user(struct shard *shard, void *user);
void *shard_user(const struct shard *shard);

/* -- joining and leaving ------------------------------------------------------------------- */

struct join_ask {
	void *who;				  /* comes back in the answer */
	struct str group, member_id, instance_id; /* instance: null when dynamic */
	struct str client_id, client_host;
	struct str protocol_type;
	struct str reason; /* may be null */
	int32_t session_ms, rebalance_ms;
	const struct join_protocol *protocols;
	size_t protocols_len;
	bool wants_member_id;			 /* v4: two steps, KIP-394 */
	bool can_skip;				 /* v9: understands skip_assignment, KIP-814 */
	const struct consumer_cfg *consumer_cfg; /* should it be a consumer group */
};

/* The answer comes in this fx or, when members are waited for, in a later one. */
void join_handle(struct shard *shard, struct moment now, const struct join_ask *ask, struct fx *fx);

struct sync_assignment {
	struct str member_id;
	struct bytes assignment;
};

struct sync_ask {
	void *who;
	struct str group, member_id, instance_id;
	int32_t generation;
	struct str protocol_type, protocol; /* null: not checked (before v5) */
	const struct sync_assignment *assignments;
	size_t assignments_len;
};

void sync_handle(struct shard *shard, struct moment now, const struct sync_ask *ask, struct fx *fx);

enum err heartbeat_handle(struct shard *shard, struct moment now, struct str group,
			  struct str member_id, struct str instance_id,
			  int32_t generation) must_check;

struct leave_member {
	struct str id, instance_id; /* instance null: none */
	struct str reason;	    /* may be null */
	enum err err;		    /* out */
};

/* The result is that of the request as a whole; each member has its own. */
enum err leave_handle(struct shard *shard, struct moment now, struct str group,
		      struct leave_member *members, size_t members_len, struct fx *fx) must_check;

/* -- offsets ------------------------------------------------------------------------------- */

struct offset_entry {
	struct str topic;
	struct uuid topic_id; /* commit: as it is now; fetch: zero when asked by name */
	int32_t partition;
	struct offset_value value; /* commit: offset, leader epoch, metadata; fetch: out */
	enum err err;		   /* out */
};

struct commit_ask {
	struct str group, member_id, instance_id;
	int32_t generation;
	int64_t retention_ms;	/* -1: the broker's */
	bool unknown_group_err; /* v9: GROUP_ID_NOT_FOUND, and not ILLEGAL_GENERATION */
	/* TxnOffsetCommit: the offsets count when the producer's transaction is committed. */
	bool transactional;
	int64_t producer_id;
	int16_t producer_epoch, txn_version;
	int64_t txn_guard; /* what the log is to check them with */
	struct offset_entry *offsets;
	size_t offsets_len;
};

/* Each offset has its own err; an error of the whole is returned and nothing is to be appended. */
enum err offsets_commit(struct shard *shard, struct moment now, const struct commit_ask *ask,
			struct fx *fx) must_check;

/* value.offset is -1 where there is none. stable: not while a transaction is about to change it. */
void offsets_fetch(const struct shard *shard, struct str group, bool stable,
		   struct offset_entry *offsets, size_t offsets_len);
/* All of a group's, in the arena, by topic as first committed and partition. */
enum err offsets_fetch_all(const struct shard *shard, struct str group, bool stable,
			   struct arena *arena, struct offset_entry **offsets,
			   size_t *offsets_len) must_check;

/* OffsetDelete, KIP-496. */
enum err offsets_delete(struct shard *shard, struct str group, struct offset_entry *offsets,
			size_t offsets_len, struct fx *fx) must_check;
/* A topic is gone: tombstones for its offsets in all groups. */
void offsets_topic_deleted(struct shard *shard, struct str topic, struct uuid topic_id,
			   struct fx *fx);

/* -- views and deletion -------------------------------------------------------------------- */

struct group_view_member {
	struct str id, instance_id, client_id, client_host;
	struct bytes metadata, assignment; /* metadata: empty unless the group is stable */
};

struct group_view {
	struct str state; /* "Stable", ... "Dead" when there is no such classic group */
	struct str protocol_type, protocol;
	struct group_view_member *members;
	size_t members_len;
	bool found;
	bool other_type; /* there is such a group, of a type that is not shown */
};

/* DescribeGroups. Points into the state and the arena. */
enum err view_describe(const struct shard *shard, struct str group, struct arena *arena,
		       struct group_view *out) must_check;

struct group_listed {
	struct str id, protocol_type, state, type;
};

/* ListGroups: the next group after `pos`, which starts at NULL; false at the end. */
bool view_next(const struct shard *shard, const void **pos, struct group_listed *out);
size_t shard_groups_len(const struct shard *shard);

/* DeleteGroups: tombstones for the group and its offsets. */
enum err shard_delete_group(struct shard *shard, struct str id, struct fx *fx) must_check;

/* -- time, log and shell ------------------------------------------------------------------- */

/* Of a deadline that is due: its shard, for its log. */
struct shard *deadline_shard(struct deadline *d);
/* Takes it out of the heap and does what it is for. */
void deadline_fire(struct moment now, struct deadline *d, struct fx *fx);

/* What came of appending fx's records; see fx.h. err 0: all were appended. */
void shard_settle(struct shard *shard, struct moment now, struct fx *fx, enum err err);

/* Replay, in the order of the log. producer_id -1: not part of a transaction. */
void replay_record(struct shard *shard, const struct fx_record *record, int64_t producer_id);
void replay_marker(struct shard *shard, int64_t producer_id, bool commit);
/* All of the log is in: sessions begin. Call once. */
void replay_done(struct shard *shard, struct moment now, struct fx *fx);

/* The shard is somebody else's, or the broker stops: who waits is told. */
void shard_unload(struct shard *shard, struct fx *fx);

#endif
