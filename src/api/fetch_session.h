/*
 * Fetch sessions (KIP-227): what a consumer fetches, remembered between its requests, so that each
 * names only what changed and is answered with only what changed.
 *
 * A session lives on the loop of the connection that made it, which its id tells; a request that
 * comes by another loop finds none and starts a new one. So sessions have no lock. Their number and
 * their partitions are capped; past that fetches go on without a session, as Kafka lets them.
 */
#ifndef API_FETCH_SESSION_H
#define API_FETCH_SESSION_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/loop.h"
#include "partition/partition.h"
#include "proto/fetch.h"

/* One partition that is fetched: of a session, or of one request (then in its arena). */
struct fetch_part {
	TAILQ_ENTRY(fetch_part) link; /* in the session's order */
	UT_hash_handle hh;	      /* by key, in a session */

	struct uuid topic_id; /* v13 and later */
	struct str topic;     /* before v13; owned by the part */
	int32_t idx;
	int32_t current_leader_epoch, last_fetched_epoch;
	int64_t fetch_offset;
	int32_t max_bytes;

	/* What the client was told last; -2 nothing yet. In a session only. */
	int64_t told_high_watermark, told_log_start;

	/* Of one run, see 01_fetch.c. */
	enum err err;
	bool is_cold;		      /* not to be read without waiting for the disk */
	struct partition *part;	      /* a reference, while waiting or being brought in */
	int32_t leader, leader_epoch; /* of the image, -1 unknown */
	int64_t high_watermark, last_stable, log_start, upper;
	struct slice slice;
	bool limited;		 /* there is more to read, but for a limit of the request */
	int32_t diverging_epoch; /* -1 none */
	int64_t diverging_end;
	struct plog_aborted *aborted; /* in the request's arena */
	size_t aborted_len;
	struct waiter waiter;
	void *fetch; /* who waits */

	size_t key_len;
	uint8_t key[]; /* topic id or name, then the index */
};

TAILQ_HEAD(fetch_parts, fetch_part);

struct fetch_session {
	UT_hash_handle hh; /* by id */
	TAILQ_ENTRY(fetch_session) link;
	int32_t id;
	int32_t epoch; /* that the next request must have */
	bool by_id;    /* topic ids: v13 and later */
	bool busy;     /* a request uses it */
	bool closed;   /* goes when it is busy no more */
	int64_t used_ms;
	struct fetch_parts parts;
	struct fetch_part *table;
	size_t parts_len;
};

struct fetch_sessions;

/* loop_idx: below FETCH_SESSION_LOOPS_MAX. slots: of this loop. */
#define FETCH_SESSION_LOOPS_MAX 64
struct fetch_sessions *fetch_sessions_new(struct loop *loop, int loop_idx, size_t slots) must_check;
void fetch_sessions_free(struct fetch_sessions *sessions);

/* A new session with these parts, whose ownership it takes; NULL when there is no room. */
struct fetch_session *fetch_session_make(struct fetch_sessions *sessions, bool by_id);
/* NULL when there is none of this id. */
struct fetch_session *fetch_session_find(struct fetch_sessions *sessions, int32_t id);
void fetch_session_close(struct fetch_sessions *sessions, struct fetch_session *session);
/* Marks the end of a request; frees the session if it was closed meanwhile. */
void fetch_session_unbusy(struct fetch_sessions *sessions, struct fetch_session *session);
/* Adds a part or updates the one of the same key. False: out of memory or over the cap. */
bool fetch_session_put(struct fetch_sessions *sessions, struct fetch_session *session,
		       const struct fetch_req_fetch_topic *topic,
		       const struct fetch_req_fetch_partition *partition) must_check;
void fetch_session_forget(struct fetch_sessions *sessions, struct fetch_session *session,
			  const struct fetch_req_forgotten_topic *topic);
/* To the end of the order, so that those behind it come first the next time. */
void fetch_session_rotate(struct fetch_session *session, struct fetch_part *part);
int32_t fetch_session_next_epoch(int32_t epoch);

/* A part outside of sessions, in the arena; NULL when that is full. */
struct fetch_part *fetch_part_new(struct arena *arena, const struct fetch_req_fetch_topic *topic,
				  const struct fetch_req_fetch_partition *partition, bool by_id);

#endif
