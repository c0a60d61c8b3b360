/* The one logger and its level. */
#include "api/loggers.h"

#include "base/log.h"

static const char *const levels[] = {
    [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_WARN] = "WARN",   [LOG_LEVEL_INFO] = "INFO",
    [LOG_LEVEL_DEBUG] = "DEBUG", [LOG_LEVEL_TRACE] = "TRACE",
};

const char *loggers_level(void)
{
	enum log_level level = LOG_LEVEL_TRACE;

	while (level > LOG_LEVEL_ERROR && !log_wants(level))
		level--;
	return levels[level];
}

enum err loggers_set_level(struct str level)
{
	if (str_eq(level, STR("FATAL"))) {
		log_set_level(LOG_LEVEL_ERROR);
		return ERR_OK;
	}
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (str_eq(level, str_of(levels[i]))) {
			log_set_level((enum log_level)i);
			return ERR_OK;
		}
	}
	return ERR_INVALID_CONFIG;
}
