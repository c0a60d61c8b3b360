/*
 * Consumer groups (KIP-848): the broker assigns. A member says in each heartbeat what it subscribes
 * to and what it has, and is told what to have; a rebalance stops nobody but who has to give back
 * partitions.
 *
 * Three epochs: the group's rises when subscriptions or topics change; the target assignment is
 * made for an epoch of the group; a member reaches that epoch once it has given back what it is to
 * lose. A partition is handed on only when its former owner has given it back, or is gone.
 *
 * Part of the shard (shard.h), and pure as that is. What changes, changes by its records.
 */
#ifndef GROUP_CONSUMER_H
#define GROUP_CONSUMER_H

#include "group/shard.h"
#include "group/tpset.h"

/* Member epochs with a meaning of their own. */
#define CONSUMER_EPOCH_JOIN	    0
#define CONSUMER_EPOCH_LEAVE	    (-1)
#define CONSUMER_EPOCH_LEAVE_STATIC (-2) /* for a while: it will be back */

/*
 * The topics there are, as a coordinator sees them; the shell looks into the metadata image. The
 * same version means the same topics.
 */
struct consumer_topics {
	void *ctx;
	uint64_t version;
	struct str rack; /* of this broker, and so of every partition; null: none */
	bool (*by_name)(void *ctx, struct str name, struct uuid *id, int32_t *partitions_len);
	bool (*by_id)(void *ctx, struct uuid id, struct str *name);
	/* The first name after `after` in memcmp's order (null: the first of all). */
	bool (*next)(void *ctx, struct str after, struct str *name);
};

/* Settings of the group, or the broker's defaults. */
struct consumer_cfg {
	int32_t session_ms;    /* consumer.session.timeout.ms */
	int32_t heartbeat_ms;  /* consumer.heartbeat.interval.ms */
	int32_t assignment_ms; /* consumer.assignment.interval.ms */
	int32_t size_max;      /* group.consumer.max.size */
	struct str assignor;   /* the first of group.consumer.assignors: the default */
};

struct consumer_ask {
	struct str group, member_id;
	int32_t member_epoch;
	struct str instance_id, rack_id; /* null: not told */
	struct str client_id, client_host;
	int32_t rebalance_ms; /* -1: as before */
	bool has_topics;
	const struct str *topics; /* in any order */
	size_t topics_len;
	struct str regex;    /* null: as before; empty: none any more */
	struct str assignor; /* null: as before */
	bool has_owned;
	struct tpset owned;
	bool wants_member_id; /* v0: the broker may choose the id */
	const struct consumer_cfg *cfg;
};

struct consumer_answer {
	struct str message; /* with an error; may be null */
	struct str member_id;
	int32_t member_epoch;
	int32_t heartbeat_ms;
	bool has_assignment;
	struct tpset assigned;
};

/* ConsumerGroupHeartbeat: to join, to go on, to leave. The answer points into the fx. */
enum err consumer_heartbeat(struct shard *shard, struct moment now, const struct consumer_ask *ask,
			    struct fx *fx, struct consumer_answer *answer) must_check;
/*
 * May this member act in this epoch? For a consumer group only, and only when it says who it is (an
 * administrator does not). ERR_UNKNOWN_MEMBER_ID, ERR_STALE_MEMBER_EPOCH, ERR_ILLEGAL_GENERATION
 * for one of the classic protocol.
 */
enum err consumer_check(const struct shard *shard, struct str group, struct str member_id,
			int32_t member_epoch) must_check;
/* Borrowed until the shard is freed. To be set before the first event. */
void consumer_set_topics(struct shard *shard, const struct consumer_topics *topics);

/* -- ConsumerGroupDescribe ----------------------------------------------------------------- */

struct consumer_view_member {
	struct str id, instance_id, rack_id, client_id, client_host, regex;
	const struct str *topics;
	size_t topics_len;
	int32_t epoch;
	bool is_classic;	       /* speaks the classic protocol */
	struct tpset assigned, target; /* assigned: also what it is to give back */
};

struct consumer_view {
	struct str state, assignor;
	int32_t epoch, assignment_epoch;
	struct consumer_view_member *members;
	size_t members_len;
	bool other_type; /* with GROUP_ID_NOT_FOUND: it is a group of another type */
};

/* Points into the state and the arena. ERR_GROUP_ID_NOT_FOUND. */
enum err consumer_describe(const struct shard *shard, struct str group,
			   const struct consumer_cfg *cfg, struct arena *arena,
			   struct consumer_view *out) must_check;

#endif
