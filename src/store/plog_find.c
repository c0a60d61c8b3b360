/*
 * From offsets and sizes to positions: the index gives a batch at or before, a walk over headers
 * does the rest. An index that proves wrong costs a walk from the front, not a wrong answer.
 */
#include "store/plog_impl.h"

#include "base/log.h"

/* Where a walk for the target may begin; 0 without help from the index. */
static enum err plog_index_floor(struct plog *log, struct seg *seg, enum index_column column,
				 int64_t target, int64_t highest, uint32_t *pos)
{
	struct index_entry entry = {-1, 0};
	uint32_t file_len;
	int64_t slot, last_key;
	enum err err;
	bool found;

	*pos = 0;
	err = plog_load_offsets(log, seg);
	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	found = index_find_pending(&seg->offsets, column, target, &entry);
	file_len = seg->offsets.file_len;
	last_key = seg->offsets.last.key;
	pthread_mutex_unlock(&log->list);
	if (!found && file_len > 0) {
		err = seg_pin_offsets(seg);
		if (err != ERR_OK)
			return err;
		err = index_find(&seg->offsets, seg->offsets_file.fd, file_len, column, target,
				 column == INDEX_KEY ? last_key : highest, &entry, &slot);
		seg_unpin_offsets(seg);
	}
	if (err == ERR_OK && entry.value > 0 && entry.value <= UINT32_MAX)
		*pos = (uint32_t)entry.value;
	return err;
}

/* Walks to the first batch that ends at `offset` or later; the walk's end when there is none. */
static enum err plog_walk_to_offset(struct seg_walk *walk, int64_t offset)
{
	struct batch_view view;
	bool first = true;
	enum err err;

	while (walk->pos < walk->end) {
		err = seg_walk_view(walk, &view);
		if (err != ERR_OK)
			return err;
		if (first && walk->pos > 0 && view.base_offset > offset)
			return ERR_CORRUPT_MESSAGE; /* the index led past it */
		if (view.last_offset >= offset)
			return ERR_OK;
		first = false;
		seg_walk_step(walk, &view);
	}
	return ERR_OK;
}

static void plog_warn_index(const struct plog *log, const struct seg *seg)
{
	log_warn("store", "%s: the offset index of segment %lld does not fit its batches",
		 seg_dir_path(log->dir), (long long)seg->base_offset);
}

enum err plog_find_offset(struct plog *log, struct seg *seg, int64_t offset, uint32_t size,
			  uint32_t *pos)
{
	struct seg_walk walk;
	uint32_t from;
	enum err err;

	err = plog_index_floor(log, seg, INDEX_KEY, offset - seg->base_offset, 0, &from);
	if (err == ERR_BADFILE)
		err = ERR_OK;
	if (err == ERR_OK)
		err = seg_pin(seg);
	if (err != ERR_OK)
		return err;
	seg_walk_init(&walk, seg->log_file.fd, from < size ? from : 0, size);
	err = plog_walk_to_offset(&walk, offset);
	if (err == ERR_CORRUPT_MESSAGE && from > 0) {
		plog_warn_index(log, seg);
		seg_walk_init(&walk, seg->log_file.fd, 0, size);
		err = plog_walk_to_offset(&walk, offset);
	}
	seg_unpin(seg);
	*pos = walk.pos;
	return err;
}

/* Walks while whole batches fit below the limit, and no further than to damage: what is good before
 * it is given. */
static enum err plog_walk_to_limit(struct seg_walk *walk, uint32_t limit, int64_t *next_offset)
{
	uint32_t from = walk->pos;
	struct batch_view view;
	int64_t behind = -1;
	enum err err;

	while (walk->pos < walk->end) {
		err = seg_walk_view(walk, &view);
		if (err == ERR_CORRUPT_MESSAGE && walk->pos > from) {
			*next_offset = behind;
			return ERR_OK;
		}
		if (err != ERR_OK)
			return err;
		*next_offset = view.base_offset;
		if (view.size_bytes > limit || walk->pos > limit - view.size_bytes)
			return ERR_OK;
		behind = view.last_offset + 1;
		seg_walk_step(walk, &view);
	}
	return ERR_OK;
}

enum err plog_find_limit(struct plog *log, struct seg *seg, uint32_t from, uint32_t limit,
			 uint32_t size, uint32_t *pos, int64_t *next_offset)
{
	struct seg_walk walk;
	uint32_t near;
	enum err err;

	must(from <= limit && from < size);
	err = plog_index_floor(log, seg, INDEX_VALUE, limit, size, &near);
	if (err == ERR_BADFILE)
		err = ERR_OK;
	if (err == ERR_OK)
		err = seg_pin(seg);
	if (err != ERR_OK)
		return err;
	seg_walk_init(&walk, seg->log_file.fd, near > from && near < size ? near : from, size);
	err = plog_walk_to_limit(&walk, limit, next_offset);
	if (err == ERR_CORRUPT_MESSAGE && near > from) {
		plog_warn_index(log, seg);
		seg_walk_init(&walk, seg->log_file.fd, from, size);
		err = plog_walk_to_limit(&walk, limit, next_offset);
	}
	seg_unpin(seg);
	*pos = walk.pos;
	return err;
}
