/*
 * A cycle of the cleaner: look at the partitions that have told something, write the checkpoints
 * if any is due, clean those that are, dirtiest first.
 */
#include "partition/cleaner.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "partition/cleaner_files.h"
#include "partition/throttle.h"
#include "store/clean.h"

#define CLEANER_THREADS_MAX 64
#define NAP_MS		    20 /* of one sleep, so that a stop waits for no more */

/* One partition in a cycle. */
struct cleaner_look {
	struct partition *part; /* a reference */
	struct clean_known known;
	struct clean_range range;
	struct clean_result result;
	enum err err;
};

/* What one thread works on. */
struct cleaner_slot {
	struct cleaner *cleaner;
	struct cleaner_look *look; /* NULL: nothing */
	struct job job;
	struct clean_limits limits;
	struct clean_pace pace;
};

enum cleaner_phase { CLEANER_IDLE, CLEANER_LOOKS, CLEANER_WAITS, CLEANER_CLEANS };

struct cleaner {
	struct cleaner_options options;
	struct cleaner_settings settings; /* of this cycle */
	struct cleaner_parts parts;
	TAILQ_HEAD(, partition) told; /* to be looked at, each when it is due */
	struct loop_timer timer;
	int64_t timer_at_ms;
	struct loop_task reread;
	_Atomic bool stopped;
	_Atomic uint32_t posted; /* mails under way */
	enum cleaner_phase phase;
	bool any_cleaned;

	struct cleaner_look *looks; /* of this cycle */
	size_t looks_len, next;
	struct job survey;
	struct checkpointer_wait durable;
	struct cleaner_slot slots[CLEANER_THREADS_MAX];
	int running, pool_threads;
	struct worker_pool *pool;

	struct throttle throttle;
	struct cleaner_files files;
	struct cleaner_counts counts;
};

static int64_t cleaner_now_ms(const struct cleaner *cleaner)
{
	return clock_mono_ms(loop_clock(cleaner->options.control));
}

static void cleaner_read_settings(struct cleaner *cleaner)
{
	cleaner->options.settings(cleaner->options.ctx, &cleaner->settings);
	if (cleaner->settings.threads > CLEANER_THREADS_MAX)
		cleaner->settings.threads = CLEANER_THREADS_MAX;
	throttle_set(&cleaner->throttle, cleaner->settings.bytes_per_second);
}

/* -- who has told something ------------------------------------------------------------------ */

static void cleaner_arm(struct cleaner *cleaner, int64_t at_ms)
{
	int64_t now_ms = cleaner_now_ms(cleaner);

	if (atomic_load(&cleaner->stopped) || cleaner->phase != CLEANER_IDLE)
		return;
	if (loop_timer_is_set(&cleaner->timer) && cleaner->timer_at_ms <= at_ms)
		return;
	cleaner->timer_at_ms = at_ms;
	loop_timer_start(&cleaner->timer, at_ms > now_ms ? at_ms - now_ms : 1);
}

static void cleaner_tell(struct cleaner *cleaner, struct partition *part, int64_t delay_ms)
{
	int64_t now_ms = cleaner_now_ms(cleaner), at_ms = INT64_MAX;

	if (!part->clean.is_known || part->clean.uncleanable)
		return;
	if (delay_ms < INT64_MAX - now_ms)
		at_ms = now_ms + (delay_ms > 0 ? delay_ms : 0);
	if (!part->clean.is_told) {
		part->clean.is_told = true;
		part->clean.due_ms = at_ms;
		TAILQ_INSERT_TAIL(&cleaner->told, part, clean.link);
	} else if (at_ms < part->clean.due_ms) {
		part->clean.due_ms = at_ms;
	}
	cleaner_arm(cleaner, part->clean.due_ms);
}

static void cleaner_untell(struct cleaner *cleaner, struct partition *part)
{
	if (part->clean.is_told)
		TAILQ_REMOVE(&cleaner->told, part, clean.link);
	part->clean.is_told = false;
}

static void cleaner_on_mail(struct mail *mail)
{
	struct partition *part = container_of(mail, struct partition, clean.mail);
	struct cleaner *cleaner = part->env.cleaner;

	atomic_fetch_sub(&cleaner->posted, 1);
	cleaner_tell(cleaner, part, cleaner->settings.backoff_ms);
	partition_unref(part);
}

void cleaner_post(struct cleaner *cleaner, struct partition *part)
{
	atomic_fetch_add(&cleaner->posted, 1);
	partition_ref(part);
	part->clean.mail = (struct mail){.deliver = cleaner_on_mail};
	loop_post(cleaner->options.control, &part->clean.mail);
}

static bool cleaner_is_compacted(const struct partition *part)
{
	return atomic_load(&part->rules.compacted);
}

/* -- cleaning, on a thread of our own -------------------------------------------------------- */

static enum err cleaner_spend(struct clean_pace *pace, size_t bytes)
{
	struct cleaner_slot *slot = container_of(pace, struct cleaner_slot, pace);
	struct cleaner *cleaner = slot->cleaner;
	int64_t wait_us =
	    throttle_use(&cleaner->throttle, bytes, clock_mono_us(cleaner->options.clock));

	do {
		const struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};

		if (atomic_load(&cleaner->stopped) || atomic_load(&slot->look->part->gone) ||
		    !cleaner_is_compacted(slot->look->part))
			return ERR_CANCELLED;
		if (wait_us >= NAP_MS * 1000)
			nanosleep(&nap, NULL);
		wait_us -= NAP_MS * 1000;
	} while (wait_us >= NAP_MS * 1000);
	return ERR_OK;
}

static void cleaner_clean(struct job *job)
{
	struct cleaner_slot *slot = container_of(job, struct cleaner_slot, job);
	struct cleaner_look *look = slot->look;
	struct plog *log = partition_log(look->part);

	look->known.now_ms = clock_wall_ms(slot->cleaner->options.clock);
	look->err = clean_range_find(log, &look->known, &look->range);
	look->result = (struct clean_result){.end = look->range.first_dirty};
	if (look->err == ERR_OK && look->range.end > look->range.first_dirty)
		look->err = clean_log(log, &look->range, &slot->limits, &look->result);
}

/* -- what came of it ------------------------------------------------------------------------- */

static void cleaner_count(struct cleaner *cleaner, const struct cleaner_look *look)
{
	const struct clean_stats *stats = &look->result.stats;

	cleaner->counts.rounds++;
	cleaner->counts.read_bytes += stats->read_bytes;
	cleaner->counts.kept_bytes += stats->kept_bytes;
	cleaner->counts.read_records += stats->read_records;
	cleaner->counts.kept_records += stats->kept_records;
	log_info("partition",
		 "%s-%d is clean up to %lld: %llu of %llu bytes, %llu of %llu records kept",
		 look->part->topic, look->part->idx, (long long)look->result.end,
		 (unsigned long long)stats->kept_bytes, (unsigned long long)stats->read_bytes,
		 (unsigned long long)stats->kept_records, (unsigned long long)stats->read_records);
}

static void cleaner_failed(struct cleaner *cleaner, struct cleaner_look *look)
{
	struct partition *part = look->part;

	cleaner->counts.failed++;
	if (look->err == ERR_BADCONFIG)
		log_error("partition",
			  "%s-%d: log.cleaner.dedupe.buffer.size is too small for a single batch",
			  part->topic, part->idx);
	else
		log_error("partition", "cleaning of %s-%d: %s", part->topic, part->idx,
			  err_text(look->err));
	if (look->err == ERR_CORRUPT_MESSAGE) {
		log_error("partition", "%s-%d is not cleaned any more until the next start",
			  part->topic, part->idx);
		part->clean.uncleanable = true;
		cleaner->counts.uncleanable++;
	} else if (look->err != ERR_KAFKA_STORAGE_ERROR) {
		cleaner_tell(cleaner, part, cleaner->settings.backoff_ms);
	}
}

static void cleaner_cleaned(struct cleaner *cleaner, struct cleaner_look *look)
{
	struct partition *part = look->part;
	bool moved = look->result.end > look->range.first_dirty;

	if (look->err == ERR_CANCELLED) {
		if (cleaner_is_compacted(part))
			cleaner_tell(cleaner, part, cleaner->settings.backoff_ms);
		return;
	}
	if (look->err != ERR_OK) {
		cleaner_failed(cleaner, look);
		return;
	}
	/* There may be more: a full map, or what came meanwhile. */
	cleaner_tell(cleaner, part, moved ? 0 : cleaner->settings.backoff_ms);
	if (!moved || !part->clean.is_known)
		return;
	part->clean.checkpoint = look->result.end;
	cleaner->any_cleaned = true;
	cleaner_count(cleaner, look);
	cleaner_files_write(&cleaner->files);
}

/* -- a cycle --------------------------------------------------------------------------------- */

static void cleaner_end_cycle(struct cleaner *cleaner)
{
	int64_t first_ms = INT64_MAX;
	struct partition *part;

	for (size_t i = 0; i < cleaner->looks_len; i++)
		partition_unref(cleaner->looks[i].part);
	free(cleaner->looks);
	cleaner->looks = NULL;
	cleaner->looks_len = 0;
	cleaner->phase = CLEANER_IDLE;
	TAILQ_FOREACH (part, &cleaner->told, clean.link)
		first_ms = part->clean.due_ms < first_ms ? part->clean.due_ms : first_ms;
	if (first_ms != INT64_MAX)
		cleaner_arm(cleaner, first_ms);
}

static void cleaner_slot_done(struct job *job);

static void cleaner_start_slot(struct cleaner *cleaner, struct cleaner_slot *slot)
{
	const struct cleaner_settings *settings = &cleaner->settings;
	size_t share = (size_t)settings->threads;

	slot->cleaner = cleaner;
	slot->look = &cleaner->looks[cleaner->next++];
	slot->pace.spend = cleaner_spend;
	slot->limits = (struct clean_limits){.map_bytes = settings->dedupe_bytes / share,
					     .map_load = settings->load,
					     .io_bytes = settings->io_bytes / share / 2,
					     .pace = &slot->pace};
	slot->job = (struct job){.home = cleaner->options.control,
				 .run = cleaner_clean,
				 .done = cleaner_slot_done};
	cleaner->running++;
	worker_submit(cleaner->pool, &slot->job);
}

static void cleaner_fill_slots(struct cleaner *cleaner)
{
	for (int i = 0; i < cleaner->settings.threads && !atomic_load(&cleaner->stopped); i++)
		if (cleaner->slots[i].look == NULL && cleaner->next < cleaner->looks_len)
			cleaner_start_slot(cleaner, &cleaner->slots[i]);
	if (cleaner->running == 0)
		cleaner_end_cycle(cleaner);
}

static void cleaner_slot_done(struct job *job)
{
	struct cleaner_slot *slot = container_of(job, struct cleaner_slot, job);
	struct cleaner *cleaner = slot->cleaner;

	cleaner_cleaned(cleaner, slot->look);
	slot->look = NULL;
	cleaner->running--;
	cleaner_fill_slots(cleaner);
}

/* Threads are there from the first cleaning on; their number follows the setting. */
static void cleaner_need_pool(struct cleaner *cleaner)
{
	if (cleaner->pool != NULL && cleaner->pool_threads == cleaner->settings.threads)
		return;
	if (cleaner->pool != NULL)
		worker_pool_free(cleaner->pool);
	cleaner->pool = worker_pool_new(cleaner->settings.threads);
	cleaner->pool_threads = cleaner->settings.threads;
}

/* No writing of the checkpoints runs just now: what the partitions say is what the files say. */
static void cleaner_on_durable(struct checkpointer_wait *wait, enum err err)
{
	struct cleaner *cleaner = container_of(wait, struct cleaner, durable);

	cleaner->phase = CLEANER_CLEANS;
	cleaner->next = 0;
	if (err != ERR_OK || atomic_load(&cleaner->stopped)) {
		for (size_t i = 0; i < cleaner->looks_len; i++)
			cleaner_tell(cleaner, cleaner->looks[i].part, cleaner->settings.backoff_ms);
		cleaner_end_cycle(cleaner);
		return;
	}
	for (size_t i = 0; i < cleaner->looks_len; i++) {
		struct partition *part = cleaner->looks[i].part;

		plog_lock(part->log);
		cleaner->looks[i].known.recovery_point = part->recovery_point;
		plog_unlock(part->log);
	}
	cleaner_need_pool(cleaner);
	cleaner_fill_slots(cleaner);
}

static int cleaner_cmp(const void *a, const void *b)
{
	const struct cleaner_look *left = a, *right = b;

	return (left->range.ratio < right->range.ratio) - (left->range.ratio > right->range.ratio);
}

/* Not now: is there a time at which it will be due, without another append? */
static void cleaner_put_off(struct cleaner *cleaner, const struct cleaner_look *look)
{
	if (look->err != ERR_OK && look->err != ERR_KAFKA_STORAGE_ERROR)
		cleaner_tell(cleaner, look->part, cleaner->settings.backoff_ms);
	else if (look->err == ERR_OK && look->range.again_at_ms >= 0)
		cleaner_tell(cleaner, look->part, look->range.again_at_ms - look->known.now_ms);
}

static void cleaner_surveyed(struct job *job)
{
	struct cleaner *cleaner = container_of(job, struct cleaner, survey);
	bool any_reset = false;
	size_t due = 0;

	for (size_t i = 0; i < cleaner->looks_len; i++) {
		struct cleaner_look *look = &cleaner->looks[i];

		if (look->err == ERR_OK && look->range.was_reset) {
			look->part->clean.checkpoint = look->known.checkpoint =
			    look->range.first_dirty;
			any_reset = true;
		}
		if (look->err == ERR_OK && look->range.is_due) {
			cleaner->looks[due++] = *look;
			continue;
		}
		cleaner_put_off(cleaner, look);
		partition_unref(look->part);
	}
	cleaner->looks_len = due;
	if (any_reset)
		cleaner_files_write(&cleaner->files);
	if (due == 0 || atomic_load(&cleaner->stopped)) {
		cleaner_end_cycle(cleaner);
		return;
	}
	qsort(cleaner->looks, due, sizeof(*cleaner->looks), cleaner_cmp);
	cleaner->phase = CLEANER_WAITS;
	cleaner->durable.done = cleaner_on_durable;
	checkpointer_write(cleaner->options.checkpointer, &cleaner->durable);
}

static void cleaner_survey(struct job *job)
{
	struct cleaner *cleaner = container_of(job, struct cleaner, survey);

	for (size_t i = 0; i < cleaner->looks_len; i++) {
		struct cleaner_look *look = &cleaner->looks[i];

		look->err = clean_range_find(partition_log(look->part), &look->known, &look->range);
	}
}

/* Takes it off the list of those who have told something; from here on it may tell again. */
static void cleaner_take(struct cleaner *cleaner, struct partition *part)
{
	cleaner_untell(cleaner, part);
	plog_lock(part->log);
	part->clean.posted = false;
	plog_unlock(part->log);
	if (!cleaner_is_compacted(part))
		return;
	cleaner->looks[cleaner->looks_len++] =
	    (struct cleaner_look){.part = partition_ref(part),
				  .known = {part->clean.checkpoint, INT64_MAX,
					    clock_wall_ms(cleaner->options.clock)}};
}

/* Those that are due until `until_ms`. */
static void cleaner_begin(struct cleaner *cleaner, int64_t until_ms)
{
	struct partition *part, *next;
	size_t len = 0;

	TAILQ_FOREACH (part, &cleaner->told, clean.link)
		len++;
	cleaner->looks = calloc(len + 1, sizeof(*cleaner->looks));
	must(cleaner->looks != NULL);
	cleaner->any_cleaned = false;
	for (part = TAILQ_FIRST(&cleaner->told); part != NULL; part = next) {
		next = TAILQ_NEXT(part, clean.link);
		if (part->clean.due_ms <= until_ms)
			cleaner_take(cleaner, part);
	}
	cleaner->phase = CLEANER_LOOKS;
	if (cleaner->looks_len == 0) {
		cleaner_end_cycle(cleaner);
		return;
	}
	cleaner->survey = (struct job){.home = cleaner->options.control,
				       .run = cleaner_survey,
				       .done = cleaner_surveyed};
	worker_submit(cleaner->options.workers, &cleaner->survey);
}

static void cleaner_check_until(struct cleaner *cleaner, int64_t until_ms)
{
	if (cleaner->phase != CLEANER_IDLE || atomic_load(&cleaner->stopped))
		return;
	loop_timer_stop(&cleaner->timer);
	cleaner_read_settings(cleaner);
	if (cleaner->settings.enable && cleaner->settings.threads > 0)
		cleaner_begin(cleaner, until_ms);
	else if (!TAILQ_EMPTY(&cleaner->told)) /* it may be allowed again */
		cleaner_arm(cleaner, cleaner_now_ms(cleaner) + cleaner->settings.backoff_ms);
}

void cleaner_check(struct cleaner *cleaner)
{
	cleaner_check_until(cleaner, INT64_MAX - 1);
}

static void cleaner_on_time(struct loop_timer *timer)
{
	struct cleaner *cleaner = container_of(timer, struct cleaner, timer);

	/* What would be due in this rest's time is taken with it. */
	cleaner_check_until(cleaner, cleaner_now_ms(cleaner) + cleaner->settings.backoff_ms);
}

/* A shorter rest counts at once. */
static void cleaner_reread(struct loop_task *task)
{
	struct cleaner *cleaner = container_of(task, struct cleaner, reread);
	struct partition *part;

	if (atomic_load(&cleaner->stopped))
		return;
	cleaner_read_settings(cleaner);
	TAILQ_FOREACH (part, &cleaner->told, clean.link)
		cleaner_tell(cleaner, part, cleaner->settings.backoff_ms);
}

void cleaner_settings_changed(struct cleaner *cleaner)
{
	loop_defer(cleaner->options.control, &cleaner->reread);
}

/* -- life ------------------------------------------------------------------------------------ */

struct cleaner *cleaner_new(const struct cleaner_options *options)
{
	struct cleaner *cleaner = calloc(1, sizeof(*cleaner));

	if (cleaner == NULL)
		return NULL;
	cleaner->options = *options;
	TAILQ_INIT(&cleaner->parts);
	TAILQ_INIT(&cleaner->told);
	throttle_init(&cleaner->throttle);
	loop_timer_init(&cleaner->timer, options->control, cleaner_on_time);
	cleaner->reread.run = cleaner_reread;
	cleaner->files = (struct cleaner_files){.control = options->control,
						.workers = options->workers,
						.dirs = options->dirs,
						.parts = &cleaner->parts};
	cleaner_read_settings(cleaner);
	return cleaner;
}

void cleaner_free(struct cleaner *cleaner)
{
	must(!cleaner_is_busy(cleaner));
	loop_timer_stop(&cleaner->timer);
	if (cleaner->pool != NULL)
		worker_pool_free(cleaner->pool);
	throttle_fini(&cleaner->throttle);
	free(cleaner);
}

void cleaner_add(struct cleaner *cleaner, struct partition *part, bool created)
{
	const struct logdir *logdir = plog_logdir(part->log);

	part->clean.checkpoint = -1;
	if (!created && logdir != NULL)
		part->clean.checkpoint =
		    checkpoint_get(&logdir->cleaned, partition_topic(part), part->idx, -1);
	part->clean.is_known = true;
	TAILQ_INSERT_TAIL(&cleaner->parts, part, clean.all);
	if (!created)
		cleaner_touch(cleaner, part);
}

void cleaner_remove(struct cleaner *cleaner, struct partition *part)
{
	bool listed = part->clean.checkpoint >= 0;

	cleaner_untell(cleaner, part);
	TAILQ_REMOVE(&cleaner->parts, part, clean.all);
	part->clean.is_known = false;
	if (listed && !atomic_load(&cleaner->stopped))
		cleaner_files_write(&cleaner->files);
}

void cleaner_touch(struct cleaner *cleaner, struct partition *part)
{
	if (cleaner_is_compacted(part))
		cleaner_tell(cleaner, part, cleaner->settings.backoff_ms);
}

void cleaner_stop(struct cleaner *cleaner)
{
	atomic_store(&cleaner->stopped, true);
	cleaner->files.again = false;
	loop_timer_stop(&cleaner->timer);
	if (cleaner->pool != NULL)
		worker_pool_drain(cleaner->pool);
}

bool cleaner_is_busy(const struct cleaner *cleaner)
{
	return cleaner->phase != CLEANER_IDLE || cleaner->files.runs ||
	       atomic_load(&cleaner->posted) > 0;
}

struct cleaner_counts cleaner_counts(const struct cleaner *cleaner)
{
	return cleaner->counts;
}
