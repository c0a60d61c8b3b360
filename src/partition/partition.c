/*
 * Roles, appends, watermarks and waiters of one partition.
 *
 * Lock order: plog_lock, then wait_lock, then a wake box's lock. Wakes happen after plog_lock was
 * let go.
 */
#include "partition/partition.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/image.h"
#include "partition/partition_int.h"
#include "store/logdir.h"
#include "store/trash.h"

struct partition *partition_new(const struct partition_env *env, struct str topic,
				struct uuid topic_id, int32_t idx, struct plog *log,
				int64_t recovery_point, bool created,
				const struct partition_rules *rules)
{
	struct partition *part = calloc(1, sizeof(*part));
	char *name = str_dup(topic);

	if (part == NULL || name == NULL) {
		free(part);
		free(name);
		return NULL;
	}
	part->magic = PARTITION_MAGIC;
	part->refs = 1;
	part->topic = name;
	part->topic_id = topic_id;
	part->idx = idx;
	part->env = *env;
	part->log = log;
	part->leader_epoch = -1;
	part->recovery_point = recovery_point;
	part->unlisted = created;
	pthread_mutex_init(&part->wait_lock, NULL);
	TAILQ_INIT(&part->waiters);
	partition_set_rules(part, rules);
	return part;
}

struct partition *partition_ref(struct partition *part)
{
	must_be(part, PARTITION_MAGIC);
	atomic_fetch_add_explicit(&part->refs, 1, memory_order_relaxed);
	return part;
}

/* -- the end of a deleted partition's directory ---------------------------------------------- */

struct removal {
	struct job job;
	char *dir;
};

static void partition_remove_dir(struct job *job)
{
	struct removal *removal = container_of(job, struct removal, job);
	enum err err = file_remove_dir(removal->dir);

	if (err != ERR_OK)
		log_warn("partition", "cannot remove %s: %s", removal->dir, err_text(err));
	free(removal->dir);
	free(removal);
}

/* What was set aside goes after its delay, or at once where there is no trash. */
static void partition_throw_away(struct partition *part)
{
	struct removal *removal;

	if (part->env.trash != NULL) {
		trash_add_dir(part->env.trash, part->doomed,
			      part->doomed_due_ms - clock_mono_ms(part->env.clock));
		free(part->doomed);
		return;
	}
	removal = calloc(1, sizeof(*removal));
	if (removal == NULL) {
		free(part->doomed); /* the next start removes it */
		return;
	}
	*removal = (struct removal){.job = {.run = partition_remove_dir}, .dir = part->doomed};
	worker_submit(part->env.workers, &removal->job);
}

static void partition_free(struct partition *part)
{
	must(TAILQ_EMPTY(&part->waiters));
	if (part->log != NULL)
		plog_abandon(part->log);
	if (part->doomed != NULL)
		partition_throw_away(part);
	pthread_mutex_destroy(&part->wait_lock);
	free(part->topic);
	part->magic = 0;
	free(part);
}

void partition_unref(struct partition *part)
{
	must_be(part, PARTITION_MAGIC);
	if (atomic_fetch_sub_explicit(&part->refs, 1, memory_order_acq_rel) == 1)
		partition_free(part);
}

/* -- what it is -------------------------------------------------------------------------------- */

struct str partition_topic(const struct partition *part)
{
	return str_of(part->topic);
}

struct uuid partition_topic_id(const struct partition *part)
{
	return part->topic_id;
}

int32_t partition_idx(const struct partition *part)
{
	return part->idx;
}

struct plog *partition_log(struct partition *part)
{
	must_be(part, PARTITION_MAGIC);
	return part->log;
}

int32_t partition_leader_epoch(const struct partition *part)
{
	return atomic_load(&part->leader_epoch);
}

int64_t partition_log_start(const struct partition *part)
{
	return plog_start(part->log);
}

int64_t partition_log_end(const struct partition *part)
{
	return plog_end(part->log);
}

int64_t partition_high_watermark(const struct partition *part)
{
	return plog_high_watermark(part->log);
}

int64_t partition_last_stable(const struct partition *part)
{
	return plog_last_stable(part->log);
}

enum err partition_check_leader(const struct partition *part, int32_t current_leader_epoch)
{
	int32_t epoch = atomic_load(&part->leader_epoch);

	must_be(part, PARTITION_MAGIC);
	if (atomic_load(&part->gone))
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (plog_failed(part->log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (current_leader_epoch != -1 && current_leader_epoch < epoch)
		return ERR_FENCED_LEADER_EPOCH;
	if (current_leader_epoch != -1 && current_leader_epoch > epoch)
		return ERR_UNKNOWN_LEADER_EPOCH;
	return atomic_load(&part->leads) ? ERR_OK : ERR_NOT_LEADER_OR_FOLLOWER;
}

/* -- waiting ----------------------------------------------------------------------------------- */

static bool partition_is_over(const struct partition *part)
{
	return !atomic_load(&part->leads) || plog_failed(part->log);
}

bool partition_is_committed(const struct partition *part, int64_t offset)
{
	return plog_high_watermark(part->log) >= offset;
}

static void partition_enlist(struct partition *part, struct waiter *waiter)
{
	must(waiter->place == WAITER_IDLE);
	must(loop_is_mine(waiter->box->loop));
	waiter->place = WAITER_ON_PARTITION;
	TAILQ_INSERT_TAIL(&part->waiters, waiter, link);
}

bool partition_wait_committed(struct partition *part, struct waiter *waiter, int64_t offset)
{
	bool wait;

	must_be(part, PARTITION_MAGIC);
	waiter->offset = offset;
	waiter->for_data = false;
	/*
	 * The high watermark is published before this lock is taken for the wake: none is missed.
	 */
	pthread_mutex_lock(&part->wait_lock);
	wait = !partition_is_committed(part, offset) && !partition_is_over(part);
	if (wait)
		partition_enlist(part, waiter);
	pthread_mutex_unlock(&part->wait_lock);
	return wait;
}

void partition_wait_data(struct partition *part, struct waiter *waiter)
{
	must_be(part, PARTITION_MAGIC);
	waiter->for_data = true;
	pthread_mutex_lock(&part->wait_lock);
	partition_enlist(part, waiter);
	pthread_mutex_unlock(&part->wait_lock);
}

void partition_unwait(struct partition *part, struct waiter *waiter)
{
	must_be(part, PARTITION_MAGIC);
	pthread_mutex_lock(&part->wait_lock);
	if (waiter->place == WAITER_ON_PARTITION) {
		TAILQ_REMOVE(&part->waiters, waiter, link);
		waiter->place = WAITER_IDLE;
	}
	pthread_mutex_unlock(&part->wait_lock);
	wake_box_take(waiter);
}

/* Whoever has reason to look again goes to the box of its loop. */
void partition_wake(struct partition *part, bool for_data)
{
	struct waiter *waiter, *next;
	bool over = partition_is_over(part);

	pthread_mutex_lock(&part->wait_lock);
	for (waiter = TAILQ_FIRST(&part->waiters); waiter != NULL; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (!over &&
		    (waiter->for_data ? !for_data : !partition_is_committed(part, waiter->offset)))
			continue;
		TAILQ_REMOVE(&part->waiters, waiter, link);
		wake_box_put(waiter);
	}
	pthread_mutex_unlock(&part->wait_lock);
}

/* -- appending --------------------------------------------------------------------------------- */

static enum err partition_may_append(struct partition *part, enum partition_acks acks)
{
	enum err err = partition_check_leader(part, -1);

	if (err == ERR_OK && acks == PARTITION_ACKS_ALL &&
	    atomic_load(&part->in_sync) < atomic_load(&part->rules.min_insync_replicas))
		err = ERR_NOT_ENOUGH_REPLICAS;
	return err;
}

/*
 * Is there room for what a producer sends? The coordinators' records are written on: they are few,
 * and the floor of free space is there for them.
 */
static enum err partition_may_grow(struct partition *part, const struct plog_append *items,
				   size_t items_len)
{
	struct logdir *logdir = plog_logdir(part->log);
	int64_t len_bytes = 0;

	if (logdir == NULL || items[0].origin != PLOG_CLIENT)
		return ERR_OK;
	for (size_t i = 0; i < items_len; i++)
		len_bytes += (int64_t)items[i].len_bytes;
	return room_take(&logdir->room, len_bytes) ? ERR_OK : ERR_NOSPACE;
}

/* The disk was full before anybody had looked: the others need not find out one by one. */
static void partition_note_full(struct partition *part, const struct plog_append *items,
				size_t items_len)
{
	struct logdir *logdir = plog_logdir(part->log);

	for (size_t i = 0; logdir != NULL && i < items_len; i++) {
		if (items[i].err != ERR_NOSPACE)
			continue;
		room_found_full(&logdir->room);
		return;
	}
}

enum err partition_txn_guard(struct partition *part, int64_t producer_id, int16_t epoch,
			     int64_t *guard)
{
	enum err err;

	must_be(part, PARTITION_MAGIC);
	plog_lock(part->log);
	err = plog_txn_guard(part->log, producer_id, epoch, guard);
	plog_unlock(part->log);
	return err;
}

void partition_append(struct partition *part, struct plog_append *items, size_t items_len,
		      enum partition_acks acks)
{
	bool written = false;
	enum err err;

	must_be(part, PARTITION_MAGIC);
	must(items_len > 0);
	plog_lock(part->log);
	err = partition_may_append(part, acks);
	if (err == ERR_OK)
		err = partition_may_grow(part, items, items_len);
	if (err == ERR_OK) {
		written = plog_append_as_leader(part->log, items, items_len,
						atomic_load(&part->leader_epoch)) > 0;
		partition_note_full(part, items, items_len);
	} else {
		for (size_t i = 0; i < items_len; i++)
			items[i].err = err;
	}
	if (written) {
		partition_advance_locked(part);
		partition_plan_flush(part);
	}
	plog_unlock(part->log);
	if (written)
		partition_wake(part, true);
}

/* -- roles and rules --------------------------------------------------------------------------- */

void partition_set_rules(struct partition *part, const struct partition_rules *rules)
{
	must_be(part, PARTITION_MAGIC);
	atomic_store(&part->rules.max_message_bytes, rules->max_message_bytes);
	atomic_store(&part->rules.before_max_ms, rules->before_max_ms);
	atomic_store(&part->rules.after_max_ms, rules->after_max_ms);
	atomic_store(&part->rules.timestamp_type, rules->timestamp_type);
	atomic_store(&part->rules.min_insync_replicas, rules->min_insync_replicas);
	atomic_store(&part->rules.compacted, rules->compacted);
	atomic_store(&part->rules.compression,
		     (int64_t)rules->compression_level * 256 + (uint8_t)rules->compression);
	atomic_store(&part->rules.flush_messages, rules->flush_messages);
	atomic_store(&part->rules.flush_ms, rules->flush_ms);
	if (!atomic_load(&part->leads))
		return;
	/* Those who waited for a flush may have no reason left. */
	plog_lock(part->log);
	partition_advance_locked(part);
	plog_unlock(part->log);
	partition_wake(part, true);
}

void partition_rules(const struct partition *part, struct partition_rules *rules)
{
	int64_t compression = atomic_load(&part->rules.compression);

	*rules = (struct partition_rules){
	    .max_message_bytes = atomic_load(&part->rules.max_message_bytes),
	    .before_max_ms = atomic_load(&part->rules.before_max_ms),
	    .after_max_ms = atomic_load(&part->rules.after_max_ms),
	    .timestamp_type = atomic_load(&part->rules.timestamp_type),
	    .min_insync_replicas = atomic_load(&part->rules.min_insync_replicas),
	    .compacted = atomic_load(&part->rules.compacted),
	    .compression = (int8_t)(compression & 0xff),
	    .compression_level = (int32_t)(compression >> 8),
	    .flush_messages = atomic_load(&part->rules.flush_messages),
	    .flush_ms = atomic_load(&part->rules.flush_ms),
	};
}

enum err partition_lead(struct partition *part, int32_t leader_epoch, int32_t in_sync)
{
	enum err err;

	must_be(part, PARTITION_MAGIC);
	must(leader_epoch >= atomic_load(&part->leader_epoch));
	plog_lock(part->log);
	err = plog_assign_epoch(part->log, leader_epoch);
	if (err == ERR_OK) {
		atomic_store(&part->leader_epoch, leader_epoch);
		atomic_store(&part->in_sync, in_sync);
		atomic_store(&part->leads, true);
		/* Alone in the ISR, all that recovery left is committed, as soon as it is as
		 * durable as if it had been appended now: a kill may have left it in memory only.
		 */
		partition_advance_locked(part);
		if (plog_is_dirty(part->log))
			partition_plan_flush(part);
	}
	plog_unlock(part->log);
	partition_wake(part, true);
	return err;
}

void partition_resign(struct partition *part, bool gone)
{
	must_be(part, PARTITION_MAGIC);
	plog_lock(part->log);
	atomic_store(&part->leads, false);
	if (gone)
		atomic_store(&part->gone, true);
	plog_unlock(part->log);
	partition_wake(part, true);
}

/* -- log life ---------------------------------------------------------------------------------- */

enum err partition_delete_records(struct partition *part, int64_t offset, int64_t *low)
{
	enum err err;

	must_be(part, PARTITION_MAGIC);
	plog_lock(part->log);
	if (offset == -1)
		offset = plog_high_watermark(part->log);
	err = offset < 0 ? ERR_OFFSET_OUT_OF_RANGE : plog_set_start(part->log, offset);
	if (err == ERR_OK && plog_has_work(part->log))
		partition_start_job(part);
	plog_unlock(part->log);
	*low = plog_start(part->log);
	partition_wake(part, true);
	return err;
}

static void partition_retained(struct partition *part, int64_t start_before, enum err err)
{
	if (err != ERR_OK)
		log_warn("partition", "retention of %s-%d: %s", part->topic, part->idx,
			 err_text(err));
	if (plog_start(part->log) != start_before)
		partition_wake(part, true);
}

void partition_retain(struct partition *part, struct plog_retained *retained)
{
	int64_t before;

	must_be(part, PARTITION_MAGIC);
	*retained = (struct plog_retained){0};
	if (atomic_load(&part->gone) || plog_failed(part->log))
		return;
	before = plog_start(part->log);
	partition_retained(part, before, plog_retain(part->log, retained));
}

bool partition_front(struct partition *part, struct plog_front *front)
{
	must_be(part, PARTITION_MAGIC);
	return !atomic_load(&part->gone) && !image_name_is_internal(str_of(part->topic)) &&
	       plog_front(part->log, front);
}

void partition_drop_front(struct partition *part, int64_t end_offset,
			  struct plog_retained *retained)
{
	int64_t before = plog_start(part->log);

	must_be(part, PARTITION_MAGIC);
	partition_retained(part, before, plog_drop_first(part->log, end_offset, retained));
}

void partition_start_is_durable(struct partition *part, int64_t log_start)
{
	must_be(part, PARTITION_MAGIC);
	if (!plog_awaits_start(part->log))
		return;
	plog_lock(part->log);
	plog_start_is_durable(part->log, log_start);
	if (plog_has_work(part->log))
		partition_start_job(part);
	plog_unlock(part->log);
}

enum err partition_close(struct partition *part, bool synced, int64_t *recovery_point,
			 int64_t *log_start)
{
	enum err err;

	must_be(part, PARTITION_MAGIC);
	must(atomic_load(&part->refs) == 1);
	err = synced ? plog_close(part->log, recovery_point, log_start)
		     : plog_close_unsynced(part->log, recovery_point, log_start);
	part->log = NULL;
	partition_unref(part);
	return err;
}

enum err partition_delete(struct partition *part, struct uuid unique, int64_t delay_ms)
{
	enum err err;

	must_be(part, PARTITION_MAGIC);
	partition_resign(part, true);
	plog_lock(part->log);
	err = plog_delete(part->log, unique);
	plog_unlock(part->log);
	if (err != ERR_OK)
		return err;
	part->doomed_due_ms = clock_mono_ms(part->env.clock) + delay_ms;
	part->doomed = strdup(plog_dir(part->log));
	return part->doomed != NULL ? ERR_OK : ERR_NOMEM;
}
