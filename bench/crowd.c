/* Many clients in one thread. See crowd.h. */
#include "crowd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "wire/apis.h"

#define CROWD_FRAME_MAX (64u << 20)
#define CROWD_EVENTS	256
/* As Kafka's clients wait (retry.backoff.ms is 100; 20 after CONCURRENT_TRANSACTIONS). */
#define CROWD_LATER_S 0.02

struct crowd_client *crowd_at(const struct crowd *crowd, size_t idx)
{
	return (void *)(crowd->members + idx % crowd->len * crowd->each_bytes);
}

static void crowd_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

void crowd_open(struct crowd *crowd, const char *host, const char *port, size_t each_bytes,
		size_t len)
{
	*crowd = (struct crowd){.members = calloc(len, each_bytes),
				.each_bytes = each_bytes,
				.len = len,
				.poll = epoll_create1(EPOLL_CLOEXEC)};
	if (crowd->members == NULL || crowd->poll < 0 || len == 0)
		client_die("so many?");
	wr_init(&crowd->wr, CROWD_FRAME_MAX);
	arena_init(&crowd->arena, CROWD_FRAME_MAX);
	crowd_raise_limit();
	for (size_t i = 0; i < len; i++) {
		struct crowd_client *member = crowd_at(crowd, i);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};

		client_connect(&member->client, host, port);
		if (!client_ping(&member->client))
			client_die("connection %zu was not answered", i);
		if (epoll_ctl(crowd->poll, EPOLL_CTL_ADD, member->client.fd, &event) != 0)
			client_die("epoll_ctl: %s", strerror(errno));
	}
}

void crowd_begin(struct crowd *crowd, struct crowd_client *member, int api, int version)
{
	member->api = (int16_t)api;
	member->version = (int16_t)version;
	client_begin(&member->client, &crowd->wr, (enum client_api)api, version);
	if (apis_request_tags(member->api, member->version))
		wr_uvarint(&crowd->wr, 0);
}

void crowd_send(struct crowd *crowd, struct crowd_client *member)
{
	must(!member->busy);
	member->busy = true;
	member->sent = client_now_s();
	client_send(&member->client, &crowd->wr);
}

/* -- answers ---------------------------------------------------------------------------------- */

static void crowd_note(struct crowd *crowd, double seconds)
{
	if (crowd->times_len == crowd->times_size) {
		crowd->times_size = crowd->times_size == 0 ? 65536 : crowd->times_size * 2;
		crowd->times = realloc(crowd->times, crowd->times_size * sizeof(double));
		if (crowd->times == NULL)
			client_die("out of memory");
	}
	crowd->times[crowd->times_len++] = seconds;
}

static bool crowd_hear(struct crowd *crowd, struct crowd_client *member, crowd_answered *answered)
{
	struct rd rd = client_answer(&member->client);

	must(member->busy);
	member->busy = false;
	crowd_note(crowd, client_now_s() - member->sent);
	if (apis_response_tags(member->api, member->version))
		rd_skip_tags(&rd);
	arena_reset(&crowd->arena);
	return answered(crowd, member, &rd);
}

/* Waits for answers at most so many seconds; how many have come. */
static size_t crowd_wait(struct crowd *crowd, double seconds, crowd_answered *answered)
{
	struct epoll_event events[CROWD_EVENTS];
	int ms = seconds < 0 ? 0 : (int)(seconds * 1e3);
	int len = epoll_wait(crowd->poll, events, CROWD_EVENTS, ms);

	if (len < 0 && errno != EINTR)
		client_die("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < len; i++) {
		struct crowd_client *member = events[i].data.ptr;

		if (crowd_hear(crowd, member, answered) && !member->done) {
			member->done = true;
			crowd->left--;
		}
	}
	return len > 0 ? (size_t)len : 0;
}

void crowd_later(struct crowd *crowd, struct crowd_client *member)
{
	member->due = client_now_s() + CROWD_LATER_S;
	member->next_due = NULL;
	if (crowd->due_last != NULL)
		crowd->due_last->next_due = member;
	else
		crowd->due_first = member;
	crowd->due_last = member;
}

/* Starts those that have waited; returns how long the next one still has to. */
static double crowd_start_due(struct crowd *crowd, crowd_send_next *again)
{
	struct crowd_client *member;
	double now = client_now_s();

	while ((member = crowd->due_first) != NULL) {
		if (member->due > now)
			return member->due - now + 1e-3;
		crowd->due_first = member->next_due;
		if (crowd->due_first == NULL)
			crowd->due_last = NULL;
		again(crowd, member);
	}
	return 1;
}

void crowd_storm(struct crowd *crowd, crowd_send_next *start, crowd_answered *answered)
{
	crowd->left = crowd->len;
	for (size_t i = 0; i < crowd->len; i++)
		crowd_at(crowd, i)->done = false;
	for (size_t i = 0; i < crowd->len; i++)
		start(crowd, crowd_at(crowd, i));
	while (crowd->left > 0)
		(void)crowd_wait(crowd, crowd_start_due(crowd, start), answered);
}

void crowd_paced(struct crowd *crowd, crowd_send_next *send, crowd_answered *answered, long count,
		 long rate, size_t window)
{
	double begin = client_now_s();
	size_t sent = 0, got = 0;

	crowd->left = crowd->len;
	while (got < (size_t)count) {
		double wait = 1, now = client_now_s();

		while (sent < (size_t)count && !crowd_at(crowd, sent)->busy) {
			double due = rate > 0 ? begin + (double)sent / (double)rate : now;

			if (due > now) {
				wait = due - now;
				break;
			}
			if (rate == 0 && sent - got >= window)
				break;
			send(crowd, crowd_at(crowd, sent++));
		}
		got += crowd_wait(crowd, wait, answered);
	}
}

/* -- commands --------------------------------------------------------------------------------- */

static int crowd_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void crowd_report(struct crowd *crowd, double seconds)
{
	size_t len = crowd->times_len;

	crowd_note(crowd, 0);
	qsort(crowd->times, len, sizeof(double), crowd_compare);
	printf("{\"seconds\": %.6f, \"requests\": %zu, \"p50\": %.7f, \"p99\": %.7f}\n", seconds,
	       len, crowd->times[len / 2], crowd->times[len * 99 / 100]);
	fflush(stdout);
}

void crowd_serve(struct crowd *crowd, const struct crowd_command *commands, size_t len)
{
	char line[256], name[64];

	printf("{\"clients\": %zu}\n", crowd->len);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		long first = 0, second = 0;
		size_t found = 0;
		double begin = client_now_s();

		if (sscanf(line, "%63s %ld %ld", name, &first, &second) < 1)
			continue;
		while (found < len && strcmp(commands[found].name, name) != 0)
			found++;
		if (found == len)
			client_die("no such command: %s", name);
		crowd->times_len = 0;
		commands[found].run(crowd, first, second);
		crowd_report(crowd, client_now_s() - begin);
	}
}
