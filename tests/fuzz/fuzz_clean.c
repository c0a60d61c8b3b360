/*
 * Fuzzes the cleaner's filter: whatever stands in a segment, what it lets through is batches again,
 * with the offsets that they had, and it lets through no record twice or anew.
 *
 * Input: one byte of flags, then a segment. With FLAG_SEAL each batch gets a good CRC first, as the
 * cleaner looks into no other; with FLAG_ABORTED the producer of the first batch has aborted.
 */
#include <stdlib.h>

#include "record/iter.h"
#include "store/clean_filter.h"

#define CAP_BYTES    ((size_t)1 << 20)
#define RETENTION_MS 1000
#define NOW_MS	     INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLAG_SEAL = 1, FLAG_ABORTED = 2, FLAG_ACTIVE = 4, FLAG_HALF = 8 };

struct round {
	struct clean_map map;
	struct clean_txns txns;
	struct clean_filter filter;
	struct clean_producer producer;
	int64_t last_offset; /* of what was given out */
};

/* The next whole batch at the front, in step with the log; of no length at the end. */
static struct bytes next_batch(struct bytes *left, struct batch_view *view, int64_t *last)
{
	struct bytes batch = {left->ptr, 0};

	if (left->len == 0 || batch_view_read(*left, view) != ERR_OK ||
	    view->size_bytes > left->len || view->base_offset <= *last ||
	    view->last_offset > INT32_MAX)
		return BYTES_NULL;
	batch.len = view->size_bytes;
	left->ptr += batch.len;
	left->len -= batch.len;
	*last = view->last_offset;
	return batch;
}

static void fill_map(struct round *round, struct bytes log, struct codec_scratch *scratch,
		     int64_t upto)
{
	struct batch_view view;
	struct record_iter iter;
	struct record record;
	struct bytes batch;
	int64_t last = -1;

	while ((batch = next_batch(&log, &view, &last)).len > 0 && last <= upto) {
		if (view.magic != BATCH_MAGIC || batch_is_control(&view.header) ||
		    record_iter_init(&iter, batch, scratch) != ERR_OK)
			continue;
		while (record_iter_next(&iter, &record) && !clean_map_is_full(&round->map))
			if (record.key.ptr != NULL)
				clean_map_put(&round->map, clean_map_hash(&round->map, record.key),
					      record.offset);
		round->map.latest_offset = last;
	}
}

/* What came out of a batch: nothing, or one that stands where it stood. */
static void check_out(struct bytes out, const struct batch_view *from, struct bytes batch,
		      struct codec_scratch *scratch)
{
	struct batch_view view;
	struct record_iter iter;
	struct record record;
	int32_t count = 0;

	must(batch_view_read(out, &view) == ERR_OK && view.size_bytes == out.len);
	must(view.base_offset == from->base_offset && view.last_offset == from->last_offset);
	if (view.magic != BATCH_MAGIC || out.len == batch.len)
		return; /* as it was, perhaps */
	must(batch_check_crc(out) == ERR_OK);
	must(view.header.records_count <= from->header.records_count);
	must(view.header.producer_id == from->header.producer_id);
	if (record_iter_init(&iter, out, scratch) != ERR_OK)
		return; /* more than the cap */
	while (record_iter_next(&iter, &record))
		count++;
	must(iter.err == ERR_OK && count == view.header.records_count);
}

static enum err clean_all(struct round *round, struct bytes log, struct wr *out,
			  struct codec_scratch *scratch)
{
	struct batch_view view;
	struct bytes batch;
	int64_t last = -1;
	enum err err = ERR_OK;

	while (err == ERR_OK && (batch = next_batch(&log, &view, &last)).len > 0) {
		size_t before = out->len_bytes;

		err = clean_filter_batch(&round->filter, batch, &view, out);
		if (err == ERR_OK && out->len_bytes > before)
			check_out((struct bytes){out->buf + before, out->len_bytes - before}, &view,
				  batch, scratch);
	}
	return err;
}

static void begin(struct round *round, uint8_t flags, struct bytes log, int64_t now_ms,
		  struct codec_scratch *scratch)
{
	struct batch_view view;
	struct bytes rest = log;
	int64_t last = -1, first = -1, upto;
	int64_t producer_id = 0;

	while (next_batch(&rest, &view, &last).len > 0) {
		if (first < 0 && view.magic == BATCH_MAGIC)
			producer_id = view.header.producer_id;
		first = first < 0 ? view.base_offset : first;
	}
	upto = (flags & FLAG_HALF) != 0 ? last / 2 : last;
	*round = (struct round){.producer = {producer_id, last, 0}};
	must(clean_map_init(&round->map, 1 << 16, 0.9, 1 << 12) == ERR_OK);
	must(clean_txns_init(&round->txns, NULL, 0, 0, last + 1) == ERR_OK);
	if ((flags & FLAG_ABORTED) != 0 && first >= 0) {
		round->txns.aborted = calloc(1, sizeof(*round->txns.aborted));
		must(round->txns.aborted != NULL);
		round->txns.aborted[0] = (struct txn_index_entry){producer_id, first, last, last};
		round->txns.aborted_len = 1;
	}
	round->filter = (struct clean_filter){.map = &round->map,
					      .txns = &round->txns,
					      .producers = &round->producer,
					      .producers_len = (flags & FLAG_ACTIVE) != 0,
					      .round_end = last + 1,
					      .now_ms = now_ms,
					      .delete_retention_ms = RETENTION_MS,
					      .scratch = scratch};
	clean_filter_init(&round->filter);
	fill_map(round, log, scratch, upto);
}

static void end(struct round *round)
{
	clean_filter_fini(&round->filter);
	clean_txns_fini(&round->txns);
	clean_map_fini(&round->map);
}

static void seal_all(uint8_t *data, size_t len)
{
	struct bytes left = {data, len};
	struct batch_view view;
	struct bytes batch;
	int64_t last = -1;

	while ((batch = next_batch(&left, &view, &last)).len > 0)
		if (view.magic == BATCH_MAGIC)
			batch_seal(data + (batch.ptr - data), batch.len);
}

/* Once now, and what is left once more after the horizon. */
static void clean_twice(uint8_t flags, struct bytes log, struct codec_scratch *scratch)
{
	struct round round;
	struct wr first, second;
	enum err err;

	wr_init(&first, 4 * CAP_BYTES);
	wr_init(&second, 4 * CAP_BYTES);
	begin(&round, flags, log, NOW_MS, scratch);
	err = clean_all(&round, log, &first, scratch);
	end(&round);
	if (err == ERR_OK) {
		begin(&round, flags, wr_written(&first), NOW_MS + RETENTION_MS, scratch);
		err = clean_all(&round, wr_written(&first), &second, scratch);
		end(&round);
		must(err == ERR_OK || err == ERR_NOMEM || err == ERR_CORRUPT_MESSAGE);
		must(second.len_bytes <= 2 * first.len_bytes + 4096);
	}
	wr_fini(&first);
	wr_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct codec_scratch *scratch;
	uint8_t *copy;

	if (scratch == NULL)
		scratch = codec_scratch_new(CAP_BYTES);
	if (size < 2 || scratch == NULL)
		return 0;
	copy = malloc(size - 1);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if ((data[0] & FLAG_SEAL) != 0)
		seal_all(copy, size - 1);
	clean_twice(data[0], (struct bytes){copy, size - 1}, scratch);
	free(copy);
	return 0;
}
