/* What the files of this room share; nobody else includes it. */
#ifndef COORD_COORD_INT_H
#define COORD_COORD_INT_H

#include "coord/coord.h"
#include "coord/producer_ids.h"
#include "coord/txncoord.h"
#include "partition/partition.h"
#include "record/codec.h"
#include "record/iter.h"
#include "txn/txns.h"

#define COORD_MAGIC 0xc00bd1a7u

/* Waits until a log is durable up to `offset`. */
struct coord_wait {
	/* The wait is over, and belongs to who made it again. */
	void (*done)(struct coord_wait *wait, enum err err);
	int64_t offset;
	TAILQ_ENTRY(coord_wait) link;
};

struct clog;

/* What the records of a coordinator's topic mean. The first two are called by who replays. */
struct clog_kind {
	const char *topic;
	/* A record into the state, as it was written. producer_id -1: not part of a transaction.
	 * ERR_UNSUPPORTED_VERSION: it is a later Kafka's, and passed over. */
	enum err (*record)(struct clog *log, const struct record *record, int64_t producer_id,
			   struct arena *arena);
	void (*marker)(struct clog *log, int64_t producer_id, bool commit);
	/* All of the log is in the state: it is served from now on. */
	void (*loaded)(struct clog *log);
	/* Frees the partition that the log is of, which nobody else knows any more. */
	void (*free)(struct clog *log);
};

/*
 * The replay of a log, in slices, each a job for a worker. While a slice runs, everything here but
 * what is marked, and the state that the records go into, is the worker's alone; between slices it
 * is the control loop's, which does not look into the state before the end.
 */
struct load {
	struct job job;
	struct keep keep;  /* counts what comes into the state, for the coordinator's at the end */
	int64_t next, end; /* offsets */
	size_t count, skipped; /* records; those of types or versions that we do not know */
	enum err err;	       /* the load has failed */
	uint8_t *buf;	       /* NULL between loads */
	size_t size_bytes;
	struct codec_scratch *scratch;
	_Atomic bool cancelled; /* set by the control loop, read by both */
	/* the control loop's */
	bool waiting, running; /* in line for a worker; a slice is under way, or in the post */
	bool orphaned;	       /* its owner has let go of it: it is freed when it comes home */
	int64_t began_us;
	TAILQ_ENTRY(load) link;
};

enum clog_state {
	CLOG_LOADING,
	CLOG_SERVING,
	CLOG_FAILED, /* the load has: nothing of it is served */
};

/* One partition of a coordinator's topic that is ours: its log, apart from what stands in it. */
struct clog {
	struct coord *coord;
	const struct clog_kind *kind;
	struct partition *part; /* a reference */
	int32_t idx, leader_epoch;
	enum clog_state state; /* the control loop's */
	struct load load;
	size_t granted_bytes;		/* of the coordinator's memory, for what it brought */
	int64_t end;			/* after the last record appended */
	TAILQ_HEAD(, coord_wait) waits; /* offsets rise */
	struct waiter waiter;
	bool waiter_set;
};

/* One partition of __consumer_offsets that is ours. */
struct cshard {
	struct clog log;
	struct shard *groups;
};

/* One partition of __transaction_state that is ours. */
struct tshard {
	struct clog log;
	struct txns *txns;
	TAILQ_HEAD(, tshard_end) ends; /* transactions whose markers are being written */
};

/* The transaction half: tshard.c, txncoord.c, marker.c. */
struct txncoord {
	struct txns_cfg cfg;
	struct deadlines deadlines;
	struct tshard **shards; /* by partition; NULL where it is not ours */
	size_t shards_len;
	int32_t partitions_len; /* of the topic; 0: there is none */
	struct tfx fx;
	struct loop_timer deadline_timer;
	int64_t deadline_at_ms;
	int64_t next_sweep_ms; /* not before this are time-outs looked at again */
	int64_t spare_id;      /* a producer id that the next time-out may use; TXN_NO_PRODUCER */
	bool spare_asked;
	struct producer_ids_wait spare_wait;
	TAILQ_HEAD(, marker_job) jobs; /* markers to be written */
	struct loop_task marker_task;
	struct loop_timer marker_timer;
	struct wr batch; /* reused */
};

/* A topic that was deleted: its offsets go where they are found. */
struct coord_gone {
	STAILQ_ENTRY(coord_gone) link;
	struct uuid topic_id;
	size_t name_len;
	char name[];
};

struct coord {
	uint32_t magic;
	struct coord_options o;
	struct group_cfg cfg;
	struct consumer_topics topics;
	struct keep keep;
	bool full_is_told; /* in the log, once */
	struct deadlines deadlines;
	struct rnd rnd;
	struct cshard **shards; /* by partition; NULL where it is not ours */
	size_t shards_len;
	int32_t partitions_len; /* of the topic; 0: there is none */
	struct fx fx;
	struct wr batches, key, value; /* reused */
	struct loop_timer deadline_timer;
	int64_t deadline_at_ms; /* what the timer is set for */
	bool stopped;
	TAILQ_HEAD(, load) loads; /* those that wait for their turn */
	size_t loads_running;
	bool loads_ended;		/* none is begun any more */
	int64_t loads_began_us;		/* of those of one start, until all are done */
	size_t loads_count;		/* records of these */
	STAILQ_HEAD(, coord_gone) gone; /* topics that were deleted while a log was being loaded */
	TAILQ_HEAD(, coord_call) ready; /* to be sent at the end of the turn */
	struct loop_task send_task;
	struct txncoord txn;
};

struct moment coord_now(const struct coord *coord);
/* Sets the timer for the earliest deadline. */
void coord_arm(struct coord *coord);

/* It is elected once more: is the load that has failed to be tried again? */
static inline bool clog_is_to_load_again(const struct clog *log, int32_t leader_epoch)
{
	return log->state == CLOG_FAILED && leader_epoch > log->leader_epoch;
}
/* May what stands in this partition be looked at? NULL: it is not ours. */
enum err clog_check(const struct clog *log) must_check;
enum err coord_find(struct coord *coord, struct str group, struct cshard **out) must_check;
enum err coord_find_named(struct coord *coord, struct str group, struct cshard **out) must_check;
enum err coord_finish(struct cshard *shard, struct coord_call *call);

/* -- consumers.c -- */
void consumers_init(struct coord *coord);
/* Before an event that may look at topics. */
void consumers_look(struct coord *coord);
struct consumer_cfg consumers_cfg(const struct coord *coord, struct str group);

/* -- cshard.c -- */
struct cshard *cshard_new(struct coord *coord, struct partition *part,
			  int32_t leader_epoch) must_check;
/* Answers who waits, then frees it. */
void cshard_free(struct cshard *shard);
/* After an event: appends, settles, answers. The error is the append's. */
enum err cshard_run(struct cshard *shard);
/* Its committed offsets go. */
void cshard_topic_deleted(struct cshard *shard, struct str topic, struct uuid topic_id);

extern const struct clog_kind cshard_kind;
/* A marker in the log and in the groups: the offsets of a transaction count from now on, or not. */
enum err cshard_end_txn(struct cshard *shard, const struct marker_job *job,
			struct plog_append *item) must_check;

/* -- clog.c -- */
void clog_init(struct clog *log, struct coord *coord, const struct clog_kind *kind,
	       struct partition *part, int32_t leader_epoch);
/* Who waits for it is told err. */
void clog_stop(struct clog *log, enum err err);
void clog_fini(struct clog *log);

/* -- journal.c -- */
struct journal_source {
	void *ctx;
	size_t len; /* records */
	/* value is left empty for a tombstone, and the answer is true. */
	bool (*encode)(void *ctx, size_t idx, struct wr *key, struct wr *value);
	/* The record is in the log, at this offset. */
	void (*appended)(void *ctx, size_t idx, int64_t at);
	struct arena *arena;
	int32_t base_sequence; /* of the batches; it says nothing, but Kafka writes it */
	int64_t producer_id;   /* -1: not part of a transaction */
	int16_t producer_epoch, txn_version;
	int64_t txn_guard;
};
enum err journal_append(struct clog *log, const struct journal_source *source) must_check;

/* -- load.c: what a worker does -- */
/* Some of the log into the state; its end or an error is in log->load. */
void load_slice(struct clog *log);
/* One batch: for load_slice and for tests. The error of the first record that has one; the others
 * are in all the same. */
enum err load_batch(struct clog *log, struct bytes batch, struct codec_scratch *scratch,
		    struct arena *arena);
static inline bool load_is_over(const struct load *load)
{
	return load->err != ERR_OK || load->next >= load->end;
}
void load_fini(struct load *load);

/* -- loader.c: loads, on the control loop -- */
void loader_init(struct coord *coord);
void loader_fini(struct coord *coord);
/* Without workers, and for an empty log, it is over when this returns. */
void loader_begin(struct clog *log);
/* Before the log's owner frees it; true: a worker has it, and kind->free comes later. */
bool loader_cancel(struct clog *log);

/* -- hold.c -- */
/* What the call tells is only true when all that has been appended so far is durable. */
void hold_until_durable(struct clog *log, struct coord_call *call);
/* The same for others than calls: wait->done comes now or later. */
void hold_wait(struct clog *log, struct coord_wait *wait);
/* Those that need not wait any more go; err: all go, and fail. */
void hold_settle(struct clog *log, enum err err);
void hold_init(struct coord *coord);
/* As coord_release, in the middle of an event: send() comes at the end of the turn. */
void hold_release(struct coord *coord, struct coord_call *call);

/* -- tshard.c: one partition of __transaction_state -- */
extern const struct clog_kind tshard_kind;
struct tshard *tshard_new(struct coord *coord, struct partition *part,
			  int32_t leader_epoch) must_check;
void tshard_free(struct tshard *shard);
/* The loop may be gone, and with it the requests that wait: nothing is told to anybody. */
void tshard_abandon(struct tshard *shard);
/* After an event: appends, settles, has markers written for what has ended. */
enum err tshard_run(struct tshard *shard);

/* -- txncoord.c -- */
void txncoord_init(struct coord *coord);
void txncoord_stop(struct coord *coord);
void txncoord_fini(struct coord *coord);
void txncoord_elected(struct coord *coord, struct partition *part, int32_t leader_epoch);
void txncoord_resigned(struct coord *coord, struct partition *part);
void txncoord_arm(struct coord *coord);

/* -- marker.c -- */
void marker_init(struct coord *coord);
void marker_stop(struct coord *coord);
/* One marker into one log, now. */
enum err marker_append(struct coord *coord, struct partition *part, const struct marker_job *job,
		       struct plog_append *item) must_check;
/* No done() after it. */
void marker_cancel(struct coord *coord, struct marker_job *job);

#endif
