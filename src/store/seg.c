/* Segments: names, life, descriptors, and the walk over batch headers. */
#include "store/seg.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

#define SEG_MAGIC 0x5e6e4271u

struct seg_dir *seg_dir_new(struct seg_cache *cache, const char *path)
{
	struct seg_dir *dir = malloc(sizeof(*dir));
	char *copy = strdup(path);

	if (dir == NULL || copy == NULL) {
		free(dir);
		free(copy);
		return NULL;
	}
	atomic_init(&dir->refs, 1);
	atomic_init(&dir->path, copy);
	dir->old_path = NULL;
	dir->cache = cache;
	return dir;
}

struct seg_dir *seg_dir_ref(struct seg_dir *dir)
{
	atomic_fetch_add(&dir->refs, 1);
	return dir;
}

void seg_dir_unref(struct seg_dir *dir)
{
	if (atomic_fetch_sub(&dir->refs, 1) > 1)
		return;
	free(atomic_load(&dir->path));
	free(dir->old_path);
	free(dir);
}

enum err seg_dir_rename(struct seg_dir *dir, const char *path)
{
	char *copy = strdup(path), *before = atomic_load(&dir->path);
	enum err err;

	must(dir->old_path == NULL);
	if (copy == NULL)
		return ERR_NOMEM;
	atomic_store(&dir->path, copy); /* before the old name can mean anything else */
	dir->old_path = before;
	err = file_rename(before, copy);
	if (err != ERR_OK) {
		/* Somebody may read the new name just now: it is kept as long as the directory. */
		atomic_store(&dir->path, before);
		dir->old_path = copy;
	}
	return err;
}

size_t seg_slot(struct seg *const *segs, size_t len, int64_t offset)
{
	size_t low = 0, high = len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (segs[middle]->base_offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? low - 1 : 0;
}

const char *seg_path_of(struct seg_path *path, const struct seg_dir *dir, int64_t base_offset,
			const char *suffix)
{
	int len = snprintf(path->text, sizeof(path->text), "%s/%020lld%s", seg_dir_path(dir),
			   (long long)base_offset, suffix);

	if (len < 0 || (size_t)len >= sizeof(path->text))
		path->text[0] = '\0';
	return path->text;
}

bool seg_parse_name(const char *name, const char *suffix, int64_t *offset)
{
	size_t digits = strspn(name, "0123456789");

	return digits == 20 && strcmp(name + digits, suffix) == 0 &&
	       str_to_int64((struct str){name, digits}, offset);
}

struct seg *seg_new(struct seg_dir *dir, int64_t base_offset)
{
	struct seg *seg = calloc(1, sizeof(*seg));

	if (seg == NULL)
		return NULL;
	seg->magic = SEG_MAGIC;
	atomic_init(&seg->refs, 1);
	seg->dir = seg_dir_ref(dir);
	seg->base_offset = base_offset;
	seg_cache_file_init(&seg->log_file);
	seg_cache_file_init(&seg->offsets_file);
	index_init(&seg->offsets, INDEX_OFFSET);
	index_init(&seg->times, INDEX_TIME);
	seg->max_timestamp = seg->max_offset = seg->modified_ms = -1;
	seg->first_timestamp = -2;
	atomic_init(&seg->gone, false);
	atomic_init(&seg->is_swapping, false);
	return seg;
}

struct seg *seg_ref(struct seg *seg)
{
	must_be(seg, SEG_MAGIC);
	atomic_fetch_add(&seg->refs, 1);
	return seg;
}

void seg_unref(struct seg *seg)
{
	must_be(seg, SEG_MAGIC);
	if (atomic_fetch_sub(&seg->refs, 1) > 1)
		return;
	seg_cache_drop(seg->dir->cache, &seg->log_file);
	seg_cache_drop(seg->dir->cache, &seg->offsets_file);
	index_fini(&seg->offsets);
	index_fini(&seg->times);
	seg_dir_unref(seg->dir);
	seg->magic = 0;
	free(seg);
}

/* -- Files ---------------------------------------------------------------------------------- */

enum err seg_create(struct seg *seg)
{
	struct seg_path path;
	enum err err;
	int fd;

	err = file_open(seg_path_of(&path, seg->dir, seg->base_offset, ".log"),
			O_RDWR | O_CREAT | O_TRUNC, &fd);
	if (err == ERR_OK)
		seg_cache_adopt(seg->dir->cache, &seg->log_file, fd);
	return err;
}

static enum err seg_touch(const struct seg *seg, const char *suffix)
{
	struct seg_path path;
	enum err err;
	int fd;

	err = file_open(seg_path_of(&path, seg->dir, seg->base_offset, suffix), O_RDWR | O_CREAT,
			&fd);
	if (err == ERR_OK)
		file_close(fd);
	return err;
}

enum err seg_create_indexes(struct seg *seg)
{
	enum err err = ERR_OK;

	if (!seg->has_indexes)
		err = seg_touch(seg, ".index");
	if (!seg->has_indexes && err == ERR_OK)
		err = seg_touch(seg, ".timeindex");
	if (err == ERR_OK)
		seg->has_indexes = true;
	return err;
}

/* A swapping segment's file has its last name when it has not the other any more. */
static enum err seg_open_name(const struct seg *seg, const char *suffix, int *fd)
{
	struct seg_path path;
	char swap[32];
	enum err err = ERR_NOFILE;

	if (atomic_load(&seg->is_swapping)) {
		snprintf(swap, sizeof(swap), "%s.swap", suffix);
		err = file_open(seg_path_of(&path, seg->dir, seg->base_offset, swap), O_RDWR, fd);
		if (err == ERR_OK && !atomic_load(&seg->is_swapping)) {
			file_close(*fd); /* it may be the next one's */
			err = ERR_NOFILE;
		}
	}
	if (err == ERR_NOFILE)
		err = file_open(seg_path_of(&path, seg->dir, seg->base_offset, suffix), O_RDWR, fd);
	return err;
}

/* Opens what the name means in this directory, even while it is being renamed. */
static enum err seg_open_file(const struct seg *seg, const char *suffix, int *fd)
{
	const char *dir;
	enum err err;

	do {
		if (seg_is_gone(seg))
			return ERR_NOFILE;
		dir = seg_dir_path(seg->dir);
		err = seg_open_name(seg, suffix, fd);
		if (dir == seg_dir_path(seg->dir) && !seg_is_gone(seg))
			return err;
		if (err == ERR_OK)
			file_close(*fd);
	} while (true); /* it is renamed once, and gone once */
}

static enum err seg_open_log(struct seg_cache_file *file, int *fd)
{
	return seg_open_file(container_of(file, struct seg, log_file), ".log", fd);
}

static enum err seg_open_offsets(struct seg_cache_file *file, int *fd)
{
	return seg_open_file(container_of(file, struct seg, offsets_file), ".index", fd);
}

enum err seg_pin(struct seg *seg)
{
	must_be(seg, SEG_MAGIC);
	return seg_cache_pin(seg->dir->cache, &seg->log_file, seg_open_log);
}

void seg_unpin(struct seg *seg)
{
	must_be(seg, SEG_MAGIC);
	seg_cache_unpin(&seg->log_file);
}

enum err seg_pin_offsets(struct seg *seg)
{
	must_be(seg, SEG_MAGIC);
	return seg_cache_pin(seg->dir->cache, &seg->offsets_file, seg_open_offsets);
}

void seg_unpin_offsets(struct seg *seg)
{
	must_be(seg, SEG_MAGIC);
	seg_cache_unpin(&seg->offsets_file);
}

enum err seg_open_times(const struct seg *seg, int *fd)
{
	return seg_open_file(seg, ".timeindex", fd);
}

enum err seg_read_txns(const struct seg *seg, struct txn_index_entry **entries, size_t *len)
{
	enum err err;
	int fd;

	*entries = NULL;
	*len = 0;
	err = seg_open_file(seg, ".txnindex", &fd);
	if (err == ERR_NOFILE)
		return seg_is_gone(seg) ? ERR_NOFILE : ERR_OK;
	if (err != ERR_OK)
		return err;
	err = txn_index_read_from(fd, entries, len);
	file_close(fd);
	return err;
}

static void seg_slice_release(void *owner)
{
	struct seg *seg = owner;

	seg_unpin(seg);
	seg_unref(seg);
}

struct slice seg_slice(struct seg *seg, uint32_t pos, uint32_t len_bytes)
{
	must_be(seg, SEG_MAGIC);
	return (struct slice){seg->log_file.fd, pos, len_bytes, seg, seg_slice_release};
}

/* -- Walking -------------------------------------------------------------------------------- */

void seg_walk_init(struct seg_walk *walk, int fd, uint32_t pos, uint32_t end)
{
	must(pos <= end);
	walk->fd = fd;
	walk->pos = pos;
	walk->end = end;
	walk->buf_pos = walk->buf_len = 0;
}

/* What of the batch's front is in the buffer. */
static struct bytes seg_walk_front(const struct seg_walk *walk)
{
	uint32_t at = walk->pos - walk->buf_pos;

	if (walk->pos < walk->buf_pos || at >= walk->buf_len)
		return BYTES_NULL;
	return (struct bytes){walk->buf + at, walk->buf_len - at};
}

static enum err seg_walk_fill(struct seg_walk *walk)
{
	uint32_t left = walk->end - walk->pos;
	size_t got;
	enum err err;

	err = file_pread(walk->fd, walk->buf, left < SEG_WALK_BYTES ? left : SEG_WALK_BYTES,
			 walk->pos, &got);
	walk->buf_pos = walk->pos;
	walk->buf_len = (uint32_t)got;
	return err;
}

enum err seg_walk_view(struct seg_walk *walk, struct batch_view *view)
{
	struct bytes front = seg_walk_front(walk);
	enum err err;

	must(walk->pos < walk->end);
	if (front.len < BATCH_VIEW_BYTES) {
		err = seg_walk_fill(walk);
		if (err != ERR_OK)
			return err;
		front = seg_walk_front(walk);
	}
	err = batch_view_read(front, view);
	if (err == ERR_SHORT)
		return ERR_CORRUPT_MESSAGE;
	if (err == ERR_OK && view->size_bytes > walk->end - walk->pos)
		return ERR_CORRUPT_MESSAGE;
	return err;
}
