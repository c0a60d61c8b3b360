/* What is clean, what is dirty, and what has to wait. */
#include "store/clean_range.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/clean_segs.h"

/* Where cleaning goes on: where it left off, unless the log is not the same any more. */
static void clean_range_begin(const struct clean_segs *segs, struct plog *log, int64_t checkpoint,
			      struct clean_range *range)
{
	int64_t start = plog_start(log), end = plog_end(log);

	range->first_dirty = checkpoint < 0 ? start : checkpoint;
	if (range->first_dirty >= start && range->first_dirty <= end)
		return;
	if (range->first_dirty > end || !segs->cfg.drop_old)
		log_warn(
		    "store",
		    "%s: cleaned up to %lld, says the checkpoint; the log is from %lld to %lld, "
		    "and is cleaned from its start",
		    plog_dir(log), (long long)checkpoint, (long long)start, (long long)end);
	range->first_dirty = start;
	range->was_reset = true;
}

static void clean_range_again(struct clean_range *range, int64_t at_ms)
{
	if (range->again_at_ms < 0 || at_ms < range->again_at_ms)
		range->again_at_ms = at_ms;
}

static int64_t clean_range_add(int64_t ms, int64_t more_ms)
{
	return more_ms > INT64_MAX - ms ? INT64_MAX : ms + more_ms;
}

/* The first dirty segment that holds a record too young; the limit before it otherwise. */
static enum err clean_range_lag(const struct clean_segs *segs, struct plog *log, int64_t now_ms,
				struct clean_range *range, int64_t *limit)
{
	size_t slot = clean_segs_slot(segs, range->first_dirty);
	int64_t lag_ms = segs->cfg.min_compaction_lag_ms, youngest_ms;
	enum err err = ERR_OK;

	for (; lag_ms > 0 && slot + 1 < segs->len && err == ERR_OK; slot++) {
		err = clean_segs_max_time(segs, log, slot, &youngest_ms);
		if (err != ERR_OK || youngest_ms <= now_ms - lag_ms)
			continue;
		if (segs->segs[slot]->base_offset < *limit) {
			*limit = segs->segs[slot]->base_offset;
			clean_range_again(range, clean_range_add(youngest_ms, lag_ms));
		}
		break;
	}
	return err;
}

/* Is a dirty segment older than may be? */
static enum err clean_range_age(const struct clean_segs *segs, int64_t now_ms,
				struct clean_range *range, bool *overdue)
{
	int64_t lag_ms = segs->cfg.max_compaction_lag_ms, oldest_ms = INT64_MAX, first_ms;
	size_t slot = clean_segs_slot(segs, range->first_dirty);
	enum err err = ERR_OK;

	*overdue = false;
	if (lag_ms > now_ms)
		return ERR_OK;
	for (; slot + 1 < segs->len && err == ERR_OK; slot++) {
		err = clean_segs_first_time(segs, slot, &first_ms);
		if (err == ERR_OK && first_ms > 0 && first_ms < oldest_ms)
			oldest_ms = first_ms;
	}
	*overdue = oldest_ms < now_ms - lag_ms;
	if (!*overdue && oldest_ms != INT64_MAX)
		clean_range_again(range, clean_range_add(oldest_ms, lag_ms) + 1);
	return err;
}

static void clean_range_count(const struct clean_segs *segs, int64_t limit,
			      struct clean_range *range)
{
	size_t slot = clean_segs_slot(segs, limit), from;

	range->end = segs->segs[slot]->base_offset;
	for (size_t i = 0; i + 1 < segs->len && segs->segs[i]->base_offset < range->first_dirty;
	     i++)
		range->clean_bytes += segs->sizes[i];
	from = clean_segs_slot(segs,
			       range->first_dirty < range->end ? range->first_dirty : range->end);
	for (; from < slot; from++)
		range->dirty_bytes += segs->sizes[from];
	if (range->clean_bytes + range->dirty_bytes > 0)
		range->ratio =
		    (double)range->dirty_bytes / (double)(range->clean_bytes + range->dirty_bytes);
}

static enum err clean_range_judge(const struct clean_segs *segs, struct plog *log,
				  const struct clean_known *known, struct clean_range *range)
{
	int64_t stable = plog_last_stable(log), limit = segs->segs[segs->len - 1]->base_offset;
	int64_t now_ms = known->now_ms;
	bool overdue = false;
	enum err err;

	if (stable < limit)
		limit = stable;
	if (known->recovery_point < limit)
		limit = known->recovery_point;
	err = clean_range_lag(segs, log, now_ms, range, &limit);
	if (err == ERR_OK)
		err = clean_range_age(segs, now_ms, range, &overdue);
	if (err != ERR_OK)
		return err;
	if (limit < range->first_dirty)
		limit = range->first_dirty;
	clean_range_count(segs, limit, range);
	range->is_due =
	    (overdue && range->dirty_bytes > 0) || range->ratio > segs->cfg.min_cleanable_ratio;
	if (range->is_due)
		range->again_at_ms = -1;
	return ERR_OK;
}

enum err clean_range_find(struct plog *log, const struct clean_known *known,
			  struct clean_range *range)
{
	struct clean_segs segs;
	enum err err = clean_segs_take(&segs, log);

	*range = (struct clean_range){.again_at_ms = -1};
	if (err != ERR_OK)
		return err;
	clean_range_begin(&segs, log, known->checkpoint, range);
	range->end = range->first_dirty;
	if (segs.len > 0)
		err = clean_range_judge(&segs, log, known, range);
	clean_segs_drop(&segs);
	if (err == ERR_NOFILE) /* segments went meanwhile: not now, but soon */
		*range = (struct clean_range){.again_at_ms = known->now_ms};
	return err == ERR_NOFILE ? ERR_OK : err;
}
