/* Replaying batches from disk. */
#include "store/plog_replay.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "store/producer_snapshot.h"

#define REPLAY_BYTES	  (64u << 10) /* read together: small enough for malloc to keep */
#define TELL_BYTES	  (32u << 20) /* so often the clock is looked at */
#define TELL_MS		  3000
#define CONTROL_BYTES_MAX 4096u /* a control batch that we look into is smaller by far */

struct replay_buf {
	struct seg *seg;
	uint32_t size; /* of the segment */
	uint32_t pos, len;
	uint8_t *bytes;
};

/* At least `want` bytes from `pos` on, or all there are up to the segment's size. */
static enum err replay_get(struct replay_buf *buf, uint32_t pos, uint32_t want, struct bytes *out)
{
	uint32_t left = buf->size - pos, at = pos - buf->pos;
	size_t got;
	enum err err;

	must(want <= REPLAY_BYTES && pos <= buf->size);
	want = want < left ? want : left;
	if (pos < buf->pos || at > buf->len || buf->len - at < want) {
		err = file_pread(buf->seg->log_file.fd, buf->bytes,
				 left < REPLAY_BYTES ? left : REPLAY_BYTES, pos, &got);
		if (err != ERR_OK)
			return err;
		buf->pos = pos;
		buf->len = (uint32_t)got;
		at = 0;
	}
	*out = (struct bytes){buf->bytes + at, buf->len - at};
	return ERR_OK;
}

/* A scan of many gigabytes tells now and then how far it is. */
static void replay_tell(struct replay *replay, const struct seg *seg)
{
	int64_t now_ms = clock_mono_ms(replay->log->env->clock);

	if (replay->told_ms == 0)
		replay->told_ms = now_ms;
	if (now_ms - replay->told_ms < TELL_MS)
		return;
	replay->told_ms = now_ms;
	log_info("store", "%s: %llu MB checked so far, now in segment %lld at offset %lld",
		 seg_dir_path(seg->dir), (unsigned long long)replay->checked_bytes >> 20,
		 (long long)seg->base_offset, (long long)replay->next_offset);
}

/* The checksum, piece by piece: a batch may be larger than the buffer. */
static enum err replay_check_sum(struct replay *replay, struct replay_buf *buf, uint32_t pos,
				 const struct batch_view *view)
{
	uint32_t end = pos + (uint32_t)view->size_bytes, at = pos;
	struct batch_sum sum;
	struct bytes piece;
	enum err err;

	while (at < end) {
		err = replay_get(buf, at, at == pos ? BATCH_VIEW_BYTES : 1, &piece);
		if (err != ERR_OK)
			return err;
		if (piece.len == 0)
			return ERR_CORRUPT_MESSAGE; /* shorter than it said */
		if (piece.len > end - at)
			piece.len = end - at;
		if (at == pos)
			batch_sum_first(&sum, view, piece);
		else
			batch_sum_more(&sum, piece);
		at += (uint32_t)piece.len;
	}
	if ((replay->checked_bytes + view->size_bytes) / TELL_BYTES >
	    replay->checked_bytes / TELL_BYTES)
		replay_tell(replay, buf->seg);
	replay->checked_bytes += view->size_bytes;
	return batch_sum_good(&sum) ? ERR_OK : ERR_CORRUPT_MESSAGE;
}

static enum err replay_producer(struct replay *replay, struct replay_buf *buf, uint32_t pos,
				const struct batch_view *view)
{
	struct plog *log = replay->log;
	struct bytes batch = BYTES_NULL;
	bool index = view->last_offset >= replay->index_from;
	size_t done_from;
	enum err err = ERR_OK;

	if (view->magic != BATCH_MAGIC || !batch_has_producer(&view->header))
		return ERR_OK;
	if (batch_is_control(&view->header)) {
		if (view->size_bytes > CONTROL_BYTES_MAX)
			return ERR_OK;
		err = replay_get(buf, pos, (uint32_t)view->size_bytes, &batch);
	}
	if (err == ERR_OK)
		err = plog_need_producers(log);
	if (err != ERR_OK)
		return err;
	if (batch.len > view->size_bytes)
		batch.len = view->size_bytes;
	done_from = log->producers->done_before;
	err = plog_apply_producer(log, batch, &view->header, PRODUCER_REPLAY);
	producer_commit(log->producers);
	if (err == ERR_OK && index)
		err = plog_write_txns(log, buf->seg, done_from);
	return err;
}

/* A batch must fit behind the one before it, and into the segment's offsets. */
static bool replay_fits(const struct replay *replay, const struct seg *seg,
			const struct batch_view *view)
{
	return view->base_offset >= replay->next_offset && view->base_offset >= seg->base_offset &&
	       view->last_offset - seg->base_offset <= INT32_MAX;
}

static enum err replay_batch(struct replay *replay, struct replay_buf *buf, uint32_t pos,
			     const struct batch_view *view)
{
	struct plog *log = replay->log;
	enum err err = ERR_OK;

	if (view->last_offset >= replay->check_from)
		err = replay_check_sum(replay, buf, pos, view);
	if (err == ERR_OK && view->last_offset >= replay->producers_from)
		err = replay_producer(replay, buf, pos, view);
	if (err == ERR_OK && view->last_offset >= replay->index_from)
		err = plog_count_batch(log, buf->seg, view, pos);
	else if (err == ERR_OK && view->leader_epoch > epoch_cache_latest(&log->epochs))
		err = epoch_cache_assign(&log->epochs, view->leader_epoch, view->base_offset);
	return err;
}

static enum err replay_walk(struct replay *replay, struct replay_buf *buf, struct seg *seg)
{
	struct batch_view view;
	struct bytes front;
	enum err err;

	while (replay->pos < buf->size) {
		err = replay_get(buf, replay->pos, BATCH_VIEW_BYTES, &front);
		if (err != ERR_OK)
			return err;
		err = batch_view_read(front, &view);
		if (err == ERR_OK && view.base_offset >= replay->upto)
			return ERR_OK;
		if (err != ERR_OK || view.size_bytes > buf->size - replay->pos ||
		    !replay_fits(replay, seg, &view))
			return ERR_CORRUPT_MESSAGE;
		err = replay_batch(replay, buf, replay->pos, &view);
		if (err != ERR_OK)
			return err;
		replay->last_pos = replay->pos;
		replay->last_base = view.base_offset;
		replay->pos += (uint32_t)view.size_bytes;
		replay->next_offset = view.last_offset + 1;
	}
	return ERR_OK;
}

enum err replay_seg(struct replay *replay, struct seg *seg, uint32_t pos, uint32_t size)
{
	struct replay_buf buf = {.seg = seg, .size = size};
	enum err err;

	replay->pos = replay->last_pos = pos;
	if (pos >= size)
		return ERR_OK;
	buf.bytes = malloc(REPLAY_BYTES);
	if (buf.bytes == NULL)
		return ERR_NOMEM;
	err = seg_pin(seg);
	if (err == ERR_OK) {
		err = replay_walk(replay, &buf, seg);
		seg_unpin(seg);
	}
	free(buf.bytes);
	return err;
}

/* -- Snapshots ------------------------------------------------------------------------------ */

static int replay_offset_cmp(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

enum err replay_list(const struct plog *log, const char *suffix, int64_t **offsets, size_t *len)
{
	char **names;
	size_t names_len;
	enum err err;

	*len = 0;
	err = file_list(seg_dir_path(log->dir), &names, &names_len);
	if (err != ERR_OK)
		return err;
	*offsets = malloc((names_len + 1) * sizeof(**offsets));
	for (size_t i = 0; i < names_len && *offsets != NULL; i++)
		if (seg_parse_name(names[i], suffix, &(*offsets)[*len]))
			(*len)++;
	file_list_free(names, names_len);
	if (*offsets == NULL)
		return ERR_NOMEM;
	qsort(*offsets, *len, sizeof(**offsets), replay_offset_cmp);
	return ERR_OK;
}

static enum err replay_read_snapshot(struct plog *log, int64_t offset)
{
	struct seg_path path;
	size_t len_bytes;
	char *content;
	enum err err;

	err = file_read_all(seg_path_of(&path, log->dir, offset, ".snapshot"),
			    PRODUCER_SNAPSHOT_BYTES_MAX, &content, &len_bytes);
	if (err == ERR_OK)
		err = plog_need_producers(log);
	if (err == ERR_OK)
		err = producer_snapshot_parse(log->producers,
					      (struct bytes){(const uint8_t *)content, len_bytes});
	free(content);
	if (err != ERR_BADFILE)
		return err;
	log_warn("store", "%s is damaged and removed", path.text);
	err = file_unlink(path.text);
	return err == ERR_OK || err == ERR_NOFILE ? ERR_BADFILE : err;
}

enum err replay_load_snapshot(struct plog *log, const int64_t *snapshots, size_t snapshots_len,
			      int64_t upto, int64_t *offset)
{
	enum err err;

	*offset = -1;
	for (size_t i = snapshots_len; i > 0; i--) {
		if (snapshots[i - 1] > upto)
			continue;
		err = replay_read_snapshot(log, snapshots[i - 1]);
		if (err == ERR_BADFILE || err == ERR_NOFILE)
			continue;
		if (err != ERR_OK)
			return err;
		*offset = snapshots[i - 1];
		producer_expire(log->producers, clock_wall_ms(log->env->clock),
				log->cfg->producer_expiry_ms);
		return ERR_OK;
	}
	return ERR_OK;
}
