/* libc's file functions, entered into a journal and made to fail: see shim.h. */
#include "tests/power/shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/power/journal.h"

#define FDS_MAX 65536

static pthread_mutex_t shim_lock = PTHREAD_MUTEX_INITIALIZER;
static struct journal_head *shim_journal;
static char shim_root[PATH_MAX];
static size_t shim_root_len;
static bool shim_tracked[FDS_MAX]; /* a file or directory below root */
static shim_fault_fn shim_fault;
static unsigned shim_sync_max_us;
static uint64_t shim_random = 88172645463325252u;
static int64_t shim_sync_number;

__attribute__((noreturn)) static void shim_die(const char *what)
{
	fprintf(stderr, "shim: %s: %s\n", what, strerror(errno));
	abort();
}

/* -- the journal ------------------------------------------------------------------------------ */

static int64_t shim_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* With the lock. The event counts when used_bytes says so. */
static void shim_enter(struct journal_event event, const char *path, const void *data)
{
	uint64_t used;
	uint8_t *to;

	if (shim_journal == NULL)
		return;
	used = atomic_load(&shim_journal->used_bytes);
	event.path_len = path != NULL ? (uint32_t)strlen(path) : 0;
	event.size_bytes =
	    (uint32_t)((sizeof(event) + event.path_len + event.data_len + 7) & ~(size_t)7);
	event.time_ns = shim_now_ns();
	if (used + event.size_bytes > JOURNAL_BYTES_MAX)
		shim_die("the journal is full");
	to = (uint8_t *)shim_journal + used;
	memcpy(to, &event, sizeof(event));
	if (event.path_len > 0)
		memcpy(to + sizeof(event), path, event.path_len);
	if (event.data_len > 0)
		memcpy(to + sizeof(event) + event.path_len, data, event.data_len);
	atomic_store_explicit(&shim_journal->used_bytes, used + event.size_bytes,
			      memory_order_release);
}

static void shim_map(const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	void *map;

	if (fd < 0 || syscall(SYS_ftruncate, fd, (off_t)JOURNAL_BYTES_MAX) != 0)
		shim_die(path);
	map = mmap(NULL, JOURNAL_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		   0);
	if (map == MAP_FAILED)
		shim_die(path);
	syscall(SYS_close, fd);
	shim_journal = map;
	if (shim_journal->magic != JOURNAL_MAGIC) {
		shim_journal->magic = JOURNAL_MAGIC;
		shim_journal->used_bytes = sizeof(*shim_journal);
	}
}

void shim_begin(const char *journal, const char *root)
{
	pthread_mutex_lock(&shim_lock);
	shim_root_len = strlen(root);
	if (shim_root_len >= sizeof(shim_root))
		shim_die("the root's name is too long");
	memcpy(shim_root, root, shim_root_len + 1);
	shim_map(journal);
	memset(shim_tracked, 0, sizeof(shim_tracked));
	shim_sync_number = shim_now_ns(); /* not to be one of another life */
	shim_enter((struct journal_event){.kind = JOURNAL_LIFE}, NULL, NULL);
	pthread_mutex_unlock(&shim_lock);
}

void shim_end(void)
{
	pthread_mutex_lock(&shim_lock);
	if (shim_journal != NULL)
		munmap(shim_journal, JOURNAL_BYTES_MAX);
	shim_journal = NULL;
	shim_root_len = 0;
	pthread_mutex_unlock(&shim_lock);
}

void shim_set_sync_us(unsigned max_us)
{
	shim_sync_max_us = max_us;
}

void shim_note(const void *data, size_t len_bytes)
{
	pthread_mutex_lock(&shim_lock);
	shim_enter((struct journal_event){.kind = JOURNAL_NOTE, .data_len = (uint32_t)len_bytes},
		   NULL, data);
	pthread_mutex_unlock(&shim_lock);
}

void shim_set_fault(shim_fault_fn fault)
{
	shim_fault = fault;
}

__attribute__((constructor)) static void shim_from_environment(void)
{
	const char *journal = getenv("POWER_JOURNAL"), *root = getenv("POWER_ROOT"),
		   *sync_us = getenv("POWER_SYNC_US");

	if (journal == NULL || root == NULL)
		return;
	shim_random ^= (uint64_t)shim_now_ns();
	shim_set_sync_us(sync_us != NULL ? (unsigned)atoi(sync_us) : 0);
	shim_begin(journal, root);
}

/* -- what all calls share ---------------------------------------------------------------------- */

/* The path below root, or NULL. */
static const char *shim_below(const char *path)
{
	if (shim_root_len == 0 || path == NULL || strncmp(path, shim_root, shim_root_len) != 0)
		return NULL;
	path += shim_root_len;
	if (*path != '\0' && *path != '/')
		return NULL;
	while (*path == '/')
		path++;
	return path;
}

static bool shim_is_tracked(int fd)
{
	return fd >= 0 && fd < FDS_MAX && shim_tracked[fd];
}

static bool shim_may_of(const char *call, const char *path, size_t *len_bytes)
{
	int fault = shim_fault != NULL ? shim_fault(call, path, len_bytes) : 0;

	if (fault != 0)
		errno = fault;
	return fault == 0;
}

/* For calls that change nothing: asks under the lock. */
static bool shim_may(const char *call, const char *path)
{
	bool may;

	if (shim_fault == NULL)
		return true;
	pthread_mutex_lock(&shim_lock);
	may = shim_may_of(call, path, NULL);
	pthread_mutex_unlock(&shim_lock);
	return may;
}

/* -- open and close ------------------------------------------------------------------------ */

static int shim_open_raw(const char *path, int flags, mode_t mode, bool *created)
{
	int fd = -1;

	*created = false;
	if ((flags & O_CREAT) == 0)
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
	/* Is it new? Nobody else makes files here while we hold the lock. */
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_EXCL, mode);
	*created = fd >= 0;
	if (fd < 0 && errno == EEXIST && (flags & O_EXCL) == 0)
		fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags & ~O_CREAT, 0);
	return fd;
}

static int shim_open(const char *path, int flags, mode_t mode)
{
	const char *below = shim_below(path);
	bool created;
	int fd = -1;

	if (below == NULL)
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	pthread_mutex_lock(&shim_lock);
	if (shim_may_of("open", path, NULL))
		fd = shim_open_raw(path, flags, mode, &created);
	if (fd >= FDS_MAX)
		shim_die("too many descriptors");
	if (fd >= 0) {
		struct journal_event event = {.kind = JOURNAL_OPEN, .fd = fd};

		event.flags = (created ? JOURNAL_CREATED : 0) |
			      ((flags & O_TRUNC) != 0 ? JOURNAL_TRUNCATED : 0);
		shim_tracked[fd] = true;
		shim_enter(event, below, NULL);
	}
	pthread_mutex_unlock(&shim_lock);
	return fd;
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	return shim_open(path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return shim_open(path, flags, 0);
}

int close(int fd)
{
	int rc;

	if (!shim_is_tracked(fd))
		return (int)syscall(SYS_close, fd);
	pthread_mutex_lock(&shim_lock);
	shim_tracked[fd] = false;
	rc = (int)syscall(SYS_close, fd);
	pthread_mutex_unlock(&shim_lock);
	return rc;
}

DIR *opendir(const char *path)
{
	DIR *dir = NULL;
	int fd = -1;

	if (shim_below(path) == NULL || shim_may("opendir", path))
		fd =
		    (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd >= 0)
		dir = fdopendir(fd);
	return dir;
}

/* -- content ------------------------------------------------------------------------------- */

/* The first len_bytes of what the iovecs hold, in memory of its own. */
static uint8_t *shim_gather(const struct iovec *iov, int iov_len, size_t len_bytes)
{
	uint8_t *data = malloc(len_bytes + 1);
	size_t at = 0;

	if (data == NULL)
		shim_die("gather");
	for (int i = 0; i < iov_len && at < len_bytes; i++) {
		size_t take = iov[i].iov_len < len_bytes - at ? iov[i].iov_len : len_bytes - at;

		memcpy(data + at, iov[i].iov_base, take);
		at += take;
	}
	return data;
}

static size_t shim_sum(const struct iovec *iov, int iov_len)
{
	size_t sum = 0;

	for (int i = 0; i < iov_len; i++)
		sum += iov[i].iov_len;
	return sum;
}

ssize_t pwritev(int fd, const struct iovec *iov, int iov_len, off_t pos)
{
	size_t len_bytes;
	ssize_t done = -1;
	uint8_t *data;

	if (!shim_is_tracked(fd))
		return syscall(SYS_pwritev, fd, iov, iov_len, pos, 0);
	pthread_mutex_lock(&shim_lock);
	len_bytes = shim_sum(iov, iov_len);
	if (shim_may_of("pwritev", NULL, &len_bytes)) {
		data = shim_gather(iov, iov_len, len_bytes);
		done = syscall(SYS_pwrite64, fd, data, len_bytes, pos);
		if (done > 0)
			shim_enter((struct journal_event){.kind = JOURNAL_WRITE,
							  .fd = fd,
							  .pos = pos,
							  .data_len = (uint32_t)done},
				   NULL, data);
		free(data);
	}
	pthread_mutex_unlock(&shim_lock);
	return done;
}

ssize_t pwrite(int fd, const void *data, size_t len_bytes, off_t pos)
{
	struct iovec iov = {(void *)(uintptr_t)data, len_bytes};

	return pwritev(fd, &iov, 1, pos);
}

/* What the journal has no event for must not be done to these files. */
ssize_t write(int fd, const void *data, size_t len_bytes)
{
	if (shim_is_tracked(fd))
		shim_die("write() to a file: teach me");
	return syscall(SYS_write, fd, data, len_bytes);
}

int ftruncate(int fd, off_t size)
{
	int rc = -1;

	if (!shim_is_tracked(fd))
		return (int)syscall(SYS_ftruncate, fd, size);
	pthread_mutex_lock(&shim_lock);
	if (shim_may_of("ftruncate", NULL, NULL))
		rc = (int)syscall(SYS_ftruncate, fd, size);
	if (rc == 0)
		shim_enter((struct journal_event){.kind = JOURNAL_TRUNCATE, .fd = fd, .pos = size},
			   NULL, NULL);
	pthread_mutex_unlock(&shim_lock);
	return rc;
}

ssize_t pread(int fd, void *data, size_t len_bytes, off_t pos)
{
	if (shim_is_tracked(fd) && !shim_may("pread", NULL))
		return -1;
	return syscall(SYS_pread64, fd, data, len_bytes, pos);
}

int fstat(int fd, struct stat *st)
{
	if (shim_is_tracked(fd) && !shim_may("fstat", NULL))
		return -1;
	return (int)syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
}

int stat(const char *path, struct stat *st)
{
	if (shim_below(path) != NULL && !shim_may("stat", path))
		return -1;
	return (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, 0);
}

/* -- names --------------------------------------------------------------------------------- */

int rename(const char *from, const char *to)
{
	const char *below = shim_below(from), *below_to = shim_below(to);
	int rc = -1;

	if (below == NULL || below_to == NULL)
		return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	pthread_mutex_lock(&shim_lock);
	if (shim_may_of("rename", to, NULL))
		rc = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (rc == 0)
		shim_enter((struct journal_event){.kind = JOURNAL_RENAME,
						  .data_len = (uint32_t)strlen(below_to)},
			   below, below_to);
	pthread_mutex_unlock(&shim_lock);
	return rc;
}

/* A call on a path alone; for unlinkat the flags are the third argument, for mkdirat the mode. */
static int shim_name_call(const char *call, const char *path, enum journal_kind kind, long number,
			  unsigned third)
{
	const char *below = shim_below(path);
	int rc = -1;

	if (below == NULL)
		return (int)syscall(number, AT_FDCWD, path, third);
	pthread_mutex_lock(&shim_lock);
	if (shim_may_of(call, path, NULL))
		rc = (int)syscall(number, AT_FDCWD, path, third);
	if (rc == 0)
		shim_enter((struct journal_event){.kind = (uint16_t)kind}, below, NULL);
	pthread_mutex_unlock(&shim_lock);
	return rc;
}

int unlink(const char *path)
{
	return shim_name_call("unlink", path, JOURNAL_UNLINK, SYS_unlinkat, 0);
}

int rmdir(const char *path)
{
	return shim_name_call("rmdir", path, JOURNAL_RMDIR, SYS_unlinkat, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode)
{
	return shim_name_call("mkdir", path, JOURNAL_MKDIR, SYS_mkdirat, mode);
}

/* -- syncs --------------------------------------------------------------------------------- */

static unsigned shim_sync_wait_us(void)
{
	shim_random ^= shim_random << 13;
	shim_random ^= shim_random >> 7;
	shim_random ^= shim_random << 17;
	return shim_sync_max_us > 0 ? (unsigned)(shim_random % shim_sync_max_us) : 0;
}

/* The lock is let go while the disk is at work. A fault strikes at the end. */
static int shim_sync(const char *call, int fd, int covered_fd)
{
	struct journal_event event = {.kind = JOURNAL_SYNC_BEGIN, .fd = covered_fd};
	unsigned wait_us;
	int rc;

	if (!shim_is_tracked(fd))
		return 0;
	pthread_mutex_lock(&shim_lock);
	event.pos = ++shim_sync_number;
	shim_enter(event, NULL, NULL);
	wait_us = shim_sync_wait_us();
	pthread_mutex_unlock(&shim_lock);
	if (wait_us > 0)
		usleep(wait_us);
	pthread_mutex_lock(&shim_lock);
	rc = shim_may_of(call, NULL, NULL) ? 0 : -1;
	event.kind = rc == 0 ? JOURNAL_SYNC_END : JOURNAL_SYNC_FAILED;
	shim_enter(event, NULL, NULL);
	pthread_mutex_unlock(&shim_lock);
	return rc;
}

int fdatasync(int fd)
{
	return shim_sync("fdatasync", fd, fd);
}

int fsync(int fd)
{
	return shim_sync("fsync", fd, fd);
}

int syncfs(int fd)
{
	return shim_sync("syncfs", fd, -1);
}
