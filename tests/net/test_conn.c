/* Requests of one connection: how they come, in which order they begin, how they are answered. */
#include "fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int setup(void **state)
{
	fixture_setup(state);
	fixture_open(*state);
	return 0;
}

static void answers_one_request(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_ECHO, "hello");
	client_expect(f, fd, "hello");
	assert_int_equal(fixture_stats(f)->requests, 1);
	close(fd);
}

static void answers_frames_that_come_byte_by_byte(void **state)
{
	static const char text[] = "\0\0\0\6Ehello\0\0\0\5Etwo!";
	struct fixture *f = *state;
	int fd = client_connect(f);

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		client_send(fd, text + i, 1);
		fixture_turn(f);
	}
	client_expect(f, fd, "hello");
	client_expect(f, fd, "two!");
	close(fd);
}

static void shares_system_calls_among_pipelined_requests(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);
	char text[32];

	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "request %d", i);
		client_request(fd, CMD_ECHO, text);
	}
	client_settle(fd);
	FIXTURE_UNTIL(f, fixture_stats(f)->answers == 100);
	assert_true(fixture_stats(f)->reads <= 2);
	assert_true(fixture_stats(f)->writes <= 2);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "request %d", i);
		client_expect(f, fd, text);
	}
	close(fd);
}

static void answers_appends_of_a_turn_with_one_call(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_ECHO, "a");
	client_request(fd, CMD_TURN, "b");
	client_request(fd, CMD_TURN, "c");
	client_request(fd, CMD_ECHO, "d");
	client_settle(fd);
	FIXTURE_UNTIL(f, fixture_stats(f)->answers == 4);
	assert_int_equal(fixture_stats(f)->writes, 1);
	client_expect(f, fd, "a");
	client_expect(f, fd, "b");
	client_expect(f, fd, "c");
	client_expect(f, fd, "d");
	close(fd);
}

static void pipelines_thousands(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f), sent = 0, got = 0;
	char text[32];

	while (got < 5000) {
		for (int i = 0; i < 700 && sent < 5000; i++, sent++) {
			snprintf(text, sizeof(text), "request %d", sent);
			client_request(fd, sent % 3 == 0 ? CMD_AWAY : CMD_ECHO, text);
		}
		for (int i = 0; i < 500 && got < sent; i++, got++) {
			snprintf(text, sizeof(text), "request %d", got);
			client_expect(f, fd, text);
		}
	}
	close(fd);
}

static void a_parked_request_holds_back_what_follows(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_PARK, "first");
	client_request(fd, CMD_ECHO, "second");
	client_settle(fd);
	FIXTURE_UNTIL(f, f->handled == 1);
	client_expect_silence(f, fd);
	assert_int_equal(f->handled, 1);
	/* More comes while it is parked. */
	client_request(fd, CMD_ECHO, "third");
	client_settle(fd);
	client_expect_silence(f, fd);
	assert_int_equal(f->handled, 1);
	fixture_release(f, 0);
	client_expect(f, fd, "first");
	client_expect(f, fd, "second");
	client_expect(f, fd, "third");
	close(fd);
}

static void overlapping_requests_begin_and_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_OVERLAP, "first");
	client_request(fd, CMD_OVERLAP, "second");
	client_request(fd, CMD_ECHO, "third");
	FIXTURE_UNTIL(f, f->handled == 3);
	fixture_release(f, 1);
	client_expect_silence(f, fd);
	fixture_release(f, 0);
	client_expect(f, fd, "first");
	client_expect(f, fd, "second");
	client_expect(f, fd, "third");
	close(fd);
}

static void a_parked_request_may_let_others_begin_later(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_LATER, "first");
	client_request(fd, CMD_PARK, "second");
	client_settle(fd);
	FIXTURE_UNTIL(f, f->handled == 1);
	client_expect_silence(f, fd);
	fixture_overlap(f, 0);
	FIXTURE_UNTIL(f, f->handled == 2);
	fixture_release(f, 1);
	client_expect_silence(f, fd);
	fixture_release(f, 0);
	client_expect(f, fd, "first");
	client_expect(f, fd, "second");
	close(fd);
}

static void limits_requests_under_way(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);
	char text[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		client_request(fd, CMD_OVERLAP, text);
	}
	FIXTURE_UNTIL(f, f->handled == CONN_REQUESTS_MAX);
	client_expect_silence(f, fd);
	assert_int_equal(f->handled, CONN_REQUESTS_MAX);
	for (size_t i = 0; i < 1000; i++) {
		FIXTURE_UNTIL(f, f->parked_len > i);
		fixture_release(f, i);
		snprintf(text, sizeof(text), "%zu", i);
		client_expect(f, fd, text);
	}
	close(fd);
}

static void sends_no_answer_when_asked(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_SILENT, "");
	client_request(fd, CMD_SILENT, "");
	client_request(fd, CMD_ECHO, "answered");
	client_request(fd, CMD_SILENT, "");
	client_expect(f, fd, "answered");
	FIXTURE_UNTIL(f, f->handled == 4);
	client_expect_silence(f, fd);
	assert_int_equal(f->handled, 4);
	assert_int_equal(f->net->loops[0].unsent_bytes, 0);
	close(fd);
}

static void closes_in_turn_when_asked(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_OVERLAP, "first");
	client_request(fd, CMD_CLOSE, "");
	client_request(fd, CMD_ECHO, "never");
	client_settle(fd);
	FIXTURE_UNTIL(f, f->handled == 2);
	client_expect_silence(f, fd);
	assert_int_equal(f->handled, 2);
	fixture_release(f, 0);
	client_expect(f, fd, "first");
	client_expect_close(f, fd);
	assert_int_equal(f->handled, 2);
	close(fd);
}

static void answers_from_another_loop(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_AWAY, "there");
	client_request(fd, CMD_ECHO, "here");
	client_expect(f, fd, "there");
	client_expect(f, fd, "here");
	close(fd);
}

static void gives_a_frame_back_early(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_RELEASE, "my-client");
	FIXTURE_UNTIL(f, f->parked_len == 1);
	assert_int_equal(f->net->small.used_bytes, 0);
	fixture_release(f, 0);
	client_expect(f, fd, "my-client");
	close(fd);
}

static void cancels_what_is_parked_when_the_peer_goes(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_OVERLAP, "first");
	client_request(fd, CMD_OVERLAP, "second");
	client_request(fd, CMD_PARK, "third");
	client_request(fd, CMD_ECHO, "never begins");
	FIXTURE_UNTIL(f, f->handled == 3);
	close(fd);
	FIXTURE_UNTIL(f, f->cancelled == 3);
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 0);
	assert_int_equal(f->handled, 3);
}

static void a_request_elsewhere_comes_home_to_a_closed_connection(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_AWAY, "x");
	/* Only the io loop turns: the request stays away. */
	while (f->handled == 0)
		loop_turn(f->loops[0], true);
	assert_int_equal(f->handled, 1);
	close(fd);
	while (fixture_stats(f)->connections_closed == 0)
		loop_turn(f->loops[0], true);
	assert_int_equal(fixture_stats(f)->connections_closed, 1);
	assert_int_equal(f->net->acceptor.conns_len, 1);
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 0);
}

static void reads_large_frames(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);
	uint32_t len = 5u << 20;
	uint8_t *frame = malloc(len), *back = malloc(len + 3);
	size_t sent = 0;

	for (uint32_t i = 0; i < len; i++)
		frame[i] = fixture_byte(i);
	for (int round = 0; round < 3; round++) {
		uint32_t size = htonl(len);

		frame[0] = CMD_ECHO;
		client_send(fd, &size, 4);
		for (sent = 0; sent < len;) {
			ssize_t n = send(fd, frame + sent, len - sent, MSG_DONTWAIT);
			if (n > 0)
				sent += (size_t)n;
			fixture_turn(f);
		}
		client_receive(f, fd, back, len + 3);
		assert_memory_equal(back + 4, frame + 1, len - 1);
	}
	assert_int_equal(f->net->big.used_bytes, 0);
	free(frame);
	free(back);
	close(fd);
}

static void a_request_behind_a_large_frame_is_seen(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);
	uint32_t len = 200000;
	uint8_t *frame = calloc(1, len), *back = malloc(len + 3);

	frame[0] = CMD_ECHO;
	client_frame(fd, frame, len);
	client_request(fd, CMD_ECHO, "behind");
	client_receive(f, fd, back, len + 3);
	client_expect(f, fd, "behind");
	free(frame);
	free(back);
	close(fd);
}

static void idle_connections_hold_no_buffer(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);
	struct conn *conn = TAILQ_FIRST(&f->net->loops[0].by_age);

	client_request(fd, CMD_PARK, "first");
	client_request(fd, CMD_ECHO, "second");
	FIXTURE_UNTIL(f, conn->rest.buf != NULL);
	fixture_release(f, 0);
	client_expect(f, fd, "first");
	client_expect(f, fd, "second");
	assert_null(conn->rest.buf);
	assert_null(conn->in);
	assert_true(sizeof(*conn) <= 512);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(answers_one_request),
	    TEST(answers_frames_that_come_byte_by_byte),
	    TEST(shares_system_calls_among_pipelined_requests),
	    TEST(answers_appends_of_a_turn_with_one_call),
	    TEST(pipelines_thousands),
	    TEST(a_parked_request_holds_back_what_follows),
	    TEST(overlapping_requests_begin_and_are_answered_in_order),
	    TEST(a_parked_request_may_let_others_begin_later),
	    TEST(limits_requests_under_way),
	    TEST(sends_no_answer_when_asked),
	    TEST(closes_in_turn_when_asked),
	    TEST(answers_from_another_loop),
	    TEST(gives_a_frame_back_early),
	    TEST(cancels_what_is_parked_when_the_peer_goes),
	    TEST(a_request_elsewhere_comes_home_to_a_closed_connection),
	    TEST(reads_large_frames),
	    TEST(a_request_behind_a_large_frame_is_seen),
	    TEST(idle_connections_hold_no_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
