/* Connections that move to the side loop with what they ask for, and back. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENTS	 8
#define REQUESTS 2000

static void open_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_init(f, 2);
	f->has_side = true;
	fixture_open(f);
	*state = f;
}

static int setup(void **state)
{
	open_fixture(state);
	return 0;
}

static int setup_threads(void **state)
{
	open_fixture(state);
	fixture_start(*state);
	return 0;
}

static void ask(struct fixture *f, int fd, char cmd, const char *text)
{
	client_request(fd, cmd, text);
	client_expect(f, fd, text);
}

static void moves_with_the_request_that_wants_it(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	ask(f, fd, CMD_ECHO, "at home");
	assert_int_equal(f->net->side->conns_len, 0);
	ask(f, fd, CMD_MEMBER, "on the side");
	assert_int_equal(f->net->side->conns_len, 1);
	assert_int_equal(f->net->loops[0].conns_len + f->net->loops[1].conns_len, 0);
	ask(f, fd, CMD_ECHO, "still there");
	assert_int_equal(f->net->side->conns_len, 1);
	assert_int_equal(fixture_stats(f)->connections_opened, 1);
	assert_int_equal(fixture_stats(f)->requests, 3);
	close(fd);
}

static void moves_back_for_good(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	ask(f, fd, CMD_MEMBER, "there");
	ask(f, fd, CMD_DATA, "and back");
	assert_int_equal(f->net->side->conns_len, 0);
	ask(f, fd, CMD_MEMBER, "not again");
	assert_int_equal(f->net->side->conns_len, 0);
	close(fd);
}

static void takes_along_what_was_read_behind(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);
	static const char two[] = "\0\0\0\4Mone\0\0\0\4Etwo\0\0\0\6Dth";

	client_send(fd, two, sizeof(two) - 1);
	client_expect(f, fd, "one");
	client_expect(f, fd, "two");
	assert_int_equal(f->net->side->conns_len, 1);
	client_send(fd, "ree", 3);
	client_expect(f, fd, "three");
	assert_int_equal(f->net->side->conns_len, 0);
	close(fd);
}

/* Behind a request that is not answered it is served where it stands. */
static void does_not_move_while_something_is_under_way(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_OVERLAP, "first");
	client_request(fd, CMD_MEMBER, "second");
	FIXTURE_UNTIL(f, f->handled == 2);
	assert_int_equal(f->net->side->conns_len, 0);
	fixture_release(f, 0);
	client_expect(f, fd, "first");
	client_expect(f, fd, "second");
	ask(f, fd, CMD_MEMBER, "now");
	assert_int_equal(f->net->side->conns_len, 1);
	close(fd);
}

static void turn_io_loops(struct fixture *f)
{
	for (size_t i = 0; i < f->loops_len; i++)
		loop_turn(f->loops[i], false);
}

/* fixture_fini stops the net, and waits until it has stopped. */
static void stops_with_a_connection_on_its_way(void **state)
{
	struct fixture *f = *state;
	int64_t end_us = clock_mono_us(&clock_real) + 60000000;
	int fd = client_connect(f);

	client_request(fd, CMD_MEMBER, "lost");
	while (f->net->loops[0].conns_len + f->net->loops[1].conns_len > 0) {
		assert_true(clock_mono_us(&clock_real) < end_us);
		turn_io_loops(f);
	}
	assert_int_equal(f->net->side->conns_len, 0);
	close(fd);
}

static void stops_with_one_on_the_side(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	ask(f, fd, CMD_MEMBER, "on the side");
	close(fd);
}

struct client {
	pthread_t thread;
	struct fixture *f;
	int number;
};

static void *run_client(void *arg)
{
	static const char cmds[] = {CMD_MEMBER, CMD_ECHO, CMD_AWAY, CMD_DATA, CMD_MEMBER};
	struct client *client = arg;
	int fd = client_connect(client->f);
	char text[64];

	for (int i = 0; i < REQUESTS; i += 10) {
		if (i % 100 == 0) {
			close(fd);
			fd = client_connect(client->f);
		}
		for (int k = i; k < i + 10; k++) {
			snprintf(text, sizeof(text), "client %d request %d", client->number, k);
			client_request(fd, cmds[(k + k / 10) % (int)ARRAY_LEN(cmds)], text);
		}
		for (int k = i; k < i + 10; k++) {
			snprintf(text, sizeof(text), "client %d request %d", client->number, k);
			client_expect(client->f, fd, text);
		}
	}
	close(fd);
	return NULL;
}

static void keeps_the_order_while_many_move(void **state)
{
	struct client clients[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){.f = *state, .number = i};
		assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]),
				 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
}

#define WITHOUT_THREADS(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITHOUT_THREADS(moves_with_the_request_that_wants_it),
	    WITHOUT_THREADS(moves_back_for_good),
	    WITHOUT_THREADS(takes_along_what_was_read_behind),
	    WITHOUT_THREADS(does_not_move_while_something_is_under_way),
	    WITHOUT_THREADS(stops_with_a_connection_on_its_way),
	    WITHOUT_THREADS(stops_with_one_on_the_side),
	    cmocka_unit_test_setup_teardown(keeps_the_order_while_many_move, setup_threads,
					    fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
