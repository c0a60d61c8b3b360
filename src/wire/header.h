/*
 * Request and response headers. The size of four bytes in front of a frame is not part of them.
 */
#ifndef WIRE_HEADER_H
#define WIRE_HEADER_H

#include "wire/req.h"

/*
 * Reads a request's header; `rd` is then at the body. The key, version and correlation id are set
 * as far as they came even when the rest is bad. Of an API that Kafka does not know nothing
 * behind the correlation id is read, for nobody can say how it looks. The client id points into
 * the input.
 */
enum err header_decode(struct rd *rd, struct req_header *h) must_check;

/* Writes what a response to this API and version begins with. */
void header_encode_response(struct wr *wr, int16_t key, int16_t version, int32_t correlation_id);

#endif
