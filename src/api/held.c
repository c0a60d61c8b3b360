/* Answers that may have to wait for the groups' log. See held.h. */
#include "api/held.h"

static void held_encode(struct held *held, enum err err)
{
	wr_fini(&held->req->out);
	held->overload = !held->encode(held, err);
}

static void held_fail(struct coord_call *call, enum err err)
{
	held_encode(container_of(call, struct held, call), err);
}

static void held_send(struct coord_call *call)
{
	struct held *held = container_of(call, struct held, call);

	if (held->overload)
		api_overload(held->req);
	else
		api_end(held->req);
}

void held_begin(struct held *held, struct api_loop *al, struct req *req,
		bool (*encode)(struct held *held, enum err err))
{
	*held = (struct held){
	    .call = {.fail = held_fail, .send = held_send, .arena = &req->arena},
	    .al = al,
	    .req = req,
	    .encode = encode,
	};
	coord_hold(&held->call);
}

void held_end(struct held *held, enum err err)
{
	held_encode(held, err);
	coord_release(&held->call);
}
