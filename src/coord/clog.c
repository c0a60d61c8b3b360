/* One partition of a coordinator's topic: its log, and who waits for it. See coord_int.h. */
#include "coord/coord_int.h"

static void clog_on_wake(struct waiter *waiter)
{
	struct clog *log = container_of(waiter, struct clog, waiter);

	log->waiter_set = false;
	hold_settle(log, partition_check_leader(log->part, -1));
}

void clog_init(struct clog *log, struct coord *coord, const struct clog_kind *kind,
	       struct partition *part, int32_t leader_epoch)
{
	*log = (struct clog){.coord = coord,
			     .kind = kind,
			     .part = partition_ref(part),
			     .idx = partition_idx(part),
			     .leader_epoch = leader_epoch,
			     .load.next = partition_log_start(part),
			     .load.end = partition_log_end(part),
			     .load.keep.unlimited = true};
	log->end = log->load.end;
	TAILQ_INIT(&log->waits);
	waiter_init(&log->waiter, coord->o.box, clog_on_wake);
}

enum err clog_check(const struct clog *log)
{
	if (log == NULL || log->state == CLOG_FAILED)
		return ERR_NOT_COORDINATOR;
	return log->state == CLOG_SERVING ? ERR_OK : ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

void clog_stop(struct clog *log, enum err err)
{
	if (log->waiter_set)
		partition_unwait(log->part, &log->waiter);
	log->waiter_set = false;
	hold_settle(log, err);
	must(TAILQ_EMPTY(&log->waits));
}

void clog_fini(struct clog *log)
{
	must(!log->load.running);
	load_fini(&log->load);
	log->coord->keep.granted_bytes -= log->granted_bytes;
	partition_unref(log->part);
}
