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

#include "record/walk.h"

#define LENGTH_MIN_ANY_MAGIC 14 /* of magic 0, the smallest: what stock looks at first */

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

/* One comparison for both limits: the age in ms lies in [-after, before]. Wraps, as in Java. */
static inline bool timestamp_in_range(const struct validate_rules *rules, int64_t timestamp)
{
	uint64_t after_ms = (uint64_t)rules->after_max_ms;
	uint64_t age_ms = (uint64_t)rules->now_ms - (uint64_t)timestamp;

	return age_ms + after_ms <= (uint64_t)rules->before_max_ms + after_ms;
}

/*
 * A batch that says LogAppendTime is turned into CreateTime on a topic of that kind, as stock does,
 * so that its records' own timestamps count. (Stock checks the header's max in their place.)
 */
static inline bool timestamp_is_valid(const struct check *check, int64_t timestamp)
{
	if (check->rules->timestamp_type == BATCH_CREATE_TIME)
		return timestamp_in_range(check->rules, timestamp) ||
		       timestamp == BATCH_NO_TIMESTAMP;
	return batch_timestamp_type(&check->result->header) == BATCH_CREATE_TIME;
}

static void fault_timestamp(struct check *check, int32_t index, int64_t timestamp)
{
	const struct validate_rules *rules = check->rules;

	check->timestamp_fault = true;
	if (rules->timestamp_type == BATCH_CREATE_TIME)
		fault(check, index,
		      "timestamp %" PRId64 " is not within %" PRId64 " ms before and %" PRId64
		      " ms after %" PRId64,
		      timestamp, rules->before_max_ms, rules->after_max_ms, rules->now_ms);
	else
		fault(check, index, "a producer must not set the timestamp type LogAppendTime");
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
	else if (!timestamp_is_valid(check, timestamp))
		fault_timestamp(check, index, timestamp);
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

/*
 * Is there one batch of this magic? In stock's order, so that the same fault gets the same answer.
 */
static enum err check_frame(struct check *check, struct bytes records)
{
	struct batch_header *header = &check->result->header;
	uint8_t front[BATCH_HEADER_BYTES] = {0};

	if (records.len > 0) /* null records have no address to copy from */
		memcpy(front, records.ptr,
		       records.len < sizeof(front) ? records.len : sizeof(front));
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
		walk_next(walk, &record);
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
	if (walk.source != NULL)
		codec_scratch_trim(scratch);
	if (err == ERR_OK)
		correct_times(&check, records);
	return err;
}
