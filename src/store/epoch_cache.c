/* Leader epochs and the offsets at which they began. */
#include "store/epoch_cache.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/text_file.h"

void epoch_cache_fini(struct epoch_cache *cache)
{
	free(cache->entries);
	*cache = (struct epoch_cache){0};
}

int32_t epoch_cache_latest(const struct epoch_cache *cache)
{
	return cache->len > 0 ? cache->entries[cache->len - 1].epoch : -1;
}

static enum err epoch_cache_push(struct epoch_cache *cache, struct epoch_entry entry)
{
	if (cache->len == cache->size) {
		uint32_t size = cache->size == 0 ? 1 : cache->size * 2;
		struct epoch_entry *more = realloc(cache->entries, size * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		cache->entries = more;
		cache->size = size;
	}
	cache->entries[cache->len++] = entry;
	cache->dirty = true;
	return ERR_OK;
}

enum err epoch_cache_assign(struct epoch_cache *cache, int32_t epoch, int64_t start_offset)
{
	if (epoch < 0 || epoch <= epoch_cache_latest(cache))
		return ERR_OK;
	epoch_cache_cut_end(cache, start_offset);
	return epoch_cache_push(cache, (struct epoch_entry){epoch, start_offset});
}

void epoch_cache_cut_end(struct epoch_cache *cache, int64_t end)
{
	while (cache->len > 0 && cache->entries[cache->len - 1].start_offset >= end) {
		cache->len--;
		cache->dirty = true;
	}
}

void epoch_cache_cut_start(struct epoch_cache *cache, int64_t start)
{
	uint32_t drop = 0;

	while (drop < cache->len && cache->entries[drop].start_offset <= start)
		drop++;
	if (drop == 0 || (drop == 1 && cache->entries[0].start_offset == start))
		return;
	cache->entries[drop - 1].start_offset = start;
	cache->len -= drop - 1;
	memmove(cache->entries, cache->entries + drop - 1, cache->len * sizeof(*cache->entries));
	cache->dirty = true;
}

void epoch_cache_clear(struct epoch_cache *cache)
{
	cache->dirty = cache->dirty || cache->len > 0;
	cache->len = 0;
}

/* The number of entries whose epoch is <= epoch. */
static uint32_t epoch_cache_count_upto(const struct epoch_cache *cache, int32_t epoch)
{
	uint32_t low = 0, high = cache->len;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (cache->entries[middle].epoch <= epoch)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void epoch_cache_end_for(const struct epoch_cache *cache, int32_t epoch, int64_t log_end,
			 int32_t *found_epoch, int64_t *end_offset)
{
	uint32_t upto = epoch_cache_count_upto(cache, epoch);

	*found_epoch = -1;
	*end_offset = -1;
	if (epoch == -1 || cache->len == 0)
		return;
	if (epoch == epoch_cache_latest(cache)) {
		*found_epoch = epoch;
		*end_offset = log_end;
	} else if (upto < cache->len) {
		/* Older than all that is known: Kafka answers where the first known one begins. */
		*found_epoch = upto > 0 ? cache->entries[upto - 1].epoch : epoch;
		*end_offset = cache->entries[upto].start_offset;
	}
}

int32_t epoch_cache_of_offset(const struct epoch_cache *cache, int64_t offset)
{
	int32_t epoch = -1;

	for (uint32_t i = 0; i < cache->len && cache->entries[i].start_offset <= offset; i++)
		epoch = cache->entries[i].epoch;
	return epoch;
}

#define EPOCH_LINE_BYTES 40 /* "<epoch> <offset>\n", and the two lines of the head */

char *epoch_cache_format(const struct epoch_cache *cache)
{
	size_t size = ((size_t)cache->len + 1) * EPOCH_LINE_BYTES, len;
	char *text = malloc(size);

	if (text == NULL)
		return NULL;
	len = (size_t)snprintf(text, size, "0\n%u\n", cache->len);
	for (uint32_t i = 0; i < cache->len; i++)
		len +=
		    (size_t)snprintf(text + len, size - len, "%d %lld\n", cache->entries[i].epoch,
				     (long long)cache->entries[i].start_offset);
	must(len < size);
	return text;
}

static bool epoch_cache_parse_line(struct str line, struct epoch_entry *entry)
{
	struct str epoch_text, offset_text, more;
	int64_t epoch;

	if (!text_word(&line, &epoch_text) || !text_word(&line, &offset_text) ||
	    text_word(&line, &more))
		return false;
	if (!str_to_int64(epoch_text, &epoch) || epoch < 0 || epoch > INT32_MAX)
		return false;
	entry->epoch = (int32_t)epoch;
	return str_to_int64(offset_text, &entry->start_offset) && entry->start_offset >= 0;
}

static enum err epoch_cache_parse_lines(struct epoch_cache *cache, struct str text, int64_t count)
{
	struct epoch_entry entry, before = {-1, -1};
	struct str line;
	enum err err = ERR_OK;

	for (int64_t i = 0; i < count && err == ERR_OK; i++) {
		if (!text_line(&text, &line) || !epoch_cache_parse_line(line, &entry))
			return ERR_BADFILE;
		if (entry.epoch <= before.epoch || entry.start_offset <= before.start_offset)
			return ERR_BADFILE;
		before = entry;
		err = epoch_cache_push(cache, entry);
	}
	return err;
}

enum err epoch_cache_parse(struct epoch_cache *cache, struct str text)
{
	enum err err;
	int64_t count;

	must(cache->len == 0);
	if (str_trim(text).len == 0)
		return ERR_OK;
	if (!text_head(&text, &count))
		return ERR_BADFILE;
	err = epoch_cache_parse_lines(cache, text, count);
	if (err != ERR_OK)
		cache->len = 0;
	cache->dirty = false;
	return err;
}
