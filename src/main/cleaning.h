/* The cleaner's settings, from the configs that clients may change while the broker runs. */
#ifndef MAIN_CLEANING_H
#define MAIN_CLEANING_H

#include "meta/config.h"
#include "partition/cleaner.h"

void cleaning_settings(const struct config *config, const struct image *image,
		       struct cleaner_settings *settings);

#endif
