/*
 * What the members of a consumer group subscribe to, as of after an event, and a hash of those
 * topics that tells whether the assignment has to be made anew. See consumer_int.h.
 */
#include "group/consumer_int.h"

#include <xxhash.h>

/* What a pattern matched: as this event found, or as it was found before. */
static const struct str *topics_of_regex(const struct cevent *ev, struct str regex, size_t *len)
{
	struct cregex *known = NULL;

	*len = 0;
	if (regex.len == 0)
		return NULL;
	if (ev->resolved != NULL && str_eq(ev->resolved->resolved.regex, regex)) {
		*len = ev->resolved->resolved.topics_len;
		return ev->resolved->resolved.topics;
	}
	if (ev->c != NULL)
		HASH_FIND(hh, ev->c->regexes, regex.ptr, regex.len, known);
	if (known == NULL)
		return NULL;
	*len = known->topics_len;
	return known->topics;
}

void consumer_subscription(const struct cevent *ev, const struct consumer_about *about,
			   struct str **names, size_t *names_len)
{
	size_t matched_len;
	const struct str *matched = topics_of_regex(ev, about->regex, &matched_len);
	struct str *list = fx_alloc(ev->fx, about->topics_len + matched_len, sizeof(*list));

	if (about->topics_len > 0)
		memcpy(list, about->topics, about->topics_len * sizeof(*list));
	if (matched_len > 0)
		memcpy(list + about->topics_len, matched, matched_len * sizeof(*list));
	*names = list;
	*names_len = about->topics_len + matched_len;
	if (matched_len > 0)
		*names_len = str_sort_unique(list, *names_len);
}

bool consumer_same_subscription(const struct consumer_about *a, const struct consumer_about *b)
{
	if (a->topics_len != b->topics_len || !str_eq(a->regex, b->regex))
		return false;
	for (size_t i = 0; i < a->topics_len; i++)
		if (!str_eq(a->topics[i], b->topics[i]))
			return false;
	return true;
}

/* The members as of after the event, one at a time. */
const struct consumer_about *consumer_next_about(const struct cevent *ev, struct cpos *pos)
{
	if (!pos->begun) {
		pos->begun = true;
		pos->member = ev->c != NULL ? ev->c->members : NULL;
	} else if (pos->member != NULL) {
		pos->member = pos->member->hh.next;
	}
	while (pos->member != NULL &&
	       (pos->member == ev->gone || pos->member->leaving || !pos->member->known ||
		(ev->next != NULL && pos->member == ev->next->old)))
		pos->member = pos->member->hh.next;
	if (pos->member != NULL)
		return &pos->member->about;
	if (ev->next == NULL || pos->next_given)
		return NULL;
	pos->next_given = true;
	return &ev->next->about;
}

void consumer_subscribed(const struct cevent *ev, struct str **names, size_t *names_len)
{
	const struct consumer_about *about, *before = NULL;
	struct cpos pos = {0};
	size_t most = 0, len = 0;
	struct str *all;

	while ((about = consumer_next_about(ev, &pos)) != NULL) {
		size_t matched_len;

		(void)topics_of_regex(ev, about->regex, &matched_len);
		most += about->topics_len + matched_len;
	}
	all = fx_alloc(ev->fx, most, sizeof(*all));
	pos = (struct cpos){0};
	while ((about = consumer_next_about(ev, &pos)) != NULL) {
		struct str *one;
		size_t one_len;

		/* Most groups are of one mind: what was just added need not be added again. */
		if (before != NULL && consumer_same_subscription(about, before))
			continue;
		before = about;
		consumer_subscription(ev, about, &one, &one_len);
		for (size_t i = 0; i < one_len; i++)
			all[len++] = one[i];
	}
	*names = all;
	*names_len = str_sort_unique(all, len);
}

/* -- the hash -----------------------------------------------------------------------------------
 *
 * As Kafka computes it, so that neither finds the other's groups changed: XXH3 over each topic (a
 * version byte, id, name, number of partitions, and each partition with its racks), and XXH3 over
 * the topics' hashes in the order of names. Numbers are little-endian; a string is its UTF-16
 * units, and their number.
 */

static void hash_int(XXH3_state_t *state, int32_t value)
{
	uint32_t v = (uint32_t)value;
	uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

	(void)XXH3_64bits_update(state, bytes, sizeof(bytes));
}

/* Names of topics and racks are ASCII: a unit for each byte. */
static void hash_str(XXH3_state_t *state, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t unit[2] = {(uint8_t)s.ptr[i], 0};

		(void)XXH3_64bits_update(state, unit, sizeof(unit));
	}
	hash_int(state, (int32_t)s.len);
}

static void hash_uuid(XXH3_state_t *state, struct uuid id)
{
	uint8_t bytes[16];

	for (size_t i = 0; i < 8; i++) {
		bytes[i] = id.b[7 - i];
		bytes[8 + i] = id.b[15 - i];
	}
	(void)XXH3_64bits_update(state, bytes, sizeof(bytes));
}

static uint64_t hash_topic(XXH3_state_t *state, struct str name, struct uuid id,
			   int32_t partitions_len, struct str rack)
{
	static const uint8_t version;

	(void)XXH3_64bits_reset(state);
	(void)XXH3_64bits_update(state, &version, sizeof(version));
	hash_uuid(state, id);
	hash_str(state, name);
	hash_int(state, partitions_len);
	for (int32_t i = 0; i < partitions_len; i++) {
		hash_int(state, i);
		if (rack.ptr == NULL)
			continue;
		hash_int(state, (int32_t)rack.len);
		hash_str(state, rack);
	}
	return XXH3_64bits_digest(state);
}

int64_t consumer_hash(const struct cevent *ev, const struct str *names, size_t names_len)
{
	const struct consumer_topics *topics = ev->shard->consumer_topics;
	XXH3_state_t *state = XXH3_createState();
	uint8_t *hashes = fx_alloc(ev->fx, names_len, sizeof(uint64_t));
	uint64_t hash = 0;
	size_t len = 0;

	must(state != NULL);
	for (size_t i = 0; topics != NULL && i < names_len; i++) {
		struct uuid id;
		int32_t partitions_len;

		if (!topics->by_name(topics->ctx, names[i], &id, &partitions_len))
			continue;
		hash = hash_topic(state, names[i], id, partitions_len, topics->rack);
		for (size_t k = 0; k < sizeof(hash); k++)
			hashes[len++] = (uint8_t)(hash >> (8 * k));
	}
	XXH3_freeState(state);
	return len > 0 ? (int64_t)XXH3_64bits(hashes, len) : 0;
}

bool consumer_is_subscribed(const struct consumer *c, struct str topic)
{
	for (const struct cmember *m = c != NULL ? c->members : NULL; m != NULL; m = m->hh.next)
		if (str_is_in_sorted(topic, m->about.topics, m->about.topics_len))
			return true;
	for (const struct cregex *r = c != NULL ? c->regexes : NULL; r != NULL; r = r->hh.next)
		if (str_is_in_sorted(topic, r->topics, r->topics_len))
			return true;
	return false;
}

const struct str *consumer_sort_names(struct fx *fx, const struct str *names, size_t *len)
{
	struct str *sorted = fx_alloc(fx, *len, sizeof(*sorted));

	if (*len > 0)
		memcpy(sorted, names, *len * sizeof(*sorted));
	*len = str_sort_unique(sorted, *len);
	return sorted;
}
