/*
 * The table of Kafka's APIs: what exists, in which versions Kafka 4.3.1 serves it, and how its
 * headers look. What this broker serves is known to api/ alone; it is never more than this.
 */
#ifndef WIRE_APIS_H
#define WIRE_APIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APIS_KEY_MAX 92

struct api_info {
	const char *name; /* "Produce"; NULL if there is no such API */
	int16_t key;
	int16_t min_version, max_version;
	int16_t flexible_version;      /* the first; INT16_MAX if none is */
	bool on_broker, on_controller; /* on which listeners Kafka serves it */
};

/* NULL if Kafka has no such API, or has it no more. */
const struct api_info *apis_find(int16_t key);

/* Never NULL: "Produce", or "unknown" */
const char *apis_name(int16_t key);

/* Do tagged fields follow in the request's header; in the response's? False for unknown keys. */
bool apis_request_tags(int16_t key, int16_t version);
bool apis_response_tags(int16_t key, int16_t version);

#endif
