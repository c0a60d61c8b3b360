/* One loop's share of the network: the task before it sleeps, and the sweeps. */
#include "net/net_loop.h"

#include <stdlib.h>

#include "net/net_private.h"

#define NET_LOOP_SWEEP_MS	1000
#define NET_LOOP_SHORT_READ_MS	5000  /* for a large frame, when others wait for memory */
#define NET_LOOP_SHORT_SMALL_MS 1000  /* for a small one: those who wait are all others */
#define NET_LOOP_STUCK_MS	5000  /* of a peer that takes nothing of its answer */
#define NET_LOOP_BYTES_PER_MS	64    /* a slow peer's frame gets more time by its size, */
#define NET_LOOP_SLOW_MS_MAX	90000 /* at most this */

/* One answer alone may be larger than the share: it is not shed while its peer takes of it. */
static bool net_loop_may_stay(const struct net_loop *nl, const struct conn *conn, size_t share)
{
	size_t own_bytes = TAILQ_FIRST(&conn->begun)->req.out.size_bytes;

	return own_bytes > share && nl->unsent_bytes - own_bytes <= share &&
	       net_loop_now_ms(nl) - conn->moved_ms < NET_LOOP_STUCK_MS;
}

/* Over its share of unsent answers: the peer that has not read for longest goes. */
static void net_loop_shed(struct net_loop *nl)
{
	size_t share = nl->net->cfg.unsent_bytes_max / nl->net->loops_len;
	struct conn *conn;

	while (nl->unsent_bytes > share && (conn = TAILQ_FIRST(&nl->blocked)) != NULL &&
	       !net_loop_may_stay(nl, conn, share)) {
		net_count(&nl->stats.closed_slow, 1);
		if (log_allowed(&nl->slow_limit, 10))
			log_warn(
			    "net",
			    "closed %s:%u on %s: does not read its answers, of which %zu bytes "
			    "take up memory",
			    conn->address, conn->port, conn->listener->name, conn->unsent_bytes);
		conn_close(conn);
	}
}

/* Nobody up the stack looks at them any more. */
static void net_loop_send_back(struct net_loop *nl)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&nl->leaving)) != NULL) {
		TAILQ_REMOVE(&nl->leaving, conn, work);
		conn->mail.deliver = acceptor_conn_back;
		loop_post(nl->net->loops[0].loop, &conn->mail);
	}
}

static void net_loop_work(struct loop_task *task)
{
	struct net_loop *nl = container_of(task, struct net_loop, task);
	struct conn *conn;

	/*
	 * Once behind the tasks of this turn: appends that they write are answered with this call.
	 */
	if (!nl->has_yielded) {
		nl->has_yielded = true;
		loop_defer(nl->loop, task);
		return;
	}
	nl->has_yielded = false;
	while ((conn = TAILQ_FIRST(&nl->work)) != NULL) {
		TAILQ_REMOVE(&nl->work, conn, work);
		conn->is_queued = false;
		conn_do_work(conn);
	}
	net_loop_shed(nl);
	net_loop_send_back(nl);
}

/* -- sweeps ----------------------------------------------------------------------------------- */

static void net_loop_on_idle(struct loop_timer *timer)
{
	net_loop_sweep_idle(container_of(timer, struct net_loop, idle_timer));
}

/* A request is worked on, or memory is waited for: that is not the peer's idleness. */
static bool net_loop_is_busy(const struct conn *conn)
{
	const struct exchange *first = TAILQ_FIRST(&conn->begun);

	return conn->waits_on != NULL || (first != NULL && !first->done);
}

void net_loop_sweep_idle(struct net_loop *nl)
{
	int64_t max = nl->net->cfg.idle_ms_max, now = net_loop_now_ms(nl);
	struct conn *conn;

	if (max < 0)
		return;
	while ((conn = TAILQ_FIRST(&nl->by_age)) != NULL && conn->moved_ms + max <= now) {
		if (net_loop_is_busy(conn)) {
			conn_touch(conn);
			continue;
		}
		log_debug("net", "closed %s:%u on %s: idle for %lld ms", conn->address, conn->port,
			  conn->listener->name, (long long)(now - conn->moved_ms));
		net_count(&nl->stats.closed_idle, 1);
		conn_close(conn);
	}
	if (conn != NULL)
		loop_timer_start(&nl->idle_timer, conn->moved_ms + max - now);
}

static int64_t net_loop_partial_max_ms(const struct conn *conn)
{
	struct net *net = conn->home->net;
	size_t len_bytes = conn->in != NULL ? conn->in->frame.len_bytes : 0;
	int64_t max = net->cfg.read_ms_max, slow = (int64_t)(len_bytes / NET_LOOP_BYTES_PER_MS);
	bool is_small = len_bytes <= FRAME_SMALL_BYTES;
	int64_t short_ms = is_small ? NET_LOOP_SHORT_SMALL_MS : NET_LOOP_SHORT_READ_MS;

	if (budget_is_short(is_small ? &net->small : &net->big) && max > short_ms)
		max = short_ms;
	return max + (slow < NET_LOOP_SLOW_MS_MAX ? slow : NET_LOOP_SLOW_MS_MAX);
}

static void net_loop_close_partial(struct conn *conn)
{
	struct net_loop *nl = conn->home;

	net_count(&nl->stats.closed_slow, 1);
	if (log_allowed(&nl->slow_limit, 10))
		log_warn("net", "closed %s:%u on %s: %u bytes of a request of %zu came in %lld ms",
			 conn->address, conn->port, conn->listener->name, conn->in_have,
			 conn->in != NULL ? conn->in->frame.len_bytes : 0,
			 (long long)(net_loop_now_ms(nl) - conn->partial_ms));
	conn_close(conn);
}

void net_loop_sweep_partial(struct net_loop *nl)
{
	int64_t now = net_loop_now_ms(nl);
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&nl->partial); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, partial);
		if (conn->waits_on == NULL &&
		    conn->partial_ms + net_loop_partial_max_ms(conn) <= now)
			net_loop_close_partial(conn);
	}
	if (!TAILQ_EMPTY(&nl->partial))
		loop_timer_start(&nl->partial_timer, NET_LOOP_SWEEP_MS);
}

static void net_loop_on_partial(struct loop_timer *timer)
{
	net_loop_sweep_partial(container_of(timer, struct net_loop, partial_timer));
}

/* -- stopping --------------------------------------------------------------------------------- */

static void net_loop_on_stop_late(struct loop_timer *timer)
{
	struct net_loop *nl = container_of(timer, struct net_loop, stop_timer);
	struct conn *conn;

	log_info("net", "%zu connections were closed before their last answer", nl->conns_len);
	while ((conn = TAILQ_FIRST(&nl->by_age)) != NULL)
		conn_close(conn);
}

void net_loop_stop(struct net_loop *nl)
{
	struct conn *conn, *next;

	nl->is_stopping = true;
	if (nl->conns_len > 0)
		loop_timer_start(&nl->stop_timer, nl->net->cfg.stop_ms_max);
	for (conn = TAILQ_FIRST(&nl->by_age); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, by_age);
		conn_drain(conn);
	}
}

void net_loop_conn_gone(struct net_loop *nl)
{
	if (nl->conns_len > 0)
		return;
	loop_timer_stop(&nl->idle_timer);
	loop_timer_stop(&nl->partial_timer);
	loop_timer_stop(&nl->stop_timer);
}

/* -- life ------------------------------------------------------------------------------------- */

void net_loop_init(struct net_loop *nl, struct net *net, struct loop *loop)
{
	nl->net = net;
	nl->loop = loop;
	nl->in = malloc(CONN_TAIL_MAX);
	nl->out = malloc(NET_LOOP_OUT_BYTES);
	must(nl->in != NULL && nl->out != NULL);
	TAILQ_INIT(&nl->by_age);
	TAILQ_INIT(&nl->partial);
	TAILQ_INIT(&nl->blocked);
	TAILQ_INIT(&nl->work);
	TAILQ_INIT(&nl->leaving);
	nl->task.run = net_loop_work;
	loop_timer_init(&nl->idle_timer, loop, net_loop_on_idle);
	loop_timer_init(&nl->partial_timer, loop, net_loop_on_partial);
	loop_timer_init(&nl->stop_timer, loop, net_loop_on_stop_late);
	exchange_pool_init(&nl->exchanges);
	frame_cache_init(&nl->frames, loop);
}

void net_loop_fini(struct net_loop *nl)
{
	must(nl->conns_len == 0 && TAILQ_EMPTY(&nl->work) && TAILQ_EMPTY(&nl->leaving));
	exchange_pool_fini(&nl->exchanges);
	frame_cache_fini(&nl->frames);
	free(nl->in);
	free(nl->out);
}
