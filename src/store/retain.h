/*
 * Which segments are too old or too many: Kafka's rules, as a decision over one segment after the
 * other, from the front. Pure: no file, no clock, no log.
 *
 * Three rules in turn, each beginning where the one before it stopped: what is wholly below the log
 * start; what the size allows to drop; what is older than the retention time, by its largest
 * timestamp. Each stops at the first segment that stays. Nothing goes that is not wholly below the
 * high watermark; the last segment goes as well (a new one is begun before), unless it is empty.
 */
#ifndef STORE_RETAIN_H
#define STORE_RETAIN_H

#include <stdbool.h>
#include <stdint.h>

struct retain_rules {
	bool drop_old;	  /* cleanup.policy holds delete: without it only the log start counts */
	int64_t time_ms;  /* retention.ms, below 0: for ever */
	int64_t size_max; /* retention.bytes, below 0: without end */
};

#define RETAIN_UNKNOWN INT64_MIN

struct retain_seg {
	int64_t end_offset; /* the next segment's base, or the log end */
	bool is_last;
	int64_t size_bytes;
	int64_t largest_ms; /* the largest timestamp, or the file's own time; RETAIN_UNKNOWN */
};

enum retain_why { RETAIN_NOT, RETAIN_START, RETAIN_SIZE, RETAIN_TIME };

struct retain {
	struct retain_rules rules;
	int64_t now_ms, log_start, high_watermark;
	int64_t size_bytes;  /* of all segments that are left */
	enum retain_why why; /* the rule that is being asked */
};

/* What the walk begins with. */
void retain_init(struct retain *retain, const struct retain_rules *rules, int64_t now_ms);

enum retain_answer {
	RETAIN_KEEP, /* the walk ends */
	RETAIN_DROP, /* why: retain->why; the next one is asked */
	RETAIN_ASK   /* its time is needed: find out, and ask again */
};
enum retain_answer retain_next(struct retain *retain, const struct retain_seg *seg);

#endif
