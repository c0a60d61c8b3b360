/* See assign_lines.c. */
#ifndef TESTS_GROUP_ASSIGN_LINES_H
#define TESTS_GROUP_ASSIGN_LINES_H

/* Until the end of the input; what main() is to return. */
int assign_lines(void);

#endif
