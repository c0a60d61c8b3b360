/*
 * DescribeConfigs (32), versions 1-4: settings, with where each value comes from.
 *
 * Answered from the image that this loop has seen and the settings at start. All of Kafka's
 * settings are shown, since tools read them to write them back. A request may name thousands of
 * topics: each resource is written before the next is looked at, and a long request is worked on
 * for a slice of time in each turn of the loop.
 *
 * v1  where each value comes from, and its synonyms
 * v2  nothing new
 * v3  types, and documentation for those who ask for it
 * v4  flexible
 *
 * Left out on purpose: loggers but the root one, as there is no other.
 */
#include "api/handlers.h"
#include "api/loggers.h"
#include "meta/config.h"
#include "meta/controller.h"
#include "meta/image.h"
#include "proto/describe_configs.h"

#define VERSION_MIN 1
#define VERSION_MAX 4

/* The memory for one resource: a broker's 360 settings need a third of a megabyte. */
#define RESOURCE_ARENA_BYTES (32u << 20)

/* How long one request is worked on before others have their turn. */
#define SLICE_US 20000

struct describe {
	const struct api_loop *al;
	struct req *req;
	struct describe_configs_req in;
	struct arena arena; /* of the resource at hand */
	struct wr *out;
	size_t idx;		/* of the next resource */
	struct loop_timer next; /* between two slices */
};

static bool describe_wants(const struct describe_configs_req_describe_configs_resource *resource,
			   struct str name)
{
	if (resource->configuration_keys_len == 0)
		return true;
	for (size_t i = 0; i < resource->configuration_keys_len; i++)
		if (str_eq(resource->configuration_keys[i], name))
			return true;
	return false;
}

static enum err describe_synonyms(struct describe *d, const struct config_value *value,
				  struct describe_configs_res_describe_configs_resource_result *out)
{
	out->synonyms =
	    describe_configs_res_describe_configs_synonym_array(&d->arena, value->synonyms_len);
	if (out->synonyms == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < value->synonyms_len; i++) {
		out->synonyms[i].name = value->synonyms[i].name;
		out->synonyms[i].value = value->synonyms[i].value;
		out->synonyms[i].source = (int8_t)value->synonyms[i].source;
	}
	out->synonyms_len = value->synonyms_len;
	return ERR_OK;
}

static enum err describe_value(struct describe *d, const struct config_value *value,
			       struct describe_configs_res_describe_configs_resource_result *out)
{
	out->name = value->name;
	out->value = value->value;
	out->read_only = value->read_only;
	out->config_source = (int8_t)value->source;
	out->is_sensitive = value->sensitive;
	out->config_type = value->type;
	out->documentation = d->in.include_documentation ? str_of(value->doc) : STR_NULL;
	return d->in.include_synonyms ? describe_synonyms(d, value, out) : ERR_OK;
}

static enum err
describe_settings(struct describe *d,
		  const struct describe_configs_req_describe_configs_resource *resource,
		  struct describe_configs_res_describe_configs_result *out)
{
	struct config_value *values;
	size_t len;
	enum err err = config_describe(d->al->api->config, d->al->image,
				       (enum config_resource)resource->resource_type,
				       resource->resource_name, &d->arena, &values, &len);

	if (err != ERR_OK)
		return err;
	out->configs = describe_configs_res_describe_configs_resource_result_array(&d->arena, len);
	if (out->configs == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++) {
		if (!describe_wants(resource, values[i].name))
			continue;
		err = describe_value(d, &values[i], &out->configs[out->configs_len++]);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

static enum err
describe_logger(struct describe *d,
		const struct describe_configs_req_describe_configs_resource *resource,
		struct describe_configs_res_describe_configs_result *out)
{
	struct str name = STR(LOGGERS_ROOT);

	if (!describe_wants(resource, name))
		return ERR_OK;
	out->configs = describe_configs_res_describe_configs_resource_result_array(&d->arena, 1);
	if (out->configs == NULL)
		return ERR_NOMEM;
	out->configs_len = 1;
	out->configs[0].name = name;
	out->configs[0].value = str_of(loggers_level());
	out->configs[0].config_source = CONFIG_SOURCE_LOGGER;
	out->configs[0].documentation = STR_NULL;
	return ERR_OK;
}

static void refuse(struct describe_configs_res_describe_configs_result *out, enum err err,
		   struct str message)
{
	out->error_code = errcode_of(err);
	out->error_message = message;
}

/*
 * A broker or its loggers: by its own id; "" is the default of all brokers, which has no loggers.
 */
static enum err
describe_broker(struct describe *d,
		const struct describe_configs_req_describe_configs_resource *resource,
		struct describe_configs_res_describe_configs_result *out)
{
	bool logger = resource->resource_type == CONFIG_RESOURCE_LOGGER;
	struct str name = resource->resource_name;
	int32_t node_id = d->al->api->node_id;
	int64_t id;

	if (name.len == 0 && logger)
		refuse(out, ERR_INVALID_REQUEST, STR("Broker id must not be empty"));
	else if (name.len > 0 && !str_to_int64(name, &id))
		refuse(out, ERR_INVALID_REQUEST,
		       arena_printf(&d->arena, "Broker id must be an integer, but it is: %.*s",
				    STR_ARG(name)));
	else if (name.len > 0 && id != node_id)
		refuse(out, ERR_INVALID_REQUEST,
		       arena_printf(&d->arena,
				    "Unexpected broker id, expected %d%s but received %.*s",
				    node_id, logger ? "" : " or empty string,", STR_ARG(name)));
	else
		return logger ? describe_logger(d, resource, out)
			      : describe_settings(d, resource, out);
	return ERR_OK;
}

static enum err
describe_topic(struct describe *d,
	       const struct describe_configs_req_describe_configs_resource *resource,
	       struct describe_configs_res_describe_configs_result *out)
{
	struct str message;
	enum err err;

	if (image_topic_by_name(d->al->image, resource->resource_name) != NULL)
		return describe_settings(d, resource, out);
	err = controller_check_name(&d->arena, resource->resource_name, &message);
	if (err != ERR_OK)
		refuse(out, err, message);
	else
		out->error_code = errcode_of(ERR_UNKNOWN_TOPIC_OR_PARTITION);
	return ERR_OK;
}

static enum err
describe_resource(struct describe *d,
		  const struct describe_configs_req_describe_configs_resource *resource,
		  struct describe_configs_res_describe_configs_result *out)
{
	out->resource_type = resource->resource_type;
	out->resource_name = resource->resource_name;
	switch (resource->resource_type) {
	case CONFIG_RESOURCE_TOPIC:
		return describe_topic(d, resource, out);
	case CONFIG_RESOURCE_BROKER:
	case CONFIG_RESOURCE_LOGGER:
		return describe_broker(d, resource, out);
	case CONFIG_RESOURCE_METRICS:
	case CONFIG_RESOURCE_GROUP:
		if (resource->resource_name.len > 0)
			return describe_settings(d, resource, out);
		refuse(out, ERR_INVALID_REQUEST,
		       resource->resource_type == CONFIG_RESOURCE_GROUP
			   ? STR("Group name must not be empty")
			   : STR("Client metrics subscription name must not be empty"));
		return ERR_OK;
	default:
		refuse(out, ERR_INVALID_REQUEST, API_INVALID_REQUEST_TEXT);
		return ERR_OK;
	}
}

static enum err describe_write(struct describe *d)
{
	struct describe_configs_res_describe_configs_result out;
	enum err err;

	describe_configs_res_describe_configs_result_init(&out);
	err = describe_resource(d, &d->in.resources[d->idx++], &out);
	if (err != ERR_OK)
		return err;
	describe_configs_res_describe_configs_result_write(&out, d->out,
							   d->req->header.api_version);
	arena_reset(&d->arena);
	return d->out->err;
}

static void describe_end(struct describe *d, enum err err)
{
	arena_fini(&d->arena);
	if (err == ERR_OK && d->req->header.api_version >= DESCRIBE_CONFIGS_FLEXIBLE_VERSION)
		wr_uvarint(d->out, 0); /* tags */
	if (err != ERR_OK)
		api_overload(d->req);
	else
		api_end(d->req);
}

/* Resources until the time is over. Nobody waits for them when the connection has gone. */
static void describe_run(struct describe *d)
{
	int64_t until_us = clock_mono_us(loop_clock(d->al->loop)) + SLICE_US;
	enum err err = ERR_OK;

	while (err == ERR_OK && d->idx < d->in.resources_len && !d->req->abandoned) {
		err = describe_write(d);
		if (err == ERR_OK && d->idx < d->in.resources_len &&
		    clock_mono_us(loop_clock(d->al->loop)) >= until_us) {
			loop_timer_start(&d->next, 0);
			return;
		}
	}
	describe_end(d, err);
}

static void describe_on_next(struct loop_timer *timer)
{
	describe_run(container_of(timer, struct describe, next));
}

static void describe_configs_handle(struct api_loop *al, struct req *req)
{
	struct describe *d = arena_alloc(&req->arena, sizeof(*d));
	int version = req->header.api_version;
	enum err err;

	if (d == NULL) {
		api_overload(req);
		return;
	}
	d->al = al;
	d->req = req;
	err = describe_configs_req_decode(&d->in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	arena_init(&d->arena, RESOURCE_ARENA_BYTES);
	d->out = api_begin(req);
	wr_int32(d->out, 0); /* throttle time */
	wr_array(d->out, d->in.resources_len, false, version >= DESCRIBE_CONFIGS_FLEXIBLE_VERSION);
	loop_timer_init(&d->next, al->loop, describe_on_next);
	describe_run(d);
}

const struct api_handler api_describe_configs = {
    .key = DESCRIBE_CONFIGS_API_KEY,
    .version_min = VERSION_MIN,
    .version_max = VERSION_MAX,
    .handle = describe_configs_handle,
};
