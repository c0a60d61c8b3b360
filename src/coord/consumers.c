/*
 * Consumer groups (KIP-848): what their state machine has to know of the cluster, and their two
 * requests. See coord.h.
 */
#include "coord/coord_int.h"
#include "meta/config.h"
#include "meta/controller.h"

static const struct image *consumers_image(const struct coord *coord)
{
	return coord->o.controller != NULL ? controller_image(coord->o.controller) : NULL;
}

/* -- topics -------------------------------------------------------------------------------- */

static bool consumers_by_name(void *ctx, struct str name, struct uuid *id, int32_t *partitions_len)
{
	const struct image *image = consumers_image(ctx);
	const struct image_topic *topic = image != NULL ? image_topic_by_name(image, name) : NULL;

	if (topic == NULL)
		return false;
	*id = topic->id;
	*partitions_len = topic->partitions_len;
	return true;
}

static bool consumers_by_id(void *ctx, struct uuid id, struct str *name)
{
	const struct image *image = consumers_image(ctx);
	const struct image_topic *topic = image != NULL ? image_topic_by_id(image, id) : NULL;

	if (topic == NULL)
		return false;
	*name = topic->name;
	return true;
}

static bool consumers_next(void *ctx, struct str after, struct str *name)
{
	const struct image *image = consumers_image(ctx);
	const struct image_topic *topic = NULL;

	if (image != NULL)
		topic = image_topic_seek(image, after, after.ptr != NULL);
	if (topic == NULL)
		return false;
	*name = topic->name;
	return true;
}

void consumers_look(struct coord *coord)
{
	const struct image *image = consumers_image(coord);

	coord->topics.version = image != NULL ? (uint64_t)image->offset : 0;
}

void consumers_init(struct coord *coord)
{
	coord->topics = (struct consumer_topics){.ctx = coord,
						 .by_name = consumers_by_name,
						 .by_id = consumers_by_id,
						 .next = consumers_next};
	if (coord->o.config != NULL && config_is_set(coord->o.config, CONFIG_BROKER_RACK))
		coord->topics.rack = config_str(coord->o.config, CONFIG_BROKER_RACK);
}

/* -- settings ------------------------------------------------------------------------------ */

/* Kafka takes names of its own assignors as well as their classes'. */
static struct str consumers_assignor(const struct config *config)
{
	struct str entry;
	size_t pos = 0;

	if (config == NULL ||
	    !config_list_next(config_str(config, CONFIG_GROUP_CONSUMER_ASSIGNORS), &pos, &entry))
		return STR("uniform");
	if (str_eq(entry, STR("range")) ||
	    str_eq(entry, STR("org.apache.kafka.coordinator.group.assignor.RangeAssignor")))
		return STR("range");
	return STR("uniform");
}

struct consumer_cfg consumers_cfg(const struct coord *coord, struct str group)
{
	const struct config *config = coord->o.config;
	const struct image *image = consumers_image(coord);
	struct consumer_cfg cfg = {.session_ms = 45000,
				   .heartbeat_ms = 5000,
				   .assignment_ms = 1000,
				   .size_max = INT32_MAX,
				   .assignor = consumers_assignor(config)};

	if (config == NULL)
		return cfg;
	cfg.session_ms = (int32_t)config_group_int64(config, image, group,
						     GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS);
	cfg.heartbeat_ms = (int32_t)config_group_int64(config, image, group,
						       GROUP_CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS);
	cfg.assignment_ms =
	    (int32_t)config_group_int64(config, image, group,
					GROUP_CONFIG_CONSUMER_ASSIGNMENT_INTERVAL_MS);
	cfg.size_max = (int32_t)config_int64(config, CONFIG_GROUP_CONSUMER_MAX_SIZE);
	return cfg;
}

/* -- requests ------------------------------------------------------------------------------ */

enum err coord_consumer_heartbeat(struct coord *coord, struct coord_call *call,
				  struct consumer_ask *ask, struct consumer_answer *answer)
{
	struct consumer_cfg cfg;
	struct cshard *shard;
	enum err err = coord_find(coord, ask->group, &shard);

	*answer = (struct consumer_answer){0};
	if (err != ERR_OK)
		return err;
	cfg = consumers_cfg(coord, ask->group);
	ask->cfg = &cfg;
	consumers_look(coord);
	err = consumer_heartbeat(shard->groups, coord_now(coord), ask, &coord->fx, answer);
	ask->cfg = NULL;
	return err != ERR_OK ? err : coord_finish(shard, call);
}

enum err coord_consumer_check(struct coord *coord, struct str group, struct str member_id,
			      int32_t member_epoch)
{
	struct cshard *shard;
	enum err err = coord_find(coord, group, &shard);

	return err != ERR_OK ? err : consumer_check(shard->groups, group, member_id, member_epoch);
}

enum err coord_consumer_describe(struct coord *coord, struct coord_call *call, struct str group,
				 struct consumer_view *out)
{
	struct consumer_cfg cfg = consumers_cfg(coord, group);
	struct cshard *shard;
	enum err err = coord_find_named(coord, group, &shard);

	if (err != ERR_OK)
		return err;
	hold_until_durable(&shard->log, call);
	return consumer_describe(shard->groups, group, &cfg, call->arena, out);
}
