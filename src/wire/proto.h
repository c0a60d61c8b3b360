/*
 * What the code that protocol/gen.py writes stands on, and its conventions. Include
 * "proto/<api>.h".
 *
 * A request is `struct produce_req`, a response `struct produce_res`, a struct inside it
 * `struct produce_req_<type>`; a record is `struct topic_record`. Field names are Kafka's in snake
 * case. An array is a pointer and a `_len`. A string, bytes or array that is null has a NULL
 * pointer, an empty one has not; a struct that may be null is a pointer.
 *
 * X_init      every field at the schema's default.
 * X_array     n such structs from an arena; NULL when memory is out, and only then.
 * X_decode    reads all of X; fields that its version has not are at their defaults. Strings and
 *             bytes point into the input, arrays are in the arena. What follows X in the input is
 *             left there. ERR_SHORT, ERR_MALFORMED, ERR_NOMEM or ERR_UNSUPPORTED_VERSION.
 * X_encode    writes X. Fields that the version has not are left out without a word; a null where
 *             null is not allowed is written as empty. Errors stay in the writer. An X with records
 *             is not const, because the slices of its records move into the writer.
 *
 * X_MIN_VERSION to X_MAX_VERSION are the versions that Kafka 4.3.1 serves.
 */
#ifndef WIRE_PROTO_H
#define WIRE_PROTO_H

#include "wire/rd.h"
#include "wire/wr.h"

/* Where an empty array or empty bytes point to when they must not be NULL. Never written to. */
extern const char proto_empty[16];
#define PROTO_EMPTY ((void *)(uintptr_t)proto_empty)

#endif
