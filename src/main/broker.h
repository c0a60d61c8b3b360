/*
 * The broker: the one place where rooms are made and joined. net hands frames to api, the
 * controller tells the replicas, images go to every loop.
 */
#ifndef MAIN_BROKER_H
#define MAIN_BROKER_H

#include "meta/config.h"
#include "wire/req.h"

struct broker;

/*
 * Opens (or formats) the log directory, recovers, elects, binds. The config is borrowed. Every
 * error has been logged. clock: clock_real but in tests.
 */
enum err broker_new(const struct config *config, const struct clock *clock, bool with_network,
		    struct broker **out) must_check;
/* Serves until SIGTERM or SIGINT, then stops cleanly. An error: the stop was not clean. */
enum err broker_run(struct broker *broker) must_check;
/* Also after a failed broker_new: *out is never left without its owner. */
void broker_free(struct broker *broker);

/*
 * Without a network, for tests and fuzzers: frames go in by api_dispatch(loop_user(loop), req) on
 * this loop, and turns are given by hand. broker_end stops cleanly, in place of broker_run.
 */
struct loop *broker_loop(struct broker *broker);
void broker_turn(struct broker *broker);
/* An error has ended it: broker_run would return now. */
bool broker_is_over(const struct broker *broker);
enum err broker_end(struct broker *broker) must_check;

#endif
