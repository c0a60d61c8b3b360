/*
 * A range of a file on its way to a socket. It pins what it reads from (a segment) until release is
 * called, exactly once, by whoever holds the slice last. Moving a slice moves that duty.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/must.h"

struct slice {
	int fd;
	off_t pos;
	size_t len_bytes; /* 0: nothing, and release may be NULL */
	void *owner;
	void (*release)(void *owner);
};

static inline void slice_release(struct slice *slice)
{
	if (slice->release != NULL)
		slice->release(slice->owner);
	*slice = (struct slice){.fd = -1};
}

#endif
