/*
 * What Kafka's patterns cannot say. Kafka has RE2/J, which knows no way to look ahead or back, to
 * refer to what has matched, or to hold on to it; PCRE2 does. A pattern that Kafka refuses is
 * refused here, so that a client finds out now and not when it comes to another broker. What is
 * wrong in both is left to PCRE2.
 *
 * One pass over the pattern, without memory.
 */
#include "group/regex.h"

#include <ctype.h>
#include <string.h>

#define SYNTAX_REPEAT_MAX 1000

struct syntax {
	const char *at, *end;
	const char *why;
	bool repeated; /* what is before is a repetition */
};

static bool syntax_is(const struct syntax *s, size_t ahead, char c)
{
	return (size_t)(s->end - s->at) > ahead && s->at[ahead] == c;
}

static bool syntax_is_hex(const struct syntax *s, size_t ahead)
{
	return (size_t)(s->end - s->at) > ahead && isxdigit((unsigned char)s->at[ahead]);
}

/* After a backslash. */
static void syntax_escape(struct syntax *s)
{
	char c;

	if (s->at == s->end)
		return;
	c = *s->at++;
	if (c == 'x' && !(syntax_is_hex(s, 0) && syntax_is_hex(s, 1)) &&
	    !(syntax_is(s, 0, '{') && syntax_is_hex(s, 1)))
		s->why = "a character without its number";
	else if (c >= '1' && c <= '7' && (s->at == s->end || *s->at < '0' || *s->at > '7'))
		s->why = "a reference to what was matched";
	else if (isalnum((unsigned char)c) && strchr("01234567xafnrtvAbBzdDsSwWpP", c) == NULL)
		s->why = "unknown escape sequence";
}

/* After \Q. */
static void syntax_literal(struct syntax *s)
{
	while (s->at < s->end && !(syntax_is(s, 0, '\\') && syntax_is(s, 1, 'E')))
		s->at++;
	s->at += s->at < s->end ? 2 : 0;
}

/* After [. */
static void syntax_class(struct syntax *s)
{
	s->at += syntax_is(s, 0, '^');
	s->at += syntax_is(s, 0, ']');
	while (s->at < s->end && s->why == NULL) {
		char c = *s->at++;

		if (c == ']')
			return;
		if (c == '\\')
			syntax_escape(s);
		else if (c == '[' && syntax_is(s, 0, ':'))
			while (s->at < s->end && *s->at != ']')
				s->at++;
	}
}

/* After (?, where no name follows. */
static void syntax_flags(struct syntax *s)
{
	bool negative = false, any = true;

	for (; s->at < s->end && *s->at != ':' && *s->at != ')'; s->at++) {
		if (*s->at == '-' && !negative) {
			negative = true;
			any = false;
		} else if (strchr("imsU", *s->at) != NULL) {
			any = true;
		} else {
			s->why = "unknown kind of group";
			return;
		}
	}
	if (!any)
		s->why = "no flag after -";
}

/* After (. */
static void syntax_group(struct syntax *s)
{
	if (syntax_is(s, 0, '*'))
		s->why = "nothing to repeat";
	if (!syntax_is(s, 0, '?'))
		return;
	s->at++;
	if (syntax_is(s, 0, 'P') && syntax_is(s, 1, '<'))
		s->at += 2;
	else if (syntax_is(s, 0, '<') && !syntax_is(s, 1, '=') && !syntax_is(s, 1, '!'))
		s->at++;
	else
		syntax_flags(s);
}

/* After {: a count, and perhaps another? Else it stands for itself. */
static bool syntax_counts(struct syntax *s)
{
	unsigned count = 0, most = 0, digits = 0, commas = 0;
	const char *at = s->at;

	for (; at < s->end && *at != '}'; at++) {
		if (*at == ',' && digits > 0 && commas++ == 0) {
			count = 0;
			continue;
		}
		if (*at < '0' || *at > '9')
			return false;
		digits++;
		if (count <= SYNTAX_REPEAT_MAX)
			count = count * 10 + (unsigned)(*at - '0');
		if (count > most)
			most = count;
	}
	if (at == s->end || digits == 0)
		return false;
	if (most > SYNTAX_REPEAT_MAX)
		s->why = "more than 1000 times";
	s->at = at + 1;
	return true;
}

/* A repetition may be made lazy, but not be repeated. */
static void syntax_repeat(struct syntax *s, char c)
{
	if (s->repeated && c != '?' && s->why == NULL)
		s->why = "a repetition of a repetition";
	s->repeated = !s->repeated;
}

static void syntax_next(struct syntax *s)
{
	char c = *s->at++;

	if (c == '*' || c == '+' || c == '?' || (c == '{' && syntax_counts(s))) {
		syntax_repeat(s, c);
		return;
	}
	s->repeated = false;
	if (c == '[') {
		syntax_class(s);
	} else if (c == '(') {
		syntax_group(s);
	} else if (c == '\\' && syntax_is(s, 0, 'Q')) {
		s->at++;
		syntax_literal(s);
	} else if (c == '\\') {
		syntax_escape(s);
	}
}

const char *regex_syntax(struct str text)
{
	struct syntax s = {.at = text.ptr, .end = text.ptr + text.len};

	while (s.at < s.end && s.why == NULL)
		syntax_next(&s);
	return s.why;
}
