/* One log directory: lock, clean-stop mark, checkpoints, names. */
#include "store/logdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/partition_metadata.h"

#define LOGDIR_LOCK	      ".lock"
#define LOGDIR_CLEAN_MARK     ".kafka_cleanshutdown"
#define LOGDIR_MARK_BYTES_MAX 4096

/* -- The lock ------------------------------------------------------------------------------- */

/*
 * A record lock over the whole file, as Java's FileChannel.tryLock takes it, but owned by the open
 * file: a plain one would vanish when any other descriptor of that file is closed. The two exclude
 * each other.
 */
static enum err logdir_lock(const char *dir, int *fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char *path = file_path(dir, LOGDIR_LOCK);
	enum err err;

	if (path == NULL)
		return ERR_NOMEM;
	err = file_open(path, O_RDWR | O_CREAT, fd);
	free(path);
	if (err != ERR_OK)
		return err;
	if (fcntl(*fd, F_OFD_SETLK, &whole) != 0) {
		err = errno == EAGAIN || errno == EACCES ? ERR_LOCKED : err_errno(errno);
		file_close(*fd);
		*fd = -1;
	}
	return err;
}

/* -- Open and close ------------------------------------------------------------------------- */

static enum err logdir_read_checkpoint(const struct logdir *logdir, const char *name,
				       struct checkpoint *checkpoint)
{
	char *path = file_path(logdir->path, name);
	enum err err;

	if (path == NULL)
		return ERR_NOMEM;
	err = checkpoint_read(path, checkpoint);
	if (err == ERR_BADFILE) {
		log_warn("store", "%s is damaged and counts as absent", path);
		err = ERR_OK;
	}
	free(path);
	return err;
}

static enum err logdir_begin(struct logdir *logdir)
{
	enum err err;

	err = file_mkdir(logdir->path);
	if (err == ERR_OK)
		err = file_sync_parent(logdir->path);
	if (err == ERR_OK || err == ERR_EXISTS)
		err = logdir_lock(logdir->path, &logdir->lock_fd);
	if (err == ERR_OK)
		err = logdir_read_checkpoint(logdir, CHECKPOINT_RECOVERY_POINT,
					     &logdir->recovery_points);
	if (err == ERR_OK)
		err = logdir_read_checkpoint(logdir, CHECKPOINT_LOG_START, &logdir->log_starts);
	if (err == ERR_OK)
		err = logdir_read_checkpoint(logdir, CHECKPOINT_HIGH_WATERMARK,
					     &logdir->high_watermarks);
	if (err == ERR_OK)
		err = logdir_read_checkpoint(logdir, CHECKPOINT_CLEANER, &logdir->cleaned);
	return err;
}

/* With the working directory before it, no slash twice and none at the end. NULL: no memory. */
static char *logdir_absolute(const char *path)
{
	char *cwd = path[0] == '/' ? strdup("") : getcwd(NULL, 0), *absolute = NULL;
	size_t len = 0;

	if (cwd != NULL && asprintf(&absolute, "%s/%s", cwd, path) < 0)
		absolute = NULL;
	free(cwd);
	for (size_t i = 0; absolute != NULL && absolute[i] != '\0'; i++)
		if (absolute[i] != '/' || len == 0 || absolute[len - 1] != '/')
			absolute[len++] = absolute[i];
	if (len > 1 && absolute[len - 1] == '/')
		len--;
	if (absolute != NULL)
		absolute[len] = '\0';
	return absolute;
}

static struct logdir *logdir_new(const char *path)
{
	struct logdir *logdir = calloc(1, sizeof(*logdir));

	if (logdir == NULL)
		return NULL;
	logdir->lock_fd = -1;
	logdir->broker_epoch = -1;
	logdir->path = strdup(path);
	logdir->absolute = logdir_absolute(path);
	if (logdir->path == NULL || logdir->absolute == NULL) {
		logdir_close(logdir);
		return NULL;
	}
	return logdir;
}

enum err logdir_open(struct logdir **logdir, const char *path)
{
	enum err err;

	*logdir = logdir_new(path);
	if (*logdir == NULL)
		return ERR_NOMEM;
	err = logdir_begin(*logdir);
	if (err != ERR_OK) {
		logdir_close(*logdir);
		*logdir = NULL;
	}
	return err;
}

struct logdir *logdir_new_failed(const char *path)
{
	struct logdir *logdir = logdir_new(path);

	if (logdir != NULL)
		logdir->failed = logdir->told = true;
	return logdir;
}

void logdir_close(struct logdir *logdir)
{
	if (logdir == NULL)
		return;
	checkpoint_fini(&logdir->recovery_points);
	checkpoint_fini(&logdir->log_starts);
	checkpoint_fini(&logdir->high_watermarks);
	checkpoint_fini(&logdir->cleaned);
	file_close(logdir->lock_fd);
	free(logdir->path);
	free(logdir->absolute);
	free(logdir);
}

void logdir_forget_offsets(struct logdir *logdir)
{
	checkpoint_fini(&logdir->recovery_points);
	checkpoint_fini(&logdir->log_starts);
	checkpoint_fini(&logdir->high_watermarks);
}

/* -- Failure -------------------------------------------------------------------------------- */

static void logdir_deliver_failed(struct mail *mail)
{
	struct logdir *logdir = container_of(mail, struct logdir, failed_mail);

	logdir->on_failed(logdir->ctx, logdir);
}

static void logdir_tell(struct logdir *logdir)
{
	if (!atomic_load(&logdir->failed) || !atomic_load(&logdir->watched) ||
	    atomic_exchange(&logdir->told, true))
		return;
	logdir->failed_mail = (struct mail){.deliver = logdir_deliver_failed};
	loop_post(logdir->watcher, &logdir->failed_mail);
}

bool logdir_failed(const struct logdir *logdir)
{
	return atomic_load_explicit(&logdir->failed, memory_order_relaxed);
}

void logdir_fail(struct logdir *logdir, enum err err, const char *doing)
{
	if (atomic_exchange(&logdir->failed, true))
		return;
	log_error("store", "log directory %s has failed: cannot %s: %s; it is offline from now on",
		  logdir->path, doing, err_text(err));
	logdir_tell(logdir);
}

void logdir_watch(struct logdir *logdir, struct loop *loop,
		  void (*on_failed)(void *ctx, struct logdir *logdir), void *ctx)
{
	logdir->watcher = loop;
	logdir->on_failed = on_failed;
	logdir->ctx = ctx;
	atomic_store(&logdir->watched, true);
	logdir_tell(logdir);
}

/* -- The mark of a clean stop --------------------------------------------------------------- */

/* {"version":0,"brokerEpoch":N}; the older form, and an empty file, have no epoch. */
static int64_t logdir_parse_mark(struct str text)
{
	static const char field[] = "\"brokerEpoch\"";
	const char *at = memmem(text.ptr, text.len, field, strlen(field));
	struct str number;
	int64_t epoch;

	if (at == NULL)
		return -1;
	number.ptr = at + strlen(field);
	number.len = (size_t)(text.ptr + text.len - number.ptr);
	number = str_trim(number);
	if (number.len == 0 || number.ptr[0] != ':')
		return -1;
	number = str_trim((struct str){number.ptr + 1, number.len - 1});
	for (size_t i = 0; i < number.len; i++)
		if (strchr(",} \t\r\n", number.ptr[i]) != NULL)
			number.len = i;
	return str_to_int64(number, &epoch) && epoch >= 0 ? epoch : -1;
}

enum err logdir_take_clean_mark(struct logdir *logdir)
{
	char *path = file_path(logdir->path, LOGDIR_CLEAN_MARK), *text;
	size_t len_bytes;
	enum err err;

	if (path == NULL)
		return ERR_NOMEM;
	err = file_read_all(path, LOGDIR_MARK_BYTES_MAX, &text, &len_bytes);
	logdir->clean = err == ERR_OK || err == ERR_BADFILE;
	if (err == ERR_OK)
		logdir->broker_epoch = logdir_parse_mark((struct str){text, len_bytes});
	free(text);
	if (logdir->clean) {
		err = file_unlink(path);
		if (err == ERR_OK)
			err = file_sync_dir(logdir->path);
	}
	free(path);
	return err == ERR_NOFILE ? ERR_OK : err;
}

enum err logdir_put_clean_mark(struct logdir *logdir, int64_t broker_epoch)
{
	char *path = file_path(logdir->path, LOGDIR_CLEAN_MARK), text[64];
	enum err err;
	int len;

	if (path == NULL)
		return ERR_NOMEM;
	len = snprintf(text, sizeof(text), "{\"version\":0,\"brokerEpoch\":%lld}",
		       (long long)broker_epoch);
	err = file_replace(path, (struct bytes){(uint8_t *)text, (size_t)len}, true);
	free(path);
	return err;
}

/* -- Names ---------------------------------------------------------------------------------- */

/* Cuts "<.hex>-suffix" off a name; false when it does not end so. */
static bool logdir_cut_suffix(struct str *name, struct str suffix)
{
	const char *dot;

	if (name->len <= suffix.len ||
	    memcmp(name->ptr + name->len - suffix.len, suffix.ptr, suffix.len) != 0)
		return false;
	dot = memrchr(name->ptr, '.', name->len - suffix.len);
	if (dot == NULL)
		return false;
	name->len = (size_t)(dot - name->ptr);
	return true;
}

/* A name that was too long for its suffix has been cut, partition number and all. */
static bool logdir_parse_cut(struct str name, struct str *topic, int32_t *partition)
{
	*topic = name;
	*partition = -1;
	return name.len > 0;
}

static bool logdir_parse_plain(struct str name, struct str *topic, int32_t *partition)
{
	const char *dash = memrchr(name.ptr, '-', name.len);
	struct str number;
	int64_t value;

	if (dash == NULL || dash == name.ptr)
		return false;
	number.ptr = dash + 1;
	number.len = (size_t)(name.ptr + name.len - number.ptr);
	if (number.len == 0 || number.ptr[0] < '0' || number.ptr[0] > '9' ||
	    !str_to_int64(number, &value) || value > INT32_MAX)
		return false;
	*topic = (struct str){name.ptr, (size_t)(dash - name.ptr)};
	*partition = (int32_t)value;
	return true;
}

bool logdir_parse_name(struct str name, enum logdir_kind *kind, struct str *topic,
		       int32_t *partition)
{
	if (name.len == 0 || name.ptr[0] == '.')
		return false;
	if (logdir_cut_suffix(&name, STR("-delete"))) {
		*kind = LOGDIR_DELETED;
		return logdir_parse_plain(name, topic, partition) ||
		       logdir_parse_cut(name, topic, partition);
	}
	*kind = LOGDIR_PARTITION;
	if (logdir_cut_suffix(&name, STR("-future")))
		*kind = LOGDIR_FUTURE;
	else if (logdir_cut_suffix(&name, STR("-stray")))
		*kind = LOGDIR_STRAY;
	return logdir_parse_plain(name, topic, partition);
}

enum err logdir_list(const struct logdir *logdir, struct logdir_entry **entries,
		     size_t *entries_len)
{
	char **names;
	size_t names_len;
	enum err err;

	*entries_len = 0;
	*entries = NULL;
	err = file_list_dirs(logdir->path, &names, &names_len);
	if (err != ERR_OK)
		return err;
	*entries = calloc(names_len + 1, sizeof(**entries));
	for (size_t i = 0; i < names_len && *entries != NULL; i++) {
		struct logdir_entry *entry = &(*entries)[*entries_len];

		if (!logdir_parse_name(str_of(names[i]), &entry->kind, &entry->topic,
				       &entry->partition))
			continue;
		entry->name = names[i];
		names[i] = NULL; /* taken */
		(*entries_len)++;
	}
	file_list_free(names, names_len);
	return *entries != NULL ? ERR_OK : ERR_NOMEM;
}

void logdir_list_free(struct logdir_entry *entries, size_t entries_len)
{
	for (size_t i = 0; i < entries_len; i++)
		free(entries[i].name);
	free(entries);
}

enum err logdir_read_topic_id(const char *partition_dir, struct uuid *topic_id)
{
	return partition_metadata_read(partition_dir, topic_id);
}

/* -- Checkpoints and syncs ------------------------------------------------------------------ */

static enum err logdir_write_checkpoint(const struct logdir *logdir, const char *name,
					const struct checkpoint_entry *entries, size_t len)
{
	char *path;
	enum err err;

	if (entries == NULL)
		return ERR_OK;
	path = file_path(logdir->path, name);
	if (path == NULL)
		return ERR_NOMEM;
	err = checkpoint_write(path, entries, len);
	free(path);
	return err;
}

enum err logdir_checkpoint(struct logdir *logdir, const struct logdir_checkpoints *checkpoints)
{
	enum err err;

	err =
	    logdir_write_checkpoint(logdir, CHECKPOINT_RECOVERY_POINT, checkpoints->recovery_points,
				    checkpoints->recovery_points_len);
	if (err == ERR_OK)
		err = logdir_write_checkpoint(logdir, CHECKPOINT_LOG_START, checkpoints->log_starts,
					      checkpoints->log_starts_len);
	if (err == ERR_OK)
		err = logdir_write_checkpoint(logdir, CHECKPOINT_HIGH_WATERMARK,
					      checkpoints->high_watermarks,
					      checkpoints->high_watermarks_len);
	return err;
}

enum err logdir_sync(struct logdir *logdir)
{
	return file_sync_dir(logdir->path);
}

enum err logdir_sync_all(struct logdir *logdir)
{
	if (logdir_failed(logdir))
		return ERR_KAFKA_STORAGE_ERROR;
	return file_sync_fs(logdir->lock_fd);
}
