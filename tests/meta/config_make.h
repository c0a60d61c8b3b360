/* Settings for tests: a config from lines of a properties file. */
#ifndef TESTS_META_CONFIG_MAKE_H
#define TESTS_META_CONFIG_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "meta/config.h"
#include "meta/config_listeners.h"
#include "meta/properties.h"
#include "tests/assert_str.h"

/* As config_load does, but from a text; origin is "f:LINE". */
static inline enum err make_config_err(struct config **out, const char *text, char *message)
{
	struct config *cfg = config_new();
	struct properties props;
	struct properties_entry entry;
	struct arena arena;
	enum err err;
	bool more, unknown;

	assert_non_null(cfg);
	*out = cfg;
	arena_init(&arena, 1 << 20);
	properties_init(&props, str_of(text));
	message[0] = '\0';
	while ((err = properties_next(&props, &arena, &entry, &more)) == ERR_OK && more) {
		struct str origin = arena_printf(&arena, "f:%d", entry.line);
		err = config_set(cfg, entry.key, entry.value, origin.ptr, &unknown, message);
		if (err != ERR_OK)
			break;
	}
	arena_fini(&arena);
	return err == ERR_OK ? config_finish(cfg, message) : err;
}

static inline struct config *make_config_of(const char *text)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config *cfg;

	if (make_config_err(&cfg, text, message) != ERR_OK)
		fail_msg("%s", message);
	return cfg;
}

static inline void expect_bad(const char *text, const char *expected)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config *cfg;

	assert_int_equal(make_config_err(&cfg, text, message), ERR_BADCONFIG);
	assert_string_equal(message, expected);
	config_free(cfg);
}

#endif
