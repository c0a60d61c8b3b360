/* Batches of a segment, one after the other. */
#include "store/clean_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define READER_BYTES_MIN ((size_t)16 << 10)

enum err clean_reader_init(struct clean_reader *reader, size_t size_bytes, struct clean_pace *pace)
{
	size_bytes = size_bytes < READER_BYTES_MIN ? READER_BYTES_MIN : size_bytes;
	*reader = (struct clean_reader){.pace = pace, .fd = -1};
	reader->buf = malloc(size_bytes);
	if (reader->buf == NULL)
		return ERR_NOMEM;
	reader->size_bytes = reader->first_size_bytes = size_bytes;
	return ERR_OK;
}

void clean_reader_fini(struct clean_reader *reader)
{
	free(reader->buf);
	*reader = (struct clean_reader){.fd = -1};
}

static enum err clean_reader_resize(struct clean_reader *reader, size_t size_bytes)
{
	uint8_t *buf = realloc(reader->buf, size_bytes);

	if (buf == NULL)
		return ERR_NOMEM;
	reader->buf = buf;
	reader->size_bytes = size_bytes;
	return ERR_OK;
}

void clean_reader_start(struct clean_reader *reader, int fd, uint32_t pos, uint32_t end)
{
	/* One that cannot be made smaller stays large. */
	if (reader->size_bytes > reader->first_size_bytes &&
	    clean_reader_resize(reader, reader->first_size_bytes) != ERR_OK)
		reader->first_size_bytes = reader->size_bytes;
	reader->fd = fd;
	reader->pos = pos;
	reader->end = end;
	reader->at = reader->len_bytes = 0;
}

/* Moves what is left to the front and fills the rest of the buffer, which has room for `want`. */
static enum err clean_reader_fill(struct clean_reader *reader, size_t want)
{
	size_t kept = reader->len_bytes - reader->at, left = reader->end - reader->pos, got;
	enum err err = ERR_OK;

	memmove(reader->buf, reader->buf + reader->at, kept);
	reader->at = 0;
	reader->len_bytes = kept;
	if (want > reader->size_bytes)
		err = clean_reader_resize(reader, want);
	if (err != ERR_OK)
		return err;
	if (left > reader->size_bytes - kept)
		left = reader->size_bytes - kept;
	err = file_pread(reader->fd, reader->buf + kept, left, reader->pos, &got);
	if (err != ERR_OK)
		return err;
	reader->pos += (uint32_t)got;
	reader->len_bytes += got;
	return got < left ? ERR_CORRUPT_MESSAGE : clean_pace_spend(reader->pace, got);
}

/* At least `want` bytes in the buffer, or all there are. */
static enum err clean_reader_need(struct clean_reader *reader, size_t want, struct bytes *front)
{
	size_t kept = reader->len_bytes - reader->at;
	enum err err = ERR_OK;

	if (kept < want && reader->pos < reader->end)
		err = clean_reader_fill(reader, want);
	*front = (struct bytes){reader->buf + reader->at, reader->len_bytes - reader->at};
	return err;
}

static enum err clean_reader_check(struct bytes batch, const struct batch_view *view)
{
	struct batch_sum sum;

	batch_sum_first(&sum, view, batch);
	return batch_sum_good(&sum) ? ERR_OK : ERR_CORRUPT_MESSAGE;
}

enum err clean_reader_next(struct clean_reader *reader, struct bytes *batch,
			   struct batch_view *view)
{
	struct bytes front;
	enum err err;

	*batch = BYTES_NULL;
	err = clean_reader_need(reader, BATCH_VIEW_BYTES, &front);
	if (err != ERR_OK || front.len == 0)
		return err;
	err = batch_view_read(front, view);
	if (err != ERR_OK)
		return ERR_CORRUPT_MESSAGE;
	if (view->size_bytes > front.len + (reader->end - reader->pos))
		return ERR_CORRUPT_MESSAGE;
	err = clean_reader_need(reader, view->size_bytes, &front);
	if (err != ERR_OK)
		return err;
	if (front.len < view->size_bytes)
		return ERR_CORRUPT_MESSAGE;
	*batch = (struct bytes){front.ptr, view->size_bytes};
	reader->at += view->size_bytes;
	return clean_reader_check(*batch, view);
}
