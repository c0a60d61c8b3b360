/* Records of __consumer_offsets. See crecord.h. */
#include "coord/crecord.h"
#include "coord/crecord_consumer.h"

#include "proto/group_metadata_key.h"
#include "proto/group_metadata_value.h"
#include "proto/offset_commit_key.h"
#include "proto/offset_commit_value.h"

#define CRECORD_LEGACY_OFFSET  0
#define CRECORD_OFFSET_VERSION 4
#define CRECORD_EXPIRE_VERSION 1 /* the only one with an expiry of its own */
#define CRECORD_GROUP_VERSION  3

/* -- writing ------------------------------------------------------------------------------- */

static void crecord_encode_offset(const struct fx_record *record, struct wr *key, struct wr *value)
{
	const struct offset_value *from = &record->offset.value;
	int version = from->expire_ms >= 0 ? CRECORD_EXPIRE_VERSION : CRECORD_OFFSET_VERSION;
	struct offset_commit_key k = {.group = record->group,
				      .topic = record->offset.topic,
				      .partition = record->offset.partition};
	struct offset_commit_value v;

	wr_int16(key, OFFSET_COMMIT_KEY_API_KEY);
	offset_commit_key_encode(&k, key, 0);
	if (record->tombstone)
		return;
	offset_commit_value_init(&v);
	v.offset = from->offset;
	v.leader_epoch = from->leader_epoch;
	v.metadata = from->metadata;
	v.commit_timestamp = from->commit_ms;
	v.expire_timestamp = from->expire_ms;
	v.topic_id = from->topic_id;
	wr_int16(value, (int16_t)version);
	offset_commit_value_encode(&v, value, version);
}

static void crecord_encode_member(const struct member_value *from, struct wr *value)
{
	wr_str(value, from->id, false, false);
	wr_str(value, from->instance_id, false, true);
	wr_str(value, from->client_id, false, false);
	wr_str(value, from->client_host, false, false);
	wr_int32(value, from->rebalance_ms);
	wr_int32(value, from->session_ms);
	wr_bytes(value, from->subscription, false, false);
	wr_bytes(value, from->assignment, false, false);
}

/* By hand in place of the generated encoder, which would want a second list of all members. */
static void crecord_encode_group(const struct fx_record *record, struct wr *key, struct wr *value)
{
	const struct group_value *from = &record->value;
	struct group_metadata_key k = {.group = record->group};

	wr_int16(key, GROUP_METADATA_KEY_API_KEY);
	group_metadata_key_encode(&k, key, 0);
	if (record->tombstone)
		return;
	wr_int16(value, CRECORD_GROUP_VERSION);
	wr_str(value, from->protocol_type, false, false);
	wr_int32(value, from->generation);
	wr_str(value, from->protocol, false, true);
	wr_str(value, from->leader, false, true);
	wr_int64(value, from->since_ms);
	wr_array(value, from->members_len, false, false);
	for (size_t i = 0; i < from->members_len; i++)
		crecord_encode_member(&from->members[i], value);
}

void crecord_encode(const struct fx_record *record, struct wr *key, struct wr *value)
{
	switch (record->kind) {
	case FX_OFFSET:
		crecord_encode_offset(record, key, value);
		return;
	case FX_GROUP:
		crecord_encode_group(record, key, value);
		return;
	case FX_FOREIGN:
		must(record->tombstone);
		wr_raw(key, record->foreign.key);
		return;
	default:
		break;
	}
	if (crecord_consumer_encodes(record->kind)) {
		crecord_consumer_encode(record, key, value);
		return;
	}
	never("kind of record");
}

/* -- reading ------------------------------------------------------------------------------- */

static enum err crecord_decode_offset(struct rd *key, struct rd *value, struct arena *arena,
				      struct fx_record *record)
{
	struct offset_commit_key k;
	struct offset_commit_value v;
	enum err err = offset_commit_key_decode(&k, key, 0, arena);

	if (err != ERR_OK)
		return err;
	record->kind = FX_OFFSET;
	record->group = k.group;
	record->offset.topic = k.topic;
	record->offset.partition = k.partition;
	if (record->tombstone)
		return ERR_OK;
	err = offset_commit_value_decode(&v, value, rd_int16(value), arena);
	if (err != ERR_OK)
		return err;
	record->offset.value = (struct offset_value){.offset = v.offset,
						     .leader_epoch = v.leader_epoch,
						     .metadata = v.metadata,
						     .commit_ms = v.commit_timestamp,
						     .expire_ms = v.expire_timestamp,
						     .topic_id = v.topic_id};
	return ERR_OK;
}

static enum err crecord_copy_members(const struct group_metadata_value *v, struct arena *arena,
				     struct group_value *out)
{
	struct member_value *members = arena_array(arena, v->members_len, sizeof(*members));

	if (members == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->members_len; i++) {
		const struct group_metadata_value_member_metadata *from = &v->members[i];

		members[i] = (struct member_value){.id = from->member_id,
						   .instance_id = from->group_instance_id,
						   .client_id = from->client_id,
						   .client_host = from->client_host,
						   .session_ms = from->session_timeout,
						   .rebalance_ms = from->rebalance_timeout,
						   .subscription = from->subscription,
						   .assignment = from->assignment};
	}
	out->members = members;
	out->members_len = v->members_len;
	return ERR_OK;
}

static enum err crecord_decode_group(struct rd *key, struct rd *value, struct arena *arena,
				     struct fx_record *record)
{
	struct group_metadata_key k;
	struct group_metadata_value v;
	enum err err = group_metadata_key_decode(&k, key, 0, arena);

	if (err != ERR_OK)
		return err;
	record->kind = FX_GROUP;
	record->group = k.group;
	if (record->tombstone)
		return ERR_OK;
	err = group_metadata_value_decode(&v, value, rd_int16(value), arena);
	if (err != ERR_OK)
		return err;
	record->value = (struct group_value){.protocol_type = v.protocol_type,
					     .protocol = v.protocol,
					     .leader = v.leader,
					     .generation = v.generation,
					     .since_ms = v.current_state_timestamp};
	return crecord_copy_members(&v, arena, &record->value);
}

/* By the record types of Kafka 4.3; each key begins with the group's id. */
static enum group_type crecord_foreign_type(int16_t type)
{
	if (type >= 10 && type <= 15)
		return GROUP_SHARE;
	if (type == 17 || (type >= 19 && type <= 23))
		return GROUP_STREAMS;
	return GROUP_NONE;
}

static enum err crecord_decode_foreign(int16_t type, struct bytes whole_key, struct rd *key,
				       struct fx_record *record)
{
	record->kind = FX_FOREIGN;
	record->foreign.type = crecord_foreign_type(type);
	if (record->foreign.type == GROUP_NONE)
		return ERR_UNSUPPORTED_VERSION;
	record->group = rd_str(key, false, false);
	record->foreign.key = whole_key;
	return key->err;
}

enum err crecord_decode(struct bytes key, struct bytes value, struct arena *arena,
			struct fx_record *record)
{
	static const struct bytes nothing = {(const uint8_t *)"", 0};
	struct rd key_rd = rd_of(key.ptr != NULL ? key : nothing);
	struct rd value_rd = rd_of(value.ptr != NULL ? value : nothing);
	int16_t type = rd_int16(&key_rd);

	*record = (struct fx_record){.tombstone = value.ptr == NULL, .at = -1};
	if (key_rd.err != ERR_OK)
		return key_rd.err;
	switch (type) {
	case CRECORD_LEGACY_OFFSET:
	case OFFSET_COMMIT_KEY_API_KEY:
		return crecord_decode_offset(&key_rd, &value_rd, arena, record);
	case GROUP_METADATA_KEY_API_KEY:
		return crecord_decode_group(&key_rd, &value_rd, arena, record);
	default:
		if (crecord_consumer_decodes(type))
			return crecord_consumer_decode(type,
						       record->tombstone ? 0 : rd_int16(&value_rd),
						       &key_rd, &value_rd, arena, record);
		return crecord_decode_foreign(type, key, &key_rd, record);
	}
}
