/* Checkpoint files of a log directory: an offset for each of its partitions. */
#include "store/checkpoint.h"

#include <stdlib.h>

#include "base/file.h"
#include "store/text_file.h"
#include "wire/wr.h"

#define CHECKPOINT_BYTES_MAX (256u << 20)
#define CHECKPOINT_LINE_MIN  4 /* "t 0 0" without its end */

static int checkpoint_cmp(const void *a, const void *b)
{
	const struct checkpoint_entry *left = a, *right = b;
	int c = str_cmp(left->topic, right->topic);

	return c != 0 ? c
		      : (left->partition > right->partition) - (left->partition < right->partition);
}

static bool checkpoint_parse_line(struct str line, struct checkpoint_entry *entry)
{
	struct str partition_text, offset_text, more;
	int64_t partition;

	if (!text_word(&line, &entry->topic) || !text_word(&line, &partition_text) ||
	    !text_word(&line, &offset_text) || text_word(&line, &more))
		return false;
	if (!str_to_int64(partition_text, &partition) || partition < 0 || partition > INT32_MAX)
		return false;
	entry->partition = (int32_t)partition;
	return str_to_int64(offset_text, &entry->offset) && entry->offset >= 0;
}

static enum err checkpoint_parse_lines(struct checkpoint *checkpoint, struct str text,
				       int64_t count)
{
	struct str line;

	if ((uint64_t)count > text.len / CHECKPOINT_LINE_MIN)
		return ERR_BADFILE;
	checkpoint->entries = calloc((size_t)count + 1, sizeof(*checkpoint->entries));
	if (checkpoint->entries == NULL)
		return ERR_NOMEM;
	for (int64_t i = 0; i < count; i++) {
		if (!text_line(&text, &line) ||
		    !checkpoint_parse_line(line, &checkpoint->entries[i]))
			return ERR_BADFILE;
		checkpoint->len++;
	}
	/* Stock refuses lines beyond the count; so do we, for then one of the two is wrong. */
	return str_trim(text).len == 0 ? ERR_OK : ERR_BADFILE;
}

enum err checkpoint_parse(struct str text, struct checkpoint *checkpoint)
{
	enum err err = ERR_OK;
	int64_t count;

	*checkpoint = (struct checkpoint){0};
	if (str_trim(text).len == 0)
		return ERR_OK;
	checkpoint->text = str_dup(text);
	if (checkpoint->text == NULL)
		return ERR_NOMEM;
	text.ptr = checkpoint->text;
	if (!text_head(&text, &count))
		err = ERR_BADFILE;
	if (err == ERR_OK)
		err = checkpoint_parse_lines(checkpoint, text, count);
	if (err != ERR_OK) {
		checkpoint_fini(checkpoint);
		return err;
	}
	qsort(checkpoint->entries, checkpoint->len, sizeof(*checkpoint->entries), checkpoint_cmp);
	return ERR_OK;
}

enum err checkpoint_read(const char *path, struct checkpoint *checkpoint)
{
	size_t len_bytes;
	char *text;
	enum err err;

	*checkpoint = (struct checkpoint){0};
	err = file_read_all(path, CHECKPOINT_BYTES_MAX, &text, &len_bytes);
	if (err == ERR_NOFILE)
		return ERR_OK;
	if (err == ERR_OK)
		err = checkpoint_parse((struct str){text, len_bytes}, checkpoint);
	free(text);
	return err;
}

void checkpoint_fini(struct checkpoint *checkpoint)
{
	free(checkpoint->entries);
	free(checkpoint->text);
	*checkpoint = (struct checkpoint){0};
}

int64_t checkpoint_get(const struct checkpoint *checkpoint, struct str topic, int32_t partition,
		       int64_t otherwise)
{
	struct checkpoint_entry want = {topic, partition, 0}, *found = NULL;

	if (checkpoint->len > 0)
		found = bsearch(&want, checkpoint->entries, checkpoint->len, sizeof(want),
				checkpoint_cmp);
	return found != NULL ? found->offset : otherwise;
}

static void checkpoint_put_number(struct wr *wr, int64_t number, char end)
{
	char text[24], *at = text + sizeof(text);

	must(number >= 0);
	*--at = end;
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	wr_raw(wr, (struct bytes){(uint8_t *)at, (size_t)(text + sizeof(text) - at)});
}

enum err checkpoint_write(const char *path, const struct checkpoint_entry *entries, size_t len)
{
	struct wr wr;
	enum err err;

	wr_init(&wr, CHECKPOINT_BYTES_MAX);
	wr_raw(&wr, (struct bytes){(const uint8_t *)"0\n", 2});
	checkpoint_put_number(&wr, (int64_t)len, '\n');
	for (size_t i = 0; i < len; i++) {
		wr_raw(&wr,
		       (struct bytes){(const uint8_t *)entries[i].topic.ptr, entries[i].topic.len});
		wr_raw(&wr, (struct bytes){(const uint8_t *)" ", 1});
		checkpoint_put_number(&wr, entries[i].partition, ' ');
		checkpoint_put_number(&wr, entries[i].offset, '\n');
	}
	err = wr.err == ERR_OK ? file_replace(path, wr_written(&wr), true) : wr.err;
	wr_fini(&wr);
	return err;
}
