/*
 * A topic's effective settings, as the log, the partition and the handlers use them.
 *
 * They are layered: the broker's settings at start give a base that is worked out once; the few
 * dynamic settings of the cluster, of this broker and of the topic are laid over it, by walking
 * those that are set. So the cost does not grow with the number of rows in the table.
 */
#include "meta/config_impl.h"
#include "meta/image.h"

#include <stdio.h>

static unsigned cleanup_of(struct str text)
{
	unsigned cleanup = 0;
	struct str entry;
	size_t pos = 0;

	while (config_list_next(text, &pos, &entry))
		cleanup |=
		    str_eq(entry, STR("compact")) ? TOPIC_CLEANUP_COMPACT : TOPIC_CLEANUP_DELETE;
	return cleanup;
}

static enum topic_compression compression_of(struct str text)
{
	static const struct {
		const char *name;
		enum topic_compression type;
	} names[] = {
	    {"uncompressed", TOPIC_COMPRESSION_NONE}, {"gzip", TOPIC_COMPRESSION_GZIP},
	    {"snappy", TOPIC_COMPRESSION_SNAPPY},     {"lz4", TOPIC_COMPRESSION_LZ4},
	    {"zstd", TOPIC_COMPRESSION_ZSTD},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(text, str_of(names[i].name)))
			return names[i].type;
	return TOPIC_COMPRESSION_PRODUCER;
}

/* Where numbers go. Rows that nothing here acts on (remote storage, throttles) have no field. */
#define FIELD(row, field)                                                 \
	{                                                                 \
		TOPIC_CONFIG_##row, offsetof(struct topic_config, field), \
		    sizeof(((struct topic_config *)0)->field)             \
	}
static const struct field {
	enum config_id id;
	size_t offset, size;
} fields[] = {
    FIELD(SEGMENT_BYTES, segment_bytes),
    FIELD(INTERNAL_SEGMENT_BYTES, segment_bytes),
    FIELD(SEGMENT_MS, segment_ms),
    FIELD(SEGMENT_JITTER_MS, segment_jitter_ms),
    FIELD(SEGMENT_INDEX_BYTES, segment_index_bytes),
    FIELD(INDEX_INTERVAL_BYTES, index_interval_bytes),
    FIELD(RETENTION_MS, retention_ms),
    FIELD(RETENTION_BYTES, retention_bytes),
    FIELD(MAX_MESSAGE_BYTES, max_message_bytes),
    FIELD(MESSAGE_TIMESTAMP_BEFORE_MAX_MS, timestamp_before_max_ms),
    FIELD(MESSAGE_TIMESTAMP_AFTER_MAX_MS, timestamp_after_max_ms),
    FIELD(COMPRESSION_GZIP_LEVEL, gzip_level),
    FIELD(COMPRESSION_LZ4_LEVEL, lz4_level),
    FIELD(COMPRESSION_ZSTD_LEVEL, zstd_level),
    FIELD(FLUSH_MESSAGES, flush_messages),
    FIELD(FLUSH_MS, flush_ms),
    FIELD(MIN_INSYNC_REPLICAS, min_insync_replicas),
    FIELD(UNCLEAN_LEADER_ELECTION_ENABLE, unclean_leader_election),
    FIELD(PREALLOCATE, preallocate),
    FIELD(FILE_DELETE_DELAY_MS, file_delete_delay_ms),
    FIELD(DELETE_RETENTION_MS, delete_retention_ms),
    FIELD(MIN_COMPACTION_LAG_MS, min_compaction_lag_ms),
    FIELD(MAX_COMPACTION_LAG_MS, max_compaction_lag_ms),
};

static void put_field(struct topic_config *out, const struct field *field, int64_t number)
{
	void *to = (char *)out + field->offset;

	if (field->size == sizeof(bool))
		*(bool *)to = number != 0;
	else if (field->size == sizeof(int32_t))
		*(int32_t *)to = (int32_t)number;
	else
		*(int64_t *)to = number;
}

static void put_number(struct topic_config *out, enum config_id id, int64_t number)
{
	/* -1 is "without end", and so is anything below it. */
	if ((id == TOPIC_CONFIG_RETENTION_MS || id == TOPIC_CONFIG_RETENTION_BYTES) && number < 0)
		number = -1;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].id == id)
			put_field(out, &fields[i], number);
}

/* `id` is a topic's row. A value that the row does not take is passed over: it never got here by
 * us. */
static void put(struct topic_config *out, enum config_id id, struct str value)
{
	char message[CONFIG_MESSAGE_SIZE];
	struct config_parsed parsed;

	if (value.ptr == NULL || config_parse(id, value, &parsed, message) != ERR_OK)
		return;
	value = str_trim(value);
	switch ((int)id) {
	case TOPIC_CONFIG_CLEANUP_POLICY:
		out->cleanup = cleanup_of(value);
		break;
	case TOPIC_CONFIG_COMPRESSION_TYPE:
		out->compression = compression_of(value);
		break;
	case TOPIC_CONFIG_MESSAGE_TIMESTAMP_TYPE:
		out->log_append_time = str_eq(value, STR("LogAppendTime"));
		break;
	case TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO:
		out->min_cleanable_dirty_ratio = parsed.real;
		break;
	default:
		put_number(out, id, parsed.number);
		break;
	}
}

/* The topic's row behind which the broker's stands first; CONFIG_NONE for most. */
static enum config_id topic_row_of(enum config_id broker_row)
{
	enum config_id first, end;

	config_range(CONFIG_RESOURCE_TOPIC, &first, &end);
	for (enum config_id id = first; id < end; id++)
		if (config_rows[id].synonyms[0] == broker_row)
			return id;
	return CONFIG_NONE;
}

void config_topic_base(const struct config *cfg, struct topic_config *out)
{
	enum config_id first, end;

	*out = (struct topic_config){0};
	config_range(CONFIG_RESOURCE_TOPIC, &first, &end);
	for (enum config_id id = first; id < end; id++) {
		enum config_id broker_row = config_rows[id].synonyms[0];
		put(out, id,
		    broker_row != CONFIG_NONE ? config_str(cfg, broker_row)
					      : str_of(config_rows[id].value_default));
	}
	/* These come from several settings. */
	out->retention_ms = config_log_retention_ms(cfg);
	out->segment_ms = config_log_roll_ms(cfg);
	out->segment_jitter_ms = config_log_roll_jitter_ms(cfg);
	out->flush_ms = config_log_flush_interval_ms(cfg);
}

/* Lays over it what is set for a broker, or for all of them when name is empty. */
static void put_broker(const struct image *image, struct str name, struct topic_config *out)
{
	struct image_config entry = {.key = STR_NULL};

	while (image_config_next(image, IMAGE_CONFIG_BROKER, name, entry.key, &entry)) {
		enum config_id id = config_find(CONFIG_RESOURCE_BROKER, entry.key);
		enum config_id topic_row = id != CONFIG_NONE ? topic_row_of(id) : CONFIG_NONE;
		if (topic_row != CONFIG_NONE && config_rows[id].update != CONFIG_READ_ONLY)
			put(out, topic_row, entry.value);
	}
}

void topic_config_resolve(const struct config *cfg, const struct image *image, struct str topic,
			  struct topic_config *out)
{
	struct image_config entry = {.key = STR_NULL};

	must_be(cfg, CONFIG_MAGIC);
	must(cfg->finished);
	*out = cfg->topic_base;
	if (image == NULL)
		return;
	put_broker(image, STR(""), out);
	put_broker(image, cfg->node_id_text, out);
	while (image_config_next(image, IMAGE_CONFIG_TOPIC, topic, entry.key, &entry)) {
		enum config_id id = config_find(CONFIG_RESOURCE_TOPIC, entry.key);
		if (id != CONFIG_NONE)
			put(out, id, entry.value);
	}
	/* For tests of Kafka's: smaller segments than segment.bytes allows. It wins where both are
	 * set. */
	put(out, TOPIC_CONFIG_INTERNAL_SEGMENT_BYTES,
	    image_config_get(image, IMAGE_CONFIG_TOPIC, topic,
			     str_of(config_rows[TOPIC_CONFIG_INTERNAL_SEGMENT_BYTES].name)));
}

enum err config_topic_check(struct str name, struct str value, char message[CONFIG_MESSAGE_SIZE])
{
	enum config_id id = config_find(CONFIG_RESOURCE_TOPIC, name);

	if (id == CONFIG_NONE) {
		snprintf(message, CONFIG_MESSAGE_SIZE, "Unknown topic config name: %.*s",
			 STR_ARG(name));
		return ERR_INVALID_CONFIG;
	}
	if (value.ptr == NULL) {
		snprintf(message, CONFIG_MESSAGE_SIZE,
			 "Null value not supported for topic configs: %s", config_rows[id].name);
		return ERR_INVALID_CONFIG;
	}
	return config_check(id, value, message);
}
