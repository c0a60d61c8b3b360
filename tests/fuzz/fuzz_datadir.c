/*
 * Any content of a log directory's own files and of its metadata log: what a start reads before it
 * knows any topic. It opens, or says why not; what was opened closes, and opens again.
 *
 * Input: files: kind, number for the name (2 bytes), length (2 bytes), content. In logs and
 * checkpoints the batches' CRCs are made right where the high bit of kind is set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/datadir.h"
#include "meta/image_edit.h"
#include "meta/mlog.h"
#include "record/batch.h"
#include "store/logdir.h"
#include "tests/memory.h"

#define NOW_MS	  INT64_C(1700000000000)
#define FILES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char root[40], dir[48], mlog_dir[80];
	struct clock_fake clock;
	struct rnd rnd;
} world;

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
	snprintf(world.dir, sizeof(world.dir), "%s/data", world.root);
	snprintf(world.mlog_dir, sizeof(world.mlog_dir), "%s/%s", world.dir, MLOG_DIR_NAME);
	clock_fake_init(&world.clock, NOW_MS);
	atexit(world_remove);
}

/* -- the directory ------------------------------------------------------------------------- */

static void seal(uint8_t *content, size_t len)
{
	struct batch_header header;

	while (len >= BATCH_HEADER_BYTES) {
		content[BATCH_MAGIC_AT] = BATCH_MAGIC;
		if (batch_header_read((struct bytes){content, len}, &header) != ERR_OK ||
		    header.size_bytes > len)
			header.size_bytes = len;
		batch_seal(content, header.size_bytes);
		content += header.size_bytes;
		len -= header.size_bytes;
	}
}

static void path_of(char *path, size_t size, unsigned kind, unsigned number)
{
	const char *mlog = world.mlog_dir;

	switch (kind % 10) {
	case 0:
		snprintf(path, size, "%s/meta.properties", world.dir);
		break;
	case 1:
		snprintf(path, size, "%s/bootstrap.checkpoint", world.dir);
		break;
	case 2:
		snprintf(path, size, "%s/.kafka_cleanshutdown", world.dir);
		break;
	case 3:
		snprintf(path, size, "%s/" CHECKPOINT_RECOVERY_POINT, world.dir);
		break;
	case 4:
		snprintf(path, size, "%s/%020u.log", mlog, number);
		break;
	case 5:
		snprintf(path, size, "%s/%020u-%010u.checkpoint", mlog, number >> 4, number & 15);
		break;
	case 6:
		snprintf(path, size, "%s/quorum-state", mlog);
		break;
	case 7:
		snprintf(path, size, "%s/leader-epoch-checkpoint", mlog);
		break;
	case 8:
		snprintf(path, size, "%s/%020u.index", mlog, number);
		break;
	default:
		snprintf(path, size, "%s/%020u-%010u.checkpoint.part", mlog, number >> 4,
			 number & 15);
	}
}

static void put_files(struct bytes rest)
{
	char path[200];

	for (int i = 0; i < FILES_MAX && rest.len >= 5; i++) {
		const uint8_t *head = rest.ptr;
		size_t len = head[3] * 256u + head[4];
		rest = (struct bytes){rest.ptr + 5, rest.len - 5};
		if (len > rest.len)
			len = rest.len;
		path_of(path, sizeof(path), head[0] & 0x7f, head[1] * 256u + head[2]);
		uint8_t *content = malloc(len + 1);
		must(content != NULL);
		memcpy(content, rest.ptr, len);
		if ((head[0] & 0x80) != 0)
			seal(content, len);
		must(file_replace(path, (struct bytes){content, len}, false) == ERR_OK);
		free(content);
		rest = (struct bytes){rest.ptr + len, rest.len - len};
	}
}

static void remove_all(void)
{
	if (file_exists(world.mlog_dir))
		must(file_remove_dir(world.mlog_dir) == ERR_OK);
	must(file_remove_dir(world.dir) == ERR_OK);
}

/* -- a start ------------------------------------------------------------------------------- */

static bool open_mlog(struct str cluster_id)
{
	struct mlog_options options = {
	    .clock = &world.clock.clock,
	    .node_id = 1,
	    .cluster_id = cluster_id,
	    .segment_bytes = 1 << 20,
	    .segment_ms = INT64_MAX,
	    .snapshot_bytes = 1 << 20,
	    .retention_bytes = -1,
	    .retention_ms = -1,
	};
	char message[MLOG_MESSAGE_SIZE] = "";
	struct mlog *mlog = NULL;
	struct image *img = NULL;
	enum err err = mlog_open(&options, world.dir, &mlog, &img, message);

	must(err == ERR_OK || message[0] != '\0');
	if (err != ERR_OK)
		return false;
	image_unref(img);
	must(mlog_close(mlog) == ERR_OK);
	return true;
}

static void start(void)
{
	struct datadir_options options = {
	    .clock = &world.clock.clock,
	    .rnd = &world.rnd,
	    .node_id = 1,
	    .static_voters = true,
	    .controller_listener = STR("CONTROLLER"),
	    .controller_port = 9093,
	};
	char message[DATADIR_MESSAGE_SIZE] = "";
	struct logdir *logdir = NULL;
	struct datadir datadir;
	struct mrec_list list;
	bool formatted;

	enum err err = logdir_open(&logdir, world.dir);
	must(err == ERR_OK);
	err = logdir_take_clean_mark(logdir);
	must(err == ERR_OK);
	err = datadir_open(world.dir, &options, &datadir, &formatted, message);
	must(err == ERR_OK || message[0] != '\0');
	if (err == ERR_OK) {
		mrec_list_init(&list);
		(void)!datadir_bootstrap(world.dir, &list, message);
		mrec_list_fini(&list);
		if (open_mlog(str_of(datadir.cluster_id)))
			must(open_mlog(str_of(datadir.cluster_id)));
	}
	logdir_close(logdir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (world.root[0] == '\0')
		world_init();
	rnd_init_seed(&world.rnd, 1);
	must(file_mkdir(world.dir) == ERR_OK);
	must(file_mkdir(world.mlog_dir) == ERR_OK);
	put_files((struct bytes){data, size});
	start();
	remove_all();
	return 0;
}
