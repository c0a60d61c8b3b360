/* The three rules of retention. */
#include "store/retain.h"

void retain_init(struct retain *retain, const struct retain_rules *rules, int64_t now_ms)
{
	*retain = (struct retain){.rules = *rules, .now_ms = now_ms, .why = RETAIN_START};
}

/* Dropped while what is left is still at least as large as is allowed. */
static bool retain_is_too_much(const struct retain *retain, const struct retain_seg *seg)
{
	return retain->rules.size_max >= 0 &&
	       retain->size_bytes - seg->size_bytes >= retain->rules.size_max;
}

static bool retain_is_too_old(const struct retain *retain, const struct retain_seg *seg)
{
	/* A timestamp far in the past may be anything down to 0, but never below. */
	return retain->now_ms > seg->largest_ms &&
	       retain->now_ms - seg->largest_ms > retain->rules.time_ms;
}

enum retain_answer retain_next(struct retain *retain, const struct retain_seg *seg)
{
	bool empty_end = seg->is_last && seg->size_bytes == 0;
	bool drop = false;

	if (retain->high_watermark < seg->end_offset || empty_end)
		return RETAIN_KEEP;
	if (retain->why == RETAIN_START) {
		drop = !seg->is_last && seg->end_offset <= retain->log_start;
		if (!drop && retain->rules.drop_old)
			retain->why = RETAIN_SIZE;
	}
	if (retain->why == RETAIN_SIZE) {
		drop = retain_is_too_much(retain, seg);
		if (!drop && retain->rules.time_ms >= 0)
			retain->why = RETAIN_TIME;
	}
	if (retain->why == RETAIN_TIME) {
		if (seg->largest_ms == RETAIN_UNKNOWN)
			return RETAIN_ASK;
		drop = retain_is_too_old(retain, seg);
	}
	if (!drop)
		return RETAIN_KEEP;
	retain->size_bytes -= seg->size_bytes;
	return RETAIN_DROP;
}
