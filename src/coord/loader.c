/*
 * Loads, as the control loop sees them: a few at once, the others in line; each slice (load.c) is a
 * job of its own, so that other work gets at the workers in between, and a load that nobody wants
 * any more ends soon. At the end the state, and what it takes of memory, is the coordinator's.
 */
#include "base/log.h"
#include "coord/coord_int.h"

#include <stdlib.h>

static void loader_forget_gone(struct coord *coord)
{
	struct coord_gone *gone;

	while ((gone = STAILQ_FIRST(&coord->gone)) != NULL) {
		STAILQ_REMOVE_HEAD(&coord->gone, link);
		free(gone);
	}
}

void loader_init(struct coord *coord)
{
	TAILQ_INIT(&coord->loads);
	STAILQ_INIT(&coord->gone);
}

void loader_fini(struct coord *coord)
{
	must(coord->loads_running == 0);
	loader_forget_gone(coord);
}

/* -- the end of one ------------------------------------------------------------------------ */

static void loader_tell(const struct clog *log)
{
	const struct load *load = &log->load;
	int64_t took_us = clock_mono_us(log->coord->o.clock) - load->began_us;

	if (load->err != ERR_OK)
		log_error("coord",
			  "%s-%d cannot be loaded, and what it holds is not served: %s at offset "
			  "%lld of %lld",
			  log->kind->topic, log->idx, err_text(load->err), (long long)load->next,
			  (long long)load->end);
	else if (load->count > 0)
		log_debug("coord", "%s-%d: %zu records in %lld ms", log->kind->topic, log->idx,
			  load->count, (long long)took_us / 1000);
	if (load->skipped > 0)
		log_warn("coord", "%s-%d: %zu records of unknown types were passed over",
			 log->kind->topic, log->idx, load->skipped);
}

/* Those of one start are told together. */
static void loader_tell_all(struct coord *coord)
{
	int64_t took_us = clock_mono_us(coord->o.clock) - coord->loads_began_us;

	if (coord->loads_count == 0)
		return;
	log_info("coord", "groups and transactions are loaded: %zu records in %lld ms",
		 coord->loads_count, (long long)took_us / 1000);
	coord->loads_count = 0;
}

static void loader_finish(struct clog *log)
{
	struct coord *coord = log->coord;

	loader_tell(log);
	load_fini(&log->load);
	log->state = log->load.err != ERR_OK ? CLOG_FAILED : CLOG_SERVING;
	if (log->state == CLOG_SERVING) {
		coord->loads_count += log->load.count;
		log->granted_bytes = log->load.keep.used_bytes;
		coord->keep.granted_bytes += log->granted_bytes;
		log->kind->loaded(log);
	}
	if (coord_is_loading(coord))
		return;
	loader_tell_all(coord);
	loader_forget_gone(coord);
}

/* -- slices -------------------------------------------------------------------------------- */

static void loader_run(struct job *job)
{
	load_slice(container_of(job, struct clog, load.job));
}

static void loader_submit(struct clog *log)
{
	struct coord *coord = log->coord;

	log->load.running = true;
	coord->loads_running++;
	worker_submit(coord->o.workers, &log->load.job);
}

/* As many as may run. */
static void loader_next(struct coord *coord)
{
	size_t max = coord->o.loads_max > 0 ? coord->o.loads_max : 1;
	struct load *load;

	while (coord->loads_running < max && (load = TAILQ_FIRST(&coord->loads)) != NULL) {
		TAILQ_REMOVE(&coord->loads, load, link);
		load->waiting = false;
		loader_submit(container_of(load, struct clog, load));
	}
}

static void loader_done(struct job *job)
{
	struct clog *log = container_of(job, struct clog, load.job);
	struct coord *coord = log->coord;

	log->load.running = false;
	coord->loads_running--;
	if (atomic_load(&log->load.cancelled)) {
		if (log->load.orphaned)
			log->kind->free(log);
	} else if (load_is_over(&log->load)) {
		loader_finish(log);
	} else {
		loader_submit(log);
	}
	if (!coord->loads_ended)
		loader_next(coord);
}

void loader_begin(struct clog *log)
{
	struct coord *coord = log->coord;
	struct load *load = &log->load;

	load->began_us = clock_mono_us(coord->o.clock);
	if (coord->loads_running == 0)
		coord->loads_began_us = load->began_us;
	if (coord->o.workers == NULL)
		while (!load_is_over(load))
			load_slice(log);
	if (load_is_over(load)) {
		loader_finish(log);
		return;
	}
	load->job = (struct job){.home = coord->o.loop, .run = loader_run, .done = loader_done};
	TAILQ_INSERT_TAIL(&coord->loads, load, link);
	load->waiting = true;
	loader_next(coord);
}

bool loader_cancel(struct clog *log)
{
	struct load *load = &log->load;

	if (load->waiting)
		TAILQ_REMOVE(&log->coord->loads, load, link);
	load->waiting = false;
	load->orphaned = load->running;
	atomic_store(&load->cancelled, true);
	return load->running;
}

static void loader_end(struct clog *log)
{
	if (log->load.running)
		atomic_store(&log->load.cancelled, true);
}

void coord_end_loads(struct coord *coord)
{
	must_be(coord, COORD_MAGIC);
	coord->loads_ended = true;
	for (size_t i = 0; i < coord->shards_len; i++)
		if (coord->shards[i] != NULL)
			loader_end(&coord->shards[i]->log);
	for (size_t i = 0; i < coord->txn.shards_len; i++)
		if (coord->txn.shards[i] != NULL)
			loader_end(&coord->txn.shards[i]->log);
}

bool coord_is_loading(const struct coord *coord)
{
	return coord_list_check(coord) != ERR_OK || txncoord_list_check(coord) != ERR_OK;
}
