/* Patterns: what is one and what is none, as Kafka has it, and what they match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "group/regex.h"

static bool is_pattern(const char *text)
{
	char why[REGEX_WHY_BYTES] = "";
	struct regex regex;
	enum err err = regex_init(&regex, str_of(text), why);

	if (err == ERR_OK)
		regex_fini(&regex);
	else
		assert_true(err == ERR_INVALID_REGULAR_EXPRESSION && strlen(why) > 0);
	return err == ERR_OK;
}

static bool matches(const char *text, const char *name)
{
	char why[REGEX_WHY_BYTES];
	struct regex regex;
	bool found;

	assert_int_equal(regex_init(&regex, str_of(text), why), ERR_OK);
	found = regex_matches(&regex, str_of(name));
	regex_fini(&regex);
	return found;
}

static void a_pattern_is_for_the_whole_name(void **state)
{
	(void)state;
	assert_true(matches("a|ab", "ab"));
	assert_false(matches("a", "ab"));
	assert_false(matches("b", "ab"));
	assert_true(matches("\\Qa.b\\E.*", "a.bc"));
	assert_false(matches("\\Qa.b\\E", "axb"));
	assert_true(matches("(?i)A[[:alpha:]]\\x2d(?P<n>\\d{2,})", "ab-12"));
	assert_true(matches("\xc3\xa9*a", "a"));
}

/* Each of these PCRE2 would take, and Kafka's library does not. */
static void r5_what_kafka_does_not_know_is_refused(void **state)
{
	static const char *const refused[] = {
	    "(?=a)a",	"(?!a)b",    "(?<=a)b", "(?<!a)b", "(?>a)",   "(?#a)b", "(?x)a b",
	    "(?R)",	"(?|a|b)",   "(?1)(a)", "(?'x'a)", "(*UTF)a", "(a)\\1", "(?P<x>a)(?P=x)",
	    "(?-)a",	"a\\Z",	     "\\Ga",	"\\Ka",	   "\\R",     "\\X",	"\\h",
	    "[\\h]",	"\\N",	     "\\e",	"\\cA",	   "\\E",     "\\x",	"\\x4",
	    "\\xzz",	"\\8",	     "a*+",	"a++",	   "a?+",     "a{2}+",	"a{1001}",
	    "a{1001,}", "a{1,1001}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (is_pattern(refused[i]))
			fail_msg("%s is taken", refused[i]);
}

static void what_kafka_knows_is_taken(void **state)
{
	static const char *const taken[] = {
	    "",		  "a+?",     "a{2}?",	"[a-c+*(?=]", "[]a]", "[^]a]",	 "\\(+",
	    "\\Q(?=\\E+", "{",	     "a{",	"a{,",	      "a{b}", "}+",	 "(?:a)+",
	    "(?s-i)a",	  "(?i:a)",  "\\141",	"\\x{61}",    "\\pL", "\\P{Lu}", "[[:^digit:]]",
	    "(?P<x>a)",	  "a{1000}", "\\Aa\\z",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (!is_pattern(taken[i]))
			fail_msg("%s is refused", taken[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pattern_is_for_the_whole_name),
	    cmocka_unit_test(r5_what_kafka_does_not_know_is_refused),
	    cmocka_unit_test(what_kafka_knows_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
