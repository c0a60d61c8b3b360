/*
 * What a partition's directory holds at a start, and making order in it as stock does: files of
 * interrupted deletions and compactions are removed or completed, orphans go.
 */
#ifndef STORE_RECOVER_FILES_H
#define STORE_RECOVER_FILES_H

#include "base/err.h"
#include "base/str.h"

struct recover_seg {
	int64_t base_offset;
	uint32_t size_bytes;
	bool has_index, has_timeindex, has_txnindex;
};

struct recover_files {
	struct recover_seg *segs; /* rising */
	size_t segs_len;
	int64_t *snapshots; /* rising */
	size_t snapshots_len;
	bool has_epochs, has_metadata, has_distrust;
};

/*
 * Tidies up, then lists. `.deleted` and `.cleaned` go. `.swap` files replace what they were made
 * from, unless a `.cleaned` file with an offset at or below theirs shows that they are not
 * complete. Indexes without a log go.
 */
enum err recover_files_read(const char *dir, struct recover_files *files) must_check;
void recover_files_fini(struct recover_files *files);

#endif
