/*
 * The records of __consumer_offsets, between their bytes and room group's values. The key begins
 * with its type (int16), the value with its version (int16); no value is a tombstone.
 *
 * Written as Kafka 4.3 writes them: OffsetCommit (key type 1, value 4, or 1 when the client gave a
 * retention), GroupMetadata (key type 2, value 3), and those of consumer groups
 * (crecord_consumer.h). Read in all their versions. Types 10 to 15 and 17 to 23 are those of share
 * and streams groups, of which the key is kept (group/foreign.c). Type 4, which Kafka writes no
 * more, is passed over.
 */
#ifndef COORD_CRECORD_H
#define COORD_CRECORD_H

#include "group/fx.h"
#include "wire/wr.h"

/* value is left empty for a tombstone. Errors are the writers'. */
void crecord_encode(const struct fx_record *record, struct wr *key, struct wr *value);

/*
 * *record points into key, value and the arena. `value` null is a tombstone.
 * ERR_UNSUPPORTED_VERSION is a type or version that a later Kafka may have written: to be passed
 * over. Else what reading gives.
 */
enum err crecord_decode(struct bytes key, struct bytes value, struct arena *arena,
			struct fx_record *record) must_check;

#endif
