/* One block at a time; who comes while the next is being noted waits for it. */
#include "coord/producer_ids.h"

#include <stdlib.h>

struct producer_ids {
	struct controller *ctl;
	int64_t next, end; /* of the block in use */
	int64_t coming;	   /* first of the block being noted */
	bool asked;
	struct controller_wait wait;
	STAILQ_HEAD(, producer_ids_wait) waiting;
};

static void producer_ids_serve(struct producer_ids *ids, enum err err)
{
	struct producer_ids_wait *wait;

	while ((wait = STAILQ_FIRST(&ids->waiting)) != NULL) {
		if (err == ERR_OK && ids->next == ids->end)
			return;
		STAILQ_REMOVE_HEAD(&ids->waiting, link);
		wait->done(wait, err, err == ERR_OK ? ids->next++ : -1);
	}
}

static void producer_ids_ask(struct producer_ids *ids)
{
	enum err err = controller_producer_ids(ids->ctl, &ids->coming);

	if (err != ERR_OK) {
		producer_ids_serve(ids, ERR_COORDINATOR_NOT_AVAILABLE);
		return;
	}
	ids->asked = true;
	controller_commit(ids->ctl, &ids->wait);
}

static void producer_ids_noted(struct controller_wait *wait, enum err err)
{
	struct producer_ids *ids = container_of(wait, struct producer_ids, wait);

	ids->asked = false;
	if (err == ERR_OK) {
		ids->next = ids->coming;
		ids->end = ids->coming + CONTROLLER_PRODUCER_ID_BLOCK;
	}
	producer_ids_serve(ids, err == ERR_OK ? ERR_OK : ERR_COORDINATOR_NOT_AVAILABLE);
	if (!STAILQ_EMPTY(&ids->waiting))
		producer_ids_ask(ids);
}

struct producer_ids *producer_ids_new(struct controller *ctl)
{
	struct producer_ids *ids = calloc(1, sizeof(*ids));

	if (ids == NULL)
		return NULL;
	ids->ctl = ctl;
	ids->wait.done = producer_ids_noted;
	STAILQ_INIT(&ids->waiting);
	return ids;
}

void producer_ids_free(struct producer_ids *ids)
{
	must(STAILQ_EMPTY(&ids->waiting));
	free(ids);
}

void producer_ids_take(struct producer_ids *ids, struct producer_ids_wait *wait)
{
	STAILQ_INSERT_TAIL(&ids->waiting, wait, link);
	if (ids->next < ids->end)
		producer_ids_serve(ids, ERR_OK);
	else if (!ids->asked)
		producer_ids_ask(ids);
}
