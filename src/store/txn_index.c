/* Aborted transactions of one segment. */
#include "store/txn_index.h"

#include <stdlib.h>

#include "base/file.h"
#include "wire/rd.h"
#include "wire/wr.h"

#define TXN_INDEX_VERSION   0
#define TXN_INDEX_BYTES_MAX (256u << 20) /* 7 million aborts in one segment */

static enum err txn_index_encode(const struct txn_index_entry *entries, size_t len, struct wr *wr)
{
	for (size_t i = 0; i < len; i++) {
		wr_int16(wr, TXN_INDEX_VERSION);
		wr_int64(wr, entries[i].producer_id);
		wr_int64(wr, entries[i].first_offset);
		wr_int64(wr, entries[i].last_offset);
		wr_int64(wr, entries[i].stable_offset);
	}
	return wr->err;
}

enum err txn_index_write(int fd, const struct txn_index_entry *entries, size_t len, off_t pos)
{
	struct wr wr;
	enum err err;

	wr_init(&wr, TXN_INDEX_BYTES_MAX);
	err = txn_index_encode(entries, len, &wr);
	if (err == ERR_OK)
		err = file_pwrite(fd, wr.buf, wr.len_bytes, pos);
	wr_fini(&wr);
	return err;
}

/* Opens it, or makes it. The caller closes. */
static enum err txn_index_open_end(const char *path, int *fd, off_t *size)
{
	enum err err = file_open(path, O_WRONLY | O_CREAT, fd);

	if (err != ERR_OK)
		return err;
	err = file_size(*fd, size);
	if (err != ERR_OK)
		file_close(*fd);
	return err;
}

enum err txn_index_reserve(const char *path, size_t len)
{
	off_t size;
	int fd;
	enum err err = txn_index_open_end(path, &fd, &size);

	if (err != ERR_OK)
		return err;
	if (file_reserve(fd, size, (off_t)(len * TXN_INDEX_ENTRY_BYTES)) == ERR_NOSPACE)
		err = ERR_NOSPACE;
	file_close(fd);
	return err;
}

enum err txn_index_append(const char *path, const struct txn_index_entry *entries, size_t len)
{
	off_t size;
	int fd;
	enum err err = txn_index_open_end(path, &fd, &size);

	if (err != ERR_OK)
		return err;
	err = txn_index_write(fd, entries, len, size - size % TXN_INDEX_ENTRY_BYTES);
	file_close(fd);
	return err;
}

static struct txn_index_entry txn_index_decode(struct rd *rd)
{
	struct txn_index_entry entry;

	entry.producer_id = rd_int64(rd);
	entry.first_offset = rd_int64(rd);
	entry.last_offset = rd_int64(rd);
	entry.stable_offset = rd_int64(rd);
	return entry;
}

enum err txn_index_parse(struct bytes content, struct txn_index_entry **entries, size_t *len)
{
	size_t count = content.len / TXN_INDEX_ENTRY_BYTES;
	struct rd rd = rd_of(content);
	int64_t before = -1;

	*len = 0;
	*entries = malloc((count > 0 ? count : 1) * sizeof(**entries));
	if (*entries == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		int16_t version = rd_int16(&rd);
		struct txn_index_entry entry = txn_index_decode(&rd);

		if (version != TXN_INDEX_VERSION || entry.first_offset < 0 ||
		    entry.first_offset > entry.last_offset || entry.last_offset <= before) {
			free(*entries);
			*entries = NULL;
			*len = 0;
			return ERR_BADFILE;
		}
		before = entry.last_offset;
		(*entries)[(*len)++] = entry;
	}
	return ERR_OK;
}

enum err txn_index_read_from(int fd, struct txn_index_entry **entries, size_t *len)
{
	uint8_t *content;
	size_t got;
	off_t size;
	enum err err = file_size(fd, &size);

	*entries = NULL;
	*len = 0;
	if (err == ERR_OK && size > (off_t)TXN_INDEX_BYTES_MAX)
		err = ERR_BADFILE;
	if (err != ERR_OK)
		return err;
	content = malloc((size_t)size + 1);
	if (content == NULL)
		return ERR_NOMEM;
	err = file_pread(fd, content, (size_t)size, 0, &got);
	if (err == ERR_OK)
		err = txn_index_parse((struct bytes){content, got}, entries, len);
	free(content);
	return err;
}

enum err txn_index_read(const char *path, struct txn_index_entry **entries, size_t *len)
{
	enum err err;
	int fd;

	*entries = NULL;
	*len = 0;
	err = file_open(path, O_RDONLY, &fd);
	if (err != ERR_OK)
		return err == ERR_NOFILE ? ERR_OK : err;
	err = txn_index_read_from(fd, entries, len);
	file_close(fd);
	return err;
}

enum err txn_index_cut(const char *path, int64_t offset)
{
	struct txn_index_entry *entries;
	size_t len, keep = 0;
	enum err err;
	int fd;

	err = txn_index_read(path, &entries, &len);
	if (err != ERR_OK)
		return err;
	while (keep < len && entries[keep].last_offset < offset)
		keep++;
	free(entries);
	err = file_open(path, O_WRONLY, &fd);
	if (err != ERR_OK)
		return err == ERR_NOFILE ? ERR_OK : err;
	err = file_truncate(fd, (off_t)(keep * TXN_INDEX_ENTRY_BYTES));
	file_close(fd);
	return err;
}
