/*
 * One request on its way: a frame in, bytes out. net makes it, api answers it; neither sees the
 * other.
 *
 * A req lives on one loop at a time, its connection's, or the control loop while a handler that
 * belongs there holds it; only that loop touches it. Its memory is its arena and is freed at once.
 *
 * Life: net reads a whole frame, fills in frame, loop, client and listener, and calls the handler
 * it was made with. api answers by req_done(), at once or at any later time, exactly once, from any
 * loop: the answer travels home to req->loop by mailbox if need be.
 *
 * When the connection goes while a req is under way, net sets `abandoned`, on req->loop. If api has
 * set on_cancel (a parked request on that same loop), net calls it, and api must answer with
 * req_done() before on_cancel returns; a req that is elsewhere just comes home later and is freed.
 */
#ifndef WIRE_REQ_H
#define WIRE_REQ_H

#include "base/arena.h"
#include "base/loop.h"
#include "wire/rd.h"
#include "wire/wr.h"

struct req_header {
	int16_t api_key;
	int16_t api_version;
	int32_t correlation_id;
	struct str client_id; /* may be null */
};

struct req {
	uint32_t magic;
	struct loop *loop; /* home: where its connection lives */
	struct arena arena;
	struct bytes frame;  /* without the 4-byte size; owned by net, see frame_release */
	struct str listener; /* name of the listener it came by; borrowed from that listener */
	struct str client_address; /* numeric, without port, as DescribeGroups; the connection's */
	int64_t received_us;	   /* monotonic */

	struct req_header header; /* set by api's dispatch */
	struct rd body;		  /* what follows the header */

	struct wr out;	/* response header and body, without the 4-byte size */
	bool no_answer; /* acks=0: done, but nothing is sent */
	bool close;	/* close the connection in place of an answer; the reason has been logged */
	bool overlap;	/* later frames may begin before this is answered; see req_overlap */

	void (*on_cancel)(struct req *req); /* set by api while parked on req->loop */
	void *parked;			    /* api's, while on_cancel is set */

	bool abandoned; /* the connection is gone: written on req->loop only */
	struct mail mail;
	/* net's; any but on_done may be NULL */
	void (*on_done)(struct req *req);    /* on req->loop */
	void (*on_overlap)(struct req *req); /* on req->loop */
	void (*on_release)(struct req *req); /* wherever req_release_frame is called */
	void *conn;
};

#define REQ_MAGIC 0x7e94e571u

/*
 * Answers the request: req->out, no_answer and close say how. The caller must not touch it after.
 */
void req_done(struct req *req);

/* Sets req->overlap and lets what waits behind the request begin. On req->loop, before req_done. */
void req_overlap(struct req *req);

/*
 * For a request that parks for long: moves the frame's bytes that are still needed (none but header
 * strings) to the arena and gives the frame's memory back to the budget. After it req->frame is
 * empty and everything that pointed into it is stale, but for header.client_id.
 */
void req_release_frame(struct req *req);
#endif
