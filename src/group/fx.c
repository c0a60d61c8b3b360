/* Effects: lists in an arena that is used again for each event. See fx.h. */
#include "group/fx.h"

#include <stdarg.h>
#include <stdio.h>

/* Far above what the ledger of kept memory lets a group hold; a bug is what reaches it. */
#define FX_CAP_BYTES ((size_t)1 << 30)

void fx_init(struct fx *fx)
{
	*fx = (struct fx){.producer_id = -1, .producer_epoch = -1};
	arena_init(&fx->arena, FX_CAP_BYTES);
}

void fx_fini(struct fx *fx)
{
	arena_fini(&fx->arena);
	*fx = (struct fx){0};
}

void fx_reset(struct fx *fx)
{
	struct arena arena = fx->arena;

	if (arena.used_bytes > 0)
		arena_reset(&arena);
	*fx = (struct fx){.arena = arena, .producer_id = -1, .producer_epoch = -1};
}

void *fx_alloc(struct fx *fx, size_t count, size_t size)
{
	void *ptr = arena_array(&fx->arena, count > 0 ? count : 1, size);

	must(ptr != NULL);
	return ptr;
}

struct str fx_str(struct fx *fx, struct str s)
{
	struct str copy = arena_str(&fx->arena, s);

	must(!fx->arena.failed);
	return copy;
}

struct bytes fx_bytes(struct fx *fx, struct bytes b)
{
	struct bytes copy = arena_bytes(&fx->arena, b);

	must(!fx->arena.failed);
	return copy;
}

/* Makes room for one more: the list doubles, and its old place is left to the arena. */
static void *fx_grow(struct fx *fx, void *list, size_t len, size_t *size, size_t elem_size)
{
	void *more;

	if (len < *size)
		return list;
	*size = *size == 0 ? 4 : *size * 2;
	more = fx_alloc(fx, *size, elem_size);
	if (len > 0)
		memcpy(more, list, len * elem_size);
	return more;
}

struct fx_record *fx_record_add(struct fx *fx, enum fx_record_kind kind, struct str group)
{
	struct fx_record *record;

	fx->records =
	    fx_grow(fx, fx->records, fx->records_len, &fx->records_size, sizeof(struct fx_record));
	record = &fx->records[fx->records_len++];
	*record = (struct fx_record){.kind = kind, .group = group, .at = -1};
	return record;
}

struct fx_answer *fx_answer_add(struct fx *fx, void *who)
{
	struct fx_answer *answer;

	must(who != NULL);
	fx->answers =
	    fx_grow(fx, fx->answers, fx->answers_len, &fx->answers_size, sizeof(struct fx_answer));
	answer = &fx->answers[fx->answers_len++];
	*answer = (struct fx_answer){.who = who};
	return answer;
}

void fx_join_failed(struct fx *fx, void *who, enum err err, struct str member_id)
{
	struct fx_answer *answer;

	if (who == NULL)
		return;
	answer = fx_answer_add(fx, who);
	answer->join = (struct join_answer){.err = err,
					    .generation = -1,
					    .leader = STR(""),
					    .member_id = fx_str(fx, member_id)};
}

void fx_sync_failed(struct fx *fx, void *who, enum err err)
{
	struct fx_answer *answer;

	if (who == NULL)
		return;
	answer = fx_answer_add(fx, who);
	answer->is_sync = true;
	answer->sync = (struct sync_answer){.err = err, .assignment = {(const uint8_t *)"", 0}};
}

void fx_note(struct fx *fx, const char *format, ...)
{
	char line[256];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(line))
		len = sizeof(line) - 1;
	if (fx->note.ptr == NULL)
		fx->note = fx_str(fx, (struct str){line, (size_t)len});
	else
		fx->note = arena_printf(&fx->arena, "%.*s; %s", STR_ARG(fx->note), line);
}

enum err fx_append_err(enum err err)
{
	switch (err) {
	case ERR_UNKNOWN_TOPIC_OR_PARTITION:
	case ERR_NOT_ENOUGH_REPLICAS:
	case ERR_REQUEST_TIMED_OUT:
	case ERR_NOSPACE:
	case ERR_NOMEM:
		return ERR_COORDINATOR_NOT_AVAILABLE;
	case ERR_NOT_LEADER_OR_FOLLOWER:
	case ERR_KAFKA_STORAGE_ERROR:
	case ERR_IO:
	case ERR_CANCELLED:
		return ERR_NOT_COORDINATOR;
	case ERR_MESSAGE_TOO_LARGE:
	case ERR_RECORD_LIST_TOO_LARGE:
	case ERR_INVALID_FETCH_SIZE:
		return ERR_UNKNOWN_SERVER_ERROR;
	default:
		return err;
	}
}
