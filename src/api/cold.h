/*
 * Reads that would wait for the disk, done by a worker, so that one reader of old data does not
 * stop the other connections of its loop.
 *
 * A handler embeds a `cold` in what it keeps in the request's arena, and lets the request alone
 * until finish() comes. A loop has few of them on the workers at a time, in turn: the disk gains
 * nothing from more, and what else the workers do (syncs above all) must not stand behind a crowd
 * of readers. Who has gone away meanwhile is finished without being read for.
 */
#ifndef API_COLD_H
#define API_COLD_H

#include "api/api.h"

struct cold {
	struct job job; /* private, as is the link */
	STAILQ_ENTRY(cold) link;
	struct api_loop *al;
	struct req *req;
	void (*read)(struct cold *cold); /* on a worker: nothing else touches the request then */
	void (*finish)(
	    struct cold *cold); /* on al's loop; req->abandoned says whether it is wanted */
};

/* finish() comes in a later turn, or at once when the connection has gone before its turn. */
void cold_submit(struct cold *cold);

#endif
