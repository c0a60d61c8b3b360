/*
 * OffsetFetch (9), versions 1-10: the committed offsets of groups.
 *
 * v1  from __consumer_offsets
 * v2  topics null is all of the group's; an error of the group as a whole
 * v3  throttle time
 * v4  nothing new
 * v5  leader epoch
 * v6  flexible
 * v7  require stable: offsets that a transaction is about to change are UNSTABLE_OFFSET_COMMIT
 * v8  several groups at once
 * v9  member id and epoch, of consumer groups (KIP-848): looked at in no other
 * v10 topic ids
 *
 * What was never committed has offset -1 and no error, in a group that does not exist too.
 */
#include "api/handlers.h"
#include "api/held.h"
#include "meta/image.h"
#include "proto/offset_fetch.h"

#define VERSION_GROUP_ERR 2
#define VERSION_GROUPS	  8
#define VERSION_TOPIC_ID  10

struct offset_fetch_topic {
	struct str name;
	struct uuid id;
	struct offset_entry *entries;
	size_t len;
};

struct offset_fetch_group {
	struct str id;
	enum err err;
	struct offset_fetch_topic *topics;
	size_t topics_len;
};

struct offset_fetch {
	struct held held;
	struct offset_fetch_req in;
	struct offset_fetch_group *groups;
	size_t groups_len;
	bool overload;
};

/* -- the answer ---------------------------------------------------------------------------- */

static bool offset_fetch_put_old_topic(struct held *held, const struct offset_fetch_topic *topic,
				       enum err err,
				       struct offset_fetch_res_offset_fetch_response_topic *out)
{
	out->name = topic->name;
	out->partitions =
	    offset_fetch_res_offset_fetch_response_partition_array(held->call.arena, topic->len);
	if (out->partitions == NULL)
		return false;
	out->partitions_len = topic->len;
	for (size_t i = 0; i < topic->len; i++) {
		const struct offset_entry *entry = &topic->entries[i];

		out->partitions[i].partition_index = entry->partition;
		out->partitions[i].committed_offset = err == ERR_OK ? entry->value.offset : -1;
		out->partitions[i].committed_leader_epoch =
		    err == ERR_OK ? entry->value.leader_epoch : -1;
		out->partitions[i].metadata = err == ERR_OK ? entry->value.metadata : STR("");
		out->partitions[i].error_code = errcode_of(err != ERR_OK ? err : entry->err);
	}
	return true;
}

/* Before v8, for one group; before v2 with an error on each partition. */
static bool offset_fetch_put_old(struct held *held, const struct offset_fetch_group *group,
				 enum err err, struct offset_fetch_res *res)
{
	bool whole = held->req->header.api_version >= VERSION_GROUP_ERR;

	res->error_code = errcode_of(err);
	if (err != ERR_OK && whole)
		return true;
	res->topics =
	    offset_fetch_res_offset_fetch_response_topic_array(held->call.arena, group->topics_len);
	if (res->topics == NULL)
		return false;
	for (; res->topics_len < group->topics_len; res->topics_len++)
		if (!offset_fetch_put_old_topic(held, &group->topics[res->topics_len], err,
						&res->topics[res->topics_len]))
			return false;
	return true;
}

static bool offset_fetch_put_topic(struct held *held, const struct offset_fetch_topic *topic,
				   struct offset_fetch_res_offset_fetch_response_topics *out)
{
	out->name = topic->name;
	out->topic_id = topic->id;
	out->partitions =
	    offset_fetch_res_offset_fetch_response_partitions_array(held->call.arena, topic->len);
	if (out->partitions == NULL)
		return false;
	out->partitions_len = topic->len;
	for (size_t i = 0; i < topic->len; i++) {
		const struct offset_entry *entry = &topic->entries[i];

		out->partitions[i].partition_index = entry->partition;
		out->partitions[i].committed_offset = entry->value.offset;
		out->partitions[i].committed_leader_epoch = entry->value.leader_epoch;
		out->partitions[i].metadata = entry->value.metadata;
		out->partitions[i].error_code = errcode_of(entry->err);
	}
	return true;
}

static bool offset_fetch_put_group(struct held *held, const struct offset_fetch_group *group,
				   enum err err,
				   struct offset_fetch_res_offset_fetch_response_group *out)
{
	out->group_id = group->id;
	out->error_code = errcode_of(err);
	if (err != ERR_OK)
		return true;
	out->topics = offset_fetch_res_offset_fetch_response_topics_array(held->call.arena,
									  group->topics_len);
	if (out->topics == NULL)
		return false;
	for (; out->topics_len < group->topics_len; out->topics_len++)
		if (!offset_fetch_put_topic(held, &group->topics[out->topics_len],
					    &out->topics[out->topics_len]))
			return false;
	return true;
}

static bool offset_fetch_put_groups(struct offset_fetch *call, enum err err,
				    struct offset_fetch_res *res)
{
	res->groups = offset_fetch_res_offset_fetch_response_group_array(call->held.call.arena,
									 call->groups_len);
	if (res->groups == NULL)
		return false;
	for (; res->groups_len < call->groups_len; res->groups_len++) {
		const struct offset_fetch_group *group = &call->groups[res->groups_len];

		if (!offset_fetch_put_group(&call->held, group, err != ERR_OK ? err : group->err,
					    &res->groups[res->groups_len]))
			return false;
	}
	return true;
}

static bool offset_fetch_encode(struct held *held, enum err err)
{
	struct offset_fetch *call = container_of(held, struct offset_fetch, held);
	int16_t version = held->req->header.api_version;
	struct offset_fetch_res res;
	bool fits = false;

	offset_fetch_res_init(&res);
	if (version >= VERSION_GROUPS && !call->overload)
		fits = offset_fetch_put_groups(call, err, &res);
	else if (!call->overload)
		fits = offset_fetch_put_old(held, &call->groups[0],
					    err != ERR_OK ? err : call->groups[0].err, &res);
	if (fits)
		offset_fetch_res_encode(&res, api_begin(held->req), version);
	return fits;
}

/* -- fetching ------------------------------------------------------------------------------ */

/* All that the group has, cut into topics. By id only those that still have one. */
static bool offset_fetch_all(struct offset_fetch *call, struct offset_fetch_group *group)
{
	bool by_id = call->held.req->header.api_version >= VERSION_TOPIC_ID;
	struct offset_entry *entries;
	size_t len, end;

	group->err = coord_fetch_all(call->held.al->api->coord, &call->held.call, group->id,
				     call->in.require_stable, &entries, &len);
	if (group->err != ERR_OK)
		return group->err != ERR_NOMEM;
	group->topics = arena_array(call->held.call.arena, len + 1, sizeof(*group->topics));
	if (group->topics == NULL)
		return false;
	for (size_t i = 0; i < len; i = end) {
		const struct image_topic *topic =
		    image_topic_by_name(call->held.al->image, entries[i].topic);

		for (end = i + 1; end < len && str_eq(entries[end].topic, entries[i].topic);)
			end++;
		if (by_id && topic == NULL)
			continue;
		group->topics[group->topics_len++] =
		    (struct offset_fetch_topic){.name = entries[i].topic,
						.id =
						    topic != NULL ? topic->id : (struct uuid){{0}},
						.entries = &entries[i],
						.len = end - i};
	}
	return true;
}

/* One topic of those asked for; the name is null when its id is unknown. */
static void offset_fetch_set_topic(struct offset_fetch_topic *topic, struct str name,
				   struct uuid id, const int32_t *partitions, size_t len,
				   struct offset_entry *entries)
{
	*topic =
	    (struct offset_fetch_topic){.name = name, .id = id, .entries = entries, .len = len};
	for (size_t i = 0; i < len; i++)
		entries[i] = (struct offset_entry){.topic = name,
						   .topic_id = id,
						   .partition = partitions[i]};
}

/* The coordinator's answer to all entries; those of unknown ids get their error afterwards. */
static void offset_fetch_ask(struct offset_fetch *call, struct offset_fetch_group *group,
			     struct offset_entry *entries, size_t len)
{
	group->err = coord_fetch(call->held.al->api->coord, &call->held.call, group->id,
				 call->in.require_stable, entries, len);
	for (size_t t = 0; t < group->topics_len; t++)
		for (size_t i = 0; group->topics[t].name.ptr == NULL && i < group->topics[t].len;
		     i++)
			group->topics[t].entries[i].err = ERR_UNKNOWN_TOPIC_ID;
}

static bool offset_fetch_old(struct offset_fetch *call, struct offset_fetch_group *group)
{
	struct arena *arena = call->held.call.arena;
	struct offset_entry *entries;
	size_t count = 0;

	for (size_t i = 0; i < call->in.topics_len; i++)
		count += call->in.topics[i].partition_indexes_len;
	entries = arena_array(arena, count + 1, sizeof(*entries));
	group->topics = arena_array(arena, call->in.topics_len + 1, sizeof(*group->topics));
	if (entries == NULL || group->topics == NULL)
		return false;
	count = 0;
	for (size_t i = 0; i < call->in.topics_len; i++) {
		const struct offset_fetch_req_offset_fetch_request_topic *in = &call->in.topics[i];

		offset_fetch_set_topic(&group->topics[i], in->name, (struct uuid){{0}},
				       in->partition_indexes, in->partition_indexes_len,
				       &entries[count]);
		count += in->partition_indexes_len;
	}
	group->topics_len = call->in.topics_len;
	offset_fetch_ask(call, group, entries, count);
	return true;
}

static bool offset_fetch_new(struct offset_fetch *call, struct offset_fetch_group *group,
			     const struct offset_fetch_req_offset_fetch_request_group *ask)
{
	struct arena *arena = call->held.call.arena;
	bool by_id = call->held.req->header.api_version >= VERSION_TOPIC_ID;
	struct offset_entry *entries;
	size_t count = 0;

	for (size_t i = 0; i < ask->topics_len; i++)
		count += ask->topics[i].partition_indexes_len;
	entries = arena_array(arena, count + 1, sizeof(*entries));
	group->topics = arena_array(arena, ask->topics_len + 1, sizeof(*group->topics));
	if (entries == NULL || group->topics == NULL)
		return false;
	count = 0;
	for (size_t i = 0; i < ask->topics_len; i++) {
		const struct offset_fetch_req_offset_fetch_request_topics *in = &ask->topics[i];
		const struct image_topic *topic =
		    by_id ? image_topic_by_id(call->held.al->image, in->topic_id) : NULL;
		struct str name = topic != NULL ? topic->name : STR_NULL;

		offset_fetch_set_topic(&group->topics[i], by_id ? name : in->name, in->topic_id,
				       in->partition_indexes, in->partition_indexes_len,
				       &entries[count]);
		count += in->partition_indexes_len;
	}
	group->topics_len = ask->topics_len;
	offset_fetch_ask(call, group, entries, count);
	return true;
}

static bool offset_fetch_one(struct offset_fetch *call, size_t idx)
{
	struct offset_fetch_group *group = &call->groups[idx];
	const struct offset_fetch_req_offset_fetch_request_group *ask;

	if (call->held.req->header.api_version < VERSION_GROUPS) {
		group->id = call->in.group_id;
		return call->in.topics == NULL ? offset_fetch_all(call, group)
					       : offset_fetch_old(call, group);
	}
	ask = &call->in.groups[idx];
	group->id = ask->group_id;
	group->err = coord_consumer_check(call->held.al->api->coord, group->id, ask->member_id,
					  ask->member_epoch);
	if (group->err != ERR_OK)
		return true;
	return ask->topics == NULL ? offset_fetch_all(call, group)
				   : offset_fetch_new(call, group, ask);
}

static bool offset_fetch_fill(struct offset_fetch *call)
{
	size_t len = call->held.req->header.api_version < VERSION_GROUPS ? 1 : call->in.groups_len;

	call->groups = arena_array(call->held.call.arena, len + 1, sizeof(*call->groups));
	if (call->groups == NULL)
		return false;
	for (; call->groups_len < len; call->groups_len++)
		if (!offset_fetch_one(call, call->groups_len))
			return false;
	return true;
}

static void offset_fetch_handle(struct api_loop *al, struct req *req)
{
	struct offset_fetch *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err = ERR_NOMEM;

	if (call != NULL)
		err = offset_fetch_req_decode(&call->in, &req->body, req->header.api_version,
					      &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	held_begin(&call->held, al, req, offset_fetch_encode);
	/* Groups that were asked for already may wait, so the request ends by the same way. */
	call->overload = !offset_fetch_fill(call);
	held_end(&call->held, ERR_OK);
}

const struct api_handler api_offset_fetch = {
    .key = OFFSET_FETCH_API_KEY,
    .version_min = OFFSET_FETCH_MIN_VERSION,
    .version_max = OFFSET_FETCH_MAX_VERSION,
    .on_control = true,
    .handle = offset_fetch_handle,
};
