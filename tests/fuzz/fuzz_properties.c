/*
 * The properties reader, and the settings read from what it gives: any text is a set of settings or
 * an error with a line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "meta/config.h"
#include "meta/properties.h"

/* The caller's own copy, so that a read beyond its end is seen. */
static char *copy_of(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	must(copy != NULL);
	memcpy(copy, data, size);
	return copy;
}

static void describe(const struct config *cfg)
{
	struct config_value *values;
	struct topic_config topic;
	struct arena arena;
	size_t len;

	arena_init(&arena, 64 << 20);
	must(config_describe(cfg, NULL, CONFIG_RESOURCE_BROKER, STR("1"), &arena, &values, &len) ==
	     ERR_OK);
	must(len >= 340);
	topic_config_resolve(cfg, NULL, STR("t"), &topic);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config *cfg = config_new();
	struct properties props;
	struct properties_entry entry;
	struct arena arena;
	bool more = true, unknown;
	char *text = copy_of(data, size);
	enum err err = ERR_OK;

	must(cfg != NULL);
	arena_init(&arena, 1 << 20);
	properties_init(&props, (struct str){text, size});
	while ((err = properties_next(&props, &arena, &entry, &more)) == ERR_OK && more) {
		must(entry.line > 0 &&
		     entry.key.len + entry.value.len <= PROPERTIES_ENTRY_BYTES_MAX);
		if (config_set(cfg, entry.key, entry.value, "f:1", &unknown, message) != ERR_OK)
			break;
		arena_reset(&arena);
	}
	must(err == ERR_OK ||
	     (err == ERR_BADCONFIG && props.error != NULL && props.error_line > 0));
	/* The name server is asked where a listener has no host: not by a fuzzer. */
	if (config_set(cfg, STR("advertised.listeners"), STR("PLAINTEXT://h:1"), "f:1", &unknown,
		       message) == ERR_OK &&
	    config_finish(cfg, message) == ERR_OK)
		describe(cfg);
	arena_fini(&arena);
	config_free(cfg);
	free(text);
	return 0;
}
