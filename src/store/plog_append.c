/*
 * Appending. Items are staged one by one: rolled for, stamped, checked against their producer. What
 * is staged goes out with one write; only then do indexes, epochs, producers and readers hear of
 * it.
 */
#include "store/plog_impl.h"

#include "base/file.h"
#include "base/log.h"
#include "store/txn_index.h"

#define STAGE_ITEMS 64 /* of one write; what is more goes into the next */

struct plog_stage {
	struct plog *log;
	int32_t leader_epoch;
	struct plog_append *items[STAGE_ITEMS];
	size_t items_len;
	struct plog_weight weight;
	int64_t next_offset; /* behind what is staged */
	size_t written;	     /* items, by all writes so far */
};

static void plog_stage_clear(struct plog_stage *stage)
{
	stage->items_len = 0;
	stage->weight = (struct plog_weight){.max_timestamp = -1};
	stage->next_offset = plog_end(stage->log);
}

/* -- Writing -------------------------------------------------------------------------------- */

/* The file ends at its last whole batch again; when that fails, too, the log is done for. */
static enum err plog_cut_back(struct plog *log, struct seg *seg, enum err err)
{
	enum err cut = file_truncate(seg->log_file.fd, seg->size_bytes);

	if (cut != ERR_OK)
		return plog_fail(log, ERR_IO, "cut a failed write back");
	return plog_fail(log, err, "write batches");
}

static enum err plog_write(struct plog *log, struct seg *seg, struct iovec *iov, size_t iov_len)
{
	enum err err;

	err = seg_pin(seg);
	if (err != ERR_OK)
		return plog_fail(log, err, "open a segment");
	seg->dirty = log->touched = true;
	err = file_pwritev(seg->log_file.fd, iov, iov_len, seg->size_bytes);
	if (err != ERR_OK)
		err = plog_cut_back(log, seg, err);
	seg_unpin(seg);
	return err;
}

/* Counts the batches of what was written at `pos`. */
static enum err plog_count_written(struct plog *log, struct seg *seg, struct bytes data,
				   uint32_t pos)
{
	struct batch_view view;
	enum err err = ERR_OK;

	while (data.len > 0 && err == ERR_OK) {
		enum err bad = batch_view_read(data, &view);

		must(bad == ERR_OK && view.size_bytes <= data.len);
		err = plog_count_batch(log, seg, &view, pos);
		pos += (uint32_t)view.size_bytes;
		data.ptr += view.size_bytes;
		data.len -= view.size_bytes;
	}
	return err;
}

/* What was written can be read from now on. */
static void plog_publish(struct plog *log, struct seg *seg, size_t len_bytes, int64_t next_offset)
{
	struct plog_mark mark = {plog_end(log), seg->base_offset, seg->size_bytes};

	pthread_mutex_lock(&log->list);
	if (log->marks != NULL) {
		log->marks->tail[log->marks->tail_next] = mark;
		log->marks->tail_next = (log->marks->tail_next + 1) % PLOG_MARKS_TAIL;
	}
	seg->size_bytes += (uint32_t)len_bytes;
	atomic_store_explicit(&log->end, next_offset, memory_order_release);
	pthread_mutex_unlock(&log->list);
	atomic_fetch_add_explicit(&log->size_bytes, (int64_t)len_bytes, memory_order_relaxed);
}

static void plog_rollback_producers(struct plog *log)
{
	if (log->producers != NULL)
		producer_rollback(log->producers);
}

/*
 * After a write: producers' changes are final, aborted transactions go into their index. That index
 * must be whole for read_committed; if it cannot be, the log stops here, and recovery makes it
 * anew.
 */
static enum err plog_settle_producers(struct plog *log, struct seg *seg)
{
	size_t done_from;
	enum err err;

	if (log->producers == NULL)
		return ERR_OK;
	done_from = log->producers->done_before;
	producer_commit(log->producers);
	err = plog_write_txns(log, seg, done_from);
	if (err != ERR_OK)
		err = plog_fail(log, ERR_IO, "write the transaction index");
	plog_update_stable(log);
	return err;
}

/* The index of aborted transactions must not fail once the batches are written: see below. */
static enum err plog_reserve_txns(struct plog *log, const struct seg *seg)
{
	struct seg_path path;
	size_t len = 0;

	if (log->producers == NULL)
		return ERR_OK;
	for (size_t i = log->producers->done_before; i < log->producers->done_len; i++)
		len += log->producers->done[i].aborted;
	if (len == 0)
		return ERR_OK;
	return plog_fail(
	    log,
	    txn_index_reserve(seg_path_of(&path, seg->dir, seg->base_offset, ".txnindex"), len),
	    "take space for the transaction index");
}

/* Writes, counts and publishes: all or nothing. next_offset: behind the last batch. */
static enum err plog_commit(struct plog *log, struct iovec *iov, size_t iov_len, size_t len_bytes,
			    int64_t next_offset)
{
	struct iovec left[STAGE_ITEMS];
	struct seg *seg = plog_active(log);
	uint32_t pos = seg->size_bytes;
	enum err err;

	must(iov_len <= STAGE_ITEMS);
	memcpy(left, iov, iov_len * sizeof(*iov)); /* the write uses them up */
	err = plog_reserve_txns(log, seg);
	if (err == ERR_OK)
		err = plog_write(log, seg, left, iov_len);
	for (size_t i = 0; i < iov_len && err == ERR_OK; i++) {
		struct bytes data = {iov[i].iov_base, iov[i].iov_len};

		err = plog_count_written(log, seg, data, pos);
		pos += (uint32_t)data.len;
		if (err != ERR_OK)
			err = plog_fail(log, ERR_IO, "write an index");
	}
	if (err != ERR_OK) {
		plog_rollback_producers(log);
		return err;
	}
	plog_publish(log, seg, len_bytes, next_offset);
	return plog_settle_producers(log, seg);
}

/* -- The leader's way ----------------------------------------------------------------------- */

/* Writes what is staged. When that fails, all of it fails, and its producers know nothing of it. */
static void plog_stage_flush(struct plog_stage *stage)
{
	struct iovec iov[STAGE_ITEMS];
	enum err err;

	if (stage->items_len == 0)
		return;
	for (size_t i = 0; i < stage->items_len; i++)
		iov[i] = (struct iovec){stage->items[i]->data, stage->items[i]->len_bytes};
	err =
	    plog_commit(stage->log, iov, stage->items_len, stage->weight.bytes, stage->next_offset);
	for (size_t i = 0; i < stage->items_len; i++)
		stage->items[i]->err = err;
	if (err == ERR_OK)
		stage->written += stage->items_len;
	plog_stage_clear(stage);
}

/* Sums up an item's batches. What is not whole batches is the caller's bug: they were validated. */
static struct plog_weight plog_weigh(const struct plog_stage *stage, const struct plog_append *item)
{
	struct plog_weight weight = {.bytes = item->len_bytes, .max_timestamp = -1};
	struct bytes data = {item->data, item->len_bytes};
	struct batch_header header;

	weight.last_offset = stage->next_offset - 1;
	while (data.len > 0) {
		enum err bad = batch_header_read(data, &header);

		must(bad == ERR_OK && header.size_bytes <= data.len);
		weight.batches++;
		weight.last_offset += (int64_t)header.last_offset_delta + 1;
		if (header.max_timestamp > weight.max_timestamp)
			weight.max_timestamp = header.max_timestamp;
		data.ptr += header.size_bytes;
		data.len -= header.size_bytes;
	}
	return weight;
}

/* Room in the stage and in the segment; with several batches an item goes alone, so that it can be
 * taken back alone. */
static enum err plog_stage_room(struct plog_stage *stage, struct plog_weight *weight)
{
	struct plog *log = stage->log;
	int64_t next_offset = stage->next_offset;
	enum err err = ERR_OK;
	bool roll = plog_must_roll(log, &stage->weight, weight);

	if (roll || stage->items_len == STAGE_ITEMS || weight->batches > 1)
		plog_stage_flush(stage);
	weight->last_offset -= next_offset - stage->next_offset; /* a failed write gave them back */
	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (roll)
		err = plog_fail(log, plog_roll_at(log, stage->next_offset), "begin a segment");
	return err;
}

static enum producer_trust plog_trust(enum plog_origin origin)
{
	return origin == PLOG_CLIENT ? PRODUCER_CLIENT : PRODUCER_COORDINATOR;
}

static enum err plog_check_txn(struct plog *log, const struct batch_header *header,
			       const struct plog_append *item)
{
	enum err err;

	if (!batch_has_producer(header) || !batch_is_transactional(header))
		return ERR_OK;
	err = plog_need_producers(log);
	if (err != ERR_OK)
		return err;
	return producer_check_txn(log->producers, header, item->txn_guard, item->txn_version);
}

/* Stamps the item's batches and counts them in with their producers. */
static enum err plog_stage_stamp(struct plog_stage *stage, struct plog_append *item)
{
	int64_t next_offset = stage->next_offset;
	uint8_t *at = item->data, *end = item->data + item->len_bytes;
	struct batch_header header;
	enum err err = ERR_OK;

	item->log_append_time_ms = -1;
	while (at < end && err == ERR_OK) {
		batch_stamp(at, next_offset, stage->leader_epoch);
		err = batch_header_read((struct bytes){at, (size_t)(end - at)}, &header);
		must(err == ERR_OK);
		if (batch_timestamp_type(&header) == BATCH_LOG_APPEND_TIME)
			item->log_append_time_ms = header.max_timestamp;
		err = plog_check_txn(stage->log, &header, item);
		if (err == ERR_OK)
			err = plog_apply_producer(stage->log, (struct bytes){at, header.size_bytes},
						  &header, plog_trust(item->origin));
		next_offset = batch_next_offset(&header);
		at += header.size_bytes;
	}
	return err;
}

/* A batch that the log has (or that is staged) already is answered with where it is. */
static bool plog_is_duplicate(struct plog *log, struct plog_append *item)
{
	const struct producer_batch *batch;
	struct batch_header header;
	enum err err;

	if (item->origin != PLOG_CLIENT || log->producers == NULL)
		return false;
	err = batch_header_read((struct bytes){item->data, item->len_bytes}, &header);
	must(err == ERR_OK);
	if (!batch_has_producer(&header) || batch_is_control(&header))
		return false;
	batch = producer_duplicate(log->producers, &header);
	if (batch == NULL)
		return false;
	item->duplicate = true;
	item->base_offset = batch->last_offset - batch->offset_delta;
	item->last_offset = batch->last_offset;
	item->log_append_time_ms = batch->timestamp;
	return true;
}

static enum err plog_stage_item(struct plog_stage *stage, struct plog_append *item)
{
	struct plog *log = stage->log;
	struct plog_weight weight;
	enum err err;

	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (item->len_bytes > (size_t)log->cfg->segment_bytes)
		return ERR_RECORD_LIST_TOO_LARGE;
	weight = plog_weigh(stage, item);
	must(weight.batches > 0);
	err = plog_stage_room(stage, &weight);
	if (err != ERR_OK)
		return err;
	err = plog_stage_stamp(stage, item);
	if (err != ERR_OK) {
		if (weight.batches > 1) /* it is alone, but some of it may have been counted in */
			plog_rollback_producers(log);
		return err;
	}
	item->base_offset = stage->next_offset;
	item->last_offset = weight.last_offset;
	stage->items[stage->items_len++] = item;
	stage->weight.bytes += weight.bytes;
	stage->weight.batches += weight.batches;
	stage->next_offset = weight.last_offset + 1;
	return ERR_OK;
}

/* A duplicate of what is only staged has the fate of its original: it is asked again after the
 * write. */
static bool plog_stage_duplicate(struct plog_stage *stage, struct plog_append *item)
{
	if (!plog_is_duplicate(stage->log, item))
		return false;
	if (item->base_offset < plog_end(stage->log))
		return true;
	item->duplicate = false;
	plog_stage_flush(stage);
	return plog_is_duplicate(stage->log, item);
}

size_t plog_append_as_leader(struct plog *log, struct plog_append *items, size_t items_len,
			     int32_t leader_epoch)
{
	struct plog_stage stage = {.log = log, .leader_epoch = leader_epoch};
	enum err err;

	must_be(log, PLOG_MAGIC);
	plog_stage_clear(&stage);
	err = plog_need_marks(log);
	if (err == ERR_OK)
		err = plog_assign_epoch(log, leader_epoch);
	for (size_t i = 0; i < items_len; i++) {
		items[i].err = err;
		items[i].duplicate = false;
		items[i].log_start = plog_start(log);
		if (err == ERR_OK && !plog_stage_duplicate(&stage, &items[i]))
			items[i].err = plog_stage_item(&stage, &items[i]);
	}
	plog_stage_flush(&stage);
	return stage.written;
}

/* -- The follower's way --------------------------------------------------------------------- */

/* Walks over the leader's batches: whole, rising, not below the log end. */
static enum err plog_weigh_foreign(struct plog *log, struct bytes data, struct plog_weight *weight,
				   int64_t *base_offset)
{
	int64_t next_offset = plog_end(log);
	struct batch_view view;
	enum err err;

	*weight = (struct plog_weight){.bytes = data.len, .max_timestamp = -1};
	while (data.len > 0) {
		err = batch_view_read(data, &view);
		if (err != ERR_OK || view.size_bytes > data.len)
			return ERR_CORRUPT_MESSAGE;
		if (view.base_offset < next_offset)
			return ERR_OFFSET_OUT_OF_RANGE;
		if (weight->batches++ == 0)
			*base_offset = view.base_offset;
		if (view.max_timestamp > weight->max_timestamp)
			weight->max_timestamp = view.max_timestamp;
		weight->last_offset = view.last_offset;
		next_offset = view.last_offset + 1;
		data.ptr += view.size_bytes;
		data.len -= view.size_bytes;
	}
	return ERR_OK;
}

static enum err plog_apply_foreign(struct plog *log, struct bytes data)
{
	struct batch_view view;
	enum err err = ERR_OK;

	while (data.len > 0 && err == ERR_OK) {
		err = batch_view_read(data, &view);
		must(err == ERR_OK);
		if (view.magic == BATCH_MAGIC)
			err = plog_apply_producer(log, (struct bytes){data.ptr, view.size_bytes},
						  &view.header, PRODUCER_REPLAY);
		data.ptr += view.size_bytes;
		data.len -= view.size_bytes;
	}
	if (err != ERR_OK)
		plog_rollback_producers(log);
	return err;
}

enum err plog_append_as_follower(struct plog *log, const uint8_t *data, size_t len_bytes)
{
	const struct plog_weight nothing = {.max_timestamp = -1};
	struct bytes bytes = {data, len_bytes};
	struct iovec iov = {(void *)(uintptr_t)data, len_bytes};
	struct plog_weight weight;
	int64_t base_offset = -1;
	enum err err;

	must_be(log, PLOG_MAGIC);
	if (plog_failed(log))
		return ERR_KAFKA_STORAGE_ERROR;
	if (len_bytes == 0)
		return ERR_OK;
	if (len_bytes > (size_t)log->cfg->segment_bytes)
		return ERR_RECORD_LIST_TOO_LARGE;
	err = plog_weigh_foreign(log, bytes, &weight, &base_offset);
	if (err == ERR_OK)
		err = plog_need_marks(log);
	if (err == ERR_OK && plog_must_roll(log, &nothing, &weight))
		err = plog_fail(log, plog_roll_at(log, base_offset), "begin a segment");
	if (err == ERR_OK)
		err = plog_apply_foreign(log, bytes);
	if (err != ERR_OK)
		return err;
	return plog_commit(log, &iov, 1, len_bytes, weight.last_offset + 1);
}
