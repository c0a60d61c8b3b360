/*
 * Topics, records, rolls, checkpoints, DeleteRecords, deletion, commits, configs, metadata
 * snapshots and stops, a little of each, so that every step of theirs is met.
 */
#include "tests/power/scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/power/ask.h"

#define BATCH_RECORDS_MAX 4
#define VALUE_BYTES_MAX	  300
#define TRIES_MAX	  3

const char *const scenario_settings[] = {"log.flush.offset.checkpoint.interval.ms=15",
					 "metadata.log.max.record.bytes.between.snapshots=1500",
					 "internal.metadata.log.segment.bytes=3000",
					 "offsets.topic.segment.bytes=1048576",
					 "log.flush.interval.messages=1",
					 /* commits, too */ NULL};

static const char *const topic_settings[TOPICS][6] = {
    {"flush.messages=1", "internal.segment.bytes=1500", "index.interval.bytes=200", NULL},
    {"flush.messages=9223372036854775807", "flush.ms=20", "internal.segment.bytes=1500",
     "index.interval.bytes=200", NULL},
    {"flush.messages=1", NULL},
};

void scenario_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("BROKEN: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(1);
}

static int scenario_code(struct scenario *scenario, const char *what, int code)
{
	if (code != 0 && !scenario->faulty)
		scenario_fail("%s is answered with %d", what, code);
	scenario->failed += code != 0;
	return code;
}

static struct facts_partition *scenario_part(struct scenario *scenario, int topic, int partition)
{
	return &scenario->facts->topics[topic].partitions[partition];
}

void scenario_idle(struct scenario *scenario, int64_t wait_ms)
{
	int64_t end_ms = clock_mono_ms(&clock_real) + wait_ms;

	while (clock_mono_ms(&clock_real) < end_ms)
		whole_turn(&scenario->whole);
}

static void scenario_create(struct scenario *scenario, int topic)
{
	struct facts_topic *known = &scenario->facts->topics[topic];
	int code = -1;

	for (int i = 0; i < TRIES_MAX && code != 0; i++) {
		if (!known->create_asked || known->deleted)
			facts_tell(scenario->facts, FACT_CREATE_ASKED, topic, 0, 0);
		code = ask_create_topic(&scenario->whole, facts_topics[topic],
					facts_partitions[topic], topic_settings[topic]);
		/* It is there after all, though we were told that it failed. */
		code = code == 36 && i > 0 ? 0 : code;
		(void)scenario_code(scenario, "CreateTopics", code);
	}
	if (code == 0)
		facts_tell(scenario->facts, FACT_CREATED, topic, 0, 0);
}

static void scenario_delete(struct scenario *scenario, int topic)
{
	int code = -1;

	for (int i = 0; i < TRIES_MAX && code != 0; i++) {
		facts_tell(scenario->facts, FACT_DELETE_ASKED, topic, 0, 0);
		code = ask_delete_topic(&scenario->whole, facts_topics[topic]);
		code = code == 3 && i > 0 ? 0 : code;
		(void)scenario_code(scenario, "DeleteTopics", code);
	}
	if (code == 0)
		facts_tell(scenario->facts, FACT_DELETED, topic, 0, 0);
}

static void scenario_configure(struct scenario *scenario, int topic)
{
	int64_t value = 1000000 + (int64_t)rnd_below(&scenario->rnd, 1000000);

	facts_tell(scenario->facts, FACT_CONFIG_ASKED, topic, 0, value);
	if (scenario_code(scenario, "IncrementalAlterConfigs",
			  ask_set_config(&scenario->whole, facts_topics[topic],
					 "delete.retention.ms", value)) == 0)
		facts_tell(scenario->facts, FACT_CONFIGURED, topic, 0, value);
}

/* -- records ------------------------------------------------------------------------------- */

int scenario_produce(struct scenario *scenario, int topic, int partition)
{
	struct facts_partition *part = scenario_part(scenario, topic, partition);
	struct ask_batch batch = {.topic = facts_topics[topic],
				  .partition = partition,
				  .first = part->acked,
				  .producer_id = scenario->facts->producer_id};
	int64_t offset;
	int code;

	if (part->sent == part->acked)
		facts_tell(scenario->facts, FACT_SENT, topic, partition,
			   part->sent + 1 + (int64_t)rnd_below(&scenario->rnd, BATCH_RECORDS_MAX));
	batch.count = part->sent - part->acked;
	batch.value_bytes = 8 + rnd_below(&scenario->rnd, VALUE_BYTES_MAX);
	code = ask_produce(&scenario->whole, &batch, &offset);
	if (code == 0 && offset != batch.first)
		scenario_fail("%s-%d: record %lld is acknowledged at offset %lld", batch.topic,
			      partition, (long long)batch.first, (long long)offset);
	if (code == 0)
		facts_tell(scenario->facts, FACT_ACKED, topic, partition, part->sent);
	return code;
}

/* What a consumer sees now must not go away later. */
static void scenario_look(struct scenario *scenario, int topic, int partition)
{
	struct facts_partition *part = scenario_part(scenario, topic, partition);
	int64_t end;
	int code = ask_offset(&scenario->whole, facts_topics[topic], partition, -1, &end);

	if (scenario_code(scenario, "ListOffsets", code) != 0)
		return;
	if (end < part->acked || end > part->sent)
		scenario_fail("%s-%d: ends at %lld, acknowledged is %lld, sent %lld",
			      facts_topics[topic], partition, (long long)end,
			      (long long)part->acked, (long long)part->sent);
	facts_tell(scenario->facts, FACT_SEEN, topic, partition, end);
}

static void scenario_write(struct scenario *scenario, int times)
{
	for (int i = 0; i < times; i++) {
		int topic = (int)rnd_below(&scenario->rnd, TOPICS);
		int partition = (int)rnd_below(&scenario->rnd, (uint32_t)facts_partitions[topic]);

		if (!scenario->facts->topics[topic].created ||
		    scenario->facts->topics[topic].delete_asked)
			continue;
		(void)scenario_code(scenario, "Produce",
				    scenario_produce(scenario, topic, partition));
		if (rnd_below(&scenario->rnd, 3) == 0)
			scenario_look(scenario, topic, partition);
	}
}

static void scenario_read(struct scenario *scenario)
{
	for (int topic = 0; topic < TOPICS; topic++)
		for (int i = 0; i < facts_partitions[topic]; i++) {
			int64_t start, end;
			bool good = true;

			if (!scenario->facts->topics[topic].created ||
			    scenario->facts->topics[topic].delete_asked)
				continue;
			(void)scenario_code(scenario, "Fetch",
					    ask_read_all(&scenario->whole, facts_topics[topic], i,
							 &start, &end, &good));
			if (!good)
				scenario_fail("%s-%d: its records", facts_topics[topic], i);
			scenario_look(scenario, topic, i);
		}
}

static void scenario_cut(struct scenario *scenario, int topic, int partition)
{
	struct facts_partition *part = scenario_part(scenario, topic, partition);
	int64_t offset = part->cut + (part->acked - part->cut) / 2;

	if (offset <= part->cut_asked)
		return;
	facts_tell(scenario->facts, FACT_CUT_ASKED, topic, partition, offset);
	if (scenario_code(scenario, "DeleteRecords",
			  ask_delete_records(&scenario->whole, facts_topics[topic], partition,
					     offset)) == 0)
		facts_tell(scenario->facts, FACT_CUT, topic, partition, offset);
}

static void scenario_commit(struct scenario *scenario, int topic, int partition)
{
	int64_t offset = scenario_part(scenario, topic, partition)->acked;

	facts_tell(scenario->facts, FACT_COMMIT_ASKED, topic, partition, offset);
	if (scenario_code(scenario, "OffsetCommit",
			  ask_commit(&scenario->whole, facts_topics[topic], partition, offset)) ==
	    0)
		facts_tell(scenario->facts, FACT_COMMITTED, topic, partition, offset);
}

/* -- lives --------------------------------------------------------------------------------- */

static void scenario_begin(struct scenario *scenario)
{
	int64_t producer_id = -1;

	facts_tell(scenario->facts, FACT_EPOCH, 0, 0, clock_wall_ms(&clock_real));
	ask_epoch_ms = scenario->facts->epoch_ms;
	for (int i = 0; i < TRIES_MAX && producer_id < 0; i++)
		if (scenario_code(scenario, "InitProducerId",
				  ask_producer_id(&scenario->whole, &producer_id)) != 0)
			producer_id = -1;
	facts_tell(scenario->facts, FACT_PRODUCER, 0, 0, producer_id);
	for (int topic = 0; topic < TOPICS; topic++)
		scenario_create(scenario, topic);
}

static void scenario_middle(struct scenario *scenario)
{
	scenario_write(scenario, 30);
	scenario_commit(scenario, NOW, 0);
	scenario_configure(scenario, LATER);
	scenario_cut(scenario, NOW, 0);
	scenario_cut(scenario, LATER, 0);
	scenario_cut(scenario, GONE, 0);
	scenario_idle(scenario, 30);
	scenario_delete(scenario, GONE);
	scenario_write(scenario, 20);
	if (scenario->facts->topics[GONE].deleted)
		scenario_create(scenario, GONE);
	scenario_configure(scenario, NOW);
	scenario_write(scenario, 20);
	scenario_commit(scenario, LATER, 1);
}

void scenario_live(struct scenario *scenario, int life)
{
	if (life == 0) {
		scenario_begin(scenario);
		scenario_middle(scenario);
		return;
	}
	ask_epoch_ms = scenario->facts->epoch_ms;
	scenario_read(scenario);
	if (life == 1)
		scenario_idle(scenario, 30);
	scenario_write(scenario, 15);
	scenario_cut(scenario, NOW, 1);
	scenario_commit(scenario, NOW, 0);
	scenario_write(scenario, 10);
}
