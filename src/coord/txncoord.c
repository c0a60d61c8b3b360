/*
 * The transaction coordinator: which shard serves an id, elections, time, requests. See txncoord.h.
 */
#include "base/log.h"
#include "coord/coord_int.h"
#include "meta/config.h"
#include "meta/controller.h"

#include <stdlib.h>

/* Time-outs met in one turn. */
#define DEADLINES_TURN 200
#define VERSION_MAX    2 /* of transaction.version */

static const struct str txncoord_topic = {"__transaction_state", 19};

/* -- the finalized transaction.version ----------------------------------------------------- */

static void txncoord_look(struct coord *coord)
{
	int16_t level = VERSION_MAX;

	if (coord->o.controller != NULL)
		level = image_feature_level(controller_image(coord->o.controller),
					    STR("transaction.version"));
	coord->txn.cfg.version = level < 0 ? 0 : level > VERSION_MAX ? VERSION_MAX : level;
}

/* -- time ---------------------------------------------------------------------------------- */

void txncoord_arm(struct coord *coord)
{
	struct txncoord *txn = &coord->txn;
	int64_t at_ms = deadlines_quiet_until(&txn->deadlines), delay_ms;

	if (at_ms == INT64_MAX || coord->stopped)
		return;
	if (at_ms < txn->next_sweep_ms)
		at_ms = txn->next_sweep_ms;
	if (loop_timer_is_set(&txn->deadline_timer) && at_ms >= txn->deadline_at_ms)
		return;
	delay_ms = at_ms - coord_now(coord).mono_ms;
	txn->deadline_at_ms = at_ms;
	loop_timer_start(&txn->deadline_timer, delay_ms > 0 ? delay_ms : 0);
}

static void txncoord_on_spare(struct producer_ids_wait *wait, enum err err, int64_t producer_id)
{
	struct coord *coord = container_of(wait, struct coord, txn.spare_wait);

	coord->txn.spare_asked = false;
	if (err != ERR_OK || coord->stopped)
		return;
	coord->txn.spare_id = producer_id;
	coord->txn.next_sweep_ms = 0;
	txncoord_arm(coord);
}

static void txncoord_need_spare(struct coord *coord)
{
	if (coord->txn.spare_asked || coord->o.ids == NULL)
		return;
	coord->txn.spare_asked = true;
	coord->txn.spare_wait.done = txncoord_on_spare;
	producer_ids_take(coord->o.ids, &coord->txn.spare_wait);
}

static bool txncoord_used_spare(const struct txncoord *txn)
{
	return txn->fx.records_len > 0 && !txn->fx.records[0].tombstone &&
	       txn->spare_id != TXN_NO_PRODUCER &&
	       txn->fx.records[0].value.next_id == txn->spare_id;
}

static void txncoord_fire(struct coord *coord, struct moment now, struct deadline *d)
{
	struct txncoord *txn = &coord->txn;
	struct tshard *shard = txns_user(txns_of_deadline(d));
	bool timeout = d->kind == DEADLINE_TXN_TIMEOUT, needs_id;

	tfx_reset(&txn->fx);
	txns_fire(now, d, txn->spare_id, &needs_id, &txn->fx);
	if (needs_id) {
		txncoord_need_spare(coord);
		return;
	}
	if (txncoord_used_spare(txn))
		txn->spare_id = TXN_NO_PRODUCER;
	if (timeout && txn->fx.records_len > 0)
		log_info("txn", "%.*s: aborting a transaction that takes too long",
			 STR_ARG(txn->fx.records[0].id));
	(void)tshard_run(shard);
}

static void txncoord_on_deadline(struct loop_timer *timer)
{
	struct coord *coord = container_of(timer, struct coord, txn.deadline_timer);
	struct txncoord *txn = &coord->txn;
	struct moment now = coord_now(coord);
	int64_t interval_ms = 10000;

	txncoord_look(coord);
	if (coord->o.config != NULL)
		interval_ms = config_int64(
		    coord->o.config,
		    CONFIG_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS);
	for (int i = 0; i < DEADLINES_TURN; i++) {
		struct deadline *d = deadlines_due(&txn->deadlines, now.mono_ms);

		if (d == NULL) {
			/* As in Kafka, they are looked at so often and not more. */
			txn->next_sweep_ms = i > 0 ? now.mono_ms + interval_ms : 0;
			break;
		}
		txncoord_fire(coord, now, d);
	}
	txncoord_arm(coord);
}

/* -- life ---------------------------------------------------------------------------------- */

static void txncoord_configure(struct coord *coord)
{
	const struct config *c = coord->o.config;
	struct txns_cfg *cfg = &coord->txn.cfg;

	*cfg = txns_cfg_default;
	if (c == NULL)
		return;
	cfg->timeout_max_ms = (int32_t)config_int64(c, CONFIG_TRANSACTION_MAX_TIMEOUT_MS);
	cfg->expiration_ms = config_int64(c, CONFIG_TRANSACTIONAL_ID_EXPIRATION_MS);
	cfg->expiry_check_ms =
	    config_int64(c, CONFIG_TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS);
}

void txncoord_init(struct coord *coord)
{
	txncoord_configure(coord);
	coord->txn.spare_id = TXN_NO_PRODUCER;
	tfx_init(&coord->txn.fx);
	loop_timer_init(&coord->txn.deadline_timer, coord->o.loop, txncoord_on_deadline);
	marker_init(coord);
}

static void txncoord_drop(struct coord *coord, size_t idx)
{
	struct tshard *shard = coord->txn.shards[idx];

	if (shard == NULL)
		return;
	coord->txn.shards[idx] = NULL;
	if (!loader_cancel(&shard->log))
		tshard_free(shard);
}

void txncoord_stop(struct coord *coord)
{
	for (size_t i = 0; i < coord->txn.shards_len; i++)
		txncoord_drop(coord, i);
	loop_timer_stop(&coord->txn.deadline_timer);
	marker_stop(coord);
}

void txncoord_fini(struct coord *coord)
{
	for (size_t i = 0; i < coord->txn.shards_len; i++)
		if (coord->txn.shards[i] != NULL)
			tshard_abandon(coord->txn.shards[i]);
	free(coord->txn.shards);
	deadlines_fini(&coord->txn.deadlines);
	tfx_fini(&coord->txn.fx);
	wr_fini(&coord->txn.batch);
}

/* -- elections ----------------------------------------------------------------------------- */

static bool txncoord_make_place(struct txncoord *txn, size_t idx)
{
	struct tshard **shards;

	if (idx < txn->shards_len)
		return true;
	shards = realloc(txn->shards, (idx + 1) * sizeof(*shards));
	if (shards == NULL)
		return false;
	memset(shards + txn->shards_len, 0, (idx + 1 - txn->shards_len) * sizeof(*shards));
	txn->shards = shards;
	txn->shards_len = idx + 1;
	return true;
}

static void txncoord_count_partitions(struct coord *coord)
{
	const struct image_topic *topic;

	coord->txn.partitions_len = 1;
	if (coord->o.controller == NULL)
		return;
	topic = image_topic_by_name(controller_image(coord->o.controller), txncoord_topic);
	coord->txn.partitions_len = topic != NULL ? topic->partitions_len : 0;
}

void txncoord_elected(struct coord *coord, struct partition *part, int32_t leader_epoch)
{
	size_t idx = (size_t)partition_idx(part);
	struct tshard *shard;

	if (!str_eq(partition_topic(part), txncoord_topic))
		return;
	txncoord_count_partitions(coord);
	if (idx < coord->txn.shards_len && coord->txn.shards[idx] != NULL &&
	    clog_is_to_load_again(&coord->txn.shards[idx]->log, leader_epoch))
		txncoord_drop(coord, idx);
	if (idx < coord->txn.shards_len && coord->txn.shards[idx] != NULL) {
		coord->txn.shards[idx]->log.leader_epoch = leader_epoch;
		return;
	}
	shard =
	    txncoord_make_place(&coord->txn, idx) ? tshard_new(coord, part, leader_epoch) : NULL;
	if (shard == NULL) {
		log_error("txn", "no memory for __transaction_state-%zu", idx);
		return;
	}
	coord->txn.shards[idx] = shard;
	loader_begin(&shard->log);
}

void txncoord_resigned(struct coord *coord, struct partition *part)
{
	size_t idx = (size_t)partition_idx(part);

	if (!str_eq(partition_topic(part), txncoord_topic) || idx >= coord->txn.shards_len ||
	    coord->txn.shards[idx] == NULL || coord->txn.shards[idx]->log.part != part)
		return;
	txncoord_drop(coord, idx);
	txncoord_count_partitions(coord);
}

/* -- requests ------------------------------------------------------------------------------ */

static enum err txncoord_find(struct coord *coord, struct str id, struct tshard **out)
{
	size_t idx;
	enum err err;

	must_be(coord, COORD_MAGIC);
	*out = NULL;
	if (id.len == 0)
		return ERR_INVALID_REQUEST;
	if (coord->txn.partitions_len == 0)
		return ERR_NOT_COORDINATOR;
	idx = (size_t)coord_partition_for(id, coord->txn.partitions_len);
	if (idx >= coord->txn.shards_len || coord->txn.shards[idx] == NULL)
		return ERR_NOT_COORDINATOR;
	err = clog_check(&coord->txn.shards[idx]->log);
	if (err != ERR_OK)
		return err;
	*out = coord->txn.shards[idx];
	txncoord_look(coord);
	tfx_reset(&coord->txn.fx);
	return ERR_OK;
}

static void txncoord_fail(struct coord_call *call, enum err err)
{
	container_of(call, struct txn_call, call)->err = err;
}

static void txncoord_send(struct coord_call *call)
{
	struct txn_call *txn_call = container_of(call, struct txn_call, call);

	txn_call->done(txn_call, txn_call->err);
}

static void txncoord_begin(struct coord *coord, struct txn_call *call)
{
	call->coord = coord;
	call->err = ERR_OK;
	call->init = NULL;
	call->end = NULL;
	call->call =
	    (struct coord_call){.fail = txncoord_fail, .send = txncoord_send, .arena = call->arena};
	coord_hold(&call->call);
}

/* The event has filled fx, or failed. An event may fail for its asker and have records. */
static void txncoord_finish(struct tshard *shard, struct txn_call *call, enum err err)
{
	struct coord *coord = call->coord;
	bool records = shard != NULL && coord->txn.fx.records_len > 0;
	enum err append = records ? tshard_run(shard) : ERR_OK;

	call->err = append != ERR_OK ? fx_append_err(append) : err;
	if (shard != NULL && call->err == ERR_OK)
		hold_until_durable(&shard->log, &call->call);
	hold_release(coord, &call->call);
}

static void txncoord_try(struct txn_call *call, int64_t fresh_id);

static void txncoord_on_id(struct producer_ids_wait *wait, enum err err, int64_t producer_id)
{
	struct txn_call *call = container_of(wait, struct txn_call, ids);

	if (err == ERR_OK)
		txncoord_try(call, producer_id);
	else
		txncoord_finish(NULL, call, ERR_COORDINATOR_NOT_AVAILABLE);
}

/* InitProducerId and EndTxn: with a new producer id when they need one. */
static void txncoord_try(struct txn_call *call, int64_t fresh_id)
{
	struct coord *coord = call->coord;
	struct moment now = coord_now(coord);
	bool init = call->init != NULL, needs_id;
	struct tshard *shard;
	enum err err = txncoord_find(coord, init ? call->init->id : call->end->id, &shard);

	if (err != ERR_OK) {
		txncoord_finish(NULL, call, err);
		return;
	}
	if (init)
		call->init->fresh_id = fresh_id;
	else
		call->end->fresh_id = fresh_id;
	err = init ? initpid_handle(shard->txns, now, call->init, &coord->txn.fx)
		   : endtxn_handle(shard->txns, now, call->end, &coord->txn.fx);
	needs_id = init ? call->init->needs_id : call->end->needs_id;
	if (needs_id && coord->o.ids != NULL) {
		call->ids.done = txncoord_on_id;
		producer_ids_take(coord->o.ids, &call->ids);
		return;
	}
	txncoord_finish(shard, call, needs_id ? ERR_COORDINATOR_NOT_AVAILABLE : err);
}

void txncoord_initpid(struct coord *coord, struct txn_call *call, struct initpid_ask *ask)
{
	txncoord_begin(coord, call);
	call->init = ask;
	txncoord_try(call, TXN_NO_PRODUCER);
}

void txncoord_end(struct coord *coord, struct txn_call *call, struct endtxn_ask *ask)
{
	txncoord_begin(coord, call);
	call->end = ask;
	txncoord_try(call, TXN_NO_PRODUCER);
}

void txncoord_add(struct coord *coord, struct txn_call *call, const struct enlist_ask *ask)
{
	struct tshard *shard;
	enum err err = txncoord_find(coord, ask->id, &shard);

	txncoord_begin(coord, call);
	if (err == ERR_OK)
		err = enlist_add(shard->txns, coord_now(coord), ask, &coord->txn.fx);
	txncoord_finish(shard, call, err);
}

void txncoord_verify(struct coord *coord, struct txn_call *call, const struct enlist_ask *ask)
{
	struct tshard *shard;
	enum err err = txncoord_find(coord, ask->id, &shard);

	txncoord_begin(coord, call);
	if (err == ERR_OK)
		err = enlist_verify(shard->txns, ask);
	txncoord_finish(shard, call, err);
}

/* -- views --------------------------------------------------------------------------------- */

enum err txncoord_describe(struct coord *coord, struct str id, const struct txn_value **value)
{
	struct tshard *shard;
	enum err err = txncoord_find(coord, id, &shard);

	*value = err == ERR_OK ? txns_find_value(shard->txns, id) : NULL;
	return err == ERR_OK && *value == NULL ? ERR_TRANSACTIONAL_ID_NOT_FOUND : err;
}

enum err txncoord_list_check(const struct coord *coord)
{
	for (size_t i = 0; i < coord->txn.shards_len; i++)
		if (coord->txn.shards[i] != NULL && coord->txn.shards[i]->log.state == CLOG_LOADING)
			return ERR_COORDINATOR_LOAD_IN_PROGRESS;
	return ERR_OK;
}

static bool txncoord_serves(const struct coord *coord, size_t idx)
{
	const struct tshard *shard = coord->txn.shards[idx];

	return shard != NULL && shard->log.state == CLOG_SERVING;
}

bool txncoord_list_next(const struct coord *coord, struct txncoord_pos *pos, struct str *id,
			const struct txn_value **value)
{
	for (; pos->shard < coord->txn.shards_len; pos->shard++, pos->txn = NULL)
		if (txncoord_serves(coord, pos->shard) &&
		    txns_next(coord->txn.shards[pos->shard]->txns, &pos->txn, id, value))
			return true;
	return false;
}

size_t txncoord_len(const struct coord *coord)
{
	size_t len = 0;

	for (size_t i = 0; i < coord->txn.shards_len; i++)
		if (txncoord_serves(coord, i))
			len += txns_len(coord->txn.shards[i]->txns);
	return len;
}
