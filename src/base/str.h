/*
 * Borrowed strings and bytes, and 128-bit ids.
 *
 * A str or bytes points into memory that somebody else owns (a frame, an arena, an image) and is
 * not NUL-terminated. ptr == NULL is Kafka's null, which differs from empty (len 0, ptr set).
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/must.h"

struct str {
	const char *ptr;
	size_t len;
};

struct bytes {
	const uint8_t *ptr;
	size_t len;
};

/* For printf: printf("%.*s", STR_ARG(s)); a null prints as nothing. */
#define STR_ARG(s)   (int)(s).len, ((s).ptr != NULL ? (s).ptr : "")
#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
#define STR_NULL     ((struct str){NULL, 0})
#define BYTES_NULL   ((struct bytes){NULL, 0})

static inline struct str str_of(const char *c)
{
	return (struct str){c, c != NULL ? strlen(c) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Byte order, shorter first on a tie: the order of Kafka's sorted topic lists. */
static inline int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
bool str_starts(struct str s, struct str prefix);
struct str str_trim(struct str s); /* without white space at both ends */

/* In str_cmp's order, each once, in place; how many are left. */
size_t str_sort_unique(struct str *list, size_t len);
/* Is it one of a list in that order? */
bool str_is_in_sorted(struct str s, const struct str *list, size_t len);

/* A decimal integer and nothing else; false if it is not one or does not fit. */
bool str_to_int64(struct str s, int64_t *out) must_check;

/* malloc'd copies with a NUL behind them; NULL for a null str or when memory is out. */
char *str_dup(struct str s);

/* -- 128-bit ids: topics, directories, incarnations ----------------------------------------- */

struct uuid {
	uint8_t b[16];
};

#define UUID_TEXT_LEN 22 /* URL-safe base64 without padding, as Kafka prints ids */

static inline bool uuid_eq(struct uuid a, struct uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool uuid_is_zero(struct uuid id);
struct uuid uuid_of(uint64_t high, uint64_t low);
/* `out` gets UUID_TEXT_LEN characters and a NUL. */
void uuid_text(struct uuid id, char out[UUID_TEXT_LEN + 1]);
bool uuid_parse(struct str text, struct uuid *out) must_check;

#endif
