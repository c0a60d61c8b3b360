/*
 * What becomes of batches that are damaged, and of those behind them.
 *
 * A torn tail, which no whole batch follows, is cut off: that is what a kill or a power cut leaves.
 * Anything else that must leave the log is set aside: a file `<offset>.log.corrupt` keeps it, named
 * by the first offset that is missing now, for a person to look at; nothing reads it, nothing
 * removes it but the deletion of the partition. `.corrupt.2` and so on when there is one already.
 *
 * Whatever leaves the log has left it durably before anything is appended: if a power cut brought
 * it back, it would stand behind what was written meanwhile, as if it had been written after that.
 */
#ifndef STORE_RECOVER_DAMAGE_H
#define STORE_RECOVER_DAMAGE_H

#include "store/plog_replay.h"

/*
 * The first whole batch, checksum included, that begins at or behind `pos`, below `size`, with
 * offsets from `offset` on; *found is `size` when there is none. Looks at every byte, but gives up
 * on a segment made to look full of batches.
 */
enum err recover_search(struct seg *seg, uint32_t pos, uint32_t size, int64_t offset,
			uint32_t *found) must_check;

/*
 * replay_seg, but below the recovery point, `trusted`, damage is stepped over with a warning: what
 * is behind it was on disk and is served. *cut is where the segment must be cut, or `size`.
 */
enum err recover_replay(struct replay *replay, struct seg *seg, uint32_t pos, uint32_t size,
			int64_t trusted, uint32_t *cut) must_check;

/*
 * The log ends in this segment, at `pos`, with `offset`: the rest of the segment and all later ones
 * are cut off or set aside. Without room on the disk what cannot be kept is given up, and told.
 */
enum err recover_cut(struct plog *log, uint32_t slot, uint32_t pos, int64_t offset) must_check;

/* What stands behind a segment's last batch goes, though the next segment begins where that ends:
 * nothing is missing. */
enum err recover_trim(struct plog *log, uint32_t slot, uint32_t pos) must_check;

/* The segments from `slot` on are set aside, whole. */
enum err recover_set_aside(struct plog *log, uint32_t slot) must_check;

#endif
