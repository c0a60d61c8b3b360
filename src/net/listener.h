/*
 * Listening sockets, and the acceptor that hands connections to the loops. All on the first loop.
 *
 * Options are set on the listening socket, from which Linux copies them to every connection. When
 * descriptors run out, accepting pauses for a moment instead of spinning; at max.connections it
 * pauses until one closes, as in Kafka.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/hash.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/net.h"

struct acceptor;

struct listener {
	TAILQ_ENTRY(listener) link;
	struct acceptor *acceptor;
	char *name, *host;
	const struct conn_io *io;
	int fd;
	uint16_t port;
	int backlog;
	int32_t connections_max; /* 0: none of its own */
	int32_t conns_len;
	bool is_open, is_paused;
	ev_io ev;
};

/* How many connections come from one address. */
struct acceptor_peer {
	struct in6_addr ip;
	int32_t conns_len;
	int32_t limit; /* -1: the common one */
	UT_hash_handle hh;
};

struct acceptor {
	struct net *net;
	TAILQ_HEAD(listeners, listener) listeners;
	struct acceptor_peer *peers;
	int32_t conns_len;
	size_t next;	    /* the loop to look at first: for turns when all have the same number */
	size_t stopped_len; /* loops that have stopped */
	bool is_stopping;
	bool has_failed; /* the last accept did; so that it is logged once */
	struct loop_timer retry, trim;
	size_t gone_len; /* connections that went since the heap was trimmed */
	struct log_limit refused_limit;
	_Atomic uint64_t refused;
};

void acceptor_init(struct acceptor *acceptor, struct net *net);
void acceptor_fini(struct acceptor *acceptor);

/* Binds. */
enum err listener_new(struct acceptor *acceptor, const struct net_listener_config *cfg,
		      uint16_t *port) must_check;
/* Listens. Thread-safe, before acceptor_watch. */
enum err acceptor_open(struct acceptor *acceptor) must_check;
/* Begins to accept. */
void acceptor_watch(struct acceptor *acceptor);
/* Checks the limits for a connected socket and hands it to a loop. Takes fd. */
void acceptor_take(struct acceptor *acceptor, struct listener *listener, int fd,
		   const struct sockaddr_storage *addr);
void acceptor_stop(struct acceptor *acceptor);
/* A connection has come back by its mail. */
void acceptor_conn_back(struct mail *mail);

#endif
