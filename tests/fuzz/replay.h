/* Batches of a coordinator's log, loaded without their CRC: what the fuzzers of such logs share. */
#ifndef TESTS_FUZZ_REPLAY_H
#define TESTS_FUZZ_REPLAY_H

#include "coord/coord_int.h"
#include "record/batch.h"

/* As many whole ones as are there. */
static inline void replay_batches(struct clog *log, struct bytes rest)
{
	struct codec_scratch *scratch = codec_scratch_new(1 << 20);
	struct batch_header header;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	while (rest.len > 0 && batch_header_read(rest, &header) == ERR_OK &&
	       header.size_bytes <= rest.len) {
		load_batch(log, (struct bytes){rest.ptr, header.size_bytes}, scratch, &arena);
		rest.ptr += header.size_bytes;
		rest.len -= header.size_bytes;
	}
	arena_fini(&arena);
	codec_scratch_free(scratch);
}

#endif
