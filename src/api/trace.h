/*
 * The trace log: what is asked and answered, field by field. Costs one comparison when it is off.
 */
#ifndef API_TRACE_H
#define API_TRACE_H

#include "wire/req.h"

/* When its header is read, and the body not yet. */
void trace_request(const struct req *req);
/* When the answer is complete in req->out, header and body. */
void trace_response(const struct req *req);

#endif
