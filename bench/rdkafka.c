/*
 * Loads over librdkafka, as applications make them.
 *
 *	rdkafka BOOTSTRAP TOPIC RECORDS BYTES [key=value]...
 *
 * Produces, with the settings given, to all partitions of the topic; waits for every
 *acknowledgement.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUES	 64 /* different ones */
#define WORDS	 500
#define WORD_LEN 8

struct progress {
	long acknowledged, failed;
};

static void on_delivered(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct progress *progress = opaque;

	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		progress->acknowledged++;
	else
		progress->failed++;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static void configure(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char why[512];

	if (rd_kafka_conf_set(conf, key, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
		die(key, why);
}

static rd_kafka_t *connect_producer(int argc, char **argv, struct progress *progress)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *kafka;
	char why[512];

	configure(conf, "bootstrap.servers", argv[1]);
	configure(conf, "queue.buffering.max.messages", "1000000");
	for (int i = 5; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (equals == NULL)
			die(argv[i], "is not key=value");
		*equals = '\0';
		configure(conf, argv[i], equals + 1);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	rd_kafka_conf_set_opaque(conf, progress);
	kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (kafka == NULL)
		die("librdkafka", why);
	return kafka;
}

/* Words out of a small vocabulary: lz4 makes a third to a half of it, as of log lines or JSON. */
static char *make_values(size_t len)
{
	char vocabulary[WORDS][WORD_LEN], *values = malloc(VALUES * len);

	if (values == NULL)
		die("values", "out of memory");
	srandom(1);
	for (size_t i = 0; i < WORDS * WORD_LEN; i++)
		vocabulary[i / WORD_LEN][i % WORD_LEN] = (char)('a' + random() % 26);
	for (size_t i = 0; i < VALUES * len; i++) {
		static size_t word;

		if (i % WORD_LEN == 0)
			word = (size_t)random() % WORDS;
		values[i] = vocabulary[word][i % WORD_LEN];
	}
	return values;
}

int main(int argc, char **argv)
{
	struct progress progress = {0};
	rd_kafka_t *kafka;
	rd_kafka_topic_t *topic;
	char *values;
	size_t len;
	long count;
	double begin;

	if (argc < 5)
		die("rdkafka", "BOOTSTRAP TOPIC RECORDS BYTES [key=value]...");
	count = atol(argv[3]);
	len = (size_t)atol(argv[4]);
	values = make_values(len);
	kafka = connect_producer(argc, argv, &progress);
	topic = rd_kafka_topic_new(kafka, argv[2], NULL);
	begin = now_s();
	for (long i = 0; i < count;) {
		if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
				     values + (size_t)(i % VALUES) * len, len, NULL, 0, NULL) == 0)
			i++;
		else
			rd_kafka_poll(kafka, 10);
		if (i % 1000 == 0)
			rd_kafka_poll(kafka, 0);
	}
	if (rd_kafka_flush(kafka, 300000) != RD_KAFKA_RESP_ERR_NO_ERROR || progress.failed > 0 ||
	    progress.acknowledged != count)
		die("rdkafka", "not every record was acknowledged");
	printf("{\"seconds\": %.6f, \"bytes\": %zu, \"requests\": %ld}\n", now_s() - begin,
	       len * (size_t)count, count);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(kafka);
	free(values);
	return 0;
}
