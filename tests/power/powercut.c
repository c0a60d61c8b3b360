/*
 * Writes out what a disk may hold after a power cut.
 *
 *	powercut JOURNAL BASE OUT LOSS SEED
 *
 * BASE is what the root held when the journal began ("-": nothing), OUT is made. LOSS: kill,
 *ordered or by-dir (disk.h). One line for each thing lost goes to standard output.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/power/disk.h"

static const uint8_t *map_journal(const char *path, size_t *used_bytes)
{
	int fd = open(path, O_RDONLY);
	const struct journal_head *head = MAP_FAILED;

	if (fd >= 0)
		head = mmap(NULL, JOURNAL_BYTES_MAX, PROT_READ, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED || (head->magic != JOURNAL_MAGIC && head->used_bytes != 0)) {
		fprintf(stderr, "powercut: cannot read %s\n", path);
		exit(1);
	}
	close(fd);
	/* It may have been killed before it had begun. */
	*used_bytes = head->magic == JOURNAL_MAGIC ? head->used_bytes : sizeof(*head);
	return (const uint8_t *)head;
}

static enum disk_loss loss_of(const char *name)
{
	static const char *const names[] = {"kill", "ordered", "by-dir"};

	for (int i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum disk_loss)i;
	fprintf(stderr, "powercut: %s is no kind of loss\n", name);
	exit(1);
}

int main(int argc, char **argv)
{
	const struct journal_event *event;
	const uint8_t *journal;
	struct disk *disk;
	size_t used_bytes;

	if (argc != 6) {
		fputs("usage: powercut JOURNAL BASE OUT LOSS SEED\n", stderr);
		return 1;
	}
	journal = map_journal(argv[1], &used_bytes);
	disk = disk_new(strcmp(argv[2], "-") == 0 ? NULL : argv[2]);
	for (size_t at = sizeof(struct journal_head); at < used_bytes; at += event->size_bytes) {
		event = (const struct journal_event *)(const void *)(journal + at);
		disk_apply(disk, event);
	}
	disk_write(disk, argv[3], loss_of(argv[4]), strtoull(argv[5], NULL, 10), stdout);
	disk_free(disk);
	return 0;
}
