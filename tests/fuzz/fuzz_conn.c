/*
 * Bytes into connections, cut where the input says, with requests that are answered at once, later,
 * out of order or not at all, under small budgets, by peers that go at any moment.
 *
 * The input is a list of steps: a byte of flags, a length, bytes. What must hold: answers come in
 * the order of their requests, each once; and when the peers have gone, nothing is held.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/net_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS	   2
#define PARKED_MAX 1024
#define FILE_BYTES 300000

enum step_flag {
	STEP_PEER = 1,
	STEP_RELEASE_OLDEST = 2,
	STEP_RELEASE_NEWEST = 4,
	STEP_GO = 8,	   /* the peer closes */
	STEP_MANY = 16,	   /* 1024 times the length, of one byte */
	STEP_LATE = 32,	   /* 31 seconds pass */
	STEP_OVERLAP = 64, /* the newest parked lets others begin */
	STEP_DEAF = 128,   /* answers are not read in this step */
};

struct peer {
	int fd;		     /* -1: gone */
	uint32_t next;	     /* the number that its next answer has, at least */
	uint32_t skip, have; /* bytes of the answer that is being read */
	uint8_t head[8];
};

struct fuzz {
	struct clock_fake clock;
	struct loop *loop;
	struct net *net;
	int file;
	struct peer peers[PEERS];
	struct req *parked[PARKED_MAX];
	size_t parked_len;
	struct loop_task task;
	struct req *turn[PARKED_MAX];
	size_t turn_len;
	uint32_t begun; /* numbers the requests */
};

/* -- the handler ------------------------------------------------------------------------------ */

/* The number, then what the command asks for. */
static void fuzz_answer(struct req *req)
{
	struct fuzz *fuzz = req->parked;
	uint8_t cmd = req->header.api_version & 7;

	if (cmd == 5) {
		size_t len = (size_t)req->header.api_key * 97;
		struct slice slice = {.fd = fuzz->file, .pos = 0, .len_bytes = len};
		struct records records = {.slices = &slice, .slices_len = 1};

		wr_int32(&req->out, req->header.correlation_id);
		wr_records(&req->out, &records, false, true);
	} else {
		wr_int32(&req->out, req->header.correlation_id);
	}
	req->no_answer = cmd == 3;
	req->close = cmd == 4;
	req_done(req);
}

static void fuzz_on_cancel(struct req *req)
{
	struct fuzz *fuzz = req->parked;

	for (size_t i = 0; i < fuzz->parked_len; i++)
		if (fuzz->parked[i] == req)
			fuzz->parked[i] = NULL;
	fuzz_answer(req);
}

static void fuzz_run_turn(struct loop_task *task)
{
	struct fuzz *fuzz = container_of(task, struct fuzz, task);

	for (size_t i = 0; i < fuzz->turn_len; i++)
		fuzz_answer(fuzz->turn[i]);
	fuzz->turn_len = 0;
}

static void fuzz_park(struct fuzz *fuzz, struct req *req)
{
	if (fuzz->parked_len == PARKED_MAX) {
		fuzz_answer(req);
		return;
	}
	req->on_cancel = fuzz_on_cancel;
	fuzz->parked[fuzz->parked_len++] = req;
}

static void fuzz_handle(void *ctx, struct req *req)
{
	struct fuzz *fuzz = ctx;

	req->parked = fuzz;
	req->header.correlation_id = (int32_t)fuzz->begun++;
	req->header.api_version = req->frame.ptr[0];
	req->header.api_key = req->frame.len > 1 ? req->frame.ptr[1] : 0;
	switch (req->frame.ptr[0] & 7) {
	case 1:
		fuzz_park(fuzz, req);
		return;
	case 2:
		req->overlap = true;
		fuzz_park(fuzz, req);
		return;
	case 6:
		if (fuzz->turn_len == PARKED_MAX)
			break;
		req->overlap = true;
		fuzz->turn[fuzz->turn_len++] = req;
		loop_defer(fuzz->loop, &fuzz->task);
		return;
	case 7:
		req_release_frame(req);
		fuzz_park(fuzz, req);
		return;
	default:
		break;
	}
	fuzz_answer(req);
}

static void fuzz_release(struct fuzz *fuzz, bool newest)
{
	for (size_t k = 0; k < fuzz->parked_len; k++) {
		size_t i = newest ? fuzz->parked_len - 1 - k : k;
		struct req *req = fuzz->parked[i];

		if (req == NULL)
			continue;
		fuzz->parked[i] = NULL;
		fuzz_answer(req);
		return;
	}
}

static void fuzz_overlap(struct fuzz *fuzz)
{
	for (size_t i = fuzz->parked_len; i > 0; i--)
		if (fuzz->parked[i - 1] != NULL) {
			req_overlap(fuzz->parked[i - 1]);
			return;
		}
}

/* -- the peers -------------------------------------------------------------------------------- */

static uint32_t fuzz_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void fuzz_join(struct fuzz *fuzz, struct peer *peer)
{
	struct sockaddr_storage addr = {.ss_family = AF_INET};
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	*peer = (struct peer){.fd = fds[0]};
	acceptor_take(&fuzz->net->acceptor, TAILQ_FIRST(&fuzz->net->acceptor.listeners), fds[1],
		      &addr);
}

/* Checks the answers: numbers rise. */
static void fuzz_check(struct peer *peer, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len;) {
		if (peer->skip > 0) {
			size_t n = len - i < peer->skip ? len - i : peer->skip;

			peer->skip -= (uint32_t)n;
			i += n;
			continue;
		}
		peer->head[peer->have++] = bytes[i++];
		if (peer->have < sizeof(peer->head))
			continue;
		must(fuzz_u32(peer->head) >= 4);
		must(fuzz_u32(peer->head + 4) >= peer->next);
		peer->next = fuzz_u32(peer->head + 4) + 1;
		peer->skip = fuzz_u32(peer->head) - 4;
		peer->have = 0;
	}
}

static void fuzz_receive(struct peer *peer)
{
	static uint8_t buf[1u << 16];
	ssize_t got;

	while (peer->fd >= 0 && (got = recv(peer->fd, buf, sizeof(buf), 0)) > 0)
		fuzz_check(peer, buf, (size_t)got);
}

static void fuzz_send(struct peer *peer, const uint8_t *bytes, size_t len, bool many)
{
	static uint8_t block[1u << 18];
	ssize_t sent;

	if (peer->fd < 0 || len == 0)
		return;
	if (many) {
		memset(block, bytes[0], len * 1024);
		bytes = block;
		len *= 1024;
	}
	sent = send(peer->fd, bytes, len, MSG_NOSIGNAL);
	must(sent >= 0 || errno == EPIPE || errno == EAGAIN || errno == ECONNRESET);
}

/* -- one input -------------------------------------------------------------------------------- */

static void fuzz_step(struct fuzz *fuzz, uint8_t flags, const uint8_t *bytes, size_t len)
{
	struct peer *peer = &fuzz->peers[flags & STEP_PEER];

	fuzz_send(peer, bytes, len, (flags & STEP_MANY) != 0);
	loop_turn(fuzz->loop, false);
	if (flags & (STEP_RELEASE_OLDEST | STEP_RELEASE_NEWEST))
		fuzz_release(fuzz, (flags & STEP_RELEASE_NEWEST) != 0);
	if (flags & STEP_OVERLAP)
		fuzz_overlap(fuzz);
	if (flags & STEP_LATE) {
		clock_fake_advance(&fuzz->clock, 31000);
		net_loop_sweep_partial(&fuzz->net->loops[0]);
	}
	loop_turn(fuzz->loop, false);
	if (!(flags & STEP_DEAF))
		fuzz_receive(peer);
	if ((flags & STEP_GO) && peer->fd >= 0) {
		close(peer->fd);
		peer->fd = -1;
	}
}

static void fuzz_finish(struct fuzz *fuzz)
{
	for (int i = 0; i < PEERS; i++) {
		fuzz_receive(&fuzz->peers[i]);
		if (fuzz->peers[i].fd >= 0)
			close(fuzz->peers[i].fd);
	}
	for (int i = 0; i < 10000 && fuzz->net->acceptor.conns_len > 0; i++) {
		loop_turn(fuzz->loop, false);
		fuzz_release(fuzz, false);
	}
	must(fuzz->net->acceptor.conns_len == 0);
	must(fuzz->net->big.used_bytes == 0 && fuzz->net->small.used_bytes == 0);
	must(fuzz->net->loops[0].unsent_bytes == 0);
	for (size_t i = 0; i < fuzz->parked_len; i++)
		must(fuzz->parked[i] == NULL);
	fuzz->parked_len = 0;
}

static struct fuzz *fuzz_new(void)
{
	struct net_listener_config listener = {.name = "PLAINTEXT", .host = "127.0.0.1"};
	struct fuzz *fuzz = calloc(1, sizeof(*fuzz));
	char path[] = "/tmp/barnabas-fuzz-XXXXXX";
	struct net_config cfg;
	uint16_t port;

	must(fuzz != NULL);
	log_set_level(LOG_LEVEL_ERROR);
	clock_fake_init(&fuzz->clock, 0);
	fuzz->loop = loop_new("fuzz", &fuzz->clock.clock);
	fuzz->task.run = fuzz_run_turn;
	fuzz->file = mkstemp(path);
	must(fuzz->file >= 0 && unlink(path) == 0 && ftruncate(fuzz->file, FILE_BYTES) == 0);
	net_config_default(&cfg);
	cfg.request_bytes_max = 300000;
	cfg.queued_bytes_max = 200000;
	cfg.queued_small_bytes_max = 2000;
	fuzz->net = net_new(&cfg, &fuzz->loop, 1, fuzz_handle, fuzz);
	must(net_listen(fuzz->net, &listener, &port) == ERR_OK);
	return fuzz;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz *fuzz;

	if (fuzz == NULL)
		fuzz = fuzz_new();
	fuzz->begun = 0;
	for (int i = 0; i < PEERS; i++)
		fuzz_join(fuzz, &fuzz->peers[i]);
	for (size_t i = 0; i + 2 <= size;) {
		size_t len = data[i + 1];

		if (len > size - i - 2)
			len = size - i - 2;
		fuzz_step(fuzz, data[i], data + i + 2, len);
		i += 2 + len;
	}
	fuzz_finish(fuzz);
	return 0;
}
