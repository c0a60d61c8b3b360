/*
 * One segment: its files, what is known of them in memory, and walking over its batches.
 *
 * A seg is shared: the log's list has a reference, and so has everybody who reads it; a slice on
 * its way to a socket pins the descriptor as well. It outlives the log when a slice does.
 *
 * Locks, both the log's: [append] and [list] as in plog.h and plog_impl.h. Fields say which they
 * need; "both" is to be held by who changes it, either by who reads it.
 */
#ifndef STORE_SEG_H
#define STORE_SEG_H

#include <limits.h>

#include "base/slice.h"
#include "store/batch_view.h"
#include "store/index.h"
#include "store/seg_cache.h"
#include "store/txn_index.h"

/* The partition's directory, shared by its log and segments. */
struct seg_dir {
	_Atomic uint32_t refs;
	_Atomic(char *) path;
	char *old_path; /* kept: somebody may be reading it */
	struct seg_cache *cache;
};

static inline const char *seg_dir_path(const struct seg_dir *dir)
{
	return atomic_load(&dir->path);
}
/*
 * Renames it, once in its life. The old name may belong to another log right after; so all who
 * make, rename or remove files in a directory hold the log's append mutex, as the caller here does.
 */
enum err seg_dir_rename(struct seg_dir *dir, const char *path) must_check;
struct seg_dir *seg_dir_new(struct seg_cache *cache, const char *path) must_check;
struct seg_dir *seg_dir_ref(struct seg_dir *dir);
void seg_dir_unref(struct seg_dir *dir);

struct seg {
	uint32_t magic;
	_Atomic uint32_t refs;
	struct seg_dir *dir;
	int64_t base_offset;
	struct seg_cache_file log_file, offsets_file;
	struct index offsets, times;	     /* both; see index.h */
	uint32_t size_bytes;		     /* both: of whole batches */
	bool max_known;			     /* both: are the next two loaded? */
	int64_t max_timestamp, max_offset;   /* both: the largest, and the last offset of the first
						batch that has it; -1 none */
	int64_t first_timestamp, created_ms; /* append: for roll by time; -2 not known */
	int64_t modified_ms;		     /* append: the file's time, where retention needs it;
						-1 not known */
	uint32_t since_index_bytes;	     /* append */
	uint32_t reserved_bytes;	     /* append: space was taken up to here */
	uint32_t old_bytes;		     /* what was there when the log was opened */
	_Atomic bool gone;		     /* off the list: its names may be another's soon */
	bool has_txns;			     /* both: there is a .txnindex */
	bool has_indexes;		     /* append: both index files exist */
	bool dirty;			     /* append: written since the last sync */
	bool fresh;			     /* append: its names are not synced yet */
	/* What cleaning has just put in the place of others: its files still end with ".swap". */
	_Atomic bool is_swapping;
};

/* Who needed it looks at the log's list again: deleted, or replaced by cleaning. */
static inline bool seg_is_gone(const struct seg *seg)
{
	return atomic_load(&seg->gone);
}

/* The last of them that begins at or before the offset, by bisection; 0 when none does. */
size_t seg_slot(struct seg *const *segs, size_t len, int64_t offset);

/* A path with room for it on the stack. */
struct seg_path {
	char text[PATH_MAX];
};
/*
 * <dir>/<20 digits><suffix>, as ".log". Cut off when it is too long: then no call on it succeeds.
 */
const char *seg_path_of(struct seg_path *path, const struct seg_dir *dir, int64_t base_offset,
			const char *suffix);

/* Is it 20 digits and then the suffix, and which offset? */
bool seg_parse_name(const char *name, const char *suffix, int64_t *offset) must_check;

/* One reference. NULL when memory is out. Touches no file. */
struct seg *seg_new(struct seg_dir *dir, int64_t base_offset) must_check;
struct seg *seg_ref(struct seg *seg);
void seg_unref(struct seg *seg);

/* Makes N.log, empty. */
enum err seg_create(struct seg *seg) must_check;
/* Makes the index files that are missing, so that stock finds them. [append] */
enum err seg_create_indexes(struct seg *seg) must_check;

/* The batches' file, open until seg_unpin; seg->log_file.fd. */
enum err seg_pin(struct seg *seg) must_check;
void seg_unpin(struct seg *seg);
/* ERR_NOFILE when there is none, as for seg_open_times. */
enum err seg_pin_offsets(struct seg *seg) must_check;
void seg_unpin_offsets(struct seg *seg);
/* The time index is opened for each use. */
enum err seg_open_times(const struct seg *seg, int *fd) must_check;

/*
 * Its aborted transactions, malloc'd; none without an index. ERR_NOFILE when the segment is gone.
 */
enum err seg_read_txns(const struct seg *seg, struct txn_index_entry **entries,
		       size_t *len) must_check;

/* A range, pinned. Takes the pin and the reference of the caller. */
struct slice seg_slice(struct seg *seg, uint32_t pos, uint32_t len_bytes);

/* -- Walking: headers only, from a position that is the start of a batch, up to `end` --------- */

#define SEG_WALK_BYTES 8192

struct seg_walk {
	int fd;
	uint32_t pos, end; /* of the current batch; where the walk ends */
	uint32_t buf_pos, buf_len;
	uint8_t buf[SEG_WALK_BYTES];
};

void seg_walk_init(struct seg_walk *walk, int fd, uint32_t pos, uint32_t end);
/* The batch at walk->pos, which is below the end. ERR_CORRUPT_MESSAGE when it is none or longer
 * than the rest. */
enum err seg_walk_view(struct seg_walk *walk, struct batch_view *view) must_check;
static inline void seg_walk_step(struct seg_walk *walk, const struct batch_view *view)
{
	walk->pos += (uint32_t)view->size_bytes;
}

#endif
