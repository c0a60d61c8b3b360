/*
 * From effects to the log: an event's records as record batches, appended with one call. A batch
 * holds at most what the topic allows (max.message.bytes), so a long list is several batches, which
 * are written together or not at all but for a roll in between.
 */
#include "coord/coord_int.h"
#include "record/builder.h"

/* Beside key and value: lengths, deltas, attributes, headers. */
#define JOURNAL_RECORD_OVERHEAD 64
#define JOURNAL_BATCHES_MAX	256

struct journal {
	struct clog *log;
	const struct journal_source *source;
	struct builder builder;
	size_t batch_bytes_max;
	size_t first;				/* record of the batch that is being built */
	size_t count;				/* records in it */
	size_t starts[JOURNAL_BATCHES_MAX + 1]; /* of the batches, in bytes */
	size_t firsts[JOURNAL_BATCHES_MAX];	/* and in records */
	size_t len;
};

static void journal_begin_batch(struct journal *journal)
{
	struct builder_options options = builder_options_default;

	options.base_sequence = journal->source->base_sequence;
	options.producer_id = journal->source->producer_id;
	options.producer_epoch = journal->source->producer_epoch;
	options.transactional = journal->source->producer_id >= 0;
	journal->starts[journal->len] = journal->log->coord->batches.len_bytes;
	builder_init(&journal->builder, &journal->log->coord->batches, &options);
	journal->count = 0;
}

static enum err journal_end_batch(struct journal *journal)
{
	enum err err;

	if (journal->count == 0)
		return ERR_OK;
	if (journal->count == 1 && builder_size_bytes(&journal->builder) > journal->batch_bytes_max)
		return ERR_MESSAGE_TOO_LARGE;
	err = builder_finish(&journal->builder, NULL);
	if (err != ERR_OK)
		return err;
	journal->firsts[journal->len++] = journal->first;
	journal->starts[journal->len] = journal->log->coord->batches.len_bytes;
	return ERR_OK;
}

static enum err journal_add(struct journal *journal, size_t idx, int64_t now_ms)
{
	struct coord *coord = journal->log->coord;
	struct wr *key = &coord->key, *value = &coord->value;
	struct bytes none = BYTES_NULL;
	bool tombstone;
	enum err err;

	key->len_bytes = value->len_bytes = 0;
	tombstone = journal->source->encode(journal->source->ctx, idx, key, value);
	if (key->err != ERR_OK || value->err != ERR_OK)
		return ERR_MESSAGE_TOO_LARGE;
	if (journal->count > 0 && builder_size_bytes(&journal->builder) + key->len_bytes +
					  value->len_bytes + JOURNAL_RECORD_OVERHEAD >
				      journal->batch_bytes_max) {
		err = journal_end_batch(journal);
		if (err != ERR_OK)
			return err;
		if (journal->len == JOURNAL_BATCHES_MAX)
			return ERR_RECORD_LIST_TOO_LARGE;
		journal_begin_batch(journal);
	}
	if (journal->count == 0)
		journal->first = idx;
	builder_add(&journal->builder, now_ms, wr_written(key),
		    tombstone ? none : wr_written(value), NULL, 0);
	journal->count++;
	return coord->batches.err;
}

static enum err journal_build(struct journal *journal)
{
	int64_t now_ms = clock_wall_ms(journal->log->coord->o.clock);
	enum err err = ERR_OK;

	journal->log->coord->batches.len_bytes = 0;
	journal_begin_batch(journal);
	for (size_t i = 0; i < journal->source->len && err == ERR_OK; i++)
		err = journal_add(journal, i, now_ms);
	return err != ERR_OK ? err : journal_end_batch(journal);
}

/* The records' offsets, which follow from their batches'. */
static enum err journal_note(struct journal *journal, const struct plog_append *items)
{
	const struct journal_source *source = journal->source;
	enum err err = ERR_OK;

	for (size_t b = 0; b < journal->len; b++) {
		size_t end = b + 1 < journal->len ? journal->firsts[b + 1] : source->len;

		if (items[b].err != ERR_OK) {
			err = items[b].err;
			continue;
		}
		for (size_t i = journal->firsts[b]; i < end; i++)
			source->appended(source->ctx, i,
					 items[b].base_offset + (int64_t)(i - journal->firsts[b]));
		journal->log->end = items[b].last_offset + 1;
	}
	return err;
}

/* What was large once need not stay so. */
static void journal_trim(struct wr *wr)
{
	size_t cap_bytes = wr->cap_bytes;

	if (wr->size_bytes <= 65536 && wr->err == ERR_OK)
		return;
	wr_fini(wr);
	wr_init(wr, cap_bytes);
}

static enum err journal_write(struct journal *journal)
{
	struct coord *coord = journal->log->coord;
	struct plog_append *items =
	    arena_array(journal->source->arena, journal->len, sizeof(*items));

	must(items != NULL);
	for (size_t b = 0; b < journal->len; b++)
		items[b] =
		    (struct plog_append){.data = coord->batches.buf + journal->starts[b],
					 .len_bytes = journal->starts[b + 1] - journal->starts[b],
					 .origin = PLOG_COORDINATOR,
					 .txn_guard = journal->source->txn_guard,
					 .txn_version = journal->source->txn_version};
	partition_append(journal->log->part, items, journal->len, PARTITION_ACKS_ALL);
	return journal_note(journal, items);
}

enum err journal_append(struct clog *log, const struct journal_source *source)
{
	struct coord *coord = log->coord;
	struct journal *journal;
	struct partition_rules rules;
	enum err err;

	if (source->len == 0)
		return ERR_OK;
	partition_rules(log->part, &rules);
	journal = arena_alloc(source->arena, sizeof(*journal));
	must(journal != NULL);
	journal->log = log;
	journal->source = source;
	journal->batch_bytes_max = (size_t)rules.max_message_bytes;
	err = journal_build(journal);
	if (err == ERR_OK)
		err = journal_write(journal);
	journal_trim(&coord->batches);
	journal_trim(&coord->key);
	journal_trim(&coord->value);
	return err;
}
