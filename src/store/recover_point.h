/*
 * Beginning recovery in the middle of a segment: at the last index entry below the recovery point,
 * if the index up to there can be trusted.
 */
#ifndef STORE_RECOVER_POINT_H
#define STORE_RECOVER_POINT_H

#include "store/plog_impl.h"

struct recover_point {
	uint32_t pos;
	int64_t offset;			 /* of the batch there */
	uint32_t offsets_len, times_len; /* what of the indexes stays */
};

/*
 * The last point below `limit` in the segment. Any doubt about the indexes, and it is the segment's
 * front.
 */
enum err recover_point_find(struct seg *seg, int64_t limit, struct recover_point *point) must_check;

/*
 * Cuts the indexes to what the point leaves of them, and the transaction index to markers below
 * txns_from; batches from the point on are to be counted in again.
 */
enum err recover_point_cut(struct plog *log, struct seg *seg, const struct recover_point *point,
			   int64_t txns_from) must_check;

#endif
