/* Request and response headers (see header.h). */
#include "wire/header.h"

#include "wire/apis.h"

enum err header_decode(struct rd *rd, struct req_header *h)
{
	*h = (struct req_header){0};
	h->api_key = rd_int16(rd);
	h->api_version = rd_int16(rd);
	h->correlation_id = rd_int32(rd);
	if (apis_find(h->api_key) == NULL)
		return rd->err;
	h->client_id = rd_str(rd, false, true);
	if (apis_request_tags(h->api_key, h->api_version))
		rd_skip_tags(rd);
	return rd->err;
}

void header_encode_response(struct wr *wr, int16_t key, int16_t version, int32_t correlation_id)
{
	wr_int32(wr, correlation_id);
	if (apis_response_tags(key, version))
		wr_uvarint(wr, 0);
}
