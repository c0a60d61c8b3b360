/* The steps of a swap, one after the other. */
#include "store/clean_swap.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "store/trash.h"

enum clean_step { CLEAN_FINISHED_FILES, CLEAN_LISTED, CLEAN_LOG_NAMED, CLEAN_ALL_NAMED };

/* One that has made its first step; freed with its last. */
struct clean_swap {
	struct seg *seg;
	struct seg *const *old;
	size_t old_len;
	enum clean_step step; /* the last that was made */
};

static const char *const clean_suffixes[] = {".log", ".index", ".timeindex", ".txnindex"};
#define CLEAN_TXNS 3 /* the last of them, which there may not be */

static size_t clean_suffixes_len(const struct seg *seg)
{
	return seg->has_txns ? ARRAY_LEN(clean_suffixes) : CLEAN_TXNS;
}

static const char *clean_path(struct seg_path *path, const struct seg *seg, const char *suffix,
			      const char *more)
{
	char both[32];

	snprintf(both, sizeof(both), "%s%s", suffix, more);
	return seg_path_of(path, seg->dir, seg->base_offset, both);
}

static enum err clean_rename(const struct seg *seg, const char *suffix, const char *from,
			     const char *to)
{
	struct seg_path from_path, to_path;

	return file_rename(clean_path(&from_path, seg, suffix, from),
			   clean_path(&to_path, seg, suffix, to));
}

static enum err clean_remove(const struct seg *seg, const char *suffix, const char *more)
{
	struct seg_path path;
	enum err err = file_unlink(clean_path(&path, seg, suffix, more));

	return err == ERR_NOFILE ? ERR_OK : err;
}

/* -- Step 1 --------------------------------------------------------------------------------- */

/* The log's first: without it a start cannot take the rest for a finished rewrite. */
static enum err clean_swap_undo(const struct seg *seg)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < clean_suffixes_len(seg) && err == ERR_OK; i++)
		err = clean_remove(seg, clean_suffixes[i], ".swap");
	return err;
}

static enum err clean_swap_begin(struct plog *log, const struct seg *seg)
{
	enum err err = ERR_OK;

	if (plog_claim_is_void(log))
		return ERR_CANCELLED;
	for (size_t i = 0; i < clean_suffixes_len(seg) && err == ERR_OK; i++)
		err = clean_rename(seg, clean_suffixes[i], ".cleaned", ".swap");
	if (err == ERR_OK || clean_swap_undo(seg) == ERR_OK)
		return plog_fail(log, err, "name cleaned files");
	return plog_fail(log, ERR_IO, "take back cleaned files");
}

/* -- Step 2 --------------------------------------------------------------------------------- */

static uint32_t clean_slot(const struct plog *log, const struct clean_swap *swap)
{
	uint32_t slot = 0;

	while (slot < log->segs_len && log->segs[slot] != swap->old[0])
		slot++;
	must(slot + swap->old_len < log->segs_len); /* the active one is never cleaned */
	for (size_t i = 0; i < swap->old_len; i++)
		must(log->segs[slot + i] == swap->old[i]);
	return slot;
}

static void clean_list(struct plog *log, const struct clean_swap *swap)
{
	uint32_t slot = clean_slot(log, swap), more = (uint32_t)swap->old_len - 1;
	int64_t bytes = swap->seg->size_bytes;

	swap->seg->dirty =
	    true; /* an older one may be, and a flush goes back while it finds some */
	atomic_store(&swap->seg->is_swapping, true);
	pthread_mutex_lock(&log->list);
	log->segs[slot] = seg_ref(swap->seg);
	log->segs_len -= more;
	memmove(log->segs + slot + 1, log->segs + slot + 1 + more,
		(log->segs_len - slot - 1) * sizeof(struct seg *));
	log->swaps++;
	plog_forget_marks(log);
	for (size_t i = 0; i < swap->old_len; i++)
		atomic_store(&swap->old[i]->gone, true);
	pthread_mutex_unlock(&log->list);
	for (size_t i = 0; i < swap->old_len; i++) {
		bytes -= swap->old[i]->size_bytes;
		seg_unref(swap->old[i]);
	}
	atomic_fetch_add(&log->size_bytes, bytes);
	log->touched = true;
}

/* The files of the others, and their producers' snapshots. The first one's are written over. */
static enum err clean_doom(const struct clean_swap *swap)
{
	enum err err = ERR_OK;

	for (size_t i = 1; i < swap->old_len && err == ERR_OK; i++) {
		for (size_t k = 0; k < ARRAY_LEN(clean_suffixes) && err == ERR_OK; k++) {
			err = clean_rename(swap->old[i], clean_suffixes[k], "", ".deleted");
			err = err == ERR_NOFILE ? ERR_OK : err;
		}
		if (err == ERR_OK)
			err = clean_remove(swap->old[i], ".snapshot", "");
	}
	if (err == ERR_OK && !swap->seg->has_txns)
		err = clean_remove(swap->seg, clean_suffixes[CLEAN_TXNS], "");
	return err;
}

/* -- All of them ---------------------------------------------------------------------------- */

static enum err clean_name_indexes(const struct seg *seg)
{
	enum err err = ERR_OK;

	for (size_t i = 1; i < clean_suffixes_len(seg) && err == ERR_OK; i++)
		err = clean_rename(seg, clean_suffixes[i], ".swap", "");
	return err;
}

/* Under the lock: the next one. What was made before is on disk. */
static enum err clean_swap_step(struct plog *log)
{
	struct clean_swap *swap = log->swap;
	enum err err;

	if (swap->step == CLEAN_FINISHED_FILES) {
		clean_list(log, swap);
		err = clean_doom(swap);
	} else if (swap->step == CLEAN_LISTED) {
		err = clean_rename(swap->seg, ".log", ".swap", "");
	} else {
		err = clean_name_indexes(swap->seg);
	}
	swap->step++;
	if (err == ERR_OK && swap->step == CLEAN_ALL_NAMED) {
		atomic_store(&swap->seg->is_swapping, false);
		log->swap = NULL;
	}
	/* Half of it is done: there is no way back, and a start goes on. */
	return err == ERR_OK ? ERR_OK : plog_fail(log, ERR_IO, "put a cleaned segment in place");
}

static enum err clean_sync_dir(struct plog *log)
{
	return file_sync_dir(seg_dir_path(log->dir)) == ERR_OK
		   ? ERR_OK
		   : plog_fail(log, ERR_IO, "sync a cleaned segment's name");
}

enum err clean_swap_complete(struct plog *log)
{
	enum err err = ERR_OK;

	while (log->swap != NULL && err == ERR_OK) {
		err = clean_sync_dir(log);
		if (err == ERR_OK)
			err = clean_swap_step(log);
	}
	return err;
}

/* Under the lock: one step; *more when another one is left. */
static enum err clean_swap_go_on(struct plog *log, bool *more)
{
	enum err err = ERR_OK;

	if (plog_failed(log))
		err = ERR_KAFKA_STORAGE_ERROR;
	else if (log->swap != NULL)
		err = clean_swap_step(log);
	*more = err == ERR_OK && log->swap != NULL;
	if (err != ERR_OK)
		log->swap = NULL;
	return err;
}

static enum err clean_swap_run(struct plog *log)
{
	bool more = true;
	enum err err = ERR_OK;

	while (more && err == ERR_OK) {
		err = clean_sync_dir(log);
		plog_lock(log);
		if (err == ERR_OK)
			err = clean_swap_go_on(log, &more);
		else
			log->swap = NULL;
		plog_unlock(log);
	}
	return err == ERR_OK ? clean_sync_dir(log) : err;
}

/* Large files take their time, so this is without the lock. What stays is removed by a start. */
static void clean_remove_doomed(struct plog *log, int64_t delay_ms, struct seg *const *old,
				size_t old_len)
{
	struct trash *trash = log->env->trash;

	for (size_t i = 1; i < old_len && trash != NULL; i++)
		trash_add_seg(trash, log->dir, old[i]->base_offset, delay_ms);
	for (size_t i = 1; i < old_len && trash == NULL; i++)
		for (size_t k = 0; k < ARRAY_LEN(clean_suffixes); k++)
			if (clean_remove(old[i], clean_suffixes[k], ".deleted") != ERR_OK)
				log_warn("store", "%s: a file of segment %lld cannot be removed",
					 seg_dir_path(old[i]->dir), (long long)old[i]->base_offset);
}

enum err clean_swap_in(struct clean_output *output, struct seg *const *old, size_t old_len)
{
	struct plog *log = output->log;
	struct clean_swap swap = {output->seg, old, old_len, CLEAN_FINISHED_FILES};
	enum err err;

	seg_cache_adopt(log->env->cache, &output->seg->log_file, output->fd);
	output->fd = -1;
	plog_lock(log);
	err = clean_swap_begin(log, output->seg);
	if (err == ERR_OK)
		log->swap = &swap;
	plog_unlock(log);
	if (err == ERR_OK) {
		err = clean_swap_run(log);
		if (err == ERR_OK)
			clean_remove_doomed(log, output->cfg->file_delete_delay_ms, old, old_len);
		clean_output_close(output, true);
		return err;
	}
	clean_output_close(output, false);
	return err;
}
