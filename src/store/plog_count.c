/*
 * What a batch leaves behind beside itself: index entries, the largest timestamp, its leader epoch,
 * its producer's state. Appends and recovery count batches in the same way.
 */
#include "store/plog_impl.h"

#include "base/file.h"
#include "base/log.h"
#include "record/control.h"
#include "store/txn_index.h"

/* -- Indexes -------------------------------------------------------------------------------- */

static enum err plog_write_offsets(struct plog *log, struct seg *seg)
{
	enum err err;

	if (seg->offsets.pending_len == 0)
		return ERR_OK;
	err = seg_pin_offsets(seg);
	if (err != ERR_OK)
		return err;
	err = index_write(&seg->offsets, seg->offsets_file.fd);
	seg_unpin_offsets(seg);
	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	index_written(&seg->offsets);
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

static enum err plog_write_times(struct plog *log, struct seg *seg)
{
	enum err err;
	int fd;

	if (seg->times.pending_len == 0)
		return ERR_OK;
	err = seg_open_times(seg, &fd);
	if (err != ERR_OK)
		return err;
	err = index_write(&seg->times, fd);
	file_close(fd);
	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	index_written(&seg->times);
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

enum err plog_write_indexes(struct plog *log, struct seg *seg)
{
	enum err err;

	if (seg->offsets.pending_len == 0 && seg->times.pending_len == 0)
		return ERR_OK;
	err = seg_create_indexes(seg);
	if (err == ERR_OK)
		err = plog_write_times(log, seg); /* first: recovery goes by the offsets */
	if (err == ERR_OK)
		err = plog_write_offsets(log, seg);
	return err;
}

/* Under the list lock, with room in the block. */
static void plog_push_time(struct seg *seg)
{
	struct index_entry entry = {seg->max_timestamp, seg->max_offset - seg->base_offset};

	if (index_accepts(&seg->times, entry))
		index_push(&seg->times, entry);
}

/*
 * An entry for the batch at `pos`. An index may be thin without harm, so when the file cannot be
 * written for want of space or memory the entry is left out.
 */
static enum err plog_add_entry(struct plog *log, struct seg *seg, int64_t last_offset, uint32_t pos)
{
	struct index_entry entry = {last_offset - seg->base_offset, pos};
	enum err err = ERR_OK;

	if (index_block_full(&seg->offsets) || index_block_full(&seg->times))
		err = plog_write_indexes(log, seg);
	if (err == ERR_OK)
		err = index_reserve(&seg->offsets);
	if (err == ERR_OK)
		err = index_reserve(&seg->times);
	if (err != ERR_OK)
		return plog_fail(log, err, "write an index") == ERR_KAFKA_STORAGE_ERROR
			   ? ERR_KAFKA_STORAGE_ERROR
			   : ERR_OK;
	pthread_mutex_lock(&log->list);
	if (index_accepts(&seg->offsets, entry))
		index_push(&seg->offsets, entry);
	plog_push_time(seg);
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

enum err plog_finish_indexes(struct plog *log, struct seg *seg)
{
	enum err err;

	err = seg_create_indexes(seg);
	if (err == ERR_OK)
		err = plog_write_indexes(log, seg);
	if (err == ERR_OK)
		err = index_reserve(&seg->times);
	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	plog_push_time(seg);
	pthread_mutex_unlock(&log->list);
	err = plog_write_indexes(log, seg);
	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	index_trim(&seg->offsets);
	index_trim(&seg->times);
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

/* Reads an index's length from its file; a damaged one counts as empty, which costs time only. */
static enum err plog_load_index(struct plog *log, struct seg *seg, struct index *index, int fd)
{
	struct index loaded;
	enum err err;

	index_init(&loaded, index->kind);
	err = index_load(&loaded, fd);
	if (err == ERR_BADFILE) {
		log_warn("store", "%s: an index of segment %lld is damaged and not used",
			 seg_dir_path(log->dir), (long long)seg->base_offset);
		index_set_empty(&loaded);
		err = ERR_OK;
	}
	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	if (!index->loaded) {
		index->file_len = loaded.file_len;
		index->last = loaded.last;
		index->loaded = true;
	}
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

static void plog_no_index(struct plog *log, struct index *index)
{
	pthread_mutex_lock(&log->list);
	if (!index->loaded)
		index_set_empty(index);
	pthread_mutex_unlock(&log->list);
}

enum err plog_load_offsets(struct plog *log, struct seg *seg)
{
	enum err err;
	bool loaded;

	pthread_mutex_lock(&log->list);
	loaded = seg->offsets.loaded;
	pthread_mutex_unlock(&log->list);
	if (loaded)
		return ERR_OK;
	err = seg_pin_offsets(seg);
	if (err == ERR_NOFILE && !seg_is_gone(seg)) {
		plog_no_index(log, &seg->offsets);
		return ERR_OK;
	}
	if (err != ERR_OK)
		return err;
	err = plog_load_index(log, seg, &seg->offsets, seg->offsets_file.fd);
	seg_unpin_offsets(seg);
	return err;
}

static enum err plog_load_times_file(struct plog *log, struct seg *seg)
{
	enum err err;
	int fd;

	err = seg_open_times(seg, &fd);
	if (err == ERR_NOFILE && !seg_is_gone(seg)) {
		plog_no_index(log, &seg->times);
		return ERR_OK;
	}
	if (err != ERR_OK)
		return err;
	err = plog_load_index(log, seg, &seg->times, fd);
	file_close(fd);
	return err;
}

enum err plog_load_times(struct plog *log, struct seg *seg)
{
	enum err err;
	bool known;

	pthread_mutex_lock(&log->list);
	known = seg->times.loaded && seg->max_known;
	pthread_mutex_unlock(&log->list);
	if (known)
		return ERR_OK;
	err = plog_load_times_file(log, seg);
	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	if (!seg->max_known && seg->times.last.key >= 0) {
		seg->max_timestamp = seg->times.last.key;
		seg->max_offset = seg->base_offset + seg->times.last.value;
	}
	seg->max_known = true;
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

enum err plog_load_indexes(struct plog *log, struct seg *seg)
{
	enum err err = plog_load_offsets(log, seg);

	return err == ERR_OK ? plog_load_times(log, seg) : err;
}

/* -- Batches -------------------------------------------------------------------------------- */

enum err plog_count_batch(struct plog *log, struct seg *seg, const struct batch_view *view,
			  uint32_t pos)
{
	enum err err = ERR_OK;

	must(seg->max_known && seg->offsets.loaded);
	if (pos == 0)
		seg->first_timestamp = view->max_timestamp;
	pthread_mutex_lock(&log->list);
	if (view->max_timestamp > seg->max_timestamp) {
		seg->max_timestamp = view->max_timestamp;
		seg->max_offset = view->last_offset;
	}
	if (view->leader_epoch > epoch_cache_latest(&log->epochs))
		err = epoch_cache_assign(&log->epochs, view->leader_epoch, view->base_offset);
	pthread_mutex_unlock(&log->list);
	if (err == ERR_OK && seg->since_index_bytes > (uint32_t)log->cfg->index_interval_bytes) {
		err = plog_add_entry(log, seg, view->last_offset, pos);
		seg->since_index_bytes = 0;
	}
	seg->since_index_bytes += (uint32_t)view->size_bytes;
	return err;
}

/* -- Producers ------------------------------------------------------------------------------ */

/* False: no marker in it that we know (an empty one is what compaction leaves of a transaction). */
static bool plog_read_marker(struct bytes batch, struct producer_marker *marker)
{
	enum control_type type;
	struct record_iter iter;
	struct record record;

	if (record_iter_init(&iter, batch, NULL) != ERR_OK || !record_iter_next(&iter, &record))
		return false;
	if (control_key_read(record.key, &type) != ERR_OK ||
	    (type != CONTROL_ABORT && type != CONTROL_COMMIT))
		return false;
	marker->commit = type == CONTROL_COMMIT;
	marker->timestamp = record.timestamp;
	return control_marker_read(record.value, &marker->coordinator_epoch) == ERR_OK;
}

enum err plog_apply_producer(struct plog *log, struct bytes batch,
			     const struct batch_header *header, enum producer_trust trust)
{
	struct producer_marker marker, *control = NULL;
	enum err err;

	if (!batch_has_producer(header))
		return ERR_OK;
	if (batch_is_control(header)) {
		if (!plog_read_marker(batch, &marker))
			return ERR_OK;
		control = &marker;
	}
	err = plog_need_producers(log);
	if (err == ERR_OK)
		err = producer_apply(log->producers, header, control, trust);
	return err;
}

enum err plog_write_txns(struct plog *log, struct seg *seg, size_t done_from)
{
	struct seg_path path;
	enum err err = ERR_OK;

	if (log->producers == NULL)
		return ERR_OK;
	for (size_t i = done_from; i < log->producers->done_len && err == ERR_OK; i++) {
		const struct producer_done *done = &log->producers->done[i];
		struct txn_index_entry entry = {done->producer_id, done->first_offset,
						done->last_offset, done->stable};

		if (!done->aborted)
			continue;
		err = txn_index_append(seg_path_of(&path, seg->dir, seg->base_offset, ".txnindex"),
				       &entry, 1);
		pthread_mutex_lock(&log->list);
		seg->has_txns = true;
		pthread_mutex_unlock(&log->list);
		seg->fresh = true;
	}
	return err;
}
