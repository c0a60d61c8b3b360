/* Files under tests/golden/meta, and scratch directories. */
#ifndef TESTS_META_GOLDEN_H
#define TESTS_META_GOLDEN_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

static inline void golden_path(char path[512], const char *name)
{
	const char *srcdir = getenv("srcdir");

	snprintf(path, 512, "%s/tests/golden/meta/%s", srcdir != NULL ? srcdir : "..", name);
}

/* malloc'd */
static inline char *golden_read(const char *name, size_t *len)
{
	char path[512], *data;

	golden_path(path, name);
	assert_int_equal(file_read_all(path, 1 << 20, &data, len), ERR_OK);
	return data;
}

static inline void scratch_make(char dir[64])
{
	snprintf(dir, 64, "/tmp/barnabas-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static inline void scratch_remove(const char *dir)
{
	char **names;
	size_t names_len;

	assert_int_equal(file_list(dir, &names, &names_len), ERR_OK);
	for (size_t i = 0; i < names_len; i++) {
		char *path = file_path(dir, names[i]);

		if (file_unlink(path) != ERR_OK)
			assert_int_equal(file_remove_dir(path), ERR_OK);
		free(path);
	}
	file_list_free(names, names_len);
	assert_int_equal(file_rmdir(dir), ERR_OK);
}

static inline void scratch_copy(const char *golden, const char *dir, const char *name)
{
	size_t len;
	char *data = golden_read(golden, &len), *path = file_path(dir, name);

	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)data, len}, false),
			 ERR_OK);
	free(path);
	free(data);
}

#endif
