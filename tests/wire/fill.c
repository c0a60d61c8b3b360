/* Random messages (see fill.h). */
#include "fill.h"

#include "wire/proto.h"

/* NOLINTBEGIN(misc-no-recursion): as deep as a schema of ours, a few levels. */

#define STR_MAX	  20
#define BYTES_MAX 300 /* over 127, so that sizes take two bytes */
#define ALPHABET  "abcdefghijklmnopqrstuvwxyz.-_0123456789"

static struct bytes fill_blob(struct fill *fill, size_t len, bool text)
{
	uint8_t *b = arena_alloc(fill->arena, len + 1);
	must(b != NULL);
	for (size_t i = 0; i < len; i++)
		b[i] = text ? (uint8_t)ALPHABET[rnd_below(fill->rnd, sizeof(ALPHABET) - 1)]
			    : (uint8_t)rnd_next(fill->rnd);
	return (struct bytes){b, len};
}

static void fill_struct(struct fill *fill, const struct table_struct *s, char *m, int version);

static void fill_scalar(struct fill *fill, const struct table_field *f, void *at)
{
	bool text = f->type == TABLE_STRING;
	uint64_t v = rnd_next(fill->rnd);
	double fraction = (double)v / 3;

	if (f->type == TABLE_UUID)
		*(struct uuid *)at = uuid_of(v, rnd_next(fill->rnd));
	else if (f->type == TABLE_STRING || f->type == TABLE_BYTES || f->type == TABLE_RECORDS)
		*(struct bytes *)at =
		    fill_blob(fill, rnd_below(fill->rnd, text ? STR_MAX : BYTES_MAX), text);
	else if (f->type == TABLE_FLOAT64)
		memcpy(at, &fraction, sizeof(fraction));
	else
		table_set_number(f->type, at, (int64_t)(v % 4 == 0 ? v % 100 : v));
}

static void fill_array(struct fill *fill, const struct table_field *f, char *m, int version)
{
	size_t len = rnd_below(fill->rnd, fill->array_max + 1), size = table_size(f);
	char *all = len > 0 ? arena_array(fill->arena, len, size) : PROTO_EMPTY;
	must(all != NULL);
	*(void **)(void *)(m + f->offset) = all;
	*(size_t *)(void *)(m + f->len_offset) = len;
	for (size_t i = 0; i < len; i++) {
		if (f->type == TABLE_STRUCT)
			fill_struct(fill, f->sub, all + i * size, version);
		else
			fill_scalar(fill, f, all + i * size);
	}
}

static void fill_field(struct fill *fill, const struct table_field *f, char *m, int version)
{
	void *at = m + f->offset;
	bool nullable = version >= f->null_min && version <= f->null_max;
	if (nullable && rnd_below(fill->rnd, 4) == 0) {
		memset(at, 0,
		       f->is_array || table_is_pointer(f) ? sizeof(void *) : sizeof(struct bytes));
		return;
	}
	if (f->is_array) {
		fill_array(fill, f, m, version);
	} else if (table_is_pointer(f)) {
		char *sub = arena_alloc(fill->arena, f->sub->size);
		must(sub != NULL);
		*(void **)at = sub;
		fill_struct(fill, f->sub, sub, version);
	} else if (f->type == TABLE_STRUCT) {
		fill_struct(fill, f->sub, at, version);
	} else {
		fill_scalar(fill, f, at);
	}
}

static void fill_struct(struct fill *fill, const struct table_struct *s, char *m, int version)
{
	table_defaults(s, m);
	for (const struct table_field *f = s->fields; f < s->fields + s->fields_len; f++) {
		bool here = version >= f->min_version && version <= f->max_version;
		if (here && (f->tag < 0 || rnd_below(fill->rnd, 3) > 0))
			fill_field(fill, f, m, version);
	}
}

void fill_message(struct fill *fill, const struct table_message *t, void *m, int version)
{
	fill_struct(fill, t->root, m, version);
}

/* NOLINTEND(misc-no-recursion) */
