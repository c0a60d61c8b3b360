/*
 * Start and stop. Longer than other files: the order in which all rooms are made and joined, and
 * the reverse, is one thing.
 *
 * Start: lock the directories, read and remove the marks of the clean stop, open every log on all
 * workers, replay the metadata, bind, elect, hand the image to every loop, load the groups, and
 * accept when that is done, or after a second while it goes on.
 *
 * Stop: the coordinators let go of who waits; net answers what is under way and closes; the
 * controller hands its partitions on in the metadata; the io loops end; every log is closed; the
 * checkpoints are written, and last the mark.
 */
#include "main/broker.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "coord/producer_ids.h"
#include "base/log.h"
#include "coord/coord.h"
#include "main/cleaning.h"
#include "main/dirs.h"
#include "main/listen.h"
#include "main/replicas.h"
#include "main/station.h"
#include "meta/config_listeners.h"
#include "meta/controller.h"
#include "partition/flush.h"
#include "partition/remover.h"
#include "partition/retention.h"
#include "partition/space.h"

#define IO_LOOPS_MAX 8
/* Listeners wait for the groups no longer than this; what is not loaded then says so. */
#define LOAD_WAIT_MS 1000

struct broker {
	const struct config *config;
	const struct clock *clock;
	struct worker_pool *workers;
	struct dirs dirs;
	struct flusher *flusher;
	struct checkpointer *checkpointer;
	struct remover *remover;
	struct retention *retention;
	struct space *space;
	struct cleaner *cleaner;
	struct replicas *replicas;
	struct controller *controller;
	struct coord *coord;
	struct api api;
	struct station control;
	struct station io[IO_LOOPS_MAX];
	size_t io_len;
	bool io_runs;

	struct listen listen;

	/* stopping */
	ev_signal term, interrupt;
	struct mail net_stopped;
	struct controller_wait handed_on;
	bool runs, stopping, handed;
	bool stop_asked; /* before it ran */
	enum err err;
};

/* -- loops --------------------------------------------------------------------------------- */

static size_t broker_io_loops(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t wanted = config_is_set(config, CONFIG_NUM_NETWORK_THREADS)
			     ? config_int64(config, CONFIG_NUM_NETWORK_THREADS)
			     : cores;

	return (size_t)(wanted < 1 ? 1 : wanted > IO_LOOPS_MAX ? IO_LOOPS_MAX : wanted);
}

static enum err broker_make_loops(struct broker *broker)
{
	static const char *const names[IO_LOOPS_MAX] = {"io-0", "io-1", "io-2", "io-3",
							"io-4", "io-5", "io-6", "io-7"};
	enum err err;

	size_t slots;

	broker->io_len = broker_io_loops(broker->config);
	slots =
	    (size_t)config_int64(broker->config, CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS) /
		broker->io_len +
	    1;
	err = station_init(&broker->control, &broker->api, "control", -1, slots);
	for (size_t i = 0; err == ERR_OK && i < broker->io_len; i++)
		err = station_init(&broker->io[i], &broker->api, names[i], (int)i, slots);
	broker->api.control = &broker->control.api;
	return err;
}

/* -- the directories ----------------------------------------------------------------------- */

static void broker_on_dirty(void *ctx)
{
	struct broker *broker = ctx;

	checkpointer_touch(broker->checkpointer);
}

static void broker_on_failed(void *ctx, enum err err)
{
	struct broker *broker = ctx;

	log_error("broker", "the metadata log failed (%s): stopping", err_text(err));
	broker->err = err;
	loop_stop(broker->control.api.loop);
}

static enum err broker_open_space(struct broker *broker)
{
	struct space_options options = {
	    .control = broker->control.api.loop,
	    .workers = broker->workers,
	    .dirs = broker->dirs.all,
	    .retention = broker->retention,
	    .trash = remover_trash(broker->remover),
	    .min_free_bytes = config_int64(broker->config, CONFIG_LOG_DIRS_MIN_FREE_BYTES),
	    .max_bytes = config_int64(broker->config, CONFIG_LOG_DIRS_MAX_BYTES),
	};

	broker->space = space_new(&options);
	return broker->space != NULL ? ERR_OK : ERR_NOMEM;
}

/* Nothing new is begun. */
static void broker_stop_retention(struct broker *broker)
{
	if (broker->space != NULL)
		space_stop(broker->space);
	if (broker->retention != NULL)
		retention_stop(broker->retention);
	if (broker->remover != NULL)
		remover_stop(broker->remover);
}

static void broker_free_retention(struct broker *broker)
{
	if (broker->space != NULL)
		space_free(broker->space);
	if (broker->retention != NULL)
		retention_free(broker->retention);
	if (broker->remover != NULL)
		remover_free(broker->remover);
}

static enum err broker_open_retention(struct broker *broker)
{
	struct retention_options options = {
	    .control = broker->control.api.loop,
	    .workers = broker->workers,
	    .checkpointer = broker->checkpointer,
	    .initial_delay_ms = config_int64(broker->config, CONFIG_LOG_INITIAL_TASK_DELAY_MS),
	    .interval_ms = config_int64(broker->config, CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS),
	};

	broker->retention = retention_new(&options);
	broker->remover = remover_new(broker->control.api.loop, broker->workers);
	if (broker->retention == NULL || broker->remover == NULL)
		return ERR_NOMEM;
	return broker_open_space(broker);
}

/* The first sign of a failure: its partitions answer KAFKA_STORAGE_ERROR already. */
static void broker_on_dir_failed(void *ctx, struct logdir *logdir)
{
	struct broker *broker = ctx;

	/* While it stops: what closes the logs tells. */
	if (broker->controller == NULL)
		return;
	if (dirs_are_lost(&broker->dirs)) {
		log_error("broker", "%s: stopping",
			  logdir_failed(broker->dirs.metadata)
			      ? "the directory of the metadata log has failed"
			      : "all log directories have failed");
		broker->err = ERR_IO;
		loop_stop(broker->control.api.loop);
		return;
	}
	replicas_dir_failed(broker->replicas, logdir);
	/* Refused only while stopping, or when the metadata log has failed: then all is over. */
	if (controller_dir_failed(broker->controller, logdir->id) != ERR_OK)
		log_info("broker", "the metadata does not learn of the failure of %s",
			 logdir->path);
}

static void broker_cleaner_settings(void *ctx, struct cleaner_settings *settings)
{
	const struct broker *broker = ctx;

	cleaning_settings(broker->config, broker->control.api.image, settings);
}

static enum err broker_open_cleaner(struct broker *broker)
{
	struct cleaner_options options = {
	    .control = broker->control.api.loop,
	    .workers = broker->workers,
	    .checkpointer = broker->checkpointer,
	    .dirs = broker->dirs.all,
	    .clock = broker->clock,
	    .settings = broker_cleaner_settings,
	    .ctx = broker,
	};

	broker->cleaner = cleaner_new(&options);
	return broker->cleaner != NULL ? ERR_OK : ERR_NOMEM;
}

static void broker_on_config(void *ctx, const struct image *img)
{
	struct broker *broker = ctx;
	const struct uuid *cordoned;
	size_t len;

	if (!dirs_cordon(&broker->dirs, img))
		return;
	cordoned = dirs_cordoned(&broker->dirs, &len);
	if (controller_cordon(broker->controller, cordoned, len) != ERR_OK)
		log_warn("broker", "the metadata does not learn which directories are cordoned");
}

static enum err broker_open_logs(struct broker *broker)
{
	struct replicas_options options = {
	    .clock = broker->clock,
	    .config = broker->config,
	    .workers = broker->workers,
	    .dirs = broker->dirs.all,
	    .on_broker_config = broker_on_config,
	    .on_failed = broker_on_failed,
	    .ctx = broker,
	};
	int64_t interval_ms =
	    config_int64(broker->config, CONFIG_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS);
	enum err err;

	broker->flusher = flusher_new(broker->control.api.loop, broker->workers, broker->dirs.all,
				      broker_on_dirty, broker);
	broker->checkpointer = checkpointer_new(broker->control.api.loop, broker->workers,
						broker->dirs.all, interval_ms);
	if (broker->flusher == NULL || broker->checkpointer == NULL ||
	    broker_open_retention(broker) != ERR_OK || broker_open_cleaner(broker) != ERR_OK)
		return ERR_NOMEM;
	options.retention = broker->retention;
	options.cleaner = broker->cleaner;
	options.trash = remover_trash(broker->remover);
	options.flusher = broker->flusher;
	options.checkpointer = broker->checkpointer;
	broker->replicas = replicas_new(&options);
	if (broker->replicas == NULL)
		return ERR_NOMEM;
	err = replicas_open(broker->replicas);
	if (err == ERR_OK && dirs_are_lost(&broker->dirs)) {
		log_error("broker", "the log directories that are left do not suffice");
		err = ERR_IO;
	}
	return err;
}

static enum err broker_listen(struct broker *broker, bool with_network)
{
	struct loop *loops[IO_LOOPS_MAX];

	for (size_t i = 0; i < broker->io_len; i++)
		loops[i] = broker->io[i].api.loop;
	return listen_bind(&broker->listen, broker->config, loops, broker->io_len,
			   broker->control.api.loop, with_network);
}

/* -- the controller and the coordinator ---------------------------------------------------- */

static enum err broker_open_metadata(struct broker *broker)
{
	struct controller_options options = {
	    .loop = broker->control.api.loop,
	    .workers = broker->workers,
	    .clock = broker->clock,
	    .config = broker->config,
	    .node_id = config_node_id(broker->config),
	    .endpoints = broker->listen.endpoints,
	    .endpoints_len = broker->listen.endpoints_len,
	    .rack = config_str(broker->config, CONFIG_BROKER_RACK),
	    .previous_broker_epoch = logdirs_broker_epoch(broker->dirs.all),
	    .hooks = replicas_hooks(broker->replicas),
	    .on_read = dirs_on_read,
	    .on_read_ctx = &broker->dirs,
	};
	enum err err;

	options.log_dirs = dirs_online(&broker->dirs, &options.log_dirs_len);
	err = controller_open(&options, config_metadata_log_dir(broker->config),
			      str_of(broker->dirs.datadir.cluster_id), &broker->controller);
	if (err != ERR_OK)
		return err;
	broker_on_config(broker, controller_image(broker->controller));
	replicas_set_strays_aside(broker->replicas);
	controller_subscribe(broker->controller, &broker->control.images);
	for (size_t i = 0; i < broker->io_len; i++)
		controller_subscribe(broker->controller, &broker->io[i].images);
	return ERR_OK;
}

/* Half of the workers, shared by the loops: the others are there for syncs at any time. */
static int broker_cold_max(const struct broker *broker)
{
	int64_t share =
	    config_int64(broker->config, CONFIG_BACKGROUND_THREADS) / 2 / (int64_t)broker->io_len;

	return share > 1 ? (int)share : 1;
}

/* As many as there are cores to replay with, and disks to be kept busy; half of the workers. */
static int64_t broker_loads_max(const struct broker *broker)
{
	int64_t half = config_int64(broker->config, CONFIG_BACKGROUND_THREADS) / 2;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t wanted = cores < 2 ? 2 : cores;

	return half < 1 ? 1 : half < wanted ? half : wanted;
}

static enum err broker_lead(struct broker *broker)
{
	struct coord_options options = {
	    .loop = broker->control.api.loop,
	    .clock = broker->clock,
	    .config = broker->config,
	    .controller = broker->controller,
	    .box = &broker->control.box,
	    .workers = broker->workers,
	    .loads_max = (size_t)broker_loads_max(broker),
	};

	broker->api.producer_ids = options.ids = producer_ids_new(broker->controller);
	if (options.ids != NULL)
		broker->coord = coord_new(&options);
	if (broker->coord == NULL)
		return ERR_NOMEM;
	replicas_set_coord(broker->replicas, broker->coord);
	space_look(broker->space);
	broker->api.controller = broker->controller;
	broker->api.coord = broker->coord;
	broker->api.checkpointer = broker->checkpointer;
	broker->api.workers = broker->workers;
	broker->api.dirs = broker->dirs.all;
	broker->api.cold_max = broker_cold_max(broker);
	broker->api.node_id = config_node_id(broker->config);
	logdirs_watch(broker->dirs.all, broker->control.api.loop, broker_on_dir_failed, broker);
	return controller_start(broker->controller);
}

/* -- stopping ------------------------------------------------------------------------------ */

static void broker_on_handed_on(struct controller_wait *wait, enum err err)
{
	struct broker *broker = container_of(wait, struct broker, handed_on);

	if (err != ERR_OK) {
		log_error("broker", "could not hand partitions on: %s", err_text(err));
		broker->err = err;
	}
	broker->handed = true;
	loop_stop(broker->control.api.loop);
}

static void broker_on_net_stopped_here(struct mail *mail)
{
	struct broker *broker = container_of(mail, struct broker, net_stopped);

	broker->handed_on.done = broker_on_handed_on;
	controller_stop(broker->controller, &broker->handed_on);
}

/* On the first io loop. */
static void broker_on_net_stopped(void *ctx)
{
	struct broker *broker = ctx;

	broker->net_stopped = (struct mail){.deliver = broker_on_net_stopped_here};
	loop_post(broker->control.api.loop, &broker->net_stopped);
}

static void broker_stop(struct broker *broker)
{
	if (broker->stopping)
		return;
	broker->stopping = true;
	log_info("broker", "stopping");
	/* First: a member that waits for its group would keep its connection for minutes. */
	coord_stop(broker->coord);
	if (broker->listen.net != NULL)
		net_stop(broker->listen.net, broker_on_net_stopped, broker);
	else
		broker_on_net_stopped(broker);
}

static void broker_on_signal(struct ev_loop *ev, ev_signal *watcher, int events)
{
	struct broker *broker = watcher->data;

	if (broker->runs)
		broker_stop(broker);
	else
		broker->stop_asked = true;
}

static void broker_watch_signal(struct broker *broker, ev_signal *watcher, int number)
{
	ev_signal_init(watcher, broker_on_signal, number);
	watcher->data = broker;
	ev_signal_start(loop_ev(broker->control.api.loop), watcher);
}

static void broker_watch_signals(struct broker *broker)
{
	broker_watch_signal(broker, &broker->term, SIGTERM);
	broker_watch_signal(broker, &broker->interrupt, SIGINT);
}

static void broker_unwatch_signals(struct broker *broker)
{
	if (broker->control.api.loop == NULL)
		return;
	ev_signal_stop(loop_ev(broker->control.api.loop), &broker->term);
	ev_signal_stop(loop_ev(broker->control.api.loop), &broker->interrupt);
}

static enum err broker_start_loops(struct broker *broker)
{
	enum err err = ERR_OK;
	size_t started = 0;

	while (err == ERR_OK && started < broker->io_len)
		err = loop_start(broker->io[started++].api.loop);
	must(err == ERR_OK);
	broker->io_runs = true;
	return err;
}

static void broker_end_loops(struct broker *broker)
{
	for (size_t i = 0; i < broker->io_len; i++)
		loop_stop(broker->io[i].api.loop);
	for (size_t i = 0; i < broker->io_len; i++)
		loop_join(broker->io[i].api.loop);
	broker->io_runs = false;
}

/* What came home after the loops had ended is delivered, so that nothing is left in the post. */
static void broker_settle(struct broker *broker)
{
	worker_pool_drain(broker->workers);
	if (broker->control.api.loop != NULL)
		loop_turn(broker->control.api.loop, false);
	for (size_t i = 0; i < broker->io_len; i++)
		if (broker->io[i].api.loop != NULL)
			loop_turn(broker->io[i].api.loop, false);
}

static enum err broker_close_metadata(struct broker *broker)
{
	enum err err = ERR_OK;

	if (broker->controller != NULL)
		err = controller_free(broker->controller);
	broker->controller = NULL;
	return err;
}

/* What it cleans, and what it waits for, comes to its end on the workers and by our mail. */
static void broker_stop_cleaner(struct broker *broker)
{
	if (broker->cleaner == NULL)
		return;
	cleaner_stop(broker->cleaner);
	while (cleaner_is_busy(broker->cleaner)) {
		worker_pool_drain(broker->workers);
		loop_turn(broker->control.api.loop, false);
	}
}

/* One that is being written has references, and there may be those who wait for it. */
static void broker_stop_checkpointer(struct broker *broker)
{
	while (broker->checkpointer != NULL && checkpointer_stop(broker->checkpointer)) {
		worker_pool_drain(broker->workers);
		loop_turn(broker->control.api.loop, false);
	}
}

/*
 * Every log, then the checkpoints, then the marks: each vouches for what came before, in its own
 * directory; all of them for the metadata.
 */
static enum err broker_close_logs(struct broker *broker)
{
	int64_t epoch = controller_broker_epoch(broker->controller);
	enum err err, marks;

	broker_stop_retention(broker);
	broker_stop_cleaner(broker);
	broker_stop_checkpointer(broker);
	/* Loads that were cut short hold their partitions until they are home. */
	broker_settle(broker);
	flusher_free(broker->flusher);
	broker->flusher = NULL;
	worker_pool_drain(broker->workers);
	replicas_end(broker->replicas);
	err = checkpointer_close(broker->checkpointer);
	/* A snapshot that was being written comes home to the controller. */
	broker_settle(broker);
	marks = broker_close_metadata(broker);
	if (marks == ERR_OK)
		marks = logdirs_put_clean_marks(broker->dirs.all, epoch);
	err = err != ERR_OK ? err : marks;
	if (err != ERR_OK)
		log_error("broker", "not a clean stop: %s", err_text(err));
	return err;
}

enum err broker_run(struct broker *broker)
{
	/*
	 * What the start has used of the heap lies between what stays, so only this gives it back.
	 */
	malloc_trim(0);
	log_info("broker", "node %d is ready", config_node_id(broker->config));
	broker->err = broker_start_loops(broker);
	broker->runs = true;
	if (broker->stop_asked)
		broker_stop(broker);
	loop_run(broker->control.api.loop);
	broker_end_loops(broker);
	broker_unwatch_signals(broker);
	if (broker->err == ERR_OK)
		broker->err = broker_close_logs(broker);
	if (broker->err == ERR_OK)
		log_info("broker", "stopped");
	return broker->err;
}

/* -- starting ------------------------------------------------------------------------------ */

static void broker_on_load_wait(struct ev_loop *ev, ev_timer *timer, int events)
{
}

/* The loops are turned by hand until the groups are loaded, or it takes too long. */
static void broker_await_load(struct broker *broker)
{
	struct ev_loop *ev = loop_ev(broker->control.api.loop);
	ev_timer limit;

	/* What was acknowledged only when it was on disk is there again, for consumers to see. */
	worker_pool_drain(broker->workers);
	ev_timer_init(&limit, broker_on_load_wait, LOAD_WAIT_MS / 1e3, 0);
	ev_now_update(ev);
	ev_timer_start(ev, &limit);
	while (coord_is_loading(broker->coord) && ev_is_active(&limit) && !broker->stop_asked &&
	       broker->err == ERR_OK) {
		loop_turn(broker->control.api.loop, true);
		for (size_t i = 0; i < broker->io_len; i++)
			loop_turn(broker->io[i].api.loop, false);
	}
	ev_timer_stop(ev, &limit);
	if (coord_is_loading(broker->coord))
		log_info("broker", "serving while groups and transactions are being loaded");
}

enum err broker_new(const struct config *config, const struct clock *clock, bool with_network,
		    struct broker **out)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	enum err err;

	*out = broker;
	if (broker == NULL)
		return ERR_NOMEM;
	broker->config = config;
	broker->clock = clock;
	broker->api.config = config;
	broker->api.clock = clock;
	broker->workers = worker_pool_new((int)config_int64(config, CONFIG_BACKGROUND_THREADS));
	err = dirs_open(&broker->dirs, config, clock);
	if (err == ERR_OK)
		err = broker_make_loops(broker);
	if (err == ERR_OK)
		err = broker_open_logs(broker);
	if (err == ERR_OK)
		err = broker_listen(broker, with_network);
	if (err == ERR_OK)
		err = broker_open_metadata(broker);
	if (err == ERR_OK)
		err = broker_lead(broker);
	if (err == ERR_OK && with_network)
		broker_watch_signals(broker);
	if (err == ERR_OK)
		broker_await_load(broker);
	if (err == ERR_OK && broker->listen.net != NULL)
		err = net_open(broker->listen.net);
	return err;
}

/* -- without a network --------------------------------------------------------------------- */

struct loop *broker_loop(struct broker *broker)
{
	return broker->io[0].api.loop;
}

void broker_turn(struct broker *broker)
{
	loop_turn(broker->control.api.loop, false);
	for (size_t i = 0; i < broker->io_len; i++)
		loop_turn(broker->io[i].api.loop, false);
}

bool broker_is_over(const struct broker *broker)
{
	return broker->err != ERR_OK;
}

enum err broker_end(struct broker *broker)
{
	broker_stop(broker);
	while (!broker->handed)
		broker_turn(broker);
	return broker->err == ERR_OK ? broker_close_logs(broker) : broker->err;
}

/* From the top of the house down: each lets go of what is below. */
static void broker_free_rooms(struct broker *broker)
{
	if (broker->listen.net != NULL)
		net_free(broker->listen.net);
	if (broker->api.producer_ids != NULL)
		producer_ids_free(broker->api.producer_ids);
	if (broker->coord != NULL)
		coord_free(broker->coord);
	if (broker->flusher != NULL)
		flusher_free(broker->flusher);
	if (broker->replicas != NULL)
		replicas_end(broker->replicas);
	if (broker_close_metadata(broker) != ERR_OK)
		log_error("broker", "the metadata log was not closed well");
	if (broker->checkpointer != NULL) {
		checkpointer_abandon(broker->checkpointer);
		checkpointer_free(broker->checkpointer);
	}
}

void broker_free(struct broker *broker)
{
	if (broker == NULL)
		return;
	broker_unwatch_signals(broker);
	broker_stop_retention(broker);
	broker_stop_cleaner(broker);
	broker_stop_checkpointer(broker);
	if (broker->coord != NULL)
		coord_end_loads(broker->coord);
	broker_settle(broker);
	broker_free_rooms(broker);
	broker_settle(broker);
	if (broker->replicas != NULL)
		replicas_free(broker->replicas);
	broker_free_retention(broker);
	if (broker->cleaner != NULL)
		cleaner_free(broker->cleaner);
	station_fini(&broker->control);
	for (size_t i = 0; i < broker->io_len; i++)
		station_fini(&broker->io[i]);
	worker_pool_free(broker->workers);
	dirs_close(&broker->dirs);
	free(broker);
}
