/* Comparison, trimming and number reading for borrowed strings. */
#include "base/str.h"

#include <stdlib.h>

static char str_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (str_lower(a.ptr[i]) != str_lower(b.ptr[i]))
			return false;
	return true;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq((struct str){s.ptr, prefix.len}, prefix);
}

static bool str_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && str_is_space(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && str_is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static int str_cmp_places(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

size_t str_sort_unique(struct str *list, size_t len)
{
	size_t kept = 0;

	if (len == 0)
		return 0;
	qsort(list, len, sizeof(*list), str_cmp_places);
	for (size_t i = 0; i < len; i++)
		if (kept == 0 || !str_eq(list[kept - 1], list[i]))
			list[kept++] = list[i];
	return kept;
}

bool str_is_in_sorted(struct str s, const struct str *list, size_t len)
{
	return len > 0 && bsearch(&s, list, len, sizeof(*list), str_cmp_places) != NULL;
}

bool str_to_int64(struct str s, int64_t *out)
{
	bool negative = s.len > 0 && s.ptr[0] == '-';
	int64_t value = 0;

	*out = 0;
	if (s.len == (negative ? 1u : 0u))
		return false;
	/* Counted downwards, since the smallest number has no positive twin. */
	for (size_t i = negative ? 1 : 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, s.ptr[i] - '0', &value))
			return false;
	}
	if (!negative && value == INT64_MIN)
		return false;
	*out = negative ? value : -value;
	return true;
}

char *str_dup(struct str s)
{
	char *copy;

	if (s.ptr == NULL)
		return NULL;
	copy = malloc(s.len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}
