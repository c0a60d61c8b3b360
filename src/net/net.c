/* The network as its user sees it: made, opened, stopped, freed. */
#include "net/net.h"

#include <signal.h>
#include <stdlib.h>

#include "net/net_private.h"

#define NET_MAGIC 0x9e7b0a7du

void net_config_default(struct net_config *cfg)
{
	*cfg = (struct net_config){
	    .request_bytes_max = 104857600,
	    .queued_bytes_max = 32u << 20,
	    .queued_small_bytes_max = 8u << 20,
	    .ahead_bytes_max = 4u << 20,
	    .arena_bytes_max = 64u << 20,
	    .answer_bytes_max = 128u << 20,
	    .unsent_bytes_max = 64u << 20,
	    .idle_ms_max = 600000,
	    .read_ms_max = 30000,
	    .stop_ms_max = 2000,
	    .connections_max = INT32_MAX,
	    .connections_per_ip_max = INT32_MAX,
	};
}

struct net *net_new(const struct net_config *cfg, struct loop *const *loops, size_t loops_len,
		    void (*handle)(void *ctx, struct req *req), void *ctx)
{
	struct net *net;

	must(loops_len > 0 && loops_len < 1024 && handle != NULL);
	net = calloc(1, sizeof(*net) + (loops_len + 1) * sizeof(net->loops[0]));
	must(net != NULL);
	net->magic = NET_MAGIC;
	net->cfg = *cfg;
	net->handle = handle;
	net->handle_ctx = ctx;
	budget_init(&net->big, cfg->queued_bytes_max);
	budget_init(&net->small, cfg->queued_small_bytes_max);
	net->io_len = net->loops_len = loops_len;
	for (size_t i = 0; i < loops_len; i++)
		net_loop_init(&net->loops[i], net, loops[i]);
	acceptor_init(&net->acceptor, net);
	net->cfg.ip_limits = NULL;
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	return net;
}

void net_set_side(struct net *net, struct loop *side, enum net_place (*place)(struct bytes frame))
{
	must_be(net, NET_MAGIC);
	must(net->side == NULL && place != NULL && !atomic_load(&net->is_opened));
	net->side = &net->loops[net->loops_len++];
	net->place = place;
	net_loop_init(net->side, net, side);
}

enum err net_listen(struct net *net, const struct net_listener_config *cfg, uint16_t *port)
{
	must_be(net, NET_MAGIC);
	must(cfg->name != NULL && !atomic_load(&net->is_opened));
	return listener_new(&net->acceptor, cfg, port);
}

static void net_on_open(struct mail *mail)
{
	acceptor_watch(&container_of(mail, struct net, open_mail)->acceptor);
}

enum err net_open(struct net *net)
{
	enum err err;

	must_be(net, NET_MAGIC);
	must(!atomic_exchange(&net->is_opened, true));
	err = acceptor_open(&net->acceptor);
	if (err != ERR_OK)
		return err;
	net->open_mail.deliver = net_on_open;
	loop_post(net->loops[0].loop, &net->open_mail);
	return ERR_OK;
}

static void net_on_stop(struct mail *mail)
{
	acceptor_stop(&container_of(mail, struct net, stop_mail)->acceptor);
}

void net_stop(struct net *net, void (*stopped)(void *ctx), void *ctx)
{
	must_be(net, NET_MAGIC);
	must(net->stopped == NULL && stopped != NULL);
	net->stopped = stopped;
	net->stopped_ctx = ctx;
	net->stop_mail.deliver = net_on_stop;
	loop_post(net->loops[0].loop, &net->stop_mail);
}

void net_free(struct net *net)
{
	must_be(net, NET_MAGIC);
	acceptor_fini(&net->acceptor);
	for (size_t i = 0; i < net->loops_len; i++)
		net_loop_fini(&net->loops[i]);
	budget_fini(&net->big);
	budget_fini(&net->small);
	net->magic = 0;
	free(net);
}

static void net_add(_Atomic uint64_t *sum, const _Atomic uint64_t *counter)
{
	net_count(sum, atomic_load_explicit(counter, memory_order_relaxed));
}

void net_read_stats(const struct net *net, struct net_stats *sum)
{
	must_be(net, NET_MAGIC);
	memset(sum, 0, sizeof(*sum));
	for (size_t i = 0; i < net->loops_len; i++) {
		const struct net_stats *from = &net->loops[i].stats;

		net_add(&sum->connections_opened, &from->connections_opened);
		net_add(&sum->connections_closed, &from->connections_closed);
		net_add(&sum->requests, &from->requests);
		net_add(&sum->answers, &from->answers);
		net_add(&sum->received_bytes, &from->received_bytes);
		net_add(&sum->sent_bytes, &from->sent_bytes);
		net_add(&sum->reads, &from->reads);
		net_add(&sum->writes, &from->writes);
		net_add(&sum->closed_idle, &from->closed_idle);
		net_add(&sum->closed_bad, &from->closed_bad);
		net_add(&sum->closed_slow, &from->closed_slow);
	}
	net_add(&sum->connections_refused, &net->acceptor.refused);
}
