/* The end of the line for a broken invariant: say where, then abort for the core file. */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_fail(const char *expr, const char *file, int line, const char *func)
{
	fprintf(stderr, "FATAL %s:%d %s: must(%s) does not hold\n", file, line, func, expr);
	fflush(stderr);
	abort();
}
