/*
 * What the network keeps on one loop: its connections, the scratch buffers that they share, and the
 * timers that watch over them (one of a kind a loop, not one a connection).
 */
#ifndef NET_NET_LOOP_H
#define NET_NET_LOOP_H

#include "base/log.h"
#include "net/conn.h"
#include "net/net.h"

#define NET_LOOP_OUT_BYTES (64u * 1024)

struct net_loop {
	struct net *net;
	struct loop *loop;

	uint8_t *in;  /* CONN_TAIL_MAX: where sockets are read to */
	uint8_t *out; /* NET_LOOP_OUT_BYTES: where small answers are put together */

	struct conns by_age, partial, blocked, work;
	struct conns leaving; /* closed, to be sent back at the end of the turn */
	size_t conns_len;     /* on this loop now */
	size_t unsent_bytes;  /* of answers in memory, slices apart */
	struct loop_task task;
	bool has_yielded;
	struct loop_timer idle_timer, partial_timer, stop_timer;

	struct exchange_pool exchanges;
	struct frame_cache frames;
	struct net_stats stats;
	struct log_limit bad_limit, slow_limit;

	bool is_stopping;
	struct mail stop_mail;

	size_t assigned_len; /* connections given to this loop and not come back; accepting loop
				only */
};

void net_loop_init(struct net_loop *nl, struct net *net, struct loop *loop);
/* Its connections have gone. */
void net_loop_fini(struct net_loop *nl);

/* Closes what has not moved for too long. Sets the timer for the next one. */
void net_loop_sweep_idle(struct net_loop *nl);
/* Closes those whose frame takes too long. */
void net_loop_sweep_partial(struct net_loop *nl);
/* One of its connections has closed. */
void net_loop_conn_gone(struct net_loop *nl);
/* Stops this loop's part: see net_stop. */
void net_loop_stop(struct net_loop *nl);

static inline int64_t net_loop_now_ms(const struct net_loop *nl)
{
	return clock_mono_ms(loop_clock(nl->loop));
}

/* One writer, so no locked instruction is needed. */
static inline void net_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

#endif
