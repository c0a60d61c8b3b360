/* What the tests of this room share: a directory, a clock, a log in it, batches to put into it. */
#ifndef TESTS_STORE_SUPPORT_H
#define TESTS_STORE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "record/builder.h"
#include "record/control.h"
#include "store/plog.h"
#include "tests/memory.h"

#define SUPPORT_NOW_MS INT64_C(1700000000000)
#define SUPPORT_CAP    ((size_t)64 << 20)

struct world {
	char root[40];
	char *dir;
	struct clock_fake clock;
	struct plog_env env;
	struct plog_config cfg;
	struct plog_open_args args;
	struct plog *log;
};

static inline struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERROR);
	file_set_fault(NULL);
	snprintf(w->root, sizeof(w->root), "%s/barnabas-store-XXXXXX", memory_dir());
	assert_non_null(mkdtemp(w->root));
	w->dir = file_path(w->root, "t-0");
	clock_fake_init(&w->clock, SUPPORT_NOW_MS);
	w->env = (struct plog_env){.clock = &w->clock.clock, .cache = seg_cache_new(64)};
	plog_config_init(&w->cfg);
	w->args = (struct plog_open_args){.topic_id = uuid_of(1, 2)};
	return w;
}

static inline void world_create(struct world *w)
{
	assert_int_equal(plog_create(&w->log, &w->env, &w->cfg, w->dir, w->args.topic_id), ERR_OK);
}

static inline void world_free(struct world *w)
{
	file_set_fault(NULL);
	if (w->log != NULL)
		plog_abandon(w->log);
	if (file_exists(w->dir))
		assert_int_equal(file_remove_dir(w->dir), ERR_OK);
	assert_int_equal(file_rmdir(w->root), ERR_OK);
	seg_cache_free(w->env.cache);
	free(w->dir);
	free(w);
}

static inline int world_setup(void **state)
{
	struct world *w = world_new();

	world_create(w);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* A clean stop, and the arguments for what comes next. */
static inline void world_close(struct world *w)
{
	assert_int_equal(plog_close(w->log, &w->args.recovery_point, &w->args.log_start), ERR_OK);
	w->log = NULL;
	w->args.clean = true;
}

/* As after kill -9: what is in memory only is lost. The recovery point stays what w->args says. */
static inline void world_kill(struct world *w)
{
	plog_abandon(w->log);
	w->log = NULL;
	w->args.clean = false;
}

static inline void world_open(struct world *w)
{
	assert_int_equal(plog_open(&w->log, &w->env, &w->cfg, w->dir, &w->args), ERR_OK);
}

/* -- Batches -------------------------------------------------------------------------------- */

struct batch_of {
	int records;
	size_t value_bytes; /* of each record */
	int64_t timestamp;  /* of the first record, the others 1 ms later each; 0: SUPPORT_NOW_MS */
	int64_t producer_id;
	int16_t epoch;
	int32_t sequence;
	bool has_producer, transactional;
	enum codec codec;
};

/* Free with wr_fini. */
static inline struct wr support_batch(struct batch_of of)
{
	struct builder_options options = builder_options_default;
	struct codec_scratch *scratch = NULL;
	struct builder builder;
	uint8_t *value = calloc(1, of.value_bytes + 1);
	struct wr wr;

	wr_init(&wr, SUPPORT_CAP);
	if (of.has_producer) {
		options.producer_id = of.producer_id;
		options.producer_epoch = of.epoch;
		options.base_sequence = of.sequence;
	}
	options.transactional = of.transactional;
	options.codec = of.codec;
	if (of.codec != CODEC_NONE)
		scratch = codec_scratch_new(SUPPORT_CAP);
	builder_init(&builder, &wr, &options);
	for (int i = 0; i < of.records; i++)
		builder_add(&builder, (of.timestamp != 0 ? of.timestamp : SUPPORT_NOW_MS) + i,
			    BYTES_NULL, (struct bytes){value, of.value_bytes}, NULL, 0);
	assert_int_equal(builder_finish(&builder, scratch), ERR_OK);
	codec_scratch_free(scratch);
	free(value);
	return wr;
}

static inline struct plog_append support_append(struct world *w, struct batch_of of)
{
	struct wr wr = support_batch(of);
	struct plog_append item = {.data = wr.buf, .len_bytes = wr.len_bytes};

	plog_lock(w->log);
	plog_append_as_leader(w->log, &item, 1, 0);
	plog_unlock(w->log);
	wr_fini(&wr);
	return item;
}

/* One batch of `records` records of 100 bytes; the offset it went to. */
static inline int64_t support_add(struct world *w, int records)
{
	struct plog_append item =
	    support_append(w, (struct batch_of){.records = records, .value_bytes = 100});

	assert_int_equal(item.err, ERR_OK);
	return item.base_offset;
}

static inline struct plog_append support_marker(struct world *w, enum control_type type,
						int64_t producer_id, int16_t epoch)
{
	struct plog_append item = {.origin = PLOG_COORDINATOR};
	struct wr wr;

	wr_init(&wr, SUPPORT_CAP);
	assert_int_equal(control_marker_batch(&wr, type, producer_id, epoch, 0, SUPPORT_NOW_MS),
			 ERR_OK);
	item.data = wr.buf;
	item.len_bytes = wr.len_bytes;
	plog_lock(w->log);
	plog_append_as_leader(w->log, &item, 1, 0);
	plog_unlock(w->log);
	wr_fini(&wr);
	return item;
}

static inline void support_commit(struct world *w, int64_t offset)
{
	plog_lock(w->log);
	plog_set_high_watermark(w->log, offset);
	plog_unlock(w->log);
}

/* -- Reading -------------------------------------------------------------------------------- */

/*
 * Reads all batches from `offset` to the end, checks CRCs and that offsets go on; how many batches.
 */
static inline int support_read_all(struct world *w, int64_t offset, size_t max_bytes)
{
	int64_t end = plog_end(w->log);
	int batches = 0;

	while (offset < end) {
		struct plog_read_info info;
		struct slice slice;
		struct batch_header header;
		uint8_t *data;
		size_t got;

		assert_int_equal(plog_read(w->log, offset, end, max_bytes, true, &slice, &info),
				 ERR_OK);
		assert_true(slice.len_bytes > 0);
		data = malloc(slice.len_bytes);
		assert_int_equal(file_pread(slice.fd, data, slice.len_bytes, slice.pos, &got),
				 ERR_OK);
		assert_int_equal(got, slice.len_bytes);
		for (size_t at = 0; at < got; at += header.size_bytes) {
			struct bytes left = {data + at, got - at};

			assert_int_equal(batch_header_read(left, &header), ERR_OK);
			assert_true(header.size_bytes <= left.len);
			left.len = header.size_bytes;
			assert_int_equal(batch_check_crc(left), ERR_OK);
			if (at > 0 || batches > 0)
				assert_int_equal(header.base_offset, offset);
			assert_true(batch_next_offset(&header) > offset);
			offset = batch_next_offset(&header);
			batches++;
		}
		assert_int_equal(info.next_offset, offset);
		free(data);
		slice_release(&slice);
	}
	return batches;
}

/* -- Files ---------------------------------------------------------------------------------- */

static inline char *support_path(const struct world *w, int64_t offset, const char *suffix)
{
	char name[64];

	snprintf(name, sizeof(name), "%020lld%s", (long long)offset, suffix);
	return file_path(w->dir, name);
}

static inline off_t support_size(const char *path)
{
	off_t size;
	int fd;

	assert_int_equal(file_open(path, O_RDONLY, &fd), ERR_OK);
	assert_int_equal(file_size(fd, &size), ERR_OK);
	file_close(fd);
	return size;
}

static inline bool support_has(const struct world *w, int64_t offset, const char *suffix)
{
	char *path = support_path(w, offset, suffix);
	bool has = file_exists(path);

	free(path);
	return has;
}

static inline void support_write_at(const char *path, off_t pos, const void *data, size_t len)
{
	int fd;

	assert_int_equal(file_open(path, O_WRONLY | O_CREAT, &fd), ERR_OK);
	assert_int_equal(file_pwrite(fd, data, len, pos), ERR_OK);
	file_close(fd);
}

static inline void support_cut(const char *path, off_t size)
{
	int fd;

	assert_int_equal(file_open(path, O_WRONLY, &fd), ERR_OK);
	assert_int_equal(file_truncate(fd, size), ERR_OK);
	file_close(fd);
}

#endif
