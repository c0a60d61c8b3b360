/*
 * WriteTxnMarkers (27), versions 1-2: transaction coordinators, and kafka-transactions to get rid
 * of a hanging transaction, have markers written that end transactions in partitions of this
 * broker.
 *
 * v1  flexible
 * v2  transaction.version of each transaction (its markers are checked more strictly from 2 on)
 */
#include "api/handlers.h"
#include "coord/txncoord.h"
#include "proto/write_txn_markers.h"

struct write_markers {
	struct api_loop *al;
	struct req *req;
	struct write_txn_markers_req in;
	struct write_txn_markers_res res;
	size_t idx; /* the marker that is being written */
	struct marker_job job;
};

static void write_markers_next(struct write_markers *write);

static bool write_markers_topic(struct write_markers *write, size_t t)
{
	const struct write_txn_markers_req_writable_txn_marker_topic *in =
	    &write->in.markers[write->idx].topics[t];
	struct write_txn_markers_res_writable_txn_marker_topic_result *out =
	    &write->res.markers[write->idx].topics[t];

	out->name = in->name;
	out->partitions = write_txn_markers_res_writable_txn_marker_partition_result_array(
	    &write->req->arena, in->partition_indexes_len);
	if (out->partitions == NULL)
		return false;
	out->partitions_len = in->partition_indexes_len;
	for (size_t p = 0; p < in->partition_indexes_len; p++)
		write->job.parts[write->job.len++] =
		    (struct marker_part){.topic = in->name, .partition = in->partition_indexes[p]};
	return true;
}

static bool write_markers_fill(struct write_markers *write)
{
	const struct write_txn_markers_req_writable_txn_marker *in = &write->in.markers[write->idx];
	struct write_txn_markers_res_writable_txn_marker_result *out =
	    &write->res.markers[write->idx];
	struct arena *arena = &write->req->arena;
	size_t count = 0;

	for (size_t t = 0; t < in->topics_len; t++)
		count += in->topics[t].partition_indexes_len;
	out->producer_id = in->producer_id;
	out->topics =
	    write_txn_markers_res_writable_txn_marker_topic_result_array(arena, in->topics_len);
	write->job.parts = arena_array(arena, count + 1, sizeof(*write->job.parts));
	write->job.len = 0;
	if (out->topics == NULL || write->job.parts == NULL)
		return false;
	out->topics_len = in->topics_len;
	for (size_t t = 0; t < in->topics_len; t++)
		if (!write_markers_topic(write, t))
			return false;
	return true;
}

static void write_markers_done(struct marker_job *job)
{
	struct write_markers *write = container_of(job, struct write_markers, job);
	struct write_txn_markers_res_writable_txn_marker_result *out =
	    &write->res.markers[write->idx];
	size_t count = 0;

	for (size_t t = 0; t < out->topics_len; t++) {
		for (size_t p = 0; p < out->topics[t].partitions_len; p++) {
			const struct marker_part *part = &job->parts[count++];

			out->topics[t].partitions[p].partition_index = part->partition;
			out->topics[t].partitions[p].error_code = errcode_of(part->err);
		}
	}
	write->idx++;
	write_markers_next(write);
}

static void write_markers_next(struct write_markers *write)
{
	const struct write_txn_markers_req_writable_txn_marker *in = &write->in.markers[write->idx];
	struct req *req = write->req;

	if (write->idx == write->in.markers_len) {
		write_txn_markers_res_encode(&write->res, api_begin(req), req->header.api_version);
		api_end(req);
		return;
	}
	if (!write_markers_fill(write)) {
		api_overload(req);
		return;
	}
	write->job.producer_id = in->producer_id;
	write->job.epoch = in->producer_epoch;
	write->job.coordinator_epoch = in->coordinator_epoch;
	write->job.commit = in->transaction_result;
	write->job.version = in->transaction_version;
	write->job.done = write_markers_done;
	marker_submit(write->al->api->coord, &write->job);
}

static void write_txn_markers_handle(struct api_loop *al, struct req *req)
{
	struct write_markers *write = arena_alloc(&req->arena, sizeof(*write));
	enum err err = ERR_NOMEM;

	if (write != NULL)
		err = write_txn_markers_req_decode(&write->in, &req->body, req->header.api_version,
						   &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	write->al = al;
	write->req = req;
	write_txn_markers_res_init(&write->res);
	write->res.markers =
	    write_txn_markers_res_writable_txn_marker_result_array(&req->arena,
								   write->in.markers_len);
	if (write->res.markers == NULL) {
		api_overload(req);
		return;
	}
	write->res.markers_len = write->in.markers_len;
	write_markers_next(write);
}

const struct api_handler api_write_txn_markers = {
    .key = WRITE_TXN_MARKERS_API_KEY,
    .version_min = WRITE_TXN_MARKERS_MIN_VERSION,
    .version_max = WRITE_TXN_MARKERS_MAX_VERSION,
    .on_control = true,
    .handle = write_txn_markers_handle,
};
