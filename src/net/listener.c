/* One listening socket: its address and its options. */
#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Java binds to all interfaces of both families for either wildcard; users count on it. */
static bool listener_is_wildcard(const char *host)
{
	return host == NULL || *host == '\0' || strcmp(host, "0.0.0.0") == 0 ||
	       strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0;
}

static void listener_set(int fd, int level, int option, int value)
{
	/* An option that the kernel refuses is no reason not to serve. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static int listener_socket(const struct net_listener_config *cfg, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	listener_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	listener_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	listener_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (cfg->send_buffer_bytes >= 0)
		listener_set(fd, SOL_SOCKET, SO_SNDBUF, cfg->send_buffer_bytes);
	if (cfg->receive_buffer_bytes >= 0)
		listener_set(fd, SOL_SOCKET, SO_RCVBUF, cfg->receive_buffer_bytes);
	return fd;
}

/* -1 with errno. */
static int listener_bind(const struct net_listener_config *cfg, const struct sockaddr *addr,
			 socklen_t addr_len, bool both_families)
{
	int fd = listener_socket(cfg, addr->sa_family), reason;

	if (fd < 0)
		return -1;
	if (addr->sa_family == AF_INET6)
		listener_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both_families);
	if (bind(fd, addr, addr_len) == 0)
		return fd;
	reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

static int listener_bind_wildcard(const struct net_listener_config *cfg)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(cfg->port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(cfg->port)};
	int fd = listener_bind(cfg, (struct sockaddr *)&in6, sizeof(in6), true);

	/* No IPv6 here: IPv4 alone. */
	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		fd = listener_bind(cfg, (struct sockaddr *)&in, sizeof(in), false);
	return fd;
}

/* The first IPv4 address of a name, as Java takes it; else the first of any kind. */
static const struct addrinfo *listener_choose(const struct addrinfo *list)
{
	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
		if (at->ai_family == AF_INET)
			return at;
	return list;
}

static int listener_bind_host(const struct net_listener_config *cfg, const char **why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list;
	const struct addrinfo *chosen;
	char host[256], port[8];
	size_t len = strlen(cfg->host);
	int fd, code;

	/* [::1] is how a URL writes ::1. */
	if (len >= 2 && cfg->host[0] == '[' && cfg->host[len - 1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, cfg->host + 1);
	else
		snprintf(host, sizeof(host), "%s", cfg->host);
	snprintf(port, sizeof(port), "%u", cfg->port);
	code = getaddrinfo(host, port, &hints, &list);
	if (code != 0) {
		*why = gai_strerror(code);
		return -1;
	}
	chosen = listener_choose(list);
	fd = listener_bind(cfg, chosen->ai_addr, chosen->ai_addrlen, false);
	*why = fd < 0 ? strerror(errno) : NULL;
	freeaddrinfo(list);
	return fd;
}

static uint16_t listener_port(int fd)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof(addr);

	must(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
						: ((struct sockaddr_in *)&addr)->sin_port);
}

enum err listener_new(struct acceptor *acceptor, const struct net_listener_config *cfg,
		      uint16_t *port)
{
	struct listener *listener;
	const char *why = NULL;
	int fd;

	if (listener_is_wildcard(cfg->host)) {
		fd = listener_bind_wildcard(cfg);
		why = strerror(errno);
	} else {
		fd = listener_bind_host(cfg, &why);
	}
	if (fd < 0) {
		log_error("net", "cannot bind listener %s to %s:%u: %s", cfg->name,
			  cfg->host != NULL ? cfg->host : "", cfg->port, why);
		return ERR_BADCONFIG;
	}
	listener = calloc(1, sizeof(*listener));
	must(listener != NULL);
	listener->acceptor = acceptor;
	listener->name = strdup(cfg->name);
	listener->host = strdup(cfg->host != NULL ? cfg->host : "");
	must(listener->name != NULL && listener->host != NULL);
	listener->io = &io_plain;
	listener->fd = fd;
	listener->port = *port = listener_port(fd);
	listener->backlog = cfg->backlog;
	listener->connections_max = cfg->connections_max;
	TAILQ_INSERT_TAIL(&acceptor->listeners, listener, link);
	return ERR_OK;
}
