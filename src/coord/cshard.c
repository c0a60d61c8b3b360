/* One partition of __consumer_offsets and its groups: made, run, let go. See coord.h. */
#include "coord/coord_int.h"
#include "base/log.h"

#include <stdlib.h>

static void cshard_on_wake(struct waiter *waiter)
{
	struct cshard *shard = container_of(waiter, struct cshard, waiter);

	shard->waiter_set = false;
	hold_settle(shard, partition_check_leader(shard->part, -1));
}

struct cshard *cshard_new(struct coord *coord, struct partition *part, int32_t leader_epoch)
{
	struct cshard *shard = calloc(1, sizeof(*shard));

	if (shard == NULL)
		return NULL;
	shard->groups = shard_new(&coord->cfg, &coord->keep, &coord->deadlines, &coord->rnd);
	if (shard->groups == NULL) {
		free(shard);
		return NULL;
	}
	shard_set_user(shard->groups, shard);
	shard->coord = coord;
	shard->part = partition_ref(part);
	shard->idx = partition_idx(part);
	shard->leader_epoch = leader_epoch;
	shard->load_next = partition_log_start(part);
	shard->load_end = shard->end = partition_log_end(part);
	shard->load_began_us = clock_mono_us(coord->o.clock);
	TAILQ_INIT(&shard->waits);
	waiter_init(&shard->waiter, coord->o.box, cshard_on_wake);
	return shard;
}

/* JoinGroup and SyncGroup requests that an event has answered. */
static void cshard_answer(struct cshard *shard)
{
	struct coord *coord = shard->coord;

	for (size_t i = 0; i < coord->fx.answers_len; i++) {
		struct fx_answer *answer = &coord->fx.answers[i];
		struct coord_call *call = answer->who;

		coord_hold(call);
		call->answer(call, answer);
		if (answer->durable)
			hold_until_durable(shard, call);
		coord_release(coord, call);
	}
}

enum err cshard_run(struct cshard *shard)
{
	struct coord *coord = shard->coord;
	enum err err = journal_append(shard, &coord->fx);

	shard_settle(shard->groups, coord_now(coord), &coord->fx, err);
	if (err != ERR_OK)
		log_warn("coord", "__consumer_offsets-%d: cannot append: %s", shard->idx,
			 err_text(err));
	if (coord->fx.note.ptr != NULL)
		log_info("coord", "%.*s", STR_ARG(coord->fx.note));
	cshard_answer(shard);
	coord_arm(coord);
	return err;
}

void cshard_free(struct cshard *shard)
{
	struct coord *coord = shard->coord;

	fx_reset(&coord->fx);
	shard_unload(shard->groups, &coord->fx);
	cshard_answer(shard);
	if (shard->waiter_set)
		partition_unwait(shard->part, &shard->waiter);
	shard->waiter_set = false;
	hold_settle(shard, ERR_NOT_COORDINATOR);
	must(TAILQ_EMPTY(&shard->waits));
	shard_free(shard->groups);
	partition_unref(shard->part);
	free(shard);
}
