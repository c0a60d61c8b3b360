/*
 * The records of consumer groups (KIP-848) as values: all of a group's and its members' state is
 * what these say, so the state takes them over as they are.
 */
#ifndef GROUP_CONSUMER_RECORD_H
#define GROUP_CONSUMER_RECORD_H

#include "group/tpset.h"

/* As in ConsumerGroupCurrentMemberAssignment.State. */
enum consumer_member_state {
	CONSUMER_STABLE = 0,	 /* has its target, in the target's epoch */
	CONSUMER_UNREVOKED = 1,	 /* has to give back partitions before it goes on */
	CONSUMER_UNRELEASED = 2, /* waits for partitions that others still have */
	CONSUMER_UNKNOWN = 127,	 /* written by a later Kafka */
};

/* A protocol that a member of the classic protocol offers, in its order of preference. */
struct join_protocol {
	struct str name;
	struct bytes metadata;
};

/* What a member told of itself. A null str: not told. */
struct consumer_about {
	struct str instance_id, rack_id;
	struct str client_id, client_host;
	struct str assignor;
	struct str regex;	  /* its pattern for topics; empty is as null */
	const struct str *topics; /* names, sorted, without doubles */
	size_t topics_len;
	int32_t rebalance_ms;
	/* Of one that speaks the classic protocol: JoinGroup, SyncGroup, Heartbeat. */
	bool is_classic;
	int32_t session_ms;
	const struct join_protocol *protocols;
	size_t protocols_len;
};

struct consumer_record {
	struct str member_id; /* of member, target, current */
	union {
		struct {
			int32_t epoch;
			int64_t metadata_hash; /* of the subscribed topics */
		} group;
		struct consumer_about about;
		struct {
			int32_t epoch;
			int64_t made_ms; /* wall time; 0: not known */
		} target_epoch;
		struct tpset target;
		struct {
			int32_t epoch, previous_epoch;
			enum consumer_member_state state;
			struct tpset assigned, revoking;
		} current;
		struct {
			struct str regex;
			const struct str *topics; /* names, sorted, without doubles */
			size_t topics_len;
			int64_t version, made_ms;
		} resolved;
	};
};

#endif
