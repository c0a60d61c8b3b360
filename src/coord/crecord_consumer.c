/*
 * Records of consumer groups. See crecord_consumer.h. Sets of partitions are written by hand, in
 * place of the generated encoders, which would want a second list of them.
 */
#include "coord/crecord_consumer.h"

#include "proto/consumer_group_current_member_assignment_key.h"
#include "proto/consumer_group_current_member_assignment_value.h"
#include "proto/consumer_group_member_metadata_key.h"
#include "proto/consumer_group_member_metadata_value.h"
#include "proto/consumer_group_metadata_key.h"
#include "proto/consumer_group_metadata_value.h"
#include "proto/consumer_group_partition_metadata_key.h"
#include "proto/consumer_group_regular_expression_key.h"
#include "proto/consumer_group_regular_expression_value.h"
#include "proto/consumer_group_target_assignment_member_key.h"
#include "proto/consumer_group_target_assignment_member_value.h"
#include "proto/consumer_group_target_assignment_metadata_key.h"
#include "proto/consumer_group_target_assignment_metadata_value.h"

#define VERSION 0
#define NO_TAGS 0

static const int16_t types[] = {
    [FX_CONSUMER_GROUP] = CONSUMER_GROUP_METADATA_KEY_API_KEY,
    [FX_CONSUMER_MEMBER] = CONSUMER_GROUP_MEMBER_METADATA_KEY_API_KEY,
    [FX_CONSUMER_TARGET_EPOCH] = CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY_API_KEY,
    [FX_CONSUMER_TARGET] = CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY_API_KEY,
    [FX_CONSUMER_CURRENT] = CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY_API_KEY,
    [FX_CONSUMER_REGEX] = CONSUMER_GROUP_REGULAR_EXPRESSION_KEY_API_KEY,
    [FX_CONSUMER_PARTITIONS] = CONSUMER_GROUP_PARTITION_METADATA_KEY_API_KEY,
};

/* Of the group as a whole, and not of a member. */
static bool is_of_group(enum fx_record_kind kind)
{
	return kind == FX_CONSUMER_GROUP || kind == FX_CONSUMER_TARGET_EPOCH ||
	       kind == FX_CONSUMER_PARTITIONS;
}

bool crecord_consumer_encodes(enum fx_record_kind kind)
{
	return (size_t)kind < ARRAY_LEN(types) && types[kind] != 0;
}

/* -- writing ------------------------------------------------------------------------------- */

/* with_epochs: a tagged list of the epochs in which the partitions were assigned. */
static void encode_set(struct wr *wr, struct tpset set, bool with_epochs)
{

	wr_array(wr, tpset_topics(set), false, true);
	for (size_t i = 0, run; i < set.len; i += run) {
		run = tpset_run(set, i);
		wr_uuid(wr, set.at[i].topic);
		wr_array(wr, run, false, true);
		for (size_t k = i; k < i + run; k++)
			wr_int32(wr, set.at[k].partition);
		wr_uvarint(wr, with_epochs ? 1 : NO_TAGS);
		if (with_epochs) {
			size_t at = wr_tag(wr, 0);

			wr_array(wr, run, false, true);
			for (size_t k = i; k < i + run; k++)
				wr_int32(wr, set.at[k].epoch);
			wr_tag_done(wr, at);
		}
	}
}

/* Lists of protocols are passed on as they are. */
#define STORED_PROTOCOL struct consumer_group_member_metadata_value_classic_protocol
_Static_assert(sizeof(STORED_PROTOCOL) == sizeof(struct join_protocol) &&
		   offsetof(STORED_PROTOCOL, name) == offsetof(struct join_protocol, name) &&
		   offsetof(STORED_PROTOCOL, metadata) == offsetof(struct join_protocol, metadata),
	       "a stored protocol is one that a member offers");

static void encode_member(const struct consumer_about *about, struct wr *wr)
{
	struct consumer_group_member_metadata_value_classic_member_metadata classic = {
	    .session_timeout_ms = about->session_ms,
	    .supported_protocols = (STORED_PROTOCOL *)about->protocols,
	    .supported_protocols_len = about->protocols_len};
	struct consumer_group_member_metadata_value v;

	consumer_group_member_metadata_value_init(&v);
	v.instance_id = about->instance_id;
	v.rack_id = about->rack_id;
	v.client_id = about->client_id;
	v.client_host = about->client_host;
	v.subscribed_topic_names = (struct str *)about->topics;
	v.subscribed_topic_names_len = about->topics_len;
	v.subscribed_topic_regex = about->regex;
	v.rebalance_timeout_ms = about->rebalance_ms;
	v.server_assignor = about->assignor;
	v.classic_member_metadata = about->is_classic ? &classic : NULL;
	consumer_group_member_metadata_value_encode(&v, wr, VERSION);
}

static void encode_current(const struct consumer_record *from, struct wr *wr)
{
	wr_int32(wr, from->current.epoch);
	wr_int32(wr, from->current.previous_epoch);
	wr_int8(wr, (int8_t)from->current.state);
	encode_set(wr, from->current.assigned, true);
	encode_set(wr, from->current.revoking, true);
	wr_uvarint(wr, NO_TAGS);
}

static void encode_resolved(const struct consumer_record *from, struct wr *wr)
{
	struct consumer_group_regular_expression_value v;

	consumer_group_regular_expression_value_init(&v);
	v.topics = (struct str *)from->resolved.topics;
	v.topics_len = from->resolved.topics_len;
	v.version = from->resolved.version;
	v.timestamp = from->resolved.made_ms;
	consumer_group_regular_expression_value_encode(&v, wr, VERSION);
}

static void encode_value(const struct fx_record *record, struct wr *wr)
{
	const struct consumer_record *from = &record->consumer;
	struct consumer_group_metadata_value group;
	struct consumer_group_target_assignment_metadata_value target;

	wr_int16(wr, VERSION);
	switch (record->kind) {
	case FX_CONSUMER_GROUP:
		consumer_group_metadata_value_init(&group);
		group.epoch = from->group.epoch;
		group.metadata_hash = from->group.metadata_hash;
		consumer_group_metadata_value_encode(&group, wr, VERSION);
		return;
	case FX_CONSUMER_MEMBER:
		encode_member(&from->about, wr);
		return;
	case FX_CONSUMER_TARGET_EPOCH:
		consumer_group_target_assignment_metadata_value_init(&target);
		target.assignment_epoch = from->target_epoch.epoch;
		target.assignment_timestamp = from->target_epoch.made_ms;
		consumer_group_target_assignment_metadata_value_encode(&target, wr, VERSION);
		return;
	case FX_CONSUMER_TARGET:
		encode_set(wr, from->target, false);
		wr_uvarint(wr, NO_TAGS);
		return;
	case FX_CONSUMER_CURRENT:
		encode_current(from, wr);
		return;
	case FX_CONSUMER_REGEX:
		encode_resolved(from, wr);
		return;
	default:
		never("kind of record");
	}
}

void crecord_consumer_encode(const struct fx_record *record, struct wr *key, struct wr *value)
{
	/* All keys are alike: the group, and the member or pattern that it is about. */
	wr_int16(key, types[record->kind]);
	wr_str(key, record->group, false, false);
	if (record->kind == FX_CONSUMER_REGEX)
		wr_str(key, record->consumer.resolved.regex, false, false);
	else if (!is_of_group(record->kind))
		wr_str(key, record->consumer.member_id, false, false);
	if (!record->tombstone)
		encode_value(record, value);
}

/* -- reading ------------------------------------------------------------------------------- */

bool crecord_consumer_decodes(int16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i] == type && type != 0)
			return i != FX_CONSUMER_PARTITIONS;
	return false;
}

/* A list of topics with their partitions, as one set. */
struct set_reader {
	struct tp *list;
	size_t len;
};

static bool set_reader_init(struct set_reader *reader, size_t partitions, struct arena *arena)
{
	*reader =
	    (struct set_reader){.list = arena_array(arena, partitions + 1, sizeof(*reader->list))};
	return reader->list != NULL;
}

static void set_reader_add(struct set_reader *reader, struct uuid topic, const int32_t *partitions,
			   size_t partitions_len, const int32_t *epochs, size_t epochs_len)
{
	for (size_t i = 0; i < partitions_len; i++)
		reader->list[reader->len++] =
		    (struct tp){.topic = topic,
				.partition = partitions[i],
				.epoch = epochs != NULL && i < epochs_len ? epochs[i] : 0};
}

static bool
decode_current_set(const struct consumer_group_current_member_assignment_value_topic_partitions *at,
		   size_t len, struct arena *arena, struct tpset *out)
{
	struct set_reader reader;
	size_t partitions = 0;

	for (size_t i = 0; i < len; i++)
		partitions += at[i].partitions_len;
	if (!set_reader_init(&reader, partitions, arena))
		return false;
	for (size_t i = 0; i < len; i++)
		set_reader_add(&reader, at[i].topic_id, at[i].partitions, at[i].partitions_len,
			       at[i].assignment_epochs, at[i].assignment_epochs_len);
	*out = tpset_make(reader.list, reader.len);
	return true;
}

static enum err decode_current(struct rd *value, int16_t version, struct arena *arena,
			       struct consumer_record *to)
{
	struct consumer_group_current_member_assignment_value v;
	enum err err =
	    consumer_group_current_member_assignment_value_decode(&v, value, version, arena);

	if (err != ERR_OK)
		return err;
	to->current.epoch = v.member_epoch;
	to->current.previous_epoch = v.previous_member_epoch;
	to->current.state = v.state >= CONSUMER_STABLE && v.state <= CONSUMER_UNRELEASED
				? (enum consumer_member_state)v.state
				: CONSUMER_UNKNOWN;
	if (!decode_current_set(v.assigned_partitions, v.assigned_partitions_len, arena,
				&to->current.assigned) ||
	    !decode_current_set(v.partitions_pending_revocation,
				v.partitions_pending_revocation_len, arena, &to->current.revoking))
		return ERR_NOMEM;
	return ERR_OK;
}

static enum err decode_target(struct rd *value, int16_t version, struct arena *arena,
			      struct consumer_record *to)
{
	struct consumer_group_target_assignment_member_value v;
	struct set_reader reader;
	size_t partitions = 0;
	enum err err =
	    consumer_group_target_assignment_member_value_decode(&v, value, version, arena);

	if (err != ERR_OK)
		return err;
	for (size_t i = 0; i < v.topic_partitions_len; i++)
		partitions += v.topic_partitions[i].partitions_len;
	if (!set_reader_init(&reader, partitions, arena))
		return ERR_NOMEM;
	for (size_t i = 0; i < v.topic_partitions_len; i++)
		set_reader_add(&reader, v.topic_partitions[i].topic_id,
			       v.topic_partitions[i].partitions,
			       v.topic_partitions[i].partitions_len, NULL, 0);
	to->target = tpset_make(reader.list, reader.len);
	return ERR_OK;
}

static enum err decode_member(struct rd *value, int16_t version, struct arena *arena,
			      struct consumer_record *to)
{
	struct consumer_group_member_metadata_value v;
	enum err err = consumer_group_member_metadata_value_decode(&v, value, version, arena);

	if (err != ERR_OK)
		return err;
	to->about =
	    (struct consumer_about){.instance_id = v.instance_id,
				    .rack_id = v.rack_id,
				    .client_id = v.client_id,
				    .client_host = v.client_host,
				    .assignor = v.server_assignor,
				    .regex = v.subscribed_topic_regex,
				    .topics = v.subscribed_topic_names,
				    .topics_len = str_sort_unique(v.subscribed_topic_names,
								  v.subscribed_topic_names_len),
				    .rebalance_ms = v.rebalance_timeout_ms};
	if (v.classic_member_metadata == NULL)
		return ERR_OK;
	to->about.is_classic = true;
	to->about.session_ms = v.classic_member_metadata->session_timeout_ms;
	to->about.protocols =
	    (const struct join_protocol *)v.classic_member_metadata->supported_protocols;
	to->about.protocols_len = v.classic_member_metadata->supported_protocols_len;
	return ERR_OK;
}

static enum err decode_rest(int16_t type, int16_t version, struct rd *value, struct arena *arena,
			    struct consumer_record *to)
{
	struct consumer_group_metadata_value group;
	struct consumer_group_target_assignment_metadata_value target;
	struct consumer_group_regular_expression_value regex;
	enum err err;

	if (type == CONSUMER_GROUP_METADATA_KEY_API_KEY) {
		err = consumer_group_metadata_value_decode(&group, value, version, arena);
		to->group.epoch = err == ERR_OK ? group.epoch : 0;
		to->group.metadata_hash = err == ERR_OK ? group.metadata_hash : 0;
		return err;
	}
	if (type == CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY_API_KEY) {
		err = consumer_group_target_assignment_metadata_value_decode(&target, value,
									     version, arena);
		to->target_epoch.epoch = err == ERR_OK ? target.assignment_epoch : 0;
		to->target_epoch.made_ms = err == ERR_OK ? target.assignment_timestamp : 0;
		return err;
	}
	err = consumer_group_regular_expression_value_decode(&regex, value, version, arena);
	if (err != ERR_OK)
		return err;
	to->resolved.topics = regex.topics;
	to->resolved.topics_len = str_sort_unique(regex.topics, regex.topics_len);
	to->resolved.version = regex.version;
	to->resolved.made_ms = regex.timestamp;
	return ERR_OK;
}

static enum fx_record_kind kind_of(int16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i] == type)
			return (enum fx_record_kind)i;
	never("type of record");
}

enum err crecord_consumer_decode(int16_t type, int16_t version, struct rd *key, struct rd *value,
				 struct arena *arena, struct fx_record *record)
{
	struct consumer_record *to = &record->consumer;

	record->kind = kind_of(type);
	record->group = rd_str(key, false, false);
	if (record->kind == FX_CONSUMER_REGEX)
		to->resolved.regex = rd_str(key, false, false);
	else if (!is_of_group(record->kind))
		to->member_id = rd_str(key, false, false);
	if (key->err != ERR_OK || record->tombstone)
		return key->err;
	switch (record->kind) {
	case FX_CONSUMER_MEMBER:
		return decode_member(value, version, arena, to);
	case FX_CONSUMER_TARGET:
		return decode_target(value, version, arena, to);
	case FX_CONSUMER_CURRENT:
		return decode_current(value, version, arena, to);
	default:
		return decode_rest(type, version, value, arena, to);
	}
}
