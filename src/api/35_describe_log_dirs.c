/*
 * DescribeLogDirs (35), versions 1-5: the log directories, what is in them and how large it is
 * (KIP-113).
 *
 * v2  flexible
 * v3  an error of the whole answer
 * v4  total and usable bytes of the file system (KIP-827)
 * v5  whether the directory is cordoned
 *
 * A directory that has failed is in the answer with KAFKA_STORAGE_ERROR and nothing else. The lag
 * is that of a copy under way; there are none here (AlterReplicaLogDirs is not served), so it is 0,
 * and isFuture never true. The metadata log is not told of, as in Kafka.
 *
 * File systems are asked on a worker: a dying disk may keep who asks waiting.
 */
#include <stdlib.h>

#include "api/duplicates.h"
#include "api/handlers.h"
#include "base/file.h"
#include "meta/image.h"
#include "partition/partition.h"
#include "proto/describe_log_dirs.h"
#include "store/logdirs.h"

#define REQ(name) describe_log_dirs_req_##name
#define RES(name) describe_log_dirs_res_##name

struct log_dirs_space {
	enum err err;
	int64_t total_bytes, usable_bytes;
};

struct log_dirs_call {
	struct job job;
	struct api_loop *al;
	struct req *req;
	struct describe_log_dirs_req in;
	struct log_dirs_space *spaces; /* one for each directory */
};

/* -- one directory ------------------------------------------------------------------------- */

static bool log_dirs_has(const struct image_topic *topic, int32_t idx, const struct logdir *logdir)
{
	const struct image_partition *part = image_partition_at(topic, idx);

	return part != NULL && part->local != NULL &&
	       plog_logdir(partition_log(part->local)) == logdir;
}

static void log_dirs_partition(const struct image_topic *topic, int32_t idx,
			       struct RES(describe_log_dirs_partition) * res)
{
	struct partition *local = image_partition_at(topic, idx)->local;

	res->partition_index = idx;
	res->partition_size = plog_size_bytes(partition_log(local));
	res->offset_lag = 0;
	res->is_future_key = false;
}

/* Which of the topic's partitions are meant: all without a list. NULL: out of memory. */
static bool *log_dirs_asked(const struct image_topic *topic, const int32_t *idxs, size_t idxs_len,
			    bool all, struct arena *arena)
{
	bool *asked = arena_array(arena, (size_t)topic->partitions_len + 1, sizeof(*asked));

	for (int32_t i = 0; asked != NULL && all && i < topic->partitions_len; i++)
		asked[i] = true;
	for (size_t i = 0; asked != NULL && !all && i < idxs_len; i++)
		if (idxs[i] >= 0 && idxs[i] < topic->partitions_len)
			asked[idxs[i]] = true;
	return asked;
}

/* A topic without partitions here is left out. False: out of memory. */
static bool log_dirs_topic(const struct image_topic *topic, const bool *asked,
			   const struct logdir *logdir, struct arena *arena,
			   struct RES(describe_log_dirs_result) * res)
{
	struct RES(describe_log_dirs_topic) *out = &res->topics[res->topics_len];
	size_t count = 0;

	for (int32_t i = 0; i < topic->partitions_len; i++)
		count += asked[i] && log_dirs_has(topic, i, logdir);
	if (count == 0)
		return true;
	out->name = topic->name;
	out->partitions = RES(describe_log_dirs_partition_array)(arena, count);
	if (out->partitions == NULL)
		return false;
	for (int32_t i = 0; i < topic->partitions_len; i++)
		if (asked[i] && log_dirs_has(topic, i, logdir))
			log_dirs_partition(topic, i, &out->partitions[out->partitions_len++]);
	res->topics_len++;
	return true;
}

/* -- all of them --------------------------------------------------------------------------- */

/* The topics that are asked for and exist, each once. */
struct log_dirs_topics {
	const struct image_topic **topics;
	bool **asked;
	size_t len;
};

static bool log_dirs_add(struct log_dirs_topics *all, const struct image_topic *topic, bool *asked)
{
	all->topics[all->len] = topic;
	all->asked[all->len++] = asked;
	return asked != NULL;
}

static bool log_dirs_named(const struct image *image, const struct describe_log_dirs_req *in,
			   struct arena *arena, struct log_dirs_topics *all)
{
	struct str *names = arena_array(arena, in->topics_len + 1, sizeof(*names));
	const uint8_t *marks;

	if (names == NULL)
		return false;
	for (size_t i = 0; i < in->topics_len; i++)
		names[i] = in->topics[i].topic;
	marks = duplicates_find(arena, names, in->topics_len);
	for (size_t i = 0; marks != NULL && i < in->topics_len; i++) {
		const struct REQ(describable_log_dir_topic) *ask = &in->topics[i];
		const struct image_topic *topic = image_topic_by_name(image, ask->topic);

		if (topic != NULL && marks[i] != 2 &&
		    !log_dirs_add(all, topic,
				  log_dirs_asked(topic, ask->partitions, ask->partitions_len, false,
						 arena)))
			return false;
	}
	return marks != NULL;
}

static bool log_dirs_topics(const struct image *image, const struct describe_log_dirs_req *in,
			    struct arena *arena, struct log_dirs_topics *all)
{
	size_t len = in->topics != NULL ? in->topics_len : image_topics_len(image);

	*all = (struct log_dirs_topics){
	    .topics = arena_array(arena, len + 1, sizeof(struct image_topic *)),
	    .asked = arena_array(arena, len + 1, sizeof(bool *)),
	};
	if (all->topics == NULL || all->asked == NULL)
		return false;
	if (in->topics != NULL)
		return log_dirs_named(image, in, arena, all);
	IMAGE_TOPICS_FOREACH(image, topic)
	if (!log_dirs_add(all, topic, log_dirs_asked(topic, NULL, 0, true, arena)))
		return false;
	return true;
}

static bool log_dirs_one(const struct logdir *logdir, const struct log_dirs_topics *all,
			 const struct log_dirs_space *space, struct arena *arena,
			 struct RES(describe_log_dirs_result) * res)
{
	res->log_dir = arena_printf(arena, "%s", logdir->absolute);
	if (logdir_failed(logdir) || space->err != ERR_OK) {
		res->error_code = errcode_of(ERR_KAFKA_STORAGE_ERROR);
		return res->log_dir.ptr != NULL;
	}
	res->is_cordoned = atomic_load(&logdir->cordoned);
	res->total_bytes = space->total_bytes;
	res->usable_bytes = space->usable_bytes;
	res->topics = RES(describe_log_dirs_topic_array)(arena, all->len + 1);
	if (res->topics == NULL)
		return false;
	for (size_t i = 0; i < all->len; i++)
		if (!log_dirs_topic(all->topics[i], all->asked[i], logdir, arena, res))
			return false;
	return res->log_dir.ptr != NULL;
}

static bool log_dirs_fill(struct log_dirs_call *call, struct describe_log_dirs_res *res)
{
	const struct logdirs *dirs = call->al->api->dirs;
	struct arena *arena = &call->req->arena;
	struct log_dirs_topics all;

	if (!log_dirs_topics(call->al->image, &call->in, arena, &all))
		return false;
	res->results = RES(describe_log_dirs_result_array)(arena, dirs->len);
	if (res->results == NULL)
		return false;
	for (size_t i = 0; i < dirs->len; i++)
		if (!log_dirs_one(dirs->at[i], &all, &call->spaces[i], arena,
				  &res->results[res->results_len++]))
			return false;
	return true;
}

/* -- the call ------------------------------------------------------------------------------ */

static void log_dirs_ask_disks(struct job *job)
{
	struct log_dirs_call *call = container_of(job, struct log_dirs_call, job);
	const struct logdirs *dirs = call->al->api->dirs;

	for (size_t i = 0; i < dirs->len; i++) {
		struct log_dirs_space *space = &call->spaces[i];

		if (!logdir_failed(dirs->at[i]))
			space->err =
			    file_free(dirs->at[i]->path, &space->usable_bytes, &space->total_bytes);
	}
}

static void log_dirs_answer(struct job *job)
{
	struct log_dirs_call *call = container_of(job, struct log_dirs_call, job);
	struct req *req = call->req;
	struct describe_log_dirs_res res;

	describe_log_dirs_res_init(&res);
	if (!log_dirs_fill(call, &res)) {
		api_overload(req);
		return;
	}
	describe_log_dirs_res_encode(&res, api_begin(req), req->header.api_version);
	api_end(req);
}

static void log_dirs_handle(struct api_loop *al, struct req *req)
{
	struct log_dirs_call *call = arena_alloc(&req->arena, sizeof(*call));
	enum err err;

	if (call == NULL) {
		api_overload(req);
		return;
	}
	*call = (struct log_dirs_call){
	    .job = {.home = al->loop, .run = log_dirs_ask_disks, .done = log_dirs_answer},
	    .al = al,
	    .req = req,
	    .spaces = arena_array(&req->arena, al->api->dirs->len, sizeof(*call->spaces)),
	};
	err = describe_log_dirs_req_decode(&call->in, &req->body, req->header.api_version,
					   &req->arena);
	if (err != ERR_OK)
		api_malformed(req, err);
	else if (call->spaces == NULL)
		api_overload(req);
	else
		worker_submit(al->api->workers, &call->job);
}

const struct api_handler api_describe_log_dirs = {
    .key = DESCRIBE_LOG_DIRS_API_KEY,
    .version_min = DESCRIBE_LOG_DIRS_MIN_VERSION,
    .version_max = DESCRIBE_LOG_DIRS_MAX_VERSION,
    .handle = log_dirs_handle,
};
