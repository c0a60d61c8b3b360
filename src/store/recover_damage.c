/* Finding what is whole behind damage, and keeping what leaves the log. */
#include "store/recover_damage.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"

#define SEARCH_BYTES (64u << 10)
/* Checksums over this many times the bytes that are searched: more only where somebody has planted
 * what looks like batches. */
#define SEARCH_SUMS_MAX	 4
#define SKIPS_MAX	 1000 /* damaged places in one segment */
#define ASIDE_NUMBER_MAX 99   /* files of one name */

/* -- Searching ------------------------------------------------------------------------------ */

struct recover_search {
	struct seg *seg;
	uint32_t size;
	int64_t offset;
	uint64_t sums_left; /* bytes */
	uint8_t *buf, *sum_buf;
};

static enum err recover_check_sum(struct recover_search *search, uint32_t pos,
				  const struct batch_view *view, bool *good)
{
	uint32_t end = pos + (uint32_t)view->size_bytes, at = pos;
	struct batch_sum sum;
	enum err err;
	size_t got;

	*good = false;
	while (at < end) {
		uint32_t want = end - at < SEARCH_BYTES ? end - at : SEARCH_BYTES;

		err = file_pread(search->seg->log_file.fd, search->sum_buf, want, at, &got);
		if (err != ERR_OK || got < want)
			return err;
		if (at == pos)
			batch_sum_first(&sum, view, (struct bytes){search->sum_buf, got});
		else
			batch_sum_more(&sum, (struct bytes){search->sum_buf, got});
		at += want;
	}
	*good = batch_sum_good(&sum);
	return ERR_OK;
}

/* Is there a whole batch at `pos`, whose front is `front`? Batches of the formats before 2 are not
 * searched for: they have too little to be known by. */
static enum err recover_try(struct recover_search *search, uint32_t pos, struct bytes front,
			    bool *good)
{
	const struct seg *seg = search->seg;
	struct batch_view view;

	*good = false;
	if (front.ptr[BATCH_MAGIC_AT] != BATCH_MAGIC || batch_view_read(front, &view) != ERR_OK ||
	    view.size_bytes > search->size - pos || view.base_offset < search->offset ||
	    view.base_offset < seg->base_offset ||
	    view.last_offset - seg->base_offset > INT32_MAX || view.size_bytes > search->sums_left)
		return ERR_OK;
	search->sums_left -= view.size_bytes;
	return recover_check_sum(search, pos, &view, good);
}

static enum err recover_search_in(struct recover_search *search, uint32_t pos, uint32_t *found)
{
	enum err err = ERR_OK;
	bool good = false;
	size_t got;

	*found = search->size;
	while (err == ERR_OK && !good && search->size - pos >= BATCH_VIEW_BYTES) {
		uint32_t left = search->size - pos, at = 0;

		err = file_pread(search->seg->log_file.fd, search->buf,
				 left < SEARCH_BYTES ? left : SEARCH_BYTES, pos, &got);
		if (err != ERR_OK || got < BATCH_VIEW_BYTES)
			return err;
		for (; at + BATCH_VIEW_BYTES <= got && err == ERR_OK && !good; at++)
			err = recover_try(search, pos + at,
					  (struct bytes){search->buf + at, got - at}, &good);
		pos += at;
	}
	if (good)
		*found = pos - 1;
	return err;
}

enum err recover_search(struct seg *seg, uint32_t pos, uint32_t size, int64_t offset,
			uint32_t *found)
{
	struct recover_search search = {.seg = seg, .size = size, .offset = offset};
	enum err err = ERR_NOMEM;

	*found = size;
	if (pos >= size)
		return ERR_OK;
	search.sums_left = (uint64_t)(size - pos) * SEARCH_SUMS_MAX;
	search.buf = malloc(SEARCH_BYTES);
	search.sum_buf = malloc(SEARCH_BYTES);
	if (search.buf != NULL && search.sum_buf != NULL)
		err = seg_pin(seg);
	if (err == ERR_OK) {
		err = recover_search_in(&search, pos, found);
		seg_unpin(seg);
	}
	free(search.buf);
	free(search.sum_buf);
	return err;
}

/* The checksum of the batch that begins at `pos`, of any format. */
static enum err recover_check_one(struct seg *seg, uint32_t pos, uint32_t size, bool *good)
{
	struct recover_search search = {.seg = seg, .size = size};
	uint8_t front[BATCH_VIEW_BYTES];
	struct batch_view view;
	enum err err;
	size_t got;

	*good = false;
	search.sum_buf = malloc(SEARCH_BYTES);
	err = search.sum_buf != NULL ? seg_pin(seg) : ERR_NOMEM;
	if (err == ERR_OK) {
		err = file_pread(seg->log_file.fd, front, sizeof(front), pos, &got);
		if (err == ERR_OK && batch_view_read((struct bytes){front, got}, &view) == ERR_OK &&
		    view.size_bytes <= size - pos)
			err = recover_check_sum(&search, pos, &view, good);
		seg_unpin(seg);
	}
	free(search.sum_buf);
	return err;
}

/* A wrong length leads past good batches: if the last one that was taken, unchecked, is bad, the
 * damage begins there. */
static enum err recover_step_back(struct replay *replay, struct seg *seg, uint32_t size)
{
	bool good;
	enum err err;

	if (replay->last_pos == replay->pos)
		return ERR_OK;
	err = recover_check_one(seg, replay->last_pos, size, &good);
	if (err != ERR_OK || good)
		return err;
	replay->pos = replay->last_pos;
	replay->next_offset = replay->last_base;
	return ERR_OK;
}

enum err recover_replay(struct replay *replay, struct seg *seg, uint32_t pos, uint32_t size,
			int64_t trusted, uint32_t *cut)
{
	enum err err;

	for (uint32_t skips = 0;; skips++) {
		err = replay_seg(replay, seg, pos, size);
		*cut = size;
		if (err != ERR_CORRUPT_MESSAGE)
			return err;
		err = recover_step_back(replay, seg, size);
		*cut = replay->pos;
		if (err != ERR_OK || replay->next_offset >= trusted || skips == SKIPS_MAX)
			return err;
		err = recover_search(seg, *cut + 1, size, replay->next_offset, &pos);
		if (err != ERR_OK || pos == size)
			return err;
		/* An entry of the index for what comes next: nothing else leads over the damage. */
		seg->since_index_bytes = UINT32_MAX / 2;
		log_warn("store",
			 "%s: segment %lld is damaged below the recovery point %lld, from byte %u "
			 "to %u; it is left as it is, and served behind that",
			 seg_dir_path(replay->log->dir), (long long)seg->base_offset,
			 (long long)trusted, *cut, pos);
	}
}

/* -- Setting aside -------------------------------------------------------------------------- */

/* A name that is free. ERR_EXISTS when there are too many. */
static enum err recover_aside_path(const struct plog *log, int64_t offset, struct seg_path *path)
{
	size_t len;

	seg_path_of(path, log->dir, offset, ".log.corrupt");
	len = strlen(path->text);
	if (len + 4 >= sizeof(path->text))
		return ERR_IO;
	for (int i = 2; file_exists(path->text); i++) {
		if (i > ASIDE_NUMBER_MAX)
			return ERR_EXISTS;
		snprintf(path->text + len, sizeof(path->text) - len, ".%d", i);
	}
	return ERR_OK;
}

static enum err recover_copy(int from, uint32_t pos, uint32_t end, int to)
{
	uint8_t *buf = malloc(SEARCH_BYTES);
	enum err err = buf != NULL ? ERR_OK : ERR_NOMEM;
	off_t at = 0;
	size_t got;

	while (err == ERR_OK && pos < end) {
		err = file_pread(from, buf, end - pos < SEARCH_BYTES ? end - pos : SEARCH_BYTES,
				 pos, &got);
		if (err == ERR_OK && got == 0)
			break;
		if (err == ERR_OK)
			err = file_pwrite(to, buf, got, at);
		pos += (uint32_t)got;
		at += (off_t)got;
	}
	free(buf);
	return err != ERR_OK ? err : file_sync(to);
}

/* [pos, its end) of the segment goes into a file of its own. */
static enum err recover_keep_tail(struct seg *seg, uint32_t pos, const char *path)
{
	enum err err;
	int fd;

	err = file_open(path, O_WRONLY | O_CREAT | O_EXCL, &fd);
	if (err != ERR_OK)
		return err;
	err = seg_pin(seg);
	if (err == ERR_OK) {
		err = recover_copy(seg->log_file.fd, pos, seg->size_bytes, fd);
		seg_unpin(seg);
	}
	file_close(fd);
	if (err != ERR_OK)
		(void)!file_unlink(path);
	return err;
}

/* Is this a reason to give up what should be kept, rather than the log? */
static bool recover_give_up(enum err err)
{
	return err == ERR_NOSPACE || err == ERR_EXISTS || err == ERR_MANYFILES;
}

/* Keeps the tail if there is anything worth it; *path is empty when not. */
static enum err recover_keep(struct plog *log, uint32_t slot, uint32_t pos, int64_t offset,
			     struct seg_path *path)
{
	struct seg *seg = log->segs[slot];
	bool more = false;
	uint32_t found;
	enum err err;

	path->text[0] = '\0';
	for (uint32_t i = slot + 1; i < log->segs_len; i++)
		more |= log->segs[i]->size_bytes > 0;
	err = recover_search(seg, pos + 1, seg->size_bytes, seg->base_offset, &found);
	if (err != ERR_OK || (found == seg->size_bytes && !more) || pos == seg->size_bytes)
		return err;
	err = recover_aside_path(log, offset, path);
	if (err == ERR_OK)
		err = recover_keep_tail(seg, pos, path->text);
	if (!recover_give_up(err))
		return err;
	log_error("store", "%s: %u bytes behind damage cannot be set aside and are lost: %s",
		  seg_dir_path(log->dir), seg->size_bytes - pos, err_text(err));
	path->text[0] = '\0';
	return ERR_OK;
}

static enum err recover_truncate(struct plog *log, struct seg *seg, uint32_t pos)
{
	enum err err = seg_pin(seg);

	if (err != ERR_OK)
		return err;
	err = file_truncate(seg->log_file.fd, pos);
	if (err == ERR_OK)
		err = file_sync(seg->log_file.fd);
	seg_unpin(seg);
	seg->size_bytes = seg->old_bytes = pos;
	log->touched = seg->dirty = true;
	return err;
}

enum err recover_cut(struct plog *log, uint32_t slot, uint32_t pos, int64_t offset)
{
	struct seg *seg = log->segs[slot];
	struct seg_path path;
	enum err err;

	err = recover_keep(log, slot, pos, offset, &path);
	if (err != ERR_OK)
		return err;
	if (path.text[0] == '\0')
		log_warn("store", "%s: segment %lld is cut from %u to %u bytes: its tail is torn",
			 seg_dir_path(log->dir), (long long)seg->base_offset, seg->size_bytes, pos);
	else
		log_warn("store",
			 "%s: damaged at offset %lld, byte %u of segment %lld: %u bytes from there "
			 "on are set aside as %s",
			 seg_dir_path(log->dir), (long long)offset, pos,
			 (long long)seg->base_offset, seg->size_bytes - pos, path.text);
	err = recover_truncate(log, seg, pos);
	if (err == ERR_OK)
		err = recover_set_aside(log, slot + 1);
	return err;
}

enum err recover_trim(struct plog *log, uint32_t slot, uint32_t pos)
{
	struct seg *seg = log->segs[slot];

	log_warn("store",
		 "%s: segment %lld is cut from %u to %u bytes: what stood there was no batch, and "
		 "the next segment goes on where this one ends",
		 seg_dir_path(log->dir), (long long)seg->base_offset, seg->size_bytes, pos);
	return recover_truncate(log, seg, pos);
}

/* A rename takes no room. Indexes go: they can be made anew. */
static enum err recover_set_seg_aside(struct plog *log, const struct seg *seg)
{
	struct seg_path from, to;
	enum err err = ERR_OK;

	if (seg->size_bytes > 0) {
		err = recover_aside_path(log, seg->base_offset, &to);
		if (err == ERR_OK)
			err = file_rename(seg_path_of(&from, log->dir, seg->base_offset, ".log"),
					  to.text);
	}
	if (err != ERR_OK && !recover_give_up(err))
		return err;
	return plog_remove_seg_files(log, seg->base_offset);
}

enum err recover_set_aside(struct plog *log, uint32_t slot)
{
	uint64_t size_bytes = 0;
	enum err err = ERR_OK;

	for (uint32_t i = slot; i < log->segs_len; i++) {
		if (err == ERR_OK)
			err = recover_set_seg_aside(log, log->segs[i]);
		size_bytes += log->segs[i]->size_bytes;
	}
	if (err == ERR_OK && size_bytes > 0)
		log_warn("store",
			 "%s: %u segments behind it, from %lld on, %llu bytes, are set "
			 "aside as .log.corrupt",
			 seg_dir_path(log->dir), log->segs_len - slot,
			 (long long)log->segs[slot]->base_offset, (unsigned long long)size_bytes);
	for (uint32_t i = slot; i < log->segs_len; i++)
		seg_unref(log->segs[i]);
	if (slot < log->segs_len) {
		log->segs_len = slot;
		log->touched = log->new_names = true;
		if (err == ERR_OK)
			err = file_sync_dir(seg_dir_path(log->dir));
	}
	return err;
}
