/*
 * Changes of settings on their way to the controller.
 *
 * A resource is changed as a whole or not at all, each on its own: one that is refused does not
 * keep the others back. Loggers are never stored, so they never reach the controller.
 */
#include "api/alter_configs.h"

#include <stdlib.h>

#include "api/loggers.h"
#include "meta/config.h"
#include "wire/apis.h"

static void refuse(struct controller_config_resource *resource, enum err err, struct str message)
{
	resource->err = err;
	resource->message = message;
}

/* -- twice the same ------------------------------------------------------------------------ */

static int compare_resources(const void *a, const void *b)
{
	const struct controller_config_resource *one =
	    *(struct controller_config_resource *const *)a;
	const struct controller_config_resource *two =
	    *(struct controller_config_resource *const *)b;

	return one->type != two->type ? one->type - two->type : str_cmp(one->name, two->name);
}

static int compare_names(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool refuse_same_resources(struct alter_configs *alter)
{
	struct controller_config_resource **sorted =
	    arena_array(&alter->req->arena, alter->resources_len, sizeof(*sorted));

	if (sorted == NULL)
		return alter->resources_len == 0;
	for (size_t i = 0; i < alter->resources_len; i++)
		sorted[i] = &alter->resources[i];
	qsort(sorted, alter->resources_len, sizeof(*sorted), compare_resources);
	for (size_t i = 1; i < alter->resources_len; i++) {
		if (compare_resources(&sorted[i - 1], &sorted[i]) != 0)
			continue;
		refuse(sorted[i - 1], ERR_INVALID_REQUEST,
		       STR("Each resource must appear at most once."));
		refuse(sorted[i], ERR_INVALID_REQUEST,
		       STR("Each resource must appear at most once."));
	}
	return true;
}

static bool refuse_same_names(struct alter_configs *alter,
			      struct controller_config_resource *resource)
{
	struct str *sorted =
	    arena_array(&alter->req->arena, resource->changes_len, sizeof(*sorted));

	if (sorted == NULL)
		return resource->changes_len == 0;
	for (size_t i = 0; i < resource->changes_len; i++)
		sorted[i] = resource->changes[i].name;
	qsort(sorted, resource->changes_len, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < resource->changes_len; i++)
		if (str_eq(sorted[i - 1], sorted[i]))
			refuse(resource, ERR_INVALID_REQUEST,
			       STR("Error due to duplicate config keys"));
	return true;
}

/* -- what is wrong with one resource ------------------------------------------------------- */

static void refuse_nulls(struct arena *arena, struct controller_config_resource *resource)
{
	for (size_t i = 0; i < resource->changes_len; i++) {
		const struct controller_config_change *change = &resource->changes[i];
		if (change->value.ptr == NULL && change->op != CONTROLLER_CONFIG_DELETE)
			refuse(resource, ERR_INVALID_REQUEST,
			       arena_printf(arena, "Null value not supported for : %.*s",
					    STR_ARG(change->name)));
	}
}

static void refuse_bad_topic(struct arena *arena, struct controller_config_resource *resource)
{
	if (resource->name.len == 0)
		refuse(resource, ERR_INVALID_REQUEST,
		       STR("Default topic resources are not allowed."));
	else
		resource->err = controller_check_name(arena, resource->name, &resource->message);
}

static void refuse_other_broker(struct alter_configs *alter,
				struct controller_config_resource *resource)
{
	bool logger = resource->type == CONFIG_RESOURCE_LOGGER;
	struct arena *arena = &alter->req->arena;
	int32_t node_id = alter->al->api->node_id;
	int64_t id;

	if (resource->name.len == 0 && !logger)
		return;
	if (!str_to_int64(resource->name, &id))
		refuse(resource, ERR_INVALID_REQUEST,
		       arena_printf(arena, "Node id must be an integer, but it is: %.*s",
				    STR_ARG(resource->name)));
	else if (id != node_id)
		refuse(resource, ERR_INVALID_REQUEST,
		       arena_printf(arena,
				    logger ? "Unexpected node id. Expected %d, but received %.*s"
					   : "Unexpected broker id, expected %d, but received %.*s",
				    node_id, STR_ARG(resource->name)));
}

/* -- loggers ------------------------------------------------------------------------------- */

static void refuse_logger(struct arena *arena, struct controller_config_resource *resource,
			  const struct controller_config_change *change)
{
	static const char levels[] = "DEBUG, ERROR, FATAL, INFO, TRACE, WARN";
	struct str name = change->name, value = change->value;
	bool known = false, root = str_eq(name, STR(LOGGERS_ROOT));
	struct str level;
	size_t pos = 0;

	while (config_list_next(str_of(levels), &pos, &level))
		known |= str_eq(level, value);
	if (change->op != CONTROLLER_CONFIG_SET && change->op != CONTROLLER_CONFIG_DELETE)
		refuse(resource, ERR_INVALID_REQUEST,
		       arena_printf(arena,
				    "%s operation is not allowed for the BROKER_LOGGER resource",
				    change->op == CONTROLLER_CONFIG_APPEND ? "APPEND"
									   : "SUBTRACT"));
	else if (!root)
		refuse(resource, ERR_INVALID_CONFIG,
		       arena_printf(arena, "Logger %.*s does not exist!", STR_ARG(name)));
	else if (change->op == CONTROLLER_CONFIG_DELETE)
		refuse(resource, ERR_INVALID_REQUEST,
		       STR("Removing the log level of the root logger is not allowed"));
	else if (!known)
		refuse(resource, ERR_INVALID_CONFIG,
		       arena_printf(
			   arena,
			   "Cannot set the log level of %.*s to %.*s as it is not a supported "
			   "log level. Valid log levels are %s",
			   STR_ARG(name), STR_ARG(value), levels));
}

static void change_loggers(struct alter_configs *alter, struct controller_config_resource *resource)
{
	for (size_t i = 0; i < resource->changes_len; i++)
		refuse_logger(&alter->req->arena, resource, &resource->changes[i]);
	for (size_t i = 0; i < resource->changes_len; i++)
		if (resource->err == ERR_OK && !alter->validate_only &&
		    loggers_set_level(resource->changes[i].value) != ERR_OK)
			resource->err = ERR_INVALID_CONFIG;
}

/* -- the way ------------------------------------------------------------------------------- */

static bool check_resource(struct alter_configs *alter, struct controller_config_resource *resource)
{
	struct arena *arena = &alter->req->arena;
	bool loggers = resource->type == CONFIG_RESOURCE_LOGGER && !resource->replace;

	if (resource->err != ERR_OK)
		return true;
	if (!refuse_same_names(alter, resource))
		return false;
	refuse_nulls(arena, resource);
	if (resource->err != ERR_OK)
		return true;
	switch (resource->type) {
	case CONFIG_RESOURCE_BROKER:
		refuse_other_broker(alter, resource);
		break;
	case CONFIG_RESOURCE_TOPIC:
		refuse_bad_topic(arena, resource);
		break;
	case CONFIG_RESOURCE_METRICS:
	case CONFIG_RESOURCE_GROUP:
		break;
	default:
		if (!loggers) {
			refuse(resource, ERR_INVALID_REQUEST,
			       arena_printf(arena, "Unknown resource type %d", resource->type));
			break;
		}
		refuse_other_broker(alter, resource);
		if (resource->err == ERR_OK)
			change_loggers(alter, resource);
	}
	return true;
}

static bool submit(struct alter_configs *alter)
{
	struct arena *arena = &alter->req->arena;
	size_t len = alter->resources_len;

	alter->submitted = arena_array(arena, len, sizeof(*alter->submitted));
	alter->submitted_idx = arena_array(arena, len, sizeof(*alter->submitted_idx));
	if (len > 0 && (alter->submitted == NULL || alter->submitted_idx == NULL))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (alter->resources[i].err != ERR_OK ||
		    alter->resources[i].type == CONFIG_RESOURCE_LOGGER)
			continue;
		alter->submitted_idx[alter->submitted_len] = i;
		alter->submitted[alter->submitted_len++] = alter->resources[i];
	}
	controller_alter_configs(alter->al->api->controller, arena, alter->submitted,
				 alter->submitted_len, alter->validate_only);
	for (size_t i = 0; i < alter->submitted_len; i++)
		alter->resources[alter->submitted_idx[i]] = alter->submitted[i];
	return true;
}

static void write_result(const struct controller_config_resource *resource, bool flexible,
			 struct wr *out)
{
	wr_int16(out, errcode_of(resource->err));
	wr_str(out, resource->err == ERR_OK ? STR_NULL : resource->message, flexible, true);
	wr_int8(out, resource->type);
	wr_str(out, resource->name, flexible, false);
	if (flexible)
		wr_uvarint(out, 0); /* tags */
}

/* Both APIs' answers are one message, but for the version that made it flexible. */
static void answer(struct alter_configs *alter)
{
	const struct req_header *header = &alter->req->header;
	bool flexible = apis_response_tags(header->api_key, header->api_version);
	struct wr *out = api_begin(alter->req);

	wr_int32(out, 0); /* throttle time */
	wr_array(out, alter->resources_len, false, flexible);
	for (size_t i = 0; i < alter->resources_len; i++)
		write_result(&alter->resources[i], flexible, out);
	if (flexible)
		wr_uvarint(out, 0); /* tags */
	api_end(alter->req);
}

/* The changes are durable and seen everywhere, or the metadata log has failed. */
static void committed(struct controller_wait *wait, enum err err)
{
	struct alter_configs *alter = container_of(wait, struct alter_configs, wait);

	for (size_t i = 0; err != ERR_OK && i < alter->submitted_len; i++) {
		struct controller_config_resource *resource =
		    &alter->resources[alter->submitted_idx[i]];
		if (resource->err == ERR_OK)
			refuse(resource, err, str_of(err_text(err)));
	}
	answer(alter);
}

struct alter_configs *alter_configs_new(struct api_loop *al, struct req *req, size_t resources_len,
					bool validate_only)
{
	struct alter_configs *alter = arena_alloc(&req->arena, sizeof(*alter));

	if (alter == NULL)
		return NULL;
	*alter = (struct alter_configs){.al = al, .req = req, .validate_only = validate_only};
	alter->resources = arena_array(&req->arena, resources_len > 0 ? resources_len : 1,
				       sizeof(*alter->resources));
	return alter->resources != NULL ? alter : NULL;
}

struct controller_config_change *alter_configs_add(struct alter_configs *alter, int8_t type,
						   struct str name, size_t changes_len,
						   bool replace)
{
	struct controller_config_change *changes =
	    arena_array(&alter->req->arena, changes_len > 0 ? changes_len : 1, sizeof(*changes));

	if (changes != NULL)
		alter->resources[alter->resources_len++] =
		    (struct controller_config_resource){.type = type,
							.name = name,
							.changes = changes,
							.changes_len = changes_len,
							.replace = replace,
							.message = STR_NULL};
	return changes;
}

void alter_configs_run(struct alter_configs *alter)
{
	bool ok = refuse_same_resources(alter);

	for (size_t i = 0; ok && i < alter->resources_len; i++)
		ok = check_resource(alter, &alter->resources[i]);
	if (!ok || !submit(alter)) {
		api_overload(alter->req);
		return;
	}
	if (alter->validate_only || alter->submitted_len == 0) {
		answer(alter);
		return;
	}
	alter->wait.done = committed;
	controller_commit(alter->al->api->controller, &alter->wait);
}
