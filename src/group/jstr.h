/*
 * Strings as Java counts them: in UTF-16 units. Group ids are placed by Java's String.hashCode, and
 * Kafka's limit on offset metadata is a String.length.
 */
#ifndef GROUP_JSTR_H
#define GROUP_JSTR_H

#include "base/str.h"

/* Both take malformed UTF-8 as Java's decoder does: a replacement character for each bad part. */
int32_t jstr_hash(struct str s);
size_t jstr_len(struct str s);

#endif
