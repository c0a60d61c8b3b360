/* From a frame to its handler, and what every handler needs to answer. */
#include "api/api.h"

#include "api/trace.h"
#include "base/log.h"
#include "partition/append_turn.h"
#include "proto/produce.h"
#include "proto/api_versions.h"
#include "wire/apis.h"
#include "wire/header.h"

/* The most that one answer may take in memory; file ranges do not count. */
#define API_ANSWER_BYTES_MAX (256u * 1024 * 1024)
/* Lines a second about peers that send what cannot be served. */
#define API_LOG_LINES 10
/* Of a client id in such a line, so that the reason behind it is not cut off. */
#define API_LOG_CLIENT_MAX 100

const struct api_handler *api_find(int16_t key)
{
	for (size_t i = 0; api_table[i] != NULL; i++)
		if (api_table[i]->key == key)
			return api_table[i];
	return NULL;
}

static void api_refuse(struct api_loop *al, struct req *req, const char *what)
{
	const struct req_header *header = &req->header;
	struct str client = header->client_id;

	if (client.len > API_LOG_CLIENT_MAX)
		client.len = API_LOG_CLIENT_MAX;
	if (log_allowed(&al->refusals, API_LOG_LINES))
		log_warn("api", "%.*s (client %.*s): %s (%d) version %d: %s; closing",
			 STR_ARG(req->client_address), STR_ARG(client), apis_name(header->api_key),
			 header->api_key, header->api_version, what);
	req->close = true;
	req_done(req);
}

/* Of the loop that runs this: the request's home, or the control loop that holds it. */
static struct api_loop *api_loop_here(struct req *req)
{
	struct api_loop *home = loop_user(req->loop);

	return loop_is_mine(req->loop) ? home : home->api->control;
}

void api_malformed(struct req *req, enum err err)
{
	api_refuse(api_loop_here(req), req, err_text(err));
}

void api_overload(struct req *req)
{
	api_refuse(api_loop_here(req), req, "its answer does not fit into the memory of a request");
}

struct wr *api_begin(struct req *req)
{
	wr_init(&req->out, API_ANSWER_BYTES_MAX);
	header_encode_response(&req->out, req->header.api_key, req->header.api_version,
			       req->header.correlation_id);
	return &req->out;
}

void api_end(struct req *req)
{
	if (req->out.err != ERR_OK) {
		api_overload(req);
		return;
	}
	trace_response(req);
	req_done(req);
}

enum api_home api_home_of(struct bytes frame)
{
	struct rd rd = rd_of(frame);
	const struct api_handler *handler = api_find(rd_int16(&rd));

	return rd.err == ERR_OK && handler != NULL ? handler->home : API_HOME_ANY;
}

static void api_run_on_control(struct mail *mail)
{
	struct req *req = container_of(mail, struct req, mail);
	const struct api_loop *home = loop_user(req->loop);
	struct api_loop *control = home->api->control;

	api_find(req->header.api_key)->handle(control, req);
}

static void api_hand_over(struct api_loop *al, const struct api_handler *handler, struct req *req)
{
	/* Whatever comes next may look at what this connection has produced before. */
	if (handler->key != PRODUCE_API_KEY)
		append_turn_flush(al->appends);
	if (handler->on_control && al != al->api->control) {
		req->mail = (struct mail){.deliver = api_run_on_control};
		loop_post(al->api->control->loop, &req->mail);
	} else {
		handler->handle(al, req);
	}
}

void api_dispatch(struct api_loop *al, struct req *req)
{
	const struct api_handler *handler;
	struct rd rd = rd_of(req->frame);
	enum err err;

	must(loop_is_mine(al->loop));
	err = header_decode(&rd, &req->header);
	if (err != ERR_OK) {
		api_refuse(al, req, err_text(err));
		return;
	}
	req->body = rd;
	trace_request(req);
	handler = api_find(req->header.api_key);
	if (handler == NULL) {
		api_refuse(al, req, "not served here");
	} else if (handler->key == API_VERSIONS_API_KEY) {
		handler->handle(al, req); /* answers versions that it does not know, too */
	} else if (req->header.api_version < handler->version_min ||
		   req->header.api_version > handler->version_max) {
		api_refuse(al, req, "this version is not served");
	} else {
		api_hand_over(al, handler, req);
	}
}
