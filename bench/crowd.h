/*
 * Many clients, each on a connection of its own with one request under way at most, driven by one
 * thread. A load embeds a crowd_client first in what it keeps of each.
 *
 * The loads' programs take commands, one a line, from standard input, and print what each has
 * measured as one line of JSON: between the two, others can look at the broker.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "base/arena.h"
#include "client.h"

struct crowd_client {
	struct client client;
	int16_t api, version; /* of the request under way */
	double sent, due;     /* when; when to ask again */
	struct crowd_client *next_due;
	bool busy, done;
};

struct crowd {
	char *members; /* each_bytes apart */
	size_t each_bytes, len;
	int poll;
	struct wr wr;	    /* the request that is being made */
	struct arena arena; /* of one answer */
	double *times;	    /* of answers, in this command */
	size_t times_len, times_size;
	struct crowd_client *due_first, *due_last;
	size_t left; /* members that are not done in this command */
};

/* Told of an answer, behind its header: true when the member has done what it was to do. */
typedef bool crowd_answered(struct crowd *crowd, struct crowd_client *member, struct rd *rd);
typedef void crowd_send_next(struct crowd *crowd, struct crowd_client *member);

/* Each member is zeroed, and connected. */
void crowd_open(struct crowd *crowd, const char *host, const char *port, size_t each_bytes,
		size_t len);
struct crowd_client *crowd_at(const struct crowd *crowd, size_t idx);

/* Begins a request in crowd->wr; its body is written there; sends it. */
void crowd_begin(struct crowd *crowd, struct crowd_client *member, int api, int version);
void crowd_send(struct crowd *crowd, struct crowd_client *member);

/* All at once: each starts, and goes on with each answer until it is done. */
void crowd_storm(struct crowd *crowd, crowd_send_next *start, crowd_answered *answered);
/* For `answered`: `again` comes in a while, as a client that waits before it tries again. */
void crowd_later(struct crowd *crowd, struct crowd_client *member);
/*
 * One request after another, by the members in turn: so many, so many a second; at rate 0 as fast
 * as it goes with `window` under way. What `answered` says does not matter.
 */
void crowd_paced(struct crowd *crowd, crowd_send_next *send, crowd_answered *answered, long count,
		 long rate, size_t window);

struct crowd_command {
	const char *name;
	void (*run)(struct crowd *crowd, long first, long second);
};
/* Runs the commands of standard input, each with up to two numbers, until it ends. */
void crowd_serve(struct crowd *crowd, const struct crowd_command *commands, size_t len);

#endif
