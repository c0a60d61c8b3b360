/*
 * Server-side assignors of consumer groups (KIP-848): who is to have which partitions. Pure
 * functions of the members' subscriptions and of what they were to have before.
 *
 * uniform: every member gets the same number of partitions, give or take one, as far as
 * subscriptions allow; what a member has it keeps unless that would be unfair.
 * range: each topic's partitions go in contiguous ranges to its subscribers, in the order of
 * instance ids, then of member ids; so topics of equal size are partitioned alike. Not sticky.
 */
#ifndef GROUP_ASSIGNOR_H
#define GROUP_ASSIGNOR_H

#include "base/err.h"
#include "group/tpset.h"

struct assignor_topic {
	struct uuid id;
	int32_t partitions_len;
};

struct assignor_member {
	/* in */
	struct str id, instance_id; /* instance: null when dynamic */
	const uint32_t *topics;	    /* indexes into the spec's topics, rising */
	size_t topics_len;
	struct tpset before; /* its target until now */
	/* out */
	struct tpset target;
};

struct assignor_spec {
	const struct assignor_topic *topics; /* by id, rising */
	size_t topics_len;
	struct assignor_member *members;
	size_t members_len;
};

/* ERR_NOMEM: the arena has given out. */
typedef enum err (*assignor_fn)(struct assignor_spec *spec, struct arena *arena);
enum err assignor_range(struct assignor_spec *spec, struct arena *arena) must_check;
enum err assignor_uniform(struct assignor_spec *spec, struct arena *arena) must_check;

/* By its name; NULL when there is none of that name. */
assignor_fn assignor_by_name(struct str name);

#endif
