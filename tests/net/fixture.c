/* The network under test: a handler that does as the frame says, and blocking-looking clients. */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The one whose loops have no threads, so that a client must turn them while it waits. */
static struct fixture *fixture_turned;

/* -- the handler ------------------------------------------------------------------------------ */

static void fixture_echo(struct req *req, struct bytes bytes)
{
	wr_raw(&req->out, bytes);
	req_done(req);
}

static void fixture_on_cancel(struct req *req)
{
	struct fixture *f = req->parked;

	f->cancelled++;
	for (size_t i = 0; i < f->parked_len; i++)
		if (f->parked[i] == req)
			f->parked[i] = NULL;
	fixture_echo(req, (struct bytes){(const uint8_t *)"cancelled", 9});
}

static void fixture_park(struct fixture *f, struct req *req)
{
	assert_true(f->parked_len < ARRAY_LEN(f->parked));
	req->parked = f;
	req->on_cancel = fixture_on_cancel;
	f->parked[f->parked_len++] = req;
}

void fixture_release(struct fixture *f, size_t idx)
{
	struct req *req = f->parked[idx];

	assert_true(idx < f->parked_len && req != NULL);
	f->parked[idx] = NULL;
	fixture_echo(req, req->frame.ptr != NULL
			      ? (struct bytes){req->frame.ptr + 1, req->frame.len - 1}
			      : (struct bytes){(const uint8_t *)req->header.client_id.ptr,
					       req->header.client_id.len});
}

void fixture_overlap(struct fixture *f, size_t idx)
{
	assert_true(idx < f->parked_len && f->parked[idx] != NULL);
	req_overlap(f->parked[idx]);
}

static void fixture_on_away(struct mail *mail)
{
	struct req *req = container_of(mail, struct req, mail);

	fixture_echo(req, (struct bytes){req->frame.ptr + 1, req->frame.len - 1});
}

static void fixture_slice_released(void *owner)
{
	struct fixture *f = owner;

	__atomic_fetch_add(&f->slices_released, 1, __ATOMIC_RELAXED);
}

static uint32_t fixture_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

/* "<" then two slices as one records field, then ">". */
static void fixture_slice(struct fixture *f, struct req *req)
{
	uint32_t pos = fixture_u32(req->frame.ptr + 1);
	uint32_t first = fixture_u32(req->frame.ptr + 5), second = fixture_u32(req->frame.ptr + 9);
	struct slice slices[2] = {{f->file, pos, first, f, fixture_slice_released},
				  {f->file, pos + first, second, f, fixture_slice_released}};
	struct records records = {.slices = slices, .slices_len = 2};

	wr_raw(&req->out, (struct bytes){(const uint8_t *)"<", 1});
	wr_records(&req->out, &records, false, true);
	wr_raw(&req->out, (struct bytes){(const uint8_t *)">", 1});
	req_done(req);
}

static void fixture_large(struct req *req)
{
	uint32_t len = fixture_u32(req->frame.ptr + 1);
	uint8_t *room = wr_room(&req->out, len);

	assert_non_null(room);
	for (uint32_t i = 0; i < len; i++)
		room[i] = fixture_byte(i);
	req_done(req);
}

static void fixture_run_turn(struct loop_task *task)
{
	struct fixture *f = container_of(task, struct fixture, turn_task);

	for (size_t i = 0; i < f->turn_len; i++)
		fixture_echo(f->turn[i],
			     (struct bytes){f->turn[i]->frame.ptr + 1, f->turn[i]->frame.len - 1});
	f->turn_len = 0;
}

static void fixture_handle(void *ctx, struct req *req)
{
	struct fixture *f = ctx;

	__atomic_fetch_add(&f->handled, 1, __ATOMIC_RELAXED);
	assert_true(req->frame.len > 0);
	assert_int_equal(req->magic, REQ_MAGIC);
	assert_true(str_eq(req->listener, STR("PLAINTEXT")));
	switch (req->frame.ptr[0]) {
	case CMD_OVERLAP:
		req->overlap = true;
		fixture_park(f, req);
		return;
	case CMD_PARK:
	case CMD_LATER:
		fixture_park(f, req);
		return;
	case CMD_RELEASE:
		req->header.client_id =
		    (struct str){(const char *)req->frame.ptr + 1, req->frame.len - 1};
		req_release_frame(req);
		fixture_park(f, req);
		return;
	case CMD_AWAY:
		req->mail.deliver = fixture_on_away;
		loop_post(f->away, &req->mail);
		return;
	case CMD_SLICE:
		fixture_slice(f, req);
		return;
	case CMD_SILENT:
		req->no_answer = true;
		req_done(req);
		return;
	case CMD_CLOSE:
		req->close = true;
		req_done(req);
		return;
	case CMD_LARGE:
		fixture_large(req);
		return;
	case CMD_TURN:
		req->overlap = true;
		f->turn[f->turn_len++] = req;
		loop_defer(req->loop, &f->turn_task);
		return;
	default:
		fixture_echo(req, (struct bytes){req->frame.ptr + 1, req->frame.len - 1});
	}
}

/* -- life ------------------------------------------------------------------------------------- */

static void fixture_make_file(struct fixture *f)
{
	static uint8_t block[1u << 16];

	snprintf(f->file_path, sizeof(f->file_path), "/tmp/barnabas-net-XXXXXX");
	f->file = mkstemp(f->file_path);
	assert_true(f->file >= 0);
	assert_int_equal(unlink(f->file_path), 0);
	for (size_t pos = 0; pos < FIXTURE_FILE_BYTES; pos += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = fixture_byte(pos + i);
		assert_int_equal(pwrite(f->file, block, sizeof(block), (off_t)pos), sizeof(block));
	}
}

void fixture_init(struct fixture *f, size_t loops_len)
{
	memset(f, 0, sizeof(*f));
	clock_fake_init(&f->clock, 1700000000000);
	f->loops_len = loops_len;
	for (size_t i = 0; i < loops_len; i++)
		f->loops[i] = loop_new("io", &f->clock.clock);
	f->away = loop_new("away", &f->clock.clock);
	f->turn_task.run = fixture_run_turn;
	net_config_default(&f->cfg);
	fixture_make_file(f);
}

static enum net_place fixture_place(struct bytes frame)
{
	switch (frame.ptr[0]) {
	case CMD_MEMBER:
		return NET_PLACE_SIDE;
	case CMD_DATA:
		return NET_PLACE_IO;
	default:
		return NET_PLACE_ANY;
	}
}

void fixture_open(struct fixture *f)
{
	struct net_listener_config listener = {.name = "PLAINTEXT",
					       .host = "127.0.0.1",
					       .backlog = 1024,
					       .send_buffer_bytes = -1,
					       .receive_buffer_bytes = -1};

	f->net = net_new(&f->cfg, f->loops, f->loops_len, fixture_handle, f);
	if (f->has_side)
		net_set_side(f->net, f->away, fixture_place);
	assert_int_equal(net_listen(f->net, &listener, &f->port), ERR_OK);
	assert_true(f->port > 0);
	assert_int_equal(net_open(f->net), ERR_OK);
	fixture_turned = f;
	fixture_turn(f);
}

void fixture_start(struct fixture *f)
{
	f->has_threads = true;
	fixture_turned = NULL;
	for (size_t i = 0; i < f->loops_len; i++)
		assert_int_equal(loop_start(f->loops[i]), ERR_OK);
	assert_int_equal(loop_start(f->away), ERR_OK);
}

static void fixture_on_stopped(void *ctx)
{
	atomic_store(&((struct fixture *)ctx)->stopped, true);
}

void fixture_fini(struct fixture *f)
{
	net_stop(f->net, fixture_on_stopped, f);
	FIXTURE_UNTIL(f, atomic_load(&f->stopped));
	for (size_t i = 0; f->has_threads && i < f->loops_len; i++) {
		loop_stop(f->loops[i]);
		loop_join(f->loops[i]);
	}
	if (f->has_threads) {
		loop_stop(f->away);
		loop_join(f->away);
	}
	net_free(f->net);
	for (size_t i = 0; i < f->loops_len; i++)
		loop_free(f->loops[i]);
	loop_free(f->away);
	fixture_turned = NULL;
	close(f->file);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fixture_init(f, 1);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	fixture_fini(*state);
	free(*state);
	return 0;
}

void fixture_turn(struct fixture *f)
{
	if (f->has_threads) {
		poll(NULL, 0, 1);
		return;
	}
	for (size_t i = 0; i < f->loops_len; i++)
		loop_turn(f->loops[i], false);
	loop_turn(f->away, false);
}

const struct net_stats *fixture_stats(struct fixture *f)
{
	net_read_stats(f->net, &f->stats);
	return &f->stats;
}

/* -- clients ---------------------------------------------------------------------------------- */

int client_socket(struct fixture *f)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(f->port),
				   .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

int client_connect(struct fixture *f)
{
	uint64_t before = fixture_stats(f)->connections_opened;
	int fd = client_socket(f);

	if (!f->has_threads)
		FIXTURE_UNTIL(f, fixture_stats(f)->connections_opened > before);
	return fd;
}

void client_send(int fd, const void *data, size_t len)
{
	int64_t end_us = clock_mono_us(&clock_real) + FIXTURE_UNTIL_MAX_US;

	for (size_t done = 0; done < len;) {
		int wait = fixture_turned != NULL ? MSG_DONTWAIT : 0;
		ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL | wait);

		assert_true(n >= 0 || (errno == EAGAIN && wait != 0));
		assert_true(clock_mono_us(&clock_real) < end_us);
		if (n < 0)
			fixture_turn(fixture_turned);
		done += n > 0 ? (size_t)n : 0;
	}
}

void client_settle(int fd)
{
	int64_t end_us = clock_mono_us(&clock_real) + FIXTURE_UNTIL_MAX_US;
	int under_way = 1;

	while (under_way > 0) {
		assert_int_equal(ioctl(fd, SIOCOUTQ, &under_way), 0);
		assert_true(clock_mono_us(&clock_real) < end_us);
		if (under_way > 0)
			poll(NULL, 0, 1);
	}
}

void client_frame(int fd, const void *frame, uint32_t len)
{
	uint32_t size = htonl(len);

	client_send(fd, &size, sizeof(size));
	client_send(fd, frame, len);
}

void client_request(int fd, char cmd, const char *text)
{
	uint8_t frame[4096];
	size_t len = strlen(text);
	uint32_t size = htonl((uint32_t)len + 1);

	assert_true(len < sizeof(frame) - 5);
	memcpy(frame, &size, 4);
	frame[4] = (uint8_t)cmd;
	memcpy(frame + 5, text, len);
	client_send(fd, frame, len + 5);
}

void client_receive(struct fixture *f, int fd, void *data, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t got = -1;

		FIXTURE_UNTIL(f, (got = recv(fd, (char *)data + have, len - have, MSG_DONTWAIT)) >=
					 0 ||
				     errno != EAGAIN);
		assert_true(got > 0);
		have += (size_t)got;
	}
}

void client_expect(struct fixture *f, int fd, const char *text)
{
	char got[4096] = {0};
	uint32_t size;

	client_receive(f, fd, &size, sizeof(size));
	size = ntohl(size);
	assert_true(size < sizeof(got));
	client_receive(f, fd, got, size);
	assert_string_equal(got, text);
}

void client_expect_close(struct fixture *f, int fd)
{
	char byte;
	ssize_t got = -1;

	FIXTURE_UNTIL(f, (got = recv(fd, &byte, 1, MSG_DONTWAIT)) >= 0 || errno != EAGAIN);
	assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

void client_expect_silence(struct fixture *f, int fd)
{
	char byte;

	for (int i = 0; i < 20; i++)
		fixture_turn(f);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}
