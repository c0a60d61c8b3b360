/*
 * Any message in any version from any bytes. The generated decoder and the table-driven one must
 * agree; what was decoded can be encoded, and decodes to the same again.
 *
 * Input: kind (request, response, record), two bytes of API key (of a record: which one), version,
 * and the body.
 */
#include "wire/table.h"

#define ARENA_BYTES (8u << 20)
#define WR_BYTES    (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct table_message *choose(enum table_kind kind, unsigned id)
{
	if (kind != TABLE_RECORD)
		return table_find(kind, (int16_t)id);
	for (size_t i = 0; i < table_messages_len; i++)
		if (table_messages[i].kind == TABLE_RECORD && id-- == 0)
			return &table_messages[i];
	return NULL;
}

static void check_again(const struct table_message *t, void *m, void *again, int version,
			struct arena *arena)
{
	struct wr wr;
	wr_init(&wr, WR_BYTES);
	t->encode(m, &wr, version);
	must(wr.err == ERR_OK);
	struct rd rd = rd_of(wr_written(&wr));
	enum err err = t->decode(again, &rd, version, arena);
	must(err == ERR_OK || err == ERR_NOMEM);
	must(err != ERR_OK || (rd_left(&rd) == 0 && table_equal(t, m, again)));
	wr_fini(&wr);
}

static void check(const struct table_message *t, int version, struct bytes body)
{
	struct arena arena, other;
	struct rd rd = rd_of(body), rd_other = rd;
	char text[512];
	arena_init(&arena, ARENA_BYTES);
	arena_init(&other, ARENA_BYTES);
	void *m = arena_alloc(&arena, t->root->size), *again = arena_alloc(&other, t->root->size);
	must(m != NULL && again != NULL);
	enum err err = t->decode(m, &rd, version, &arena);
	enum err err_other = table_decode(t, again, &rd_other, version, &other);
	/*
	 * Out of memory may come elsewhere: the table-driven one does not know the smallest sizes.
	 */
	if (err != ERR_NOMEM && err_other != ERR_NOMEM)
		must((err == ERR_OK) == (err_other == ERR_OK));
	if (err == ERR_OK && err_other == ERR_OK) {
		must(rd.pos == rd_other.pos && table_equal(t, m, again));
		(void)table_print(t, m, version, text, sizeof(text));
		check_again(t, m, again, version, &other);
	}
	arena_fini(&arena);
	arena_fini(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	const struct table_message *t = choose(data[0] % 3, data[1] * 256u + data[2]);
	if (t != NULL)
		check(t, data[3], (struct bytes){data + 4, size - 4});
	return 0;
}
