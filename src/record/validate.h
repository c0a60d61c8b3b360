/*
 * What a producer may send: the checks of Kafka's LogValidator for magic 2, and of its Produce
 * handler before it, in one pass over the records and without an allocation for each.
 */
#ifndef RECORD_VALIDATE_H
#define RECORD_VALIDATE_H

#include "base/arena.h"
#include "record/batch.h"

/* A bomb costs this much decompression at the most, some tenths of a second, and no memory. */
#define VALIDATE_UNCOMPRESSED_MAX_BYTES ((size_t)1 << 30)

struct validate_rules {
	size_t max_message_bytes; /* max.message.bytes, compared with the batch's size */
	bool compacted;		  /* cleanup.policy has compact: every record needs a key */
	enum batch_timestamp_type timestamp_type; /* message.timestamp.type */
	int64_t before_max_ms, after_max_ms;	  /* message.timestamp.{before,after}.max.ms */
	int64_t now_ms;
	size_t uncompressed_max_bytes; /* 0: VALIDATE_UNCOMPRESSED_MAX_BYTES */
	bool allow_control;	       /* coordinators and replication; never clients */
	bool allow_zstd;	       /* Produce version 7 and later */
};

/* A record at fault (KIP-467): ProduceResponse.RecordErrors. */
struct validate_record_error {
	int32_t index; /* BatchIndex: the record's place in its batch */
	struct str message;
};

#define VALIDATE_RECORD_ERRORS_MAX 100 /* Kafka lists all; nobody reads more */

struct validate_result {
	struct batch_header
	    header;	       /* valid when there is no error; after stamping of LogAppendTime */
	int64_t max_timestamp; /* of the records, or now under LogAppendTime; -1 none */
	int64_t uncompressed_bytes; /* of the records, without the header */
	/*
	 * On an error, in the arena. The message is for the log: stock sends a client none but with
	 * record errors, and clients print their own text for the code then.
	 */
	struct str message;
	struct validate_record_error *record_errors;
	size_t record_errors_len;
};

/*
 * `records` is the whole records field of one partition in a Produce request: exactly one batch of
 * magic 2. On success it may have been changed in place: max timestamp and timestamp type, with the
 * CRC, where Kafka corrects them. batch_stamp is left to the log.
 *
 * Errors, as stock 4.3 answers them: ERR_INVALID_RECORD (no batch or more than one, an older magic,
 * counts, sequence, control batch, key missing, malformed records), ERR_CORRUPT_MESSAGE (length,
 * magic, CRC), ERR_MESSAGE_TOO_LARGE, ERR_INVALID_TIMESTAMP, ERR_UNSUPPORTED_COMPRESSION_TYPE;
 * ERR_NOMEM.
 *
 * On purpose stricter than stock, with ERR_INVALID_RECORD: offset deltas that are not 0, 1, 2, ...
 * (stock stores them uncompressed, and rewrites compressed batches); bytes behind the batch (stock
 * cuts them off); lengths below -1 (stock takes them for -1). And where stock knows only
 * UNKNOWN_SERVER_ERROR: codecs 5 to 7 are ERR_UNSUPPORTED_COMPRESSION_TYPE, input that does not
 * decompress is ERR_INVALID_RECORD, and what decompresses to more than the cap
 * ERR_MESSAGE_TOO_LARGE.
 */
enum err validate_records(uint8_t *records, size_t len_bytes, const struct validate_rules *rules,
			  struct codec_scratch *scratch, struct arena *arena,
			  struct validate_result *result) must_check;

#endif
