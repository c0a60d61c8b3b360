/*
 * The features (KIP-584) whose behaviour is built here, with the levels that are: ApiVersions shows
 * these and no others. What a directory has finalized above them is left alone on disk.
 */
#ifndef META_FEATURES_H
#define META_FEATURES_H

#include <stddef.h>
#include <stdint.h>

struct feature {
	const char *name;
	int16_t min, max;
};

extern const struct feature features_table[];
extern const size_t features_len;

#endif
