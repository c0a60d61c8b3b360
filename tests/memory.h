/* Where tests that sync a lot put their files: in memory, if there is room; a container may have
 * 64 MB of it. */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <sys/statvfs.h>
#include <unistd.h>

#define MEMORY_BYTES_MIN (512u << 20)

static inline const char *memory_dir(void)
{
	struct statvfs st;

	if (access("/dev/shm", W_OK) != 0 || statvfs("/dev/shm", &st) != 0 ||
	    (unsigned long long)st.f_bavail * st.f_frsize < MEMORY_BYTES_MIN)
		return "/tmp";
	return "/dev/shm";
}

#endif
