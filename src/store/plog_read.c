/*
 * Reading: an offset and a size become a range of a segment's file.
 *
 * Most reads need no search. A consumer at the end asks for an offset at which one of the last
 * writes began, one further back for the offset at which its last read ended, and both read to the
 * end of what is published or to another mark.
 */
#include "store/plog_impl.h"

#include "base/file.h"

#define RECENT_BYTES (8u << 20) /* of the active segment's end: surely in the page cache */
#define READ_TRIES   (1 << 20)	/* segments in a row that turn out to have nothing to read */

/* What one read knows of the log, taken at one moment. */
struct plog_look {
	struct seg *seg; /* with a reference; NULL: the log is empty */
	uint32_t size;
	int64_t start, end;
	int64_t seg_end;  /* where the segment's offsets end, exclusive */
	int64_t from, to; /* positions, -1 not known */
	bool is_active;
	uint32_t moves; /* the log's truncations and swaps, then */
};

static int64_t plog_mark_in(const struct plog_mark *marks, size_t len, const struct seg *seg,
			    int64_t offset)
{
	for (size_t i = 0; i < len; i++)
		if (marks[i].offset == offset && marks[i].seg_base == seg->base_offset)
			return marks[i].pos;
	return -1;
}

/* Under the list lock. */
static int64_t plog_mark_of(const struct plog *log, const struct seg *seg, int64_t offset)
{
	int64_t pos;

	if (log->marks == NULL)
		return -1;
	pos = plog_mark_in(log->marks->tail, PLOG_MARKS_TAIL, seg, offset);
	if (pos < 0)
		pos = plog_mark_in(log->marks->read, PLOG_MARKS_READ, seg, offset);
	return pos <= (int64_t)seg->size_bytes ? pos : -1;
}

/* The segment that holds the offset; most readers are at the end. Under the list lock. */
static uint32_t plog_seg_slot(const struct plog *log, int64_t offset)
{
	uint32_t len = log->segs_len;

	if (len > 0 && log->segs[len - 1]->base_offset <= offset)
		return len - 1;
	return (uint32_t)seg_slot(log->segs, len, offset);
}

/* Looks for `offset`, to be read up to max_offset, in the log as it is now. */
static void plog_look(struct plog *log, int64_t offset, int64_t max_offset, struct plog_look *look)
{
	uint32_t slot;

	*look = (struct plog_look){.from = -1, .to = -1};
	pthread_mutex_lock(&log->list);
	look->start = plog_start(log);
	look->end = plog_end(log);
	look->moves = log->cuts + log->swaps;
	if (log->segs_len > 0 && offset >= look->start && offset < look->end) {
		slot = plog_seg_slot(log, offset);
		look->seg = seg_ref(log->segs[slot]);
		look->size = look->seg->size_bytes;
		look->is_active = slot + 1 == log->segs_len;
		look->seg_end = look->is_active ? look->end : log->segs[slot + 1]->base_offset;
		look->from =
		    offset == look->seg->base_offset ? 0 : plog_mark_of(log, look->seg, offset);
		look->to = max_offset >= look->seg_end ? (int64_t)look->size
						       : plog_mark_of(log, look->seg, max_offset);
	}
	pthread_mutex_unlock(&log->list);
}

static void plog_remember(struct plog *log, const struct plog_look *look, int64_t offset)
{
	struct plog_mark mark = {offset, look->seg->base_offset, (uint32_t)look->to};

	pthread_mutex_lock(&log->list);
	if (log->marks != NULL && log->cuts + log->swaps == look->moves &&
	    plog_mark_of(log, look->seg, offset) < 0) {
		log->marks->read[log->marks->read_next] = mark;
		log->marks->read_next = (log->marks->read_next + 1) % PLOG_MARKS_READ;
	}
	pthread_mutex_unlock(&log->list);
}

/* Fills in what the marks did not know; to < from when the offsets asked for are in a hole. */
static enum err plog_look_further(struct plog *log, struct plog_look *look, int64_t offset,
				  int64_t max_offset)
{
	uint32_t pos;
	enum err err = ERR_OK;

	if (look->from < 0) {
		err = plog_find_offset(log, look->seg, offset, look->size, &pos);
		look->from = pos;
	}
	if (look->to < 0 && err == ERR_OK) {
		err = plog_find_offset(log, look->seg, max_offset, look->size, &pos);
		look->to = pos;
	}
	return err;
}

/* The first batch at `pos`, for a reader who must get one however large. */
static enum err plog_first_view(struct seg *seg, uint32_t pos, uint32_t size,
				struct batch_view *view)
{
	struct seg_walk walk;
	enum err err;

	err = seg_pin(seg);
	if (err != ERR_OK)
		return err;
	seg_walk_init(&walk, seg->log_file.fd, pos, size);
	err = seg_walk_view(&walk, view);
	seg_unpin(seg);
	return err;
}

/* Cuts [from, to) to max_bytes, at a batch. */
static enum err plog_limit(struct plog *log, struct plog_look *look, size_t max_bytes, bool min_one,
			   int64_t *next_offset)
{
	uint32_t from = (uint32_t)look->from, to = (uint32_t)look->to, pos;
	struct batch_view view;
	enum err err;

	if (to - from <= max_bytes)
		return ERR_OK;
	err = plog_find_limit(log, look->seg, from, from + (uint32_t)max_bytes, look->size, &pos,
			      next_offset);
	if (err != ERR_OK)
		return err;
	look->to = pos;
	if (pos > from || !min_one)
		return ERR_OK;
	err = plog_first_view(look->seg, from, look->size, &view);
	if (err != ERR_OK)
		return err;
	look->to = look->from + (int64_t)view.size_bytes;
	*next_offset = view.last_offset + 1;
	return ERR_OK;
}

/* What a file error means to a reader: a segment that was deleted meanwhile is out of range. */
static enum err plog_read_err(enum err err)
{
	if (err == ERR_NOFILE)
		return ERR_OFFSET_OUT_OF_RANGE;
	if (err == ERR_IO || err == ERR_BADFILE)
		return ERR_KAFKA_STORAGE_ERROR;
	return err;
}

/* Takes look->seg's reference when it returns 0. */
static enum err plog_give(struct plog *log, struct plog_look *look, int64_t next_offset,
			  struct slice *out, struct plog_read_info *info)
{
	uint32_t from = (uint32_t)look->from, len = (uint32_t)(look->to - look->from);
	enum err err;

	info->next_offset = next_offset;
	info->recent =
	    look->is_active && from >= look->seg->old_bytes && look->size - from <= RECENT_BYTES;
	plog_remember(log, look, next_offset);
	err = seg_pin(look->seg);
	if (err != ERR_OK)
		return err;
	*out = seg_slice(look->seg, from, len);
	return ERR_OK;
}

/* One try; *again when this segment has nothing at or behind the offset, *offset then is the next
 * one's. */
static enum err plog_read_try(struct plog *log, int64_t *offset, int64_t max_offset,
			      size_t max_bytes, bool min_one, struct slice *out,
			      struct plog_read_info *info, bool *again)
{
	struct plog_look look;
	int64_t next_offset;
	enum err err;

	*again = false;
	plog_look(log, *offset, max_offset, &look);
	info->log_start = look.start;
	info->log_end = look.end;
	if (*offset < look.start || *offset > look.end)
		return ERR_OFFSET_OUT_OF_RANGE;
	if (look.seg == NULL)
		return ERR_OK;
	if (*offset >= max_offset) {
		seg_unref(look.seg);
		return ERR_OK;
	}
	next_offset = max_offset < look.seg_end ? max_offset : look.seg_end;
	err = plog_look_further(log, &look, *offset, max_offset);
	if (err == ERR_OK && look.from < look.to)
		err = plog_limit(log, &look, max_bytes, min_one, &next_offset);
	if (err == ERR_OK && look.from < look.to) {
		err = plog_give(log, &look, next_offset, out, info);
		if (err == ERR_OK)
			return ERR_OK;
	} else if (err == ERR_OK && look.from >= (int64_t)look.size && !look.is_active) {
		*again = true;
		*offset = look.seg_end;
	}
	if (err == ERR_NOFILE && seg_is_gone(look.seg)) {
		*again = true; /* cleaned meanwhile: it is in another one now */
		err = ERR_OK;
	}
	seg_unref(look.seg);
	return plog_read_err(err);
}

enum err plog_read(struct plog *log, int64_t offset, int64_t max_offset, size_t max_bytes,
		   bool min_one, struct slice *out, struct plog_read_info *info)
{
	int64_t at = offset;
	bool again = true;
	enum err err;

	must_be(log, PLOG_MAGIC);
	*out = (struct slice){.fd = -1};
	*info = (struct plog_read_info){.next_offset = offset};
	if (max_bytes > INT32_MAX)
		max_bytes = INT32_MAX;
	err = plog_need_marks(log);
	for (int tries = 0; err == ERR_OK && again && tries < READ_TRIES; tries++)
		err = plog_read_try(log, &at, max_offset, max_bytes, min_one, out, info, &again);
	return err;
}

enum err plog_read_copy(struct plog *log, int64_t offset, int64_t max_offset, void *data,
			size_t cap_bytes, size_t *got)
{
	struct plog_read_info info;
	struct slice slice;
	size_t len_bytes;
	enum err err;

	*got = 0;
	err = plog_read(log, offset, max_offset, cap_bytes, true, &slice, &info);
	if (err != ERR_OK)
		return err;
	len_bytes = slice.len_bytes;
	if (len_bytes > cap_bytes) {
		*got = len_bytes;
		err = ERR_NOMEM;
	} else if (len_bytes > 0) {
		err = file_pread(slice.fd, data, len_bytes, slice.pos, got);
		if (err == ERR_OK && *got != len_bytes)
			err = ERR_BADFILE; /* cut off under us */
	}
	slice_release(&slice);
	return plog_read_err(err);
}
