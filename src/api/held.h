/*
 * Answers to coordinator requests that may have to wait until the groups' log is durable, for the
 * handlers of groups and offsets.
 *
 * A handler embeds a `held` first in what it keeps in the request's arena:
 *
 *	held_begin(&call->held, al, req, encode);
 *	err = coord_...(al->api->coord, &call->held.call, ...);
 *	held_end(&call->held, err);
 *
 * encode() writes the answer from what the handler has, or, with an error, the answer that gives
 * this error for everything asked; it may come a second time, with an error, when the log failed.
 */
#ifndef API_HELD_H
#define API_HELD_H

#include "api/api.h"
#include "coord/coord.h"

/* All operations on a group, as bits, as there is no authorizer (KIP-430): read, delete, describe,
 * describe and alter configs. */
#define HELD_GROUP_OPERATIONS 3400

struct held {
	struct coord_call call;
	struct api_loop *al;
	struct req *req;
	/* False: the arena gave out. */
	bool (*encode)(struct held *held, enum err err);
	bool overload;
};

void held_begin(struct held *held, struct api_loop *al, struct req *req,
		bool (*encode)(struct held *held, enum err err));
void held_end(struct held *held, enum err err);

#endif
