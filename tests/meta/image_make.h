/* Records for tests of images: one line a record. The caller's list, cleared by apply_all. */
#ifndef TESTS_META_IMAGE_MAKE_H
#define TESTS_META_IMAGE_MAKE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "meta/image_apply.h"
#include "meta/image_snapshot.h"
#include "meta/mrec.h"
#include "proto/broker_registration_change_record.h"
#include "proto/clear_elr_record.h"
#include "proto/client_quota_record.h"
#include "proto/config_record.h"
#include "proto/feature_level_record.h"
#include "proto/partition_change_record.h"
#include "proto/partition_record.h"
#include "proto/producer_ids_record.h"
#include "proto/register_broker_record.h"
#include "proto/remove_topic_record.h"
#include "proto/remove_user_scram_credential_record.h"
#include "proto/topic_record.h"
#include "proto/user_scram_credential_record.h"

static const struct uuid make_dir = {{9, 9, 9}};

static inline struct uuid make_id(uint8_t n)
{
	return (struct uuid){{1, 2, n}};
}

static inline void make_feature(struct mrec_list *list, const char *name, int16_t level)
{
	struct feature_level_record m;

	feature_level_record_init(&m);
	m.name = str_of(name);
	m.feature_level = level;
	feature_level_record_encode(&m, mrec_begin(list, FEATURE_LEVEL_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static inline void make_topic(struct mrec_list *list, struct uuid id, const char *name)
{
	struct topic_record m;

	topic_record_init(&m);
	m.name = str_of(name);
	m.topic_id = id;
	topic_record_encode(&m, mrec_begin(list, TOPIC_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static inline void make_remove_topic(struct mrec_list *list, struct uuid id)
{
	struct remove_topic_record m;

	remove_topic_record_init(&m);
	m.topic_id = id;
	remove_topic_record_encode(&m, mrec_begin(list, REMOVE_TOPIC_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

/* Replicas, ISR and leader are broker 1. */
static inline void make_partition(struct mrec_list *list, struct uuid id, int32_t idx)
{
	int32_t one[1] = {1};
	struct uuid dirs[1] = {make_dir};
	struct partition_record m;

	partition_record_init(&m);
	m.partition_id = idx;
	m.topic_id = id;
	m.replicas = one;
	m.replicas_len = 1;
	m.isr = one;
	m.isr_len = 1;
	m.leader = 1;
	m.leader_epoch = 0;
	m.partition_epoch = 0;
	m.directories = dirs;
	m.directories_len = 1;
	partition_record_encode(&m, mrec_begin(list, PARTITION_RECORD_API_KEY, 2), 2);
	mrec_end(list);
}

/* As a clean stop leaves it: no leader, broker 1 eligible and last known. */
static inline void make_leaderless(struct mrec_list *list, struct uuid id, int32_t idx)
{
	int32_t one[1] = {1};
	struct partition_change_record m;

	partition_change_record_init(&m);
	m.partition_id = idx;
	m.topic_id = id;
	m.isr = PROTO_EMPTY;
	m.leader = -1;
	m.eligible_leader_replicas = one;
	m.eligible_leader_replicas_len = 1;
	m.last_known_elr = one;
	m.last_known_elr_len = 1;
	partition_change_record_encode(&m, mrec_begin(list, PARTITION_CHANGE_RECORD_API_KEY, 2), 2);
	mrec_end(list);
}

static inline void make_leader(struct mrec_list *list, struct uuid id, int32_t idx, int32_t leader)
{
	struct partition_change_record m;

	partition_change_record_init(&m);
	m.partition_id = idx;
	m.topic_id = id;
	m.leader = leader;
	partition_change_record_encode(&m, mrec_begin(list, PARTITION_CHANGE_RECORD_API_KEY, 2), 2);
	mrec_end(list);
}

static inline void make_clear_elr(struct mrec_list *list, const char *topic)
{
	struct clear_elr_record m;

	clear_elr_record_init(&m);
	m.topic_name = str_of(topic);
	clear_elr_record_encode(&m, mrec_begin(list, CLEAR_ELR_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static inline void make_config(struct mrec_list *list, int8_t type, const char *name,
			       const char *key, const char *value)
{
	struct config_record m;

	config_record_init(&m);
	m.resource_type = type;
	m.resource_name = str_of(name);
	m.name = str_of(key);
	m.value = str_of(value);
	config_record_encode(&m, mrec_begin(list, CONFIG_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static inline void make_broker(struct mrec_list *list, int32_t id, int64_t epoch)
{
	struct register_broker_record_broker_endpoint endpoints[2];
	struct register_broker_record_broker_feature features[1];
	struct uuid dirs[1] = {make_dir};
	struct register_broker_record m;

	register_broker_record_init(&m);
	register_broker_record_broker_endpoint_init(&endpoints[0]);
	register_broker_record_broker_endpoint_init(&endpoints[1]);
	register_broker_record_broker_feature_init(&features[0]);
	endpoints[0].name = STR("INSIDE");
	endpoints[0].host = STR("10.0.0.1");
	endpoints[0].port = 9092;
	endpoints[1].name = STR("OUTSIDE");
	endpoints[1].host = STR("example.org");
	endpoints[1].port = 65535;
	features[0].name = STR("metadata.version");
	features[0].min_supported_version = 7;
	features[0].max_supported_version = 30;
	m.broker_id = id;
	m.broker_epoch = epoch;
	m.incarnation_id = make_id(77);
	m.end_points = endpoints;
	m.end_points_len = 2;
	m.features = features;
	m.features_len = 1;
	m.fenced = true;
	m.rack = STR("r1");
	m.log_dirs = dirs;
	m.log_dirs_len = 1;
	register_broker_record_encode(&m, mrec_begin(list, REGISTER_BROKER_RECORD_API_KEY, 4), 4);
	mrec_end(list);
}

static inline void make_broker_change(struct mrec_list *list, int32_t id, int64_t epoch,
				      int8_t fenced, int8_t in_shutdown)
{
	struct broker_registration_change_record m;

	broker_registration_change_record_init(&m);
	m.broker_id = id;
	m.broker_epoch = epoch;
	m.fenced = fenced;
	m.in_controlled_shutdown = in_shutdown;
	broker_registration_change_record_encode(
	    &m, mrec_begin(list, BROKER_REGISTRATION_CHANGE_RECORD_API_KEY, 1), 1);
	mrec_end(list);
}

static inline void make_producer_ids(struct mrec_list *list, int64_t next)
{
	struct producer_ids_record m;

	producer_ids_record_init(&m);
	m.next_producer_id = next;
	producer_ids_record_encode(&m, mrec_begin(list, PRODUCER_IDS_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static inline void make_scram(struct mrec_list *list, const char *name, int8_t mechanism)
{
	struct user_scram_credential_record m;

	user_scram_credential_record_init(&m);
	m.name = str_of(name);
	m.mechanism = mechanism;
	m.salt = (struct bytes){(const uint8_t *)"salt", 4};
	m.stored_key = m.salt;
	m.server_key = m.salt;
	m.iterations = 4096;
	user_scram_credential_record_encode(
	    &m, mrec_begin(list, USER_SCRAM_CREDENTIAL_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static inline void make_remove_scram(struct mrec_list *list, const char *name, int8_t mechanism)
{
	struct remove_user_scram_credential_record m;

	remove_user_scram_credential_record_init(&m);
	m.name = str_of(name);
	m.mechanism = mechanism;
	remove_user_scram_credential_record_encode(
	    &m, mrec_begin(list, REMOVE_USER_SCRAM_CREDENTIAL_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

/* Of user and client-id, named in this order or the other. */
static inline void make_quota(struct mrec_list *list, bool client_first, double value, bool remove)
{
	struct client_quota_record_entity_data entity[2];
	struct client_quota_record m;

	client_quota_record_init(&m);
	entity[client_first].entity_type = STR("user");
	entity[client_first].entity_name = STR("bob");
	entity[!client_first].entity_type = STR("client-id");
	entity[!client_first].entity_name = STR_NULL;
	m.entity = entity;
	m.entity_len = 2;
	m.key = STR("producer_byte_rate");
	m.value = value;
	m.remove = remove;
	client_quota_record_encode(&m, mrec_begin(list, CLIENT_QUOTA_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static inline enum err apply_list(struct image *img, struct mrec_list *list,
				  struct image_delta *delta, char message[IMAGE_MESSAGE_SIZE])
{
	struct arena arena;
	enum err err = list->bytes.err;

	arena_init(&arena, 16 << 20);
	for (size_t i = 0; err == ERR_OK && i < list->len; i++)
		err = image_apply(img, mrec_at(list, i), delta, &arena, message);
	arena_fini(&arena);
	mrec_list_clear(list);
	return err;
}

static inline void apply_all(struct image *img, struct mrec_list *list)
{
	char message[IMAGE_MESSAGE_SIZE] = "";
	enum err err = apply_list(img, list, NULL, message);

	if (err != ERR_OK)
		fail_msg("%s: %s", err_name(err), message);
}

static inline enum err collect(void *ctx, struct mrec_list *list)
{
	struct mrec_list *all = ctx;

	for (size_t i = 0; i < list->len; i++)
		mrec_raw(all, mrec_at(list, i));
	return all->bytes.err;
}

/* The image as records: two images are equal when these are. */
static inline void records_of(const struct image *img, struct mrec_list *all)
{
	mrec_list_init(all);
	assert_int_equal(image_snapshot(img, collect, all), ERR_OK);
}

static inline void assert_images_equal(const struct image *a, const struct image *b)
{
	struct mrec_list x, y;

	records_of(a, &x);
	records_of(b, &y);
	assert_int_equal(x.len, y.len);
	assert_int_equal(x.bytes.len_bytes, y.bytes.len_bytes);
	assert_memory_equal(x.bytes.buf, y.bytes.buf, x.bytes.len_bytes);
	mrec_list_fini(&x);
	mrec_list_fini(&y);
}

#endif
