/* Hands out producer ids from the block that the controller has noted. Control loop only. */
#ifndef COORD_PRODUCER_IDS_H
#define COORD_PRODUCER_IDS_H

#include "meta/controller.h"

struct producer_ids;

struct producer_ids_wait {
	STAILQ_ENTRY(producer_ids_wait) link;
	void (*done)(struct producer_ids_wait *wait, enum err err, int64_t producer_id);
};

struct producer_ids *producer_ids_new(struct controller *ctl) must_check;
void producer_ids_free(struct producer_ids *ids);
/* done() at once, or when the next block is durable. */
void producer_ids_take(struct producer_ids *ids, struct producer_ids_wait *wait);

#endif
