/*
 * Requests through the whole broker, without a socket: frames go in at the dispatcher, answers come
 * out.
 *
 * Each request is answered once or closes its connection; an answer to an API and version decodes,
 * by the generated decoder, with nothing left over; a parked request ends when it is cancelled. The
 * frame is freed as soon as the broker says it needs it no more, so that AddressSanitizer sees a
 * late look. The broker and its topics live on from input to input, until it has seen
 * BROKER_INPUTS.
 *
 * Input: frames as they come after their size, each with 2 bytes of length before it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"
#include "base/file.h"
#include "main/broker.h"
#include "tests/memory.h"
#include "wire/apis.h"
#include "wire/header.h"
#include "wire/table.h"

#define ARENA_BYTES   (32u << 20)
#define FRAMES_MAX    16
#define BROKER_INPUTS 5000
#define PATIENCE_US   60000000 /* for a disk that others keep busy */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct exchange {
	struct req req;
	uint8_t *frame;
	bool done;
	TAILQ_ENTRY(exchange) link;
};
TAILQ_HEAD(exchanges, exchange);

static struct {
	char dir[40];
	struct config *config;
	struct broker *broker;
	unsigned inputs;
	struct exchanges
	    left; /* whose connection is gone, but which the control loop still holds */
} world;

/* -- the broker ---------------------------------------------------------------------------- */

static void world_remove_dir(void)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -rf '%s'", world.dir);
	if (system(command) != 0)
		fprintf(stderr, "%s stays\n", world.dir);
}

static void world_set(const char *name, const char *value)
{
	char message[CONFIG_MESSAGE_SIZE];
	bool unknown;

	must(config_set(world.config, str_of(name), str_of(value), "fuzz", &unknown, message) ==
	     ERR_OK);
}

static void world_configure(void)
{
	static const char *const settings[][2] = {
	    {"process.roles", "broker,controller"},
	    {"node.id", "1"},
	    {"controller.quorum.voters", "1@127.0.0.1:9093"},
	    {"listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"},
	    {"controller.listener.names", "CONTROLLER"},
	    {"num.network.threads", "1"},
	    {"background.threads", "1"},
	    {"group.initial.rebalance.delay.ms", "0"},
	    {"group.min.session.timeout.ms", "1"},
	};
	char message[CONFIG_MESSAGE_SIZE];

	world.config = config_new();
	must(world.config != NULL);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		world_set(settings[i][0], settings[i][1]);
	world_set("log.dirs", world.dir);
	must(config_finish(world.config, message) == ERR_OK);
}

static void world_open(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(world.dir, sizeof(world.dir), "%s/barnabas-fuzz-XXXXXX", memory_dir());
	must(mkdtemp(world.dir) != NULL);
	TAILQ_INIT(&world.left);
	world_configure();
	must(broker_new(world.config, &clock_real, false, &world.broker) == ERR_OK);
	world.inputs = 0;
}

static void exchange_free(struct exchange *x)
{
	if (!x->done) {
		arena_fini(&x->req.arena);
		wr_fini(&x->req.out);
	}
	free(x->frame);
	free(x);
}

static void world_close(void)
{
	struct exchange *x;

	if (world.broker == NULL)
		return;
	must(broker_end(world.broker) == ERR_OK);
	broker_free(world.broker);
	while ((x = TAILQ_FIRST(&world.left)) != NULL) {
		TAILQ_REMOVE(&world.left, x, link);
		exchange_free(x);
	}
	config_free(world.config);
	world_remove_dir();
	world.broker = NULL;
}

/* -- answers ------------------------------------------------------------------------------- */

/* The bytes that would go to the socket, malloc'd. */
static struct bytes answer_bytes(const struct wr *out)
{
	uint8_t *all = malloc(wr_total_bytes(out) + 1);
	size_t len = 0, from = 0, got;

	must(all != NULL);
	for (size_t i = 0; i <= out->cuts_len; i++) {
		size_t until = i < out->cuts_len ? out->cuts[i].at_bytes : out->len_bytes;
		memcpy(all + len, out->buf + from, until - from);
		len += until - from;
		from = until;
		if (i == out->cuts_len)
			break;
		const struct slice *slice = &out->cuts[i].slice;
		must(file_pread(slice->fd, all + len, slice->len_bytes, slice->pos, &got) ==
		     ERR_OK);
		must(got == slice->len_bytes);
		len += got;
	}
	must(len == wr_total_bytes(out));
	return (struct bytes){all, len};
}

static void check_body(struct rd *rd, int16_t key, int16_t version)
{
	const struct table_message *t = table_find(TABLE_RESPONSE, key);
	struct arena arena;

	must(t != NULL);
	/* An ApiVersions that nobody knows is answered in version 0. */
	if (key == 18 && (version < t->min_version || version > t->max_version))
		version = 0;
	arena_init(&arena, ARENA_BYTES);
	void *m = arena_alloc(&arena, t->root->size);
	must(m != NULL);
	enum err err = t->decode(m, rd, version, &arena);
	must(err == ERR_OK || err == ERR_NOMEM);
	must(err != ERR_OK || rd_left(rd) == 0);
	arena_fini(&arena);
}

static void check_answer(const struct req *req)
{
	struct bytes answer = answer_bytes(&req->out);
	struct rd rd = rd_of(answer);

	must(rd_int32(&rd) == req->header.correlation_id);
	if (apis_response_tags(req->header.api_key, req->header.api_version))
		rd_skip_tags(&rd);
	must(rd.err == ERR_OK);
	check_body(&rd, req->header.api_key, req->header.api_version);
	free((void *)(uintptr_t)answer.ptr);
}

static void on_release(struct req *req)
{
	struct exchange *x = container_of(req, struct exchange, req);

	free(x->frame);
	x->frame = NULL;
}

static void on_done(struct req *req)
{
	struct exchange *x = container_of(req, struct exchange, req);

	must(!x->done);
	x->done = true;
	if (!req->close && !req->no_answer && !req->abandoned && req->out.err == ERR_OK)
		check_answer(req);
	arena_fini(&req->arena);
	wr_fini(&req->out);
}

/* -- a connection -------------------------------------------------------------------------- */

static struct exchange *exchange_begin(struct bytes frame)
{
	struct exchange *x = calloc(1, sizeof(*x));

	must(x != NULL);
	x->frame = malloc(frame.len > 0 ? frame.len : 1);
	must(x->frame != NULL);
	memcpy(x->frame, frame.ptr, frame.len);
	x->req.magic = REQ_MAGIC;
	x->req.loop = broker_loop(world.broker);
	arena_init(&x->req.arena, ARENA_BYTES);
	wr_init(&x->req.out, ARENA_BYTES);
	x->req.frame = (struct bytes){x->frame, frame.len};
	x->req.listener = STR("PLAINTEXT");
	x->req.client_address = STR("127.0.0.1");
	x->req.received_us = clock_mono_us(&clock_real);
	x->req.on_done = on_done;
	x->req.on_release = on_release;
	api_dispatch(loop_user(x->req.loop), &x->req);
	return x;
}

/* Turns until it is done, or parked where the connection may cancel it: then it is cancelled. */
static void exchange_end(struct exchange *x)
{
	int64_t deadline_us = clock_mono_us(&clock_real) + PATIENCE_US;

	for (int turns = 0; !x->done && turns < 3; turns++)
		broker_turn(world.broker);
	x->req.abandoned = !x->done;
	while (!x->done && clock_mono_us(&clock_real) < deadline_us) {
		if (x->req.on_cancel != NULL)
			x->req.on_cancel(&x->req);
		else
			broker_turn(world.broker);
		/* What is parked in a group stays there: its member's connection is gone. */
		if (x->req.header.api_key == 11 || x->req.header.api_key == 14)
			break;
	}
	if (x->done) {
		exchange_free(x);
		return;
	}
	must(x->req.header.api_key == 11 || x->req.header.api_key == 14);
	TAILQ_INSERT_TAIL(&world.left, x, link);
}

static void sweep_left(void)
{
	struct exchange *x = TAILQ_FIRST(&world.left), *next;

	for (; x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (!x->done)
			continue;
		TAILQ_REMOVE(&world.left, x, link);
		exchange_free(x);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	struct bytes rest = {data, size};

	if (world.broker == NULL)
		world_open();
	if (!begun)
		atexit(world_close);
	begun = true;
	for (int i = 0; i < FRAMES_MAX && rest.len >= 2; i++) {
		size_t len = rest.ptr[0] * 256u + rest.ptr[1];
		rest = (struct bytes){rest.ptr + 2, rest.len - 2};
		if (len > rest.len)
			len = rest.len;
		exchange_end(exchange_begin((struct bytes){rest.ptr, len}));
		rest = (struct bytes){rest.ptr + len, rest.len - len};
	}
	sweep_left();
	if (++world.inputs == BROKER_INPUTS)
		world_close();
	return 0;
}
