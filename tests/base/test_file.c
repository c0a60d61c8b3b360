/* Files: whole writes, durable replacement, lists, and the fault hook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static char dir[] = "/tmp/barnabas-file-XXXXXX";
static const char *fail_call;
static int fail_errno;

static int fail_some(const char *call, const char *path)
{
	return fail_call != NULL && strcmp(call, fail_call) == 0 ? fail_errno : 0;
}

static int make_dir(void **state)
{
	file_set_fault(fail_some);
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
	fail_call = NULL;
	return file_remove_dir(dir) == ERR_OK ? 0 : -1;
}

static void replaces_and_reads_back(void **state)
{
	char *path = file_path(dir, "small"), *data;
	size_t len;

	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"one", 3}, true), 0);
	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"two!", 4}, true), 0);
	assert_int_equal(file_read_all(path, 100, &data, &len), ERR_OK);
	assert_int_equal(len, 4);
	assert_string_equal(data, "two!");
	free(data);
	assert_int_equal(file_read_all(path, 3, &data, &len), ERR_BADFILE);
	free(path);
}

static void a_read_that_may_not_wait_finds_cold_bytes(void **state)
{
	char *path = file_path(dir, "cold");
	uint8_t bytes[8];
	size_t got;
	int fd;

	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"content", 7}, true),
			 0);
	assert_int_equal(file_open(path, O_RDONLY, &fd), ERR_OK);
	fail_call = "preadv2";
	fail_errno = EAGAIN;
	assert_true(file_set_waits(false));
	assert_int_equal(file_pread(fd, bytes, 7, 0, &got), ERR_COLD);
	assert_true(file_is_cold(fd, 0, 7));
	assert_int_equal(got, 0);
	assert_false(file_set_waits(true));
	assert_int_equal(file_pread(fd, bytes, 7, 0, &got), ERR_OK);
	fail_call = NULL;
	assert_int_equal(file_warm(fd, 0, 7), ERR_OK);
	/* It says no, or that it cannot tell: */
	assert_false(file_is_cold(fd, 0, 7));
	file_close(fd);
	free(path);
}

static void without_help_of_the_file_system_all_counts_as_cached(void **state)
{
	char *path = file_path(dir, "plain");
	uint8_t bytes[8];
	size_t got;
	int fd;

	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"content", 7}, true),
			 0);
	assert_int_equal(file_open(path, O_RDONLY, &fd), ERR_OK);
	fail_call = "preadv2";
	fail_errno = EOPNOTSUPP;
	file_set_waits(false);
	assert_int_equal(file_pread(fd, bytes, 8, 0, &got), ERR_OK);
	assert_int_equal(got, 7);
	assert_false(file_is_cold(fd, 0, 7));
	file_set_waits(true);
	fail_call = NULL;
	file_close(fd);
	free(path);
}

static void a_replacement_that_fails_leaves_the_old_file(void **state)
{
	static const char *const calls[] = {"open", "pwrite", "fdatasync", "rename"};
	char *path = file_path(dir, "kept"), *data;
	size_t len;

	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"old", 3}, true), 0);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		fail_call = calls[i];
		fail_errno = ENOSPC;
		assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"new", 3},
					      true),
				 strcmp(calls[i], "fdatasync") == 0 ? ERR_IO : ERR_NOSPACE);
		fail_call = NULL;
		assert_int_equal(file_read_all(path, 100, &data, &len), ERR_OK);
		assert_string_equal(data, "old");
		free(data);
	}
	free(path);
}

static void writes_more_vectors_than_one_call_takes(void **state)
{
	enum { VECTORS = 3000 };
	struct iovec *iov = calloc(VECTORS, sizeof(*iov));
	char *path = file_path(dir, "vectors"), back[VECTORS];
	size_t got;
	int fd;

	for (size_t i = 0; i < VECTORS; i++)
		iov[i] = (struct iovec){(char *)(uintptr_t)("0123456789" + i % 10), 1};
	assert_int_equal(file_open(path, O_RDWR | O_CREAT, &fd), ERR_OK);
	assert_int_equal(file_pwritev(fd, iov, VECTORS, 0), ERR_OK);
	assert_int_equal(file_pread(fd, back, sizeof(back), 0, &got), ERR_OK);
	assert_int_equal(got, VECTORS);
	for (size_t i = 0; i < VECTORS; i++)
		assert_int_equal(back[i], '0' + (int)(i % 10));
	assert_int_equal(file_pread(fd, back, sizeof(back), VECTORS - 5, &got), ERR_OK);
	assert_int_equal(got, 5);
	file_close(fd);
	free(iov);
	free(path);
}

static void lists_sorted_names(void **state)
{
	char *sub = file_path(dir, "sub"), **names;
	size_t len;

	assert_int_equal(file_mkdir(sub), ERR_OK);
	assert_int_equal(file_mkdir(sub), ERR_EXISTS);
	for (int i = 9; i >= 0; i--) {
		char name[16], *path;
		snprintf(name, sizeof(name), "n%d", i);
		path = file_path(sub, name);
		assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"", 0}, false),
				 0);
		free(path);
	}
	assert_int_equal(file_list(sub, &names, &len), ERR_OK);
	assert_int_equal(len, 10);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(names[i][1], '0' + (int)i);
	file_list_free(names, len);
	assert_int_equal(file_remove_dir(sub), ERR_OK);
	assert_int_equal(file_list(sub, &names, &len), ERR_NOFILE);
	free(sub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(replaces_and_reads_back),
	    cmocka_unit_test(a_read_that_may_not_wait_finds_cold_bytes),
	    cmocka_unit_test(without_help_of_the_file_system_all_counts_as_cached),
	    cmocka_unit_test(a_replacement_that_fails_leaves_the_old_file),
	    cmocka_unit_test(writes_more_vectors_than_one_call_takes),
	    cmocka_unit_test(lists_sorted_names),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
