/* Members of a consumer group and the topics there are, for the tests of this room. */
#ifndef GROUP_CONSUMERS_H
#define GROUP_CONSUMERS_H

#include "group/consumer_int.h"
#include "world.h"

/* -- the topics there are ------------------------------------------------------------------ */

struct fake_topic {
	const char *name;
	int32_t partitions_len;
};

static struct fake_topic fake_topics[4];
static struct consumer_topics fake_view;

static inline bool fake_by_name(void *ctx, struct str name, struct uuid *id,
				int32_t *partitions_len)
{
	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(fake_topics); i++) {
		if (fake_topics[i].name == NULL || !str_eq(name, str_of(fake_topics[i].name)))
			continue;
		*id = uuid_of(9, i);
		*partitions_len = fake_topics[i].partitions_len;
		return true;
	}
	return false;
}

static inline bool fake_by_id(void *ctx, struct uuid id, struct str *name)
{
	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(fake_topics); i++) {
		if (fake_topics[i].name == NULL || !uuid_eq(id, uuid_of(9, i)))
			continue;
		*name = str_of(fake_topics[i].name);
		return true;
	}
	return false;
}

static inline bool fake_next(void *ctx, struct str after, struct str *name)
{
	struct str best = STR_NULL;

	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(fake_topics); i++) {
		struct str one = str_of(fake_topics[i].name);

		if (one.ptr != NULL && (after.ptr == NULL || str_cmp(one, after) > 0) &&
		    (best.ptr == NULL || str_cmp(one, best) < 0))
			best = one;
	}
	*name = best;
	return best.ptr != NULL;
}

static inline int consumer_setup(void **state)
{
	int result = world_setup(state);
	struct world *w = *state;

	memset(fake_topics, 0, sizeof(fake_topics));
	fake_topics[0] = (struct fake_topic){"t", 6};
	fake_topics[1] = (struct fake_topic){"u", 2};
	fake_view = (struct consumer_topics){.version = 1,
					     .by_name = fake_by_name,
					     .by_id = fake_by_id,
					     .next = fake_next};
	consumer_set_topics(w->shard, &fake_view);
	return result;
}

/* -- members ------------------------------------------------------------------------------- */

struct consumer_client {
	const char *id, *instance;
	int32_t epoch;
	struct tp owned[16];
	size_t owned_len;
	struct tp told[16];
	size_t told_len;
	bool gives_back; /* at once, whatever it is told to */
	struct str topics[2];
	size_t topics_len;
	struct consumer_answer answer; /* what it points to is gone with the event */
	char message[256], named[64];
};

static inline void client_obey(struct consumer_client *c)
{
	c->owned_len = c->told_len;
	memcpy(c->owned, c->told, sizeof(c->told));
}

static inline enum err client_send(struct world *w, struct consumer_client *c,
				   const struct consumer_ask *ask)
{
	enum err err = consumer_heartbeat(w->shard, w->now, ask, &w->fx, &c->answer);

	snprintf(c->message, sizeof(c->message), "%.*s", STR_ARG(c->answer.message));
	snprintf(c->named, sizeof(c->named), "%.*s", STR_ARG(c->answer.member_id));
	if (err == ERR_OK) {
		c->epoch = c->answer.member_epoch;
		if (c->answer.has_assignment) {
			assert_true(c->answer.assigned.len <= 16);
			c->told_len = c->answer.assigned.len;
			for (size_t i = 0; i < c->told_len; i++)
				c->told[i] = c->answer.assigned.at[i];
			if (c->gives_back)
				client_obey(c);
		}
		w->records = w->fx.records_len;
		world_run(w);
	} else {
		fx_reset(&w->fx);
	}
	return err;
}

static inline struct consumer_ask client_ask(const struct consumer_client *c)
{
	return (struct consumer_ask){.group = STR("g"),
				     .member_id = str_of(c->id),
				     .member_epoch = c->epoch,
				     .instance_id = str_of(c->instance),
				     .client_id = STR("client"),
				     .client_host = STR("/127.0.0.1"),
				     .rebalance_ms = 30000,
				     .has_topics = true,
				     .topics = c->topics,
				     .topics_len = c->topics_len,
				     .has_owned = true,
				     .owned = {c->owned, c->owned_len},
				     .cfg = &world_consumer_cfg};
}

static inline enum err client_join(struct world *w, struct consumer_client *c)
{
	struct consumer_ask ask;

	c->epoch = 0;
	c->owned_len = 0;
	if (c->topics_len == 0)
		c->topics[c->topics_len++] = STR("t");
	ask = client_ask(c);
	return client_send(w, c, &ask);
}

static inline enum err client_beat(struct world *w, struct consumer_client *c)
{
	struct consumer_ask ask = client_ask(c);

	ask.has_topics = false;
	ask.rebalance_ms = -1;
	return client_send(w, c, &ask);
}

static inline enum err client_leave(struct world *w, struct consumer_client *c, int32_t epoch)
{
	struct consumer_ask ask = client_ask(c);

	ask.member_epoch = epoch;
	return client_send(w, c, &ask);
}

static inline const struct consumer *group_now(struct world *w)
{
	struct group *group = shard_find(w->shard, STR("g"));

	return group != NULL ? group->consumer : NULL;
}

static inline const char *state_now(struct world *w)
{
	static char text[16];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(consumer_state_name(group_now(w))));
	return text;
}

#define consumer_test(name) cmocka_unit_test_setup_teardown(name, consumer_setup, world_teardown)

#endif
