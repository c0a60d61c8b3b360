/*
 * One index of one segment: rising pairs of numbers in a file, the newest of them in memory.
 *
 * An offset index pairs {offset - base, position}, 4 bytes each; a time index {timestamp, offset -
 * base}, 8 and 4 bytes. Both members rise from entry to entry (the time index's offset may stay).
 * Entries are collected in a small block and written together, so an index costs one call in
 * INDEX_BLOCK entries; only the active segment has a block. What is not written yet is lost by a
 * kill, and made anew by recovery.
 *
 * Locks: pushing and writing need the log's append mutex; whatever changes or reads the block needs
 * the log's short lock as well ([list] below), because readers look into it.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <stdbool.h>

#include "base/err.h"

enum index_kind { INDEX_OFFSET, INDEX_TIME };

#define INDEX_BLOCK 64

struct index_entry {
	int64_t key;   /* offset - base, or timestamp */
	int64_t value; /* position, or offset - base */
};

struct index {
	uint8_t kind;
	bool loaded;	      /* file_len is known */
	uint32_t file_len;    /* entries in the file */
	uint32_t pending_len; /* entries in the block */
	struct index_entry *pending;
	struct index_entry last; /* key -1: there is none */
};

void index_init(struct index *index, enum index_kind kind);
void index_fini(struct index *index);
size_t index_entry_bytes(const struct index *index);

/*
 * Counts the file's entries and reads the last: a partial entry and zeros at the end are left out.
 * ERR_BADFILE when what is there does not rise.
 */
enum err index_load(struct index *index, int fd) must_check;
/* [list] A file that has no entries yet. */
void index_set_empty(struct index *index);
/* [list] Gives back the block, which is empty. */
void index_trim(struct index *index);

enum index_column { INDEX_KEY, INDEX_VALUE };

/*
 * The number of entries from the front whose column is below `end`, all of them looked at.
 * ERR_BADFILE when they do not rise.
 */
enum err index_count_below(const struct index *index, int fd, enum index_column column, int64_t end,
			   uint32_t *count) must_check;
/* The entry at `slot` of the file. */
enum err index_read_one(const struct index *index, int fd, uint32_t slot,
			struct index_entry *entry) must_check;
/* [list] The file holds `count` entries now, of which `last` is the last; nothing is pending. */
void index_set_file(struct index *index, uint32_t count, struct index_entry last);

static inline uint32_t index_len(const struct index *index)
{
	return index->file_len + index->pending_len;
}

/* Room for one more in the block? If not, index_write and index_written make it. */
static inline bool index_block_full(const struct index *index)
{
	return index->pending_len == INDEX_BLOCK;
}
enum err index_reserve(struct index *index) must_check; /* the block's memory */
/* Does it rise from the last entry, which a damaged file may have given? */
bool index_accepts(const struct index *index, struct index_entry entry);
void index_push(struct index *index, struct index_entry entry); /* [list] */
enum err index_write(const struct index *index, int fd) must_check;
void index_written(struct index *index); /* [list] */

/*
 * The last entry whose column is <= target. False: none in the block (it may be in the file).
 * [list]
 */
bool index_find_pending(const struct index *index, enum index_column column, int64_t target,
			struct index_entry *found);
/*
 * The same in the first `len` entries of the file. `highest` is what the column may reach, a hint:
 * the search begins by proportion. *slot is -1 when there is none.
 */
enum err index_find(const struct index *index, int fd, uint32_t len, enum index_column column,
		    int64_t target, int64_t highest, struct index_entry *found,
		    int64_t *slot) must_check;

#endif
