/* partition.metadata: whose partition a directory is. Text: "version: 0\ntopic_id: <22
 * characters>". */
#ifndef STORE_PARTITION_METADATA_H
#define STORE_PARTITION_METADATA_H

#include "base/err.h"
#include "base/str.h"

/* Not synced. */
enum err partition_metadata_write(const char *dir, struct uuid topic_id) must_check;
/* ERR_NOFILE; ERR_BADFILE when it is not in the form above. */
enum err partition_metadata_read(const char *dir, struct uuid *topic_id) must_check;
enum err partition_metadata_parse(struct str text, struct uuid *topic_id) must_check;

#endif
