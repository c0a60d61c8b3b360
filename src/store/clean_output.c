/* Writing the batches that stay, and the indexes that lead to them. */
#include "store/clean_output.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

/* -- Files ---------------------------------------------------------------------------------- */

static enum err clean_output_make(struct clean_output *output, const char *suffix, int *fd)
{
	struct seg_path path;

	return file_open(seg_path_of(&path, output->log->dir, output->seg->base_offset, suffix),
			 O_RDWR | O_CREAT | O_TRUNC, fd);
}

static enum err clean_output_make_all(struct clean_output *output)
{
	enum err err = ERR_OK;

	plog_lock(output->log);
	if (plog_claim_is_void(output->log))
		err = ERR_CANCELLED;
	if (err == ERR_OK)
		err = clean_output_make(output, ".log.cleaned", &output->fd);
	if (err == ERR_OK)
		err = clean_output_make(output, ".index.cleaned", &output->offsets_fd);
	if (err == ERR_OK)
		err = clean_output_make(output, ".timeindex.cleaned", &output->times_fd);
	plog_unlock(output->log);
	return err;
}

enum err clean_output_open(struct clean_output *output, struct plog *log,
			   const struct plog_config *cfg, int64_t base_offset, size_t batch_bytes,
			   struct clean_pace *pace)
{
	*output = (struct clean_output){.log = log,
					.cfg = cfg,
					.pace = pace,
					.fd = -1,
					.offsets_fd = -1,
					.times_fd = -1,
					.batch_bytes = batch_bytes};
	wr_init(&output->wr, INT32_MAX);
	output->seg = seg_new(log->dir, base_offset);
	if (output->seg == NULL)
		return ERR_NOMEM;
	index_set_empty(&output->seg->offsets);
	index_set_empty(&output->seg->times);
	output->seg->created_ms = clock_wall_ms(log->env->clock);
	return clean_output_make_all(output);
}

static void clean_output_remove(struct clean_output *output)
{
	static const char *const suffixes[] = {".log.cleaned", ".index.cleaned",
					       ".timeindex.cleaned", ".txnindex.cleaned"};
	struct seg_path path;

	plog_lock(output->log);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		enum err err = file_unlink(
		    seg_path_of(&path, output->log->dir, output->seg->base_offset, suffixes[i]));
		if (err != ERR_OK && err != ERR_NOFILE)
			log_warn("store", "cannot remove %s: %s", path.text, err_text(err));
	}
	plog_unlock(output->log);
}

void clean_output_close(struct clean_output *output, bool swapped)
{
	file_close(output->fd);
	file_close(output->offsets_fd);
	file_close(output->times_fd);
	wr_fini(&output->wr);
	if (output->seg == NULL)
		return;
	if (!swapped)
		clean_output_remove(output);
	seg_unref(output->seg);
	output->seg = NULL;
}

/* -- Batches and index entries -------------------------------------------------------------- */

static enum err clean_output_push(struct index *index, int fd, struct index_entry entry,
				  int32_t bytes_max)
{
	enum err err = ERR_OK;

	if (!index_accepts(index, entry) ||
	    index_len(index) >= (size_t)bytes_max / index_entry_bytes(index))
		return ERR_OK;
	if (index_block_full(index)) {
		err = index_write(index, fd);
		if (err == ERR_OK)
			index_written(index);
	}
	if (err == ERR_OK)
		err = index_reserve(index);
	if (err == ERR_OK)
		index_push(index, entry);
	return err;
}

static enum err clean_output_push_time(struct clean_output *output)
{
	struct seg *seg = output->seg;
	struct index_entry entry = {seg->max_timestamp, seg->max_offset - seg->base_offset};

	return clean_output_push(&seg->times, output->times_fd, entry,
				 output->cfg->index_max_bytes);
}

/* As an append does it: plog_count_batch. */
static enum err clean_output_count(struct clean_output *output, const struct batch_view *view)
{
	struct seg *seg = output->seg;
	struct index_entry entry = {view->last_offset - seg->base_offset, seg->size_bytes};
	enum err err = ERR_OK;

	if (view->max_timestamp > seg->max_timestamp) {
		seg->max_timestamp = view->max_timestamp;
		seg->max_offset = view->last_offset;
	}
	if (seg->since_index_bytes > (uint32_t)output->cfg->index_interval_bytes) {
		err = clean_output_push(&seg->offsets, output->offsets_fd, entry,
					output->cfg->index_max_bytes);
		if (err == ERR_OK)
			err = clean_output_push_time(output);
		seg->since_index_bytes = 0;
	}
	seg->since_index_bytes += (uint32_t)view->size_bytes;
	seg->size_bytes += (uint32_t)view->size_bytes;
	return err;
}

static enum err clean_output_count_all(struct clean_output *output)
{
	struct bytes left = wr_written(&output->wr);
	struct batch_view view;
	enum err err = ERR_OK;

	while (left.len > 0 && err == ERR_OK) {
		must(batch_view_read(left, &view) == ERR_OK && view.size_bytes <= left.len);
		err = clean_output_count(output, &view);
		left.ptr += view.size_bytes;
		left.len -= view.size_bytes;
	}
	return err;
}

enum err clean_output_write(struct clean_output *output, bool all)
{
	size_t len_bytes = output->wr.len_bytes;
	enum err err;

	if (output->wr.err != ERR_OK)
		return output->wr.err;
	if (len_bytes == 0 || (!all && len_bytes < output->batch_bytes))
		return ERR_OK;
	if (len_bytes > (size_t)INT32_MAX - output->seg->size_bytes)
		return ERR_MESSAGE_TOO_LARGE; /* compressed anew it is larger than a segment */
	err = file_pwrite(output->fd, output->wr.buf, len_bytes, output->seg->size_bytes);
	if (err == ERR_OK)
		err = clean_output_count_all(output);
	output->wr.len_bytes = 0;
	return err == ERR_OK ? clean_pace_spend(output->pace, len_bytes) : err;
}

/* -- The end -------------------------------------------------------------------------------- */

static enum err clean_output_end_index(struct index *index, int fd)
{
	enum err err = ERR_OK;

	if (index->pending_len > 0) {
		err = index_write(index, fd);
		if (err == ERR_OK)
			index_written(index);
	}
	if (err != ERR_OK)
		return err;
	index_trim(index);
	return file_sync(fd);
}

static enum err clean_output_add_txns(struct clean_output *output,
				      const struct txn_index_entry *txns, size_t txns_len)
{
	struct seg_path path;
	enum err err;
	int fd;

	plog_lock(output->log);
	err = plog_claim_is_void(output->log) ? ERR_CANCELLED : ERR_OK;
	seg_path_of(&path, output->log->dir, output->seg->base_offset, ".txnindex.cleaned");
	if (err == ERR_OK)
		err = file_open(path.text, O_RDWR | O_CREAT | O_TRUNC, &fd);
	plog_unlock(output->log);
	if (err != ERR_OK)
		return err;
	err = txn_index_write(fd, txns, txns_len, 0);
	if (err == ERR_OK)
		err = file_sync(fd);
	file_close(fd);
	output->seg->has_txns = true;
	return err;
}

/* Stock goes by the file's time where records have none. Of no use to us, so an error is not
 * either. */
static void clean_output_date(struct clean_output *output, struct seg *like)
{
	struct stat st;

	if (seg_pin(like) != ERR_OK)
		return;
	if (fstat(like->log_file.fd, &st) == 0) {
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st.st_mtim};

		if (futimens(output->fd, times) != 0)
			log_warn("store", "%s: the time of a cleaned segment cannot be set",
				 seg_dir_path(output->log->dir));
	}
	seg_unpin(like);
}

enum err clean_output_finish(struct clean_output *output, const struct txn_index_entry *txns,
			     size_t txns_len, struct seg *like)
{
	struct seg *seg = output->seg;
	enum err err = clean_output_write(output, true);

	if (err == ERR_OK && seg->max_timestamp >= 0)
		err = clean_output_push_time(output);
	if (err == ERR_OK)
		err = clean_output_end_index(&seg->times, output->times_fd);
	if (err == ERR_OK)
		err = clean_output_end_index(&seg->offsets, output->offsets_fd);
	if (err == ERR_OK && txns_len > 0)
		err = clean_output_add_txns(output, txns, txns_len);
	if (err == ERR_OK)
		clean_output_date(output, like);
	if (err == ERR_OK)
		err = file_sync(output->fd);
	seg->max_known = seg->has_indexes = true;
	seg->old_bytes = seg->size_bytes;
	seg->since_index_bytes = 0;
	return err;
}
