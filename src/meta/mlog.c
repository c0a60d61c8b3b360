/* Adding to the metadata log: batches, group commit, the start of an epoch. */
#include "meta/mlog_impl.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/quorum_state.h"
#include "proto/abort_transaction_record.h"
#include "proto/begin_transaction_record.h"
#include "proto/end_transaction_record.h"
#include "proto/kraft_version_record.h"
#include "proto/leader_change_message.h"
#include "record/control.h"

/* Apache Kafka reads metadata batches of at most 8 MB, and puts at most 10,000 records into one. */
#define BATCH_BYTES_MAX	  ((size_t)4 << 20)
#define BATCH_RECORDS_MAX 10000
/* Kept behind the last batch: for starts, and for what deletes, on a full disk. */
#define RESERVE_BYTES (128u << 10)

int64_t mlog_next_offset(const struct mlog *log)
{
	return log->next_offset;
}

int32_t mlog_epoch(const struct mlog *log)
{
	return log->epoch;
}

int16_t mlog_kraft_version(const struct mlog *log)
{
	return log->kraft_version;
}

/* -- batches -------------------------------------------------------------------------------- */

static void batch_begin(struct mlog *log, bool control)
{
	struct builder_options options = builder_options_default;

	must(!log->batch_is_open);
	options.base_offset = log->next_offset;
	options.leader_epoch = log->epoch;
	options.control = control;
	builder_init(&log->builder, &log->out, &options);
	log->batch_is_open = true;
}

static void batch_end(struct mlog *log)
{
	if (!log->batch_is_open)
		return;
	log->batch_is_open = false;
	/* The error stays in the writer. */
	if (builder_finish(&log->builder, NULL) != ERR_OK && log->out.err == ERR_OK)
		log->out.err = ERR_NOMEM;
}

/* One time for all records of a batch: Kafka's reader of this log takes nothing else. */
static int64_t batch_time(const struct mlog *log)
{
	return log->builder.records_count > 0 ? log->builder.base_timestamp
					      : clock_wall_ms(log->options.clock);
}

static bool batch_has_room(const struct mlog *log, size_t records, size_t len_bytes)
{
	return (size_t)log->builder.records_count + records <= BATCH_RECORDS_MAX &&
	       builder_size_bytes(&log->builder) + len_bytes <= BATCH_BYTES_MAX;
}

static void add_record(struct mlog *log, struct bytes value)
{
	if (log->batch_is_open && !batch_has_room(log, 1, value.len + 32))
		batch_end(log);
	if (!log->batch_is_open)
		batch_begin(log, false);
	builder_add(&log->builder, batch_time(log), BYTES_NULL, value, NULL, 0);
	log->next_offset++;
}

/* A transaction marker: a record with an empty body, but for Begin's name, which we leave null. */
static void add_marker(struct mlog *log, int api_key)
{
	static const uint8_t no_tags = 0;
	struct mrec_list list;
	struct wr *wr;

	mrec_list_init(&list);
	wr = mrec_begin(&list, api_key, 0);
	wr_raw(wr, (struct bytes){&no_tags, 1});
	mrec_end(&list);
	if (list.bytes.err == ERR_OK)
		add_record(log, mrec_at(&list, 0));
	else
		log->out.err = list.bytes.err;
	mrec_list_fini(&list);
}

static void add_whole(struct mlog *log, const struct mrec_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		add_record(log, mrec_at(list, i));
}

/* Everything since the last write goes. */
static void take_back(struct mlog *log)
{
	log->batch_is_open = false;
	log->out.len_bytes = 0;
	log->out.err = ERR_OK;
	log->next_offset = log->written_offset;
}

enum err mlog_add(struct mlog *log, const struct mrec_list *list)
{
	size_t with_heads = list->bytes.len_bytes + list->len * 32;

	must_be(log, MLOG_MAGIC);
	if (list->bytes.err != ERR_OK)
		return list->bytes.err;
	if (list->len <= BATCH_RECORDS_MAX && with_heads <= BATCH_BYTES_MAX) {
		if (log->batch_is_open && !batch_has_room(log, list->len, with_heads))
			batch_end(log);
		add_whole(log, list);
	} else {
		add_marker(log, BEGIN_TRANSACTION_RECORD_API_KEY);
		add_whole(log, list);
		add_marker(log, END_TRANSACTION_RECORD_API_KEY);
	}
	return log->out.err;
}

/* -- to the disk ---------------------------------------------------------------------------- */

enum err mlog_write(struct mlog *log)
{
	struct plog_append item = {.origin = PLOG_RAFT};
	enum err err;

	must_be(log, MLOG_MAGIC);
	batch_end(log);
	err = log->out.err;
	if (err == ERR_OK && log->out.len_bytes == 0)
		return ERR_OK;
	item.data = log->out.buf;
	item.len_bytes = log->out.len_bytes;
	if (err == ERR_OK) {
		plog_lock(log->plog);
		plog_append_as_leader(log->plog, &item, 1, log->epoch);
		if (item.err == ERR_OK)
			plog_reserve(log->plog, RESERVE_BYTES);
		plog_unlock(log->plog);
		err = item.err;
	}
	if (err != ERR_OK) {
		take_back(log);
		return err;
	}
	must(item.base_offset == log->written_offset && item.last_offset + 1 == log->next_offset);
	if (log->unsnapped_bytes == 0)
		log->unsnapped_since_ms = clock_mono_ms(log->options.clock);
	log->unsnapped_bytes += (int64_t)log->out.len_bytes;
	log->written_offset = log->next_offset;
	log->out.len_bytes = 0;
	return ERR_OK;
}

enum err mlog_sync(struct mlog *log)
{
	enum err err;

	pthread_mutex_lock(&log->worker_lock);
	err = log->sync_failed ? ERR_IO : plog_flush(log->plog);
	if (err == ERR_OK && plog_has_work(log->plog))
		err = plog_do_work(log->plog);
	pthread_mutex_unlock(&log->worker_lock);
	return err;
}

void mlog_synced(struct mlog *log, int64_t offset)
{
	plog_lock(log->plog);
	plog_set_high_watermark(log->plog, offset);
	plog_unlock(log->plog);
}

/* -- a new epoch ---------------------------------------------------------------------------- */

static void add_control(struct mlog *log, enum control_type type, struct bytes value)
{
	uint8_t key[CONTROL_KEY_BYTES];

	control_key_write(key, type);
	builder_add(&log->builder, batch_time(log), (struct bytes){key, sizeof(key)}, value, NULL,
		    0);
	log->next_offset++;
}

static void add_leader_change(struct mlog *log)
{
	struct leader_change_message_voter voter;
	struct leader_change_message m;
	struct wr value;

	wr_init(&value, 1024);
	leader_change_message_init(&m);
	leader_change_message_voter_init(&voter);
	voter.voter_id = log->options.node_id;
	m.leader_id = log->options.node_id;
	m.voters = m.granting_voters = &voter;
	m.voters_len = m.granting_voters_len = 1;
	leader_change_message_encode(&m, &value, 0);
	add_control(log, CONTROL_LEADER_CHANGE, wr_written(&value));
	wr_fini(&value);
}

/* Into the log itself, so that it is complete without the checkpoint that they came from. */
static void add_voters(struct mlog *log)
{
	struct kraft_version_record m;
	struct wr value;

	wr_init(&value, 1024);
	kraft_version_record_init(&m);
	m.kraft_version = log->kraft_version;
	kraft_version_record_encode(&m, &value, 0);
	add_control(log, CONTROL_KRAFT_VERSION, wr_written(&value));
	add_control(log, CONTROL_KRAFT_VOTERS, log->voters);
	wr_fini(&value);
}

static enum err write_quorum_state(struct mlog *log)
{
	struct quorum_state state = {
	    .leader_id = log->options.node_id,
	    .leader_epoch = log->epoch,
	    .voted_id = -1,
	    .data_version = log->kraft_version > 0 ? 1 : 0,
	};
	char *path = file_path(log->dir, "quorum-state");
	enum err err = path == NULL ? ERR_NOMEM : quorum_state_write(path, &state);

	if (err != ERR_OK)
		log_error("meta", "cannot write %s/quorum-state: %s", log->dir, err_text(err));
	free(path);
	return err;
}

enum err mlog_lead(struct mlog *log)
{
	enum err err;

	must_be(log, MLOG_MAGIC);
	log->epoch++;
	err = write_quorum_state(log);
	/* A start needs no space: the old file serves, see quorum_state_write. */
	if (err != ERR_OK && (err != ERR_NOSPACE || log->next_offset == 0))
		return err;
	plog_lock(log->plog);
	err = plog_assign_epoch(log->plog, log->epoch);
	plog_unlock(log->plog);
	if (err != ERR_OK)
		return err;
	batch_begin(log, true);
	add_leader_change(log);
	if (log->kraft_version > 0 && log->next_offset == 1)
		add_voters(log);
	batch_end(log);
	if (log->cut_off) {
		log_warn("meta", "the metadata log ends within a transaction; it is aborted");
		add_marker(log, ABORT_TRANSACTION_RECORD_API_KEY);
		batch_end(log);
		log->cut_off = false;
	}
	return log->out.err;
}
