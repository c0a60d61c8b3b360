/* Fills any message with seeded random values, through its table. For tests and fuzz seeds. */
#ifndef TESTS_WIRE_FILL_H
#define TESTS_WIRE_FILL_H

#include "base/rnd.h"
#include "wire/table.h"

struct fill {
	struct rnd *rnd;
	struct arena *arena;
	size_t array_max; /* elements an array has at most */
};

/* All fields that the version has; the others keep their defaults. */
void fill_message(struct fill *fill, const struct table_message *t, void *m, int version);

#endif
