/*
 * Files: whole reads and writes, durable replacement, and a hook through which tests make any call
 * fail, stop or be seen. Every file call of store, record and meta goes through here.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/str.h"

/*
 * The fault hook: asked before each call with its name ("open", "pwrite", "fdatasync", "rename",
 * ...) and path or NULL. Returns 0 to go on, or an errno that the call then fails with. Set before
 * threads start, by tests only; it must be thread-safe itself.
 */
typedef int (*file_fault_fn)(const char *call, const char *path);
void file_set_fault(file_fault_fn fault);

enum err file_open(const char *path, int flags,
		   int *fd) must_check; /* O_CLOEXEC added, mode 0644 */
void file_close(int fd);

/* All bytes or an error; never partly done without an error. After one the caller cuts back. */
enum err file_pwrite(int fd, const void *data, size_t len_bytes, off_t pos) must_check;
/*
 * The iovecs are used up (changed). At most IOV_MAX are written in one call, any number is taken.
 */
enum err file_pwritev(int fd, struct iovec *iov, size_t iov_len, off_t pos) must_check;
/* Up to len bytes; *got is less only at the end of the file. */
enum err file_pread(int fd, void *data, size_t len_bytes, off_t pos, size_t *got) must_check;

/*
 * May file_pread wait for the disk on this thread? So it is on every thread at first. A loop says
 * no around its reads; what is not in the page cache is then ERR_COLD, and a worker's business. A
 * scope of the thread, because these reads are many calls deep in code that both use. Returns what
 * it was, to be set again. A file system that cannot tell is read as if all were cached.
 */
bool file_set_waits(bool waits);
/*
 * Is some of the range not in the page cache? Looks at one byte in 128 KB: a hint. False when the
 * file system cannot tell.
 */
bool file_is_cold(int fd, off_t pos, size_t len_bytes);
/* Brings the range into the page cache, and sets the disk to what follows; waits for the disk. The
 * end of the file may come sooner. */
enum err file_warm(int fd, off_t pos, size_t len_bytes) must_check;

enum err file_size(int fd, off_t *size) must_check;
enum err file_truncate(int fd, off_t size) must_check;
/* fdatasync. ERR_IO whatever it fails with: a failed sync is final, and is not tried again. */
enum err file_sync(int fd) must_check;
/* Takes space for [pos, pos + len) and leaves the size as it is: writes there find it. Not every
 * file system can. */
enum err file_reserve(int fd, off_t pos, off_t len_bytes) must_check;
/* syncfs: the whole file system that the open file is on. */
enum err file_sync_fs(int fd) must_check;

enum err file_rename(const char *from, const char *to) must_check;
enum err file_unlink(const char *path) must_check; /* ERR_NOFILE if there is none */
enum err file_mkdir(const char *path) must_check;  /* ERR_EXISTS if there is one */
enum err file_rmdir(const char *path) must_check;
/* Makes names in a directory durable. ERR_IO: the sync failed; others: it could not be begun. */
enum err file_sync_dir(const char *dir) must_check;
/* The same for the directory that holds this path. */
enum err file_sync_parent(const char *path) must_check;
bool file_exists(const char *path);
/* The file system that holds the path: what is free to us, and how large it is. */
enum err file_free(const char *path, int64_t *free_bytes, int64_t *total_bytes) must_check;

/* A whole small file, malloc'd, NUL behind it. ERR_BADFILE when larger than cap_bytes. */
enum err file_read_all(const char *path, size_t cap_bytes, char **data,
		       size_t *len_bytes) must_check;
/*
 * Replaces a small file: writes path.tmp, and renames it over path. With durable set the file is
 * synced before and its directory after the rename.
 */
enum err file_replace(const char *path, struct bytes content, bool durable) must_check;
/* The same with its content synced but not its name: until the directory is synced, the old file
 * may come back, whole. */
enum err file_replace_unlisted(const char *path, struct bytes content) must_check;

/* Names in a directory but "." and "..", sorted, malloc'd array of malloc'd strings. */
enum err file_list(const char *dir, char ***names, size_t *names_len) must_check;
/* Of these, the directories (and links to such). */
enum err file_list_dirs(const char *dir, char ***names, size_t *names_len) must_check;
void file_list_free(char **names, size_t names_len);

/* Removes a directory and what is in it, one level deep (a partition directory is flat). */
enum err file_remove_dir(const char *dir) must_check;

/* dir + "/" + name, malloc'd. NULL when memory is out. */
char *file_path(const char *dir, const char *name);

#endif
