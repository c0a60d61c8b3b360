/*
 * The way out: answers in order, bytes gathered into one call, slices by sendfile.
 *
 * What is small is copied together in the loop's scratch buffer, since an entry of an iovec costs
 * more than a short copy; a small slice is read there, since sendfile costs more than a short read.
 */
#include <errno.h>
#include <unistd.h>

#include "net/net_private.h"

#define CONN_WRITE_IOV_MAX    64
#define CONN_WRITE_COPY_BYTES 1024u	   /* pieces up to this are copied */
#define CONN_WRITE_READ_BYTES (16u * 1024) /* slices up to this are read instead of sent */

/* What one writev sends. */
struct gather {
	struct iovec iov[CONN_WRITE_IOV_MAX];
	int iov_len;
	size_t len_bytes, copied_bytes;
	bool more;     /* a slice follows */
	bool is_short; /* a slice ended before its time */
};

static bool gather_range(struct gather *gather, const void *ptr, size_t len)
{
	struct iovec *last = gather->iov_len > 0 ? &gather->iov[gather->iov_len - 1] : NULL;

	if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == ptr) {
		last->iov_len += len;
	} else {
		if (gather->iov_len == CONN_WRITE_IOV_MAX)
			return false;
		gather->iov[gather->iov_len++] = (struct iovec){(void *)(uintptr_t)ptr, len};
	}
	gather->len_bytes += len;
	return true;
}

/* False: this piece has to wait for the next call. */
static bool gather_piece(struct gather *gather, uint8_t *out, const struct exchange_piece *piece)
{
	uint8_t *at = out + gather->copied_bytes;
	bool fits = piece->len_bytes <= NET_LOOP_OUT_BYTES - gather->copied_bytes;

	if (piece->ptr == NULL) {
		gather->more = piece->len_bytes > CONN_WRITE_READ_BYTES;
		if (gather->more || !fits)
			return false;
		if (pread(piece->fd, at, piece->len_bytes, piece->pos) !=
		    (ssize_t)piece->len_bytes) {
			gather->is_short = true;
			return false;
		}
	} else if (piece->len_bytes <= CONN_WRITE_COPY_BYTES && fits) {
		memcpy(at, piece->ptr, piece->len_bytes);
	} else {
		return gather_range(gather, piece->ptr, piece->len_bytes);
	}
	if (!gather_range(gather, at, piece->len_bytes))
		return false;
	gather->copied_bytes += piece->len_bytes;
	return true;
}

static bool conn_write_is_next(const struct exchange *exchange)
{
	return exchange != NULL && exchange->done && !exchange->req.close;
}

/* All that can go with one call: up to a large slice, or to the first request that is not done. */
static void conn_write_gather(struct conn *conn, struct gather *gather)
{
	struct exchange *exchange = TAILQ_FIRST(&conn->begun);

	for (; conn_write_is_next(exchange); exchange = TAILQ_NEXT(exchange, link)) {
		struct exchange_pos pos = exchange->sent;
		struct exchange_piece piece;

		if (exchange->req.no_answer)
			continue;
		while (exchange_piece(exchange, &pos, &piece)) {
			if (!gather_piece(gather, conn->home->out, &piece))
				return;
			exchange_skip(exchange, &pos, piece.len_bytes);
		}
	}
}

/* n bytes went out; drops what is through, and what is not answered. */
static void conn_write_advance(struct conn *conn, size_t n)
{
	struct exchange *exchange;

	while (conn_write_is_next(exchange = TAILQ_FIRST(&conn->begun))) {
		if (!exchange->req.no_answer) {
			n -= exchange_advance(exchange, n);
			if (!exchange_is_sent(exchange))
				break;
		}
		conn_answer_sent(conn);
	}
	must(n == 0);
}

static void conn_write_short(struct conn *conn)
{
	log_error("net",
		  "closed %s:%u on %s: a log segment is shorter than what was to be sent of it",
		  conn->address, conn->port, conn->listener->name);
	conn_close(conn);
}

static void conn_write_failed(struct conn *conn)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK) {
		conn_block(conn);
		return;
	}
	if (errno != EPIPE && errno != ECONNRESET)
		log_warn("net", "closed %s:%u on %s: cannot send: %s", conn->address, conn->port,
			 conn->listener->name, strerror(errno));
	conn_close(conn);
}

/* After one call that was to send `wanted` bytes. False: no more for now. */
static bool conn_write_sent(struct conn *conn, ssize_t sent, size_t wanted)
{
	struct net_loop *home = conn->home;

	net_count(&home->stats.writes, 1);
	if (sent < 0) {
		conn_write_failed(conn);
		return false;
	}
	net_count(&home->stats.sent_bytes, (uint64_t)sent);
	conn_touch(conn);
	conn_write_advance(conn, (size_t)sent);
	if ((size_t)sent < wanted)
		conn_block(conn);
	return (size_t)sent == wanted;
}

/* The answer's next bytes, and all behind them that go with one call. */
static bool conn_write_bytes(struct conn *conn, size_t *len_bytes)
{
	struct gather gather;

	/* The iovecs need no zeroing. */
	gather.iov_len = 0;
	gather.len_bytes = gather.copied_bytes = 0;
	gather.more = gather.is_short = false;
	conn_write_gather(conn, &gather);
	*len_bytes = gather.len_bytes;
	if (gather.len_bytes == 0) {
		must(gather.is_short);
		conn_write_short(conn);
		return false;
	}
	return conn_write_sent(conn,
			       conn->io->writev(conn, gather.iov, gather.iov_len, gather.more),
			       gather.len_bytes);
}

static bool conn_write_slice(struct conn *conn, const struct exchange_piece *piece,
			     size_t len_bytes)
{
	ssize_t sent = conn->io->sendfile(conn, piece->fd, piece->pos, len_bytes);

	if (sent == 0) {
		conn_write_short(conn);
		return false;
	}
	return conn_write_sent(conn, sent, len_bytes);
}

/* One call. False: no more for now, or the connection is closed. */
static bool conn_write_next(struct conn *conn, size_t *left_bytes)
{
	struct exchange *exchange = TAILQ_FIRST(&conn->begun);
	struct exchange_piece piece;
	size_t len_bytes;
	bool go_on;

	must(exchange_piece(exchange, &exchange->sent, &piece));
	if (piece.ptr == NULL && piece.len_bytes > CONN_WRITE_READ_BYTES) {
		len_bytes = piece.len_bytes < *left_bytes ? piece.len_bytes : *left_bytes;
		go_on = conn_write_slice(conn, &piece, len_bytes);
	} else {
		go_on = conn_write_bytes(conn, &len_bytes);
	}
	*left_bytes -= len_bytes < *left_bytes ? len_bytes : *left_bytes;
	return go_on;
}

void conn_write_answers(struct conn *conn)
{
	size_t left_bytes = CONN_TURN_BYTES_MAX;
	struct exchange *exchange;

	must(!conn->is_blocked);
	conn_write_advance(conn, 0);
	while (conn_write_is_next(TAILQ_FIRST(&conn->begun))) {
		if (left_bytes == 0) {
			conn_block(conn);
			return;
		}
		if (!conn_write_next(conn, &left_bytes))
			return;
	}
	exchange = TAILQ_FIRST(&conn->begun);
	if (exchange != NULL && exchange->done && exchange->req.close)
		conn_close(conn);
}
