/* The metadata log's insides: for mlog.c, mlog_open.c and mlog_snapshot.c. */
#ifndef META_MLOG_IMPL_H
#define META_MLOG_IMPL_H

#include <pthread.h>

#include "meta/mlog.h"
#include "meta/mreplay.h"
#include "meta/msnap.h"
#include "record/builder.h"
#include "store/plog.h"

#define MLOG_MAGIC 0x3e7a1096u

struct mlog {
	uint32_t magic;
	struct mlog_options options; /* cluster_id is the log's own copy */
	char *dir;		     /* .../__cluster_metadata-0 */
	struct plog_env env;
	struct plog_config plog_cfg;
	struct plog *plog;
	pthread_mutex_t worker_lock; /* syncs and the cleaning after a snapshot: one at a time */
	bool sync_failed;	     /* under it: of a snapshot, and so no name is sure */
	int32_t epoch;
	int16_t kraft_version;
	struct bytes voters; /* malloc'd */
	bool cut_off;	     /* the log ends within a transaction */

	/* What was added and not written. */
	struct wr out;
	struct builder builder;
	bool batch_is_open;
	int64_t next_offset;
	int64_t written_offset; /* next_offset at the last write */

	/* Snapshots. */
	int64_t unsnapped_bytes; /* of records since the last one */
	int64_t unsnapped_since_ms;
	int64_t snapping_bytes; /* of those, what the one under way holds */
	bool snapping;
};

#endif
