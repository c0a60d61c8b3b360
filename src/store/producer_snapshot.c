/* Producer snapshots: the file's bytes from and to the producers of a log. */
#include "store/producer_snapshot.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "wire/rd.h"
#include "wire/wr.h"

#define SNAPSHOT_VERSION     1
#define SNAPSHOT_CRC_AT	     2
#define SNAPSHOT_ENTRIES_AT  6
#define SNAPSHOT_ENTRY_BYTES 46

static void producer_snapshot_put(struct wr *wr, const struct producer *producer)
{
	const struct producer_batch none = {-1, -1, BATCH_NO_SEQUENCE, 0}, *last = &none;

	if (producer->batches_len > 0)
		last = &producer->batches[producer->batches_len - 1];
	wr_int64(wr, producer->id);
	wr_int16(wr, producer->epoch);
	wr_int32(wr, last->last_sequence);
	wr_int64(wr, last->last_offset);
	wr_int32(wr, last->offset_delta);
	wr_int64(wr, producer->last_timestamp);
	wr_int32(wr, producer->coordinator_epoch);
	wr_int64(wr, producer->txn_start);
}

uint8_t *producer_snapshot_format(const struct producer_state *state, size_t *len_bytes)
{
	const struct producer *producer = state != NULL ? state->by_id : NULL;
	struct wr wr;
	uint32_t crc;

	wr_init(&wr, PRODUCER_SNAPSHOT_BYTES_MAX);
	wr_int16(&wr, SNAPSHOT_VERSION);
	wr_uint32(&wr, 0);
	wr_int32(&wr, producer != NULL ? (int32_t)HASH_COUNT(state->by_id) : 0);
	for (; producer != NULL; producer = producer->hh.next)
		producer_snapshot_put(&wr, producer);
	if (wr.err != ERR_OK) {
		wr_fini(&wr);
		return NULL;
	}
	crc = crc32c(wr.buf + SNAPSHOT_ENTRIES_AT, wr.len_bytes - SNAPSHOT_ENTRIES_AT);
	wr_patch_int32(&wr, SNAPSHOT_CRC_AT, (int32_t)crc);
	*len_bytes = wr.len_bytes;
	return wr.buf; /* taken: nothing else in the writer is allocated */
}

static void producer_snapshot_get(struct rd *rd, struct producer *producer)
{
	struct producer_batch last;

	producer->id = rd_int64(rd);
	producer->epoch = rd_int16(rd);
	last.last_sequence = rd_int32(rd);
	last.last_offset = rd_int64(rd);
	last.offset_delta = rd_int32(rd);
	producer->last_timestamp = last.timestamp = rd_int64(rd);
	producer->coordinator_epoch = rd_int32(rd);
	producer->txn_start = rd_int64(rd);
	if (producer->txn_start < 0)
		producer->txn_start = -1;
	producer->batches_len = last.last_offset >= 0;
	if (producer->batches_len > 0)
		producer->batches[0] = last;
}

enum err producer_snapshot_parse(struct producer_state *state, struct bytes content)
{
	struct rd rd = rd_of(content);
	enum err err = ERR_OK;
	uint32_t crc;
	int32_t count;

	must(state->by_id == NULL);
	if (content.len > PRODUCER_SNAPSHOT_BYTES_MAX || rd_int16(&rd) != SNAPSHOT_VERSION)
		return ERR_BADFILE;
	crc = rd_uint32(&rd);
	if (rd.err != ERR_OK || crc32c(rd.pos, rd_left(&rd)) != crc)
		return ERR_BADFILE;
	count = rd_int32(&rd);
	if (rd.err != ERR_OK || count < 0 || rd_left(&rd) != (uint64_t)count * SNAPSHOT_ENTRY_BYTES)
		return ERR_BADFILE;
	for (int32_t i = 0; i < count && err == ERR_OK; i++) {
		struct producer producer = {0};

		producer_snapshot_get(&rd, &producer);
		err = producer_load(state, &producer);
	}
	if (err != ERR_OK)
		producer_state_clear(state);
	return err == ERR_MALFORMED ? ERR_BADFILE : err;
}
