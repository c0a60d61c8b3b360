/*
 * Assertions that stay in every build.
 *
 * must() states what only a bug in barnabas can break; it is never used on input, disk or network
 * contents. never() marks a place that cannot be reached. MAGIC/CHECK guard structs that have a
 * life of their own: set at birth, checked at each public entry, wiped at the end.
 */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void must_fail(const char *expr, const char *file, int line, const char *func);

#define must(e)                                                      \
	do {                                                         \
		if (__builtin_expect(!(e), 0))                       \
			must_fail(#e, __FILE__, __LINE__, __func__); \
	} while (0)

#define never(what) must_fail("reached: " what, __FILE__, __LINE__, __func__)

/* The first member of a checked struct is `uint32_t magic`. */
#define must_be(ptr, magic_value)                    \
	do {                                         \
		must((ptr) != NULL);                 \
		must((ptr)->magic == (magic_value)); \
	} while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define must_check   __attribute__((warn_unused_result))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
