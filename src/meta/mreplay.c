/* Batches of the metadata log, one by one, onto an image: see mreplay.h. */
#include "meta/mreplay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/abort_transaction_record.h"
#include "proto/begin_transaction_record.h"
#include "proto/end_transaction_record.h"
#include "proto/kraft_version_record.h"
#include "proto/snapshot_header_record.h"
#include "proto/voters_record.h"
#include "record/control.h"
#include "record/iter.h"

#define RECORD_BYTES_MAX ((size_t)256 << 20) /* decoded: arrays are larger than on disk */

enum err mreplay_init(struct mreplay *replay, struct str cluster_id)
{
	*replay = (struct mreplay){.next_offset = -1};
	replay->img = image_new(cluster_id);
	arena_init(&replay->arena, RECORD_BYTES_MAX);
	return replay->img == NULL ? ERR_NOMEM : ERR_OK;
}

void mreplay_fini(struct mreplay *replay)
{
	image_unref(replay->img);
	image_unref(replay->saved);
	arena_fini(&replay->arena);
	free((void *)replay->voters.ptr);
	replay->img = replay->saved = NULL;
	replay->voters = BYTES_NULL;
}

struct image *mreplay_take_image(struct mreplay *replay)
{
	struct image *img = replay->img;

	if (replay->saved != NULL) {
		image_unref(img);
		img = replay->saved;
		replay->saved = NULL;
	}
	replay->img = NULL;
	return img;
}

/* -- transactions --------------------------------------------------------------------------- */

static enum err begin(struct mreplay *replay)
{
	struct image *fork;

	if (replay->saved != NULL) {
		snprintf(replay->message, sizeof(replay->message),
			 "a transaction begins within another");
		return ERR_MALFORMED;
	}
	fork = image_fork(replay->img);
	if (fork == NULL)
		return ERR_NOMEM;
	replay->saved = replay->img;
	replay->img = fork;
	return ERR_OK;
}

static enum err end(struct mreplay *replay, bool commit)
{
	if (replay->saved == NULL) {
		snprintf(replay->message, sizeof(replay->message),
			 "a transaction ends that did not begin");
		return ERR_MALFORMED;
	}
	if (commit) {
		image_unref(replay->saved);
	} else {
		image_unref(replay->img);
		replay->img = replay->saved;
	}
	replay->saved = NULL;
	return ERR_OK;
}

/* -- control records ------------------------------------------------------------------------ */

/* Control messages begin with their own version. */
static int control_version(struct bytes value)
{
	struct rd rd = rd_of(value);

	return rd_int16(&rd);
}

static enum err apply_kraft_version(struct mreplay *replay, struct bytes value)
{
	struct kraft_version_record m;
	struct rd rd = rd_of(value);
	enum err err = kraft_version_record_decode(&m, &rd, control_version(value), &replay->arena);

	if (err != ERR_OK)
		return err;
	if (m.kraft_version < 0 || m.kraft_version > 1) {
		snprintf(replay->message, sizeof(replay->message),
			 "kraft.version %d is not among those supported, 0 to 1", m.kraft_version);
		return ERR_UNSUPPORTED_VERSION;
	}
	replay->kraft_version = m.kraft_version;
	return ERR_OK;
}

static enum err apply_voters(struct mreplay *replay, struct bytes value)
{
	struct voters_record m;
	struct rd rd = rd_of(value);
	enum err err = voters_record_decode(&m, &rd, control_version(value), &replay->arena);
	uint8_t *copy;

	if (err != ERR_OK)
		return err;
	copy = malloc(value.len + 1);
	if (copy == NULL)
		return ERR_NOMEM;
	memcpy(copy, value.ptr, value.len);
	free((void *)replay->voters.ptr);
	replay->voters = (struct bytes){copy, value.len};
	return ERR_OK;
}

static enum err apply_snapshot_header(struct mreplay *replay, struct bytes value)
{
	struct snapshot_header_record m;
	struct rd rd = rd_of(value);
	enum err err =
	    snapshot_header_record_decode(&m, &rd, control_version(value), &replay->arena);

	if (err != ERR_OK)
		return err;
	replay->header_seen = true;
	replay->snapshot_timestamp_ms = m.last_contained_log_timestamp;
	return ERR_OK;
}

static enum err apply_control(struct mreplay *replay, const struct record *record)
{
	enum control_type type;
	enum err err = control_key_read(record->key, &type);

	arena_reset(&replay->arena);
	if (err != ERR_OK)
		return err;
	switch (type) {
	case CONTROL_LEADER_CHANGE:
		return ERR_OK;
	case CONTROL_SNAPSHOT_HEADER:
		return apply_snapshot_header(replay, record->value);
	case CONTROL_SNAPSHOT_FOOTER:
		replay->footer_seen = true;
		return ERR_OK;
	case CONTROL_KRAFT_VERSION:
		return apply_kraft_version(replay, record->value);
	case CONTROL_KRAFT_VOTERS:
		return apply_voters(replay, record->value);
	default:
		snprintf(replay->message, sizeof(replay->message),
			 "a control record of a type that is unknown in this log");
		return ERR_UNSUPPORTED_VERSION;
	}
}

/* -- records -------------------------------------------------------------------------------- */

static enum err apply_record(struct mreplay *replay, const struct record *record)
{
	struct mrec_frame frame;
	enum err err = mrec_open(record->value, &frame);

	if (err == ERR_OK && frame.api_key == BEGIN_TRANSACTION_RECORD_API_KEY)
		err = begin(replay);
	else if (err == ERR_OK && frame.api_key == END_TRANSACTION_RECORD_API_KEY)
		err = end(replay, true);
	else if (err == ERR_OK && frame.api_key == ABORT_TRANSACTION_RECORD_API_KEY)
		err = end(replay, false);
	if (err != ERR_OK)
		return err;
	return image_apply(replay->img, record->value, NULL, &replay->arena, replay->message);
}

static enum err apply_batch(struct mreplay *replay, struct bytes batch,
			    const struct batch_header *header)
{
	struct record_iter iter;
	struct record record;
	enum err err = record_iter_init(&iter, batch, NULL);

	while (err == ERR_OK && record_iter_next(&iter, &record)) {
		err = batch_is_control(header) ? apply_control(replay, &record)
					       : apply_record(replay, &record);
		if (err != ERR_OK) {
			char why[MREPLAY_MESSAGE_SIZE];

			memcpy(why, replay->message, sizeof(why));
			snprintf(replay->message, sizeof(replay->message),
				 "offset %" PRId64 ": %.250s", record.offset,
				 why[0] != 0 ? why : err_text(err));
		}
	}
	return err != ERR_OK ? err : iter.err;
}

static enum err check_batch(struct mreplay *replay, struct bytes batch,
			    const struct batch_header *header)
{
	if (batch_check_crc(batch) != ERR_OK) {
		snprintf(replay->message, sizeof(replay->message),
			 "offset %" PRId64 ": the batch's CRC is wrong", header->base_offset);
		return ERR_CORRUPT_MESSAGE;
	}
	if (replay->next_offset >= 0 && header->base_offset != replay->next_offset) {
		snprintf(replay->message, sizeof(replay->message),
			 "a batch at offset %" PRId64 " where %" PRId64 " was due",
			 header->base_offset, replay->next_offset);
		return ERR_CORRUPT_MESSAGE;
	}
	return ERR_OK;
}

enum err mreplay_batch(struct mreplay *replay, struct bytes batch)
{
	struct batch_header header;
	enum err err;

	replay->message[0] = 0;
	err = batch_header_read(batch, &header);
	if (err == ERR_OK && header.size_bytes != batch.len)
		err = ERR_CORRUPT_MESSAGE;
	if (err == ERR_OK)
		err = check_batch(replay, batch, &header);
	if (err == ERR_OK)
		err = apply_batch(replay, batch, &header);
	if (err != ERR_OK) {
		if (replay->message[0] == 0)
			snprintf(replay->message, sizeof(replay->message), "%s", err_text(err));
		return err;
	}
	replay->next_offset = batch_next_offset(&header);
	replay->epoch = header.leader_epoch;
	replay->timestamp_ms = header.max_timestamp;
	replay->records_bytes += (int64_t)batch.len;
	return ERR_OK;
}

enum err mreplay_batches(struct mreplay *replay, struct bytes batches)
{
	while (batches.len > 0) {
		struct batch_header header;
		enum err err = batch_header_read(batches, &header);

		if (err == ERR_OK && header.size_bytes > batches.len)
			err = ERR_SHORT;
		if (err != ERR_OK) {
			snprintf(replay->message, sizeof(replay->message),
				 "%zu bytes at the end are no batch: %s", batches.len,
				 err_text(err));
			return err;
		}
		err = mreplay_batch(replay, (struct bytes){batches.ptr, header.size_bytes});
		if (err != ERR_OK)
			return err;
		batches.ptr += header.size_bytes;
		batches.len -= header.size_bytes;
	}
	return ERR_OK;
}
