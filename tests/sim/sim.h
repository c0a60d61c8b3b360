/*
 * What the files of the simulation share: a world of one coordinator shard, its log, its clients.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "group/group_int.h"

/* Where a step found something wrong: seed and step replay it exactly. */
extern uint64_t sim_seed, sim_step;
_Noreturn void sim_fail(const char *file, int line, const char *what);
#define sim_must(e)                                       \
	do {                                              \
		if (!(e))                                 \
			sim_fail(__FILE__, __LINE__, #e); \
	} while (0)

/* -- sim_log.c: the log, in memory --------------------------------------------------------- */

struct sim_entry {
	bool marker, commit; /* a transaction's end; else a record */
	int64_t producer_id;
	struct fx_record record;
};

struct sim_log {
	struct arena arena;
	struct sim_entry *entries;
	size_t len, size;
	int64_t next;	/* offset */
	bool compacted; /* once */
};

void sim_log_init(struct sim_log *log);
void sim_log_fini(struct sim_log *log);
/* Deep copies; gives each record its offset. */
void sim_log_append(struct sim_log *log, struct fx_record *record, int64_t producer_id);
void sim_log_marker(struct sim_log *log, int64_t producer_id, bool commit);
/* Drops what later records of the same key replace, as compaction would. */
void sim_log_compact(struct sim_log *log);
void sim_log_replay(const struct sim_log *log, struct shard *shard);

/* -- sim_check.c: what must always hold ---------------------------------------------------- */

/* The counts, tables and deadlines of each group agree with each other. */
void sim_check_shard(const struct shard *shard);
/* Replaying the log gives what lasts of `live`. */
void sim_check_replay(const struct shard *live, const struct sim_log *log);

/* -- the world ----------------------------------------------------------------------------- */

#define SIM_GROUPS     3
#define SIM_CLIENTS    7 /* of each group */
#define SIM_PARTITIONS 6
#define SIM_PRODUCERS  3
#define SIM_MEMBERS    32
#define SIM_ID_MAX     80

struct sim_id {
	char text[SIM_ID_MAX];
	size_t len;
};

struct sim_client;

struct sim_request {
	struct sim_client *client;
	bool is_sync;
	int64_t since_ms;
	TAILQ_ENTRY(sim_request) link;
};

struct sim_client {
	size_t idx, group;
	bool is_static, old; /* old: an API without MEMBER_ID_REQUIRED */
	struct sim_id id;
	int32_t generation;
	bool leads, joined, synced;	    /* how far it is in this generation */
	struct sim_id members[SIM_MEMBERS]; /* when it leads */
	size_t members_len;
	struct sim_request *waits;
	uint8_t taste; /* which protocols it offers */
};

/* What the model knows of a group. */
struct sim_group {
	char name[8];
	int32_t generation, owner_generation;
	int owner[SIM_PARTITIONS]; /* client; -1: nobody has been told yet */
	struct sim_offset {
		int64_t offset, at;
	} offsets[SIM_PARTITIONS], pending[SIM_PRODUCERS][SIM_PARTITIONS];
};

struct sim {
	struct rnd dice, rnd;
	struct group_cfg cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct shard *shard;
	struct sim_log log;
	struct fx fx;
	struct moment now;
	bool lost;     /* a group's record was not written: the state is ahead of the log */
	bool gives_up; /* no more failures: the end of a run */
	TAILQ_HEAD(, sim_request) waiting;
	struct sim_group groups[SIM_GROUPS];
	struct sim_client clients[SIM_GROUPS * SIM_CLIENTS];
	uint64_t stable, committed, restarts, expired;
};

bool sim_chance(struct sim *sim, unsigned percent);
/* What the shell does after each event: append, settle, answer. */
enum err sim_run(struct sim *sim);
void sim_answers(struct sim *sim);
void sim_forget_group(struct sim_group *group);

/* -- sim_client.c: what clients do --------------------------------------------------------- */

void sim_client_step(struct sim *sim, struct sim_client *client);
void sim_fetch(struct sim *sim, struct sim_group *group);
void sim_delete(struct sim *sim, struct sim_group *group);
/* What another broker's transactional producer has left in the log. */
void sim_txn(struct sim *sim, struct sim_group *group);
void sim_joined(struct sim *sim, struct sim_client *client, const struct join_answer *answer);
void sim_synced(struct sim *sim, struct sim_client *client, const struct sync_answer *answer);

#endif
