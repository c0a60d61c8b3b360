/*
 * The image: what records do to it, that versions share what did not change and stay as they were.
 */
#include "image_make.h"

static struct image *some_image(struct mrec_list *list)
{
	struct image *img = image_new(STR("cluster"));

	assert_non_null(img);
	mrec_list_init(list);
	make_feature(list, "metadata.version", 30);
	make_feature(list, "group.version", 1);
	make_broker(list, 1, 11);
	make_topic(list, make_id(1), "alpha");
	for (int i = 0; i < 200; i++)
		make_partition(list, make_id(1), i);
	make_config(list, 2, "alpha", "retention.ms", "5");
	make_topic(list, make_id(2), "beta");
	make_partition(list, make_id(2), 0);
	make_config(list, 4, "", "min.insync.replicas", "1");
	make_producer_ids(list, 1000);
	make_scram(list, "bob", 1);
	make_quota(list, false, 10, false);
	apply_all(img, list);
	return img;
}

static void answers_what_records_say(void **state)
{
	struct mrec_list list;
	struct image *img = some_image(&list);
	const struct image_topic *topic = image_topic_by_name(img, STR("alpha"));
	const struct image_partition *part;
	const struct image_broker *broker;

	assert_non_null(topic);
	assert_ptr_equal(topic, image_topic_by_id(img, make_id(1)));
	assert_int_equal(topic->partitions_len, 200);
	assert_null(image_partition_at(topic, 200));
	assert_null(image_partition_at(topic, -1));
	part = image_partition_at(topic, 199);
	assert_int_equal(part->leader, 1);
	assert_int_equal(image_replicas(part).len, 1);
	assert_int_equal(image_replicas(part).ptr[0], 1);
	assert_int_equal(image_elr(part).len, 0);
	assert_true(uuid_eq(part->directories[0], make_dir));
	assert_int_equal(img->partitions_len, 201);
	assert_int_equal(img->next_producer_id, 1000);
	assert_int_equal(image_feature_level(img, STR("group.version")), 1);
	assert_int_equal(image_feature_level(img, STR("other")), 0);
	broker = image_broker_find(img, 1);
	assert_true(broker->fenced);
	assert_int_equal(image_broker_endpoint(broker, STR("OUTSIDE"))->port, 65535);
	assert_null(image_broker_endpoint(broker, STR("NONE")));
	assert_null(image_broker_find(img, 2));
	assert_true(
	    str_eq(image_config_get(img, IMAGE_CONFIG_TOPIC, STR("alpha"), STR("retention.ms")),
		   STR("5")));
	assert_null(image_config_get(img, IMAGE_CONFIG_TOPIC, STR("alpha"), STR("x")).ptr);
	image_unref(img);
	mrec_list_fini(&list);
}

static void walks_topics_in_order(void **state)
{
	struct mrec_list list;
	struct image *img = some_image(&list);
	const struct image_topic *topic;
	int n = 0;

	IMAGE_TOPICS_FOREACH(img, each)
	n++;
	assert_int_equal(n, 2);
	topic = image_topic_seek(img, STR("alpha"), true);
	assert_true(str_eq(topic->name, STR("beta")));
	topic = image_topic_seek(img, STR("az"), false);
	assert_true(str_eq(topic->name, STR("beta")));
	assert_null(image_topic_seek(img, STR("beta"), true));
	image_unref(img);
	mrec_list_fini(&list);
}

static void older_version_stays_as_it_was(void **state)
{
	struct mrec_list list, before, after;
	struct image *old = some_image(&list), *new;

	records_of(old, &before);
	new = image_fork(old);
	make_partition(&list, make_id(1), 200);
	make_leaderless(&list, make_id(1), 3);
	make_config(&list, 2, "alpha", "retention.ms", "6");
	make_config(&list, 2, "alpha", "segment.ms", "7");
	make_remove_topic(&list, make_id(2));
	make_broker_change(&list, 1, 11, -1, 0);
	make_feature(&list, "group.version", 0);
	make_remove_scram(&list, "bob", 1);
	make_quota(&list, true, 0, true);
	apply_all(new, &list);

	records_of(old, &after);
	assert_int_equal(before.bytes.len_bytes, after.bytes.len_bytes);
	assert_memory_equal(before.bytes.buf, after.bytes.buf, before.bytes.len_bytes);
	assert_int_equal(old->partitions_len, 201);
	assert_int_equal(new->partitions_len, 201);
	assert_int_equal(new->offline_len, 1);
	assert_null(image_topic_by_name(new, STR("beta")));
	assert_false(image_broker_find(new, 1)->fenced);
	assert_int_equal(image_feature_level(new, STR("group.version")), 0);
	assert_int_equal(pmap_len(new->kept), 0);
	mrec_list_fini(&before);
	mrec_list_fini(&after);
	image_unref(old);
	image_unref(new);
	mrec_list_fini(&list);
}

static void versions_share_what_did_not_change(void **state)
{
	struct mrec_list list;
	struct image *old = some_image(&list), *new = image_fork(old);
	const struct image_topic *was = image_topic_by_name(old, STR("alpha")), *is;

	make_leaderless(&list, make_id(1), 3);
	apply_all(new, &list);
	is = image_topic_by_name(new, STR("alpha"));
	assert_ptr_not_equal(was, is);
	assert_ptr_not_equal(was->chunks[0], is->chunks[0]);
	assert_ptr_equal(was->chunks[1], is->chunks[1]);
	assert_ptr_equal(image_partition_at(was, 4), image_partition_at(is, 4));
	assert_ptr_equal(image_topic_by_name(old, STR("beta")),
			 image_topic_by_name(new, STR("beta")));
	assert_ptr_equal(old->configs, new->configs);
	image_unref(old);
	assert_int_equal(image_partition_at(is, 4)->leader, 1);
	image_unref(new);
	mrec_list_fini(&list);
}

static void forked_again_after_an_abandoned_fork(void **state)
{
	struct mrec_list list;
	struct image *base = some_image(&list), *fork = image_fork(base);

	make_leaderless(&list, make_id(1), 3);
	make_topic(&list, make_id(5), "gone");
	apply_all(fork, &list);
	image_unref(fork);
	fork = image_fork(base);
	assert_null(image_topic_by_name(fork, STR("gone")));
	make_leaderless(&list, make_id(1), 4);
	apply_all(fork, &list);
	assert_int_equal(fork->offline_len, 1);
	assert_int_equal(base->offline_len, 0);
	image_unref(base);
	image_unref(fork);
	mrec_list_fini(&list);
}

static void partition_changes_count_epochs(void **state)
{
	struct mrec_list list;
	struct image *img = some_image(&list);
	const struct image_partition *part;

	make_leaderless(&list, make_id(1), 3);
	apply_all(img, &list);
	part = image_partition_find(img, make_id(1), 3);
	assert_int_equal(part->leader, IMAGE_NO_LEADER);
	assert_int_equal(part->leader_epoch, 1);
	assert_int_equal(part->partition_epoch, 1);
	assert_int_equal(image_elr(part).ptr[0], 1);
	assert_int_equal(image_last_known_elr(part).ptr[0], 1);
	assert_int_equal(part->isr_len, 0);
	make_leader(&list, make_id(1), 3, 1);
	make_leader(&list, make_id(1), 3, 1);
	make_clear_elr(&list, "alpha");
	apply_all(img, &list);
	part = image_partition_find(img, make_id(1), 3);
	assert_int_equal(part->leader_epoch, 3);
	assert_int_equal(part->partition_epoch, 4);
	assert_int_equal(part->elr_len, 0);
	assert_int_equal(part->last_known_elr_len, 0);
	make_leaderless(&list, make_id(2), 0);
	make_clear_elr(&list, "");
	apply_all(img, &list);
	assert_int_equal(image_partition_find(img, make_id(2), 0)->partition_epoch, 2);
	image_unref(img);
	mrec_list_fini(&list);
}

static void local_survives_changes(void **state)
{
	struct mrec_list list;
	struct image *img = some_image(&list), *next;
	struct partition *local = (struct partition *)&list;

	assert_int_equal(image_partition_set_local(img, make_id(1), 3, local), ERR_OK);
	next = image_fork(img);
	make_leaderless(&list, make_id(1), 3);
	apply_all(next, &list);
	assert_ptr_equal(image_partition_find(next, make_id(1), 3)->local, local);
	image_unref(img);
	image_unref(next);
	mrec_list_fini(&list);
}

static void configs_of_a_topic_go_with_it(void **state)
{
	struct mrec_list list;
	struct image *img = some_image(&list);
	struct image_config config;
	struct str name;

	assert_true(image_config_next(img, IMAGE_CONFIG_TOPIC, STR("alpha"), STR_NULL, &config));
	assert_true(str_eq(config.key, STR("retention.ms")));
	assert_false(image_config_next(img, IMAGE_CONFIG_TOPIC, STR("alpha"), config.key, &config));
	assert_true(image_config_resource_next(img, IMAGE_CONFIG_BROKER, STR_NULL, &name));
	assert_int_equal(name.len, 0);
	assert_false(image_config_resource_next(img, IMAGE_CONFIG_BROKER, name, &name));
	make_remove_topic(&list, make_id(1));
	apply_all(img, &list);
	assert_false(image_config_next(img, IMAGE_CONFIG_TOPIC, STR("alpha"), STR_NULL, &config));
	image_unref(img);
	mrec_list_fini(&list);
}

static void snapshot_makes_the_same_image(void **state)
{
	struct mrec_list list, all;
	struct image *img = some_image(&list), *copy = image_new(STR("cluster"));

	make_leaderless(&list, make_id(1), 3);
	make_config(&list, 32, "group", "consumer.session.timeout.ms", "46000");
	apply_all(img, &list);
	records_of(img, &all);
	apply_all(copy, &all);
	assert_images_equal(img, copy);
	assert_int_equal(copy->partitions_len, img->partitions_len);
	assert_int_equal(copy->offline_len, img->offline_len);
	image_unref(img);
	image_unref(copy);
	mrec_list_fini(&list);
	mrec_list_fini(&all);
}

static void delta_says_what_changed(void **state)
{
	char message[IMAGE_MESSAGE_SIZE];
	struct mrec_list list;
	struct image *img = some_image(&list);
	struct image_delta delta;

	image_delta_init(&delta);
	make_partition(&list, make_id(2), 1);
	make_leaderless(&list, make_id(1), 3);
	make_clear_elr(&list, "alpha");
	make_config(&list, 2, "beta", "segment.ms", "7");
	make_remove_topic(&list, make_id(1));
	assert_int_equal(apply_list(img, &list, &delta, message), ERR_OK);
	assert_int_equal(delta.len, 5);
	assert_int_equal(delta.changes[0].kind, IMAGE_CHANGE_PARTITION_NEW);
	assert_int_equal(delta.changes[0].idx, 1);
	assert_int_equal(delta.changes[1].kind, IMAGE_CHANGE_PARTITION);
	assert_true(delta.changes[1].leader_changed);
	assert_false(delta.changes[2].leader_changed);
	assert_int_equal(delta.changes[3].kind, IMAGE_CHANGE_CONFIG);
	assert_int_equal(delta.changes[4].kind, IMAGE_CHANGE_TOPIC_GONE);
	assert_int_equal(delta.changes[4].topic->partitions_len, 200);
	image_delta_fini(&delta);
	image_unref(img);
	mrec_list_fini(&list);
}

static void refuses(struct image *img, struct mrec_list *list, enum err err, const char *text)
{
	char message[IMAGE_MESSAGE_SIZE] = "";

	assert_int_equal(apply_list(img, list, NULL, message), err);
	if (strstr(message, text) == NULL)
		fail_msg("message: %s", message);
}

static void refuses_what_cannot_be(void **state)
{
	struct mrec_list list;
	struct image *img = some_image(&list);
	struct wr *wr;

	make_partition(&list, make_id(9), 0);
	refuses(img, &list, ERR_MALFORMED, "partition 0 of a topic");
	make_partition(&list, make_id(1), IMAGE_PARTITION_MAX);
	refuses(img, &list, ERR_MALFORMED, "cannot be");
	make_leader(&list, make_id(1), 777, 1);
	refuses(img, &list, ERR_MALFORMED, "partition 777");
	make_topic(&list, make_id(8), "alpha");
	refuses(img, &list, ERR_MALFORMED, "alpha is there already");
	make_remove_topic(&list, make_id(9));
	refuses(img, &list, ERR_MALFORMED, "RemoveTopicRecord");
	make_broker_change(&list, 1, 12, 1, 0);
	refuses(img, &list, ERR_MALFORMED, "epoch 11");
	make_broker_change(&list, 3, 12, 1, 0);
	refuses(img, &list, ERR_MALFORMED, "broker 3 is not registered");
	make_producer_ids(&list, 999);
	refuses(img, &list, ERR_MALFORMED, "go back");
	make_feature(&list, "metadata.version", 31);
	refuses(img, &list, ERR_UNSUPPORTED_VERSION, "metadata.version 31");
	mrec_begin(&list, 99, 0);
	mrec_end(&list);
	refuses(img, &list, ERR_UNSUPPORTED_VERSION, "unknown type 99");
	mrec_begin(&list, 6, 0);
	mrec_end(&list);
	refuses(img, &list, ERR_UNSUPPORTED_VERSION, "unknown type 6");
	mrec_begin(&list, PARTITION_RECORD_API_KEY, 3);
	mrec_end(&list);
	refuses(img, &list, ERR_UNSUPPORTED_VERSION, "PartitionRecord of version 3");
	wr = mrec_begin(&list, TOPIC_RECORD_API_KEY, 0);
	wr_uvarint(wr, 1000);
	mrec_end(&list);
	refuses(img, &list, ERR_SHORT, "TopicRecord");
	image_unref(img);
	mrec_list_fini(&list);
}

static void holes_read_as_no_partition(void **state)
{
	struct mrec_list list;
	struct image *img = some_image(&list);

	make_partition(&list, make_id(2), 1000);
	apply_all(img, &list);
	assert_null(image_partition_find(img, make_id(2), 500));
	assert_non_null(image_partition_find(img, make_id(2), 1000));
	make_partition(&list, make_id(2), 500);
	apply_all(img, &list);
	assert_non_null(image_partition_find(img, make_id(2), 500));
	image_unref(img);
	mrec_list_fini(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_what_records_say),
	    cmocka_unit_test(walks_topics_in_order),
	    cmocka_unit_test(older_version_stays_as_it_was),
	    cmocka_unit_test(versions_share_what_did_not_change),
	    cmocka_unit_test(forked_again_after_an_abandoned_fork),
	    cmocka_unit_test(partition_changes_count_epochs),
	    cmocka_unit_test(local_survives_changes),
	    cmocka_unit_test(configs_of_a_topic_go_with_it),
	    cmocka_unit_test(snapshot_makes_the_same_image),
	    cmocka_unit_test(delta_says_what_changed),
	    cmocka_unit_test(refuses_what_cannot_be),
	    cmocka_unit_test(holes_read_as_no_partition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
