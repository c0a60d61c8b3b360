/* Putting segments together. */
#include "store/clean_group.h"

struct clean_weight {
	uint64_t bytes, offsets_bytes, times_bytes;
};

static enum err clean_weigh(struct plog *log, const struct clean_segs *segs, size_t slot,
			    struct clean_weight *weight)
{
	struct seg *seg = segs->segs[slot];
	enum err err = plog_load_indexes(log, seg);

	pthread_mutex_lock(&log->list);
	weight->bytes += segs->sizes[slot];
	weight->offsets_bytes += index_len(&seg->offsets) * index_entry_bytes(&seg->offsets);
	weight->times_bytes += index_len(&seg->times) * index_entry_bytes(&seg->times);
	pthread_mutex_unlock(&log->list);
	return err;
}

static bool clean_fits(const struct clean_segs *segs, const struct clean_weight *weight)
{
	return weight->bytes <= (uint64_t)segs->cfg.segment_bytes &&
	       weight->offsets_bytes <= (uint64_t)segs->cfg.index_max_bytes &&
	       weight->times_bytes <= (uint64_t)segs->cfg.index_max_bytes;
}

/* Where a segment's offsets end at the latest. */
static bool clean_reaches(const struct clean_segs *segs, const struct clean_group *group,
			  int64_t end, int64_t round_end)
{
	size_t slot = group->to;
	int64_t last = round_end - 1;

	if (slot + 1 < segs->len && segs->segs[slot + 1]->base_offset < end)
		last = segs->segs[slot + 1]->base_offset - 1;
	return segs->sizes[slot] == 0 || last - segs->segs[group->from]->base_offset <= INT32_MAX;
}

enum err clean_group_next(struct plog *log, const struct clean_segs *segs, int64_t end,
			  int64_t round_end, struct clean_group *group)
{
	struct clean_weight weight = {0};
	bool fits = true;
	enum err err = ERR_OK;

	group->from = group->to;
	while (fits && group->to + 1 < segs->len && segs->segs[group->to]->base_offset < end &&
	       err == ERR_OK) {
		err = clean_weigh(log, segs, group->to, &weight);
		fits = group->to == group->from ||
		       (clean_fits(segs, &weight) && clean_reaches(segs, group, end, round_end));
		if (fits)
			group->to++;
	}
	return err;
}
