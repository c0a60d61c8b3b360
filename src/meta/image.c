/*
 * Reading an image, and its life as a whole: the references of its parts. How it is changed is in
 * image_edit.c; what the parts look like inside is shared by the two in image_parts.h.
 */
#include <stdlib.h>

#include "meta/image.h"
#include "meta/image_edit.h"
#include "meta/image_parts.h"

/* -- references of the parts ---------------------------------------------------------------- */

void image_part_unref(struct image_partition *part)
{
	if (part != NULL && --part->refs == 0)
		free(part);
}

void image_chunk_unref(struct image_chunk *chunk)
{
	if (chunk == NULL || --chunk->refs > 0)
		return;
	for (size_t i = 0; i < IMAGE_CHUNK_LEN; i++)
		image_part_unref(chunk->parts[i]);
	free(chunk);
}

struct image_topic *image_topic_ref(struct image_topic *topic)
{
	topic->refs++;
	return topic;
}

void image_topic_unref(struct image_topic *topic)
{
	if (--topic->refs > 0)
		return;
	for (size_t i = 0; i < topic->chunks_len; i++)
		image_chunk_unref(topic->chunks[i]);
	free(topic->chunks);
	free((char *)topic->name.ptr);
	free(topic);
}

static void topic_ref_value(void *value)
{
	image_topic_ref(value);
}

static void topic_unref_value(void *value)
{
	image_topic_unref(value);
}

static void text_ref_value(void *value)
{
	((struct image_text *)value)->refs++;
}

static void text_unref_value(void *value)
{
	struct image_text *text = value;

	if (--text->refs == 0)
		free(text);
}

static void resource_ref_value(void *value)
{
	((struct image_resource *)value)->refs++;
}

static void resource_unref_value(void *value)
{
	struct image_resource *resource = value;

	if (--resource->refs > 0)
		return;
	for (size_t i = 0; i < resource->entries_len; i++) {
		text_unref_value(resource->entries[i].key);
		text_unref_value(resource->entries[i].value);
	}
	free(resource);
}

static void feature_ref_value(void *value)
{
	((struct image_feature *)value)->refs++;
}

static void feature_unref_value(void *value)
{
	struct image_feature *feature = value;

	if (--feature->refs == 0)
		free(feature);
}

static void broker_ref_value(void *value)
{
	((struct image_broker *)value)->refs++;
}

static void broker_unref_value(void *value)
{
	struct image_broker *broker = value;

	if (--broker->refs > 0)
		return;
	arena_fini(&broker->arena);
	free(broker);
}

const struct pmap_ops image_collision_ops = {NULL, NULL};
const struct pmap_ops image_topic_ops = {topic_ref_value, topic_unref_value};
const struct pmap_ops image_text_ops = {text_ref_value, text_unref_value};
const struct pmap_ops image_resource_ops = {resource_ref_value, resource_unref_value};
const struct pmap_ops image_feature_ops = {feature_ref_value, feature_unref_value};
const struct pmap_ops image_broker_ops = {broker_ref_value, broker_unref_value};

/* -- the image as a whole ------------------------------------------------------------------- */

struct image *image_new(struct str cluster_id)
{
	struct image *img = calloc(1, sizeof(*img));
	char *copy = str_dup(cluster_id);

	if (img == NULL || copy == NULL) {
		free(img);
		free(copy);
		return NULL;
	}
	img->magic = IMAGE_MAGIC;
	img->refs = 1;
	img->edit = 1;
	img->cluster_id = (struct str){copy, cluster_id.len};
	img->offset = -1;
	return img;
}

struct image *image_fork(struct image *img)
{
	struct image *fork;
	char *copy;

	must_be(img, IMAGE_MAGIC);
	fork = malloc(sizeof(*fork));
	copy = str_dup(img->cluster_id);
	if (fork == NULL || copy == NULL) {
		free(fork);
		free(copy);
		return NULL;
	}
	*fork = *img;
	fork->refs = 1;
	fork->edit = img->edit + 1;
	fork->cluster_id.ptr = copy;
	pmap_ref(fork->topics_by_name);
	pmap_ref(fork->topics_by_id);
	pmap_ref(fork->collisions);
	pmap_ref(fork->brokers);
	pmap_ref(fork->features);
	pmap_ref(fork->configs);
	pmap_ref(fork->kept);
	return fork;
}

struct image *image_ref(struct image *img)
{
	must_be(img, IMAGE_MAGIC);
	img->refs++;
	return img;
}

void image_unref(struct image *img)
{
	if (img == NULL)
		return;
	must_be(img, IMAGE_MAGIC);
	if (--img->refs > 0)
		return;
	pmap_unref(img->topics_by_name, &image_topic_ops);
	pmap_unref(img->topics_by_id, &image_topic_ops);
	pmap_unref(img->collisions, &image_collision_ops);
	pmap_unref(img->brokers, &image_broker_ops);
	pmap_unref(img->features, &image_feature_ops);
	pmap_unref(img->configs, &image_resource_ops);
	pmap_unref(img->kept, &image_text_ops);
	free((char *)img->cluster_id.ptr);
	img->magic = 0;
	free(img);
}

/* -- topics and partitions ------------------------------------------------------------------ */

bool image_name_is_internal(struct str name)
{
	return str_eq(name, STR("__consumer_offsets")) ||
	       str_eq(name, STR("__transaction_state")) || str_eq(name, STR("__share_group_state"));
}

const struct image_topic *image_topic_by_name(const struct image *img, struct str name)
{
	return pmap_get(img->topics_by_name, (struct bytes){(const uint8_t *)name.ptr, name.len});
}

const struct image_topic *image_topic_by_id(const struct image *img, struct uuid id)
{
	return pmap_get(img->topics_by_id, (struct bytes){id.b, sizeof(id.b)});
}

size_t image_topics_len(const struct image *img)
{
	return pmap_len(img->topics_by_name);
}

const struct image_topic *image_topic_seek(const struct image *img, struct str from, bool after)
{
	struct bytes key = {(const uint8_t *)from.ptr, from.len};
	struct pmap_entry entry;

	return pmap_seek(img->topics_by_name, key, after, &entry) ? entry.value : NULL;
}

bool image_collision_key(struct image_collision_key *key, struct str name)
{
	bool collides = false;

	key->folded_len = 0;
	if (name.len > IMAGE_TOPIC_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		collides |= name.ptr[i] == '.' || name.ptr[i] == '_';
		key->b[i] = name.ptr[i] == '.' ? '_' : (uint8_t)name.ptr[i];
	}
	if (!collides)
		return false;
	key->b[name.len] = 0;
	memcpy(key->b + name.len + 1, name.ptr, name.len);
	key->folded_len = name.len + 1;
	key->len = 2 * name.len + 1;
	return true;
}

struct str image_topic_collision(const struct image *img, struct str name)
{
	struct image_collision_key key;
	struct pmap_entry entry;

	if (!image_collision_key(&key, name) ||
	    !pmap_seek(img->collisions, (struct bytes){key.b, key.folded_len}, false, &entry) ||
	    entry.key.len < key.folded_len || memcmp(entry.key.ptr, key.b, key.folded_len) != 0)
		return STR_NULL;
	return (struct str){(const char *)entry.key.ptr + key.folded_len,
			    entry.key.len - key.folded_len};
}

const struct image_partition *image_partition_find(const struct image *img, struct uuid topic_id,
						   int32_t idx)
{
	const struct image_topic *topic = image_topic_by_id(img, topic_id);

	return topic == NULL ? NULL : image_partition_at(topic, idx);
}

/* The int32 lists lie one behind the other, behind the directories. */
static struct image_ids ids_at(const struct image_partition *part, size_t skip, size_t len)
{
	const int32_t *first = (const int32_t *)&part->directories[part->replicas_len];

	return (struct image_ids){first + skip, len};
}

struct image_ids image_replicas(const struct image_partition *part)
{
	return ids_at(part, 0, part->replicas_len);
}

struct image_ids image_isr(const struct image_partition *part)
{
	return ids_at(part, part->replicas_len, part->isr_len);
}

struct image_ids image_removing(const struct image_partition *part)
{
	size_t skip = (size_t)part->replicas_len + part->isr_len;

	return ids_at(part, skip, part->removing_len);
}

struct image_ids image_adding(const struct image_partition *part)
{
	size_t skip = (size_t)part->replicas_len + part->isr_len + part->removing_len;

	return ids_at(part, skip, part->adding_len);
}

struct image_ids image_elr(const struct image_partition *part)
{
	size_t skip =
	    (size_t)part->replicas_len + part->isr_len + part->removing_len + part->adding_len;

	return ids_at(part, skip, part->elr_len);
}

struct image_ids image_last_known_elr(const struct image_partition *part)
{
	size_t skip = (size_t)part->replicas_len + part->isr_len + part->removing_len +
		      part->adding_len + part->elr_len;

	return ids_at(part, skip, part->last_known_elr_len);
}

/* -- brokers and features ------------------------------------------------------------------- */

struct image_id_key image_id_key(int32_t id)
{
	uint32_t v = (uint32_t)id ^ 0x80000000u; /* so that bytes sort as numbers do */

	return (struct image_id_key){
	    {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}};
}

const struct image_broker *image_broker_find(const struct image *img, int32_t id)
{
	struct image_id_key key = image_id_key(id);

	return pmap_get(img->brokers, (struct bytes){key.b, sizeof(key.b)});
}

const struct image_broker *image_broker_seek(const struct image *img, int32_t from)
{
	struct image_id_key key = image_id_key(from);
	struct pmap_entry entry;

	return pmap_seek(img->brokers, (struct bytes){key.b, sizeof(key.b)}, false, &entry)
		   ? entry.value
		   : NULL;
}

bool image_broker_has_dir(const struct image_broker *broker, struct uuid dir)
{
	if (uuid_eq(dir, IMAGE_DIR_MIGRATING) || uuid_eq(dir, IMAGE_DIR_UNASSIGNED))
		return true;
	for (size_t i = 0; i < broker->log_dirs_len; i++)
		if (uuid_eq(broker->log_dirs[i], dir))
			return true;
	return broker->log_dirs_len == 0 && !uuid_eq(dir, IMAGE_DIR_LOST);
}

const struct image_endpoint *image_broker_endpoint(const struct image_broker *broker,
						   struct str listener)
{
	for (size_t i = 0; i < broker->endpoints_len; i++)
		if (str_eq(broker->endpoints[i].listener, listener))
			return &broker->endpoints[i];
	return NULL;
}

int16_t image_feature_level(const struct image *img, struct str name)
{
	const struct image_feature *feature =
	    pmap_get(img->features, (struct bytes){(const uint8_t *)name.ptr, name.len});

	return feature == NULL ? 0 : feature->level;
}

const struct image_feature *image_feature_seek(const struct image *img, struct str from, bool after)
{
	struct bytes key = {(const uint8_t *)from.ptr, from.len};
	struct pmap_entry entry;

	return pmap_seek(img->features, key, after, &entry) ? entry.value : NULL;
}

/* -- configs -------------------------------------------------------------------------------- */

bool image_resource_key(struct image_resource_key *key, enum image_config_type type,
			struct str name)
{
	if (name.len > IMAGE_RESOURCE_NAME_MAX)
		return false;
	key->b[0] = (uint8_t)type;
	if (name.len > 0)
		memcpy(key->b + 1, name.ptr, name.len);
	key->len = name.len + 1;
	return true;
}

const struct image_resource *image_resource_find(const struct image *img,
						 enum image_config_type type, struct str name)
{
	struct image_resource_key key;

	if (!image_resource_key(&key, type, name))
		return NULL;
	return pmap_get(img->configs, (struct bytes){key.b, key.len});
}

/* The first entry whose key is >= `key`; entries_len at the end. */
size_t image_resource_at(const struct image_resource *resource, struct str key)
{
	size_t low = 0, high = resource->entries_len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (str_cmp(image_text_str(resource->entries[mid].key), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct str image_config_get(const struct image *img, enum image_config_type type, struct str name,
			    struct str key)
{
	const struct image_resource *resource = image_resource_find(img, type, name);
	size_t at;

	if (resource == NULL)
		return STR_NULL;
	at = image_resource_at(resource, key);
	if (at == resource->entries_len || !str_eq(image_text_str(resource->entries[at].key), key))
		return STR_NULL;
	return image_text_str(resource->entries[at].value);
}

bool image_config_next(const struct image *img, enum image_config_type type, struct str name,
		       struct str key, struct image_config *out)
{
	const struct image_resource *resource = image_resource_find(img, type, name);
	size_t at = 0;

	if (resource == NULL)
		return false;
	if (key.ptr != NULL) {
		at = image_resource_at(resource, key);
		if (at < resource->entries_len &&
		    str_eq(image_text_str(resource->entries[at].key), key))
			at++;
	}
	if (at == resource->entries_len)
		return false;
	out->key = image_text_str(resource->entries[at].key);
	out->value = image_text_str(resource->entries[at].value);
	return true;
}

bool image_config_resource_next(const struct image *img, enum image_config_type type,
				struct str name, struct str *out)
{
	struct image_resource_key key;
	struct pmap_entry entry;

	if (!image_resource_key(&key, type, name))
		return false;
	if (!pmap_seek(img->configs, (struct bytes){key.b, key.len}, name.ptr != NULL, &entry) ||
	    entry.key.ptr[0] != (uint8_t)type)
		return false;
	*out = (struct str){(const char *)entry.key.ptr + 1, entry.key.len - 1};
	return true;
}

bool image_resource_next(const struct image *img, struct image_resource_ref *ref)
{
	struct image_resource_key key;
	struct pmap_entry entry;

	if (!image_resource_key(&key, ref->type, ref->name))
		return false;
	if (!pmap_seek(img->configs, (struct bytes){key.b, key.len}, ref->name.ptr != NULL, &entry))
		return false;
	ref->type = (enum image_config_type)entry.key.ptr[0];
	ref->name = (struct str){(const char *)entry.key.ptr + 1, entry.key.len - 1};
	return true;
}

bool image_kept_next(const struct image *img, struct bytes *key, struct bytes *record)
{
	const struct image_text *text;
	struct pmap_entry entry;

	if (!pmap_seek(img->kept, *key, true, &entry))
		return false;
	text = entry.value;
	*key = entry.key;
	*record = (struct bytes){(const uint8_t *)text->data, text->len};
	return true;
}
