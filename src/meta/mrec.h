/*
 * Metadata records as they stand in the log: a record's value is uvarint frame version 1, uvarint
 * api key, uvarint version, then the fields. And lists of them, on their way to the log or a
 * snapshot.
 */
#ifndef META_MREC_H
#define META_MREC_H

#include "wire/rd.h"
#include "wire/wr.h"

/* -- reading -------------------------------------------------------------------------------- */

struct mrec_frame {
	uint32_t api_key;
	uint32_t version;
	struct rd fields;
};

/* ERR_MALFORMED, ERR_UNSUPPORTED_VERSION (of the frame). */
enum err mrec_open(struct bytes value, struct mrec_frame *frame) must_check;

/* -- lists ---------------------------------------------------------------------------------- */

/* One list is one change: what is in it goes to the log as one atomic unit. */
struct mrec_list {
	struct wr bytes; /* the values, one behind the other; its error is the list's */
	size_t *ends;
	size_t len, size;
};

void mrec_list_init(struct mrec_list *list);
void mrec_list_fini(struct mrec_list *list);
void mrec_list_clear(struct mrec_list *list);

/* Writes the frame's head; encode the fields into the result, then call mrec_end. */
struct wr *mrec_begin(struct mrec_list *list, int api_key, int version);
void mrec_end(struct mrec_list *list);
/* A record that is there already, frame and all. */
void mrec_raw(struct mrec_list *list, struct bytes value);

/* Valid until the list changes. */
struct bytes mrec_at(const struct mrec_list *list, size_t idx);

/* -- the versions that a metadata.version asks for ------------------------------------------- */

#define MREC_METADATA_VERSION_MIN 7  /* 3.3-IV3 */
#define MREC_METADATA_VERSION_MAX 30 /* 4.3-IV0 */

int mrec_version_register_broker(int16_t metadata_version);
int mrec_version_partition(int16_t metadata_version);
int mrec_version_partition_change(int16_t metadata_version);

#endif
