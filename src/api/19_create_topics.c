/*
 * CreateTopics (19), versions 2-7: topics with their partitions and configs, made by the
 * controller. The answer waits until the change is durable and every loop knows the topics, so they
 * are writable at once on every connection.
 *
 * Each partition costs a directory. So thousands of them are made in portions, each committed
 * before the next, and answered for a slice of time in each turn: the control loop serves others
 * between.
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

/* Of one portion: some tens of milliseconds. A topic is not divided. */
#define PORTION_PARTITIONS 200
/* How long is written on an answer before others have their turn. */
#define SLICE_US 20000

struct create_topics {
	struct api_loop *al;
	struct req *req;
	struct create_topics_req in;
	const uint8_t *marks;		     /* of in.topics, see duplicates.h */
	struct controller_new_topic *topics; /* those that go to the controller */
	size_t topics_len;
	size_t made, portion; /* of topics: committed; under way behind them */
	struct controller_wait wait;
	/* While answering. */
	struct arena arena; /* of one topic */
	struct wr *out;
	size_t written; /* of topics */
	struct loop_timer next;
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

/*
 * Duplicates and the metadata log's topic are answered here, and the controller does not see them.
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
	enum err err = topic->err;
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

static void create_topics_end(struct create_topics *call, enum err err)
{
	for (size_t i = 0; i < call->in.topics_len; i++)
		if (!create_topics_is_ours(call, i) && call->marks[i] != 2)
			create_topics_put_refused(call, i);
	if (call->req->header.api_version >= CREATE_TOPICS_FLEXIBLE_VERSION)
		wr_uvarint(call->out, 0); /* tags */
	arena_fini(&call->arena);
	if (err != ERR_OK)
		api_overload(call->req);
	else
		api_end(call->req);
}

/* Those that the controller saw, then the others, as Kafka does. */
static void create_topics_write(struct create_topics *call)
{
	const struct clock *clock = call->al->api->clock;
	int64_t until_us = clock_mono_us(clock) + SLICE_US;
	enum err err = ERR_OK;

	while (err == ERR_OK && call->written < call->topics_len) {
		err = create_topics_put_made(call, &call->topics[call->written++]);
		if (err == ERR_OK && call->written < call->topics_len &&
		    clock_mono_us(clock) >= until_us) {
			loop_timer_start(&call->next, 0);
			return;
		}
	}
	create_topics_end(call, err);
}

static void create_topics_on_next(struct loop_timer *timer)
{
	create_topics_write(container_of(timer, struct create_topics, next));
}

static void create_topics_answer(struct create_topics *call)
{
	bool flexible = call->req->header.api_version >= CREATE_TOPICS_FLEXIBLE_VERSION;

	call->out = api_begin(call->req);
	arena_init(&call->arena, TOPIC_ARENA_BYTES);
	wr_int32(call->out, 0); /* throttle time */
	wr_array(call->out, create_topics_answers_len(call), false, flexible);
	loop_timer_init(&call->next, call->al->loop, create_topics_on_next);
	create_topics_write(call);
}

/* -- making them, a portion at a time ---------------------------------------------------------- */

/* What is too much together is refused together: then all topics are one portion. */
static size_t create_topics_portion(const struct create_topics *call)
{
	struct controller *ctl = call->al->api->controller;
	size_t left = call->topics_len - call->made, len = 0;
	int64_t partitions = 0;

	if (controller_partitions_asked(ctl, call->topics, call->topics_len) >
	    CONTROLLER_PARTITIONS_REQUEST_MAX)
		return left;
	while (len < left && partitions < PORTION_PARTITIONS)
		partitions +=
		    1 + controller_partitions_asked(ctl, &call->topics[call->made + len++], 1);
	return len;
}

static void create_topics_make(struct create_topics *call);

static void create_topics_done(struct controller_wait *wait, enum err err)
{
	struct create_topics *call = container_of(wait, struct create_topics, wait);

	for (; call->portion > 0; call->portion--, call->made++)
		if (call->topics[call->made].err == ERR_OK)
			call->topics[call->made].err = err;
	if (call->made < call->topics_len)
		create_topics_make(call);
	else
		create_topics_answer(call);
}

static void create_topics_make(struct create_topics *call)
{
	struct controller *ctl = call->al->api->controller;

	call->portion = create_topics_portion(call);
	controller_create_topics(ctl, &call->req->arena, &call->topics[call->made], call->portion,
				 call->in.validate_only);
	call->wait.done = create_topics_done;
	controller_commit(ctl, &call->wait);
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
	create_topics_make(call);
}

const struct api_handler api_create_topics = {
    .key = CREATE_TOPICS_API_KEY,
    .version_min = CREATE_TOPICS_MIN_VERSION,
    .version_max = 7,
    .on_control = true,
    .handle = create_topics_handle,
};
