/* The way out: slices, slow readers, files that end too early. */
#include "fixture.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

static void ask_slice(int fd, uint32_t pos, uint32_t first, uint32_t second)
{
	uint32_t numbers[3] = {htonl(pos), htonl(first), htonl(second)};
	uint8_t frame[13] = {CMD_SLICE};

	memcpy(frame + 1, numbers, sizeof(numbers));
	client_frame(fd, frame, sizeof(frame));
}

static void ask_large(int fd, uint32_t len)
{
	uint8_t frame[5] = {CMD_LARGE};
	uint32_t number = htonl(len);

	memcpy(frame + 1, &number, sizeof(number));
	client_frame(fd, frame, sizeof(frame));
}

static void expect_slice(struct fixture *f, int fd, uint32_t pos, uint32_t len)
{
	uint8_t *got = malloc(len + 10);
	uint32_t size, records;

	client_receive(f, fd, got, len + 10);
	memcpy(&size, got, 4);
	memcpy(&records, got + 5, 4);
	assert_int_equal(ntohl(size), len + 6);
	assert_int_equal(got[4], '<');
	assert_int_equal(ntohl(records), len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(got[9 + i], fixture_byte(pos + i));
	assert_int_equal(got[9 + len], '>');
	free(got);
}

static void sends_slices_small_and_large(void **state)
{
	struct fixture *f = *state;
	static const uint32_t lens[][2] = {{1, 1},	   {100, 0},	       {0, 100},
					   {16384, 16385}, {16385, 5},	       {100000, 50},
					   {50, 100000},   {2000000, 2000000}, {0, 0}};
	int fd;

	fixture_open(f);
	fd = client_connect(f);
	for (uint32_t i = 0; i < ARRAY_LEN(lens); i++)
		ask_slice(fd, 1000 + i, lens[i][0], lens[i][1]);
	for (uint32_t i = 0; i < ARRAY_LEN(lens); i++)
		expect_slice(f, fd, 1000 + i, lens[i][0] + lens[i][1]);
	FIXTURE_UNTIL(f, f->slices_released == 2 * ARRAY_LEN(lens));
	close(fd);
}

static void small_slices_share_a_call_with_their_answer(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_open(f);
	fd = client_connect(f);
	ask_slice(fd, 0, 100, 200);
	ask_slice(fd, 5, 300, 400);
	client_settle(fd);
	FIXTURE_UNTIL(f, fixture_stats(f)->answers == 2);
	assert_int_equal(fixture_stats(f)->writes, 1);
	expect_slice(f, fd, 0, 300);
	expect_slice(f, fd, 5, 700);
	close(fd);
}

static void a_slow_reader_gets_all_in_pieces(void **state)
{
	struct fixture *f = *state;
	uint8_t got[10000];
	size_t total = 4 + 6 + 5000000, have = 0;
	int fd, small = 100000;

	fixture_open(f);
	fd = client_connect(f);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	ask_slice(fd, 7, 3000000, 2000000);
	while (have < total) {
		size_t len = total - have < sizeof(got) ? total - have : sizeof(got);

		client_receive(f, fd, got, len);
		for (size_t i = 0; i < len; i++)
			if (have + i >= 9 && have + i < total - 1)
				assert_int_equal(got[i], fixture_byte(7 + have + i - 9));
		have += len;
	}
	FIXTURE_UNTIL(f, f->slices_released == 2);
	assert_true(TAILQ_EMPTY(&f->net->loops[0].blocked));
	close(fd);
}

static void one_that_does_not_read_holds_little(void **state)
{
	struct fixture *f = *state;
	struct conn *conn;
	int fd;

	fixture_open(f);
	fd = client_connect(f);
	conn = TAILQ_FIRST(&f->net->loops[0].by_age);
	for (int i = 0; i < 60; i++)
		ask_slice(fd, 0, 3000000, 1000000);
	client_settle(fd);
	FIXTURE_UNTIL(f, conn->is_blocked);
	for (int i = 0; i < 500; i++)
		fixture_turn(f);
	/* What the sockets took, and one answer more than the limit. */
	assert_true(f->handled < 20);
	assert_true(conn->unsent_bytes <= CONN_UNSENT_MAX + 4000010);
	assert_true(conn->is_blocked);
	for (int i = 0; i < 60; i++)
		expect_slice(f, fd, 0, 4000000);
	close(fd);
}

static void a_short_file_closes_the_connection(void **state)
{
	struct fixture *f = *state;
	char head[9];
	int fd;

	fixture_open(f);
	fd = client_connect(f);
	ask_slice(fd, FIXTURE_FILE_BYTES - 1000, 50000, 0);
	FIXTURE_UNTIL(f, f->slices_released == 2);
	assert_int_equal(fixture_stats(f)->connections_closed, 1);
	close(fd);
	fd = client_connect(f);
	ask_slice(fd, FIXTURE_FILE_BYTES - 1000, 1001, 0);
	client_receive(f, fd, head, sizeof(head));
	client_expect_close(f, fd);
	assert_int_equal(f->slices_released, 4);
	close(fd);
}

static void a_peer_that_goes_releases_its_slices(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_open(f);
	fd = client_connect(f);
	for (int i = 0; i < 5; i++)
		ask_slice(fd, 0, 3000000, 3000000);
	for (int i = 0; i < 100; i++)
		fixture_turn(f);
	close(fd);
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 0);
	assert_int_equal(f->slices_released, 2 * f->handled);
}

static void the_slowest_goes_when_answers_fill_memory(void **state)
{
	struct fixture *f = *state;
	int slow, other;

	f->cfg.unsent_bytes_max = 20u << 20;
	fixture_open(f);
	slow = client_connect(f);
	ask_large(slow, 15u << 20);
	FIXTURE_UNTIL(f, !TAILQ_EMPTY(&f->net->loops[0].blocked));
	other = client_connect(f);
	ask_large(other, 10u << 20);
	FIXTURE_UNTIL(f, fixture_stats(f)->closed_slow == 1);
	FIXTURE_UNTIL(f, f->net->acceptor.conns_len == 1);
	/* The other one is served. */
	client_request(other, CMD_ECHO, "after");
	{
		uint32_t len = (10u << 20) + 4;
		uint8_t *got = malloc(len);

		client_receive(f, other, got, len);
		for (uint32_t i = 0; i < len - 4; i += 997)
			assert_int_equal(got[4 + i], fixture_byte(i));
		free(got);
	}
	client_expect(f, other, "after");
	close(slow);
	close(other);
}

/* The first call cannot take it whole, and that is not the peer's fault. */
static void one_answer_may_be_larger_than_the_share(void **state)
{
	struct fixture *f = *state;
	uint32_t len = (30u << 20) + 4;
	uint8_t *got = malloc(len);
	int fd;

	f->cfg.unsent_bytes_max = 20u << 20;
	fixture_open(f);
	fd = client_connect(f);
	ask_large(fd, 30u << 20);
	FIXTURE_UNTIL(f, !TAILQ_EMPTY(&f->net->loops[0].blocked));
	fixture_turn(f);
	client_receive(f, fd, got, len);
	for (uint32_t i = 0; i < len - 4; i += 997)
		assert_int_equal(got[4 + i], fixture_byte(i));
	assert_int_equal(fixture_stats(f)->closed_slow, 0);
	free(got);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(sends_slices_small_and_large),
	    TEST(small_slices_share_a_call_with_their_answer),
	    TEST(a_slow_reader_gets_all_in_pieces),
	    TEST(one_that_does_not_read_holds_little),
	    TEST(a_short_file_closes_the_connection),
	    TEST(a_peer_that_goes_releases_its_slices),
	    TEST(the_slowest_goes_when_answers_fill_memory),
	    TEST(one_answer_may_be_larger_than_the_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
