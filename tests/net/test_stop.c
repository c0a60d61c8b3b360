/*
 * Stopping: what is parked is cancelled and answered, what is under way is waited for, for a while.
 */
#include "fixture.h"

#include <stdlib.h>
#include <unistd.h>

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_init(f, 2);
	f->cfg.stop_ms_max = 50;
	fixture_open(f);
	*state = f;
	return 0;
}

static void on_stopped(void *ctx)
{
	atomic_store(&((struct fixture *)ctx)->stopped, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(atomic_load(&f->stopped));
	net_free(f->net);
	loop_free(f->loops[0]);
	loop_free(f->loops[1]);
	loop_free(f->away);
	close(f->file);
	free(f);
	return 0;
}

static void closes_idle_connections_at_once(void **state)
{
	struct fixture *f = *state;
	int fds[4];

	for (int i = 0; i < 4; i++)
		fds[i] = client_connect(f);
	net_stop(f->net, on_stopped, f);
	FIXTURE_UNTIL(f, atomic_load(&f->stopped));
	for (int i = 0; i < 4; i++) {
		client_expect_close(f, fds[i]);
		close(fds[i]);
	}
}

static void answers_what_is_parked(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_PARK, "parked");
	client_request(fd, CMD_ECHO, "never begins");
	FIXTURE_UNTIL(f, f->handled == 1);
	net_stop(f->net, on_stopped, f);
	client_expect(f, fd, "cancelled");
	client_expect_close(f, fd);
	FIXTURE_UNTIL(f, atomic_load(&f->stopped));
	close(fd);
}

static void waits_for_what_is_elsewhere(void **state)
{
	struct fixture *f = *state;
	int fd = client_connect(f);

	client_request(fd, CMD_AWAY, "elsewhere");
	while (f->handled == 0)
		for (int k = 0; k < 2; k++)
			loop_turn(f->loops[k], false);
	net_stop(f->net, on_stopped, f);
	for (int i = 0; i < 20; i++)
		for (int k = 0; k < 2; k++)
			loop_turn(f->loops[k], false);
	assert_false(atomic_load(&f->stopped));
	client_expect(f, fd, "elsewhere");
	FIXTURE_UNTIL(f, atomic_load(&f->stopped));
	close(fd);
}

static void does_not_wait_for_ever(void **state)
{
	static const uint8_t ask[] = {0, 0, 0, 5, CMD_LARGE, 0x02, 0, 0, 0};
	struct fixture *f = *state;
	int fd = client_connect(f);

	/* 32 MB that nobody reads. */
	client_send(fd, ask, sizeof(ask));
	FIXTURE_UNTIL(f, f->handled == 1);
	net_stop(f->net, on_stopped, f);
	FIXTURE_UNTIL(f, atomic_load(&f->stopped));
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(closes_idle_connections_at_once),
	    TEST(answers_what_is_parked),
	    TEST(waits_for_what_is_elsewhere),
	    TEST(does_not_wait_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
