/*
 * What a client may change: names, values, and when. Kafka's rules and, where a client shows it,
 * its words. Used by the controller, which knows the records that a resource has.
 */
#include "meta/config_impl.h"
#include "meta/image.h"

#include <stdio.h>

/* The limit that Kafka puts on a stored value. */
#define VALUE_BYTES_MAX 32767

static enum err refuse(enum err err, char *message, const char *format, struct str name)
{
	int len = (int)(name.len < 250 ? name.len : 250);

	snprintf(message, CONFIG_MESSAGE_SIZE, format, len, name.ptr != NULL ? name.ptr : "");
	return err;
}

static enum err unknown_name(enum config_resource resource, struct str name, char *message)
{
	switch (resource) {
	case CONFIG_RESOURCE_TOPIC:
		return refuse(ERR_INVALID_CONFIG, message, "Unknown topic config name: %.*s", name);
	case CONFIG_RESOURCE_GROUP:
		return refuse(ERR_INVALID_CONFIG, message, "Unknown group config name: %.*s", name);
	case CONFIG_RESOURCE_METRICS:
		return refuse(ERR_INVALID_REQUEST, message,
			      "Unknown client metrics configuration: %.*s", name);
	case CONFIG_RESOURCE_BROKER:
	case CONFIG_RESOURCE_LOGGER:
		break;
	}
	return ERR_OK;
}

/* Key=pattern, with the keys that a telemetry subscription can match. */
static enum err check_match(struct str value, char *message)
{
	static const char *const keys[] = {"client_instance_id",    "client_id",
					   "client_software_name",  "client_software_version",
					   "client_source_address", "client_source_port"};
	struct str entry;
	size_t pos = 0;

	while (config_list_next(value, &pos, &entry)) {
		const char *equals = memchr(entry.ptr, '=', entry.len);
		struct str key = {entry.ptr, equals != NULL ? (size_t)(equals - entry.ptr) : 0};
		bool known = false;
		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			known |= str_eq(str_trim(key), str_of(keys[i]));
		if (!known)
			return refuse(ERR_INVALID_CONFIG, message,
				      "Illegal client matching pattern: %.*s", entry);
	}
	return ERR_OK;
}

static enum err check_metrics(enum config_id id, struct str value, char *message)
{
	int64_t number;

	if (id == METRICS_CONFIG_MATCH)
		return check_match(value, message);
	if (config_check(id, value, message) == ERR_OK)
		return ERR_OK;
	if (id == METRICS_CONFIG_INTERVAL_MS && str_to_int64(str_trim(value), &number))
		return refuse(
		    ERR_INVALID_REQUEST, message,
		    "Invalid value %.*s for interval.ms, interval must be between 100 and 3600000 "
		    "(1 hour)",
		    value);
	return ERR_INVALID_CONFIG;
}

static bool is_per_listener(struct str name)
{
	return str_starts(name, STR("ssl.keystore.")) || str_starts(name, STR("ssl.truststore.")) ||
	       str_eq(name, STR("ssl.key.password"));
}

static enum err check_broker(enum config_id id, struct str resource_name, struct config_pair pair,
			     char *message)
{
	bool cluster = resource_name.len == 0, prefixed = id == CONFIG_NONE;

	if (prefixed)
		id = config_find_prefixed(pair.name);
	if (id == CONFIG_NONE || pair.value.ptr == NULL)
		return ERR_OK; /* kept for whoever knows it; anything may be taken away */
	if (config_rows[id].update == CONFIG_READ_ONLY)
		return refuse(ERR_INVALID_REQUEST, message,
			      "Cannot update these configs dynamically: [%.*s]", pair.name);
	if (!prefixed && is_per_listener(pair.name))
		return refuse(
		    ERR_INVALID_REQUEST, message,
		    "These security configs can be dynamically updated only per-listener using "
		    "the listener prefix: [%.*s]",
		    pair.name);
	if (cluster && config_rows[id].update == CONFIG_PER_BROKER && !prefixed)
		return refuse(
		    ERR_INVALID_REQUEST, message,
		    "Cannot update these configs at default cluster level, broker id must be "
		    "specified: [%.*s]",
		    pair.name);
	return config_check(id, pair.value, message) == ERR_OK ? ERR_OK : ERR_INVALID_REQUEST;
}

enum err config_check_change(const struct config *cfg, enum config_resource resource,
			     struct str resource_name, struct config_pair pair,
			     char message[CONFIG_MESSAGE_SIZE])
{
	enum config_id id = config_find(resource, pair.name);

	must_be(cfg, CONFIG_MAGIC);
	message[0] = '\0';
	if (pair.value.ptr != NULL && pair.value.len > VALUE_BYTES_MAX)
		return refuse(
		    ERR_INVALID_CONFIG, message,
		    "The configuration value cannot be added because it exceeds the maximum value "
		    "size of 32767 bytes: %.*s",
		    pair.name);
	if (resource == CONFIG_RESOURCE_BROKER)
		return check_broker(id, resource_name, pair, message);
	if (pair.value.ptr == NULL)
		return ERR_OK;
	if (id == CONFIG_NONE)
		return unknown_name(resource, pair.name, message);
	if (resource == CONFIG_RESOURCE_METRICS)
		return check_metrics(id, pair.value, message);
	return config_check(id, pair.value, message);
}

/* -- several settings together ------------------------------------------------------------- */

static struct str pair_find(const struct config_pair *pairs, size_t len, enum config_id id)
{
	for (size_t i = 0; i < len; i++)
		if (str_eq(pairs[i].name, str_of(config_rows[id].name)))
			return pairs[i].value;
	return STR_NULL;
}

static bool pair_number(const struct config_pair *pairs, size_t len, enum config_id id,
			int64_t *number)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config_parsed parsed;
	struct str text = pair_find(pairs, len, id);

	if (text.ptr == NULL || config_parse(id, text, &parsed, message) != ERR_OK)
		return false;
	*number = parsed.number;
	return true;
}

static enum err topic_together(const struct config *cfg, const struct image *image,
			       const struct config_pair *pairs, size_t pairs_len, char *message)
{
	struct topic_config base;
	int64_t min_lag, max_lag, remote;

	topic_config_resolve(cfg, image, STR(""), &base);
	min_lag = base.min_compaction_lag_ms;
	max_lag = base.max_compaction_lag_ms;
	pair_number(pairs, pairs_len, TOPIC_CONFIG_MIN_COMPACTION_LAG_MS, &min_lag);
	pair_number(pairs, pairs_len, TOPIC_CONFIG_MAX_COMPACTION_LAG_MS, &max_lag);
	if (min_lag > max_lag) {
		snprintf(message, CONFIG_MESSAGE_SIZE,
			 "conflict topic config setting min.compaction.lag.ms (%lld) > "
			 "max.compaction.lag.ms (%lld)",
			 (long long)min_lag, (long long)max_lag);
		return ERR_INVALID_CONFIG;
	}
	if (pair_number(pairs, pairs_len, TOPIC_CONFIG_REMOTE_STORAGE_ENABLE, &remote) &&
	    remote == 1) {
		snprintf(message, CONFIG_MESSAGE_SIZE,
			 "Tiered Storage functionality is disabled in the broker. Topic cannot be "
			 "configured with remote log storage.");
		return ERR_INVALID_CONFIG;
	}
	return ERR_OK;
}

static enum err outside(char *message, enum config_id id, const char *relation,
			enum config_id bound)
{
	snprintf(message, CONFIG_MESSAGE_SIZE, "%s must be %s than or equal to %s",
		 config_rows[id].name, relation, config_rows[bound].name);
	return ERR_INVALID_CONFIG;
}

/* A group's own value, else the broker's. */
static int64_t group_value(const struct config *cfg, const struct image *image,
			   const struct config_pair *pairs, size_t pairs_len, enum config_id id)
{
	int64_t number = 0;

	if (!pair_number(pairs, pairs_len, id, &number))
		number = config_dynamic_int64(cfg, image, config_rows[id].synonyms[0]);
	return number;
}

static enum err group_together(const struct config *cfg, const struct image *image,
			       const struct config_pair *pairs, size_t pairs_len, char *message)
{
	static const enum config_id orders[][2] = {
	    {GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS, GROUP_CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS},
	    {GROUP_CONFIG_SHARE_SESSION_TIMEOUT_MS, GROUP_CONFIG_SHARE_HEARTBEAT_INTERVAL_MS},
	    {GROUP_CONFIG_STREAMS_SESSION_TIMEOUT_MS, GROUP_CONFIG_STREAMS_HEARTBEAT_INTERVAL_MS},
	};
	int64_t number;

	for (size_t i = 0; i < config_group_bounds_len; i++) {
		const struct config_bound *bound = &config_group_bounds[i];
		if (!pair_number(pairs, pairs_len, bound->id, &number))
			continue;
		if (bound->low != CONFIG_NONE && number < config_int64(cfg, bound->low))
			return outside(message, bound->id, "greater", bound->low);
		if (number > config_int64(cfg, bound->high))
			return outside(message, bound->id, "less", bound->high);
	}
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		if (group_value(cfg, image, pairs, pairs_len, orders[i][0]) >
		    group_value(cfg, image, pairs, pairs_len, orders[i][1]))
			continue;
		snprintf(message, CONFIG_MESSAGE_SIZE, "%s must be greater than %s",
			 config_rows[orders[i][0]].name, config_rows[orders[i][1]].name);
		return ERR_INVALID_CONFIG;
	}
	return ERR_OK;
}

/*
 * KIP-966: while eligible leader replicas are kept, min.insync.replicas of all brokers must stand.
 */
static enum err broker_together(const struct image *image, struct str resource_name,
				const struct config_pair *pairs, size_t pairs_len, char *message)
{
	struct str name = STR("min.insync.replicas"), before, after;

	if (image == NULL ||
	    image_feature_level(image, STR("eligible.leader.replicas.version")) < 1)
		return ERR_OK;
	before = image_config_get(image, IMAGE_CONFIG_BROKER, resource_name, name);
	after = pair_find(pairs, pairs_len, CONFIG_MIN_INSYNC_REPLICAS);
	if (resource_name.len > 0 && after.ptr != NULL)
		return refuse(ERR_INVALID_CONFIG, message,
			      "Broker-level %.*s cannot be altered while ELR is enabled.", name);
	if (resource_name.len == 0 && before.ptr != NULL && after.ptr == NULL)
		return refuse(ERR_INVALID_CONFIG, message,
			      "Cluster-level %.*s cannot be removed while ELR is enabled.", name);
	return ERR_OK;
}

enum err config_check_together(const struct config *cfg, const struct image *image,
			       enum config_resource resource, struct str resource_name,
			       const struct config_pair *pairs, size_t pairs_len,
			       char message[CONFIG_MESSAGE_SIZE])
{
	must_be(cfg, CONFIG_MAGIC);
	message[0] = '\0';
	switch (resource) {
	case CONFIG_RESOURCE_TOPIC:
		return topic_together(cfg, image, pairs, pairs_len, message);
	case CONFIG_RESOURCE_GROUP:
		return group_together(cfg, image, pairs, pairs_len, message);
	case CONFIG_RESOURCE_BROKER:
		return broker_together(image, resource_name, pairs, pairs_len, message);
	case CONFIG_RESOURCE_METRICS:
	case CONFIG_RESOURCE_LOGGER:
		break;
	}
	return ERR_OK;
}
