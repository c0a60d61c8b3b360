/*
 * Reads a segment from front to end, batch by batch, through one large buffer. Each batch is
 * checked: one that is damaged must not decide what else is dropped, nor get a new checksum.
 */
#ifndef STORE_CLEAN_READER_H
#define STORE_CLEAN_READER_H

#include "store/batch_view.h"
#include "store/clean_pace.h"

struct clean_reader {
	struct clean_pace *pace; /* borrowed */
	uint8_t *buf;
	size_t size_bytes, first_size_bytes; /* grown to the largest batch, and given back */
	size_t at, len_bytes;		     /* what of the buffer is still to be given */
	int fd;
	uint32_t pos, end; /* in the file: of what is read next; where to stop */
};

enum err clean_reader_init(struct clean_reader *reader, size_t size_bytes,
			   struct clean_pace *pace) must_check;
void clean_reader_fini(struct clean_reader *reader);

/* Begins at `pos`, the start of a batch, and ends at `end`. The descriptor is borrowed. */
void clean_reader_start(struct clean_reader *reader, int fd, uint32_t pos, uint32_t end);
/*
 * The next batch, good until the next call; of no length at the end. ERR_CORRUPT_MESSAGE when it
 * is damaged, ERR_CANCELLED, ERR_NOMEM, ERR_IO.
 */
enum err clean_reader_next(struct clean_reader *reader, struct bytes *batch,
			   struct batch_view *view) must_check;

#endif
