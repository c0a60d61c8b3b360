/* PCRE2, under limits. See regex.h. */
#include "group/regex.h"

#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REGEX_MATCH_LIMIT   10000
#define REGEX_DEPTH_LIMIT   1000
#define REGEX_HEAP_LIMIT_KB 256

void regex_fini(struct regex *regex)
{
	pcre2_match_data_free(regex->data);
	pcre2_match_context_free(regex->limits);
	pcre2_code_free(regex->code);
}

enum err regex_init(struct regex *regex, struct str text, char why[REGEX_WHY_BYTES])
{
	const char *refused;
	PCRE2_SIZE at = 0;
	int code = 0;

	*regex = (struct regex){0};
	if (text.len > REGEX_LEN_MAX) {
		snprintf(why, REGEX_WHY_BYTES, "longer than %d characters", REGEX_LEN_MAX);
		return ERR_INVALID_REGULAR_EXPRESSION;
	}
	refused = regex_syntax(text);
	if (refused != NULL) {
		snprintf(why, REGEX_WHY_BYTES, "%s", refused);
		return ERR_INVALID_REGULAR_EXPRESSION;
	}
	regex->code =
	    pcre2_compile((PCRE2_SPTR)text.ptr, text.len,
			  PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C | PCRE2_UTF,
			  &code, &at, NULL);
	if (regex->code == NULL) {
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, REGEX_WHY_BYTES);
		return ERR_INVALID_REGULAR_EXPRESSION;
	}
	regex->limits = pcre2_match_context_create(NULL);
	regex->data = pcre2_match_data_create(1, NULL);
	if (regex->limits == NULL || regex->data == NULL) {
		regex_fini(regex);
		return ERR_NOMEM;
	}
	pcre2_set_match_limit(regex->limits, REGEX_MATCH_LIMIT);
	pcre2_set_depth_limit(regex->limits, REGEX_DEPTH_LIMIT);
	pcre2_set_heap_limit(regex->limits, REGEX_HEAP_LIMIT_KB);
	return ERR_OK;
}

bool regex_matches(const struct regex *regex, struct str name)
{
	return pcre2_match(regex->code, (PCRE2_SPTR)name.ptr, name.len, 0, 0, regex->data,
			   regex->limits) >= 0;
}
