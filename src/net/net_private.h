/* struct net, for the files of this room. */
#ifndef NET_NET_PRIVATE_H
#define NET_NET_PRIVATE_H

#include "net/listener.h"
#include "net/net_loop.h"

struct net {
	uint32_t magic;
	struct net_config cfg;
	void (*handle)(void *ctx, struct req *req);
	void *handle_ctx;

	struct budget big, small;   /* frames over and up to FRAME_SMALL_BYTES */
	_Atomic size_t ahead_bytes; /* what connections keep in their `rest` */
	struct acceptor acceptor;

	_Atomic bool is_opened, is_stopped;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
	struct mail open_mail, stop_mail;

	enum net_place (*place)(struct bytes frame);
	struct net_loop *side;	 /* the last of loops, or NULL */
	size_t io_len;		 /* loops that connections are spread over */
	size_t loops_len;	 /* with the side loop */
	struct net_loop loops[]; /* the first accepts */
};

#endif
