/*
 * Any content of the metadata log and its snapshots: replay applies a batch whole or refuses it
 * with a message. What was applied can be written as a snapshot's records and replayed to the same.
 *
 * Input: one byte, then batches as they stand with even values, or with odd ones records, each 2
 * bytes of length and its value, of which batches are made, up to 8 records each.
 */
#include <stdlib.h>

#include "base/log.h"
#include "meta/image_snapshot.h"
#include "meta/mreplay.h"
#include "record/builder.h"

#define BATCH_RECORDS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err replay_records(struct mreplay *replay, struct bytes rest)
{
	struct builder_options options = builder_options_default;
	enum err err = ERR_OK;

	options.leader_epoch = 1;
	while (err == ERR_OK && rest.len >= 2) {
		struct builder builder;
		struct wr out;
		wr_init(&out, 1 << 20);
		builder_init(&builder, &out, &options);
		for (int i = 0; i < BATCH_RECORDS && rest.len >= 2; i++) {
			size_t len = rest.ptr[0] * 256u + rest.ptr[1];
			rest = (struct bytes){rest.ptr + 2, rest.len - 2};
			if (len > rest.len)
				len = rest.len;
			builder_add(&builder, 1700000000000, BYTES_NULL,
				    (struct bytes){rest.ptr, len}, NULL, 0);
			rest = (struct bytes){rest.ptr + len, rest.len - len};
		}
		options.base_offset = builder.next_offset;
		must(builder_finish(&builder, NULL) == ERR_OK);
		err = mreplay_batch(replay, wr_written(&out));
		wr_fini(&out);
	}
	return err;
}

/* -- an image as a snapshot's records, and back -------------------------------------------- */

/* The records as replay_records takes them: 2 bytes of length, then the value. */
static enum err collect(void *ctx, struct mrec_list *list)
{
	struct wr *out = ctx;

	for (size_t i = 0; i < list->len; i++) {
		struct bytes value = mrec_at(list, i);
		must(value.len < 65536); /* no longer than the input was */
		wr_uint16(out, (uint16_t)value.len);
		wr_raw(out, value);
	}
	mrec_list_clear(list);
	return out->err;
}

static void snapshot_of(struct mreplay *replay, struct wr *out)
{
	struct image *img = mreplay_take_image(replay);

	wr_init(out, 16 << 20);
	must(image_snapshot(img, collect, out) == ERR_OK);
	image_unref(img);
}

static void check_snapshot(struct mreplay *replay)
{
	struct mreplay again;
	struct wr first, second;

	snapshot_of(replay, &first);
	must(mreplay_init(&again, STR("fuzz")) == ERR_OK);
	must(replay_records(&again, wr_written(&first)) == ERR_OK);
	snapshot_of(&again, &second);
	must(first.len_bytes == second.len_bytes);
	must(first.len_bytes == 0 || memcmp(first.buf, second.buf, first.len_bytes) == 0);
	wr_fini(&first);
	wr_fini(&second);
	mreplay_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mreplay replay;

	log_set_level(LOG_LEVEL_ERROR);
	if (size < 1)
		return 0;
	must(mreplay_init(&replay, STR("fuzz")) == ERR_OK);
	struct bytes rest = {data + 1, size - 1};
	enum err err =
	    (data[0] & 1) != 0 ? replay_records(&replay, rest) : mreplay_batches(&replay, rest);
	must(err == ERR_OK || replay.message[0] != '\0');
	if (err == ERR_OK && !mreplay_in_transaction(&replay))
		check_snapshot(&replay);
	mreplay_fini(&replay);
	return 0;
}
