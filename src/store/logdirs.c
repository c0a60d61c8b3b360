/* The set of log directories: see logdirs.h. */
#include "store/logdirs.h"

#include <stdlib.h>

#include "base/log.h"

/* -- open and close ------------------------------------------------------------------------- */

static enum err logdirs_open_one(struct logdirs *dirs, const char *path)
{
	struct logdir *logdir;
	enum err err = logdir_open(&logdir, path);

	if (err == ERR_LOCKED) {
		log_error("store", "%s is in use by another broker", path);
		return err;
	}
	if (err == ERR_NOMEM)
		return err;
	if (err != ERR_OK) {
		log_error("store", "cannot open log directory %s: %s; it is left out", path,
			  err_text(err));
		logdir = logdir_new_failed(path);
		if (logdir == NULL)
			return ERR_NOMEM;
	}
	dirs->at[dirs->len++] = logdir;
	return ERR_OK;
}

enum err logdirs_open(struct logdirs **out, const char *const *paths, size_t paths_len)
{
	struct logdirs *dirs = calloc(1, sizeof(*dirs));
	enum err err = ERR_OK;

	*out = dirs;
	if (dirs == NULL || (dirs->at = calloc(paths_len, sizeof(*dirs->at))) == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; err == ERR_OK && i < paths_len; i++)
		err = logdirs_open_one(dirs, paths[i]);
	if (err == ERR_OK && logdirs_online(dirs) == 0) {
		log_error("store", "no log directory can be used");
		err = ERR_IO;
	}
	return err;
}

void logdirs_close(struct logdirs *dirs)
{
	if (dirs == NULL)
		return;
	for (size_t i = 0; i < dirs->len; i++)
		logdir_close(dirs->at[i]);
	free(dirs->at);
	free(dirs);
}

/* -- looking -------------------------------------------------------------------------------- */

size_t logdirs_online(const struct logdirs *dirs)
{
	size_t online = 0;

	for (size_t i = 0; i < dirs->len; i++)
		if (!logdir_failed(dirs->at[i]))
			online++;
	return online;
}

struct logdir *logdirs_by_path(const struct logdirs *dirs, struct str path)
{
	for (size_t i = 0; i < dirs->len; i++)
		if (str_eq(str_of(dirs->at[i]->path), path))
			return dirs->at[i];
	return NULL;
}

struct logdir *logdirs_by_id(const struct logdirs *dirs, struct uuid id)
{
	for (size_t i = 0; i < dirs->len; i++)
		if (!uuid_is_zero(id) && uuid_eq(dirs->at[i]->id, id))
			return dirs->at[i];
	return NULL;
}

/* -- the marks of the last stop ------------------------------------------------------------- */

void logdirs_take_clean_marks(struct logdirs *dirs)
{
	for (size_t i = 0; i < dirs->len; i++) {
		enum err err = ERR_OK;

		if (!logdir_failed(dirs->at[i]))
			err = logdir_take_clean_mark(dirs->at[i]);
		if (err != ERR_OK)
			logdir_fail(dirs->at[i], err, "remove the mark of the last stop");
	}
}

enum err logdirs_put_clean_marks(struct logdirs *dirs, int64_t broker_epoch)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < dirs->len; i++) {
		enum err one = ERR_OK;

		if (!logdir_failed(dirs->at[i]))
			one = logdir_put_clean_mark(dirs->at[i], broker_epoch);
		if (one != ERR_OK)
			logdir_fail(dirs->at[i], one, "write the mark of a clean stop");
		err = err != ERR_OK ? err : one;
	}
	return err;
}

int64_t logdirs_broker_epoch(const struct logdirs *dirs)
{
	int64_t epoch = dirs->at[0]->broker_epoch;

	for (size_t i = 0; i < dirs->len; i++)
		if (logdir_failed(dirs->at[i]) || dirs->at[i]->broker_epoch != epoch)
			return -1;
	return epoch;
}

/* -- failures ------------------------------------------------------------------------------- */

void logdirs_watch(struct logdirs *dirs, struct loop *loop,
		   void (*on_failed)(void *ctx, struct logdir *logdir), void *ctx)
{
	for (size_t i = 0; i < dirs->len; i++)
		logdir_watch(dirs->at[i], loop, on_failed, ctx);
}
