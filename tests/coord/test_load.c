/* Logs that Apache Kafka 4.3.1 wrote, and logs that nobody should have written. */
#include "world.h"

#include "coord/crecord.h"
#include "record/iter.h"

/* The segment as it lies on disk, into the groups. */
static void load_golden(struct world *w, const char *name)
{
	char path[256];
	char *data;
	size_t len;
	struct arena arena;
	struct bytes rest;
	struct batch_header header;

	snprintf(path, sizeof(path), "%s/tests/golden/coord/%s", getenv("srcdir"), name);
	assert_int_equal(file_read_all(path, 1 << 20, &data, &len), ERR_OK);
	rest = (struct bytes){(uint8_t *)data, len};
	arena_init(&arena, 1 << 20);
	while (rest.len > 0) {
		assert_int_equal(batch_header_read(rest, &header), ERR_OK);
		assert_int_equal(load_batch(&w->coord->shards[0]->log,
					    (struct bytes){rest.ptr, header.size_bytes}, NULL,
					    &arena),
				 ERR_OK);
		rest.ptr += header.size_bytes;
		rest.len -= header.size_bytes;
	}
	assert_int_equal(w->coord->shards[0]->log.load.skipped, 0);
	arena_fini(&arena);
	free(data);
}

static struct group_listed only_group(struct world *w)
{
	struct coord_list_pos pos = {0};
	struct group_listed listed;

	assert_true(coord_list_next(w->coord, &pos, &listed));
	return listed;
}

static void a_classic_group_of_stock_kafka(void **state)
{
	struct world *w = *state;
	struct group_listed listed;

	load_golden(w, "classic.log");
	listed = only_group(w);
	assert_true(str_eq(listed.id, STR("g1")));
	assert_true(str_eq(listed.state, STR("Empty")));
	assert_true(str_eq(listed.type, STR("classic")));
	assert_true(str_eq(listed.protocol_type, STR("consumer")));
	assert_int_equal(world_fetch(w, "g1", "t1", 0), 3);
	assert_int_equal(world_fetch(w, "g1", "t1", 1), 0);
	assert_int_equal(world_fetch(w, "g1", "t1", 9), -1);
}

static void a_consumer_group_of_stock_kafka(void **state)
{
	struct world *w = *state;
	struct group_listed listed;

	load_golden(w, "consumer.log");
	listed = only_group(w);
	assert_true(str_eq(listed.id, STR("g2")));
	assert_true(str_eq(listed.type, STR("consumer")));
	assert_true(str_eq(listed.state, STR("Empty")));
	assert_int_equal(world_fetch(w, "g2", "t1", 0), 3);
}

static void transactional_offsets_of_stock_kafka(void **state)
{
	struct world *w = *state;
	struct offset_entry entry = {.topic = STR("t3")};

	load_golden(w, "transactional.log");
	assert_int_equal(world_fetch(w, "gtx", "t3", 0), 30);
	assert_int_equal(world_fetch(w, "gtx", "t1", 0), 3);
	offsets_fetch(w->coord->shards[0]->groups, STR("gtx"), true, &entry, 1);
	assert_int_equal(entry.err, ERR_OK);
}

/* What stock wrote is what we write for the same values, byte for byte. */
static void our_records_are_stocks(void **state)
{
	static const char *const files[] = {"classic.log", "consumer.log"};
	struct world *w = *state;
	size_t seen = 0;

	for (size_t f = 0; f < ARRAY_LEN(files); f++) {
		char path[256], *data;
		size_t len;
		struct bytes rest;
		struct arena arena;

		snprintf(path, sizeof(path), "%s/tests/golden/coord/%s", getenv("srcdir"),
			 files[f]);
		assert_int_equal(file_read_all(path, 1 << 20, &data, &len), ERR_OK);
		rest = (struct bytes){(uint8_t *)data, len};
		arena_init(&arena, 1 << 20);
		while (rest.len > 0) {
			struct record_iter iter;
			struct record record;

			assert_int_equal(record_iter_init(&iter, rest, NULL), ERR_OK);
			while (record_iter_next(&iter, &record)) {
				struct fx_record value;
				struct wr *k = &w->coord->key, *v = &w->coord->value;

				assert_int_equal(crecord_decode(record.key, record.value, &arena,
								&value),
						 ERR_OK);
				if (value.kind == FX_FOREIGN)
					continue;
				k->len_bytes = v->len_bytes = 0;
				crecord_encode(&value, k, v);
				assert_int_equal(k->len_bytes, record.key.len);
				assert_memory_equal(k->buf, record.key.ptr, record.key.len);
				assert_int_equal(v->len_bytes, record.value.len);
				assert_memory_equal(v->buf, record.value.ptr, record.value.len);
				seen++;
			}
			rest.ptr += iter.header.size_bytes;
			rest.len -= iter.header.size_bytes;
		}
		arena_fini(&arena);
		free(data);
	}
	assert_int_equal(seen, 18);
}

static void a_retention_of_its_own_is_version_1(void **state)
{
	struct world *w = *state;
	struct fx_record record = {.kind = FX_OFFSET, .group = STR("g")}, back;
	struct arena arena;

	record.offset.topic = STR("t");
	record.offset.value = (struct offset_value){
	    .offset = 5, .leader_epoch = 3, .metadata = STR("m"), .commit_ms = 7, .expire_ms = 9};
	crecord_encode(&record, &w->coord->key, &w->coord->value);
	arena_init(&arena, 1 << 16);
	assert_int_equal(w->coord->value.buf[1], 1);
	assert_int_equal(crecord_decode(wr_written(&w->coord->key), wr_written(&w->coord->value),
					&arena, &back),
			 ERR_OK);
	assert_int_equal(back.offset.value.expire_ms, 9);
	assert_int_equal(back.offset.value.leader_epoch, -1);
	arena_fini(&arena);
}

static void types_of_a_later_kafka_are_passed_over(void **state)
{
	struct arena arena;
	struct fx_record record;

	arena_init(&arena, 1 << 16);
	assert_int_equal(crecord_decode((struct bytes){(const uint8_t *)"\0\77\0\1g", 5},
					BYTES_NULL, &arena, &record),
			 ERR_UNSUPPORTED_VERSION);
	assert_int_equal(crecord_decode((struct bytes){(const uint8_t *)"\0\2\0\1g", 5},
					(struct bytes){(const uint8_t *)"\0\11abc", 5}, &arena,
					&record),
			 ERR_UNSUPPORTED_VERSION);
	assert_int_equal(crecord_decode(BYTES_NULL, BYTES_NULL, &arena, &record), ERR_SHORT);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    world_test(a_classic_group_of_stock_kafka),
	    world_test(a_consumer_group_of_stock_kafka),
	    world_test(transactional_offsets_of_stock_kafka),
	    world_test(our_records_are_stocks),
	    world_test(a_retention_of_its_own_is_version_1),
	    cmocka_unit_test(types_of_a_later_kafka_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
