/* Opens a directory after a kill or a power cut, and asks whether all promises were kept. */
#ifndef TESTS_POWER_CHECK_H
#define TESTS_POWER_CHECK_H

#include "tests/power/disk.h"
#include "tests/power/facts.h"

/* Ends the process when they were not. The facts grow by what is found and done. */
void check_dir(const char *dir, struct facts *facts, enum disk_loss loss, uint64_t seed);

#endif
