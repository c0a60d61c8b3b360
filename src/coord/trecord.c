/* Records of __transaction_state. See trecord.h. */
#include "coord/trecord.h"

#include "proto/transaction_log_key.h"
#include "proto/transaction_log_value.h"

#include <stdlib.h>

#define FLEXIBLE_FROM 1 /* transaction.version from which values are written in version 1 */

void trecord_encode(const struct txn_record *record, int16_t transaction_version,
		    struct arena *arena, struct wr *key, struct wr *value)
{
	const struct txn_value *from = &record->value;
	struct transaction_log_key k = {.transactional_id = record->id};
	struct transaction_log_value v;
	int version = transaction_version >= FLEXIBLE_FROM ? 1 : 0;

	wr_int16(key, TRANSACTION_LOG_KEY_API_KEY);
	transaction_log_key_encode(&k, key, 0);
	if (record->tombstone)
		return;
	transaction_log_value_init(&v);
	v.producer_id = from->producer_id;
	v.producer_epoch = from->epoch;
	v.transaction_timeout_ms = from->timeout_ms;
	v.transaction_status = (int8_t)from->state;
	v.transaction_last_update_timestamp_ms = from->update_ms;
	v.transaction_start_timestamp_ms = from->start_ms;
	v.previous_producer_id = from->previous_id;
	v.next_producer_id = from->next_id;
	v.client_transaction_version = from->client_version;
	v.transaction_partitions = NULL; /* null while it is empty, else a list of any length */
	if (from->state != TXN_EMPTY) {
		v.transaction_partitions =
		    transaction_log_value_partitions_schema_array(arena, from->topics_len);
		must(v.transaction_partitions != NULL);
		v.transaction_partitions_len = from->topics_len;
	}
	for (size_t i = 0; i < v.transaction_partitions_len; i++) {
		struct transaction_log_value_partitions_schema *to = &v.transaction_partitions[i];

		to->topic = from->topics[i].name;
		to->partition_ids = (int32_t *)(uintptr_t)from->topics[i].partitions;
		to->partition_ids_len = from->topics[i].len;
	}
	wr_int16(value, (int16_t)version);
	transaction_log_value_encode(&v, value, version);
}

/* -- reading ------------------------------------------------------------------------------- */

static int trecord_cmp_partition(const void *a, const void *b)
{
	const int32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static int trecord_cmp_topic(const void *a, const void *b)
{
	const struct txn_topic *left = a, *right = b;

	return str_cmp(left->name, right->name);
}

/* Sorted, as room txn keeps them; Kafka writes them in any order. */
static enum err trecord_read_topics(const struct transaction_log_value *v, struct arena *arena,
				    struct txn_value *out)
{
	struct txn_topic *topics =
	    arena_array(arena, v->transaction_partitions_len + 1, sizeof(*topics));

	if (topics == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->transaction_partitions_len; i++) {
		struct transaction_log_value_partitions_schema *from =
		    &v->transaction_partitions[i];

		if (from->partition_ids_len > 0)
			qsort(from->partition_ids, from->partition_ids_len, sizeof(int32_t),
			      trecord_cmp_partition);
		topics[i] =
		    (struct txn_topic){from->topic, from->partition_ids, from->partition_ids_len};
	}
	qsort(topics, v->transaction_partitions_len, sizeof(*topics), trecord_cmp_topic);
	out->topics = topics;
	out->topics_len = v->transaction_partitions_len;
	return ERR_OK;
}

static enum err trecord_read_value(const struct transaction_log_value *v, struct arena *arena,
				   struct txn_value *out)
{
	if (v->transaction_status < TXN_EMPTY || v->transaction_status > TXN_COMPLETE_ABORT ||
	    v->producer_id < 0 || v->producer_epoch < 0)
		return ERR_MALFORMED;
	*out = (struct txn_value){.producer_id = v->producer_id,
				  .previous_id = v->previous_producer_id,
				  .next_id = v->next_producer_id,
				  .epoch = v->producer_epoch,
				  .timeout_ms = v->transaction_timeout_ms,
				  .state = (enum txn_state)v->transaction_status,
				  .update_ms = v->transaction_last_update_timestamp_ms,
				  .start_ms = v->transaction_start_timestamp_ms,
				  .client_version = v->client_transaction_version};
	if (out->state == TXN_EMPTY || v->transaction_partitions_len == 0)
		return ERR_OK;
	return trecord_read_topics(v, arena, out);
}

enum err trecord_decode(struct bytes key, struct bytes value, struct arena *arena,
			struct txn_record *record)
{
	struct rd key_rd = rd_of(key), value_rd = rd_of(value);
	struct transaction_log_key k;
	struct transaction_log_value v;
	int16_t version;
	enum err err;

	*record = (struct txn_record){.at = -1, .last_epoch = TXN_NO_EPOCH};
	if (rd_int16(&key_rd) != TRANSACTION_LOG_KEY_API_KEY)
		return ERR_UNSUPPORTED_VERSION;
	err = transaction_log_key_decode(&k, &key_rd, 0, arena);
	if (err != ERR_OK)
		return err;
	record->id = k.transactional_id;
	record->tombstone = value.ptr == NULL;
	if (record->tombstone)
		return ERR_OK;
	version = rd_int16(&value_rd);
	if (value_rd.err == ERR_OK && (version < TRANSACTION_LOG_VALUE_MIN_VERSION ||
				       version > TRANSACTION_LOG_VALUE_MAX_VERSION))
		return ERR_UNSUPPORTED_VERSION;
	err = transaction_log_value_decode(&v, &value_rd, version, arena);
	return err != ERR_OK ? err : trecord_read_value(&v, arena, &record->value);
}
