/* Metadata records' frames, and lists of records: see mrec.h. */
#include "meta/mrec.h"

#include <stdlib.h>

#define FRAME_VERSION  1
#define LIST_BYTES_MAX ((size_t)1 << 30)

enum err mrec_open(struct bytes value, struct mrec_frame *frame)
{
	uint32_t frame_version;

	if (value.ptr == NULL)
		return ERR_MALFORMED;
	frame->fields = rd_of(value);
	frame_version = rd_uvarint(&frame->fields);
	frame->api_key = rd_uvarint(&frame->fields);
	frame->version = rd_uvarint(&frame->fields);
	if (frame->fields.err != ERR_OK)
		return frame->fields.err;
	return frame_version == FRAME_VERSION ? ERR_OK : ERR_UNSUPPORTED_VERSION;
}

void mrec_list_init(struct mrec_list *list)
{
	*list = (struct mrec_list){0};
	wr_init(&list->bytes, LIST_BYTES_MAX);
}

void mrec_list_fini(struct mrec_list *list)
{
	wr_fini(&list->bytes);
	free(list->ends);
	*list = (struct mrec_list){0};
}

void mrec_list_clear(struct mrec_list *list)
{
	list->bytes.len_bytes = 0;
	list->bytes.err = ERR_OK;
	list->len = 0;
}

struct wr *mrec_begin(struct mrec_list *list, int api_key, int version)
{
	wr_uvarint(&list->bytes, FRAME_VERSION);
	wr_uvarint(&list->bytes, (uint32_t)api_key);
	wr_uvarint(&list->bytes, (uint32_t)version);
	return &list->bytes;
}

void mrec_end(struct mrec_list *list)
{
	if (list->bytes.err != ERR_OK)
		return;
	if (list->len == list->size) {
		size_t size = list->size == 0 ? 16 : list->size * 2;
		size_t *ends = realloc(list->ends, size * sizeof(*ends));

		if (ends == NULL) {
			list->bytes.err = ERR_NOMEM;
			return;
		}
		list->ends = ends;
		list->size = size;
	}
	list->ends[list->len++] = list->bytes.len_bytes;
}

void mrec_raw(struct mrec_list *list, struct bytes value)
{
	wr_raw(&list->bytes, value);
	mrec_end(list);
}

struct bytes mrec_at(const struct mrec_list *list, size_t idx)
{
	size_t start;

	must(idx < list->len);
	start = idx == 0 ? 0 : list->ends[idx - 1];
	return (struct bytes){list->bytes.buf + start, list->ends[idx] - start};
}

int mrec_version_register_broker(int16_t metadata_version)
{
	if (metadata_version >= 30) /* 4.3-IV0: cordoned log directories */
		return 4;
	if (metadata_version >= 17) /* 3.7-IV2: log directories */
		return 3;
	return metadata_version >= 8 ? 2 : 1;
}

int mrec_version_partition(int16_t metadata_version)
{
	if (metadata_version >= 23) /* 4.0-IV1: eligible leader replicas */
		return 2;
	return metadata_version >= 17 ? 1 : 0;
}

int mrec_version_partition_change(int16_t metadata_version)
{
	return mrec_version_partition(metadata_version);
}
