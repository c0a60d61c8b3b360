/*
 * Control records: what brokers write between the clients' records, in batches of their own with
 * the control bit. The key says which kind; consumers skip them all.
 */
#ifndef RECORD_CONTROL_H
#define RECORD_CONTROL_H

#include "record/builder.h"

/* ControlRecordType of the key (version int16, type int16). */
enum control_type {
	CONTROL_UNKNOWN = -1,
	CONTROL_ABORT = 0,
	CONTROL_COMMIT = 1,
	CONTROL_LEADER_CHANGE = 2,
	CONTROL_SNAPSHOT_HEADER = 3,
	CONTROL_SNAPSHOT_FOOTER = 4,
	CONTROL_KRAFT_VERSION = 5,
	CONTROL_KRAFT_VOTERS = 6,
};

#define CONTROL_KEY_BYTES 4

/*
 * A type of a later Kafka is CONTROL_UNKNOWN and no error. ERR_CORRUPT_MESSAGE: not a control key.
 */
enum err control_key_read(struct bytes key, enum control_type *type) must_check;
void control_key_write(uint8_t key[CONTROL_KEY_BYTES], enum control_type type);

/* EndTxnMarker, the value of ABORT and COMMIT: version int16, coordinator epoch int32. */
#define CONTROL_MARKER_BYTES 6
enum err control_marker_read(struct bytes value, int32_t *coordinator_epoch) must_check;
void control_marker_write(uint8_t value[CONTROL_MARKER_BYTES], int32_t coordinator_epoch);

/* A whole control batch with the one record that ends a transaction. Offsets are the log's to
 * stamp. */
enum err control_marker_batch(struct wr *out, enum control_type type, int64_t producer_id,
			      int16_t producer_epoch, int32_t coordinator_epoch,
			      int64_t timestamp) must_check;

#endif
