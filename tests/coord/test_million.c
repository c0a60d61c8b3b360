/*
 * A million committed offsets, and a hundred thousand transactional ids, through a load: all of it
 * is there afterwards, and the figures are printed. No time is asserted: LOAD_COUNT=10000000 and a
 * quiet machine are for who wants to know.
 */
#include "world.h"

#include <malloc.h>
#include <time.h>

#include "coord/crecord.h"
#include "coord/trecord.h"
#include "record/builder.h"

#define BATCHES_BYTES_MAX (64 << 20)
#define APPEND_BYTES	  (1 << 20)

/* Records in the making: written when there are enough of them. */
struct writer {
	struct world *w;
	struct wr batches, key, value;
	struct builder builder;
	size_t in_batch, batch_len;
};

/* Sanitizers take ten times as long, and care less for how many there are. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MILLION 100000
#else
#define MILLION 1000000
#endif

static size_t million(void)
{
	const char *text = getenv("LOAD_COUNT");

	return text != NULL ? (size_t)strtoull(text, NULL, 10) : MILLION;
}

static void writer_init(struct writer *wr, struct world *w, size_t batch_len)
{
	*wr = (struct writer){.w = w, .batch_len = batch_len};
	wr_init(&wr->batches, BATCHES_BYTES_MAX);
	wr_init(&wr->key, 1 << 16);
	wr_init(&wr->value, 1 << 16);
}

static void writer_append(struct writer *wr)
{
	struct plog_append items[2048];
	size_t len = 0, pos = 0;

	while (pos < wr->batches.len_bytes) {
		struct bytes rest = {wr->batches.buf + pos, wr->batches.len_bytes - pos};
		struct batch_header header;

		assert_int_equal(batch_header_read(rest, &header), ERR_OK);
		items[len++] = (struct plog_append){.data = wr->batches.buf + pos,
						    .len_bytes = header.size_bytes,
						    .origin = PLOG_COORDINATOR};
		pos += header.size_bytes;
		if (len < ARRAY_LEN(items) && pos < wr->batches.len_bytes)
			continue;
		partition_append(wr->w->part, items, len, PARTITION_ACKS_ALL);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(items[i].err, ERR_OK);
		len = 0;
	}
	wr->batches.len_bytes = 0;
}

static void writer_end_batch(struct writer *wr)
{
	if (wr->in_batch == 0)
		return;
	assert_int_equal(builder_finish(&wr->builder, NULL), ERR_OK);
	wr->in_batch = 0;
	if (wr->batches.len_bytes >= APPEND_BYTES)
		writer_append(wr);
}

/* What stands in key and value. */
static void writer_add(struct writer *wr)
{
	if (wr->in_batch == 0)
		builder_init(&wr->builder, &wr->batches, &builder_options_default);
	builder_add(&wr->builder, 1700000000000, wr_written(&wr->key), wr_written(&wr->value), NULL,
		    0);
	wr->key.len_bytes = wr->value.len_bytes = 0;
	if (++wr->in_batch == wr->batch_len)
		writer_end_batch(wr);
}

static void writer_fini(struct writer *wr)
{
	writer_end_batch(wr);
	writer_append(wr);
	wr_fini(&wr->batches);
	wr_fini(&wr->key);
	wr_fini(&wr->value);
}

static void writer_offset(struct writer *wr, size_t group, size_t partition, int64_t offset)
{
	struct fx_record record = {.kind = FX_OFFSET};
	char group_id[48], topic[48];

	snprintf(group_id, sizeof(group_id), "consumers-of-orders-%zu", group);
	snprintf(topic, sizeof(topic), "orders-%zu", partition / 1000);
	record.group = str_of(group_id);
	record.offset.topic = str_of(topic);
	record.offset.partition = (int32_t)(partition % 1000);
	record.offset.value = (struct offset_value){.offset = offset,
						    .leader_epoch = 3,
						    .metadata = STR(""),
						    .commit_ms = 1700000000000,
						    .expire_ms = -1,
						    .topic_id = uuid_of(7, partition / 1000)};
	crecord_encode(&record, &wr->key, &wr->value);
	writer_add(wr);
}

/* -- the figures --------------------------------------------------------------------------- */

struct figures {
	int64_t wall_us, cpu_us;
	size_t heap_bytes;
};

static int64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void figures_begin(struct figures *f)
{
	f->wall_us = clock_us(CLOCK_MONOTONIC);
	f->cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	f->heap_bytes = mallinfo2().uordblks;
}

static void figures_end(struct figures *f, const char *what, size_t records, size_t kept)
{
	int64_t wall_us = clock_us(CLOCK_MONOTONIC) - f->wall_us;
	int64_t cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID) - f->cpu_us;
	size_t bytes = mallinfo2().uordblks - f->heap_bytes;

	must(kept > 0);
	print_message("%-44s %9zu records in %5lld ms, %.2f M/CPU s, %zu bytes for each of %zu\n",
		      what, records, (long long)wall_us / 1000,
		      (double)records / (double)(cpu_us > 0 ? cpu_us : 1), bytes / kept, kept);
}

static void load_again(struct world *w, const char *what, size_t kept)
{
	struct figures f;
	size_t records = (size_t)partition_log_end(w->part);

	coord_stop(w->coord);
	loop_turn(w->loop, false);
	coord_free(w->coord);
	malloc_trim(0);
	figures_begin(&f);
	world_elect(w);
	figures_end(&f, what, records, kept);
}

/* -- shapes -------------------------------------------------------------------------------- */

static void shape_of(struct world *w, const char *what, size_t count, size_t groups,
		     size_t batch_len, size_t rounds)
{
	size_t each = count / groups;
	struct writer wr;

	writer_init(&wr, w, batch_len);
	for (size_t r = 0; r < rounds; r++)
		for (size_t g = 0; g < groups; g++)
			for (size_t p = 0; p < each; p++)
				writer_offset(&wr, g, p, (int64_t)(r * 1000000 + g + p));
	writer_fini(&wr);
	load_again(w, what, groups * each);
	assert_int_equal(coord_groups_len(w->coord), groups);
	assert_int_equal(world_fetch(w, "consumers-of-orders-0", "orders-0", 0),
			 (int64_t)(rounds - 1) * 1000000);
}

static void shape(struct world *w, const char *what, size_t groups, size_t batch_len, size_t rounds)
{
	shape_of(w, what, million() / rounds, groups, batch_len, rounds);
}

static void one_group_of_a_million(void **state)
{
	shape(*state, "one group, 1,000 in a commit", 1, 1000, 1);
}

static void a_thousand_groups(void **state)
{
	shape(*state, "1,000 groups, 1,000 in a commit", 1000, 1000, 1);
}

static void a_thousand_groups_of_single_commits(void **state)
{
	shape(*state, "1,000 groups, one in a commit", 1000, 1, 1);
}

static void many_groups(void **state)
{
	size_t groups = million() / 10;

	shape_of(*state, "as many groups as offsets", groups, groups, 1, 1);
}

static void overwritten_ten_times(void **state)
{
	shape(*state, "1,000 groups, ten times, ten in a commit", 1000, 10, 10);
}

/* -- transactional ids --------------------------------------------------------------------- */

static int setup_txns(void **state)
{
	return world_setup_topic(state, "__transaction_state");
}

static void writer_txn(struct writer *wr, struct arena *arena, size_t n, enum txn_state state)
{
	static const int32_t partitions[] = {0, 1, 2};
	static const struct txn_topic topic = {{"orders", 6}, partitions, ARRAY_LEN(partitions)};
	struct txn_record record = {.value = {.producer_id = (int64_t)n,
					      .previous_id = -1,
					      .next_id = -1,
					      .timeout_ms = 60000,
					      .update_ms = 1700000000000,
					      .start_ms = 1700000000000,
					      .state = state,
					      .client_version = 2}};
	char id[48];

	snprintf(id, sizeof(id), "orders-processor-%zu", n);
	record.id = str_of(id);
	if (state == TXN_ONGOING) {
		record.value.topics = &topic;
		record.value.topics_len = 1;
	}
	trecord_encode(&record, 2, arena, &wr->key, &wr->value);
	writer_add(wr);
	arena_reset(arena);
}

/* Each has had a transaction and is in another. */
static void a_hundred_thousand_ids(void **state)
{
	static const enum txn_state states[] = {TXN_EMPTY, TXN_ONGOING, TXN_PREPARE_COMMIT,
						TXN_COMPLETE_COMMIT, TXN_ONGOING};
	struct world *w = *state;
	size_t count = million() / 10;
	const struct txn_value *value;
	struct arena arena;
	struct writer wr;

	arena_init(&arena, 1 << 20);
	writer_init(&wr, w, 1);
	for (size_t n = 0; n < count; n++)
		for (size_t i = 0; i < ARRAY_LEN(states); i++)
			writer_txn(&wr, &arena, n, states[i]);
	writer_fini(&wr);
	arena_fini(&arena);
	load_again(w, "transactional ids, five records each", count);
	assert_int_equal(txncoord_len(w->coord), count);
	assert_int_equal(txncoord_describe(w->coord, STR("orders-processor-7"), &value), ERR_OK);
	assert_int_equal(value->state, TXN_ONGOING);
	assert_int_equal(value->producer_id, 7);
}

#define txns_test(name) cmocka_unit_test_setup_teardown(name, setup_txns, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(one_group_of_a_million),
	    world_test(a_thousand_groups),
	    world_test(a_thousand_groups_of_single_commits),
	    world_test(many_groups),
	    world_test(overwritten_ten_times),
	    txns_test(a_hundred_thousand_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
