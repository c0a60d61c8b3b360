/*
 * Snapshots of the metadata log: when one is due, and what goes when it is there. As Apache Kafka
 * does, a number of old ones is kept, by the bytes and the age of the log and its snapshots
 * together; what the oldest that is kept does not need of the log goes with them.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/mlog_impl.h"

/* -- when ----------------------------------------------------------------------------------- */

int64_t mlog_snapshot_due_ms(const struct mlog *log)
{
	int64_t due_ms;

	if (log->snapping || log->unsnapped_bytes == 0)
		return -1;
	if (log->unsnapped_bytes >= log->options.snapshot_bytes)
		return 0;
	if (log->options.snapshot_ms <= 0)
		return -1;
	due_ms =
	    log->unsnapped_since_ms + log->options.snapshot_ms - clock_mono_ms(log->options.clock);
	return due_ms < 0 ? 0 : due_ms;
}

void mlog_snapshot_begin(struct mlog *log, const struct image *img)
{
	must(!log->snapping && img->offset < log->written_offset);
	log->snapping = true;
	log->snapping_bytes = log->unsnapped_bytes;
}

void mlog_snapshot_end(struct mlog *log, bool ok)
{
	must(log->snapping);
	log->snapping = false;
	if (ok)
		log->unsnapped_bytes -= log->snapping_bytes;
	log->unsnapped_since_ms = clock_mono_ms(log->options.clock);
}

/* -- what goes ------------------------------------------------------------------------------ */

static char *snapshot_path(const struct mlog *log, struct msnap_id id)
{
	char name[MSNAP_NAME_SIZE];

	msnap_name(id, name);
	return file_path(log->dir, name);
}

/* False: it is not there to be looked at. */
static bool snapshot_stat(const struct mlog *log, struct msnap_id id, struct stat *st)
{
	char *path = snapshot_path(log, id);
	bool ok = path != NULL && stat(path, st) == 0;

	free(path);
	return ok;
}

static int64_t snapshots_bytes(const struct mlog *log, const struct msnap_id *ids, size_t ids_len)
{
	int64_t sum = 0;
	struct stat st;

	for (size_t i = 0; i < ids_len; i++)
		if (snapshot_stat(log, ids[i], &st))
			sum += st.st_size;
	return sum;
}

static bool snapshot_is_old(const struct mlog *log, struct msnap_id id)
{
	struct stat st;

	if (log->options.retention_ms < 0 || !snapshot_stat(log, id, &st))
		return false;
	return clock_wall_ms(log->options.clock) - (int64_t)st.st_mtime * 1000 >
	       log->options.retention_ms;
}

/* Everything below the oldest snapshot that is left. */
static enum err cut_log(struct mlog *log, int64_t offset)
{
	enum err err = ERR_OK;

	plog_lock(log->plog);
	if (offset > plog_start(log->plog) && offset <= plog_high_watermark(log->plog))
		err = plog_set_start(log->plog, offset);
	plog_unlock(log->plog);
	if (err == ERR_OK && plog_has_work(log->plog))
		err = plog_do_work(log->plog);
	return err;
}

static enum err remove_snapshot(struct mlog *log, struct msnap_id id)
{
	char *path = snapshot_path(log, id);
	enum err err = path == NULL ? ERR_NOMEM : file_unlink(path);

	free(path);
	return err == ERR_NOFILE ? ERR_OK : err;
}

/*
 * Begins a new segment, so that what is below this snapshot can go when it is the oldest. Of log
 * and snapshot the log goes first: a log that begins below its oldest snapshot is whole, the other
 * way round it is not.
 */
static enum err clean(struct mlog *log)
{
	struct msnap_id *ids = NULL;
	size_t ids_len = 0, gone = 0;
	enum err err;

	plog_lock(log->plog);
	err = plog_roll(log->plog);
	plog_unlock(log->plog);
	if (err == ERR_OK)
		err = msnap_list(log->dir, &ids, &ids_len);
	while (err == ERR_OK && gone + 1 < ids_len) {
		int64_t sum =
		    snapshots_bytes(log, ids + gone, ids_len - gone) + plog_size_bytes(log->plog);
		bool too_large =
		    log->options.retention_bytes >= 0 && sum > log->options.retention_bytes;

		if (!too_large && !snapshot_is_old(log, ids[gone]))
			break;
		err = cut_log(log, ids[gone + 1].end_offset);
		if (err == ERR_OK)
			err = remove_snapshot(log, ids[gone]);
		gone++;
	}
	free(ids);
	return err;
}

/* -- writing -------------------------------------------------------------------------------- */

enum err mlog_snapshot_write(struct mlog *log, const struct image *img)
{
	struct msnap_id id = {.end_offset = img->offset + 1, .epoch = img->epoch};
	struct msnap_content content = {
	    .clock = log->options.clock,
	    .last_timestamp_ms = img->timestamp_ms,
	    .kraft_version = log->kraft_version,
	    .voters = log->voters,
	    .img = img,
	};
	char name[MSNAP_NAME_SIZE];
	enum err err;

	msnap_name(id, name);
	err = msnap_write_unlisted(log->dir, name, id.epoch, &content);
	/* A sync that fails may have lost the name of a segment, too, which no later sync tells. */
	pthread_mutex_lock(&log->worker_lock);
	if (err == ERR_OK)
		err = file_sync_dir(log->dir);
	log->sync_failed = log->sync_failed || err == ERR_IO;
	pthread_mutex_unlock(&log->worker_lock);
	if (err != ERR_OK) {
		log_warn("meta", "cannot write the metadata snapshot %s/%s: %s", log->dir, name,
			 err_text(err));
		return err;
	}
	log_info("meta", "wrote the metadata snapshot %s/%s", log->dir, name);
	pthread_mutex_lock(&log->worker_lock);
	err = clean(log);
	pthread_mutex_unlock(&log->worker_lock);
	if (err != ERR_OK)
		log_warn("meta", "cannot clean up in %s: %s", log->dir, err_text(err));
	return ERR_OK;
}
