/* Accepting: limits, the choice of a loop, and what is known of each address. */
#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/net_private.h"

#define ACCEPTOR_TURN_MAX 64  /* connections of one listener in one turn */
#define ACCEPTOR_RETRY_MS 100 /* after EMFILE and the like */
#define ACCEPTOR_TRIM_LEN 64  /* so many that go leave something worth to be given back */
#define ACCEPTOR_TRIM_MS  2000

/* -- how many from one address ---------------------------------------------------------------- */

static struct acceptor_peer *acceptor_peer(struct acceptor *acceptor, const struct in6_addr *ip,
					   bool create)
{
	struct acceptor_peer *peer;

	HASH_FIND(hh, acceptor->peers, ip, sizeof(*ip), peer);
	if (peer != NULL || !create)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer->ip = *ip;
	peer->limit = -1;
	HASH_ADD(hh, acceptor->peers, ip, sizeof(peer->ip), peer);
	return peer;
}

static void acceptor_peer_drop(struct acceptor *acceptor, struct acceptor_peer *peer)
{
	if (peer->conns_len > 0 || peer->limit >= 0)
		return;
	HASH_DEL(acceptor->peers, peer);
	free(peer);
}

static void acceptor_limit_ip(struct acceptor *acceptor, const struct net_ip_limit *limit)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;

	if (getaddrinfo(limit->host, NULL, &hints, &list) != 0) {
		log_warn("net", "max.connections.per.ip.overrides: no address for %s", limit->host);
		return;
	}
	for (struct addrinfo *at = list; at != NULL; at = at->ai_next) {
		struct in6_addr ip = {0};
		struct acceptor_peer *peer;

		if (at->ai_family == AF_INET6) {
			ip = ((struct sockaddr_in6 *)at->ai_addr)->sin6_addr;
		} else {
			ip.s6_addr[10] = ip.s6_addr[11] = 0xff;
			memcpy(&ip.s6_addr[12], &((struct sockaddr_in *)at->ai_addr)->sin_addr, 4);
		}
		peer = acceptor_peer(acceptor, &ip, true);
		must(peer != NULL);
		peer->limit = limit->connections_max;
	}
	freeaddrinfo(list);
}

/* -- pausing ---------------------------------------------------------------------------------- */

static bool acceptor_is_full(const struct acceptor *acceptor, const struct listener *listener)
{
	return acceptor->conns_len >= acceptor->net->cfg.connections_max ||
	       (listener->connections_max > 0 && listener->conns_len >= listener->connections_max);
}

static void acceptor_pause(struct listener *listener)
{
	struct net *net = listener->acceptor->net;

	if (listener->is_paused)
		return;
	listener->is_paused = true;
	ev_io_stop(loop_ev(net->loops[0].loop), &listener->ev);
}

static void acceptor_resume(struct acceptor *acceptor)
{
	struct listener *listener;

	if (acceptor->is_stopping || loop_timer_is_set(&acceptor->retry))
		return;
	TAILQ_FOREACH (listener, &acceptor->listeners, link) {
		if (!listener->is_paused || acceptor_is_full(acceptor, listener))
			continue;
		listener->is_paused = false;
		ev_io_start(loop_ev(acceptor->net->loops[0].loop), &listener->ev);
	}
}

static void acceptor_on_retry(struct loop_timer *timer)
{
	acceptor_resume(container_of(timer, struct acceptor, retry));
}

/* Out of descriptors or memory: all listeners rest for a moment. */
static void acceptor_failed(struct acceptor *acceptor, int reason)
{
	struct listener *listener;

	if (!acceptor->has_failed)
		log_error("net", "cannot accept connections: %s; trying again every %d ms",
			  strerror(reason), ACCEPTOR_RETRY_MS);
	acceptor->has_failed = true;
	TAILQ_FOREACH (listener, &acceptor->listeners, link)
		acceptor_pause(listener);
	loop_timer_start(&acceptor->retry, ACCEPTOR_RETRY_MS);
}

/* -- one connection --------------------------------------------------------------------------- */

/* The loop with the fewest. */
static struct net_loop *acceptor_choose(struct acceptor *acceptor)
{
	struct net *net = acceptor->net;
	struct net_loop *best = NULL;

	must(net->io_len > 0);
	for (size_t i = 0; i < net->io_len; i++) {
		struct net_loop *nl = &net->loops[(acceptor->next + i) % net->io_len];

		if (best == NULL || nl->assigned_len < best->assigned_len)
			best = nl;
	}
	acceptor->next = (acceptor->next + 1) % net->io_len;
	return best;
}

static bool acceptor_admits(struct acceptor *acceptor, struct conn *conn)
{
	struct acceptor_peer *peer = acceptor_peer(acceptor, &conn->ip, true);
	int32_t max = acceptor->net->cfg.connections_per_ip_max;

	if (peer == NULL)
		return false;
	if (peer->limit >= 0)
		max = peer->limit;
	if (peer->conns_len < max) {
		peer->conns_len++;
		return true;
	}
	if (log_allowed(&acceptor->refused_limit, 10))
		log_warn("net",
			 "refused %s:%u on %s: %d connections from this address are the limit "
			 "(max.connections.per.ip)",
			 conn->address, conn->port, conn->listener->name, max);
	acceptor_peer_drop(acceptor, peer);
	return false;
}

static void acceptor_deliver(struct mail *mail)
{
	conn_arrive(container_of(mail, struct conn, mail));
}

void acceptor_take(struct acceptor *acceptor, struct listener *listener, int fd,
		   const struct sockaddr_storage *addr)
{
	struct net_loop *home = acceptor_choose(acceptor);
	struct conn *conn = conn_new(listener, home, fd, addr);

	if (conn == NULL)
		return;
	if (!acceptor_admits(acceptor, conn)) {
		net_count(&acceptor->refused, 1);
		close(conn->fd);
		conn->fd = -1;
		conn_free(conn);
		return;
	}
	acceptor->conns_len++;
	listener->conns_len++;
	home->assigned_len++;
	if (home == &acceptor->net->loops[0]) {
		conn_arrive(conn);
		return;
	}
	conn->mail.deliver = acceptor_deliver;
	loop_post(home->loop, &conn->mail);
}

/* False: nothing more to accept now. */
static bool acceptor_accept(struct acceptor *acceptor, struct listener *listener)
{
	struct sockaddr_storage addr = {0};
	socklen_t addr_len = sizeof(addr);
	int fd;

	if (acceptor_is_full(acceptor, listener)) {
		/* Each one that closes lets in the next, and it is full again. */
		if (log_allowed(&acceptor->refused_limit, 10))
			log_warn("net",
				 "listener %s: %d connections are the limit (max.connections)",
				 listener->name, acceptor->conns_len);
		acceptor_pause(listener);
		return false;
	}
	fd = accept4(listener->fd, (struct sockaddr *)&addr, &addr_len,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		acceptor->has_failed = false;
		acceptor_take(acceptor, listener, fd, &addr);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		acceptor_failed(acceptor, errno);
	/* Others speak of a connection that is gone already. */
	return errno != EAGAIN && errno != EWOULDBLOCK && !listener->is_paused;
}

static void acceptor_on_ready(struct ev_loop *ev, ev_io *watcher, int events)
{
	struct listener *listener = container_of(watcher, struct listener, ev);

	for (int i = 0; i < ACCEPTOR_TURN_MAX; i++)
		if (!acceptor_accept(listener->acceptor, listener))
			return;
}

/* -- stopping --------------------------------------------------------------------------------- */

static void acceptor_close(struct acceptor *acceptor)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &acceptor->listeners, link) {
		if (listener->fd < 0)
			continue;
		ev_io_stop(loop_ev(acceptor->net->loops[0].loop), &listener->ev);
		close(listener->fd);
		listener->fd = -1;
	}
}

static void acceptor_look_if_stopped(struct acceptor *acceptor)
{
	struct net *net = acceptor->net;

	if (!acceptor->is_stopping || acceptor->stopped_len < net->loops_len ||
	    acceptor->conns_len > 0)
		return;
	atomic_store(&net->is_stopped, true);
	net->stopped(net->stopped_ctx);
}

static void acceptor_on_loop_stopped(struct mail *mail)
{
	struct net_loop *nl = container_of(mail, struct net_loop, stop_mail);
	struct acceptor *acceptor = &nl->net->acceptor;

	acceptor->stopped_len++;
	acceptor_look_if_stopped(acceptor);
}

static void acceptor_on_stop_loop(struct mail *mail)
{
	struct net_loop *nl = container_of(mail, struct net_loop, stop_mail);

	net_loop_stop(nl);
	mail->deliver = acceptor_on_loop_stopped;
	loop_post(nl->net->loops[0].loop, mail);
}

void acceptor_stop(struct acceptor *acceptor)
{
	struct net *net = acceptor->net;

	must(!acceptor->is_stopping);
	acceptor->is_stopping = true;
	acceptor_close(acceptor);
	loop_timer_stop(&acceptor->retry);
	loop_timer_stop(&acceptor->trim);
	for (size_t i = 0; i < net->loops_len; i++) {
		net->loops[i].stop_mail.deliver = acceptor_on_stop_loop;
		loop_post(net->loops[i].loop, &net->loops[i].stop_mail);
	}
}

/*
 * What a crowd leaves behind when it goes are small blocks all over the heap, of which malloc gives
 * nothing back by itself.
 */
static void acceptor_on_trim(struct loop_timer *timer)
{
	container_of(timer, struct acceptor, trim)->gone_len = 0;
	malloc_trim(0);
}

void acceptor_conn_back(struct mail *mail)
{
	struct conn *conn = container_of(mail, struct conn, mail);
	struct acceptor *acceptor = conn->listener->acceptor;
	struct acceptor_peer *peer = acceptor_peer(acceptor, &conn->ip, false);

	must(peer != NULL && peer->conns_len > 0);
	peer->conns_len--;
	acceptor_peer_drop(acceptor, peer);
	acceptor->conns_len--;
	conn->listener->conns_len--;
	conn->assigned->assigned_len--;
	conn_free(conn);
	if (++acceptor->gone_len == ACCEPTOR_TRIM_LEN && !acceptor->is_stopping)
		loop_timer_start(&acceptor->trim, ACCEPTOR_TRIM_MS);
	acceptor_resume(acceptor);
	acceptor_look_if_stopped(acceptor);
}

/* -- life ------------------------------------------------------------------------------------- */

void acceptor_init(struct acceptor *acceptor, struct net *net)
{
	acceptor->net = net;
	TAILQ_INIT(&acceptor->listeners);
	loop_timer_init(&acceptor->retry, net->loops[0].loop, acceptor_on_retry);
	loop_timer_init(&acceptor->trim, net->loops[0].loop, acceptor_on_trim);
	for (size_t i = 0; i < net->cfg.ip_limits_len; i++)
		acceptor_limit_ip(acceptor, &net->cfg.ip_limits[i]);
}

void acceptor_fini(struct acceptor *acceptor)
{
	struct acceptor_peer *peer, *next;
	struct listener *listener;

	must(acceptor->conns_len == 0);
	acceptor_close(acceptor);
	loop_timer_stop(&acceptor->retry);
	loop_timer_stop(&acceptor->trim);
	while ((listener = TAILQ_FIRST(&acceptor->listeners)) != NULL) {
		TAILQ_REMOVE(&acceptor->listeners, listener, link);
		free(listener->name);
		free(listener->host);
		free(listener);
	}
	HASH_ITER (hh, acceptor->peers, peer, next) {
		HASH_DEL(acceptor->peers, peer);
		free(peer);
	}
}

enum err acceptor_open(struct acceptor *acceptor)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &acceptor->listeners, link) {
		if (listener->is_open)
			continue;
		if (listen(listener->fd, listener->backlog) != 0) {
			log_error("net", "cannot listen on %s:%u (%s): %s", listener->host,
				  listener->port, listener->name, strerror(errno));
			return ERR_BADCONFIG;
		}
	}
	return ERR_OK;
}

void acceptor_watch(struct acceptor *acceptor)
{
	struct listener *listener;

	if (acceptor->is_stopping)
		return;
	TAILQ_FOREACH (listener, &acceptor->listeners, link) {
		if (listener->is_open)
			continue;
		listener->is_open = true;
		ev_io_init(&listener->ev, acceptor_on_ready, listener->fd, EV_READ);
		ev_io_start(loop_ev(acceptor->net->loops[0].loop), &listener->ev);
		log_info("net", "listener %s accepts on %s:%u", listener->name, listener->host,
			 listener->port);
	}
}
