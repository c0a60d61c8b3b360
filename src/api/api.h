/*
 * What every handler shares. One file an API key, NN_name.c, each with one `const struct
 * api_handler` that says the versions served; ApiVersions and dispatch are computed from the table
 * of them (api/table.c), so what is not built cannot be advertised.
 *
 * A handler runs on the request's own io loop, or, with on_control, on the control loop, where the
 * controller and the coordinators live and may be called without a lock. It decodes req->body,
 * acts, encodes into req->out and ends with req_done(req), at once or later. It must not keep
 * pointers into the image across turns of its loop.
 */
#ifndef API_API_H
#define API_API_H

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "wire/req.h"

struct image;		/* meta/image.h */
struct controller;	/* meta/controller.h */
struct coord;		/* coord/coord.h */
struct config;		/* meta/config.h: the broker's settings */
struct checkpointer;	/* partition/checkpointer.h */
struct producer_ids;	/* coord/producer_ids.h */
struct logdirs;		/* store/logdirs.h */
struct append_turn;	/* partition/append_turn.h */
struct codec_scratch;	/* record/codec.h */
struct recompress_lane; /* api/recompress.h */
struct wake_box;	/* partition/wait.h */
struct fetch_sessions;
STAILQ_HEAD(colds, cold); /* api/cold.h */

/* The broker as handlers see it: made once by main, read-only afterwards. */
struct api {
	const struct clock *clock;
	const struct config *config;
	struct controller *controller;	   /* control loop only */
	struct coord *coord;		   /* control loop only */
	struct checkpointer *checkpointer; /* control loop only */
	struct producer_ids *producer_ids; /* control loop only */
	struct api_loop *control;
	struct worker_pool *workers;
	const struct logdirs *dirs;
	int cold_max; /* cold reads of one loop that may be on the workers at a time */
	int32_t node_id;
};

/* One loop's own: the image that it has seen last, and state that no other loop touches. */
struct api_loop {
	struct api *api;
	struct loop *loop;
	int index;		   /* among the io loops, 0..; -1 is the control loop */
	const struct image *image; /* replaced between turns by mail, never within one */
	struct append_turn *appends;
	struct fetch_sessions *sessions;
	struct codec_scratch *scratch;
	struct recompress_lane *recompress;
	struct wake_box *box;
	struct colds cold; /* those that wait for their turn */
	int cold_running;
	size_t parked_bytes;	   /* what fetches that wait hold, the small ones apart */
	struct log_limit refusals; /* log lines about requests that are not served */
};

/* Where connections live that send such requests; most do not care. */
enum api_home {
	API_HOME_ANY,
	API_HOME_CONTROL, /* what members of groups send all the time, on connections of their own
			   */
	API_HOME_IO,	  /* what keeps a loop busy */
};

struct api_handler {
	int16_t key;
	int16_t version_min, version_max;
	bool on_control;
	enum api_home home;
	void (*handle)(struct api_loop *al, struct req *req);
};

/* Closed by a NULL; in the order of keys. */
extern const struct api_handler *const api_table[];
const struct api_handler *api_find(int16_t key);

/* The entry: decodes the header and hands the request to its handler. net calls it through main. */
void api_dispatch(struct api_loop *al, struct req *req);

/* Of a request that has just come, by its frame without the size. */
enum api_home api_home_of(struct bytes frame);

/* -- for handlers --------------------------------------------------------------------------- */

/*
 * The body could not be decoded: logs who, what and why, closes the connection, ends the request.
 */
void api_malformed(struct req *req, enum err err);
/* Writes the response header and returns the writer for the body. */
struct wr *api_begin(struct req *req);
/* After encoding: answers, or closes the connection when the answer did not fit its cap. */
void api_end(struct req *req);
/* The arena or another cap gave out: closes the connection with a log line. */
void api_overload(struct req *req);

/* The protocol's error code. */
int16_t errcode_of(enum err err);

#endif
