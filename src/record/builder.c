/* Building batches: records go straight behind 61 bytes kept free for the header. */
#include "record/builder.h"

const struct builder_options builder_options_default = {
    .leader_epoch = -1,
    .level = CODEC_LEVEL_DEFAULT,
    .producer_id = BATCH_NO_PRODUCER_ID,
    .producer_epoch = -1,
    .base_sequence = BATCH_NO_SEQUENCE,
};

void builder_init(struct builder *builder, struct wr *out, const struct builder_options *options)
{
	*builder = (struct builder){
	    .out = out,
	    .options = *options,
	    .start = out->len_bytes,
	    .max_timestamp = BATCH_NO_TIMESTAMP,
	    .next_offset = options->base_offset,
	};
	(void)wr_room(out, BATCH_HEADER_BYTES);
}

static size_t uvarint_size(uint64_t v)
{
	return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

static size_t varlong_size(int64_t v)
{
	return uvarint_size(((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

static size_t bytes_size(struct bytes b)
{
	return b.ptr == NULL ? 1 : varlong_size((int64_t)b.len) + b.len;
}

static void write_bytes(struct wr *out, struct bytes b)
{
	wr_varint(out, b.ptr == NULL ? -1 : (int32_t)b.len);
	wr_raw(out, b);
}

static struct bytes key_bytes(const struct record_header *header)
{
	return (struct bytes){(const uint8_t *)header->key.ptr, header->key.len};
}

static size_t headers_size(const struct record_header *headers, size_t headers_len)
{
	size_t size = varlong_size((int64_t)headers_len);

	for (size_t i = 0; i < headers_len; i++)
		size += bytes_size(key_bytes(&headers[i])) + bytes_size(headers[i].value);
	return size;
}

static void note_timestamp(struct builder *builder, int64_t timestamp)
{
	if (builder->records_count == 0)
		builder->base_timestamp = timestamp;
	if (timestamp > builder->max_timestamp)
		builder->max_timestamp = timestamp;
}

void builder_add(struct builder *builder, int64_t timestamp, struct bytes key, struct bytes value,
		 const struct record_header *headers, size_t headers_len)
{
	struct wr *out = builder->out;
	int64_t offset_delta = builder->next_offset - builder->options.base_offset;

	must(offset_delta >= 0 && offset_delta < INT32_MAX);
	must(key.len <= INT32_MAX && value.len <= INT32_MAX);
	note_timestamp(builder, timestamp);
	int64_t delta = timestamp - builder->base_timestamp;
	size_t size = 1 + varlong_size(delta) + varlong_size(offset_delta) + bytes_size(key) +
		      bytes_size(value) + headers_size(headers, headers_len);
	wr_varint(out, (int32_t)size);
	wr_int8(out, 0);
	wr_varlong(out, delta);
	wr_varint(out, (int32_t)offset_delta);
	write_bytes(out, key);
	write_bytes(out, value);
	wr_varint(out, (int32_t)headers_len);
	for (size_t i = 0; i < headers_len; i++) {
		write_bytes(out, key_bytes(&headers[i]));
		write_bytes(out, headers[i].value);
	}
	builder->records_count++;
	builder->next_offset++;
}

void builder_skip_to(struct builder *builder, int64_t offset)
{
	must(offset >= builder->next_offset);
	builder->next_offset = offset;
}

size_t builder_size_bytes(const struct builder *builder)
{
	return builder->out->len_bytes - builder->start;
}

static void fill_header(const struct builder *builder, struct batch_header *header)
{
	const struct builder_options *o = &builder->options;

	*header = (struct batch_header){
	    .base_offset = o->base_offset,
	    .leader_epoch = o->leader_epoch,
	    .attributes = (int16_t)((int)o->codec | (int)o->timestamp_type << 3 |
				    (o->transactional ? 16 : 0) | (o->control ? 32 : 0)),
	    .last_offset_delta = (int32_t)(builder->next_offset - 1 - o->base_offset),
	    .base_timestamp = builder->base_timestamp,
	    .max_timestamp = builder->max_timestamp,
	    .producer_id = o->producer_id,
	    .producer_epoch = o->producer_epoch,
	    .base_sequence = o->base_sequence,
	    .records_count = builder->records_count,
	    .size_bytes = builder_size_bytes(builder),
	};
}

/* Puts the compressed records behind the plain ones, then moves them to their place. */
static enum err compress_records(struct builder *builder, struct codec_scratch *scratch)
{
	struct wr *out = builder->out, packed;
	size_t at = builder->start + BATCH_HEADER_BYTES;
	struct bytes plain = {out->buf + at, out->len_bytes - at};

	wr_init(&packed, out->cap_bytes);
	enum err err =
	    codec_compress(scratch, builder->options.codec, builder->options.level, plain, &packed);
	if (err == ERR_OK) {
		out->len_bytes = at;
		wr_raw(out, wr_written(&packed));
		err = out->err;
	}
	wr_fini(&packed);
	return err;
}

enum err builder_finish(struct builder *builder, struct codec_scratch *scratch)
{
	struct batch_header header;
	struct wr *out = builder->out;

	if (out->err != ERR_OK)
		return out->err;
	if (builder->records_count == 0)
		return ERR_MALFORMED;
	if (builder->options.codec != CODEC_NONE) {
		enum err err = compress_records(builder, scratch);
		if (err != ERR_OK)
			return err;
	}
	fill_header(builder, &header);
	if (header.size_bytes > INT32_MAX)
		return ERR_MESSAGE_TOO_LARGE;
	batch_header_write(out->buf + builder->start, &header);
	return ERR_OK;
}
