/*
 * Replay of a partition of a coordinator's topic: its batches in order, with the markers that end
 * transactions. Before the loop runs all of it is done at once; later a
 * piece in each turn.
 *
 * Nothing in the log can stop a load: what cannot be read is passed over and counted, for a group
 * that has lost its last commit is better than a coordinator that serves nobody.
 */
#include "coord/coord_int.h"
#include "base/log.h"
#include "record/control.h"
#include "record/iter.h"

#include <stdlib.h>

#define LOAD_CHUNK_BYTES      (256u * 1024)
#define LOAD_BATCH_BYTES_MAX  (256u * 1024 * 1024)
#define LOAD_RECORD_BYTES_MAX (256u * 1024 * 1024) /* of a record's lists, in its arena */

/* The end of a transaction. */
static void load_marker(struct clog *log, struct record_iter *iter)
{
	struct record record;
	enum control_type type;

	while (record_iter_next(iter, &record)) {
		if (control_key_read(record.key, &type) != ERR_OK)
			continue;
		if (type == CONTROL_COMMIT || type == CONTROL_ABORT)
			log->kind->marker(log, iter->header.producer_id, type == CONTROL_COMMIT);
	}
}

static void load_records(struct clog *log, struct record_iter *iter, struct arena *arena)
{
	int64_t producer_id = batch_is_transactional(&iter->header) ? iter->header.producer_id : -1;
	struct record record;

	while (record_iter_next(iter, &record)) {
		if (log->kind->record(log, &record, producer_id, arena) == ERR_OK)
			log->load_count++;
		else
			log->load_skipped++;
		if (arena->used_bytes > 0)
			arena_reset(arena);
	}
}

void load_batch(struct clog *log, struct bytes batch, struct codec_scratch *scratch,
		struct arena *arena)
{
	struct record_iter iter;

	if (record_iter_init(&iter, batch, scratch) != ERR_OK) {
		log->load_skipped++;
		return;
	}
	if (batch_is_control(&iter.header))
		load_marker(log, &iter);
	else
		load_records(log, &iter, arena);
	if (iter.err != ERR_OK)
		log->load_skipped++;
}

/* Whole batches; where the next begins. */
static void load_chunk(struct clog *log, struct bytes chunk, struct codec_scratch *scratch)
{
	struct batch_header header;
	struct arena arena;

	arena_init(&arena, LOAD_RECORD_BYTES_MAX);
	while (chunk.len > 0 && batch_header_read(chunk, &header) == ERR_OK &&
	       header.size_bytes <= chunk.len) {
		struct bytes batch = {chunk.ptr, header.size_bytes};

		if (batch_next_offset(&header) > log->load_next) {
			load_batch(log, batch, scratch, &arena);
			log->load_next = batch_next_offset(&header);
		}
		chunk.ptr += header.size_bytes;
		chunk.len -= header.size_bytes;
	}
	arena_fini(&arena);
}

/* The next batches, malloc'd; *got 0 at the end or when reading fails, which is logged. */
static uint8_t *load_read(struct clog *log, size_t *got)
{
	struct plog *plog = partition_log(log->part);
	size_t size_bytes = LOAD_CHUNK_BYTES;
	uint8_t *data = malloc(size_bytes);
	enum err err;

	*got = 0;
	if (data == NULL)
		return NULL;
	err = plog_read_copy(plog, log->load_next, log->load_end, data, size_bytes, got);
	if (err == ERR_NOMEM && *got > size_bytes && *got <= LOAD_BATCH_BYTES_MAX) {
		size_bytes = *got;
		free(data);
		data = malloc(size_bytes);
		if (data != NULL)
			err = plog_read_copy(plog, log->load_next, log->load_end, data, size_bytes,
					     got);
	}
	if (err == ERR_OK && data != NULL)
		return data;
	log_error("coord", "%s-%d: cannot read from offset %lld: %s", log->kind->topic, log->idx,
		  (long long)log->load_next, err_text(err));
	*got = 0;
	return data;
}

static void load_log(const struct clog *log)
{
	int64_t took_us = clock_mono_us(log->coord->o.clock) - log->load_began_us;

	if (log->load_count > 0)
		log_info("coord", "%s-%d: %zu records in %lld ms", log->kind->topic, log->idx,
			 log->load_count, (long long)took_us / 1000);
	if (log->load_skipped > 0)
		log_warn("coord", "%s-%d: %zu records or batches were not understood",
			 log->kind->topic, log->idx, log->load_skipped);
}

bool load_step(struct clog *log)
{
	size_t got = 0;
	int64_t before = log->load_next;
	uint8_t *data = NULL;

	if (log->load_next < log->load_end)
		data = load_read(log, &got);
	if (got > 0) {
		struct codec_scratch *scratch = codec_scratch_new(LOAD_BATCH_BYTES_MAX);

		load_chunk(log, (struct bytes){data, got}, scratch);
		codec_scratch_free(scratch);
	}
	free(data);
	if (log->load_next > before && log->load_next < log->load_end)
		return false;
	load_log(log);
	return true;
}
