/* Replay of what Apache Kafka wrote, of transactions in the log, and of damage. */
#include "golden.h"
#include "image_make.h"

#include "meta/mreplay.h"
#include "meta/msnap.h"
#include "proto/voters_record.h"
#include "record/builder.h"

static void replay_golden(struct mreplay *replay, const char *name)
{
	size_t len;
	char *data = golden_read(name, &len);

	assert_int_equal(mreplay_init(replay, STR("c")), ERR_OK);
	replay->next_offset = 0;
	if (mreplay_batches(replay, (struct bytes){(const uint8_t *)data, len}) != ERR_OK)
		fail_msg("%s", replay->message);
	free(data);
}

static void reads_a_log_of_static_voters(void **state)
{
	const struct image_partition *part;
	const struct image_topic *topic;
	struct mreplay replay;
	struct image *img;

	replay_golden(&replay, "voters/metadata.log");
	img = replay.img;
	assert_int_equal(replay.kraft_version, 0);
	assert_int_equal(replay.next_offset, 402);
	assert_int_equal(replay.epoch, 3);
	assert_int_equal(image_topics_len(img), 3);
	assert_int_equal(img->partitions_len, 55);
	assert_int_equal(img->offline_len, 55);
	assert_null(image_topic_by_name(img, STR("del-me")));
	topic = image_topic_by_name(img, STR("t1"));
	assert_int_equal(topic->partitions_len, 4);
	part = image_partition_at(topic, 0);
	assert_int_equal(part->leader, -1);
	assert_int_equal(part->leader_epoch, 5);
	assert_int_equal(part->leader_recovery_state, 1);
	assert_int_equal(image_elr(part).ptr[0], 1);
	assert_int_equal(image_last_known_elr(part).ptr[0], 1);
	assert_true(image_topic_by_name(img, STR("__consumer_offsets"))->internal);
	assert_int_equal(image_feature_level(img, STR("metadata.version")), 30);
	assert_int_equal(image_feature_level(img, STR("transaction.version")), 2);
	assert_true(
	    str_eq(image_config_get(img, IMAGE_CONFIG_TOPIC, STR("t1"), STR("max.message.bytes")),
		   STR("2000000")));
	assert_null(image_config_get(img, IMAGE_CONFIG_TOPIC, STR("t1"), STR("retention.ms")).ptr);
	assert_true(
	    str_eq(image_config_get(img, IMAGE_CONFIG_BROKER, STR(""), STR("log.retention.ms")),
		   STR("90000000")));
	assert_int_equal(img->next_producer_id, 1000);
	assert_true(image_broker_find(img, 1)->fenced);
	assert_true(image_broker_find(img, 1)->in_shutdown);
	assert_int_equal(image_broker_find(img, 1)->epoch, 228);
	assert_int_equal(pmap_len(img->kept), 3); /* controller, quota, SCRAM */
	mreplay_fini(&replay);
}

static void reads_a_standalone_log(void **state)
{
	struct mreplay replay;
	struct voters_record voters;
	struct arena arena;
	struct rd rd;

	replay_golden(&replay, "standalone/metadata.log");
	assert_int_equal(replay.kraft_version, 1);
	arena_init(&arena, 1 << 20);
	rd = rd_of(replay.voters);
	assert_int_equal(voters_record_decode(&voters, &rd, 0, &arena), ERR_OK);
	assert_int_equal(voters.voters_len, 1);
	assert_int_equal(voters.voters[0].voter_id, 1);
	assert_int_equal(voters.voters[0].endpoints[0].port, 19401);
	arena_fini(&arena);
	assert_int_equal(replay.next_offset, 58);
	mreplay_fini(&replay);
}

static void load_golden(struct mreplay *replay, const char *name)
{
	char path[512];

	golden_path(path, name);
	assert_int_equal(mreplay_init(replay, STR("c")), ERR_OK);
	if (msnap_load(path, replay) != ERR_OK)
		fail_msg("%s", replay->message);
}

/* The log up to the snapshot's end must give what the snapshot says. */
static void stock_snapshot_equals_its_log(void **state)
{
	struct mreplay replay, snapshot;
	struct batch_header header;
	size_t len, at = 0;
	char *data = golden_read("standalone/metadata.log", &len);

	assert_int_equal(mreplay_init(&replay, STR("c")), ERR_OK);
	while (replay.next_offset < 56) {
		struct bytes left = {(const uint8_t *)data + at, len - at};

		assert_int_equal(batch_header_read(left, &header), ERR_OK);
		left.len = header.size_bytes;
		assert_int_equal(mreplay_batch(&replay, left), ERR_OK);
		at += header.size_bytes;
	}
	assert_int_equal(replay.next_offset, 56);
	load_golden(&snapshot, "standalone/00000000000000000056-0000000001.checkpoint");
	assert_int_equal(snapshot.kraft_version, 1);
	assert_int_equal(snapshot.voters.len, replay.voters.len);
	/* A map's order: the broker's features are written in another one. */
	assert_int_equal(image_broker_remove(replay.img, 1), ERR_OK);
	assert_int_equal(image_broker_remove(snapshot.img, 1), ERR_OK);
	assert_images_equal(replay.img, snapshot.img);
	mreplay_fini(&replay);
	mreplay_fini(&snapshot);
	free(data);
}

static void reads_what_formatting_wrote(void **state)
{
	struct mreplay replay;

	load_golden(&replay, "voters/bootstrap.checkpoint");
	assert_int_equal(image_feature_level(replay.img, STR("share.version")), 1);
	assert_int_equal(replay.kraft_version, 0);
	mreplay_fini(&replay);
	load_golden(&replay, "standalone/00000000000000000000-0000000000.checkpoint");
	assert_int_equal(replay.kraft_version, 1);
	assert_true(replay.voters.len > 0);
	assert_int_equal(pmap_len(replay.img->features), 0);
	mreplay_fini(&replay);
}

static void snapshot_file_round_trip(void **state)
{
	struct mreplay replay, again;
	struct msnap_content content = {.clock = &clock_real, .kraft_version = 1};
	char dir[64], name[MSNAP_NAME_SIZE], *path;
	struct msnap_id *ids;
	size_t ids_len;

	scratch_make(dir);
	replay_golden(&replay, "standalone/metadata.log");
	content.img = replay.img;
	content.voters = replay.voters;
	content.last_timestamp_ms = 77;
	msnap_name((struct msnap_id){58, 1}, name);
	assert_string_equal(name, "00000000000000000058-0000000001.checkpoint");
	assert_int_equal(msnap_write(dir, name, 1, &content), ERR_OK);
	path = file_path(dir, "00000000000000000060-0000000001.checkpoint.part");
	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"x", 1}, false),
			 ERR_OK);
	assert_int_equal(msnap_tidy(dir), ERR_OK);
	assert_false(file_exists(path));
	assert_int_equal(msnap_list(dir, &ids, &ids_len), ERR_OK);
	free(path);
	assert_int_equal(ids_len, 1);
	assert_int_equal(ids[0].end_offset, 58);
	assert_int_equal(ids[0].epoch, 1);
	free(ids);
	assert_int_equal(mreplay_init(&again, STR("c")), ERR_OK);
	path = file_path(dir, name);
	assert_int_equal(msnap_load(path, &again), ERR_OK);
	assert_images_equal(replay.img, again.img);
	assert_int_equal(again.voters.len, replay.voters.len);
	assert_memory_equal(again.voters.ptr, replay.voters.ptr, again.voters.len);
	assert_int_equal(again.snapshot_timestamp_ms, 77);
	free(path);
	mreplay_fini(&replay);
	mreplay_fini(&again);
	scratch_remove(dir);
}

static void cut_snapshot_is_refused(void **state)
{
	struct mreplay replay;
	char dir[64], *path;
	size_t len;
	char *data = golden_read("standalone/00000000000000000056-0000000001.checkpoint", &len);

	scratch_make(dir);
	path = file_path(dir, "x.checkpoint");
	/* Without its last batch, the footer of 75 bytes; and within it. */
	for (size_t cut = 74; cut <= 75; cut++) {
		struct bytes part = {(const uint8_t *)data, len - cut};

		assert_int_equal(file_replace(path, part, false), ERR_OK);
		assert_int_equal(mreplay_init(&replay, STR("c")), ERR_OK);
		assert_int_not_equal(msnap_load(path, &replay), ERR_OK);
		assert_int_not_equal(replay.message[0], 0);
		mreplay_fini(&replay);
	}
	free(path);
	free(data);
	scratch_remove(dir);
}

/* -- transactions --------------------------------------------------------------------------- */

static void add_marker(struct mrec_list *list, int api_key)
{
	wr_uvarint(mrec_begin(list, api_key, 0), 0);
	mrec_end(list);
}

/* One batch of what is in the list, at the replay's next offset. */
static enum err replay_list(struct mreplay *replay, struct mrec_list *list)
{
	struct builder_options options = builder_options_default;
	struct builder builder;
	struct wr out;
	enum err err;

	wr_init(&out, 1 << 20);
	options.base_offset = replay->next_offset;
	options.leader_epoch = 1;
	builder_init(&builder, &out, &options);
	for (size_t i = 0; i < list->len; i++)
		builder_add(&builder, 5, BYTES_NULL, mrec_at(list, i), NULL, 0);
	assert_int_equal(builder_finish(&builder, NULL), ERR_OK);
	err = mreplay_batch(replay, wr_written(&out));
	wr_fini(&out);
	mrec_list_clear(list);
	return err;
}

static void begin(struct mreplay *replay, struct mrec_list *list)
{
	assert_int_equal(mreplay_init(replay, STR("c")), ERR_OK);
	replay->next_offset = 0;
	mrec_list_init(list);
	make_feature(list, "metadata.version", 30);
	make_topic(list, make_id(1), "a");
	assert_int_equal(replay_list(replay, list), ERR_OK);
}

static void transaction_applies_at_its_end(void **state)
{
	struct mreplay replay;
	struct mrec_list list;
	struct image *img;

	begin(&replay, &list);
	add_marker(&list, 23);
	make_topic(&list, make_id(2), "b");
	assert_int_equal(replay_list(&replay, &list), ERR_OK);
	make_topic(&list, make_id(3), "c");
	add_marker(&list, 24);
	assert_int_equal(replay_list(&replay, &list), ERR_OK);
	assert_false(mreplay_in_transaction(&replay));
	add_marker(&list, 23);
	make_topic(&list, make_id(4), "d");
	make_partition(&list, make_id(1), 0);
	assert_int_equal(replay_list(&replay, &list), ERR_OK);
	add_marker(&list, 25);
	make_topic(&list, make_id(5), "e");
	assert_int_equal(replay_list(&replay, &list), ERR_OK);
	assert_int_equal(image_topics_len(replay.img), 4);
	assert_null(image_topic_by_name(replay.img, STR("d")));
	assert_int_equal(replay.img->partitions_len, 0);
	add_marker(&list, 23);
	make_topic(&list, make_id(6), "f");
	assert_int_equal(replay_list(&replay, &list), ERR_OK);
	assert_true(mreplay_in_transaction(&replay));
	img = mreplay_take_image(&replay);
	assert_null(image_topic_by_name(img, STR("f")));
	image_unref(img);
	mreplay_fini(&replay);
	mrec_list_fini(&list);
}

static void refuses_markers_that_do_not_match(void **state)
{
	struct mreplay replay;
	struct mrec_list list;

	begin(&replay, &list);
	add_marker(&list, 24);
	assert_int_equal(replay_list(&replay, &list), ERR_MALFORMED);
	add_marker(&list, 25);
	assert_int_equal(replay_list(&replay, &list), ERR_MALFORMED);
	add_marker(&list, 23);
	add_marker(&list, 23);
	assert_int_equal(replay_list(&replay, &list), ERR_MALFORMED);
	assert_non_null(strstr(replay.message, "offset 3"));
	mreplay_fini(&replay);
	mrec_list_fini(&list);
}

static void refuses_gaps_and_damage(void **state)
{
	struct mreplay replay;
	size_t len;
	char *data = golden_read("voters/metadata.log", &len);

	for (size_t at = 0; at < len; at += 97) {
		assert_int_equal(mreplay_init(&replay, STR("c")), ERR_OK);
		replay.next_offset = 0;
		data[at] ^= 0x20;
		/* Outside the CRC lies only the leader epoch. */
		if (mreplay_batches(&replay, (struct bytes){(const uint8_t *)data, len}) == ERR_OK)
			assert_int_equal(replay.next_offset, 402);
		else
			assert_int_not_equal(replay.message[0], 0);
		data[at] ^= 0x20;
		mreplay_fini(&replay);
	}
	assert_int_equal(mreplay_init(&replay, STR("c")), ERR_OK);
	replay.next_offset = 1;
	assert_int_equal(mreplay_batches(&replay, (struct bytes){(const uint8_t *)data, len}),
			 ERR_CORRUPT_MESSAGE);
	assert_non_null(strstr(replay.message, "where 1 was due"));
	mreplay_fini(&replay);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_a_log_of_static_voters),
	    cmocka_unit_test(reads_a_standalone_log),
	    cmocka_unit_test(stock_snapshot_equals_its_log),
	    cmocka_unit_test(reads_what_formatting_wrote),
	    cmocka_unit_test(snapshot_file_round_trip),
	    cmocka_unit_test(cut_snapshot_is_refused),
	    cmocka_unit_test(transaction_applies_at_its_end),
	    cmocka_unit_test(refuses_markers_that_do_not_match),
	    cmocka_unit_test(refuses_gaps_and_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
