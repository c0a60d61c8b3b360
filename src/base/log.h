/* Log lines on stderr: time, level, room, text. One write(2) a line, so lines never mix. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE
};

/* The one global of the tree: set at start, read everywhere. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);
void log_line(enum log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(room, ...) log_line(LOG_LEVEL_ERROR, room, __VA_ARGS__)
#define log_warn(room, ...)  log_line(LOG_LEVEL_WARN, room, __VA_ARGS__)
#define log_info(room, ...)  log_line(LOG_LEVEL_INFO, room, __VA_ARGS__)
#define log_debug(room, ...)                                          \
	do {                                                          \
		if (log_wants(LOG_LEVEL_DEBUG))                       \
			log_line(LOG_LEVEL_DEBUG, room, __VA_ARGS__); \
	} while (0)

/* Peers can make us log: at most `per_second` lines of one kind; says how many were left out. */
struct log_limit {
	long second;
	int lines, dropped;
};
bool log_allowed(struct log_limit *limit, int per_second);

#endif
