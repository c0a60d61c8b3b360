/* Reading and writing snapshot files: see msnap.h for their form. */
#include "meta/msnap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/image_snapshot.h"
#include "proto/kraft_version_record.h"
#include "proto/snapshot_footer_record.h"
#include "proto/snapshot_header_record.h"
#include "record/builder.h"
#include "record/control.h"

#define SNAPSHOT_BYTES_MAX ((size_t)2 << 30)
#define BATCH_BYTES_MAX	   ((size_t)8 << 20) /* as much as a portion of records can be */

/* -- names ---------------------------------------------------------------------------------- */

void msnap_name(struct msnap_id id, char name[MSNAP_NAME_SIZE])
{
	must(id.end_offset >= 0 && id.epoch >= 0);
	snprintf(name, MSNAP_NAME_SIZE, "%020" PRId64 "-%010" PRId32 ".checkpoint", id.end_offset,
		 id.epoch);
}

bool msnap_parse_name(struct str name, struct msnap_id *id)
{
	int64_t epoch;

	if (name.len != MSNAP_NAME_SIZE - 1 || name.ptr[20] != '-' ||
	    !str_eq((struct str){name.ptr + 31, name.len - 31}, STR(".checkpoint")))
		return false;
	if (!str_to_int64((struct str){name.ptr, 20}, &id->end_offset) ||
	    !str_to_int64((struct str){name.ptr + 21, 10}, &epoch))
		return false;
	if (id->end_offset < 0 || epoch < 0 || epoch > INT32_MAX)
		return false;
	id->epoch = (int32_t)epoch;
	return true;
}

static bool is_leftover(const char *name)
{
	size_t len = strlen(name);

	return (len > 16 && strcmp(name + len - 16, ".checkpoint.part") == 0) ||
	       (len > 19 && strcmp(name + len - 19, ".checkpoint.deleted") == 0);
}

static void remove_leftover(const char *dir, const char *name)
{
	char *path = file_path(dir, name);
	enum err err = path == NULL ? ERR_NOMEM : file_unlink(path);

	if (err != ERR_OK)
		log_warn("meta", "cannot remove %s/%s: %s", dir, name, err_text(err));
	free(path);
}

enum err msnap_tidy(const char *dir)
{
	char **names;
	size_t names_len;
	enum err err = file_list(dir, &names, &names_len);

	if (err != ERR_OK)
		return err;
	for (size_t i = 0; i < names_len; i++)
		if (is_leftover(names[i]))
			remove_leftover(dir, names[i]);
	file_list_free(names, names_len);
	return ERR_OK;
}

enum err msnap_list(const char *dir, struct msnap_id **ids, size_t *ids_len)
{
	char **names;
	size_t names_len;
	enum err err = file_list(dir, &names, &names_len);

	*ids = NULL;
	*ids_len = 0;
	if (err != ERR_OK)
		return err;
	*ids = calloc(names_len + 1, sizeof(**ids));
	for (size_t i = 0; *ids != NULL && i < names_len; i++)
		if (msnap_parse_name(str_of(names[i]), &(*ids)[*ids_len]))
			(*ids_len)++; /* names are sorted, and so are offsets */
	file_list_free(names, names_len);
	return *ids == NULL ? ERR_NOMEM : ERR_OK;
}

/* -- loading -------------------------------------------------------------------------------- */

enum err msnap_load(const char *path, struct mreplay *replay)
{
	char *data;
	size_t len;
	enum err err = file_read_all(path, SNAPSHOT_BYTES_MAX, &data, &len);

	if (err != ERR_OK) {
		snprintf(replay->message, sizeof(replay->message), "%s", err_text(err));
		return err;
	}
	replay->next_offset = 0;
	replay->header_seen = replay->footer_seen = false;
	err = mreplay_batches(replay, (struct bytes){(const uint8_t *)data, len});
	free(data);
	if (err == ERR_OK && (!replay->header_seen || !replay->footer_seen)) {
		snprintf(replay->message, sizeof(replay->message), "it is not complete: no %s",
			 replay->header_seen ? "footer" : "header");
		err = ERR_BADFILE;
	}
	if (err == ERR_OK && mreplay_in_transaction(replay)) {
		snprintf(replay->message, sizeof(replay->message), "a transaction has no end");
		err = ERR_BADFILE;
	}
	replay->records_bytes = 0;
	return err;
}

/* -- writing -------------------------------------------------------------------------------- */

struct writer {
	const struct msnap_content *content;
	int fd;
	int32_t epoch;
	off_t pos;
	int64_t next_offset;
	struct wr out; /* one batch */
};

static void batch_begin(struct writer *w, struct builder *builder, bool control)
{
	struct builder_options options = builder_options_default;

	options.base_offset = w->next_offset;
	options.leader_epoch = w->epoch;
	options.control = control;
	w->out.len_bytes = 0;
	builder_init(builder, &w->out, &options);
}

static enum err batch_end(struct writer *w, struct builder *builder)
{
	enum err err = builder_finish(builder, NULL);

	if (err == ERR_OK)
		err = file_pwrite(w->fd, w->out.buf, w->out.len_bytes, w->pos);
	if (err != ERR_OK)
		return err;
	w->pos += (off_t)w->out.len_bytes;
	w->next_offset += builder->records_count;
	return ERR_OK;
}

static void control_add(struct builder *builder, const struct clock *clock, enum control_type type,
			struct bytes value)
{
	uint8_t key[CONTROL_KEY_BYTES];
	/* One time for all records of a batch: Kafka's reader takes nothing else. */
	int64_t now_ms =
	    builder->records_count > 0 ? builder->base_timestamp : clock_wall_ms(clock);

	control_key_write(key, type);
	builder_add(builder, now_ms, (struct bytes){key, sizeof(key)}, value, NULL, 0);
}

static enum err write_header(struct writer *w)
{
	const struct msnap_content *content = w->content;
	struct snapshot_header_record header;
	struct kraft_version_record version;
	struct builder builder;
	struct wr value;

	wr_init(&value, 1024);
	batch_begin(w, &builder, true);
	snapshot_header_record_init(&header);
	header.last_contained_log_timestamp = content->last_timestamp_ms;
	snapshot_header_record_encode(&header, &value, 0);
	control_add(&builder, content->clock, CONTROL_SNAPSHOT_HEADER, wr_written(&value));
	if (content->kraft_version > 0) {
		value.len_bytes = 0;
		kraft_version_record_init(&version);
		version.kraft_version = content->kraft_version;
		kraft_version_record_encode(&version, &value, 0);
		control_add(&builder, content->clock, CONTROL_KRAFT_VERSION, wr_written(&value));
		control_add(&builder, content->clock, CONTROL_KRAFT_VOTERS, content->voters);
	}
	wr_fini(&value);
	return batch_end(w, &builder);
}

static enum err write_footer(struct writer *w)
{
	struct snapshot_footer_record footer;
	struct builder builder;
	struct wr value;

	wr_init(&value, 1024);
	batch_begin(w, &builder, true);
	snapshot_footer_record_init(&footer);
	snapshot_footer_record_encode(&footer, &value, 0);
	control_add(&builder, w->content->clock, CONTROL_SNAPSHOT_FOOTER, wr_written(&value));
	wr_fini(&value);
	return batch_end(w, &builder);
}

static enum err write_records(void *ctx, struct mrec_list *list)
{
	struct writer *w = ctx;
	int64_t now = clock_wall_ms(w->content->clock);
	struct builder builder;

	batch_begin(w, &builder, false);
	for (size_t i = 0; i < list->len; i++)
		builder_add(&builder, now, BYTES_NULL, mrec_at(list, i), NULL, 0);
	return batch_end(w, &builder);
}

static enum err write_content(struct writer *w)
{
	const struct msnap_content *content = w->content;
	enum err err = write_header(w);

	if (err == ERR_OK && content->img != NULL)
		err = image_snapshot(content->img, write_records, w);
	if (err == ERR_OK && content->list != NULL && content->list->len > 0)
		err = write_records(w, (struct mrec_list *)content->list);
	if (err == ERR_OK)
		err = write_footer(w);
	if (err == ERR_OK)
		err = file_sync(w->fd);
	if (err == ERR_OK && fchmod(w->fd, 0400) != 0)
		err = ERR_IO;
	return err;
}

static enum err write_to(const char *path, int32_t epoch, const struct msnap_content *content)
{
	struct writer w = {.content = content, .epoch = epoch};
	enum err err = file_open(path, O_RDWR | O_CREAT | O_TRUNC, &w.fd);

	if (err != ERR_OK)
		return err;
	wr_init(&w.out, BATCH_BYTES_MAX);
	err = write_content(&w);
	wr_fini(&w.out);
	file_close(w.fd);
	return err;
}

enum err msnap_write(const char *dir, const char *name, int32_t epoch,
		     const struct msnap_content *content)
{
	enum err err = msnap_write_unlisted(dir, name, epoch, content);

	return err == ERR_OK ? file_sync_dir(dir) : err;
}

enum err msnap_write_unlisted(const char *dir, const char *name, int32_t epoch,
			      const struct msnap_content *content)
{
	char part_name[64];
	char *part, *path = file_path(dir, name);
	enum err err;

	snprintf(part_name, sizeof(part_name), "%s.part", name);
	part = file_path(dir, part_name);
	if (part == NULL || path == NULL) {
		err = ERR_NOMEM;
	} else {
		(void)!file_unlink(part); /* a read-only one would be in the way */
		err = write_to(part, epoch, content);
		if (err == ERR_OK)
			err = file_rename(part, path);
		if (err != ERR_OK)
			(void)!file_unlink(part);
	}
	free(part);
	free(path);
	return err;
}
