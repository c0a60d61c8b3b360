/* File calls: complete or failed, never half done; each asks the fault hook first. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FILE_PROBE_BYTES ((size_t)128 << 10)
#define FILE_AHEAD_BYTES ((size_t)4 << 20)

static file_fault_fn file_fault;

void file_set_fault(file_fault_fn fault)
{
	file_fault = fault;
}

/* True when the hook lets the call go on; else errno is set. */
static bool file_may(const char *call, const char *path)
{
	int fault = file_fault != NULL ? file_fault(call, path) : 0;

	if (fault != 0)
		errno = fault;
	return fault == 0;
}

/* The same for an open file; its path is looked up for the hook's sake alone. */
static bool file_may_fd(const char *call, int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t len;

	if (file_fault == NULL)
		return true;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	return file_may(call, len > 0 ? path : NULL);
}

static enum err file_result(int status)
{
	return status == 0 ? ERR_OK : err_errno(errno);
}

enum err file_open(const char *path, int flags, int *fd)
{
	*fd = file_may("open", path) ? open(path, flags | O_CLOEXEC, 0644) : -1;
	return *fd >= 0 ? ERR_OK : err_errno(errno);
}

void file_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

enum err file_pwrite(int fd, const void *data, size_t len_bytes, off_t pos)
{
	struct iovec iov = {(void *)(uintptr_t)data, len_bytes};
	return file_pwritev(fd, &iov, 1, pos);
}

/* Steps over what was written; an iovec written in part is cut at its front. */
static void file_iov_skip(struct iovec **iov, size_t *iov_len, size_t done_bytes)
{
	while (*iov_len > 0 && done_bytes >= (*iov)->iov_len) {
		done_bytes -= (*iov)->iov_len;
		(*iov)++;
		(*iov_len)--;
	}
	if (done_bytes > 0) {
		must(*iov_len > 0);
		(*iov)->iov_base = (char *)(*iov)->iov_base + done_bytes;
		(*iov)->iov_len -= done_bytes;
	}
}

enum err file_pwritev(int fd, struct iovec *iov, size_t iov_len, off_t pos)
{
	file_iov_skip(&iov, &iov_len, 0);
	while (iov_len > 0) {
		ssize_t done = -1;

		if (file_may_fd("pwrite", fd))
			done = pwritev(fd, iov, iov_len < IOV_MAX ? (int)iov_len : IOV_MAX, pos);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done == 0 ? ERR_NOSPACE : err_errno(errno);
		pos += done;
		file_iov_skip(&iov, &iov_len, (size_t)done);
	}
	return ERR_OK;
}

/* The one exception to "no global state": see file_set_waits. */
static _Thread_local bool file_hurries;

bool file_set_waits(bool waits)
{
	bool before = !file_hurries;

	file_hurries = !waits;
	return before;
}

/* As pread, but EAGAIN in place of waiting for the disk. */
static ssize_t file_peek(int fd, void *data, size_t len_bytes, off_t pos)
{
	struct iovec iov = {data, len_bytes};

	return file_may_fd("preadv2", fd) ? preadv2(fd, &iov, 1, pos, RWF_NOWAIT) : -1;
}

static ssize_t file_pread_some(int fd, void *data, size_t len_bytes, off_t pos)
{
	if (file_hurries) {
		ssize_t done = file_peek(fd, data, len_bytes, pos);

		if (done >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
			return done;
	}
	return file_may_fd("pread", fd) ? pread(fd, data, len_bytes, pos) : -1;
}

enum err file_pread(int fd, void *data, size_t len_bytes, off_t pos, size_t *got)
{
	*got = 0;
	while (*got < len_bytes) {
		ssize_t done =
		    file_pread_some(fd, (char *)data + *got, len_bytes - *got, pos + (off_t)*got);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			return ERR_COLD;
		if (done < 0)
			return err_errno(errno);
		if (done == 0)
			break;
		*got += (size_t)done;
	}
	return ERR_OK;
}

bool file_is_cold(int fd, off_t pos, size_t len_bytes)
{
	uint8_t byte;

	for (size_t at = 0; at < len_bytes; at += FILE_PROBE_BYTES)
		if (file_peek(fd, &byte, 1, pos + (off_t)at) < 0 && errno == EAGAIN)
			return true;
	return len_bytes > 1 && file_peek(fd, &byte, 1, pos + (off_t)len_bytes - 1) < 0 &&
	       errno == EAGAIN;
}

enum err file_warm(int fd, off_t pos, size_t len_bytes)
{
	uint8_t *scratch = malloc(FILE_PROBE_BYTES);
	enum err err = scratch != NULL ? ERR_OK : ERR_NOMEM;
	size_t got = FILE_PROBE_BYTES;
	size_t ahead = len_bytes < FILE_AHEAD_BYTES ? len_bytes : FILE_AHEAD_BYTES;

	/*
	 * The disk works ahead of the reads, which are what waits; and on what follows, while this
	 * is sent: who reads old data mostly goes on.
	 */
	(void)posix_fadvise(fd, pos, (off_t)(len_bytes + ahead), POSIX_FADV_WILLNEED);
	for (size_t at = 0; err == ERR_OK && at < len_bytes && got > 0; at += FILE_PROBE_BYTES) {
		size_t left = len_bytes - at;

		err = file_pread(fd, scratch, left < FILE_PROBE_BYTES ? left : FILE_PROBE_BYTES,
				 pos + (off_t)at, &got);
	}
	free(scratch);
	return err;
}

enum err file_size(int fd, off_t *size)
{
	struct stat st = {0};
	int status = file_may_fd("fstat", fd) ? fstat(fd, &st) : -1;

	*size = st.st_size;
	return file_result(status);
}

enum err file_truncate(int fd, off_t size)
{
	return file_result(file_may_fd("ftruncate", fd) ? ftruncate(fd, size) : -1);
}

enum err file_sync(int fd)
{
	/* ENOSPC, too: what could not be written is dropped by the kernel. */
	return file_may_fd("fdatasync", fd) && fdatasync(fd) == 0 ? ERR_OK : ERR_IO;
}

enum err file_sync_fs(int fd)
{
	return file_may_fd("syncfs", fd) && syncfs(fd) == 0 ? ERR_OK : ERR_IO;
}

enum err file_reserve(int fd, off_t pos, off_t len_bytes)
{
	return file_result(
	    file_may("fallocate", NULL) ? fallocate(fd, FALLOC_FL_KEEP_SIZE, pos, len_bytes) : -1);
}

enum err file_rename(const char *from, const char *to)
{
	return file_result(file_may("rename", to) ? rename(from, to) : -1);
}

enum err file_unlink(const char *path)
{
	return file_result(file_may("unlink", path) ? unlink(path) : -1);
}

enum err file_mkdir(const char *path)
{
	return file_result(file_may("mkdir", path) ? mkdir(path, 0755) : -1);
}

enum err file_rmdir(const char *path)
{
	return file_result(file_may("rmdir", path) ? rmdir(path) : -1);
}

enum err file_sync_dir(const char *dir)
{
	enum err err;
	int fd;

	err = file_open(dir, O_RDONLY | O_DIRECTORY, &fd);
	if (err != ERR_OK)
		return err;
	err = file_may("fsync", dir) && fsync(fd) == 0 ? ERR_OK : ERR_IO;
	file_close(fd);
	return err;
}

enum err file_free(const char *path, int64_t *free_bytes, int64_t *total_bytes)
{
	struct statvfs vfs = {0};
	enum err err = file_result(file_may("statvfs", path) ? statvfs(path, &vfs) : -1);

	*free_bytes = (int64_t)(vfs.f_bavail * vfs.f_frsize);
	*total_bytes = (int64_t)(vfs.f_blocks * vfs.f_frsize);
	return err;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static enum err file_read_open(int fd, size_t cap_bytes, char **data, size_t *len_bytes)
{
	enum err err;
	off_t size;

	err = file_size(fd, &size);
	if (err != ERR_OK)
		return err;
	if (size < 0 || (uint64_t)size > cap_bytes)
		return ERR_BADFILE;
	*data = malloc((size_t)size + 1);
	if (*data == NULL)
		return ERR_NOMEM;
	err = file_pread(fd, *data, (size_t)size, 0, len_bytes);
	if (err != ERR_OK) {
		free(*data);
		*data = NULL;
		*len_bytes = 0;
		return err;
	}
	(*data)[*len_bytes] = '\0';
	return ERR_OK;
}

enum err file_read_all(const char *path, size_t cap_bytes, char **data, size_t *len_bytes)
{
	enum err err;
	int fd;

	*data = NULL;
	*len_bytes = 0;
	err = file_open(path, O_RDONLY, &fd);
	if (err != ERR_OK)
		return err;
	err = file_read_open(fd, cap_bytes, data, len_bytes);
	file_close(fd);
	return err;
}

enum err file_sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL   ? strdup(".")
		    : slash == path ? strdup("/")
				    : strndup(path, (size_t)(slash - path));
	enum err err;

	if (dir == NULL)
		return ERR_NOMEM;
	err = file_sync_dir(dir);
	free(dir);
	return err;
}

static enum err file_write_new(const char *path, struct bytes content, bool durable)
{
	enum err err;
	int fd;

	err = file_open(path, O_WRONLY | O_CREAT | O_TRUNC, &fd);
	if (err != ERR_OK)
		return err;
	err = file_pwrite(fd, content.ptr, content.len, 0);
	if (err == ERR_OK && durable)
		err = file_sync(fd);
	file_close(fd);
	return err;
}

static enum err file_write_over(const char *path, struct bytes content, bool sync)
{
	char temp[PATH_MAX];
	enum err err;

	if ((size_t)snprintf(temp, sizeof(temp), "%s.tmp", path) >= sizeof(temp))
		return ERR_IO;
	err = file_write_new(temp, content, sync);
	if (err == ERR_OK)
		return file_rename(temp, path);
	if (file_unlink(temp) != ERR_OK)
		return err; /* it stays, until the next replacement takes the name */
	return err;
}

enum err file_replace(const char *path, struct bytes content, bool durable)
{
	enum err err = file_write_over(path, content, durable);

	return err == ERR_OK && durable ? file_sync_parent(path) : err;
}

enum err file_replace_unlisted(const char *path, struct bytes content)
{
	return file_write_over(path, content, true);
}

static int file_name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Room for one more name: the array's size is the power of two at or over its length. */
static enum err file_list_add(char ***names, size_t *len, const char *name)
{
	if ((*len & (*len - 1)) == 0) {
		char **more = realloc(*names, (*len == 0 ? 1 : *len * 2) * sizeof(*more));
		if (more == NULL)
			return ERR_NOMEM;
		*names = more;
	}
	(*names)[*len] = strdup(name);
	if ((*names)[*len] == NULL)
		return ERR_NOMEM;
	(*len)++;
	return ERR_OK;
}

/* The listing itself mostly tells, without a look at each. */
static bool file_entry_is_dir(DIR *stream, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
		return entry->d_type == DT_DIR;
	if (fstatat(dirfd(stream), entry->d_name, &st, 0) == 0)
		return S_ISDIR(st.st_mode);
	errno = 0; /* gone, or a link to nowhere */
	return false;
}

static enum err file_list_some(const char *dir, bool dirs_only, char ***names, size_t *names_len)
{
	DIR *stream = file_may("opendir", dir) ? opendir(dir) : NULL;
	enum err err = ERR_OK;
	struct dirent *entry;

	*names = NULL;
	*names_len = 0;
	if (stream == NULL)
		return err_errno(errno);
	errno = 0;
	while (err == ERR_OK && (entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    (!dirs_only || file_entry_is_dir(stream, entry)))
			err = file_list_add(names, names_len, entry->d_name);
	if (err == ERR_OK && errno != 0)
		err = err_errno(errno);
	closedir(stream);
	if (err != ERR_OK) {
		file_list_free(*names, *names_len);
		*names = NULL;
		*names_len = 0;
	} else if (*names_len > 0) {
		qsort(*names, *names_len, sizeof(**names), file_name_cmp);
	}
	return err;
}

enum err file_list(const char *dir, char ***names, size_t *names_len)
{
	return file_list_some(dir, false, names, names_len);
}

enum err file_list_dirs(const char *dir, char ***names, size_t *names_len)
{
	return file_list_some(dir, true, names, names_len);
}

void file_list_free(char **names, size_t names_len)
{
	for (size_t i = 0; i < names_len; i++)
		free(names[i]);
	free(names);
}

enum err file_remove_dir(const char *dir)
{
	char **names;
	size_t names_len;
	enum err err;

	err = file_list(dir, &names, &names_len);
	for (size_t i = 0; err == ERR_OK && i < names_len; i++) {
		char *path = file_path(dir, names[i]);
		err = path != NULL ? file_unlink(path) : ERR_NOMEM;
		free(path);
		if (err == ERR_NOFILE)
			err = ERR_OK;
	}
	file_list_free(names, names_len);
	return err == ERR_OK ? file_rmdir(dir) : err;
}

char *file_path(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return NULL;
	return path;
}
