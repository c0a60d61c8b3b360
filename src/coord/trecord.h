/*
 * The records of __transaction_state, between their bytes and room txn's values. The key begins
 * with its type (int16), the value with its version (int16); no value is a tombstone.
 *
 * Written as Kafka 4.3 writes them: value 1 from transaction.version 1 on, else 0. Both are read.
 */
#ifndef COORD_TRECORD_H
#define COORD_TRECORD_H

#include "txn/tfx.h"
#include "wire/wr.h"

/* value is left empty for a tombstone. The arena is for small lists. Errors are the writers'. */
void trecord_encode(const struct txn_record *record, int16_t transaction_version,
		    struct arena *arena, struct wr *key, struct wr *value);

/*
 * *record points into key, value and the arena. ERR_UNSUPPORTED_VERSION is a type or version that a
 * later Kafka may have written, ERR_MALFORMED what none has: both to be passed over. Else what
 * reading gives.
 */
enum err trecord_decode(struct bytes key, struct bytes value, struct arena *arena,
			struct txn_record *record) must_check;

#endif
