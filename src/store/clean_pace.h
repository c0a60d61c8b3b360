/* What a long job asks now and then: how fast it may go, and whether to go on at all. */
#ifndef STORE_CLEAN_PACE_H
#define STORE_CLEAN_PACE_H

#include <stddef.h>

#include "base/err.h"

struct clean_pace {
	/*
	 * So many bytes were read or written. May sleep, to keep a rate. ERR_CANCELLED: give up,
	 * the broker stops or the log is not wanted any more. NULL: never.
	 */
	enum err (*spend)(struct clean_pace *pace, size_t bytes);
};

static inline enum err clean_pace_spend(struct clean_pace *pace, size_t bytes)
{
	return pace != NULL && pace->spend != NULL ? pace->spend(pace, bytes) : ERR_OK;
}

#endif
