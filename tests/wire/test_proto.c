/* Generated code on golden frames, and headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/metadata.h"
#include "proto/produce.h"
#include "wire/apis.h"
#include "wire/header.h"

#define BYTES(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

static void assert_written(struct wr *wr, struct bytes want)
{
	assert_int_equal(wr->err, ERR_OK);
	assert_int_equal(wr->len_bytes, want.len);
	assert_memory_equal(wr->buf, want.ptr, want.len);
	wr_fini(wr);
}

static void decodes_flexible_metadata_request(void **state)
{
	struct arena arena;
	struct metadata_req m;
	struct rd rd = rd_of(BYTES("\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02"
				   "a\0\x01\0\0"));
	arena_init(&arena, 4096);
	assert_int_equal(metadata_req_decode(&m, &rd, 12, &arena), ERR_OK);
	assert_int_equal(rd_left(&rd), 0);
	assert_int_equal(m.topics_len, 1);
	assert_true(str_eq(m.topics[0].name, STR("a")));
	assert_true(m.allow_auto_topic_creation);
	arena_fini(&arena);
}

static void tells_null_from_empty_arrays(void **state)
{
	struct arena arena;
	struct metadata_req m;
	struct rd null = rd_of(BYTES("\xff\xff\xff\xff")), empty = rd_of(BYTES("\0\0\0\0"));
	arena_init(&arena, 4096);
	assert_int_equal(metadata_req_decode(&m, &null, 1, &arena), ERR_OK);
	assert_null(m.topics);
	assert_int_equal(metadata_req_decode(&m, &empty, 1, &arena), ERR_OK);
	assert_non_null(m.topics);
	assert_int_equal(m.topics_len, 0);
	arena_fini(&arena);
}

static void refuses_versions_that_are_not_served(void **state)
{
	struct arena arena;
	struct produce_req m;
	struct rd rd = rd_of(BYTES("\0\0\0\0\0\0"));
	arena_init(&arena, 4096);
	assert_int_equal(produce_req_decode(&m, &rd, 2, &arena), ERR_UNSUPPORTED_VERSION);
	arena_fini(&arena);
}

static void writes_tagged_fields_only_when_they_differ(void **state)
{
	struct produce_res m;
	struct wr wr;
	produce_res_init(&m);
	wr_init(&wr, 4096);
	produce_res_encode(&m, &wr, 10);
	assert_written(&wr, BYTES("\x01\0\0\0\0\0"));

	struct produce_res_node_endpoint node;
	produce_res_node_endpoint_init(&node);
	node.host = STR("h");
	m.node_endpoints = &node;
	m.node_endpoints_len = 1;
	wr_init(&wr, 4096);
	produce_res_encode(&m, &wr, 10);
	assert_written(&wr, BYTES("\x01\0\0\0\0\x01\0\x0d\x02\0\0\0\0\x02h\0\0\0\0\0\0"));
	m.node_endpoints_len = 0;
}

static void reads_a_flexible_header_with_a_classic_client_id(void **state)
{
	struct req_header h;
	struct rd rd = rd_of(BYTES("\0\x03\0\x09\0\0\0\x07\0\x02me\0!"));
	assert_int_equal(header_decode(&rd, &h), ERR_OK);
	assert_int_equal(h.api_key, 3);
	assert_int_equal(h.api_version, 9);
	assert_int_equal(h.correlation_id, 7);
	assert_true(str_eq(h.client_id, STR("me")));
	assert_int_equal(rd_left(&rd), 1);
}

static void answers_api_versions_with_header_0(void **state)
{
	struct wr wr;
	wr_init(&wr, 64);
	header_encode_response(&wr, 18, 4, 5);
	assert_written(&wr, BYTES("\0\0\0\x05"));
	wr_init(&wr, 64);
	header_encode_response(&wr, 3, 9, 5);
	assert_written(&wr, BYTES("\0\0\0\x05\0"));
}

static void knows_the_apis(void **state)
{
	assert_string_equal(apis_name(0), "Produce");
	assert_string_equal(apis_name(92), "DeleteShareGroupOffsets");
	assert_null(apis_find(4));
	assert_null(apis_find(93));
	assert_null(apis_find(-1));
	assert_int_equal(apis_find(22)->max_version, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_flexible_metadata_request),
	    cmocka_unit_test(tells_null_from_empty_arrays),
	    cmocka_unit_test(refuses_versions_that_are_not_served),
	    cmocka_unit_test(writes_tagged_fields_only_when_they_differ),
	    cmocka_unit_test(reads_a_flexible_header_with_a_classic_client_id),
	    cmocka_unit_test(answers_api_versions_with_header_0),
	    cmocka_unit_test(knows_the_apis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
