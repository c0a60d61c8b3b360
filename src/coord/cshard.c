/* One partition of __consumer_offsets and its groups: made, run, let go. See coord.h. */
#include "coord/coord_int.h"
#include "coord/crecord.h"
#include "base/log.h"

#include <stdlib.h>

/* -- its records --------------------------------------------------------------------------- */

static enum err cshard_record(struct clog *log, const struct record *record, int64_t producer_id,
			      struct arena *arena)
{
	struct cshard *shard = container_of(log, struct cshard, log);
	struct fx_record value;
	enum err err = crecord_decode(record->key, record->value, arena, &value);

	if (err != ERR_OK)
		return err;
	value.at = record->offset;
	replay_record(shard->groups, &value, producer_id);
	return ERR_OK;
}

static void cshard_marker(struct clog *log, int64_t producer_id, bool commit)
{
	replay_marker(container_of(log, struct cshard, log)->groups, producer_id, commit);
}

static void cshard_loaded(struct clog *log)
{
	struct cshard *shard = container_of(log, struct cshard, log);
	struct coord *coord = log->coord;
	const struct coord_gone *gone;

	shard_serve(shard->groups, &coord->keep, &coord->deadlines);
	fx_reset(&coord->fx);
	replay_done(shard->groups, coord_now(coord), &coord->fx);
	(void)cshard_run(shard);
	STAILQ_FOREACH (gone, &coord->gone, link)
		cshard_topic_deleted(shard, (struct str){gone->name, gone->name_len},
				     gone->topic_id);
}

static void cshard_free_loading(struct clog *log)
{
	cshard_free(container_of(log, struct cshard, log));
}

const struct clog_kind cshard_kind = {
    .topic = "__consumer_offsets",
    .record = cshard_record,
    .marker = cshard_marker,
    .loaded = cshard_loaded,
    .free = cshard_free_loading,
};

static bool cshard_encode(void *ctx, size_t idx, struct wr *key, struct wr *value)
{
	const struct fx *fx = ctx;

	crecord_encode(&fx->records[idx], key, value);
	return fx->records[idx].tombstone;
}

static void cshard_appended(void *ctx, size_t idx, int64_t at)
{
	struct fx *fx = ctx;

	fx->records[idx].at = at;
}

static enum err cshard_append(struct cshard *shard)
{
	struct fx *fx = &shard->log.coord->fx;
	struct journal_source source = {.ctx = fx,
					.len = fx->records_len,
					.encode = cshard_encode,
					.appended = cshard_appended,
					.arena = &fx->arena,
					.producer_id = fx->producer_id,
					.producer_epoch = fx->producer_epoch,
					.txn_guard = fx->txn_guard,
					.txn_version = fx->txn_version};

	return journal_append(&shard->log, &source);
}

enum err cshard_end_txn(struct cshard *shard, const struct marker_job *job,
			struct plog_append *item)
{
	enum err err = marker_append(shard->log.coord, shard->log.part, job, item);

	if (err != ERR_OK)
		return err;
	shard->log.end = item->last_offset + 1;
	replay_marker(shard->groups, job->producer_id, job->commit);
	return ERR_OK;
}

/* -- its life ------------------------------------------------------------------------------ */

struct cshard *cshard_new(struct coord *coord, struct partition *part, int32_t leader_epoch)
{
	struct cshard *shard = calloc(1, sizeof(*shard));

	if (shard == NULL)
		return NULL;
	clog_init(&shard->log, coord, &cshard_kind, part, leader_epoch);
	/* A worker fills it: it shares nothing that is not constant, or used by requests only. */
	shard->groups = shard_new(&coord->cfg, &shard->log.load.keep, NULL, &coord->rnd);
	if (shard->groups != NULL)
		consumer_set_topics(shard->groups, &coord->topics);
	if (shard->groups == NULL) {
		clog_fini(&shard->log);
		free(shard);
		return NULL;
	}
	shard_set_user(shard->groups, shard);
	return shard;
}

/* JoinGroup and SyncGroup requests that an event has answered. */
static void cshard_answer(struct cshard *shard)
{
	struct coord *coord = shard->log.coord;

	for (size_t i = 0; i < coord->fx.answers_len; i++) {
		struct fx_answer *answer = &coord->fx.answers[i];
		struct coord_call *call = answer->who;

		coord_hold(call);
		call->answer(call, answer);
		if (answer->durable)
			hold_until_durable(&shard->log, call);
		hold_release(coord, call);
	}
}

/* Clients are told to try again, and go on doing so: who runs the broker should know why. */
static void cshard_look_at_memory(struct coord *coord)
{
	if (coord->full_is_told || keep_takes_new(&coord->keep))
		return;
	coord->full_is_told = true;
	log_warn(
	    "coord",
	    "groups and transactions take %zu MB, %zu of them since they were loaded: new groups "
	    "are refused until others go or the broker is started again",
	    coord->keep.used_bytes >> 20,
	    (coord->keep.used_bytes - coord->keep.granted_bytes) >> 20);
}

enum err cshard_run(struct cshard *shard)
{
	struct coord *coord = shard->log.coord;
	enum err err = cshard_append(shard);

	shard_settle(shard->groups, coord_now(coord), &coord->fx, err);
	if (err != ERR_OK)
		log_warn("coord", "__consumer_offsets-%d: cannot append: %s", shard->log.idx,
			 err_text(err));
	if (coord->fx.note.ptr != NULL)
		log_info("coord", "%.*s", STR_ARG(coord->fx.note));
	cshard_answer(shard);
	cshard_look_at_memory(coord);
	coord_arm(coord);
	return err;
}

void cshard_topic_deleted(struct cshard *shard, struct str topic, struct uuid topic_id)
{
	struct fx *fx = &shard->log.coord->fx;

	fx_reset(fx);
	offsets_topic_deleted(shard->groups, topic, topic_id, fx);
	(void)cshard_run(shard);
}

void cshard_free(struct cshard *shard)
{
	struct coord *coord = shard->log.coord;

	fx_reset(&coord->fx);
	shard_unload(shard->groups, &coord->fx);
	cshard_answer(shard);
	clog_stop(&shard->log, ERR_NOT_COORDINATOR);
	shard_free(shard->groups);
	clog_fini(&shard->log);
	free(shard);
}
