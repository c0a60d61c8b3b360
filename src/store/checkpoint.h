/*
 * The checkpoint files of a log directory: recovery-point-offset-checkpoint,
 * log-start-offset-checkpoint, replication-offset-checkpoint, cleaner-offset-checkpoint. Text:
 * "0\n<count>\n" and a line "<topic> <partition> <offset>" for each.
 */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include "base/err.h"
#include "base/str.h"

#define CHECKPOINT_RECOVERY_POINT "recovery-point-offset-checkpoint"
#define CHECKPOINT_LOG_START	  "log-start-offset-checkpoint"
#define CHECKPOINT_HIGH_WATERMARK "replication-offset-checkpoint"
#define CHECKPOINT_CLEANER	  "cleaner-offset-checkpoint"

struct checkpoint_entry {
	struct str topic; /* of a read checkpoint: points into its text */
	int32_t partition;
	int64_t offset;
};

struct checkpoint {
	struct checkpoint_entry *entries; /* sorted by topic, partition once read */
	size_t len;
	char *text; /* owns the topics' names */
};

/* No file is an empty checkpoint. ERR_BADFILE when it is not in the form above; then it is empty,
 * too. */
enum err checkpoint_read(const char *path, struct checkpoint *checkpoint) must_check;
enum err checkpoint_parse(struct str text, struct checkpoint *checkpoint) must_check;
void checkpoint_fini(struct checkpoint *checkpoint);
/* `otherwise` when it has no such line. */
int64_t checkpoint_get(const struct checkpoint *checkpoint, struct str topic, int32_t partition,
		       int64_t otherwise);
/* Replaces the file, durably. The entries may be in any order. */
enum err checkpoint_write(const char *path, const struct checkpoint_entry *entries,
			  size_t len) must_check;

#endif
