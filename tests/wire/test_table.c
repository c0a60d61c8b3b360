/*
 * Every message in every version: random values encoded, decoded by the generated decoder and by
 * the table-driven one, and compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fill.h"

#define ROUNDS	    4
#define ARENA_BYTES (16u << 20)
#define WR_BYTES    (4u << 20)

struct scratch {
	struct arena arena;
	struct rnd rnd;
	struct fill fill;
	struct wr wr;
	void *m, *again;
};

static void scratch_init(struct scratch *s, const struct table_message *t, uint64_t seed)
{
	arena_init(&s->arena, ARENA_BYTES);
	wr_init(&s->wr, WR_BYTES);
	rnd_init_seed(&s->rnd, seed);
	s->fill = (struct fill){&s->rnd, &s->arena, 4};
	s->m = arena_alloc(&s->arena, t->root->size);
	s->again = arena_alloc(&s->arena, t->root->size);
	assert_non_null(s->again);
}

static void scratch_fini(struct scratch *s)
{
	wr_fini(&s->wr);
	arena_fini(&s->arena);
}

/* Calls check for each message, each of its versions, and some seeds. */
static void for_all(void (*check)(struct scratch *s, const struct table_message *t, int version))
{
	for (size_t i = 0; i < table_messages_len; i++) {
		const struct table_message *t = &table_messages[i];
		for (int version = t->min_version; version <= t->max_version; version++) {
			for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
				struct scratch s;
				scratch_init(&s, t, seed + i * 1000);
				fill_message(&s.fill, t, s.m, version);
				t->encode(s.m, &s.wr, version);
				assert_int_equal(s.wr.err, ERR_OK);
				check(&s, t, version);
				scratch_fini(&s);
			}
		}
	}
}

static void fail_about(const struct scratch *s, const struct table_message *t, int version,
		       const char *what)
{
	char text[4096];
	table_print(t, s->m, version, text, sizeof(text));
	fail_msg("%s v%d: %s: %s", t->name, version, what, text);
}

static void check_round_trip(struct scratch *s, const struct table_message *t, int version)
{
	struct rd rd = rd_of(wr_written(&s->wr));
	if (t->decode(s->again, &rd, version, &s->arena) != ERR_OK || rd_left(&rd) != 0)
		fail_about(s, t, version, "not decoded to its end");
	if (!table_equal(t, s->m, s->again))
		fail_about(s, t, version, "decoded to something else");
}

static void decodes_what_it_encoded(void **state)
{
	for_all(check_round_trip);
}

static void check_second_decoder(struct scratch *s, const struct table_message *t, int version)
{
	struct rd rd = rd_of(wr_written(&s->wr));
	if (table_decode(t, s->again, &rd, version, &s->arena) != ERR_OK || rd_left(&rd) != 0)
		fail_about(s, t, version, "not decoded to its end");
	if (!table_equal(t, s->m, s->again))
		fail_about(s, t, version, "decoded to something else");
}

static void decodes_the_same_by_table(void **state)
{
	for_all(check_second_decoder);
}

static void check_truncation(struct scratch *s, const struct table_message *t, int version)
{
	struct bytes all = wr_written(&s->wr);
	size_t step = all.len / 64 + 1;
	for (size_t len = 0; len < all.len; len += step) {
		uint8_t *part = malloc(len + 1); /* its own block, for the address sanitizer */
		memcpy(part, all.ptr, len);
		struct rd rd = rd_of((struct bytes){part, len});
		if (t->decode(s->again, &rd, version, &s->arena) == ERR_OK)
			fail_about(s, t, version, "decoded although cut short");
		free(part);
	}
}

static void refuses_every_prefix(void **state)
{
	for_all(check_truncation);
}

static void inits_to_the_defaults_of_the_schema(void **state)
{
	for (size_t i = 0; i < table_messages_len; i++) {
		const struct table_message *t = &table_messages[i];
		struct scratch s;
		scratch_init(&s, t, 1);
		t->init(s.m);
		table_defaults(t->root, s.again);
		if (!table_equal(t, s.m, s.again))
			fail_about(&s, t, t->max_version, "init differs");
		scratch_fini(&s);
	}
}

static void encodes_defaults_in_every_version(void **state)
{
	for (size_t i = 0; i < table_messages_len; i++) {
		const struct table_message *t = &table_messages[i];
		for (int version = t->min_version; version <= t->max_version; version++) {
			struct scratch s;
			scratch_init(&s, t, 1);
			t->init(s.m);
			t->encode(s.m, &s.wr, version);
			check_round_trip(&s, t, version);
			scratch_fini(&s);
		}
	}
}

static void prints_requests_on_one_line(void **state)
{
	static const uint8_t body[] = {0, 3, 'm', 'e', '\n', 0xff, 0xff, 0, 0,	 0,  9,
				       0, 0, 0,	  1,   0,    1,	   't',	 0, 0,	 0,  1,
				       0, 0, 0,	  5,   0,    0,	   0,	 2, 'x', 'y'};
	char text[256];
	size_t len = table_trace(TABLE_REQUEST, 0, 3, rd_of((struct bytes){body, sizeof(body)}),
				 text, sizeof(text));
	assert_string_equal(text, "ProduceRequest v3 {TransactionalId: \"me.\", Acks: -1, "
				  "TimeoutMs: 9, TopicData: [{Name: \"t\", PartitionData: "
				  "[{Index: 5, Records: <2 bytes>}]}]}");
	assert_int_equal(len, strlen(text));
	table_trace(TABLE_REQUEST, 0, 3, rd_of((struct bytes){body, 9}), text, sizeof(text));
	assert_string_equal(text, "ProduceRequest v3 not readable: SHORT");
	len = table_trace(TABLE_REQUEST, 0, 3, rd_of((struct bytes){body, sizeof(body)}), text, 20);
	assert_string_equal(text, "ProduceRequest v3 {");
	assert_int_equal(len, 19);
}

/* -- frames for check_stock_codec.py -------------------------------------------------------- */

static FILE *frames;

static void write_frame(struct scratch *s, const struct table_message *t, int version)
{
	struct wr head;
	wr_init(&head, 1024);
	wr_str(&head, str_of(t->name), false, false);
	wr_int16(&head, (int16_t)version);
	wr_int32(&head, (int32_t)s->wr.len_bytes);
	must(head.err == ERR_OK);
	(void)fwrite(head.buf, 1, head.len_bytes, frames);
	if (s->wr.len_bytes > 0)
		(void)fwrite(s->wr.buf, 1, s->wr.len_bytes, frames);
	wr_fini(&head);
}

static int write_frames(const char *path)
{
	frames = fopen(path, "wb");
	if (frames == NULL)
		return 1;
	for_all(write_frame);
	return fclose(frames) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return write_frames(argv[1]);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_what_it_encoded),
	    cmocka_unit_test(decodes_the_same_by_table),
	    cmocka_unit_test(refuses_every_prefix),
	    cmocka_unit_test(inits_to_the_defaults_of_the_schema),
	    cmocka_unit_test(encodes_defaults_in_every_version),
	    cmocka_unit_test(prints_requests_on_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
