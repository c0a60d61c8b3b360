/* Lines of the small text files that stock calls checkpoints: "0\n<count>\n<line>\n...". */
#ifndef STORE_TEXT_FILE_H
#define STORE_TEXT_FILE_H

#include "base/str.h"

/*
 * Cuts the next line off the front, without its end ("\n" or "\r\n"); false when nothing is left.
 */
bool text_line(struct str *text, struct str *line);
/*
 * Cuts the next word off the front: what stands before white space; false at the end of the line.
 */
bool text_word(struct str *line, struct str *word);
/* The head of a checkpoint file, version 0; false when it is none or the count is negative. */
bool text_head(struct str *text, int64_t *count);

#endif
