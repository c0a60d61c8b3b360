/* The way in: from the socket to frames, under the budget, and no further than the order allows. */
#include <errno.h>
#include <stdlib.h>

#include "net/net_private.h"

#define CONN_CHARGE_STEP ((size_t)4096)

static uint32_t conn_read_size_value(const struct conn *conn)
{
	return (uint32_t)conn->size[0] << 24 | (uint32_t)conn->size[1] << 16 |
	       (uint32_t)conn->size[2] << 8 | conn->size[3];
}

/* -- sizes that cannot be --------------------------------------------------------------------- */

/* What else the first four bytes may be: the usual mistakes with a port. */
static const char *conn_read_guess(const struct conn *conn)
{
	static const char *const methods[] = {"GET ", "POST", "HEAD", "PUT ",
					      "OPTI", "DELE", "CONN", "PRI "};

	if (!conn->is_first)
		return "";
	if (conn->size[0] == 0x16 && conn->size[1] == 0x03)
		return "; this is a TLS handshake: the client is set to SSL, this listener is not";
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (memcmp(conn->size, methods[i], sizeof(conn->size)) == 0)
			return "; this is an HTTP request, and this listener speaks Kafka's "
			       "protocol";
	return "";
}

static void conn_read_refuse(struct conn *conn, const char *what, const char *limit, size_t max)
{
	struct net_loop *home = conn->home;

	net_count(&home->stats.closed_bad, 1);
	if (log_allowed(&home->bad_limit, 10))
		log_warn("net", "closed %s:%u on %s: %s of %d bytes, %s %zu%s", conn->address,
			 conn->port, conn->listener->name, what, (int)conn_read_size_value(conn),
			 limit, max, conn_read_guess(conn));
	conn_close(conn);
}

static void conn_read_no_memory(struct conn *conn)
{
	log_error("net", "closed %s:%u on %s: no memory for a request of %u bytes", conn->address,
		  conn->port, conn->listener->name, conn_read_size_value(conn));
	conn_close(conn);
}

/* -- one frame -------------------------------------------------------------------------------- */

/* Collects the size; true when it is whole. */
static bool conn_read_size(struct conn *conn, const uint8_t *ptr, size_t len, size_t *pos)
{
	if (conn->size_have == 0 && len > 0)
		conn->partial_ms = net_loop_now_ms(conn->home);
	while (conn->size_have < sizeof(conn->size) && *pos < len)
		conn->size[conn->size_have++] = ptr[(*pos)++];
	return conn->size_have == sizeof(conn->size);
}

/* Charges a large frame, or waits for its turn. False: waits, or was refused. */
static bool conn_read_admit(struct conn *conn, uint32_t len)
{
	struct net *net = conn->home->net;

	if (conn->is_admitted)
		return true;
	if (len == 0 || len > net->cfg.request_bytes_max) {
		conn_read_refuse(conn, "a request", "the limit (socket.request.max.bytes) is",
				 net->cfg.request_bytes_max);
		return false;
	}
	if (len > FRAME_SMALL_BYTES && !budget_take(&net->big, len, &conn->wait)) {
		conn->waits_on = &net->big;
		return false;
	}
	conn->is_admitted = true;
	return true;
}

/*
 * A small frame is charged by what has come of it, in steps of a page: were it charged by what the
 * peer claims, a few hundred that claim and then say nothing would use up the reserve of all.
 */
static size_t conn_read_charge(const struct exchange *exchange, size_t have)
{
	size_t len = exchange->frame.len_bytes, pages = (have | (CONN_CHARGE_STEP - 1)) + 1;

	return len > FRAME_SMALL_BYTES || pages > len ? len : pages;
}

/* Makes room for the frame whose size is known. False: it waits, or the connection is closed. */
static bool conn_read_open(struct conn *conn)
{
	struct net_loop *home = conn->home;
	uint32_t len = conn_read_size_value(conn);
	struct exchange *exchange;

	if (!conn_read_admit(conn, len))
		return false;
	exchange = exchange_new(&home->exchanges);
	if (exchange == NULL || !frame_alloc(&home->frames, len, &exchange->frame)) {
		if (exchange != NULL)
			exchange_free(exchange, &home->exchanges, &home->frames);
		conn_read_no_memory(conn);
		return false;
	}
	exchange->budget = len <= FRAME_SMALL_BYTES ? &home->net->small : &home->net->big;
	exchange->charged_bytes = len <= FRAME_SMALL_BYTES ? 0 : len;
	conn->is_admitted = false;
	conn->size_have = 0;
	conn->in = exchange;
	conn->in_have = 0;
	conn->partial_ms = net_loop_now_ms(home);
	if (len > FRAME_SMALL_BYTES)
		conn->tail = CONN_TAIL_MIN;
	return true;
}

/* n more bytes of the frame are there. */
static void conn_read_filled(struct conn *conn, size_t n)
{
	struct exchange *exchange = conn->in;

	must(n <= exchange->frame.len_bytes - conn->in_have);
	conn->in_have += (uint32_t)n;
	exchange_charge(exchange, conn_read_charge(exchange, conn->in_have));
	if (conn->in_have < exchange->frame.len_bytes)
		return;
	conn->in = NULL;
	conn->is_first = false;
	if (conn->is_last)
		exchange_free(exchange, &conn->home->exchanges, &conn->home->frames);
	else if (!conn_move_takes(conn, exchange))
		conn_begin(conn, exchange);
}

static size_t conn_read_copy(struct conn *conn, const uint8_t *ptr, size_t len)
{
	size_t n = conn->in->frame.len_bytes - conn->in_have;

	if (n > len)
		n = len;
	if (n > 0)
		memcpy(conn->in->frame.ptr + conn->in_have, ptr, n);
	conn_read_filled(conn, n);
	return n;
}

/* Begins what may begin; returns how many bytes were used. */
static size_t conn_read_parse(struct conn *conn, const uint8_t *ptr, size_t len)
{
	size_t pos = 0;

	while (conn->fd >= 0) {
		if (conn->in == NULL) {
			if (conn->size_have == 0 && (pos == len || !conn_may_begin(conn)))
				break;
			if (!conn_read_size(conn, ptr, len, &pos) || !conn_read_open(conn))
				break;
		}
		pos += conn_read_copy(conn, ptr + pos, len - pos);
		if (conn->in != NULL)
			break;
	}
	return pos;
}

/* -- bytes that wait -------------------------------------------------------------------------- */

static void conn_read_keep(struct conn *conn, const uint8_t *ptr, size_t len)
{
	struct conn_rest *rest = &conn->rest;

	if (rest->pos > 0)
		memmove(rest->buf, rest->buf + rest->pos, rest->len);
	rest->pos = 0;
	if (rest->size - rest->len < len) {
		uint8_t *buf = realloc(rest->buf, rest->len + len);

		if (buf == NULL) {
			conn_read_no_memory(conn);
			return;
		}
		atomic_fetch_add(&conn->home->net->ahead_bytes,
				 rest->len + (uint32_t)len - rest->size);
		rest->buf = buf;
		rest->size = rest->len + (uint32_t)len;
	}
	memcpy(rest->buf + rest->len, ptr, len);
	rest->len += (uint32_t)len;
}

static void conn_read_free_rest(struct conn *conn)
{
	if (conn->rest.size > 0)
		atomic_fetch_sub(&conn->home->net->ahead_bytes, conn->rest.size);
	free(conn->rest.buf);
	conn->rest = (struct conn_rest){0};
}

void conn_read_rest(struct conn *conn)
{
	struct conn_rest *rest = &conn->rest;
	size_t used;

	if (conn->waits_on != NULL || (rest->len == 0 && !conn->is_admitted))
		return;
	/*
	 * Only the size may have been there: then nothing is kept, and anything does for a pointer.
	 */
	used = conn_read_parse(conn, rest->buf != NULL ? rest->buf + rest->pos : conn->size,
			       rest->len);
	if (conn->fd < 0)
		return;
	rest->pos += (uint32_t)used;
	rest->len -= (uint32_t)used;
	if (rest->len == 0)
		conn_read_free_rest(conn);
}

static void conn_read_take(struct conn *conn, const uint8_t *ptr, size_t len)
{
	size_t used;

	if (conn->rest.len > 0) {
		conn_read_keep(conn, ptr, len);
		if (conn->fd >= 0)
			conn_read_rest(conn);
		return;
	}
	used = conn_read_parse(conn, ptr, len);
	if (conn->fd >= 0 && used < len)
		conn_read_keep(conn, ptr + used, len - used);
}

void conn_read_drop(struct conn *conn)
{
	struct net *net = conn->home->net;
	uint32_t len = conn_read_size_value(conn);

	conn_read_free_rest(conn);
	if (conn->in != NULL)
		exchange_free(conn->in, &conn->home->exchanges, &conn->home->frames);
	if (conn->held != NULL)
		exchange_free(conn->held, &conn->home->exchanges, &conn->home->frames);
	conn->in = conn->held = NULL;
	if (conn->waits_on != NULL && budget_cancel(conn->waits_on, &conn->wait))
		conn->waits_on = NULL;
	if (conn->is_admitted && len > FRAME_SMALL_BYTES)
		budget_give(&net->big, len);
	if (conn->may_read)
		budget_give(&net->small, FRAME_SMALL_BYTES);
	conn->is_admitted = conn->may_read = false;
	conn->size_have = 0;
}

/* -- the socket ------------------------------------------------------------------------------- */

bool conn_read_wants(const struct conn *conn)
{
	if (conn->is_last || conn->waits_on != NULL || conn->is_admitted || conn->held != NULL)
		return false;
	if (conn->in != NULL || conn->size_have > 0)
		return true;
	/* Behind a request that holds the others back, a little is read: so a peer that goes is
	 * seen. */
	if (conn->rest.len > 0 || !conn_may_begin(conn))
		return conn->rest.len < CONN_TAIL_MIN;
	return true;
}

/*
 * How much to read beyond the frame that is being read. What turns out to be of requests that may
 * not begin yet is kept, and a peer may see to it that none may for long: when all together keep
 * too much, each gets little more. (Were that a budget that reads wait for, such peers would stop
 * all others.)
 */
static size_t conn_read_tail(const struct conn *conn)
{
	struct net *net = conn->home->net;
	size_t ahead = atomic_load_explicit(&net->ahead_bytes, memory_order_relaxed);
	size_t tail = ahead < net->cfg.ahead_bytes_max ? conn->tail : CONN_TAIL_MIN;

	if (conn->in != NULL)
		return budget_has_room(&net->small) ? tail : 0;
	if (conn->size_have == 0 && (conn->rest.len > 0 || !conn_may_begin(conn)))
		return CONN_TAIL_MIN - conn->rest.len;
	return tail;
}

/*
 * A read may bring any number of small frames, so it is the read that waits when the reserve of
 * small frames is used up: for as much as one frame may be. What one read brings over that is the
 * overrun.
 */
static bool conn_read_may(struct conn *conn)
{
	struct budget *small = &conn->home->net->small;

	if (conn->in != NULL || conn->may_read || budget_has_room(small))
		return true;
	conn->may_read = budget_take(small, FRAME_SMALL_BYTES, &conn->wait);
	if (!conn->may_read)
		conn->waits_on = small;
	return conn->may_read;
}

void conn_read_granted(struct conn *conn)
{
	struct budget *budget = conn->waits_on;

	must(budget != NULL);
	conn->waits_on = NULL;
	if (conn->fd < 0 || conn->is_last) {
		budget_give(budget, conn->wait.len_bytes);
		if (conn->fd < 0)
			conn_go_home(conn);
		return;
	}
	if (budget == &conn->home->net->small)
		conn->may_read = true;
	else
		conn->is_admitted = true;
	conn_queue_work(conn);
}

static void conn_read_got(struct conn *conn, size_t got, size_t tail)
{
	struct net_loop *home = conn->home;

	net_count(&home->stats.received_bytes, got);
	conn_touch(conn);
	if (conn->in != NULL) {
		size_t left = conn->in->frame.len_bytes - conn->in_have;
		size_t n = got < left ? got : left;

		conn_read_filled(conn, n);
		got -= n;
	}
	if (got > 0)
		conn_read_take(conn, home->in, got);
	if (got == tail && conn->in == NULL)
		conn->tail = conn->tail * 4 < CONN_TAIL_MAX ? conn->tail * 4 : CONN_TAIL_MAX;
}

static void conn_read_once(struct conn *conn)
{
	struct net_loop *home = conn->home;
	size_t tail = conn_read_tail(conn);
	struct iovec iov[2];
	int iov_len = 0;
	ssize_t got;

	if (conn->in != NULL)
		iov[iov_len++] = (struct iovec){conn->in->frame.ptr + conn->in_have,
						conn->in->frame.len_bytes - conn->in_have};
	if (tail > 0)
		iov[iov_len++] = (struct iovec){home->in, tail};
	got = conn->io->readv(conn, iov, iov_len);
	net_count(&home->stats.reads, 1);
	if (got > 0)
		conn_read_got(conn, (size_t)got, tail);
	else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		conn_close(conn);
}

void conn_read_ready(struct conn *conn)
{
	if (conn->fd >= 0 && conn_read_wants(conn) && conn_read_may(conn))
		conn_read_once(conn);
	if (conn->may_read) {
		conn->may_read = false;
		budget_give(&conn->home->net->small, FRAME_SMALL_BYTES);
	}
	conn_update(conn);
}
