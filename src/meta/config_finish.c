/*
 * What belongs together among the broker's settings: roles and quorum, directories, limits that
 * refer to each other. Kafka's rules; where this broker takes less than Kafka does, the message
 * says so.
 */
#include "meta/config_impl.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* A value that follows from others and that Kafka shows as if it stood in the file. */
static void put(struct config *cfg, enum config_id id, struct str text, const char *origin)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config_cell *cell = &cfg->cells[id];

	cell->set = true;
	cell->raw = cell->text = text;
	if (cell->origin == NULL)
		cell->origin = origin;
	must(config_parse(id, text, &cell->parsed, message) == ERR_OK);
}

/* -- identity and quorum ------------------------------------------------------------------- */

/* broker.id is the older name of node.id, and takes what that takes where it is given. A file
 * without either, or without roles, is a lone node's. */
static enum err finish_identity(struct config *cfg, char *message)
{
	bool has_node = config_is_set(cfg, CONFIG_NODE_ID);
	bool has_broker = config_is_set(cfg, CONFIG_BROKER_ID);
	int64_t broker = config_int64(cfg, CONFIG_BROKER_ID);
	int64_t node = has_node ? config_int64(cfg, CONFIG_NODE_ID) : has_broker ? broker : 1;
	struct str text = arena_printf(&cfg->arena, "%lld", (long long)node);

	if (text.ptr == NULL)
		return ERR_NOMEM;
	if (has_node && has_broker && broker != node)
		return config_complain(cfg, CONFIG_BROKER_ID, message,
				       "allowed: the same as node.id, %lld", (long long)node);
	if (node < 0)
		return config_complain(cfg, CONFIG_BROKER_ID, message,
				       "allowed: an integer of 32 bits, at least 0");
	put(cfg, CONFIG_NODE_ID, text, "default");
	put(cfg, CONFIG_BROKER_ID, text, "node.id");
	cfg->node_id_text = text;
	if (!config_is_set(cfg, CONFIG_PROCESS_ROLES))
		put(cfg, CONFIG_PROCESS_ROLES, STR("broker,controller"), "default");
	return ERR_OK;
}

static bool has_role(const struct config *cfg, struct str role)
{
	struct str entry;
	size_t pos = 0;

	while (config_list_next(config_str(cfg, CONFIG_PROCESS_ROLES), &pos, &entry))
		if (str_eq(entry, role))
			return true;
	return false;
}

static enum err finish_roles(const struct config *cfg, char *message)
{
	if (has_role(cfg, STR("broker")) && has_role(cfg, STR("controller")))
		return ERR_OK;
	return config_complain(
	    cfg, CONFIG_PROCESS_ROLES, message,
	    "allowed: broker,controller (joining a quorum of other controllers is not "
	    "built yet)");
}

/* host:port with a port that is in range; the host may be in brackets. */
static bool read_address(struct str text, int64_t *port)
{
	size_t colon = text.len;

	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return false;
	return str_to_int64((struct str){text.ptr + colon, text.len - colon}, port) && *port >= 0 &&
	       *port <= UINT16_MAX;
}

static enum err finish_voters(const struct config *cfg, char *message)
{
	enum config_id id = CONFIG_CONTROLLER_QUORUM_VOTERS;
	int64_t node = config_node_id(cfg), voter, port;
	struct str entry;
	size_t pos = 0;

	while (config_list_next(config_str(cfg, id), &pos, &entry)) {
		const char *at = memchr(entry.ptr, '@', entry.len);
		size_t len = at != NULL ? (size_t)(at - entry.ptr) : 0;
		if (at == NULL || !str_to_int64((struct str){entry.ptr, len}, &voter) ||
		    voter < 0 || !read_address((struct str){at + 1, entry.len - len - 1}, &port))
			return config_complain(cfg, id, message,
					       "allowed: entries in the form {id}@{host}:{port}");
		if (voter != node)
			return config_complain(cfg, id, message,
					       "allowed: this node alone, as %lld@{host}:{port} "
					       "(joining a quorum of other "
					       "controllers is not built yet)",
					       (long long)node);
	}
	return ERR_OK;
}

static bool is_own_controller_port(const struct config *cfg, int64_t port)
{
	for (size_t i = 0; i < cfg->listeners_len; i++)
		if (cfg->listeners[i].controller && cfg->listeners[i].port == port)
			return true;
	return false;
}

/* Its host cannot be told to be ours without asking the network, so the port decides. */
static enum err finish_bootstrap(const struct config *cfg, char *message)
{
	enum config_id id = CONFIG_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS;
	struct str entry;
	size_t pos = 0, count = 0;
	int64_t port;

	while (config_list_next(config_str(cfg, id), &pos, &entry)) {
		if (!read_address(entry, &port))
			return config_complain(cfg, id, message,
					       "allowed: entries in the form {host}:{port}");
		if (++count > 1 || !is_own_controller_port(cfg, port))
			return config_complain(cfg, id, message,
					       "allowed: this node's own controller listener alone "
					       "(joining a quorum of "
					       "other controllers is not built yet)");
	}
	return ERR_OK;
}

/* -- directories --------------------------------------------------------------------------- */

static enum err add_dir(struct config *cfg, enum config_id id, struct str dir, char *message)
{
	if (dir.len >= PATH_MAX / 2)
		return config_complain(cfg, id, message, "allowed: a shorter path");
	cfg->log_dirs[cfg->log_dirs_len] = arena_printf(&cfg->arena, "%.*s", STR_ARG(dir)).ptr;
	return cfg->log_dirs[cfg->log_dirs_len++] != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err finish_dirs(struct config *cfg, char *message)
{
	enum config_id id =
	    config_str(cfg, CONFIG_LOG_DIRS).ptr != NULL ? CONFIG_LOG_DIRS : CONFIG_LOG_DIR;
	struct str list = config_str(cfg, id), dir;
	struct str metadata = str_trim(config_str(cfg, CONFIG_METADATA_LOG_DIR));
	size_t pos = 0, len = 0;
	enum err err = ERR_OK;

	while (config_list_next(list, &pos, &dir))
		len++;
	if (len == 0)
		return config_complain(cfg, id, message, "allowed: a directory");
	cfg->log_dirs = arena_array(&cfg->arena, len, sizeof(*cfg->log_dirs));
	if (cfg->log_dirs == NULL)
		return ERR_NOMEM;
	for (pos = 0; err == ERR_OK && config_list_next(list, &pos, &dir);)
		err = add_dir(cfg, id, dir, message);
	cfg->metadata_log_dir = cfg->log_dirs[0];
	if (metadata.len > 0)
		cfg->metadata_log_dir = arena_printf(&cfg->arena, "%.*s", STR_ARG(metadata)).ptr;
	return err != ERR_OK || cfg->metadata_log_dir != NULL ? err : ERR_NOMEM;
}

/* -- limits -------------------------------------------------------------------------------- */

/* The row that log.retention.ms and its like take their value from. */
static enum config_id first_set(const struct config *cfg, enum config_id topic_row)
{
	const enum config_id *synonyms = config_rows[topic_row].synonyms;
	size_t i = 0;

	while (i + 1 < CONFIG_SYNONYMS_MAX && synonyms[i + 1] != CONFIG_NONE &&
	       config_str(cfg, synonyms[i]).ptr == NULL)
		i++;
	return synonyms[i];
}

static enum err finish_times(const struct config *cfg, char *message)
{
	if (config_log_retention_ms(cfg) == 0)
		return config_complain(cfg, first_set(cfg, TOPIC_CONFIG_RETENTION_MS), message,
				       "allowed: -1 (without end), or at least 1");
	if (config_log_roll_ms(cfg) < 1)
		return config_complain(cfg, first_set(cfg, TOPIC_CONFIG_SEGMENT_MS), message,
				       "allowed: at least 1");
	if (config_log_roll_jitter_ms(cfg) < 0)
		return config_complain(cfg, first_set(cfg, TOPIC_CONFIG_SEGMENT_JITTER_MS), message,
				       "allowed: at least 0");
	if (config_log_flush_interval_ms(cfg) < 0)
		return config_complain(cfg, first_set(cfg, TOPIC_CONFIG_FLUSH_MS), message,
				       "allowed: at least 0");
	return ERR_OK;
}

/* small must not be over large. */
static enum err order(const struct config *cfg, enum config_id small, enum config_id large,
		      char *message)
{
	if (config_int64(cfg, small) <= config_int64(cfg, large))
		return ERR_OK;
	if (config_is_set(cfg, small))
		return config_complain(cfg, small, message, "allowed: at most %s, %lld",
				       config_rows[large].name,
				       (long long)config_int64(cfg, large));
	return config_complain(cfg, large, message, "allowed: at least %s, %lld",
			       config_rows[small].name, (long long)config_int64(cfg, small));
}

static enum err finish_orders(const struct config *cfg, char *message)
{
	static const enum config_id pairs[][2] = {
	    {CONFIG_REPLICA_FETCH_WAIT_MAX_MS, CONFIG_REPLICA_SOCKET_TIMEOUT_MS},
	    {CONFIG_REPLICA_FETCH_WAIT_MAX_MS, CONFIG_REPLICA_LAG_TIME_MAX_MS},
#define BOUNDS(low, value, high)                                       \
	{CONFIG_##low, CONFIG_##high}, {CONFIG_##low, CONFIG_##value}, \
	    {CONFIG_##value, CONFIG_##high}
#define MIN_AND_MAX(kind, what) BOUNDS(kind##_MIN_##what, kind##_##what, kind##_MAX_##what)
	    MIN_AND_MAX(GROUP_CONSUMER, SESSION_TIMEOUT_MS),
	    MIN_AND_MAX(GROUP_CONSUMER, HEARTBEAT_INTERVAL_MS),
	    MIN_AND_MAX(GROUP_CONSUMER, ASSIGNMENT_INTERVAL_MS),
	    MIN_AND_MAX(GROUP_SHARE, SESSION_TIMEOUT_MS),
	    MIN_AND_MAX(GROUP_SHARE, HEARTBEAT_INTERVAL_MS),
	    MIN_AND_MAX(GROUP_SHARE, ASSIGNMENT_INTERVAL_MS),
	    MIN_AND_MAX(GROUP_SHARE, RECORD_LOCK_DURATION_MS),
	    MIN_AND_MAX(GROUP_SHARE, PARTITION_MAX_RECORD_LOCKS),
	    MIN_AND_MAX(GROUP_SHARE, DELIVERY_COUNT_LIMIT),
	    MIN_AND_MAX(GROUP_STREAMS, SESSION_TIMEOUT_MS),
	    MIN_AND_MAX(GROUP_STREAMS, HEARTBEAT_INTERVAL_MS),
	    MIN_AND_MAX(GROUP_STREAMS, ASSIGNMENT_INTERVAL_MS),
	    {CONFIG_GROUP_STREAMS_NUM_STANDBY_REPLICAS, CONFIG_GROUP_STREAMS_MAX_STANDBY_REPLICAS},
	};
	enum err err;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if ((err = order(cfg, pairs[i][0], pairs[i][1], message)) != ERR_OK)
			return err;
	return ERR_OK;
}

static bool list_has(struct str list, struct str word)
{
	struct str entry;
	size_t pos = 0;

	while (config_list_next(list, &pos, &entry))
		if (str_eq(entry, word))
			return true;
	return false;
}

static enum err finish_misc(const struct config *cfg, char *message)
{
	if (config_int64(cfg, CONFIG_MAX_CONNECTIONS_PER_IP) == 0 &&
	    config_str(cfg, CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES).len == 0)
		return config_complain(
		    cfg, CONFIG_MAX_CONNECTIONS_PER_IP, message,
		    "allowed: 0 only where max.connections.per.ip.overrides is set");
	if (!list_has(config_str(cfg, CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS),
		      STR("classic")))
		return config_complain(cfg, CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS, message,
				       "allowed: a list with classic in it");
	/* Starting without the access control that the file asks for would open what it closes. */
	if (config_str(cfg, CONFIG_AUTHORIZER_CLASS_NAME).len > 0)
		return config_complain(cfg, CONFIG_AUTHORIZER_CLASS_NAME, message,
				       "allowed: nothing (access control is not built yet)");
	return ERR_OK;
}

enum err config_finish(struct config *cfg, char message[CONFIG_MESSAGE_SIZE])
{
	enum err err;

	must_be(cfg, CONFIG_MAGIC);
	must(!cfg->finished);
	snprintf(message, CONFIG_MESSAGE_SIZE, "out of memory");
	if ((err = finish_identity(cfg, message)) != ERR_OK ||
	    (err = finish_roles(cfg, message)) != ERR_OK ||
	    (err = finish_voters(cfg, message)) != ERR_OK ||
	    (err = config_listeners_read(cfg, message)) != ERR_OK ||
	    (err = finish_bootstrap(cfg, message)) != ERR_OK ||
	    (err = finish_dirs(cfg, message)) != ERR_OK ||
	    (err = finish_times(cfg, message)) != ERR_OK ||
	    (err = finish_orders(cfg, message)) != ERR_OK ||
	    (err = finish_misc(cfg, message)) != ERR_OK)
		return err;
	config_topic_base(cfg, &cfg->topic_base);
	cfg->finished = true;
	return ERR_OK;
}
