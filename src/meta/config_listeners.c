/*
 * listeners, advertised.listeners, listener.security.protocol.map, controller.listener.names and
 * inter.broker.listener.name, read together by Kafka's rules.
 *
 * Narrower than Kafka: a broker's listener must be PLAINTEXT, since TLS and SASL are not built yet;
 * a port must be one. Wider: `[::]` counts as every address, and is advertised as the host's name.
 */
#include "meta/config_impl.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const protocol_names[] = {
    [CONFIG_PLAINTEXT] = "PLAINTEXT",
    [CONFIG_SSL] = "SSL",
    [CONFIG_SASL_PLAINTEXT] = "SASL_PLAINTEXT",
    [CONFIG_SASL_SSL] = "SASL_SSL",
};

const struct config_listener *config_listeners(const struct config *cfg, size_t *len)
{
	must_be(cfg, CONFIG_MAGIC);
	must(cfg->finished);
	*len = cfg->listeners_len;
	return cfg->listeners;
}

const char *config_inter_broker_listener(const struct config *cfg)
{
	must_be(cfg, CONFIG_MAGIC);
	must(cfg->finished);
	return cfg->inter_broker_listener;
}

/* -- one endpoint: NAME://host:port -------------------------------------------------------- */

struct endpoint {
	struct str name, host;
	int64_t port;
};

static bool is_host_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("-%._:", c) != NULL);
}

/* Case of names does not matter; they are kept in upper case. */
static bool endpoint_read(struct str text, struct endpoint *out)
{
	size_t slash = 0, colon = text.len;

	while (slash + 2 < text.len && memcmp(text.ptr + slash, "://", 3) != 0)
		slash++;
	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	if (slash == 0 || slash + 2 >= text.len || colon < slash + 4)
		return false;
	out->name = (struct str){text.ptr, slash};
	out->host = (struct str){text.ptr + slash + 3, colon - 1 - (slash + 3)};
	if (out->host.len >= 2 && out->host.ptr[0] == '[' &&
	    out->host.ptr[out->host.len - 1] == ']') {
		out->host.ptr++;
		out->host.len -= 2;
	}
	for (size_t i = 0; i < out->host.len; i++)
		if (!is_host_char(out->host.ptr[i]))
			return false;
	return str_to_int64((struct str){text.ptr + colon, text.len - colon}, &out->port) &&
	       out->port >= 0 && out->port <= UINT16_MAX;
}

static const char *upper(struct config *cfg, struct str name)
{
	char *copy = arena_alloc(&cfg->arena, name.len + 1);

	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		copy[i] = name.ptr[i] >= 'a' && name.ptr[i] <= 'z' ? (char)(name.ptr[i] - 'a' + 'A')
								   : name.ptr[i];
	return copy;
}

static bool is_controller(const struct config *cfg, struct str name)
{
	struct str entry;
	size_t pos = 0;

	while (config_list_next(config_str(cfg, CONFIG_CONTROLLER_LISTENER_NAMES), &pos, &entry))
		if (str_eq_nocase(entry, name))
			return true;
	return false;
}

static struct config_listener *find(struct config *cfg, struct str name)
{
	for (size_t i = 0; i < cfg->listeners_len; i++)
		if (str_eq_nocase(str_of(cfg->listeners[i].name), name))
			return &cfg->listeners[i];
	return NULL;
}

/* -- listener.security.protocol.map -------------------------------------------------------- */

static bool protocol_of(struct str text, enum config_security *out)
{
	for (size_t i = 0; i < ARRAY_LEN(protocol_names); i++) {
		if (str_eq_nocase(text, str_of(protocol_names[i]))) {
			*out = (enum config_security)i;
			return true;
		}
	}
	return false;
}

/* An entry of the map: NAME:PROTOCOL. */
static bool map_entry(struct str entry, struct str *name, enum config_security *protocol)
{
	const char *colon = memchr(entry.ptr, ':', entry.len);
	size_t at = colon != NULL ? (size_t)(colon - entry.ptr) : 0;

	if (at == 0)
		return false;
	*name = str_trim((struct str){entry.ptr, at});
	return protocol_of(str_trim((struct str){entry.ptr + at + 1, entry.len - at - 1}),
			   protocol);
}

static enum err map_check(const struct config *cfg, char *message)
{
	enum config_id id = CONFIG_LISTENER_SECURITY_PROTOCOL_MAP;
	enum config_security protocol;
	struct str entry, name;
	size_t pos = 0;

	while (config_list_next(config_str(cfg, id), &pos, &entry))
		if (!map_entry(entry, &name, &protocol))
			return config_complain(cfg, id, message,
					       "allowed: entries in the form "
					       "{listener}:{protocol}, the protocol one of "
					       "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL");
	return ERR_OK;
}

/*
 * A controller's listener needs no entry as long as the map is Kafka's own: it is PLAINTEXT then.
 */
static bool map_find(const struct config *cfg, struct str listener, bool controller,
		     enum config_security *protocol)
{
	struct str map = config_str(cfg, CONFIG_LISTENER_SECURITY_PROTOCOL_MAP), entry, name;
	enum config_security entry_protocol;
	size_t pos = 0;
	bool found = false;

	while (config_list_next(map, &pos, &entry)) {
		if (map_entry(entry, &name, &entry_protocol) && str_eq_nocase(name, listener)) {
			*protocol = entry_protocol; /* the last one wins */
			found = true;
		}
	}
	if (!found && controller && !config_is_set(cfg, CONFIG_LISTENER_SECURITY_PROTOCOL_MAP)) {
		*protocol = CONFIG_PLAINTEXT;
		found = true;
	}
	return found;
}

/* -- listeners ----------------------------------------------------------------------------- */

static bool is_ipv6(const char *host)
{
	return strchr(host, ':') != NULL;
}

static bool is_ipv4(const char *host)
{
	return host[0] != '\0' && host[strspn(host, "0123456789.")] == '\0';
}

/* One IPv4 and one IPv6 address may share a port; nothing else may. */
static bool may_share(const struct config_listener *a, const struct config_listener *b)
{
	return a->port == 0 || a->port != b->port || (is_ipv4(a->host) && is_ipv6(b->host)) ||
	       (is_ipv6(a->host) && is_ipv4(b->host));
}

static enum err listener_check(struct config *cfg, const struct config_listener *new, char *message)
{
	for (size_t i = 0; i < cfg->listeners_len; i++) {
		const struct config_listener *old = &cfg->listeners[i];
		if (strcmp(old->name, new->name) == 0)
			return config_complain(
			    cfg, CONFIG_LISTENERS, message,
			    "allowed: each listener with a name of its own, not %s twice",
			    new->name);
		if (!may_share(old, new))
			return config_complain(
			    cfg, CONFIG_LISTENERS, message,
			    "allowed: each listener with a port of its own, not %d twice",
			    (int)new->port);
	}
	if (!new->controller &&new->security != CONFIG_PLAINTEXT)
		return config_complain(
		    cfg, CONFIG_LISTENERS, message,
		    "allowed: PLAINTEXT listeners, and %s is %s (TLS and SASL are not "
		    "built yet)",
		    new->name, protocol_names[new->security]);
	return ERR_OK;
}

static enum err listener_add(struct config *cfg, struct str text, char *message)
{
	struct config_listener listener = {0};
	struct endpoint endpoint;
	enum err err;

	if (!endpoint_read(text, &endpoint))
		return config_complain(
		    cfg, CONFIG_LISTENERS, message,
		    "allowed: entries in the form {name}://{host}:{port}, and %.*s is "
		    "not",
		    (int)(text.len < 80 ? text.len : 80), text.ptr);
	listener.name = upper(cfg, endpoint.name);
	listener.host = arena_printf(&cfg->arena, "%.*s", STR_ARG(endpoint.host)).ptr;
	listener.port = (int32_t)endpoint.port;
	listener.controller = is_controller(cfg, endpoint.name);
	if (listener.name == NULL || listener.host == NULL)
		return ERR_NOMEM;
	if (!map_find(cfg, endpoint.name, listener.controller, &listener.security))
		return config_complain(
		    cfg, CONFIG_LISTENERS, message,
		    "allowed: listeners that listener.security.protocol.map has, and %s "
		    "is not there",
		    listener.name);
	if ((err = listener_check(cfg, &listener, message)) != ERR_OK)
		return err;
	if (cfg->listeners_len == CONFIG_LISTENERS_MAX)
		return config_complain(cfg, CONFIG_LISTENERS, message,
				       "allowed: at most %d listeners", CONFIG_LISTENERS_MAX);
	cfg->listeners[cfg->listeners_len++] = listener;
	return ERR_OK;
}

static enum err listeners_roles(const struct config *cfg, char *message)
{
	struct str names = config_str(cfg, CONFIG_CONTROLLER_LISTENER_NAMES);
	size_t controllers = 0;

	for (size_t i = 0; i < cfg->listeners_len; i++)
		controllers += cfg->listeners[i].controller;
	if (controllers == cfg->listeners_len)
		return config_complain(cfg, CONFIG_LISTENERS, message,
				       "allowed: at least one listener that is not among "
				       "controller.listener.names, %.*s",
				       STR_ARG(names));
	if (names.len > 0 && controllers == 0)
		return config_complain(cfg, CONFIG_CONTROLLER_LISTENER_NAMES, message,
				       "allowed: at least one name that listeners has");
	return ERR_OK;
}

/* -- advertised.listeners ------------------------------------------------------------------ */

/*
 * What Kafka advertises for a listener without a host: the name that the resolver gives this
 * machine. May ask a name server, so only who needs it pays.
 */
static const char *own_host(struct config *cfg)
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME}, *info = NULL;
	char name[256] = "";
	struct str host;

	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
		snprintf(name, sizeof(name), "localhost");
	if (getaddrinfo(name, NULL, &hints, &info) == 0 && info != NULL &&
	    info->ai_canonname != NULL)
		host = arena_printf(&cfg->arena, "%s", info->ai_canonname);
	else
		host = arena_printf(&cfg->arena, "%s", name);
	if (info != NULL)
		freeaddrinfo(info);
	return host.ptr;
}

static bool is_everywhere(const char *host)
{
	return host[0] == '\0' || strcmp(host, "::") == 0;
}

static enum err advertise(struct config *cfg, struct config_listener *listener, struct str host,
			  int32_t port, char *message)
{
	enum config_id id = config_is_set(cfg, CONFIG_ADVERTISED_LISTENERS)
				? CONFIG_ADVERTISED_LISTENERS
				: CONFIG_LISTENERS;

	if (str_eq(host, STR("0.0.0.0")) ||
	    (id == CONFIG_ADVERTISED_LISTENERS && str_eq(host, STR("::"))))
		return config_complain(cfg, id, message,
				       "allowed: an address that clients can connect to; "
				       "advertised.listeners cannot use the "
				       "nonroutable meta-address %.*s. Use a routable IP address",
				       STR_ARG(host));
	listener->advertised_host = arena_printf(&cfg->arena, "%.*s", STR_ARG(host)).ptr;
	if (listener->advertised_host != NULL && is_everywhere(listener->advertised_host))
		listener->advertised_host = own_host(cfg);
	listener->advertised_port = port;
	return listener->advertised_host != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err advertised_add(struct config *cfg, struct str text, char *message)
{
	enum config_id id = CONFIG_ADVERTISED_LISTENERS;
	struct config_listener *listener;
	struct endpoint endpoint;

	if (!endpoint_read(text, &endpoint))
		return config_complain(
		    cfg, id, message,
		    "allowed: entries in the form {name}://{host}:{port}, and %.*s is "
		    "not",
		    (int)(text.len < 80 ? text.len : 80), text.ptr);
	listener = find(cfg, endpoint.name);
	if (listener == NULL)
		return config_complain(cfg, id, message,
				       "allowed: names that listeners has, and %.*s is not there",
				       STR_ARG(endpoint.name));
	if (listener->controller)
		return ERR_OK;
	if (listener->advertised_host != NULL)
		return config_complain(
		    cfg, id, message, "allowed: each listener with a name of its own, not %s twice",
		    listener->name);
	return advertise(cfg, listener, endpoint.host, (int32_t)endpoint.port, message);
}

static enum err advertised_from_listeners(struct config *cfg, char *message)
{
	enum err err;

	for (size_t i = 0; i < cfg->listeners_len; i++) {
		struct config_listener *listener = &cfg->listeners[i];
		if (listener->controller)
			continue;
		err = advertise(cfg, listener, str_of(listener->host), listener->port, message);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* -- inter.broker.listener.name ------------------------------------------------------------ */

static enum err inter_broker(struct config *cfg, char *message)
{
	enum config_id id = config_is_set(cfg, CONFIG_INTER_BROKER_LISTENER_NAME)
				? CONFIG_INTER_BROKER_LISTENER_NAME
				: CONFIG_SECURITY_INTER_BROKER_PROTOCOL;
	const struct config_listener *listener = find(cfg, config_str(cfg, id));

	if (id == CONFIG_INTER_BROKER_LISTENER_NAME &&
	    config_is_set(cfg, CONFIG_SECURITY_INTER_BROKER_PROTOCOL))
		return config_complain(cfg, id, message,
				       "allowed: one of inter.broker.listener.name and "
				       "security.inter.broker.protocol, not both");
	if (listener == NULL || listener->advertised_host == NULL)
		return config_complain(
		    cfg, id, message,
		    "allowed: inter.broker.listener.name must be a listener that is "
		    "advertised");
	cfg->inter_broker_listener = listener->name;
	return ERR_OK;
}

enum err config_listeners_read(struct config *cfg, char message[CONFIG_MESSAGE_SIZE])
{
	struct str entry;
	size_t pos = 0;
	enum err err;

	if ((err = map_check(cfg, message)) != ERR_OK)
		return err;
	while (config_list_next(config_str(cfg, CONFIG_LISTENERS), &pos, &entry))
		if ((err = listener_add(cfg, entry, message)) != ERR_OK)
			return err;
	if ((err = listeners_roles(cfg, message)) != ERR_OK)
		return err;
	pos = 0;
	while (config_list_next(config_str(cfg, CONFIG_ADVERTISED_LISTENERS), &pos, &entry))
		if ((err = advertised_add(cfg, entry, message)) != ERR_OK)
			return err;
	if (!config_is_set(cfg, CONFIG_ADVERTISED_LISTENERS) &&
	    (err = advertised_from_listeners(cfg, message)) != ERR_OK)
		return err;
	return inter_broker(cfg, message);
}
