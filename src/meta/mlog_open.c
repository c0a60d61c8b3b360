/*
 * Opening the metadata log: the newest snapshot, then the batches behind it, onto an image.
 * Whatever cannot be understood stops the start with a message; nothing is guessed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/mlog_impl.h"
#include "meta/mtail.h"
#include "meta/quorum_state.h"

#define READ_BYTES_FIRST ((size_t)1 << 20)
#define BATCH_BYTES_MAX	 ((size_t)64 << 20)
#define OUT_BYTES_MAX	 ((size_t)1 << 30)

/* -- the log's files ------------------------------------------------------------------------ */

static enum err open_plog(struct mlog *log, char *message)
{
	struct plog_open_args args = {.topic_id = uuid_of(0, 1)};
	char why[MTAIL_MESSAGE_SIZE] = "";
	enum err err;

	if (!file_exists(log->dir)) {
		err = plog_create(&log->plog, &log->env, &log->plog_cfg, log->dir, args.topic_id);
	} else {
		err = mtail_check(log->dir, &args.recovery_point, why);
		if (err == ERR_OK)
			err = plog_open(&log->plog, &log->env, &log->plog_cfg, log->dir, &args);
		if (err == ERR_OK && (err = mtail_sync(log->dir)) != ERR_OK)
			plog_abandon(log->plog);
	}
	if (err != ERR_OK)
		snprintf(message, MLOG_MESSAGE_SIZE, "cannot open the metadata log %s: %s",
			 log->dir, why[0] != 0 ? why : err_text(err));
	return err;
}

/* -- replay --------------------------------------------------------------------------------- */

static enum err load_snapshot(struct mlog *log, struct msnap_id id, struct mreplay *replay,
			      char *message)
{
	char name[MSNAP_NAME_SIZE];
	char *path;
	enum err err;

	msnap_name(id, name);
	path = file_path(log->dir, name);
	err = path == NULL ? ERR_NOMEM : msnap_load(path, replay);
	if (err != ERR_OK)
		snprintf(message, MLOG_MESSAGE_SIZE, "cannot read the metadata snapshot %s/%s: %s",
			 log->dir, name, replay->message);
	free(path);
	replay->next_offset = id.end_offset;
	replay->epoch = id.epoch;
	replay->timestamp_ms = replay->snapshot_timestamp_ms;
	return err;
}

/* A snapshot that is newer than the log's end (an older log was put back): the log begins anew
 * there. */
static enum err reach_snapshot(struct mlog *log, struct msnap_id id, char *message)
{
	enum err err = ERR_OK;

	if (plog_start(log->plog) > id.end_offset) {
		snprintf(message, MLOG_MESSAGE_SIZE,
			 "the metadata log %s begins at offset %" PRId64
			 ", and its newest snapshot ends at %" PRId64,
			 log->dir, plog_start(log->plog), id.end_offset);
		return ERR_BADFILE;
	}
	if (plog_end(log->plog) >= id.end_offset)
		return ERR_OK;
	log_warn("meta",
		 "%s ends at offset %" PRId64 ", before its snapshot at %" PRId64
		 ": it goes on from there",
		 log->dir, plog_end(log->plog), id.end_offset);
	plog_lock(log->plog);
	err = plog_truncate_fully_at(log->plog, id.end_offset);
	plog_unlock(log->plog);
	if (err != ERR_OK)
		snprintf(message, MLOG_MESSAGE_SIZE, "cannot cut the metadata log %s: %s", log->dir,
			 err_text(err));
	return err;
}

static enum err replay_snapshot(struct mlog *log, struct mreplay *replay, char *message)
{
	struct msnap_id *ids = NULL, newest;
	size_t ids_len = 0;
	enum err err = msnap_tidy(log->dir);

	if (err == ERR_OK)
		err = msnap_list(log->dir, &ids, &ids_len);

	if (err != ERR_OK) {
		snprintf(message, MLOG_MESSAGE_SIZE, "cannot list %s: %s", log->dir, err_text(err));
		return err;
	}
	if (ids_len > 0) {
		newest = ids[ids_len - 1];
		err = load_snapshot(log, newest, replay, message);
		if (err == ERR_OK)
			err = reach_snapshot(log, newest, message);
	} else if (plog_start(log->plog) > 0) {
		snprintf(message, MLOG_MESSAGE_SIZE,
			 "the metadata log %s begins at offset %" PRId64 " and has no snapshot",
			 log->dir, plog_start(log->plog));
		err = ERR_BADFILE;
	} else {
		replay->next_offset = 0;
	}
	free(ids);
	return err;
}

/* The next whole batches into *buf, which grows for a large one. */
static enum err read_more(struct mlog *log, int64_t offset, uint8_t **buf, size_t *size,
			  size_t *got)
{
	enum err err;

	for (;;) {
		uint8_t *larger;

		err = plog_read_copy(log->plog, offset, INT64_MAX, *buf, *size, got);
		if (err != ERR_NOMEM || *got <= *size || *got > BATCH_BYTES_MAX)
			return err;
		larger = realloc(*buf, *got);
		if (larger == NULL)
			return ERR_NOMEM;
		*buf = larger;
		*size = *got;
	}
}

/* The first read may begin with a batch that ends below the snapshot's end offset. */
static struct bytes skip_below(struct bytes batches, int64_t offset)
{
	struct batch_header header;

	while (batches.len > 0 && batch_header_read(batches, &header) == ERR_OK &&
	       header.size_bytes <= batches.len && batch_next_offset(&header) <= offset) {
		batches.ptr += header.size_bytes;
		batches.len -= header.size_bytes;
	}
	return batches;
}

static enum err replay_log(struct mlog *log, struct mreplay *replay, char *message)
{
	size_t size = READ_BYTES_FIRST, got;
	uint8_t *buf = malloc(size);
	enum err err = buf == NULL ? ERR_NOMEM : ERR_OK;

	while (err == ERR_OK && replay->next_offset < plog_end(log->plog)) {
		int64_t from = replay->next_offset;

		err = read_more(log, from, &buf, &size, &got);
		if (err == ERR_OK)
			err = mreplay_batches(replay, skip_below((struct bytes){buf, got}, from));
		if (err == ERR_OK && replay->next_offset == from)
			err = ERR_CORRUPT_MESSAGE;
	}
	free(buf);
	if (err != ERR_OK)
		snprintf(message, MLOG_MESSAGE_SIZE,
			 "cannot replay the metadata log %s behind offset %" PRId64 ": %s",
			 log->dir, replay->next_offset,
			 replay->message[0] != 0 ? replay->message : err_text(err));
	return err;
}

/* -- the epoch ------------------------------------------------------------------------------ */

static enum err read_epoch(struct mlog *log, const struct mreplay *replay, char *message)
{
	struct quorum_state state;
	char *path = file_path(log->dir, "quorum-state");
	enum err err =
	    path == NULL ? ERR_NOMEM : quorum_state_read(path, log->options.node_id, &state);

	log->epoch = replay->epoch;
	if (err == ERR_OK && state.foreign_voters) {
		snprintf(message, MLOG_MESSAGE_SIZE,
			 "%s names other controllers as voters: this broker can only be the one "
			 "controller of its cluster",
			 path);
		err = ERR_BADCONFIG;
	} else if (err == ERR_OK && state.leader_epoch > log->epoch) {
		log->epoch = state.leader_epoch;
	} else if (err == ERR_NOFILE) {
		err = ERR_OK;
	} else if (err != ERR_OK) {
		snprintf(message, MLOG_MESSAGE_SIZE, "cannot read %s/quorum-state: %s", log->dir,
			 err_text(err));
	}
	free(path);
	return err;
}

/* -- what the whole must fulfil --------------------------------------------------------------- */

/* Partitions are numbered without gaps, in every log that was written by a controller. */
static enum err check_image(const struct image *img, char *message)
{
	IMAGE_TOPICS_FOREACH(img, topic)
	for (int32_t i = 0; i < topic->partitions_len; i++) {
		if (image_partition_at(topic, i) != NULL)
			continue;
		snprintf(message, MLOG_MESSAGE_SIZE,
			 "the metadata log has no partition %" PRId32 " of topic %.*s", i,
			 STR_ARG(topic->name));
		return ERR_BADFILE;
	}
	return ERR_OK;
}

/* Under kraft.version 0 the voters stand in the settings and nowhere else. */
static enum err check_voters(const struct mlog *log, const struct mreplay *replay, char *message)
{
	if (replay->kraft_version > 0 || log->options.static_voters)
		return ERR_OK;
	snprintf(message, MLOG_MESSAGE_SIZE,
		 "%s is laid out for kraft.version 0: controller.quorum.voters must be set, as it "
		 "was when the directory was formatted",
		 log->dir);
	return ERR_BADCONFIG;
}

/* -- open ----------------------------------------------------------------------------------- */

static enum err replay_all(struct mlog *log, struct image **img, char *message)
{
	struct mreplay replay;
	enum err err = mreplay_init(&replay, log->options.cluster_id);

	if (err == ERR_OK)
		err = replay_snapshot(log, &replay, message);
	if (err == ERR_OK)
		err = replay_log(log, &replay, message);
	if (err == ERR_OK)
		err = read_epoch(log, &replay, message);
	if (err == ERR_OK)
		err = check_voters(log, &replay, message);
	if (err == ERR_OK) {
		log->kraft_version = replay.kraft_version;
		log->voters = replay.voters;
		replay.voters = BYTES_NULL;
		log->cut_off = mreplay_in_transaction(&replay);
		log->next_offset = log->written_offset = replay.next_offset;
		log->unsnapped_bytes = replay.records_bytes;
		log->unsnapped_since_ms = clock_mono_ms(log->options.clock);
		*img = mreplay_take_image(&replay);
		(*img)->offset = replay.next_offset - 1;
		(*img)->epoch = replay.epoch;
		(*img)->timestamp_ms = replay.timestamp_ms;
		(*img)->kraft_version = replay.kraft_version;
		err = check_image(*img, message);
	}
	mreplay_fini(&replay);
	return err;
}

static void mlog_free(struct mlog *log)
{
	pthread_mutex_destroy(&log->worker_lock);
	if (log->env.cache != NULL)
		seg_cache_free(log->env.cache);
	wr_fini(&log->out);
	free((char *)log->options.cluster_id.ptr);
	free((void *)log->voters.ptr);
	free(log->dir);
	log->magic = 0;
	free(log);
}

static struct mlog *mlog_new(const struct mlog_options *options, const char *dir)
{
	struct mlog *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->magic = MLOG_MAGIC;
	pthread_mutex_init(&log->worker_lock, NULL);
	log->options = *options;
	log->options.cluster_id.ptr = str_dup(options->cluster_id);
	log->dir = file_path(dir, MLOG_DIR_NAME);
	log->env.clock = options->clock;
	log->env.cache = seg_cache_new(8);
	wr_init(&log->out, OUT_BYTES_MAX);
	plog_config_init(&log->plog_cfg);
	log->plog_cfg.segment_bytes = (int32_t)options->segment_bytes;
	log->plog_cfg.segment_ms = options->segment_ms;
	if (log->options.cluster_id.ptr == NULL || log->dir == NULL || log->env.cache == NULL) {
		mlog_free(log);
		return NULL;
	}
	return log;
}

enum err mlog_open(const struct mlog_options *options, const char *dir, struct mlog **out,
		   struct image **img, char message[MLOG_MESSAGE_SIZE])
{
	struct mlog *log = mlog_new(options, dir);
	enum err err;

	*out = NULL;
	*img = NULL;
	if (log == NULL) {
		snprintf(message, MLOG_MESSAGE_SIZE, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	err = open_plog(log, message);
	if (err == ERR_OK) {
		err = replay_all(log, img, message);
		if (err != ERR_OK) {
			plog_abandon(log->plog);
			image_unref(*img);
			*img = NULL;
		}
	}
	if (err != ERR_OK) {
		mlog_free(log);
		return err;
	}
	*out = log;
	return ERR_OK;
}

enum err mlog_close(struct mlog *log)
{
	enum err err;

	must_be(log, MLOG_MAGIC);
	err = plog_close(log->plog, NULL, NULL);
	mlog_free(log);
	return err;
}
