/*
 * One connection, on one loop at a time.
 *
 * Reading: as much as there is comes with one call, into the rest of the frame that is being read
 * and, behind it, into the loop's scratch buffer, from which any number of frames are begun. Bytes
 * of frames that may not begin yet are kept in `rest`. So an idle connection holds no buffer.
 *
 * Requests begin in the order in which they came, nothing begins behind one that is neither done
 * nor overlapping, and answers leave in the same order, all of a turn together, before the loop
 * sleeps.
 *
 * It is made and freed on the accepting loop. In between it belongs to its home: conn_arrive, ...,
 * conn_close, and after the last request that was under way has come back, the mail to the
 * accepting loop.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <netinet/in.h>

#include "net/exchange.h"
#include "net/io.h"

#define CONN_REQUESTS_MAX   256u	 /* under way, answers included */
#define CONN_FRAMES_MAX	    (16u << 20)	 /* bytes of frames under way, past which nothing begins */
#define CONN_UNSENT_MAX	    (1u << 20)	 /* bytes of answers, past which nothing begins */
#define CONN_TAIL_MIN	    4096u	 /* read behind a frame, at first and after large frames */
#define CONN_TAIL_MAX	    (64u * 1024) /* the scratch buffer */
#define CONN_TURN_BYTES_MAX (2u << 20)	 /* sent in a turn, for the sake of the others */

struct listener;
struct net_loop;

/* Bytes that were read but may not begin yet. */
struct conn_rest {
	uint8_t *buf;
	uint32_t pos, len, size;
};

struct conn {
	uint32_t magic;
	int fd; /* -1: closed */
	ev_io ev;
	struct net_loop *home;
	struct net_loop *assigned; /* the io loop that it was given to */
	struct listener *listener;
	const struct conn_io *io;

	TAILQ_ENTRY(conn) by_age;  /* all, the longest idle first */
	TAILQ_ENTRY(conn) partial; /* those with a frame half read */
	TAILQ_ENTRY(conn) blocked; /* those whose peer does not read */
	TAILQ_ENTRY(conn) work; /* those to look at before the loop sleeps, and those that leave */
	int64_t moved_ms;	/* when bytes last moved */
	int64_t partial_ms;	/* since when the frame is being read */

	struct exchange *in; /* the frame that is being read */
	uint32_t in_have;    /* bytes of it */
	uint32_t tail;	     /* how much to read beyond it */
	uint8_t size[4];     /* its size, while that is being read */
	uint8_t size_have;
	struct conn_rest rest;

	struct exchange *held;	   /* the request that it moves with, see conn_move.c */
	struct net_loop *moves_to; /* while it does */
	bool stays;		   /* it moves to the side loop no more */

	struct exchanges begun; /* in order, until their answer is sent */
	uint32_t begun_len;
	uint32_t away;	     /* begun ones that are still under way after close */
	size_t frames_bytes; /* of begun ones not yet done */
	size_t unsent_bytes; /* of answers, slices included */

	struct budget_wait wait;
	struct budget *waits_on; /* NULL: none; nothing is read meanwhile */
	bool is_admitted;	 /* the frame whose size stands in `size` has been granted */
	bool may_read;		 /* has been granted room for one read */
	bool is_partial, is_blocked, is_queued; /* on those lists */
	bool is_last;  /* nothing begins any more: a request asked to close, or the net stops */
	bool is_first; /* no frame has been read yet */

	struct mail mail;   /* to home at first, to another loop, and back at last */
	struct in6_addr ip; /* IPv4 as mapped */
	uint16_t port;
	char address[INET6_ADDRSTRLEN];
};

TAILQ_HEAD(conns, conn);

/* On the accepting loop. Takes fd. NULL: out of memory, fd is closed. */
struct conn *conn_new(struct listener *listener, struct net_loop *home, int fd,
		      const struct sockaddr_storage *peer);
/* On the accepting loop, when it has come back. */
void conn_free(struct conn *conn);
/* On home: from now on it is served. */
void conn_arrive(struct conn *conn);
/* On home, as often as that changes: among its connections, and no more. */
void conn_settle(struct conn *conn);
void conn_leave(struct conn *conn);
/*
 * Closes the socket, gives back what it holds, abandons requests under way; idempotent. The struct
 * stays until the mail to the accepting loop is delivered, so a caller may go on to look at
 * conn->fd.
 */
void conn_close(struct conn *conn);
/* Stops reading, cancels what is parked, closes after the last answer. */
void conn_drain(struct conn *conn);

/* The oldest request's answer is through. */
void conn_answer_sent(struct conn *conn);
/* The peer does not take more now: to be told when it does. */
void conn_block(struct conn *conn);
/* Closed: back to the accepting loop, if nothing of it is under way any more. */
void conn_go_home(struct conn *conn);

/* Puts it on the list of those to look at before the loop sleeps. */
void conn_queue_work(struct conn *conn);
/* Looks at it: begins what waited, sends what is done. */
void conn_do_work(struct conn *conn);
/* Something moved now. */
void conn_touch(struct conn *conn);
/* Watches for what it can use now, and keeps the lists true. */
void conn_update(struct conn *conn);
/* Fills in a new exchange's request, and hands it to the handler. */
void conn_begin(struct conn *conn, struct exchange *exchange);
/* May another request begin? */
bool conn_may_begin(const struct conn *conn);

/* conn_move.c: does this whole frame belong to another loop? Then it has been taken. */
bool conn_move_takes(struct conn *conn, struct exchange *exchange);
/* conn_move.c: now; it must not be looked at any more. */
void conn_move(struct conn *conn);
/* conn_read.c: the socket is readable. */
void conn_read_ready(struct conn *conn);
/* conn_read.c: begins what is kept, as far as it may. */
void conn_read_rest(struct conn *conn);
/* conn_read.c: wants it to be told when there is more? */
bool conn_read_wants(const struct conn *conn);
/* conn_read.c: the budget has granted what this connection waited for. */
void conn_read_granted(struct conn *conn);
/* conn_read.c: frees the frame that is being read and what is kept. */
void conn_read_drop(struct conn *conn);
/* conn_write.c: sends what is done, in order. */
void conn_write_answers(struct conn *conn);

#endif
