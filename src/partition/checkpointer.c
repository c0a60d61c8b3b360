/* Collects offsets from all partitions on a worker and replaces the three checkpoint files of each
 * directory. */
#include "partition/checkpointer.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "partition/partition_int.h"

/* With more partitions than this, syncing the whole file system costs less than file by file. */
#define CLOSE_SYNCED_MAX 64

STAILQ_HEAD(checkpointer_waits, checkpointer_wait);

struct checkpointer {
	struct loop *control;
	struct worker_pool *workers;
	struct logdirs *dirs;
	int64_t interval_ms;
	struct loop_timer timer;
	bool stopped;
	/* Partitions that were removed: all, when the files were last begun, and last written. */
	uint64_t removals, removals_begun, removals_written;
	bool written;
	TAILQ_HEAD(, partition) parts;
	size_t parts_len;

	struct checkpointer_waits waiting; /* for the next writing */

	/* One writing; the worker's while `runs`. */
	struct job job;
	bool runs;
	struct checkpointer_waits served;
	struct partition **refs;
	size_t refs_len;
	enum err err;
};

/* The three offsets of each partition, in arrays of one length. */
struct offsets {
	struct checkpoint_entry *recovery_points, *log_starts, *high_watermarks;
	size_t len;
};

static enum err offsets_init(struct offsets *offsets, size_t size)
{
	*offsets = (struct offsets){
	    .recovery_points = calloc(size + 1, sizeof(*offsets->recovery_points)),
	    .log_starts = calloc(size + 1, sizeof(*offsets->log_starts)),
	    .high_watermarks = calloc(size + 1, sizeof(*offsets->high_watermarks)),
	};
	return offsets->recovery_points != NULL && offsets->log_starts != NULL &&
		       offsets->high_watermarks != NULL
		   ? ERR_OK
		   : ERR_NOMEM;
}

static void offsets_fini(struct offsets *offsets)
{
	free(offsets->recovery_points);
	free(offsets->log_starts);
	free(offsets->high_watermarks);
}

static void offsets_add(struct offsets *offsets, const struct partition *part,
			int64_t recovery_point, int64_t log_start, int64_t high_watermark)
{
	struct checkpoint_entry entry = {partition_topic(part), part->idx, recovery_point};

	offsets->recovery_points[offsets->len] = entry;
	entry.offset = log_start;
	offsets->log_starts[offsets->len] = entry;
	entry.offset = high_watermark;
	offsets->high_watermarks[offsets->len++] = entry;
}

static enum err offsets_write(const struct offsets *offsets, struct logdir *logdir)
{
	struct logdir_checkpoints files = {
	    .recovery_points = offsets->recovery_points,
	    .recovery_points_len = offsets->len,
	    .log_starts = offsets->log_starts,
	    .log_starts_len = offsets->len,
	    .high_watermarks = offsets->high_watermarks,
	    .high_watermarks_len = offsets->len,
	};
	return logdir_checkpoint(logdir, &files);
}

/* -- while the broker runs ----------------------------------------------------------------- */

static struct logdir *checkpointer_dir(const struct partition *part)
{
	return plog_logdir(part->log);
}

static void checkpointer_fail(struct logdir *logdir, enum err err, const char *doing)
{
	if (err == ERR_NOSPACE || err == ERR_NOMEM || err == ERR_MANYFILES)
		log_error("partition", "%s: cannot %s: %s", logdir->path, doing, err_text(err));
	else
		logdir_fail(logdir, err, doing);
}

/*
 * What was dropped below these log starts may be removed. In the order of the references. On a full
 * disk removing is what makes room for the checkpoint: after a crash between the two such a log
 * begins at its first segment, which must be there, so its name is synced first.
 */
static void checkpointer_tell_starts(struct checkpointer *ckpt, const struct offsets *offsets,
				     bool durable)
{
	size_t next = 0;

	for (size_t i = 0; i < ckpt->refs_len && next < offsets->len; i++) {
		const struct checkpoint_entry *entry = &offsets->log_starts[next];
		struct partition *part = ckpt->refs[i];

		if (entry->topic.ptr != partition_topic(part).ptr || entry->partition != part->idx)
			continue;
		next++;
		if (!plog_awaits_start(part->log) ||
		    (!durable && file_sync_dir(plog_dir(part->log)) != ERR_OK))
			continue;
		partition_start_is_durable(part, entry->offset);
	}
}

/* What the files hold of each partition is its own now. */
static enum err checkpointer_trust(struct checkpointer *ckpt, const struct logdir *logdir)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < ckpt->refs_len && err == ERR_OK; i++)
		if (checkpointer_dir(ckpt->refs[i]) == logdir &&
		    plog_distrusts_checkpoints(ckpt->refs[i]->log))
			err = plog_trust_checkpoints(ckpt->refs[i]->log);
	return err;
}

static enum err checkpointer_run_dir(struct checkpointer *ckpt, struct logdir *logdir)
{
	struct offsets offsets;
	enum err err = offsets_init(&offsets, ckpt->refs_len);

	for (size_t i = 0; err == ERR_OK && i < ckpt->refs_len; i++) {
		struct partition *part = ckpt->refs[i];
		int64_t recovery_point;

		if (checkpointer_dir(part) != logdir)
			continue;
		recovery_point = partition_checkpoint(part);
		offsets_add(&offsets, part, recovery_point, partition_log_start(part),
			    partition_high_watermark(part));
	}
	if (err == ERR_OK)
		err = logdir_failed(logdir) ? ERR_KAFKA_STORAGE_ERROR
					    : offsets_write(&offsets, logdir);
	if (err == ERR_OK)
		err = checkpointer_trust(ckpt, logdir);
	if (err == ERR_OK || err == ERR_NOSPACE)
		checkpointer_tell_starts(ckpt, &offsets, err == ERR_OK);
	offsets_fini(&offsets);
	if (err != ERR_OK)
		checkpointer_fail(logdir, err, "write the checkpoints");
	return err;
}

static void checkpointer_run(struct job *job)
{
	struct checkpointer *ckpt = container_of(job, struct checkpointer, job);

	ckpt->err = ERR_OK;
	for (size_t i = 0; i < ckpt->dirs->len; i++) {
		enum err err = ERR_OK;

		if (!logdir_failed(ckpt->dirs->at[i]))
			err = checkpointer_run_dir(ckpt, ckpt->dirs->at[i]);
		ckpt->err = ckpt->err != ERR_OK ? ckpt->err : err;
	}
}

static void checkpointer_start(struct checkpointer *ckpt);

/* The files hold what this life has written. */
static void checkpointer_forget_found(struct checkpointer *ckpt)
{
	for (size_t i = 0; i < ckpt->dirs->len && !ckpt->written; i++)
		logdir_forget_offsets(ckpt->dirs->at[i]);
	ckpt->written = true;
}

static void checkpointer_done(struct job *job)
{
	struct checkpointer *ckpt = container_of(job, struct checkpointer, job);
	struct checkpointer_wait *wait;

	for (size_t i = 0; i < ckpt->refs_len; i++)
		partition_unref(ckpt->refs[i]);
	free(ckpt->refs);
	ckpt->refs = NULL;
	if (ckpt->err == ERR_OK) {
		ckpt->removals_written = ckpt->removals_begun;
		checkpointer_forget_found(ckpt);
	}
	while ((wait = STAILQ_FIRST(&ckpt->served)) != NULL) {
		STAILQ_REMOVE_HEAD(&ckpt->served, link);
		wait->done(wait, ckpt->err);
	}
	/* Only now: who is told may ask for another writing, which must not serve those above. */
	ckpt->runs = false;
	if (!STAILQ_EMPTY(&ckpt->waiting))
		checkpointer_start(ckpt);
	else if (ckpt->err != ERR_OK)
		checkpointer_touch(ckpt); /* a full disk may have room by then */
}

static void checkpointer_start(struct checkpointer *ckpt)
{
	struct partition *part;

	must(!ckpt->runs);
	loop_timer_stop(&ckpt->timer);
	ckpt->removals_begun = ckpt->removals;
	ckpt->refs = calloc(ckpt->parts_len + 1, sizeof(struct partition *));
	must(ckpt->refs != NULL);
	ckpt->refs_len = 0;
	TAILQ_FOREACH (part, &ckpt->parts, all)
		ckpt->refs[ckpt->refs_len++] = partition_ref(part);
	STAILQ_CONCAT(&ckpt->served, &ckpt->waiting);
	ckpt->runs = true;
	ckpt->job =
	    (struct job){.home = ckpt->control, .run = checkpointer_run, .done = checkpointer_done};
	worker_submit(ckpt->workers, &ckpt->job);
}

static void checkpointer_on_time(struct loop_timer *timer)
{
	struct checkpointer *ckpt = container_of(timer, struct checkpointer, timer);

	if (!ckpt->runs)
		checkpointer_start(ckpt);
}

struct checkpointer *checkpointer_new(struct loop *control, struct worker_pool *workers,
				      struct logdirs *dirs, int64_t interval_ms)
{
	struct checkpointer *ckpt = calloc(1, sizeof(*ckpt));

	if (ckpt == NULL)
		return NULL;
	ckpt->control = control;
	ckpt->workers = workers;
	ckpt->dirs = dirs;
	ckpt->interval_ms = interval_ms;
	TAILQ_INIT(&ckpt->parts);
	STAILQ_INIT(&ckpt->waiting);
	STAILQ_INIT(&ckpt->served);
	loop_timer_init(&ckpt->timer, control, checkpointer_on_time);
	return ckpt;
}

void checkpointer_free(struct checkpointer *ckpt)
{
	must(!ckpt->runs);
	must(TAILQ_EMPTY(&ckpt->parts));
	loop_timer_stop(&ckpt->timer);
	free(ckpt);
}

void checkpointer_add(struct checkpointer *ckpt, struct partition *part)
{
	TAILQ_INSERT_TAIL(&ckpt->parts, part, all);
	ckpt->parts_len++;
}

void checkpointer_remove(struct checkpointer *ckpt, struct partition *part)
{
	must(ckpt->parts_len > 0);
	TAILQ_REMOVE(&ckpt->parts, part, all);
	ckpt->parts_len--;
	ckpt->removals++;
}

static bool checkpointer_found(const struct logdir *logdir, struct str topic, int32_t idx)
{
	return checkpoint_get(&logdir->recovery_points, topic, idx, -1) >= 0 ||
	       checkpoint_get(&logdir->log_starts, topic, idx, -1) >= 0 ||
	       checkpoint_get(&logdir->high_watermarks, topic, idx, -1) >= 0 ||
	       checkpoint_get(&logdir->cleaned, topic, idx, -1) >= 0;
}

void checkpointer_started(struct checkpointer *ckpt)
{
	for (size_t i = 0; i < ckpt->dirs->len; i++) {
		if (ckpt->dirs->at[i]->clean)
			logdir_forget_offsets(ckpt->dirs->at[i]);
		else
			checkpointer_touch(ckpt);
	}
}

bool checkpointer_may_list(const struct checkpointer *ckpt, const struct logdir *logdir,
			   struct str topic, int32_t idx)
{
	return ckpt->removals != ckpt->removals_written ||
	       (!ckpt->written && checkpointer_found(logdir, topic, idx));
}

bool checkpointer_stop(struct checkpointer *ckpt)
{
	ckpt->stopped = true;
	loop_timer_stop(&ckpt->timer);
	return ckpt->runs;
}

void checkpointer_wake(struct checkpointer *ckpt, const struct logdir *logdir)
{
	struct partition *part;

	TAILQ_FOREACH (part, &ckpt->parts, all)
		if (checkpointer_dir(part) == logdir)
			partition_wake(part, true);
}

void checkpointer_touch(struct checkpointer *ckpt)
{
	if (!ckpt->stopped && !loop_timer_is_set(&ckpt->timer))
		loop_timer_start(&ckpt->timer, ckpt->interval_ms);
}

void checkpointer_write(struct checkpointer *ckpt, struct checkpointer_wait *wait)
{
	STAILQ_INSERT_TAIL(&ckpt->waiting, wait, link);
	if (!ckpt->runs)
		checkpointer_start(ckpt);
}

/* -- the clean end ------------------------------------------------------------------------- */

static enum err checkpointer_close_one(struct partition *part, bool synced, struct offsets *offsets)
{
	struct partition keep = {.topic = str_dup(partition_topic(part)), .idx = part->idx};
	int64_t recovery_point, log_start, high_watermark = partition_high_watermark(part);
	enum err err;

	if (keep.topic == NULL)
		return ERR_NOMEM;
	err = partition_close(part, synced, &recovery_point, &log_start);
	if (err != ERR_OK) {
		log_error("partition", "closing %s-%d: %s", keep.topic, keep.idx, err_text(err));
		free(keep.topic);
		return err;
	}
	/* The entry keeps the name. */
	offsets_add(offsets, &keep, recovery_point, log_start, high_watermark);
	return ERR_OK;
}

static enum err checkpointer_close_dir(struct checkpointer *ckpt, struct logdir *logdir)
{
	struct partition *part, *next;
	struct offsets offsets;
	enum err err = offsets_init(&offsets, ckpt->parts_len), one;
	bool synced = ckpt->parts_len <= CLOSE_SYNCED_MAX;

	for (part = TAILQ_FIRST(&ckpt->parts); err != ERR_NOMEM && part != NULL; part = next) {
		next = TAILQ_NEXT(part, all);
		if (checkpointer_dir(part) != logdir)
			continue;
		checkpointer_remove(ckpt, part);
		one = checkpointer_close_one(part, synced, &offsets);
		err = err != ERR_OK ? err : one;
	}
	if (err == ERR_OK && !synced)
		err = logdir_sync_all(logdir);
	if (err == ERR_OK)
		err = offsets_write(&offsets, logdir);
	for (size_t i = 0; i < offsets.len; i++)
		free((char *)(uintptr_t)offsets.recovery_points[i].topic.ptr);
	offsets_fini(&offsets);
	if (err != ERR_OK)
		logdir_fail(logdir, err, "close the logs");
	return err;
}

enum err checkpointer_close(struct checkpointer *ckpt)
{
	enum err err = ERR_OK;

	must(!ckpt->runs);
	for (size_t i = 0; i < ckpt->dirs->len; i++) {
		enum err one = ERR_OK;

		if (!logdir_failed(ckpt->dirs->at[i]))
			one = checkpointer_close_dir(ckpt, ckpt->dirs->at[i]);
		err = err != ERR_OK ? err : one;
	}
	checkpointer_abandon(ckpt);
	return err;
}

void checkpointer_abandon(struct checkpointer *ckpt)
{
	struct partition *part;

	while ((part = TAILQ_FIRST(&ckpt->parts)) != NULL) {
		checkpointer_remove(ckpt, part);
		partition_unref(part);
	}
}
