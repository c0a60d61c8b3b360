/* Reads the metadata log's segments from the front, each batch checked: see mtail.h. */
#include "meta/mtail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "record/control.h"
#include "record/iter.h"

#define BATCH_BYTES_MAX	  (64 << 20)
#define SEGMENT_BYTES_MAX ((size_t)2 << 30)

/* One fdatasync cannot take longer, so what lies that far apart was not one unfinished write. */
#define TORN_SPAN_MS (60 * 1000)

struct scan {
	const char *name; /* of the segment's file */
	struct bytes left;
	size_t pos;
	int64_t next_offset; /* -1: none yet */
	int32_t epoch;
	int64_t timestamp_ms;
	bool behind; /* another segment, which a bad batch ended */
};

/* A good batch at the front of `left` that may follow the last one. */
static bool batch_is_good(const struct scan *scan, struct bytes left, struct batch_header *header)
{
	if (batch_header_read(left, header) != ERR_OK || header->size_bytes > left.len ||
	    header->size_bytes > BATCH_BYTES_MAX)
		return false;
	if (scan->next_offset >= 0 && header->base_offset < scan->next_offset)
		return false;
	return batch_check_crc((struct bytes){left.ptr, header->size_bytes}) == ERR_OK;
}

static void step(struct scan *scan, const struct batch_header *header)
{
	scan->left.ptr += header->size_bytes;
	scan->left.len -= header->size_bytes;
	scan->pos += header->size_bytes;
	scan->next_offset = batch_next_offset(header);
	scan->epoch = header->leader_epoch;
	scan->timestamp_ms = header->max_timestamp;
}

/* Up to the end or the first bad batch. */
static void scan_good(struct scan *scan)
{
	struct batch_header header;

	while (batch_is_good(scan, scan->left, &header) &&
	       (scan->next_offset < 0 || header.base_offset == scan->next_offset))
		step(scan, &header);
}

/* Is this batch the first of an epoch? What is before it was synced, for a start does so. */
static bool begins_epoch(struct bytes batch)
{
	enum control_type type = CONTROL_UNKNOWN;
	struct record_iter iter;
	struct record record;

	return record_iter_init(&iter, batch, NULL) == ERR_OK && batch_is_control(&iter.header) &&
	       record_iter_next(&iter, &record) && control_key_read(record.key, &type) == ERR_OK &&
	       type == CONTROL_LEADER_CHANGE;
}

/* When and in which epoch the write was made of which a part is bad. */
struct write_of {
	bool known;
	int32_t epoch;
	int64_t timestamp_ms;
};

/* As the bad batch itself says, if its header looks good; else as the next good one will. */
static struct write_of torn_write(const struct scan *scan)
{
	struct write_of write = {false, 0, 0};
	struct batch_header header;

	if (scan->next_offset < 0) /* a new log's first write, or damage */
		return (struct write_of){true, 1, INT64_MAX};
	if (batch_header_read(scan->left, &header) != ERR_OK)
		return write;
	write.known = header.base_offset == scan->next_offset &&
		      header.leader_epoch >= scan->epoch &&
		      header.max_timestamp >= scan->timestamp_ms;
	write.epoch = header.leader_epoch;
	write.timestamp_ms = header.max_timestamp;
	return write;
}

/* May this good batch, behind the bad place, be of the same write? */
static bool is_of_write(struct write_of *write, const struct batch_header *header,
			struct bytes batch)
{
	if (begins_epoch(batch))
		return false; /* it would be the first of its write */
	if (!write->known)
		*write = (struct write_of){true, header->leader_epoch, header->max_timestamp};
	return header->leader_epoch == write->epoch &&
	       clock_age_ms(header->max_timestamp, write->timestamp_ms) <= TORN_SPAN_MS;
}

/*
 * Is there, behind a bad place, what no torn write explains? What is read over to find out is held
 * to a few times the file, so that bytes made to look like batches cannot take for ever.
 */
static bool scan_finds_later(struct scan scan)
{
	struct write_of write = torn_write(&scan);
	size_t budget_bytes = 4 * scan.left.len;
	struct batch_header header;

	while (scan.left.len > BATCH_HEADER_BYTES) {
		bool looks_good = scan.left.ptr[BATCH_MAGIC_AT] == BATCH_MAGIC &&
				  batch_header_read(scan.left, &header) == ERR_OK &&
				  header.size_bytes <= scan.left.len;

		if (looks_good && header.size_bytes > budget_bytes)
			return false;
		if (looks_good)
			budget_bytes -= header.size_bytes;
		if (looks_good && batch_is_good(&scan, scan.left, &header)) {
			if (scan.behind ||
			    !is_of_write(&write, &header,
					 (struct bytes){scan.left.ptr, header.size_bytes}))
				return true;
			step(&scan, &header);
		} else {
			scan.left.ptr++;
			scan.left.len--;
		}
	}
	return false;
}

static bool is_segment(const char *name)
{
	return strlen(name) == 24 && strcmp(name + 20, ".log") == 0;
}

/* One segment; *more is false when a bad batch ended it. */
static enum err check_segment(const char *dir, struct scan *scan, bool *more, char *message)
{
	char *path = file_path(dir, scan->name), *data;
	size_t len;
	enum err err =
	    path == NULL ? ERR_NOMEM : file_read_all(path, SEGMENT_BYTES_MAX, &data, &len);

	free(path);
	if (err != ERR_OK) {
		snprintf(message, MTAIL_MESSAGE_SIZE, "%s: %s", scan->name, err_text(err));
		return err;
	}
	scan->left = (struct bytes){(const uint8_t *)data, len};
	scan->pos = 0;
	if (!scan->behind)
		scan_good(scan);
	*more = scan->left.len == 0;
	if (!*more && scan_finds_later(*scan)) {
		snprintf(message, MTAIL_MESSAGE_SIZE,
			 "%s/%s is damaged at position %zu (offset %" PRId64
			 "), and good records lie behind the damage",
			 dir, scan->name, scan->pos, scan->next_offset);
		err = ERR_BADFILE;
	}
	free(data);
	return err;
}

/* A roll while a write was under way leaves an empty segment behind it. The next write waits for
 * the sync of this one, so a good batch there says that it was on disk. */
static enum err check_following(const char *dir, struct scan torn, const char *name, char *message)
{
	struct scan scan = torn;
	bool more;
	enum err err;

	scan.name = name;
	scan.behind = true;
	err = check_segment(dir, &scan, &more, message);
	if (err == ERR_BADFILE)
		snprintf(message, MTAIL_MESSAGE_SIZE,
			 "%s/%s is damaged at position %zu (offset %" PRId64
			 "), and another segment follows",
			 dir, torn.name, torn.pos, torn.next_offset);
	return err;
}

/* The log was written in the last two at most when it was killed: a roll syncs what is before. */
#define SYNC_SEGMENTS 2

static enum err sync_segment(const char *dir, const char *name)
{
	char *path = file_path(dir, name);
	enum err err = ERR_NOMEM;
	int fd = -1;

	if (path != NULL)
		err = file_open(path, O_RDONLY, &fd);
	if (err == ERR_OK)
		err = file_sync(fd);
	file_close(fd);
	free(path);
	return err;
}

enum err mtail_sync(const char *dir)
{
	char **names;
	size_t names_len, segments = 0;
	enum err err = file_list(dir, &names, &names_len);

	for (size_t i = names_len; err == ERR_OK && i > 0 && segments < SYNC_SEGMENTS; i--) {
		if (!is_segment(names[i - 1]))
			continue;
		segments++;
		err = sync_segment(dir, names[i - 1]);
	}
	if (err == ERR_OK)
		err = file_sync_dir(dir);
	file_list_free(names, names_len);
	return err;
}

enum err mtail_check(const char *dir, int64_t *recovery_point, char message[MTAIL_MESSAGE_SIZE])
{
	struct scan scan = {.next_offset = -1, .epoch = -1};
	bool more = true;
	char **names;
	size_t names_len;
	enum err err = file_list(dir, &names, &names_len);

	*recovery_point = 0;
	if (err == ERR_NOFILE)
		return ERR_OK;
	if (err != ERR_OK) {
		snprintf(message, MTAIL_MESSAGE_SIZE, "%s: %s", dir, err_text(err));
		return err;
	}
	for (size_t i = 0; err == ERR_OK && i < names_len; i++) {
		if (!is_segment(names[i]))
			continue;
		if (!more) {
			err = check_following(dir, scan, names[i], message);
			continue;
		}
		scan.name = names[i];
		err = check_segment(dir, &scan, &more, message);
	}
	file_list_free(names, names_len);
	if (scan.next_offset > 0)
		*recovery_point = scan.next_offset;
	return err;
}
