/* Writes cleaner-offset-checkpoint in each log directory. Control loop; the writing on a worker. */
#ifndef PARTITION_CLEANER_FILES_H
#define PARTITION_CLEANER_FILES_H

#include "base/worker.h"
#include "partition/partition_int.h"
#include "store/logdirs.h"

TAILQ_HEAD(cleaner_parts, partition);

struct cleaner_files {
	struct loop *control;
	struct worker_pool *workers;
	struct logdirs *dirs;
	struct cleaner_parts *parts; /* all there are; clean.checkpoint says up to where */
	bool runs, again;
	struct job job;
	struct cleaner_file_entry *entries;
	size_t entries_len;
};

/* Something has changed. */
void cleaner_files_write(struct cleaner_files *files);

#endif
