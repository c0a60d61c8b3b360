/*
 * A consumer group's state: exactly what its records say, in the order of the log or in that of a
 * compacted log, where a member's records may come in any order. See consumer_int.h.
 */
#include "group/consumer_int.h"

#include <stdlib.h>

/* -- copies -------------------------------------------------------------------------------- */

static struct tpset consumer_keep_set(struct keep *keep, struct tpset from)
{
	struct tp *copy = NULL;

	if (from.len == 0)
		return TPSET_NONE;
	copy = keep_alloc_small(keep, from.len * sizeof(*copy));
	memcpy(copy, from.at, from.len * sizeof(*copy));
	return (struct tpset){copy, from.len};
}

static void consumer_free_set(struct keep *keep, struct tpset *set)
{
	keep_free(keep, (void *)set->at);
	*set = TPSET_NONE;
}

static struct str *consumer_keep_list(struct keep *keep, const struct str *from, size_t len)
{
	struct str *copy = NULL;

	if (len == 0)
		return NULL;
	copy = keep_alloc_small(keep, len * sizeof(*copy));
	for (size_t i = 0; i < len; i++)
		copy[i] = keep_str_small(keep, from[i]);
	return copy;
}

static void consumer_free_list(struct keep *keep, const struct str *list, size_t len)
{
	struct str *owned = (struct str *)list;

	for (size_t i = 0; i < len; i++)
		keep_free_str(keep, &owned[i]);
	keep_free(keep, owned);
}

static void consumer_free_about(struct keep *keep, struct consumer_about *about)
{
	keep_free_str(keep, &about->instance_id);
	keep_free_str(keep, &about->rack_id);
	keep_free_str(keep, &about->client_id);
	keep_free_str(keep, &about->client_host);
	keep_free_str(keep, &about->assignor);
	keep_free_str(keep, &about->regex);
	consumer_free_list(keep, about->topics, about->topics_len);
	keep_free(keep, (void *)about->protocols);
	*about = (struct consumer_about){0};
}

static struct consumer_about consumer_keep_about(struct keep *keep,
						 const struct consumer_about *from)
{
	struct consumer_about kept = {
	    .instance_id = keep_str_small(keep, from->instance_id),
	    .rack_id = keep_str_small(keep, from->rack_id),
	    .client_id = keep_str_small(keep, from->client_id),
	    .client_host = keep_str_small(keep, from->client_host),
	    .assignor = keep_str_small(keep, from->assignor),
	    .regex = keep_str_small(keep, from->regex),
	    .topics = consumer_keep_list(keep, from->topics, from->topics_len),
	    .topics_len = from->topics_len,
	    .rebalance_ms = from->rebalance_ms,
	    .is_classic = from->is_classic,
	    .session_ms = from->session_ms,
	};

	if (from->protocols_len == 0)
		return kept;
	kept.protocols = protocols_copy(keep, from->protocols, from->protocols_len);
	kept.protocols_len = from->protocols_len;
	must(kept.protocols != NULL); /* there is no cap while records become state */
	return kept;
}

/* -- members ------------------------------------------------------------------------------- */

struct cmember *consumer_find(const struct consumer *c, struct str id)
{
	struct cmember *member = NULL;

	if (c != NULL)
		HASH_FIND(hh, c->members, id.ptr, id.len, member);
	return member;
}

struct cmember *consumer_find_static(const struct consumer *c, struct str instance_id)
{
	struct cmember *member = NULL;

	if (c != NULL && instance_id.ptr != NULL)
		HASH_FIND(hh_instance, c->statics, instance_id.ptr, instance_id.len, member);
	return member;
}

size_t consumer_members_len(const struct consumer *c)
{
	return c != NULL ? HASH_COUNT(c->members) : 0;
}

static struct cmember *consumer_make_member(struct group *group, struct str id)
{
	struct keep *keep = group->shard->keep;
	struct cmember *member = consumer_find(group->consumer, id);

	if (member != NULL)
		return member;
	member = keep_alloc_small(keep, sizeof(*member));
	member->group = group;
	member->id = keep_str_small(keep, id);
	member->session.kind = DEADLINE_CONSUMER_SESSION;
	member->rebalance.kind = DEADLINE_CONSUMER_REBALANCE;
	member->join.kind = DEADLINE_CONSUMER_JOIN;
	member->sync.kind = DEADLINE_CONSUMER_SYNC;
	HASH_ADD_KEYPTR(hh, group->consumer->members, member->id.ptr, member->id.len, member);
	return member;
}

/* -- who has what -------------------------------------------------------------------------- */

#define COWNER_KEY_LEN (sizeof(struct uuid) + sizeof(int32_t))
_Static_assert(offsetof(struct tp, epoch) == COWNER_KEY_LEN, "the key is the first of tp");

static struct cowner *consumer_find_owner(const struct consumer *c, const struct tp *tp)
{
	struct cowner *owner = NULL;

	if (c != NULL)
		HASH_FIND(hh, c->owners, tp, COWNER_KEY_LEN, owner);
	return owner;
}

const struct cmember *consumer_owner(const struct consumer *c, const struct tp *tp)
{
	const struct cowner *owner = consumer_find_owner(c, tp);

	return owner != NULL ? owner->member : NULL;
}

static void consumer_disown(struct cmember *member, struct tpset set)
{
	struct consumer *c = member->group->consumer;

	for (size_t i = 0; i < set.len; i++) {
		struct cowner *owner = consumer_find_owner(c, &set.at[i]);

		/* In a log put together by many hands two may have claimed it. */
		if (owner == NULL || owner->member != member)
			continue;
		HASH_DEL(c->owners, owner);
		keep_free(member->group->shard->keep, owner);
	}
}

static void consumer_own(struct cmember *member, struct tpset set)
{
	struct consumer *c = member->group->consumer;

	for (size_t i = 0; i < set.len; i++) {
		struct cowner *owner = consumer_find_owner(c, &set.at[i]);

		if (owner == NULL) {
			owner = keep_alloc_small(member->group->shard->keep, sizeof(*owner));
			owner->tp = set.at[i];
			HASH_ADD(hh, c->owners, tp, COWNER_KEY_LEN, owner);
		}
		owner->member = member;
	}
}

static void consumer_set_current(struct cmember *member, const struct consumer_record *record)
{
	struct keep *keep = member->group->shard->keep;
	struct tpset assigned = TPSET_NONE, revoking = TPSET_NONE;

	/* The record may speak in terms of what it replaces: first the copies. */
	if (record != NULL) {
		assigned = consumer_keep_set(keep, record->current.assigned);
		revoking = consumer_keep_set(keep, record->current.revoking);
	}
	consumer_disown(member, member->assigned);
	consumer_disown(member, member->revoking);
	consumer_free_set(keep, &member->assigned);
	consumer_free_set(keep, &member->revoking);
	member->assigned = assigned;
	member->revoking = revoking;
	if (record == NULL) {
		member->epoch = CONSUMER_EPOCH_LEAVE;
		member->previous_epoch = CONSUMER_EPOCH_LEAVE;
		member->state = CONSUMER_STABLE;
		return;
	}
	member->epoch = record->current.epoch;
	member->previous_epoch = record->current.previous_epoch;
	member->state = record->current.state;
	consumer_own(member, member->assigned);
	consumer_own(member, member->revoking);
}

static void consumer_count_classic(struct cmember *member, bool add)
{
	struct consumer *c = member->group->consumer;

	if (!member->about.is_classic)
		return;
	must(add || c->classics_len > 0);
	c->classics_len = add ? c->classics_len + 1 : c->classics_len - 1;
	protocols_count(member->group->shard->keep, &c->protocols, member->about.protocols,
			member->about.protocols_len, add);
}

static void consumer_set_about(struct cmember *member, const struct consumer_about *about)
{
	struct keep *keep = member->group->shard->keep;
	struct consumer *c = member->group->consumer;
	struct consumer_about kept = {0};

	if (about != NULL)
		kept = consumer_keep_about(keep, about);
	if (member->about.instance_id.ptr != NULL &&
	    consumer_find_static(c, member->about.instance_id) == member)
		HASH_DELETE(hh_instance, c->statics, member);
	consumer_count_classic(member, false);
	consumer_free_about(keep, &member->about);
	member->known = about != NULL;
	member->about = kept;
	consumer_count_classic(member, true);
	if (member->about.instance_id.ptr != NULL) {
		struct cmember *before = consumer_find_static(c, member->about.instance_id);

		if (before != NULL)
			HASH_DELETE(hh_instance, c->statics, before);
		HASH_ADD_KEYPTR(hh_instance, c->statics, member->about.instance_id.ptr,
				member->about.instance_id.len, member);
	}
}

static void consumer_drop_member(struct cmember *member)
{
	struct shard *shard = member->group->shard;

	consumer_set_current(member, NULL);
	consumer_set_about(member, NULL);
	consumer_free_set(shard->keep, &member->target);
	deadline_clear(shard->deadlines, &member->session);
	deadline_clear(shard->deadlines, &member->rebalance);
	deadline_clear(shard->deadlines, &member->join);
	deadline_clear(shard->deadlines, &member->sync);
	HASH_DEL(member->group->consumer->members, member);
	keep_free_str(shard->keep, &member->id);
	keep_free(shard->keep, member);
}

/* -- patterns ------------------------------------------------------------------------------ */

static void consumer_drop_regex(struct group *group, struct cregex *regex)
{
	struct keep *keep = group->shard->keep;

	HASH_DEL(group->consumer->regexes, regex);
	consumer_free_list(keep, regex->topics, regex->topics_len);
	keep_free_str(keep, &regex->regex);
	keep_free(keep, regex);
}

static void consumer_set_regex(struct group *group, const struct consumer_record *record,
			       bool tombstone)
{
	struct keep *keep = group->shard->keep;
	struct str text = record->resolved.regex;
	struct cregex *regex = NULL;

	HASH_FIND(hh, group->consumer->regexes, text.ptr, text.len, regex);
	if (regex != NULL)
		consumer_drop_regex(group, regex);
	if (tombstone)
		return;
	regex = keep_alloc_small(keep, sizeof(*regex));
	regex->regex = keep_str_small(keep, text);
	regex->topics_len = record->resolved.topics_len;
	regex->topics = consumer_keep_list(keep, record->resolved.topics, regex->topics_len);
	regex->version = record->resolved.version;
	regex->made_ms = record->resolved.made_ms;
	HASH_ADD_KEYPTR(hh, group->consumer->regexes, regex->regex.ptr, regex->regex.len, regex);
}

/* -- the group ----------------------------------------------------------------------------- */

void consumer_clear(struct group *group)
{
	struct consumer *c = group->consumer;

	if (c == NULL)
		return;
	while (c->members != NULL)
		consumer_drop_member(c->members);
	while (c->regexes != NULL)
		consumer_drop_regex(group, c->regexes);
	must(c->owners == NULL && c->statics == NULL);
	must(c->protocols == NULL && c->classics_len == 0);
	group->consumer = NULL;
	keep_free(group->shard->keep, c);
}

static struct consumer *consumer_make(struct group *group)
{
	shard_become(group, GROUP_CONSUMER);
	if (group->consumer == NULL) {
		group->consumer = keep_alloc_small(group->shard->keep, sizeof(*group->consumer));
		/* Until a record says another: for a group of nobody's topics none is written. */
		group->consumer->epoch = CONSUMER_EPOCH_FIRST;
	}
	return group->consumer;
}

/* A member of which nothing is left is gone. */
static void consumer_tombstone_member(struct cmember *member, enum fx_record_kind kind)
{
	if (kind == FX_CONSUMER_CURRENT)
		consumer_set_current(member, NULL);
	else if (kind == FX_CONSUMER_TARGET)
		consumer_free_set(member->group->shard->keep, &member->target);
	else
		consumer_drop_member(member);
}

static void consumer_tombstone(struct group *group, const struct fx_record *record)
{
	struct consumer *c = group->consumer;
	struct cmember *member;

	if (c == NULL || group->type != GROUP_CONSUMER)
		return;
	switch (record->kind) {
	case FX_CONSUMER_GROUP:
		consumer_clear(group);
		shard_set_type(group, GROUP_NONE);
		return;
	case FX_CONSUMER_TARGET_EPOCH:
		c->assignment_epoch = 0;
		c->assignment_ms = 0;
		return;
	case FX_CONSUMER_REGEX:
		consumer_set_regex(group, &record->consumer, true);
		return;
	case FX_CONSUMER_PARTITIONS:
		return; /* never kept */
	default:
		member = consumer_find(c, record->consumer.member_id);
		if (member != NULL)
			consumer_tombstone_member(member, record->kind);
	}
}

static void consumer_replay_member(struct group *group, const struct fx_record *record)
{
	struct keep *keep = group->shard->keep;
	struct cmember *member = consumer_make_member(group, record->consumer.member_id);

	if (record->kind == FX_CONSUMER_MEMBER) {
		consumer_set_about(member, &record->consumer.about);
	} else if (record->kind == FX_CONSUMER_TARGET) {
		struct tpset target = consumer_keep_set(keep, record->consumer.target);

		consumer_free_set(keep, &member->target);
		member->target = target;
	} else {
		must(record->kind == FX_CONSUMER_CURRENT);
		consumer_set_current(member, &record->consumer);
	}
}

void consumer_replay(struct group *group, const struct fx_record *record)
{
	struct consumer *c;

	if (record->tombstone) {
		consumer_tombstone(group, record);
		return;
	}
	c = consumer_make(group);
	switch (record->kind) {
	case FX_CONSUMER_GROUP:
		c->epoch = record->consumer.group.epoch;
		c->metadata_hash = record->consumer.group.metadata_hash;
		return;
	case FX_CONSUMER_TARGET_EPOCH:
		c->assignment_epoch = record->consumer.target_epoch.epoch;
		c->assignment_ms = record->consumer.target_epoch.made_ms;
		return;
	case FX_CONSUMER_REGEX:
		consumer_set_regex(group, &record->consumer, false);
		return;
	default:
		consumer_replay_member(group, record);
	}
}

void consumer_loaded(struct group *group, struct moment now)
{
	struct shard *shard = group->shard;
	struct cmember *member, *next;

	if (group->consumer == NULL)
		return;
	HASH_ITER (hh, group->consumer->members, member, next) {
		if (!member->known) {
			consumer_drop_member(member);
			continue;
		}
		deadline_set(shard->deadlines, &member->session,
			     now.mono_ms + shard->cfg->consumer_session_ms);
		if (member->state == CONSUMER_UNREVOKED && member->about.rebalance_ms > 0) {
			member->rebalance_epoch = member->epoch;
			deadline_set(shard->deadlines, &member->rebalance,
				     now.mono_ms + member->about.rebalance_ms);
		}
	}
}

void consumer_set_topics(struct shard *shard, const struct consumer_topics *topics)
{
	must_be(shard, SHARD_MAGIC);
	shard->consumer_topics = topics;
}
