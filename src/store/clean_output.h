/*
 * The segment that a round of cleaning writes: N.log.cleaned and its indexes. Nobody else sees it
 * before clean_swap puts it in the place of those it was made from. A start removes what is not
 * finished.
 *
 * Files are made and removed under plog_lock, because the directory may be renamed.
 */
#ifndef STORE_CLEAN_OUTPUT_H
#define STORE_CLEAN_OUTPUT_H

#include "store/clean_pace.h"
#include "store/plog_impl.h"
#include "store/txn_index.h"

struct clean_output {
	struct plog *log;
	const struct plog_config *cfg;
	struct clean_pace *pace;
	struct seg *seg; /* has its size and counts when finished */
	int fd, offsets_fd, times_fd;
	size_t batch_bytes; /* write when so many are gathered */
	struct wr wr;	    /* what is not written yet: whole batches; the filter appends to it */
	bool has_txns;
};

/* The log is claimed. ERR_CANCELLED when the claim is void, ERR_NOSPACE, ERR_MANYFILES, ERR_NOMEM,
 * ERR_IO. */
enum err clean_output_open(struct clean_output *output, struct plog *log,
			   const struct plog_config *cfg, int64_t base_offset, size_t batch_bytes,
			   struct clean_pace *pace) must_check;
/* After each batch, and before the end with `all`: writes and indexes what was gathered. */
enum err clean_output_write(struct clean_output *output, bool all) must_check;
/*
 * All is written: ends the indexes, adds the aborted transactions, has everything on disk, gives
 * the file the time of `like`, the last of those it was made from.
 */
enum err clean_output_finish(struct clean_output *output, const struct txn_index_entry *txns,
			     size_t txns_len, struct seg *like) must_check;
/* Closes the descriptors and frees; removes the files unless they have been swapped in. */
void clean_output_close(struct clean_output *output, bool swapped);

#endif
