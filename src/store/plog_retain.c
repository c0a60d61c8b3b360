/*
 * Retention in one log: the rules of retain.h over its segments, under the lock. What the rules
 * need from a file, a segment's largest timestamp or the file's own time, is read without the lock,
 * once for a segment; then the walk begins again, over what it is told from memory.
 */
#include "store/plog_impl.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "store/retain.h"

/* Kafka's fallback for a segment whose records have no timestamps. */
static enum err plog_seg_modified(const struct seg *seg, int64_t *modified_ms)
{
	struct seg_path path;
	struct stat st;

	if (stat(seg_path_of(&path, seg->dir, seg->base_offset, ".log"), &st) != 0)
		return err_errno(errno);
	*modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return ERR_OK;
}

/* Reads what is not known of the segment's time; without the lock. */
static enum err plog_find_time(struct plog *log, struct seg *seg)
{
	int64_t modified_ms = -1, max_timestamp;
	enum err err = plog_load_times(log, seg);

	pthread_mutex_lock(&log->list);
	max_timestamp = seg->max_timestamp;
	pthread_mutex_unlock(&log->list);
	if (err == ERR_OK && max_timestamp < 0)
		err = plog_seg_modified(seg, &modified_ms);
	if (err != ERR_OK)
		return err;
	plog_lock(log);
	seg->modified_ms = modified_ms;
	plog_unlock(log);
	return ERR_OK;
}

static int64_t plog_seg_time(const struct seg *seg)
{
	if (!seg->max_known)
		return RETAIN_UNKNOWN;
	if (seg->max_timestamp >= 0)
		return seg->max_timestamp;
	return seg->modified_ms >= 0 ? seg->modified_ms : RETAIN_UNKNOWN;
}

static struct retain_seg plog_retain_seg(struct plog *log, uint32_t slot)
{
	const struct seg *seg = log->segs[slot];
	bool is_last = slot + 1 == log->segs_len;
	struct retain_seg found = {
	    .end_offset = is_last ? plog_end(log) : log->segs[slot + 1]->base_offset,
	    .is_last = is_last,
	    .size_bytes = seg->size_bytes,
	};

	/* Who searches by time loads the largest timestamp without the append lock. */
	pthread_mutex_lock(&log->list);
	found.largest_ms = plog_seg_time(seg);
	pthread_mutex_unlock(&log->list);
	return found;
}

/* With the lock: how many go from the front, and why the last of them. *ask: a segment whose time
 * must be found first. */
static uint32_t plog_retain_walk(struct plog *log, struct retain *retain, struct seg **ask,
				 enum retain_why *why)
{
	const struct retain_rules rules = {log->cfg->drop_old, log->cfg->retention_ms,
					   log->cfg->retention_bytes};
	enum retain_answer answer = RETAIN_DROP;
	uint32_t slot = 0;

	retain_init(retain, &rules, clock_wall_ms(log->env->clock));
	retain->log_start = plog_start(log);
	retain->high_watermark = plog_high_watermark(log);
	retain->size_bytes = plog_size_bytes(log);
	*ask = NULL;
	*why = RETAIN_NOT;
	while (slot < log->segs_len && answer == RETAIN_DROP) {
		const struct retain_seg seg = plog_retain_seg(log, slot);

		answer = retain_next(retain, &seg);
		if (answer == RETAIN_DROP)
			*why = retain->why;
		if (answer == RETAIN_ASK)
			*ask = seg_ref(log->segs[slot]);
		slot += answer == RETAIN_DROP;
	}
	return slot;
}

/* With the lock. Drops the first `len` segments. */
static enum err plog_drop_front(struct plog *log, uint32_t len, enum retain_why why,
				struct plog_retained *retained)
{
	static const char *const whys[] = {"log.dirs.max.bytes", "the log start", "retention.bytes",
					   "retention.ms"};
	uint32_t before = log->segs_len;
	int64_t size_bytes = plog_size_bytes(log);
	enum err err = ERR_OK;

	/* There is always a segment: when all go, a new one is begun first. Where there is no room
	 * for it, the last one stays for now. */
	if (len == log->segs_len) {
		err = plog_fail(log, plog_roll_at(log, plog_end(log)), "begin a segment");
		if (err != ERR_OK && (plog_failed(log) || --len == 0))
			return err;
		before = log->segs_len;
	}
	/* As lowering the start is nothing, this also drops what a start long moved has left. */
	err = plog_set_start(log, log->segs[len]->base_offset);
	if (err != ERR_OK)
		return err;
	plog_trim_front(log);
	retained->segs = before - log->segs_len;
	retained->bytes = size_bytes - plog_size_bytes(log);
	log_info("store", "%s: %u segments (%lld bytes) dropped by %s; the log starts at %lld",
		 seg_dir_path(log->dir), retained->segs, (long long)retained->bytes, whys[why],
		 (long long)plog_start(log));
	return ERR_OK;
}

/* With the lock. */
static enum err plog_retain_once(struct plog *log, struct plog_retained *retained, struct seg **ask)
{
	struct retain retain;
	enum retain_why why;
	uint32_t len;

	*ask = NULL;
	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (log->claimed || log->segs_len == 0)
		return ERR_OK;
	len = plog_retain_walk(log, &retain, ask, &why);
	if (*ask != NULL || len == 0)
		return ERR_OK;
	return plog_drop_front(log, len, why, retained);
}

/* The active segment's file is written to, so its time is never the last word. */
static void plog_forget_modified(struct plog *log)
{
	struct seg *active = plog_active(log);

	if (active != NULL)
		active->modified_ms = -1;
}

enum err plog_retain(struct plog *log, struct plog_retained *retained)
{
	struct seg *ask;
	enum err err;

	must_be(log, PLOG_MAGIC);
	*retained = (struct plog_retained){0};
	plog_lock(log);
	plog_forget_modified(log);
	err = plog_retain_once(log, retained, &ask);
	plog_unlock(log);
	while (err == ERR_OK && ask != NULL) {
		err = plog_find_time(log, ask);
		seg_unref(ask);
		if (err != ERR_OK) /* gone meanwhile, or not to be read now: the next check asks */
			return err == ERR_NOFILE ? ERR_OK : err;
		plog_lock(log);
		err = plog_retain_once(log, retained, &ask);
		plog_unlock(log);
	}
	return err;
}

/* With the lock. */
static bool plog_front_may_go(const struct plog *log)
{
	return log->cfg->drop_old && !log->claimed && !plog_failed(log) && log->segs_len > 1 &&
	       plog_high_watermark(log) >= log->segs[1]->base_offset;
}

enum err plog_drop_first(struct plog *log, int64_t end_offset, struct plog_retained *retained)
{
	enum err err = ERR_OK;

	must_be(log, PLOG_MAGIC);
	*retained = (struct plog_retained){0};
	plog_lock(log);
	if (plog_front_may_go(log) && log->segs[1]->base_offset == end_offset)
		err = plog_drop_front(log, 1, RETAIN_NOT, retained);
	plog_unlock(log);
	return err;
}

bool plog_front(struct plog *log, struct plog_front *front)
{
	struct retain_seg seg = {.largest_ms = RETAIN_UNKNOWN};
	struct seg *first = NULL;
	bool may = true;

	must_be(log, PLOG_MAGIC);
	for (int tries = 0; tries < 2 && may && seg.largest_ms == RETAIN_UNKNOWN; tries++) {
		if (first != NULL && plog_find_time(log, first) != ERR_OK)
			break;
		plog_lock(log);
		may = plog_front_may_go(log);
		if (may) {
			seg = plog_retain_seg(log, 0);
			if (first != NULL)
				seg_unref(first);
			first = seg_ref(log->segs[0]);
		}
		plog_unlock(log);
	}
	if (first != NULL)
		seg_unref(first);
	*front = (struct plog_front){seg.end_offset, seg.size_bytes, seg.largest_ms};
	return may && seg.largest_ms != RETAIN_UNKNOWN;
}
