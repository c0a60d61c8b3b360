/* The raw client: sockets, frames, and the six messages that the loads need. */
#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"

#define CLIENT_FRAME_MAX (256u << 20)
#define CLIENT_READ	 (256u * 1024)

void client_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

double client_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* -- sockets ---------------------------------------------------------------------------------- */

bool client_open(struct client *client, const char *host, const char *port)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
	int one = 1, code = getaddrinfo(host, port, &hints, &list);
	bool ok;

	if (code != 0)
		client_die("%s: %s", host, gai_strerror(code));
	*client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (client->fd < 0)
		client_die("socket: %s", strerror(errno));
	(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ok = connect(client->fd, list->ai_addr, list->ai_addrlen) == 0;
	freeaddrinfo(list);
	if (!ok)
		close(client->fd);
	return ok;
}

void client_connect(struct client *client, const char *host, const char *port)
{
	if (!client_open(client, host, port))
		client_die("cannot connect to %s:%s: %s", host, port, strerror(errno));
}

void client_close(struct client *client)
{
	close(client->fd);
	free(client->in);
	*client = (struct client){.fd = -1};
}

void client_begin(struct client *client, struct wr *wr, enum client_api api, int version)
{
	wr->len_bytes = 0;
	wr_int32(wr, 0);
	wr_int16(wr, (int16_t)api);
	wr_int16(wr, (int16_t)version);
	wr_int32(wr, client->correlation_id++);
	wr_str(wr, STR("bench"), false, true);
}

static void client_seal(struct wr *wr)
{
	if (wr->err != ERR_OK)
		client_die("out of memory");
	wr_patch_int32(wr, 0, (int32_t)(wr->len_bytes - 4));
}

static void client_send_all(struct client *client, const uint8_t *ptr, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(client->fd, ptr, len, MSG_NOSIGNAL);

		if (sent <= 0)
			client_die("send: %s", strerror(errno));
		ptr += sent;
		len -= (size_t)sent;
	}
}

void client_send(struct client *client, struct wr *wr)
{
	client_seal(wr);
	client_send_all(client, wr->buf, wr->len_bytes);
}

static bool client_fill(struct client *client, size_t n)
{
	if (client->in_pos > 0) {
		memmove(client->in, client->in + client->in_pos, client->in_len);
		client->in_pos = 0;
	}
	if (client->in_size < n + CLIENT_READ) {
		client->in_size = n + CLIENT_READ;
		client->in = realloc(client->in, client->in_size);
		if (client->in == NULL)
			client_die("out of memory");
	}
	while (client->in_len < n) {
		ssize_t got = recv(client->fd, client->in + client->in_len,
				   client->in_size - client->in_len, 0);

		if (got <= 0)
			return false;
		client->in_len += (size_t)got;
	}
	return true;
}

const uint8_t *client_receive(struct client *client, size_t n)
{
	const uint8_t *at;

	if (client->in_len < n && !client_fill(client, n))
		client_die("the broker closed the connection");
	at = client->in + client->in_pos;
	client->in_pos += n;
	client->in_len -= n;
	return at;
}

void client_skip(struct client *client, size_t n)
{
	size_t here = n < client->in_len ? n : client->in_len;

	client->in_pos += here;
	client->in_len -= here;
	for (n -= here; n > 0;) {
		ssize_t got = recv(client->fd, NULL, n, MSG_TRUNC);

		if (got <= 0)
			client_die("the broker closed the connection");
		n -= (size_t)got;
	}
}

bool client_try_answer(struct client *client, struct rd *rd)
{
	const uint8_t *at;
	uint32_t size;

	if (client->in_len < 4 && !client_fill(client, 4))
		return false;
	at = client_receive(client, 4);
	size = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	if (size < 4 || size > CLIENT_FRAME_MAX)
		client_die("an answer of %u bytes", size);
	*rd = rd_of((struct bytes){client_receive(client, size), size});
	(void)rd_int32(rd);
	return true;
}

struct rd client_answer(struct client *client)
{
	struct rd rd;

	if (!client_try_answer(client, &rd))
		client_die("the broker closed the connection");
	return rd;
}

/* -- topics ----------------------------------------------------------------------------------- */

bool client_ping(struct client *client)
{
	struct wr wr;
	struct rd rd;
	bool ok;

	wr_init(&wr, 1024);
	client_begin(client, &wr, CLIENT_API_VERSIONS, CLIENT_API_VERSIONS_VERSION);
	client_seal(&wr);
	ok = send(client->fd, wr.buf, wr.len_bytes, MSG_NOSIGNAL) == (ssize_t)wr.len_bytes &&
	     client_try_answer(client, &rd) && rd_int16(&rd) == 0;
	wr_fini(&wr);
	return ok;
}

static void client_name(struct wr *wr, const char *prefix, int number)
{
	char name[300];

	snprintf(name, sizeof(name), "%s-%d", prefix, number);
	wr_str(wr, str_of(name), false, false);
}

static void client_check(struct rd *rd, const char *what)
{
	if (rd->err != ERR_OK)
		client_die("the answer to %s cannot be read", what);
}

/* How many partitions have a leader. */
static int client_count_leaders(struct client *client, struct wr *wr, const char *prefix,
				int topics)
{
	struct rd rd;
	int count = 0;

	client_begin(client, wr, CLIENT_METADATA, CLIENT_METADATA_VERSION);
	wr_array(wr, (size_t)topics, false, false);
	for (int i = 0; i < topics; i++)
		client_name(wr, prefix, i);
	wr_bool(wr, false);
	client_send(client, wr);
	rd = client_answer(client);
	(void)rd_int32(&rd);
	for (int32_t n = rd_int32(&rd); n > 0; n--) {
		(void)rd_int32(&rd);
		(void)rd_str(&rd, false, false);
		(void)rd_int32(&rd);
		(void)rd_str(&rd, false, true);
	}
	(void)rd_str(&rd, false, true);
	(void)rd_int32(&rd);
	for (int32_t n = rd_int32(&rd); n > 0 && rd.err == ERR_OK; n--) {
		(void)rd_int16(&rd);
		(void)rd_str(&rd, false, false);
		(void)rd_bool(&rd);
		for (int32_t p = rd_int32(&rd); p > 0 && rd.err == ERR_OK; p--) {
			(void)rd_int16(&rd);
			(void)rd_int32(&rd);
			count += rd_int32(&rd) >= 0;
			for (int list = 0; list < 3; list++)
				(void)rd_raw(&rd, 4 * (size_t)rd_int32(&rd));
		}
	}
	client_check(&rd, "Metadata");
	return count;
}

static void client_pause(void)
{
	poll(NULL, 0, 2);
}

/* op: -1 when the message has none. */
static void client_configs(struct wr *wr, const char *configs, int op)
{
	struct str rest = str_of(configs != NULL ? configs : "");
	size_t len = rest.len > 0;

	for (size_t i = 0; i < rest.len; i++)
		len += rest.ptr[i] == ',';
	wr_array(wr, len, false, false);
	while (len-- > 0) {
		const char *comma = memchr(rest.ptr, ',', rest.len);
		struct str one = {rest.ptr, comma != NULL ? (size_t)(comma - rest.ptr) : rest.len};
		const char *equals = memchr(one.ptr, '=', one.len);

		if (equals == NULL)
			client_die("not key=value: %s", configs);
		wr_str(wr, (struct str){one.ptr, (size_t)(equals - one.ptr)}, false, false);
		if (op >= 0)
			wr_int8(wr, (int8_t)op);
		wr_str(wr, (struct str){equals + 1, (size_t)(one.ptr + one.len - equals) - 1},
		       false, true);
		rest.ptr += comma != NULL ? one.len + 1 : one.len;
		rest.len -= comma != NULL ? one.len + 1 : one.len;
	}
}

void client_create_topics(struct client *client, const char *prefix, int topics, int partitions,
			  const char *configs)
{
	struct wr wr;
	struct rd rd;

	wr_init(&wr, CLIENT_FRAME_MAX);
	client_begin(client, &wr, CLIENT_CREATE_TOPICS, CLIENT_CREATE_TOPICS_VERSION);
	wr_array(&wr, (size_t)topics, false, false);
	for (int i = 0; i < topics; i++) {
		client_name(&wr, prefix, i);
		wr_int32(&wr, partitions);
		wr_int16(&wr, 1);
		wr_array(&wr, 0, false, false);
		client_configs(&wr, configs, -1);
	}
	wr_int32(&wr, 60000);
	wr_bool(&wr, false);
	client_send(client, &wr);
	rd = client_answer(client);
	(void)rd_int32(&rd);
	for (int32_t n = rd_int32(&rd); n > 0 && rd.err == ERR_OK; n--) {
		struct str name = rd_str(&rd, false, false);
		int16_t code = rd_int16(&rd);

		(void)rd_str(&rd, false, true);
		if (code != 0)
			client_die("CreateTopics %.*s: error %d", STR_ARG(name), code);
	}
	client_check(&rd, "CreateTopics");
	while (client_count_leaders(client, &wr, prefix, topics) < topics * partitions)
		client_pause();
	wr_fini(&wr);
	client_wait_offsets(client, prefix, topics, partitions);
}

void client_alter_topic(struct client *client, const char *topic, const char *configs)
{
	struct wr wr;
	struct rd rd;
	int16_t code;

	wr_init(&wr, CLIENT_FRAME_MAX);
	client_begin(client, &wr, CLIENT_ALTER_CONFIGS, CLIENT_ALTER_CONFIGS_VERSION);
	wr_array(&wr, 1, false, false);
	wr_int8(&wr, 2); /* a topic */
	wr_str(&wr, str_of(topic), false, false);
	client_configs(&wr, configs, 0); /* set */
	wr_bool(&wr, false);
	client_send(client, &wr);
	rd = client_answer(client);
	(void)rd_int32(&rd);
	(void)rd_int32(&rd);
	code = rd_int16(&rd);
	client_check(&rd, "IncrementalAlterConfigs");
	if (code != 0)
		client_die("IncrementalAlterConfigs: error %d", code);
	wr_fini(&wr);
}

static bool client_has_offsets(struct client *client, struct wr *wr, const char *prefix, int topics,
			       int partitions)
{
	bool ok = true;
	struct rd rd;

	client_begin(client, wr, CLIENT_LIST_OFFSETS, CLIENT_LIST_OFFSETS_VERSION);
	wr_int32(wr, -1);
	wr_array(wr, (size_t)topics, false, false);
	for (int i = 0; i < topics; i++) {
		client_name(wr, prefix, i);
		wr_array(wr, (size_t)partitions, false, false);
		for (int p = 0; p < partitions; p++) {
			wr_int32(wr, p);
			wr_int64(wr, -1);
		}
	}
	client_send(client, wr);
	rd = client_answer(client);
	for (int32_t n = rd_int32(&rd); n > 0 && rd.err == ERR_OK; n--) {
		(void)rd_str(&rd, false, false);
		for (int32_t p = rd_int32(&rd); p > 0 && rd.err == ERR_OK; p--) {
			(void)rd_int32(&rd);
			ok &= rd_int16(&rd) == 0;
			(void)rd_int64(&rd);
			(void)rd_int64(&rd);
		}
	}
	client_check(&rd, "ListOffsets");
	return ok;
}

void client_wait_offsets(struct client *client, const char *prefix, int topics, int partitions)
{
	struct wr wr;

	wr_init(&wr, CLIENT_FRAME_MAX);
	while (!client_has_offsets(client, &wr, prefix, topics, partitions))
		client_pause();
	wr_fini(&wr);
}

/* -- records ---------------------------------------------------------------------------------- */

#define KEY_BYTES	 12
#define BATCH_HEAD_BYTES 61
#define BATCH_CRC_AT	 17
#define BATCH_CRC_FROM	 21

/* A record without a key and one with a key are of one size: the key is counted in value_len. */
static void client_make_record(struct wr *wr, int number, long keys, size_t value_len)
{
	/* attributes, deltas, key, value, no headers: the deltas in at most 3 bytes each */
	char key[24];
	struct wr body;
	uint8_t *value;

	wr_init(&body, CLIENT_FRAME_MAX);
	wr_int8(&body, 0);
	wr_varlong(&body, 0);
	wr_varint(&body, number);
	wr_varint(&body, keys > 0 ? KEY_BYTES : -1);
	if (keys > 0) {
		snprintf(key, sizeof(key), "%0*ld", KEY_BYTES, random() % keys);
		wr_raw(&body, (struct bytes){(uint8_t *)key, KEY_BYTES});
		value_len -= KEY_BYTES;
	}
	wr_varint(&body, (int32_t)value_len);
	value = wr_room(&body, value_len);
	for (size_t i = 0; value != NULL && i < value_len; i++)
		value[i] = (uint8_t)random();
	wr_varint(&body, 0);
	wr_varint(wr, (int32_t)body.len_bytes);
	wr_raw(wr, wr_written(&body));
	wr_fini(&body);
}

void client_make_batch(struct wr *wr, size_t batch_bytes, int records)
{
	client_make_keyed_batch(wr, batch_bytes, records, 0);
}

void client_make_keyed_batch(struct wr *wr, size_t batch_bytes, int records, long keys)
{
	struct timespec now;
	int64_t now_ms;
	size_t each;

	if (records < 1 || batch_bytes < BATCH_HEAD_BYTES + (size_t)records * (16 + KEY_BYTES))
		client_die("a batch of %zu bytes cannot have %d records", batch_bytes, records);
	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	each = (batch_bytes - BATCH_HEAD_BYTES) / (size_t)records - 13;
	wr_int64(wr, 0);
	wr_int32(wr, 0);
	wr_int32(wr, -1);
	wr_int8(wr, 2);
	wr_int32(wr, 0);
	wr_int16(wr, 0);
	wr_int32(wr, records - 1);
	wr_int64(wr, now_ms);
	wr_int64(wr, now_ms);
	wr_int64(wr, -1);
	wr_int16(wr, -1);
	wr_int32(wr, -1);
	wr_int32(wr, records);
	for (int i = 0; i < records; i++)
		client_make_record(wr, i, keys, each);
	wr_patch_int32(wr, 8, (int32_t)wr->len_bytes - 12);
	wr_patch_int32(wr, BATCH_CRC_AT,
		       (int32_t)crc32c(wr->buf + BATCH_CRC_FROM, wr->len_bytes - BATCH_CRC_FROM));
}

void client_make_produce(struct client *client, struct wr *wr, const char *topic, int partition,
			 int acks, struct bytes batch)
{
	client_begin(client, wr, CLIENT_PRODUCE, CLIENT_PRODUCE_VERSION);
	wr_str(wr, STR_NULL, false, true);
	wr_int16(wr, (int16_t)acks);
	wr_int32(wr, 30000);
	wr_array(wr, 1, false, false);
	wr_str(wr, str_of(topic), false, false);
	wr_array(wr, 1, false, false);
	wr_int32(wr, partition);
	wr_bytes(wr, batch, false, true);
	client_seal(wr);
}

int64_t client_produce_answer(struct client *client)
{
	struct rd rd = client_answer(client);
	int64_t offset;
	int16_t code;

	(void)rd_int32(&rd);
	(void)rd_str(&rd, false, false);
	(void)rd_int32(&rd);
	(void)rd_int32(&rd);
	code = rd_int16(&rd);
	offset = rd_int64(&rd);
	client_check(&rd, "Produce");
	if (code != 0)
		client_die("Produce: error %d", code);
	return offset;
}

void client_ask_fetch(struct client *client, struct wr *wr, const char *topic, int64_t offset,
		      int32_t max_wait_ms, int32_t bytes_max)
{
	client_begin(client, wr, CLIENT_FETCH, CLIENT_FETCH_VERSION);
	wr_int32(wr, -1);
	wr_int32(wr, max_wait_ms);
	wr_int32(wr, 1);
	wr_int32(wr, INT32_MAX);
	wr_int8(wr, 0);
	wr_array(wr, 1, false, false);
	wr_str(wr, str_of(topic), false, false);
	wr_array(wr, 1, false, false);
	wr_int32(wr, 0);
	wr_int64(wr, offset);
	wr_int32(wr, bytes_max);
	client_send(client, wr);
}

static uint32_t client_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Walks the batches by their heads; an incomplete one at the end does not count. */
static void client_walk_batches(struct client *client, size_t len, int64_t *next_offset)
{
	while (len >= BATCH_HEAD_BYTES) {
		const uint8_t *head = client_receive(client, BATCH_HEAD_BYTES);
		int64_t base = (int64_t)((uint64_t)client_u32(head) << 32 | client_u32(head + 4));
		size_t rest = client_u32(head + 8) + 12 - BATCH_HEAD_BYTES;
		int64_t next = base + client_u32(head + 23) + 1;

		len -= BATCH_HEAD_BYTES;
		if (rest > len)
			break;
		*next_offset = next;
		client_skip(client, rest);
		len -= rest;
	}
	client_skip(client, len);
}

size_t client_fetch_answer(struct client *client, int64_t *next_offset)
{
	/* Up to the name: size, correlation, throttle, array. Behind it: array, index, error, two
	 * offsets, aborted transactions (none), size of the records. */
	const uint8_t *at = client_receive(client, 18);
	size_t name_len = (size_t)at[16] << 8 | at[17];
	uint32_t aborted, len;
	int code;

	(void)client_receive(client, name_len);
	at = client_receive(client, 34);
	code = at[8] << 8 | at[9];
	aborted = client_u32(at + 26);
	len = client_u32(at + 30);
	if (code != 0 || (aborted != 0 && aborted != UINT32_MAX))
		client_die("Fetch: error %d", code);
	if (len == UINT32_MAX)
		len = 0;
	client_walk_batches(client, len, next_offset);
	return len;
}
