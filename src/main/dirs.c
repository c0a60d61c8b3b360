/* Identity and formatting of the log directories: see dirs.h. */
#include "main/dirs.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rnd.h"
#include "meta/config_listeners.h"
#include "meta/mlog.h"

/* What is wrong with a directory's place in the set ends the start, with one line. */
static enum err dirs_refuse(const char *path, const char *what, const char *other)
{
	log_error("broker", "%s: %s %s", path, what, other);
	return ERR_BADCONFIG;
}

/* -- open and close ------------------------------------------------------------------------- */

static enum err dirs_open_metadata(struct dirs *dirs)
{
	const char *path = config_metadata_log_dir(dirs->config);
	enum err err = ERR_OK;

	dirs->metadata = logdirs_by_path(dirs->all, str_of(path));
	if (dirs->metadata == NULL) {
		err = logdir_open(&dirs->own, path);
		dirs->metadata = dirs->own;
	}
	if (err == ERR_LOCKED)
		log_error("broker", "%s is in use by another broker", path);
	else if (err != ERR_OK || logdir_failed(dirs->metadata))
		log_error("broker", "cannot use %s, the directory of the metadata log%s%s", path,
			  err != ERR_OK ? ": " : "", err != ERR_OK ? err_text(err) : "");
	return err == ERR_OK && logdir_failed(dirs->metadata) ? ERR_IO : err;
}

void dirs_close(struct dirs *dirs)
{
	logdirs_close(dirs->all);
	logdir_close(dirs->own);
	free(dirs->fresh);
	free(dirs->online);
	free(dirs->cordoned);
	*dirs = (struct dirs){0};
}

/* -- who they are --------------------------------------------------------------------------- */

static void dirs_options(const struct dirs *dirs, struct rnd *rnd, struct datadir_options *options)
{
	size_t len;
	const struct config_listener *listeners = config_listeners(dirs->config, &len);

	rnd_init_random(rnd);
	*options = (struct datadir_options){
	    .clock = dirs->clock,
	    .rnd = rnd,
	    .node_id = config_node_id(dirs->config),
	    .static_voters = config_has_static_voters(dirs->config),
	};
	for (size_t i = 0; i < len; i++) {
		if (!listeners[i].controller)
			continue;
		options->controller_listener = str_of(listeners[i].name);
		options->controller_host = str_of(listeners[i].host);
		options->controller_port = (uint16_t)listeners[i].port;
		break;
	}
}

static enum err dirs_check_place(const struct dirs *dirs, const struct logdir *logdir,
				 struct uuid id)
{
	char *log = file_path(logdir->path, MLOG_DIR_NAME);
	const struct logdir *same = logdirs_by_id(dirs->all, id);
	bool misplaced = log != NULL && file_exists(log);

	free(log);
	if (log == NULL)
		return ERR_NOMEM;
	if (misplaced)
		return dirs_refuse(logdir->path,
				   "holds a metadata log, which the settings look for in",
				   dirs->metadata->path);
	if (same == NULL && !logdir_failed(dirs->metadata) && uuid_eq(dirs->metadata->id, id))
		same = dirs->metadata;
	return same == NULL ? ERR_OK
			    : dirs_refuse(logdir->path, "has the same directory.id as", same->path);
}

/* One beside the metadata log's: an id of its own, in any case. */
static enum err dirs_identify_one(struct dirs *dirs, const struct datadir_options *options,
				  size_t at)
{
	struct logdir *logdir = dirs->all->at[at];
	char message[DATADIR_MESSAGE_SIZE];
	struct datadir datadir;
	enum err err = datadir_read(logdir->path, options, &datadir, message);

	if (err == ERR_NOFILE) {
		dirs->fresh[at] = true;
		logdir->id = rnd_uuid(options->rnd);
		return ERR_OK;
	}
	if (err == ERR_IO) {
		logdir_fail(logdir, err, "read meta.properties");
		return ERR_OK;
	}
	if (err != ERR_OK) {
		log_error("broker", "%s", message);
		return err;
	}
	err = dirs_check_place(dirs, logdir, datadir.directory_id);
	if (err == ERR_OK)
		logdir->id = datadir.directory_id;
	return err;
}

static enum err dirs_format_one(struct dirs *dirs, const struct datadir_options *options, size_t at)
{
	struct logdir *logdir = dirs->all->at[at];
	struct datadir datadir = dirs->datadir;
	char message[DATADIR_MESSAGE_SIZE];
	enum err err;

	datadir.directory_id = logdir->id;
	err = datadir_format(logdir->path, options, &datadir, message);
	if (err != ERR_OK)
		log_error("broker", "%s", message);
	dirs->fresh[at] = false;
	return err;
}

static enum err dirs_format_fresh(struct dirs *dirs, const struct datadir_options *options)
{
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < dirs->all->len; i++)
		if (dirs->fresh[i] && !logdir_failed(dirs->all->at[i]))
			err = dirs_format_one(dirs, options, i);
	return err;
}

/* Nothing was there: a new cluster, unless one of the others is of an old one. */
static enum err dirs_format_all(struct dirs *dirs, struct datadir_options *options)
{
	char message[DATADIR_MESSAGE_SIZE];
	bool formatted;
	enum err err;

	for (size_t i = 0; i < dirs->all->len; i++)
		if (dirs->all->at[i] != dirs->metadata && !dirs->fresh[i] &&
		    !logdir_failed(dirs->all->at[i]))
			return dirs_refuse(dirs->metadata->path,
					   "holds no metadata log, though it has a cluster:",
					   dirs->all->at[i]->path);
	err = datadir_open(dirs->metadata->path, options, &dirs->datadir, &formatted, message);
	if (err != ERR_OK) {
		log_error("broker", "%s", message);
		return err;
	}
	dirs->metadata->id = dirs->datadir.directory_id;
	return dirs_format_fresh(dirs, options);
}

static enum err dirs_identify(struct dirs *dirs)
{
	struct datadir_options options;
	char message[DATADIR_MESSAGE_SIZE];
	struct rnd rnd;
	enum err err, found;

	dirs_options(dirs, &rnd, &options);
	err = found = datadir_read(dirs->metadata->path, &options, &dirs->datadir, message);
	if (err == ERR_OK) {
		dirs->metadata->id = dirs->datadir.directory_id;
		options.cluster_id = str_of(dirs->datadir.cluster_id);
	} else if (err != ERR_NOFILE) {
		log_error("broker", "%s", message);
		return err;
	}
	err = ERR_OK;
	for (size_t i = 0; err == ERR_OK && i < dirs->all->len; i++)
		if (dirs->all->at[i] != dirs->metadata && !logdir_failed(dirs->all->at[i]))
			err = dirs_identify_one(dirs, &options, i);
	if (err == ERR_OK && found == ERR_NOFILE)
		err = dirs_format_all(dirs, &options);
	return err;
}

enum err dirs_open(struct dirs *dirs, const struct config *config, const struct clock *clock)
{
	size_t len;
	const char *const *paths = config_log_dirs(config, &len);
	enum err err;

	*dirs = (struct dirs){.config = config, .clock = clock};
	dirs->fresh = calloc(len, sizeof(*dirs->fresh));
	dirs->online = calloc(len, sizeof(*dirs->online));
	dirs->cordoned = calloc(len, sizeof(*dirs->cordoned));
	if (dirs->fresh == NULL || dirs->online == NULL || dirs->cordoned == NULL)
		return ERR_NOMEM;
	err = logdirs_open(&dirs->all, paths, len);
	if (err == ERR_OK)
		err = dirs_open_metadata(dirs);
	if (err == ERR_OK)
		err = dirs_identify(dirs);
	if (err != ERR_OK)
		return err;
	logdirs_take_clean_marks(dirs->all);
	return dirs_are_lost(dirs) ? ERR_IO : ERR_OK;
}

/* -- new ones beside others ----------------------------------------------------------------- */

/* Is there a partition in a directory that is not here? */
static bool dirs_miss_one(const struct dirs *dirs, const struct image_partition *part,
			  struct uuid *missing)
{
	struct image_ids replicas = image_replicas(part);

	for (size_t i = 0; i < replicas.len; i++) {
		*missing = part->directories[i];
		if (replicas.ptr[i] == dirs->datadir.node_id &&
		    !uuid_eq(*missing, IMAGE_DIR_MIGRATING) &&
		    !uuid_eq(*missing, IMAGE_DIR_UNASSIGNED) && !uuid_eq(*missing, IMAGE_DIR_LOST))
			return logdirs_by_id(dirs->all, *missing) == NULL;
	}
	return false;
}

static enum err dirs_check_fresh(const struct dirs *dirs, const struct image *img,
				 const struct logdir *fresh)
{
	char id[UUID_TEXT_LEN + 1];
	struct uuid missing;

	IMAGE_TOPICS_FOREACH(img, topic)
	{
		for (int32_t i = 0; i < topic->partitions_len; i++) {
			const struct image_partition *part = image_partition_at(topic, i);

			if (part == NULL || !dirs_miss_one(dirs, part, &missing))
				continue;
			uuid_text(missing, id);
			log_error(
			    "broker",
			    "%s is not formatted, and partition %.*s-%" PRId32
			    " is in log directory %s, which is not here: is its disk mounted? "
			    "To go on without it, leave %s out of log.dirs, or format it with "
			    "kafka-storage",
			    fresh->path, STR_ARG(topic->name), i, id, fresh->path);
			return ERR_BADCONFIG;
		}
	}
	return ERR_OK;
}

enum err dirs_on_read(void *ctx, const struct image *img)
{
	struct dirs *dirs = ctx;
	struct datadir_options options;
	struct rnd rnd;
	enum err err = ERR_OK;
	size_t i = 0;

	while (i < dirs->all->len && !dirs->fresh[i])
		i++;
	if (i == dirs->all->len)
		return ERR_OK;
	err = dirs_check_fresh(dirs, img, dirs->all->at[i]);
	dirs_options(dirs, &rnd, &options);
	return err != ERR_OK ? err : dirs_format_fresh(dirs, &options);
}

/* -- which are online ----------------------------------------------------------------------- */

/* Java compares the two halves as signed numbers. */
static int uuid_cmp(const void *left, const void *right)
{
	struct uuid a = *(const struct uuid *)left, b = *(const struct uuid *)right;

	a.b[0] ^= 0x80;
	a.b[8] ^= 0x80;
	b.b[0] ^= 0x80;
	b.b[8] ^= 0x80;
	return memcmp(a.b, b.b, sizeof(a.b));
}

const struct uuid *dirs_online(struct dirs *dirs, size_t *len)
{
	*len = 0;
	for (size_t i = 0; i < dirs->all->len; i++)
		if (!logdir_failed(dirs->all->at[i]))
			dirs->online[(*len)++] = dirs->all->at[i]->id;
	qsort(dirs->online, *len, sizeof(*dirs->online), uuid_cmp);
	return dirs->online;
}

static bool dirs_names(struct str list, const struct logdir *logdir)
{
	struct str entry;
	size_t pos = 0;

	while (config_list_next(list, &pos, &entry))
		if (str_eq(entry, STR("*")) || str_eq(entry, str_of(logdir->path)) ||
		    str_eq(entry, str_of(logdir->absolute)))
			return true;
	return false;
}

bool dirs_cordon(struct dirs *dirs, const struct image *img)
{
	struct str list = config_dynamic_str(dirs->config, img, CONFIG_CORDONED_LOG_DIRS);
	bool changed = false;

	for (size_t i = 0; i < dirs->all->len; i++) {
		struct logdir *logdir = dirs->all->at[i];
		bool now = dirs_names(list, logdir);

		changed |= atomic_exchange(&logdir->cordoned, now) != now;
	}
	return changed;
}

const struct uuid *dirs_cordoned(struct dirs *dirs, size_t *len)
{
	*len = 0;
	for (size_t i = 0; i < dirs->all->len; i++)
		if (atomic_load(&dirs->all->at[i]->cordoned) && !logdir_failed(dirs->all->at[i]))
			dirs->cordoned[(*len)++] = dirs->all->at[i]->id;
	qsort(dirs->cordoned, *len, sizeof(*dirs->cordoned), uuid_cmp);
	return dirs->cordoned;
}

bool dirs_are_lost(const struct dirs *dirs)
{
	return logdir_failed(dirs->metadata) || logdirs_online(dirs->all) == 0;
}
