/* The promises of README's "What is kept when", asked for one by one. */
#include "tests/power/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/power/ask.h"
#include "tests/power/scenario.h"

struct check {
	struct scenario scenario;
	struct facts *facts;
	enum disk_loss loss;
	bool stopped; /* it was stopped cleanly before: nothing at all is lost */
};

static bool check_is_there(struct check *check, int topic)
{
	const struct facts_topic *facts = &check->facts->topics[topic];
	struct uuid id;
	int code = ask_topic(&check->scenario.whole, facts_topics[topic], &id);

	if (code != 0 && code != 3)
		scenario_fail("%s: Metadata says %d", facts_topics[topic], code);
	if (code == 0 && (!facts->create_asked || facts->deleted))
		scenario_fail("%s is back", facts_topics[topic]);
	if (code == 3 && facts->created && !facts->delete_asked)
		scenario_fail("%s is gone", facts_topics[topic]);
	return code == 0 && facts->created && !facts->delete_asked;
}

static void check_config(struct check *check, int topic)
{
	const struct facts_topic *facts = &check->facts->topics[topic];
	int64_t value;
	int code =
	    ask_config(&check->scenario.whole, facts_topics[topic], "delete.retention.ms", &value);

	if (code != 0 || (value != facts->config && value != facts->config_asked))
		scenario_fail("%s: delete.retention.ms is %lld (%d), set was %lld",
			      facts_topics[topic], (long long)value, code,
			      (long long)facts->config);
}

static void check_committed(struct check *check, int topic, int partition)
{
	const struct facts_partition *part = &check->facts->topics[topic].partitions[partition];
	int64_t offset;
	int code;

	if (part->commit_asked < 0)
		return;
	code = ask_committed(&check->scenario.whole, facts_topics[topic], partition, &offset);
	if (code != 0 || offset < part->committed || offset > part->commit_asked)
		scenario_fail("%s-%d: committed is %lld (%d), it was %lld", facts_topics[topic],
			      partition, (long long)offset, code, (long long)part->committed);
	facts_tell(check->facts, FACT_COMMIT_FOUND, topic, partition, offset);
}

/* The least end that the promises allow. */
static int64_t check_floor(const struct check *check, int topic, int partition)
{
	const struct facts_partition *part = &check->facts->topics[topic].partitions[partition];
	int64_t floor = part->acked > part->seen ? part->acked : part->seen;

	return topic != LATER || check->loss == DISK_KILL || check->stopped ? floor : part->safe;
}

static void check_time(struct check *check, int topic, int partition, int64_t start, int64_t end)
{
	int64_t number = start + (int64_t)rnd_below(&check->scenario.rnd,
						    (uint32_t)(end > start ? end - start : 1));
	int64_t offset;
	int code = ask_offset(&check->scenario.whole, facts_topics[topic], partition,
			      ASK_TIMESTAMP(number), &offset);

	if (code != 0 || offset != (end > start ? number : -1))
		scenario_fail("%s-%d: the time of offset %lld leads to %lld (%d)",
			      facts_topics[topic], partition, (long long)number, (long long)offset,
			      code);
}

static void check_records(struct check *check, int topic, int partition)
{
	const struct facts_partition *part = &check->facts->topics[topic].partitions[partition];
	int64_t start, end, floor = check_floor(check, topic, partition);
	bool good;
	int code = ask_read_all(&check->scenario.whole, facts_topics[topic], partition, &start,
				&end, &good);

	if (code != 0 || !good)
		scenario_fail("%s-%d: cannot be read: %d", facts_topics[topic], partition, code);
	if (start < part->cut || start > part->cut_asked)
		scenario_fail("%s-%d: begins at %lld, it was cut at %lld, to be cut at %lld",
			      facts_topics[topic], partition, (long long)start,
			      (long long)part->cut, (long long)part->cut_asked);
	if (end < floor || end > (part->sent > start ? part->sent : start))
		scenario_fail("%s-%d: ends at %lld; acknowledged %lld, seen %lld, safe %lld, "
			      "sent %lld",
			      facts_topics[topic], partition, (long long)end,
			      (long long)part->acked, (long long)part->seen, (long long)part->safe,
			      (long long)part->sent);
	check_time(check, topic, partition, start, end);
	facts_tell(check->facts, FACT_FOUND, topic, partition, end);
}

static void check_promises(struct check *check)
{
	for (int topic = 0; topic < TOPICS; topic++) {
		if (!check_is_there(check, topic))
			continue;
		check_config(check, topic);
		for (int i = 0; i < facts_partitions[topic]; i++) {
			check_records(check, topic, i);
			check_committed(check, topic, i);
		}
	}
}

/* An idempotent producer goes on; where records were lost, as a new one. */
static void check_goes_on(struct check *check, int topic, int partition)
{
	const struct facts_partition *part = &check->facts->topics[topic].partitions[partition];
	int64_t known = check->facts->producer_id;
	bool may_lose = topic == LATER && check->loss != DISK_KILL && !check->stopped;

	if (may_lose && part->seen > part->acked) {
		facts_tell(check->facts, FACT_ACKED, topic, partition, part->seen);
		facts_tell(check->facts, FACT_SENT, topic, partition, part->seen);
	}
	for (int i = 0; i < 2 || part->sent > part->acked; i++) {
		int code;

		check->facts->producer_id = may_lose ? -1 : known;
		code = scenario_produce(&check->scenario, topic, partition);
		check->facts->producer_id = known;
		if (code != 0)
			scenario_fail("%s-%d: producing at %lld is answered with %d",
				      facts_topics[topic], partition, (long long)part->acked, code);
	}
}

static void check_life_goes_on(struct check *check)
{
	int64_t producer_id;
	int code = ask_producer_id(&check->scenario.whole, &producer_id);

	if (code != 0 || producer_id <= check->facts->producer_id)
		scenario_fail("producer id %lld (%d) after %lld", (long long)producer_id, code,
			      (long long)check->facts->producer_id);
	for (int topic = 0; topic < TOPICS; topic++)
		for (int i = 0; i < facts_partitions[topic]; i++)
			if (check_is_there(check, topic))
				check_goes_on(check, topic, i);
}

static void check_open(struct check *check, const char *dir)
{
	enum err err = whole_open_dir(&check->scenario.whole, dir, scenario_settings);

	if (err != ERR_OK)
		scenario_fail("it does not open: %s", err_text(err));
}

void check_dir(const char *dir, struct facts *facts, enum disk_loss loss, uint64_t seed)
{
	struct check check = {.scenario = {.facts = facts}, .facts = facts, .loss = loss};
	enum err err;

	rnd_init_seed(&check.scenario.rnd, seed);
	ask_epoch_ms = facts->epoch_ms;
	check_open(&check, dir);
	check_promises(&check);
	check_life_goes_on(&check);
	if (rnd_below(&check.scenario.rnd, 3) != 0)
		return;
	err = whole_end_dir(&check.scenario.whole);
	if (err != ERR_OK)
		scenario_fail("it does not stop: %s", err_text(err));
	facts_tell(facts, FACT_STOPPED, 0, 0, 0);
	check.stopped = true;
	check_open(&check, dir);
	check_promises(&check);
}
