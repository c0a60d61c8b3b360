/*
 * The crash test's client, on librdkafka: creates topics, produces records whose content follows
 * from their producer and number, and reads them back and checks that it does. crash.py drives it.
 *
 *	client create BOOTSTRAP TOPIC PARTITIONS [CONFIG=VALUE]...
 *	client produce BOOTSTRAP TOPIC PARTITIONS PRODUCER FIRST REPORT [PROPERTY=VALUE]...
 *	    until stdin ends; then waits for what is under way. REPORT gets a line for each record:
 *	    "ack NUMBER PARTITION OFFSET" or "fail NUMBER REASON".
 *	client read BOOTSTRAP TOPIC [PARTITION=OFFSET]...
 *	    to the end, from these offsets. A line for each record:
 *	    "PARTITION OFFSET PRODUCER NUMBER".
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_BYTES	12
#define VALUE_BYTES_MAX 200000
#define BURST_MAX	60
#define PAUSE_MS_MAX	12
/* For what hangs only: the machine may be busy with other things. */
#define ADMIN_MS    120000
#define FLUSH_MS    350000
#define READ_MS	    120000
#define TOPIC_TRIES 600

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("client: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* splitmix64: the content of a record follows from its producer and number alone. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

struct content {
	uint8_t key[KEY_BYTES];
	uint8_t value[VALUE_BYTES_MAX];
	size_t len; /* of the value */
	bool null;  /* the value is */
	int32_t partition;
};

static size_t content_len(uint64_t *state)
{
	uint64_t kind = next_random(state) % 1000;

	if (kind < 700)
		return next_random(state) % 200;
	if (kind < 970)
		return next_random(state) % 3000;
	return next_random(state) % (kind < 998 ? 20000 : VALUE_BYTES_MAX);
}

static void content_make(struct content *c, int32_t producer, int64_t number, int32_t partitions)
{
	uint64_t state = (uint64_t)producer * 1000003 + (uint64_t)number;

	for (int i = 0; i < 4; i++)
		c->key[i] = (uint8_t)(producer >> (24 - 8 * i));
	for (int i = 0; i < 8; i++)
		c->key[4 + i] = (uint8_t)(number >> (56 - 8 * i));
	c->partition = (int32_t)(next_random(&state) % (uint64_t)partitions);
	c->null = next_random(&state) % 50 == 0;
	c->len = c->null ? 0 : content_len(&state);
	/* Runs of one byte, so that codecs have something to do. */
	for (size_t i = 0; i < c->len;) {
		uint64_t r = next_random(&state);
		for (size_t run = 1 + r % 16; run > 0 && i < c->len; run--)
			c->value[i++] = (uint8_t)(r >> 8);
	}
}

static rd_kafka_conf_t *conf_new(const char *bootstrap)
{
	char why[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof(why)) !=
	    RD_KAFKA_CONF_OK)
		die("%s", why);
	/* The broker goes away all the time here: come back at once, and do not tell. */
	(void)rd_kafka_conf_set(conf, "reconnect.backoff.ms", "10", why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "100", why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "log_level", "2", why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "log.connection.close", "false", why, sizeof(why));
	return conf;
}

static void conf_apply(rd_kafka_conf_t *conf, char **pairs, int len)
{
	char why[256];

	for (int i = 0; i < len; i++) {
		char *value = strchr(pairs[i], '=');
		if (value == NULL)
			die("%s is not a pair", pairs[i]);
		*value++ = '\0';
		if (rd_kafka_conf_set(conf, pairs[i], value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
			die("%s", why);
	}
}

static rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));

	if (rk == NULL)
		die("%s", why);
	return rk;
}

/* -- create -------------------------------------------------------------------------------- */

static void create_check(rd_kafka_event_t *event)
{
	size_t len;

	if (event == NULL)
		die("no answer to CreateTopics");
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("CreateTopics: %s", rd_kafka_event_error_string(event));
	const rd_kafka_topic_result_t **results =
	    rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &len);
	for (size_t i = 0; i < len; i++)
		if (rd_kafka_topic_result_error(results[i]) != RD_KAFKA_RESP_ERR_NO_ERROR)
			die("%s: %s", rd_kafka_topic_result_name(results[i]),
			    rd_kafka_topic_result_error_string(results[i]));
}

static void create(char **argv, int argc)
{
	char why[256];
	rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, conf_new(argv[0]));
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_NewTopic_t *topic =
	    rd_kafka_NewTopic_new(argv[1], atoi(argv[2]), 1, why, sizeof(why));

	if (topic == NULL)
		die("%s", why);
	for (int i = 3; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (value == NULL)
			die("%s is not a pair", argv[i]);
		*value++ = '\0';
		rd_kafka_NewTopic_set_config(topic, argv[i], value);
	}
	rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_MS);
	create_check(event);
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

/* -- produce ------------------------------------------------------------------------------- */

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	FILE *report = opaque;
	int64_t number = (int64_t)(intptr_t)message->_private;

	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		fprintf(report, "ack %" PRId64 " %" PRId32 " %" PRId64 "\n", number,
			message->partition, message->offset);
	else
		fprintf(report, "fail %" PRId64 " %s\n", number, rd_kafka_err2name(message->err));
}

/* Waits as long, or until stdin ends, which it tells. */
static bool stdin_ended(int wait_ms)
{
	struct pollfd fd = {STDIN_FILENO, POLLIN, 0};
	char byte;

	return poll(&fd, 1, wait_ms) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* True when it is in the queue; false when the queue is full. */
static bool produce_one(rd_kafka_t *rk, const char *topic, const struct content *c, int64_t number)
{
	char why[512];
	/* A null value is told from an empty one by its pointer. */
	rd_kafka_resp_err_t err =
	    rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(c->partition),
			      RD_KAFKA_V_KEY((void *)(uintptr_t)c->key, KEY_BYTES),
			      RD_KAFKA_V_VALUE(c->null ? NULL : (void *)(uintptr_t)c->value,
					       c->len),
			      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
			      RD_KAFKA_V_OPAQUE((void *)(intptr_t)number), RD_KAFKA_V_END);

	if (err == RD_KAFKA_RESP_ERR__FATAL && rd_kafka_fatal_error(rk, why, sizeof(why)))
		die("produce: %s", why);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
		die("produce: %s", rd_kafka_err2str(err));
	return err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void produce(char **argv, int argc)
{
	static struct content content;
	const char *topic = argv[1];
	int32_t partitions = atoi(argv[2]), producer = atoi(argv[3]);
	int64_t number = atoll(argv[4]);
	FILE *report = fopen(argv[5], "w");
	uint64_t pace = (uint64_t)producer ^ (uint64_t)number;

	if (report == NULL)
		die("cannot write %s", argv[5]);
	rd_kafka_conf_t *conf = conf_new(argv[0]);
	conf_apply(conf, argv + 6, argc - 6);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set_opaque(conf, report);
	rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, conf);
	while (!stdin_ended((int)(next_random(&pace) % PAUSE_MS_MAX))) {
		for (uint64_t burst = next_random(&pace) % BURST_MAX; burst > 0; burst--) {
			content_make(&content, producer, number, partitions);
			if (!produce_one(rk, topic, &content, number))
				break;
			number++;
		}
		rd_kafka_poll(rk, 0);
	}
	rd_kafka_resp_err_t err = rd_kafka_flush(rk, FLUSH_MS);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("flush: %s", rd_kafka_err2str(err));
	printf("%" PRId64 "\n", number);
	rd_kafka_destroy(rk);
	if (fclose(report) != 0)
		die("cannot write %s", argv[5]);
}

/* -- read ---------------------------------------------------------------------------------- */

static int64_t number_at(const uint8_t *p, int len)
{
	int64_t v = 0;

	for (int i = 0; i < len; i++)
		v = v << 8 | p[i];
	return v;
}

static void read_check(const rd_kafka_message_t *message, int32_t partitions)
{
	static struct content content;
	const uint8_t *key = message->key;

	if (key == NULL || message->key_len != KEY_BYTES)
		die("%" PRId32 "@%" PRId64 ": no key of ours", message->partition, message->offset);
	int32_t producer = (int32_t)number_at(key, 4);
	int64_t number = number_at(key + 4, 8);
	content_make(&content, producer, number, partitions);
	if (content.partition != message->partition || content.len != message->len ||
	    content.null != (message->payload == NULL) ||
	    (content.len > 0 && memcmp(content.value, message->payload, content.len) != 0))
		die("%" PRId32 "@%" PRId64 ": not what producer %" PRId32 " sent as %" PRId64,
		    message->partition, message->offset, producer, number);
	printf("%" PRId32 " %" PRId64 " %" PRId32 " %" PRId64 "\n", message->partition,
	       message->offset, producer, number);
}

/* 0 when the broker does not know the topic. */
static int32_t partitions_now(rd_kafka_t *rk, rd_kafka_topic_t *handle)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, handle, &metadata, READ_MS);

	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("metadata: %s", rd_kafka_err2str(err));
	int32_t partitions = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	return partitions;
}

/* A broker that has just started may listen before it has heard of its topics. */
static int32_t partitions_of(rd_kafka_t *rk, const char *topic)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
	int32_t partitions = partitions_now(rk, handle);

	for (int tries = 0; partitions == 0 && tries < TOPIC_TRIES; tries++) {
		poll(NULL, 0, 100);
		partitions = partitions_now(rk, handle);
	}
	if (partitions == 0)
		die("topic %s is unknown", topic);
	rd_kafka_topic_destroy(handle);
	return partitions;
}

static void read_assign(rd_kafka_t *rk, const char *topic, int32_t partitions, char **pairs,
			int len)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);

	for (int32_t i = 0; i < partitions; i++)
		rd_kafka_topic_partition_list_add(list, topic, i)->offset =
		    RD_KAFKA_OFFSET_BEGINNING;
	for (int i = 0; i < len; i++) {
		int32_t partition;
		int64_t offset;
		if (sscanf(pairs[i], "%" SCNd32 "=%" SCNd64, &partition, &offset) != 2 ||
		    partition < 0 || partition >= partitions)
			die("%s is not PARTITION=OFFSET", pairs[i]);
		list->elems[partition].offset = offset;
	}
	rd_kafka_resp_err_t err = rd_kafka_assign(rk, list);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("assign: %s", rd_kafka_err2str(err));
	rd_kafka_topic_partition_list_destroy(list);
}

static void read_back(char **argv, int argc)
{
	char *properties[] = {(char[]){"group.id=crash"}, (char[]){"enable.partition.eof=true"},
			      (char[]){"enable.auto.commit=false"},
			      (char[]){"auto.offset.reset=error"}, (char[]){"check.crcs=true"}};
	rd_kafka_conf_t *conf = conf_new(argv[0]);

	conf_apply(conf, properties, 5);
	rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);
	int32_t partitions = partitions_of(rk, argv[1]), left = partitions;
	bool *ended = calloc((size_t)partitions, sizeof(*ended));
	if (ended == NULL)
		die("out of memory");
	read_assign(rk, argv[1], partitions, argv + 2, argc - 2);
	while (left > 0) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, READ_MS);
		if (message == NULL)
			die("%" PRId32 " partitions gave nothing for %d ms", left, READ_MS);
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			left -= !ended[message->partition];
			ended[message->partition] = true;
		}
		if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			read_check(message, partitions);
		else if (message->err != RD_KAFKA_RESP_ERR__TRANSPORT &&
			 message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
			die("read: %s", rd_kafka_message_errstr(message));
		rd_kafka_message_destroy(message);
	}
	free(ended);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "create") == 0)
		create(argv + 2, argc - 2);
	else if (argc >= 8 && strcmp(argv[1], "produce") == 0)
		produce(argv + 2, argc - 2);
	else if (argc >= 4 && strcmp(argv[1], "read") == 0)
		read_back(argv + 2, argc - 2);
	else
		die("usage: see the head of client.c");
	return 0;
}
