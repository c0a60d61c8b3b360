/* Listeners: sockets for net, addresses for the metadata. */
#include "main/listen.h"

#include "api/api.h"
#include "base/log.h"
#include "meta/config_listeners.h"

static void listen_handle(void *ctx, struct req *req)
{
	api_dispatch(loop_user(req->loop), req);
}

/* Members of groups are served where the groups are; what else they do on it is little. */
static enum net_place listen_place(struct bytes frame)
{
	switch (api_home_of(frame)) {
	case API_HOME_CONTROL:
		return NET_PLACE_SIDE;
	case API_HOME_IO:
		return NET_PLACE_IO;
	default:
		return NET_PLACE_ANY;
	}
}

static enum err listen_make_net(struct listen *listen, const struct config *config,
				struct loop *const *loops, size_t loops_len, struct loop *control)
{
	struct net_config cfg;
	int64_t queued = config_int64(config, CONFIG_QUEUED_MAX_REQUEST_BYTES);

	net_config_default(&cfg);
	cfg.request_bytes_max = (size_t)config_int64(config, CONFIG_SOCKET_REQUEST_MAX_BYTES);
	if (queued > 0)
		cfg.queued_bytes_max = (size_t)queued;
	cfg.idle_ms_max = config_int64(config, CONFIG_CONNECTIONS_MAX_IDLE_MS);
	cfg.connections_max = (int32_t)config_int64(config, CONFIG_MAX_CONNECTIONS);
	cfg.connections_per_ip_max = (int32_t)config_int64(config, CONFIG_MAX_CONNECTIONS_PER_IP);
	listen->net = net_new(&cfg, loops, loops_len, listen_handle, NULL);
	if (listen->net == NULL)
		return ERR_NOMEM;
	net_set_side(listen->net, control, listen_place);
	return ERR_OK;
}

static enum err listen_one(struct listen *listen, const struct config *config,
			   const struct config_listener *listener)
{
	struct net_listener_config cfg = {
	    .name = listener->name,
	    .host = listener->host,
	    .port = (uint16_t)listener->port,
	    .backlog = (int)config_int64(config, CONFIG_SOCKET_LISTEN_BACKLOG_SIZE),
	    .send_buffer_bytes = (int)config_int64(config, CONFIG_SOCKET_SEND_BUFFER_BYTES),
	    .receive_buffer_bytes = (int)config_int64(config, CONFIG_SOCKET_RECEIVE_BUFFER_BYTES),
	};
	struct image_endpoint *endpoint = &listen->endpoints[listen->endpoints_len];
	uint16_t port = cfg.port;
	enum err err = ERR_OK;

	if (listener->controller)
		return ERR_OK;
	if (listen->endpoints_len == LISTENERS_MAX) {
		log_error("broker", "more than %d listeners", LISTENERS_MAX);
		return ERR_BADCONFIG;
	}
	/* The system's own tuning beats a fixed buffer, unless somebody asked for one. */
	if (!config_is_set(config, CONFIG_SOCKET_SEND_BUFFER_BYTES))
		cfg.send_buffer_bytes = -1;
	if (!config_is_set(config, CONFIG_SOCKET_RECEIVE_BUFFER_BYTES))
		cfg.receive_buffer_bytes = -1;
	if (listen->net != NULL)
		err = net_listen(listen->net, &cfg, &port);
	if (err != ERR_OK)
		return err;
	*endpoint = (struct image_endpoint){
	    .listener = str_of(listener->name),
	    .host = str_of(listener->advertised_host),
	    .port = listener->advertised_port != 0 ? (uint16_t)listener->advertised_port : port,
	    .security_protocol = (int16_t)listener->security,
	};
	listen->endpoints_len++;
	log_info("broker", "listener %s on %s:%d, advertised as %s:%d", listener->name,
		 listener->host, port, listener->advertised_host, endpoint->port);
	return ERR_OK;
}

enum err listen_bind(struct listen *listen, const struct config *config, struct loop *const *loops,
		     size_t loops_len, struct loop *control, bool with_network)
{
	size_t len;
	const struct config_listener *listeners = config_listeners(config, &len);
	enum err err = ERR_OK;

	if (with_network)
		err = listen_make_net(listen, config, loops, loops_len, control);
	for (size_t i = 0; err == ERR_OK && i < len; i++)
		err = listen_one(listen, config, &listeners[i]);
	return err;
}
