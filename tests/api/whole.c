/* The broker of main/, its loops turned by hand. */
#include "tests/api/whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"
#include "base/file.h"
#include "proto/create_topics.h"
#include "wire/apis.h"
#include "wire/header.h"

#define FRAME_BYTES_MAX (64u << 20)
#define CORRELATION_ID	77

static void whole_set(struct config *config, const char *setting)
{
	char message[CONFIG_MESSAGE_SIZE];
	enum err err = config_override(config, setting, message);

	if (err != ERR_OK)
		fprintf(stderr, "%s\n", message);
	must(err == ERR_OK);
}

static void whole_start(struct whole *whole)
{
	must(broker_new(whole->config, &clock_real, false, &whole->broker) == ERR_OK);
}

static void whole_configure(struct whole *whole, const char *const *settings)
{
	char message[CONFIG_MESSAGE_SIZE], dirs[128];

	whole->config = config_new();
	snprintf(dirs, sizeof(dirs), "log.dirs=%s", whole->dir);
	whole_set(whole->config, dirs);
	whole_set(whole->config, "node.id=1");
	whole_set(whole->config, "listeners=PLAINTEXT://127.0.0.1:9092");
	whole_set(whole->config, "num.network.threads=1");
	whole_set(whole->config, "background.threads=2");
	whole_set(whole->config, "offsets.topic.num.partitions=1");
	whole_set(whole->config, "offsets.topic.replication.factor=1");
	whole_set(whole->config, "group.initial.rebalance.delay.ms=0");
	for (size_t i = 0; settings != NULL && settings[i] != NULL; i++)
		whole_set(whole->config, settings[i]);
	must(config_finish(whole->config, message) == ERR_OK);
}

void whole_open(struct whole *whole, const char *const *settings)
{
	strcpy(whole->dir, "/tmp/barnabas-whole-XXXXXX");
	must(mkdtemp(whole->dir) != NULL);
	whole_configure(whole, settings);
	whole_start(whole);
}

enum err whole_open_dir(struct whole *whole, const char *dir, const char *const *settings)
{
	must((size_t)snprintf(whole->dir, sizeof(whole->dir), "%s", dir) < sizeof(whole->dir));
	whole_configure(whole, settings);
	return broker_new(whole->config, &clock_real, false, &whole->broker);
}

enum err whole_end_dir(struct whole *whole)
{
	enum err err = broker_end(whole->broker);

	broker_free(whole->broker);
	config_free(whole->config);
	return err;
}

static void whole_stop(struct whole *whole)
{
	must(broker_end(whole->broker) == ERR_OK);
	broker_free(whole->broker);
}

void whole_restart(struct whole *whole)
{
	whole_stop(whole);
	whole_start(whole);
}

void whole_close(struct whole *whole)
{
	char **names;
	size_t names_len;

	whole_stop(whole);
	config_free(whole->config);
	must(file_list(whole->dir, &names, &names_len) == ERR_OK);
	for (size_t i = 0; i < names_len; i++) {
		char *path = file_path(whole->dir, names[i]);

		if (file_unlink(path) != ERR_OK)
			must(file_remove_dir(path) == ERR_OK);
		free(path);
	}
	file_list_free(names, names_len);
	must(rmdir(whole->dir) == 0);
}

void whole_turn(struct whole *whole)
{
	broker_turn(whole->broker);
}

/* -- one request --------------------------------------------------------------------------- */

static void whole_on_done(struct req *req)
{
	struct whole_call *call = container_of(req, struct whole_call, req);

	must(!call->done);
	call->done = true;
}

void whole_begin(struct whole *whole, struct whole_call *call, int16_t key, int16_t version)
{
	*call = (struct whole_call){.whole = whole};
	wr_init(&call->frame, FRAME_BYTES_MAX);
	wr_init(&call->flat, FRAME_BYTES_MAX);
	wr_int16(&call->frame, key);
	wr_int16(&call->frame, version);
	wr_int32(&call->frame, CORRELATION_ID);
	wr_str(&call->frame, STR("test"), false, true);
	if (apis_request_tags(key, version))
		wr_uvarint(&call->frame, 0);
}

void whole_send(struct whole_call *call)
{
	struct req *req = &call->req;

	must(call->frame.err == ERR_OK);
	req->magic = REQ_MAGIC;
	req->loop = broker_loop(call->whole->broker);
	arena_init(&req->arena, FRAME_BYTES_MAX);
	req->frame = wr_written(&call->frame);
	req->listener = STR("PLAINTEXT");
	req->client_address = STR("127.0.0.1");
	req->on_done = whole_on_done;
	api_dispatch(loop_user(req->loop), req);
}

/* File ranges into memory, as a socket would send them. False: one could not be read. */
static bool whole_flatten(struct whole_call *call)
{
	struct wr *out = &call->req.out;
	size_t at = 0;

	for (size_t i = 0; i < out->cuts_len; i++) {
		struct slice *slice = &out->cuts[i].slice;
		size_t got;
		uint8_t *room;

		wr_raw(&call->flat, (struct bytes){out->buf + at, out->cuts[i].at_bytes - at});
		at = out->cuts[i].at_bytes;
		room = wr_room(&call->flat, slice->len_bytes);
		must(room != NULL);
		if (file_pread(slice->fd, room, slice->len_bytes, slice->pos, &got) != ERR_OK ||
		    got != slice->len_bytes)
			return false;
	}
	wr_raw(&call->flat, (struct bytes){out->buf + at, out->len_bytes - at});
	call->body = rd_of(wr_written(&call->flat));
	return true;
}

static bool whole_await_within(struct whole_call *call, int64_t wait_ms)
{
	int64_t end_ms = clock_mono_ms(&clock_real) + wait_ms;
	const struct req_header *header = &call->req.header;

	while (!call->done && clock_mono_ms(&clock_real) < end_ms)
		whole_turn(call->whole);
	if (!call->done)
		return false;
	if (call->req.close || call->req.no_answer)
		return true;
	if (!whole_flatten(call))
		return false;
	must(rd_int32(&call->body) == CORRELATION_ID);
	if (apis_response_tags(header->api_key, header->api_version))
		rd_skip_tags(&call->body);
	return true;
}

bool whole_ask_within(struct whole_call *call, int64_t wait_ms)
{
	whole_send(call);
	return whole_await_within(call, wait_ms);
}

void whole_ask(struct whole_call *call)
{
	whole_send(call);
	whole_await(call);
}

void whole_await(struct whole_call *call)
{
	must(whole_await_within(call, INT64_MAX / 2));
}

void whole_abandon(struct whole_call *call)
{
	call->req.abandoned = true;
	if (call->req.on_cancel != NULL)
		call->req.on_cancel(&call->req);
	while (!call->done)
		whole_turn(call->whole);
}

void whole_end(struct whole_call *call)
{
	must(call->done);
	if (call->req.out.buf != NULL || call->req.out.cuts != NULL)
		wr_fini(&call->req.out);
	arena_fini(&call->req.arena);
	wr_fini(&call->frame);
	wr_fini(&call->flat);
}

void whole_make_topic(struct whole *whole, const char *name, int32_t partitions)
{
	struct create_topics_req_creatable_topic topic;
	struct create_topics_req ask;
	struct create_topics_res answer;
	struct whole_call call;

	whole_begin(whole, &call, CREATE_TOPICS_API_KEY, CREATE_TOPICS_MAX_VERSION);
	create_topics_req_init(&ask);
	create_topics_req_creatable_topic_init(&topic);
	topic.name = str_of(name);
	topic.num_partitions = partitions;
	topic.replication_factor = 1;
	ask.topics = &topic;
	ask.topics_len = 1;
	create_topics_req_encode(&ask, &call.frame, CREATE_TOPICS_MAX_VERSION);
	whole_ask(&call);
	must(create_topics_res_decode(&answer, &call.body, CREATE_TOPICS_MAX_VERSION,
				      &call.req.arena) == ERR_OK);
	must(answer.topics_len == 1 && answer.topics[0].error_code == 0);
	whole_end(&call);
}
