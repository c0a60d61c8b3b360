/* The properties reader: what Java reads, and what it refuses with a line. */
#include "config_make.h"

#include <stdlib.h>

struct pair {
	const char *key, *value;
	int line;
};

static void expect_pairs(const char *text, const struct pair *pairs, size_t len)
{
	struct properties props;
	struct properties_entry entry;
	struct arena arena;
	bool more;

	arena_init(&arena, 1 << 20);
	properties_init(&props, str_of(text));
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(properties_next(&props, &arena, &entry, &more), ERR_OK);
		assert_true(more);
		assert_str(entry.key, pairs[i].key);
		assert_str(entry.value, pairs[i].value);
		assert_int_equal(entry.line, pairs[i].line);
	}
	assert_int_equal(properties_next(&props, &arena, &entry, &more), ERR_OK);
	assert_false(more);
	arena_fini(&arena);
}

static void expect_error(struct str text, int line, const char *what)
{
	struct properties props;
	struct properties_entry entry;
	struct arena arena;
	enum err err;
	bool more;

	arena_init(&arena, 1 << 20);
	properties_init(&props, text);
	while ((err = properties_next(&props, &arena, &entry, &more)) == ERR_OK && more)
		;
	assert_int_equal(err, ERR_BADCONFIG);
	assert_int_equal(props.error_line, line);
	assert_string_equal(props.error, what);
	arena_fini(&arena);
}

static void takes_equals_colon_and_blanks(void **state)
{
	static const struct pair pairs[] = {{"a", "1", 1},  {"b", "2", 2},    {"c", "3", 3},
					    {"d", "4 ", 4}, {"e", "= 5", 5},  {"f", "", 6},
					    {"g", "", 7},   {"h", "a=b:c", 8}};
	expect_pairs("a=1\nb:2\nc 3\n \t d \t=\t 4 \ne = = 5\nf\ng=\nh=a=b:c", pairs,
		     ARRAY_LEN(pairs));
}

static void skips_comments_and_blank_lines(void **state)
{
	static const struct pair pairs[] = {{"a", "1", 4}, {"b", "#2", 7}};
	expect_pairs("# a=0\n! a=0 \\\n\na=1\r\n\r  \nb=#2\n#", pairs, ARRAY_LEN(pairs));
}

static void joins_continued_lines(void **state)
{
	static const struct pair pairs[] = {{"list", "a,b,c", 1},
					    {"even", "x\\", 4},
					    {"next", "1", 5},
					    {"last", "end", 6}};
	expect_pairs("list=a,\\\n   b,\\\n\tc\neven=x\\\\\nnext=1\n\\\n  last=end\\", pairs,
		     ARRAY_LEN(pairs));
}

static void understands_escapes(void **state)
{
	static const struct pair pairs[] = {
	    {"a b", "c=d", 1},	      {"k:k", "\t\n\r\f", 2},	    {"u", "\xc3\xa9", 3},
	    {"e", "\xe2\x82\xac", 4}, {"p", "\xf0\x9f\x98\x80", 5}, {"half", "\xef\xbf\xbdx", 6},
	    {"q", "\"'z", 7},	      {"utf", "\xc3\xa9", 8}};
	expect_pairs("a\\ b=c\\=d\nk\\:k=\\t\\n\\r\\f\nu=\\u00e9\ne=\\u20AC\np=\\ud83d\\ude00\n"
		     "half=\\ud83dx\nq=\\\"\\'\\z\nutf=\xc3\xa9",
		     pairs, ARRAY_LEN(pairs));
}

static void refuses_what_cannot_be_meant(void **state)
{
	static const char nul[] = "a=1\nb=\0";
	static const char escape[] = "\\u is followed by four hexadecimal digits, not all 0";

	expect_error(STR("a=1\n\nb=\\u12g4\n"), 3, escape);
	expect_error(STR("b=\\u12"), 1, escape);
	expect_error(STR("b=\\u0000"), 1, escape);
	expect_error((struct str){nul, sizeof(nul) - 1}, 2, "a NUL byte");
}

static void caps_an_entry(void **state)
{
	size_t len = PROPERTIES_ENTRY_BYTES_MAX + 4096;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, "a=1\nk=", 6);
	expect_error((struct str){text, len}, 2, "longer than 65536 bytes");
	for (size_t i = 100; i + 2 < len; i += 100)
		memcpy(text + i, "\\\n", 2);
	expect_error((struct str){text, len}, 2, "longer than 65536 bytes");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_equals_colon_and_blanks),
	    cmocka_unit_test(skips_comments_and_blank_lines),
	    cmocka_unit_test(joins_continued_lines),
	    cmocka_unit_test(understands_escapes),
	    cmocka_unit_test(refuses_what_cannot_be_meant),
	    cmocka_unit_test(caps_an_entry),
	};
	return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
