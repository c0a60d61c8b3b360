/*
 * Java properties, as java.util.Properties reads them, with two differences: the text is UTF-8, and
 * what cannot be meant (a bad escape, a NUL) is an error that names its line.
 */
#include "meta/properties.h"

void properties_init(struct properties *props, struct str text)
{
	*props = (struct properties){.pos = text.ptr, .end = text.ptr + text.len, .line = 1};
}

static enum err properties_fail(struct properties *props, const char *error, int line)
{
	props->error = error;
	props->error_line = line;
	return ERR_BADCONFIG;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool is_newline(char c)
{
	return c == '\n' || c == '\r';
}

/* One natural line without its end; *rest is what follows it. CR LF is one end. */
static struct str line_take(struct properties *props)
{
	const char *from = props->pos;
	struct str line;

	while (props->pos < props->end && !is_newline(*props->pos))
		props->pos++;
	line = (struct str){from, (size_t)(props->pos - from)};
	if (props->pos < props->end && *props->pos++ == '\r' && props->pos < props->end &&
	    *props->pos == '\n')
		props->pos++;
	props->line++;
	return line;
}

static struct str skip_blanks(struct str text)
{
	while (text.len > 0 && is_blank(text.ptr[0])) {
		text.ptr++;
		text.len--;
	}
	return text;
}

/* A line goes on when it ends in an odd number of backslashes. */
static bool is_continued(struct str line)
{
	size_t count = 0;

	while (count < line.len && line.ptr[line.len - 1 - count] == '\\')
		count++;
	return count % 2 == 1;
}

/* The next line that is neither blank nor a comment, joined with those that continue it. */
static enum err logical_line(struct properties *props, struct arena *arena, struct str *out,
			     int *line_no)
{
	struct str line = {NULL, 0};
	char *joined;
	size_t len = 0;

	while (props->pos < props->end && line.len == 0) {
		*line_no = props->line;
		line = skip_blanks(line_take(props));
		if (line.len > 0 && (line.ptr[0] == '#' || line.ptr[0] == '!'))
			line.len = 0;
	}
	*out = line;
	if (line.len > PROPERTIES_ENTRY_BYTES_MAX)
		return properties_fail(props, "longer than 65536 bytes", *line_no);
	if (line.len == 0 || !is_continued(line))
		return ERR_OK;
	joined = arena_alloc(arena, PROPERTIES_ENTRY_BYTES_MAX);
	if (joined == NULL)
		return ERR_NOMEM;
	for (;;) {
		bool more = is_continued(line);
		if (len + line.len > PROPERTIES_ENTRY_BYTES_MAX)
			return properties_fail(props, "longer than 65536 bytes", *line_no);
		memcpy(joined + len, line.ptr, line.len);
		len += line.len - more;
		if (!more || props->pos == props->end)
			break;
		line = skip_blanks(line_take(props));
	}
	*out = (struct str){joined, len};
	return ERR_OK;
}

/* -- escapes --------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The four digits after \u; -1 if they are not there. */
static int32_t hex_take(struct str text, size_t at)
{
	int32_t value = 0;

	if (at + 4 > text.len)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		int digit = hex_digit(text.ptr[i]);
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static size_t utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/*
 * \uXXXX at `at` (the first digit). A pair of surrogates is one character; half a pair becomes
 * U+FFFD. Returns the text's position behind it, 0 when it is malformed.
 */
static size_t unicode_take(struct str text, size_t at, char *out, size_t *len)
{
	int32_t first = hex_take(text, at), second = -1;
	uint32_t c = (uint32_t)first;
	size_t next = at + 4;

	if (first <= 0)
		return 0;
	if (first >= 0xd800 && first <= 0xdfff) {
		if (first < 0xdc00 && next + 6 <= text.len && text.ptr[next] == '\\' &&
		    text.ptr[next + 1] == 'u')
			second = hex_take(text, next + 2);
		c = 0xfffd;
		if (second >= 0xdc00 && second <= 0xdfff) {
			c = 0x10000 + (((uint32_t)first - 0xd800) << 10) +
			    ((uint32_t)second - 0xdc00);
			next += 6;
		}
	}
	*len += utf8_put(out + *len, c);
	return next;
}

/* Never longer than the text: \uXXXX is six bytes for at most three, a pair twelve for four. */
static enum err unescape(struct properties *props, struct arena *arena, struct str text, int line,
			 struct str *out)
{
	static const char from[] = "tnrf", to[] = "\t\n\r\f";
	char *copy = arena_alloc(arena, text.len + 1);
	size_t len = 0, i = 0;

	if (copy == NULL)
		return ERR_NOMEM;
	while (i < text.len) {
		const char *known;
		if (text.ptr[i] == '\0')
			return properties_fail(props, "a NUL byte", line);
		if (text.ptr[i] != '\\') {
			copy[len++] = text.ptr[i++];
			continue;
		}
		if (++i == text.len)
			break; /* a backslash at the file's very end */
		if (text.ptr[i] == 'u') {
			i = unicode_take(text, i + 1, copy, &len);
			if (i == 0)
				return properties_fail(
				    props, "\\u is followed by four hexadecimal digits, not all 0",
				    line);
			continue;
		}
		known = text.ptr[i] != '\0' ? strchr(from, text.ptr[i]) : NULL;
		if (text.ptr[i] == '\0')
			return properties_fail(props, "a NUL byte", line);
		copy[len++] = known != NULL ? to[known - from] : text.ptr[i];
		i++;
	}
	*out = (struct str){copy, len};
	return ERR_OK;
}

/* -- entries ----------------------------------------------------------------------------------- */

/* The key ends at the first '=', ':' or blank that no backslash stands before. */
static size_t key_end(struct str line)
{
	size_t i = 0;

	while (i < line.len && line.ptr[i] != '=' && line.ptr[i] != ':' && !is_blank(line.ptr[i]))
		i += line.ptr[i] == '\\' && i + 1 < line.len ? 2 : 1;
	return i;
}

enum err properties_next(struct properties *props, struct arena *arena,
			 struct properties_entry *entry, bool *more)
{
	struct str line, rest;
	enum err err;
	size_t end;

	*more = false;
	do {
		err = logical_line(props, arena, &line, &entry->line);
	} while (err == ERR_OK && line.len == 0 && props->pos < props->end);
	if (err != ERR_OK || line.len == 0)
		return err;
	end = key_end(line);
	rest = skip_blanks((struct str){line.ptr + end, line.len - end});
	if (rest.len > 0 && (rest.ptr[0] == '=' || rest.ptr[0] == ':'))
		rest = skip_blanks((struct str){rest.ptr + 1, rest.len - 1});
	err = unescape(props, arena, (struct str){line.ptr, end}, entry->line, &entry->key);
	if (err == ERR_OK)
		err = unescape(props, arena, rest, entry->line, &entry->value);
	*more = err == ERR_OK;
	return err;
}
