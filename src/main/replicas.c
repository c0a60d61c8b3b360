/*
 * From topics in the metadata to logs on disk, and back: where new logs are placed, and what the
 * controller's hooks do.
 */
#include "main/replicas_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "coord/coord.h"

/* Descriptors of segments that nobody uses just now. */
#define OPEN_SEGMENTS_MAX 1024
/* Less free space than this is none for new partitions' files. */
#define ROOM_BYTES_MIN (64 << 10)

struct replicas *replicas_new(const struct replicas_options *options)
{
	struct replicas *replicas = calloc(1, sizeof(*replicas));

	if (replicas == NULL)
		return NULL;
	replicas->options = *options;
	replicas->cache = seg_cache_new(OPEN_SEGMENTS_MAX);
	must(replicas->cache != NULL);
	replicas->places = calloc(options->dirs->len, sizeof(*replicas->places));
	must(replicas->places != NULL);
	for (size_t i = 0; i < options->dirs->len; i++) {
		struct logdir *logdir = options->dirs->at[i];

		replicas->places[i].logdir = logdir;
		replicas->places[i].plog_env =
		    (struct plog_env){options->clock, replicas->cache, logdir, options->trash};
	}
	replicas->partition_env = (struct partition_env){.clock = options->clock,
							 .workers = options->workers,
							 .flusher = options->flusher,
							 .cleaner = options->cleaner,
							 .trash = options->trash};
	plog_config_init(&replicas->at_open);
	rnd_init_random(&replicas->rnd);
	return replicas;
}

void replicas_set_coord(struct replicas *replicas, struct coord *coord)
{
	replicas->coord = coord;
}

void replicas_end(struct replicas *replicas)
{
	replicas->ended = true;
}

void replicas_free(struct replicas *replicas)
{
	struct found *found, *next_found;

	/* A start that did not come so far that the metadata could claim them. */
	HASH_ITER (hh, replicas->found, found, next_found) {
		if (found->log != NULL)
			plog_abandon(found->log);
		replicas_forget(replicas, found);
	}
	replicas_free_configs(replicas);
	seg_cache_free(replicas->cache);
	free(replicas->places);
	free(replicas);
}

static void replicas_note_delay(struct replicas *replicas, const struct image *img)
{
	replicas->delete_delay_ms =
	    config_dynamic_int64(replicas->options.config, img, CONFIG_LOG_SEGMENT_DELETE_DELAY_MS);
}

static void replicas_configure(struct replicas *replicas, const struct image *img,
			       const struct image_topic *topic)
{
	struct topic_config cfg;
	struct partition_rules rules;
	const struct plog_config *plog_cfg;

	topic_config_resolve(replicas->options.config, img, topic->name, &cfg);
	rules = replicas_rules(&cfg);
	plog_cfg = replicas_plog_config(replicas, img, &cfg);
	for (int32_t i = 0; i < topic->partitions_len; i++) {
		struct partition *local = image_partition_at(topic, i)->local;

		if (local == NULL)
			continue;
		plog_lock(partition_log(local));
		plog_set_config(partition_log(local), plog_cfg);
		plog_unlock(partition_log(local));
		partition_set_rules(local, &rules);
		cleaner_touch(replicas->options.cleaner, local);
	}
}

/* -- the controller's hooks ---------------------------------------------------------------- */

/* Kafka's rule: the fewest partitions. Of those that are online, not cordoned, and have not refused
 * this one. */
static struct replicas_place *replicas_emptiest(struct replicas *replicas)
{
	struct replicas_place *best = NULL;

	for (size_t i = 0; i < replicas->options.dirs->len; i++) {
		struct replicas_place *place = &replicas->places[i];

		if (!logdir_failed(place->logdir) && !place->refused &&
		    !atomic_load(&place->logdir->cordoned) &&
		    (best == NULL || place->partitions_len < best->partitions_len))
			best = place;
	}
	return best;
}

/* A log that is to be made. */
struct wanted {
	const char *name; /* of its directory */
	const struct image_topic *topic;
	int32_t idx;
	const struct plog_config *cfg;
};

static enum err replicas_create_in(struct replicas *replicas, struct replicas_place *place,
				   const struct wanted *wanted, struct plog **log)
{
	char *dir = file_path(place->logdir->path, wanted->name);
	enum err err;

	if (dir == NULL)
		return ERR_NOMEM;
	if (checkpointer_may_list(replicas->options.checkpointer, place->logdir,
				  wanted->topic->name, wanted->idx))
		err = plog_create_again(log, &place->plog_env, wanted->cfg, dir, wanted->topic->id);
	else
		err = plog_create(log, &place->plog_env, wanted->cfg, dir, wanted->topic->id);
	free(dir);
	if (err == ERR_IO || err == ERR_NOFILE)
		logdir_fail(place->logdir, err, "make a partition in it");
	return err;
}

/* Where there are fewest; if that one cannot, in the next. */
static enum err replicas_create_anywhere(struct replicas *replicas, const struct wanted *wanted,
					 struct plog **log, struct replicas_place **place)
{
	enum err err = ERR_KAFKA_STORAGE_ERROR;

	for (size_t i = 0; i < replicas->options.dirs->len; i++)
		replicas->places[i].refused = false;
	while (err != ERR_OK && (*place = replicas_emptiest(replicas)) != NULL) {
		err = replicas_create_in(replicas, *place, wanted, log);
		(*place)->refused = err != ERR_OK;
	}
	return err;
}

static struct replicas_place *replicas_place_of(struct replicas *replicas, struct uuid dir)
{
	for (size_t i = 0; i < replicas->options.dirs->len; i++)
		if (!uuid_is_zero(dir) && uuid_eq(replicas->places[i].logdir->id, dir))
			return &replicas->places[i];
	return NULL;
}

/*
 * `dir` is where the metadata has it. A directory that is not here may be one that has failed: then
 * nothing is made, for the log may be there. As Kafka does it.
 */
static enum err replicas_create(struct replicas *replicas, const struct wanted *wanted,
				struct uuid dir, struct plog **log, struct replicas_place **place)
{
	bool anywhere = uuid_eq(dir, IMAGE_DIR_MIGRATING) || uuid_eq(dir, IMAGE_DIR_UNASSIGNED) ||
			uuid_eq(dir, IMAGE_DIR_LOST);
	struct found *stray;

	*place = replicas_place_of(replicas, dir);
	if (!anywhere && (*place == NULL || logdir_failed((*place)->logdir)) &&
	    logdirs_online(replicas->options.dirs) < replicas->options.dirs->len) {
		replicas->missing_len++;
		return ERR_KAFKA_STORAGE_ERROR;
	}
	HASH_FIND_STR(replicas->found, wanted->name, stray);
	if (stray != NULL) {
		replicas_set_aside(replicas, stray);
		replicas_forget(replicas, stray);
	}
	if (*place != NULL)
		return replicas_create_in(replicas, *place, wanted, log);
	if (!anywhere)
		replicas->anew_len++;
	return replicas_create_anywhere(replicas, wanted, log, place);
}

static enum err replicas_take_found(struct replicas *replicas, struct found *found,
				    const struct plog_config *cfg, struct plog **log)
{
	*log = found->log;
	if (*log != NULL && logdir_failed(found->place->logdir)) {
		plog_abandon(*log);
		*log = NULL;
	}
	if (*log == NULL) {
		replicas->missing_len++;
		return ERR_KAFKA_STORAGE_ERROR; /* logged when it was opened */
	}
	plog_lock(*log);
	plog_set_config(*log, cfg);
	plog_unlock(*log);
	return ERR_OK;
}

static void replicas_enlist(struct replicas *replicas, struct partition *local, bool created)
{
	cleaner_add(replicas->options.cleaner, local, created);
	checkpointer_add(replicas->options.checkpointer, local);
	retention_add(replicas->options.retention, local);
}

static enum err replicas_log(struct replicas *replicas, const struct image_topic *topic,
			     int32_t idx, struct uuid dir, const struct plog_config *cfg,
			     struct plog **log, struct replicas_place **place,
			     int64_t *recovery_point, bool *created)
{
	char name[300];
	struct wanted wanted = {name, topic, idx, cfg};
	struct found *found;
	enum err err;

	*recovery_point = 0;
	if ((size_t)snprintf(name, sizeof(name), "%.*s-%d", STR_ARG(topic->name), idx) >=
	    sizeof(name))
		return ERR_INVALID_TOPIC_EXCEPTION;
	found = replicas_claim(replicas, name, topic->id);
	*created = found == NULL;
	if (found == NULL)
		return replicas_create(replicas, &wanted, dir, log, place);
	err = replicas_take_found(replicas, found, cfg, log);
	*recovery_point = found->recovery_point;
	*place = found->place;
	replicas_forget(replicas, found);
	return err;
}

static struct partition *replicas_on_new(void *ctx, const struct image *img,
					 const struct image_topic *topic, int32_t idx,
					 const struct image_partition *part, struct uuid *dir)
{
	struct replicas *replicas = ctx;
	struct replicas_place *place;
	struct partition *local;
	struct topic_config cfg;
	struct partition_rules rules;
	struct plog *log;
	int64_t recovery_point;
	bool created;
	enum err err;

	replicas_note_delay(replicas, img);
	topic_config_resolve(replicas->options.config, img, topic->name, &cfg);
	rules = replicas_rules(&cfg);
	err = replicas_log(replicas, topic, idx, *dir, replicas_plog_config(replicas, img, &cfg),
			   &log, &place, &recovery_point, &created);
	if (err == ERR_KAFKA_STORAGE_ERROR && !replicas->started)
		return NULL; /* told for all at once */
	if (err != ERR_OK) {
		log_error("broker", "no log for %.*s-%d: %s", STR_ARG(topic->name), idx,
			  err_text(err));
		return NULL;
	}
	local = partition_new(&replicas->partition_env, topic->name, topic->id, idx, log,
			      recovery_point, created, &rules);
	if (local == NULL) {
		plog_abandon(log);
		return NULL;
	}
	replicas_enlist(replicas, local, created);
	place->partitions_len++;
	*dir = place->logdir->id;
	return local;
}

static void replicas_on_elected(void *ctx, struct partition *local, const struct image_topic *topic,
				int32_t idx, const struct image_partition *part)
{
	struct replicas *replicas = ctx;
	enum err err = partition_lead(local, part->leader_epoch, part->isr_len);

	if (err != ERR_OK)
		log_error("broker", "cannot lead %.*s-%d: %s", STR_ARG(topic->name), idx,
			  err_text(err));
	else if (topic->internal && replicas->coord != NULL)
		coord_on_elected(replicas->coord, local, part->leader_epoch);
}

static void replicas_on_resigned(void *ctx, struct partition *local,
				 const struct image_topic *topic, int32_t idx,
				 const struct image_partition *part)
{
	struct replicas *replicas = ctx;

	if (topic->internal && replicas->coord != NULL)
		coord_on_resigned(replicas->coord, local);
	partition_resign(local, false);
}

static struct replicas_place *replicas_place_with(struct replicas *replicas,
						  const struct logdir *logdir)
{
	size_t i = 0;

	while (replicas->places[i].logdir != logdir)
		i++;
	return &replicas->places[i];
}

static void replicas_on_gone(void *ctx, struct partition *local)
{
	struct replicas *replicas = ctx;
	enum err err;

	if (replicas->coord != NULL && image_name_is_internal(partition_topic(local)))
		coord_on_resigned(replicas->coord, local);
	/* Committed offsets of the whole topic go once, with its first partition. */
	if (replicas->coord != NULL && partition_idx(local) == 0)
		coord_topic_deleted(replicas->coord, partition_topic(local),
				    partition_topic_id(local));
	checkpointer_remove(replicas->options.checkpointer, local);
	replicas_place_with(replicas, plog_logdir(partition_log(local)))->partitions_len--;
	retention_remove(replicas->options.retention, local);
	cleaner_remove(replicas->options.cleaner, local);
	err = partition_delete(local, rnd_uuid(&replicas->rnd), replicas->delete_delay_ms);
	if (err != ERR_OK)
		log_error("broker", "cannot set %.*s-%d aside: %s", STR_ARG(partition_topic(local)),
			  partition_idx(local), err_text(err));
}

static void replicas_on_release(void *ctx, struct partition *local)
{
	struct replicas *replicas = ctx;

	if (!replicas->ended)
		partition_unref(local);
}

static void replicas_on_config(void *ctx, const struct image *img, enum image_config_type type,
			       struct str name)
{
	struct replicas *replicas = ctx;
	const struct image_topic *one;

	if (type == IMAGE_CONFIG_BROKER) {
		replicas->options.on_broker_config(replicas->options.ctx, img);
		replicas_note_delay(replicas, img);
		cleaner_settings_changed(replicas->options.cleaner);
		IMAGE_TOPICS_FOREACH(img, topic)
		replicas_configure(replicas, img, topic);
		return;
	}
	one = type == IMAGE_CONFIG_TOPIC ? image_topic_by_name(img, name) : NULL;
	if (one != NULL)
		replicas_configure(replicas, img, one);
}

static void replicas_on_failed(void *ctx, enum err err)
{
	struct replicas *replicas = ctx;

	replicas->options.on_failed(replicas->options.ctx, err);
}

void replicas_dir_failed(struct replicas *replicas, const struct logdir *logdir)
{
	checkpointer_wake(replicas->options.checkpointer, logdir);
}

/* The file system is asked only where producers are refused already. */
static bool replicas_has_room(void *ctx)
{
	const struct replicas *replicas = ctx;
	int64_t free_bytes, total_bytes;

	for (size_t i = 0; i < replicas->options.dirs->len; i++) {
		struct logdir *logdir = replicas->options.dirs->at[i];

		if (logdir_failed(logdir))
			continue;
		if (!atomic_load(&logdir->room.full) ||
		    file_free(logdir->path, &free_bytes, &total_bytes) != ERR_OK ||
		    free_bytes >= ROOM_BYTES_MIN)
			return true;
	}
	return false;
}

struct controller_hooks replicas_hooks(struct replicas *replicas)
{
	return (struct controller_hooks){
	    .ctx = replicas,
	    .has_room = replicas_has_room,
	    .on_partition_new = replicas_on_new,
	    .on_elected = replicas_on_elected,
	    .on_resigned = replicas_on_resigned,
	    .on_partition_gone = replicas_on_gone,
	    .on_partition_release = replicas_on_release,
	    .on_config = replicas_on_config,
	    .on_failed = replicas_on_failed,
	};
}
