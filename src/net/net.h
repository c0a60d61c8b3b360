/*
 * The network: listeners and connections over the io loops. Frames in, answers out; what is in a
 * frame is the handler's business.
 *
 * All connections are accepted on the first loop and live on the loop that has the fewest. (One
 * accept queue a loop, SO_REUSEPORT, would leave the choice to a hash of the addresses: with two
 * loops and a handful of clients it is often five to one.)
 *
 * Rules for a peer, each with one log line that says who and what when it is broken: a size between
 * 1 and request_bytes_max; a frame is whole read_ms_max after its first byte, plus a millisecond
 * for each 64 bytes, and sooner when others wait for memory; something moves within idle_ms_max
 * unless a request is being worked on.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdatomic.h>

#include "wire/req.h"

struct net;

/* One row of max.connections.per.ip.overrides. */
struct net_ip_limit {
	const char *host; /* an address, or a name that is looked up once */
	int32_t connections_max;
};

struct net_config {
	size_t request_bytes_max; /* socket.request.max.bytes */
	size_t queued_bytes_max;  /* queued.max.request.bytes: frames over 64 KB, all together */
	size_t queued_small_bytes_max; /* the reserve for frames up to 64 KB */
	size_t ahead_bytes_max;	 /* read ahead of its turn by all; over it, 4 KB a connection */
	size_t arena_bytes_max;	 /* of one request */
	size_t answer_bytes_max; /* of one answer, in memory */
	size_t unsent_bytes_max; /* of all answers in memory; over it the slowest reader goes */
	int64_t idle_ms_max;	 /* connections.max.idle.ms; negative: no limit */
	int64_t read_ms_max;	 /* for one frame, see above */
	int64_t stop_ms_max;	 /* net_stop waits so long for answers under way */
	int32_t connections_max; /* max.connections */
	int32_t connections_per_ip_max;
	const struct net_ip_limit *ip_limits; /* borrowed for net_new */
	size_t ip_limits_len;
};

struct net_listener_config {
	const char *name; /* as in `listeners`, upper case; copied, as is host */
	const char *host; /* NULL, "" or a wildcard address: all interfaces, IPv4 and IPv6 */
	uint16_t port;	  /* 0: any free one */
	int backlog;	  /* socket.listen.backlog.size */
	int send_buffer_bytes, receive_buffer_bytes; /* -1: the operating system's */
	int32_t connections_max;		     /* of this listener; 0: no limit of its own */
};

/* Counted on each loop, read by anybody. */
struct net_stats {
	_Atomic uint64_t connections_opened, connections_closed, connections_refused;
	_Atomic uint64_t requests, answers;
	_Atomic uint64_t received_bytes, sent_bytes; /* payload of the sockets */
	_Atomic uint64_t reads, writes;		     /* system calls */
	_Atomic uint64_t closed_idle, closed_bad, closed_slow;
};

/* Defaults: Kafka's, but for the budgets, which Kafka leaves unlimited. */
void net_config_default(struct net_config *cfg);

/*
 * The loops are borrowed and must outlive net. `handle` is called on a request's own loop, with
 * everything in struct req filled in down to `received_us`; header and body are its to fill.
 * Ignores SIGPIPE for the process: sendfile has no flag for it.
 * Before the loops run, or on the first of them.
 */
struct net *net_new(const struct net_config *cfg, struct loop *const *loops, size_t loops_len,
		    void (*handle)(void *ctx, struct req *req), void *ctx) must_check;

/* Where a connection is to be served from a request on, see net_set_side. */
enum net_place { NET_PLACE_ANY, NET_PLACE_SIDE, NET_PLACE_IO };

/*
 * One more loop, over which connections are not spread: those move to it that `place` says so of,
 * from a frame (without its size) that they send; back, and for good, from one that is to be served
 * by an io loop. On any loop; once, before net_open.
 */
void net_set_side(struct net *net, struct loop *side, enum net_place (*place)(struct bytes frame));

/*
 * Binds, so that the port is known; clients are refused until net_open.
 * ERR_BADCONFIG (no such host, address in use, ...) has been logged.
 */
enum err net_listen(struct net *net, const struct net_listener_config *cfg,
		    uint16_t *port) must_check;
/* Listens and accepts on every bound listener. Thread-safe, once. ERR_BADCONFIG has been logged. */
enum err net_open(struct net *net) must_check;

/*
 * Stops accepting, cancels what is parked, lets answers under way leave, closes; then calls
 * stopped() on the first loop. All loops must go on running until then. Thread-safe, once.
 */
void net_stop(struct net *net, void (*stopped)(void *ctx), void *ctx);
/* After stopped(), or when no connection was ever accepted; with the loops no longer running. */
void net_free(struct net *net);

/* Sums over all loops. */
void net_read_stats(const struct net *net, struct net_stats *sum);

#endif
