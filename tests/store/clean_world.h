/*
 * A log of random keyed records beside a model of it: what was written, and what a consumer must
 * find after cleaning. For the tests of cleaning.
 */
#ifndef TESTS_STORE_CLEAN_WORLD_H
#define TESTS_STORE_CLEAN_WORLD_H

#include "base/rnd.h"
#include "store/clean.h"
#include "store/plog_impl.h"
#include "support.h"

#define CLEAN_KEYS    40
#define CLEAN_RECORDS 20000
#define CLEAN_TXNS    3 /* transactional producers, with ids from 1000 on */

struct clean_record {
	int64_t offset;
	int key;   /* -1: none */
	int value; /* -1: a tombstone */
	int txn;   /* its transaction, -1: none */
};

enum clean_txn_fate { TXN_OPEN, TXN_COMMITTED, TXN_ABORTED };

struct clean_world {
	struct world *w;
	struct rnd rnd;
	struct clean_record *records;
	size_t records_len;
	enum clean_txn_fate *fates;
	int fates_len;
	int open[CLEAN_TXNS]; /* the transaction of each producer, -1: none */
	int32_t sequences[CLEAN_TXNS + 2];
	int next_value;
	int64_t checkpoint; /* cleaned up to here; -1 */
	struct clean_limits limits;
	struct codec_scratch *scratch;
};

static inline struct clean_world *clean_world_new(uint64_t seed)
{
	struct clean_world *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->w = world_new();
	c->w->cfg.segment_bytes = 6000;
	c->w->cfg.index_interval_bytes = 200;
	c->w->cfg.compact = true;
	c->w->cfg.min_cleanable_ratio = 0;
	world_create(c->w);
	rnd_init_seed(&c->rnd, seed);
	c->records = calloc(CLEAN_RECORDS, sizeof(*c->records));
	c->fates = calloc(CLEAN_RECORDS, sizeof(*c->fates));
	for (int i = 0; i < CLEAN_TXNS; i++)
		c->open[i] = -1;
	c->checkpoint = -1;
	c->limits = (struct clean_limits){.map_bytes = 1 << 20, .map_load = 0.9, .io_bytes = 3000};
	c->scratch = codec_scratch_new(SUPPORT_CAP);
	return c;
}

static inline void clean_world_free(struct clean_world *c)
{
	world_free(c->w);
	codec_scratch_free(c->scratch);
	free(c->records);
	free(c->fates);
	free(c);
}

static inline uint32_t clean_below(struct clean_world *c, uint32_t limit)
{
	return (uint32_t)(rnd_next(&c->rnd) % limit);
}

static inline struct bytes clean_text(char *text, size_t size, const char *word, int number)
{
	int len = snprintf(text, size, "%s-%d-%.*s", word, number, number % 60,
			   "............................................................");

	return (struct bytes){(const uint8_t *)text, (size_t)len};
}

/* -- Writing -------------------------------------------------------------------------------- */

static inline void clean_send(struct clean_world *c, struct wr *wr, enum plog_origin origin,
			      int64_t *offset)
{
	struct plog_append item = {.data = wr->buf, .len_bytes = wr->len_bytes, .origin = origin};

	plog_lock(c->w->log);
	plog_append_as_leader(c->w->log, &item, 1, 0);
	plog_set_high_watermark(c->w->log, plog_end(c->w->log));
	plog_unlock(c->w->log);
	assert_int_equal(item.err, ERR_OK);
	*offset = item.base_offset;
}

/* producer: -1 none, 0 and 1 idempotent, 2 and up transactional. */
static inline void clean_add_batch(struct clean_world *c, int producer, int records, int key,
				   int value)
{
	struct builder_options options = builder_options_default;
	int *open = producer >= 2 ? &c->open[producer - 2] : NULL;
	size_t first = c->records_len;
	struct builder builder;
	int64_t offset;
	struct wr wr;

	wr_init(&wr, SUPPORT_CAP);
	options.codec = (enum codec)clean_below(c, CODEC_COUNT);
	if (producer >= 0) {
		options.producer_id = 998 + producer;
		options.producer_epoch = 0;
		options.base_sequence = c->sequences[producer];
		c->sequences[producer] += records;
	}
	options.transactional = producer >= 2;
	if (open != NULL && *open < 0)
		*open = c->fates_len++;
	builder_init(&builder, &wr, &options);
	for (int i = 0; i < records; i++) {
		char key_text[100], value_text[100];
		struct clean_record *record = &c->records[c->records_len++];

		assert_true(c->records_len < CLEAN_RECORDS);
		record->key = key >= 0 ? key : (int)clean_below(c, CLEAN_KEYS);
		record->value = value == 0 && clean_below(c, 8) != 0 ? c->next_value++
				: value > 0			     ? c->next_value++
								     : -1;
		record->txn = open != NULL ? *open : -1;
		builder_add(&builder, clock_wall_ms(&c->w->clock.clock) + i,
			    clean_text(key_text, sizeof(key_text), "key", record->key),
			    record->value < 0 ? BYTES_NULL
					      : clean_text(value_text, sizeof(value_text), "value",
							   record->value),
			    NULL, 0);
	}
	assert_int_equal(builder_finish(&builder, c->scratch), ERR_OK);
	clean_send(c, &wr, PLOG_CLIENT, &offset);
	for (size_t i = first; i < c->records_len; i++)
		c->records[i].offset = offset + (int64_t)(i - first);
	wr_fini(&wr);
}

static inline void clean_end_txn(struct clean_world *c, int txn, bool commit)
{
	int64_t offset;
	struct wr wr;

	if (c->open[txn] < 0)
		return;
	wr_init(&wr, SUPPORT_CAP);
	assert_int_equal(control_marker_batch(&wr, commit ? CONTROL_COMMIT : CONTROL_ABORT,
					      1000 + txn, 0, 0, clock_wall_ms(&c->w->clock.clock)),
			 ERR_OK);
	clean_send(c, &wr, PLOG_COORDINATOR, &offset);
	wr_fini(&wr);
	c->fates[c->open[txn]] = commit ? TXN_COMMITTED : TXN_ABORTED;
	c->open[txn] = -1;
}

static inline void clean_add_random(struct clean_world *c, int batches)
{
	for (int i = 0; i < batches; i++) {
		if (clean_below(c, 6) == 0)
			clean_end_txn(c, (int)clean_below(c, CLEAN_TXNS), clean_below(c, 2) == 0);
		else
			clean_add_batch(c, (int)clean_below(c, CLEAN_TXNS + 3) - 1,
					1 + (int)clean_below(c, 8), -1, 0);
		clock_fake_advance(&c->w->clock, 10);
	}
}

static inline void clean_end_all(struct clean_world *c)
{
	for (int i = 0; i < CLEAN_TXNS; i++)
		clean_end_txn(c, i, clean_below(c, 2) == 0);
}

static inline void clean_roll(struct clean_world *c)
{
	plog_lock(c->w->log);
	assert_int_equal(plog_roll(c->w->log), ERR_OK);
	plog_unlock(c->w->log);
}

/* -- Cleaning ------------------------------------------------------------------------------- */

static inline enum err clean_once(struct clean_world *c)
{
	struct clean_known known = {c->checkpoint, INT64_MAX, clock_wall_ms(&c->w->clock.clock)};
	struct clean_range range;
	struct clean_result result;
	enum err err = clean_range_find(c->w->log, &known, &range);

	if (err != ERR_OK || range.end <= range.first_dirty)
		return err;
	err = clean_log(c->w->log, &range, &c->limits, &result);
	if (err == ERR_OK) {
		assert_true(result.end > range.first_dirty && result.end <= range.end);
		c->checkpoint = result.end;
	}
	return err;
}

/* Until all is clean that can be. */
static inline void clean_rounds(struct clean_world *c)
{
	int64_t before;

	do {
		before = c->checkpoint;
		assert_int_equal(clean_once(c), ERR_OK);
	} while (c->checkpoint != before);
}

/* -- Reading -------------------------------------------------------------------------------- */

struct clean_seen {
	int64_t offset;
	int key, value;
	bool transactional;
	int64_t producer_id;
};

/* Every record of data in the log, by offset. Free the array. */
static inline struct clean_seen *clean_read(struct clean_world *c, size_t *len)
{
	struct clean_seen *seen = calloc(CLEAN_RECORDS, sizeof(*seen));
	int64_t offset = plog_start(c->w->log), end = plog_end(c->w->log);
	uint8_t *data = malloc(1 << 20);
	size_t got = 1;

	*len = 0;
	while (offset < end && got > 0) {
		assert_int_equal(plog_read_copy(c->w->log, offset, end, data,
						10000 + clean_below(c, 1 << 19), &got),
				 ERR_OK);
		for (size_t at = 0; at < got;) {
			struct record_iter iter;
			struct record record;
			struct bytes batch = {data + at, got - at};

			assert_int_equal(record_iter_init(&iter, batch, c->scratch), ERR_OK);
			batch.len = iter.header.size_bytes;
			assert_int_equal(batch_check_crc(batch), ERR_OK);
			assert_true(iter.header.base_offset >= offset || at == 0);
			while (record_iter_next(&iter, &record) &&
			       !batch_is_control(&iter.header)) {
				struct clean_seen *one = &seen[(*len)++];

				assert_true(*len < 2 || record.offset > one[-1].offset);
				*one = (struct clean_seen){.offset = record.offset, .value = -1};
				assert_int_equal(sscanf((const char *)record.key.ptr, "key-%d-",
							&one->key),
						 1);
				if (record.value.ptr != NULL)
					assert_int_equal(sscanf((const char *)record.value.ptr,
								"value-%d-", &one->value),
							 1);
				one->transactional = batch_is_transactional(&iter.header);
				one->producer_id = iter.header.producer_id;
			}
			assert_int_equal(iter.err, ERR_OK);
			offset = batch_next_offset(&iter.header);
			at += batch.len;
		}
	}
	free(data);
	return seen;
}

/* Is the record of a transaction that the answer of a read_committed fetch names? */
static inline bool clean_is_aborted(const struct clean_world *c, const struct clean_record *record)
{
	return record->txn >= 0 && c->fates[record->txn] == TXN_ABORTED;
}

#endif
