/* One partition of __transaction_state and its transactions: made, run, let go. See coord_int.h. */
#include "base/log.h"
#include "coord/coord_int.h"
#include "coord/trecord.h"

#include <stdlib.h>

/* An end that could not be written everywhere, or not be noted, goes on after this. */
#define RETRY_MS 1000

/* A transaction that is decided, and whose markers are being written. */
struct tshard_end {
	struct tshard *shard;
	struct str id; /* behind the parts, in the same block */
	struct coord_wait wait;
	struct marker_job job;
	bool waits, submitted;
	struct loop_timer retry;
	TAILQ_ENTRY(tshard_end) link;
};

/* -- its records --------------------------------------------------------------------------- */

static enum err tshard_record(struct clog *log, const struct record *record, int64_t producer_id,
			      struct arena *arena)
{
	struct tshard *shard = container_of(log, struct tshard, log);
	struct txn_record value;
	enum err err = trecord_decode(record->key, record->value, arena, &value);

	if (err == ERR_OK)
		txns_replay(shard->txns, &value);
	return err;
}

static void tshard_marker(struct clog *log, int64_t producer_id, bool commit)
{
}

static void tshard_loaded(struct clog *log);

static void tshard_free_loading(struct clog *log)
{
	tshard_free(container_of(log, struct tshard, log));
}

const struct clog_kind tshard_kind = {
    .topic = "__transaction_state",
    .record = tshard_record,
    .marker = tshard_marker,
    .loaded = tshard_loaded,
    .free = tshard_free_loading,
};

static bool tshard_encode(void *ctx, size_t idx, struct wr *key, struct wr *value)
{
	struct txncoord *txn = ctx;

	trecord_encode(&txn->fx.records[idx], txn->cfg.version, &txn->fx.arena, key, value);
	return txn->fx.records[idx].tombstone;
}

static void tshard_appended(void *ctx, size_t idx, int64_t at)
{
	struct txncoord *txn = ctx;

	txn->fx.records[idx].at = at;
}

/* -- ends ---------------------------------------------------------------------------------- */

static void tshard_end_free(struct tshard_end *end)
{
	TAILQ_REMOVE(&end->shard->ends, end, link);
	loop_timer_stop(&end->retry);
	free(end->job.parts);
	free(end);
}

static void tshard_submit(struct tshard_end *end)
{
	end->submitted = true;
	end->job.coordinator_epoch = end->shard->log.leader_epoch;
	marker_submit(end->shard->log.coord, &end->job);
}

static void tshard_end_durable(struct coord_wait *wait, enum err err)
{
	struct tshard_end *end = container_of(wait, struct tshard_end, wait);

	end->waits = false;
	/* Who leads this partition next finds out what was decided. */
	if (err == ERR_OK)
		tshard_submit(end);
}

/* Those that need no marker any more, or are past it, count as done. */
static bool tshard_part_is_over(const struct tshard_end *end, const struct marker_part *part)
{
	switch (part->err) {
	case ERR_OK:
	case ERR_UNKNOWN_TOPIC_OR_PARTITION:
		return true;
	case ERR_INVALID_PRODUCER_EPOCH:
	case ERR_TRANSACTION_COORDINATOR_FENCED:
		log_warn("txn", "%.*s: %.*s-%d has seen a later end than that of epoch %d: %s",
			 STR_ARG(end->id), STR_ARG(part->topic), part->partition, end->job.epoch,
			 err_text(part->err));
		return true;
	default:
		log_warn("txn", "%.*s: cannot write its marker into %.*s-%d, trying again: %s",
			 STR_ARG(end->id), STR_ARG(part->topic), part->partition,
			 err_text(part->err));
		return false;
	}
}

static void tshard_complete(struct tshard_end *end)
{
	struct tshard *shard = end->shard;
	struct coord *coord = shard->log.coord;

	tfx_reset(&coord->txn.fx);
	endtxn_complete(shard->txns, coord_now(coord), end->id, end->job.producer_id,
			end->job.epoch, &coord->txn.fx);
	if (tshard_run(shard) != ERR_OK)
		loop_timer_start(&end->retry, RETRY_MS);
	else
		tshard_end_free(end);
}

static void tshard_marked(struct marker_job *job)
{
	struct tshard_end *end = container_of(job, struct tshard_end, job);
	size_t left = 0;

	end->submitted = false;
	for (size_t i = 0; i < job->len; i++)
		if (!tshard_part_is_over(end, &job->parts[i]))
			job->parts[left++] = job->parts[i];
	job->len = left;
	if (left == 0)
		tshard_complete(end);
	else
		loop_timer_start(&end->retry, RETRY_MS);
}

static void tshard_on_retry(struct loop_timer *timer)
{
	tshard_submit(container_of(timer, struct tshard_end, retry));
}

static size_t tshard_count(const struct txn_value *value, size_t *names_bytes)
{
	size_t count = 0;

	*names_bytes = 0;
	for (size_t i = 0; i < value->topics_len; i++) {
		count += value->topics[i].len;
		*names_bytes += value->topics[i].name.len;
	}
	return count;
}

static struct str tshard_put(char **at, struct str s)
{
	char *copy = *at;

	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	*at += s.len;
	return (struct str){copy, s.len};
}

/* One block: the parts, the names of the topics, the id. */
static bool tshard_fill(struct tshard_end *end, struct str id, const struct txn_value *value)
{
	size_t names_bytes, count = tshard_count(value, &names_bytes);
	struct marker_part *parts = calloc(1, count * sizeof(*parts) + names_bytes + id.len + 1);
	char *at;

	if (parts == NULL)
		return false;
	at = (char *)(parts + count);
	end->job.parts = parts;
	end->id = tshard_put(&at, id);
	for (size_t t = 0; t < value->topics_len; t++) {
		struct str name = tshard_put(&at, value->topics[t].name);

		for (size_t i = 0; i < value->topics[t].len; i++)
			parts[end->job.len++] =
			    (struct marker_part){.topic = name,
						 .partition = value->topics[t].partitions[i]};
	}
	return true;
}

static void tshard_begin_end(struct tshard *shard, struct str id, const struct txn_value *value)
{
	struct tshard_end *end = calloc(1, sizeof(*end));

	must(end != NULL);
	end->shard = shard;
	end->job = (struct marker_job){.producer_id = value->producer_id,
				       .epoch = value->epoch,
				       .commit = value->state == TXN_PREPARE_COMMIT,
				       .version = value->client_version,
				       .done = tshard_marked};
	must(tshard_fill(end, id, value));
	loop_timer_init(&end->retry, shard->log.coord->o.loop, tshard_on_retry);
	TAILQ_INSERT_TAIL(&shard->ends, end, link);
	end->wait.done = tshard_end_durable;
	end->waits = true;
	hold_wait(&shard->log, &end->wait);
}

/* -- its life ------------------------------------------------------------------------------ */

struct tshard *tshard_new(struct coord *coord, struct partition *part, int32_t leader_epoch)
{
	struct tshard *shard = calloc(1, sizeof(*shard));

	if (shard == NULL)
		return NULL;
	clog_init(&shard->log, coord, &tshard_kind, part, leader_epoch);
	shard->txns = txns_new(&coord->txn.cfg, &shard->log.load.keep, NULL);
	if (shard->txns == NULL) {
		clog_fini(&shard->log);
		free(shard);
		return NULL;
	}
	txns_set_user(shard->txns, shard);
	TAILQ_INIT(&shard->ends);
	return shard;
}

void tshard_free(struct tshard *shard)
{
	struct tshard_end *end;

	clog_stop(&shard->log, ERR_NOT_COORDINATOR);
	while ((end = TAILQ_FIRST(&shard->ends)) != NULL) {
		if (end->submitted)
			marker_cancel(shard->log.coord, &end->job);
		tshard_end_free(end);
	}
	txns_free(shard->txns);
	clog_fini(&shard->log);
	free(shard);
}

void tshard_abandon(struct tshard *shard)
{
	struct tshard_end *end;

	while ((end = TAILQ_FIRST(&shard->ends)) != NULL) {
		for (size_t i = 0; i < end->job.next; i++)
			if (end->job.parts[i].part != NULL)
				partition_unref(end->job.parts[i].part);
		TAILQ_REMOVE(&shard->ends, end, link);
		free(end->job.parts);
		free(end);
	}
	txns_free(shard->txns);
	clog_fini(&shard->log);
	free(shard);
}

enum err tshard_run(struct tshard *shard)
{
	struct txncoord *txn = &shard->log.coord->txn;
	struct journal_source source = {.ctx = txn,
					.len = txn->fx.records_len,
					.encode = tshard_encode,
					.appended = tshard_appended,
					.arena = &txn->fx.arena,
					.base_sequence = BATCH_NO_SEQUENCE,
					.producer_id = -1,
					.producer_epoch = -1};
	enum err err = journal_append(&shard->log, &source);

	if (err != ERR_OK)
		log_warn("txn", "__transaction_state-%d: cannot append: %s", shard->log.idx,
			 err_text(err));
	txns_settle(shard->txns, coord_now(shard->log.coord), &txn->fx, err);
	for (size_t i = 0; i < txn->fx.records_len; i++) {
		const struct txn_record *record = &txn->fx.records[i];

		/* Not the record's value: what that pointed to in the state has been replaced. */
		if (record->at >= 0 && !record->tombstone && txn_is_ending(record->value.state))
			tshard_begin_end(shard, record->id,
					 txns_find_value(shard->txns, record->id));
	}
	txncoord_arm(shard->log.coord);
	return err;
}

static void tshard_loaded(struct clog *log)
{
	struct tshard *shard = container_of(log, struct tshard, log);
	const struct txn_value *value;
	const void *pos = NULL;
	struct str id;

	txns_serve(shard->txns, &log->coord->keep, &log->coord->txn.deadlines);
	txns_replay_done(shard->txns, coord_now(shard->log.coord));
	while (txns_next(shard->txns, &pos, &id, &value))
		if (txn_is_ending(value->state))
			tshard_begin_end(shard, id, value);
	txncoord_arm(shard->log.coord);
}
