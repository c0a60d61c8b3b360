/* A round of cleaning, from the claim to the last swap. */
#include "store/clean.h"

#include <stdlib.h>

#include "base/log.h"
#include "record/iter.h"
#include "store/clean_group.h"
#include "store/clean_reader.h"
#include "store/clean_segs.h"
#include "store/clean_swap.h"

/* A batch that producers may send decompresses to no more than this (record/validate.h). */
#define CLEAN_BATCH_BYTES_MAX ((size_t)1 << 30)
/* So many look-ups in the map are on their way to memory at once. */
#define CLEAN_AHEAD 16

struct clean_round {
	struct plog *log;
	const struct clean_range *range;
	const struct clean_limits *limits;
	struct clean_segs segs;
	struct clean_map map;
	struct clean_reader reader;
	struct codec_scratch *scratch;
	struct clean_filter filter;
	struct clean_txns txns;
};

/* -- 1: the map ----------------------------------------------------------------------------- */

/* Keys on their way into the map, oldest first from `at` on. */
struct clean_ahead {
	struct clean_hash hashes[CLEAN_AHEAD];
	int64_t offsets[CLEAN_AHEAD];
	unsigned at, len;
};

/* False: the map is full. */
static bool clean_ahead_pop(struct clean_ahead *ahead, struct clean_map *map)
{
	if (clean_map_is_full(map))
		return false;
	clean_map_put(map, ahead->hashes[ahead->at], ahead->offsets[ahead->at]);
	ahead->at = (ahead->at + 1) % CLEAN_AHEAD;
	ahead->len--;
	return true;
}

static bool clean_ahead_push(struct clean_ahead *ahead, struct clean_map *map,
			     const struct record *record)
{
	unsigned slot;

	if (ahead->len == CLEAN_AHEAD && !clean_ahead_pop(ahead, map))
		return false;
	slot = (ahead->at + ahead->len++) % CLEAN_AHEAD;
	ahead->hashes[slot] = clean_map_hash(map, record->key);
	ahead->offsets[slot] = record->offset;
	clean_map_prefetch(map, ahead->hashes[slot]);
	return true;
}

/* *full: not all of the batch's keys are in. */
static enum err clean_map_batch(struct clean_round *round, struct bytes batch, bool *full)
{
	struct clean_ahead ahead = {.len = 0};
	struct record_iter iter;
	struct record record;
	enum err err = record_iter_init(&iter, batch, round->scratch);

	*full = false;
	while (err == ERR_OK && !*full && record_iter_next(&iter, &record)) {
		if (record.key.ptr != NULL && record.offset >= round->range->first_dirty)
			*full = !clean_ahead_push(&ahead, &round->map, &record);
		round->filter.stats.mapped_records++;
	}
	while (err == ERR_OK && !*full && ahead.len > 0)
		*full = !clean_ahead_pop(&ahead, &round->map);
	return err == ERR_OK ? iter.err : err;
}

static enum err clean_map_view(struct clean_round *round, struct clean_txns *txns,
			       struct bytes batch, const struct batch_view *view, bool *full)
{
	bool skip = true;
	enum err err = ERR_OK;

	*full = false;
	if (view->magic != BATCH_MAGIC)
		return ERR_OK;
	if (batch_is_control(&view->header)) {
		err = clean_txns_control(txns, batch, &view->header, &skip);
		skip = true;
	} else {
		err = clean_txns_data(txns, &view->header, &skip);
	}
	return err == ERR_OK && !skip ? clean_map_batch(round, batch, full) : err;
}

static enum err clean_map_seg(struct clean_round *round, struct clean_txns *txns, size_t slot,
			      bool *full)
{
	struct clean_reader *reader = &round->reader;
	struct batch_view view;
	struct bytes batch;
	enum err err;

	do {
		err = clean_reader_next(reader, &batch, &view);
		if (err == ERR_OK && batch.len > 0)
			err = clean_map_view(round, txns, batch, &view, full);
		if (err != ERR_OK || *full)
			return err;
		if (batch.len > 0 && view.last_offset >= round->range->first_dirty)
			round->map.latest_offset = view.last_offset;
	} while (batch.len > 0);
	/* The offsets up to the next segment are covered, too. */
	round->map.latest_offset = round->segs.segs[slot + 1]->base_offset - 1;
	return ERR_OK;
}

static enum err clean_map_from(struct clean_round *round, struct clean_txns *txns, size_t slot,
			       bool *full)
{
	struct seg *seg = round->segs.segs[slot];
	uint32_t pos = 0, size = round->segs.sizes[slot];
	enum err err = ERR_OK;

	if (seg->base_offset < round->range->first_dirty)
		err = plog_find_offset(round->log, seg, round->range->first_dirty, size, &pos);
	if (err == ERR_OK)
		err = seg_pin(seg);
	if (err != ERR_OK)
		return err;
	clean_reader_start(&round->reader, seg->log_file.fd, pos, size);
	err = clean_map_seg(round, txns, slot, full);
	seg_unpin(seg);
	return err;
}

static enum err clean_build(struct clean_round *round)
{
	const struct clean_range *range = round->range;
	struct clean_txns txns;
	bool full = false;
	enum err err;

	err = clean_map_init(&round->map, round->limits->map_bytes, round->limits->map_load,
			     (uint64_t)(range->end - range->first_dirty));
	if (err == ERR_OK)
		err = clean_txns_init(&txns, round->segs.segs, round->segs.len, range->first_dirty,
				      range->end);
	if (err != ERR_OK)
		return err;
	for (size_t i = clean_segs_slot(&round->segs, range->first_dirty);
	     i + 1 < round->segs.len && round->segs.segs[i]->base_offset < range->end && !full &&
	     err == ERR_OK;
	     i++)
		err = clean_map_from(round, &txns, i, &full);
	clean_txns_fini(&txns);
	if (err == ERR_OK && round->map.latest_offset < range->first_dirty)
		err = ERR_BADCONFIG;
	return err;
}

/* -- 2: what stays -------------------------------------------------------------------------- */

static int clean_producer_cmp(const void *a, const void *b)
{
	const struct clean_producer *left = a, *right = b;

	return (left->producer_id > right->producer_id) - (left->producer_id < right->producer_id);
}

/* The producers that the log knows now. */
static enum err clean_take_producers(struct plog *log, struct clean_producer **producers,
				     size_t *len)
{
	const struct producer *from;
	size_t count;

	*len = 0;
	plog_lock(log);
	from = log->producers != NULL ? log->producers->by_id : NULL;
	count = from != NULL ? HASH_COUNT(log->producers->by_id) : 0;
	*producers = calloc(count + 1, sizeof(**producers));
	for (; from != NULL && *producers != NULL; from = from->hh.next) {
		int64_t last =
		    from->batches_len > 0 ? from->batches[from->batches_len - 1].last_offset : -1;
		(*producers)[(*len)++] = (struct clean_producer){from->id, last, from->epoch};
	}
	plog_unlock(log);
	if (*producers == NULL)
		return ERR_NOMEM;
	qsort(*producers, *len, sizeof(**producers), clean_producer_cmp);
	return ERR_OK;
}

static enum err clean_copy(struct clean_round *round, struct clean_output *output)
{
	struct batch_view view;
	struct bytes batch;
	enum err err;

	do {
		err = clean_reader_next(&round->reader, &batch, &view);
		if (err == ERR_OK && batch.len > 0 &&
		    view.last_offset - output->seg->base_offset > INT32_MAX)
			err = ERR_CORRUPT_MESSAGE;
		if (err == ERR_OK && batch.len > 0)
			err = clean_filter_batch(&round->filter, batch, &view, &output->wr);
		if (err == ERR_OK)
			err = clean_output_write(output, batch.len == 0);
	} while (err == ERR_OK && batch.len > 0);
	return err;
}

static enum err clean_copy_group(struct clean_round *round, const struct clean_group *group,
				 struct clean_output *output)
{
	enum err err = ERR_OK;

	for (size_t i = group->from; i < group->to && err == ERR_OK; i++) {
		struct seg *seg = round->segs.segs[i];

		err = seg_pin(seg);
		if (err != ERR_OK)
			break;
		clean_reader_start(&round->reader, seg->log_file.fd, 0, round->segs.sizes[i]);
		err = clean_copy(round, output);
		seg_unpin(seg);
	}
	return err;
}

static enum err clean_rewrite(struct clean_round *round, const struct clean_group *group)
{
	struct seg **segs = round->segs.segs;
	struct clean_producer *producers;
	struct clean_output output;
	enum err err = clean_take_producers(round->log, &producers, &round->filter.producers_len);

	if (err != ERR_OK)
		return err;
	round->filter.producers = producers;
	round->txns.kept_len = 0;
	err =
	    clean_output_open(&output, round->log, &round->segs.cfg, segs[group->from]->base_offset,
			      round->limits->io_bytes, round->limits->pace);
	if (err == ERR_OK)
		err = clean_copy_group(round, group, &output);
	if (err == ERR_OK)
		err = clean_output_finish(&output, round->txns.kept, round->txns.kept_len,
					  segs[group->to - 1]);
	if (err == ERR_OK)
		err = clean_swap_in(&output, segs + group->from, group->to - group->from);
	else
		clean_output_close(&output, false);
	free(producers);
	return err;
}

static enum err clean_rewrite_all(struct clean_round *round, int64_t end)
{
	struct clean_group group = {0, 0};
	/* The last segment is read to its end, even if the map covers a part of it. */
	size_t next = clean_segs_slot(&round->segs, end - 1) + 1;
	enum err err = clean_txns_init(&round->txns, round->segs.segs, round->segs.len, 0,
				       round->segs.segs[next]->base_offset);

	if (err != ERR_OK)
		return err;
	while (err == ERR_OK) {
		err = clean_group_next(round->log, &round->segs, end, round->range->end, &group);
		if (err != ERR_OK || group.from == group.to)
			break;
		err = clean_rewrite(round, &group);
	}
	clean_txns_fini(&round->txns);
	return err;
}

/* -- The round ------------------------------------------------------------------------------ */

static enum err clean_claim(struct plog *log)
{
	bool mine;

	plog_lock(log);
	mine = plog_claim(log);
	plog_unlock(log);
	return mine ? ERR_OK : ERR_CANCELLED;
}

static void clean_unclaim(struct plog *log)
{
	plog_lock(log);
	plog_unclaim(log);
	plog_unlock(log);
}

static enum err clean_round_init(struct clean_round *round)
{
	enum err err = clean_segs_take(&round->segs, round->log);

	if (err == ERR_OK)
		err =
		    clean_reader_init(&round->reader, round->limits->io_bytes, round->limits->pace);
	round->scratch = codec_scratch_new(CLEAN_BATCH_BYTES_MAX);
	if (round->scratch == NULL)
		err = err == ERR_OK ? ERR_NOMEM : err;
	round->filter = (struct clean_filter){
	    .map = &round->map,
	    .txns = &round->txns,
	    .round_end = round->range->end,
	    .now_ms = clock_wall_ms(round->log->env->clock),
	    .delete_retention_ms = round->segs.cfg.delete_retention_ms,
	    .scratch = round->scratch,
	};
	clean_filter_init(&round->filter);
	return err;
}

static void clean_round_fini(struct clean_round *round)
{
	clean_filter_fini(&round->filter);
	codec_scratch_free(round->scratch);
	clean_reader_fini(&round->reader);
	clean_map_fini(&round->map);
	clean_segs_drop(&round->segs);
}

/* The caller acts on the error; what is final for the log is made so here. */
static enum err clean_err(struct plog *log, enum err err)
{
	if (err == ERR_NOFILE)
		return ERR_CANCELLED; /* deleted under us */
	if (err == ERR_IO)
		return plog_fail(log, err, "clean");
	return err == ERR_BADFILE ? ERR_CORRUPT_MESSAGE : err;
}

enum err clean_log(struct plog *log, const struct clean_range *range,
		   const struct clean_limits *limits, struct clean_result *result)
{
	struct clean_round round = {.log = log, .range = range, .limits = limits};
	enum err err = clean_claim(log);

	*result = (struct clean_result){.end = range->first_dirty};
	if (err != ERR_OK)
		return err;
	err = range->end > range->first_dirty ? clean_round_init(&round) : ERR_CANCELLED;
	if (err == ERR_OK)
		err = clean_build(&round);
	if (err == ERR_OK)
		err = clean_rewrite_all(&round, round.map.latest_offset + 1);
	if (err == ERR_OK)
		result->end = round.map.latest_offset + 1;
	result->stats = round.filter.stats;
	clean_round_fini(&round);
	clean_unclaim(log);
	return clean_err(log, err);
}
