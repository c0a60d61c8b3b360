/*
 * Getting to disk: flushes, checkpoints, the clean end.
 *
 * A flush takes down under the lock what there is, and syncs without it. It covers what was
 * appended before it began; only then does `flushed` move, and not beyond a truncation that came
 * meanwhile.
 */
#include "store/plog_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

/* What one flush has to do. */
struct plog_flush {
	int64_t target;
	struct seg **segs; /* dirty ones, with references */
	size_t segs_len;
	char *epochs;	/* the text to write; NULL: no change */
	bool new_names; /* the directory is to be synced */
	bool new_dir;	/* and partition.metadata */
	bool late;	/* the epochs could not be written for want of space: they stay dirty */
};

static void plog_flush_fini(struct plog_flush *flush)
{
	for (size_t i = 0; i < flush->segs_len; i++)
		seg_unref(flush->segs[i]);
	free(flush->segs);
	free(flush->epochs);
}

/* Dirty segments are at the end of the list. */
static enum err plog_flush_take_segs(struct plog *log, struct plog_flush *flush)
{
	uint32_t from = log->segs_len;

	while (from > 0 && (log->segs[from - 1]->dirty || log->segs[from - 1]->fresh))
		from--;
	flush->segs = calloc(log->segs_len - from + 1, sizeof(struct seg *));
	if (flush->segs == NULL)
		return ERR_NOMEM;
	for (uint32_t i = from; i < log->segs_len; i++) {
		struct seg *seg = log->segs[i];

		flush->new_names = flush->new_names || seg->fresh;
		flush->segs[flush->segs_len++] = seg_ref(seg);
		seg->dirty = seg->fresh = false;
	}
	return ERR_OK;
}

static enum err plog_flush_take_epochs(struct plog *log, struct plog_flush *flush)
{
	if (!log->epochs.dirty || log->segs_len == 0)
		return ERR_OK; /* epochs without a record are of no use to anybody */
	flush->epochs = epoch_cache_format(&log->epochs);
	if (flush->epochs == NULL)
		return ERR_NOMEM;
	log->epochs.dirty = false;
	return ERR_OK;
}

/* Under the lock. Pending index entries go to their files so that recovery can begin late. */
static enum err plog_flush_take(struct plog *log, struct plog_flush *flush)
{
	struct seg *active = plog_active(log);
	enum err err = ERR_OK;

	*flush = (struct plog_flush){.target = plog_end(log),
				     .new_names = log->new_names,
				     .new_dir = log->new_names};
	must(!log->flushing);
	log->flushing = true;
	log->flush_limit = INT64_MAX;
	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (active != NULL)
		err = plog_write_indexes(log, active);
	if (err == ERR_NOSPACE || err == ERR_MANYFILES)
		err = ERR_OK; /* they stay in memory, and the next flush tries again */
	if (err == ERR_OK)
		err = plog_flush_take_epochs(log, flush);
	if (err == ERR_OK)
		err = plog_flush_take_segs(log, flush);
	if (err == ERR_OK)
		log->new_names = false;
	return err;
}

/* A sync that failed is final, whatever it failed with: what the kernel dropped is gone. */
static enum err plog_synced(enum err err)
{
	return err == ERR_OK ? ERR_OK : ERR_IO;
}

static enum err plog_sync_file(struct plog *log, int64_t base_offset, const char *suffix)
{
	struct seg_path path;
	enum err err;
	int fd;

	err = file_open(seg_path_of(&path, log->dir, base_offset, suffix), O_RDONLY, &fd);
	if (err != ERR_OK)
		return err == ERR_NOFILE ? ERR_OK : err;
	err = plog_synced(file_sync(fd));
	file_close(fd);
	return err;
}

/* Recovery trusts the indexes below a recovery point, so they must be on disk before it moves. */
static enum err plog_sync_indexes(struct plog *log, int64_t base_offset)
{
	static const char *const suffixes[] = {".index", ".timeindex", ".txnindex"};
	enum err err = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(suffixes) && err == ERR_OK; i++)
		err = plog_sync_file(log, base_offset, suffixes[i]);
	return err;
}

static enum err plog_sync_seg(struct plog *log, struct seg *seg, bool is_active)
{
	enum err err;

	err = seg_pin(seg);
	if (err == ERR_NOFILE)
		return ERR_OK; /* deleted meanwhile */
	if (err != ERR_OK)
		return err;
	err = plog_synced(file_sync(seg->log_file.fd));
	seg_unpin(seg);
	return err == ERR_OK && !is_active ? plog_sync_indexes(log, seg->base_offset) : err;
}

static enum err plog_rename_epochs(struct plog *log, bool durable)
{
	char *path, *temp = NULL;
	enum err err = ERR_NOMEM;

	plog_lock(log);
	path = file_path(seg_dir_path(log->dir), EPOCH_FILE);
	if (path != NULL && asprintf(&temp, "%s.tmp", path) >= 0)
		err = file_rename(temp, path);
	plog_unlock(log);
	free(temp);
	free(path);
	if (err == ERR_OK && durable)
		err = file_sync_dir(seg_dir_path(log->dir));
	return err;
}

/* As file_replace, but what touches a name is done under the lock: see seg_dir_rename. */
static enum err plog_write_epochs(struct plog *log, const char *text, bool durable)
{
	char *path, *temp = NULL;
	int fd = -1;
	enum err err = ERR_NOMEM;

	plog_lock(log);
	path = file_path(seg_dir_path(log->dir), EPOCH_FILE);
	if (path != NULL && asprintf(&temp, "%s.tmp", path) >= 0)
		err = file_open(temp, O_WRONLY | O_CREAT | O_TRUNC, &fd);
	plog_unlock(log);
	if (err == ERR_OK)
		err = file_pwrite(fd, text, strlen(text), 0);
	if (err == ERR_OK && durable)
		err = plog_synced(file_sync(fd));
	file_close(fd);
	free(temp);
	free(path);
	return err == ERR_OK ? plog_rename_epochs(log, durable) : err;
}

static enum err plog_sync_metadata(struct plog *log)
{
	char *path = file_path(seg_dir_path(log->dir), "partition.metadata");
	enum err err;
	int fd;

	if (path == NULL)
		return ERR_NOMEM;
	err = file_open(path, O_RDONLY, &fd);
	free(path);
	if (err != ERR_OK)
		return err == ERR_NOFILE ? ERR_OK : err; /* the metadata log has none */
	err = plog_synced(file_sync(fd));
	file_close(fd);
	return err;
}

/*
 * On a full disk the epochs must wait, and what was appended need not: recovery reads them from the
 * batches, as the recovery point does not move meanwhile (plog_checkpoint).
 */
static enum err plog_flush_epochs(struct plog *log, struct plog_flush *flush, bool durable)
{
	enum err err = plog_write_epochs(log, flush->epochs, durable);

	flush->late = err == ERR_NOSPACE || err == ERR_MANYFILES;
	return flush->late ? ERR_OK : err;
}

static enum err plog_flush_sync(struct plog *log, struct plog_flush *flush)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < flush->segs_len && err == ERR_OK; i++)
		err = plog_sync_seg(log, flush->segs[i], i + 1 == flush->segs_len);
	if (err == ERR_OK && flush->new_dir)
		err = plog_sync_metadata(log);
	if (err == ERR_OK && flush->epochs != NULL)
		err = plog_flush_epochs(log, flush, true);
	if (err == ERR_OK && flush->new_names && (flush->epochs == NULL || flush->late))
		err = file_sync_dir(seg_dir_path(log->dir));
	return err;
}

/*
 * Nothing was lost, but not all was done, for want of space or descriptors: the next flush does it.
 */
static void plog_flush_put_back(struct plog *log, const struct plog_flush *flush)
{
	plog_lock(log);
	for (size_t i = 0; i < flush->segs_len; i++)
		flush->segs[i]->dirty = flush->segs[i]->fresh = true;
	log->epochs.dirty = log->epochs.dirty || flush->epochs != NULL;
	log->new_names = log->new_names || flush->new_dir;
	plog_unlock(log);
}

static enum err plog_flush_settle(struct plog *log, const struct plog_flush *flush, enum err err)
{
	int64_t flushed;

	if (err != ERR_OK) {
		plog_flush_put_back(log, flush);
		return plog_fail(log, err, "flush");
	}
	plog_lock(log);
	flushed = flush->target < log->flush_limit ? flush->target : log->flush_limit;
	if (flushed > plog_flushed(log))
		atomic_store_explicit(&log->flushed, flushed, memory_order_release);
	log->epochs.dirty = log->epochs.dirty || flush->late;
	plog_unlock(log);
	return ERR_OK;
}

static enum err plog_flush_start(struct plog *log, struct plog_flush *flush)
{
	enum err err;

	must_be(log, PLOG_MAGIC);
	plog_lock(log);
	err = plog_flush_take(log, flush);
	plog_unlock(log);
	return err == ERR_OK ? ERR_OK : plog_fail(log, ERR_IO, "begin a flush");
}

static void plog_flush_finish(struct plog *log, struct plog_flush *flush)
{
	plog_flush_fini(flush);
	plog_lock(log);
	log->flushing = false;
	plog_unlock(log);
}

enum err plog_flush(struct plog *log)
{
	struct plog_flush flush;
	enum err err = plog_flush_start(log, &flush);

	if (err == ERR_OK)
		err = plog_flush_settle(log, &flush, plog_flush_sync(log, &flush));
	plog_flush_finish(log, &flush);
	return err;
}

enum err plog_flush_begin(struct plog *log, struct plog_flush **out)
{
	struct plog_flush *flush = calloc(1, sizeof(*flush));
	enum err err;

	*out = flush;
	if (flush == NULL)
		return ERR_NOMEM;
	err = plog_flush_start(log, flush);
	if (err == ERR_OK && flush->epochs != NULL)
		err = plog_flush_epochs(log, flush, false);
	return err;
}

enum err plog_flush_end(struct plog *log, struct plog_flush *flush, enum err err)
{
	if (flush == NULL)
		return ERR_NOMEM;
	/* A sync that failed is final for every log that it was to cover. */
	err = plog_flush_settle(log, flush, err);
	plog_flush_finish(log, flush);
	free(flush);
	return err;
}

/* -- Checkpoint and clean end --------------------------------------------------------------- */

/* A snapshot between segments replaces the one before it. */
static enum err plog_checkpoint_snapshot(struct plog *log)
{
	int64_t end = plog_end(log), before = log->stray_snapshot;
	struct plog_task *task;
	enum err err;

	if (end <= log->snapshot_offset)
		return ERR_OK;
	err = plog_queue_snapshot(log, end);
	if (err != ERR_OK)
		return err;
	log->stray_snapshot = end;
	if (before < 0)
		return ERR_OK;
	task = calloc(1, sizeof(*task));
	if (task == NULL)
		return ERR_NOMEM;
	task->offset = before;
	plog_add_task(log, task);
	return ERR_OK;
}

static void plog_move_recovery_point(struct plog *log, int64_t *recovery_point)
{
	plog_lock(log);
	if (plog_flushed(log) > log->recovery_point)
		log->recovery_point = plog_flushed(log);
	*recovery_point = log->recovery_point;
	plog_unlock(log);
}

static bool plog_epochs_are_late(struct plog *log)
{
	bool late;

	plog_lock(log);
	late = log->epochs.dirty;
	plog_unlock(log);
	return late;
}

/* The segment in which the recovery point will be: another one than when the checkpoint began, if
 * the log has rolled meanwhile. */
static int64_t plog_flushed_seg(struct plog *log)
{
	uint32_t slot;
	int64_t base_offset;

	plog_lock(log);
	slot = log->segs_len;
	while (slot > 1 && log->segs[slot - 1]->base_offset >= plog_flushed(log))
		slot--;
	base_offset = slot > 0 ? log->segs[slot - 1]->base_offset : 0;
	plog_unlock(log);
	return base_offset;
}

enum err plog_checkpoint(struct plog *log, int64_t *recovery_point)
{
	struct seg *active;
	enum err err = ERR_OK;

	must_be(log, PLOG_MAGIC);
	plog_lock(log);
	*recovery_point = log->recovery_point;
	if (log->recovery_point == plog_end(log) && !plog_has_work(log)) {
		plog_unlock(log);
		return plog_failed(log) ? ERR_KAFKA_STORAGE_ERROR : ERR_OK;
	}
	plog_expire_producers(log);
	active = plog_active(log);
	if (active != NULL)
		seg_ref(active);
	if (active != NULL && plog_end(log) > active->base_offset)
		err = seg_create_indexes(active);
	if (err == ERR_OK && active != NULL)
		err = plog_checkpoint_snapshot(log);
	plog_unlock(log);
	if (err == ERR_OK)
		err = plog_do_work(log);
	else
		err = plog_fail(log, err, "make a checkpoint");
	if (err == ERR_OK)
		err = plog_flush(log);
	if (err == ERR_OK && active != NULL && plog_epochs_are_late(log))
		err = ERR_NOSPACE;
	if (err == ERR_OK && active != NULL)
		err = plog_fail(log, plog_sync_indexes(log, plog_flushed_seg(log)),
				"sync the indexes");
	if (active != NULL)
		seg_unref(active);
	if (err == ERR_OK)
		plog_move_recovery_point(log, recovery_point);
	return err;
}

/* What stock makes at its clean stop, into the page cache. */
static enum err plog_finish_files(struct plog *log)
{
	struct seg *active = plog_active(log);
	struct plog_flush flush = {0};
	enum err err;

	if (active == NULL)
		return ERR_OK;
	plog_lock(log);
	err = plog_finish_indexes(log, active);
	if (err == ERR_OK)
		err = plog_checkpoint_snapshot(log);
	if (err == ERR_OK)
		err = plog_flush_take_epochs(log, &flush);
	plog_unlock(log);
	if (err == ERR_OK)
		err = plog_do_work(log);
	if (err == ERR_OK && flush.epochs != NULL)
		err = plog_write_epochs(log, flush.epochs, false);
	plog_flush_fini(&flush);
	return plog_fail(log, err, "finish its files");
}

/* The same on disk. */
static enum err plog_finish_synced(struct plog *log)
{
	struct seg *active = plog_active(log);
	int64_t recovery_point;
	enum err err;

	plog_lock(log);
	err = active != NULL ? plog_finish_indexes(log, active) : ERR_OK;
	plog_unlock(log);
	err = plog_fail(log, err, "finish the indexes");
	if (err == ERR_OK)
		err = plog_checkpoint(log, &recovery_point);
	if (err != ERR_OK || active == NULL)
		return err;
	/* The checkpoint had nothing to do if all was flushed; the last index entries are new. */
	err = plog_sync_indexes(log, active->base_offset);
	if (err == ERR_OK)
		err = plog_sync_file(log, plog_end(log), ".snapshot");
	if (err == ERR_OK)
		err = plog_synced(file_sync_dir(seg_dir_path(log->dir)));
	return plog_fail(log, err, "sync the indexes and a producer snapshot");
}

/* A log that nobody has written to since it was opened has all this already. */
static enum err plog_finish(struct plog *log, bool synced)
{
	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (!log->touched)
		return synced && plog_is_dirty(log) ? plog_flush(log) : ERR_OK;
	return synced ? plog_finish_synced(log) : plog_finish_files(log);
}

static enum err plog_end_life(struct plog *log, bool synced, int64_t *recovery_point,
			      int64_t *log_start)
{
	enum err err;

	must_be(log, PLOG_MAGIC);
	err = plog_finish(log, synced);
	if (recovery_point != NULL)
		*recovery_point = err == ERR_OK ? plog_end(log) : log->recovery_point;
	if (log_start != NULL)
		*log_start = plog_start(log);
	plog_abandon(log);
	return err;
}

enum err plog_close(struct plog *log, int64_t *recovery_point, int64_t *log_start)
{
	return plog_end_life(log, true, recovery_point, log_start);
}

enum err plog_close_unsynced(struct plog *log, int64_t *recovery_point, int64_t *log_start)
{
	return plog_end_life(log, false, recovery_point, log_start);
}
