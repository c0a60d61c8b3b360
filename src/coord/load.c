/*
 * Replay of a partition of a coordinator's topic: its batches in order, with the markers that end
 * transactions. On a worker, a slice at a time; loader.c says when.
 *
 * A log that cannot be read, or that is damaged, is not served at all, as in Kafka: a group whose
 * last commits are lost would read everything again, or pass over what was never read. What a later
 * Kafka may have written is passed over, and counted.
 */
#include "coord/coord_int.h"
#include "base/log.h"
#include "record/control.h"
#include "record/iter.h"

#include <stdlib.h>

/* Read at once, and before another job may have the worker. */
#define LOAD_CHUNK_BYTES      (512u * 1024)
#define LOAD_SLICE_BYTES      (4u * 1024 * 1024)
#define LOAD_BATCH_BYTES_MAX  (256u * 1024 * 1024)
#define LOAD_RECORD_BYTES_MAX (256u * 1024 * 1024) /* of a record's lists, in its arena */

/* -- batches ------------------------------------------------------------------------------- */

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

static enum err load_records(struct clog *log, struct record_iter *iter, struct arena *arena)
{
	int64_t producer_id = batch_is_transactional(&iter->header) ? iter->header.producer_id : -1;
	struct record record;
	enum err first = ERR_OK;

	while (record_iter_next(iter, &record)) {
		enum err err = log->kind->record(log, &record, producer_id, arena);

		if (err == ERR_OK)
			log->load.count++;
		else if (err == ERR_UNSUPPORTED_VERSION)
			log->load.skipped++;
		else if (first == ERR_OK)
			first = err;
		if (arena->used_bytes > 0)
			arena_reset(arena);
	}
	return first;
}

enum err load_batch(struct clog *log, struct bytes batch, struct codec_scratch *scratch,
		    struct arena *arena)
{
	struct record_iter iter;
	enum err err = record_iter_init(&iter, batch, scratch);

	if (err != ERR_OK)
		return err;
	if (batch_is_control(&iter.header))
		load_marker(log, &iter);
	else
		err = load_records(log, &iter, arena);
	return err != ERR_OK ? err : iter.err;
}

/* -- slices -------------------------------------------------------------------------------- */

/* Whole batches; load.next moves to where the next begins. */
static enum err load_chunk(struct clog *log, struct bytes chunk)
{
	struct load *load = &log->load;
	struct batch_header header;
	struct arena arena;
	enum err err = ERR_OK;

	arena_init(&arena, LOAD_RECORD_BYTES_MAX);
	while (chunk.len > 0 && err == ERR_OK) {
		struct bytes batch = {chunk.ptr, 0};

		err = batch_header_read(chunk, &header);
		if (err == ERR_OK && header.size_bytes > chunk.len)
			err = ERR_CORRUPT_MESSAGE;
		if (err != ERR_OK)
			break;
		batch.len = header.size_bytes;
		chunk.ptr += batch.len;
		chunk.len -= batch.len;
		if (batch_next_offset(&header) <= load->next)
			continue;
		err = batch_check_crc(batch);
		if (err == ERR_OK)
			err = load_batch(log, batch, load->scratch, &arena);
		if (err == ERR_OK)
			load->next = batch_next_offset(&header);
	}
	arena_fini(&arena);
	return err;
}

static enum err load_make_room(struct load *load, size_t size_bytes)
{
	if (load->scratch == NULL)
		load->scratch = codec_scratch_new(LOAD_BATCH_BYTES_MAX);
	if (load->size_bytes < size_bytes) {
		free(load->buf);
		load->buf = malloc(size_bytes);
		load->size_bytes = size_bytes;
	}
	if (load->scratch != NULL && load->buf != NULL)
		return ERR_OK;
	load->size_bytes = 0;
	return ERR_NOMEM;
}

/* The next batches; *got 0 at the end. */
static enum err load_read(struct clog *log, size_t *got)
{
	struct load *load = &log->load;
	struct plog *plog = partition_log(log->part);
	enum err err = load_make_room(load, LOAD_CHUNK_BYTES);

	*got = 0;
	if (err != ERR_OK)
		return err;
	err = plog_read_copy(plog, load->next, load->end, load->buf, load->size_bytes, got);
	if (err == ERR_NOMEM && *got > load->size_bytes && *got <= LOAD_BATCH_BYTES_MAX) {
		err = load_make_room(load, *got);
		*got = 0;
		if (err == ERR_OK)
			err = plog_read_copy(plog, load->next, load->end, load->buf,
					     load->size_bytes, got);
	}
	return err;
}

static void load_some(struct clog *log, size_t *got)
{
	struct load *load = &log->load;
	int64_t start;
	enum err err = load_read(log, got);

	if (err == ERR_OK && *got == 0) {
		load->next = load->end; /* nothing is left up to there */
	} else if (err == ERR_OK) {
		err = load_chunk(log, (struct bytes){load->buf, *got});
	} else if (err == ERR_OFFSET_OUT_OF_RANGE) {
		start = partition_log_start(log->part);
		err = start > load->next ? ERR_OK : err; /* was dropped meanwhile */
		load->next = start;
	}
	load->err = err;
}

void load_slice(struct clog *log)
{
	struct load *load = &log->load;
	size_t done_bytes = 0, got;

	while (!load_is_over(load) && done_bytes < LOAD_SLICE_BYTES &&
	       !atomic_load_explicit(&load->cancelled, memory_order_relaxed)) {
		load_some(log, &got);
		done_bytes += got;
	}
}

void load_fini(struct load *load)
{
	free(load->buf);
	codec_scratch_free(load->scratch);
	load->buf = NULL;
	load->size_bytes = 0;
	load->scratch = NULL;
}
