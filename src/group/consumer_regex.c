/*
 * Patterns of topics (SubscribedTopicRegex): what a pattern matches is looked up when it is new,
 * and again when the topics have changed, but not more often than every ten seconds; and it is
 * written down, so that the next coordinator need not guess. A pattern must match a whole name, as
 * RE2 does it for Kafka (regex.h).
 */
#include "base/clock.h"
#include "group/consumer_int.h"
#include "group/regex.h"

#define REGEX_REFRESH_MIN_MS 10000

static enum err regex_compile(struct regex *regex, struct str text, struct arena *arena,
			      struct str *message)
{
	char why[REGEX_WHY_BYTES];
	enum err err = regex_init(regex, text, why);

	if (err == ERR_NOMEM)
		return ERR_COORDINATOR_NOT_AVAILABLE;
	if (err != ERR_OK && text.len > REGEX_LEN_MAX)
		*message = STR("SubscribedTopicRegex is longer than 1024 characters.");
	else if (err != ERR_OK)
		*message = arena_printf(arena,
					"SubscribedTopicRegex `%.*s` is not a valid regular "
					"expression: %s.",
					STR_ARG(text), why);
	return err;
}

/* Names come in order, so the list is sorted. */
static void regex_list(struct cevent *ev, const struct regex *regex, struct consumer_record *out)
{
	const struct consumer_topics *topics = ev->shard->consumer_topics;
	struct str name = STR_NULL, *list = NULL;
	size_t size = 0, len = 0;

	while (topics != NULL && topics->next(topics->ctx, name, &name)) {
		if (!regex_matches(regex, name))
			continue;
		if (len == size) {
			struct str *more = fx_alloc(ev->fx, size * 2 + 8, sizeof(*more));

			if (len > 0)
				memcpy(more, list, len * sizeof(*more));
			size = size * 2 + 8;
			list = more;
		}
		list[len++] = name;
	}
	out->resolved.topics = list;
	out->resolved.topics_len = len;
}

static bool regex_is_fresh(const struct cevent *ev, const struct cregex *known)
{
	const struct consumer_topics *topics = ev->shard->consumer_topics;
	int64_t age_ms = clock_age_ms(ev->now.wall_ms, known->made_ms);

	return topics == NULL || known->version == (int64_t)topics->version ||
	       (age_ms >= 0 && age_ms < REGEX_REFRESH_MIN_MS);
}

enum err consumer_resolve(struct cevent *ev, struct str text, struct str *message)
{
	struct cregex *known = NULL;
	struct fx_record *record;
	struct regex regex;
	enum err err;

	if (text.ptr == NULL)
		text = ev->next->about.regex;
	if (text.len == 0)
		return ERR_OK;
	if (ev->c != NULL)
		HASH_FIND(hh, ev->c->regexes, text.ptr, text.len, known);
	if (known != NULL && regex_is_fresh(ev, known))
		return ERR_OK;
	err = regex_compile(&regex, text, &ev->fx->arena, message);
	if (err != ERR_OK)
		return err;
	record = fx_record_add(ev->fx, FX_CONSUMER_REGEX, ev->group_id);
	record->consumer.resolved.regex = text;
	record->consumer.resolved.made_ms = ev->now.wall_ms;
	if (ev->shard->consumer_topics != NULL)
		record->consumer.resolved.version = (int64_t)ev->shard->consumer_topics->version;
	regex_list(ev, &regex, &record->consumer);
	regex_fini(&regex);
	ev->resolved = fx_alloc(ev->fx, 1, sizeof(*ev->resolved));
	*(struct consumer_record *)ev->resolved = record->consumer;
	return ERR_OK;
}

void consumer_drop_unused_regex(struct cevent *ev, struct str regex)
{
	const struct consumer_about *about;
	struct fx_record *record;
	struct cpos pos = {0};

	if (regex.len == 0)
		return;
	while ((about = consumer_next_about(ev, &pos)) != NULL)
		if (str_eq(about->regex, regex))
			return;
	record = fx_record_add(ev->fx, FX_CONSUMER_REGEX, ev->group_id);
	record->tombstone = true;
	record->consumer.resolved.regex = fx_str(ev->fx, regex);
}
