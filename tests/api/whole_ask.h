/*
 * What many tests ask of the whole broker: one batch or record into a partition, one partition's
 * records, an offset by its time. The beginnings leave a call that is not sent yet.
 */
#ifndef TESTS_API_WHOLE_ASK_H
#define TESTS_API_WHOLE_ASK_H

#include "whole.h"

#define WHOLE_PRODUCE_VERSION 12
#define WHOLE_FETCH_VERSION   12

/* One batch for one partition. */
struct whole_batch {
	const char *topic;
	int32_t idx;
	int16_t acks, version;
	struct str transactional_id; /* may be null */
	struct bytes records;
};

void whole_begin_batch(struct whole *whole, struct whole_call *call,
		       const struct whole_batch *batch);
/* One record, the letter v, at this time, with acks=all. */
void whole_begin_produce(struct whole *whole, struct whole_call *call, const char *topic,
			 int32_t idx, int64_t timestamp_ms);
/* The error code; the call is over. */
int whole_end_produce(struct whole_call *call);
int whole_produce(struct whole *whole, const char *topic, int32_t idx, int64_t timestamp_ms);

/* Up to a megabyte, without a session. */
void whole_begin_fetch(struct whole *whole, struct whole_call *call, const char *topic, int32_t idx,
		       int64_t offset, int32_t wait_ms, int32_t min_bytes);

/* By time, of partition 0. */
void whole_begin_list(struct whole *whole, struct whole_call *call, const char *topic,
		      int64_t timestamp, int16_t version);
/* The offset, without an error. The call goes on. */
int64_t whole_listed(struct whole_call *call, int16_t version);
/* All of it. */
int64_t whole_list(struct whole *whole, const char *topic, int64_t timestamp, int16_t version);

/* Asks with one generated struct and reads the answer into another, which lives in the arena. */
#define WHOLE_ASK(whole, arena, call, ask, res, api, API, version)                           \
	do {                                                                                 \
		whole_begin((whole), (call), API##_API_KEY, (int16_t)(version));             \
		api##_req_encode((ask), &(call)->frame, (version));                          \
		whole_ask((call));                                                           \
		assert_int_equal(api##_res_decode((res), &(call)->body, (version), (arena)), \
				 ERR_OK);                                                    \
		assert_int_equal(rd_left(&(call)->body), 0);                                 \
	} while (0)

#endif
