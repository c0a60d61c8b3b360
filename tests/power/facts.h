/*
 * What a broker has promised: facts, noted in the journal when they became known to a client, and
 * what follows from them for whoever opens the directory after a kill or a power cut.
 */
#ifndef TESTS_POWER_FACTS_H
#define TESTS_POWER_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NOW has flush.messages=1, LATER a flush interval; GONE is deleted and made again. */
enum { NOW, LATER, GONE, TOPICS };
#define FACTS_PARTITIONS_MAX 2
extern const char *const facts_topics[TOPICS];
extern const int32_t facts_partitions[TOPICS];

enum fact_kind {
	FACT_EPOCH = 1, /* value: the time that records' times are reckoned from */
	FACT_CREATE_ASKED,
	FACT_CREATED,
	FACT_DELETE_ASKED,
	FACT_DELETED,
	FACT_CONFIG_ASKED, /* value */
	FACT_CONFIGURED,   /* value */
	FACT_PRODUCER,	   /* value: a producer id that was given */
	/* Of a partition. The records are numbered, and a record's number is its offset. */
	FACT_SENT,	/* value: the end of what was sent */
	FACT_ACKED,	/* value: the end of what was acknowledged */
	FACT_SEEN,	/* value: a high watermark */
	FACT_CUT_ASKED, /* value: where DeleteRecords is to move the start */
	FACT_CUT,
	FACT_COMMIT_ASKED, /* value */
	FACT_COMMITTED,
	FACT_COMMIT_FOUND, /* value: what is committed after a start */
	FACT_FOUND,	   /* value: the end after a start; what is beyond it is lost */
	FACT_STOPPED	   /* cleanly: all that was acknowledged is on disk */
};

struct fact {
	int32_t kind, topic, partition, unused;
	int64_t value;
};

struct facts_partition {
	int64_t sent, acked, seen, safe; /* safe: survives a power cut under any setting */
	int64_t cut_asked, cut;
	int64_t commit_asked, committed; /* -1: none */
};

struct facts_topic {
	bool create_asked, created, delete_asked, deleted;
	int64_t config_asked, config;
	struct facts_partition partitions[FACTS_PARTITIONS_MAX];
};

struct facts {
	struct facts_topic topics[TOPICS];
	int64_t producer_id, epoch_ms;
};

void facts_init(struct facts *facts);
void facts_add(struct facts *facts, const struct fact *fact);
/* Notes it in the journal, and adds it. */
void facts_tell(struct facts *facts, int kind, int topic, int partition, int64_t value);

#endif
