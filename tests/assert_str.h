/* Compares a struct str with a C string, and shows both when they differ. After cmocka.h. */
#ifndef TESTS_ASSERT_STR_H
#define TESTS_ASSERT_STR_H

#include "base/str.h"

#define assert_str(s, expected)                                                      \
	do {                                                                         \
		struct str got_ = (s);                                               \
		if (!str_eq(got_, str_of(expected)))                                 \
			fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got_), expected); \
	} while (0)

#endif
