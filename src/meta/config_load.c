/* Settings from a properties file and from the command line's --override. */
#include "meta/config_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/properties.h"

/* A mistyped or ancient file can have very many unknown keys. */
#define WARNINGS_MAX 100

static enum err set(struct config *cfg, struct str key, struct str value, const char *origin,
		    int *warnings, char *message)
{
	bool unknown;
	enum err err = config_set(cfg, key, value, origin, &unknown, message);

	if (err == ERR_OK && unknown && (*warnings)++ < WARNINGS_MAX)
		log_warn("config", "%s", message);
	return err;
}

static enum err load_text(struct config *cfg, const char *path, struct str text,
			  struct arena *arena, char *message)
{
	struct properties props;
	struct properties_entry entry;
	char origin[300];
	int warnings = 0;
	bool more;
	enum err err;

	properties_init(&props, text);
	while ((err = properties_next(&props, arena, &entry, &more)) == ERR_OK && more) {
		snprintf(origin, sizeof(origin), "%.280s:%d", path, entry.line);
		err = set(cfg, entry.key, entry.value, origin, &warnings, message);
		if (err != ERR_OK)
			return err;
		arena_reset(arena);
	}
	if (warnings > WARNINGS_MAX)
		log_warn("config", "%s: %d more unknown settings", path, warnings - WARNINGS_MAX);
	if (err == ERR_BADCONFIG)
		snprintf(message, CONFIG_MESSAGE_SIZE, "%.400s:%d: found %s; allowed: key=value",
			 path, props.error_line, props.error);
	else if (err != ERR_OK)
		snprintf(message, CONFIG_MESSAGE_SIZE, "%.400s: %s", path, err_text(err));
	return err == ERR_OK ? ERR_OK : ERR_BADCONFIG;
}

enum err config_load(struct config *cfg, const char *path, char message[CONFIG_MESSAGE_SIZE])
{
	struct arena arena;
	char *data = NULL;
	size_t len = 0;
	enum err err = file_read_all(path, PROPERTIES_FILE_BYTES_MAX, &data, &len);

	if (err == ERR_BADFILE) {
		snprintf(message, CONFIG_MESSAGE_SIZE, "%.400s: larger than %d bytes", path,
			 PROPERTIES_FILE_BYTES_MAX);
		return ERR_BADCONFIG;
	}
	if (err != ERR_OK) {
		snprintf(message, CONFIG_MESSAGE_SIZE, "%.400s: cannot be read: %s", path,
			 err_text(err));
		return ERR_BADCONFIG;
	}
	arena_init(&arena, 8 * PROPERTIES_ENTRY_BYTES_MAX);
	err = load_text(cfg, path, (struct str){data, len}, &arena, message);
	arena_fini(&arena);
	free(data);
	return err;
}

enum err config_override(struct config *cfg, const char *text, char message[CONFIG_MESSAGE_SIZE])
{
	const char *equals = strchr(text, '=');
	int warnings = 0;

	if (equals == NULL || equals == text) {
		snprintf(message, CONFIG_MESSAGE_SIZE,
			 "--override: found \"%.200s\"; allowed: key=value", text);
		return ERR_BADCONFIG;
	}
	return set(cfg, str_trim((struct str){text, (size_t)(equals - text)}),
		   str_trim(str_of(equals + 1)), "--override", &warnings, message);
}
