/*
 * Any content of the small files: those of a log directory, of a partition, and the properties
 * file. A parser takes it or refuses it; what it took and can write, it must read again the same.
 *
 * Input: one byte says which file, the rest is its content.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"
#include "meta/config_listeners.h"
#include "meta/msnap.h"
#include "meta/properties.h"
#include "meta/quorum_state.h"
#include "store/checkpoint.h"
#include "store/epoch_cache.h"
#include "store/logdir.h"
#include "store/partition_metadata.h"
#include "store/producer_snapshot.h"
#include "store/seg.h"
#include "store/txn_index.h"

#define ARENA_BYTES	   (1u << 20)
#define SNAPSHOT_CRC_AT	   2 /* behind the version, over all that follows */
#define SNAPSHOT_SUMMED_AT 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str text_of(struct bytes content)
{
	return (struct str){(const char *)content.ptr, content.len};
}

static void try_checkpoint(struct bytes content)
{
	struct checkpoint checkpoint = {0};

	if (checkpoint_parse(text_of(content), &checkpoint) == ERR_OK)
		for (size_t i = 0; i < checkpoint.len; i++) {
			const struct checkpoint_entry *entry = &checkpoint.entries[i];
			(void)checkpoint_get(&checkpoint, entry->topic, entry->partition, -1);
		}
	checkpoint_fini(&checkpoint);
}

static void try_epochs(struct bytes content)
{
	struct epoch_cache cache = {0}, again = {0};
	int32_t epoch;
	int64_t end;

	if (epoch_cache_parse(&cache, text_of(content)) == ERR_OK) {
		char *text = epoch_cache_format(&cache);
		must(text != NULL);
		must(epoch_cache_parse(&again, str_of(text)) == ERR_OK);
		must(again.len == cache.len);
		for (uint32_t i = 0; i < cache.len; i++)
			must(again.entries[i].epoch == cache.entries[i].epoch &&
			     again.entries[i].start_offset == cache.entries[i].start_offset);
		free(text);
		epoch_cache_end_for(&cache, epoch_cache_latest(&cache), INT64_MAX, &epoch, &end);
		epoch_cache_cut_start(&cache, 100);
		epoch_cache_cut_end(&cache, 200);
	} else {
		must(cache.len == 0);
	}
	epoch_cache_fini(&cache);
	epoch_cache_fini(&again);
}

/* With the CRC made right, or nothing would get past it. */
static void try_producers(struct bytes content)
{
	struct producer_state state, again;
	uint8_t *copy = malloc(content.len + 1);
	size_t len;

	must(copy != NULL);
	memcpy(copy, content.ptr, content.len);
	if (content.len > SNAPSHOT_SUMMED_AT) {
		uint32_t crc = crc32c(copy + SNAPSHOT_SUMMED_AT, content.len - SNAPSHOT_SUMMED_AT);
		for (int i = 0; i < 4; i++)
			copy[SNAPSHOT_CRC_AT + i] = (uint8_t)(crc >> (24 - 8 * i));
	}
	producer_state_init(&state);
	producer_state_init(&again);
	if (producer_snapshot_parse(&state, (struct bytes){copy, content.len}) == ERR_OK) {
		uint8_t *encoded = producer_snapshot_format(&state, &len);
		must(encoded != NULL);
		must(producer_snapshot_parse(&again, (struct bytes){encoded, len}) == ERR_OK);
		free(encoded);
	}
	producer_state_fini(&state);
	producer_state_fini(&again);
	free(copy);
}

static void try_txns(struct bytes content)
{
	struct txn_index_entry *entries = NULL;
	size_t len = 0;

	if (txn_index_parse(content, &entries, &len) == ERR_OK)
		must(len <= content.len / TXN_INDEX_ENTRY_BYTES);
	free(entries);
}

static void try_topic_id(struct bytes content)
{
	struct uuid id;

	(void)!partition_metadata_parse(text_of(content), &id);
}

static void try_names(struct bytes content)
{
	char name[200];
	size_t len = content.len < sizeof(name) - 1 ? content.len : sizeof(name) - 1;
	enum logdir_kind kind;
	struct str topic;
	struct msnap_id id;
	int32_t partition;
	int64_t offset;

	memcpy(name, content.ptr, len);
	name[len] = '\0';
	(void)!seg_parse_name(name, ".log", &offset);
	(void)!msnap_parse_name(str_of(name), &id);
	/* A deleted one's name may have been cut, then they are not known. */
	if (logdir_parse_name(str_of(name), &kind, &topic, &partition) && kind != LOGDIR_DELETED)
		must(partition >= 0 && topic.len > 0);
}

static void try_properties(struct bytes content)
{
	struct properties props;
	struct properties_entry entry;
	struct arena arena;
	bool more = true;

	arena_init(&arena, ARENA_BYTES);
	properties_init(&props, text_of(content));
	while (more) {
		enum err err = properties_next(&props, &arena, &entry, &more);
		must(err != ERR_BADCONFIG || props.error != NULL);
		if (err != ERR_OK)
			break;
		arena_reset(&arena);
	}
	arena_fini(&arena);
}

/* A file without a name on a disk, for parsers that take a path. */
static void try_quorum_state(struct bytes content)
{
	struct quorum_state state;
	char path[40];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0);
	must(content.len == 0 || file_pwrite(fd, content.ptr, content.len, 0) == ERR_OK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	enum err err = quorum_state_read(path, 1, &state);
	must(err == ERR_OK || err == ERR_BADFILE || err == ERR_NOMEM);
	file_close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct bytes content) = {
	    try_checkpoint, try_epochs, try_producers,	try_txns,
	    try_topic_id,   try_names,	try_properties, try_quorum_state,
	};

	log_set_level(LOG_LEVEL_ERROR);
	if (size < 1)
		return 0;
	tries[data[0] % ARRAY_LEN(tries)]((struct bytes){data + 1, size - 1});
	return 0;
}
