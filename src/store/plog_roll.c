/* When a segment ends, and what has to be done then. */
#include "store/plog_impl.h"

#include "base/file.h"

/* The same for one segment at every call, spread over the range by segment and topic. */
static int64_t plog_jitter_ms(const struct plog *log, const struct seg *seg)
{
	uint64_t mixed = (uint64_t)seg->base_offset;
	int64_t range = log->cfg->segment_jitter_ms;

	if (range > log->cfg->segment_ms)
		range = log->cfg->segment_ms; /* a roll comes early, not before its time began */
	if (range <= 0)
		return 0;
	mixed = hash_bytes(&mixed, sizeof(mixed)) ^
		hash_bytes(log->topic_id.b, sizeof(log->topic_id.b));
	return (int64_t)(mixed % (uint64_t)range);
}

/* The first batch's timestamp begins a segment's time; a segment that was there is asked once. */
static int64_t plog_first_timestamp(struct seg *seg)
{
	struct batch_view view = {.max_timestamp = -1};
	struct seg_walk walk;

	if (seg->first_timestamp != -2)
		return seg->first_timestamp;
	if (seg_pin(seg) != ERR_OK)
		return -1;
	seg_walk_init(&walk, seg->log_file.fd, 0, seg->size_bytes);
	if (seg_walk_view(&walk, &view) == ERR_OK)
		seg->first_timestamp = view.max_timestamp;
	seg_unpin(seg);
	return view.max_timestamp;
}

/*
 * Kafka's rule: by records' time where they have one, else by the clock since the segment was made.
 */
static bool plog_is_overdue(const struct plog *log, struct seg *seg, int64_t max_timestamp)
{
	int64_t first = plog_first_timestamp(seg);
	int64_t limit = log->cfg->segment_ms - plog_jitter_ms(log, seg);

	if (first >= 0)
		return max_timestamp > first && max_timestamp - first > limit;
	return clock_wall_ms(log->env->clock) - seg->created_ms > limit;
}

static bool plog_index_is_full(const struct plog *log, const struct seg *seg, size_t more)
{
	size_t offsets_max = (size_t)log->cfg->index_max_bytes / index_entry_bytes(&seg->offsets);
	size_t times_max = (size_t)log->cfg->index_max_bytes / index_entry_bytes(&seg->times);

	/* The last of the time index is kept for the end of the segment. */
	return index_len(&seg->offsets) + more > offsets_max ||
	       index_len(&seg->times) + more + 1 > times_max;
}

bool plog_must_roll(struct plog *log, const struct plog_weight *staged,
		    const struct plog_weight *more)
{
	struct seg *seg = plog_active(log);
	size_t size;

	if (seg == NULL)
		return true;
	size = seg->size_bytes + staged->bytes;
	if (more->last_offset - seg->base_offset > INT32_MAX)
		return true;
	if (size == 0)
		return false;
	return size + more->bytes > (size_t)log->cfg->segment_bytes ||
	       plog_index_is_full(log, seg, staged->batches + more->batches) ||
	       (seg->size_bytes > 0 && plog_is_overdue(log, seg, more->max_timestamp));
}

static struct seg *plog_seg_begin(struct plog *log, int64_t base_offset)
{
	struct seg *seg = seg_new(log->dir, base_offset);

	if (seg == NULL)
		return NULL;
	index_set_empty(&seg->offsets);
	index_set_empty(&seg->times);
	seg->max_known = true;
	seg->created_ms = clock_wall_ms(log->env->clock);
	seg->dirty = seg->fresh = true;
	return seg;
}

/* Space that was taken for a segment and that it has not used. */
static void plog_give_back(struct seg *seg)
{
	if (seg->reserved_bytes <= seg->size_bytes || seg_pin(seg) != ERR_OK)
		return;
	if (file_truncate(seg->log_file.fd, seg->size_bytes) == ERR_OK)
		seg->reserved_bytes = 0;
	seg_unpin(seg);
}

enum err plog_roll_at(struct plog *log, int64_t base_offset)
{
	struct seg *old = plog_active(log), *seg;
	enum err err = ERR_OK;

	must(base_offset >= plog_end(log));
	if (old != NULL)
		err = plog_finish_indexes(log, old);
	if (err == ERR_OK && old != NULL)
		err = plog_queue_snapshot(log, base_offset);
	if (err != ERR_OK)
		return err;
	if (old != NULL)
		plog_give_back(old);
	if (old != NULL)
		old->dirty = true; /* its indexes are, now that they are final */
	log->touched = true;
	seg = plog_seg_begin(log, base_offset);
	if (seg == NULL)
		return ERR_NOMEM;
	err = seg_create(seg);
	if (err != ERR_OK) {
		seg_unref(seg);
		return err;
	}
	if (log->stray_snapshot == base_offset)
		log->stray_snapshot = -1; /* it is this segment's now */
	err = plog_push_seg(log, seg);
	if (err == ERR_OK && log->cfg->preallocate)
		plog_reserve(log, (uint32_t)log->cfg->segment_bytes);
	return err;
}

void plog_reserve(struct plog *log, uint32_t ahead_bytes)
{
	struct seg *seg = plog_active(log);

	must_be(log, PLOG_MAGIC);
	if (seg == NULL || (uint64_t)seg->size_bytes + ahead_bytes / 2 <= seg->reserved_bytes ||
	    seg_pin(seg) != ERR_OK)
		return;
	if (file_reserve(seg->log_file.fd, seg->size_bytes, ahead_bytes) == ERR_OK)
		seg->reserved_bytes = seg->size_bytes + ahead_bytes;
	seg_unpin(seg);
}

enum err plog_roll(struct plog *log)
{
	struct seg *seg = plog_active(log);

	must_be(log, PLOG_MAGIC);
	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (seg == NULL || seg->size_bytes == 0)
		return ERR_OK;
	return plog_fail(log, plog_roll_at(log, plog_end(log)), "begin a segment");
}
