/*
 * Which segments are cleaned into one: as many as fit into segment.bytes and segment.index.bytes
 * before they are cleaned, and whose offsets fit into a segment. Kafka's grouping, so that both
 * leave the same files.
 */
#ifndef STORE_CLEAN_GROUP_H
#define STORE_CLEAN_GROUP_H

#include "store/clean_segs.h"

struct clean_group {
	size_t from, to; /* slots */
};

/*
 * [read] The group behind `group`, of segments that begin before `end`; an empty one when there is
 * none. round_end: where offsets end that may be cleaned.
 */
enum err clean_group_next(struct plog *log, const struct clean_segs *segs, int64_t end,
			  int64_t round_end, struct clean_group *group) must_check;

#endif
