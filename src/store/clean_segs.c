/* Snapshots of the segment list. */
#include "store/clean_segs.h"

#include <stdlib.h>

enum err clean_segs_take(struct clean_segs *segs, struct plog *log)
{
	enum err err = ERR_OK;

	*segs = (struct clean_segs){0};
	plog_lock(log);
	segs->cfg = *log->cfg;
	segs->segs = calloc(log->segs_len + 1, sizeof(struct seg *));
	segs->sizes = calloc(log->segs_len + 1, sizeof(*segs->sizes));
	if (segs->segs == NULL || segs->sizes == NULL)
		err = ERR_NOMEM;
	for (uint32_t i = 0; i < log->segs_len && err == ERR_OK; i++) {
		segs->sizes[i] = log->segs[i]->size_bytes;
		segs->segs[segs->len++] = seg_ref(log->segs[i]);
	}
	plog_unlock(log);
	if (err != ERR_OK)
		clean_segs_drop(segs);
	return err;
}

void clean_segs_drop(struct clean_segs *segs)
{
	for (size_t i = 0; i < segs->len; i++)
		seg_unref(segs->segs[i]);
	free(segs->segs);
	free(segs->sizes);
	segs->segs = NULL;
	segs->sizes = NULL;
	segs->len = 0;
}

size_t clean_segs_slot(const struct clean_segs *segs, int64_t offset)
{
	return seg_slot(segs->segs, segs->len, offset);
}

enum err clean_segs_max_time(const struct clean_segs *segs, struct plog *log, size_t slot,
			     int64_t *ms)
{
	struct seg *seg = segs->segs[slot];
	enum err err = plog_load_times(log, seg);

	pthread_mutex_lock(&log->list);
	*ms = seg->max_timestamp >= 0 ? seg->max_timestamp : seg->created_ms;
	pthread_mutex_unlock(&log->list);
	return err;
}

enum err clean_segs_first_time(const struct clean_segs *segs, size_t slot, int64_t *ms)
{
	struct seg *seg = segs->segs[slot];
	struct batch_view view = {.max_timestamp = -1};
	struct seg_walk *walk;
	enum err err;

	*ms = -1;
	if (segs->sizes[slot] == 0)
		return ERR_OK;
	walk = malloc(sizeof(*walk));
	err = walk != NULL ? seg_pin(seg) : ERR_NOMEM;
	if (err == ERR_OK) {
		seg_walk_init(walk, seg->log_file.fd, 0, segs->sizes[slot]);
		err = seg_walk_view(walk, &view);
		seg_unpin(seg);
		*ms = view.max_timestamp;
	}
	free(walk);
	return err == ERR_CORRUPT_MESSAGE ? ERR_OK : err;
}
