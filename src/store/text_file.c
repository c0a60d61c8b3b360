/* Reading the line-and-word text of checkpoint files. */
#include "store/text_file.h"

bool text_line(struct str *text, struct str *line)
{
	const char *end;

	if (text->len == 0)
		return false;
	end = memchr(text->ptr, '\n', text->len);
	line->ptr = text->ptr;
	line->len = end != NULL ? (size_t)(end - text->ptr) : text->len;
	text->ptr += line->len + (end != NULL);
	text->len -= line->len + (end != NULL);
	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool text_is_space(char c)
{
	return c == ' ' || c == '\t';
}

bool text_word(struct str *line, struct str *word)
{
	while (line->len > 0 && text_is_space(line->ptr[0])) {
		line->ptr++;
		line->len--;
	}
	*word = (struct str){line->ptr, 0};
	while (line->len > 0 && !text_is_space(line->ptr[0])) {
		line->ptr++;
		line->len--;
		word->len++;
	}
	return word->len > 0;
}

bool text_head(struct str *text, int64_t *count)
{
	struct str line;
	int64_t version;

	if (!text_line(text, &line) || !str_to_int64(str_trim(line), &version) || version != 0)
		return false;
	return text_line(text, &line) && str_to_int64(str_trim(line), count) && *count >= 0;
}
