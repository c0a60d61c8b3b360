/*
 * IncrementalAlterConfigs (44), versions 0-1: single settings set, deleted, appended to, subtracted
 * from (KIP-339).
 *
 * v0  first
 * v1  flexible
 *
 * Left out on purpose: nothing.
 */
#include "api/alter_configs.h"
#include "api/handlers.h"
#include "proto/incremental_alter_configs.h"

#define VERSION_MAX 1

static bool incremental_alter_configs_take(
    struct alter_configs *alter,
    const struct incremental_alter_configs_req_alter_configs_resource *in)
{
	struct controller_config_change *changes =
	    alter_configs_add(alter, in->resource_type, in->resource_name, in->configs_len, false);

	for (size_t i = 0; changes != NULL && i < in->configs_len; i++)
		changes[i] =
		    (struct controller_config_change){.name = in->configs[i].name,
						      .value = in->configs[i].value,
						      .op = in->configs[i].config_operation};
	return changes != NULL;
}

static void incremental_alter_configs_handle(struct api_loop *al, struct req *req)
{
	struct alter_configs *alter;
	struct incremental_alter_configs_req in;
	enum err err = incremental_alter_configs_req_decode(&in, &req->body,
							    req->header.api_version, &req->arena);
	size_t taken = 0;

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	alter = alter_configs_new(al, req, in.resources_len, in.validate_only);
	while (alter != NULL && taken < in.resources_len &&
	       incremental_alter_configs_take(alter, &in.resources[taken]))
		taken++;
	if (alter == NULL || taken < in.resources_len)
		api_overload(req);
	else
		alter_configs_run(alter);
}

const struct api_handler api_incremental_alter_configs = {
    .key = INCREMENTAL_ALTER_CONFIGS_API_KEY,
    .version_min = 0,
    .version_max = VERSION_MAX,
    .on_control = true,
    .handle = incremental_alter_configs_handle,
};
