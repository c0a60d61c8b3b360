/* What the files of this room share; nobody else includes it. */
#ifndef COORD_COORD_INT_H
#define COORD_COORD_INT_H

#include "coord/coord.h"
#include "partition/partition.h"
#include "record/codec.h"

#define COORD_MAGIC 0xc00bd1a7u

/* A call that waits until a shard's log is durable up to `offset`. In the request's arena. */
struct coord_wait {
	struct coord_call *call;
	int64_t offset;
	TAILQ_ENTRY(coord_wait) link;
};

/* One partition of __consumer_offsets that is ours. */
struct cshard {
	struct coord *coord;
	struct partition *part; /* a reference */
	int32_t idx, leader_epoch;
	struct shard *groups;
	bool loaded;
	int64_t load_next, load_end; /* offsets, while it is not */
	size_t load_count, load_skipped;
	int64_t load_began_us;
	int64_t end;			/* after the last record appended */
	TAILQ_HEAD(, coord_wait) waits; /* offsets rise */
	struct waiter waiter;
	bool waiter_set;
};

struct coord {
	uint32_t magic;
	struct coord_options o;
	struct group_cfg cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct rnd rnd;
	struct cshard **shards; /* by partition; NULL where it is not ours */
	size_t shards_len;
	int32_t partitions_len; /* of the topic; 0: there is none */
	struct fx fx;
	struct wr batches, key, value; /* reused */
	struct loop_timer deadline_timer;
	int64_t deadline_at_ms; /* what the timer is set for */
	struct loop_timer load_timer;
	bool runs; /* the loop has begun, so nothing may take long */
	bool stopped;
	TAILQ_HEAD(, coord_call) ready; /* to be sent at the end of the turn */
	struct loop_task send_task;
};

struct moment coord_now(const struct coord *coord);
/* Sets the timer for the earliest deadline. */
void coord_arm(struct coord *coord);

/* -- cshard.c -- */
struct cshard *cshard_new(struct coord *coord, struct partition *part,
			  int32_t leader_epoch) must_check;
/* Answers who waits, then frees it. */
void cshard_free(struct cshard *shard);
/* After an event: appends, settles, answers. The error is the append's. */
enum err cshard_run(struct cshard *shard);

/* -- journal.c -- */
enum err journal_append(struct cshard *shard, struct fx *fx) must_check;

/* -- load.c -- */
/* Some of the log; true when all of it is in. */
bool load_step(struct cshard *shard);
/* One batch into the groups: for load_step and for tests. */
void load_batch(struct cshard *shard, struct bytes batch, struct codec_scratch *scratch,
		struct arena *arena);

/* -- hold.c -- */
/* What the call tells is only true when all that the shard has appended so far is durable. */
void hold_until_durable(struct cshard *shard, struct coord_call *call);
/* Those that need not wait any more go; err: all go, and fail. */
void hold_settle(struct cshard *shard, enum err err);
void hold_init(struct coord *coord);

#endif
