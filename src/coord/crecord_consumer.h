/*
 * The records of consumer groups in __consumer_offsets (KIP-848, key types 3 and 5 to 8, and 16),
 * between their bytes and room group's values. Part of crecord.h, which calls it after the type.
 */
#ifndef COORD_CRECORD_CONSUMER_H
#define COORD_CRECORD_CONSUMER_H

#include "group/fx.h"
#include "wire/rd.h"
#include "wire/wr.h"

bool crecord_consumer_encodes(enum fx_record_kind kind);
void crecord_consumer_encode(const struct fx_record *record, struct wr *key, struct wr *value);

bool crecord_consumer_decodes(int16_t type);
/* key and value stand behind the type and the value's version. */
enum err crecord_consumer_decode(int16_t type, int16_t version, struct rd *key, struct rd *value,
				 struct arena *arena, struct fx_record *record) must_check;

#endif
