/*
 * Loads over the raw client; what was measured is printed as one line of JSON.
 *
 *	load KIND HOST PORT ARGUMENTS, where KIND and ARGUMENTS are
 *
 *	ready SECONDS                               when does it answer? By CLOCK_MONOTONIC
 *	create PREFIX TOPICS PARTITIONS [CONFIGS]   until every partition is served; key=value,...
 *	offsets PREFIX TOPICS PARTITIONS            until every partition says where it ends
 *	fill PREFIX TOPICS PARTITIONS BYTES         one batch into each
 *	alter TOPIC CONFIGS                         of a topic
 *	keyed TOPIC BATCHES BATCH RECORDS KEYS      batches of records with keys drawn at random
 *	produce TOPIC BYTES BATCH RECORDS WINDOW    in all, of a batch, in it, in flight
 *	producers TOPIC PARTITIONS COUNT REQUESTS BATCH
 *	                                            so many clients, each one record at a time
 *	fetch TOPIC BYTES EACH                      from the beginning
 *	latency TOPIC ROUNDS                        produce one, see it at a consumer
 *	connections COUNT                           held until standard input ends
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define LOAD_FRAME_MAX	 (256u << 20)
#define LOAD_FILL_WINDOW 4

struct load {
	const char *host, *port;
	char **args;
};

static long long load_number(const char *text)
{
	int64_t number;

	if (!str_to_int64(str_of(text), &number) || number < 0)
		client_die("not a number: %s", text);
	return number;
}

static void load_ready(struct load *load)
{
	double end = client_now_s() + (double)load_number(load->args[0]);
	struct client client;

	while (client_now_s() < end) {
		if (client_open(&client, load->host, load->port)) {
			bool ok = client_ping(&client);

			client_close(&client);
			if (ok) {
				printf("{\"at\": %.6f}\n", client_now_s());
				return;
			}
		}
		usleep(200);
	}
	client_die("no answer");
}

static void load_create(struct load *load)
{
	double begin = client_now_s();
	struct client client;

	client_connect(&client, load->host, load->port);
	client_create_topics(&client, load->args[0], (int)load_number(load->args[1]),
			     (int)load_number(load->args[2]), load->args[3]);
	printf("{\"seconds\": %.6f}\n", client_now_s() - begin);
	client_close(&client);
}

static void load_offsets(struct load *load)
{
	double begin = client_now_s();
	struct client client;

	client_connect(&client, load->host, load->port);
	client_wait_offsets(&client, load->args[0], (int)load_number(load->args[1]),
			    (int)load_number(load->args[2]));
	printf("{\"seconds\": %.6f}\n", client_now_s() - begin);
	client_close(&client);
}

static void load_fill(struct load *load)
{
	int topics = (int)load_number(load->args[1]), partitions = (int)load_number(load->args[2]);
	struct client client;
	struct wr batch, wr;
	int in_flight = 0;

	wr_init(&batch, LOAD_FRAME_MAX);
	wr_init(&wr, LOAD_FRAME_MAX);
	client_make_batch(&batch, (size_t)load_number(load->args[3]), 100);
	client_connect(&client, load->host, load->port);
	for (int i = 0; i < topics * partitions; i++) {
		char topic[300];

		snprintf(topic, sizeof(topic), "%s-%d", load->args[0], i / partitions);
		client_make_produce(&client, &wr, topic, i % partitions, -1, wr_written(&batch));
		client_send(&client, &wr);
		if (++in_flight == LOAD_FILL_WINDOW) {
			(void)client_produce_answer(&client);
			in_flight--;
		}
	}
	for (; in_flight > 0; in_flight--)
		(void)client_produce_answer(&client);
	printf("{\"bytes\": %zu}\n", batch.len_bytes * (size_t)topics * (size_t)partitions);
	client_close(&client);
	wr_fini(&batch);
	wr_fini(&wr);
}

static void load_alter(struct load *load)
{
	struct client client;

	client_connect(&client, load->host, load->port);
	client_alter_topic(&client, load->args[0], load->args[1]);
	printf("{}\n");
	client_close(&client);
}

static void load_keyed(struct load *load)
{
	long long batches = load_number(load->args[1]);
	struct client client;
	struct wr batch, wr;

	srandom(1);
	wr_init(&wr, LOAD_FRAME_MAX);
	client_connect(&client, load->host, load->port);
	for (long long i = 0; i < batches; i++) {
		wr_init(&batch, LOAD_FRAME_MAX);
		client_make_keyed_batch(&batch, (size_t)load_number(load->args[2]),
					(int)load_number(load->args[3]),
					(long)load_number(load->args[4]));
		client_make_produce(&client, &wr, load->args[0], 0, -1, wr_written(&batch));
		client_send(&client, &wr);
		(void)client_produce_answer(&client);
		wr_fini(&batch);
	}
	printf("{\"records\": %lld}\n", batches * load_number(load->args[3]));
	client_close(&client);
	wr_fini(&wr);
}

static void load_produce(struct load *load)
{
	long long total = load_number(load->args[1]), requests, sent = 0, got = 0;
	long long window = load_number(load->args[4]);
	struct client client;
	struct wr batch, wr;
	double begin, seconds;

	wr_init(&batch, LOAD_FRAME_MAX);
	wr_init(&wr, LOAD_FRAME_MAX);
	client_make_batch(&batch, (size_t)load_number(load->args[2]),
			  (int)load_number(load->args[3]));
	client_connect(&client, load->host, load->port);
	client_make_produce(&client, &wr, load->args[0], 0, -1, wr_written(&batch));
	requests = total / (long long)batch.len_bytes;
	begin = client_now_s();
	while (got < requests) {
		for (; sent < requests && sent - got < window; sent++)
			client_send(&client, &wr);
		/* All that have come, at least one. */
		do {
			(void)client_produce_answer(&client);
			got++;
		} while (got < sent && client.in_len >= 4);
	}
	seconds = client_now_s() - begin;
	printf("{\"seconds\": %.6f, \"bytes\": %lld, \"requests\": %lld}\n", seconds,
	       requests * (long long)batch.len_bytes, requests);
	client_close(&client);
	wr_fini(&batch);
	wr_fini(&wr);
}

static void load_fetch(struct load *load)
{
	long long total = load_number(load->args[1]), bytes = 0, requests = 0;
	int32_t each = (int32_t)load_number(load->args[2]);
	int64_t offset = 0;
	struct client client;
	struct wr wr;
	double begin, seconds;

	wr_init(&wr, LOAD_FRAME_MAX);
	client_connect(&client, load->host, load->port);
	begin = client_now_s();
	for (; bytes < total; requests++) {
		int64_t before = offset;
		size_t got;

		client_ask_fetch(&client, &wr, load->args[0], offset, 1000, each);
		got = client_fetch_answer(&client, &offset);
		if (offset == before)
			client_die("only %lld bytes are there", bytes);
		bytes += (long long)got;
	}
	seconds = client_now_s() - begin;
	printf("{\"seconds\": %.6f, \"bytes\": %lld, \"requests\": %lld}\n", seconds, bytes,
	       requests);
	client_close(&client);
	wr_fini(&wr);
}

static int load_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void load_latency(struct load *load)
{
	int rounds = (int)load_number(load->args[1]);
	struct client producer, consumer;
	struct wr batch, produce, fetch;
	double *times = calloc((size_t)rounds, sizeof(*times));
	int64_t offset;

	if (rounds < 1 || times == NULL)
		client_die("so many rounds?");
	wr_init(&batch, LOAD_FRAME_MAX);
	wr_init(&produce, LOAD_FRAME_MAX);
	wr_init(&fetch, LOAD_FRAME_MAX);
	client_connect(&producer, load->host, load->port);
	client_connect(&consumer, load->host, load->port);
	client_make_batch(&batch, 200, 1);
	client_make_produce(&producer, &produce, load->args[0], 0, -1, wr_written(&batch));
	client_send(&producer, &produce);
	offset = client_produce_answer(&producer) + 1;
	for (int i = 0; i < rounds; i++) {
		int64_t expected = offset + 1;
		double begin;

		client_ask_fetch(&consumer, &fetch, load->args[0], offset, 5000, 1 << 20);
		/* So that the fetch waits when the record comes. */
		usleep(200);
		begin = client_now_s();
		client_send(&producer, &produce);
		(void)client_fetch_answer(&consumer, &offset);
		times[i] = client_now_s() - begin;
		(void)client_produce_answer(&producer);
		if (offset != expected)
			client_die("the fetch came back without the record");
	}
	qsort(times, (size_t)rounds, sizeof(*times), load_compare);
	printf("{\"p50\": %.7f, \"p99\": %.7f}\n", times[rounds / 2], times[rounds * 99 / 100]);
	client_close(&producer);
	client_close(&consumer);
	free(times);
	wr_fini(&batch);
	wr_fini(&produce);
	wr_fini(&fetch);
}

/* One of many that each wait for their answer before they send the next record. */
struct load_producer {
	struct client client;
	struct wr frame;
	double sent;
};

static void load_producer_send(struct load_producer *producer)
{
	producer->sent = client_now_s();
	client_send(&producer->client, &producer->frame);
}

static void load_producers_open(struct load *load, struct load_producer *producers,
				struct pollfd *polls, size_t count)
{
	int partitions = (int)load_number(load->args[1]);
	struct wr batch;

	wr_init(&batch, LOAD_FRAME_MAX);
	client_make_batch(&batch, (size_t)load_number(load->args[4]), 1);
	for (size_t i = 0; i < count; i++) {
		wr_init(&producers[i].frame, LOAD_FRAME_MAX);
		client_connect(&producers[i].client, load->host, load->port);
		client_make_produce(&producers[i].client, &producers[i].frame, load->args[0],
				    (int)i % partitions, -1, wr_written(&batch));
		polls[i] = (struct pollfd){.fd = producers[i].client.fd, .events = POLLIN};
	}
	wr_fini(&batch);
}

static void load_producers(struct load *load)
{
	size_t count = (size_t)load_number(load->args[2]), got = 0, sent = 0;
	size_t requests = (size_t)load_number(load->args[3]);
	struct load_producer *producers = calloc(count, sizeof(*producers));
	struct pollfd *polls = calloc(count, sizeof(*polls));
	double *times = calloc(requests + 1, sizeof(*times)), begin;

	if (producers == NULL || polls == NULL || times == NULL || requests < count)
		client_die("so many?");
	load_producers_open(load, producers, polls, count);
	begin = client_now_s();
	for (; sent < count; sent++)
		load_producer_send(&producers[sent]);
	while (got < requests) {
		if (poll(polls, (nfds_t)count, -1) < 0)
			client_die("poll");
		for (size_t i = 0; i < count; i++) {
			if (polls[i].revents == 0)
				continue;
			(void)client_produce_answer(&producers[i].client);
			times[got++] = client_now_s() - producers[i].sent;
			if (sent++ < requests)
				load_producer_send(&producers[i]);
		}
	}
	begin = client_now_s() - begin;
	qsort(times, requests, sizeof(*times), load_compare);
	printf("{\"seconds\": %.6f, \"requests\": %zu, \"p50\": %.7f, \"p99\": %.7f}\n", begin,
	       requests, times[requests / 2], times[requests * 99 / 100]);
	for (size_t i = 0; i < count; i++) {
		client_close(&producers[i].client);
		wr_fini(&producers[i].frame);
	}
	free(producers);
	free(polls);
	free(times);
}

static void load_connections(struct load *load)
{
	size_t count = (size_t)load_number(load->args[0]);
	struct client *clients = calloc(count, sizeof(*clients));
	struct rlimit limit;
	char byte;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (size_t i = 0; clients != NULL && i < count; i++) {
		client_connect(&clients[i], load->host, load->port);
		if (!client_ping(&clients[i]))
			client_die("connection %zu was not answered", i);
		free(clients[i].in);
		clients[i].in = NULL;
		clients[i].in_size = 0;
	}
	printf("{\"connections\": %zu}\n", count);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	free(clients);
}

static const struct load_kind {
	const char *name;
	int args_len, more_len; /* that must, and that may be there */
	void (*run)(struct load *load);
} load_kinds[] = {
    {"ready", 1, 0, load_ready},
    {"create", 3, 1, load_create},
    {"offsets", 3, 0, load_offsets},
    {"fill", 4, 0, load_fill},
    {"produce", 5, 0, load_produce},
    {"producers", 5, 0, load_producers},
    {"fetch", 3, 0, load_fetch},
    {"latency", 2, 0, load_latency},
    {"connections", 1, 0, load_connections},
    {"alter", 2, 0, load_alter},
    {"keyed", 5, 0, load_keyed},
};

int main(int argc, char **argv)
{
	struct load load;

	for (size_t i = 0; argc >= 4 && i < ARRAY_LEN(load_kinds); i++) {
		int more = argc - 4 - load_kinds[i].args_len;

		if (strcmp(argv[1], load_kinds[i].name) != 0 || more < 0 ||
		    more > load_kinds[i].more_len)
			continue;
		load = (struct load){argv[2], argv[3], argv + 4};
		load_kinds[i].run(&load);
		return 0;
	}
	client_die("see the head of bench/load.c");
}
