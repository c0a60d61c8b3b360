/*
 * The transaction coordinator under millions of random steps: producers begin, add, write, commit,
 * abort; answers are lost and requests repeated; writes and ends come late; zombies go on; appends
 * fail; markers are written one by one, in between anything else; the coordinator restarts from its
 * log, compacted or not; time jumps; epochs run out.
 *
 * Partitions are models of the store's rules (epochs, markers, the guard between verification and
 * append). What must hold:
 *   - replaying the log gives the state;
 *   - an id's live (producer id, epoch) is given out once, and only newer ones after it;
 *   - what is decided stays decided, and a marker never meets a newer epoch;
 *   - under version 2 a late end does nothing to a transaction that began after it;
 *   - all that a transaction has written has one fate, the one that its producer was told;
 *   - in the end nothing is open.
 *
 *	sim_txn [seed [steps]]
 *
 * Without a seed: a few fixed ones, for make check. A failure prints what replays it exactly.
 * Longer than other files: the steps and what must hold after them are read together.
 */
#include "base/rnd.h"
#include "txn/txn_int.h"

#include <stdio.h>
#include <stdlib.h>

#define SIM_IDS	       3
#define SIM_CLIENTS    9 /* three for each id: at most one of them is not a zombie */
#define SIM_PARTITIONS 5
#define SIM_LATE       8

static uint64_t sim_seed, sim_step;

#define sim_must(e)                                                                            \
	do {                                                                                   \
		if (!(e)) {                                                                    \
			fprintf(stderr,                                                        \
				"%s:%d: %s\nfailed at step %llu; replay with: sim_txn %llu\n", \
				__FILE__, __LINE__, #e, (unsigned long long)sim_step,          \
				(unsigned long long)sim_seed);                                 \
			abort();                                                               \
		}                                                                              \
	} while (0)

enum fate { OPEN, COMMITTED, ABORTED };

/* What a client has written in one transaction, and what it was told of its end. */
struct sim_label {
	enum fate told, seen;
	bool asked; /* its producer has asked for the commit */
};

struct sim_item {
	uint32_t label;
	int64_t producer_id;
	enum fate fate;
};

struct sim_producer {
	int64_t id;
	int16_t epoch;
	bool open;
	int64_t last_marker;
	uint64_t sequence; /* the last write's */
};

struct sim_partition {
	struct sim_item *items;
	size_t items_len, items_size, first_open;
	struct sim_producer *producers;
	size_t producers_len, producers_size;
};

struct sim_client {
	size_t id;
	int64_t producer_id;
	int16_t epoch, version;
	bool alive, in_txn, commit;
	bool ending; /* has asked for the end and not heard */
	uint32_t label;
};

/* A write that was verified and has not reached its partition yet. */
struct sim_late {
	bool used;
	int32_t partition;
	int64_t producer_id, guard;
	int16_t epoch;
	uint32_t label;
	uint64_t sequence;
};

/* An EndTxn under version 2 that the network has kept, and delivers some time later. */
struct sim_late_end {
	bool used;
	struct endtxn_ask ask;
	uint32_t label;
};

/* Markers under way, as the shell keeps them; lost at a restart. */
struct sim_marks {
	bool used;
	int64_t producer_id;
	int16_t epoch;
	bool commit;
	bool left[SIM_PARTITIONS];
};

struct sim {
	struct rnd dice;
	struct txns_cfg cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct txns *txns;
	struct tfx fx, log; /* log: records as they were written */
	struct moment now;
	int64_t next_id, next_offset, markers;
	bool quiet; /* no more failures: the end of a run */
	struct sim_partition partitions[SIM_PARTITIONS];
	struct sim_client clients[SIM_CLIENTS];
	struct sim_late late[SIM_LATE];
	struct sim_late_end late_ends[SIM_LATE];
	struct sim_marks marks[SIM_IDS];
	struct {
		int64_t producer_id;
		int16_t epoch;
	} live[SIM_IDS]; /* the newest that was given out */
	struct sim_label *labels;
	size_t labels_len, labels_size;
	uint64_t sequence, committed, aborted, fenced, restarts, late_refused, late_decided,
	    rotated;
};

static const char *const sim_names[SIM_IDS] = {"alpha", "beta", "gamma"};
static const char *const sim_topics[SIM_PARTITIONS] = {"t", "t", "u", "u", "v"};

static bool sim_chance(struct sim *sim, unsigned percent)
{
	return rnd_below(&sim->dice, 100) < percent;
}

static size_t sim_id_of(struct str id)
{
	for (size_t i = 0; i < SIM_IDS; i++)
		if (str_eq(str_of(sim_names[i]), id))
			return i;
	sim_must(!"an id that nobody has");
	return 0;
}

static void *sim_grow(void *list, size_t len, size_t *size, size_t elem_size)
{
	if (len < *size)
		return list;
	*size = *size == 0 ? 16 : *size * 2;
	list = realloc(list, *size * elem_size);
	must(list != NULL);
	return list;
}

/* -- partitions ---------------------------------------------------------------------------- */

static struct sim_producer *sim_producer_of(struct sim_partition *part, int64_t id, bool make)
{
	for (size_t i = 0; i < part->producers_len; i++)
		if (part->producers[i].id == id)
			return &part->producers[i];
	if (!make)
		return NULL;
	part->producers = sim_grow(part->producers, part->producers_len, &part->producers_size,
				   sizeof(*part->producers));
	part->producers[part->producers_len] = (struct sim_producer){.id = id, .epoch = -1};
	return &part->producers[part->producers_len++];
}

static bool sim_append(struct sim *sim, const struct sim_late *write)
{
	struct sim_partition *part = &sim->partitions[write->partition];
	struct sim_producer *producer = sim_producer_of(part, write->producer_id, false);

	if (producer != NULL &&
	    (write->epoch < producer->epoch || write->sequence < producer->sequence ||
	     (!producer->open && producer->last_marker > write->guard))) {
		sim->late_refused++;
		return false;
	}
	producer = sim_producer_of(part, write->producer_id, true);
	sim_must(!producer->open || producer->epoch == write->epoch);
	producer->epoch = write->epoch;
	producer->sequence = write->sequence;
	producer->open = true;
	part->items =
	    sim_grow(part->items, part->items_len, &part->items_size, sizeof(*part->items));
	part->items[part->items_len++] = (struct sim_item){write->label, write->producer_id, OPEN};
	return true;
}

static void sim_mark(struct sim *sim, int32_t partition, const struct sim_marks *marks)
{
	struct sim_partition *part = &sim->partitions[partition];
	struct sim_producer *producer = sim_producer_of(part, marks->producer_id, true);
	enum fate fate = marks->commit ? COMMITTED : ABORTED;

	sim_must(producer->epoch <= marks->epoch);
	producer->epoch = marks->epoch;
	producer->open = false;
	producer->last_marker = ++sim->markers;
	while (part->first_open < part->items_len && part->items[part->first_open].fate != OPEN)
		part->first_open++;
	for (size_t i = part->first_open; i < part->items_len; i++) {
		struct sim_item *item = &part->items[i];
		struct sim_label *label = &sim->labels[item->label];

		if (item->producer_id != marks->producer_id || item->fate != OPEN)
			continue;
		item->fate = fate;
		sim_must(label->seen == OPEN || label->seen == fate);
		sim_must(label->told == OPEN || label->told == fate);
		sim_must(label->asked || fate == ABORTED);
		label->seen = fate;
	}
}

/* -- the log and the shell ----------------------------------------------------------------- */

static bool sim_may_follow(const struct sim *sim, const struct txn_value *was,
			   const struct txn_value *is)
{
	bool begins = is->state == TXN_ONGOING && (was == NULL || was->state != TXN_ONGOING);

	if (is->update_ms != sim->now.wall_ms || (begins && is->start_ms != sim->now.wall_ms))
		return false;
	if (was == NULL)
		return is->state == TXN_EMPTY;
	if (is->previous_id != was->producer_id ||
	    (is->producer_id != was->producer_id && is->epoch != 0))
		return false;
	switch (is->state) {
	case TXN_EMPTY:
	case TXN_PREPARE_ABORT:
		return !txn_is_ending(was->state);
	case TXN_ONGOING:
		return !txn_is_ending(was->state) && is->epoch == was->epoch &&
		       is->producer_id == was->producer_id;
	case TXN_PREPARE_COMMIT:
		return was->state == TXN_ONGOING;
	case TXN_COMPLETE_COMMIT:
		return was->state == TXN_PREPARE_COMMIT;
	case TXN_COMPLETE_ABORT:
		return was->state == TXN_PREPARE_ABORT;
	default:
		return false;
	}
}

static void sim_log_copy(struct sim *sim, const struct txn_record *record)
{
	struct arena *arena = &sim->log.arena;
	struct txn_record *kept = tfx_record_add(&sim->log, arena_str(arena, record->id));
	struct txn_topic *topics = tfx_alloc(&sim->log, record->value.topics_len, sizeof(*topics));

	kept->tombstone = record->tombstone;
	kept->at = record->at;
	kept->value = record->value;
	for (size_t i = 0; i < record->value.topics_len; i++) {
		const struct txn_topic *from = &record->value.topics[i];
		struct bytes copy =
		    arena_bytes(arena,
				(struct bytes){(const uint8_t *)from->partitions, from->len * 4});

		topics[i] = (struct txn_topic){arena_str(arena, from->name),
					       (const int32_t *)(const void *)copy.ptr, from->len};
	}
	kept->value.topics = topics;
}

/* The last record of each id; a tombstone stays. */
static void sim_log_compact(struct sim *sim)
{
	struct tfx old = sim->log;

	tfx_init(&sim->log);
	for (size_t i = 0; i < old.records_len; i++) {
		bool last = true;

		for (size_t k = i + 1; k < old.records_len && last; k++)
			last = !str_eq(old.records[i].id, old.records[k].id);
		if (last)
			sim_log_copy(sim, &old.records[i]);
	}
	tfx_fini(&old);
}

static void sim_begin_marks(struct sim *sim, size_t id, const struct txn_value *value)
{
	struct sim_marks *marks = &sim->marks[id];

	sim_must(!marks->used);
	*marks = (struct sim_marks){.used = true,
				    .producer_id = value->producer_id,
				    .epoch = value->epoch,
				    .commit = value->state == TXN_PREPARE_COMMIT};
	for (size_t t = 0; t < value->topics_len; t++)
		for (size_t i = 0; i < value->topics[t].len; i++)
			marks->left[value->topics[t].partitions[i]] = true;
}

static void sim_check_record(const struct sim *sim, const struct txn_record *record)
{
	const struct txn_value *was = txns_find_value(sim->txns, record->id);

	if (!record->tombstone)
		sim_must(sim_may_follow(sim, was, &record->value));
	else
		sim_must(was != NULL && was->state != TXN_ONGOING && !txn_is_ending(was->state) &&
			 was->update_ms <= sim->now.wall_ms - sim->cfg.expiration_ms);
}

/* Appends and settles; true when the records are in the log. */
static bool sim_settle(struct sim *sim)
{
	bool fails = !sim->quiet && sim_chance(sim, 3);

	for (size_t i = 0; i < sim->fx.records_len && !fails; i++) {
		struct txn_record *record = &sim->fx.records[i];

		record->at = sim->next_offset++;
		sim_check_record(sim, record);
		sim_log_copy(sim, record);
	}
	txns_settle(sim->txns, sim->now, &sim->fx, fails ? ERR_NOSPACE : ERR_OK);
	for (size_t i = 0; i < sim->fx.records_len && !fails; i++) {
		const struct txn_record *record =
		    &sim->log.records[sim->log.records_len - sim->fx.records_len + i];

		if (!record->tombstone && txn_is_ending(record->value.state))
			sim_begin_marks(sim, sim_id_of(record->id), &record->value);
	}
	fails = fails && sim->fx.records_len > 0;
	tfx_reset(&sim->fx);
	return !fails;
}

/* What a producer was told to go on with is in force when the end is complete. */
static void sim_check_promise(const struct sim *sim, size_t id)
{
	const struct txn_value *value = txns_find_value(sim->txns, str_of(sim_names[id]));

	sim_must(value != NULL && value->producer_id >= sim->live[id].producer_id);
	sim_must(value->producer_id > sim->live[id].producer_id ||
		 value->epoch >= sim->live[id].epoch);
}

static void sim_go_on_marking(struct sim *sim, size_t id, bool all)
{
	struct sim_marks *marks = &sim->marks[id];
	bool left = false;

	if (!marks->used)
		return;
	for (int32_t p = 0; p < SIM_PARTITIONS; p++) {
		if (marks->left[p] && (all || sim_chance(sim, 50))) {
			sim_mark(sim, p, marks);
			marks->left[p] = false;
		}
		left = left || marks->left[p];
	}
	if (left)
		return;
	/* One of another end has no say in this one's. */
	endtxn_complete(sim->txns, sim->now, str_of(sim_names[id]), marks->producer_id,
			(int16_t)(marks->epoch - 1), &sim->fx);
	sim_must(sim->fx.records_len == 0);
	endtxn_complete(sim->txns, sim->now, str_of(sim_names[id]), marks->producer_id,
			marks->epoch, &sim->fx);
	sim_must(sim->fx.records_len == 1);
	if (!sim_settle(sim))
		return;
	marks->used = false;
	sim_check_promise(sim, id);
}

static void sim_load(struct sim *sim)
{
	const struct txn_value *value;
	const void *pos = NULL;
	struct str id;

	sim->txns = txns_new(&sim->cfg, &sim->keep, &sim->deadlines);
	must(sim->txns != NULL);
	for (size_t i = 0; i < sim->log.records_len; i++)
		txns_replay(sim->txns, &sim->log.records[i]);
	txns_replay_done(sim->txns, sim->now);
	memset(sim->marks, 0, sizeof(sim->marks));
	while (txns_next(sim->txns, &pos, &id, &value))
		if (txn_is_ending(value->state))
			sim_begin_marks(sim, sim_id_of(id), value);
}

/* An id's epochs are almost used up, as a long life leaves it. */
static void sim_age(struct sim *sim, size_t id)
{
	const struct txn_value *value = txns_find_value(sim->txns, str_of(sim_names[id]));
	struct txn_record *record;

	if (value == NULL || value->state == TXN_ONGOING || txn_is_ending(value->state) ||
	    value->epoch >= 32700)
		return;
	record = tfx_record_add(&sim->fx, str_of(sim_names[id]));
	record->at = sim->next_offset++;
	record->value = *value;
	record->value.epoch = (int16_t)(32750 + rnd_below(&sim->dice, 17));
	sim->live[id].producer_id = record->value.producer_id;
	sim->live[id].epoch = record->value.epoch;
	sim_log_copy(sim, record);
	tfx_reset(&sim->fx);
}

static void sim_restart(struct sim *sim)
{
	if (sim_chance(sim, 20))
		sim_age(sim, rnd_below(&sim->dice, SIM_IDS));
	txns_free(sim->txns);
	sim_must(sim->keep.used_bytes == 0 && sim->deadlines.len == 0);
	if (sim_chance(sim, 50))
		sim_log_compact(sim);
	sim_load(sim);
	sim->restarts++;
}

static bool sim_same(const struct txn_value *a, const struct txn_value *b)
{
	if (a->producer_id != b->producer_id || a->previous_id != b->previous_id ||
	    a->next_id != b->next_id || a->epoch != b->epoch || a->timeout_ms != b->timeout_ms ||
	    a->state != b->state || a->update_ms != b->update_ms || a->start_ms != b->start_ms ||
	    a->client_version != b->client_version || a->topics_len != b->topics_len)
		return false;
	for (size_t i = 0; i < a->topics_len; i++)
		if (!str_eq(a->topics[i].name, b->topics[i].name) ||
		    a->topics[i].len != b->topics[i].len ||
		    memcmp(a->topics[i].partitions, b->topics[i].partitions,
			   a->topics[i].len * sizeof(int32_t)) != 0)
			return false;
	return true;
}

static void sim_check_replay(struct sim *sim)
{
	struct keep keep = {.cap_bytes = SIZE_MAX};
	struct deadlines deadlines = {0};
	struct txns *again = txns_new(&sim->cfg, &keep, &deadlines);
	const struct txn_value *value;
	const void *pos = NULL;
	struct str id;

	must(again != NULL);
	for (size_t i = 0; i < sim->log.records_len; i++)
		txns_replay(again, &sim->log.records[i]);
	sim_must(txns_len(again) == txns_len(sim->txns));
	while (txns_next(sim->txns, &pos, &id, &value)) {
		const struct txn_value *other = txns_find_value(again, id);
		const struct txn_entry *entry = txns_find(sim->txns, id);

		sim_must(other != NULL && sim_same(value, other));
		sim_must(deadline_is_set(&entry->timeout) == (value->state == TXN_ONGOING));
		sim_must(txn_is_ending(value->state) == sim->marks[sim_id_of(id)].used);
		sim_must(value->topics_len == 0 || value->state == TXN_ONGOING ||
			 txn_is_ending(value->state));
	}
	txns_free(again);
	sim_must(keep.used_bytes == 0);
	deadlines_fini(&deadlines);
}

/* -- clients ------------------------------------------------------------------------------- */

static void sim_note_live(struct sim *sim, const struct sim_client *client, bool may_repeat)
{
	size_t id = client->id;
	bool same = client->producer_id == sim->live[id].producer_id;

	if (same && client->epoch == sim->live[id].epoch && may_repeat)
		return;
	sim_must(same ? client->epoch > sim->live[id].epoch
		      : client->producer_id > sim->live[id].producer_id);
	sim->rotated += !same && sim->live[id].producer_id >= 0;
	sim->live[id].producer_id = client->producer_id;
	sim->live[id].epoch = client->epoch;
}

static void sim_client_init(struct sim *sim, struct sim_client *client)
{
	struct initpid_ask ask = {.id = str_of(sim_names[client->id]),
				  .timeout_ms = 1000 + (int32_t)rnd_below(&sim->dice, 60000),
				  .producer_id = TXN_NO_PRODUCER,
				  .epoch = TXN_NO_EPOCH,
				  .fresh_id = TXN_NO_PRODUCER};
	bool named = client->producer_id >= 0 && sim_chance(sim, 30);
	enum err err;

	if (named) {
		ask.producer_id = client->producer_id;
		ask.epoch = client->epoch;
	}
	err = initpid_handle(sim->txns, sim->now, &ask, &sim->fx);
	if (ask.needs_id) {
		sim_must(err == ERR_OK && sim->fx.records_len == 0);
		ask.fresh_id = sim->next_id++;
		err = initpid_handle(sim->txns, sim->now, &ask, &sim->fx);
		sim_must(!ask.needs_id);
	}
	if (!sim_settle(sim) || err != ERR_OK || sim_chance(sim, 5)) {
		client->alive = client->alive && err != ERR_PRODUCER_FENCED;
		return;
	}
	client->producer_id = ask.out_id;
	client->epoch = ask.out_epoch;
	client->alive = true;
	client->in_txn = client->ending = false;
	sim_note_live(sim, client, named);
}

static uint32_t sim_new_label(struct sim *sim)
{
	sim->labels =
	    sim_grow(sim->labels, sim->labels_len, &sim->labels_size, sizeof(*sim->labels));
	sim->labels[sim->labels_len] = (struct sim_label){OPEN, OPEN, false};
	return (uint32_t)sim->labels_len++;
}

/* What Produce asks before it appends: yes for what is in the transaction, and for nothing else. */
static void sim_client_verify(struct sim *sim, const struct sim_client *client)
{
	size_t p = rnd_below(&sim->dice, SIM_PARTITIONS);
	struct enlist_partition one = {.topic = str_of(sim_topics[p]), .partition = (int32_t)p};
	struct enlist_ask ask = {.id = str_of(sim_names[client->id]),
				 .producer_id = client->producer_id,
				 .epoch = client->epoch,
				 .partitions = &one,
				 .len = 1};
	const struct txn_value *value = txns_find_value(sim->txns, ask.id);
	bool there = false;

	if (enlist_verify(sim->txns, &ask) != ERR_OK)
		return;
	sim_must(value != NULL && value->producer_id == client->producer_id &&
		 value->epoch == client->epoch);
	for (size_t t = 0; t < value->topics_len; t++)
		for (size_t i = 0; i < value->topics[t].len; i++)
			there = there || value->topics[t].partitions[i] == one.partition;
	sim_must((one.err == ERR_OK) == (there && value->state == TXN_ONGOING));
}

/* Adds the partition, or asks for it, then writes: now, or some time later. */
static void sim_client_write(struct sim *sim, struct sim_client *client)
{
	struct sim_late write = {.used = true,
				 .partition = (int32_t)rnd_below(&sim->dice, SIM_PARTITIONS),
				 .producer_id = client->producer_id,
				 .epoch = client->epoch,
				 .guard = sim->markers,
				 .sequence = ++sim->sequence};
	struct enlist_partition one = {.topic = str_of(sim_topics[write.partition]),
				       .partition = write.partition};
	struct enlist_ask ask = {.id = str_of(sim_names[client->id]),
				 .producer_id = client->producer_id,
				 .epoch = client->epoch,
				 .client_version = client->version == 2 ? 2 : 0,
				 .partitions = &one,
				 .len = 1};
	enum err err = enlist_add(sim->txns, sim->now, &ask, &sim->fx);

	if (!sim_settle(sim))
		return;
	if (err == ERR_PRODUCER_FENCED || err == ERR_INVALID_PRODUCER_ID_MAPPING) {
		client->alive = false;
		sim->fenced++;
	}
	if (err != ERR_OK)
		return;
	if (!client->in_txn)
		client->label = sim_new_label(sim);
	client->in_txn = true;
	write.label = client->label;
	if (client->version != 2) {
		err = enlist_verify(sim->txns, &ask);
		sim_must(err == ERR_OK && one.err == ERR_OK);
	}
	if (sim_chance(sim, 20))
		sim->late[rnd_below(&sim->dice, SIM_LATE)] = write;
	else
		sim_must(sim_append(sim, &write));
}

static void sim_told(struct sim *sim, struct sim_client *client)
{
	struct sim_label *label = &sim->labels[client->label];
	enum fate fate = client->commit ? COMMITTED : ABORTED;

	sim_must(label->seen == OPEN || label->seen == fate);
	sim_must(label->told == OPEN);
	label->told = fate;
	sim->committed += client->commit;
	sim->aborted += !client->commit;
}

static enum err sim_ask_end(struct sim *sim, struct endtxn_ask *ask)
{
	enum err err = endtxn_handle(sim->txns, sim->now, ask, &sim->fx);

	if (!ask->needs_id)
		return err;
	sim_must(err == ERR_OK && sim->fx.records_len == 0);
	ask->fresh_id = sim->next_id++;
	return endtxn_handle(sim->txns, sim->now, ask, &sim->fx);
}

static void sim_client_end(struct sim *sim, struct sim_client *client)
{
	struct endtxn_ask ask = {.id = str_of(sim_names[client->id]),
				 .producer_id = client->producer_id,
				 .epoch = client->epoch,
				 .client_version = client->version == 2 ? 2 : 0,
				 .fresh_id = TXN_NO_PRODUCER};
	enum err err;

	if (!client->ending)
		client->commit = sim_chance(sim, 60);
	client->ending = true;
	sim->labels[client->label].asked |= client->commit;
	ask.commit = client->commit;
	if (client->version == 2 && sim_chance(sim, 20))
		sim->late_ends[rnd_below(&sim->dice, SIM_LATE)] =
		    (struct sim_late_end){true, ask, client->label};
	if (sim_chance(sim, 20))
		return; /* it is lost, or only the late one comes */
	err = sim_ask_end(sim, &ask);
	if (!sim_settle(sim) || sim_chance(sim, 10) || err == ERR_CONCURRENT_TRANSACTIONS)
		return; /* the client asks again */
	client->ending = client->in_txn = false;
	if (err != ERR_OK) {
		client->alive = false;
		sim->fenced++;
		return;
	}
	sim_told(sim, client);
	if (client->version != 2)
		return;
	client->producer_id = ask.out_id;
	client->epoch = ask.out_epoch;
	sim_note_live(sim, client, false);
}

static void sim_client_step(struct sim *sim, struct sim_client *client)
{
	if (sim_chance(sim, 5))
		sim_client_verify(sim, client);
	if (client->ending && client->alive)
		sim_client_end(sim, client);
	else if (!client->alive && sim_chance(sim, client->producer_id >= 0 ? 1 : 20))
		sim_client_init(sim, client);
	else if (client->alive && sim_chance(sim, 50) && sim_chance(sim, 1))
		sim_client_init(sim, client);
	else if (client->alive && client->in_txn && sim_chance(sim, 30))
		sim_client_end(sim, client);
	else if (client->alive)
		sim_client_write(sim, client);
}

static void sim_late_step(struct sim *sim)
{
	struct sim_late *write = &sim->late[rnd_below(&sim->dice, SIM_LATE)];

	if (write->used)
		(void)sim_append(sim, write);
	write->used = false;
}

static void sim_late_end_step(struct sim *sim)
{
	struct sim_late_end *end = &sim->late_ends[rnd_below(&sim->dice, SIM_LATE)];
	const struct sim_label *label;
	enum err err;

	if (!end->used)
		return;
	end->used = false;
	label = &sim->labels[end->label];
	err = sim_ask_end(sim, &end->ask);
	/* It may decide its own transaction, when nobody has yet; no other. */
	sim_must(sim->fx.records_len == 0 ||
		 (err == ERR_OK && label->told == OPEN && label->seen == OPEN));
	sim->late_decided += sim->fx.records_len > 0;
	(void)sim_settle(sim);
}

/* -- the world ----------------------------------------------------------------------------- */

static void sim_fire(struct sim *sim, struct deadline *d)
{
	bool needs_id;

	sim_must(txns_of_deadline(d) == sim->txns);
	txns_fire(sim->now, d, TXN_NO_PRODUCER, &needs_id, &sim->fx);
	if (needs_id) {
		sim_must(sim->fx.records_len == 0);
		txns_fire(sim->now, d, sim->next_id++, &needs_id, &sim->fx);
		sim_must(!needs_id);
	}
	(void)sim_settle(sim);
}

static void sim_advance(struct sim *sim, int64_t ms)
{
	int64_t until_ms = sim->now.mono_ms + ms;
	struct deadline *d;

	while ((d = deadlines_due(&sim->deadlines, until_ms)) != NULL) {
		if (d->at_ms > sim->now.mono_ms) {
			sim->now.wall_ms += d->at_ms - sim->now.mono_ms;
			sim->now.mono_ms = d->at_ms;
		}
		sim_fire(sim, d);
		for (size_t id = 0; sim->quiet && id < SIM_IDS; id++)
			sim_go_on_marking(sim, id, true);
	}
	sim->now.wall_ms += until_ms - sim->now.mono_ms;
	sim->now.mono_ms = until_ms;
}

static void sim_one_step(struct sim *sim)
{
	uint64_t what = rnd_below(&sim->dice, 1000);

	if (what < 600)
		sim_client_step(sim, &sim->clients[rnd_below(&sim->dice, SIM_CLIENTS)]);
	else if (what < 800)
		sim_go_on_marking(sim, rnd_below(&sim->dice, SIM_IDS), false);
	else if (what < 850)
		sim_late_step(sim);
	else if (what < 890)
		sim_late_end_step(sim);
	else if (what < 950)
		sim_advance(sim, (int64_t)rnd_below(&sim->dice, 500));
	else if (what < 952)
		sim_advance(sim, (int64_t)rnd_below(&sim->dice, 90000));
	else if (what < 953 && sim_chance(sim, 5))
		sim_advance(sim, 2 * sim->cfg.expiration_ms);
	else if (what < 956)
		sim_restart(sim);
	else if (what < 957)
		sim->cfg.version = (int16_t)rnd_below(&sim->dice, 3);
}

static void sim_make(struct sim *sim)
{
	rnd_init_seed(&sim->dice, sim_seed);
	sim->cfg = txns_cfg_default;
	sim->cfg.expiration_ms = 3600000;
	sim->cfg.expiry_check_ms = 60000;
	sim->keep.cap_bytes = sim_chance(sim, 20) ? 2000 : SIZE_MAX;
	sim->now = (struct moment){.mono_ms = 1000, .wall_ms = 1700000000000};
	sim->next_id = 1000;
	tfx_init(&sim->fx);
	tfx_init(&sim->log);
	for (size_t i = 0; i < SIM_CLIENTS; i++)
		sim->clients[i] = (struct sim_client){.id = i % SIM_IDS,
						      .producer_id = -1,
						      .epoch = -1,
						      .version = (int16_t)(i % 2 + 1)};
	for (size_t i = 0; i < SIM_IDS; i++)
		sim->live[i].producer_id = -1;
	sim_load(sim);
}

static void sim_end(struct sim *sim)
{
	sim->quiet = true;
	for (size_t i = 0; i < SIM_LATE; i++)
		if (sim->late[i].used)
			(void)sim_append(sim, &sim->late[i]);
	for (size_t id = 0; id < SIM_IDS; id++)
		sim_go_on_marking(sim, id, true);
	sim_advance(sim, 200000);
	for (size_t p = 0; p < SIM_PARTITIONS; p++) {
		for (size_t i = 0; i < sim->partitions[p].producers_len; i++)
			sim_must(!sim->partitions[p].producers[i].open);
		for (size_t i = 0; i < sim->partitions[p].items_len; i++)
			sim_must(sim->partitions[p].items[i].fate != OPEN);
		free(sim->partitions[p].items);
		free(sim->partitions[p].producers);
	}
	sim_check_replay(sim);
	sim_advance(sim, 3 * sim->cfg.expiration_ms);
	sim_must(txns_len(sim->txns) == 0 && sim->deadlines.len == 0);
	txns_free(sim->txns);
	sim_must(sim->keep.used_bytes == 0);
	deadlines_fini(&sim->deadlines);
	tfx_fini(&sim->fx);
	tfx_fini(&sim->log);
	free(sim->labels);
}

static void sim_world(uint64_t seed, uint64_t steps)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	must(sim != NULL);
	sim_seed = seed;
	sim_make(sim);
	for (sim_step = 0; sim_step < steps; sim_step++) {
		sim_one_step(sim);
		if (sim->log.records_len > 2000)
			sim_log_compact(sim);
		if (sim_step % 200 == 0)
			sim_check_replay(sim);
	}
	sim_end(sim);
	printf("seed %llu: %llu steps, %llu committed, %llu aborted, %llu fenced, %llu late writes "
	       "refused, %llu late ends, %llu ids used up, %llu restarts\n",
	       (unsigned long long)seed, (unsigned long long)steps,
	       (unsigned long long)sim->committed, (unsigned long long)sim->aborted,
	       (unsigned long long)sim->fenced, (unsigned long long)sim->late_refused,
	       (unsigned long long)sim->late_decided, (unsigned long long)sim->rotated,
	       (unsigned long long)sim->restarts);
	free(sim);
}

int main(int argc, char **argv)
{
	uint64_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;

	if (argc > 1) {
		sim_world(strtoull(argv[1], NULL, 10), steps);
		return 0;
	}
	for (uint64_t seed = 1; seed <= 20; seed++)
		sim_world(seed, steps);
	return 0;
}
