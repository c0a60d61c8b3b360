/*
 * The controller: the one that changes the cluster's metadata. It lives on the control loop, and so
 * does every call here.
 *
 * A change is checked against the pending image and is visible there at once; its records go to the
 * metadata log at the end of the loop's turn (one write for all changes of the turn, and one
 * fdatasync on a worker, shared by all that came while the one before was under way). Then the new
 * image is published: posted to every subscriber's loop. controller_commit tells when all that was
 * submitted so far is durable and every loop has the image; only then is a client answered.
 *
 * The validation is Kafka's, with its codes and messages. Results are per entry: an `err` and a
 * message, both valid as long as the arena that was handed in.
 */
#ifndef META_CONTROLLER_H
#define META_CONTROLLER_H

#include "base/arena.h"
#include "base/loop.h"
#include "base/worker.h"
#include "meta/image.h"

struct controller;
struct config;
struct mlog;

/* -- what main plugs in --------------------------------------------------------------------- */

/*
 * Called on the control loop, in the order of the log. `local` is what on_partition_new returned.
 * on_elected, on_resigned, on_partition_gone and on_config come after the change is durable and
 * before its image is published; on_partition_new while the change is still being written. `img` is
 * valid during the call.
 */
struct controller_hooks {
	void *ctx;
	/*
	 * Makes the running partition (its directory and log). NULL: could not, logged. *dir is
	 * the log directory where the metadata has it, and gets the one where it is.
	 */
	struct partition *(*on_partition_new)(void *ctx, const struct image *img,
					      const struct image_topic *topic, int32_t idx,
					      const struct image_partition *part, struct uuid *dir);
	/*
	 * This broker leads the partition from now on, in this leader epoch. Also for a new epoch.
	 */
	void (*on_elected)(void *ctx, struct partition *local, const struct image_topic *topic,
			   int32_t idx, const struct image_partition *part);
	/* It led, and does not any more. */
	void (*on_resigned)(void *ctx, struct partition *local, const struct image_topic *topic,
			    int32_t idx, const struct image_partition *part);
	/* Deleted: stop, answer who waits, set the files aside. Images on loops may still point to
	 * it. */
	void (*on_partition_gone)(void *ctx, struct partition *local);
	/* No image points to it any more: free it. */
	void (*on_partition_release)(void *ctx, struct partition *local);
	/* A dynamic config of this resource changed. */
	void (*on_config)(void *ctx, const struct image *img, enum image_config_type type,
			  struct str name);
	/*
	 * The metadata log failed: nothing can be changed any more. The broker must stop, exit 1.
	 */
	void (*on_failed)(void *ctx, enum err err);
	/* Is there space for new partitions' files? A topic must not be, and have no log. */
	bool (*has_room)(void *ctx);
};

/* A loop that gets each image. Embedded by its owner; zeroed but for loop, on_image and ctx. */
struct image_subscriber {
	struct loop *loop;
	/* On `loop`, between turns of its handlers: use this one from now on, forget the one
	 * before. */
	void (*on_image)(struct image_subscriber *sub, const struct image *img);
	void *ctx;
	/* private */
	struct controller *ctl;
	const struct image *img;
	struct mail there, back;
	struct image_subscriber *next;
};

struct controller_options {
	struct loop *loop; /* the control loop */
	struct worker_pool *workers;
	const struct clock *clock;
	const struct config *config;
	int32_t node_id;
	/*
	 * The ids of the log directories that are online, in the order in which Kafka registers
	 * them (and searches them); borrowed until controller_start has returned.
	 */
	const struct uuid *log_dirs;
	size_t log_dirs_len;
	const struct image_endpoint *endpoints; /* advertised; borrowed during controller_start */
	size_t endpoints_len;
	struct str rack; /* null: none */
	int64_t
	    previous_broker_epoch; /* from .kafka_cleanshutdown; -1: the last stop was not clean */
	struct controller_hooks hooks;
	/*
	 * May be NULL. The metadata has been read, nothing was made of it yet: is it fit for the
	 * directories that are there? An error (logged) ends controller_open.
	 */
	enum err (*on_read)(void *ctx, const struct image *img);
	void *on_read_ctx;
};

/* -- life ----------------------------------------------------------------------------------- */

/*
 * Opens the metadata log in `dir` (a formatted log directory, see datadir.h), replays it, and makes
 * the local partitions by on_partition_new. On any error: a log line, and main exits with 1.
 * Blocking; before the loops run.
 */
enum err controller_open(const struct controller_options *options, const char *dir,
			 struct str cluster_id, struct controller **out) must_check;
/* Before controller_start. */
void controller_subscribe(struct controller *ctl, struct image_subscriber *sub);
/*
 * Leader change, broker registration, unfencing, elections: appended, synced (blocking, the loop
 * does not run yet), and the first image handed to every subscriber's on_image directly.
 */
enum err controller_start(struct controller *ctl) must_check;
/*
 * Clean stop: controlled shutdown, every partition to its ELR, fenced; done(w) when durable.
 * Further changes are refused. To be called when no client is served any more and every log is
 * flushed.
 */
struct controller_wait;
void controller_stop(struct controller *ctl, struct controller_wait *wait);
/*
 * After the loops have ended. Calls on_partition_release for every local partition. An error: the
 * metadata log could not be closed well, so the directory must not be marked as cleanly stopped.
 */
enum err controller_free(struct controller *ctl) must_check;

/* The pending image, with every change submitted so far; valid until the next change or turn. */
const struct image *controller_image(struct controller *ctl);
int64_t controller_broker_epoch(const struct controller *ctl);
int32_t controller_node_id(const struct controller *ctl);

/*
 * These log directories of this broker get no new partitions (cordoned.log.dirs; Kafka 4.3). Said
 * with the registration when it comes before controller_start.
 */
enum err controller_cordon(struct controller *ctl, const struct uuid *dirs, size_t len) must_check;
/*
 * This log directory has failed for good: its partitions lose their leader, and the registration
 * the directory. Does nothing for one that is not registered.
 */
enum err controller_dir_failed(struct controller *ctl, struct uuid dir) must_check;

/* -- waiting -------------------------------------------------------------------------------- */

/*
 * Embedded in what waits. done() on the control loop, never from within controller_commit. An
 * error: nothing is known to have changed; answer KAFKA_STORAGE_ERROR.
 */
struct controller_wait {
	struct controller_wait *next; /* private */
	void (*done)(struct controller_wait *wait, enum err err);
};

/* err 0: all that was submitted so far is durable and every subscriber's loop has the image. */
void controller_commit(struct controller *ctl, struct controller_wait *wait);

/* -- brokers -------------------------------------------------------------------------------- */

/*
 * May these be a partition's replicas? ERR_INVALID_REPLICA_ASSIGNMENT with a message: none, one
 * twice, one that is not registered. From any thread.
 */
enum err controller_check_brokers(const struct image *image, struct arena *arena,
				  const int32_t *brokers, size_t len,
				  struct str *message) must_check;

/* -- topics --------------------------------------------------------------------------------- */

struct controller_config_entry {
	struct str name;
	struct str value; /* may be null */
};

struct controller_assignment {
	int32_t idx;
	const int32_t *brokers;
	size_t brokers_len;
};

/* One entry of CreateTopics: the upper half is the request, the lower half the answer. */
struct controller_new_topic {
	struct str name;
	int32_t num_partitions;	    /* -1: the default */
	int16_t replication_factor; /* -1: the default */
	const struct controller_assignment *assignments;
	size_t assignments_len;
	const struct controller_config_entry *configs;
	size_t configs_len;

	enum err err;
	struct str message; /* null when there is none */
	struct uuid id;
	int32_t partitions_made;
	int16_t replicas_made;
};

/* Kafka's rules for a topic's name: ERR_INVALID_TOPIC_EXCEPTION with a message. From any thread. */
enum err controller_check_name(struct arena *arena, struct str name,
			       struct str *message) must_check;

#define CONTROLLER_PARTITIONS_REQUEST_MAX 10000
/* How many these topics want together, by themselves or by num.partitions. */
int64_t controller_partitions_asked(const struct controller *ctl,
				    const struct controller_new_topic *topics, size_t topics_len);
/*
 * Duplicated names must be taken out before (the handler answers them). More partitions than
 * CONTROLLER_PARTITIONS_REQUEST_MAX together are refused, all of them.
 */
void controller_create_topics(struct controller *ctl, struct arena *arena,
			      struct controller_new_topic *topics, size_t topics_len,
			      bool validate_only);

struct controller_del_topic {
	struct uuid id;
	struct str name; /* out, null when the id is unknown */
	enum err err;
	struct str message;
};
void controller_delete_topics(struct controller *ctl, struct arena *arena,
			      struct controller_del_topic *topics, size_t topics_len);

struct controller_more_partitions {
	struct str name;
	int32_t count;					 /* the new total */
	const struct controller_assignment *assignments; /* idx unused */
	size_t assignments_len;
	bool has_assignments;

	enum err err;
	struct str message;
};
void controller_create_partitions(struct controller *ctl, struct arena *arena,
				  struct controller_more_partitions *topics, size_t topics_len,
				  bool validate_only);

/*
 * The coordinators' own topics, with their configs (facts: kraft 4.4). ERR_OK: exists already;
 * ERR_COORDINATOR_NOT_AVAILABLE: being created by this or an earlier call, or cannot be, which a
 * log line explains; ask again later.
 */
enum err controller_ensure_internal(struct controller *ctl, struct str name) must_check;
/*
 * May one request have so many topics made for it? Kafka's limit of partitions to a request, which
 * holds for those that are made on demand, too: all of them, or none.
 */
bool controller_may_auto_create(const struct controller *ctl, size_t topics_len);
/* auto.create.topics.enable is the caller's to check. Fails with what CreateTopics would say. */
enum err controller_auto_create(struct controller *ctl, struct str name) must_check;

/* -- configs -------------------------------------------------------------------------------- */

enum controller_config_op { /* as on the wire */
			    CONTROLLER_CONFIG_SET = 0,
			    CONTROLLER_CONFIG_DELETE = 1,
			    CONTROLLER_CONFIG_APPEND = 2,
			    CONTROLLER_CONFIG_SUBTRACT = 3,
};

struct controller_config_change {
	struct str name;
	struct str value;
	int8_t op; /* what the client sent: checked here */
};

/* All changes of a resource are made, or none. */
struct controller_config_resource {
	int8_t type;
	struct str name;
	const struct controller_config_change *changes;
	size_t changes_len;
	bool replace; /* AlterConfigs: what is not named goes back to its default; ops are SET */

	enum err err;
	struct str message;
};
void controller_alter_configs(struct controller *ctl, struct arena *arena,
			      struct controller_config_resource *resources, size_t resources_len,
			      bool validate_only);

/* -- producer ids --------------------------------------------------------------------------- */

#define CONTROLLER_PRODUCER_ID_BLOCK 1000

/* The block's first id. It may be used after a controller_commit is done. */
enum err controller_producer_ids(struct controller *ctl, int64_t *first) must_check;

#endif
