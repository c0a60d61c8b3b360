/* See facts.h. */
#include "tests/power/facts.h"

#include <string.h>

#include "tests/power/shim.h"

const char *const facts_topics[TOPICS] = {"now", "later", "gone"};
const int32_t facts_partitions[TOPICS] = {2, 2, 1};

void facts_init(struct facts *facts)
{
	*facts = (struct facts){.producer_id = -1};
	for (int i = 0; i < TOPICS; i++) {
		facts->topics[i].config_asked = facts->topics[i].config = -1;
		for (int k = 0; k < FACTS_PARTITIONS_MAX; k++)
			facts->topics[i].partitions[k] =
			    (struct facts_partition){.commit_asked = -1, .committed = -1};
	}
}

static void facts_begin_topic(struct facts *facts, int topic)
{
	struct facts fresh;

	facts_init(&fresh);
	facts->topics[topic] = fresh.topics[topic];
	facts->topics[topic].create_asked = true;
}

static void facts_add_topic(struct facts *facts, const struct fact *fact)
{
	struct facts_topic *topic = &facts->topics[fact->topic];

	switch ((enum fact_kind)fact->kind) {
	case FACT_CREATE_ASKED:
		facts_begin_topic(facts, fact->topic);
		break;
	case FACT_CREATED:
		topic->created = true;
		break;
	case FACT_DELETE_ASKED:
		topic->delete_asked = true;
		break;
	case FACT_DELETED:
		topic->deleted = true;
		break;
	case FACT_CONFIG_ASKED:
		topic->config_asked = fact->value;
		break;
	case FACT_CONFIGURED:
		topic->config = fact->value;
		break;
	default:
		break;
	}
}

/* What was acknowledged and is gone was allowed to go, or the check has failed before. */
static void facts_found(struct facts_partition *part, int64_t end)
{
	part->seen = end;
	part->acked = part->acked < end ? part->acked : end;
	part->safe = part->safe < end ? part->safe : end;
	if (part->acked == end)
		part->sent = end;
}

static void facts_add_partition(struct facts *facts, const struct fact *fact)
{
	struct facts_partition *part = &facts->topics[fact->topic].partitions[fact->partition];

	switch ((enum fact_kind)fact->kind) {
	case FACT_SENT:
		part->sent = fact->value;
		break;
	case FACT_ACKED:
		part->acked = fact->value;
		break;
	case FACT_SEEN:
		part->seen = fact->value;
		break;
	case FACT_CUT_ASKED:
		part->cut_asked = fact->value;
		break;
	case FACT_CUT:
		part->cut = fact->value;
		break;
	case FACT_COMMIT_ASKED:
		part->commit_asked = fact->value;
		break;
	case FACT_COMMITTED:
		part->committed = fact->value;
		break;
	case FACT_COMMIT_FOUND:
		part->committed = fact->value;
		break;
	case FACT_FOUND:
		facts_found(part, fact->value);
		break;
	default:
		break;
	}
}

static void facts_stopped(struct facts *facts)
{
	for (int i = 0; i < TOPICS; i++)
		for (int k = 0; k < FACTS_PARTITIONS_MAX; k++)
			facts->topics[i].partitions[k].safe = facts->topics[i].partitions[k].acked;
}

void facts_add(struct facts *facts, const struct fact *fact)
{
	if (fact->kind == FACT_EPOCH)
		facts->epoch_ms = fact->value;
	else if (fact->kind == FACT_PRODUCER)
		facts->producer_id = fact->value;
	else if (fact->kind == FACT_STOPPED)
		facts_stopped(facts);
	else if (fact->kind < FACT_PRODUCER)
		facts_add_topic(facts, fact);
	else
		facts_add_partition(facts, fact);
}

void facts_tell(struct facts *facts, int kind, int topic, int partition, int64_t value)
{
	struct fact fact = {.kind = kind, .topic = topic, .partition = partition, .value = value};

	shim_note(&fact, sizeof(fact));
	facts_add(facts, &fact);
}
