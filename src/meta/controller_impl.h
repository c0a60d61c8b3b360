/*
 * The controller's insides: for controller*.c.
 *
 * Three images: `published` is what loops have; `sealed` is on its way to the disk or to the loops;
 * `next` takes changes. Without changes under way they are one and the same. One flight at a time:
 *
 *	IDLE -- written to the log --> SYNCING -- durable --> PUBLISHING -- every loop has it -->
 *IDLE
 *
 * What comes meanwhile gathers in `next` and makes the next flight.
 */
#ifndef META_CONTROLLER_IMPL_H
#define META_CONTROLLER_IMPL_H

#include "base/log.h"
#include "base/rnd.h"
#include "meta/config.h"
#include "meta/controller.h"
#include "meta/image_apply.h"
#include "meta/mlog.h"

#define CONTROLLER_MAGIC 0xc0447011u

enum controller_stage { CONTROLLER_IDLE, CONTROLLER_SYNCING, CONTROLLER_PUBLISHING };

/* A replica of this broker that is in another directory than the metadata says. */
struct controller_assign {
	struct uuid topic_id;
	int32_t idx;
	struct uuid dir;
};

struct wait_list {
	struct controller_wait *first, *last;
};

struct controller {
	uint32_t magic;
	struct controller_options options;
	struct mlog *log;
	char *dir;
	struct rnd rnd;
	struct arena arena; /* for image_apply */
	int64_t broker_epoch;
	bool stopping, failed;

	struct image *published, *sealed, *next;
	bool next_is_own; /* forked, with changes */
	struct image_delta delta, sealed_delta;
	struct wait_list waits, sealed_waits;
	enum controller_stage stage;
	struct loop_task commit_task;

	struct log_limit internal_limit;

	struct job sync_job;
	enum err sync_err;
	int64_t sync_offset;

	struct controller_assign *assigns; /* for the next controller_assign_dirs */
	size_t assigns_len, assigns_size;

	struct uuid *cordoned; /* of this broker's log directories */
	size_t cordoned_len;

	struct image_subscriber *subscribers;
	size_t subscribers_len, acks_left;

	struct loop_timer snapshot_timer;
	struct job snapshot_job;
	struct image *snapshot_img;
	enum err snapshot_err;
};

/*
 * Makes one change: applies it to the pending image and adds it to the log's next write. Clears the
 * list. Whoever calls has validated it: that it cannot be applied is an error of the broker (or no
 * memory), after which the controller has failed.
 */
enum err controller_submit(struct controller *ctl, struct mrec_list *list) must_check;
/* May anything be changed? ERR_NOT_CONTROLLER while stopping or after a failure. */
enum err controller_check(const struct controller *ctl) must_check;

int16_t controller_metadata_version(const struct controller *ctl);

/* For a topic's election: its min.insync.replicas and whether unclean elections are allowed. */
struct election;
void controller_election_rules(const struct controller *ctl, struct str topic,
			       struct election *election);

/* controller_dirs.c: what a PartitionRecord is to say of this broker's replica. */
struct uuid controller_dir_for_new(const struct controller *ctl, int32_t broker_id);
/* A BrokerRegistrationChangeRecord that says which are cordoned; nothing for older metadata. */
void controller_put_cordoned(struct controller *ctl, struct mrec_list *list);
/* The replica is in `dir`; to be said by the next controller_assign_dirs. */
enum err controller_note_dir(struct controller *ctl, struct uuid topic_id, int32_t idx,
			     struct uuid dir) must_check;
enum err controller_assign_dirs(struct controller *ctl) must_check;

/* The wall-clock independent parts of controller.c that start and stop use. */
enum err controller_flush_now(struct controller *ctl) must_check; /* before the loops run */

#endif
