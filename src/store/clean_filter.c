/* From a batch to what is left of it. */
#include "store/clean_filter.h"

#include <stdlib.h>

#include "record/iter.h"

#define ATTRIBUTE_HORIZON 64
/* What stays of the attributes of a batch that has no record left. */
#define ATTRIBUTES_EMPTY (8 | 16 | 32)

void clean_filter_init(struct clean_filter *filter)
{
	filter->kept = NULL;
	filter->kept_len = filter->kept_size = 0;
	filter->stats = (struct clean_stats){0};
	wr_init(&filter->plain, INT32_MAX);
}

void clean_filter_fini(struct clean_filter *filter)
{
	free(filter->kept);
	filter->kept = NULL;
	wr_fini(&filter->plain);
}

/* -- Whole batches -------------------------------------------------------------------------- */

enum clean_fate {
	CLEAN_DROP,	  /* nothing stays */
	CLEAN_IF_ANY,	  /* it stays if a record does */
	CLEAN_EVEN_EMPTY, /* it stays in any case */
};

/* What was found out about a batch before its records are looked at. */
struct clean_verdict {
	enum clean_fate fate;
	bool no_records; /* none of its records stays */
	bool is_spent;	 /* a marker without a transaction: it needs a horizon */
};

static bool clean_is_last_of_producer(const struct clean_filter *filter,
				      const struct batch_header *header)
{
	size_t low = 0, high = filter->producers_len;
	const struct clean_producer *producer;

	if (!batch_has_producer(header))
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (filter->producers[middle].producer_id < header->producer_id)
			low = middle + 1;
		else
			high = middle;
	}
	producer = &filter->producers[low];
	if (low == filter->producers_len || producer->producer_id != header->producer_id)
		return false;
	if (producer->last_offset >= 0)
		return producer->last_offset == batch_last_offset(header);
	return batch_is_control(header) && producer->epoch == header->producer_epoch;
}

static bool clean_horizon_passed(const struct clean_filter *filter,
				 const struct batch_header *header)
{
	return batch_has_delete_horizon(header) && header->base_timestamp <= filter->now_ms;
}

static enum err clean_judge(struct clean_filter *filter, struct bytes batch,
			    const struct batch_header *header, struct clean_verdict *verdict)
{
	bool unneeded;
	enum err err;

	*verdict = (struct clean_verdict){0};
	if (batch_is_control(header)) {
		err = clean_txns_control(filter->txns, batch, header, &unneeded);
		verdict->no_records = unneeded && clean_horizon_passed(filter, header);
		verdict->is_spent = unneeded;
	} else {
		err = clean_txns_data(filter->txns, header, &unneeded);
		verdict->no_records = unneeded;
	}
	if (clean_is_last_of_producer(filter, header) ||
	    batch_next_offset(header) == filter->round_end)
		verdict->fate = CLEAN_EVEN_EMPTY;
	else
		verdict->fate = verdict->no_records ? CLEAN_DROP : CLEAN_IF_ANY;
	return err;
}

/* -- Records -------------------------------------------------------------------------------- */

static bool clean_keeps(const struct clean_filter *filter, const struct batch_header *header,
			const struct record *record)
{
	if (batch_is_control(header) || record->offset > filter->map->latest_offset)
		return true;
	if (record->key.ptr == NULL)
		return false;
	if (record->value.ptr == NULL && clean_horizon_passed(filter, header))
		return false;
	return record->offset >=
	       clean_map_get(filter->map, clean_map_hash(filter->map, record->key));
}

static enum err clean_keep(struct clean_filter *filter, const struct record *record,
			   const uint8_t *at)
{
	if (filter->kept_len == filter->kept_size) {
		size_t size = filter->kept_size == 0 ? 256 : filter->kept_size * 2;
		struct clean_kept *more = realloc(filter->kept, size * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		filter->kept = more;
		filter->kept_size = size;
	}
	filter->kept[filter->kept_len++] =
	    (struct clean_kept){at, record->size_bytes, record->timestamp};
	filter->tombstones = filter->tombstones || record->value.ptr == NULL;
	return ERR_OK;
}

/* The records stay where they are, in the batch or the scratch; the list says which. */
static enum err clean_pick(struct clean_filter *filter, struct bytes batch,
			   const struct clean_verdict *verdict)
{
	struct record_iter iter;
	struct record record;
	const uint8_t *at;
	enum err err;

	filter->kept_len = 0;
	filter->tombstones = false;
	if (verdict->no_records)
		return ERR_OK;
	err = record_iter_init(&iter, batch, filter->scratch);
	if (err != ERR_OK)
		return err;
	at = iter.rd.pos;
	while (err == ERR_OK && record_iter_next(&iter, &record)) {
		if (clean_keeps(filter, &iter.header, &record))
			err = clean_keep(filter, &record, at);
		at = iter.rd.pos;
	}
	return err != ERR_OK ? err : iter.err;
}

/* -- Writing -------------------------------------------------------------------------------- */

static size_t clean_varint_bytes(uint64_t zigzag)
{
	size_t len = 1;

	for (; zigzag >= 0x80; zigzag >>= 7)
		len++;
	return len;
}

/* The record with another timestamp delta; the rest of it as it is. */
static void clean_write_record(struct wr *out, const struct clean_kept *kept, int64_t base)
{
	struct rd rd = rd_of((struct bytes){kept->at, kept->size_bytes});
	int64_t delta = (int64_t)((uint64_t)kept->timestamp - (uint64_t)base);
	int8_t attributes;
	size_t size;

	(void)rd_varint(&rd);
	attributes = rd_int8(&rd);
	if (rd_varlong(&rd) == delta) {
		wr_raw(out, (struct bytes){kept->at, kept->size_bytes});
		return;
	}
	size =
	    1 + clean_varint_bytes((uint64_t)delta << 1 ^ (uint64_t)(delta >> 63)) + rd_left(&rd);
	wr_varint(out, (int32_t)size);
	wr_int8(out, attributes);
	wr_varlong(out, delta);
	wr_raw(out, (struct bytes){rd.pos, rd_left(&rd)});
}

/* As stock: no codec, no base timestamp, the rest of the header. */
static enum err clean_write_empty(const struct batch_header *from, struct wr *out)
{
	struct batch_header header = *from;
	uint8_t *at = wr_room(out, BATCH_HEADER_BYTES);

	if (at == NULL)
		return out->err;
	header.attributes &= ATTRIBUTES_EMPTY;
	header.base_timestamp = BATCH_NO_TIMESTAMP;
	header.records_count = 0;
	header.size_bytes = BATCH_HEADER_BYTES;
	batch_header_write(at, &header);
	return ERR_OK;
}

/* The header's timestamps for what is kept. */
static void clean_stamp(const struct clean_filter *filter, struct batch_header *header,
			int64_t horizon_ms)
{
	if (horizon_ms >= 0) {
		header->attributes |= ATTRIBUTE_HORIZON;
		header->base_timestamp = horizon_ms;
	} else if (!batch_has_delete_horizon(header)) {
		header->base_timestamp = filter->kept[0].timestamp;
	}
	if (batch_timestamp_type(header) == BATCH_LOG_APPEND_TIME)
		return;
	header->max_timestamp = BATCH_NO_TIMESTAMP;
	for (size_t i = 0; i < filter->kept_len; i++)
		if (filter->kept[i].timestamp > header->max_timestamp)
			header->max_timestamp = filter->kept[i].timestamp;
}

static enum err clean_write_kept(struct clean_filter *filter, const struct batch_header *from,
				 int64_t horizon_ms, struct wr *out)
{
	struct batch_header header = *from;
	enum codec codec = batch_codec(from);
	struct wr *plain = codec == CODEC_NONE ? out : &filter->plain;
	size_t start = out->len_bytes;

	if (wr_room(out, BATCH_HEADER_BYTES) == NULL)
		return out->err;
	clean_stamp(filter, &header, horizon_ms);
	filter->plain.len_bytes = 0;
	for (size_t i = 0; i < filter->kept_len; i++)
		clean_write_record(plain, &filter->kept[i], header.base_timestamp);
	if (plain->err != ERR_OK)
		return plain->err;
	if (codec != CODEC_NONE) {
		enum err err = codec_compress(filter->scratch, codec, CODEC_LEVEL_DEFAULT,
					      wr_written(plain), out);
		if (err != ERR_OK)
			return err;
	}
	header.records_count = (int32_t)filter->kept_len;
	header.size_bytes = out->len_bytes - start;
	batch_header_write(out->buf + start, &header);
	return ERR_OK;
}

/* -1: none is to be set. A retention without end has no horizon. */
static int64_t clean_new_horizon(const struct clean_filter *filter,
				 const struct batch_header *header,
				 const struct clean_verdict *verdict)
{
	if (batch_has_delete_horizon(header) || (!filter->tombstones && !verdict->is_spent))
		return -1;
	if (filter->delete_retention_ms > INT64_MAX - filter->now_ms)
		return -1;
	return filter->now_ms + filter->delete_retention_ms;
}

static enum err clean_write(struct clean_filter *filter, struct bytes batch,
			    const struct batch_header *header, const struct clean_verdict *verdict,
			    struct wr *out)
{
	int64_t horizon_ms = clean_new_horizon(filter, header, verdict);

	filter->stats.kept_records += filter->kept_len;
	if (filter->kept_len == 0)
		return verdict->fate == CLEAN_EVEN_EMPTY ? clean_write_empty(header, out) : ERR_OK;
	if (filter->kept_len < (size_t)header->records_count || horizon_ms >= 0)
		return clean_write_kept(filter, header, horizon_ms, out);
	wr_raw(out, batch);
	return out->err;
}

static enum err clean_filter_data(struct clean_filter *filter, struct bytes batch,
				  const struct batch_header *header, struct wr *out)
{
	struct clean_verdict verdict;
	enum err err = clean_judge(filter, batch, header, &verdict);

	filter->stats.read_records += (uint64_t)header->records_count;
	if (err != ERR_OK || verdict.fate == CLEAN_DROP)
		return err;
	err = clean_pick(filter, batch, &verdict);
	return err == ERR_OK ? clean_write(filter, batch, header, &verdict, out) : err;
}

enum err clean_filter_batch(struct clean_filter *filter, struct bytes batch,
			    const struct batch_view *view, struct wr *out)
{
	size_t before = out->len_bytes;
	enum err err;

	must(batch.len == view->size_bytes);
	filter->stats.read_bytes += batch.len;
	if (view->magic == BATCH_MAGIC) {
		err = clean_filter_data(filter, batch, &view->header, out);
	} else {
		wr_raw(out, batch);
		err = out->err;
	}
	filter->stats.kept_bytes += out->len_bytes - before;
	return err;
}
