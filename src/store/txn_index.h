/*
 * The transaction index N.txnindex: transactions whose abort marker is in segment N, in the order
 * of their markers. 34 bytes each: {int16 version 0, int64 producer id, first offset, last offset
 * (the marker's), last stable offset when it ended}. Rare and small: opened, used and closed at
 * each use.
 */
#ifndef STORE_TXN_INDEX_H
#define STORE_TXN_INDEX_H

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define TXN_INDEX_ENTRY_BYTES 34

struct txn_index_entry {
	int64_t producer_id, first_offset, last_offset, stable_offset;
};

/* At the end of the file, which is made if need be; a torn entry there is overwritten. */
/* Takes space for so many more: an append of them then finds it. ERR_NOSPACE; that the file system
 * cannot is no error. */
enum err txn_index_reserve(const char *path, size_t len) must_check;
enum err txn_index_append(const char *path, const struct txn_index_entry *entries,
			  size_t len) must_check;
/*
 * All of them, malloc'd. No file is none. A torn entry at the end is left out; ERR_BADFILE for
 * another version or offsets that do not rise.
 */
enum err txn_index_read(const char *path, struct txn_index_entry **entries, size_t *len) must_check;
enum err txn_index_read_from(int fd, struct txn_index_entry **entries, size_t *len) must_check;
/* Over what is there from `pos` on. */
enum err txn_index_write(int fd, const struct txn_index_entry *entries, size_t len,
			 off_t pos) must_check;
enum err txn_index_parse(struct bytes content, struct txn_index_entry **entries,
			 size_t *len) must_check;
/* Drops those whose marker is at `offset` or later. */
enum err txn_index_cut(const char *path, int64_t offset) must_check;

#endif
