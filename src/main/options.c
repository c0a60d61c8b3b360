/*
 * The command line of kafka-server-start: a properties file, and settings that stand over it.
 * Without a file there is a broker on this machine alone, with its data below the working
 * directory.
 */
#include "main/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/loggers.h"
#include "base/log.h"
#include "config.h"

static const char usage[] =
    "usage: barnabas [server.properties] [--override key=value]... [--log-level level]\n"
    "                [--version] [--help]\n"
    "\n"
    "A Kafka broker. It takes the settings of Apache Kafka's server.properties and works on the\n"
    "same data directory. Without a file it is node 1 on 127.0.0.1:9092, with its data in\n"
    "./barnabas-data.\n"
    "\n"
    "  --override key=value  sets this one over what the file says; may be given again\n"
    "  --log-level level     error, warn, info (the default), debug or trace, which prints every\n"
    "                        request and answer\n"
    "  --version             prints the version\n"
    "  --help                prints this\n"
    "\n"
    "The manual: barnabas(8), and barnabas.properties(5) for all settings.\n";

/* What Kafka's own sample file for one node says, where its defaults need three. */
static const char *const alone[] = {
    "node.id=1",
    "listeners=PLAINTEXT://127.0.0.1:9092",
    "log.dirs=./barnabas-data",
    "offsets.topic.replication.factor=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
};

static enum err set_alone(struct config *cfg, char *message)
{
	for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
		enum err err = config_override(cfg, alone[i], message);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* The value of this option at argv[*i], in either spelling; NULL when it is something else. */
static const char *option_at(const char *name, int argc, char **argv, int *i)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0')
		return NULL;
	return *i + 1 < argc ? argv[++*i] : "";
}

static const char *override_at(int argc, char **argv, int *i)
{
	return option_at("--override", argc, argv, i);
}

/* In either case of letters. */
static bool set_log_level(const char *level)
{
	char upper[8] = "";

	for (size_t i = 0; i + 1 < sizeof(upper) && level[i] != '\0'; i++)
		upper[i] = (char)toupper((unsigned char)level[i]);
	return loggers_set_level(str_of(upper)) == ERR_OK;
}

static enum options_outcome complain(const char *message)
{
	log_error("main", "%s", message);
	return OPTIONS_BAD;
}

/* Finds the file, and what ends the matter at once. */
static enum options_outcome scan(int argc, char **argv, const char **file)
{
	char message[CONFIG_MESSAGE_SIZE];

	for (int i = 1; i < argc; i++) {
		const char *level = option_at("--log-level", argc, argv, &i);

		if (level != NULL && !set_log_level(level)) {
			snprintf(
			    message, sizeof(message),
			    "--log-level: found \"%.100s\"; allowed: error, warn, info, debug, "
			    "trace",
			    level);
			return complain(message);
		}
		if (level != NULL || override_at(argc, argv, &i) != NULL)
			continue;
		if (strcmp(argv[i], "--version") == 0) {
			printf("%s\n", PACKAGE_STRING);
			return OPTIONS_DONE;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return OPTIONS_DONE;
		}
		if (argv[i][0] == '-' || *file != NULL) {
			snprintf(message, sizeof(message), "%s \"%.200s\"; see barnabas --help",
				 argv[i][0] == '-' ? "unknown option" : "more than one file:",
				 argv[i]);
			return complain(message);
		}
		*file = argv[i];
	}
	return OPTIONS_RUN;
}

enum options_outcome options_read(int argc, char **argv, struct config *cfg)
{
	char message[CONFIG_MESSAGE_SIZE];
	const char *file = NULL;
	enum options_outcome outcome = scan(argc, argv, &file);

	if (outcome != OPTIONS_RUN)
		return outcome;
	if ((file != NULL ? config_load(cfg, file, message) : set_alone(cfg, message)) != ERR_OK)
		return complain(message);
	for (int i = 1; i < argc; i++) {
		const char *text = override_at(argc, argv, &i);
		if (text != NULL && config_override(cfg, text, message) != ERR_OK)
			return complain(message);
	}
	return config_finish(cfg, message) == ERR_OK ? OPTIONS_RUN : complain(message);
}
