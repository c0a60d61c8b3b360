/*
 * What a coordinator wants done: records to append and answers to give. Deadlines stand in the
 * state itself (deadline.h).
 *
 * One event fills one fx. The shell then
 *   1. appends the records, in order, if there are any, and sets each record's `at`;
 *   2. calls shard_settle with the outcome, which finishes the change or takes it back, and may add
 *      answers;
 *   3. gives the answers: those that are durable when everything appended so far is, the others
 * now. Between the event and shard_settle no other event of that shard may come.
 *
 * Everything in an fx points into the fx's arena, the state, or the event's own input, and is valid
 * until the next event of that shard.
 */
#ifndef GROUP_FX_H
#define GROUP_FX_H

#include "base/arena.h"
#include "base/err.h"
#include "group/consumer_record.h"

/* -- records of __consumer_offsets, as values ------------------------------------------------- */

enum fx_record_kind {
	FX_OFFSET,  /* OffsetCommit: a committed offset */
	FX_GROUP,   /* GroupMetadata: a classic group */
	FX_FOREIGN, /* of a group type that is kept but not served: only its key matters */
	/* Of a consumer group, KIP-848; their values are in consumer_record.h. */
	FX_CONSUMER_GROUP,	  /* ConsumerGroupMetadata: its epoch */
	FX_CONSUMER_MEMBER,	  /* ConsumerGroupMemberMetadata: what a member told of itself */
	FX_CONSUMER_TARGET_EPOCH, /* ConsumerGroupTargetAssignmentMetadata */
	FX_CONSUMER_TARGET,	  /* ConsumerGroupTargetAssignmentMember: what it is to have */
	FX_CONSUMER_CURRENT,	  /* ConsumerGroupCurrentMemberAssignment: what it has */
	FX_CONSUMER_REGEX,	  /* ConsumerGroupRegularExpression: what a pattern matches */
	/* ConsumerGroupPartitionMetadata, of Kafka before 4.1: nothing but tombstones. */
	FX_CONSUMER_PARTITIONS,
};

/* Types of groups, as ListGroups names them. */
enum group_type {
	GROUP_NONE, /* holds offsets for a group that is not there (yet) */
	GROUP_CLASSIC,
	GROUP_CONSUMER,
	GROUP_SHARE,
	GROUP_STREAMS,
};

struct offset_value {
	int64_t offset;
	int32_t leader_epoch; /* -1: none */
	struct str metadata;  /* not null */
	int64_t commit_ms;
	int64_t expire_ms;    /* -1: by the broker's retention */
	struct uuid topic_id; /* zero: not known */
};

struct member_value {
	struct str id, instance_id; /* instance: null when dynamic */
	struct str client_id, client_host;
	int32_t session_ms, rebalance_ms;
	struct bytes subscription, assignment;
};

struct group_value {
	struct str protocol_type;    /* empty: none */
	struct str protocol, leader; /* null: none */
	int32_t generation;
	int64_t since_ms; /* of the state; -1: not known */
	const struct member_value *members;
	size_t members_len;
};

struct fx_record {
	enum fx_record_kind kind;
	bool tombstone;
	int64_t at; /* set by the shell: the record's offset; -1: not appended */
	struct str group;
	union {
		struct { /* FX_OFFSET */
			struct str topic;
			int32_t partition;
			struct offset_value value;
		} offset;
		struct group_value value; /* FX_GROUP */
		struct {		  /* FX_FOREIGN */
			enum group_type type;
			struct bytes key; /* as it stands in the log */
		} foreign;
		struct consumer_record consumer; /* FX_CONSUMER_... */
	};
};

/* -- answers to requests that may have waited ------------------------------------------------- */

struct join_answer_member {
	struct str id, instance_id;
	struct bytes metadata;
};

struct join_answer {
	enum err err;
	int32_t generation;		    /* -1 with an error */
	struct str protocol_type, protocol; /* may be null */
	struct str leader, member_id;
	bool skip_assignment;
	const struct join_answer_member *members; /* for the leader only */
	size_t members_len;
};

struct sync_answer {
	enum err err;
	struct str protocol_type, protocol; /* null with an error */
	struct bytes assignment;	    /* not null */
};

struct fx_answer {
	void *who; /* as the event named it */
	bool durable;
	bool is_sync;
	union {
		struct join_answer join;
		struct sync_answer sync;
	};
};

/* -- the effects ------------------------------------------------------------------------------ */

/* What shard_settle does with the outcome of the append. */
enum fx_then {
	FX_THEN_NOTHING,
	FX_THEN_APPLY,	   /* replay the records that were appended */
	FX_THEN_NEW_GROUP, /* keep the group that was made, or forget it */
	FX_THEN_SYNC,	   /* hand out the assignments that the leader sent */
	FX_THEN_REPLACE,   /* a static member has come back under a new id */
	FX_THEN_CONSUMER,  /* replay, then set the member's deadlines */
	FX_THEN_JOINED,	   /* replay, then answer a classic member of a consumer group */
};

struct group;
struct member;

/* FX_THEN_CONSUMER: whose session goes on. */
struct fx_consumer {
	struct str group, member_id;
	int32_t session_ms;
	bool stepped;  /* the member: what it is to give back may be another */
	bool upgraded; /* and those of all others begin */
};

/* FX_THEN_JOINED. */
struct fx_joined {
	struct str group;
	int32_t session_ms, rebalance_ms;
	void *who;
	struct join_answer answer;
};

struct fx {
	struct arena arena;
	struct fx_record *records;
	size_t records_len, records_size;
	struct fx_answer *answers;
	size_t answers_len, answers_size;
	struct str note; /* a line for the log, or null */
	/* The records are part of this producer's transaction; -1: of none. */
	int64_t producer_id;
	int16_t producer_epoch, txn_version;
	int64_t txn_guard; /* for the log, as commit_ask had it */
	/* For shard_settle. */
	enum fx_then then;
	struct group *group;
	struct member *member;
	struct fx_replaced *replaced;
	struct fx_consumer consumer;
	enum group_type was; /* the group, before it was made */
	/* See convert.h. The first stands for a group that becomes a consumer group. */
	struct group *scratch;
	const struct fx_downgraded *downgraded;
	struct fx_joined joined;
};

void fx_init(struct fx *fx);
void fx_fini(struct fx *fx);
/* Before each event. */
void fx_reset(struct fx *fx);

/* From the fx's arena, zeroed; never NULL: what goes in here was capped when it was kept. */
void *fx_alloc(struct fx *fx, size_t count, size_t size);
struct str fx_str(struct fx *fx, struct str s);
struct bytes fx_bytes(struct fx *fx, struct bytes b);

/* A zeroed record, answer. */
struct fx_record *fx_record_add(struct fx *fx, enum fx_record_kind kind, struct str group);
struct fx_answer *fx_answer_add(struct fx *fx, void *who);
/* Gives an error to a JoinGroup or SyncGroup. Nothing when who is NULL. */
void fx_join_failed(struct fx *fx, void *who, enum err err, struct str member_id);
void fx_sync_failed(struct fx *fx, void *who, enum err err);
void fx_note(struct fx *fx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a client is told when the log refused a record: Kafka's choice of codes. */
enum err fx_append_err(enum err err);

#endif
