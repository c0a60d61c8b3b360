/* Prints a message by the tables of its schema. Secrets are left out, and so are the bytes of
 * records. */
#include "api/trace.h"

#include <stdio.h>

#include "base/log.h"
#include "wire/apis.h"
#include "wire/table.h"

/* As much as fits into a log line beside who it was. */
#define TRACE_TEXT_BYTES 1800

static void trace_say(const struct req *req, const char *text)
{
	log_line(LOG_LEVEL_TRACE, "api", "%.*s (client %.*s) #%d: %s", STR_ARG(req->client_address),
		 STR_ARG(req->header.client_id), req->header.correlation_id, text);
}

void trace_request(const struct req *req)
{
	char text[TRACE_TEXT_BYTES];

	if (!log_wants(LOG_LEVEL_TRACE))
		return;
	table_trace(TABLE_REQUEST, req->header.api_key, req->header.api_version, req->body, text,
		    sizeof(text));
	trace_say(req, text);
}

void trace_response(const struct req *req)
{
	const struct req_header *header = &req->header;
	char text[TRACE_TEXT_BYTES];
	struct rd body;

	if (!log_wants(LOG_LEVEL_TRACE))
		return;
	if (req->out.cuts_len > 0) {
		/* File ranges stand between its bytes, so these alone are no message. */
		snprintf(text, sizeof(text), "%sResponse v%d of %zu bytes, %zu of them from files",
			 apis_name(header->api_key), header->api_version, wr_total_bytes(&req->out),
			 req->out.slices_bytes);
		trace_say(req, text);
		return;
	}
	body = rd_of(wr_written(&req->out));
	(void)rd_int32(&body);
	if (apis_response_tags(header->api_key, header->api_version))
		rd_skip_tags(&body);
	table_trace(TABLE_RESPONSE, header->api_key, header->api_version, body, text, sizeof(text));
	trace_say(req, text);
}
