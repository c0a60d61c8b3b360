/*
 * The partition directories that are there at start: opened and repaired on all workers, then
 * claimed by the metadata, or set aside.
 */
#include "main/replicas_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/mlog.h"
#include "store/trash.h"

/* Between log lines that tell how far a long start is. */
#define TELL_MS 3000

/* What the checkpoints say of a partition, unless they may speak of an older one of its name. */
static struct plog_open_args replicas_open_args(const struct found *found)
{
	const struct logdir *logdir = found->place->logdir;
	/*
	 * Where a cleaner has been, holes are no damage: better too much of that than too little.
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
	if (err == ERR_OK && logdirs_online(replicas->options.dirs) == 0) {
		log_error("broker", "no log directory is left");
		err = ERR_IO;
	}
	return err;
}

void replicas_forget(struct replicas *replicas, struct found *found)
{
	HASH_DEL(replicas->found, found);
	free(found->name);
	free(found);
}

void replicas_set_aside(struct replicas *replicas, struct found *found)
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

struct found *replicas_claim(struct replicas *replicas, const char *name, struct uuid topic_id)
{
	struct found *found;

	HASH_FIND_STR(replicas->found, name, found);
	if (found != NULL && found->unnamed)
		replicas_name(found, topic_id);
	return found != NULL && uuid_eq(found->topic_id, topic_id) ? found : NULL;
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
	checkpointer_started(replicas->options.checkpointer);
	replicas->started = true;
}
