/*
 * A cleaned segment takes the place of those it was made from, so that a kill or a power cut at any
 * moment leaves either them or it, whole.
 *
 *  1. N.*.cleaned, which are on disk, become N.*.swap. A start removes .swap files for as long as
 *     one of them is still called .cleaned; after that it completes what follows here.
 *  2. The new segment is in the list, and readers find it. The files of the others become .deleted.
 *  3. N.log.swap becomes N.log.
 *  4. N.index.swap, N.timeindex.swap and N.txnindex.swap become what they are.
 *
 * The directory is synced after each. The log's file goes before its indexes, because a start that
 * finds N.log.swap removes all that has N in its name; indexes can be lost without harm, all but
 * the transactions'.
 *
 * The steps are made under plog_lock and the syncs without. Who cannot wait, truncation, makes
 * those that are left at once. Readers who still have an old segment see that it is gone when they
 * come to open it, and look at the list again.
 */
#ifndef STORE_CLEAN_SWAP_H
#define STORE_CLEAN_SWAP_H

#include "store/clean_output.h"

/*
 * [worker] Puts the finished output in the place of `old`, which are in the log's list side by side
 * (borrowed, with a reference of the caller's). Closes the output in any case. ERR_CANCELLED: the
 * claim is void, nothing has changed. ERR_KAFKA_STORAGE_ERROR: the log has failed; a start
 * completes it.
 */
enum err clean_swap_in(struct clean_output *output, struct seg *const *old,
		       size_t old_len) must_check;

/* [lock] Completes what is under way, for those who are about to change the list. */
enum err clean_swap_complete(struct plog *log) must_check;

#endif
