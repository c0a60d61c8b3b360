/*
 * AlterConfigs (33), versions 0-2: all dynamic settings of a resource, given anew.
 *
 * What the request does not name goes back to its default. Clients older than KIP-339 and some
 * younger ones (kafkajs, aiokafka) know no other way; see IncrementalAlterConfigs for the better
 * one.
 *
 * v0  first
 * v1  nothing new
 * v2  flexible
 *
 * Left out on purpose: loggers, as in Kafka.
 */
#include "api/alter_configs.h"
#include "api/handlers.h"
#include "proto/alter_configs.h"

#define VERSION_MAX 2

static bool alter_configs_take(struct alter_configs *alter,
			       const struct alter_configs_req_alter_configs_resource *in)
{
	struct controller_config_change *changes =
	    alter_configs_add(alter, in->resource_type, in->resource_name, in->configs_len, true);

	for (size_t i = 0; changes != NULL && i < in->configs_len; i++)
		changes[i] = (struct controller_config_change){.name = in->configs[i].name,
							       .value = in->configs[i].value,
							       .op = CONTROLLER_CONFIG_SET};
	return changes != NULL;
}

static void alter_configs_handle(struct api_loop *al, struct req *req)
{
	struct alter_configs *alter;
	struct alter_configs_req in;
	enum err err =
	    alter_configs_req_decode(&in, &req->body, req->header.api_version, &req->arena);
	size_t taken = 0;

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	alter = alter_configs_new(al, req, in.resources_len, in.validate_only);
	while (alter != NULL && taken < in.resources_len &&
	       alter_configs_take(alter, &in.resources[taken]))
		taken++;
	if (alter == NULL || taken < in.resources_len)
		api_overload(req);
	else
		alter_configs_run(alter);
}

const struct api_handler api_alter_configs = {
    .key = ALTER_CONFIGS_API_KEY,
    .version_min = 0,
    .version_max = VERSION_MAX,
    .on_control = true,
    .handle = alter_configs_handle,
};
