/* The second decoder and the printer (see table.h). */
#include "wire/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/proto.h"

/* NOLINTBEGIN(misc-no-recursion): as deep as a schema of ours, a few levels. */

#define TRACE_ARENA_BYTES (1u << 20)
#define PRINT_STR_MAX	  64 /* characters of a string */
#define PRINT_ARRAY_MAX	  16 /* elements of an array */

const struct table_message *table_find(enum table_kind kind, int16_t key)
{
	for (size_t i = 0; i < table_messages_len; i++)
		if (table_messages[i].kind == kind && table_messages[i].key == key)
			return &table_messages[i];
	return NULL;
}

size_t table_size(const struct table_field *f)
{
	static const size_t sizes[] = {
	    [TABLE_BOOL] = sizeof(bool),	  [TABLE_INT8] = sizeof(int8_t),
	    [TABLE_INT16] = sizeof(int16_t),	  [TABLE_UINT16] = sizeof(uint16_t),
	    [TABLE_INT32] = sizeof(int32_t),	  [TABLE_UINT32] = sizeof(uint32_t),
	    [TABLE_INT64] = sizeof(int64_t),	  [TABLE_FLOAT64] = sizeof(double),
	    [TABLE_UUID] = sizeof(struct uuid),	  [TABLE_STRING] = sizeof(struct str),
	    [TABLE_BYTES] = sizeof(struct bytes), [TABLE_RECORDS] = sizeof(struct records),
	};
	return f->type == TABLE_STRUCT ? f->sub->size : sizes[f->type];
}

static bool table_has(const struct table_field *f, int version)
{
	return version >= f->min_version && version <= f->max_version;
}

/* -- defaults ------------------------------------------------------------------------------- */

void table_set_number(enum table_type type, void *at, int64_t v)
{
	switch (type) {
	case TABLE_BOOL:
		*(bool *)at = v != 0;
		break;
	case TABLE_INT8:
		*(int8_t *)at = (int8_t)v;
		break;
	case TABLE_INT16:
	case TABLE_UINT16:
		*(uint16_t *)at = (uint16_t)v;
		break;
	case TABLE_INT32:
	case TABLE_UINT32:
		*(uint32_t *)at = (uint32_t)v;
		break;
	case TABLE_INT64:
	case TABLE_FLOAT64:
		memcpy(at, &v, sizeof(v));
		break;
	default:
		never("not a number");
	}
}

static void table_set_defaults(const struct table_struct *s, char *m, int depth)
{
	must(depth < TABLE_DEPTH_MAX);
	memset(m, 0, s->size);
	for (const struct table_field *f = s->fields; f < s->fields + s->fields_len; f++) {
		void *at = m + f->offset;
		if (f->default_null || (f->is_array && f->null_max < f->null_min))
			continue;
		if (f->is_array)
			*(void **)at = PROTO_EMPTY;
		else if (f->type == TABLE_STRUCT)
			table_set_defaults(f->sub, at, depth + 1);
		else if (f->type == TABLE_STRING)
			*(struct str *)at = STR("");
		else if (f->type == TABLE_BYTES || f->type == TABLE_RECORDS)
			*(struct bytes *)at = (struct bytes){PROTO_EMPTY, 0};
		else if (f->default_number != 0)
			table_set_number(f->type, at, f->default_number);
	}
}

void table_defaults(const struct table_struct *s, void *m)
{
	table_set_defaults(s, m, 0);
}

/* -- decoding ------------------------------------------------------------------------------- */

struct table_reader {
	struct rd *rd;
	struct arena *arena;
	int version;
	bool compact; /* the message is flexible in this version */
};

static void table_read_struct(struct table_reader *r, const struct table_struct *s, void *m,
			      int depth);

/* A number by its size on the wire; a float64's bits. */
static int64_t table_read_number(struct rd *rd, enum table_type type)
{
	if (type == TABLE_BOOL || type == TABLE_INT8)
		return rd_int8(rd);
	if (type == TABLE_INT16 || type == TABLE_UINT16)
		return rd_int16(rd);
	if (type == TABLE_INT32 || type == TABLE_UINT32)
		return rd_int32(rd);
	must(type == TABLE_INT64 || type == TABLE_FLOAT64);
	return rd_int64(rd);
}

/* A value that is not a struct; of an array, one element. */
static void table_read_scalar(struct table_reader *r, const struct table_field *f, void *at,
			      bool nullable)
{
	bool compact = r->compact && !f->classic;
	if (f->type == TABLE_UUID)
		*(struct uuid *)at = rd_uuid(r->rd);
	else if (f->type == TABLE_STRING)
		*(struct str *)at = rd_str(r->rd, compact, nullable);
	else if (f->type == TABLE_BYTES || f->type == TABLE_RECORDS)
		*(struct bytes *)at = rd_bytes(r->rd, compact, nullable);
	else
		table_set_number(f->type, at, table_read_number(r->rd, f->type));
}

static void table_read_array(struct table_reader *r, const struct table_field *f, char *m,
			     bool nullable, int depth)
{
	size_t *len = (void *)(m + f->len_offset);
	/* 1 instead of the true smallest size: so the generated one is checked. */
	char *all =
	    rd_array(r->rd, r->arena, r->compact && !f->classic, nullable, 1, table_size(f), len);
	*(void **)(m + f->offset) = all;
	for (size_t i = 0; i < *len && r->rd->err == ERR_OK; i++) {
		if (f->type == TABLE_STRUCT)
			table_read_struct(r, f->sub, all + i * f->sub->size, depth + 1);
		else
			table_read_scalar(r, f, all + i * table_size(f), false);
	}
}

static void table_read_pointer(struct table_reader *r, const struct table_field *f, void **at,
			       int depth)
{
	*at = NULL;
	bool here = f->tag >= 0 ? rd_uvarint(r->rd) > 0 : rd_int8(r->rd) >= 0;
	if (!here || r->rd->err != ERR_OK)
		return;
	*at = arena_alloc(r->arena, f->sub->size);
	if (*at != NULL)
		table_read_struct(r, f->sub, *at, depth + 1);
	else
		rd_fail(r->rd, ERR_NOMEM);
}

static void table_read_field(struct table_reader *r, const struct table_field *f, char *m,
			     int depth)
{
	bool nullable = r->version >= f->null_min && r->version <= f->null_max;
	if (f->is_array)
		table_read_array(r, f, m, nullable, depth);
	else if (table_is_pointer(f))
		table_read_pointer(r, f, (void **)(void *)(m + f->offset), depth);
	else if (f->type == TABLE_STRUCT)
		table_read_struct(r, f->sub, m + f->offset, depth + 1);
	else
		table_read_scalar(r, f, m + f->offset, nullable);
}

static const struct table_field *table_tag(const struct table_struct *s, uint32_t tag, int version)
{
	for (const struct table_field *f = s->fields; f < s->fields + s->fields_len; f++)
		if (f->tag >= 0 && (uint32_t)f->tag == tag && table_has(f, version))
			return f;
	return NULL;
}

static void table_read_tags(struct table_reader *r, const struct table_struct *s, char *m,
			    int depth)
{
	struct rd *outer = r->rd;
	uint32_t seen = 0;
	for (uint32_t n = rd_tags(outer); n > 0 && outer->err == ERR_OK; n--) {
		uint32_t tag;
		struct rd in = rd_tag(outer, &tag);
		const struct table_field *f = table_tag(s, tag, r->version);
		r->rd = &in;
		if (f != NULL)
			table_read_field(r, f, m, depth);
		else
			in.pos = in.end;
		r->rd = outer;
		rd_tag_done(outer, &in, tag, &seen);
	}
}

static void table_read_struct(struct table_reader *r, const struct table_struct *s, void *m,
			      int depth)
{
	must(depth < TABLE_DEPTH_MAX);
	table_set_defaults(s, m, depth);
	for (const struct table_field *f = s->fields; f < s->fields + s->fields_len; f++)
		if (f->tag < 0 && table_has(f, r->version))
			table_read_field(r, f, m, depth);
	if (r->compact)
		table_read_tags(r, s, m, depth);
}

enum err table_decode(const struct table_message *t, void *m, struct rd *rd, int version,
		      struct arena *arena)
{
	struct table_reader r = {rd, arena, version, version >= t->flexible_version};
	if (version < t->min_version || version > t->max_version)
		rd_fail(rd, ERR_UNSUPPORTED_VERSION);
	table_read_struct(&r, t->root, m, 0);
	return rd->err;
}

/* -- comparing ------------------------------------------------------------------------------ */

static bool table_structs_equal(const struct table_struct *s, const char *a, const char *b,
				int depth);

static bool table_values_equal(const struct table_field *f, const void *a, const void *b, int depth)
{
	if (f->type == TABLE_STRUCT)
		return table_structs_equal(f->sub, a, b, depth + 1);
	if (f->type != TABLE_STRING && f->type != TABLE_BYTES && f->type != TABLE_RECORDS)
		return memcmp(a, b, table_size(f)) == 0;
	/* A records field begins with its bytes, and a str is laid out like bytes. */
	const struct bytes *x = a, *y = b;
	if (x->len != y->len || (x->ptr == NULL) != (y->ptr == NULL))
		return false;
	return x->len == 0 || memcmp(x->ptr, y->ptr, x->len) == 0;
}

static bool table_arrays_equal(const struct table_field *f, const char *a, const char *b, int depth)
{
	size_t len = *(const size_t *)(const void *)(a + f->len_offset);
	const char *x = *(char *const *)(const void *)(a + f->offset);
	const char *y = *(char *const *)(const void *)(b + f->offset);
	bool nulls = f->null_max >= f->null_min && (x == NULL) != (y == NULL);
	if (nulls || len != *(const size_t *)(const void *)(b + f->len_offset))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!table_values_equal(f, x + i * table_size(f), y + i * table_size(f), depth))
			return false;
	return true;
}

static bool table_pointers_equal(const struct table_field *f, const void *a, const void *b,
				 int depth)
{
	const void *x = *(void *const *)a, *y = *(void *const *)b;
	if (x == NULL || y == NULL)
		return x == y;
	return table_structs_equal(f->sub, x, y, depth + 1);
}

static bool table_structs_equal(const struct table_struct *s, const char *a, const char *b,
				int depth)
{
	must(depth < TABLE_DEPTH_MAX);
	bool equal = true;
	for (const struct table_field *f = s->fields; equal && f < s->fields + s->fields_len; f++) {
		if (f->is_array)
			equal = table_arrays_equal(f, a, b, depth);
		else if (table_is_pointer(f))
			equal = table_pointers_equal(f, a + f->offset, b + f->offset, depth);
		else
			equal = table_values_equal(f, a + f->offset, b + f->offset, depth);
	}
	return equal;
}

bool table_equal(const struct table_message *t, const void *a, const void *b)
{
	return table_structs_equal(t->root, a, b, 0);
}

/* -- printing ------------------------------------------------------------------------------- */

struct table_text {
	char *buf;
	size_t size, len;
	int version;
};

__attribute__((format(printf, 2, 3))) static void table_say(struct table_text *text,
							    const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text->buf + text->len, text->size - text->len, format, args);
	va_end(args);
	if (n > 0)
		text->len += (size_t)n;
	if (text->len > text->size - 1)
		text->len = text->size - 1;
}

/* What cannot be printed is shown as a dot: a log line stays one line. */
static void table_say_str(struct table_text *text, struct str s)
{
	char shown[PRINT_STR_MAX];
	size_t len = s.len < sizeof(shown) ? s.len : sizeof(shown);
	if (s.ptr == NULL) {
		table_say(text, "null");
		return;
	}
	for (size_t i = 0; i < len; i++)
		shown[i] =
		    (char)(s.ptr[i] >= ' ' && s.ptr[i] < 0x7f && s.ptr[i] != '"' ? s.ptr[i] : '.');
	table_say(text, "\"%.*s\"%s", (int)len, shown, s.len > len ? "..." : "");
}

static void table_say_uuid(struct table_text *text, struct uuid id)
{
	char shown[UUID_TEXT_LEN + 1];
	uuid_text(id, shown);
	table_say(text, "%s", shown);
}

static void table_say_scalar(struct table_text *text, const struct table_field *f, const void *at)
{
	switch (f->type) {
	case TABLE_BOOL:
		table_say(text, "%s", *(const bool *)at ? "true" : "false");
		break;
	case TABLE_INT8:
		table_say(text, "%d", *(const int8_t *)at);
		break;
	case TABLE_INT16:
		table_say(text, "%d", *(const int16_t *)at);
		break;
	case TABLE_UINT16:
		table_say(text, "%u", *(const uint16_t *)at);
		break;
	case TABLE_INT32:
		table_say(text, "%d", *(const int32_t *)at);
		break;
	case TABLE_UINT32:
		table_say(text, "%u", *(const uint32_t *)at);
		break;
	case TABLE_INT64:
		table_say(text, "%lld", (long long)*(const int64_t *)at);
		break;
	case TABLE_FLOAT64:
		table_say(text, "%g", *(const double *)at);
		break;
	case TABLE_UUID:
		table_say_uuid(text, *(const struct uuid *)at);
		break;
	case TABLE_STRING:
		table_say_str(text, *(const struct str *)at);
		break;
	case TABLE_BYTES:
	case TABLE_RECORDS:
		table_say(text, "<%zu bytes>", ((const struct bytes *)at)->len);
		break;
	case TABLE_STRUCT:
		never("a struct is not a scalar");
	}
}

static void table_say_struct(struct table_text *text, const struct table_struct *s, const char *m,
			     int depth);

static void table_say_value(struct table_text *text, const struct table_field *f, const void *at,
			    int depth)
{
	if (f->secret)
		table_say(text, "<secret>");
	else if (f->type == TABLE_STRUCT)
		table_say_struct(text, f->sub, at, depth + 1);
	else
		table_say_scalar(text, f, at);
}

static void table_say_array(struct table_text *text, const struct table_field *f, const char *m,
			    int depth)
{
	const char *all = *(char *const *)(const void *)(m + f->offset);
	size_t len = *(const size_t *)(const void *)(m + f->len_offset);
	if (all == NULL) {
		table_say(text, "null");
		return;
	}
	table_say(text, "[");
	for (size_t i = 0; i < len && i < PRINT_ARRAY_MAX; i++) {
		table_say(text, i > 0 ? ", " : "");
		table_say_value(text, f, all + i * table_size(f), depth);
	}
	if (len > PRINT_ARRAY_MAX)
		table_say(text, ", ... %zu in all", len);
	table_say(text, "]");
}

static void table_say_field(struct table_text *text, const struct table_field *f, const char *m,
			    int depth)
{
	const void *at = m + f->offset;
	if (f->is_array)
		table_say_array(text, f, m, depth);
	else if (!table_is_pointer(f))
		table_say_value(text, f, at, depth);
	else if (*(void *const *)at == NULL)
		table_say(text, "null");
	else
		table_say_value(text, f, *(void *const *)at, depth);
}

static void table_say_struct(struct table_text *text, const struct table_struct *s, const char *m,
			     int depth)
{
	must(depth < TABLE_DEPTH_MAX);
	const char *between = "";
	table_say(text, "{");
	for (const struct table_field *f = s->fields; f < s->fields + s->fields_len; f++) {
		if (!table_has(f, text->version))
			continue;
		table_say(text, "%s%s: ", between, f->name);
		table_say_field(text, f, m, depth);
		between = ", ";
	}
	table_say(text, "}");
}

size_t table_print(const struct table_message *t, const void *m, int version, char *buf,
		   size_t size)
{
	struct table_text text = {buf, size, 0, version};
	must(size > 0);
	buf[0] = 0;
	table_say_struct(&text, t->root, m, 0);
	return text.len;
}

size_t table_trace(enum table_kind kind, int16_t key, int16_t version, struct rd body, char *buf,
		   size_t size)
{
	const struct table_message *t = table_find(kind, key);
	struct table_text text = {buf, size, 0, version};
	struct arena arena;
	must(size > 0);
	buf[0] = 0;
	if (t == NULL) {
		table_say(&text, "unknown API %d", key);
		return text.len;
	}
	arena_init(&arena, TRACE_ARENA_BYTES);
	void *m = arena_alloc(&arena, t->root->size);
	enum err err = m != NULL ? table_decode(t, m, &body, version, &arena) : ERR_NOMEM;
	table_say(&text, "%s v%d ", t->name, version);
	if (err == ERR_OK)
		text.len += table_print(t, m, version, buf + text.len, size - text.len);
	else
		table_say(&text, "not readable: %s", err_name(err));
	arena_fini(&arena);
	return text.len;
}

/* NOLINTEND(misc-no-recursion) */
