/*
 * Opening a log that is on disk.
 *
 * After a clean stop everything is trusted; only the batches behind the last index entry are looked
 * at, to find the end. After an unclean one the batches from the recovery point on are read,
 * checked and indexed; the log ends at the first bad one, and what is whole behind it is set aside
 * (recover_damage.h), unless the next segment goes on right where the good part ends. The scan
 * begins a little earlier, at the last index entry below the recovery point, or at the newest
 * producer snapshot if that is older. What is below the recovery point was on disk before the
 * recovery point moved: damage there is not looked for; where it is met it is told and stepped
 * over.
 */
#include "store/plog_replay.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "store/partition_metadata.h"
#include "store/recover_damage.h"
#include "store/recover_files.h"
#include "store/recover_point.h"

#define EPOCH_FILE_BYTES_MAX (64u << 20)

struct recover {
	struct plog *log;
	struct plog_open_args *args;
	struct recover_files files;
	bool all;	 /* every header is to be read: leader epochs are lost */
	int64_t end;	 /* of the log, as found */
	int64_t trusted; /* the recovery point: what is below needs no check */
};

/* -- Small files ---------------------------------------------------------------------------- */

static enum err recover_topic_id(struct recover *recover)
{
	struct uuid found, want = recover->args->topic_id;
	const char *dir = seg_dir_path(recover->log->dir);
	enum err err;

	if (uuid_is_zero(want) || recover->args->has_id)
		return ERR_OK;
	err = recover->files.has_metadata ? partition_metadata_read(dir, &found) : ERR_NOFILE;
	if (err == ERR_OK)
		return uuid_eq(found, want) ? ERR_OK : ERR_INCONSISTENT_TOPIC_ID;
	if (err != ERR_NOFILE && err != ERR_BADFILE)
		return err;
	/* The metadata log of a directory that was just formatted has none yet. */
	if (err == ERR_BADFILE || recover->log->env->logdir != NULL)
		log_warn("store", "%s: partition.metadata is %s and written anew", dir,
			 err == ERR_NOFILE ? "missing" : "damaged");
	recover->log->new_names = true;
	/* Nobody knows whose partition the checkpoints speak of, at the next start neither. The
	 * metadata log has none. */
	err = recover->log->env->logdir != NULL ? plog_distrust_checkpoints(recover->log) : ERR_OK;
	return err == ERR_OK ? partition_metadata_write(dir, want) : err;
}

static enum err recover_epochs(struct recover *recover)
{
	struct plog *log = recover->log;
	size_t len_bytes;
	char *path, *text;
	enum err err;

	if (!recover->files.has_epochs)
		return ERR_OK;
	path = file_path(seg_dir_path(log->dir), EPOCH_FILE);
	if (path == NULL)
		return ERR_NOMEM;
	err = file_read_all(path, EPOCH_FILE_BYTES_MAX, &text, &len_bytes);
	if (err == ERR_OK)
		err = epoch_cache_parse(&log->epochs, (struct str){text, len_bytes});
	if (err == ERR_BADFILE) {
		log_warn("store", "%s is damaged; leader epochs are read from the batches", path);
		recover->all = log->epochs.dirty = true;
		err = ERR_OK;
	}
	free(text);
	free(path);
	return err;
}

static enum err recover_add_segs(struct recover *recover)
{
	struct plog *log = recover->log;
	enum err err = ERR_OK;

	for (size_t i = 0; i < recover->files.segs_len && err == ERR_OK; i++) {
		const struct recover_seg *from = &recover->files.segs[i];
		struct seg *seg = seg_new(log->dir, from->base_offset);

		if (seg == NULL)
			return ERR_NOMEM;
		seg->size_bytes = seg->old_bytes = from->size_bytes;
		seg->has_indexes = from->has_index && from->has_timeindex;
		seg->has_txns = from->has_txnindex;
		seg->created_ms = clock_wall_ms(log->env->clock);
		err = plog_push_seg(log, seg);
	}
	return err;
}

/* -- Scanning ------------------------------------------------------------------------------- */

/* Headers only, below the recovery point: for producers and epochs. */
static enum err recover_read_headers(struct recover *recover, struct replay *replay,
				     struct seg *seg, uint32_t upto_pos)
{
	uint32_t cut;

	replay->index_from = INT64_MAX;
	replay->next_offset = seg->base_offset;
	return recover_replay(replay, seg, 0, upto_pos, INT64_MAX, &cut);
}

/* Checks one segment and makes its indexes, from the recovery point on. *cut: where the log must
 * end, or the segment's size. */
static enum err recover_scan_seg(struct recover *recover, struct replay *replay, uint32_t slot,
				 bool is_first, uint32_t *cut)
{
	struct plog *log = recover->log;
	struct seg *seg = log->segs[slot];
	struct recover_point point;
	int64_t txns_from;
	enum err err;

	err = recover_point_find(seg, recover->trusted, &point);
	if (err == ERR_OK && is_first && (recover->all || point.offset > replay->producers_from))
		err = recover_read_headers(recover, replay, seg, point.pos);
	txns_from = replay->producers_from > point.offset ? replay->producers_from : point.offset;
	if (err == ERR_OK)
		err = recover_point_cut(log, seg, &point, txns_from);
	if (err != ERR_OK)
		return err;
	replay->index_from = point.offset;
	replay->next_offset = point.offset;
	err = recover_replay(replay, seg, point.pos, seg->size_bytes, recover->trusted, cut);
	recover->end = replay->next_offset;
	return err;
}

static uint32_t recover_slot(const struct plog *log, int64_t offset)
{
	uint32_t slot = log->segs_len;

	while (slot > 0 && log->segs[slot - 1]->base_offset > offset)
		slot--;
	return slot > 0 ? slot - 1 : 0;
}

static enum err recover_drop_index(struct plog *log, const struct seg *seg, struct index *index,
				   const char *suffix)
{
	struct seg_path path;
	enum err err = file_unlink(seg_path_of(&path, seg->dir, seg->base_offset, suffix));

	index_fini(index);
	index_init(index, index->kind);
	pthread_mutex_lock(&log->list);
	index_set_empty(index);
	pthread_mutex_unlock(&log->list);
	return err == ERR_NOFILE ? ERR_OK : err;
}

/*
 * A start needs no space: without it the segment goes without indexes, which costs its readers a
 * walk, rather than with thin ones, which would be trusted. A later start makes them anew.
 */
static enum err recover_finish_indexes(struct plog *log, struct seg *seg)
{
	enum err err = plog_finish_indexes(log, seg);

	if (err != ERR_NOSPACE)
		return err;
	log_warn("store", "%s: no space for the indexes of segment %lld: it goes without",
		 seg_dir_path(log->dir), (long long)seg->base_offset);
	seg->has_indexes = false;
	err = recover_drop_index(log, seg, &seg->offsets, ".index");
	return err == ERR_OK ? recover_drop_index(log, seg, &seg->times, ".timeindex") : err;
}

/* The end of a segment that is not the active one: as a roll leaves it. */
static enum err recover_finish_seg(struct recover *recover, uint32_t slot)
{
	struct plog *log = recover->log;
	enum err err = recover_finish_indexes(log, log->segs[slot]);

	if (err == ERR_OK)
		err = plog_queue_snapshot(log, log->segs[slot + 1]->base_offset);
	return err;
}

/*
 * Does the segment behind this one begin where this one ends? If it begins later, the end of this
 * one was lost, or it is what a cleaner has left. If earlier, it is of another past, brought back
 * by a power cut.
 */
static bool recover_goes_on(const struct recover *recover, uint32_t slot)
{
	struct plog *log = recover->log;
	int64_t next = slot + 1 < log->segs_len ? log->segs[slot + 1]->base_offset : recover->end;

	if (next == recover->end || next <= recover->args->cleaned || next < recover->trusted)
		return true;
	/* What is missing was on disk, in part at least, so it was deleted. */
	if (recover->end < recover->trusted ||
	    (next > recover->end && next <= recover->args->log_start))
		return true;
	log_warn("store", "%s: segment %lld ends at %lld, %s segment %lld begins",
		 seg_dir_path(log->dir), (long long)log->segs[slot]->base_offset,
		 (long long)recover->end, next > recover->end ? "before" : "after",
		 (long long)next);
	return false;
}

/* Ends the log there, unless what follows is good without doubt. */
static enum err recover_cut_at(struct recover *recover, uint32_t slot, uint32_t cut)
{
	struct plog *log = recover->log;
	int64_t next = slot + 1 < log->segs_len ? log->segs[slot + 1]->base_offset : INT64_MAX;

	if (next == recover->end)
		return recover_trim(log, slot, cut);
	/* It was on disk, and so was the next segment. */
	if (next <= recover->trusted) {
		log_warn("store",
			 "%s: segment %lld is damaged from byte %u to its end, %u; it is left as "
			 "it is, and served behind that",
			 seg_dir_path(log->dir), (long long)log->segs[slot]->base_offset, cut,
			 log->segs[slot]->size_bytes);
		return ERR_OK;
	}
	return recover_cut(log, slot, cut, recover->end);
}

static enum err recover_scan_from(struct recover *recover, struct replay *replay, uint32_t first)
{
	struct plog *log = recover->log;
	/*
	 * A roll at the recovery point finishes indexes that the flush before it could not cover.
	 */
	uint32_t check = recover_slot(log, recover->trusted - 1);
	enum err err = ERR_OK;

	for (uint32_t i = first; i < check && err == ERR_OK; i++)
		err = recover_read_headers(recover, replay, log->segs[i], log->segs[i]->size_bytes);
	for (uint32_t i = check; i < log->segs_len && err == ERR_OK; i++) {
		uint32_t cut;

		err = recover_scan_seg(recover, replay, i, i == check, &cut);
		if (err == ERR_OK && cut < log->segs[i]->size_bytes)
			err = recover_cut_at(recover, i, cut);
		else if (err == ERR_OK && !recover_goes_on(recover, i))
			err = recover_set_aside(log, i + 1);
		if (err == ERR_OK && i + 1 < log->segs_len)
			err = recover_finish_seg(recover, i);
	}
	return err;
}

static enum err recover_unclean(struct recover *recover)
{
	struct plog *log = recover->log;
	struct replay replay = {.log = log, .upto = INT64_MAX};
	int64_t snapshot;
	enum err err;

	if (recover->trusted < log->segs[0]->base_offset)
		recover->trusted = log->segs[0]->base_offset;
	err = replay_load_snapshot(log, recover->files.snapshots, recover->files.snapshots_len,
				   recover->trusted, &snapshot);
	if (err != ERR_OK)
		return err;
	log->snapshot_offset = snapshot;
	replay.producers_from = snapshot;
	replay.check_from = recover->trusted;
	err = recover_scan_from(recover, &replay, recover->all ? 0 : recover_slot(log, snapshot));
	if (replay.checked_bytes > 0)
		log_info("store", "%s: recovered from offset %lld to %lld, %llu bytes checked",
			 seg_dir_path(log->dir), (long long)recover->trusted,
			 (long long)recover->end, (unsigned long long)replay.checked_bytes);
	return err;
}

/* -- After a clean stop --------------------------------------------------------------------- */

/*
 * Reads what follows the last index entry. ERR_CORRUPT_MESSAGE: it is not what a clean stop leaves.
 */
static enum err recover_find_end(struct recover *recover)
{
	struct plog *log = recover->log;
	struct seg *seg = plog_active(log);
	struct replay replay = {.log = log,
				.producers_from = INT64_MAX,
				.check_from = INT64_MAX,
				.index_from = INT64_MAX,
				.upto = INT64_MAX,
				.next_offset = seg->base_offset};
	uint32_t from;
	enum err err;

	err = plog_load_indexes(log, seg);
	if (err != ERR_OK)
		return err;
	from = seg->offsets.last.value > 0 ? (uint32_t)seg->offsets.last.value : 0;
	if (from >= seg->size_bytes && from > 0)
		return ERR_CORRUPT_MESSAGE;
	err = replay_seg(&replay, seg, from, seg->size_bytes);
	recover->end = replay.next_offset;
	return err;
}

/* Producers as of the end: the clean stop's snapshot, or an older one and the batches since. */
static enum err recover_clean_producers(struct recover *recover)
{
	struct plog *log = recover->log;
	struct replay replay = {.log = log,
				.check_from = INT64_MAX,
				.index_from = INT64_MAX,
				.upto = INT64_MAX};
	int64_t snapshot;
	enum err err;

	err = replay_load_snapshot(log, recover->files.snapshots, recover->files.snapshots_len,
				   recover->end, &snapshot);
	if (err != ERR_OK || snapshot == recover->end)
		goto out;
	if (recover->files.snapshots_len == 0)
		goto out; /* as stock: a log without any snapshot had no producers worth a scan */
	replay.producers_from = snapshot;
	for (uint32_t i = recover_slot(log, snapshot); i < log->segs_len && err == ERR_OK; i++) {
		replay.next_offset = log->segs[i]->base_offset;
		err = replay_seg(&replay, log->segs[i], 0, log->segs[i]->size_bytes);
	}
out:
	log->snapshot_offset = snapshot;
	return err;
}

/*
 * An index that is missing is made anew; the others are trusted until a look-up proves them wrong.
 */
static enum err recover_missing_indexes(struct recover *recover)
{
	struct plog *log = recover->log;
	enum err err = ERR_OK;

	for (uint32_t i = 0; i < log->segs_len && err == ERR_OK; i++) {
		struct seg *seg = log->segs[i];
		const struct recover_point front = {.offset = seg->base_offset};
		struct replay replay = {.log = log,
					.producers_from = INT64_MAX,
					.check_from = INT64_MAX,
					.index_from = seg->base_offset,
					.upto = INT64_MAX,
					.next_offset = seg->base_offset};

		if (seg->has_indexes || (seg->size_bytes == 0 && i + 1 == log->segs_len))
			continue;
		log_warn("store", "%s: the indexes of segment %lld are missing and made anew",
			 seg_dir_path(log->dir), (long long)seg->base_offset);
		err = recover_point_cut(log, seg, &front, INT64_MAX);
		if (err == ERR_OK)
			err = replay_seg(&replay, seg, 0, seg->size_bytes);
		if (err == ERR_OK && i + 1 < log->segs_len)
			err = recover_finish_indexes(log, seg);
	}
	return err;
}

static enum err recover_clean(struct recover *recover)
{
	enum err err;

	err = recover_missing_indexes(recover);
	if (err == ERR_OK)
		err = recover_find_end(recover);
	if (err == ERR_OK)
		err = recover_clean_producers(recover);
	return err;
}

/* -- Everything ----------------------------------------------------------------------------- */

/* Forgets what a first try has found. */
static void recover_forget(struct recover *recover)
{
	struct plog *log = recover->log;

	for (uint32_t i = 0; i < log->segs_len; i++) {
		index_fini(&log->segs[i]->offsets);
		index_fini(&log->segs[i]->times);
		index_init(&log->segs[i]->offsets, INDEX_OFFSET);
		index_init(&log->segs[i]->times, INDEX_TIME);
		log->segs[i]->max_known = false;
	}
	if (log->producers != NULL)
		producer_state_clear(log->producers);
}

static enum err recover_batches(struct recover *recover)
{
	struct plog *log = recover->log;
	bool clean = recover->args->clean && !recover->all;
	enum err err = ERR_CORRUPT_MESSAGE;

	if (log->segs_len == 0) {
		recover->end = recover->trusted = recover->args->log_start;
		return ERR_OK;
	}
	if (clean)
		err = recover_clean(recover);
	if (clean && err == ERR_OK) {
		recover->trusted = recover->end;
		return ERR_OK;
	}
	if (err != ERR_CORRUPT_MESSAGE)
		return err;
	if (clean) {
		log_warn("store", "%s: not as a clean stop leaves it; it is checked",
			 seg_dir_path(log->dir));
		recover_forget(recover);
	}
	return recover_unclean(recover);
}

/* Snapshots above the end are of another past; of those between segments only the newest stays. */
static enum err recover_prune_snapshots(struct recover *recover)
{
	struct plog *log = recover->log;
	struct seg_path path;
	int64_t stray = -1;
	enum err err = ERR_OK;

	for (size_t i = recover->files.snapshots_len; i > 0 && err == ERR_OK; i--) {
		int64_t offset = recover->files.snapshots[i - 1];
		uint32_t slot = recover_slot(log, offset);
		bool of_seg = log->segs_len > 0 && log->segs[slot]->base_offset == offset;

		if (of_seg && offset <= recover->end)
			continue;
		if (stray < 0 && offset <= recover->end && slot + 1 == log->segs_len) {
			stray = offset;
			continue;
		}
		err = file_unlink(seg_path_of(&path, log->dir, offset, ".snapshot"));
		if (err == ERR_NOFILE)
			err = ERR_OK;
	}
	log->stray_snapshot = stray;
	return err;
}

/*
 * As stock: a log that ends before it is said to begin has lost its files; it begins there, empty.
 */
static enum err recover_start_behind_end(struct recover *recover)
{
	struct plog *log = recover->log;
	enum err err;

	log_warn("store", "%s: ends at %lld, before its start %lld; it goes on there, empty",
		 seg_dir_path(log->dir), (long long)recover->end,
		 (long long)recover->args->log_start);
	err = recover_set_aside(log, 0);
	epoch_cache_clear(&log->epochs);
	if (log->producers != NULL)
		producer_state_clear(log->producers);
	recover->end = recover->trusted = recover->args->log_start;
	return err;
}

static void recover_publish(struct recover *recover)
{
	struct plog *log = recover->log;
	int64_t start = recover->args->log_start, end = recover->end, size_bytes = 0;
	int64_t flushed = recover->trusted < end ? recover->trusted : end;

	if (log->segs_len > 0 && log->segs[0]->base_offset > start)
		start = log->segs[0]->base_offset;
	for (uint32_t i = 0; i < log->segs_len; i++)
		size_bytes += log->segs[i]->size_bytes;
	if (log->producers != NULL && producer_state_is_empty(log->producers)) {
		producer_state_fini(log->producers);
		free(log->producers);
		log->producers = NULL;
	}
	epoch_cache_cut_end(&log->epochs, end);
	epoch_cache_cut_start(&log->epochs, start);
	atomic_store(&log->start, start);
	atomic_store(&log->end, end);
	atomic_store(&log->size_bytes, size_bytes);
	atomic_store(&log->flushed, flushed);
	atomic_store(&log->high_watermark, start);
	log->recovery_point = flushed;
	plog_set_high_watermark(log, recover->args->high_watermark);
	plog_update_stable(log);
}

/* What the checkpoints say is of an earlier partition, unless a clean stop has written them. */
static enum err recover_distrust(struct recover *recover)
{
	struct plog_open_args *args = recover->args;

	atomic_store(&recover->log->distrusts, true);
	if (args->clean)
		return plog_trust_checkpoints(recover->log);
	args->recovery_point = args->log_start = args->high_watermark = args->cleaned = 0;
	return ERR_OK;
}

static enum err recover_all(struct recover *recover)
{
	enum err err;

	err = recover_files_read(seg_dir_path(recover->log->dir), &recover->files);
	if (err == ERR_OK && recover->files.has_distrust)
		err = recover_distrust(recover);
	recover->trusted = recover->args->recovery_point;
	if (err == ERR_OK)
		err = recover_topic_id(recover);
	if (err == ERR_OK)
		err = recover_epochs(recover);
	if (err == ERR_OK)
		err = recover_add_segs(recover);
	if (err == ERR_OK)
		err = recover_batches(recover);
	if (err == ERR_OK && recover->end < recover->args->log_start)
		err = recover_start_behind_end(recover);
	if (err == ERR_OK)
		err = recover_prune_snapshots(recover);
	if (err == ERR_OK)
		recover_publish(recover);
	recover_files_fini(&recover->files);
	return err;
}

enum err plog_open(struct plog **log, const struct plog_env *env, const struct plog_config *cfg,
		   const char *dir, const struct plog_open_args *args)
{
	struct plog_open_args mine = *args;
	struct recover recover = {.args = &mine};
	enum err err;

	must(args->log_start >= 0 && args->recovery_point >= 0);
	*log = NULL;
	recover.log = plog_new(env, cfg, dir, args->topic_id);
	if (recover.log == NULL)
		return ERR_NOMEM;
	err = recover_all(&recover);
	if (err == ERR_OK) {
		*log = recover.log;
		return ERR_OK;
	}
	if (err != ERR_INCONSISTENT_TOPIC_ID && err != ERR_NOMEM) {
		log_error("store", "%s: cannot be opened: %s", dir, err_text(err));
		err = ERR_KAFKA_STORAGE_ERROR;
	}
	plog_abandon(recover.log);
	return err;
}
