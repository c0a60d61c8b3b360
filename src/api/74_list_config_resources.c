/*
 * ListConfigResources (74), versions 0-1: what has settings of its own (KIP-1142).
 *
 * Topics and brokers are all told of; groups and client metrics only when something was set.
 *
 * v0  flexible from the start; client metrics alone (KIP-714)
 * v1  the kinds that are asked for, none: all
 */
#include <inttypes.h>

#include "api/handlers.h"
#include "meta/image.h"
#include "proto/list_config_resources.h"

#define RES(name) list_config_resources_res_##name

#define KIND_BROKER_LOGGER 8

static const int8_t resources_kinds[] = {IMAGE_CONFIG_TOPIC, IMAGE_CONFIG_BROKER,
					 KIND_BROKER_LOGGER, IMAGE_CONFIG_CLIENT_METRICS,
					 IMAGE_CONFIG_GROUP};
#define KINDS_LEN (sizeof(resources_kinds) / sizeof(resources_kinds[0]))

/* Adds one, or only counts it when there is no array yet. */
static void resources_add(struct list_config_resources_res *res, int8_t kind, struct str name)
{
	if (res->config_resources != NULL) {
		res->config_resources[res->config_resources_len].resource_name = name;
		res->config_resources[res->config_resources_len].resource_type = kind;
	}
	res->config_resources_len++;
}

static bool resources_brokers(const struct image *image, int8_t kind, struct arena *arena,
			      struct list_config_resources_res *res)
{
	const struct image_broker *broker = image_broker_seek(image, 0);

	for (; broker != NULL;
	     broker = broker->id == INT32_MAX ? NULL : image_broker_seek(image, broker->id + 1)) {
		struct str name = arena_printf(arena, "%" PRId32, broker->id);

		if (name.ptr == NULL)
			return false;
		if (!broker->fenced)
			resources_add(res, kind, name);
	}
	return true;
}

static void resources_set(const struct image *image, int8_t kind,
			  struct list_config_resources_res *res)
{
	struct str name = STR_NULL;

	while (image_config_resource_next(image, (enum image_config_type)kind, name, &name))
		resources_add(res, kind, name);
}

static bool resources_of(const struct image *image, int8_t kind, struct arena *arena,
			 struct list_config_resources_res *res)
{
	if (kind == IMAGE_CONFIG_BROKER || kind == KIND_BROKER_LOGGER)
		return resources_brokers(image, kind, arena, res);
	if (kind != IMAGE_CONFIG_TOPIC) {
		resources_set(image, kind, res);
		return true;
	}
	IMAGE_TOPICS_FOREACH(image, topic)
	resources_add(res, kind, topic->name);
	return true;
}

/* Which of the known kinds are asked for, as a set of bits; ERR_UNSUPPORTED_VERSION: another is. */
static enum err resources_asked(const struct list_config_resources_req *in, int version,
				unsigned *kinds)
{
	unsigned known = 0;

	for (size_t i = 0; i < KINDS_LEN; i++)
		known |= (unsigned)resources_kinds[i];
	if (version == 0) {
		*kinds = IMAGE_CONFIG_CLIENT_METRICS;
		return ERR_OK;
	}
	*kinds = in->resource_types_len == 0 ? known : 0;
	for (size_t i = 0; i < in->resource_types_len; i++) {
		int8_t kind = in->resource_types[i];

		if (kind <= 0 || (kind & (kind - 1)) != 0 || ((unsigned)kind & known) == 0)
			return ERR_UNSUPPORTED_VERSION;
		*kinds |= (unsigned)kind;
	}
	return ERR_OK;
}

static bool resources_collect(const struct image *image, unsigned kinds, struct arena *arena,
			      struct list_config_resources_res *res)
{
	res->config_resources_len = 0;
	for (size_t i = 0; i < KINDS_LEN; i++)
		if (((unsigned)resources_kinds[i] & kinds) != 0 &&
		    !resources_of(image, resources_kinds[i], arena, res))
			return false;
	return true;
}

/* Counts, makes room, and fills. False: out of memory. */
static bool resources_fill(const struct image *image, unsigned kinds, struct arena *arena,
			   struct list_config_resources_res *res)
{
	if (!resources_collect(image, kinds, arena, res))
		return false;
	res->config_resources = RES(config_resource_array)(arena, res->config_resources_len);
	return res->config_resources != NULL && resources_collect(image, kinds, arena, res);
}

static void resources_handle(struct api_loop *al, struct req *req)
{
	int version = req->header.api_version;
	struct list_config_resources_req in;
	struct list_config_resources_res res;
	unsigned kinds = 0;
	enum err err;

	err = list_config_resources_req_decode(&in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	list_config_resources_res_init(&res);
	err = resources_asked(&in, version, &kinds);
	if (err != ERR_OK) {
		res.error_code = errcode_of(err);
	} else if (!resources_fill(al->image, kinds, &req->arena, &res)) {
		api_overload(req);
		return;
	}
	list_config_resources_res_encode(&res, api_begin(req), version);
	api_end(req);
}

const struct api_handler api_list_config_resources = {
    .key = LIST_CONFIG_RESOURCES_API_KEY,
    .version_min = LIST_CONFIG_RESOURCES_MIN_VERSION,
    .version_max = LIST_CONFIG_RESOURCES_MAX_VERSION,
    .handle = resources_handle,
};
