/*
 * CreateTopics (19), versions 2-7: topics with their partitions and configs, made by the
 * controller. The answer waits until the change is durable and every loop knows the topics, so they
 * are writable at once on every connection.
 *
 * v2  throttle time (v0 and v1 are not served by Kafka 4)
 * v3  nothing new
 * v4  -1 partitions and replicas for the broker's defaults (KIP-464; taken at every version, as
 * Kafka does) v5  flexible; partitions, replicas and configs in the answer (KIP-525) v6
 * THROTTLING_QUOTA_EXCEEDED: not sent here v7  topic ids in the answer
 *
 * Left out on purpose: TimeoutMs, since nothing is waited for but one flush;
 * create.topic.policy.class.name.
 */
#include "api/duplicates.h"
#include "api/handlers.h"
#include "meta/config.h"
#include "meta/controller.h"
#include "proto/create_topics.h"

#define PROHIBITED_NAME "__cluster_metadata"

/* For the configs of one topic in the answer. */
#define TOPIC_ARENA_BYTES ((size_t)1 << 20)

struct create_topics {
	struct api_loop *al;
	struct req *req;
	struct create_topics_req in;
	const uint8_t *marks;		     /* of in.topics, see duplicates.h */
	struct controller_new_topic *topics; /* those that go to the controller */
	size_t topics_len;
	struct controller_wait wait;
	/* While answering. */
	struct arena arena; /* of one topic */
	struct wr *out;
	enum err err; /* of the commit */
};

/* -- the request, for the controller ---------------------------------------------------------- */

static bool create_topics_take(struct controller_new_topic *out,
			       const struct create_topics_req_creatable_topic *in,
			       struct arena *arena)
{
	struct controller_assignment *assignments =
	    arena_array(arena, in->assignments_len + 1, sizeof(*assignments));
	struct controller_config_entry *configs =
	    arena_array(arena, in->configs_len + 1, sizeof(*configs));

	if (assignments == NULL || configs == NULL)
		return false;
	for (size_t i = 0; i < in->assignments_len; i++)
		assignments[i] = (struct controller_assignment){in->assignments[i].partition_index,
								in->assignments[i].broker_ids,
								in->assignments[i].broker_ids_len};
	for (size_t i = 0; i < in->configs_len; i++)
		configs[i] =
		    (struct controller_config_entry){in->configs[i].name, in->configs[i].value};
	*out = (struct controller_new_topic){
	    .name = in->name,
	    .num_partitions = in->num_partitions,
	    .replication_factor = in->replication_factor,
	    .assignments = assignments,
	    .assignments_len = in->assignments_len,
	    .configs = configs,
	    .configs_len = in->configs_len,
	};
	return true;
}

static const uint8_t *create_topics_marks(struct create_topics *call)
{
	struct arena *arena = &call->req->arena;
	struct str *names = arena_array(arena, call->in.topics_len + 1, sizeof(*names));

	for (size_t i = 0; names != NULL && i < call->in.topics_len; i++)
		names[i] = call->in.topics[i].name;
	return names == NULL ? NULL : duplicates_find(arena, names, call->in.topics_len);
}

/* Duplicates and the metadata log's topic are answered here, and the controller does not see them.
 */
static bool create_topics_is_ours(const struct create_topics *call, size_t idx)
{
	return call->marks[idx] == 0 && !str_eq(call->in.topics[idx].name, STR(PROHIBITED_NAME));
}

static bool create_topics_prepare(struct create_topics *call)
{
	struct arena *arena = &call->req->arena;
	size_t len = call->in.topics_len;

	call->marks = create_topics_marks(call);
	call->topics = arena_array(arena, len + 1, sizeof(*call->topics));
	if (call->marks == NULL || call->topics == NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		if (create_topics_is_ours(call, i) &&
		    !create_topics_take(&call->topics[call->topics_len++], &call->in.topics[i],
					arena))
			return false;
	return true;
}

/* -- the answer, a topic at a time: with all configs of thousands it is large ------------------ */

static void create_topics_put(struct create_topics *call,
			      const struct create_topics_res_creatable_topic_result *result)
{
	create_topics_res_creatable_topic_result_write(result, call->out,
						       call->req->header.api_version);
	arena_reset(&call->arena);
}

/* What the request set shows as set, though under validateOnly no image knows it. */
static void create_topics_overlay(const struct controller_new_topic *topic,
				  struct create_topics_res_creatable_topic_configs *config)
{
	for (size_t i = 0; i < topic->configs_len; i++) {
		if (!str_eq(topic->configs[i].name, config->name))
			continue;
		config->value = topic->configs[i].value;
		config->config_source = CONFIG_SOURCE_TOPIC;
	}
}

static enum err create_topics_configs(struct create_topics *call,
				      const struct controller_new_topic *topic,
				      struct create_topics_res_creatable_topic_result *out)
{
	const struct image *image = controller_image(call->al->api->controller);
	struct config_value *values;
	size_t len;
	enum err err = config_describe(call->al->api->config, image, CONFIG_RESOURCE_TOPIC,
				       topic->name, &call->arena, &values, &len);

	if (err != ERR_OK)
		return err;
	out->configs = create_topics_res_creatable_topic_configs_array(&call->arena, len);
	if (out->configs == NULL)
		return ERR_NOMEM;
	for (; out->configs_len < len; out->configs_len++) {
		struct create_topics_res_creatable_topic_configs *config =
		    &out->configs[out->configs_len];
		const struct config_value *value = &values[out->configs_len];

		config->name = value->name;
		config->value = value->value;
		config->read_only = value->read_only;
		config->config_source = (int8_t)value->source;
		config->is_sensitive = value->sensitive;
		create_topics_overlay(topic, config);
	}
	return ERR_OK;
}

static enum err create_topics_put_made(struct create_topics *call,
				       const struct controller_new_topic *topic)
{
	enum err err = topic->err != ERR_OK ? topic->err : call->err;
	struct create_topics_res_creatable_topic_result result;

	create_topics_res_creatable_topic_result_init(&result);
	result.name = topic->name;
	result.error_code = errcode_of(err);
	result.error_message = topic->message;
	if (err == ERR_OK) {
		result.topic_id = topic->id;
		result.num_partitions = topic->partitions_made;
		result.replication_factor = topic->replicas_made;
		if (call->req->header.api_version >= 5)
			err = create_topics_configs(call, topic, &result);
		if (err != ERR_OK)
			return err;
	}
	create_topics_put(call, &result);
	return ERR_OK;
}

static void create_topics_put_refused(struct create_topics *call, size_t idx)
{
	struct create_topics_res_creatable_topic_result result;

	create_topics_res_creatable_topic_result_init(&result);
	result.name = call->in.topics[idx].name;
	result.error_code = errcode_of(ERR_INVALID_REQUEST);
	result.error_message =
	    call->marks[idx] == 0
		? STR("Creation of internal topic " PROHIBITED_NAME " is prohibited.")
		: STR("Duplicate topic name.");
	create_topics_put(call, &result);
}

static size_t create_topics_answers_len(const struct create_topics *call)
{
	size_t len = 0;

	for (size_t i = 0; i < call->in.topics_len; i++)
		len += call->marks[i] != 2;
	return len;
}

/* Those that the controller saw, then the others, as Kafka does. */
static enum err create_topics_write(struct create_topics *call)
{
	bool flexible = call->req->header.api_version >= CREATE_TOPICS_FLEXIBLE_VERSION;
	enum err err = ERR_OK;

	wr_int32(call->out, 0); /* throttle time */
	wr_array(call->out, create_topics_answers_len(call), false, flexible);
	for (size_t i = 0; err == ERR_OK && i < call->topics_len; i++)
		err = create_topics_put_made(call, &call->topics[i]);
	for (size_t i = 0; i < call->in.topics_len; i++)
		if (!create_topics_is_ours(call, i) && call->marks[i] != 2)
			create_topics_put_refused(call, i);
	if (flexible)
		wr_uvarint(call->out, 0); /* tags */
	return err != ERR_OK ? err : call->out->err;
}

static void create_topics_done(struct controller_wait *wait, enum err err)
{
	struct create_topics *call = container_of(wait, struct create_topics, wait);

	call->err = err;
	call->out = api_begin(call->req);
	arena_init(&call->arena, TOPIC_ARENA_BYTES);
	err = create_topics_write(call);
	arena_fini(&call->arena);
	if (err != ERR_OK)
		api_overload(call->req);
	else
		api_end(call->req);
}

/* -- the call --------------------------------------------------------------------------------- */

static void create_topics_handle(struct api_loop *al, struct req *req)
{
	struct create_topics *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err;

	if (call == NULL) {
		api_overload(req);
		return;
	}
	call->al = al;
	call->req = req;
	err = create_topics_req_decode(&call->in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (!create_topics_prepare(call)) {
		api_overload(req);
		return;
	}
	controller_create_topics(al->api->controller, &req->arena, call->topics, call->topics_len,
				 call->in.validate_only);
	call->wait.done = create_topics_done;
	controller_commit(al->api->controller, &call->wait);
}

const struct api_handler api_create_topics = {
    .key = CREATE_TOPICS_API_KEY,
    .version_min = CREATE_TOPICS_MIN_VERSION,
    .version_max = 7,
    .on_control = true,
    .handle = create_topics_handle,
};
