/* What the files of the simulation of consumer groups share. */
#ifndef SIM_SIM_CONSUMER_H
#define SIM_SIM_CONSUMER_H

#include "group/consumer_int.h"

#include <stdio.h>
#include <stdlib.h>

#define SIM_CLIENTS 6
#define SIM_TOPICS  4
#define SIM_PARTS   5
#define SIM_LOG_MAX 200000

extern uint64_t sim_seed, sim_step;

#define sim_must(e)                                                                   \
	do {                                                                          \
		if (!(e)) {                                                           \
			fprintf(stderr,                                               \
				"%s:%d: %s\nfailed at step %llu; replay with: "       \
				"sim_consumer %llu\n",                                \
				__FILE__, __LINE__, #e, (unsigned long long)sim_step, \
				(unsigned long long)sim_seed);                        \
			abort();                                                      \
		}                                                                     \
	} while (0)

/* JoinGroup or SyncGroup of a client, which may have given it up meanwhile. */
struct sim_request {
	struct sim_client *client;
	bool is_sync;
	struct sim_request *next;
};

/* How far a client of the classic protocol is in its generation. */
enum sim_stage { SIM_JOINS, SIM_SYNCS, SIM_IN };

struct sim_client {
	char id[64], instance[24];
	bool is_static, alive, by_pattern;
	/* Of the classic protocol. */
	bool classic, cooperative, leads;
	enum sim_stage stage;
	struct sim_request *waits;
	char members[SIM_CLIENTS * 4][64]; /* when it leads */
	size_t members_len;
	bool unsure;	/* an answer was lost: it says and asks for everything next */
	unsigned wants; /* topics, as bits */
	int32_t epoch;
	struct tp owned[SIM_TOPICS * SIM_PARTS]; /* what it uses */
	size_t owned_len;
	struct tp told[SIM_TOPICS * SIM_PARTS]; /* what it was told to have */
	size_t told_len;
};

struct sim {
	struct rnd dice, rnd;
	struct group_cfg cfg;
	struct consumer_cfg consumer_cfg;
	struct keep keep;
	struct deadlines deadlines;
	struct shard *shard;
	struct fx fx;
	struct moment now;
	struct consumer_topics topics;
	struct {
		struct uuid id;
		int32_t partitions_len; /* 0: there is none */
	} topic[SIM_TOPICS];
	struct sim_client clients[SIM_CLIENTS];
	unsigned names; /* given out */
	bool quiet;	/* nothing goes wrong any more */
	bool mixed;	/* clients of both protocols */
	struct sim_request *requests;
	struct fx client_fx;
	uint64_t upgrades, downgrades;
	struct arena log_arena;
	struct fx_record *log;
	size_t log_len;
};

extern const char *const sim_names[SIM_TOPICS];

bool sim_chance(struct sim *sim, unsigned percent);
/* What the shell does after an event. */
enum err sim_run(struct sim *sim);
void sim_forget(struct sim_client *client);
void sim_name(struct sim *sim, struct sim_client *client);
void sim_take_set(struct sim_client *client, struct tpset set);
void sim_obey(struct sim_client *client);
/* After its word: who waits for partitions waits for somebody; what is nobody's, it was given. */
void sim_check_waiting(struct sim *sim, const struct sim_client *client);

/* -- sim_classic.c: clients of the classic protocol -- */
void sim_classic_act(struct sim *sim, struct sim_client *client);
void sim_classic_answers(struct sim *sim);
/* It is a member, of the present generation. */
bool sim_classic_stands(const struct sim *sim, const struct sim_client *client);

#endif
