/*
 * What DescribeConfigs shows: each setting's value, where it comes from, and the settings behind
 * it.
 *
 * Kafka's rules, found by asking it: the layers are this broker's records, those of all brokers,
 * the file and the defaults; a setting is listed with all names that can stand for it
 * (log.retention.ms, .minutes, .hours), layer by layer, and what comes before the first entry of
 * its own name is dropped. A topic's or a group's own value stands before those of the broker's
 * first name. A name that nobody knows is shown without its value, as if it were a password.
 */
#include "meta/config_impl.h"
#include "meta/image.h"

#include <stdlib.h>

#define NAMES_MAX    4
#define SYNONYMS_MAX (1 + 4 * NAMES_MAX)
#define UNKNOWNS_MAX 4096 /* names that the table does not know, of one resource */
#define LAYERS	     4

struct names {
	struct str names[NAMES_MAX];
	size_t len;
};

/* What is set for one resource, in the order of names: gathered once, then asked often. */
struct records {
	struct image_config *entries;
	size_t len;
};

struct describe {
	const struct config *cfg;
	const struct image *image;
	struct records broker, cluster; /* this broker's, and those of all brokers */
	struct records own;		/* a topic's, group's or subscription's */
	struct arena *arena;
	struct config_value *values;
	size_t len, size;
	struct config_synonym synonyms[SYNONYMS_MAX]; /* of the value that is being made */
};

/* -- synonyms ---------------------------------------------------------------------------------- */

static struct str static_value(const struct config *cfg, struct str name)
{
	enum config_id id = config_find(CONFIG_RESOURCE_BROKER, name);

	if (id != CONFIG_NONE)
		return cfg->cells[id].set ? cfg->cells[id].raw : STR_NULL;
	for (const struct config_extra *extra = cfg->extras; extra != NULL; extra = extra->next)
		if (str_eq(extra->name, name))
			return extra->raw;
	return STR_NULL;
}

static struct str record_value(const struct records *records, struct str name)
{
	size_t low = 0, high = records->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = str_cmp(name, records->entries[mid].key);
		if (order == 0)
			return records->entries[mid].value;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return STR_NULL;
}

static struct str layer_value(const struct describe *d, int layer, struct str name)
{
	enum config_id id;

	switch (layer) {
	case 0:
		return record_value(&d->broker, name);
	case 1:
		return record_value(&d->cluster, name);
	case 2:
		return static_value(d->cfg, name);
	default:
		id = config_find(CONFIG_RESOURCE_BROKER, name);
		return id == CONFIG_NONE ? STR_NULL : str_of(config_rows[id].value_default);
	}
}

static const enum config_source layer_sources[LAYERS] = {CONFIG_SOURCE_BROKER,
							 CONFIG_SOURCE_BROKER_DEFAULT,
							 CONFIG_SOURCE_STATIC,
							 CONFIG_SOURCE_DEFAULT};

/* The names that can stand for a broker's setting, itself among them. */
static struct names names_of(enum config_id id)
{
	struct names names = {.names = {str_of(config_rows[id].name)}, .len = 1};
	enum config_id first, end;

	config_range(CONFIG_RESOURCE_TOPIC, &first, &end);
	for (enum config_id topic = first; topic < end; topic++) {
		const enum config_id *synonyms = config_rows[topic].synonyms;
		bool member = false;
		if (synonyms[1] == CONFIG_NONE)
			continue;
		for (size_t i = 0; i < CONFIG_SYNONYMS_MAX; i++)
			member |= synonyms[i] == id;
		if (!member)
			continue;
		names.len = 0;
		for (size_t i = 0; i < CONFIG_SYNONYMS_MAX && synonyms[i] != CONFIG_NONE; i++)
			names.names[names.len++] = str_of(config_rows[synonyms[i]].name);
		break;
	}
	return names;
}

static void synonym_add(struct config_value *value, struct str name, struct str text,
			enum config_source source)
{
	must(value->synonyms_len < SYNONYMS_MAX);
	value->synonyms[value->synonyms_len++] =
	    (struct config_synonym){.name = name,
				    .value = value->sensitive ? STR_NULL : text,
				    .source = source};
}

/* Appends what the layers hold under `names`, from the first entry called `name` on. */
static void add_layers(const struct describe *d, struct config_value *value, struct str name,
		       const struct names *names)
{
	bool begun = false;

	for (int layer = 0; layer < LAYERS; layer++) {
		for (size_t i = 0; i < names->len; i++) {
			struct str text = layer_value(d, layer, names->names[i]);
			if (text.ptr == NULL)
				continue;
			begun = begun || str_eq(names->names[i], name);
			if (!begun)
				continue;
			synonym_add(value, names->names[i], text, layer_sources[layer]);
		}
	}
}

/* Begins the next value; value_end ends it. Its synonyms are gathered in d until then. */
static struct config_value *value_begin(struct describe *d, enum config_id id, struct str name)
{
	struct config_value *value = &d->values[d->len];
	const struct config_row *row = id != CONFIG_NONE ? &config_rows[id] : NULL;

	must(d->len < d->size);
	*value = (struct config_value){.name = name,
				       .id = id,
				       .type = row != NULL ? (int8_t)row->type : 0,
				       .source = CONFIG_SOURCE_DEFAULT,
				       .doc = row != NULL ? row->doc : NULL};
	value->sensitive = row == NULL || row->type == CONFIG_TYPE_PASSWORD;
	value->synonyms = d->synonyms;
	return value;
}

static bool value_end(struct describe *d, struct config_value *value)
{
	value->synonyms = arena_array(d->arena, value->synonyms_len, sizeof(*value->synonyms));
	if (value->synonyms == NULL && value->synonyms_len > 0)
		return false;
	if (value->synonyms_len > 0)
		memcpy(value->synonyms, d->synonyms,
		       value->synonyms_len * sizeof(*value->synonyms));
	d->len++;
	return true;
}

/* The value is the best synonym's of that name, else the table's default. */
static void value_from_synonyms(struct describe *d, struct config_value *value, enum config_id id)
{
	if (value->synonyms_len > 0) {
		value->source = value->synonyms[0].source;
		value->value = value->synonyms[0].value;
	}
	if (id != CONFIG_NONE)
		value->value = config_canonical(id, value->value, d->arena);
	if (value->sensitive)
		value->value = STR_NULL;
}

/* -- brokers ------------------------------------------------------------------------------- */

static bool is_set_anywhere(const struct describe *d, struct str name)
{
	for (int layer = 0; layer + 1 < LAYERS; layer++)
		if (layer_value(d, layer, name).ptr != NULL)
			return true;
	return false;
}

static bool describe_row(struct describe *d, enum config_id id)
{
	const struct config_row *row = &config_rows[id];
	struct names names = names_of(id);
	struct config_value *value;

	if (row->hidden && !is_set_anywhere(d, str_of(row->name)))
		return true;
	value = value_begin(d, id, str_of(row->name));
	value->read_only = row->update == CONFIG_READ_ONLY;
	add_layers(d, value, value->name, &names);
	value_from_synonyms(d, value, id);
	return value_end(d, value);
}

/* A name that is not in the table, but perhaps a listener's own of one that is. */
static bool describe_unknown(struct describe *d, struct str name)
{
	enum config_id base = config_find_prefixed(name);
	struct names names = {.names = {name}, .len = 1};
	struct config_value *value = value_begin(d, base, name);

	if (base != CONFIG_NONE)
		names.names[names.len++] = str_of(config_rows[base].name);
	value->id = CONFIG_NONE;
	value->read_only = true;
	add_layers(d, value, name, &names);
	value_from_synonyms(d, value, base);
	return value_end(d, value);
}

static int compare_value(const void *a, const void *b)
{
	return str_cmp(((const struct config_value *)a)->name,
		       ((const struct config_value *)b)->name);
}

static void collect_records(const struct records *records, struct str *names, size_t *len)
{
	for (size_t i = 0; i < records->len && *len < UNKNOWNS_MAX; i++)
		if (config_find(CONFIG_RESOURCE_BROKER, records->entries[i].key) == CONFIG_NONE)
			names[(*len)++] = records->entries[i].key;
}

/* Sorted, each once. */
static size_t collect_unknown(const struct describe *d, struct str *names)
{
	size_t len = 0;

	for (const struct config_extra *extra = d->cfg->extras; extra != NULL && len < UNKNOWNS_MAX;
	     extra = extra->next)
		names[len++] = extra->name;
	collect_records(&d->broker, names, &len);
	collect_records(&d->cluster, names, &len);
	return str_sort_unique(names, len);
}

static bool values_alloc(struct describe *d, size_t size)
{
	d->values = arena_array(d->arena, size, sizeof(*d->values));
	d->size = size;
	return d->values != NULL;
}

static enum err describe_broker(struct describe *d)
{
	struct str *unknown = malloc(UNKNOWNS_MAX * sizeof(*unknown));
	enum config_id first, end;
	size_t unknown_len;
	bool ok;

	if (unknown == NULL)
		return ERR_NOMEM;
	config_range(CONFIG_RESOURCE_BROKER, &first, &end);
	unknown_len = collect_unknown(d, unknown);
	ok = values_alloc(d, (size_t)(end - first) + unknown_len);
	for (enum config_id id = first; ok && id < end; id++)
		ok = describe_row(d, id);
	for (size_t i = 0; ok && i < unknown_len; i++)
		ok = describe_unknown(d, unknown[i]);
	free(unknown);
	if (!ok)
		return ERR_NOMEM;
	if (unknown_len > 0)
		qsort(d->values, d->len, sizeof(*d->values), compare_value);
	return ERR_OK;
}

/* The default of all brokers: only what was set. */
static enum err describe_cluster(struct describe *d)
{
	if (d->cluster.len == 0)
		return ERR_OK;
	if (!values_alloc(d, d->cluster.len))
		return ERR_NOMEM;
	for (size_t i = 0; i < d->cluster.len; i++) {
		const struct image_config *entry = &d->cluster.entries[i];
		enum config_id id = config_find(CONFIG_RESOURCE_BROKER, entry->key);
		struct config_value *value = value_begin(d, id, entry->key);
		value->read_only = id == CONFIG_NONE || config_rows[id].update == CONFIG_READ_ONLY;
		synonym_add(value, entry->key, entry->value, CONFIG_SOURCE_BROKER_DEFAULT);
		value_from_synonyms(d, value, id);
		if (!value_end(d, value))
			return ERR_NOMEM;
	}
	return ERR_OK;
}

/* -- topics, groups, client metrics -------------------------------------------------------- */

static bool topic_number(enum config_id id, const struct topic_config *config, int64_t *number)
{
	switch ((int)id) {
	case TOPIC_CONFIG_RETENTION_MS:
		*number = config->retention_ms;
		return true;
	case TOPIC_CONFIG_SEGMENT_MS:
		*number = config->segment_ms;
		return true;
	case TOPIC_CONFIG_SEGMENT_JITTER_MS:
		*number = config->segment_jitter_ms;
		return true;
	case TOPIC_CONFIG_FLUSH_MS:
		*number = config->flush_ms;
		return true;
	default:
		return false;
	}
}

/* What the broker's settings give where the resource has no value of its own. */
static void inherit(struct describe *d, struct config_value *value,
		    const struct topic_config *topic)
{
	const struct config_row *row = &config_rows[value->id];
	int64_t number;

	if (value->synonyms_len > 0)
		value->source = value->synonyms[0].source;
	if (topic != NULL && topic_number(value->id, topic, &number))
		value->value = arena_printf(d->arena, "%lld", (long long)number);
	else if (value->synonyms_len > 0)
		value->value = config_canonical(value->id, value->synonyms[0].value, d->arena);
	else
		value->value = str_of(row->value_default);
}

static bool describe_inheriting(struct describe *d, enum config_id id,
				enum config_source own_source, const struct topic_config *topic)
{
	const struct config_row *row = &config_rows[id];
	struct str name = str_of(row->name), own = record_value(&d->own, name);
	struct config_value *value;

	if (row->hidden && own.ptr == NULL)
		return true;
	value = value_begin(d, id, name);
	if (own.ptr != NULL) {
		own = config_canonical(id, own, d->arena);
		synonym_add(value, name, own, own_source);
	}
	if (row->synonyms[0] != CONFIG_NONE) {
		struct names names = names_of(row->synonyms[0]);
		add_layers(d, value, str_of(config_rows[row->synonyms[0]].name), &names);
	} else if (row->resource == CONFIG_RESOURCE_GROUP && own.ptr == NULL) {
		synonym_add(value, name, str_of(row->value_default), CONFIG_SOURCE_DEFAULT);
	}
	if (own.ptr != NULL)
		value_from_synonyms(d, value, id);
	else
		inherit(d, value, topic);
	return value_end(d, value);
}

/*
 * Kafka answers a topic's settings in the order of a hash map, and kafka-topics --describe prints
 * them in the order of another one, which keeps the first where names collide. So that it prints
 * the same here, they are answered in Kafka's order.
 */
static const enum config_id topic_order[] = {
    TOPIC_CONFIG_INTERNAL_SEGMENT_BYTES,
    TOPIC_CONFIG_COMPRESSION_TYPE,
    TOPIC_CONFIG_REMOTE_LOG_DELETE_ON_DISABLE,
    TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS,
    TOPIC_CONFIG_REMOTE_STORAGE_ENABLE,
    TOPIC_CONFIG_MIN_INSYNC_REPLICAS,
    TOPIC_CONFIG_SEGMENT_JITTER_MS,
    TOPIC_CONFIG_REMOTE_LOG_COPY_DISABLE,
    TOPIC_CONFIG_LOCAL_RETENTION_MS,
    TOPIC_CONFIG_CLEANUP_POLICY,
    TOPIC_CONFIG_FLUSH_MS,
    TOPIC_CONFIG_FOLLOWER_REPLICATION_THROTTLED_REPLICAS,
    TOPIC_CONFIG_COMPRESSION_LZ4_LEVEL,
    TOPIC_CONFIG_SEGMENT_BYTES,
    TOPIC_CONFIG_RETENTION_MS,
    TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL,
    TOPIC_CONFIG_FLUSH_MESSAGES,
    TOPIC_CONFIG_COMPRESSION_ZSTD_LEVEL,
    TOPIC_CONFIG_MAX_COMPACTION_LAG_MS,
    TOPIC_CONFIG_FILE_DELETE_DELAY_MS,
    TOPIC_CONFIG_MAX_MESSAGE_BYTES,
    TOPIC_CONFIG_MIN_COMPACTION_LAG_MS,
    TOPIC_CONFIG_MESSAGE_TIMESTAMP_TYPE,
    TOPIC_CONFIG_LOCAL_RETENTION_BYTES,
    TOPIC_CONFIG_PREALLOCATE,
    TOPIC_CONFIG_INDEX_INTERVAL_BYTES,
    TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO,
    TOPIC_CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE,
    TOPIC_CONFIG_RETENTION_BYTES,
    TOPIC_CONFIG_DELETE_RETENTION_MS,
    TOPIC_CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS,
    TOPIC_CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS,
    TOPIC_CONFIG_SEGMENT_MS,
    TOPIC_CONFIG_SEGMENT_INDEX_BYTES,
};

static enum config_id row_at(enum config_resource resource, enum config_id first, size_t i)
{
	return resource == CONFIG_RESOURCE_TOPIC ? topic_order[i] : first + (enum config_id)i;
}

static enum err describe_all(struct describe *d, enum config_resource resource,
			     struct str resource_name, enum config_source own_source)
{
	struct topic_config topic;
	enum config_id first, end;

	if (resource == CONFIG_RESOURCE_TOPIC)
		topic_config_resolve(d->cfg, d->image, resource_name, &topic);
	config_range(resource, &first, &end);
	if (!values_alloc(d, (size_t)(end - first)))
		return ERR_NOMEM;
	must(resource != CONFIG_RESOURCE_TOPIC || ARRAY_LEN(topic_order) == (size_t)(end - first));
	for (size_t i = 0; i < (size_t)(end - first); i++)
		if (!describe_inheriting(d, row_at(resource, first, i), own_source,
					 resource == CONFIG_RESOURCE_TOPIC ? &topic : NULL))
			return ERR_NOMEM;
	return ERR_OK;
}

static bool records_gather(const struct describe *d, enum config_resource resource,
			   struct str resource_name, struct records *out)
{
	enum image_config_type type = (enum image_config_type)resource;
	struct image_config entry = {.key = STR_NULL};
	size_t count = 0;

	*out = (struct records){0};
	if (d->image == NULL)
		return true;
	while (count < UNKNOWNS_MAX &&
	       image_config_next(d->image, type, resource_name, entry.key, &entry))
		count++;
	if (count == 0)
		return true;
	out->entries = arena_array(d->arena, count, sizeof(*out->entries));
	if (out->entries == NULL)
		return false;
	entry.key = STR_NULL;
	while (out->len < count &&
	       image_config_next(d->image, type, resource_name, entry.key, &entry))
		out->entries[out->len++] = entry;
	return true;
}

enum err config_describe(const struct config *cfg, const struct image *image,
			 enum config_resource resource, struct str resource_name,
			 struct arena *arena, struct config_value **values, size_t *values_len)
{
	struct describe d = {.cfg = cfg, .image = image, .arena = arena};
	enum err err = ERR_OK;

	*values = NULL;
	*values_len = 0;
	must_be(cfg, CONFIG_MAGIC);
	must(cfg->finished);
	if (!records_gather(&d, CONFIG_RESOURCE_BROKER, cfg->node_id_text, &d.broker) ||
	    !records_gather(&d, CONFIG_RESOURCE_BROKER, STR(""), &d.cluster) ||
	    (resource != CONFIG_RESOURCE_BROKER &&
	     !records_gather(&d, resource, resource_name, &d.own)))
		return ERR_NOMEM;
	switch (resource) {
	case CONFIG_RESOURCE_BROKER:
		err = resource_name.len == 0 ? describe_cluster(&d) : describe_broker(&d);
		break;
	case CONFIG_RESOURCE_TOPIC:
		err = describe_all(&d, resource, resource_name, CONFIG_SOURCE_TOPIC);
		break;
	case CONFIG_RESOURCE_GROUP:
		err = describe_all(&d, resource, resource_name, CONFIG_SOURCE_GROUP);
		break;
	case CONFIG_RESOURCE_METRICS:
		err = describe_all(&d, resource, resource_name, CONFIG_SOURCE_METRICS);
		break;
	case CONFIG_RESOURCE_LOGGER:
		never("loggers are not settings");
	}
	if (err == ERR_OK && arena->failed)
		err = ERR_NOMEM;
	if (err == ERR_OK) {
		*values = d.values;
		*values_len = d.len;
	}
	return err;
}
