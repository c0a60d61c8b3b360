/*
 * Settings of brokers and groups that clients may change while the broker runs: the record for this
 * broker, else the one for all brokers, else what was there at start.
 */
#include "meta/config_impl.h"
#include "meta/image.h"

static bool parse_record(const struct image *image, enum image_config_type type,
			 struct str resource_name, enum config_id id, struct str *text,
			 struct config_parsed *parsed)
{
	char message[CONFIG_MESSAGE_SIZE];

	*text = image_config_get(image, type, resource_name, str_of(config_rows[id].name));
	return text->ptr != NULL && config_parse(id, *text, parsed, message) == ERR_OK;
}

/* A record that the row does not take (it was not checked by us) counts as absent. */
static struct str dynamic(const struct config *cfg, const struct image *image, enum config_id id,
			  struct config_parsed *parsed)
{
	struct str text;

	must_be(cfg, CONFIG_MAGIC);
	must(cfg->finished && config_rows[id].resource == CONFIG_RESOURCE_BROKER);
	if (image != NULL && config_rows[id].update != CONFIG_READ_ONLY &&
	    (parse_record(image, IMAGE_CONFIG_BROKER, cfg->node_id_text, id, &text, parsed) ||
	     parse_record(image, IMAGE_CONFIG_BROKER, STR(""), id, &text, parsed)))
		return str_trim(text);
	*parsed = cfg->cells[id].parsed;
	return cfg->cells[id].text;
}

struct str config_dynamic_str(const struct config *cfg, const struct image *image,
			      enum config_id id)
{
	struct config_parsed parsed;

	return dynamic(cfg, image, id, &parsed);
}

int64_t config_dynamic_int64(const struct config *cfg, const struct image *image, enum config_id id)
{
	struct config_parsed parsed;

	must(config_rows[id].type == CONFIG_TYPE_INT || config_rows[id].type == CONFIG_TYPE_SHORT ||
	     config_rows[id].type == CONFIG_TYPE_LONG);
	dynamic(cfg, image, id, &parsed);
	return parsed.number;
}

double config_dynamic_double(const struct config *cfg, const struct image *image, enum config_id id)
{
	struct config_parsed parsed;

	must(config_rows[id].type == CONFIG_TYPE_DOUBLE);
	dynamic(cfg, image, id, &parsed);
	return parsed.real;
}

bool config_dynamic_bool(const struct config *cfg, const struct image *image, enum config_id id)
{
	struct config_parsed parsed;

	must(config_rows[id].type == CONFIG_TYPE_BOOLEAN);
	dynamic(cfg, image, id, &parsed);
	return parsed.number == 1;
}

const struct config_bound config_group_bounds[] = {
#define BOTH(id, low, high)                                                \
	{                                                                  \
		GROUP_CONFIG_##id, CONFIG_GROUP_##low, CONFIG_GROUP_##high \
	}
    BOTH(CONSUMER_SESSION_TIMEOUT_MS, CONSUMER_MIN_SESSION_TIMEOUT_MS,
	 CONSUMER_MAX_SESSION_TIMEOUT_MS),
    BOTH(CONSUMER_HEARTBEAT_INTERVAL_MS, CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
	 CONSUMER_MAX_HEARTBEAT_INTERVAL_MS),
    BOTH(CONSUMER_ASSIGNMENT_INTERVAL_MS, CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS,
	 CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS),
    BOTH(SHARE_SESSION_TIMEOUT_MS, SHARE_MIN_SESSION_TIMEOUT_MS, SHARE_MAX_SESSION_TIMEOUT_MS),
    BOTH(SHARE_HEARTBEAT_INTERVAL_MS, SHARE_MIN_HEARTBEAT_INTERVAL_MS,
	 SHARE_MAX_HEARTBEAT_INTERVAL_MS),
    BOTH(SHARE_ASSIGNMENT_INTERVAL_MS, SHARE_MIN_ASSIGNMENT_INTERVAL_MS,
	 SHARE_MAX_ASSIGNMENT_INTERVAL_MS),
    BOTH(SHARE_RECORD_LOCK_DURATION_MS, SHARE_MIN_RECORD_LOCK_DURATION_MS,
	 SHARE_MAX_RECORD_LOCK_DURATION_MS),
    BOTH(SHARE_DELIVERY_COUNT_LIMIT, SHARE_MIN_DELIVERY_COUNT_LIMIT,
	 SHARE_MAX_DELIVERY_COUNT_LIMIT),
    BOTH(SHARE_PARTITION_MAX_RECORD_LOCKS, SHARE_MIN_PARTITION_MAX_RECORD_LOCKS,
	 SHARE_MAX_PARTITION_MAX_RECORD_LOCKS),
    BOTH(STREAMS_SESSION_TIMEOUT_MS, STREAMS_MIN_SESSION_TIMEOUT_MS,
	 STREAMS_MAX_SESSION_TIMEOUT_MS),
    BOTH(STREAMS_HEARTBEAT_INTERVAL_MS, STREAMS_MIN_HEARTBEAT_INTERVAL_MS,
	 STREAMS_MAX_HEARTBEAT_INTERVAL_MS),
    BOTH(STREAMS_ASSIGNMENT_INTERVAL_MS, STREAMS_MIN_ASSIGNMENT_INTERVAL_MS,
	 STREAMS_MAX_ASSIGNMENT_INTERVAL_MS),
    {GROUP_CONFIG_STREAMS_NUM_STANDBY_REPLICAS, CONFIG_NONE,
     CONFIG_GROUP_STREAMS_MAX_STANDBY_REPLICAS},
#undef BOTH
};
const size_t config_group_bounds_len = ARRAY_LEN(config_group_bounds);

/* The bounds may have been narrowed since the group's own value was set. */
static int64_t held_to_bounds(const struct config *cfg, enum config_id id, int64_t number)
{
	for (size_t i = 0; i < config_group_bounds_len; i++) {
		const struct config_bound *bound = &config_group_bounds[i];
		if (bound->id != id)
			continue;
		if (bound->low != CONFIG_NONE && number < config_int64(cfg, bound->low))
			return config_int64(cfg, bound->low);
		if (number > config_int64(cfg, bound->high))
			return config_int64(cfg, bound->high);
	}
	return number;
}

int64_t config_group_int64(const struct config *cfg, const struct image *image, struct str group,
			   enum config_id id)
{
	const struct config_row *row = &config_rows[id];
	struct config_parsed parsed;
	struct str text;

	must(row->resource == CONFIG_RESOURCE_GROUP && row->type == CONFIG_TYPE_INT);
	must(row->synonyms[0] != CONFIG_NONE);
	if (image != NULL && parse_record(image, IMAGE_CONFIG_GROUP, group, id, &text, &parsed))
		return held_to_bounds(cfg, id, parsed.number);
	return config_dynamic_int64(cfg, image, row->synonyms[0]);
}
