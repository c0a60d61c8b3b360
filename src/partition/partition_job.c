/*
 * Flushing and other work on a partition's log: one job at a time. A flush that is wanted while one
 * runs begins when that has ended, and so serves all who came meanwhile.
 */
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "partition/partition_int.h"
#include "store/logdir.h"

#define FLUSH_EACH 1 /* flush.messages=1: nobody is told before it is on disk */

void partition_advance_locked(struct partition *part)
{
	bool sync = atomic_load(&part->rules.flush_messages) == FLUSH_EACH;

	plog_set_high_watermark(part->log, sync ? plog_flushed(part->log) : plog_end(part->log));
}

/* A new directory's name must last as long as what is acknowledged in it. */
static enum err partition_list(struct partition *part)
{
	char *parent;
	enum err err;

	if (!part->unlisted)
		return ERR_OK;
	parent = strdup(plog_dir(part->log));
	if (parent == NULL)
		return ERR_NOMEM;
	*strrchr(parent, '/') = '\0';
	err = file_sync_dir(parent);
	free(parent);
	if (err == ERR_IO && plog_logdir(part->log) != NULL)
		logdir_fail(plog_logdir(part->log), err, "sync the names in it");
	part->unlisted = err != ERR_OK;
	return err;
}

/* A flush that moves the recovery point, too. */
static enum err partition_flush_far(struct partition *part)
{
	int64_t recovery_point;
	enum err err = plog_checkpoint(part->log, &recovery_point);

	if (err != ERR_OK)
		return err;
	plog_lock(part->log);
	part->recovery_point = recovery_point;
	plog_unlock(part->log);
	return ERR_OK;
}

static enum err partition_job_once(struct partition *part)
{
	enum err err = ERR_OK;
	bool flush, far;

	plog_lock(part->log);
	flush = part->flush_wanted;
	far = flush && part->checkpoint_wanted;
	part->flush_wanted = false;
	part->checkpoint_wanted = part->checkpoint_wanted && !far;
	plog_unlock(part->log);
	if (plog_has_work(part->log))
		err = plog_do_some_work(part->log);
	if (flush && err == ERR_OK)
		err = partition_list(part);
	if (flush && err == ERR_OK)
		err = far ? partition_flush_far(part) : plog_flush(part->log);
	return err;
}

/* With plog_lock: a flush that could not be begun, for want of descriptors or memory, is tried
 * again, for there may be those who wait for it. */
static void partition_flush_again(struct partition *part)
{
	part->dirty.soon = true;
	if (part->dirty.posted)
		return;
	part->dirty.posted = true;
	flusher_post(part->env.flusher, part);
}

/* With plog_lock, after a flush, well or not: true when the high watermark has moved. One that
 * failed behind its syncs has moved what is on disk all the same, and will not be made again. */
static bool partition_flushed_locked(struct partition *part, enum err err)
{
	int64_t before = plog_high_watermark(part->log);

	if (!plog_failed(part->log) && atomic_load(&part->leads))
		partition_advance_locked(part);
	if (err != ERR_OK && !plog_failed(part->log) && plog_is_dirty(part->log))
		partition_flush_again(part);
	return plog_high_watermark(part->log) > before;
}

/* Gives the slot back, or keeps it when more was wanted meanwhile: then the answer is true. */
static bool partition_job_end(struct partition *part, enum err err)
{
	bool again, moved;

	plog_lock(part->log);
	moved = partition_flushed_locked(part, err);
	again = (part->flush_wanted || plog_has_work(part->log)) && err == ERR_OK;
	part->job_runs = again;
	plog_unlock(part->log);
	if (err != ERR_OK)
		log_error("partition", "%s-%d: %s", part->topic, part->idx, err_text(err));
	partition_wake(part, moved);
	return again;
}

static void partition_run_job(struct job *job)
{
	struct partition *part = container_of(job, struct partition, job);

	while (partition_job_end(part, partition_job_once(part)))
		continue;
	partition_unref(part);
}

static void partition_submit_job(struct partition *part)
{
	partition_ref(part);
	part->job = (struct job){.run = partition_run_job};
	worker_submit(part->env.workers, &part->job);
}

void partition_start_job(struct partition *part)
{
	if (part->job_runs)
		return;
	part->job_runs = true;
	partition_submit_job(part);
}

bool partition_sweep_begin(struct partition *part, struct plog_flush **flush, enum err *err)
{
	bool mine;

	plog_lock(part->log);
	mine = !part->job_runs && plog_is_dirty(part->log) && !atomic_load(&part->gone);
	if (mine) {
		part->job_runs = true;
		part->flush_wanted = false;
	} else if (part->job_runs) {
		part->flush_wanted = true;
	}
	plog_unlock(part->log);
	if (mine)
		*err = plog_flush_begin(part->log, flush);
	return mine;
}

void partition_sweep_end(struct partition *part, struct plog_flush *flush, enum err err)
{
	err = plog_flush_end(part->log, flush, err);
	if (err == ERR_OK)
		part->unlisted = false; /* its directory's name was swept, too */
	if (partition_job_end(part, err))
		partition_submit_job(part);
}

void partition_flush_locked(struct partition *part)
{
	part->flush_wanted = true;
	partition_start_job(part);
}

void partition_plan_flush(struct partition *part)
{
	int64_t messages = atomic_load(&part->rules.flush_messages);

	if (plog_end(part->log) - plog_flushed(part->log) >= messages) {
		partition_flush_locked(part);
	} else if (!part->dirty.posted && atomic_load(&part->rules.flush_ms) < INT64_MAX) {
		part->dirty.posted = true;
		flusher_post(part->env.flusher, part);
	}
	if (plog_has_work(part->log))
		partition_start_job(part);
	if (atomic_load(&part->rules.compacted) && !part->clean.posted &&
	    part->env.cleaner != NULL) {
		part->clean.posted = true;
		cleaner_post(part->env.cleaner, part);
	}
}

int64_t partition_checkpoint(struct partition *part)
{
	int64_t recovery_point;
	bool mine, moved;
	enum err err;

	must_be(part, PARTITION_MAGIC);
	plog_lock(part->log);
	recovery_point = part->recovery_point;
	mine = !part->job_runs && plog_end(part->log) > recovery_point;
	/* Under flush.messages=1 there may always be one: the next flush does it, for the next
	 * time. */
	part->checkpoint_wanted = part->job_runs;
	if (mine)
		part->job_runs = true;
	plog_unlock(part->log);
	if (!mine)
		return recovery_point;
	err = plog_checkpoint(part->log, &recovery_point);
	if (err != ERR_OK)
		recovery_point = part->recovery_point;
	plog_lock(part->log);
	moved = partition_flushed_locked(part, err);
	part->job_runs = false;
	part->recovery_point = recovery_point;
	/* Who wanted a flush meanwhile could not start it. */
	if (part->flush_wanted || plog_has_work(part->log))
		partition_start_job(part);
	plog_unlock(part->log);
	partition_wake(part, moved);
	return recovery_point;
}
