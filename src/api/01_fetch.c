/*
 * Fetch (1), versions 4-18: record batches for consumers, straight from the page cache.
 *
 * One run reads every partition of the request (or of its session): offsets and a file range each,
 * no bytes. If that is enough, or something is wrong, it is answered; else the request parks on all
 * its partitions, gives its frame back, and runs again when one of them has something new, or its
 * time is over. What is not in the page cache, be it batches or what it takes to find them, is
 * first brought in by a worker; then it runs again, without asking. At least one whole batch is
 * given, however large, so that a consumer always gets on.
 *
 * v4   isolation level, last stable offset, aborted transactions
 * v5   log start offset
 * v7   sessions (KIP-227), see fetch_session.h
 * v9   the client's leader epoch (KIP-320)
 * v11  rack, preferred replica
 * v12  flexible; last fetched epoch and diverging epoch (KIP-595)
 * v13  topic ids in place of names (KIP-516)
 * v15  replica state in place of the replica id
 * v16  where the current leader is (KIP-951)
 * v17  directory id, v18 high watermark: of followers
 *
 * Left out on purpose: followers. Nobody replicates from a single node; a replica id that is not in
 * the assignment gets UNKNOWN_LEADER_EPOCH, as from Kafka.
 */
#include "api/fetch.h"
#include "api/handlers.h"
#include "api/topics.h"
#include "base/file.h"
#include "meta/config.h"

#define READ_COMMITTED	  1
#define EPOCH_FINAL	  (-1) /* no session, or the end of one */
#define EPOCH_INITIAL	  0    /* a new session */
#define FETCH_RUNS_MAX	  3    /* without parking between them */
#define FETCH_WAIT_MS_MAX (24 * 3600 * 1000)
/* What waits holds its arena. Up to the first it may always; the larger ones share a cap a loop. */
#define FETCH_PARKED_SMALL_BYTES ((size_t)8 << 10)
#define FETCH_PARKED_BYTES_MAX	 ((size_t)64 << 20)
#define FETCH_ABORTED_BYTES_MAX	 ((size_t)64 << 20)

/* Nobody waits for the answer any more. */
static void fetch_cancel(struct fetch *fetch)
{
	fetch_end(fetch);
	fetch->req->no_answer = true;
	req_done(fetch->req);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void fetch_part_reset(struct fetch_part *part)
{
	slice_release(&part->slice);
	part->err = ERR_OK;
	part->leader = part->leader_epoch = FETCH_NO_EPOCH;
	part->high_watermark = part->last_stable = part->log_start = part->upper = -1;
	part->limited = part->is_cold = false;
	part->diverging_epoch = FETCH_NO_EPOCH;
	part->diverging_end = -1;
	part->aborted = NULL;
	part->aborted_len = 0;
}

static const struct image_topic *fetch_topic(const struct fetch *fetch,
					     const struct fetch_part *part)
{
	const struct image *image = fetch->al->image;

	return fetch->version >= 13 ? image_topic_by_id(image, part->topic_id)
				    : image_topic_by_name(image, part->topic);
}

/*
 * Has the client read what we do not have? Then it must cut back to where we part. An epoch that we
 * know nothing of, and an offset below the log start, are out of range before that.
 */
static enum err fetch_compare(struct fetch_part *part, struct partition *local)
{
	int32_t epoch;
	int64_t end;

	if (part->last_fetched_epoch < 0)
		return ERR_OK;
	plog_end_for_epoch(partition_log(local), part->last_fetched_epoch, &epoch, &end);
	if (epoch < 0 || end < 0 || part->fetch_offset < part->log_start)
		return ERR_OFFSET_OUT_OF_RANGE;
	if (epoch < part->last_fetched_epoch || end < part->fetch_offset) {
		part->diverging_epoch = epoch;
		part->diverging_end = end;
	}
	return ERR_OK;
}

static enum err fetch_aborted(struct fetch *fetch, struct fetch_part *part, struct partition *local,
			      int64_t next_offset)
{
	if (!fetch->committed || part->slice.len_bytes == 0)
		return ERR_OK;
	return plog_aborted_txns(partition_log(local), part->fetch_offset, next_offset,
				 &fetch->req->arena, &part->aborted, &part->aborted_len);
}

/* What the part may still take of the request. */
static size_t fetch_room(const struct fetch_part *part, int64_t left)
{
	int64_t room = part->max_bytes < left ? part->max_bytes : left;

	return room > 0 ? (size_t)room : 0;
}

static enum err fetch_range(struct fetch *fetch, struct fetch_part *part, struct partition *local)
{
	size_t max = fetch_room(part, fetch->max_bytes - fetch->bytes);
	bool min_one = fetch->bytes == 0;
	struct plog_read_info info;
	enum err err;

	err = plog_read(partition_log(local), part->fetch_offset, part->upper, max, min_one,
			&part->slice, &info);
	if (err != ERR_OK)
		return err;
	if (!fetch->warmed && !info.recent &&
	    file_is_cold(part->slice.fd, part->slice.pos, part->slice.len_bytes))
		return ERR_COLD;
	part->log_start = info.log_start;
	part->limited = part->slice.len_bytes > 0 && info.next_offset < part->upper;
	fetch->bytes += (int64_t)part->slice.len_bytes;
	return fetch_aborted(fetch, part, local, info.next_offset);
}

static enum err fetch_read(struct fetch *fetch, const struct image_topic *topic,
			   struct fetch_part *part)
{
	const struct image_partition *image_part;
	struct partition *local;
	enum err err;

	if (topic == NULL)
		return fetch->version >= 13 ? ERR_UNKNOWN_TOPIC_ID : ERR_UNKNOWN_TOPIC_OR_PARTITION;
	err = topics_local(topic, part->idx, &image_part, &local);
	if (image_part != NULL) {
		part->leader = image_part->leader;
		part->leader_epoch = image_part->leader_epoch;
	}
	if (err == ERR_OK)
		err = partition_check_leader(local, part->current_leader_epoch < 0
							? -1
							: part->current_leader_epoch);
	if (err == ERR_OK && fetch->replica_id >= 0)
		err = ERR_UNKNOWN_LEADER_EPOCH;
	if (err != ERR_OK)
		return err;
	/* In this order, so that none is above the one that it must not pass. */
	part->last_stable = partition_last_stable(local);
	part->high_watermark = partition_high_watermark(local);
	part->log_start = partition_log_start(local);
	part->upper = fetch->committed ? part->last_stable : part->high_watermark;
	err = fetch_compare(part, local);
	if (err != ERR_OK || part->diverging_epoch != FETCH_NO_EPOCH)
		return err;
	return fetch_range(fetch, part, local);
}

static void fetch_run(struct fetch *fetch)
{
	const struct image_topic *topic = NULL;
	bool waits = file_set_waits(fetch->warmed);

	fetch->bytes = 0;
	fetch->urgent = fetch->is_cold = false;
	for (size_t i = 0; i < fetch->parts_len; i++) {
		struct fetch_part *part = fetch->parts[i];

		if (i == 0 || !fetch_same_topic(fetch, part, fetch->parts[i - 1]))
			topic = fetch_topic(fetch, part);
		fetch_part_reset(part);
		part->err = fetch_read(fetch, topic, part);
		part->is_cold = part->err == ERR_COLD;
		fetch->is_cold |= part->is_cold;
		if (part->err != ERR_OK) {
			slice_release(&part->slice);
			part->high_watermark = part->last_stable = part->log_start = -1;
		}
		fetch->urgent |=
		    part->err != ERR_OK || part->limited || part->diverging_epoch != FETCH_NO_EPOCH;
	}
	file_set_waits(waits);
}

static bool fetch_is_enough(const struct fetch *fetch)
{
	return fetch->parts_len == 0 || fetch->wait_ms <= 0 || fetch->urgent ||
	       fetch->bytes >= fetch->min_bytes;
}

/* -- what is not in the page cache ------------------------------------------------------------- */

/* Reads what the run is going to read: whatever files that takes are in the cache then. */
static void fetch_warm_part(struct fetch *fetch, struct fetch_part *part, int64_t *left)
{
	struct plog *log = partition_log(part->part);
	struct plog_aborted *aborted;
	struct plog_read_info info;
	struct arena scratch;
	struct slice slice;
	size_t aborted_len;
	enum err err;

	err = plog_read(log, part->fetch_offset, part->upper, fetch_room(part, *left),
			*left == fetch->max_bytes, &slice, &info);
	if (err == ERR_OK && slice.len_bytes > 0)
		err = file_warm(slice.fd, slice.pos, slice.len_bytes);
	if (err == ERR_OK && fetch->committed && slice.len_bytes > 0) {
		arena_init(&scratch, FETCH_ABORTED_BYTES_MAX);
		err = plog_aborted_txns(log, part->fetch_offset, info.next_offset, &scratch,
					&aborted, &aborted_len);
		arena_fini(&scratch);
	}
	/* Whatever is wrong, the run meets it again and answers for it. */
	*left -= err == ERR_OK ? (int64_t)slice.len_bytes : 0;
	slice_release(&slice);
}

static void fetch_warm(struct cold *cold)
{
	struct fetch *fetch = container_of(cold, struct fetch, cold);
	int64_t left = fetch->max_bytes;

	for (size_t i = 0; i < fetch->parts_len; i++)
		if (fetch->parts[i]->part != NULL)
			fetch_warm_part(fetch, fetch->parts[i], &left);
}

static void fetch_proceed(struct fetch *fetch);

static void fetch_on_warm(struct cold *cold)
{
	struct fetch *fetch = container_of(cold, struct fetch, cold);

	for (size_t i = 0; i < fetch->parts_len; i++) {
		if (fetch->parts[i]->part == NULL)
			continue;
		partition_unref(fetch->parts[i]->part);
		fetch->parts[i]->part = NULL;
	}
	if (fetch->req->abandoned) {
		fetch_cancel(fetch);
		return;
	}
	fetch->warmed = true;
	fetch_proceed(fetch);
}

static void fetch_bring_in(struct fetch *fetch)
{
	const struct image_partition *image_part;
	struct partition *local;

	for (size_t i = 0; i < fetch->parts_len; i++) {
		struct fetch_part *part = fetch->parts[i];

		slice_release(&part->slice);
		if (part->is_cold && topics_local(fetch_topic(fetch, part), part->idx, &image_part,
						  &local) == ERR_OK)
			part->part = partition_ref(local);
	}
	fetch->cold = (struct cold){
	    .al = fetch->al,
	    .req = fetch->req,
	    .read = fetch_warm,
	    .finish = fetch_on_warm,
	};
	cold_submit(&fetch->cold);
}

/* -- waiting ----------------------------------------------------------------------------------- */

static void fetch_unpark(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->parts_len; i++) {
		struct fetch_part *part = fetch->parts[i];

		if (part->part == NULL)
			continue;
		partition_unwait(part->part, &part->waiter);
		partition_unref(part->part);
		part->part = NULL;
	}
	loop_timer_stop(&fetch->timer);
	fetch->req->on_cancel = NULL;
	fetch->parked = false;
	fetch->al->parked_bytes -= fetch->parked_bytes;
	fetch->parked_bytes = 0;
}

static void fetch_on_wake(struct waiter *waiter)
{
	struct fetch_part *part = container_of(waiter, struct fetch_part, waiter);
	struct fetch *fetch = part->fetch;
	int64_t deadline_left =
	    (int64_t)(ev_timer_remaining(loop_ev(fetch->al->loop), &fetch->timer.ev) * 1e3);

	fetch_unpark(fetch);
	fetch->wait_ms = deadline_left;
	fetch_proceed(fetch);
}

static void fetch_on_time(struct loop_timer *timer)
{
	struct fetch *fetch = container_of(timer, struct fetch, timer);

	fetch_unpark(fetch);
	fetch->wait_ms = 0;
	fetch_proceed(fetch);
}

static void fetch_on_cancel(struct req *req)
{
	struct fetch *fetch = req->parked;

	fetch_unpark(fetch);
	fetch_cancel(fetch);
}

/* True when something came between the run and now: then it does not wait. */
static bool fetch_wait_on(struct fetch *fetch, struct fetch_part *part)
{
	const struct image_partition *image_part;
	struct partition *local;

	if (topics_local(fetch_topic(fetch, part), part->idx, &image_part, &local) != ERR_OK)
		return true;
	part->part = partition_ref(local);
	part->fetch = fetch;
	waiter_init(&part->waiter, fetch->al->box, fetch_on_wake);
	partition_wait_data(local, &part->waiter);
	return partition_check_leader(local, -1) != ERR_OK ||
	       part->upper != (fetch->committed ? partition_last_stable(local)
						: partition_high_watermark(local));
}

/*
 * Over the cap it is answered at once, with what there is: the client asks again. So is who names
 * more partitions than there are, some of them twice: each would be woken for every record.
 */
static bool fetch_may_park(const struct fetch *fetch)
{
	size_t bytes = fetch->req->arena.used_bytes;

	return (int64_t)fetch->parts_len <= fetch->al->image->partitions_len &&
	       (bytes <= FETCH_PARKED_SMALL_BYTES ||
		fetch->al->parked_bytes + bytes <= FETCH_PARKED_BYTES_MAX);
}

/* False: there is news already, run again. */
static bool fetch_park(struct fetch *fetch)
{
	bool news = false;

	loop_timer_init(&fetch->timer, fetch->al->loop, fetch_on_time);
	fetch->parked = true;
	if (fetch->req->arena.used_bytes > FETCH_PARKED_SMALL_BYTES)
		fetch->parked_bytes = fetch->req->arena.used_bytes;
	fetch->al->parked_bytes += fetch->parked_bytes;
	for (size_t i = 0; i < fetch->parts_len && !news; i++)
		news = fetch_wait_on(fetch, fetch->parts[i]);
	if (news) {
		fetch_unpark(fetch);
		return false;
	}
	fetch->req->parked = fetch;
	fetch->req->on_cancel = fetch_on_cancel;
	loop_timer_start(&fetch->timer, fetch->wait_ms);
	req_release_frame(fetch->req);
	return true;
}

static void fetch_proceed(struct fetch *fetch)
{
	for (int runs = 1;; runs++) {
		fetch_run(fetch);
		if (fetch->is_cold) {
			fetch_bring_in(fetch);
			return;
		}
		if (fetch_is_enough(fetch) || runs == FETCH_RUNS_MAX || !fetch_may_park(fetch))
			break;
		fetch->warmed = false;
		/* No file is pinned while nothing may come for long. */
		for (size_t i = 0; i < fetch->parts_len; i++)
			slice_release(&fetch->parts[i]->slice);
		if (fetch_park(fetch))
			return;
	}
	fetch_answer(fetch);
}

/* -- what is asked ----------------------------------------------------------------------------- */

static bool fetch_list_session(struct fetch *fetch)
{
	struct fetch_part *part;

	fetch->parts =
	    arena_array(&fetch->req->arena, fetch->session->parts_len + 1, sizeof(*fetch->parts));
	if (fetch->parts == NULL)
		return false;
	TAILQ_FOREACH (part, &fetch->session->parts, link)
		fetch->parts[fetch->parts_len++] = part;
	return true;
}

static bool fetch_list_request(struct fetch *fetch, const struct fetch_req *in)
{
	size_t len = 0;

	for (size_t t = 0; t < in->topics_len; t++)
		len += in->topics[t].partitions_len;
	fetch->parts = arena_array(&fetch->req->arena, len + 1, sizeof(*fetch->parts));
	if (fetch->parts == NULL)
		return false;
	for (size_t t = 0; t < in->topics_len; t++) {
		for (size_t p = 0; p < in->topics[t].partitions_len; p++) {
			struct fetch_part *part =
			    fetch_part_new(&fetch->req->arena, &in->topics[t],
					   &in->topics[t].partitions[p], fetch->version >= 13);
			if (part == NULL)
				return false;
			fetch->parts[fetch->parts_len++] = part;
		}
	}
	return true;
}

static bool fetch_session_fill(struct fetch *fetch, struct fetch_session *session,
			       const struct fetch_req *in)
{
	for (size_t t = 0; t < in->topics_len; t++)
		for (size_t p = 0; p < in->topics[t].partitions_len; p++)
			if (!fetch_session_put(fetch->al->sessions, session, &in->topics[t],
					       &in->topics[t].partitions[p]))
				return false;
	return true;
}

static void fetch_take_session(struct fetch *fetch, struct fetch_session *session)
{
	must(!session->busy);
	session->busy = true;
	fetch->session = session;
}

/* A full request: with EPOCH_INITIAL it asks for a session, and gets one if there is room. */
static enum err fetch_open_full(struct fetch *fetch, const struct fetch_req *in)
{
	struct fetch_sessions *sessions = fetch->al->sessions;
	struct fetch_session *session = fetch_session_find(sessions, in->session_id);

	fetch->full = true;
	if (in->session_id != 0 && session != NULL)
		fetch_session_close(sessions, session);
	if (in->session_epoch == EPOCH_FINAL || in->topics_len == 0)
		return fetch_list_request(fetch, in) ? ERR_OK : ERR_NOMEM;
	session = fetch_session_make(sessions, fetch->version >= 13);
	if (session != NULL && fetch_session_fill(fetch, session, in)) {
		fetch_take_session(fetch, session);
		return fetch_list_session(fetch) ? ERR_OK : ERR_NOMEM;
	}
	if (session != NULL)
		fetch_session_close(sessions, session);
	return fetch_list_request(fetch, in) ? ERR_OK : ERR_NOMEM;
}

static enum err fetch_open_incremental(struct fetch *fetch, const struct fetch_req *in)
{
	struct fetch_sessions *sessions = fetch->al->sessions;
	struct fetch_session *session = fetch_session_find(sessions, in->session_id);

	if (session == NULL)
		return ERR_FETCH_SESSION_ID_NOT_FOUND;
	if (session->busy || session->epoch != in->session_epoch)
		return ERR_INVALID_FETCH_SESSION_EPOCH;
	if (session->by_id != (fetch->version >= 13))
		return ERR_FETCH_SESSION_TOPIC_ID_ERROR;
	for (size_t t = 0; t < in->forgotten_topics_data_len; t++)
		fetch_session_forget(sessions, session, &in->forgotten_topics_data[t]);
	if (!fetch_session_fill(fetch, session, in))
		return ERR_NOMEM;
	session->epoch = fetch_session_next_epoch(session->epoch);
	if (session->parts_len == 0) {
		fetch_session_close(sessions, session);
		return fetch_list_request(fetch, in) ? ERR_OK : ERR_NOMEM;
	}
	fetch_take_session(fetch, session);
	return fetch_list_session(fetch) ? ERR_OK : ERR_NOMEM;
}

static void fetch_init(struct fetch *fetch, const struct fetch_req *in)
{
	int64_t max_bytes = config_int64(fetch->al->api->config, CONFIG_FETCH_MAX_BYTES);

	fetch->version = fetch->req->header.api_version;
	fetch->committed = in->isolation_level == READ_COMMITTED;
	fetch->replica_id = fetch->version >= 15 ? in->replica_state.replica_id : in->replica_id;
	fetch->max_bytes = in->max_bytes < max_bytes ? in->max_bytes : max_bytes;
	/* More than can be given at once would never be enough. */
	fetch->min_bytes = in->min_bytes < fetch->max_bytes ? in->min_bytes : fetch->max_bytes;
	fetch->wait_ms = in->max_wait_ms < FETCH_WAIT_MS_MAX ? in->max_wait_ms : FETCH_WAIT_MS_MAX;
}

static void fetch_refuse(struct req *req, enum err err)
{
	struct fetch_res res;

	fetch_res_init(&res);
	res.error_code = errcode_of(err);
	fetch_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void fetch_handle(struct api_loop *al, struct req *req)
{
	struct fetch *fetch = arena_alloc(&req->arena, sizeof(*fetch));
	struct fetch_req in;
	enum err err;

	if (fetch == NULL) {
		api_overload(req);
		return;
	}
	err = fetch_req_decode(&in, &req->body, req->header.api_version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	fetch->al = al;
	fetch->req = req;
	fetch_init(fetch, &in);
	err = in.session_epoch == EPOCH_FINAL || in.session_epoch == EPOCH_INITIAL
		  ? fetch_open_full(fetch, &in)
		  : fetch_open_incremental(fetch, &in);
	if (err == ERR_NOMEM) {
		fetch_end(fetch);
		api_overload(req);
	} else if (err != ERR_OK) {
		fetch_refuse(req, err);
	} else {
		fetch_proceed(fetch);
	}
}

const struct api_handler api_fetch = {
    .key = FETCH_API_KEY,
    .version_min = FETCH_MIN_VERSION,
    .version_max = FETCH_MAX_VERSION,
    .home = API_HOME_IO,
    .handle = fetch_handle,
};
