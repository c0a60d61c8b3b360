/* Several loops with threads of their own, many clients, and stopping under load. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENTS	 12
#define REQUESTS 2000

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_init(f, 3);
	f->cfg.queued_bytes_max = 300000;
	f->cfg.queued_small_bytes_max = 20000;
	fixture_open(f);
	fixture_start(f);
	*state = f;
	return 0;
}

struct client {
	pthread_t thread;
	struct fixture *f;
	int number;
};

static void *run_client(void *arg)
{
	struct client *client = arg;
	struct fixture *f = client->f;
	int fd = client_connect(f);
	char text[64];

	for (int i = 0; i < REQUESTS; i += 20) {
		for (int k = i; k < i + 20; k++) {
			snprintf(text, sizeof(text), "client %d request %d", client->number, k);
			client_request(fd, k % 2 ? CMD_AWAY : CMD_ECHO, text);
		}
		for (int k = i; k < i + 20; k++) {
			snprintf(text, sizeof(text), "client %d request %d", client->number, k);
			client_expect(f, fd, text);
		}
	}
	close(fd);
	return NULL;
}

static void *run_large_client(void *arg)
{
	struct client *client = arg;
	uint32_t len = 150000;
	uint8_t *frame = malloc(len), *back = malloc(len + 3);
	int fd = client_connect(client->f);

	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + (uint32_t)client->number);
	for (int i = 0; i < 30; i++) {
		frame[0] = i % 2 ? CMD_AWAY : CMD_ECHO;
		client_frame(fd, frame, len);
		client_receive(client->f, fd, back, len + 3);
		assert_memory_equal(back + 4, frame + 1, len - 1);
	}
	free(frame);
	free(back);
	close(fd);
	return NULL;
}

static void serves_many_clients_on_three_loops(void **state)
{
	struct fixture *f = *state;
	struct client clients[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){.f = f, .number = i};
		assert_int_equal(pthread_create(&clients[i].thread, NULL,
						i % 3 == 2 ? run_large_client : run_client,
						&clients[i]),
				 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	FIXTURE_UNTIL(f, fixture_stats(f)->connections_closed == CLIENTS);
	assert_int_equal(fixture_stats(f)->requests, fixture_stats(f)->answers);
}

static void spreads_connections_evenly(void **state)
{
	struct fixture *f = *state;
	int fds[9];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_connect(f);
		client_request(fds[i], CMD_ECHO, "x");
		client_expect(f, fds[i], "x");
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(atomic_load(&f->net->loops[i].stats.connections_opened), 3);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

/* Keeps three requests on the way until the server goes. */
static void *run_until_closed(void *arg)
{
	struct client *client = arg;
	int fd = client_connect(client->f);
	char answer[8];

	for (int i = 0; i < 3; i++)
		client_request(fd, CMD_AWAY, "abc");
	while (recv(fd, answer, 7, MSG_WAITALL) == 7) {
		static const char request[] = "\0\0\0\4Aabc";

		assert_memory_equal(answer, "\0\0\0\3abc", 7);
		if (send(fd, request, 8, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static void stops_under_load(void **state)
{
	struct fixture *f = *state;
	struct client clients[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){.f = f, .number = i};
		assert_int_equal(pthread_create(&clients[i].thread, NULL, run_until_closed,
						&clients[i]),
				 0);
	}
	FIXTURE_UNTIL(f, fixture_stats(f)->answers > 5000);
	fixture_fini(f);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	/* For the fixture_teardown. */
	fixture_init(f, 3);
	fixture_open(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(serves_many_clients_on_three_loops),
	    TEST(spreads_connections_evenly),
	    TEST(stops_under_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
