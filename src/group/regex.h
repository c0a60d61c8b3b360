/*
 * Patterns that peers send: for topics of a consumer group, for transactional ids. They match a
 * whole name, and PCRE2 runs under limits, so that no pattern can take long.
 */
#ifndef GROUP_REGEX_H
#define GROUP_REGEX_H

#include "base/err.h"
#include "base/str.h"

#define REGEX_LEN_MAX	1024
#define REGEX_WHY_BYTES 128

struct regex {
	void *code, *limits, *data; /* PCRE2's */
};

/* ERR_INVALID_REGULAR_EXPRESSION: `why` says what is wrong with it. ERR_NOMEM. */
enum err regex_init(struct regex *regex, struct str text, char why[REGEX_WHY_BYTES]) must_check;
void regex_fini(struct regex *regex);
/* What Kafka would have against it that PCRE2 has not; NULL: nothing. */
const char *regex_syntax(struct str text);
bool regex_matches(const struct regex *regex, struct str name);

#endif
