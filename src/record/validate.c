/*
 * Validation of a produced batch.
 *
 * The header's checks come first and cost nothing; then the CRC reads the batch once; then the
 * records are walked once, in place or as they are decompressed. The walk looks at lengths and at
 * three fields of each record and skips the rest, so that plain records of a kilobyte cost a cache
 * line each. Kafka iterates over all records of a batch in both cases too, since only so are a key
 * that is missing, a timestamp out of range and the true max timestamp found.
 */
#include "record/validate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LENGTH_MIN_ANY_MAGIC 14 /* of magic 0, the smallest: what stock looks at first */
#define VARINT_BYTES_MAX     5
#define VARLONG_BYTES_MAX    10

/* -- walking over records that come in pieces ----------------------------------------------- */

struct walk {
	const uint8_t *pos, *end;     /* of the present piece */
	int64_t end_at;		      /* position of `end` in the stream of all pieces */
	struct codec_scratch *source; /* where pieces come from; NULL: this one is all */
	enum err err;		      /* sticky: reads give zero after it */
};

struct walk_record {
	int64_t timestamp_delta;
	int32_t offset_delta;
	bool has_key;
};

static int64_t walk_at(const struct walk *walk)
{
	return walk->end_at - (walk->end - walk->pos);
}

static void walk_fail(struct walk *walk, enum err err)
{
	if (walk->err == ERR_OK)
		walk->err = err;
	walk->pos = walk->end;
}

/* The next piece; false at the end of the stream or on an error. */
static bool walk_refill(struct walk *walk)
{
	struct bytes piece = {walk->end, 0};

	if (walk->err != ERR_OK || walk->source == NULL)
		return false;
	enum err err = codec_next(walk->source, &piece);
	if (err != ERR_OK)
		walk_fail(walk, err);
	if (piece.len == 0)
		return false;
	walk->pos = piece.ptr;
	walk->end = piece.ptr + piece.len;
	walk->end_at += (int64_t)piece.len;
	return true;
}

static uint64_t walk_varint_long(struct walk *walk, unsigned bytes_max)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes_max; i++) {
		if (walk->pos == walk->end && !walk_refill(walk))
			break;
		uint8_t byte = *walk->pos++;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80)
			return v;
	}
	walk_fail(walk, ERR_CORRUPT_MESSAGE);
	return 0;
}

static inline uint64_t walk_zigzag(struct walk *walk, unsigned bytes_max)
{
	if (__builtin_expect(walk->pos < walk->end && *walk->pos < 0x80, 1))
		return *walk->pos++;
	return walk_varint_long(walk, bytes_max);
}

static inline int32_t walk_varint(struct walk *walk)
{
	uint32_t v = (uint32_t)walk_zigzag(walk, VARINT_BYTES_MAX);

	return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline int64_t walk_varlong(struct walk *walk)
{
	uint64_t v = walk_zigzag(walk, VARLONG_BYTES_MAX);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static void walk_skip_far(struct walk *walk, int64_t n)
{
	while (n > walk->end - walk->pos) {
		n -= walk->end - walk->pos;
		walk->pos = walk->end;
		if (!walk_refill(walk)) {
			walk_fail(walk, ERR_CORRUPT_MESSAGE);
			return;
		}
	}
	walk->pos += n;
}

/* Over n bytes, of a record that ends at stop_at. */
static inline void walk_skip(struct walk *walk, int64_t n, int64_t stop_at)
{
	if (n < 0 || n > stop_at - walk_at(walk))
		walk_fail(walk, ERR_CORRUPT_MESSAGE);
	else if (__builtin_expect(n <= walk->end - walk->pos, 1))
		walk->pos += n;
	else
		walk_skip_far(walk, n);
}

/* Over a length and as many bytes; true when it was null. */
static inline bool walk_bytes(struct walk *walk, bool nullable, int64_t stop_at)
{
	int32_t len = walk_varint(walk);

	if (nullable && len == -1)
		return true;
	walk_skip(walk, len, stop_at);
	return false;
}

static void walk_headers(struct walk *walk, int32_t count, int64_t stop_at)
{
	/* A header takes two bytes or more, so this ends with the record. */
	for (int32_t i = 0; i < count && walk->err == ERR_OK; i++) {
		walk_bytes(walk, false, stop_at);
		walk_bytes(walk, true, stop_at);
	}
	if (count < 0)
		walk_fail(walk, ERR_CORRUPT_MESSAGE);
}

static void walk_one(struct walk *walk, struct walk_record *record)
{
	int32_t len = walk_varint(walk);
	int64_t stop_at = walk_at(walk) + len;

	walk_skip(walk, 1, stop_at); /* attributes: no bit is used */
	record->timestamp_delta = walk_varlong(walk);
	record->offset_delta = walk_varint(walk);
	record->has_key = !walk_bytes(walk, true, stop_at);
	walk_bytes(walk, true, stop_at);
	int32_t headers = walk_varint(walk);
	if (headers != 0)
		walk_headers(walk, headers, stop_at);
	if (walk_at(walk) != stop_at)
		walk_fail(walk, ERR_CORRUPT_MESSAGE);
}

/* -- what is asked of one record ------------------------------------------------------------ */

struct check {
	const struct validate_rules *rules;
	struct arena *arena;
	struct validate_result *result;
	bool timestamp_fault; /* decides between the two codes for the batch */
	size_t faults;
};

__attribute__((format(printf, 3, 4))) static void fault(struct check *check, int32_t index,
							const char *format, ...)
{
	struct validate_result *result = check->result;
	char text[160];
	va_list args;

	check->faults++;
	if (result->record_errors == NULL)
		result->record_errors = arena_array(check->arena, VALIDATE_RECORD_ERRORS_MAX,
						    sizeof(*result->record_errors));
	if (result->record_errors == NULL ||
	    result->record_errors_len == VALIDATE_RECORD_ERRORS_MAX)
		return;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	must(len >= 0 && (size_t)len < sizeof(text));
	result->record_errors[result->record_errors_len++] =
	    (struct validate_record_error){index, arena_str(check->arena,
							    (struct str){text, (size_t)len})};
}

/* Differences wrap, as they do in Java. */
static bool timestamp_in_range(const struct validate_rules *rules, int64_t timestamp)
{
	int64_t age_ms = (int64_t)((uint64_t)rules->now_ms - (uint64_t)timestamp);

	return age_ms <= rules->before_max_ms &&
	       (int64_t)(0 - (uint64_t)age_ms) <= rules->after_max_ms;
}

/*
 * A batch that says LogAppendTime is turned into CreateTime on a topic of that kind, as stock does,
 * so that its records' own timestamps count. (Stock checks the header's max in their place.)
 */
static void check_timestamp(struct check *check, int32_t index, int64_t timestamp)
{
	const struct validate_rules *rules = check->rules;

	if (rules->timestamp_type == BATCH_CREATE_TIME) {
		if (timestamp == BATCH_NO_TIMESTAMP || timestamp_in_range(rules, timestamp))
			return;
		fault(check, index,
		      "timestamp %" PRId64 " is not within %" PRId64 " ms before and %" PRId64
		      " ms after %" PRId64,
		      timestamp, rules->before_max_ms, rules->after_max_ms, rules->now_ms);
	} else {
		if (batch_timestamp_type(&check->result->header) == BATCH_CREATE_TIME)
			return;
		fault(check, index, "a producer must not set the timestamp type LogAppendTime");
	}
	check->timestamp_fault = true;
}

static inline void check_record(struct check *check, int32_t index,
				const struct walk_record *record)
{
	const struct batch_header *header = &check->result->header;
	int64_t timestamp =
	    (int64_t)((uint64_t)header->base_timestamp + (uint64_t)record->timestamp_delta);

	if (record->offset_delta != index)
		fault(check, index, "offset delta is %" PRId32 ", not %" PRId32,
		      record->offset_delta, index);
	else if (check->rules->compacted && !record->has_key)
		fault(check, index, "a compacted topic takes no record without a key");
	else
		check_timestamp(check, index, timestamp);
	if (timestamp > check->result->max_timestamp)
		check->result->max_timestamp = timestamp;
}

/* -- the batch ------------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static enum err refuse(struct check *check, enum err err,
							     const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	must(len >= 0 && (size_t)len < sizeof(text));
	check->result->message = arena_str(check->arena, (struct str){text, (size_t)len});
	return err;
}

/* Is there one batch of this magic? In stock's order, so that the same fault gets the same answer.
 */
static enum err check_frame(struct check *check, struct bytes records)
{
	struct batch_header *header = &check->result->header;
	uint8_t front[BATCH_HEADER_BYTES] = {0};

	memcpy(front, records.ptr, records.len < sizeof(front) ? records.len : sizeof(front));
	batch_header_load(front, header);
	if (records.len >= BATCH_PREFIX_BYTES && header->length < LENGTH_MIN_ANY_MAGIC)
		return refuse(check, ERR_CORRUPT_MESSAGE, "batch length %" PRId32 " is too small",
			      header->length);
	if (records.len > BATCH_MAGIC_AT && (header->magic < 0 || header->magic > BATCH_MAGIC))
		return refuse(check, ERR_CORRUPT_MESSAGE, "no such magic: %d", header->magic);
	if (records.len <= BATCH_MAGIC_AT || records.len < header->size_bytes)
		return refuse(check, ERR_INVALID_RECORD,
			      "there must be one record batch, and whole");
	if (header->magic != BATCH_MAGIC)
		return refuse(check, ERR_INVALID_RECORD, "only magic 2 is taken, not %d",
			      header->magic);
	if (header->size_bytes < BATCH_HEADER_BYTES)
		return refuse(check, ERR_CORRUPT_MESSAGE, "batch length %" PRId32 " is too small",
			      header->length);
	if (records.len > header->size_bytes)
		return refuse(check, ERR_INVALID_RECORD, "there must be one record batch only");
	return ERR_OK;
}

static enum err check_codec(struct check *check)
{
	enum codec codec = batch_codec(&check->result->header);

	if ((unsigned)codec >= CODEC_COUNT)
		return refuse(check, ERR_UNSUPPORTED_COMPRESSION_TYPE, "no such codec: %d",
			      (int)codec);
	if (codec == CODEC_ZSTD && !check->rules->allow_zstd)
		return refuse(check, ERR_UNSUPPORTED_COMPRESSION_TYPE,
			      "zstd needs Produce version 7 or later");
	return ERR_OK;
}

static enum err check_header(struct check *check)
{
	const struct batch_header *header = &check->result->header;

	if (header->last_offset_delta < 0 || header->records_count <= 0 ||
	    header->records_count - 1 != header->last_offset_delta)
		return refuse(check, ERR_INVALID_RECORD,
			      "records count %" PRId32 " does not fit last offset delta %" PRId32,
			      header->records_count, header->last_offset_delta);
	if (batch_is_control(header) && !check->rules->allow_control)
		return refuse(check, ERR_INVALID_RECORD, "clients must not write control records");
	if (batch_has_producer(header) && header->base_sequence < 0 && !check->rules->allow_control)
		return refuse(check, ERR_INVALID_RECORD,
			      "sequence %" PRId32 " is not valid with producer id %" PRId64,
			      header->base_sequence, header->producer_id);
	return ERR_OK;
}

static enum err check_batch(struct check *check, struct bytes records)
{
	const struct batch_header *header = &check->result->header;
	enum err err = check_frame(check, records);

	if (err == ERR_OK)
		err = check_codec(check);
	if (err != ERR_OK)
		return err;
	if (header->base_offset != 0)
		return refuse(check, ERR_INVALID_RECORD, "base offset must be 0, not %" PRId64,
			      header->base_offset);
	if (header->size_bytes > check->rules->max_message_bytes)
		return refuse(check, ERR_MESSAGE_TOO_LARGE,
			      "batch of %zu bytes, at most %zu are taken", header->size_bytes,
			      check->rules->max_message_bytes);
	if (batch_check_crc(records) != ERR_OK)
		return refuse(check, ERR_CORRUPT_MESSAGE, "the batch's CRC is wrong");
	return check_header(check);
}

/* The walk has failed, or went right; was it also the end? */
static enum err walk_verdict(struct check *check, struct walk *walk, int32_t index)
{
	if (walk->err == ERR_OK && (walk->pos < walk->end || walk_refill(walk)))
		return refuse(check, ERR_INVALID_RECORD, "bytes left behind the last record");
	check->result->uncompressed_bytes = walk->end_at;
	if (walk->err == ERR_NOMEM)
		return refuse(check, ERR_MESSAGE_TOO_LARGE,
			      "the batch decompresses to more than is taken");
	if (walk->err != ERR_OK)
		return refuse(check, ERR_INVALID_RECORD, "record %" PRId32 " is malformed", index);
	return ERR_OK;
}

static enum err check_records(struct check *check, struct walk *walk)
{
	const int32_t count = check->result->header.records_count;
	struct walk_record record;
	int32_t i = 0;

	check->result->max_timestamp = BATCH_NO_TIMESTAMP;
	for (; i < count; i++) {
		walk_one(walk, &record);
		if (walk->err != ERR_OK)
			break;
		check_record(check, i, &record);
	}
	enum err err = walk_verdict(check, walk, i);
	if (err != ERR_OK || check->faults == 0)
		return err;
	return refuse(check, check->timestamp_fault ? ERR_INVALID_TIMESTAMP : ERR_INVALID_RECORD,
		      "%zu of %" PRId32 " records are not valid for this topic", check->faults,
		      count);
}

static enum err walk_open(struct walk *walk, const struct check *check, struct bytes payload,
			  struct codec_scratch *scratch)
{
	enum codec codec = batch_codec(&check->result->header);
	size_t most = check->rules->uncompressed_max_bytes;

	if (codec == CODEC_NONE) {
		*walk = (struct walk){payload.ptr, payload.ptr + payload.len, (int64_t)payload.len,
				      NULL, ERR_OK};
		return ERR_OK;
	}
	if (most == 0)
		most = VALIDATE_UNCOMPRESSED_MAX_BYTES;
	*walk = (struct walk){payload.ptr, payload.ptr, 0, scratch, ERR_OK};
	return codec_open(scratch, codec, payload, most);
}

/* What Kafka corrects in a batch before it is stored; the CRC is made anew only if something
 * differs. */
static void correct_times(struct check *check, uint8_t *batch)
{
	struct validate_result *result = check->result;
	enum batch_timestamp_type type = check->rules->timestamp_type;

	if (type == BATCH_LOG_APPEND_TIME)
		result->max_timestamp = check->rules->now_ms;
	if (type == batch_timestamp_type(&result->header) &&
	    result->max_timestamp == result->header.max_timestamp)
		return;
	batch_stamp_time(batch, type, result->max_timestamp);
	batch_header_load(batch, &result->header);
}

enum err validate_records(uint8_t *records, size_t len_bytes, const struct validate_rules *rules,
			  struct codec_scratch *scratch, struct arena *arena,
			  struct validate_result *result)
{
	struct check check = {.rules = rules, .arena = arena, .result = result};
	struct bytes batch = {records, len_bytes};
	struct walk walk;

	memset(result, 0, sizeof(*result));
	enum err err = check_batch(&check, batch);
	if (err != ERR_OK)
		return err;
	struct bytes payload = {records + BATCH_HEADER_BYTES, len_bytes - BATCH_HEADER_BYTES};
	err = walk_open(&walk, &check, payload, scratch);
	if (err == ERR_CORRUPT_MESSAGE)
		return refuse(&check, ERR_INVALID_RECORD, "the records are not in %s",
			      codec_name(batch_codec(&result->header)));
	if (err != ERR_OK)
		return err;
	err = check_records(&check, &walk);
	if (err == ERR_OK)
		correct_times(&check, records);
	return err;
}
