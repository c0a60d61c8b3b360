/*
 * One Fetch request while it is worked on, for the files of Fetch only: 01_fetch.c reads and waits,
 * fetch_answer.c answers.
 */
#ifndef API_FETCH_H
#define API_FETCH_H

#include "api/cold.h"
#include "api/fetch_session.h"

#define FETCH_NO_EPOCH (-1)

struct fetch {
	struct api_loop *al;
	struct req *req;
	int version;
	bool committed; /* read_committed */
	int32_t replica_id;
	int64_t min_bytes, max_bytes;
	int64_t wait_ms;

	struct fetch_session *session; /* NULL: none */
	bool full;		       /* answer with all partitions, not only what changed */
	struct fetch_part **parts;
	size_t parts_len;

	/* of one run */
	int64_t bytes;
	bool urgent;  /* an error, a divergence or a limit: answer now */
	bool is_cold; /* some part has to be brought in by a worker */

	bool parked;
	size_t parked_bytes; /* counted in al */
	struct loop_timer timer;

	struct cold cold;
	bool warmed; /* a worker has read what was cold: do not ask again */
};

/* By topic id from v13 on, by name before. */
bool fetch_same_topic(const struct fetch *fetch, const struct fetch_part *a,
		      const struct fetch_part *b);
/* Answers with what the last run has found, and ends the request. */
void fetch_answer(struct fetch *fetch);
/* Gives back the ranges that no answer took, and frees the session for the next request. */
void fetch_end(struct fetch *fetch);

#endif
