/*
 * Cutting a log: at its end (a follower that diverged, recovery) and at its front (DeleteRecords,
 * retention). Cuts at the end are rare, and made wholly under the lock, files and all.
 */
#include "store/plog_replay.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "store/clean_swap.h"
#include "store/txn_index.h"

void plog_forget_marks(struct plog *log)
{
	for (size_t i = 0; log->marks != NULL && i < PLOG_MARKS_TAIL; i++)
		log->marks->tail[i].offset = -1;
	for (size_t i = 0; log->marks != NULL && i < PLOG_MARKS_READ; i++)
		log->marks->read[i].offset = -1;
}

/* Readers that look meanwhile must not remember positions. */
static void plog_note_cut(struct plog *log)
{
	log->cuts++;
	log->claim_void = true;
	plog_forget_marks(log);
}

/* Takes the segments from `slot` on off the list and removes their files. */
static enum err plog_drop_segs(struct plog *log, uint32_t slot)
{
	uint32_t len = log->segs_len;
	enum err err = ERR_OK;

	pthread_mutex_lock(&log->list);
	log->segs_len = slot;
	plog_note_cut(log);
	pthread_mutex_unlock(&log->list);
	for (uint32_t i = slot; i < len; i++) {
		struct seg *seg = log->segs[i];

		atomic_fetch_sub(&log->size_bytes, (int64_t)seg->size_bytes);
		if (err == ERR_OK)
			err = plog_remove_seg_files(log, seg->base_offset);
		seg_unref(seg);
	}
	log->touched = log->new_names = true;
	return err;
}

/* -- Indexes -------------------------------------------------------------------------------- */

static enum err plog_cut_index(struct plog *log, struct index *index, int fd,
			       enum index_column column, int64_t below)
{
	struct index_entry last = {-1, -1}, found;
	int64_t slot;
	enum err err;

	err = index_find(index, fd, index->file_len, column, below - 1, below, &found, &slot);
	if (err == ERR_OK)
		err = file_truncate(fd, (slot + 1) * (off_t)index_entry_bytes(index));
	if (err != ERR_OK)
		return err;
	if (slot >= 0)
		last = found;
	pthread_mutex_lock(&log->list);
	index_set_file(index, (uint32_t)(slot + 1), last);
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

static enum err plog_cut_indexes(struct plog *log, struct seg *seg, int64_t offset)
{
	struct seg_path path;
	enum err err;
	int fd;

	err = plog_load_indexes(log, seg);
	if (err == ERR_OK)
		err = seg_create_indexes(seg);
	if (err == ERR_OK)
		err = plog_write_indexes(log, seg);
	if (err == ERR_OK)
		err = seg_pin_offsets(seg);
	if (err != ERR_OK)
		return err;
	err = plog_cut_index(log, &seg->offsets, seg->offsets_file.fd, INDEX_KEY,
			     offset - seg->base_offset);
	seg_unpin_offsets(seg);
	if (err == ERR_OK)
		err = seg_open_times(seg, &fd);
	if (err != ERR_OK)
		return err;
	err = plog_cut_index(log, &seg->times, fd, INDEX_VALUE, offset - seg->base_offset);
	file_close(fd);
	if (err == ERR_OK && seg->has_txns)
		err = txn_index_cut(seg_path_of(&path, seg->dir, seg->base_offset, ".txnindex"),
				    offset);
	return err;
}

/* The largest timestamp of what is left: the time index's last, or in the batches behind it. */
static enum err plog_find_max(struct plog *log, struct seg *seg)
{
	int64_t max_timestamp = seg->times.last.key, max_offset = -1;
	struct batch_view view;
	struct seg_walk walk;
	enum err err;

	if (max_timestamp >= 0)
		max_offset = seg->base_offset + seg->times.last.value;
	err = seg_pin(seg);
	if (err != ERR_OK)
		return err;
	seg_walk_init(&walk, seg->log_file.fd,
		      seg->offsets.last.value > 0 ? (uint32_t)seg->offsets.last.value : 0,
		      seg->size_bytes);
	while (err == ERR_OK && walk.pos < walk.end) {
		err = seg_walk_view(&walk, &view);
		if (err == ERR_OK && view.max_timestamp > max_timestamp) {
			max_timestamp = view.max_timestamp;
			max_offset = view.last_offset;
		}
		if (err == ERR_OK)
			seg_walk_step(&walk, &view);
	}
	seg_unpin(seg);
	pthread_mutex_lock(&log->list);
	seg->max_timestamp = max_timestamp;
	seg->max_offset = max_offset;
	seg->max_known = true;
	pthread_mutex_unlock(&log->list);
	return err;
}

static enum err plog_cut_seg(struct plog *log, struct seg *seg, int64_t offset)
{
	uint32_t pos;
	enum err err;

	err = plog_find_offset(log, seg, offset, seg->size_bytes, &pos);
	if (err == ERR_OK)
		err = plog_cut_indexes(log, seg, offset);
	if (err == ERR_OK)
		err = seg_pin(seg);
	if (err != ERR_OK)
		return err;
	err = file_truncate(seg->log_file.fd, pos);
	seg_unpin(seg);
	if (err != ERR_OK)
		return err;
	atomic_fetch_sub(&log->size_bytes, (int64_t)(seg->size_bytes - pos));
	pthread_mutex_lock(&log->list);
	seg->size_bytes = pos;
	plog_note_cut(log);
	pthread_mutex_unlock(&log->list);
	if (seg->old_bytes > pos)
		seg->old_bytes = pos;
	if (pos == 0)
		seg->first_timestamp = -2;
	seg->since_index_bytes = 0;
	seg->dirty = log->touched = true;
	return plog_find_max(log, seg);
}

/* -- Producers ------------------------------------------------------------------------------ */

/* Drops snapshots above the end: they tell of batches that are gone. */
static enum err plog_drop_snapshots(struct plog *log, const int64_t *snapshots, size_t len)
{
	struct seg_path path;
	enum err err = ERR_OK;

	for (size_t i = 0; i < len && err == ERR_OK; i++) {
		if (snapshots[i] <= plog_end(log))
			continue;
		err = file_unlink(seg_path_of(&path, log->dir, snapshots[i], ".snapshot"));
		if (err == ERR_NOFILE)
			err = ERR_OK;
	}
	return err;
}

static enum err plog_replay_producers(struct plog *log, int64_t from)
{
	struct replay replay = {.log = log,
				.producers_from = from,
				.check_from = INT64_MAX,
				.index_from = INT64_MAX,
				.upto = plog_end(log)};
	enum err err = ERR_OK;

	for (uint32_t i = 0; i < log->segs_len && err == ERR_OK; i++) {
		struct seg *seg = log->segs[i];

		if (i + 1 < log->segs_len && log->segs[i + 1]->base_offset <= from)
			continue;
		replay.next_offset = seg->base_offset;
		err = replay_seg(&replay, seg, 0, seg->size_bytes);
	}
	return err;
}

/* The tasks that write snapshots of batches that are gone. */
static void plog_drop_snapshot_tasks(struct plog *log)
{
	struct plog_task *task, *next;

	for (task = STAILQ_FIRST(&log->tasks); task != NULL; task = next) {
		next = STAILQ_NEXT(task, link);
		if (task->content == NULL || task->offset <= plog_end(log))
			continue;
		STAILQ_REMOVE(&log->tasks, task, plog_task, link);
		plog_task_free(task);
	}
}

static enum err plog_reload_producers(struct plog *log)
{
	int64_t *snapshots, offset = -1;
	size_t len;
	enum err err;

	plog_drop_snapshot_tasks(log);
	err = replay_list(log, ".snapshot", &snapshots, &len);
	if (err != ERR_OK)
		return err;
	err = plog_drop_snapshots(log, snapshots, len);
	if (log->producers != NULL)
		producer_state_clear(log->producers);
	if (err == ERR_OK)
		err = replay_load_snapshot(log, snapshots, len, plog_end(log), &offset);
	free(snapshots);
	if (err == ERR_OK && offset < plog_end(log))
		err = plog_replay_producers(log, offset);
	log->snapshot_offset = offset;
	if (log->stray_snapshot > plog_end(log))
		log->stray_snapshot = -1;
	return err;
}

/* -- The end moves back --------------------------------------------------------------------- */

static void plog_publish_end(struct plog *log, int64_t end)
{
	pthread_mutex_lock(&log->list);
	epoch_cache_cut_end(&log->epochs, end);
	atomic_store_explicit(&log->end, end, memory_order_release);
	pthread_mutex_unlock(&log->list);
	if (end < log->flush_limit)
		log->flush_limit = end;
	if (end < plog_flushed(log))
		atomic_store_explicit(&log->flushed, end, memory_order_release);
	if (end < log->recovery_point)
		log->recovery_point = end;
	if (end < plog_high_watermark(log))
		atomic_store_explicit(&log->high_watermark, end, memory_order_release);
	plog_update_stable(log);
}

static enum err plog_cut_end(struct plog *log, int64_t offset)
{
	uint32_t slot = log->segs_len;
	enum err err;

	while (slot > 0 && log->segs[slot - 1]->base_offset > offset)
		slot--;
	must(slot > 0);
	plog_publish_end(log, offset); /* first: readers must not look for what is going */
	err = plog_drop_segs(log, slot);
	if (err == ERR_OK)
		err = plog_cut_seg(log, plog_active(log), offset);
	if (err == ERR_OK)
		err = plog_reload_producers(log);
	plog_update_stable(log);
	return err;
}

enum err plog_truncate_to(struct plog *log, int64_t offset)
{
	enum err err;

	must_be(log, PLOG_MAGIC);
	if (plog_failed(log) || clean_swap_complete(log) != ERR_OK)
		return ERR_KAFKA_STORAGE_ERROR;
	if (offset < plog_start(log))
		return ERR_OFFSET_OUT_OF_RANGE;
	if (offset >= plog_end(log)) {
		pthread_mutex_lock(&log->list);
		epoch_cache_cut_end(&log->epochs, plog_end(log));
		pthread_mutex_unlock(&log->list);
		return ERR_OK;
	}
	log_info("store", "%s: truncated from %lld to %lld", seg_dir_path(log->dir),
		 (long long)plog_end(log), (long long)offset);
	err = plog_cut_end(log, offset);
	return err == ERR_OK ? ERR_OK : plog_fail(log, ERR_IO, "truncate");
}

enum err plog_truncate_fully_at(struct plog *log, int64_t offset)
{
	enum err err;

	must_be(log, PLOG_MAGIC);
	must(offset >= 0);
	if (plog_failed(log) || clean_swap_complete(log) != ERR_OK)
		return ERR_KAFKA_STORAGE_ERROR;
	log_info("store", "%s: emptied, to begin at %lld", seg_dir_path(log->dir),
		 (long long)offset);
	pthread_mutex_lock(&log->list);
	epoch_cache_clear(&log->epochs);
	atomic_store_explicit(&log->start, offset, memory_order_release);
	atomic_store_explicit(&log->end, offset, memory_order_release);
	pthread_mutex_unlock(&log->list);
	atomic_store_explicit(&log->flushed, offset, memory_order_release);
	atomic_store_explicit(&log->high_watermark, offset, memory_order_release);
	log->flush_limit = log->recovery_point = offset;
	err = plog_drop_segs(log, 0);
	if (err == ERR_OK)
		err = plog_reload_producers(log);
	if (err == ERR_OK)
		err = plog_roll_at(log, offset); /* its name says where the log begins */
	plog_update_stable(log);
	return err == ERR_OK ? ERR_OK : plog_fail(log, ERR_IO, "truncate");
}

/* -- The start moves forward ---------------------------------------------------------------- */

/* The segments before `slot` leave the list; a worker removes their files. Without memory they
 * stay. */
static void plog_doom_segs(struct plog *log, uint32_t slot)
{
	struct plog_task *task;
	struct seg *seg;

	for (; slot > 0; slot--) {
		task = calloc(1, sizeof(*task));
		if (task == NULL)
			return;
		seg = log->segs[0];
		pthread_mutex_lock(&log->list);
		log->segs_len--;
		memmove(log->segs, log->segs + 1, log->segs_len * sizeof(struct seg *));
		pthread_mutex_unlock(&log->list);
		atomic_fetch_sub(&log->size_bytes, (int64_t)seg->size_bytes);
		atomic_store(&seg->gone, true);
		task->doomed = seg;
		task->offset = seg->base_offset;
		task->end_offset = log->segs[0]->base_offset;
		if (log->env->trash == NULL) {
			plog_add_task(log, task);
			continue;
		}
		STAILQ_INSERT_TAIL(&log->dropped, task, link);
		atomic_store_explicit(&log->awaits_start, true, memory_order_relaxed);
	}
}

void plog_start_is_durable(struct plog *log, int64_t start)
{
	struct plog_task *task;

	must_be(log, PLOG_MAGIC);
	while ((task = STAILQ_FIRST(&log->dropped)) != NULL && task->end_offset <= start) {
		STAILQ_REMOVE_HEAD(&log->dropped, link);
		plog_add_task(log, task);
	}
	atomic_store_explicit(&log->awaits_start, !STAILQ_EMPTY(&log->dropped),
			      memory_order_relaxed);
}

bool plog_awaits_start(const struct plog *log)
{
	return atomic_load_explicit(&log->awaits_start, memory_order_relaxed);
}

void plog_trim_front(struct plog *log)
{
	uint32_t slot = 0;

	while (slot + 1 < log->segs_len && log->segs[slot + 1]->base_offset <= plog_start(log))
		slot++;
	if (!log->claimed)
		plog_doom_segs(log, slot);
}

enum err plog_set_start(struct plog *log, int64_t offset)
{
	must_be(log, PLOG_MAGIC);
	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (offset > plog_high_watermark(log))
		return ERR_OFFSET_OUT_OF_RANGE;
	if (offset <= plog_start(log))
		return ERR_OK;
	pthread_mutex_lock(&log->list);
	atomic_store_explicit(&log->start, offset, memory_order_release);
	epoch_cache_cut_start(&log->epochs, offset);
	pthread_mutex_unlock(&log->list);
	if (log->producers != NULL)
		producer_settle(log->producers, offset);
	plog_update_stable(log);
	plog_trim_front(log);
	return ERR_OK;
}

/* -- Who works on the segments -------------------------------------------------------------- */

bool plog_claim(struct plog *log)
{
	must_be(log, PLOG_MAGIC);
	if (log->claimed || plog_failed(log))
		return false;
	log->claimed = true;
	log->claim_void = false;
	return true;
}

bool plog_claim_is_void(const struct plog *log)
{
	must_be(log, PLOG_MAGIC);
	must(log->claimed);
	return log->claim_void || plog_failed(log);
}

void plog_unclaim(struct plog *log)
{
	must_be(log, PLOG_MAGIC);
	must(log->claimed);
	log->claimed = false;
	plog_trim_front(log);
}

bool plog_is_claimed(const struct plog *log)
{
	must_be(log, PLOG_MAGIC);
	return log->claimed;
}
