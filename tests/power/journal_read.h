/* A journal that is there to be read: its events, in order. */
#ifndef TESTS_POWER_JOURNAL_READ_H
#define TESTS_POWER_JOURNAL_READ_H

#include "tests/power/journal.h"

struct journal {
	const uint8_t *map;
	size_t events_len;
	const struct journal_event **events;
};

/* Ends the process when it cannot. */
void journal_load(struct journal *journal, const char *path);
void journal_unload(struct journal *journal);

#endif
