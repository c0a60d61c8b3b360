/*
 * What each metadata record does to an image. One small function a record, and a table of them; the
 * rules are those of facts on KRaft: a partition's epoch grows with each change, its leader epoch
 * with each change that names a leader, even the same one.
 */
#include "meta/image_apply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "meta/image_kept.h"
#include "meta/mrec.h"
#include "proto/broker_registration_change_record.h"
#include "proto/clear_elr_record.h"
#include "proto/config_record.h"
#include "proto/feature_level_record.h"
#include "proto/fence_broker_record.h"
#include "proto/partition_change_record.h"
#include "proto/partition_record.h"
#include "proto/producer_ids_record.h"
#include "proto/register_broker_record.h"
#include "proto/remove_topic_record.h"
#include "proto/topic_record.h"
#include "proto/unfence_broker_record.h"
#include "proto/unregister_broker_record.h"

#define NO_LEADER_CHANGE (-2)

struct apply {
	struct image *img;
	struct image_delta *delta; /* may be NULL */
	struct arena *arena;
	struct bytes record; /* frame and all */
	struct rd fields;
	int version;
	char *message;
};

/* -- the delta ------------------------------------------------------------------------------ */

void image_delta_init(struct image_delta *delta)
{
	*delta = (struct image_delta){0};
}

void image_delta_fini(struct image_delta *delta)
{
	for (size_t i = 0; i < delta->len; i++) {
		if (delta->changes[i].topic != NULL)
			image_topic_unref(delta->changes[i].topic);
		free((char *)delta->changes[i].name.ptr);
	}
	free(delta->changes);
	*delta = (struct image_delta){0};
}

/* The next entry, zeroed; NULL without a delta (err stays 0) or when memory is out. */
static struct image_change *delta_add(struct apply *ap, enum image_change_kind kind, enum err *err)
{
	struct image_delta *delta = ap->delta;

	*err = ERR_OK;
	if (delta == NULL)
		return NULL;
	if (delta->len == delta->size) {
		size_t size = delta->size == 0 ? 16 : delta->size * 2;
		struct image_change *changes = realloc(delta->changes, size * sizeof(*changes));

		if (changes == NULL) {
			*err = ERR_NOMEM;
			return NULL;
		}
		delta->changes = changes;
		delta->size = size;
	}
	delta->changes[delta->len] = (struct image_change){.kind = kind};
	return &delta->changes[delta->len++];
}

static enum err delta_partition(struct apply *ap, enum image_change_kind kind, struct uuid topic_id,
				int32_t idx, bool leader_changed)
{
	enum err err;
	struct image_change *change = delta_add(ap, kind, &err);

	if (change != NULL) {
		change->topic_id = topic_id;
		change->idx = idx;
		change->leader_changed = leader_changed;
	}
	return err;
}

/* -- helpers -------------------------------------------------------------------------------- */

static enum err refuse(struct apply *ap, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum err refuse(struct apply *ap, enum err err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ap->message, IMAGE_MESSAGE_SIZE, format, args);
	va_end(args);
	return err;
}

static struct image_ids ids_of(const int32_t *ptr, size_t len)
{
	return (struct image_ids){ptr, len};
}

/* -- topics --------------------------------------------------------------------------------- */

static enum err apply_topic(struct apply *ap)
{
	struct topic_record m;
	enum err err = topic_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	err = image_topic_add(ap->img, m.topic_id, m.name);
	if (err == ERR_EXISTS)
		return refuse(ap, ERR_MALFORMED, "topic %.*s is there already", STR_ARG(m.name));
	return err;
}

static enum err apply_remove_topic(struct apply *ap)
{
	struct remove_topic_record m;
	struct image_change *change;
	struct image_topic *topic;
	enum err err = remove_topic_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	topic = (struct image_topic *)image_topic_by_id(ap->img, m.topic_id);
	if (topic == NULL)
		return refuse(ap, ERR_MALFORMED, "removal of a topic that is not there");
	change = delta_add(ap, IMAGE_CHANGE_TOPIC_GONE, &err);
	if (change != NULL) {
		change->topic_id = m.topic_id;
		change->topic = image_topic_ref(topic);
	}
	return err != ERR_OK ? err : image_topic_remove(ap->img, m.topic_id);
}

static enum err apply_partition(struct apply *ap)
{
	const struct image_partition *old;
	struct image_partition_state state;
	struct partition_record m;
	enum err err = partition_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	if (image_topic_by_id(ap->img, m.topic_id) == NULL)
		return refuse(ap, ERR_MALFORMED, "partition %d of a topic that is not there",
			      m.partition_id);
	if (m.directories_len != 0 && m.directories_len != m.replicas_len)
		return refuse(ap, ERR_MALFORMED, "%zu directories for %zu replicas",
			      m.directories_len, m.replicas_len);
	old = image_partition_find(ap->img, m.topic_id, m.partition_id);
	state = (struct image_partition_state){
	    .leader = m.leader,
	    .leader_epoch = m.leader_epoch,
	    .partition_epoch = m.partition_epoch,
	    .leader_recovery_state = m.leader_recovery_state,
	    .replicas = ids_of(m.replicas, m.replicas_len),
	    .isr = ids_of(m.isr, m.isr_len),
	    .removing = ids_of(m.removing_replicas, m.removing_replicas_len),
	    .adding = ids_of(m.adding_replicas, m.adding_replicas_len),
	    .elr = ids_of(m.eligible_leader_replicas, m.eligible_leader_replicas_len),
	    .last_known_elr = ids_of(m.last_known_elr, m.last_known_elr_len),
	    .directories = m.directories_len == 0 ? NULL : m.directories,
	    .local = old == NULL ? NULL : old->local,
	};
	err = image_partition_put(ap->img, m.topic_id, m.partition_id, &state);
	if (err == ERR_MALFORMED)
		return refuse(ap, err, "partition number %d cannot be", m.partition_id);
	if (err != ERR_OK)
		return err;
	return delta_partition(ap,
			       old == NULL ? IMAGE_CHANGE_PARTITION_NEW : IMAGE_CHANGE_PARTITION,
			       m.topic_id, m.partition_id, true);
}

static void merge_ids(struct image_ids *ids, const int32_t *ptr, size_t len)
{
	if (ptr != NULL)
		*ids = ids_of(ptr, len);
}

static enum err merge(struct apply *ap, const struct partition_change_record *m,
		      const struct image_partition *part)
{
	struct image_partition_state state;
	enum err err;

	image_partition_state(part, &state);
	if (m->replicas != NULL && m->directories == NULL && m->replicas_len != state.replicas.len)
		state.directories = NULL;
	merge_ids(&state.replicas, m->replicas, m->replicas_len);
	merge_ids(&state.isr, m->isr, m->isr_len);
	merge_ids(&state.removing, m->removing_replicas, m->removing_replicas_len);
	merge_ids(&state.adding, m->adding_replicas, m->adding_replicas_len);
	merge_ids(&state.elr, m->eligible_leader_replicas, m->eligible_leader_replicas_len);
	merge_ids(&state.last_known_elr, m->last_known_elr, m->last_known_elr_len);
	if (m->directories != NULL) {
		if (m->directories_len != state.replicas.len)
			return refuse(ap, ERR_MALFORMED, "%zu directories for %zu replicas",
				      m->directories_len, state.replicas.len);
		state.directories = m->directories;
	}
	if (m->leader != NO_LEADER_CHANGE) {
		state.leader = m->leader;
		state.leader_epoch++;
	}
	if (m->leader_recovery_state != -1)
		state.leader_recovery_state = m->leader_recovery_state;
	state.partition_epoch++;
	err = image_partition_put(ap->img, m->topic_id, m->partition_id, &state);
	if (err != ERR_OK)
		return err;
	return delta_partition(ap, IMAGE_CHANGE_PARTITION, m->topic_id, m->partition_id,
			       m->leader != NO_LEADER_CHANGE);
}

static enum err apply_partition_change(struct apply *ap)
{
	const struct image_partition *part;
	struct partition_change_record m;
	enum err err = partition_change_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	part = image_partition_find(ap->img, m.topic_id, m.partition_id);
	if (part == NULL)
		return refuse(ap, ERR_MALFORMED, "change of partition %d that is not there",
			      m.partition_id);
	return merge(ap, &m, part);
}

static enum err clear_elr(struct apply *ap, struct uuid topic_id)
{
	const struct image_topic *topic = image_topic_by_id(ap->img, topic_id);
	enum err err = ERR_OK;

	for (int32_t i = 0; err == ERR_OK && i < topic->partitions_len; i++) {
		const struct image_partition *part = image_partition_at(topic, i);
		struct partition_change_record m;

		if (part == NULL || (part->elr_len == 0 && part->last_known_elr_len == 0))
			continue;
		partition_change_record_init(&m);
		m.topic_id = topic_id;
		m.partition_id = i;
		m.eligible_leader_replicas = PROTO_EMPTY;
		m.last_known_elr = PROTO_EMPTY;
		err = merge(ap, &m, part);
		topic = image_topic_by_id(ap->img, topic_id);
	}
	return err;
}

static enum err apply_clear_elr(struct apply *ap)
{
	const struct image_topic *topic;
	struct clear_elr_record m;
	enum err err = clear_elr_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	if (m.topic_name.len > 0) {
		topic = image_topic_by_name(ap->img, m.topic_name);
		if (topic == NULL)
			return refuse(ap, ERR_MALFORMED, "topic %.*s is not there",
				      STR_ARG(m.topic_name));
		return clear_elr(ap, topic->id);
	}
	topic = image_topic_seek(ap->img, STR(""), false);
	while (topic != NULL && err == ERR_OK) {
		struct uuid id = topic->id;

		err = clear_elr(ap, id);
		topic = image_topic_by_id(ap->img, id);
		topic = image_topic_seek(ap->img, topic->name, true);
	}
	return err;
}

/* -- brokers -------------------------------------------------------------------------------- */

static enum err apply_register_broker(struct apply *ap)
{
	struct register_broker_record m;
	struct image_broker broker;
	struct image_endpoint *endpoints;
	struct image_range *features;
	enum err err = register_broker_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	endpoints = arena_array(ap->arena, m.end_points_len, sizeof(*endpoints));
	features = arena_array(ap->arena, m.features_len, sizeof(*features));
	if (endpoints == NULL || features == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < m.end_points_len; i++)
		endpoints[i] = (struct image_endpoint){m.end_points[i].name, m.end_points[i].host,
						       m.end_points[i].port,
						       m.end_points[i].security_protocol};
	for (size_t i = 0; i < m.features_len; i++)
		features[i] =
		    (struct image_range){m.features[i].name, m.features[i].min_supported_version,
					 m.features[i].max_supported_version};
	broker = (struct image_broker){
	    .id = m.broker_id,
	    .epoch = m.broker_epoch,
	    .incarnation = m.incarnation_id,
	    .fenced = m.fenced,
	    .in_shutdown = m.in_controlled_shutdown,
	    .migrating = m.is_migrating_zk_broker,
	    .rack = m.rack,
	    .endpoints = endpoints,
	    .endpoints_len = m.end_points_len,
	    .features = features,
	    .features_len = m.features_len,
	    .log_dirs = m.log_dirs,
	    .log_dirs_len = m.log_dirs_len,
	    .has_cordoned_dirs = m.cordoned_log_dirs != NULL,
	    .cordoned_dirs = m.cordoned_log_dirs,
	    .cordoned_dirs_len = m.cordoned_log_dirs_len,
	};
	return image_broker_put(ap->img, &broker);
}

/* The registration that a record speaks of, to be changed in *copy. */
static enum err find_broker(struct apply *ap, int32_t id, int64_t epoch, struct image_broker *copy)
{
	const struct image_broker *broker = image_broker_find(ap->img, id);

	if (broker == NULL)
		return refuse(ap, ERR_MALFORMED, "broker %d is not registered", id);
	if (broker->epoch != epoch)
		return refuse(ap, ERR_MALFORMED,
			      "broker %d has epoch %" PRId64 ", the record says %" PRId64, id,
			      broker->epoch, epoch);
	*copy = *broker;
	return ERR_OK;
}

static enum err set_fenced(struct apply *ap, int32_t id, int64_t epoch, bool fenced)
{
	struct image_broker broker;
	enum err err = find_broker(ap, id, epoch, &broker);

	if (err != ERR_OK)
		return err;
	broker.fenced = fenced;
	return image_broker_put(ap->img, &broker);
}

static enum err apply_fence_broker(struct apply *ap)
{
	struct fence_broker_record m;
	enum err err = fence_broker_record_decode(&m, &ap->fields, ap->version, ap->arena);

	return err != ERR_OK ? err : set_fenced(ap, m.id, m.epoch, true);
}

static enum err apply_unfence_broker(struct apply *ap)
{
	struct unfence_broker_record m;
	enum err err = unfence_broker_record_decode(&m, &ap->fields, ap->version, ap->arena);

	return err != ERR_OK ? err : set_fenced(ap, m.id, m.epoch, false);
}

static enum err apply_unregister_broker(struct apply *ap)
{
	struct unregister_broker_record m;
	struct image_broker broker;
	enum err err = unregister_broker_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err == ERR_OK)
		err = find_broker(ap, m.broker_id, m.broker_epoch, &broker);
	return err != ERR_OK ? err : image_broker_remove(ap->img, m.broker_id);
}

static enum err apply_broker_change(struct apply *ap)
{
	struct broker_registration_change_record m;
	struct image_broker broker;
	enum err err =
	    broker_registration_change_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err == ERR_OK)
		err = find_broker(ap, m.broker_id, m.broker_epoch, &broker);
	if (err != ERR_OK)
		return err;
	if (m.fenced != 0)
		broker.fenced = m.fenced > 0;
	if (m.in_controlled_shutdown != 0)
		broker.in_shutdown = m.in_controlled_shutdown > 0;
	if (m.log_dirs_len > 0) {
		broker.log_dirs = m.log_dirs;
		broker.log_dirs_len = m.log_dirs_len;
	}
	if (m.cordoned_log_dirs != NULL) {
		broker.has_cordoned_dirs = true;
		broker.cordoned_dirs = m.cordoned_log_dirs;
		broker.cordoned_dirs_len = m.cordoned_log_dirs_len;
	}
	return image_broker_put(ap->img, &broker);
}

/* -- the rest ------------------------------------------------------------------------------- */

static enum err apply_feature_level(struct apply *ap)
{
	struct feature_level_record m;
	enum err err = feature_level_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	if (str_eq(m.name, STR("metadata.version")) &&
	    (m.feature_level < MREC_METADATA_VERSION_MIN ||
	     m.feature_level > MREC_METADATA_VERSION_MAX))
		return refuse(ap, ERR_UNSUPPORTED_VERSION,
			      "metadata.version %d is not among those supported, %d to %d",
			      m.feature_level, MREC_METADATA_VERSION_MIN,
			      MREC_METADATA_VERSION_MAX);
	return image_feature_put(ap->img, m.name, m.feature_level);
}

static enum err apply_config(struct apply *ap)
{
	struct image_change *change;
	struct config_record m;
	enum err err = config_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	err = image_config_put(ap->img, (enum image_config_type)m.resource_type, m.resource_name,
			       m.name, m.value);
	if (err == ERR_MALFORMED)
		return refuse(ap, err, "config of a resource with a name of %zu bytes",
			      m.resource_name.len);
	if (err != ERR_OK)
		return err;
	change = delta_add(ap, IMAGE_CHANGE_CONFIG, &err);
	if (change != NULL) {
		change->type = (enum image_config_type)m.resource_type;
		change->name = (struct str){str_dup(m.resource_name), m.resource_name.len};
		if (change->name.ptr == NULL)
			err = ERR_NOMEM;
	}
	return err;
}

static enum err apply_producer_ids(struct apply *ap)
{
	struct producer_ids_record m;
	enum err err = producer_ids_record_decode(&m, &ap->fields, ap->version, ap->arena);

	if (err != ERR_OK)
		return err;
	if (m.next_producer_id < ap->img->next_producer_id)
		return refuse(ap, ERR_MALFORMED,
			      "producer ids go back from %" PRId64 " to %" PRId64,
			      ap->img->next_producer_id, m.next_producer_id);
	ap->img->next_producer_id = m.next_producer_id;
	return ERR_OK;
}

static enum err apply_nothing(struct apply *ap)
{
	return ERR_OK;
}

static enum err apply_kept(struct apply *ap)
{
	return image_kept_apply(ap->img, ap->record, ap->arena);
}

/* -- the table ------------------------------------------------------------------------------ */

struct apply_row {
	const char *name;
	uint32_t version_max;
	enum err (*apply)(struct apply *ap);
};

static const struct apply_row apply_rows[] = {
    [0] = {"RegisterBrokerRecord", 4, apply_register_broker},
    [1] = {"UnregisterBrokerRecord", 0, apply_unregister_broker},
    [2] = {"TopicRecord", 0, apply_topic},
    [3] = {"PartitionRecord", 2, apply_partition},
    [4] = {"ConfigRecord", 0, apply_config},
    [5] = {"PartitionChangeRecord", 2, apply_partition_change},
    [7] = {"FenceBrokerRecord", 0, apply_fence_broker},
    [8] = {"UnfenceBrokerRecord", 0, apply_unfence_broker},
    [9] = {"RemoveTopicRecord", 0, apply_remove_topic},
    [10] = {"DelegationTokenRecord", 0, apply_kept},
    [11] = {"UserScramCredentialRecord", 0, apply_kept},
    [12] = {"FeatureLevelRecord", 0, apply_feature_level},
    [14] = {"ClientQuotaRecord", 0, apply_kept},
    [15] = {"ProducerIdsRecord", 0, apply_producer_ids},
    [17] = {"BrokerRegistrationChangeRecord", 3, apply_broker_change},
    [18] = {"AccessControlEntryRecord", 0, apply_kept},
    [19] = {"RemoveAccessControlEntryRecord", 0, apply_kept},
    [20] = {"NoOpRecord", 0, apply_nothing},
    [21] = {"ZkMigrationStateRecord", 0, apply_nothing},
    [22] = {"RemoveUserScramCredentialRecord", 0, apply_kept},
    [23] = {"BeginTransactionRecord", 0, apply_nothing},
    [24] = {"EndTransactionRecord", 0, apply_nothing},
    [25] = {"AbortTransactionRecord", 0, apply_nothing},
    [26] = {"RemoveDelegationTokenRecord", 0, apply_kept},
    [27] = {"RegisterControllerRecord", 0, apply_kept},
    [28] = {"ClearElrRecord", 0, apply_clear_elr},
};

enum err image_apply(struct image *img, struct bytes record, struct image_delta *delta,
		     struct arena *arena, char message[IMAGE_MESSAGE_SIZE])
{
	struct apply ap = {.img = img, .delta = delta, .arena = arena, .record = record};
	const struct apply_row *row;
	struct mrec_frame frame;
	char why[IMAGE_MESSAGE_SIZE] = "it cannot be decoded";
	enum err err = mrec_open(record, &frame);

	must_be(img, IMAGE_MAGIC);
	if (err != ERR_OK) {
		snprintf(message, IMAGE_MESSAGE_SIZE, "a record without a readable frame");
		return err;
	}
	row = frame.api_key < ARRAY_LEN(apply_rows) ? &apply_rows[frame.api_key] : NULL;
	if (row == NULL || row->apply == NULL) {
		snprintf(message, IMAGE_MESSAGE_SIZE, "a record of unknown type %u", frame.api_key);
		return ERR_UNSUPPORTED_VERSION;
	}
	if (frame.version > row->version_max) {
		snprintf(message, IMAGE_MESSAGE_SIZE, "%s of version %u; known up to %u", row->name,
			 frame.version, row->version_max);
		return ERR_UNSUPPORTED_VERSION;
	}
	arena_reset(arena);
	ap.fields = frame.fields;
	ap.version = (int)frame.version;
	ap.message = why;
	err = row->apply(&ap);
	if (err != ERR_OK)
		snprintf(message, IMAGE_MESSAGE_SIZE, "%s: %.200s", row->name, why);
	return err;
}
