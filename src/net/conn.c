/* A connection's life: arrival, the order of its requests, closing, and the way back. */
#include "net/conn.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/net_private.h"

#define CONN_MAGIC 0xc0994ec7u

static void conn_on_io(struct ev_loop *ev, ev_io *watcher, int events)
{
	struct conn *conn = watcher->data;

	must_be(conn, CONN_MAGIC);
	if (events & EV_WRITE) {
		TAILQ_REMOVE(&conn->home->blocked, conn, blocked);
		conn->is_blocked = false;
		conn_queue_work(conn);
	}
	if (events & EV_READ)
		conn_read_ready(conn);
}

static void conn_set_peer(struct conn *conn, const struct sockaddr_storage *peer)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;

	if (peer->ss_family == AF_INET6) {
		conn->ip = in6->sin6_addr;
		conn->port = ntohs(in6->sin6_port);
	} else if (peer->ss_family == AF_INET) {
		conn->ip.s6_addr[10] = conn->ip.s6_addr[11] = 0xff;
		memcpy(&conn->ip.s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
		conn->port = ntohs(in->sin_port);
	}
	if (IN6_IS_ADDR_V4MAPPED(&conn->ip))
		inet_ntop(AF_INET, &conn->ip.s6_addr[12], conn->address, sizeof(conn->address));
	else
		inet_ntop(AF_INET6, &conn->ip, conn->address, sizeof(conn->address));
}

static void conn_on_granted(struct budget_wait *wait)
{
	conn_read_granted(container_of(wait, struct conn, wait));
}

struct conn *conn_new(struct listener *listener, struct net_loop *home, int fd,
		      const struct sockaddr_storage *peer)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		close(fd);
		return NULL;
	}
	conn->magic = CONN_MAGIC;
	conn->fd = fd;
	conn->home = conn->assigned = home;
	conn->listener = listener;
	conn->io = listener->io;
	conn->tail = CONN_TAIL_MIN;
	conn->is_first = true;
	TAILQ_INIT(&conn->begun);
	budget_wait_init(&conn->wait, home->loop, conn_on_granted);
	conn_set_peer(conn, peer);
	ev_io_init(&conn->ev, conn_on_io, fd, EV_READ);
	conn->ev.data = conn;
	return conn;
}

void conn_free(struct conn *conn)
{
	must_be(conn, CONN_MAGIC);
	must(conn->fd < 0 && conn->away == 0 && conn->waits_on == NULL);
	must(conn->in == NULL && conn->rest.buf == NULL && TAILQ_EMPTY(&conn->begun));
	conn->magic = 0;
	free(conn);
}

void conn_arrive(struct conn *conn)
{
	must_be(conn, CONN_MAGIC);
	net_count(&conn->home->stats.connections_opened, 1);
	conn_settle(conn);
}

void conn_settle(struct conn *conn)
{
	struct net_loop *home = conn->home;

	must(loop_is_mine(home->loop));
	home->conns_len++;
	TAILQ_INSERT_TAIL(&home->by_age, conn, by_age);
	conn->moved_ms = net_loop_now_ms(home);
	ev_io_set(&conn->ev, conn->fd, EV_READ);
	ev_io_start(loop_ev(home->loop), &conn->ev);
	if (!loop_timer_is_set(&home->idle_timer))
		net_loop_sweep_idle(home);
	if (home->is_stopping)
		conn_close(conn);
}

void conn_go_home(struct conn *conn)
{
	struct net_loop *home = conn->home;

	must(conn->fd < 0 && !conn->is_queued);
	if (conn->away > 0 || conn->waits_on != NULL)
		return;
	TAILQ_INSERT_TAIL(&home->leaving, conn, work);
	loop_defer(home->loop, &home->task);
}

static void conn_leave_lists(struct conn *conn)
{
	struct net_loop *home = conn->home;

	TAILQ_REMOVE(&home->by_age, conn, by_age);
	if (conn->is_partial)
		TAILQ_REMOVE(&home->partial, conn, partial);
	if (conn->is_blocked)
		TAILQ_REMOVE(&home->blocked, conn, blocked);
	if (conn->is_queued)
		TAILQ_REMOVE(&home->work, conn, work);
	conn->is_partial = conn->is_blocked = conn->is_queued = false;
	home->conns_len--;
}

void conn_leave(struct conn *conn)
{
	ev_io_stop(loop_ev(conn->home->loop), &conn->ev);
	conn_leave_lists(conn);
	net_loop_conn_gone(conn->home);
}

/* An answer is sent or given up. */
static void conn_drop_answer(struct conn *conn, struct exchange *exchange)
{
	struct net_loop *home = conn->home;

	must(exchange->done);
	TAILQ_REMOVE(&conn->begun, exchange, link);
	conn->begun_len--;
	conn->unsent_bytes -= exchange_total_bytes(exchange);
	home->unsent_bytes -= exchange->req.out.size_bytes;
	exchange_free(exchange, &home->exchanges, &home->frames);
}

void conn_answer_sent(struct conn *conn)
{
	struct exchange *exchange = TAILQ_FIRST(&conn->begun);

	if (!exchange->req.no_answer)
		net_count(&conn->home->stats.answers, 1);
	conn_drop_answer(conn, exchange);
}

/* Answers not yet sent are dropped; what is still worked on is told, or comes home later. */
static void conn_abandon(struct conn *conn)
{
	struct exchange *exchange;

	while ((exchange = TAILQ_FIRST(&conn->begun)) != NULL) {
		if (exchange->done) {
			conn_drop_answer(conn, exchange);
			continue;
		}
		TAILQ_REMOVE(&conn->begun, exchange, link);
		conn->begun_len--;
		conn->away++;
		exchange->req.abandoned = true;
		if (exchange->req.on_cancel != NULL)
			exchange->req.on_cancel(&exchange->req);
	}
}

void conn_close(struct conn *conn)
{
	struct net_loop *home = conn->home;

	must_be(conn, CONN_MAGIC);
	must(loop_is_mine(home->loop));
	if (conn->fd < 0)
		return;
	ev_io_stop(loop_ev(home->loop), &conn->ev);
	conn->io->close(conn);
	conn->fd = -1;
	net_count(&home->stats.connections_closed, 1);
	conn_leave_lists(conn);
	conn_read_drop(conn);
	/* Held while requests are told, so that it does not leave before the last one. */
	conn->away++;
	conn_abandon(conn);
	conn->away--;
	conn_go_home(conn);
	net_loop_conn_gone(home);
}

void conn_drain(struct conn *conn)
{
	struct exchange *exchange, *next;

	must_be(conn, CONN_MAGIC);
	conn->is_last = true;
	conn_read_drop(conn);
	for (exchange = TAILQ_FIRST(&conn->begun); exchange != NULL; exchange = next) {
		next = TAILQ_NEXT(exchange, link);
		if (!exchange->done && exchange->req.on_cancel != NULL)
			exchange->req.on_cancel(&exchange->req);
	}
	conn_queue_work(conn);
}

/* -- requests --------------------------------------------------------------------------------- */

static void conn_on_done(struct req *req)
{
	struct exchange *exchange = container_of(req, struct exchange, req);
	struct conn *conn = req->conn;
	struct net_loop *home = conn->home;

	must_be(conn, CONN_MAGIC);
	must(loop_is_mine(home->loop));
	req->on_cancel = NULL;
	conn->frames_bytes -= exchange->frame_bytes;
	exchange_finish(exchange, &home->frames);
	if (req->abandoned) {
		must(conn->away > 0);
		exchange_free(exchange, &home->exchanges, &home->frames);
		conn->away--;
		conn_go_home(conn);
		return;
	}
	conn->unsent_bytes += exchange_total_bytes(exchange);
	home->unsent_bytes += req->out.size_bytes;
	if (req->close)
		conn->is_last = true;
	conn_queue_work(conn);
}

static void conn_on_overlap(struct req *req)
{
	conn_queue_work(req->conn);
}

static void conn_on_release(struct req *req)
{
	struct exchange *exchange = container_of(req, struct exchange, req);
	struct net_loop *home = ((struct conn *)req->conn)->home;

	exchange_release_frame(exchange, loop_is_mine(home->loop) ? &home->frames : NULL);
}

/* Does the order allow another request? */
static bool conn_is_free(const struct conn *conn)
{
	const struct exchange *last = TAILQ_LAST(&conn->begun, exchanges);

	return last == NULL || last->done || last->req.overlap;
}

bool conn_may_begin(const struct conn *conn)
{
	return !conn->is_last && conn->held == NULL && conn_is_free(conn) &&
	       conn->begun_len < CONN_REQUESTS_MAX && conn->frames_bytes < CONN_FRAMES_MAX &&
	       conn->unsent_bytes < CONN_UNSENT_MAX;
}

void conn_begin(struct conn *conn, struct exchange *exchange)
{
	struct net *net = conn->home->net;
	struct req *req = &exchange->req;

	must(!conn->is_last && conn_is_free(conn));
	req->magic = REQ_MAGIC;
	req->loop = conn->home->loop;
	arena_init(&req->arena, net->cfg.arena_bytes_max);
	wr_init(&req->out, net->cfg.answer_bytes_max);
	req->frame = (struct bytes){exchange->frame.ptr, exchange->frame.len_bytes};
	req->listener = str_of(conn->listener->name);
	req->client_address = str_of(conn->address);
	req->received_us = clock_mono_us(loop_clock(req->loop));
	req->on_done = conn_on_done;
	req->on_overlap = conn_on_overlap;
	req->on_release = conn_on_release;
	req->conn = conn;
	TAILQ_INSERT_TAIL(&conn->begun, exchange, link);
	conn->begun_len++;
	exchange->frame_bytes = exchange->frame.len_bytes;
	conn->frames_bytes += exchange->frame_bytes;
	net_count(&conn->home->stats.requests, 1);
	net->handle(net->handle_ctx, req);
}

/* -- events ----------------------------------------------------------------------------------- */

void conn_touch(struct conn *conn)
{
	struct net_loop *home = conn->home;

	conn->moved_ms = net_loop_now_ms(home);
	TAILQ_REMOVE(&home->by_age, conn, by_age);
	TAILQ_INSERT_TAIL(&home->by_age, conn, by_age);
}

void conn_block(struct conn *conn)
{
	must(!conn->is_blocked);
	conn->is_blocked = true;
	TAILQ_INSERT_TAIL(&conn->home->blocked, conn, blocked);
}

static void conn_set_partial(struct conn *conn, bool is_partial)
{
	struct net_loop *home = conn->home;

	if (is_partial == conn->is_partial)
		return;
	conn->is_partial = is_partial;
	if (!is_partial) {
		TAILQ_REMOVE(&home->partial, conn, partial);
		return;
	}
	TAILQ_INSERT_TAIL(&home->partial, conn, partial);
	if (!loop_timer_is_set(&home->partial_timer))
		net_loop_sweep_partial(home);
}

void conn_update(struct conn *conn)
{
	struct ev_loop *ev = loop_ev(conn->home->loop);
	int events = 0;

	if (conn->fd < 0)
		return;
	conn_set_partial(conn, conn->in != NULL || conn->size_have > 0);
	if (conn_read_wants(conn))
		events |= EV_READ;
	if (conn->is_blocked)
		events |= EV_WRITE;
	if (events == (ev_is_active(&conn->ev) ? conn->ev.events & (EV_READ | EV_WRITE) : 0))
		return;
	ev_io_stop(ev, &conn->ev);
	ev_io_modify(&conn->ev, events);
	if (events != 0)
		ev_io_start(ev, &conn->ev);
}

void conn_queue_work(struct conn *conn)
{
	struct net_loop *home = conn->home;

	if (conn->is_queued || conn->fd < 0)
		return;
	conn->is_queued = true;
	TAILQ_INSERT_TAIL(&home->work, conn, work);
	loop_defer(home->loop, &home->task);
}

void conn_do_work(struct conn *conn)
{
	must_be(conn, CONN_MAGIC);
	if (conn->held != NULL) {
		conn_move(conn);
		return;
	}
	if (conn->is_last)
		conn_read_drop(conn);
	else
		conn_read_rest(conn);
	if (conn->fd >= 0 && !conn->is_blocked)
		conn_write_answers(conn);
	if (conn->fd >= 0 && conn->is_last && TAILQ_EMPTY(&conn->begun))
		conn_close(conn);
	if (conn->rest.len > 0 && conn->waits_on == NULL && conn_may_begin(conn))
		conn_queue_work(conn);
	conn_update(conn);
}
