/* Control records: keys and the end-of-transaction marker. */
#include "record/control.h"

#define MARKER_VERSION 0

enum err control_key_read(struct bytes key, enum control_type *type)
{
	struct rd rd = rd_of(key);
	int16_t version = rd_int16(&rd), id = rd_int16(&rd);

	*type = CONTROL_UNKNOWN;
	if (rd.err != ERR_OK || version < 0)
		return ERR_CORRUPT_MESSAGE;
	if (id >= CONTROL_ABORT && id <= CONTROL_KRAFT_VOTERS)
		*type = (enum control_type)id;
	return ERR_OK;
}

void control_key_write(uint8_t key[CONTROL_KEY_BYTES], enum control_type type)
{
	must(type >= CONTROL_ABORT && type <= CONTROL_KRAFT_VOTERS);
	memcpy(key, (uint8_t[CONTROL_KEY_BYTES]){0, 0, 0, (uint8_t)type}, CONTROL_KEY_BYTES);
}

enum err control_marker_read(struct bytes value, int32_t *coordinator_epoch)
{
	struct rd rd = rd_of(value);
	int16_t version = rd_int16(&rd);

	/* Later versions may only add fields behind. */
	*coordinator_epoch = rd_int32(&rd);
	return rd.err != ERR_OK || version < 0 ? ERR_CORRUPT_MESSAGE : ERR_OK;
}

void control_marker_write(uint8_t value[CONTROL_MARKER_BYTES], int32_t coordinator_epoch)
{
	uint32_t epoch = (uint32_t)coordinator_epoch;

	memcpy(value,
	       (uint8_t[CONTROL_MARKER_BYTES]){0, MARKER_VERSION, (uint8_t)(epoch >> 24),
					       (uint8_t)(epoch >> 16), (uint8_t)(epoch >> 8),
					       (uint8_t)epoch},
	       CONTROL_MARKER_BYTES);
}

enum err control_marker_batch(struct wr *out, enum control_type type, int64_t producer_id,
			      int16_t producer_epoch, int32_t coordinator_epoch, int64_t timestamp)
{
	uint8_t key[CONTROL_KEY_BYTES], value[CONTROL_MARKER_BYTES];
	struct builder_options options = builder_options_default;
	struct builder builder;

	must(type == CONTROL_ABORT || type == CONTROL_COMMIT);
	options.producer_id = producer_id;
	options.producer_epoch = producer_epoch;
	options.transactional = true;
	options.control = true;
	control_key_write(key, type);
	control_marker_write(value, coordinator_epoch);
	builder_init(&builder, out, &options);
	builder_add(&builder, timestamp, (struct bytes){key, sizeof(key)},
		    (struct bytes){value, sizeof(value)}, NULL, 0);
	return builder_finish(&builder, NULL);
}
