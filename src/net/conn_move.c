/*
 * From one loop to another: a connection is served where the state lives that its requests are
 * about, so that they need not be posted there and back, each with two threads to be woken.
 *
 * It moves between requests, with the first one that wants it elsewhere in hand, whole but not
 * begun; what was read behind that goes along in `rest`. At most two moves in a life: to the side
 * loop, and back for good.
 */
#include "net/net_private.h"

static struct net_loop *conn_move_choose(struct conn *conn, enum net_place place)
{
	if (place == NET_PLACE_IO) {
		conn->stays = true;
		return conn->assigned;
	}
	return place == NET_PLACE_SIDE && !conn->stays ? conn->home->net->side : conn->home;
}

bool conn_move_takes(struct conn *conn, struct exchange *exchange)
{
	struct net *net = conn->home->net;
	struct bytes frame = {exchange->frame.ptr, exchange->frame.len_bytes};
	struct net_loop *target;

	if (net->side == NULL)
		return false;
	target = conn_move_choose(conn, net->place(frame));
	if (target == conn->home || !TAILQ_EMPTY(&conn->begun))
		return false;
	conn->held = exchange;
	conn->moves_to = target;
	conn_queue_work(conn);
	return true;
}

static void conn_move_arrive(struct mail *mail)
{
	struct conn *conn = container_of(mail, struct conn, mail);
	struct exchange *exchange = conn->held;

	conn->moves_to = NULL;
	conn_settle(conn);
	/* It has closed if the loop is stopping. */
	if (conn->fd < 0)
		return;
	conn->held = NULL;
	conn_begin(conn, exchange);
	conn_queue_work(conn);
}

void conn_move(struct conn *conn)
{
	must(conn->held != NULL && conn->in == NULL && conn->size_have == 0);
	must(TAILQ_EMPTY(&conn->begun) && conn->away == 0);
	must(conn->waits_on == NULL && !conn->may_read && !conn->is_admitted);
	conn_leave(conn);
	conn->home = conn->moves_to;
	conn->wait.loop = conn->home->loop;
	conn->mail.deliver = conn_move_arrive;
	loop_post(conn->home->loop, &conn->mail);
}
