/*
 * What AlterConfigs and IncrementalAlterConfigs share: the checks that Kafka makes before its
 * controller sees a change, the way through the controller, and the answer, which is the same
 * message in both. Control loop only.
 */
#ifndef API_ALTER_CONFIGS_H
#define API_ALTER_CONFIGS_H

#include "api/api.h"
#include "meta/controller.h"

/* One request under way, in its request's arena. */
struct alter_configs {
	struct api_loop *al;
	struct req *req;
	struct controller_config_resource *resources; /* as in the request, with the results */
	size_t resources_len;
	bool validate_only;

	/* private */
	struct controller_config_resource *submitted; /* those that passed the checks here */
	size_t *submitted_idx;			      /* where each came from */
	size_t submitted_len;
	struct controller_wait wait;
};

/* For a request with that many resources. NULL when its arena is full. */
struct alter_configs *alter_configs_new(struct api_loop *al, struct req *req, size_t resources_len,
					bool validate_only) must_check;
/* The next resource; what it returns is room for its changes, NULL when the arena is full. */
struct controller_config_change *alter_configs_add(struct alter_configs *alter, int8_t type,
						   struct str name, size_t changes_len,
						   bool replace) must_check;
/* Checks, changes, waits until every loop has seen it, and answers. */
void alter_configs_run(struct alter_configs *alter);

#endif
