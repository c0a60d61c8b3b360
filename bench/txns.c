/*
 * Transactional producers, each on a connection of its own with a partition, a group and a
 * transaction of its own: a record, an offset, the end; over and over.
 *
 *	txns 1|2 HOST PORT TOPIC PARTITIONS PRODUCERS
 *
 * 1: as clients before KIP-890, which name partition and group to the coordinator first; 2: as
 * those since, which do not, and get a new epoch with each end. Commands (see crowd.h):
 *
 *	init          producer ids
 *	commit EACH   so many transactions of each producer
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crowd.h"
#include "proto/add_offsets_to_txn.h"
#include "proto/add_partitions_to_txn.h"
#include "proto/end_txn.h"
#include "proto/find_coordinator.h"
#include "proto/init_producer_id.h"
#include "proto/produce.h"
#include "proto/txn_offset_commit.h"
#include "record/builder.h"

#define CODE_LOADING	14
#define CODE_NOT_THERE	15
#define CODE_NOT_OURS	16
#define CODE_CONCURRENT 51
#define FIND_VERSION	2
#define INIT_VERSION	4
#define ADD_VERSION	2
#define VALUE_BYTES	100

/* By the protocol's two ways. */
static const struct {
	int produce, offsets, end;
} versions[] = {{0, 0, 0}, {7, 2, 2}, {12, 5, 5}};

enum txns_step { TXNS_PARTITION, TXNS_PRODUCE, TXNS_GROUP, TXNS_OFFSETS, TXNS_END };

struct txns_producer {
	struct crowd_client client;
	size_t idx;
	char id[40];
	int64_t producer_id;
	int16_t epoch;
	int32_t sequence;
	int64_t offset;
	enum txns_step step;
	size_t left; /* transactions to come */
};

static struct txns {
	int way;
	struct str topic;
	size_t partitions;
} txns;

static struct txns_producer *txns_of(struct crowd_client *client)
{
	return container_of(client, struct txns_producer, client);
}

static int32_t txns_partition(const struct txns_producer *producer)
{
	return (int32_t)(producer->idx % txns.partitions);
}

/* True: it went well. False: the same again in a while. */
static bool txns_check(enum err err, int code, const char *what)
{
	if (err != ERR_OK)
		client_die("the answer to %s cannot be read", what);
	if (code == CODE_LOADING || code == CODE_NOT_THERE || code == CODE_NOT_OURS ||
	    code == CODE_CONCURRENT)
		return false;
	if (code != 0)
		client_die("%s: error %d", what, code);
	return true;
}

/* -- the steps -------------------------------------------------------------------------------- */

static void txns_send_init(struct crowd *crowd, struct crowd_client *client)
{
	struct init_producer_id_req req;

	init_producer_id_req_init(&req);
	req.transactional_id = str_of(txns_of(client)->id);
	req.transaction_timeout_ms = 60000;
	req.producer_id = -1;
	req.producer_epoch = -1;
	crowd_begin(crowd, client, INIT_PRODUCER_ID_API_KEY, INIT_VERSION);
	init_producer_id_req_encode(&req, &crowd->wr, INIT_VERSION);
	crowd_send(crowd, client);
}

static bool txns_has_id(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	struct init_producer_id_res res;
	enum err err = init_producer_id_res_decode(&res, rd, INIT_VERSION, &crowd->arena);

	if (!txns_check(err, res.error_code, "InitProducerId")) {
		crowd_later(crowd, client);
		return false;
	}
	txns_of(client)->producer_id = res.producer_id;
	txns_of(client)->epoch = res.producer_epoch;
	return true;
}

static void txns_put_partition(struct crowd *crowd, struct txns_producer *producer)
{
	int32_t partition = txns_partition(producer);
	struct add_partitions_to_txn_req_add_partitions_to_txn_topic topic = {txns.topic,
									      &partition, 1};
	struct add_partitions_to_txn_req req;

	add_partitions_to_txn_req_init(&req);
	req.v3_and_below_transactional_id = str_of(producer->id);
	req.v3_and_below_producer_id = producer->producer_id;
	req.v3_and_below_producer_epoch = producer->epoch;
	req.v3_and_below_topics = &topic;
	req.v3_and_below_topics_len = 1;
	crowd_begin(crowd, &producer->client, ADD_PARTITIONS_TO_TXN_API_KEY, ADD_VERSION);
	add_partitions_to_txn_req_encode(&req, &crowd->wr, ADD_VERSION);
}

static void txns_build_batch(const struct txns_producer *producer, struct wr *batch)
{
	static const uint8_t value[VALUE_BYTES];
	struct builder_options options = builder_options_default;
	struct builder builder;

	options.producer_id = producer->producer_id;
	options.producer_epoch = producer->epoch;
	options.base_sequence = producer->sequence;
	options.transactional = true;
	builder_init(&builder, batch, &options);
	builder_add(&builder, clock_wall_ms(&clock_real), BYTES_NULL,
		    (struct bytes){value, sizeof(value)}, NULL, 0);
	if (builder_finish(&builder, NULL) != ERR_OK)
		client_die("no batch");
}

static void txns_put_record(struct crowd *crowd, struct txns_producer *producer)
{
	struct produce_req_partition_produce_data data = {.index = txns_partition(producer)};
	struct produce_req_topic_produce_data topic = {.name = txns.topic,
						       .partition_data = &data,
						       .partition_data_len = 1};
	struct produce_req req;
	struct wr batch;

	wr_init(&batch, 4096);
	txns_build_batch(producer, &batch);
	produce_req_init(&req);
	data.records.bytes = wr_written(&batch);
	req.transactional_id = str_of(producer->id);
	req.acks = -1;
	req.timeout_ms = 30000;
	req.topic_data = &topic;
	req.topic_data_len = 1;
	crowd_begin(crowd, &producer->client, PRODUCE_API_KEY, versions[txns.way].produce);
	produce_req_encode(&req, &crowd->wr, versions[txns.way].produce);
	wr_fini(&batch);
}

static void txns_put_group(struct crowd *crowd, struct txns_producer *producer)
{
	struct add_offsets_to_txn_req req;

	add_offsets_to_txn_req_init(&req);
	req.transactional_id = req.group_id = str_of(producer->id);
	req.producer_id = producer->producer_id;
	req.producer_epoch = producer->epoch;
	crowd_begin(crowd, &producer->client, ADD_OFFSETS_TO_TXN_API_KEY, ADD_VERSION);
	add_offsets_to_txn_req_encode(&req, &crowd->wr, ADD_VERSION);
}

static void txns_put_offset(struct crowd *crowd, struct txns_producer *producer)
{
	struct txn_offset_commit_req_txn_offset_commit_request_partition part;
	struct txn_offset_commit_req_txn_offset_commit_request_topic topic = {txns.topic, &part, 1};
	struct txn_offset_commit_req req;

	txn_offset_commit_req_init(&req);
	txn_offset_commit_req_txn_offset_commit_request_partition_init(&part);
	part.partition_index = txns_partition(producer);
	part.committed_offset = producer->offset++;
	part.committed_metadata = STR("");
	req.transactional_id = req.group_id = str_of(producer->id);
	req.producer_id = producer->producer_id;
	req.producer_epoch = producer->epoch;
	req.topics = &topic;
	req.topics_len = 1;
	crowd_begin(crowd, &producer->client, TXN_OFFSET_COMMIT_API_KEY,
		    versions[txns.way].offsets);
	txn_offset_commit_req_encode(&req, &crowd->wr, versions[txns.way].offsets);
}

static void txns_put_end(struct crowd *crowd, struct txns_producer *producer)
{
	struct end_txn_req req;

	end_txn_req_init(&req);
	req.transactional_id = str_of(producer->id);
	req.producer_id = producer->producer_id;
	req.producer_epoch = producer->epoch;
	req.committed = true;
	crowd_begin(crowd, &producer->client, END_TXN_API_KEY, versions[txns.way].end);
	end_txn_req_encode(&req, &crowd->wr, versions[txns.way].end);
}

static void txns_send(struct crowd *crowd, struct crowd_client *client)
{
	static void (*const put[])(struct crowd * crowd, struct txns_producer * producer) = {
	    txns_put_partition, txns_put_record, txns_put_group, txns_put_offset, txns_put_end};

	put[txns_of(client)->step](crowd, txns_of(client));
	crowd_send(crowd, client);
}

/* -- the answers ------------------------------------------------------------------------------ */

static bool txns_read_partition(struct crowd *crowd, struct rd *rd)
{
	struct add_partitions_to_txn_res res;
	enum err err = add_partitions_to_txn_res_decode(&res, rd, ADD_VERSION, &crowd->arena);

	if (err != ERR_OK || res.results_by_topic_v3_and_below_len != 1 ||
	    res.results_by_topic_v3_and_below[0].results_by_partition_len != 1)
		client_die("the answer to AddPartitionsToTxn cannot be read");
	return txns_check(
	    err, res.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code,
	    "AddPartitionsToTxn");
}

static bool txns_read_record(struct crowd *crowd, struct rd *rd)
{
	struct produce_res res;
	enum err err = produce_res_decode(&res, rd, versions[txns.way].produce, &crowd->arena);

	if (err != ERR_OK || res.responses_len != 1 ||
	    res.responses[0].partition_responses_len != 1)
		client_die("the answer to Produce cannot be read");
	return txns_check(err, res.responses[0].partition_responses[0].error_code, "Produce");
}

static bool txns_read_group(struct crowd *crowd, struct rd *rd)
{
	struct add_offsets_to_txn_res res;
	enum err err = add_offsets_to_txn_res_decode(&res, rd, ADD_VERSION, &crowd->arena);

	return txns_check(err, res.error_code, "AddOffsetsToTxn");
}

static bool txns_read_offset(struct crowd *crowd, struct rd *rd)
{
	struct txn_offset_commit_res res;
	enum err err =
	    txn_offset_commit_res_decode(&res, rd, versions[txns.way].offsets, &crowd->arena);

	if (err != ERR_OK || res.topics_len != 1 || res.topics[0].partitions_len != 1)
		client_die("the answer to TxnOffsetCommit cannot be read");
	return txns_check(err, res.topics[0].partitions[0].error_code, "TxnOffsetCommit");
}

static bool txns_read_end(struct crowd *crowd, struct txns_producer *producer, struct rd *rd)
{
	struct end_txn_res res;
	enum err err = end_txn_res_decode(&res, rd, versions[txns.way].end, &crowd->arena);

	if (!txns_check(err, res.error_code, "EndTxn"))
		return false;
	if (txns.way == 2) {
		producer->producer_id = res.producer_id;
		producer->epoch = res.producer_epoch;
		producer->sequence = 0;
	}
	return true;
}

static bool txns_read(struct crowd *crowd, struct txns_producer *producer, struct rd *rd)
{
	switch (producer->step) {
	case TXNS_PARTITION:
		return txns_read_partition(crowd, rd);
	case TXNS_PRODUCE:
		if (!txns_read_record(crowd, rd))
			return false;
		producer->sequence++;
		return true;
	case TXNS_GROUP:
		return txns_read_group(crowd, rd);
	case TXNS_OFFSETS:
		return txns_read_offset(crowd, rd);
	default:
		return txns_read_end(crowd, producer, rd);
	}
}

/* What comes next; false when that was the last. */
static bool txns_advance(struct txns_producer *producer)
{
	enum txns_step first = txns.way == 1 ? TXNS_PARTITION : TXNS_PRODUCE;

	if (producer->step != TXNS_END) {
		producer->step++;
		if (producer->step == TXNS_GROUP && txns.way == 2)
			producer->step++;
		return true;
	}
	producer->step = first;
	return --producer->left > 0;
}

static bool txns_answered(struct crowd *crowd, struct crowd_client *client, struct rd *rd)
{
	struct txns_producer *producer = txns_of(client);

	if (!txns_read(crowd, producer, rd)) {
		crowd_later(crowd, client);
		return false;
	}
	if (!txns_advance(producer))
		return true;
	txns_send(crowd, client);
	return false;
}

/* -- commands --------------------------------------------------------------------------------- */

static void txns_init(struct crowd *crowd, long first, long second)
{
	crowd_storm(crowd, txns_send_init, txns_has_id);
}

static void txns_commit(struct crowd *crowd, long each, long second)
{
	for (size_t i = 0; i < crowd->len; i++) {
		txns_of(crowd_at(crowd, i))->left = (size_t)each;
		txns_of(crowd_at(crowd, i))->step = txns.way == 1 ? TXNS_PARTITION : TXNS_PRODUCE;
	}
	crowd_storm(crowd, txns_send, txns_answered);
}

static const struct crowd_command txns_commands[] = {
    {"init", txns_init},
    {"commit", txns_commit},
};

static void txns_find_coordinator(struct client *client, const char *id, int8_t type)
{
	struct find_coordinator_req req;
	struct find_coordinator_res res;
	struct arena arena;
	struct wr wr;

	wr_init(&wr, 4096);
	arena_init(&arena, 1 << 20);
	find_coordinator_req_init(&req);
	req.key = str_of(id);
	req.key_type = type;
	do {
		struct rd rd;

		client_begin(client, &wr, (enum client_api)FIND_COORDINATOR_API_KEY, FIND_VERSION);
		find_coordinator_req_encode(&req, &wr, FIND_VERSION);
		client_send(client, &wr);
		rd = client_answer(client);
		if (find_coordinator_res_decode(&res, &rd, FIND_VERSION, &arena) != ERR_OK)
			client_die("the answer to FindCoordinator cannot be read");
		(void)poll(NULL, 0, 50);
	} while (res.error_code != 0);
	arena_fini(&arena);
	wr_fini(&wr);
}

int main(int argc, char **argv)
{
	struct crowd crowd;
	struct client client;

	if (argc != 7)
		client_die("see the head of bench/txns.c");
	txns = (struct txns){.way = atoi(argv[1]),
			     .topic = str_of(argv[4]),
			     .partitions = (size_t)atoi(argv[5])};
	if (txns.way < 1 || txns.way > 2 || txns.partitions == 0)
		client_die("see the head of bench/txns.c");
	client_connect(&client, argv[2], argv[3]);
	txns_find_coordinator(&client, "bench", 0);
	txns_find_coordinator(&client, "bench", 1);
	client_close(&client);
	crowd_open(&crowd, argv[2], argv[3], sizeof(struct txns_producer), (size_t)atoi(argv[6]));
	for (size_t i = 0; i < crowd.len; i++) {
		struct txns_producer *producer = txns_of(crowd_at(&crowd, i));

		producer->idx = i;
		snprintf(producer->id, sizeof(producer->id), "%d-producer-%zu", txns.way, i);
	}
	crowd_serve(&crowd, txns_commands, ARRAY_LEN(txns_commands));
	return 0;
}
