/* The program: nothing yet but its version. */
#include <stdio.h>

#include "config.h"

int main(void)
{
	printf("%s\n", PACKAGE_STRING);
	return 0;
}
