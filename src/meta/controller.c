/*
 * The controller's life and its pipeline: changes gather in a pending image and in the log's next
 * write, go to the disk together, then to every loop, and only then are those told who wait.
 */
#include "meta/controller.h"

#include <stdlib.h>

#include "base/log.h"
#include "meta/controller_impl.h"
#include "meta/election.h"

#define APPLY_BYTES_MAX ((size_t)64 << 20)

static void commit_run(struct loop_task *task);
static void sync_run(struct job *job);
static void sync_done(struct job *job);
static void snapshot_fire(struct loop_timer *timer);
static void snapshot_run(struct job *job);
static void snapshot_done(struct job *job);

/* -- waiting -------------------------------------------------------------------------------- */

static void wait_add(struct wait_list *list, struct controller_wait *wait)
{
	wait->next = NULL;
	if (list->last == NULL)
		list->first = wait;
	else
		list->last->next = wait;
	list->last = wait;
}

/* Each may be freed by its done(). */
static void wait_tell(struct wait_list *list, enum err err)
{
	struct controller_wait *wait = list->first;

	*list = (struct wait_list){NULL, NULL};
	while (wait != NULL) {
		struct controller_wait *next = wait->next;

		wait->done(wait, err);
		wait = next;
	}
}

void controller_commit(struct controller *ctl, struct controller_wait *wait)
{
	must_be(ctl, CONTROLLER_MAGIC);
	must(loop_is_mine(ctl->options.loop));
	if (ctl->failed || ctl->next_is_own || ctl->stage == CONTROLLER_IDLE) {
		wait_add(&ctl->waits, wait);
		loop_defer(ctl->options.loop, &ctl->commit_task);
	} else {
		wait_add(&ctl->sealed_waits, wait);
	}
}

/* -- changes -------------------------------------------------------------------------------- */

const struct image *controller_image(struct controller *ctl)
{
	must_be(ctl, CONTROLLER_MAGIC);
	return ctl->next;
}

int64_t controller_broker_epoch(const struct controller *ctl)
{
	return ctl->broker_epoch;
}

int32_t controller_node_id(const struct controller *ctl)
{
	return ctl->options.node_id;
}

int16_t controller_metadata_version(const struct controller *ctl)
{
	return image_feature_level(ctl->next, STR("metadata.version"));
}

enum err controller_check(const struct controller *ctl)
{
	must_be(ctl, CONTROLLER_MAGIC);
	return ctl->stopping || ctl->failed ? ERR_NOT_CONTROLLER : ERR_OK;
}

void controller_election_rules(const struct controller *ctl, struct str topic,
			       struct election *election)
{
	struct topic_config cfg;

	topic_config_resolve(ctl->options.config, ctl->next, topic, &cfg);
	election->min_isr = cfg.min_insync_replicas;
	election->unclean_allowed = cfg.unclean_leader_election;
}

static void fail(struct controller *ctl, enum err err, const char *what)
{
	if (ctl->failed)
		return;
	ctl->failed = true;
	log_error("meta", "%s: %s; the metadata cannot be changed any more", what, err_text(err));
	if (ctl->options.hooks.on_failed != NULL)
		ctl->options.hooks.on_failed(ctl->options.hooks.ctx, err);
}

static enum err own_next(struct controller *ctl)
{
	struct image *fork;

	if (ctl->next_is_own)
		return ERR_OK;
	fork = image_fork(ctl->next);
	if (fork == NULL)
		return ERR_NOMEM;
	image_unref(ctl->next);
	ctl->next = fork;
	ctl->next_is_own = true;
	return ERR_OK;
}

enum err controller_submit(struct controller *ctl, struct mrec_list *list)
{
	char message[IMAGE_MESSAGE_SIZE] = "";
	enum err err = list->bytes.err;

	must_be(ctl, CONTROLLER_MAGIC);
	must(!ctl->failed);
	if (err != ERR_OK || list->len == 0)
		return err;
	err = own_next(ctl);
	for (size_t i = 0; err == ERR_OK && i < list->len; i++)
		err = image_apply(ctl->next, mrec_at(list, i), &ctl->delta, &ctl->arena, message);
	if (err == ERR_OK)
		err = mlog_add(ctl->log, list);
	mrec_list_clear(list);
	if (err != ERR_OK) {
		fail(ctl, err, message[0] != 0 ? message : "a metadata change failed half way");
		return ERR_UNKNOWN_SERVER_ERROR;
	}
	loop_defer(ctl->options.loop, &ctl->commit_task);
	return ERR_OK;
}

/* -- sealing -------------------------------------------------------------------------------- */

/* The change could not be written and nothing of it is on disk: as if it had never been. */
static void take_back(struct controller *ctl, enum err err)
{
	struct wait_list waits = ctl->waits;

	log_warn("meta", "cannot write the metadata log: %s", err_text(err));
	image_unref(ctl->next);
	ctl->next = image_ref(ctl->published);
	ctl->next_is_own = false;
	image_delta_fini(&ctl->delta);
	image_delta_init(&ctl->delta);
	ctl->waits = (struct wait_list){NULL, NULL};
	if (err != ERR_NOSPACE)
		fail(ctl, err, "the metadata log failed");
	wait_tell(&waits, ERR_KAFKA_STORAGE_ERROR);
}

static enum err make_local(struct controller *ctl, struct image *img,
			   const struct image_change *change)
{
	const struct controller_hooks *hooks = &ctl->options.hooks;
	const struct image_topic *topic = image_topic_by_id(img, change->topic_id);
	const struct image_partition *part =
	    topic == NULL ? NULL : image_partition_at(topic, change->idx);
	struct image_ids replicas;
	struct partition *local;
	struct uuid dir;
	size_t own = 0;

	if (part == NULL || part->local != NULL || hooks->on_partition_new == NULL)
		return ERR_OK;
	replicas = image_replicas(part);
	while (own < replicas.len && replicas.ptr[own] != ctl->options.node_id)
		own++;
	if (own == replicas.len)
		return ERR_OK;
	dir = part->directories[own];
	local = hooks->on_partition_new(hooks->ctx, img, topic, change->idx, part, &dir);
	if (local == NULL)
		return ERR_OK;
	/* Without memory for it the metadata stays behind; the next start tells it. */
	if (!uuid_eq(dir, part->directories[own]) &&
	    controller_note_dir(ctl, change->topic_id, change->idx, dir) != ERR_OK)
		log_warn("meta", "no memory to note the log directory of a partition");
	return image_partition_set_local(img, change->topic_id, change->idx, local);
}

/* Writes what gathered, and makes it the flight. */
static enum err seal(struct controller *ctl)
{
	enum err err = mlog_write(ctl->log);

	if (err != ERR_OK)
		return err;
	for (size_t i = 0; i < ctl->delta.len; i++)
		if (ctl->delta.changes[i].kind == IMAGE_CHANGE_PARTITION_NEW)
			/* It was made under this edit, so nothing is allocated. */
			must(make_local(ctl, ctl->next, &ctl->delta.changes[i]) == ERR_OK);
	ctl->next->offset = mlog_next_offset(ctl->log) - 1;
	ctl->next->epoch = mlog_epoch(ctl->log);
	ctl->next->timestamp_ms = clock_wall_ms(ctl->options.clock);
	must(ctl->sealed == NULL && ctl->sealed_waits.first == NULL && ctl->sealed_delta.len == 0);
	ctl->sealed = image_ref(ctl->next);
	ctl->next_is_own = false;
	ctl->sealed_waits = ctl->waits;
	ctl->waits = (struct wait_list){NULL, NULL};
	ctl->sealed_delta = ctl->delta;
	image_delta_init(&ctl->delta);
	ctl->sync_offset = mlog_next_offset(ctl->log);
	return ERR_OK;
}

static void commit_run(struct loop_task *task)
{
	struct controller *ctl = container_of(task, struct controller, commit_task);
	enum err err;

	must_be(ctl, CONTROLLER_MAGIC);
	if (ctl->failed) {
		wait_tell(&ctl->waits, ERR_KAFKA_STORAGE_ERROR);
		return;
	}
	if (ctl->stage != CONTROLLER_IDLE)
		return; /* the end of the flight comes back to it */
	if (!ctl->next_is_own) {
		wait_tell(&ctl->waits, ERR_OK);
		return;
	}
	err = seal(ctl);
	if (err != ERR_OK) {
		take_back(ctl, err);
		return;
	}
	ctl->stage = CONTROLLER_SYNCING;
	worker_submit(ctl->options.workers, &ctl->sync_job);
	/* Where the new partitions were put goes with the next flight; a failure has been told. */
	(void)!controller_assign_dirs(ctl);
}

/* -- acting on what is durable --------------------------------------------------------------- */

static void act_on_partition(struct controller *ctl, const struct image_change *change)
{
	const struct controller_hooks *hooks = &ctl->options.hooks;
	const struct image_topic *topic = image_topic_by_id(ctl->sealed, change->topic_id);
	const struct image_partition *part =
	    topic == NULL ? NULL : image_partition_at(topic, change->idx);

	if (!change->leader_changed || part == NULL || part->local == NULL)
		return;
	if (part->leader == ctl->options.node_id && hooks->on_elected != NULL)
		hooks->on_elected(hooks->ctx, part->local, topic, change->idx, part);
	else if (part->leader != ctl->options.node_id && hooks->on_resigned != NULL)
		hooks->on_resigned(hooks->ctx, part->local, topic, change->idx, part);
}

static void each_local(struct controller *ctl, const struct image_topic *topic,
		       void (*call)(void *ctx, struct partition *local))
{
	for (int32_t i = 0; call != NULL && i < topic->partitions_len; i++) {
		const struct image_partition *part = image_partition_at(topic, i);

		if (part != NULL && part->local != NULL)
			call(ctl->options.hooks.ctx, part->local);
	}
}

static void act(struct controller *ctl)
{
	const struct controller_hooks *hooks = &ctl->options.hooks;

	for (size_t i = 0; i < ctl->sealed_delta.len; i++) {
		const struct image_change *change = &ctl->sealed_delta.changes[i];

		switch (change->kind) {
		case IMAGE_CHANGE_PARTITION_NEW:
		case IMAGE_CHANGE_PARTITION:
			act_on_partition(ctl, change);
			break;
		case IMAGE_CHANGE_TOPIC_GONE:
			each_local(ctl, change->topic, hooks->on_partition_gone);
			break;
		case IMAGE_CHANGE_CONFIG:
			if (hooks->on_config != NULL)
				hooks->on_config(hooks->ctx, ctl->sealed, change->type,
						 change->name);
			break;
		}
	}
}

/* -- publication ---------------------------------------------------------------------------- */

static void snapshot_consider(struct controller *ctl)
{
	int64_t due_ms = mlog_snapshot_due_ms(ctl->log);

	if (due_ms < 0 || ctl->stopping || ctl->failed)
		return;
	if (due_ms > 0) {
		if (!loop_timer_is_set(&ctl->snapshot_timer))
			loop_timer_start(&ctl->snapshot_timer, due_ms);
		return;
	}
	ctl->snapshot_img = image_ref(ctl->published);
	mlog_snapshot_begin(ctl->log, ctl->snapshot_img);
	worker_submit(ctl->options.workers, &ctl->snapshot_job);
}

static void release_gone(struct controller *ctl, const struct image_delta *delta)
{
	for (size_t i = 0; i < delta->len; i++)
		if (delta->changes[i].kind == IMAGE_CHANGE_TOPIC_GONE)
			each_local(ctl, delta->changes[i].topic,
				   ctl->options.hooks.on_partition_release);
}

/* Every loop has the new image: the old one goes, and with it the partitions that only it knew. */
static void published_everywhere(struct controller *ctl)
{
	struct wait_list waits = ctl->sealed_waits;

	image_unref(ctl->published);
	ctl->published = ctl->sealed;
	ctl->sealed = NULL;
	release_gone(ctl, &ctl->sealed_delta);
	image_delta_fini(&ctl->sealed_delta);
	image_delta_init(&ctl->sealed_delta);
	ctl->sealed_waits = (struct wait_list){NULL, NULL};
	ctl->stage = CONTROLLER_IDLE;
	snapshot_consider(ctl);
	if (ctl->next_is_own || ctl->waits.first != NULL)
		loop_defer(ctl->options.loop, &ctl->commit_task);
	wait_tell(&waits, ERR_OK);
}

static void deliver_back(struct mail *mail)
{
	struct image_subscriber *sub = container_of(mail, struct image_subscriber, back);
	struct controller *ctl = sub->ctl;

	must_be(ctl, CONTROLLER_MAGIC);
	must(ctl->stage == CONTROLLER_PUBLISHING && ctl->acks_left > 0);
	if (--ctl->acks_left == 0)
		published_everywhere(ctl);
}

static void deliver_there(struct mail *mail)
{
	struct image_subscriber *sub = container_of(mail, struct image_subscriber, there);

	sub->on_image(sub, sub->img);
	loop_post(sub->ctl->options.loop, &sub->back);
}

static void publish(struct controller *ctl)
{
	ctl->stage = CONTROLLER_PUBLISHING;
	ctl->acks_left = ctl->subscribers_len;
	for (struct image_subscriber *sub = ctl->subscribers; sub != NULL; sub = sub->next) {
		sub->img = ctl->sealed;
		loop_post(sub->loop, &sub->there);
	}
	if (ctl->acks_left == 0)
		published_everywhere(ctl);
}

void controller_subscribe(struct controller *ctl, struct image_subscriber *sub)
{
	must_be(ctl, CONTROLLER_MAGIC);
	sub->ctl = ctl;
	sub->there.deliver = deliver_there;
	sub->back.deliver = deliver_back;
	sub->next = ctl->subscribers;
	ctl->subscribers = sub;
	ctl->subscribers_len++;
}

static void sync_run(struct job *job)
{
	struct controller *ctl = container_of(job, struct controller, sync_job);

	ctl->sync_err = mlog_sync(ctl->log);
}

static void sync_done(struct job *job)
{
	struct controller *ctl = container_of(job, struct controller, sync_job);

	must_be(ctl, CONTROLLER_MAGIC);
	if (ctl->sync_err != ERR_OK) {
		fail(ctl, ctl->sync_err, "the metadata log cannot be flushed");
		wait_tell(&ctl->sealed_waits, ERR_KAFKA_STORAGE_ERROR);
		wait_tell(&ctl->waits, ERR_KAFKA_STORAGE_ERROR);
		return;
	}
	mlog_synced(ctl->log, ctl->sync_offset);
	act(ctl);
	publish(ctl);
}

/* The whole flight in one call, for start: no loop runs yet. */
enum err controller_flush_now(struct controller *ctl)
{
	enum err err;

	if (!ctl->next_is_own)
		return ERR_OK;
	err = seal(ctl);
	if (err == ERR_OK)
		err = mlog_sync(ctl->log);
	if (err != ERR_OK) {
		fail(ctl, err, "cannot write the metadata log");
		return err;
	}
	mlog_synced(ctl->log, ctl->sync_offset);
	act(ctl);
	for (struct image_subscriber *sub = ctl->subscribers; sub != NULL; sub = sub->next)
		sub->on_image(sub, ctl->sealed);
	ctl->stage = CONTROLLER_PUBLISHING;
	published_everywhere(ctl);
	return ERR_OK;
}

/* -- snapshots ------------------------------------------------------------------------------ */

static void snapshot_fire(struct loop_timer *timer)
{
	snapshot_consider(container_of(timer, struct controller, snapshot_timer));
}

static void snapshot_run(struct job *job)
{
	struct controller *ctl = container_of(job, struct controller, snapshot_job);

	ctl->snapshot_err = mlog_snapshot_write(ctl->log, ctl->snapshot_img);
}

static void snapshot_done(struct job *job)
{
	struct controller *ctl = container_of(job, struct controller, snapshot_job);

	must_be(ctl, CONTROLLER_MAGIC);
	mlog_snapshot_end(ctl->log, ctl->snapshot_err == ERR_OK);
	image_unref(ctl->snapshot_img);
	ctl->snapshot_img = NULL;
	/* After a failure the next change, not a busy loop, tries again. */
	if (ctl->snapshot_err == ERR_OK)
		snapshot_consider(ctl);
	else if (ctl->snapshot_err == ERR_IO)
		fail(ctl, ERR_IO, "the metadata snapshot cannot be written");
}

/* -- birth and end -------------------------------------------------------------------------- */

static void open_log_options(const struct controller_options *options, struct str cluster_id,
			     struct mlog_options *out)
{
	const struct config *cfg = options->config;

	*out = (struct mlog_options){
	    .clock = options->clock,
	    .node_id = options->node_id,
	    .cluster_id = cluster_id,
	    .static_voters = config_has_static_voters(cfg),
	    .segment_bytes = config_int64(cfg, CONFIG_METADATA_LOG_SEGMENT_BYTES),
	    .segment_ms = config_int64(cfg, CONFIG_METADATA_LOG_SEGMENT_MS),
	    .snapshot_bytes =
		config_int64(cfg, CONFIG_METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS),
	    .snapshot_ms = config_int64(cfg, CONFIG_METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS),
	    .retention_bytes = config_int64(cfg, CONFIG_METADATA_MAX_RETENTION_BYTES),
	    .retention_ms = config_int64(cfg, CONFIG_METADATA_MAX_RETENTION_MS),
	};
}

static struct controller *controller_new(const struct controller_options *options, const char *dir)
{
	struct controller *ctl = calloc(1, sizeof(*ctl));

	if (ctl == NULL)
		return NULL;
	ctl->magic = CONTROLLER_MAGIC;
	ctl->options = *options;
	ctl->dir = str_dup(str_of(dir));
	ctl->broker_epoch = -1;
	rnd_init_random(&ctl->rnd);
	arena_init(&ctl->arena, APPLY_BYTES_MAX);
	image_delta_init(&ctl->delta);
	image_delta_init(&ctl->sealed_delta);
	ctl->commit_task.run = commit_run;
	ctl->sync_job.home = options->loop;
	ctl->sync_job.run = sync_run;
	ctl->sync_job.done = sync_done;
	ctl->snapshot_job.home = options->loop;
	ctl->snapshot_job.run = snapshot_run;
	ctl->snapshot_job.done = snapshot_done;
	loop_timer_init(&ctl->snapshot_timer, options->loop, snapshot_fire);
	return ctl;
}

static enum err make_locals(struct controller *ctl)
{
	const struct image_topic *topic = image_topic_seek(ctl->next, STR(""), false);
	enum err err = ERR_OK;

	while (err == ERR_OK && topic != NULL) {
		struct image_change change = {.topic_id = topic->id};

		for (; err == ERR_OK && change.idx < topic->partitions_len; change.idx++) {
			err = make_local(ctl, ctl->next, &change);
			topic = image_topic_by_id(ctl->next, change.topic_id);
		}
		topic = image_topic_seek(ctl->next, topic->name, true);
	}
	return err;
}

static void controller_destroy(struct controller *ctl)
{
	image_unref(ctl->snapshot_img);
	image_unref(ctl->sealed);
	image_unref(ctl->next);
	image_unref(ctl->published);
	image_delta_fini(&ctl->delta);
	image_delta_fini(&ctl->sealed_delta);
	arena_fini(&ctl->arena);
	free(ctl->dir);
	free(ctl->assigns);
	free(ctl->cordoned);
	ctl->magic = 0;
	free(ctl);
}

enum err controller_open(const struct controller_options *options, const char *dir,
			 struct str cluster_id, struct controller **out)
{
	struct controller *ctl = controller_new(options, dir);
	char message[MLOG_MESSAGE_SIZE] = "out of memory";
	struct mlog_options log_options;
	struct image *img = NULL;
	enum err err = ctl == NULL || ctl->dir == NULL ? ERR_NOMEM : ERR_OK;

	*out = NULL;
	open_log_options(options, cluster_id, &log_options);
	if (err == ERR_OK)
		err = mlog_open(&log_options, dir, &ctl->log, &img, message);
	if (err != ERR_OK) {
		log_error("meta", "%s", message);
		if (ctl != NULL)
			controller_destroy(ctl);
		return err;
	}
	ctl->next = img;
	ctl->published = image_ref(img);
	if (options->on_read != NULL)
		err = options->on_read(options->on_read_ctx, img);
	if (err == ERR_OK)
		err = make_locals(ctl);
	if (err == ERR_OK)
		*out = ctl;
	else
		(void)!controller_free(ctl);
	return err;
}

enum err controller_free(struct controller *ctl)
{
	enum err err;

	must_be(ctl, CONTROLLER_MAGIC);
	loop_timer_stop(&ctl->snapshot_timer);
	IMAGE_TOPICS_FOREACH(ctl->next, topic)
	each_local(ctl, topic, ctl->options.hooks.on_partition_release);
	release_gone(ctl, &ctl->delta);
	release_gone(ctl, &ctl->sealed_delta);
	err = mlog_close(ctl->log);
	controller_destroy(ctl);
	return err;
}
