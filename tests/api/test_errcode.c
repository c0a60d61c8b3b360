/*
 * Every error has a code of the protocol; the numbers themselves are checked against Kafka's list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/api.h"

static void every_error_has_a_code(void **state)
{
	assert_int_equal(errcode_of(ERR_OK), 0);
	for (int err = 1; err < ERR_COUNT; err++)
		assert_int_not_equal(errcode_of((enum err)err), 0);
}

static void codes_are_kafkas(void **state)
{
	static const struct {
		enum err err;
		int16_t code;
	} some[] = {
	    {ERR_UNKNOWN_SERVER_ERROR, -1},
	    {ERR_OFFSET_OUT_OF_RANGE, 1},
	    {ERR_UNKNOWN_TOPIC_OR_PARTITION, 3},
	    {ERR_NOT_LEADER_OR_FOLLOWER, 6},
	    {ERR_UNSUPPORTED_VERSION, 35},
	    {ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 45},
	    {ERR_KAFKA_STORAGE_ERROR, 56},
	    {ERR_GROUP_ID_NOT_FOUND, 69},
	    {ERR_FENCED_LEADER_EPOCH, 74},
	    {ERR_MEMBER_ID_REQUIRED, 79},
	    {ERR_INVALID_RECORD, 87},
	    {ERR_UNKNOWN_TOPIC_ID, 100},
	};

	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		assert_int_equal(errcode_of(some[i].err), some[i].code);
}

static void no_kafka_code_stands_for_two_kafka_errors(void **state)
{
	/* What is before UNKNOWN_SERVER_ERROR is ours and may share. */
	for (int a = ERR_UNKNOWN_SERVER_ERROR; a < ERR_COUNT; a++)
		for (int b = a + 1; b < ERR_COUNT; b++)
			assert_int_not_equal(errcode_of((enum err)a), errcode_of((enum err)b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_error_has_a_code),
	    cmocka_unit_test(codes_are_kafkas),
	    cmocka_unit_test(no_kafka_code_stands_for_two_kafka_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
