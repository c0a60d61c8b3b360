/* The place in a segment at which recovery begins. */
#include "store/recover_point.h"

#include <stdlib.h>

#include "base/file.h"
#include "store/txn_index.h"

static enum err recover_view_at(struct seg *seg, uint32_t pos, struct batch_view *view)
{
	struct seg_walk *walk = malloc(sizeof(*walk));
	enum err err = walk != NULL ? seg_pin(seg) : ERR_NOMEM;

	if (err == ERR_OK) {
		seg_walk_init(walk, seg->log_file.fd, pos, seg->size_bytes);
		err = seg_walk_view(walk, view);
		seg_unpin(seg);
	}
	free(walk);
	return err;
}

/* The index of a segment up to `limit`, if it rises and its last entry leads to a batch. */
static enum err recover_trusted_entry(struct seg *seg, int64_t limit, struct recover_point *point)
{
	struct index_entry entry;
	struct batch_view view;
	uint32_t count = 0;
	enum err err;

	err = seg_pin_offsets(seg);
	if (err != ERR_OK)
		return err;
	err = index_load(&seg->offsets, seg->offsets_file.fd);
	if (err == ERR_OK)
		err = index_count_below(&seg->offsets, seg->offsets_file.fd, INDEX_KEY,
					limit - seg->base_offset, &count);
	if (err == ERR_OK && count > 0)
		err = index_read_one(&seg->offsets, seg->offsets_file.fd, count - 1, &entry);
	seg_unpin_offsets(seg);
	if (err != ERR_OK || count == 0 || entry.value >= seg->size_bytes)
		return err;
	err = recover_view_at(seg, (uint32_t)entry.value, &view);
	if (err == ERR_OK && view.base_offset >= seg->base_offset &&
	    view.base_offset - seg->base_offset <= entry.key)
		*point =
		    (struct recover_point){(uint32_t)entry.value, view.base_offset, count - 1, 0};
	return err;
}

/* The time index up to the same place. */
static enum err recover_trusted_times(struct seg *seg, struct recover_point *point)
{
	enum err err;
	int fd;

	err = seg_open_times(seg, &fd);
	if (err != ERR_OK)
		return err;
	err = index_load(&seg->times, fd);
	if (err == ERR_OK)
		err = index_count_below(&seg->times, fd, INDEX_VALUE,
					point->offset - seg->base_offset, &point->times_len);
	file_close(fd);
	return err;
}

/* Any doubt about the indexes, and the segment is read from its front. */
enum err recover_point_find(struct seg *seg, int64_t limit, struct recover_point *point)
{
	enum err err = ERR_OK;

	*point = (struct recover_point){.offset = seg->base_offset};
	if (limit > seg->base_offset && seg->has_indexes)
		err = recover_trusted_entry(seg, limit, point);
	if (err == ERR_OK && point->pos > 0)
		err = recover_trusted_times(seg, point);
	if (err == ERR_BADFILE || err == ERR_NOFILE || err == ERR_CORRUPT_MESSAGE) {
		*point = (struct recover_point){.offset = seg->base_offset};
		err = ERR_OK;
	}
	return err;
}

static enum err recover_cut_index(struct index *index, int fd, uint32_t len)
{
	off_t size, wanted = (off_t)(len * index_entry_bytes(index));
	struct index_entry last = {-1, -1};
	enum err err;

	err = file_size(fd, &size);
	if (err == ERR_OK && size != wanted)
		err = file_truncate(fd, wanted);
	if (err == ERR_OK && len > 0)
		err = index_read_one(index, fd, len - 1, &last);
	if (err == ERR_OK)
		index_set_file(index, len, last);
	return err;
}

/* One that is not there is as good as empty: it is made when there is something to write to it. */
static enum err recover_no_index(struct seg *seg, struct index *index, uint32_t len)
{
	if (len > 0)
		return ERR_BADFILE; /* it was there a moment ago */
	index_set_empty(index);
	seg->has_indexes = false;
	return ERR_OK;
}

static enum err recover_cut_offsets(struct seg *seg, uint32_t len)
{
	enum err err = seg_pin_offsets(seg);

	if (err == ERR_NOFILE)
		return recover_no_index(seg, &seg->offsets, len);
	if (err != ERR_OK)
		return err;
	err = recover_cut_index(&seg->offsets, seg->offsets_file.fd, len);
	seg_unpin_offsets(seg);
	return err;
}

static enum err recover_cut_times(struct seg *seg, uint32_t len)
{
	enum err err;
	int fd;

	err = seg_open_times(seg, &fd);
	if (err == ERR_NOFILE)
		return recover_no_index(seg, &seg->times, len);
	if (err != ERR_OK)
		return err;
	err = recover_cut_index(&seg->times, fd, len);
	file_close(fd);
	return err;
}

/* The indexes are cut to what is trusted; the scan fills in the rest. */
enum err recover_point_cut(struct plog *log, struct seg *seg, const struct recover_point *point,
			   int64_t txns_from)
{
	struct seg_path path;
	enum err err;

	err = recover_cut_offsets(seg, point->offsets_len);
	if (err == ERR_OK)
		err = recover_cut_times(seg, point->times_len);
	if (err != ERR_OK)
		return err;
	seg->max_timestamp = seg->times.last.key;
	seg->max_offset = seg->times.last.key >= 0 ? seg->base_offset + seg->times.last.value : -1;
	seg->max_known = true;
	/* The entry of the batch at point->pos was cut with those behind it: it is due at once. */
	seg->since_index_bytes = point->pos > 0 ? UINT32_MAX / 2 : 0;
	log->touched = seg->dirty = seg->fresh = true;
	seg_path_of(&path, seg->dir, seg->base_offset, ".txnindex");
	err = seg->has_txns ? txn_index_cut(path.text, txns_from) : ERR_OK;
	if (err != ERR_BADFILE)
		return err;
	err = file_unlink(path.text);
	return err == ERR_NOFILE ? ERR_OK : err;
}
