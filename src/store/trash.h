/*
 * The trash: segments and partition directories that were set aside under another name (`.deleted`,
 * `-delete`) and are removed for good after a delay (file.delete.delay.ms), so that who reads them
 * may end. One for the broker; any thread.
 *
 * What still waits at a stop stays on the disk, and the next start removes it.
 */
#ifndef STORE_TRASH_H
#define STORE_TRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct seg_dir;
struct trash;

/* on_sooner: something is due earlier than all before it; called on any thread, without a lock. */
struct trash *trash_new(const struct clock *clock, void (*on_sooner)(void *ctx), void *ctx);
/* Forgets what waits. */
void trash_free(struct trash *trash);

/*
 * The `.deleted` files of the segment, in a directory that may be renamed while they wait. Without
 * memory they go at once, so: on a worker.
 */
void trash_add_seg(struct trash *trash, struct seg_dir *dir, int64_t base_offset, int64_t delay_ms);
/* A directory and what is in it. Without memory it stays until the next start. */
void trash_add_dir(struct trash *trash, const char *path, int64_t delay_ms);

/* Space is short: nothing waits any more, until told otherwise. */
void trash_hurry(struct trash *trash, bool hurry);

/* When the next is due, in clock_mono_ms; INT64_MAX when nothing waits. */
int64_t trash_due_ms(struct trash *trash);
/* [worker] Removes what is due, up to `max` segments and directories. */
void trash_empty(struct trash *trash, size_t max);

struct trash_counts {
	uint64_t segs, dirs, failed; /* removed for good, and not, since the start */
	size_t waiting;
};
void trash_counts(struct trash *trash, struct trash_counts *counts);

#endif
