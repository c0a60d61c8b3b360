/*
 * A disk that loses power. Replays a journal (journal.h) of file calls and writes out what the disk
 * may hold when the power goes: everything that was synced, and of the rest what a seed says.
 *
 * Of a file's writes since its last sync each page of 512 or 4096 bytes may hold any state since
 * then, the length too, and a page that was never written zeros or noise. Of the changes of names,
 * those whose directory was not synced since may be undone:
 *   DISK_ORDERED  as on a journalling file system: all changes from some point on
 *   DISK_BY_DIR   each directory for itself: its changes from some point on
 * Within one directory changes keep their order: they are in one block, or follow each other.
 */
#ifndef TESTS_POWER_DISK_H
#define TESTS_POWER_DISK_H

#include <stdint.h>
#include <stdio.h>

#include "tests/power/journal.h"

struct disk;

enum disk_loss {
	DISK_KILL, /* nothing is lost: the process was killed, the power stayed */
	DISK_ORDERED,
	DISK_BY_DIR
};

/* base: what the root held when the journal began, or NULL for nothing; its files are linked. */
struct disk *disk_new(const char *base);
void disk_free(struct disk *disk);
/* The next event. The journal outlives the disk. */
void disk_apply(struct disk *disk, const struct journal_event *event);
/* Makes `out`, which is not there yet. told (may be NULL) gets a line for each thing lost. */
void disk_write(struct disk *disk, const char *out, enum disk_loss loss, uint64_t seed, FILE *told);

#endif
