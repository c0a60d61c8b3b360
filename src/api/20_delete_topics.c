/*
 * DeleteTopics (20), versions 1-6: topics by name or id, deleted by the controller. Answered when
 * the change is durable and every loop has forgotten them; files go later.
 *
 * v1  throttle time
 * v2  nothing new
 * v3  TOPIC_DELETION_DISABLED
 * v4  flexible
 * v5  error messages
 * v6  by id, with a null name (KIP-516)
 *
 * Left out on purpose: TimeoutMs, as in CreateTopics. Kafka shuffles its answers; these keep the
 * order.
 */
#include "api/duplicates.h"
#include "api/handlers.h"
#include "coord/coord.h"
#include "meta/config.h"
#include "meta/controller.h"
#include "proto/delete_topics.h"

/* One topic as the request names it, and what becomes of it. */
struct delete_topics_item {
	struct str name; /* null: by id */
	struct uuid id;
	enum err err;
	struct str message;
	bool left_out; /* a later one of several: answered by the first */
	bool go;       /* to be deleted */
};

struct delete_topics {
	struct api_loop *al;
	struct req *req;
	struct delete_topics_req in;
	struct delete_topics_item *items;
	size_t items_len;
	struct controller_wait wait;
};

static void delete_topics_refuse(struct delete_topics_item *item, enum err err, struct str message)
{
	item->err = err;
	item->message = message;
	item->go = false;
}

/* -- what the request names ------------------------------------------------------------------- */

static bool delete_topics_items(struct delete_topics *call)
{
	size_t by_name_len = call->in.topic_names_len, len = by_name_len + call->in.topics_len;

	call->items = arena_array(&call->req->arena, len + 1, sizeof(*call->items));
	if (call->items == NULL)
		return false;
	call->items_len = len;
	for (size_t i = 0; i < by_name_len; i++)
		call->items[i].name = call->in.topic_names[i];
	for (size_t i = by_name_len; i < len; i++) {
		const struct delete_topics_req_delete_topic_state *in =
		    &call->in.topics[i - by_name_len];
		struct delete_topics_item *item = &call->items[i];

		item->name = in->name;
		item->id = in->topic_id;
		if (in->name.ptr == NULL && uuid_is_zero(in->topic_id))
			delete_topics_refuse(item, ERR_INVALID_REQUEST,
					     STR("Neither topic name nor id were specified."));
		else if (in->name.ptr != NULL && !uuid_is_zero(in->topic_id))
			delete_topics_refuse(
			    item, ERR_INVALID_REQUEST,
			    STR("You may not specify both topic name and topic id."));
	}
	return true;
}

/* Names and ids are looked at apart; a key is the name, or the id's bytes behind a NUL. */
static bool delete_topics_duplicates(struct delete_topics *call)
{
	struct arena *arena = &call->req->arena;
	struct str *keys = arena_array(arena, call->items_len + 1, sizeof(*keys));
	const uint8_t *marks;

	if (keys == NULL)
		return false;
	for (size_t i = 0; i < call->items_len; i++) {
		struct delete_topics_item *item = &call->items[i];
		char *key;

		keys[i] = item->name;
		if (item->name.ptr != NULL)
			continue;
		key = arena_alloc(arena, 1 + sizeof(item->id.b));
		if (key == NULL)
			return false;
		memcpy(key + 1, item->id.b, sizeof(item->id.b));
		keys[i] = (struct str){key, 1 + sizeof(item->id.b)};
	}
	marks = duplicates_find(arena, keys, call->items_len);
	for (size_t i = 0; marks != NULL && i < call->items_len; i++) {
		struct delete_topics_item *item = &call->items[i];

		if (item->err != ERR_OK || marks[i] == 0)
			continue;
		item->left_out = marks[i] == 2;
		delete_topics_refuse(item, ERR_INVALID_REQUEST,
				     item->name.ptr != NULL ? STR("Duplicate topic name.")
							    : STR("Duplicate topic id."));
	}
	return marks != NULL;
}

/* From names to ids and back; what cannot be found is refused. */
static bool delete_topics_resolve(struct delete_topics *call)
{
	const struct image *image = controller_image(call->al->api->controller);
	struct arena *arena = &call->req->arena;

	for (size_t i = 0; i < call->items_len; i++) {
		struct delete_topics_item *item = &call->items[i];
		const struct image_topic *topic;

		if (item->err != ERR_OK)
			continue;
		topic = item->name.ptr != NULL ? image_topic_by_name(image, item->name)
					       : image_topic_by_id(image, item->id);
		if (topic == NULL && item->name.ptr != NULL) {
			delete_topics_refuse(
			    item, ERR_UNKNOWN_TOPIC_OR_PARTITION,
			    STR("This server does not host this topic-partition."));
		} else if (topic == NULL) {
			delete_topics_refuse(item, ERR_UNKNOWN_TOPIC_ID,
					     STR("This server does not host this topic ID."));
		} else {
			item->id = topic->id;
			item->name = arena_str(arena, topic->name);
			item->go = true;
		}
	}
	return !arena->failed;
}

/* A name may map to an id that the request has too. Then neither is deleted. */
static bool delete_topics_overlaps(struct delete_topics *call)
{
	struct arena *arena = &call->req->arena;
	struct str *keys = arena_array(arena, call->items_len + 1, sizeof(*keys));
	const uint8_t *marks;
	size_t len = 0;

	if (keys == NULL)
		return false;
	for (size_t i = 0; i < call->items_len; i++)
		if (call->items[i].go)
			keys[len++] = (struct str){(const char *)call->items[i].id.b,
						   sizeof(call->items[i].id.b)};
	marks = duplicates_find(arena, keys, len);
	len = 0;
	for (size_t i = 0; marks != NULL && i < call->items_len; i++) {
		struct delete_topics_item *item = &call->items[i];

		if (!item->go)
			continue;
		if (marks[len] != 0) {
			item->left_out = marks[len] == 2;
			delete_topics_refuse(item, ERR_INVALID_REQUEST,
					     STR("The provided topic name maps to an ID that was "
						 "already supplied."));
		}
		len++;
	}
	return marks != NULL;
}

/* -- deleting and answering ------------------------------------------------------------------- */

static void delete_topics_done(struct controller_wait *wait, enum err err)
{
	struct delete_topics *call = container_of(wait, struct delete_topics, wait);
	struct req *req = call->req;
	struct delete_topics_res res;

	delete_topics_res_init(&res);
	res.responses =
	    delete_topics_res_deletable_topic_result_array(&req->arena, call->items_len);
	if (res.responses == NULL) {
		api_overload(req);
		return;
	}
	for (size_t i = 0; i < call->items_len; i++) {
		const struct delete_topics_item *item = &call->items[i];
		struct delete_topics_res_deletable_topic_result *out;

		if (item->left_out)
			continue;
		/* What groups have committed for it goes with it. */
		if (item->err == ERR_OK && err == ERR_OK)
			coord_topic_deleted(call->al->api->coord, item->name, item->id);
		out = &res.responses[res.responses_len++];
		out->name = item->name;
		out->topic_id = item->id;
		out->error_code = errcode_of(item->err != ERR_OK ? item->err : err);
		out->error_message = item->message;
	}
	delete_topics_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void delete_topics_delete(struct delete_topics *call)
{
	for (size_t i = 0; i < call->items_len; i++) {
		struct delete_topics_item *item = &call->items[i];
		struct controller_del_topic topic = {.id = item->id};

		if (!item->go)
			continue;
		controller_delete_topics(call->al->api->controller, &call->req->arena, &topic, 1);
		if (topic.err != ERR_OK)
			delete_topics_refuse(item, topic.err, topic.message);
	}
}

static bool delete_topics_run(struct delete_topics *call)
{
	bool enabled = config_bool(call->al->api->config, CONFIG_DELETE_TOPIC_ENABLE);
	enum err why =
	    call->req->header.api_version < 3 ? ERR_INVALID_REQUEST : ERR_TOPIC_DELETION_DISABLED;

	if (!delete_topics_items(call))
		return false;
	if (!enabled) {
		for (size_t i = 0; i < call->items_len; i++)
			delete_topics_refuse(&call->items[i], why,
					     STR("Topic deletion is disabled."));
		return true;
	}
	if (!delete_topics_duplicates(call) || !delete_topics_resolve(call) ||
	    !delete_topics_overlaps(call))
		return false;
	delete_topics_delete(call);
	return true;
}

static void delete_topics_handle(struct api_loop *al, struct req *req)
{
	struct delete_topics *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err;

	if (call == NULL) {
		api_overload(req);
		return;
	}
	call->al = al;
	call->req = req;
	err = delete_topics_req_decode(&call->in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
	} else if (!delete_topics_run(call)) {
		api_overload(req);
	} else {
		call->wait.done = delete_topics_done;
		controller_commit(al->api->controller, &call->wait);
	}
}

const struct api_handler api_delete_topics = {
    .key = DELETE_TOPICS_API_KEY,
    .version_min = DELETE_TOPICS_MIN_VERSION,
    .version_max = 6,
    .on_control = true,
    .handle = delete_topics_handle,
};
