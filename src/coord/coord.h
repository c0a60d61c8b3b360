/*
 * The coordinators' shell. Of groups, here: it keeps the shards of room `group` for the partitions
 * of __consumer_offsets that this broker leads, replays them, appends what they want appended,
 * keeps their deadlines, and holds answers back until what they say is durable. Of transactions:
 * txncoord.h.
 *
 * All on the control loop, and every call here too. Which partition a group lives in is decided as
 * in Kafka: Java's String.hashCode of its id, modulo the topic's partitions.
 *
 * Errors of every call: ERR_NOT_COORDINATOR (the group's partition is not ours, or does not exist
 * yet), ERR_COORDINATOR_LOAD_IN_PROGRESS, and those of shard.h.
 */
#ifndef COORD_COORD_H
#define COORD_COORD_H

#include "base/loop.h"
#include "group/consumer.h"
#include "group/shard.h"

struct config;
struct controller;
struct partition;
struct producer_ids;
struct wake_box;
struct worker_pool;

struct coord;

struct coord_options {
	struct loop *loop; /* the control loop */
	const struct clock *clock;
	const struct config *config;   /* NULL: Kafka's defaults */
	struct controller *controller; /* knows how many partitions there are; NULL: one */
	struct producer_ids *ids;      /* for transactions; NULL: there are none */
	struct wake_box *box;	       /* of the control loop */
	struct worker_pool *workers;   /* for loads; NULL: they are done where they are begun */
	size_t loads_max;	       /* at once; 0 is 1 */
};

/* All of the options is borrowed and outlives the coordinator, but for the loop at coord_free. */
struct coord *coord_new(const struct coord_options *options) must_check;
/* Who waits is told NOT_COORDINATOR; nothing is served or timed from then on. */
void coord_stop(struct coord *coord);
/*
 * No load goes on: those under way end within milliseconds, and come home by mail. To be called
 * before the workers are drained and the loop is turned for the last time; coord_stop does it.
 */
void coord_end_loads(struct coord *coord);
/* After the loop has ended; without coord_stop as after a kill. Drops requests that wait. */
void coord_free(struct coord *coord);

/*
 * The partition is ours from now on, in this epoch: its log is replayed, in slices, on workers,
 * several partitions at once. Until that is done its groups or transactional ids answer
 * ERR_COORDINATOR_LOAD_IN_PROGRESS. If it fails they answer ERR_NOT_COORDINATOR from then on: what
 * was lost of them is not made up; a later election tries again. Ignores partitions of other
 * topics.
 */
void coord_on_elected(struct coord *coord, struct partition *part, int32_t leader_epoch);
void coord_on_resigned(struct coord *coord, struct partition *part);
/* Is any partition's log still to be replayed? */
bool coord_is_loading(const struct coord *coord);
/* To be called when a topic was deleted: its committed offsets go. Nothing when coord is NULL. */
void coord_topic_deleted(struct coord *coord, struct str topic, struct uuid topic_id);

/* -- requests ------------------------------------------------------------------------------------
 *
 * A call is embedded in what the handler keeps for a request. The handler holds it, asks, encodes
 * its answer from what it was given (which is valid until it asks again), and releases it:
 *
 *	coord_hold(&call);  ask, encode;  coord_release(&call);
 *
 * send() comes when everything that was asked with the call is durable: from within the release,
 * after which the call may be gone, or later. When that fails, fail() comes first, to encode an
 * error in place of the answer.
 *
 * JoinGroup and SyncGroup are answered whenever the group is ready: answer() encodes what it is
 * given then, and send() follows at the end of the turn or later. No hold and release around these
 * two.
 */
struct coord_call {
	void (*answer)(struct coord_call *call, const struct fx_answer *answer);
	void (*fail)(struct coord_call *call, enum err err);
	void (*send)(struct coord_call *call);
	struct arena *arena; /* the request's */
	/* private */
	size_t waiting;
	enum err err;
	TAILQ_ENTRY(coord_call) link;
};

void coord_hold(struct coord_call *call);
void coord_release(struct coord_call *call);

void coord_join(struct coord *coord, struct coord_call *call, struct join_ask *ask);
void coord_sync(struct coord *coord, struct coord_call *call, struct sync_ask *ask);
enum err coord_heartbeat(struct coord *coord, struct str group, struct str member_id,
			 struct str instance_id, int32_t generation) must_check;
enum err coord_leave(struct coord *coord, struct coord_call *call, struct str group,
		     struct leave_member *members, size_t members_len) must_check;

enum err coord_commit(struct coord *coord, struct coord_call *call,
		      const struct commit_ask *ask) must_check;
/* Before a transactional commit: plog_txn_guard of the log that it will go into. */
enum err coord_txn_guard(struct coord *coord, struct str group, int64_t producer_id, int16_t epoch,
			 int64_t *guard) must_check;
enum err coord_fetch(struct coord *coord, struct coord_call *call, struct str group, bool stable,
		     struct offset_entry *offsets, size_t offsets_len) must_check;
enum err coord_fetch_all(struct coord *coord, struct coord_call *call, struct str group,
			 bool stable, struct offset_entry **offsets,
			 size_t *offsets_len) must_check;
enum err coord_delete_offsets(struct coord *coord, struct coord_call *call, struct str group,
			      struct offset_entry *offsets, size_t offsets_len) must_check;

enum err coord_describe(struct coord *coord, struct coord_call *call, struct str group,
			struct group_view *out) must_check;
enum err coord_delete_group(struct coord *coord, struct coord_call *call,
			    struct str group) must_check;

/*
 * Consumer groups (KIP-848). ask->cfg is filled in here. The answer and the view are valid until
 * the next call.
 */
enum err coord_consumer_heartbeat(struct coord *coord, struct coord_call *call,
				  struct consumer_ask *ask,
				  struct consumer_answer *answer) must_check;
/* Before an OffsetFetch: see consumer_check. */
enum err coord_consumer_check(struct coord *coord, struct str group, struct str member_id,
			      int32_t member_epoch) must_check;
enum err coord_consumer_describe(struct coord *coord, struct coord_call *call, struct str group,
				 struct consumer_view *out) must_check;

/* All groups of all shards; begin with a zeroed pos. */
struct coord_list_pos {
	size_t shard;
	const void *group;
};
/* ERR_COORDINATOR_LOAD_IN_PROGRESS when some are not known yet. */
enum err coord_list_check(const struct coord *coord) must_check;
bool coord_list_next(const struct coord *coord, struct coord_list_pos *pos,
		     struct group_listed *out);
size_t coord_groups_len(const struct coord *coord);

/*
 * Where Kafka puts a group: the absolute value of the hash (not its low bits). partitions_len > 0.
 */
int32_t coord_partition_for(struct str group, int32_t partitions_len);

#endif
