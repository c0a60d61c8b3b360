/* A plog's birth, end, offsets and errors. What it does with records is in the other plog_*.c
 * files. */
#include "store/plog_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "store/logdir.h"
#include "store/partition_metadata.h"
#include "store/producer_snapshot.h"

void plog_config_init(struct plog_config *cfg)
{
	*cfg = (struct plog_config){
	    .segment_bytes = 1 << 30,
	    .segment_ms = 7 * 24 * 3600 * 1000LL,
	    .index_interval_bytes = 4096,
	    .index_max_bytes = 10 << 20,
	    .producer_expiry_ms = 24 * 3600 * 1000LL,
	    .producer_check_ms = 600 * 1000LL,
	    .drop_old = true,
	    .retention_ms = 7 * 24 * 3600 * 1000LL,
	    .retention_bytes = -1,
	    .file_delete_delay_ms = 60 * 1000LL,
	    .delete_retention_ms = 24 * 3600 * 1000LL,
	    .max_compaction_lag_ms = INT64_MAX,
	    .min_cleanable_ratio = 0.5,
	};
}

/* -- Birth and end -------------------------------------------------------------------------- */

struct plog *plog_new(const struct plog_env *env, const struct plog_config *cfg, const char *dir,
		      struct uuid topic_id)
{
	struct plog *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->dir = seg_dir_new(env->cache, dir);
	if (log->dir == NULL) {
		free(log);
		return NULL;
	}
	log->magic = PLOG_MAGIC;
	must(pthread_mutex_init(&log->append, NULL) == 0);
	must(pthread_mutex_init(&log->list, NULL) == 0);
	log->env = env;
	log->cfg = cfg;
	log->topic_id = topic_id;
	log->flush_limit = INT64_MAX;
	log->snapshot_offset = log->stray_snapshot = -1;
	STAILQ_INIT(&log->tasks);
	STAILQ_INIT(&log->dropped);
	return log;
}

enum err plog_distrust_checkpoints(struct plog *log)
{
	char *path = file_path(seg_dir_path(log->dir), PLOG_DISTRUST_FILE);
	enum err err = ERR_NOMEM;
	int fd;

	if (path != NULL)
		err = file_open(path, O_WRONLY | O_CREAT, &fd);
	if (err == ERR_OK)
		file_close(fd);
	free(path);
	atomic_store(&log->distrusts, err == ERR_OK);
	return err;
}

static enum err plog_make(struct plog **log, const struct plog_env *env,
			  const struct plog_config *cfg, const char *dir, struct uuid topic_id,
			  bool distrust)
{
	enum err err;

	*log = plog_new(env, cfg, dir, topic_id);
	if (*log == NULL)
		return ERR_NOMEM;
	(*log)->new_names = true;
	err = file_mkdir(dir);
	if (err == ERR_OK) {
		/* It is there before the directory counts as a topic's. */
		if (distrust)
			err = plog_distrust_checkpoints(*log);
		if (err == ERR_OK && !uuid_is_zero(topic_id))
			err = partition_metadata_write(dir, topic_id);
		if (err != ERR_OK && file_remove_dir(dir) != ERR_OK)
			log_warn("store", "%s: cannot remove what was begun", dir);
	}
	if (err != ERR_OK) {
		plog_abandon(*log);
		*log = NULL;
	}
	return err;
}

enum err plog_create(struct plog **log, const struct plog_env *env, const struct plog_config *cfg,
		     const char *dir, struct uuid topic_id)
{
	return plog_make(log, env, cfg, dir, topic_id, false);
}

enum err plog_create_again(struct plog **log, const struct plog_env *env,
			   const struct plog_config *cfg, const char *dir, struct uuid topic_id)
{
	return plog_make(log, env, cfg, dir, topic_id, true);
}

bool plog_distrusts_checkpoints(const struct plog *log)
{
	return atomic_load(&log->distrusts);
}

enum err plog_trust_checkpoints(struct plog *log)
{
	enum err err = ERR_NOMEM;
	char *path;

	must_be(log, PLOG_MAGIC);
	plog_lock(log);
	path = file_path(seg_dir_path(log->dir), PLOG_DISTRUST_FILE);
	if (path != NULL)
		err = file_unlink(path);
	plog_unlock(log);
	free(path);
	if (err == ERR_OK)
		err = file_sync_dir(seg_dir_path(log->dir));
	if (err == ERR_NOFILE)
		err = ERR_OK;
	if (err == ERR_OK)
		atomic_store(&log->distrusts, false);
	return err;
}

void plog_abandon(struct plog *log)
{
	struct plog_task *task;

	must_be(log, PLOG_MAGIC);
	STAILQ_CONCAT(&log->tasks, &log->dropped);
	while ((task = STAILQ_FIRST(&log->tasks)) != NULL) {
		STAILQ_REMOVE_HEAD(&log->tasks, link);
		plog_task_free(task);
	}
	for (uint32_t i = 0; i < log->segs_len; i++)
		seg_unref(log->segs[i]);
	free(log->segs);
	epoch_cache_fini(&log->epochs);
	if (log->producers != NULL)
		producer_state_fini(log->producers);
	free(log->producers);
	free(log->marks);
	seg_dir_unref(log->dir);
	pthread_mutex_destroy(&log->append);
	pthread_mutex_destroy(&log->list);
	log->magic = 0;
	free(log);
}

/* Stock's form of the suffix: the 32 hex digits of a random id. A name holds at most 255 bytes. */
enum err plog_delete(struct plog *log, struct uuid unique)
{
	const char *dir = seg_dir_path(log->dir), *slash = strrchr(dir, '/');
	char hex[2 * sizeof(unique.b) + 1], *path;
	size_t name_len = strlen(slash != NULL ? slash + 1 : dir);
	const size_t suffix_len = sizeof(hex) + strlen("-delete"); /* with the dot, no NUL */
	size_t cut = name_len + suffix_len > NAME_MAX ? name_len + suffix_len - NAME_MAX : 0;
	enum err err;

	must_be(log, PLOG_MAGIC);
	for (size_t i = 0; i < sizeof(unique.b); i++)
		snprintf(hex + 2 * i, 3, "%02x", unique.b[i]);
	if (asprintf(&path, "%.*s.%s-delete", (int)(strlen(dir) - cut), dir, hex) < 0)
		return ERR_NOMEM;
	log->claim_void = true;
	err = seg_dir_rename(log->dir, path);
	free(path);
	return err;
}

void plog_set_config(struct plog *log, const struct plog_config *cfg)
{
	must_be(log, PLOG_MAGIC);
	log->cfg = cfg;
}

/* -- What can be seen from outside ---------------------------------------------------------- */

const char *plog_dir(const struct plog *log)
{
	return seg_dir_path(log->dir);
}

struct uuid plog_topic_id(const struct plog *log)
{
	return log->topic_id;
}

bool plog_failed(const struct plog *log)
{
	return atomic_load_explicit(&log->failed, memory_order_relaxed) ||
	       (log->env->logdir != NULL && logdir_failed(log->env->logdir));
}

struct logdir *plog_logdir(const struct plog *log)
{
	return log->env->logdir;
}

void plog_lock(struct plog *log)
{
	must_be(log, PLOG_MAGIC);
	pthread_mutex_lock(&log->append);
}

void plog_unlock(struct plog *log)
{
	must_be(log, PLOG_MAGIC);
	pthread_mutex_unlock(&log->append);
}

int64_t plog_start(const struct plog *log)
{
	return atomic_load_explicit(&log->start, memory_order_acquire);
}

int64_t plog_end(const struct plog *log)
{
	return atomic_load_explicit(&log->end, memory_order_acquire);
}

int64_t plog_high_watermark(const struct plog *log)
{
	return atomic_load_explicit(&log->high_watermark, memory_order_acquire);
}

int64_t plog_last_stable(const struct plog *log)
{
	return atomic_load_explicit(&log->last_stable, memory_order_acquire);
}

int64_t plog_flushed(const struct plog *log)
{
	return atomic_load_explicit(&log->flushed, memory_order_acquire);
}

int64_t plog_size_bytes(const struct plog *log)
{
	return atomic_load_explicit(&log->size_bytes, memory_order_relaxed);
}

bool plog_is_dirty(const struct plog *log)
{
	return plog_flushed(log) != plog_end(log);
}

bool plog_has_work(const struct plog *log)
{
	return atomic_load_explicit(&log->has_work, memory_order_relaxed);
}

void plog_set_high_watermark(struct plog *log, int64_t offset)
{
	int64_t start = plog_start(log), end = plog_end(log);

	must_be(log, PLOG_MAGIC);
	offset = offset < start ? start : offset > end ? end : offset;
	if (offset <= plog_high_watermark(log))
		return;
	atomic_store_explicit(&log->high_watermark, offset, memory_order_release);
	if (log->producers != NULL)
		producer_settle(log->producers, offset);
	plog_update_stable(log);
}

void plog_update_stable(struct plog *log)
{
	int64_t stable = plog_high_watermark(log), start = plog_start(log), first = -1;

	if (log->producers != NULL)
		first = producer_first_unstable(log->producers);
	if (first >= 0 && first < stable)
		stable = first < start ? start : first;
	atomic_store_explicit(&log->last_stable, stable, memory_order_release);
}

/* -- Leader epochs -------------------------------------------------------------------------- */

enum err plog_assign_epoch(struct plog *log, int32_t epoch)
{
	enum err err;

	must_be(log, PLOG_MAGIC);
	pthread_mutex_lock(&log->list);
	err = epoch_cache_assign(&log->epochs, epoch, plog_end(log));
	pthread_mutex_unlock(&log->list);
	return err;
}

int32_t plog_latest_epoch(struct plog *log)
{
	int32_t epoch;

	must_be(log, PLOG_MAGIC);
	pthread_mutex_lock(&log->list);
	epoch = epoch_cache_latest(&log->epochs);
	pthread_mutex_unlock(&log->list);
	return epoch;
}

void plog_end_for_epoch(struct plog *log, int32_t epoch, int32_t *found_epoch, int64_t *end_offset)
{
	must_be(log, PLOG_MAGIC);
	pthread_mutex_lock(&log->list);
	epoch_cache_end_for(&log->epochs, epoch, plog_end(log), found_epoch, end_offset);
	pthread_mutex_unlock(&log->list);
}

int32_t plog_epoch_of(struct plog *log, int64_t offset)
{
	int32_t epoch;

	must_be(log, PLOG_MAGIC);
	pthread_mutex_lock(&log->list);
	epoch = epoch_cache_of_offset(&log->epochs, offset);
	pthread_mutex_unlock(&log->list);
	return epoch;
}

/* -- Producers ------------------------------------------------------------------------------ */

void plog_expire_producers(struct plog *log)
{
	int64_t now_ms;

	must_be(log, PLOG_MAGIC);
	now_ms = clock_mono_ms(log->env->clock);
	if (log->producers == NULL ||
	    now_ms - log->producers->looked_ms < log->cfg->producer_check_ms)
		return;
	log->producers->looked_ms = now_ms;
	producer_expire(log->producers, clock_wall_ms(log->env->clock),
			log->cfg->producer_expiry_ms);
}

enum err plog_txn_guard(struct plog *log, int64_t producer_id, int16_t epoch, int64_t *guard)
{
	must_be(log, PLOG_MAGIC);
	*guard = 1; /* as an empty state counts */
	return log->producers == NULL
		   ? ERR_OK
		   : producer_txn_guard(log->producers, producer_id, epoch, guard);
}

enum err plog_producers(struct plog *log, struct arena *arena, struct plog_producer **producers,
			size_t *producers_len)
{
	const struct producer *from = log->producers != NULL ? log->producers->by_id : NULL;
	size_t len = from != NULL ? HASH_COUNT(log->producers->by_id) : 0;

	must_be(log, PLOG_MAGIC);
	*producers_len = 0;
	*producers = arena_array(arena, len > 0 ? len : 1, sizeof(**producers));
	if (*producers == NULL)
		return ERR_NOMEM;
	for (; from != NULL; from = from->hh.next) {
		int32_t sequence = BATCH_NO_SEQUENCE;

		if (from->batches_len > 0)
			sequence = from->batches[from->batches_len - 1].last_sequence;
		(*producers)[(*producers_len)++] = (struct plog_producer){from->id,
									  from->epoch,
									  sequence,
									  from->coordinator_epoch,
									  from->last_timestamp,
									  from->txn_start};
	}
	return ERR_OK;
}

/* -- For the other files of the plog -------------------------------------------------------- */

enum err plog_fail(struct plog *log, enum err err, const char *doing)
{
	bool quiet;

	if (err == ERR_OK || err == ERR_NOSPACE || err == ERR_NOMEM || err == ERR_MANYFILES)
		return err;
	quiet = plog_failed(log); /* the directory had, and that was told */
	if (!atomic_exchange(&log->failed, true) && !quiet)
		log_error("store", "%s: cannot %s: %s; the log takes no more writes",
			  seg_dir_path(log->dir), doing, err_text(err));
	/* What is wrong with one file's content says nothing of the disk. */
	if (log->env->logdir != NULL && err != ERR_BADFILE)
		logdir_fail(log->env->logdir, err, doing);
	return ERR_KAFKA_STORAGE_ERROR;
}

struct seg *plog_active(const struct plog *log)
{
	return log->segs_len > 0 ? log->segs[log->segs_len - 1] : NULL;
}

enum err plog_push_seg(struct plog *log, struct seg *seg)
{
	struct seg **segs = log->segs, **old = NULL;
	uint32_t size = log->segs_size;

	if (log->segs_len == size) {
		size = size == 0 ? 1 : size * 2;
		segs = malloc(size * sizeof(struct seg *));
		if (segs == NULL) {
			seg_unref(seg);
			return ERR_NOMEM;
		}
	}
	must(log->segs_len == 0 || plog_active(log)->base_offset < seg->base_offset);
	pthread_mutex_lock(&log->list);
	if (segs != log->segs) {
		old = log->segs;
		for (uint32_t i = 0; i < log->segs_len; i++)
			segs[i] = old[i];
		log->segs = segs;
		log->segs_size = size;
	}
	log->segs[log->segs_len++] = seg;
	pthread_mutex_unlock(&log->list);
	free(old);
	return ERR_OK;
}

enum err plog_need_producers(struct plog *log)
{
	if (log->producers != NULL)
		return ERR_OK;
	log->producers = malloc(sizeof(*log->producers));
	if (log->producers == NULL)
		return ERR_NOMEM;
	producer_state_init(log->producers);
	log->producers->looked_ms = clock_mono_ms(log->env->clock);
	return ERR_OK;
}

enum err plog_need_marks(struct plog *log)
{
	struct plog_marks *marks, *unused = NULL;

	pthread_mutex_lock(&log->list);
	marks = log->marks;
	pthread_mutex_unlock(&log->list);
	if (marks != NULL)
		return ERR_OK;
	marks = malloc(sizeof(*marks));
	if (marks == NULL)
		return ERR_NOMEM;
	*marks = (struct plog_marks){0};
	for (size_t i = 0; i < PLOG_MARKS_TAIL; i++)
		marks->tail[i].offset = -1;
	for (size_t i = 0; i < PLOG_MARKS_READ; i++)
		marks->read[i].offset = -1;
	pthread_mutex_lock(&log->list);
	if (log->marks == NULL)
		log->marks = marks;
	else
		unused = marks;
	pthread_mutex_unlock(&log->list);
	free(unused);
	return ERR_OK;
}

void plog_add_task(struct plog *log, struct plog_task *task)
{
	STAILQ_INSERT_TAIL(&log->tasks, task, link);
	atomic_store_explicit(&log->has_work, true, memory_order_relaxed);
}

enum err plog_queue_snapshot(struct plog *log, int64_t offset)
{
	struct plog_task *task;

	if (log->snapshot_offset >= offset)
		return ERR_OK;
	task = calloc(1, sizeof(*task));
	if (task == NULL)
		return ERR_NOMEM;
	task->offset = offset;
	task->cuts = log->cuts;
	task->content = producer_snapshot_format(log->producers, &task->content_bytes);
	if (task->content == NULL) {
		free(task);
		return ERR_NOMEM;
	}
	log->snapshot_offset = offset;
	plog_add_task(log, task);
	return ERR_OK;
}
