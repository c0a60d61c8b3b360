/*
 * Loggers as DescribeConfigs and IncrementalAlterConfigs see them (KIP-412): there is one, root,
 * and its level is the log's. It is never stored: a restart forgets it, as in Kafka.
 */
#ifndef API_LOGGERS_H
#define API_LOGGERS_H

#include "base/err.h"
#include "base/str.h"

#define LOGGERS_ROOT "root"

/* "ERROR", "WARN", "INFO", "DEBUG" or "TRACE". */
const char *loggers_level(void);
/* By Kafka's names, FATAL being ERROR here. ERR_INVALID_CONFIG when there is no such level. */
enum err loggers_set_level(struct str level) must_check;

#endif
