/* The segments of a log as they are at one moment, with references, for those who clean. */
#ifndef STORE_CLEAN_SEGS_H
#define STORE_CLEAN_SEGS_H

#include "store/plog_impl.h"

struct clean_segs {
	struct seg **segs; /* the last one is active */
	uint32_t *sizes;
	size_t len;
	struct plog_config cfg;
};

enum err clean_segs_take(struct clean_segs *segs, struct plog *log) must_check;
void clean_segs_drop(struct clean_segs *segs);

/* The one that holds the offset: the last that begins at or before it, or the first. */
size_t clean_segs_slot(const struct clean_segs *segs, int64_t offset);
/* [read] The largest timestamp; where there is none, the time at which the segment was opened. */
enum err clean_segs_max_time(const struct clean_segs *segs, struct plog *log, size_t slot,
			     int64_t *ms) must_check;
/* [read] The first batch's, -1: none. */
enum err clean_segs_first_time(const struct clean_segs *segs, size_t slot, int64_t *ms) must_check;

#endif
