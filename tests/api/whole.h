/*
 * A whole broker without a socket: a directory of its own, frames in, bytes out. For the tests of
 * handlers, and for what wants to attack them.
 */
#ifndef TESTS_API_WHOLE_H
#define TESTS_API_WHOLE_H

#include "main/broker.h"
#include "meta/config.h"

struct whole {
	char dir[64];
	struct config *config;
	struct broker *broker;
};

/* Settings as "key=value", NULL at the end; the directory is made. Dies when it cannot. */
void whole_open(struct whole *whole, const char *const *settings);
/* The same on a directory that may be there, and that stays. Tells how it went. */
enum err whole_open_dir(struct whole *whole, const char *dir,
			const char *const *settings) must_check;
/* A clean stop; the directory stays. The broker is freed in any case. */
enum err whole_end_dir(struct whole *whole) must_check;
/* Stops cleanly and removes the directory. */
void whole_close(struct whole *whole);
/* A clean stop and a start on the same directory. */
void whole_restart(struct whole *whole);

/* One request under way. */
struct whole_call {
	struct req req;
	struct wr frame; /* the request, as on the wire but for its size */
	bool done;
	struct rd body; /* of the answer, behind its header */
	struct wr flat; /* the answer with its file ranges read in */
	struct whole *whole;
};

/* Writes the header; the body goes into call->frame. */
void whole_begin(struct whole *whole, struct whole_call *call, int16_t key, int16_t version);
/* Sends it. It is done when it is done: whole_turn until then. */
void whole_send(struct whole_call *call);
/* Both. */
void whole_ask(struct whole_call *call);
/* Turns until what was sent is answered. */
void whole_await(struct whole_call *call);
/* Both, giving up after so long; false: there is no answer, or it could not be read. */
bool whole_ask_within(struct whole_call *call, int64_t wait_ms) must_check;
void whole_turn(struct whole *whole);
/* The connection goes while the request is under way. */
void whole_abandon(struct whole_call *call);
void whole_end(struct whole_call *call);

/* A topic with its partitions, through CreateTopics. */
void whole_make_topic(struct whole *whole, const char *name, int32_t partitions);

#endif
