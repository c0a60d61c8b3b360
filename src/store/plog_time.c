/* From a timestamp to an offset: ListOffsets. */
#include "store/plog_impl.h"

#include <stdlib.h>

#include "base/file.h"
#include "record/validate.h"
#include "record/walk.h"

/* The most of a batch in memory, and of what a codec must decompress whole. A larger one is
 * answered by its header alone. */
#define TIME_BATCH_BYTES_MAX (128u << 20)

/* A segment as it was when the search began. */
struct plog_time_seg {
	struct seg *seg; /* with a reference */
	uint32_t size;
	int64_t max_timestamp, max_offset;
};

/* All segments, first to last. */
static enum err plog_time_segs(struct plog *log, struct plog_time_seg **segs, size_t *len)
{
	size_t room = 0;

	*segs = NULL;
	*len = 0;
	pthread_mutex_lock(&log->list);
	room = log->segs_len;
	pthread_mutex_unlock(&log->list);
	*segs = calloc(room + 1, sizeof(**segs));
	if (*segs == NULL)
		return ERR_NOMEM;
	pthread_mutex_lock(&log->list);
	for (uint32_t i = 0; i < log->segs_len && *len < room; i++) {
		(*segs)[*len].seg = seg_ref(log->segs[i]);
		(*segs)[(*len)++].size = log->segs[i]->size_bytes;
	}
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

static enum err plog_time_max(struct plog *log, struct plog_time_seg *at)
{
	enum err err = plog_load_times(log, at->seg);

	if (err != ERR_OK)
		return err;
	pthread_mutex_lock(&log->list);
	at->max_timestamp = at->seg->max_timestamp;
	at->max_offset = at->seg->max_offset;
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

/* -- In a batch ----------------------------------------------------------------------------- */

/* What is looked for: the first record at or after both. */
struct plog_time_want {
	int64_t timestamp, from_offset;
};

static void plog_time_found(struct plog_time_offset *out, int64_t timestamp, int64_t offset,
			    const struct batch_view *view)
{
	*out = (struct plog_time_offset){timestamp, offset, view->leader_epoch};
}

/* The records pass by as they are decompressed: no more of them than a piece is in memory. */
static enum err plog_time_walk_records(struct walk *walk, const struct batch_view *view,
				       const struct plog_time_want *want,
				       struct plog_time_offset *out)
{
	const struct batch_header *header = &view->header;
	bool appended = batch_timestamp_type(header) == BATCH_LOG_APPEND_TIME;
	struct walk_record record;

	for (int32_t i = 0; i < header->records_count; i++) {
		int64_t timestamp, offset;

		walk_next(walk, &record);
		if (walk->err != ERR_OK)
			return walk->err;
		timestamp = appended ? header->max_timestamp
				     : (int64_t)((uint64_t)header->base_timestamp +
						 (uint64_t)record.timestamp_delta);
		offset = header->base_offset + record.offset_delta;
		if (timestamp < want->timestamp || offset < want->from_offset)
			continue;
		plog_time_found(out, timestamp, offset, view);
		break;
	}
	return ERR_OK;
}

static enum err plog_time_in_records(struct bytes batch, const struct batch_view *view,
				     const struct plog_time_want *want,
				     struct plog_time_offset *out)
{
	struct bytes payload = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
	struct codec_scratch *scratch = codec_scratch_new(TIME_BATCH_BYTES_MAX);
	struct walk walk = {payload.ptr, payload.ptr, 0, scratch, ERR_OK};
	enum err err;

	if (scratch == NULL)
		return ERR_NOMEM;
	err = codec_open(scratch, batch_codec(&view->header), payload,
			 VALIDATE_UNCOMPRESSED_MAX_BYTES);
	if (err == ERR_OK)
		err = plog_time_walk_records(&walk, view, want, out);
	codec_scratch_free(scratch);
	return err == ERR_OK || err == ERR_NOMEM ? err : ERR_CORRUPT_MESSAGE;
}

/* Reads the batch and looks into it; out->offset stays -1 when it has no such record. */
static enum err plog_time_in_batch(int fd, uint32_t pos, const struct batch_view *view,
				   const struct plog_time_want *want, struct plog_time_offset *out)
{
	int64_t first =
	    view->base_offset > want->from_offset ? view->base_offset : want->from_offset;
	uint8_t *bytes;
	size_t got;
	enum err err;

	if (view->magic != BATCH_MAGIC || view->size_bytes > TIME_BATCH_BYTES_MAX) {
		plog_time_found(out, view->max_timestamp, first, view);
		return ERR_OK;
	}
	bytes = malloc(view->size_bytes);
	if (bytes == NULL)
		return ERR_NOMEM;
	err = file_pread(fd, bytes, view->size_bytes, pos, &got);
	if (err == ERR_OK && got != view->size_bytes)
		err = ERR_BADFILE;
	if (err == ERR_OK)
		err = plog_time_in_records((struct bytes){bytes, got}, view, want, out);
	if (err == ERR_NOMEM) {
		plog_time_found(out, view->max_timestamp, first, view);
		err = ERR_OK;
	}
	free(bytes);
	return err;
}

/* -- In a segment --------------------------------------------------------------------------- */

/* The time index's last entry at or before the timestamp: nothing earlier can be it. */
static enum err plog_time_floor(struct plog *log, struct seg *seg, int64_t timestamp,
				int64_t *offset)
{
	struct index_entry entry = {-1, 0};
	uint32_t file_len;
	int64_t slot;
	enum err err = ERR_OK;
	bool found;
	int fd;

	pthread_mutex_lock(&log->list);
	found = index_find_pending(&seg->times, INDEX_KEY, timestamp, &entry);
	file_len = seg->times.file_len;
	pthread_mutex_unlock(&log->list);
	if (!found && file_len > 0) {
		err = seg_open_times(seg, &fd);
		if (err != ERR_OK)
			return err;
		err = index_find(&seg->times, fd, file_len, INDEX_KEY, timestamp, timestamp, &entry,
				 &slot);
		file_close(fd);
	}
	*offset = seg->base_offset + entry.value;
	return err == ERR_BADFILE ? ERR_OK : err;
}

static enum err plog_time_walk(const struct plog_time_seg *at, uint32_t pos,
			       const struct plog_time_want *want, int64_t upper,
			       struct plog_time_offset *out)
{
	struct batch_view view;
	struct seg_walk walk;
	enum err err = ERR_OK;

	seg_walk_init(&walk, at->seg->log_file.fd, pos, at->size);
	while (err == ERR_OK && walk.pos < walk.end && out->offset < 0) {
		err = seg_walk_view(&walk, &view);
		if (err != ERR_OK || view.base_offset >= upper)
			break;
		if (view.max_timestamp >= want->timestamp && view.last_offset >= want->from_offset)
			err = plog_time_in_batch(walk.fd, walk.pos, &view, want, out);
		seg_walk_step(&walk, &view);
	}
	return err;
}

static enum err plog_time_in_seg(struct plog *log, const struct plog_time_seg *at,
				 const struct plog_time_want *want, int64_t upper,
				 struct plog_time_offset *out)
{
	int64_t floor;
	uint32_t pos;
	enum err err;

	err = plog_time_floor(log, at->seg, want->timestamp, &floor);
	if (err != ERR_OK)
		return err;
	err = plog_find_offset(log, at->seg, floor > want->from_offset ? floor : want->from_offset,
			       at->size, &pos);
	if (err == ERR_OK)
		err = seg_pin(at->seg);
	if (err != ERR_OK)
		return err;
	err = plog_time_walk(at, pos, want, upper, out);
	seg_unpin(at->seg);
	return err;
}

/* -- The searches --------------------------------------------------------------------------- */

static enum err plog_time_search(struct plog *log, struct plog_time_seg *segs, size_t len,
				 int64_t ts, int64_t upper, struct plog_time_offset *out)
{
	struct plog_time_want want = {ts, plog_start(log)};
	enum err err = ERR_OK;

	for (size_t i = 0; i < len && err == ERR_OK && out->offset < 0; i++) {
		if (segs[i].seg->base_offset >= upper)
			break;
		err = plog_time_max(log, &segs[i]);
		if (err == ERR_OK && segs[i].max_timestamp >= ts)
			err = plog_time_in_seg(log, &segs[i], &want, upper, out);
	}
	return err;
}

/*
 * KIP-734: the record with the largest timestamp; the first of them when there are several. As in
 * Kafka it may lie below the log start, while its segment is there, and where no record has a
 * timestamp it is the first one.
 */
static enum err plog_time_largest(struct plog *log, struct plog_time_seg *segs, size_t len,
				  int64_t upper, struct plog_time_offset *out)
{
	const struct plog_time_seg *best = NULL;
	struct plog_time_want want;
	enum err err = ERR_OK;

	for (size_t i = 0; i < len && err == ERR_OK; i++) {
		err = plog_time_max(log, &segs[i]);
		if (err == ERR_OK && (best == NULL || segs[i].max_timestamp > best->max_timestamp))
			best = &segs[i];
	}
	if (err != ERR_OK || best == NULL)
		return err;
	want = (struct plog_time_want){best->max_timestamp, best->seg->base_offset};
	return plog_time_in_seg(log, best, &want, upper, out);
}

static void plog_time_earliest(struct plog *log, struct plog_time_offset *out)
{
	pthread_mutex_lock(&log->list);
	out->offset = plog_start(log);
	if (log->epochs.len > 0 && log->epochs.entries[0].start_offset <= out->offset)
		out->leader_epoch = log->epochs.entries[0].epoch;
	pthread_mutex_unlock(&log->list);
}

/* *again: a segment was replaced by cleaning meanwhile. */
static enum err plog_time_try(struct plog *log, int64_t ts, int64_t upper,
			      struct plog_time_offset *out, bool *again)
{
	struct plog_time_seg *segs;
	size_t len;
	enum err err;

	*again = false;
	err = plog_time_segs(log, &segs, &len);
	if (err == ERR_OK)
		err = ts == PLOG_TIME_MAX ? plog_time_largest(log, segs, len, upper, out)
					  : plog_time_search(log, segs, len, ts, upper, out);
	for (size_t i = 0; i < len; i++) {
		*again = *again || (err == ERR_NOFILE && seg_is_gone(segs[i].seg));
		seg_unref(segs[i].seg);
	}
	free(segs);
	return err;
}

static enum err plog_time_in_log(struct plog *log, int64_t ts, int64_t upper,
				 struct plog_time_offset *out)
{
	bool again = true;
	enum err err = ERR_OK;

	for (int tries = 0; again && tries < PLOG_SWAP_TRIES; tries++)
		err = plog_time_try(log, ts, upper, out, &again);
	if (err != ERR_OK || out->offset >= upper)
		*out = (struct plog_time_offset){-1, -1, -1};
	if (err == ERR_IO || err == ERR_BADFILE)
		err = ERR_KAFKA_STORAGE_ERROR;
	return err == ERR_NOFILE ? ERR_OK : err; /* deleted meanwhile: not there any more */
}

enum err plog_offset_for_time(struct plog *log, int64_t ts, int64_t upper,
			      struct plog_time_offset *out)
{
	must_be(log, PLOG_MAGIC);
	*out = (struct plog_time_offset){-1, -1, -1};
	switch (ts) {
	case PLOG_TIME_LATEST:
		out->offset = upper;
		out->leader_epoch = plog_latest_epoch(log);
		return ERR_OK;
	case PLOG_TIME_EARLIEST:
	case PLOG_TIME_EARLIEST_LOCAL:
		plog_time_earliest(log, out);
		return ERR_OK;
	case PLOG_TIME_LATEST_TIERED:
	case PLOG_TIME_EARLIEST_PENDING:
		return ERR_OK; /* nothing is tiered */
	default:
		return plog_time_in_log(log, ts, upper, out);
	}
}
