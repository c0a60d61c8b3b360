/* Offset and time indexes: the file format, the block of new entries, and the search. */
#include "store/index.h"

#include <stdlib.h>

#include "base/file.h"
#include "wire/rd.h"

#define OFFSET_ENTRY_BYTES 8
#define TIME_ENTRY_BYTES   12
#define READ_ENTRIES	   64 /* read together by a search */
#define CHECK_ENTRIES	   1024

void index_init(struct index *index, enum index_kind kind)
{
	*index = (struct index){.kind = kind, .last = {-1, -1}};
}

void index_fini(struct index *index)
{
	free(index->pending);
	index->pending = NULL;
	index->pending_len = 0;
}

size_t index_entry_bytes(const struct index *index)
{
	return index->kind == INDEX_OFFSET ? OFFSET_ENTRY_BYTES : TIME_ENTRY_BYTES;
}

static struct index_entry index_decode(const struct index *index, const uint8_t *at)
{
	struct rd rd = rd_of((struct bytes){at, index_entry_bytes(index)});
	struct index_entry entry;

	entry.key = index->kind == INDEX_OFFSET ? rd_int32(&rd) : rd_int64(&rd);
	entry.value = rd_int32(&rd);
	return entry;
}

static void index_put_be(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static void index_encode(const struct index *index, struct index_entry entry, uint8_t *at)
{
	size_t key_bytes = index_entry_bytes(index) - 4;

	index_put_be(at, (uint64_t)entry.key, key_bytes);
	index_put_be(at + key_bytes, (uint64_t)entry.value, 4);
}

/* Reads up to `count` entries from `slot` on; fewer at the end of the file. */
static enum err index_read(const struct index *index, int fd, uint32_t slot, uint32_t count,
			   struct index_entry *entries, uint32_t *got)
{
	uint8_t raw[CHECK_ENTRIES * TIME_ENTRY_BYTES];
	size_t entry_bytes = index_entry_bytes(index), got_bytes;
	enum err err;

	must(count <= CHECK_ENTRIES);
	*got = 0;
	err = file_pread(fd, raw, count * entry_bytes, (off_t)(slot * entry_bytes), &got_bytes);
	if (err != ERR_OK)
		return err;
	*got = (uint32_t)(got_bytes / entry_bytes);
	for (uint32_t i = 0; i < *got; i++)
		entries[i] = index_decode(index, raw + i * entry_bytes);
	return ERR_OK;
}

enum err index_read_one(const struct index *index, int fd, uint32_t slot, struct index_entry *entry)
{
	uint32_t got;
	enum err err = index_read(index, fd, slot, 1, entry, &got);

	return err == ERR_OK && got != 1 ? ERR_BADFILE : err;
}

/* Stock fills the active segment's index with zeros; an entry is never all zero itself. */
static bool index_is_zero(struct index_entry entry)
{
	return entry.key == 0 && entry.value == 0;
}

/* The entries before the zeros: zeros come only at the end, so bisection finds where. */
static enum err index_without_zeros(const struct index *index, int fd, uint32_t *len)
{
	uint32_t low = 0, high = *len; /* low entries are good; at `high` it is zero or the end */
	struct index_entry entry;
	enum err err = ERR_OK;

	if (high > 0) {
		err = index_read_one(index, fd, high - 1, &entry);
		if (err != ERR_OK || !index_is_zero(entry))
			return err;
		high--;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		err = index_read_one(index, fd, middle, &entry);
		if (err != ERR_OK)
			return err;
		if (index_is_zero(entry))
			high = middle;
		else
			low = middle + 1;
	}
	*len = low;
	return ERR_OK;
}

/* Offsets are relative and positions are in one segment: neither can be negative. */
static bool index_follows(const struct index *index, struct index_entry before,
			  struct index_entry after)
{
	if (after.key < 0 || after.value < 0 || after.key <= before.key)
		return false;
	return index->kind == INDEX_OFFSET ? after.value > before.value
					   : after.value >= before.value;
}

static int64_t index_column_of(struct index_entry entry, enum index_column column)
{
	return column == INDEX_KEY ? entry.key : entry.value;
}

enum err index_load(struct index *index, int fd)
{
	struct index_entry first, last = {-1, -1};
	enum err err;
	uint32_t len;
	off_t size;

	must(index->pending_len == 0);
	err = file_size(fd, &size);
	if (err != ERR_OK)
		return err;
	if (size / (off_t)index_entry_bytes(index) > INT32_MAX)
		return ERR_BADFILE;
	len = (uint32_t)(size / (off_t)index_entry_bytes(index));
	err = index_without_zeros(index, fd, &len);
	if (err == ERR_OK && len > 0)
		err = index_read_one(index, fd, 0, &first);
	if (err == ERR_OK && len > 0)
		err = index_read_one(index, fd, len - 1, &last);
	if (err != ERR_OK)
		return err;
	if (len > 0 && (first.key < 0 || first.value < 0 || last.key < 0 || last.value < 0))
		return ERR_BADFILE;
	if (len > 1 && !index_follows(index, first, last))
		return ERR_BADFILE;
	index->file_len = len;
	index->last = last;
	index->loaded = true;
	return ERR_OK;
}

void index_set_empty(struct index *index)
{
	index->file_len = index->pending_len = 0;
	index->last = (struct index_entry){-1, -1};
	index->loaded = true;
}

void index_trim(struct index *index)
{
	must(index->pending_len == 0);
	free(index->pending);
	index->pending = NULL;
}

enum err index_count_below(const struct index *index, int fd, enum index_column column, int64_t end,
			   uint32_t *count)
{
	struct index_entry entries[CHECK_ENTRIES], before = {-1, -1};
	uint32_t got = CHECK_ENTRIES;
	enum err err;

	*count = 0;
	while (*count < index->file_len && got == CHECK_ENTRIES) {
		err = index_read(index, fd, *count, CHECK_ENTRIES, entries, &got);
		if (err != ERR_OK)
			return err;
		for (uint32_t i = 0; i < got && *count < index->file_len; i++) {
			if (!index_follows(index, before, entries[i]))
				return ERR_BADFILE;
			if (index_column_of(entries[i], column) >= end)
				return ERR_OK;
			before = entries[i];
			(*count)++;
		}
	}
	return ERR_OK;
}

void index_set_file(struct index *index, uint32_t count, struct index_entry last)
{
	must(count > 0 || last.key == -1);
	index->file_len = count;
	index->pending_len = 0;
	index->last = last;
	index->loaded = true;
}

enum err index_reserve(struct index *index)
{
	if (index->pending == NULL)
		index->pending = malloc(INDEX_BLOCK * sizeof(*index->pending));
	return index->pending != NULL ? ERR_OK : ERR_NOMEM;
}

bool index_accepts(const struct index *index, struct index_entry entry)
{
	return index_follows(index, index->last, entry);
}

void index_push(struct index *index, struct index_entry entry)
{
	must(index->loaded && index->pending != NULL && !index_block_full(index));
	must(index_accepts(index, entry));
	index->pending[index->pending_len++] = entry;
	index->last = entry;
}

enum err index_write(const struct index *index, int fd)
{
	uint8_t raw[INDEX_BLOCK * TIME_ENTRY_BYTES];
	size_t entry_bytes = index_entry_bytes(index);

	for (uint32_t i = 0; i < index->pending_len; i++)
		index_encode(index, index->pending[i], raw + i * entry_bytes);
	return file_pwrite(fd, raw, index->pending_len * entry_bytes,
			   (off_t)(index->file_len * entry_bytes));
}

void index_written(struct index *index)
{
	index->file_len += index->pending_len;
	index->pending_len = 0;
}

/* The last of `len` sorted entries whose column is <= target; -1 when all are above. */
static int64_t index_bisect(const struct index_entry *entries, uint32_t len,
			    enum index_column column, int64_t target)
{
	uint32_t low = 0, high = len;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (index_column_of(entries[middle], column) <= target)
			low = middle + 1;
		else
			high = middle;
	}
	return (int64_t)low - 1;
}

bool index_find_pending(const struct index *index, enum index_column column, int64_t target,
			struct index_entry *found)
{
	int64_t slot = index_bisect(index->pending, index->pending_len, column, target);

	if (slot >= 0)
		*found = index->pending[slot];
	return slot >= 0;
}

/* Where between the known bounds the target should be, if the column grew evenly. */
static uint32_t index_guess(uint32_t low, uint32_t high, int64_t low_at, int64_t high_at,
			    int64_t target)
{
	double span = (double)high_at - (double)low_at, part;

	if (span <= 0)
		return low + (high - low) / 2;
	part = ((double)target - (double)low_at) / span;
	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return low + (uint32_t)(part * (high - low));
}

/*
 * What is looked for is between `low` (all before it are <= target) and `high` (all from it on are
 * above). Every second probe is the middle, so a file without any proportion costs twice a
 * bisection at most.
 */
struct index_search {
	uint32_t low, high;
	int64_t low_at, high_at; /* the column there, or what is thought */
	bool halve;
};

static uint32_t index_probe(struct index_search *search, int64_t target)
{
	uint32_t at = search->halve ? search->low + (search->high - search->low) / 2
				    : index_guess(search->low, search->high, search->low_at,
						  search->high_at, target);

	search->halve = !search->halve;
	at = at > READ_ENTRIES / 2 ? at - READ_ENTRIES / 2 : 0;
	return at < search->low ? search->low : at;
}

/* Narrows by the entries read from `at` on; true when the answer is among them. */
static bool index_narrow(struct index_search *search, const struct index_entry *entries,
			 uint32_t len, uint32_t at, enum index_column column, int64_t target,
			 int64_t *slot)
{
	*slot = index_bisect(entries, len, column, target);
	if (*slot < 0) {
		search->high = at;
		search->high_at = index_column_of(entries[0], column);
		return false;
	}
	if (*slot == (int64_t)len - 1) {
		search->low = at + len;
		search->low_at = index_column_of(entries[len - 1], column);
		return false;
	}
	return true;
}

enum err index_find(const struct index *index, int fd, uint32_t len, enum index_column column,
		    int64_t target, int64_t highest, struct index_entry *found, int64_t *slot)
{
	struct index_search search = {0, len, 0, highest, false};
	struct index_entry entries[READ_ENTRIES];
	bool done = len == 0;

	*slot = -1;
	while (!done) {
		uint32_t at = index_probe(&search, target), got, want = len - at;
		int64_t in_block;
		enum err err;

		err = index_read(index, fd, at, want < READ_ENTRIES ? want : READ_ENTRIES, entries,
				 &got);
		if (err != ERR_OK)
			return err;
		if (got == 0)
			return ERR_BADFILE;
		done = index_narrow(&search, entries, got, at, column, target, &in_block);
		if (in_block >= 0) {
			*slot = at + in_block;
			*found = entries[in_block];
		}
		done = done || search.low >= search.high;
	}
	return ERR_OK;
}
