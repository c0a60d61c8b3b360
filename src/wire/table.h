/*
 * The messages as data: every field of every message with its type, versions and place in its
 * struct. From these a second decoder, which the tests and the fuzzer hold against the generated
 * one, and a printer, for the trace log. Neither is on the way of a request.
 *
 * The walkers recurse over a message's *schema*, never over what came in; TABLE_DEPTH_MAX is
 * asserted.
 */
#ifndef WIRE_TABLE_H
#define WIRE_TABLE_H

#include "wire/rd.h"
#include "wire/wr.h"

#define TABLE_DEPTH_MAX 8

enum table_type {
	TABLE_BOOL,
	TABLE_INT8,
	TABLE_INT16,
	TABLE_UINT16,
	TABLE_INT32,
	TABLE_UINT32,
	TABLE_INT64,
	TABLE_FLOAT64,
	TABLE_UUID,
	TABLE_STRING,
	TABLE_BYTES,
	TABLE_RECORDS,
	TABLE_STRUCT,
};

struct table_struct;

struct table_field {
	const char *name; /* Kafka's */
	enum table_type type;
	size_t offset;
	int16_t min_version, max_version;
	bool is_array;
	size_t len_offset; /* of an array's count */
	const struct table_struct *sub;
	int16_t null_min, null_max; /* versions in which null is allowed; none if max < min */
	int16_t tag;		    /* -1: not tagged */
	bool default_null;
	int64_t default_number;
	bool classic; /* not in the compact encoding */
	bool secret;  /* not printed */
};

struct table_struct {
	const char *name;
	size_t size;
	const struct table_field *fields;
	size_t fields_len;
};

enum table_kind { TABLE_REQUEST, TABLE_RESPONSE, TABLE_RECORD };

struct table_message {
	const char *name; /* "ProduceRequest" */
	enum table_kind kind;
	int16_t key; /* of the API or record, -1 if none */
	int16_t min_version, max_version, flexible_version;
	const struct table_struct *root;
	/* the generated functions */
	void (*init)(void *m);
	enum err (*decode)(void *m, struct rd *rd, int version, struct arena *arena);
	void (*encode)(void *m, struct wr *wr, int version);
};

extern const struct table_message table_messages[];
extern const size_t table_messages_len;

/* The request or response of an API; NULL if there is none. */
const struct table_message *table_find(enum table_kind kind, int16_t key);

/* A struct that may be null is behind a pointer. */
static inline bool table_is_pointer(const struct table_field *f)
{
	return f->type == TABLE_STRUCT && !f->is_array && f->null_max >= f->null_min;
}

/* Bytes of a value; of an array, of one element. */
size_t table_size(const struct table_field *f);

/* Stores a number in a field of one of the number types; of a float64 these are the bits. */
void table_set_number(enum table_type type, void *at, int64_t v);

/* Every field at its default, as the generated X_init does. */
void table_defaults(const struct table_struct *s, void *m);

/* Does what the generated decoder does, into a struct of the same layout. */
enum err table_decode(const struct table_message *t, void *m, struct rd *rd, int version,
		      struct arena *arena) must_check;

/* Are two structs the same, all that they point to included? */
bool table_equal(const struct table_message *t, const void *a, const void *b);

/*
 * One line of text, like {Acks: -1, TopicData: [{Name: "a"}]}, NUL-terminated and cut off at the
 * buffer's end. Strings and arrays are shortened, of bytes only the size is told, secrets are left
 * out. Returns the length.
 */
size_t table_print(const struct table_message *t, const void *m, int version, char *buf,
		   size_t size);

/* Decodes a request's or response's body, without moving the caller's reader, and prints it. */
size_t table_trace(enum table_kind kind, int16_t key, int16_t version, struct rd body, char *buf,
		   size_t size);

#endif
