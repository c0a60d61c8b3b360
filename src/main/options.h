/* The command line, as barnabas(8) describes it. */
#ifndef MAIN_OPTIONS_H
#define MAIN_OPTIONS_H

#include "meta/config.h"

enum options_outcome {
	OPTIONS_RUN,  /* the settings are complete: config_finish has been called */
	OPTIONS_DONE, /* the version or the help was asked for, and printed: exit 0 */
	OPTIONS_BAD,  /* an error has been logged: exit 1 */
};

/* Reads the arguments and the file that they name into cfg, which is new. */
enum options_outcome options_read(int argc, char **argv, struct config *cfg) must_check;

#endif
