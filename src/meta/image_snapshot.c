/* From an image to records, metadata.version first, as Apache Kafka orders them. */
#include "meta/image_snapshot.h"

#include "proto/config_record.h"
#include "proto/feature_level_record.h"
#include "proto/partition_record.h"
#include "proto/producer_ids_record.h"
#include "proto/register_broker_record.h"
#include "proto/topic_record.h"

#define PORTION_RECORDS 1000

struct snapshot {
	const struct image *img;
	int16_t metadata_version;
	struct mrec_list list;
	image_sink_fn sink;
	void *ctx;
	enum err err;
};

static void flush(struct snapshot *snap)
{
	if (snap->err == ERR_OK)
		snap->err = snap->list.bytes.err;
	if (snap->err == ERR_OK && snap->list.len > 0)
		snap->err = snap->sink(snap->ctx, &snap->list);
	mrec_list_clear(&snap->list);
}

static void record_end(struct snapshot *snap)
{
	mrec_end(&snap->list);
	if (snap->list.len >= PORTION_RECORDS)
		flush(snap);
}

static void put_feature(struct snapshot *snap, struct str name, int16_t level)
{
	struct feature_level_record m;

	feature_level_record_init(&m);
	m.name = name;
	m.feature_level = level;
	feature_level_record_encode(&m, mrec_begin(&snap->list, FEATURE_LEVEL_RECORD_API_KEY, 0),
				    0);
	record_end(snap);
}

static void put_features(struct snapshot *snap)
{
	const struct image_feature *feature = image_feature_seek(snap->img, STR(""), false);

	if (snap->metadata_version > 0)
		put_feature(snap, STR("metadata.version"), snap->metadata_version);
	for (; feature != NULL; feature = image_feature_seek(snap->img, feature->name, true))
		if (!str_eq(feature->name, STR("metadata.version")))
			put_feature(snap, feature->name, feature->level);
}

static void encode_broker(struct snapshot *snap, const struct image_broker *broker,
			  struct register_broker_record *m)
{
	int version = mrec_version_register_broker(snap->metadata_version);
	struct wr *wr = mrec_begin(&snap->list, REGISTER_BROKER_RECORD_API_KEY, version);

	m->broker_id = broker->id;
	m->is_migrating_zk_broker = broker->migrating;
	m->incarnation_id = broker->incarnation;
	m->broker_epoch = broker->epoch;
	m->rack = broker->rack;
	m->fenced = broker->fenced;
	m->in_controlled_shutdown = broker->in_shutdown;
	m->log_dirs = broker->log_dirs;
	m->log_dirs_len = broker->log_dirs_len;
	m->cordoned_log_dirs = broker->has_cordoned_dirs ? broker->cordoned_dirs : NULL;
	m->cordoned_log_dirs_len = broker->has_cordoned_dirs ? broker->cordoned_dirs_len : 0;
	register_broker_record_encode(m, wr, version);
	record_end(snap);
}

static void put_broker(struct snapshot *snap, const struct image_broker *broker)
{
	struct register_broker_record m;
	struct arena arena;

	arena_init(&arena, 4 << 20);
	register_broker_record_init(&m);
	m.end_points = register_broker_record_broker_endpoint_array(&arena, broker->endpoints_len);
	m.features = register_broker_record_broker_feature_array(&arena, broker->features_len);
	if (m.end_points == NULL || m.features == NULL) {
		snap->err = ERR_NOMEM;
		arena_fini(&arena);
		return;
	}
	for (size_t i = 0; i < broker->endpoints_len; i++) {
		m.end_points[i].name = broker->endpoints[i].listener;
		m.end_points[i].host = broker->endpoints[i].host;
		m.end_points[i].port = broker->endpoints[i].port;
		m.end_points[i].security_protocol = broker->endpoints[i].security_protocol;
	}
	for (size_t i = 0; i < broker->features_len; i++) {
		m.features[i].name = broker->features[i].name;
		m.features[i].min_supported_version = broker->features[i].min;
		m.features[i].max_supported_version = broker->features[i].max;
	}
	m.end_points_len = broker->endpoints_len;
	m.features_len = broker->features_len;
	encode_broker(snap, broker, &m);
	arena_fini(&arena);
}

static void put_brokers(struct snapshot *snap)
{
	const struct image_broker *broker = image_broker_seek(snap->img, INT32_MIN);

	while (broker != NULL) {
		put_broker(snap, broker);
		if (broker->id == INT32_MAX)
			break;
		broker = image_broker_seek(snap->img, broker->id + 1);
	}
}

/* The encoder takes what it does not change without const. */
static int32_t *ids_ptr(struct image_ids ids)
{
	return (int32_t *)ids.ptr;
}

static void put_partition(struct snapshot *snap, struct uuid topic_id, int32_t idx,
			  const struct image_partition *part)
{
	int version = mrec_version_partition(snap->metadata_version);
	struct partition_record m;

	partition_record_init(&m);
	m.partition_id = idx;
	m.topic_id = topic_id;
	m.replicas = ids_ptr(image_replicas(part));
	m.replicas_len = part->replicas_len;
	m.isr = ids_ptr(image_isr(part));
	m.isr_len = part->isr_len;
	m.removing_replicas = ids_ptr(image_removing(part));
	m.removing_replicas_len = part->removing_len;
	m.adding_replicas = ids_ptr(image_adding(part));
	m.adding_replicas_len = part->adding_len;
	m.leader = part->leader;
	m.leader_recovery_state = part->leader_recovery_state;
	m.leader_epoch = part->leader_epoch;
	m.partition_epoch = part->partition_epoch;
	m.directories = (struct uuid *)part->directories;
	m.directories_len = part->replicas_len;
	if (part->elr_len > 0) {
		m.eligible_leader_replicas = ids_ptr(image_elr(part));
		m.eligible_leader_replicas_len = part->elr_len;
	}
	if (part->last_known_elr_len > 0) {
		m.last_known_elr = ids_ptr(image_last_known_elr(part));
		m.last_known_elr_len = part->last_known_elr_len;
	}
	partition_record_encode(&m, mrec_begin(&snap->list, PARTITION_RECORD_API_KEY, version),
				version);
	record_end(snap);
}

static void put_topic(struct snapshot *snap, const struct image_topic *topic)
{
	struct topic_record m;

	topic_record_init(&m);
	m.name = topic->name;
	m.topic_id = topic->id;
	topic_record_encode(&m, mrec_begin(&snap->list, TOPIC_RECORD_API_KEY, 0), 0);
	record_end(snap);
	for (int32_t i = 0; snap->err == ERR_OK && i < topic->partitions_len; i++) {
		const struct image_partition *part = image_partition_at(topic, i);

		if (part != NULL)
			put_partition(snap, topic->id, i, part);
	}
}

static void put_config(struct snapshot *snap, int8_t type, struct str name,
		       const struct image_config *config)
{
	struct config_record m;

	config_record_init(&m);
	m.resource_type = type;
	m.resource_name = name;
	m.name = config->key;
	m.value = config->value;
	config_record_encode(&m, mrec_begin(&snap->list, CONFIG_RECORD_API_KEY, 0), 0);
	record_end(snap);
}

static void put_configs(struct snapshot *snap)
{
	struct image_resource_ref ref = {0};

	while (snap->err == ERR_OK && image_resource_next(snap->img, &ref)) {
		struct image_config config = {0};

		while (image_config_next(snap->img, ref.type, ref.name, config.key, &config))
			put_config(snap, (int8_t)ref.type, ref.name, &config);
	}
}

static void put_producer_ids(struct snapshot *snap)
{
	struct producer_ids_record m;

	if (snap->img->next_producer_id == 0)
		return;
	producer_ids_record_init(&m);
	m.broker_id = -1; /* as Apache Kafka's snapshots have it */
	m.broker_epoch = -1;
	m.next_producer_id = snap->img->next_producer_id;
	producer_ids_record_encode(&m, mrec_begin(&snap->list, PRODUCER_IDS_RECORD_API_KEY, 0), 0);
	record_end(snap);
}

static void put_kept(struct snapshot *snap)
{
	struct bytes key = {(const uint8_t *)"", 0}, record;

	while (snap->err == ERR_OK && image_kept_next(snap->img, &key, &record)) {
		mrec_raw(&snap->list, record);
		if (snap->list.len >= PORTION_RECORDS)
			flush(snap);
	}
}

enum err image_snapshot(const struct image *img, image_sink_fn sink, void *ctx)
{
	struct snapshot snap = {.img = img, .sink = sink, .ctx = ctx};

	must_be(img, IMAGE_MAGIC);
	snap.metadata_version = image_feature_level(img, STR("metadata.version"));
	mrec_list_init(&snap.list);
	put_features(&snap);
	put_brokers(&snap);
	IMAGE_TOPICS_FOREACH(img, topic)
	if (snap.err == ERR_OK)
		put_topic(&snap, topic);
	put_configs(&snap);
	put_producer_ids(&snap);
	put_kept(&snap);
	flush(&snap);
	mrec_list_fini(&snap.list);
	return snap.err;
}
