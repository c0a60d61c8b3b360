/*
 * What appends, rolls and deletions leave to do: a queue of small tasks on a log's files, run on a
 * worker so that nobody waits for them with the lock held.
 */
#include "store/plog_impl.h"

#include <stdlib.h>

#include "base/file.h"
#include "store/trash.h"

/* Tasks in a row before somebody who waits for a flush has a turn. */
#define WORK_SLICE 32

static enum err plog_remove_file(struct plog *log, int64_t base_offset, const char *suffix)
{
	struct seg_path path;
	enum err err = file_unlink(seg_path_of(&path, log->dir, base_offset, suffix));

	return err == ERR_NOFILE ? ERR_OK : err;
}

static const char *const plog_suffixes[] = {".log", ".index", ".timeindex", ".txnindex",
					    ".snapshot"};

/* The batches go first: an index without them is an orphan that the next open removes. */
enum err plog_remove_seg_files(struct plog *log, int64_t base_offset)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(plog_suffixes) && err == ERR_OK; i++)
		err = plog_remove_file(log, base_offset, plog_suffixes[i]);
	return err;
}

/* False: there is no room for it. */
static bool plog_doomed_name(struct seg_path *path)
{
	size_t len = strlen(path->text);

	if (len + sizeof(".deleted") > sizeof(path->text))
		return false;
	memcpy(path->text + len, ".deleted", sizeof(".deleted"));
	return true;
}

static enum err plog_doom_file(struct plog *log, int64_t base_offset, const char *suffix)
{
	struct seg_path from, to;
	enum err err;

	seg_path_of(&from, log->dir, base_offset, suffix);
	to = from;
	if (!plog_doomed_name(&to))
		return ERR_IO;
	err = file_rename(from.text, to.text);
	return err == ERR_NOFILE ? ERR_OK : err;
}

/*
 * Out of the way under the lock, so that a new segment may have the name; then removed without it,
 * which takes its time with large files: after a delay, or at once where there is no trash. A log
 * that was emptied may have a new one of that name already.
 */
static enum err plog_remove_doomed(struct plog *log, int64_t base_offset)
{
	struct seg_path path;
	bool in_use = false;
	int64_t delay_ms;
	enum err err = ERR_OK;

	plog_lock(log);
	for (uint32_t i = 0; i < log->segs_len; i++)
		in_use = in_use || log->segs[i]->base_offset == base_offset;
	for (size_t i = 0; i < ARRAY_LEN(plog_suffixes) && err == ERR_OK && !in_use; i++)
		err = plog_doom_file(log, base_offset, plog_suffixes[i]);
	delay_ms = log->cfg->file_delete_delay_ms;
	plog_unlock(log);
	if (err == ERR_OK && !in_use && log->env->trash != NULL) {
		trash_add_seg(log->env->trash, log->dir, base_offset, delay_ms);
		return ERR_OK;
	}
	for (size_t i = 0; i < ARRAY_LEN(plog_suffixes) && err == ERR_OK && !in_use; i++) {
		seg_path_of(&path, log->dir, base_offset, plog_suffixes[i]);
		err = plog_doomed_name(&path) ? file_unlink(path.text) : ERR_IO;
		if (err == ERR_NOFILE)
			err = ERR_OK;
	}
	return err;
}

static enum err plog_write_new(struct plog *log, const struct plog_task *task)
{
	struct seg_path path;
	enum err err;
	int fd;

	plog_lock(log);
	err = file_open(seg_path_of(&path, log->dir, task->offset, ".snapshot"),
			O_WRONLY | O_CREAT | O_TRUNC, &fd);
	plog_unlock(log);
	if (err != ERR_OK)
		return err;
	err = file_pwrite(fd, task->content, task->content_bytes, 0);
	file_close(fd);
	return err;
}

static enum err plog_remove_snapshot(struct plog *log, int64_t offset)
{
	enum err err;

	plog_lock(log);
	err = plog_remove_file(log, offset, ".snapshot");
	plog_unlock(log);
	return err;
}

/*
 * Not synced: a damaged one has a wrong CRC, and the one before it serves. Removed again when it
 * could not be written for want of space, and when the log was truncated meanwhile.
 */
static enum err plog_write_snapshot(struct plog *log, const struct plog_task *task)
{
	enum err err = plog_write_new(log, task);
	bool cut;

	if (err != ERR_OK && err != ERR_NOSPACE)
		return err;
	plog_lock(log);
	cut = task->cuts != log->cuts;
	plog_unlock(log);
	return cut || err == ERR_NOSPACE ? plog_remove_snapshot(log, task->offset) : ERR_OK;
}

static enum err plog_run_task(struct plog *log, struct plog_task *task)
{
	if (task->doomed != NULL)
		return plog_remove_doomed(log, task->offset);
	if (task->content != NULL)
		return plog_write_snapshot(log, task);
	return plog_remove_snapshot(log, task->offset);
}

void plog_task_free(struct plog_task *task)
{
	if (task->doomed != NULL)
		seg_unref(task->doomed);
	free(task->content);
	free(task);
}

static struct plog_task *plog_take_task(struct plog *log)
{
	struct plog_task *task;

	plog_lock(log);
	task = STAILQ_FIRST(&log->tasks);
	if (task != NULL)
		STAILQ_REMOVE_HEAD(&log->tasks, link);
	else
		atomic_store_explicit(&log->has_work, false, memory_order_relaxed);
	plog_unlock(log);
	return task;
}

static enum err plog_work(struct plog *log, size_t max)
{
	struct plog_task *task;
	enum err err = ERR_OK;

	must_be(log, PLOG_MAGIC);
	while (err == ERR_OK && max-- > 0 && (task = plog_take_task(log)) != NULL) {
		err = plog_fail(log, plog_run_task(log, task), "tidy up");
		plog_task_free(task);
	}
	return err;
}

enum err plog_do_work(struct plog *log)
{
	return plog_work(log, SIZE_MAX);
}

enum err plog_do_some_work(struct plog *log)
{
	return plog_work(log, WORK_SLICE);
}
