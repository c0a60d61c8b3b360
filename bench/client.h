/*
 * A Kafka client as raw as it gets, for load: blocking sockets, classic encodings, no retries.
 * Whatever goes wrong ends the program with a message.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "wire/rd.h"
#include "wire/wr.h"

/* Messages in versions that are not flexible and that Apache Kafka 4.3 still serves. */
enum client_api {
	CLIENT_PRODUCE = 0,
	CLIENT_FETCH = 1,
	CLIENT_LIST_OFFSETS = 2,
	CLIENT_METADATA = 3,
	CLIENT_OFFSET_COMMIT = 8,
	CLIENT_OFFSET_FETCH = 9,
	CLIENT_FIND_COORDINATOR = 10,
	CLIENT_API_VERSIONS = 18,
	CLIENT_CREATE_TOPICS = 19,
	CLIENT_ALTER_CONFIGS = 44, /* incremental */
};
#define CLIENT_PRODUCE_VERSION	     7
#define CLIENT_FETCH_VERSION	     4
#define CLIENT_LIST_OFFSETS_VERSION  1
#define CLIENT_METADATA_VERSION	     5
#define CLIENT_API_VERSIONS_VERSION  0
#define CLIENT_CREATE_TOPICS_VERSION 4
#define CLIENT_ALTER_CONFIGS_VERSION 0

struct client {
	int fd;
	int32_t correlation_id;
	uint8_t *in; /* what was received ahead of what was asked for */
	size_t in_pos, in_len, in_size;
};

_Noreturn void client_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
double client_now_s(void);

/* False when nobody listens. */
bool client_open(struct client *client, const char *host, const char *port) must_check;
void client_connect(struct client *client, const char *host, const char *port);
void client_close(struct client *client);

/* Begins a frame in an empty writer: size, header. */
void client_begin(struct client *client, struct wr *wr, enum client_api api, int version);
/* Sets the size and sends. */
void client_send(struct client *client, struct wr *wr);

/* The next n bytes; valid until the next call. */
const uint8_t *client_receive(struct client *client, size_t n);
/* Drops n bytes, without copying what is still in the socket. */
void client_skip(struct client *client, size_t n);
/* A whole answer, behind its correlation id. False at the end of the stream. */
bool client_try_answer(struct client *client, struct rd *rd) must_check;
struct rd client_answer(struct client *client);

/* Asks for the versions and waits for the answer; false when there is none. */
bool client_ping(struct client *client) must_check;
/*
 * Creates, and waits until every partition has a leader that serves. Names: prefix-0, prefix-1, ...
 * configs: "key=value,key=value", or NULL.
 */
void client_create_topics(struct client *client, const char *prefix, int topics, int partitions,
			  const char *configs);
/* Sets configs of one topic. */
void client_alter_topic(struct client *client, const char *topic, const char *configs);
/* Waits until every partition says where it ends. */
void client_wait_offsets(struct client *client, const char *prefix, int topics, int partitions);

/* One batch: so many records, so many bytes all together, as near as it goes. */
void client_make_batch(struct wr *wr, size_t batch_bytes, int records);
/* The same, each record with one of `keys` keys, drawn at random. */
void client_make_keyed_batch(struct wr *wr, size_t batch_bytes, int records, long keys);
/* A whole Produce frame, ready to be sent any number of times. */
void client_make_produce(struct client *client, struct wr *wr, const char *topic, int partition,
			 int acks, struct bytes batch);
/* The answer to it: ends the program when it is an error, returns the base offset. */
int64_t client_produce_answer(struct client *client);
/* Asks; the answer is read with client_fetch_answer. */
void client_ask_fetch(struct client *client, struct wr *wr, const char *topic, int64_t offset,
		      int32_t max_wait_ms, int32_t bytes_max);
/* Drops the records; returns their bytes, and the offset behind the last one. */
size_t client_fetch_answer(struct client *client, int64_t *next_offset);

#endif
