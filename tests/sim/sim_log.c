/* The simulated log: an array of records, each a deep copy. */
#include "sim.h"

#include <stdlib.h>

void sim_log_init(struct sim_log *log)
{
	*log = (struct sim_log){0};
	arena_init(&log->arena, (size_t)1 << 30);
}

void sim_log_fini(struct sim_log *log)
{
	arena_fini(&log->arena);
	free(log->entries);
}

static struct sim_entry *sim_log_add(struct sim_log *log)
{
	if (log->len == log->size) {
		log->size = log->size == 0 ? 256 : log->size * 2;
		log->entries = realloc(log->entries, log->size * sizeof(*log->entries));
		must(log->entries != NULL);
	}
	log->entries[log->len] = (struct sim_entry){.producer_id = -1};
	return &log->entries[log->len++];
}

static void sim_log_copy_group(struct arena *arena, struct group_value *value)
{
	struct member_value *members =
	    arena_array(arena, value->members_len, sizeof(struct member_value));

	must(members != NULL);
	value->protocol_type = arena_str(arena, value->protocol_type);
	value->protocol = arena_str(arena, value->protocol);
	value->leader = arena_str(arena, value->leader);
	for (size_t i = 0; i < value->members_len; i++) {
		members[i] = value->members[i];
		members[i].id = arena_str(arena, members[i].id);
		members[i].instance_id = arena_str(arena, members[i].instance_id);
		members[i].client_id = arena_str(arena, members[i].client_id);
		members[i].client_host = arena_str(arena, members[i].client_host);
		members[i].subscription = arena_bytes(arena, members[i].subscription);
		members[i].assignment = arena_bytes(arena, members[i].assignment);
	}
	value->members = members;
}

static void sim_log_copy(struct arena *arena, struct fx_record *record)
{
	record->group = arena_str(arena, record->group);
	if (record->kind == FX_OFFSET) {
		record->offset.topic = arena_str(arena, record->offset.topic);
		record->offset.value.metadata = arena_str(arena, record->offset.value.metadata);
	} else if (record->kind == FX_GROUP) {
		sim_log_copy_group(arena, &record->value);
	} else {
		record->foreign.key = arena_bytes(arena, record->foreign.key);
	}
	must(!arena->failed);
}

void sim_log_append(struct sim_log *log, struct fx_record *record, int64_t producer_id)
{
	struct sim_entry *entry = sim_log_add(log);

	record->at = log->next++;
	entry->producer_id = producer_id;
	entry->record = *record;
	sim_log_copy(&log->arena, &entry->record);
}

void sim_log_marker(struct sim_log *log, int64_t producer_id, bool commit)
{
	struct sim_entry *entry = sim_log_add(log);

	entry->marker = true;
	entry->commit = commit;
	entry->producer_id = producer_id;
	log->next++;
}

static bool sim_log_same_key(const struct fx_record *a, const struct fx_record *b)
{
	if (a->kind != b->kind || !str_eq(a->group, b->group))
		return false;
	if (a->kind == FX_OFFSET)
		return a->offset.partition == b->offset.partition &&
		       str_eq(a->offset.topic, b->offset.topic);
	if (a->kind == FX_FOREIGN)
		return a->foreign.key.len == b->foreign.key.len &&
		       memcmp(a->foreign.key.ptr, b->foreign.key.ptr, a->foreign.key.len) == 0;
	return true;
}

/* Only what plain records replace, and only while no transaction is open. A tombstone stays. */
void sim_log_compact(struct sim_log *log)
{
	struct arena arena;
	size_t kept = 0;

	log->compacted = true;
	for (size_t i = 0; i < log->len; i++) {
		bool replaced = false;

		if (!log->entries[i].marker && log->entries[i].producer_id < 0)
			for (size_t j = i + 1; j < log->len && !replaced; j++)
				replaced = !log->entries[j].marker &&
					   log->entries[j].producer_id < 0 &&
					   sim_log_same_key(&log->entries[i].record,
							    &log->entries[j].record);
		if (!replaced)
			log->entries[kept++] = log->entries[i];
	}
	log->len = kept;
	arena_init(&arena, (size_t)1 << 30);
	for (size_t i = 0; i < log->len; i++)
		if (!log->entries[i].marker)
			sim_log_copy(&arena, &log->entries[i].record);
	arena_fini(&log->arena);
	log->arena = arena;
}

void sim_log_replay(const struct sim_log *log, struct shard *shard)
{
	for (size_t i = 0; i < log->len; i++) {
		const struct sim_entry *entry = &log->entries[i];

		if (entry->marker)
			replay_marker(shard, entry->producer_id, entry->commit);
		else
			replay_record(shard, &entry->record, entry->producer_id);
	}
}
