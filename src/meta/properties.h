/*
 * A reader of Java properties as server.properties uses them: comments (# and !), `key=value`,
 * `key:value` and `key value`, lines continued by a backslash, escapes (\t \n \r \f \\ \: \= \#
 * \uXXXX). It takes text and hands out entries one by one, so what a key means is the caller's
 * business.
 */
#ifndef META_PROPERTIES_H
#define META_PROPERTIES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define PROPERTIES_FILE_BYTES_MAX  (1024 * 1024)
#define PROPERTIES_ENTRY_BYTES_MAX (64 * 1024) /* one key and value, continued lines together */

struct properties {
	const char *pos, *end;
	int line;	   /* the next one to be read, from 1 */
	const char *error; /* set when properties_next fails: a sentence */
	int error_line;
};

struct properties_entry {
	struct str key, value; /* unescaped, in the arena; UTF-8 */
	int line;	       /* the one it begins on */
};

/* The text is borrowed until the last call. */
void properties_init(struct properties *props, struct str text);
/*
 * The next entry; *more is false at the end. The arena may be reset after each. ERR_BADCONFIG with
 * props->error and error_line set when the text cannot be read (a bad escape, a NUL, an entry over
 * its cap), ERR_NOMEM.
 */
enum err properties_next(struct properties *props, struct arena *arena,
			 struct properties_entry *entry, bool *more) must_check;

#endif
