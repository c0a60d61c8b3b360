/* Fetch sessions: tables by id, order by use, caps. */
#include "api/fetch_session.h"

#include <stdlib.h>

#include "base/rnd.h"

/* A session that was not used for this long may be replaced (KIP-227's eviction time). */
#define SESSION_IDLE_MS (120 * 1000)
/* Of all sessions of a loop together, names included: some 200,000 partitions. */
#define SESSION_BYTES_MAX ((size_t)64 << 20)

struct fetch_sessions {
	struct loop *loop;
	int loop_idx;
	size_t slots, len, bytes;
	struct rnd rnd;
	struct fetch_session *table;
	TAILQ_HEAD(, fetch_session) by_use; /* least recently used first */
};

struct fetch_sessions *fetch_sessions_new(struct loop *loop, int loop_idx, size_t slots)
{
	struct fetch_sessions *sessions = calloc(1, sizeof(*sessions));

	must(loop_idx >= 0 && loop_idx < FETCH_SESSION_LOOPS_MAX);
	if (sessions == NULL)
		return NULL;
	sessions->loop = loop;
	sessions->loop_idx = loop_idx;
	sessions->slots = slots;
	rnd_init_random(&sessions->rnd);
	TAILQ_INIT(&sessions->by_use);
	return sessions;
}

static size_t fetch_part_bytes(size_t key_len)
{
	return sizeof(struct fetch_part) + key_len;
}

/* -- parts ------------------------------------------------------------------------------------- */

static size_t fetch_key_len(const struct fetch_req_fetch_topic *topic, bool by_id)
{
	return (by_id ? sizeof(topic->topic_id) : topic->topic.len) + sizeof(int32_t);
}

static void fetch_key_fill(uint8_t *key, struct uuid id, struct str name, int32_t idx, bool by_id)
{
	size_t len = by_id ? sizeof(id) : name.len;

	if (len > 0)
		memcpy(key, by_id ? (const void *)id.b : name.ptr, len);
	memcpy(key + len, &idx, sizeof(idx));
}

static void fetch_part_set(struct fetch_part *part, const struct fetch_req_fetch_partition *from)
{
	part->current_leader_epoch = from->current_leader_epoch;
	part->last_fetched_epoch = from->last_fetched_epoch;
	part->fetch_offset = from->fetch_offset;
	part->max_bytes = from->partition_max_bytes;
}

static void fetch_part_init(struct fetch_part *part, const struct fetch_req_fetch_topic *topic,
			    const struct fetch_req_fetch_partition *from, bool by_id)
{
	part->idx = from->partition;
	part->key_len = fetch_key_len(topic, by_id);
	fetch_key_fill(part->key, topic->topic_id, topic->topic, part->idx, by_id);
	if (by_id)
		part->topic_id = topic->topic_id;
	else
		part->topic = (struct str){(const char *)part->key, topic->topic.len};
	part->told_high_watermark = part->told_log_start = -2;
	part->slice.fd = -1;
	fetch_part_set(part, from);
}

struct fetch_part *fetch_part_new(struct arena *arena, const struct fetch_req_fetch_topic *topic,
				  const struct fetch_req_fetch_partition *partition, bool by_id)
{
	struct fetch_part *part = arena_alloc(arena, sizeof(*part) + fetch_key_len(topic, by_id));

	if (part != NULL)
		fetch_part_init(part, topic, partition, by_id);
	return part;
}

static void fetch_session_drop(struct fetch_sessions *sessions, struct fetch_session *session,
			       struct fetch_part *part)
{
	HASH_DEL(session->table, part);
	TAILQ_REMOVE(&session->parts, part, link);
	session->parts_len--;
	sessions->bytes -= fetch_part_bytes(part->key_len);
	free(part);
}

bool fetch_session_put(struct fetch_sessions *sessions, struct fetch_session *session,
		       const struct fetch_req_fetch_topic *topic,
		       const struct fetch_req_fetch_partition *partition)
{
	size_t key_len = fetch_key_len(topic, session->by_id);
	struct fetch_part *part, *old;

	if (sessions->bytes + fetch_part_bytes(key_len) > SESSION_BYTES_MAX)
		return false;
	part = calloc(1, sizeof(*part) + key_len);
	if (part == NULL)
		return false;
	fetch_part_init(part, topic, partition, session->by_id);
	HASH_FIND(hh, session->table, part->key, key_len, old);
	if (old != NULL) {
		fetch_part_set(old, partition);
		free(part);
		return true;
	}
	HASH_ADD_KEYPTR(hh, session->table, part->key, part->key_len, part);
	TAILQ_INSERT_TAIL(&session->parts, part, link);
	session->parts_len++;
	sessions->bytes += fetch_part_bytes(key_len);
	return true;
}

void fetch_session_forget(struct fetch_sessions *sessions, struct fetch_session *session,
			  const struct fetch_req_forgotten_topic *topic)
{
	const struct fetch_req_fetch_topic name = {.topic = topic->topic,
						   .topic_id = topic->topic_id};
	size_t key_len = fetch_key_len(&name, session->by_id);
	uint8_t *key = malloc(key_len);

	must(key != NULL);
	for (size_t i = 0; i < topic->partitions_len; i++) {
		struct fetch_part *part;

		fetch_key_fill(key, topic->topic_id, topic->topic, topic->partitions[i],
			       session->by_id);
		HASH_FIND(hh, session->table, key, key_len, part);
		if (part != NULL)
			fetch_session_drop(sessions, session, part);
	}
	free(key);
}

void fetch_session_rotate(struct fetch_session *session, struct fetch_part *part)
{
	TAILQ_REMOVE(&session->parts, part, link);
	TAILQ_INSERT_TAIL(&session->parts, part, link);
}

/* -- sessions ---------------------------------------------------------------------------------- */

static void fetch_session_free(struct fetch_sessions *sessions, struct fetch_session *session)
{
	struct fetch_part *part;

	must(!session->busy);
	while ((part = TAILQ_FIRST(&session->parts)) != NULL)
		fetch_session_drop(sessions, session, part);
	free(session);
}

void fetch_session_close(struct fetch_sessions *sessions, struct fetch_session *session)
{
	if (!session->closed) {
		session->closed = true;
		HASH_DEL(sessions->table, session);
		TAILQ_REMOVE(&sessions->by_use, session, link);
		sessions->len--;
	}
	if (!session->busy)
		fetch_session_free(sessions, session);
}

void fetch_session_unbusy(struct fetch_sessions *sessions, struct fetch_session *session)
{
	must(session->busy);
	session->busy = false;
	if (session->closed) {
		fetch_session_free(sessions, session);
		return;
	}
	session->used_ms = clock_mono_ms(loop_clock(sessions->loop));
	TAILQ_REMOVE(&sessions->by_use, session, link);
	TAILQ_INSERT_TAIL(&sessions->by_use, session, link);
}

void fetch_sessions_free(struct fetch_sessions *sessions)
{
	struct fetch_session *session;

	while ((session = TAILQ_FIRST(&sessions->by_use)) != NULL)
		fetch_session_close(sessions, session);
	free(sessions);
}

/* Room for one more, if need be at the cost of one that nobody has used for long. */
static bool fetch_sessions_room(struct fetch_sessions *sessions)
{
	struct fetch_session *oldest = TAILQ_FIRST(&sessions->by_use);
	int64_t now = clock_mono_ms(loop_clock(sessions->loop));

	if (sessions->len < sessions->slots)
		return true;
	if (oldest == NULL || oldest->busy || now - oldest->used_ms < SESSION_IDLE_MS)
		return false;
	fetch_session_close(sessions, oldest);
	return true;
}

/* Random, so that nobody guesses another's; the loop's index is in the lowest bits. */
static int32_t fetch_sessions_id(struct fetch_sessions *sessions)
{
	struct fetch_session *taken;
	int32_t id;

	do {
		uint64_t bits =
		    rnd_below(&sessions->rnd, INT32_MAX / FETCH_SESSION_LOOPS_MAX - 1) + 1;
		id = (int32_t)bits * FETCH_SESSION_LOOPS_MAX + sessions->loop_idx;
		HASH_FIND_INT(sessions->table, &id, taken);
	} while (taken != NULL);
	return id;
}

struct fetch_session *fetch_session_make(struct fetch_sessions *sessions, bool by_id)
{
	struct fetch_session *session;

	if (!fetch_sessions_room(sessions))
		return NULL;
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return NULL;
	session->id = fetch_sessions_id(sessions);
	session->epoch = 1;
	session->by_id = by_id;
	session->used_ms = clock_mono_ms(loop_clock(sessions->loop));
	TAILQ_INIT(&session->parts);
	HASH_ADD_INT(sessions->table, id, session);
	TAILQ_INSERT_TAIL(&sessions->by_use, session, link);
	sessions->len++;
	return session;
}

struct fetch_session *fetch_session_find(struct fetch_sessions *sessions, int32_t id)
{
	struct fetch_session *session;

	HASH_FIND_INT(sessions->table, &id, session);
	return session;
}

int32_t fetch_session_next_epoch(int32_t epoch)
{
	return epoch == INT32_MAX ? 1 : epoch + 1;
}
