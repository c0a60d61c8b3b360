/* See journal_read.h. */
#include "tests/power/journal_read.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/power/place.h"

void journal_load(struct journal *journal, const char *path)
{
	int fd = open(path, O_RDONLY);
	const struct journal_head *head;
	size_t at = sizeof(*head);

	if (fd < 0)
		place_die(path);
	head = mmap(NULL, JOURNAL_BYTES_MAX, PROT_READ, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED || head->magic != JOURNAL_MAGIC)
		place_die(path);
	close(fd);
	*journal = (struct journal){.map = (const uint8_t *)head};
	journal->events = malloc(head->used_bytes / sizeof(struct journal_event) *
				 sizeof(struct journal_event *));
	while (at < head->used_bytes) {
		const struct journal_event *event =
		    (const struct journal_event *)(const void *)(journal->map + at);

		journal->events[journal->events_len++] = event;
		at += event->size_bytes;
	}
}

void journal_unload(struct journal *journal)
{
	free(journal->events);
	munmap((void *)(uintptr_t)journal->map, JOURNAL_BYTES_MAX);
}
