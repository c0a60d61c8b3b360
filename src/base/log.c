/* Log lines: built in a stack buffer, cut at its end, written with one call. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static _Atomic int log_level = LOG_LEVEL_INFO;
static const char *const log_names[] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

static int log_head(char *line, size_t size, enum log_level level, const char *room)
{
	struct timespec now;
	struct tm tm;
	char date[32];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	return snprintf(line, size, "[%s,%03ld] %-5s %s: ", date, now.tv_nsec / 1000000,
			log_names[level], room);
}

/* A peer's bytes may be in the text: no control character reaches the terminal. */
static void log_clean(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void log_line(enum log_level level, const char *room, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;
	size_t len;

	if (!log_wants(level))
		return;
	len = (size_t)log_head(line, sizeof(line), level, room);
	va_start(ap, format);
	vsnprintf(line + len, sizeof(line) - len - 1, format, ap);
	va_end(ap);
	log_clean(line + len);
	len = strlen(line);
	line[len++] = '\n';
	/* Nothing sensible can be done when stderr is gone. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

bool log_allowed(struct log_limit *limit, int per_second)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != limit->second) {
		if (limit->dropped > 0)
			log_line(LOG_LEVEL_WARN, "log", "%d lines like the next were left out",
				 limit->dropped);
		*limit = (struct log_limit){.second = now.tv_sec};
	}
	if (limit->lines < per_second) {
		limit->lines++;
		return true;
	}
	limit->dropped++;
	return false;
}
