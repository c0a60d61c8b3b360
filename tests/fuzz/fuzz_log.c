/*
 * Any content of a partition's directory: opening repairs it or refuses it. What was opened can be
 * read from start to end, appended to, and opened again with the same result.
 *
 * Input: one byte of flags, then files: kind, offset for the name (2 bytes), length (2 bytes),
 * content. With FLAG_SEAL the batches in logs get right lengths and CRCs first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "record/builder.h"
#include "store/plog.h"
#include "tests/memory.h"

#define NOW_MS	   INT64_C(1700000000000)
#define FILES_MAX  32
#define READ_BYTES (1u << 20)

enum { FLAG_SEAL = 1, FLAG_CLEAN = 2, FLAG_POINT = 4, FLAG_SMALL = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	char root[40], dir[48];
	struct clock_fake clock;
	struct plog_env env;
	struct plog_config cfg;
	struct plog_open_args args;
	uint8_t *buf; /* READ_BYTES */
};

static struct world world;

static void world_remove(void)
{
	if (rmdir(world.root) != 0)
		fprintf(stderr, "%s stays\n", world.root);
}

static void world_init(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(world.root, sizeof(world.root), "%s/barnabas-fuzz-XXXXXX", memory_dir());
	must(mkdtemp(world.root) != NULL);
	snprintf(world.dir, sizeof(world.dir), "%s/t-0", world.root);
	clock_fake_init(&world.clock, NOW_MS);
	world.env = (struct plog_env){.clock = &world.clock.clock, .cache = seg_cache_new(64)};
	world.buf = malloc(READ_BYTES);
	must(world.buf != NULL && world.env.cache != NULL);
	atexit(world_remove);
}

/* -- the directory ------------------------------------------------------------------------- */

/* Makes batches of what is there: each as long as its length field says in 10 bits. */
static void seal(uint8_t *content, size_t len)
{
	while (len >= BATCH_HEADER_BYTES) {
		size_t size = BATCH_HEADER_BYTES + (content[10] & 3u) * 256u + content[11];
		if (size > len)
			size = len;
		content[BATCH_MAGIC_AT] = BATCH_MAGIC;
		batch_seal(content, size);
		content += size;
		len -= size;
	}
}

static void name_of(char *name, size_t size, unsigned kind, unsigned offset)
{
	static const char *const suffixes[] = {".log",		 ".index",	   ".timeindex",
					       ".snapshot",	 ".txnindex",	   ".log.deleted",
					       ".log.cleaned",	 ".log.swap",	   ".index.swap",
					       ".txnindex.swap", ".timeindex.swap"};
	const size_t count = ARRAY_LEN(suffixes);

	if (kind % (count + 2) == count)
		snprintf(name, size, "%s/leader-epoch-checkpoint", world.dir);
	else if (kind % (count + 2) == count + 1)
		snprintf(name, size, "%s/partition.metadata", world.dir);
	else
		snprintf(name, size, "%s/%020u%s", world.dir, offset, suffixes[kind % (count + 2)]);
}

static void put_file(const char *name, struct bytes content)
{
	int fd;
	enum err err = file_open(name, O_RDWR | O_CREAT | O_TRUNC, &fd);

	must(err == ERR_OK);
	if (content.len > 0)
		must(file_pwrite(fd, content.ptr, content.len, 0) == ERR_OK);
	file_close(fd);
}

static void put_files(struct bytes rest, bool sealed)
{
	char name[120];

	for (int i = 0; i < FILES_MAX && rest.len >= 5; i++) {
		const uint8_t *head = rest.ptr;
		size_t len = head[3] * 256u + head[4];
		rest = (struct bytes){rest.ptr + 5, rest.len - 5};
		if (len > rest.len)
			len = rest.len;
		name_of(name, sizeof(name), head[0], head[1] * 256u + head[2]);
		uint8_t *content = malloc(len + 1);
		must(content != NULL);
		memcpy(content, rest.ptr, len);
		if (sealed && strstr(name, ".log") != NULL)
			seal(content, len);
		put_file(name, (struct bytes){content, len});
		free(content);
		rest = (struct bytes){rest.ptr + len, rest.len - len};
	}
}

/* -- what must hold ------------------------------------------------------------------------ */

static void check_batches(struct bytes got, int64_t *offset)
{
	struct batch_header header;

	while (got.len > 0) {
		if (got.ptr[BATCH_MAGIC_AT] != BATCH_MAGIC) /* an old format: nothing to say here */
			return;
		must(batch_header_read(got, &header) == ERR_OK);
		must(header.size_bytes <= got.len);
		must(batch_last_offset(&header) >= *offset);
		*offset = batch_next_offset(&header);
		got = (struct bytes){got.ptr + header.size_bytes, got.len - header.size_bytes};
	}
}

/* Reads forward from start. */
static void read_all(struct plog *log, bool trusted)
{
	int64_t offset = plog_start(log), end = plog_end(log);
	struct plog_time_offset found;
	size_t got;

	must(offset <= end && plog_high_watermark(log) <= end);
	must(plog_last_stable(log) <= plog_high_watermark(log));
	while (offset < end) {
		int64_t before = offset;
		enum err err = plog_read_copy(log, offset, end, world.buf, READ_BYTES, &got);
		if (err != ERR_OK || got == 0)
			break;
		if (!trusted)
			check_batches((struct bytes){world.buf, got}, &offset);
		if (offset <= before)
			break;
	}
	for (int64_t ts = PLOG_TIME_EARLIEST_PENDING; ts < 2; ts++)
		(void)!plog_offset_for_time(log, ts, end, &found);
	(void)!plog_offset_for_time(log, NOW_MS, end, &found);
}

static void check_aborted(struct plog *log)
{
	struct plog_aborted *aborted;
	size_t aborted_len;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	(void)!plog_aborted_txns(log, plog_start(log), plog_end(log), &arena, &aborted,
				 &aborted_len);
	arena_fini(&arena);
}

static void append_one(struct plog *log)
{
	struct builder builder;
	struct wr out;

	wr_init(&out, 1 << 16);
	builder_init(&builder, &out, &builder_options_default);
	builder_add(&builder, NOW_MS, BYTES_NULL, BYTES_NULL, NULL, 0);
	must(builder_finish(&builder, NULL) == ERR_OK);
	struct plog_append item = {.data = out.buf, .len_bytes = out.len_bytes};
	int64_t end = plog_end(log);
	plog_lock(log);
	(void)plog_append_as_leader(log, &item, 1,
				    plog_latest_epoch(log) < 0 ? 0 : plog_latest_epoch(log));
	plog_unlock(log);
	must(item.err != ERR_OK || (item.base_offset == end && plog_end(log) == end + 1));
	wr_fini(&out);
}

/* Opened once and appended to; opened again it must be the same, cleanly stopped or killed. */
static void check_again(struct plog *log, bool kill)
{
	int64_t end = plog_end(log), start = plog_start(log);

	if (plog_failed(log)) {
		plog_abandon(log);
		return;
	}
	if (kill) {
		plog_abandon(log);
		world.args.clean = false;
	} else {
		must(plog_close(log, &world.args.recovery_point, &world.args.log_start) == ERR_OK);
		world.args.clean = true;
	}
	must(plog_open(&log, &world.env, &world.cfg, world.dir, &world.args) == ERR_OK);
	must(plog_end(log) == end);
	must(plog_start(log) == start || kill);
	read_all(log, false);
	plog_abandon(log);
}

static void try_open(uint8_t flags)
{
	/*
	 * What a mark or a recovery point vouches for is not checked, so nothing more can be asked.
	 */
	bool trusted = world.args.clean || world.args.recovery_point > 0;
	struct plog *log;
	enum err err = plog_open(&log, &world.env, &world.cfg, world.dir, &world.args);

	if (err != ERR_OK)
		return;
	read_all(log, trusted);
	check_aborted(log);
	if (trusted) {
		plog_abandon(log);
		return;
	}
	append_one(log);
	check_again(log, (flags & FLAG_SMALL) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (world.buf == NULL)
		world_init();
	if (size < 1)
		return 0;
	plog_config_init(&world.cfg);
	if ((data[0] & FLAG_SMALL) != 0)
		world.cfg.segment_bytes = 2000;
	world.args = (struct plog_open_args){
	    .topic_id = uuid_of(1, 2),
	    .clean = (data[0] & FLAG_CLEAN) != 0,
	    .recovery_point = (data[0] & FLAG_POINT) != 0 ? 50 : 0,
	};
	must(file_mkdir(world.dir) == ERR_OK);
	put_files((struct bytes){data + 1, size - 1}, (data[0] & FLAG_SEAL) != 0);
	try_open(data[0]);
	must(file_remove_dir(world.dir) == ERR_OK);
	return 0;
}
