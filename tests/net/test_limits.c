/* Bad, slow, idle and too many peers: each is met with its limit, and others notice nothing. */
#include "fixture.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Sends bytes that are no request; the connection must be closed, with a line that says `why`. */
static void expect_refused(struct fixture *f, const void *bytes, size_t len, const char *why)
{
	int other = client_connect(f), fd = client_connect(f), out[2], saved;
	char line[4096] = {0};

	assert_int_equal(pipe(out), 0);
	saved = dup(STDERR_FILENO);
	assert_true(dup2(out[1], STDERR_FILENO) >= 0);
	client_send(fd, bytes, len);
	client_expect_close(f, fd);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(out[1]);
	close(saved);
	assert_true(read(out[0], line, sizeof(line) - 1) > 0);
	close(out[0]);
	if (strstr(line, why) == NULL)
		fail_msg("'%s' is not in: %s", why, line);
	assert_non_null(strstr(line, "127.0.0.1:"));
	client_request(other, CMD_ECHO, "unharmed");
	client_expect(f, other, "unharmed");
	close(fd);
	close(other);
}

static void refuses_sizes_that_cannot_be(void **state)
{
	struct fixture *f = *state;

	fixture_open(f);
	expect_refused(f, "\xff\xff\xff\xff", 4, "a request of -1 bytes");
	expect_refused(f, "\x80\x00\x00\x00", 4, "a request of -2147483648 bytes");
	expect_refused(f, "\0\0\0\0", 4, "a request of 0 bytes");
	expect_refused(f, "\x06\x40\x00\x01", 4,
		       "a request of 104857601 bytes, the limit (socket.request.max.bytes) is "
		       "104857600");
	assert_int_equal(f->handled, 4);
	assert_int_equal(fixture_stats(f)->closed_bad, 4);
}

static void recognises_other_protocols(void **state)
{
	struct fixture *f = *state;

	fixture_open(f);
	expect_refused(f, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, "TLS handshake");
	expect_refused(f, "GET / HTTP/1.1\r\n\r\n", 18, "HTTP request");
	expect_refused(f, "POST / HTTP/1.1\r\n\r\n", 19, "HTTP request");
}

static void a_large_claim_costs_nothing(void **state)
{
	struct fixture *f = *state;
	struct rusage before, after;
	int fds[20];

	f->cfg.queued_bytes_max = 4u << 20;
	fixture_open(f);
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_connect(f);
		client_send(fds[i], "\x06\x40\x00\x00hello", 9);
		client_settle(fds[i]);
	}
	FIXTURE_UNTIL(f, f->net->big.waits_len == ARRAY_LEN(fds) - 1);
	for (int i = 0; i < 50; i++)
		fixture_turn(f);
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	/* One is admitted, alone; the others wait with what was read of them. */
	assert_int_equal(f->net->big.waits_len, ARRAY_LEN(fds) - 1);
	if (FIXTURE_MEASURES_MEMORY)
		assert_true(after.ru_maxrss - before.ru_maxrss < 2000);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 0);
	assert_int_equal(f->net->big.used_bytes, 0);
}

/* Whoever has proved to send much is read from in large pieces, but not when all keep much. */
static void bytes_that_wait_behind_parked_requests_are_few(void **state)
{
	struct fixture *f = *state;
	enum { CROWD = 16, AHEAD = 8000 }; /* echoes of 8 bytes */
	int fds[CROWD];

	f->cfg.ahead_bytes_max = 100000;
	fixture_open(f);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = client_connect(f);
		for (int k = 0; k < AHEAD; k++)
			client_request(fds[i], CMD_ECHO, "abc");
		for (int k = 0; k < AHEAD; k++)
			client_expect(f, fds[i], "abc");
		client_request(fds[i], CMD_PARK, "park");
		for (int k = 0; k < AHEAD; k++)
			client_request(fds[i], CMD_ECHO, "abc");
		FIXTURE_UNTIL(f, f->parked_len == (size_t)i + 1);
		for (int k = 0; k < 10; k++)
			fixture_turn(f);
	}
	assert_true(f->net->ahead_bytes < 100000 + CONN_TAIL_MAX + CROWD * CONN_TAIL_MIN);
	for (int i = 0; i < CROWD; i++)
		fixture_release(f, (size_t)i);
	for (int i = 0; i < CROWD; i++) {
		client_expect(f, fds[i], "park");
		for (int k = 0; k < AHEAD; k++)
			client_expect(f, fds[i], "abc");
		close(fds[i]);
	}
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 0);
	assert_int_equal(f->net->ahead_bytes, 0);
}

static void small_frames_pass_while_large_ones_wait(void **state)
{
	struct fixture *f = *state;
	int first, second, small;
	uint32_t len = 3u << 20;
	uint8_t *frame = calloc(1, len), *back = malloc(len + 3);
	uint32_t size = htonl(len);

	f->cfg.queued_bytes_max = 4u << 20;
	frame[0] = CMD_ECHO;
	fixture_open(f);
	first = client_connect(f);
	second = client_connect(f);
	small = client_connect(f);
	client_send(first, &size, 4);
	client_send(first, frame, 10);
	FIXTURE_UNTIL(f, f->net->big.used_bytes == len);
	client_send(second, &size, 4);
	client_send(second, frame, 20);
	FIXTURE_UNTIL(f, f->net->big.waits_len == 1);
	for (int i = 0; i < 100; i++) {
		client_request(small, CMD_ECHO, "heartbeat");
		client_expect(f, small, "heartbeat");
	}
	/* The first one goes on, and then the second has its turn. */
	for (size_t at = 10; at < len;) {
		ssize_t n = send(first, frame + at, len - at, MSG_DONTWAIT);
		at += n > 0 ? (size_t)n : 0;
		fixture_turn(f);
	}
	client_receive(f, first, back, len + 3);
	FIXTURE_UNTIL(f, f->net->big.waits_len == 0);
	for (size_t at = 20; at < len;) {
		ssize_t n = send(second, frame + at, len - at, MSG_DONTWAIT);
		at += n > 0 ? (size_t)n : 0;
		fixture_turn(f);
	}
	client_receive(f, second, back, len + 3);
	assert_int_equal(f->net->big.used_bytes, 0);
	close(first);
	close(second);
	close(small);
	free(frame);
	free(back);
}

static void small_frames_take_turns_when_their_reserve_is_used_up(void **state)
{
	struct fixture *f = *state;
	int fds[40];
	size_t handled;

	f->cfg.queued_small_bytes_max = 10;
	fixture_open(f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_connect(f);
		client_request(fds[i], CMD_PARK, "0123456789");
	}
	FIXTURE_UNTIL(f, f->net->small.waits_len == ARRAY_LEN(fds) - 1);
	for (int i = 0; i < 50; i++)
		fixture_turn(f);
	assert_int_equal(f->handled, 1);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		FIXTURE_UNTIL(f, f->parked_len > i);
		handled = f->handled;
		assert_int_equal(handled, i + 1);
		fixture_release(f, i);
	}
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		client_expect(f, fds[i], "0123456789");
		close(fds[i]);
	}
	assert_int_equal(f->net->small.used_bytes, 0);
}

/* A claim costs nothing: only what has come is charged, so those who say no more hold up nobody. */
static void claims_do_not_use_up_the_reserve(void **state)
{
	struct fixture *f = *state;
	uint32_t size = htonl(60000);
	int fds[40], other;

	f->cfg.queued_small_bytes_max = 200000;
	fixture_open(f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_connect(f);
		client_send(fds[i], &size, 4);
		client_send(fds[i], "some", 4);
	}
	FIXTURE_UNTIL(f, f->net->small.used_bytes >= 40 * 4);
	other = client_connect(f);
	client_request(other, CMD_ECHO, "heartbeat");
	client_expect(f, other, "heartbeat");
	close(other);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 0);
	assert_int_equal(f->net->small.used_bytes, 0);
}

static void a_waiting_peer_may_go(void **state)
{
	struct fixture *f = *state;
	int holder, waiter;

	f->cfg.queued_small_bytes_max = 10;
	fixture_open(f);
	holder = client_connect(f);
	client_request(holder, CMD_PARK, "0123456789");
	FIXTURE_UNTIL(f, f->handled == 1);
	waiter = client_connect(f);
	client_request(waiter, CMD_ECHO, "x");
	FIXTURE_UNTIL(f, f->net->small.waits_len == 1);
	/* Closed here, too, but that is not seen before its turn. */
	close(waiter);
	fixture_release(f, 0);
	client_expect(f, holder, "0123456789");
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 1);
	assert_int_equal(f->net->small.used_bytes, 0);
	close(holder);
}

static void closes_the_idle(void **state)
{
	struct fixture *f = *state;
	int idle, busy, parked;

	f->cfg.idle_ms_max = 600000;
	fixture_open(f);
	idle = client_connect(f);
	busy = client_connect(f);
	parked = client_connect(f);
	client_request(parked, CMD_PARK, "parked");
	FIXTURE_UNTIL(f, f->parked_len == 1);
	clock_fake_advance(&f->clock, 400000);
	client_request(busy, CMD_ECHO, "busy");
	client_expect(f, busy, "busy");
	clock_fake_advance(&f->clock, 200000);
	net_loop_sweep_idle(&f->net->loops[0]);
	client_expect_close(f, idle);
	fixture_release(f, 0);
	client_expect(f, parked, "parked");
	client_request(busy, CMD_ECHO, "busy");
	client_expect(f, busy, "busy");
	assert_int_equal(fixture_stats(f)->closed_idle, 1);
	close(idle);
	close(busy);
	close(parked);
}

static void closes_frames_that_never_end(void **state)
{
	struct fixture *f = *state;
	int size, body, fine;

	fixture_open(f);
	size = client_connect(f);
	body = client_connect(f);
	fine = client_connect(f);
	client_send(size, "\0\0", 2);
	client_send(body, "\0\0\0\x64half", 8);
	client_send(fine, "\0\0\0\6E", 5);
	FIXTURE_UNTIL(f, fixture_stats(f)->received_bytes == 15);
	clock_fake_advance(&f->clock, 29000);
	net_loop_sweep_partial(&f->net->loops[0]);
	assert_int_equal(fixture_stats(f)->closed_slow, 0);
	client_send(fine, "hello\0", 6);
	client_expect(f, fine, "hello");
	client_send(body, "!", 1);
	FIXTURE_UNTIL(f, fixture_stats(f)->received_bytes == 22);
	clock_fake_advance(&f->clock, 2000);
	net_loop_sweep_partial(&f->net->loops[0]);
	assert_int_equal(fixture_stats(f)->closed_slow, 2);
	client_expect_close(f, size);
	client_expect_close(f, body);
	client_send(fine, "\0\0\5Ethe", 7);
	client_send(fine, "re\0\0\0\1E", 7);
	close(size);
	close(body);
	close(fine);
}

static void waits_at_the_connection_limit(void **state)
{
	struct fixture *f = *state;
	int a, b, c;

	f->cfg.connections_max = 2;
	fixture_open(f);
	a = client_connect(f);
	b = client_connect(f);
	c = client_socket(f);
	client_request(c, CMD_ECHO, "third");
	client_expect_silence(f, c);
	close(a);
	client_expect(f, c, "third");
	close(b);
	close(c);
}

static void limits_connections_of_an_address(void **state)
{
	struct net_ip_limit more = {"127.0.0.1", 3};
	struct fixture *f = *state;
	int fds[4];

	f->cfg.connections_per_ip_max = 1;
	f->cfg.ip_limits = &more;
	f->cfg.ip_limits_len = 1;
	fixture_open(f);
	for (int i = 0; i < 3; i++)
		fds[i] = client_connect(f);
	fds[3] = client_socket(f);
	client_expect_close(f, fds[3]);
	assert_int_equal(fixture_stats(f)->connections_refused, 1);
	close(fds[0]);
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 2);
	fds[0] = client_connect(f);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void survives_running_out_of_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;
	int fd, spare;

	fixture_open(f);
	fd = client_socket(f);
	spare = dup(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)spare;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	close(spare);
	low.rlim_cur = (rlim_t)spare;
	/* The lowest free descriptor is the limit: accept4 fails. */
	FIXTURE_UNTIL(f, loop_timer_is_set(&f->net->acceptor.retry));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	client_request(fd, CMD_ECHO, "late");
	client_expect(f, fd, "late");
	close(fd);
}

static void never_handle(void *ctx, struct req *req)
{
	fail();
}

static void listens_on_all_addresses_of_both_families(void **state)
{
	struct net_listener_config cfg = {.name = "PLAINTEXT",
					  .host = "",
					  .backlog = 50,
					  .send_buffer_bytes = 102400,
					  .receive_buffer_bytes = 102400};
	struct fixture *f = *state;
	uint16_t port;
	int fd;

	f->net = net_new(&f->cfg, f->loops, 1, never_handle, f);
	assert_int_equal(net_listen(f->net, &cfg, &port), ERR_OK);
	assert_int_equal(net_open(f->net), ERR_OK);
	f->port = port;
	fd = client_connect(f);
	assert_string_equal(TAILQ_FIRST(&f->net->loops[0].by_age)->address, "127.0.0.1");
	close(fd);
}

static void says_why_it_cannot_bind(void **state)
{
	struct net_listener_config cfg = {.name = "PLAINTEXT", .backlog = 1};
	struct fixture *f = *state;
	uint16_t port;

	fixture_open(f);
	cfg.host = "127.0.0.1";
	cfg.port = f->port;
	{
		struct net *second = net_new(&f->cfg, f->loops, 1, never_handle, NULL);

		assert_int_equal(net_listen(second, &cfg, &port), ERR_BADCONFIG);
		cfg.host = "256.1.1.1";
		assert_int_equal(net_listen(second, &cfg, &port), ERR_BADCONFIG);
		net_free(second);
	}
}

/* As many as this process may have. */
static bool may_open(rlim_t files)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < files)
		return false;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void two_thousand_connections_take_little(void **state)
{
	struct fixture *f = *state;
	static int fds[2000];
	struct mallinfo2 before, after;
	size_t each;

	fixture_open(f);
	if (!may_open(2 * ARRAY_LEN(fds) + 100))
		skip();
	fds[0] = client_connect(f);
	before = mallinfo2();
	for (size_t i = 1; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_connect(f);
		client_request(fds[i], CMD_ECHO, "hello");
		client_expect(f, fds[i], "hello");
	}
	after = mallinfo2();
	each = (after.uordblks - before.uordblks) / (ARRAY_LEN(fds) - 1);
	print_message("%zu bytes a connection, struct conn is %zu\n", each, sizeof(struct conn));
	assert_true(each < 1024);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(refuses_sizes_that_cannot_be),
	    TEST(recognises_other_protocols),
	    TEST(a_large_claim_costs_nothing),
	    TEST(bytes_that_wait_behind_parked_requests_are_few),
	    TEST(small_frames_pass_while_large_ones_wait),
	    TEST(small_frames_take_turns_when_their_reserve_is_used_up),
	    TEST(claims_do_not_use_up_the_reserve),
	    TEST(a_waiting_peer_may_go),
	    TEST(closes_the_idle),
	    TEST(closes_frames_that_never_end),
	    TEST(waits_at_the_connection_limit),
	    TEST(limits_connections_of_an_address),
	    TEST(survives_running_out_of_descriptors),
	    TEST(listens_on_all_addresses_of_both_families),
	    TEST(says_why_it_cannot_bind),
	    TEST(two_thousand_connections_take_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
