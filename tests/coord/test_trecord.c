/* Records of __transaction_state: those that Apache Kafka 4.3.1 wrote, and ours, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "coord/coord_int.h"
#include "coord/trecord.h"

struct world {
	struct txns_cfg cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct tshard shard;
	struct arena arena;
	char *data;
	size_t len;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[256];

	w->cfg = txns_cfg_default;
	w->keep.cap_bytes = SIZE_MAX;
	w->shard.log.kind = &tshard_kind;
	w->shard.txns = txns_new(&w->cfg, &w->keep, &w->deadlines);
	arena_init(&w->arena, 16 << 20);
	snprintf(path, sizeof(path), "%s/tests/golden/coord/txns.log", getenv("srcdir"));
	assert_int_equal(file_read_all(path, 1 << 20, &w->data, &w->len), ERR_OK);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	txns_free(w->shard.txns);
	assert_int_equal(w->keep.used_bytes, 0);
	deadlines_fini(&w->deadlines);
	arena_fini(&w->arena);
	free(w->data);
	free(w);
	return 0;
}

/* The next batch of what is left, which moves on; false at the end. */
static bool next_batch(struct bytes *rest, struct bytes *batch)
{
	struct batch_header header;

	if (rest->len == 0)
		return false;
	assert_int_equal(batch_header_read(*rest, &header), ERR_OK);
	*batch = (struct bytes){rest->ptr, header.size_bytes};
	rest->ptr += header.size_bytes;
	rest->len -= header.size_bytes;
	return true;
}

static void the_transactions_of_stock_kafka_come_back(void **state)
{
	struct world *w = *state;
	struct bytes rest = {(uint8_t *)w->data, w->len}, batch;
	const struct txn_value *value;

	while (next_batch(&rest, &batch))
		assert_int_equal(load_batch(&w->shard.log, batch, NULL, &w->arena), ERR_OK);
	assert_int_equal(w->shard.log.load.skipped, 0);
	assert_int_equal(txns_len(w->shard.txns), 5);
	value = txns_find_value(w->shard.txns, STR("one"));
	assert_int_equal(value->state, TXN_COMPLETE_COMMIT);
	assert_int_equal(value->epoch, 3);
	assert_int_equal(value->topics_len, 0);
	value = txns_find_value(w->shard.txns, STR("three"));
	assert_int_equal(value->state, TXN_EMPTY);
	assert_int_equal(value->epoch, 2);
	value = txns_find_value(w->shard.txns, STR("five"));
	assert_int_equal(value->state, TXN_ONGOING);
	assert_int_equal(value->client_version, 2);
	assert_int_equal(value->topics_len, 1);
	assert_true(str_eq(value->topics[0].name, STR("t")));
}

static void check_written_again(struct world *w, const struct record *record)
{
	struct txn_record value;
	struct wr key, out;

	assert_int_equal(trecord_decode(record->key, record->value, &w->arena, &value), ERR_OK);
	if (value.value.topics_len > 1)
		return; /* Kafka has them in any order */
	wr_init(&key, 1 << 16);
	wr_init(&out, 1 << 16);
	trecord_encode(&value, 2, &w->arena, &key, &out);
	assert_int_equal(key.len_bytes, record->key.len);
	assert_memory_equal(key.buf, record->key.ptr, key.len_bytes);
	assert_int_equal(out.len_bytes, record->value.len);
	assert_memory_equal(out.buf, record->value.ptr, out.len_bytes);
	wr_fini(&key);
	wr_fini(&out);
}

static void our_records_are_stocks(void **state)
{
	struct world *w = *state;
	struct bytes rest = {(uint8_t *)w->data, w->len}, batch;
	struct record_iter iter;
	struct record record;
	int count = 0;

	while (next_batch(&rest, &batch)) {
		assert_int_equal(record_iter_init(&iter, batch, NULL), ERR_OK);
		for (; record_iter_next(&iter, &record); count++)
			check_written_again(w, &record);
	}
	assert_true(count > 10);
}

static void version_0_is_written_for_transaction_version_0(void **state)
{
	struct world *w = *state;
	struct txn_record record = {.id = STR("x"),
				    .value = {.producer_id = 5, .state = TXN_EMPTY}};
	struct txn_record back;
	struct wr key, out;

	wr_init(&key, 1 << 16);
	wr_init(&out, 1 << 16);
	trecord_encode(&record, 0, &w->arena, &key, &out);
	assert_int_equal(out.buf[1], 0);
	assert_int_equal(trecord_decode(wr_written(&key), wr_written(&out), &w->arena, &back),
			 ERR_OK);
	assert_int_equal(back.value.producer_id, 5);
	assert_true(back.value.next_id == TXN_NO_PRODUCER);
	wr_fini(&key);
	wr_fini(&out);
}

static void what_a_later_kafka_may_write_is_passed_over(void **state)
{
	static const uint8_t later_key[] = {0, 9, 0, 1, 'x'}, later_value[] = {0, 7};
	static const uint8_t key[] = {0, 0, 0, 1, 'x'};
	struct bytes empty = {later_value, 0};
	struct world *w = *state;
	struct txn_record record;

	assert_int_equal(trecord_decode((struct bytes){later_key, sizeof(later_key)}, empty,
					&w->arena, &record),
			 ERR_UNSUPPORTED_VERSION);
	assert_int_equal(trecord_decode((struct bytes){key, sizeof(key)},
					(struct bytes){later_value, sizeof(later_value)}, &w->arena,
					&record),
			 ERR_UNSUPPORTED_VERSION);
	assert_int_not_equal(trecord_decode((struct bytes){key, sizeof(key)}, empty, &w->arena,
					    &record),
			     ERR_OK);
	assert_int_equal(trecord_decode((struct bytes){key, sizeof(key)}, BYTES_NULL, &w->arena,
					&record),
			 ERR_OK);
	assert_true(record.tombstone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(the_transactions_of_stock_kafka_come_back),
	    TEST(our_records_are_stocks),
	    TEST(version_0_is_written_for_transaction_version_0),
	    TEST(what_a_later_kafka_may_write_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
