/*
 * The journal of file calls: what shim.c writes and disk.c reads. A file that is mapped shared, so
 * what was entered survives the kill of the process that entered it.
 *
 * Every call that changes files or names is done and entered under one lock, so the order of the
 * events is the order in which things happened. Syncs are entered when they begin and when they
 * end: what came between is not covered by them.
 */
#ifndef TESTS_POWER_JOURNAL_H
#define TESTS_POWER_JOURNAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_MAGIC	  0x6a6f75726e616c31
#define JOURNAL_BYTES_MAX ((size_t)2 << 30) /* a sparse file */

enum journal_kind {
	JOURNAL_LIFE = 1,    /* a process begins: no descriptor is open */
	JOURNAL_OPEN,	     /* fd, path; flags */
	JOURNAL_WRITE,	     /* fd, pos, data */
	JOURNAL_TRUNCATE,    /* fd, pos */
	JOURNAL_RENAME,	     /* path, data: the new path */
	JOURNAL_UNLINK,	     /* path */
	JOURNAL_MKDIR,	     /* path */
	JOURNAL_RMDIR,	     /* path */
	JOURNAL_SYNC_BEGIN,  /* fd, or -1: everything; pos: a number that the end repeats */
	JOURNAL_SYNC_END,    /* pos */
	JOURNAL_SYNC_FAILED, /* pos: what it was to cover is lost, whatever later syncs say */
	JOURNAL_NOTE,	     /* data: the test's own */
};

/* Flags of JOURNAL_OPEN. */
#define JOURNAL_CREATED	  1u
#define JOURNAL_TRUNCATED 2u

struct journal_head {
	uint64_t magic;
	_Atomic uint64_t used_bytes; /* with this head */
};

/* Followed by path and data, without an end mark; the whole is a multiple of 8 bytes. */
struct journal_event {
	uint32_t size_bytes;
	uint16_t kind, flags;
	int32_t fd;
	uint32_t path_len; /* relative to the root; "" is the root itself */
	uint32_t data_len;
	uint32_t unused;
	int64_t pos;
	int64_t time_ns; /* CLOCK_MONOTONIC */
};

static inline const char *journal_path(const struct journal_event *event)
{
	return (const char *)(event + 1);
}

static inline const uint8_t *journal_data(const struct journal_event *event)
{
	return (const uint8_t *)(event + 1) + event->path_len;
}

#endif
