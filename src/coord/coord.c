/* The coordinator: which shard serves a group, elections, deadlines, requests. See coord.h. */
#include "coord/coord_int.h"
#include "base/log.h"
#include "group/jstr.h"
#include "meta/config.h"
#include "meta/controller.h"

#include <stdlib.h>

/* What all groups and offsets may take; far above what a thousand busy groups need. */
#define COORD_MEMORY_MAX ((size_t)256 << 20)
/* One event's records, before they are written. */
#define COORD_BATCHES_MAX ((size_t)256 << 20)
/* Deadlines met in one turn, so that requests are not kept waiting by a storm of them. */
#define COORD_DEADLINES_TURN 1000

static const struct str coord_topic = {"__consumer_offsets", 18};

struct moment coord_now(const struct coord *coord)
{
	return (struct moment){clock_mono_ms(coord->o.clock), clock_wall_ms(coord->o.clock)};
}

int32_t coord_partition_for(struct str group, int32_t partitions_len)
{
	int32_t hash = jstr_hash(group);

	must(partitions_len > 0);
	if (hash == INT32_MIN)
		return 0;
	return (hash < 0 ? -hash : hash) % partitions_len;
}

/* -- deadlines ----------------------------------------------------------------------------- */

/* A deadline that has moved away leaves the timer as it is: it looks again when it fires. */
void coord_arm(struct coord *coord)
{
	int64_t at_ms = deadlines_quiet_until(&coord->deadlines), delay_ms;

	if (at_ms == INT64_MAX || coord->stopped ||
	    (loop_timer_is_set(&coord->deadline_timer) && at_ms >= coord->deadline_at_ms))
		return;
	delay_ms = at_ms - coord_now(coord).mono_ms;
	coord->deadline_at_ms = at_ms;
	loop_timer_start(&coord->deadline_timer, delay_ms > 0 ? delay_ms : 0);
}

static void coord_on_deadline(struct loop_timer *timer)
{
	struct coord *coord = container_of(timer, struct coord, deadline_timer);

	for (int i = 0; i < COORD_DEADLINES_TURN; i++) {
		struct moment now = coord_now(coord);
		struct deadline *d = deadlines_due(&coord->deadlines, now.mono_ms);
		struct cshard *shard;

		if (d == NULL)
			break;
		shard = shard_user(deadline_shard(d));
		fx_reset(&coord->fx);
		consumers_look(coord);
		deadline_fire(now, d, &coord->fx);
		(void)cshard_run(shard);
	}
	coord_arm(coord);
}

/* -- life ---------------------------------------------------------------------------------- */

static enum migration coord_migration(struct str policy)
{
	static const char *const names[] = {[MIGRATION_BIDIRECTIONAL] = "bidirectional",
					    [MIGRATION_UPGRADE] = "upgrade",
					    [MIGRATION_DOWNGRADE] = "downgrade"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(policy, str_of(names[i])))
			return (enum migration)i;
	return MIGRATION_DISABLED;
}

static void coord_configure(struct coord *coord)
{
	const struct config *c = coord->o.config;
	struct group_cfg *cfg = &coord->cfg;

	*cfg = group_cfg_default;
	if (c == NULL)
		return;
	cfg->migration = coord_migration(config_str(c, CONFIG_GROUP_CONSUMER_MIGRATION_POLICY));
	cfg->session_min_ms = (int32_t)config_int64(c, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS);
	cfg->session_max_ms = (int32_t)config_int64(c, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS);
	cfg->initial_delay_ms = (int32_t)config_int64(c, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS);
	cfg->size_max = (int32_t)config_int64(c, CONFIG_GROUP_MAX_SIZE);
	cfg->metadata_max = (int32_t)config_int64(c, CONFIG_OFFSET_METADATA_MAX_BYTES);
	cfg->retention_ms = config_int64(c, CONFIG_OFFSETS_RETENTION_MINUTES) * 60 * 1000;
	cfg->expiry_check_ms = config_int64(c, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS);
	cfg->consumer_session_ms =
	    (int32_t)config_int64(c, CONFIG_GROUP_CONSUMER_SESSION_TIMEOUT_MS);
}

struct coord *coord_new(const struct coord_options *options)
{
	struct coord *coord = calloc(1, sizeof(*coord));

	if (coord == NULL)
		return NULL;
	coord->magic = COORD_MAGIC;
	coord->o = *options;
	coord->keep.cap_bytes = COORD_MEMORY_MAX;
	coord_configure(coord);
	rnd_init_random(&coord->rnd);
	fx_init(&coord->fx);
	wr_init(&coord->batches, COORD_BATCHES_MAX);
	wr_init(&coord->key, COORD_BATCHES_MAX);
	wr_init(&coord->value, COORD_BATCHES_MAX);
	hold_init(coord);
	loader_init(coord);
	txncoord_init(coord);
	consumers_init(coord);
	loop_timer_init(&coord->deadline_timer, coord->o.loop, coord_on_deadline);
	return coord;
}

static void coord_drop(struct coord *coord, size_t idx)
{
	struct cshard *shard = idx < coord->shards_len ? coord->shards[idx] : NULL;

	if (shard == NULL)
		return;
	coord->shards[idx] = NULL;
	if (!loader_cancel(&shard->log))
		cshard_free(shard);
}

void coord_stop(struct coord *coord)
{
	must_be(coord, COORD_MAGIC);
	txncoord_stop(coord);
	for (size_t i = 0; i < coord->shards_len; i++)
		coord_drop(coord, i);
	loop_timer_stop(&coord->deadline_timer);
	coord->stopped = true;
}

/* The loop may be gone, and with it the requests that wait: nothing is told to anybody. */
static void coord_abandon(struct cshard *shard)
{
	struct fx *fx = &shard->log.coord->fx;

	fx_reset(fx);
	shard_unload(shard->groups, fx);
	shard_free(shard->groups);
	clog_fini(&shard->log);
	free(shard);
}

void coord_free(struct coord *coord)
{
	if (coord == NULL)
		return;
	must_be(coord, COORD_MAGIC);
	loader_fini(coord);
	txncoord_fini(coord);
	for (size_t i = 0; i < coord->shards_len; i++)
		if (coord->shards[i] != NULL)
			coord_abandon(coord->shards[i]);
	free(coord->shards);
	deadlines_fini(&coord->deadlines);
	must(coord->keep.used_bytes == 0);
	fx_fini(&coord->fx);
	wr_fini(&coord->batches);
	wr_fini(&coord->key);
	wr_fini(&coord->value);
	coord->magic = 0;
	free(coord);
}

/* -- elections ----------------------------------------------------------------------------- */

static bool coord_make_place(struct coord *coord, size_t idx)
{
	struct cshard **shards;

	if (idx < coord->shards_len)
		return true;
	shards = realloc(coord->shards, (idx + 1) * sizeof(*shards));
	if (shards == NULL)
		return false;
	memset(shards + coord->shards_len, 0, (idx + 1 - coord->shards_len) * sizeof(*shards));
	coord->shards = shards;
	coord->shards_len = idx + 1;
	return true;
}

static bool coord_serves(const struct coord *coord, size_t idx)
{
	const struct cshard *shard = coord->shards[idx];

	return shard != NULL && shard->log.state == CLOG_SERVING;
}

static void coord_count_partitions(struct coord *coord)
{
	const struct image_topic *topic = NULL;

	coord->partitions_len = 1;
	if (coord->o.controller == NULL)
		return;
	topic = image_topic_by_name(controller_image(coord->o.controller), coord_topic);
	coord->partitions_len = topic != NULL ? topic->partitions_len : 0;
}

void coord_on_elected(struct coord *coord, struct partition *part, int32_t leader_epoch)
{
	size_t idx = (size_t)partition_idx(part);
	struct cshard *shard;

	must_be(coord, COORD_MAGIC);
	if (coord->stopped)
		return;
	txncoord_elected(coord, part, leader_epoch);
	if (!str_eq(partition_topic(part), coord_topic))
		return;
	coord_count_partitions(coord);
	if (idx < coord->shards_len && coord->shards[idx] != NULL &&
	    clog_is_to_load_again(&coord->shards[idx]->log, leader_epoch))
		coord_drop(coord, idx);
	if (idx < coord->shards_len && coord->shards[idx] != NULL) {
		coord->shards[idx]->log.leader_epoch = leader_epoch; /* ours it was all along */
		return;
	}
	shard = coord_make_place(coord, idx) ? cshard_new(coord, part, leader_epoch) : NULL;
	if (shard == NULL) {
		log_error("coord", "no memory for __consumer_offsets-%zu", idx);
		return;
	}
	coord->shards[idx] = shard;
	loader_begin(&shard->log);
}

void coord_on_resigned(struct coord *coord, struct partition *part)
{
	size_t idx = (size_t)partition_idx(part);

	must_be(coord, COORD_MAGIC);
	txncoord_resigned(coord, part);
	if (!str_eq(partition_topic(part), coord_topic) || idx >= coord->shards_len ||
	    coord->shards[idx] == NULL || coord->shards[idx]->log.part != part)
		return;
	coord_drop(coord, idx);
	coord_count_partitions(coord);
}

/* What a load that is under way will bring of it is to go, too. */
static void coord_note_gone(struct coord *coord, struct str topic, struct uuid topic_id)
{
	struct coord_gone *gone = malloc(sizeof(*gone) + topic.len);

	must(gone != NULL);
	gone->topic_id = topic_id;
	gone->name_len = topic.len;
	memcpy(gone->name, topic.ptr, topic.len);
	STAILQ_INSERT_TAIL(&coord->gone, gone, link);
}

void coord_topic_deleted(struct coord *coord, struct str topic, struct uuid topic_id)
{
	if (coord == NULL)
		return;
	if (coord_list_check(coord) != ERR_OK)
		coord_note_gone(coord, topic, topic_id);
	for (size_t i = 0; i < coord->shards_len; i++)
		if (coord_serves(coord, i))
			cshard_topic_deleted(coord->shards[i], topic, topic_id);
}

/* -- requests ------------------------------------------------------------------------------ */

enum err coord_find(struct coord *coord, struct str group, struct cshard **out)
{
	size_t idx;
	enum err err;

	must_be(coord, COORD_MAGIC);
	*out = NULL;
	if (coord->partitions_len == 0)
		return ERR_NOT_COORDINATOR;
	idx = (size_t)coord_partition_for(group, coord->partitions_len);
	if (idx >= coord->shards_len || coord->shards[idx] == NULL)
		return ERR_NOT_COORDINATOR;
	err = clog_check(&coord->shards[idx]->log);
	if (err != ERR_OK)
		return err;
	*out = coord->shards[idx];
	fx_reset(&coord->fx);
	return ERR_OK;
}

/* After an event that has succeeded: its records, and the call held until they are durable. */
enum err coord_finish(struct cshard *shard, struct coord_call *call)
{
	enum err err = cshard_run(shard);

	if (err != ERR_OK)
		return fx_append_err(err);
	hold_until_durable(&shard->log, call);
	return ERR_OK;
}

/* As coord_find, for requests that must name a group. */
enum err coord_find_named(struct coord *coord, struct str group, struct cshard **out)
{
	*out = NULL;
	return group.len == 0 ? ERR_INVALID_GROUP_ID : coord_find(coord, group, out);
}

/*
 * For JoinGroup and SyncGroup. While it loads, Kafka answers these as all others, and clients do
 * not try again: Sarama gives up at a JoinGroup, the Java consumer at a SyncGroup. At
 * NOT_COORDINATOR they all look for the coordinator, find it here, and come again.
 */
static enum err coord_find_to_join(struct coord *coord, struct str group, struct cshard **out)
{
	enum err err = coord_find_named(coord, group, out);

	return err == ERR_COORDINATOR_LOAD_IN_PROGRESS ? ERR_NOT_COORDINATOR : err;
}

static void coord_refuse(struct coord *coord, struct coord_call *call,
			 const struct fx_answer *answer)
{
	coord_hold(call);
	call->answer(call, answer);
	hold_release(coord, call);
}

void coord_join(struct coord *coord, struct coord_call *call, struct join_ask *ask)
{
	struct fx_answer answer = {.who = call};
	struct cshard *shard;
	enum err err = coord_find_to_join(coord, ask->group, &shard);

	ask->who = call;
	if (err == ERR_OK) {
		struct consumer_cfg cfg = consumers_cfg(coord, ask->group);

		ask->consumer_cfg = &cfg;
		consumers_look(coord);
		join_handle(shard->groups, coord_now(coord), ask, &coord->fx);
		ask->consumer_cfg = NULL;
		(void)cshard_run(shard);
		return;
	}
	answer.join = (struct join_answer){.err = err,
					   .generation = -1,
					   .leader = STR(""),
					   .member_id = ask->member_id};
	coord_refuse(coord, call, &answer);
}

void coord_sync(struct coord *coord, struct coord_call *call, struct sync_ask *ask)
{
	struct fx_answer answer = {.who = call, .is_sync = true};
	struct cshard *shard;
	enum err err = coord_find_to_join(coord, ask->group, &shard);

	ask->who = call;
	if (err == ERR_OK) {
		sync_handle(shard->groups, coord_now(coord), ask, &coord->fx);
		(void)cshard_run(shard);
		return;
	}
	answer.sync = (struct sync_answer){.err = err, .assignment = {(const uint8_t *)"", 0}};
	coord_refuse(coord, call, &answer);
}

enum err coord_heartbeat(struct coord *coord, struct str group, struct str member_id,
			 struct str instance_id, int32_t generation)
{
	struct cshard *shard;
	enum err err = coord_find_named(coord, group, &shard);

	/* Its groups will be there in a moment: no reason to send the member away. */
	if (err == ERR_COORDINATOR_LOAD_IN_PROGRESS)
		return ERR_OK;
	if (err != ERR_OK)
		return err;
	err = heartbeat_handle(shard->groups, coord_now(coord), group, member_id, instance_id,
			       generation);
	coord_arm(coord);
	return err;
}

enum err coord_leave(struct coord *coord, struct coord_call *call, struct str group,
		     struct leave_member *members, size_t members_len)
{
	struct cshard *shard;
	enum err err = coord_find_named(coord, group, &shard);

	consumers_look(coord);
	if (err == ERR_OK)
		err = leave_handle(shard->groups, coord_now(coord), group, members, members_len,
				   &coord->fx);
	if (err != ERR_OK)
		return err;
	/* That the group is empty now need not have been written for the members to be gone. */
	(void)coord_finish(shard, call);
	return ERR_OK;
}

enum err coord_commit(struct coord *coord, struct coord_call *call, const struct commit_ask *ask)
{
	struct cshard *shard;
	enum err err = coord_find(coord, ask->group, &shard);

	if (err == ERR_OK)
		err = offsets_commit(shard->groups, coord_now(coord), ask, &coord->fx);
	return err != ERR_OK ? err : coord_finish(shard, call);
}

enum err coord_txn_guard(struct coord *coord, struct str group, int64_t producer_id, int16_t epoch,
			 int64_t *guard)
{
	struct cshard *shard;
	enum err err = coord_find(coord, group, &shard);

	*guard = PLOG_TXN_OPEN;
	if (err != ERR_OK)
		return err;
	return partition_txn_guard(shard->log.part, producer_id, epoch, guard);
}

enum err coord_fetch(struct coord *coord, struct coord_call *call, struct str group, bool stable,
		     struct offset_entry *offsets, size_t offsets_len)
{
	struct cshard *shard;
	enum err err = coord_find(coord, group, &shard);

	if (err != ERR_OK)
		return err;
	offsets_fetch(shard->groups, group, stable, offsets, offsets_len);
	hold_until_durable(&shard->log, call);
	return ERR_OK;
}

enum err coord_fetch_all(struct coord *coord, struct coord_call *call, struct str group,
			 bool stable, struct offset_entry **offsets, size_t *offsets_len)
{
	struct cshard *shard;
	enum err err = coord_find(coord, group, &shard);

	*offsets = NULL;
	*offsets_len = 0;
	if (err != ERR_OK)
		return err;
	hold_until_durable(&shard->log, call);
	return offsets_fetch_all(shard->groups, group, stable, call->arena, offsets, offsets_len);
}

enum err coord_delete_offsets(struct coord *coord, struct coord_call *call, struct str group,
			      struct offset_entry *offsets, size_t offsets_len)
{
	struct cshard *shard;
	enum err err = coord_find_named(coord, group, &shard);

	if (err == ERR_OK)
		err = offsets_delete(shard->groups, group, offsets, offsets_len, &coord->fx);
	return err != ERR_OK ? err : coord_finish(shard, call);
}

enum err coord_describe(struct coord *coord, struct coord_call *call, struct str group,
			struct group_view *out)
{
	struct cshard *shard;
	enum err err = coord_find(coord, group, &shard);

	if (err != ERR_OK)
		return err;
	hold_until_durable(&shard->log, call);
	return view_describe(shard->groups, group, call->arena, out);
}

enum err coord_delete_group(struct coord *coord, struct coord_call *call, struct str group)
{
	struct cshard *shard;
	enum err err = coord_find(coord, group, &shard);

	if (err == ERR_OK)
		err = shard_delete_group(shard->groups, group, &coord->fx);
	return err != ERR_OK ? err : coord_finish(shard, call);
}

/* -- all groups ---------------------------------------------------------------------------- */

enum err coord_list_check(const struct coord *coord)
{
	for (size_t i = 0; i < coord->shards_len; i++)
		if (coord->shards[i] != NULL && coord->shards[i]->log.state == CLOG_LOADING)
			return ERR_COORDINATOR_LOAD_IN_PROGRESS;
	return ERR_OK;
}

bool coord_list_next(const struct coord *coord, struct coord_list_pos *pos,
		     struct group_listed *out)
{
	for (; pos->shard < coord->shards_len; pos->shard++, pos->group = NULL)
		if (coord_serves(coord, pos->shard) &&
		    view_next(coord->shards[pos->shard]->groups, &pos->group, out))
			return true;
	return false;
}

size_t coord_groups_len(const struct coord *coord)
{
	size_t len = 0;

	for (size_t i = 0; i < coord->shards_len; i++)
		if (coord_serves(coord, i))
			len += shard_groups_len(coord->shards[i]->groups);
	return len;
}
