/*
 * From topics in the metadata to logs on disk, and back. Longer than other files: what is found at
 * start, where new logs are placed and what the controller's hooks do share one table of what is
 * there.
 */
#include "main/replicas.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rnd.h"
#include "coord/coord.h"
#include "meta/mlog.h"
#include "record/batch.h"
#include "store/plog.h"
#include "store/trash.h"

/* Descriptors of segments that nobody uses just now. */
#define OPEN_SEGMENTS_MAX 1024
/* Less free space than this is none for new partitions' files. */
#define ROOM_BYTES_MIN (64 << 10)
/* Between log lines that tell how far a long start is. */
#define TELL_MS 3000

/* A log directory, and what its partitions share. */
struct replicas_place {
	struct logdir *logdir;
	struct plog_env plog_env;
	size_t partitions_len;
	bool refused; /* the new partition that is being placed */
};

/* A directory that was found at start and that the metadata has not claimed yet. */
struct found {
	UT_hash_handle hh;
	char *name; /* <topic>-<n>: the key */
	struct str topic;
	int32_t idx;
	struct uuid topic_id;
	bool unnamed;	  /* its topic id is lost: it is opened when the metadata knows its name */
	struct plog *log; /* NULL: could not be opened, or is not yet */
	int64_t recovery_point, cleaned;
	struct replicas_place *place;
	struct replicas *replicas;
	struct job job;
};

/* Topics with equal settings share one; they are few, and stay until the end. */
struct shared_config {
	struct shared_config *next;
	struct plog_config cfg;
};

struct replicas {
	struct replicas_options options;
	struct seg_cache *cache;
	struct replicas_place *places; /* as many as there are log directories */
	struct partition_env partition_env;
	struct shared_config *configs;
	struct plog_config at_open; /* until the topic's own are known */
	struct found *found;
	_Atomic size_t to_open, opened; /* at start: partition directories */
	_Atomic int64_t told_ms;	/* when the log line about these was written, monotonic */
	struct coord *coord;
	struct rnd rnd;
	int64_t
	    delete_delay_ms; /* log.segment.delete.delay.ms now: for directories, as Kafka does */
	size_t missing_len;  /* partitions left out at start: their directories are not here */
	size_t anew_len;     /* partitions made at start: their directories are no more */
	bool started;
	bool ended;
};

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

/* -- settings -----------------------------------------------------------------------------------
 */

static const struct plog_config *replicas_share(struct replicas *replicas,
						const struct plog_config *cfg)
{
	struct shared_config *shared;

	for (shared = replicas->configs; shared != NULL; shared = shared->next)
		if (memcmp(&shared->cfg, cfg, sizeof(*cfg)) == 0)
			return &shared->cfg;
	shared = calloc(1, sizeof(*shared));
	must(shared != NULL);
	memcpy(&shared->cfg, cfg, sizeof(*cfg));
	shared->next = replicas->configs;
	replicas->configs = shared;
	return &shared->cfg;
}

static const struct plog_config *replicas_plog_config(struct replicas *replicas,
						      const struct topic_config *topic)
{
	struct plog_config cfg;

	memset(&cfg, 0, sizeof(cfg)); /* compared as bytes, padding too */
	cfg.segment_bytes = topic->segment_bytes;
	cfg.segment_ms = topic->segment_ms;
	/* A compacted topic's records must get out of the active segment in time to be cleaned. */
	if ((topic->cleanup & TOPIC_CLEANUP_COMPACT) != 0 && topic->max_compaction_lag_ms > 0 &&
	    topic->max_compaction_lag_ms < topic->segment_ms)
		cfg.segment_ms = topic->max_compaction_lag_ms;
	cfg.segment_jitter_ms = topic->segment_jitter_ms;
	cfg.index_interval_bytes = topic->index_interval_bytes;
	cfg.index_max_bytes = topic->segment_index_bytes;
	cfg.producer_expiry_ms =
	    config_int64(replicas->options.config, CONFIG_PRODUCER_ID_EXPIRATION_MS);
	cfg.preallocate = topic->preallocate;
	cfg.compact = (topic->cleanup & TOPIC_CLEANUP_COMPACT) != 0;
	cfg.drop_old = (topic->cleanup & TOPIC_CLEANUP_DELETE) != 0;
	cfg.delete_retention_ms = topic->delete_retention_ms;
	cfg.min_compaction_lag_ms = topic->min_compaction_lag_ms;
	cfg.max_compaction_lag_ms = topic->max_compaction_lag_ms;
	cfg.min_cleanable_ratio = topic->min_cleanable_dirty_ratio;
	cfg.retention_ms = topic->retention_ms;
	cfg.retention_bytes = topic->retention_bytes;
	cfg.file_delete_delay_ms = topic->file_delete_delay_ms;
	return replicas_share(replicas, &cfg);
}

static int32_t replicas_compression(const struct topic_config *topic, int32_t *level)
{
	*level = CODEC_LEVEL_DEFAULT;
	switch (topic->compression) {
	case TOPIC_COMPRESSION_GZIP:
		*level = topic->gzip_level;
		break;
	case TOPIC_COMPRESSION_LZ4:
		*level = topic->lz4_level;
		break;
	case TOPIC_COMPRESSION_ZSTD:
		*level = topic->zstd_level;
		break;
	case TOPIC_COMPRESSION_PRODUCER:
		return PARTITION_AS_SENT;
	default:
		break;
	}
	return (int32_t)topic->compression; /* the numbers are those of enum codec */
}

static void replicas_note_delay(struct replicas *replicas, const struct image *img)
{
	replicas->delete_delay_ms =
	    config_dynamic_int64(replicas->options.config, img, CONFIG_LOG_SEGMENT_DELETE_DELAY_MS);
}

static struct partition_rules replicas_rules(const struct topic_config *topic)
{
	int32_t level, compression = replicas_compression(topic, &level);

	return (struct partition_rules){
	    .max_message_bytes = topic->max_message_bytes,
	    .before_max_ms = topic->timestamp_before_max_ms,
	    .after_max_ms = topic->timestamp_after_max_ms,
	    .timestamp_type = topic->log_append_time ? BATCH_LOG_APPEND_TIME : BATCH_CREATE_TIME,
	    .min_insync_replicas = topic->min_insync_replicas,
	    .compacted = (topic->cleanup & TOPIC_CLEANUP_COMPACT) != 0,
	    .compression = compression,
	    .compression_level = level,
	    .flush_messages = topic->flush_messages,
	    .flush_ms = topic->flush_ms,
	};
}

static void replicas_configure(struct replicas *replicas, const struct image *img,
			       const struct image_topic *topic)
{
	struct topic_config cfg;
	struct partition_rules rules;
	const struct plog_config *plog_cfg;

	topic_config_resolve(replicas->options.config, img, topic->name, &cfg);
	rules = replicas_rules(&cfg);
	plog_cfg = replicas_plog_config(replicas, &cfg);
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

/* -- what was there at start --------------------------------------------------------------------
 */

/* What the checkpoints say of a partition, unless they may speak of an older one of its name. */
static struct plog_open_args replicas_open_args(const struct found *found)
{
	const struct logdir *logdir = found->place->logdir;
	/* Where a cleaner has been, holes are no damage: better too much of that than too little.
	 */
	int64_t cleaned = checkpoint_get(&logdir->cleaned, found->topic, found->idx, 0);

	if (found->unnamed)
		return (struct plog_open_args){.clean = logdir->clean, .cleaned = cleaned};
	return (struct plog_open_args){
	    .has_id = true,
	    .clean = logdir->clean,
	    .recovery_point = checkpoint_get(&logdir->recovery_points, found->topic, found->idx, 0),
	    .log_start = checkpoint_get(&logdir->log_starts, found->topic, found->idx, 0),
	    .cleaned = found->cleaned,
	    .high_watermark = checkpoint_get(&logdir->high_watermarks, found->topic, found->idx, 0),
	};
}

static void replicas_open_as(struct found *found, const char *dir, struct uuid topic_id)
{
	struct replicas *replicas = found->replicas;
	struct logdir *logdir = found->place->logdir;
	struct plog_open_args args = replicas_open_args(found);
	enum err err;

	args.topic_id = topic_id;
	err = plog_open(&found->log, &found->place->plog_env, &replicas->at_open, dir, &args);
	if (err != ERR_OK) {
		log_error("broker", "cannot open partition %s: %s", found->name, err_text(err));
		found->log = NULL;
	}
	if (err == ERR_IO || err == ERR_KAFKA_STORAGE_ERROR)
		logdir_fail(logdir, err, "open a partition in it");
	found->topic_id = topic_id;
	found->recovery_point =
	    found->log != NULL && plog_distrusts_checkpoints(found->log) ? 0 : args.recovery_point;
}

/* While many logs are recovered, how many have been. */
static void replicas_tell(struct replicas *replicas)
{
	int64_t now_ms = clock_mono_ms(replicas->options.clock);
	int64_t told_ms = atomic_load(&replicas->told_ms);
	size_t opened = atomic_fetch_add(&replicas->opened, 1) + 1;

	if (now_ms - told_ms >= TELL_MS &&
	    atomic_compare_exchange_strong(&replicas->told_ms, &told_ms, now_ms))
		log_info("broker", "recovered %zu of %zu logs", opened,
			 atomic_load(&replicas->to_open));
}

static void replicas_open_one(struct job *job)
{
	struct found *found = container_of(job, struct found, job);
	struct logdir *logdir = found->place->logdir;
	char *dir = file_path(logdir->path, found->name);
	struct uuid topic_id = {0};
	enum err err = dir != NULL ? logdir_read_topic_id(dir, &topic_id) : ERR_NOMEM;

	found->unnamed = err == ERR_NOFILE || err == ERR_BADFILE;
	found->cleaned = checkpoint_get(&logdir->cleaned, found->topic, found->idx, 0);
	if (err == ERR_OK)
		replicas_open_as(found, dir, topic_id);
	else if (!found->unnamed)
		log_error("broker", "cannot open partition %s: %s", found->name, err_text(err));
	if (err == ERR_IO)
		logdir_fail(logdir, err, "open a partition in it");
	replicas_tell(found->replicas);
	free(dir);
}

/* A move between directories that a failure cut short, or a copy: nobody can tell which is good. */
static enum err replicas_refuse_second(const struct found *found, const char *path)
{
	log_error(
	    "broker",
	    "partition %s is in both %s and %s: remove one of the two, the one in a directory "
	    "that has failed lately if there is one",
	    found->name, found->place->logdir->path, path);
	return ERR_EXISTS;
}

static enum err replicas_find(struct replicas *replicas, struct replicas_place *place,
			      const struct logdir_entry *entry)
{
	struct found *found;

	HASH_FIND_STR(replicas->found, entry->name, found);
	if (found != NULL)
		return replicas_refuse_second(found, place->logdir->path);
	found = calloc(1, sizeof(*found));
	if (found == NULL || (found->name = strdup(entry->name)) == NULL) {
		free(found);
		return ERR_NOMEM;
	}
	found->topic = (struct str){found->name, entry->topic.len};
	found->idx = entry->partition;
	found->place = place;
	found->replicas = replicas;
	found->job = (struct job){.run = replicas_open_one};
	HASH_ADD_KEYPTR(hh, replicas->found, found->name, strlen(found->name), found);
	atomic_fetch_add(&replicas->to_open, 1);
	worker_submit(replicas->options.workers, &found->job);
	return ERR_OK;
}

/* A deletion that a stop cut short: it has waited long enough. */
static void replicas_remove_deleted(struct replicas *replicas, const struct logdir *logdir,
				    const char *name)
{
	char *dir = file_path(logdir->path, name);

	if (dir != NULL)
		trash_add_dir(replicas->options.trash, dir, 0);
	free(dir);
}

static enum err replicas_open_place(struct replicas *replicas, struct replicas_place *place)
{
	struct logdir_entry *entries;
	size_t entries_len;
	enum err err = logdir_list(place->logdir, &entries, &entries_len);

	if (err == ERR_NOMEM)
		return err;
	if (err != ERR_OK) {
		logdir_fail(place->logdir, err, "list it");
		return ERR_OK;
	}
	for (size_t i = 0; err == ERR_OK && i < entries_len; i++) {
		/* The metadata log is the controller's to open and to judge. */
		if (str_eq(entries[i].topic, STR(MLOG_TOPIC_NAME)))
			continue;
		if (entries[i].kind == LOGDIR_PARTITION)
			err = replicas_find(replicas, place, &entries[i]);
		else if (entries[i].kind == LOGDIR_DELETED)
			replicas_remove_deleted(replicas, place->logdir, entries[i].name);
		else if (entries[i].kind == LOGDIR_FUTURE)
			log_info("broker",
				 "%s in %s is left alone: Apache Kafka would go on moving it",
				 entries[i].name, place->logdir->path);
	}
	logdir_list_free(entries, entries_len);
	return err;
}

enum err replicas_open(struct replicas *replicas)
{
	int64_t begun_ms = clock_mono_ms(replicas->options.clock), took_ms;
	enum err err = ERR_OK;

	atomic_store(&replicas->told_ms, begun_ms);
	for (size_t i = 0; err == ERR_OK && i < replicas->options.dirs->len; i++)
		if (!logdir_failed(replicas->places[i].logdir))
			err = replicas_open_place(replicas, &replicas->places[i]);
	worker_pool_drain(replicas->options.workers);
	took_ms = clock_mono_ms(replicas->options.clock) - begun_ms;
	if (took_ms >= TELL_MS)
		log_info("broker", "recovered %zu of %zu logs in %lld ms",
			 atomic_load(&replicas->opened), atomic_load(&replicas->to_open),
			 (long long)took_ms);
	for (size_t i = 0; i < replicas->options.dirs->len; i++)
		logdir_forget_offsets(replicas->places[i].logdir);
	if (err == ERR_OK && logdirs_online(replicas->options.dirs) == 0) {
		log_error("broker", "no log directory is left");
		err = ERR_IO;
	}
	return err;
}

static void replicas_forget(struct replicas *replicas, struct found *found)
{
	HASH_DEL(replicas->found, found);
	free(found->name);
	free(found);
}

void replicas_free(struct replicas *replicas)
{
	struct found *found, *next_found;
	struct shared_config *next;

	/* A start that did not come so far that the metadata could claim them. */
	HASH_ITER (hh, replicas->found, found, next_found) {
		if (found->log != NULL)
			plog_abandon(found->log);
		replicas_forget(replicas, found);
	}
	for (; replicas->configs != NULL; replicas->configs = next) {
		next = replicas->configs->next;
		free(replicas->configs);
	}
	seg_cache_free(replicas->cache);
	free(replicas->places);
	free(replicas);
}

static void replicas_set_aside(struct replicas *replicas, struct found *found)
{
	struct uuid unique = rnd_uuid(&replicas->rnd);
	char *from = file_path(found->place->logdir->path, found->name), *to = NULL;
	enum err err = ERR_NOMEM;

	if (found->log != NULL)
		plog_abandon(found->log);
	if (from != NULL && asprintf(&to, "%s.%02x%02x%02x%02x%02x%02x%02x%02x-stray", from,
				     unique.b[0], unique.b[1], unique.b[2], unique.b[3],
				     unique.b[4], unique.b[5], unique.b[9], unique.b[10]) >= 0)
		err = file_rename(from, to);
	log_warn("broker", "%s is no partition of this cluster's metadata: %s", found->name,
		 err == ERR_OK ? "set aside as -stray" : err_text(err));
	free(from);
	free(to);
}

void replicas_set_strays_aside(struct replicas *replicas)
{
	struct found *found, *next;

	HASH_ITER (hh, replicas->found, found, next) {
		replicas_set_aside(replicas, found);
		replicas_forget(replicas, found);
	}
	if (replicas->missing_len > 0)
		log_error("broker",
			  "%zu partitions are offline: their log directories could not be used, or "
			  "are not here",
			  replicas->missing_len);
	if (replicas->anew_len > 0)
		log_warn("broker",
			 "%zu partitions were in log directories that the settings do not name any "
			 "more: they begin anew, empty, as with Apache Kafka",
			 replicas->anew_len);
	replicas->started = true;
}

/* -- the controller's hooks ----------------------------------------------------------------------
 */

/*
 * A directory whose partition.metadata is lost, with the name of a partition that ought to be
 * there: it is that one. A deleted topic's directory has another name, so it is no older
 * namesake's.
 */
static void replicas_name(struct found *found, struct uuid topic_id)
{
	char *dir = file_path(found->place->logdir->path, found->name);

	if (dir != NULL)
		replicas_open_as(found, dir, topic_id);
	found->unnamed = false;
	free(dir);
}

/* What was found of this partition, if it is of this very topic. */
static struct found *replicas_claim(struct replicas *replicas, const char *name,
				    struct uuid topic_id)
{
	struct found *found;

	HASH_FIND_STR(replicas->found, name, found);
	if (found != NULL && found->unnamed)
		replicas_name(found, topic_id);
	return found != NULL && uuid_eq(found->topic_id, topic_id) ? found : NULL;
}

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
	err = replicas_log(replicas, topic, idx, *dir, replicas_plog_config(replicas, &cfg), &log,
			   &place, &recovery_point, &created);
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
