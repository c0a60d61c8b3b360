/*
 * The steps that a member's word takes through a consumer group, in whichever protocol it was said:
 * the member as it will be, whether that is a change, the new epoch. See consumer_int.h.
 */
#include "base/clock.h"
#include "group/consumer_int.h"

/* -- the member as it will be -------------------------------------------------------------- */

struct str consumer_new_id(struct shard *shard, struct fx *fx)
{
	char text[UUID_TEXT_LEN + 1];

	uuid_text(rnd_uuid(shard->rnd), text);
	return fx_str(fx, str_of(text));
}

void consumer_begin_new(struct cevent *ev, struct str id)
{
	*ev->next = (struct cnext){.id = id, .about = {.regex = STR("")}};
}

void consumer_continue(struct cevent *ev, const struct cmember *member)
{
	*ev->next = (struct cnext){.old = member,
				   .id = member->id,
				   .about = member->about,
				   .epoch = member->epoch,
				   .previous_epoch = member->previous_epoch,
				   .state = member->state,
				   .assigned = member->assigned,
				   .revoking = member->revoking,
				   .target = member->target};
}

struct tpset consumer_copy_set(struct fx *fx, struct tpset set)
{
	struct tp *copy = fx_alloc(fx, set.len, sizeof(*copy));

	if (set.len > 0)
		memcpy(copy, set.at, set.len * sizeof(*copy));
	return (struct tpset){copy, set.len};
}

const struct join_protocol *consumer_copy_protocols(struct fx *fx, const struct join_protocol *list,
						    size_t len)
{
	struct join_protocol *copy = fx_alloc(fx, len, sizeof(*copy));

	for (size_t i = 0; i < len; i++) {
		copy[i].name = fx_str(fx, list[i].name);
		copy[i].metadata = fx_bytes(fx, list[i].metadata);
	}
	return copy;
}

static struct consumer_about update_copy_about(struct fx *fx, const struct consumer_about *from)
{
	struct str *topics = fx_alloc(fx, from->topics_len, sizeof(*topics));
	struct consumer_about copy = *from;

	for (size_t i = 0; i < from->topics_len; i++)
		topics[i] = fx_str(fx, from->topics[i]);
	copy.instance_id = fx_str(fx, from->instance_id);
	copy.rack_id = fx_str(fx, from->rack_id);
	copy.client_id = fx_str(fx, from->client_id);
	copy.client_host = fx_str(fx, from->client_host);
	copy.assignor = fx_str(fx, from->assignor);
	copy.regex = fx_str(fx, from->regex);
	copy.topics = topics;
	copy.protocols = consumer_copy_protocols(fx, from->protocols, from->protocols_len);
	return copy;
}

/* Copies, as the first record of this event takes the old one away. */
void consumer_replace(struct cevent *ev, const struct cmember *member, struct str id)
{
	struct cnext *next = ev->next;

	consumer_continue(ev, member);
	next->old = NULL;
	next->id = id;
	next->about = update_copy_about(ev->fx, &member->about);
	next->assigned = consumer_copy_set(ev->fx, member->assigned);
	next->revoking = consumer_copy_set(ev->fx, member->revoking);
	next->target = consumer_copy_set(ev->fx, member->target);
	next->epoch = 0;
	next->previous_epoch = 0;
	ev->gone = member;
	consumer_emit_removal(ev, member->id);
	consumer_emit_member(ev, next->id, &next->about);
	consumer_emit_target(ev, next->id, next->target);
	consumer_emit_current(ev, next);
}

enum err consumer_check_room(const struct cevent *ev, struct str member_id)
{
	const struct keep *keep = ev->shard->keep;

	if (consumer_find(ev->c, member_id) != NULL)
		return ERR_OK;
	if (consumer_members_len(ev->c) >= (size_t)ev->cfg->size_max)
		return ERR_GROUP_MAX_SIZE_REACHED;
	if (shard_find(ev->shard, ev->group_id) == NULL)
		return keep_takes_new(keep) ? ERR_OK : ERR_COORDINATOR_NOT_AVAILABLE;
	return keep_is_full(keep) ? ERR_COORDINATOR_NOT_AVAILABLE : ERR_OK;
}

/* -- what it says of itself ---------------------------------------------------------------- */

static bool update_same_about(const struct consumer_about *a, const struct consumer_about *b)
{
	return str_eq(a->instance_id, b->instance_id) && str_eq(a->rack_id, b->rack_id) &&
	       str_eq(a->client_id, b->client_id) && str_eq(a->client_host, b->client_host) &&
	       str_eq(a->assignor, b->assignor) && a->rebalance_ms == b->rebalance_ms &&
	       a->is_classic == b->is_classic && a->session_ms == b->session_ms &&
	       protocols_equal(a->protocols, a->protocols_len, b->protocols, b->protocols_len) &&
	       consumer_same_subscription(a, b);
}

void consumer_take_str(struct str *field, struct str told)
{
	if (told.ptr != NULL)
		*field = told;
}

struct update_told consumer_told(struct cevent *ev, const struct consumer_about *before)
{
	const struct consumer_about *about = &ev->next->about;
	bool is_new = ev->next->old == NULL && ev->gone == NULL;
	bool changed = !consumer_same_subscription(about, before);

	if (!str_eq(about->regex, before->regex))
		consumer_drop_unused_regex(ev, before->regex);
	/* Who comes and subscribes to nothing changes nothing for the others. */
	return (struct update_told){.is_new = is_new || !update_same_about(about, before),
				    .subscription = changed};
}

/* -- epochs -------------------------------------------------------------------------------- */

void consumer_bump(struct cevent *ev, bool subscription_changed)
{
	uint64_t version =
	    ev->shard->consumer_topics != NULL ? ev->shard->consumer_topics->version : 0;
	struct str *names;
	size_t names_len;
	int64_t hash;

	if (!subscription_changed && ev->resolved == NULL && ev->c != NULL && ev->c->topics_seen &&
	    ev->c->topics_version == version)
		return;
	consumer_subscribed(ev, &names, &names_len);
	hash = consumer_hash(ev, names, names_len);
	if (!subscription_changed && hash == (ev->c != NULL ? ev->c->metadata_hash : 0)) {
		if (ev->c == NULL)
			return;
		/* Not sooner: what this event writes may not get into the log. */
		ev->c->topics_seen = true;
		ev->c->topics_version = version;
		return;
	}
	ev->epoch++;
	consumer_emit_group(ev, hash);
}

/* Not sooner than the interval after the last one: a crowd that comes at once is served at once. */
static bool update_wants_target(const struct cevent *ev)
{
	int64_t since_ms;

	if (ev->epoch <= ev->assignment_epoch)
		return false;
	if (ev->c == NULL || ev->c->assignment_epoch == 0 || ev->c->assignment_ms == 0)
		return true;
	since_ms = clock_age_ms(ev->now.wall_ms, ev->c->assignment_ms);
	return since_ms < 0 || since_ms >= ev->cfg->assignment_ms;
}

enum err consumer_maybe_assign(struct cevent *ev)
{
	if (!update_wants_target(ev) || consumer_assign(ev) == ERR_OK)
		return ERR_OK;
	return ERR_COORDINATOR_NOT_AVAILABLE;
}
