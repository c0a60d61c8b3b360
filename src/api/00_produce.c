/*
 * Produce (0), versions 3-13: a producer's batches, for any number of partitions.
 *
 * Each partition's batch is validated on the connection's loop, gathered with all else that this
 * turn appends to the partition, and written with one call before the loop sleeps (append_turn).
 * What comes after on the connection may begin meanwhile; the answers stay in order. acks=0 is
 * never answered: an error under it closes the connection, so that the producer notices.
 *
 * v3   record batches (magic 2) only, transactional id
 * v5   log start offset in the answer
 * v7   zstd
 * v8   which records were at fault, and why (KIP-467)
 * v9   flexible
 * v10  the current leader, when we are not it (KIP-951)
 * v12  may add partitions to a transaction by itself (KIP-890)
 * v13  topic ids in place of names (KIP-516)
 *
 * A request of many partitions, or of batches that decompress to much more than they are, is worked
 * on for a slice of time in each turn, so that the other connections of the loop go on meanwhile.
 *
 * Where compression.type asks for another codec, the batch is rewritten before it is gathered; when
 * that takes long, on a worker, and the request goes on when it is done. What comes after on the
 * connection waits for it, so that batches are stored in the order in which they came.
 *
 * Transactional batches: produce_txn.h.
 *
 * Left out on purpose: versions 0-2 and their message formats, gone with Kafka 4. TimeoutMs: the
 * only wait is for our own disk, and a producer that is told of a time-out would send a batch again
 * that is stored.
 */
#include "api/handlers.h"
#include "api/produce_txn.h"
#include "api/recompress.h"
#include "api/topics.h"
#include "partition/append_turn.h"
#include "proto/produce.h"
#include "record/validate.h"

/* Only AdminClients may write to the coordinators' topics, and they say so by this name. */
#define ADMIN_CLIENT_ID "__admin_client"
/* How long one request is worked on before others have their turn. */
#define SLICE_US 20000
/* What rewritten batches may take before they are written to the log, to give the memory back. */
#define REWRITTEN_BYTES_MAX ((size_t)4 << 20)

struct produce {
	struct api_loop *al;
	struct req *req;
	struct produce_req in;
	struct produce_res res;
	int64_t now_ms;
	size_t waiting;		      /* appends under way, and one while they are being gathered */
	bool failed;		      /* of any partition: closes a connection with acks=0 */
	size_t topic_idx, part_idx;   /* what comes next */
	struct loop_timer next;	      /* between two slices */
	struct recompress recompress; /* of `current`, while it is not NULL */
	struct produce_part *current;
	struct produce_txn txn;	     /* of a request with a transactional id */
	struct rewritten *rewritten; /* not yet freed */
	size_t rewritten_bytes;
};

/* One partition of the request. */
struct produce_part {
	struct append append;
	struct produce *produce;
	struct produce_res_partition_produce_response *res;
	struct partition *local;
	int64_t txn_guard;
};

/* The memory of a batch that was rewritten: of use until it is in the log. */
struct rewritten {
	struct rewritten *next;
	struct wr bytes;
};

/* Once they are in the log, or never will be. */
static void produce_free_rewritten(struct produce *produce)
{
	for (; produce->rewritten != NULL; produce->rewritten = produce->rewritten->next)
		wr_fini(&produce->rewritten->bytes);
	produce->rewritten_bytes = 0;
}

static void produce_answer(struct produce *produce)
{
	struct req *req = produce->req;

	produce_free_rewritten(produce);
	if (produce->in.acks == PARTITION_ACKS_NONE) {
		req->no_answer = true;
		req->close = produce->failed;
		req_done(req);
		return;
	}
	produce_res_encode(&produce->res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void produce_release(struct produce *produce)
{
	must(produce->waiting > 0);
	if (--produce->waiting == 0)
		produce_answer(produce);
}

static void produce_fail(struct produce *produce,
			 struct produce_res_partition_produce_response *res, enum err err)
{
	res->error_code = errcode_of(err);
	res->base_offset = -1;
	if (err == ERR_NOSPACE)
		res->error_message = STR("No space left for records (log.dirs.min.free.bytes, "
					 "log.dirs.max.bytes); try again later.");
	produce->failed = true;
}

static void produce_appended(struct append *append)
{
	struct produce_part *part = container_of(append, struct produce_part, append);
	struct plog_append *item = &append->item;

	if (item->err != ERR_OK) {
		produce_fail(part->produce, part->res, item->err);
	} else {
		part->res->base_offset = item->base_offset;
		part->res->log_append_time_ms = item->log_append_time_ms;
		part->res->log_start_offset = item->log_start;
	}
	produce_release(part->produce);
}

/* -- before the append ------------------------------------------------------------------------- */

static bool produce_explain(struct produce *produce, const struct validate_result *result,
			    struct produce_res_partition_produce_response *res)
{
	/* Without record errors stock sends no message, and clients print their own. */
	res->error_message = result->record_errors_len > 0 ? result->message : STR_NULL;
	res->record_errors =
	    produce_res_batch_index_and_error_message_array(&produce->req->arena,
							    result->record_errors_len);
	if (res->record_errors == NULL)
		return false;
	res->record_errors_len = result->record_errors_len;
	for (size_t i = 0; i < result->record_errors_len; i++) {
		res->record_errors[i].batch_index = result->record_errors[i].index;
		res->record_errors[i].batch_index_error_message = result->record_errors[i].message;
	}
	return true;
}

static enum err produce_validate(struct produce *produce, const struct partition_rules *rules,
				 struct bytes records, struct validate_result *result,
				 struct produce_res_partition_produce_response *res)
{
	enum err err;
	struct validate_rules check = {
	    .max_message_bytes = (size_t)rules->max_message_bytes,
	    .compacted = rules->compacted,
	    .timestamp_type = (enum batch_timestamp_type)rules->timestamp_type,
	    .before_max_ms = rules->before_max_ms,
	    .after_max_ms = rules->after_max_ms,
	    .now_ms = produce->now_ms,
	    .allow_zstd = produce->req->header.api_version >= 7,
	};
	/* The frame is this request's own memory: stamps may go into it. */
	err = validate_records((uint8_t *)(uintptr_t)records.ptr, records.len, &check,
			       produce->al->scratch, &produce->req->arena, result);
	if (err != ERR_OK)
		return produce_explain(produce, result, res) ? err : ERR_NOMEM;
	return ERR_OK;
}

/* May a transactional batch go in, as far as the coordinator was asked? */
static enum err produce_check_txn(struct produce *produce, size_t idx,
				  struct produce_res_partition_produce_response *res,
				  int64_t *guard)
{
	const struct produce_txn_check *check;

	if (produce->in.transactional_id.ptr == NULL)
		return ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	check = produce_txn_check(&produce->txn, produce->topic_idx, idx);
	*guard = check->guard;
	if (check->err != ERR_OK)
		res->error_message = produce_txn_message(&produce->txn, check->err);
	return check->err;
}

static enum err produce_check_topic(const struct produce *produce, const struct image_topic *topic)
{
	if (topic == NULL)
		return produce->req->header.api_version >= 13 ? ERR_UNKNOWN_TOPIC_ID
							      : ERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (topic->internal && !str_eq(produce->req->header.client_id, STR(ADMIN_CLIENT_ID)))
		return ERR_INVALID_TOPIC_EXCEPTION;
	if (produce->in.acks < -1 || produce->in.acks > 1)
		return ERR_INVALID_REQUIRED_ACKS;
	return ERR_OK;
}

/* Not our partition: say whose it is (KIP-951). */
static void produce_hint(struct produce *produce, const struct image_partition *image_part,
			 struct produce_res_partition_produce_response *res)
{
	if (image_part == NULL)
		return;
	res->current_leader.leader_id = image_part->leader;
	res->current_leader.leader_epoch = image_part->leader_epoch;
}

static void produce_gather(struct produce *produce, struct produce_part *part, uint8_t *data,
			   size_t len_bytes)
{
	part->append = (struct append){
	    .item = {.data = data,
		     .len_bytes = len_bytes,
		     .origin = PLOG_CLIENT,
		     .txn_guard = part->txn_guard,
		     .txn_version = produce_txn_version(&produce->txn)},
	    .acks = (enum partition_acks)produce->in.acks,
	    .done = produce_appended,
	};
	produce->waiting++;
	append_turn_add(produce->al->appends, part->local, &part->append);
}

/* -- in another codec -------------------------------------------------------------------------- */

/* Takes *out, right or not. */
static void produce_gather_rewritten(struct produce *produce, struct produce_part *part,
				     struct wr *out, enum err err)
{
	struct rewritten *rewritten = NULL;

	if (err == ERR_OK)
		rewritten = arena_alloc(&produce->req->arena, sizeof(*rewritten));
	if (rewritten == NULL) {
		produce_fail(produce, part->res, err != ERR_OK ? err : ERR_NOMEM);
		wr_fini(out);
		return;
	}
	*rewritten = (struct rewritten){produce->rewritten, *out};
	produce->rewritten = rewritten;
	produce->rewritten_bytes += out->size_bytes;
	produce_gather(produce, part, out->buf, out->len_bytes);
	if (produce->rewritten_bytes < REWRITTEN_BYTES_MAX)
		return;
	append_turn_flush(produce->al->appends);
	produce_free_rewritten(produce);
}

static void produce_run(struct produce *produce, int64_t until_us);

static void produce_recompressed(struct recompress *work)
{
	struct produce *produce = container_of(work, struct produce, recompress);
	struct produce_part *part = produce->current;

	produce->current = NULL;
	produce_gather_rewritten(produce, part, &work->out, work->err);
	partition_unref(part->local);
	produce_run(produce, clock_mono_us(loop_clock(produce->al->loop)) + SLICE_US);
}

/* At once, or on a worker: then the request stands at this partition until it comes back. */
static void produce_rewrite(struct produce *produce, struct produce_part *part,
			    struct bytes records, const struct rewrite *how)
{
	struct wr out;
	enum err err;

	if (rewrite_is_quick(how)) {
		err = rewrite_codec(records, how, produce->al->scratch, &out);
		produce_gather_rewritten(produce, part, &out, err);
		codec_scratch_trim(produce->al->scratch);
		return;
	}
	/* Its deletion may come meanwhile. */
	part->local = partition_ref(part->local);
	produce->current = part;
	produce->recompress =
	    (struct recompress){.batch = records, .how = *how, .done = produce_recompressed};
	recompress_submit(produce->al->recompress, &produce->recompress);
}

/* Validates, and gathers or rewrites. */
static enum err produce_take(struct produce *produce, struct partition *local, size_t idx,
			     struct bytes records,
			     struct produce_res_partition_produce_response *res)
{
	struct validate_result result = {0};
	struct partition_rules rules;
	struct produce_part *part;
	int64_t txn_guard = 0;
	enum err err;

	partition_rules(local, &rules);
	err = produce_validate(produce, &rules, records, &result, res);
	if (err == ERR_OK && batch_is_transactional(&result.header))
		err = produce_check_txn(produce, idx, res, &txn_guard);
	if (err != ERR_OK)
		return err;
	part = arena_alloc(&produce->req->arena, sizeof(*part));
	if (part == NULL)
		return ERR_NOMEM;
	*part = (struct produce_part){.produce = produce,
				      .res = res,
				      .local = local,
				      .txn_guard = txn_guard};
	if (rules.compression == PARTITION_AS_SENT ||
	    rules.compression == (int32_t)batch_codec(&result.header)) {
		produce_gather(produce, part, (uint8_t *)(uintptr_t)records.ptr, records.len);
		return ERR_OK;
	}
	produce_rewrite(produce, part, records,
			&(struct rewrite){.codec = (enum codec)rules.compression,
					  .level = rules.compression_level,
					  .max_bytes = (size_t)rules.max_message_bytes,
					  .uncompressed_bytes = result.uncompressed_bytes});
	return ERR_OK;
}

/* -- the request ------------------------------------------------------------------------------- */

static void produce_partition(struct produce *produce, const struct image_topic *topic, size_t idx,
			      const struct produce_req_partition_produce_data *in,
			      struct produce_res_partition_produce_response *res)
{
	const struct image_partition *image_part = NULL;
	struct partition *local = NULL;
	enum err err = produce_check_topic(produce, topic);

	res->index = in->index;
	if (err == ERR_OK)
		err = topics_local(topic, in->index, &image_part, &local);
	if (err == ERR_OK)
		err = produce_take(produce, local, idx, in->records.bytes, res);
	if (err == ERR_NOT_LEADER_OR_FOLLOWER)
		produce_hint(produce, image_part, res);
	if (err != ERR_OK)
		produce_fail(produce, res, err);
}

/* The whole answer, empty; false when the memory of the request does not do. */
static bool produce_prepare(struct produce *produce)
{
	struct produce_res *res = &produce->res;
	struct arena *arena = &produce->req->arena;

	produce_res_init(res);
	res->responses =
	    produce_res_topic_produce_response_array(arena, produce->in.topic_data_len);
	if (res->responses == NULL)
		return false;
	res->responses_len = produce->in.topic_data_len;
	for (size_t i = 0; i < res->responses_len; i++) {
		const struct produce_req_topic_produce_data *in = &produce->in.topic_data[i];
		struct produce_res_topic_produce_response *topic = &res->responses[i];

		topic->name = in->name;
		topic->topic_id = in->topic_id;
		topic->partition_responses =
		    produce_res_partition_produce_response_array(arena, in->partition_data_len);
		if (topic->partition_responses == NULL)
			return false;
		topic->partition_responses_len = in->partition_data_len;
	}
	return true;
}

static bool produce_is_late(const struct produce *produce, int64_t until_us)
{
	return clock_mono_us(loop_clock(produce->al->loop)) >= until_us;
}

/* Partitions of one topic, to its end or until the time is over. */
static void produce_topic(struct produce *produce, int64_t until_us)
{
	const struct produce_req_topic_produce_data *in =
	    &produce->in.topic_data[produce->topic_idx];
	struct produce_res_topic_produce_response *res =
	    &produce->res.responses[produce->topic_idx];
	const struct image *image = produce->al->image;
	const struct image_topic *topic = produce->req->header.api_version >= 13
					      ? image_topic_by_id(image, in->topic_id)
					      : image_topic_by_name(image, in->name);

	while (produce->part_idx < in->partition_data_len) {
		size_t i = produce->part_idx++;

		produce_partition(produce, topic, i, &in->partition_data[i],
				  &res->partition_responses[i]);
		if (produce->current != NULL || (produce->part_idx < in->partition_data_len &&
						 produce_is_late(produce, until_us)))
			return;
	}
	produce->topic_idx++;
	produce->part_idx = 0;
}

static void produce_run(struct produce *produce, int64_t until_us)
{
	struct req *req = produce->req;

	/* The connection may go between two slices: then nobody asks for the rest any more. */
	while (produce->topic_idx < produce->in.topic_data_len && !req->abandoned) {
		produce_topic(produce, until_us);
		if (produce->current != NULL)
			return; /* goes on when it is recompressed */
		if (produce->topic_idx < produce->in.topic_data_len &&
		    produce_is_late(produce, until_us)) {
			loop_timer_start(&produce->next, 0);
			return;
		}
	}
	/*
	 * What follows may begin now: a Produce joins the gathering, anything else writes it first.
	 */
	if (produce->waiting > 1 && !req->abandoned)
		req_overlap(req);
	produce_release(produce);
}

static void produce_on_next(struct loop_timer *timer)
{
	struct produce *produce = container_of(timer, struct produce, next);

	produce_run(produce, clock_mono_us(loop_clock(produce->al->loop)) + SLICE_US);
}

static void produce_on_verified(struct produce_txn *txn)
{
	struct produce *produce = container_of(txn, struct produce, txn);

	produce_run(produce, clock_mono_us(loop_clock(produce->al->loop)) + SLICE_US);
}

/* False: the transaction's coordinator was asked, or the request is over. */
static bool produce_verify(struct produce *produce)
{
	struct produce_txn *txn = &produce->txn;

	txn->al = produce->al;
	txn->req = produce->req;
	txn->in = &produce->in;
	txn->done = produce_on_verified;
	if (produce->in.transactional_id.ptr == NULL)
		return true;
	switch (produce_txn_begin(txn)) {
	case PRODUCE_TXN_READY:
		return true;
	case PRODUCE_TXN_NOMEM:
		api_overload(produce->req);
		return false;
	case PRODUCE_TXN_WAITS:
		return false;
	}
	never("state of a verification");
}

static void produce_handle(struct api_loop *al, struct req *req)
{
	struct produce *produce = arena_alloc(&req->arena, sizeof(*produce));
	enum err err;

	if (produce == NULL) {
		api_overload(req);
		return;
	}
	produce->al = al;
	produce->req = req;
	produce->now_ms = clock_wall_ms(al->api->clock);
	produce->waiting = 1;
	err = produce_req_decode(&produce->in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	if (!produce_prepare(produce)) {
		api_overload(req);
		return;
	}
	loop_timer_init(&produce->next, al->loop, produce_on_next);
	if (produce_verify(produce))
		produce_run(produce, req->received_us + SLICE_US);
}

const struct api_handler api_produce = {
    .key = PRODUCE_API_KEY,
    .version_min = PRODUCE_MIN_VERSION,
    .version_max = PRODUCE_MAX_VERSION,
    .home = API_HOME_IO,
    .handle = produce_handle,
};
