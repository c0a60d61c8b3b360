/*
 * Which partitions are dirty and since when: a list by deadline and one timer, on the control loop.
 */
#include "partition/flush.h"

#include <stdlib.h>

#include "partition/partition_int.h"

/* From so many on, one syncfs is cheaper than a fdatasync for each. */
#define SWEEP_MIN 64
#define SWEEP_MAX 4096

/* When a flush could not be made. */
#define AGAIN_MS 100

struct flusher {
	struct loop *control;
	struct worker_pool *workers;
	const struct logdirs *dirs;
	struct loop_timer timer;
	void (*on_dirty)(void *ctx);
	void *ctx;
	TAILQ_HEAD(flush_entries, flush_entry) dirty; /* by deadline, earliest first */
};

static struct partition *flush_partition(struct flush_entry *entry)
{
	return container_of(entry, struct partition, dirty);
}

static void flusher_arm(struct flusher *flusher)
{
	struct flush_entry *first = TAILQ_FIRST(&flusher->dirty);
	int64_t now = clock_mono_ms(loop_clock(flusher->control));

	if (first != NULL)
		loop_timer_start(&flusher->timer,
				 first->deadline_ms > now ? first->deadline_ms - now : 0);
}

/* Deadlines mostly rise with time, so the place is found near the end. */
static void flusher_insert(struct flusher *flusher, struct flush_entry *entry)
{
	struct flush_entry *before = TAILQ_LAST(&flusher->dirty, flush_entries);

	while (before != NULL && before->deadline_ms > entry->deadline_ms)
		before = TAILQ_PREV(before, flush_entries, link);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&flusher->dirty, entry, link);
	else
		TAILQ_INSERT_AFTER(&flusher->dirty, before, entry, link);
}

static void flusher_on_dirty(struct mail *mail)
{
	struct flush_entry *entry = container_of(mail, struct flush_entry, mail);
	struct partition *part = flush_partition(entry);
	struct flusher *flusher = part->env.flusher;
	int64_t wait_ms;

	wait_ms = atomic_load(&part->rules.flush_ms);
	if (atomic_exchange(&entry->soon, false) && wait_ms > AGAIN_MS)
		wait_ms = AGAIN_MS;
	entry->deadline_ms = clock_mono_ms(loop_clock(flusher->control)) + wait_ms;
	flusher_insert(flusher, entry);
	if (TAILQ_FIRST(&flusher->dirty) == entry)
		flusher_arm(flusher);
	if (flusher->on_dirty != NULL)
		flusher->on_dirty(flusher->ctx);
}

static void flusher_flush(struct flush_entry *entry)
{
	struct partition *part = flush_partition(entry);

	plog_lock(part->log);
	entry->posted = false;
	if (plog_is_dirty(part->log) && !atomic_load(&part->gone))
		partition_flush_locked(part);
	plog_unlock(part->log);
	partition_unref(part);
}

/* -- sweeps -------------------------------------------------------------------------------- */

struct sweep {
	struct job job;
	const struct logdirs *dirs;
	size_t len;
	struct partition *parts[SWEEP_MAX]; /* references */
	struct plog_flush *flushes[SWEEP_MAX];
	enum err errs[SWEEP_MAX];
};

/* Those who take no part move out of the list. */
static void sweep_begin(struct sweep *sweep)
{
	size_t len = 0;

	for (size_t i = 0; i < sweep->len; i++) {
		struct partition *part = sweep->parts[i];

		if (partition_sweep_begin(part, &sweep->flushes[len], &sweep->errs[len]))
			sweep->parts[len++] = part;
		else
			partition_unref(part);
	}
	sweep->len = len;
}

/* Those that lie in this directory; its sync counts for them alone. */
static void sweep_dir(struct sweep *sweep, struct logdir *logdir)
{
	enum err err = ERR_OK;
	bool synced = false;

	for (size_t i = 0; i < sweep->len; i++) {
		struct partition *part = sweep->parts[i];

		if (plog_logdir(part->log) != logdir)
			continue;
		if (!synced && logdir_sync_all(logdir) != ERR_OK)
			err = ERR_IO;
		synced = true;
		partition_sweep_end(part, sweep->flushes[i],
				    sweep->errs[i] != ERR_OK ? sweep->errs[i] : err);
	}
}

static void sweep_run(struct job *job)
{
	struct sweep *sweep = container_of(job, struct sweep, job);

	sweep_begin(sweep);
	for (size_t i = 0; i < sweep->dirs->len; i++)
		sweep_dir(sweep, sweep->dirs->at[i]);
	for (size_t i = 0; i < sweep->len; i++)
		partition_unref(sweep->parts[i]);
	free(sweep);
}

/*
 * Takes what is due, up to SWEEP_MAX; NULL when it is few, or memory is out: then each for itself.
 */
static struct sweep *flusher_sweep(struct flusher *flusher, int64_t now)
{
	struct flush_entry *entry;
	struct sweep *sweep;
	size_t due = 0;

	TAILQ_FOREACH (entry, &flusher->dirty, link)
		if (entry->deadline_ms > now || ++due == SWEEP_MIN)
			break;
	sweep = due == SWEEP_MIN && flusher->dirs != NULL ? malloc(sizeof(*sweep)) : NULL;
	if (sweep == NULL)
		return NULL;
	sweep->len = 0;
	sweep->dirs = flusher->dirs;
	sweep->job = (struct job){.run = sweep_run};
	while (sweep->len < SWEEP_MAX && (entry = TAILQ_FIRST(&flusher->dirty)) != NULL &&
	       entry->deadline_ms <= now) {
		struct partition *part = flush_partition(entry);

		TAILQ_REMOVE(&flusher->dirty, entry, link);
		plog_lock(part->log);
		entry->posted = false;
		plog_unlock(part->log);
		sweep->parts[sweep->len++] = part; /* with the entry's reference */
	}
	return sweep;
}

static void flusher_on_time(struct loop_timer *timer)
{
	struct flusher *flusher = container_of(timer, struct flusher, timer);
	int64_t now = clock_mono_ms(loop_clock(flusher->control));
	struct flush_entry *entry;
	struct sweep *sweep;

	while ((sweep = flusher_sweep(flusher, now)) != NULL)
		worker_submit(flusher->workers, &sweep->job);
	while ((entry = TAILQ_FIRST(&flusher->dirty)) != NULL && entry->deadline_ms <= now) {
		TAILQ_REMOVE(&flusher->dirty, entry, link);
		flusher_flush(entry);
	}
	flusher_arm(flusher);
}

struct flusher *flusher_new(struct loop *control, struct worker_pool *workers,
			    const struct logdirs *dirs, void (*on_dirty)(void *ctx), void *ctx)
{
	struct flusher *flusher = calloc(1, sizeof(*flusher));

	must(flusher != NULL);
	flusher->control = control;
	flusher->workers = workers;
	flusher->dirs = dirs;
	flusher->on_dirty = on_dirty;
	flusher->ctx = ctx;
	TAILQ_INIT(&flusher->dirty);
	loop_timer_init(&flusher->timer, control, flusher_on_time);
	return flusher;
}

void flusher_free(struct flusher *flusher)
{
	struct flush_entry *entry;

	loop_timer_stop(&flusher->timer);
	while ((entry = TAILQ_FIRST(&flusher->dirty)) != NULL) {
		TAILQ_REMOVE(&flusher->dirty, entry, link);
		partition_unref(flush_partition(entry));
	}
	free(flusher);
}

void flusher_post(struct flusher *flusher, struct partition *part)
{
	partition_ref(part);
	part->dirty.mail = (struct mail){.deliver = flusher_on_dirty};
	loop_post(flusher->control, &part->dirty.mail);
}
