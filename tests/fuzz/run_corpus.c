/*
 * Stands in for libFuzzer in builds without it: runs a fuzz target on every file of its corpus, so
 * that what was once found stays fixed. The corpus is $srcdir/tests/fuzz/corpus/<target>, or the
 * folders and files named as arguments.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t runs;

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	if (f == NULL || fstat(fileno(f), &st) != 0 || st.st_size > FILE_BYTES_MAX) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(1);
	}
	uint8_t *data = malloc((size_t)st.st_size + 1);
	size_t len = fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	/* Its own block of the right size, so that the address sanitizer sees a step too far. */
	data = realloc(data, len > 0 ? len : 1);
	fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput(data, len);
	free(data);
	runs++;
}

static void run_path(const char *path)
{
	DIR *dir = opendir(path);
	char file[4096];
	if (dir == NULL) {
		run_file(path);
		return;
	}
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			run_file(file);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir"), *slash = strrchr(argv[0], '/');
	char path[4096];
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".",
		 slash != NULL ? slash + 1 : argv[0]);
	if (argc < 2)
		run_path(path);
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%zu files\n", runs);
	return runs > 0 ? 0 : 1;
}
