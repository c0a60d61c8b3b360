/*
 * Writing the markers that end transactions into their partitions. So many in a turn, so that an
 * end with thousands of partitions does not hold up the loop. See txncoord.h.
 *
 * Every partition is local today. Those of another broker will be sent to it with WriteTxnMarkers.
 */
#include "coord/coord_int.h"
#include "base/log.h"
#include "meta/controller.h"
#include "record/control.h"

#define MARKERS_TURN	   500
#define MARKER_BATCH_BYTES 1024

enum err marker_append(struct coord *coord, struct partition *part, const struct marker_job *job,
		       struct plog_append *item)
{
	struct wr *batch = &coord->txn.batch;
	enum err err;

	if (job->producer_id < 0 || job->epoch < 0)
		return ERR_UNKNOWN_SERVER_ERROR; /* as Kafka answers what no coordinator asks */
	batch->len_bytes = 0;
	err = control_marker_batch(batch, job->commit ? CONTROL_COMMIT : CONTROL_ABORT,
				   job->producer_id, job->epoch, job->coordinator_epoch,
				   clock_wall_ms(coord->o.clock));
	if (err != ERR_OK)
		return err;
	*item = (struct plog_append){.data = batch->buf,
				     .len_bytes = batch->len_bytes,
				     .origin = PLOG_COORDINATOR,
				     .txn_version = job->version};
	partition_append(part, item, 1, PARTITION_ACKS_ALL);
	return item->err;
}

/* ERR_UNKNOWN_TOPIC_OR_PARTITION: it is gone. */
static enum err marker_find(struct coord *coord, const struct marker_part *to,
			    struct partition **part)
{
	const struct image_topic *topic;
	const struct image_partition *found = NULL;

	*part = NULL;
	if (coord->o.controller == NULL)
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	topic = image_topic_by_name(controller_image(coord->o.controller), to->topic);
	if (topic != NULL)
		found = image_partition_at(topic, to->partition);
	if (found == NULL)
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (found->local == NULL)
		return ERR_NOT_LEADER_OR_FOLLOWER;
	*part = found->local;
	return ERR_OK;
}

/* Offsets of a transaction count by what their coordinator makes of the marker. */
static enum err marker_end_offsets(struct coord *coord, const struct marker_job *job,
				   struct partition *part, struct plog_append *item)
{
	size_t idx = (size_t)partition_idx(part);
	struct cshard *shard = idx < coord->shards_len ? coord->shards[idx] : NULL;

	if (shard == NULL || shard->log.state != CLOG_SERVING || shard->log.part != part)
		return ERR_NOT_LEADER_OR_FOLLOWER;
	return cshard_end_txn(shard, job, item);
}

static void marker_part_done(struct marker_part *to)
{
	struct marker_job *job = to->job;

	if (to->part != NULL)
		partition_unref(to->part);
	to->part = NULL;
	must(job->waiting > 0);
	job->waiting--;
}

static void marker_end_if_done(struct marker_job *job)
{
	if (job->next < job->len || job->waiting > 0)
		return;
	if (job->listed)
		TAILQ_REMOVE(&job->coord->txn.jobs, job, link);
	job->listed = false;
	job->done(job);
}

static void marker_on_wake(struct waiter *waiter)
{
	struct marker_part *to = container_of(waiter, struct marker_part, waiter);
	struct marker_job *job = to->job;

	if (!partition_is_committed(to->part, waiter->offset)) {
		enum err err = partition_check_leader(to->part, -1);

		to->err = err != ERR_OK ? err : ERR_KAFKA_STORAGE_ERROR;
	}
	marker_part_done(to);
	marker_end_if_done(job);
}

static void marker_write(struct marker_job *job, struct marker_part *to)
{
	struct coord *coord = job->coord;
	struct plog_append item;
	struct partition *part;

	to->job = job;
	to->part = NULL;
	job->waiting++;
	to->err = marker_find(coord, to, &part);
	if (to->err == ERR_OK && str_eq(to->topic, STR("__consumer_offsets")))
		to->err = marker_end_offsets(coord, job, part, &item);
	else if (to->err == ERR_OK)
		to->err = marker_append(coord, part, job, &item);
	if (to->err == ERR_OK) {
		waiter_init(&to->waiter, coord->o.box, marker_on_wake);
		to->part = partition_ref(part);
		if (partition_wait_committed(part, &to->waiter, item.last_offset + 1))
			return;
		if (!partition_is_committed(part, item.last_offset + 1))
			to->err = ERR_KAFKA_STORAGE_ERROR;
	}
	marker_part_done(to);
}

/* -- in turns ------------------------------------------------------------------------------ */

static void marker_run(struct coord *coord)
{
	struct marker_job *job;
	size_t count = 0;

	while ((job = TAILQ_FIRST(&coord->txn.jobs)) != NULL && count < MARKERS_TURN) {
		for (; job->next < job->len && count < MARKERS_TURN; count++)
			marker_write(job, &job->parts[job->next++]);
		if (job->next < job->len)
			break;
		TAILQ_REMOVE(&coord->txn.jobs, job, link);
		job->listed = false;
		marker_end_if_done(job);
		count++;
	}
	if (!TAILQ_EMPTY(&coord->txn.jobs))
		loop_timer_start(&coord->txn.marker_timer, 0);
}

static void marker_on_task(struct loop_task *task)
{
	marker_run(container_of(task, struct coord, txn.marker_task));
}

static void marker_on_timer(struct loop_timer *timer)
{
	marker_run(container_of(timer, struct coord, txn.marker_timer));
}

void marker_init(struct coord *coord)
{
	TAILQ_INIT(&coord->txn.jobs);
	coord->txn.marker_task.run = marker_on_task;
	loop_timer_init(&coord->txn.marker_timer, coord->o.loop, marker_on_timer);
	wr_init(&coord->txn.batch, MARKER_BATCH_BYTES);
}

void marker_stop(struct coord *coord)
{
	loop_timer_stop(&coord->txn.marker_timer);
}

void marker_submit(struct coord *coord, struct marker_job *job)
{
	job->coord = coord;
	job->next = job->waiting = 0;
	job->listed = true;
	TAILQ_INSERT_TAIL(&coord->txn.jobs, job, link);
	if (!coord->txn.marker_task.queued)
		loop_defer(coord->o.loop, &coord->txn.marker_task);
}

void marker_cancel(struct coord *coord, struct marker_job *job)
{
	if (job->listed)
		TAILQ_REMOVE(&coord->txn.jobs, job, link);
	job->listed = false;
	for (size_t i = 0; i < job->next; i++) {
		struct marker_part *to = &job->parts[i];

		if (to->part == NULL)
			continue;
		partition_unwait(to->part, &to->waiter);
		marker_part_done(to);
	}
}
